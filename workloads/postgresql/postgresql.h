/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this workload: its parameters, and what makes numbers of what its programs print. */
#ifndef GRANULE_WORKLOADS_POSTGRESQL_POSTGRESQL_H
#define GRANULE_WORKLOADS_POSTGRESQL_POSTGRESQL_H

#include "wire/job.h"
#include "workloads/workload.h"

struct pg_params {
	struct string_list tests, settings;
	uint64_t transactions, seconds, rate, latency_limit_ms, clients, scale;
	uint64_t shared_buffers, huge_page_size; /* bytes */
	int protocol, huge_pages;
};

extern const struct metric pg_metrics[];

/* Of a sample: instructions or time per transaction, tps, failed and skipped ones. */
int pg_measure(const struct measure_context *context, const char *phase, const char *output, struct measures *measures,
	       struct err *err);
/* Of the boot: percentiles of latency from TEST.transactions, those inside and outside of the checkpoints of
 * postgres.log. */
int pg_brought(const struct measure_context *context, const struct artifact_list *artifacts, struct measures *measures,
	       struct err *err);

/* The value below which the share @q (0 to 1) of the @n sorted @v lies: the smallest that at least that share does not
 * exceed. NAN for none. */
double pg_percentile(const double *v, size_t n, double q);

#endif
