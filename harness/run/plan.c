// SPDX-License-Identifier: GPL-2.0-or-later
/* Resolves cells against kernels and host. Boots nothing. */
#include "run/plan.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "image/program.h"
#include "matrix/storage.h"
#include "run/prepared.h"
#include "run/storage.h"
#include "workloads/workload.h"

size_t plan_kernel_index(const struct plan *plan, const struct cell *cell)
{
	return (size_t)(cell->kernel - plan->matrix->kernels);
}

struct kernel_version plan_image_version(const struct kernel_image *image)
{
	struct kernel_version version = { 0, 0 };

	kernel_version_parse(image->release, &version);
	return version;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; plan->images && i < plan->matrix->n_kernels; i++)
		kernel_image_free(plan->images[i]);
	free(plan->images);
	free(plan->ready);
	for (size_t i = 0; i < ARRAY_SIZE(plan->makers); i++)
		mkfs_free(plan->makers[i]);
	for (size_t i = 0; i < plan->n_built; i++) {
		free(plan->built[i].source);
		free(plan->built[i].object);
		free(plan->built[i].path);
	}
	free(plan->built);
	roots_free(&plan->roots);
	prepared_free(plan->prepared, plan->n_prepared);
	cells_free(plan->cells, plan->n_cells);
	free(plan);
}

static void count_runnable(struct plan *plan)
{
	plan->n_runnable = 0;
	for (size_t i = 0; i < plan->n_cells; i++)
		plan->n_runnable += !plan->cells[i].skip;
}

void plan_keep(struct plan *plan, bool (*wanted)(const struct cell *cell, const void *ctx), const void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->n_cells; i++) {
		struct cell cell = plan->cells[i];

		if (wanted(&cell, ctx)) {
			plan->cells[i] = plan->cells[kept];
			plan->cells[kept++] = cell;
		}
	}
	for (size_t i = kept; i < plan->n_cells; i++) {
		free(plan->cells[i].id);
		free(plan->cells[i].skip);
	}
	plan->n_cells = kept;
	count_runnable(plan);
}

static bool id_matches(const struct cell *cell, const void *glob)
{
	return fnmatch(glob, cell->id, 0) == 0;
}

static int look_up_kernels(struct plan *plan, struct err *err)
{
	const struct matrix *matrix = plan->matrix;

	for (size_t i = 0; i < plan->n_cells; i++) {
		size_t k = plan_kernel_index(plan, &plan->cells[i]);
		const struct kernel_spec *spec = &matrix->kernels[k];
		int found;

		if (plan->images[k] || plan->cells[i].skip)
			continue;
		found = kernel_lookup(spec, &plan->images[k], err);
		if (found < 0)
			return matrix_kernel_error(matrix, spec, err);
		plan->ready[k] = found > 0;
	}
	return 0;
}

static int look_up_roots(struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < plan->n_cells; i++) {
		const char *name = plan->cells[i].workload->type->rootfs;

		if (!plan->cells[i].skip && name && roots_want(&plan->roots, name, err) < 0)
			return -1;
	}
	return 0;
}

/* What a kernel lacks for something, found by reading its files once. */
struct lacking {
	char *why; /* owned, or NULL */
	bool asked;
};

static void lacking_free(struct lacking *lacking, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lacking[i].why);
	free(lacking);
}

/* Of a kernel that is not there yet nothing is known; the guest would say it, too. */
static void skip_rootless(struct plan *plan)
{
	struct lacking *lacking = xcalloc(plan->matrix->n_kernels, sizeof(*lacking));

	for (size_t i = 0; i < plan->n_cells; i++) {
		struct cell *cell = &plan->cells[i];
		const struct kernel_image *image = plan->images[plan_kernel_index(plan, cell)];
		struct lacking *l = &lacking[plan_kernel_index(plan, cell)];

		if (cell->skip || !cell->workload->type->rootfs || !image)
			continue;
		if (!l->asked) {
			l->asked = true;
			l->why = root_unsupported(image->config);
		}
		cell->skip = xstrdup(l->why);
	}
	lacking_free(lacking, plan->matrix->n_kernels);
}

