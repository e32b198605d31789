/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How good a commit is: its kernel is built from the user's tree, the matrix's cells of that kernel run, and the run
 * is held to gates against the run of the good end. */
#ifndef GRANULE_BISECT_MEASURE_H
#define GRANULE_BISECT_MEASURE_H

#include "bisect/bisect.h"
#include "compare/gate.h"
#include "matrix/matrix.h"
#include "run/plan.h"
#include "run/schedule.h"

struct bench {
	struct matrix *matrix;		  /* borrowed; bench_prepare() drops the kernels that no gate needs */
	struct kernel_spec *kernel;	  /* borrowed from it: the one that is bisected */
	json_t *gates;			  /* borrowed: as compare/gate.h takes them */
	const struct host_caps *caps;	  /* borrowed, as the rest */
	struct schedule_options schedule; /* of each run */
	const char *only;		  /* a glob of cell ids, or NULL */
	const char *dir, *good;		  /* the bisection's folder; a full sha */
	const json_t *header;		  /* of each run.json: creator, matrix, ... */
	image_progress *progress;
	void *progress_ctx;
	struct run *base; /* owned: the good end's run, once it is known */
};

/* Find kernel @label of @matrix (NULL: the one with `git:`, or with @tree the only one there is) and make it one of
 * @tree (NULL: of its own). ERR_CONFIG: no such kernel, or several to choose from. */
int bench_kernel(struct matrix *matrix, const char *label, const char *tree, struct kernel_spec **ret, struct err *err);

/* Drop the gates that look at other kernels than the bisected one, and the kernels that no gate is left for. Moves
 * the kernels, so bench.kernel is set anew. ERR_CONFIG: no gate is left. */
int bench_prepare(struct bench *bench, struct err *err);

/* As bisect.h asks for it. */
int bench_measure(struct bench *bench, const char *commit, enum bisect_verdict *ret_verdict, char **ret_reason,
		  struct err *err);

/* @commit's run, finished: 1; 0 with @ret_reason (owned by the caller) where its kernel does not build or boot; -1. */
int bench_boot(struct bench *bench, const char *commit, struct run **ret_run, char **ret_reason, struct err *err);

/* What the step from @base to @other moved: the bench's gates, each against @base. */
int bench_step(const struct bench *bench, const struct run *base, const struct run *other, struct gating **ret,
	       struct err *err);

void bench_clear(struct bench *bench);

#endif
