/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this workload: its parameters, and what makes numbers of what its programs print. */
#ifndef GRANULE_WORKLOADS_KAFKA_KAFKA_H
#define GRANULE_WORKLOADS_KAFKA_KAFKA_H

#include "wire/job.h"
#include "workloads/workload.h"

enum kafka_test { KAFKA_PRODUCE, KAFKA_CONSUME, KAFKA_CONSUME_COLD };
extern const char *const kafka_tests[]; /* "produce", "consume", "consume_cold", NULL: also their phases */

struct kafka_params {
	struct string_list tests, settings, producer, jvm;
	uint64_t records, record_bytes, batch_bytes, linger_ms, partitions, topics, segment_bytes, index_bytes;
	int acks, compression;
	uint64_t heap_bytes, code_cache_bytes; /* 0: the JVM's default */
	int gc, jit;
	bool thp, large_pages, cds;
};

#define KAFKA_BROKER "broker" /* the phase of what is known of the broker's whole life */

extern const struct metric kafka_metrics[];

/* Of a sample: instructions or time per record, records and bytes per second, latency. */
int kafka_measure(const struct measure_context *context, const char *phase, const char *output,
		  struct measures *measures, struct err *err);
/* Of the boot: page cache, mappings and stacks from TEST.look, pauses and heap from gc.log, page sizes from
 * pagesize.log, the archive from cds.log. */
int kafka_brought(const struct measure_context *context, const struct artifact_list *artifacts,
		  struct measures *measures, struct err *err);
/* Why a broker that ended did, where its log knows more than its last line; owned by the caller. */
char *kafka_trouble(const struct artifact_list *artifacts);

#endif
