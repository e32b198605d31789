/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this workload: its parameters, and what makes numbers of what its programs print. */
#ifndef GRANULE_WORKLOADS_POSTGRESQL_POSTGRESQL_H
#define GRANULE_WORKLOADS_POSTGRESQL_POSTGRESQL_H

#include "wire/job.h"
#include "workloads/workload.h"

/* The phase of what is no phase's: the server's settings and shared memory. */
#define SERVER_PHASE "server"

struct pg_params {
	struct string_list tests, scripts, settings; /* scripts: paths of the host */
	uint64_t transactions, seconds, rate, latency_limit_ms, clients, scale;
	uint64_t shared_buffers, huge_page_size; /* bytes */
	int protocol, huge_pages;
};

extern const struct metric pg_metrics[];

/* Of a sample: instructions or time per transaction, tps, failed and skipped ones. */
int pg_measure(const struct measure_context *context, const char *phase, const char *output, struct measures *measures,
	       struct err *err);
/* Transactions of a sample; 0: its output does not parse. */
void pg_work(const char *output, double *ret_operations, double *ret_bytes);
/* Of the boot, from what observe.sh wrote (observed.h): of PHASE.transactions percentiles of latency, also inside and outside of the
 * checkpoints of postgres.log; of PHASE.io what was written; of PHASE.buffers double buffering; of server.settings the
 * server's shared memory. */
int pg_brought(const struct measure_context *context, const struct artifact_list *artifacts, struct measures *measures,
	       struct err *err);
/* Throughput and the longest latency of each second, of a shorter time in short runs, of each PHASE.transactions. */
void pg_series(const struct artifact_list *artifacts, struct series_list *ret);
/* Hugetlb pages that are in no use of the server's. */
void pg_derive(const struct measure_context *context, struct measures *measures);

/* The value below which the share @q (0 to 1) of the @n sorted @v lies: the smallest that at least that share does not
 * exceed. NAN for none. */
double pg_percentile(const double *v, size_t n, double q);

#endif
