/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the commit that moved a metric. Both ends are measured first: the good one must pass and the bad one must
 * fail, else there is nothing to find. Then each commit that `git bisect` names is measured, until one is left. How a
 * commit is measured is the caller's: measure.h boots it, tests make it up.
 *
 * A bisection lives in a folder of its own:
 *
 *   bisect.json     what was asked for (the caller's, written once)
 *   steps.jsonl     a line for each commit that was measured, appended with fsync: the truth
 *   history/        the repository that git bisects in (history.h); made again from steps.jsonl by each granule
 *   bisect.log      `git bisect log`, written anew after each step
 *   runs/SHA12/     the run directory of a commit
 *   result.json     what was found: docs/schema/bisect.schema.json
 *   lock            held by who is at it
 *
 * so that one that was killed goes on with the step it was at. */
#ifndef GRANULE_BISECT_BISECT_H
#define GRANULE_BISECT_BISECT_H

#include "bisect/history.h"

#define BISECT_SCHEMA "1.0" /* of bisect.json and steps.jsonl */

struct bisect_step {
	char *commit, *subject; /* owned */
	enum bisect_verdict verdict;
	char *reason; /* owned: one sentence: what was seen, or why it is no verdict */
	bool end;     /* it is one of the ends */
};

/* Measure @commit: 0 with the verdict and a sentence in @ret_reason (owned by the caller). A commit that does not
 * build or boot, or stays unclear, is BISECT_SKIP. -1 where it cannot be told from here: the host, an interrupt. */
typedef int bisect_measure(void *ctx, const char *commit, enum bisect_verdict *ret_verdict, char **ret_reason,
			   struct err *err);

/* @history is NULL before the ends are known to be what they are said to be; @number counts from 1, ends too. */
typedef void bisect_progress(void *ctx, const struct bisect_step *step, const struct history *history, size_t number,
			     bool done);

struct bisect_options {
	const char *dir;	/* borrowed, as all: the bisection's folder, which exists */
	const char *tree;	/* the user's repository, read only */
	const char *good, *bad; /* full shas */
	bisect_measure *measure;
	bisect_progress *progress; /* told before and after each step */
	void *ctx;
};

struct bisect_result {
	bool found;	   /* exactly one commit; else several, for what lies between was skipped */
	char **candidates; /* owned: full shas */
	size_t n_candidates;
	struct bisect_step *steps; /* owned: in the order they were measured, the ends first */
	size_t n_steps;
	char *subject, *author, *parent; /* owned: of the one that was found; parent is NULL of a root */
};

/* Bisect, or go on with what @options->dir has. ERR_CONFIG: an end is not what it is said to be, git cannot bisect
 * between them; ERR_GUEST: an end does not build or boot, or stays unclear (the kind that ends with 4); what
 * measure() gives. */
int bisect_run(const struct bisect_options *options, struct bisect_result *ret, struct err *err);
void bisect_result_clear(struct bisect_result *result);

#endif