/* Why the storage profile of @cell cannot be had, or NULL. Owned by the caller. */
static char *storage_why(const struct plan *plan, const struct cell *cell, struct lacking *lacking)
{
	const struct storage_profile *s = cell->storage;
	const struct kernel_image *image = plan->images[plan_kernel_index(plan, cell)];
	struct lacking *l = &lacking[plan_kernel_index(plan, cell) * plan->matrix->n_storages +
				     (size_t)(s - plan->matrix->storages)];
	char *why;

	if (s->where > WHERE_TMPFS && s->fs == FS_RAW && !cell->workload->type->raw_storage)
		return xasprintf("storage profile '%s' is a device without a file system, which %s does not use",
				 s->label, cell->workload->type->name);
	why = storage_unsupported(s, cell->folio, image->page_bytes, plan_image_version(image));
	if (why)
		return why;
	/* of a kernel that is not all there yet, what its modules are is known only later */
	if (!plan->ready[plan_kernel_index(plan, cell)])
		return NULL;
	if (!l->asked) {
		l->asked = true;
		l->why = storage_lacks(s, image);
	}
	return xstrdup(l->why);
}

/* What a base page, kernel or host cannot do becomes the cell's reason to be skipped. The answer is the same for all
 * workloads of a kernel and a profile, so it is asked once for each pair. */
static void skip_impossible(struct plan *plan)
{
	const struct matrix *matrix = plan->matrix;
	size_t n_pairs = matrix->n_kernels * matrix->n_folios;
	char **why = xcalloc(n_pairs, sizeof(*why));
	bool *asked = xcalloc(n_pairs, sizeof(*asked));
	size_t n_lacking = matrix->n_kernels * matrix->n_storages;
	struct lacking *lacking = xcalloc(n_lacking, sizeof(*lacking));

	for (size_t i = 0; i < plan->n_cells; i++) {
		struct cell *cell = &plan->cells[i];
		size_t k = plan_kernel_index(plan, cell);
		size_t pair = k * matrix->n_folios + (size_t)(cell->folio - matrix->folios);

		/* of a package that was never fetched this is known only then */
		if (cell->skip || !plan->images[k]->page_bytes || !*plan->images[k]->release)
			continue;
		if (!asked[pair]) {
			asked[pair] = true;
			why[pair] = folio_unsupported(cell->folio, plan->images[k]->page_bytes,
						      plan_image_version(plan->images[k]));
		}
		cell->skip = xstrdup(why[pair]);
		if (!cell->skip && cell->workload->type->unfit)
			cell->skip = cell->workload->type->unfit(cell->workload->params, cell->storage);
		if (!cell->skip && cell->storage)
			cell->skip = storage_why(plan, cell, lacking);
	}
	for (size_t i = 0; i < n_pairs; i++)
		free(why[i]);
	lacking_free(lacking, n_lacking);
	free(why);
	free(asked);
	skip_rootless(plan);
	count_runnable(plan);
}

int plan_basis(const struct plan *plan, const struct cell *cell, enum basis *ret_basis, char **ret_reason,
	       struct err *err)
{
	const struct workload *type = cell->workload->type;
	const char *unsealed = type->unsealed ? type->unsealed(cell->workload->params) : NULL;
	_cleanup_free_ char *host = NULL;

	if (!unsealed && cell->storage && storage_on_host(cell->storage))
		unsealed = host = xasprintf("storage profile '%s' is on a disk of the host", cell->storage->label);

	return basis_choose(plan->caps, (enum accel)plan->matrix->guest.accel, plan->matrix->guest.cpus, unsealed,
			    ret_basis, ret_reason, err);
}

int plan_make(const struct matrix *matrix, const struct host_caps *caps, const char *only, struct plan **ret_plan,
	      struct err *err)
{
	_cleanup_(plan_free_p) struct plan *plan = xcalloc(1, sizeof(*plan));

	plan->matrix = matrix;
	plan->caps = caps;
	plan->images = xcalloc(matrix->n_kernels, sizeof(*plan->images));
	plan->ready = xcalloc(matrix->n_kernels, sizeof(*plan->ready));
	matrix_expand(matrix, &plan->cells, &plan->n_cells);
	if (only) {
		plan_keep(plan, id_matches, only);
		if (!plan->n_cells)
			return err_set(err, ERR_CONFIG, "no cell of %s matches --only '%s'; `granule list` shows them",
				       matrix->path, only),
			       -1;
	}
	if (look_up_kernels(plan, err) < 0)
		return -1;
	skip_impossible(plan);
	if (look_up_roots(plan, err) < 0)
		return -1;
	*ret_plan = steal_ptr(plan);
	return 0;
}

const char *plan_find_built(const struct plan *plan, const char *source, const char *object)
{
	for (size_t i = 0; i < plan->n_built; i++)
		if (!strcmp(plan->built[i].source, source) && !strcmp(plan->built[i].object, object))
			return plan->built[i].path;
	return NULL;
}

