/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be said of a boot that cannot be repeated to the bit (on hardware, or several vCPUs): what the CPUs' event
 * counters counted, and the kernel's counters per operation that were recorded. They tell which events became more or
 * fewer, and not which function costs what. */
#ifndef GRANULE_EXPLAIN_RECORDED_H
#define GRANULE_EXPLAIN_RECORDED_H

#include "explain/pmu.h"
#include "explain/sampled.h"
#include "store/store.h"

struct counter_change {
	char *name;	    /* owned: "page_fault1.ns_per_op" */
	const char *unit;   /* static */
	double base, other; /* the boot's mean over its samples */
};

struct recorded {
	char *why;		  /* owned: what these numbers cannot tell, and what would */
	struct sampled sampled;	  /* functions by perf, where both root file systems have it; else without phases */
	char *no_samples;	  /* owned: why perf, which is there, has none; or NULL */
	struct pmu_pair pmu;	  /* without phases: the boots have no such counters */
	struct counter_change *v; /* owned: per operation and not equal, time first, then the largest relative change */
	size_t n;
};

/* The numbers of boot @boot of @cell; measures_free(). ERR_CONFIG: it was skipped, has no such boot, or the boot is not
 * ok. */
int recorded_measures(const struct run *run, const struct cell_record *cell, unsigned int boot, struct measures *ret,
		      struct err *err);
/* Can boots of @cell be repeated and counted? */
bool recorded_only(const struct cell_record *cell);
int recorded_explain(const struct run *base_run, const struct cell_record *base, const struct run *other_run,
		     const struct cell_record *other, unsigned int boot, struct recorded *ret, struct err *err);
void recorded_free(struct recorded *recorded);

#endif
