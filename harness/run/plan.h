/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan: cells with what the host and the kernels say about them. expand (matrix/) -> resolve -> plan. */
#ifndef GRANULE_RUN_PLAN_H
#define GRANULE_RUN_PLAN_H

#include "guest/probe.h"
#include "image/image.h"
#include "image/mkfs.h"
#include "matrix/matrix.h"
#include "run/roots.h"
#include "store/store.h"

struct built_program {
	char *source, *object, *path; /* owned */
};

struct plan {
	const struct matrix *matrix;  /* borrowed */
	const struct host_caps *caps; /* borrowed */
	struct kernel_image **images; /* owned: one a kernel of the matrix, in its order; NULL: no cell needs it */
	bool *ready;		      /* owned: the Image exists; else plan_build() makes it */
	struct cell *cells;	      /* owned; skip holds the reason, whoever found it */
	size_t n_cells, n_runnable;
	struct mkfs *makers[4];	     /* owned: by enum storage_fs; what plan_build() found */
	struct built_program *built; /* owned: what plan_build() made of the user's C files */
	size_t n_built;
	struct roots roots;	   /* that runnable cells need; plan_build() makes what is not there */
	struct prepared *prepared; /* owned: what prepared_ensure() found or made (prepared.h) */
	size_t n_prepared;
	/* borrowed, or NULL: a run whose cells of the same names have what these cells begin with, too */
	const struct run *prepared_from;
};

/* Look the kernels up (building nothing) and find what cannot exist. @only: a glob that a cell's id must match to be
 * in the plan, or NULL. An @only that matches nothing is ERR_CONFIG. */
int plan_make(const struct matrix *matrix, const struct host_caps *caps, const char *only, struct plan **ret_plan,
	      struct err *err);
void plan_free(struct plan *plan);

/* Drop the cells that are not wanted. @ctx goes to @wanted. */
void plan_keep(struct plan *plan, bool (*wanted)(const struct cell *cell, const void *ctx), const void *ctx);

static inline void plan_free_p(struct plan **plan)
{
	plan_free(*plan);
}

/* The basis of @cell on this host and why, owned by the caller; errors as basis_choose(). */
int plan_basis(const struct plan *plan, const struct cell *cell, enum basis *ret_basis, char **ret_reason,
	       struct err *err);

/* Build the programs that runnable cells need, then build or fetch their kernels, where they are not there; the
 * unpacked sources go after the last one. What a kernel that was fetched cannot do is known, and skipped, only now. */
int plan_build(struct plan *plan, image_progress *progress, void *ctx, struct err *err);

/* The same of one kernel, whether or not a cell needs it. */
int plan_need_kernel(struct plan *plan, size_t kernel, image_progress *progress, void *ctx, struct err *err);

/* Where the cell's kernel is in the plan's images; the version of one; the program made of @source and @object, borrowed
 * from the plan. */
size_t plan_kernel_index(const struct plan *plan, const struct cell *cell);
struct kernel_version plan_image_version(const struct kernel_image *image);
const char *plan_find_built(const struct plan *plan, const char *source, const char *object);

#endif
