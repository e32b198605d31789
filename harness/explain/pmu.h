/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the CPUs' event counters said of two boots (store/measure-pmu.c), phase by phase: how much, of user and kernel,
 * and never in which function. Pure. */
#ifndef GRANULE_EXPLAIN_PMU_H
#define GRANULE_EXPLAIN_PMU_H

#include "store/metric.h"

enum { PMU_USER, PMU_KERNEL, PMU_HALVES };

struct pmu_event {
	const char *name, *label;		    /* static: "dtlb_walk", "page walks for data" */
	double base[PMU_HALVES], other[PMU_HALVES]; /* means over the samples that counted it */
};

struct pmu_phase {
	char *phase;	 /* owned: "page_fault1" */
	const char *per; /* static: "operation", "MiB", "sample" */
	/* owned: those that both sides counted; instructions and cycles, where they are there, come first */
	struct pmu_event *v;
	size_t n;
};

struct pmu_pair {
	struct pmu_phase *v; /* owned: in the base's order */
	size_t n;
	char *lacks;	/* owned: events that no phase has of both sides, as a list of words; NULL: none is missing */
	double counted; /* the smallest part of a sample's time for which a guest had the counters; 1: all of it */
};

/* @by_mib: an operation is not the same on both sides, so count by MiB touched, where that is known. */
void pmu_pair(const struct measures *base, const struct measures *other, bool by_mib, struct pmu_pair *ret);
void pmu_pair_free(struct pmu_pair *pair);
/* Instructions per cycle of one side of a phase; NAN where it did not count both. */
double pmu_ipc(const struct pmu_phase *phase, bool other);
/* Is the metric @name ("page_fault1.pmu.insns_user_per_op") one of these? */
bool pmu_metric(const char *name);

#endif
