/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What will-it-scale's parts share: the tests, and the numbers of what they print. */
#ifndef GRANULE_WILL_IT_SCALE_WIS_H
#define GRANULE_WILL_IT_SCALE_WIS_H

#include "workloads/workload.h"

#define WIS_TASKS_MAX 1024
/* Before the names of tests of a checkout, in phases and in the guest: nobody takes upstream's page_fault1 for ours. */
#define WIS_UPSTREAM "upstream_"

enum wis_operation {
	WIS_CALL,      /* no matter of bytes: done by iterations */
	WIS_BASE_PAGE, /* one base page: by bytes, so that page sizes do equal work */
	WIS_BYTES,     /* .op_bytes of it: by bytes */
};

/* Every test of ours: a source in tests/, a line in wis_tests. */
struct wis_test {
	const char *name; /* of one of upstream: a pattern */
	enum wis_operation operation;
	uint64_t op_bytes;
	bool held;     /* memory is read at its greatest extent */
	bool parted;   /* times parts of its rounds: never by seconds */
	bool switches; /* its operations switch tasks */
	bool upstream; /* from a checkout: the runner knows nothing of bytes */
};

extern const struct wis_test wis_tests[]; /* in the order of the README; ends with name NULL */
const struct wis_test *wis_test_find(const char *name);

extern const struct metric wis_metrics[];
int wis_measure(const struct measure_context *context, const char *phase, const char *output, struct measures *measures,
		struct err *err);
void wis_derive(const struct measure_context *context, struct measures *measures);

#endif
