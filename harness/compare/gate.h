/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gates: limits on how far metrics may move, as run.json keeps them (results/README.md). Computes everything that
 * reports show about them.
 *
 * A gate looks at each metric that its glob and its labels select, in each pair of cells. Let L be the limit, r the resolution over
 * the base's median, and let the change count in the direction that the limit forbids (worse, longer; both for changed_by).
 * First that holds:
 *
 *   the pair or the metric cannot be judged        not judged, and why (compare/refuse.h; a limit that does not fit the metric)
 *   the 95% interval, widened by r, is within L    passed
 *   the corrected interval, widened by r, is       failed
 *   wholly beyond L
 *   else                                           unclear, with the number of seeds that would tell
 *
 * "Corrected" is Bonferroni over the metrics that all gates of the call judge: the chance that any of them fails although
 * nothing moved beyond its limit is 2.5% at most (for intervals that keep their promise). A gate that selects nothing is failed:
 * it could never have. One that only found what cannot be judged is not judged, which is no pass. */
#ifndef GRANULE_COMPARE_GATE_H
#define GRANULE_COMPARE_GATE_H

#include "compare/compare.h"

enum gate_limit { LIMIT_WORSE, LIMIT_LONGER, LIMIT_CHANGED };
extern const char *const gate_limit_names[]; /* "worse_by", "longer_by", "changed_by", NULL */

/* In the order in which they decide a gate: the worst of its checks. */
enum gate_result { GATE_PASSED, GATE_NOT_JUDGED, GATE_UNCLEAR, GATE_FAILED };
extern const char *const gate_result_names[]; /* "passed", "not judged", "unclear", "failed", NULL */

struct gate {
	char *metric; /* owned: a glob */
	enum gate_limit limit;
	double by;
	char *along, *from; /* owned, or NULL; no along: against the baseline */
	json_t *labels;	    /* owned: {"kernels": [...], ...}: an axis that is not there selects all */
	bool allow_unclear;
	char *why; /* owned, or NULL */
	enum gate_result result;
	char *reason; /* owned: of a gate that selected nothing, or NULL */
	size_t by_result[GATE_FAILED + 1];
};

struct gate_check {
	const struct gate *gate; /* borrowed, as the rest */
	const struct pair *pair;
	const struct row *row;
	const struct arm *arm;
	enum gate_result result;
	double low, high; /* the interval that decided, as a fraction, widened by the resolution; NAN: none */
	char *reason;	  /* owned, or NULL */
};

struct gating {
	struct gate *gates; /* owned */
	size_t n_gates;
	struct gate_check *checks; /* owned, by gate, then in plan order */
	size_t n_checks;
	size_t n_judged;		 /* what the correction was made for */
	struct comparison **comparisons; /* owned: one for each axis and base, one for the baseline */
	size_t n_comparisons;
	char *run_dir, *base_dir; /* owned; base_dir may be NULL */
};

/* Hold @run to @gates (an array; NULL: those that its run.json has). @base: the baseline run, or NULL. ERR_CONFIG: no
 * gates, a gate that cannot be read, a gate against a baseline without @base, no such axis or label. @floors: of a calibration
 * (compare/floor.h), which then say a row's resolution, or NULL. All of these must outlive the result. */
int gating_make(const struct run *run, const struct run *base, const json_t *gates, const struct floors *floors,
		struct gating **ret, struct err *err);
void gating_free(struct gating *gating);
static inline void gating_free_p(struct gating **gating)
{
	gating_free(*gating);
}

/* Does any gate of @gates compare with a baseline run? Asked before a run that would end without one. */
bool gates_need_baseline(const json_t *gates);

/* 1 a gate failed, 4 some boots failed, 5 unclear or not judged where that is not allowed, 0 fine. */
int gating_exit_code(const struct gating *gating);

/* "page_fault1.insns_per_op longer_by 1%, against baseline"; owned by the caller. */
char *gate_describe(const struct gate *gate);

#endif
