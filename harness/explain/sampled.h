/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions where none can be counted: one boot of a cell whose root file system has perf (package linux-perf) is run
 * again, on its own basis, with `perf record` of every CPU beside each phase's samples. What comes out are shares of
 * perf's samples: they have an error, and the boot is another one than was recorded. */
#ifndef GRANULE_EXPLAIN_SAMPLED_H
#define GRANULE_EXPLAIN_SAMPLED_H

#include "explain/explain.h"

struct sampled_function {
	char *name;	    /* owned: "do_anonymous_page" */
	char *object;	    /* owned: "kernel", "postgres" */
	double base, other; /* shares of the phase's samples, 0 to 1 */
};

struct sampled_phase {
	char *event;		    /* owned: what perf sampled by, "cycles:P"; "" where it does not say */
	char *phase;		    /* owned: "select-only" */
	struct sampled_function *v; /* owned: the largest change first */
	size_t n;
	double base_samples, other_samples; /* of perf's */
};

struct sampled {
	struct sampled_phase *v; /* owned: those that both sides have, in the base's order */
	size_t n;
};

/* Has the root file system of @cell perf, and does the cell run where functions cannot be counted? */
bool sampled_possible(const struct cell_record *cell);
/* @job with perf beside the samples of each phase: its report becomes the artifact "perf.PHASE". Lines that would take
 * counters from perf are left out. Owned by the caller. Pure. */
char *sampled_job(const char *job);
/* Both texts of `perf report`; false: one of them is none. Adds a phase to @ret. Pure. */
bool sampled_pair(const char *phase, const char *base, const char *other, struct sampled *ret);
/* Twice the standard error of the difference of two shares, from the number of samples of each. */
double sampled_error(const struct sampled_phase *phase, const struct sampled_function *function);
/* Boot @boot of both cells again. ERR_GUEST: the guest did not come to its end, or perf said nothing; else as
 * explain(). */
int sampled_explain(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
		    const struct schedule_options *options, struct sampled *ret, struct err *err);
void sampled_free(struct sampled *sampled);

#endif
