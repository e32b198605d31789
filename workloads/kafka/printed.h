/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Kafka 4.x's performance tools, OpenJDK's unified logging and the guest program look print. Pure; trusts nothing in it,
 * for it comes from a guest. */
#ifndef GRANULE_WORKLOADS_KAFKA_PRINTED_H
#define GRANULE_WORKLOADS_KAFKA_PRINTED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The last line of ProducerPerformance. Its latencies are whole milliseconds. */
struct producer_report {
	uint64_t records; /* acknowledged */
	double records_per_s, mib_per_s, latency_ms, latency_max_ms;
	uint64_t p50_ms, p95_ms, p99_ms, p999_ms;
};
/* ERR_GUEST: no such line; the first error that was printed is in it. */
int producer_parse(const char *output, struct producer_report *ret, struct err *err);

/* The last line of ConsumerPerformance. */
struct consumer_report {
	double mib, mib_per_s; /* with the time to join the group */
	uint64_t records;
	double records_per_s;
	uint64_t join_ms, fetch_ms;
	double fetch_mib_per_s, fetch_records_per_s; /* without it */
};
int consumer_parse(const char *output, struct consumer_report *ret, struct err *err);

/* -Xlog:gc */
struct gc_report {
	uint64_t pauses;
	double pause_ms, pause_max_ms;		/* all together; the longest */
	uint64_t after_mib, heap_mib, peak_mib; /* behind the last pause: used, of so much; the most before one */
};
void gc_parse(const char *log, struct gc_report *ret);

/* -Xlog:pagesize: what the JVM says of its pages. 0: it does not say. */
struct jvm_pages {
	uint64_t heap_bytes, code_bytes; /* of a page of the heap, of the code cache (its first part) */
};
void pagesize_parse(const char *log, struct jvm_pages *ret);

/* -Xlog:cds: does it say that a dynamic archive was mapped? @ret_bytes: of its regions. */
bool cds_parse(const char *log, uint64_t *ret_bytes);

/* What look.c writes. */
struct look_kind {
	uint64_t files, bytes, allocated, resident, resident_max;
};
struct look_report {
	struct look_kind log, index, timeindex, other;
	uint64_t maps, maps_bytes, maps_rss;	   /* of files of the broker's folder */
	uint64_t stacks, stacks_bytes, stacks_rss; /* of threads */
	uint64_t threads;
};
/* ERR_GUEST: a line that has another shape, or a last one without its newline. */
int look_parse(const char *text, struct look_report *ret, struct err *err);

#endif