/* Of the workload of @cell, unless another cell had the same. */
static int build_programs(struct plan *plan, const struct cell *cell, struct err *err)
{
	struct programs programs = { 0 };
	int rc = 0;

	cell->workload->type->programs(cell->workload->params, &programs);
	for (size_t i = 0; rc == 0 && i < programs.n; i++) {
		const struct guest_program *p = &programs.v[i];
		_cleanup_free_ char *object = NULL;
		char *path = NULL;

		if (p->file && access(p->file, R_OK) < 0)
			rc = err_set_errno(err, ERR_CONFIG, "cannot read %s, which is to go into the guest", p->file);
		if (!p->source || plan_find_built(plan, p->source, p->built))
			continue;
		object = guest_program_path(p->built);
		rc = program_ensure(p->source, object, &path, err);
		if (rc == 0)
			*VEC_PUSH(plan->built, plan->n_built) =
				(struct built_program){ xstrdup(p->source), xstrdup(p->built), path };
	}
	programs_free(&programs);
	return rc < 0 ? err_wrap(err, "%s:%d: workload '%s'", plan->matrix->path, cell->workload->line,
				 cell->workload->label)
		      : 0;
}

/* Kernel @k still has to be built, fetched or unpacked for a cell that runs. */
static bool is_owed(const struct plan *plan, size_t k)
{
	for (size_t i = 0; !plan->ready[k] && i < plan->n_cells; i++)
		if (!plan->cells[i].skip && plan_kernel_index(plan, &plan->cells[i]) == k)
			return true;
	return false;
}

/* Where there are cores for it, build several at once. */
static int build_side_by_side(struct plan *plan, image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ const struct kernel_spec **specs = NULL;
	size_t n = 0, failed;

	for (size_t k = 0; k < plan->matrix->n_kernels; k++)
		if (is_owed(plan, k) && (plan->matrix->kernels[k].source || plan->matrix->kernels[k].git))
			*VEC_PUSH(specs, n) = &plan->matrix->kernels[k];
	if (n < 2 || kernels_side_by_side() < 2 || kernels_build(specs, n, progress, ctx, &failed, err) == 0)
		return 0;
	return matrix_kernel_error(plan->matrix, specs[failed], err);
}

int plan_need_kernel(struct plan *plan, size_t k, image_progress *progress, void *ctx, struct err *err)
{
	const struct kernel_spec *spec = &plan->matrix->kernels[k];
	struct kernel_image *image;

	if (plan->ready[k])
		return 0;
	if (kernel_ensure(spec, progress, ctx, &image, err) < 0)
		return matrix_kernel_error(plan->matrix, spec, err);
	kernel_image_free(plan->images[k]);
	plan->images[k] = image;
	plan->ready[k] = true;
	return 0;
}

/* Variants last: they start from what the others leave. */
static int ensure_kernels(struct plan *plan, bool variants, image_progress *progress, void *ctx, bool *built,
			  struct err *err)
{
	for (size_t k = 0; k < plan->matrix->n_kernels; k++) {
		const struct kernel_spec *spec = &plan->matrix->kernels[k];

		if (kernel_is_variant(spec) != variants || !is_owed(plan, k))
			continue;
		if (plan_need_kernel(plan, k, progress, ctx, err) < 0)
			return -1;
		*built |= spec->source || spec->git;
	}
	return 0;
}

/* The programs that make the file systems of cells that run. */
static int ensure_makers(struct plan *plan, image_progress *progress, void *ctx, struct err *err)
{
	for (size_t i = 0; i < plan->n_cells; i++) {
		const struct storage_profile *s = plan->cells[i].skip ? NULL : plan->cells[i].storage;

		if (!s || !storage_is_made(s) || plan->makers[s->fs])
			continue;
		if (mkfs_ensure(NULL, storage_fs_names[s->fs], progress, ctx, &plan->makers[s->fs], err) < 0)
			return err_wrap(err, "%s:%d: storage profile '%s'", plan->matrix->path, s->line, s->label);
	}
	return 0;
}

int plan_build(struct plan *plan, image_progress *progress, void *ctx, struct err *err)
{
	const struct workload_spec *last = NULL;
	bool built = false;

	for (size_t i = 0; i < plan->n_cells; i++) {
		if (plan->cells[i].skip || plan->cells[i].workload == last)
			continue;
		last = plan->cells[i].workload;
		if (build_programs(plan, &plan->cells[i], err) < 0)
			return -1;
	}
	if (ensure_makers(plan, progress, ctx, err) < 0)
		return -1;
	if (build_side_by_side(plan, progress, ctx, err) < 0 ||
	    ensure_kernels(plan, false, progress, ctx, &built, err) < 0 ||
	    ensure_kernels(plan, true, progress, ctx, &built, err) < 0)
		return -1;
	if (built)
		kernel_drop_sources();
	skip_impossible(plan);
	return roots_build(&plan->roots, progress, ctx, err);
}
