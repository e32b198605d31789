/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pgbench and the server of PostgreSQL 15 to 18 print. Pure; trusts nothing in it, for it comes from a guest. */
#ifndef GRANULE_WORKLOADS_POSTGRESQL_PGBENCH_H
#define GRANULE_WORKLOADS_POSTGRESQL_PGBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* pgbench's summary. A time that it did not print is NAN, a count 0. */
struct pgbench_report {
	uint64_t clients;
	uint64_t transactions; /* done */
	uint64_t asked;	       /* of all clients; 0: by time */
	uint64_t failed;       /* serialization failures and deadlocks, after the last try */
	uint64_t skipped;      /* late before they began (--rate with --latency-limit) */
	uint64_t late;	       /* done, but above the limit */
	double tps;	       /* without the time of the first connections */
	double latency_ms, deviation_ms, connection_ms;
	double lag_ms, lag_max_ms; /* behind the schedule of --rate */
};

/* @output is what pgbench printed, both streams. ERR_GUEST: an aborted run (pgbench's own sentence), a line that has another
 * shape, no summary, or transactions that are missing without a word. */
int pgbench_parse(const char *output, struct pgbench_report *ret, struct err *err);

/* One line of --log. */
struct transaction {
	double end_s; /* Unix time at its end */
	double ms;    /* from its scheduled begin under --rate, else from its own */
};

struct transaction_log {
	struct transaction *v; /* owned */
	size_t n;
	uint64_t skipped, failed;
};

/* @text holds the logs of all threads, one after the other. A last line without its newline is an error: the log was cut. */
int transaction_log_parse(const char *text, struct transaction_log *ret, struct err *err);
void transaction_log_free(struct transaction_log *log);

struct checkpoint {
	double begin_s, end_s; /* Unix time */
	uint64_t buffers;      /* written, of 8 KiB each */
	double write_s, sync_s, total_s;
};

struct server_log {
	struct checkpoint *checkpoints; /* owned; those that were completed */
	size_t n_checkpoints;
	char *trouble; /* owned: what it died of, without the prefix ("FATAL:  could not ..."), or NULL */
};

/* With log_line_prefix = '%n [%p] ' (seconds since 1970, the process) and log_checkpoints. Other lines are passed over: a log has
 * whatever a server wants to say. */
void server_log_parse(const char *text, struct server_log *ret);
void server_log_free(struct server_log *log);

/* Does the transaction overlap with one of the checkpoints? */
bool in_checkpoint(const struct server_log *log, const struct transaction *transaction);

#endif
