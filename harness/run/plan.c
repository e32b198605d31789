// SPDX-License-Identifier: GPL-2.0-or-later
/* Resolves cells against kernels and host. Boots nothing. */
#include "run/plan.h"

#include <fnmatch.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "image/program.h"
#include "run/job.h"
#include "run/storage.h"
#include "wire/job.h"
#include "workloads/workload.h"

/* loglevel 5: warnings and worse reach the console, and so the watch for crashes; the rest would only cost
 * instructions. panic=-1: a panic reboots at once, which ends the guest. */
#define COMMAND_LINE "console=ttyAMA0 loglevel=5 panic=-1"

static size_t kernel_index(const struct plan *plan, const struct cell *cell)
{
	return (size_t)(cell->kernel - plan->matrix->kernels);
}

static struct kernel_version image_version(const struct kernel_image *image)
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
		size_t k = kernel_index(plan, &plan->cells[i]);
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
		const struct kernel_image *image = plan->images[kernel_index(plan, cell)];
		struct lacking *l = &lacking[kernel_index(plan, cell)];

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
	const struct kernel_image *image = plan->images[kernel_index(plan, cell)];
	struct lacking *l =
		&lacking[kernel_index(plan, cell) * plan->matrix->n_storages + (size_t)(s - plan->matrix->storages)];
	char *why;

	if (s->where > WHERE_TMPFS && s->fs == FS_RAW && !cell->workload->type->raw_storage)
		return xasprintf("storage profile '%s' is a device without a file system, which %s does not use",
				 s->label, cell->workload->type->name);
	why = storage_unsupported(s, cell->folio, image->page_bytes, image_version(image));
	if (why)
		return why;
	/* of a kernel that is not all there yet, what its modules are is known only later */
	if (!plan->ready[kernel_index(plan, cell)])
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
		size_t k = kernel_index(plan, cell);
		size_t pair = k * matrix->n_folios + (size_t)(cell->folio - matrix->folios);

		/* of a package that was never fetched this is known only then */
		if (cell->skip || !plan->images[k]->page_bytes || !*plan->images[k]->release)
			continue;
		if (!asked[pair]) {
			asked[pair] = true;
			why[pair] = folio_unsupported(cell->folio, plan->images[k]->page_bytes,
						      image_version(plan->images[k]));
		}
		cell->skip = xstrdup(why[pair]);
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

static const char *find_built(const struct plan *plan, const char *source, const char *object)
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

		if (!p->source || find_built(plan, p->source, p->built))
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
		if (!plan->cells[i].skip && kernel_index(plan, &plan->cells[i]) == k)
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

/* Variants last: they start from what the others leave. */
static int ensure_kernels(struct plan *plan, bool variants, image_progress *progress, void *ctx, bool *built,
			  struct err *err)
{
	for (size_t k = 0; k < plan->matrix->n_kernels; k++) {
		const struct kernel_spec *spec = &plan->matrix->kernels[k];
		struct kernel_image *image;

		if (kernel_is_variant(spec) != variants || !is_owed(plan, k))
			continue;
		if (kernel_ensure(spec, progress, ctx, &image, err) < 0)
			return matrix_kernel_error(plan->matrix, spec, err);
		kernel_image_free(plan->images[k]);
		plan->images[k] = image;
		plan->ready[k] = true;
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

/* Where an Image or a checkout lies on this host says nothing about it: digests do. */
static json_t *definition_of(const struct option_def *options, const void *target)
{
	json_t *o = options_json(options, target);

	for (; options->key; options++)
		if (options->type == OPT_PATH || options->type == OPT_PATHS)
			json_object_del(o, options->key);
	return o;
}

static json_t *kernel_definition(const struct kernel_spec *spec, const struct kernel_image *image)
{
	json_t *o = definition_of(kernel_options, spec), *patches = NULL;

	/* what these are lies in the digests below */
	json_object_del(o, "git");
	json_object_del(o, "commit");
	if (image) {
		json_object_set_new(o, "release", json_string(image->release));
		json_object_set_new(o, "page_bytes", json_integer((json_int_t)image->page_bytes));
		json_object_set_new(o, "sha256", json_string(image->sha256));
		json_object_set_new(o, "recipe", json_string(image->recipe));
		json_object_set_new(o, "origin", json_string(image->origin));
		if (image->compiler)
			json_object_set_new(o, "compiler", json_string(image->compiler));
		if (image->commit)
			json_object_set_new(o, "commit", json_string(image->commit));
		if (image->tree)
			json_object_set_new(o, "tree", json_string(image->tree));
		if (image->patches.n)
			json_object_set_new(o, "patches", patches = json_array());
		for (size_t i = 0; i < image->patches.n; i++)
			json_array_append_new(patches, json_string(image->patches.v[i]));
		if (image->packages)
			json_object_set_new(o, "packages", json_string(image->packages));
		if (image->n_modules)
			json_object_set_new(o, "modules", json_string(image->modules_sha256));
	}
	return o;
}

static const struct mkfs *maker_of(const struct plan *plan, const struct storage_profile *s)
{
	return storage_is_made(s) ? plan->makers[s->fs] : NULL;
}

static json_t *storage_definition(const struct plan *plan, const struct storage_profile *s)
{
	json_t *o = options_json(storage_options, s);
	const struct mkfs *maker = maker_of(plan, s);

	if (!maker)
		return o;
	/* "NAME VERSION SHA256, ..." */
	const char *version = strchr(maker->packages, ' ');
	size_t len = version ? (size_t)(version - maker->packages) + 1 + strcspn(version + 1, " ") : 0;
	_cleanup_free_ char *tools = xasprintf("%.*s, sha256 %.12s", (int)len, maker->packages, maker->sha256);

	json_object_set_new(o, "tools", json_string(tools));
	json_object_set_new(o, "packages", json_string(maker->packages));
	return o;
}

static json_t *cell_definition(const struct plan *plan, const struct cell *cell)
{
	const struct matrix *matrix = plan->matrix;
	const struct workload *type = cell->workload->type;
	const struct root *root = type->rootfs ? roots_find(&plan->roots, type->rootfs) : NULL;
	json_t *o = json_object(), *workload = json_object();

	json_object_set_new(workload, "type", json_string(type->name));
	json_object_set_new(workload, "parameters", definition_of(type->options, cell->workload->params));
	json_object_set_new(o, "workload", workload);
	json_object_set_new(o, "kernel", kernel_definition(cell->kernel, plan->images[kernel_index(plan, cell)]));
	if (root && root->ready)
		json_object_set_new(o, "rootfs", root_definition(root));
	json_object_set_new(o, "folio", options_json(folio_options, cell->folio));
	json_object_set_new(o, "guest", options_json(guest_options, &matrix->guest));
	json_object_set_new(o, "trials", options_json(trials_options, &matrix->trials));
	if (cell->storage)
		json_object_set_new(o, "storage", storage_definition(plan, cell->storage));
	if (cell->limit)
		json_object_set_new(o, "limit", json_string(cell->limit->label));
	return o;
}

static void add_axis(struct cell_record *r, const char *axis, const char *label)
{
	struct axis_label *a = VEC_PUSH(r->axes, r->n_axes);

	a->axis = xstrdup(axis);
	a->label = xstrdup(label);
}

/* The digests of guest programs, each file read once a plan. */
struct digests {
	struct digest {
		char *path;
		char sha256[SHA256_HEX_SIZE];
	} * v;
	size_t n;
};

static void digests_free(struct digests *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].path);
	free(d->v);
}

static const char *digest_of(struct digests *d, const char *path, struct err *err)
{
	struct digest *one;
	char hex[SHA256_HEX_SIZE];

	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->v[i].path, path))
			return d->v[i].sha256;
	if (sha256_file(path, hex, err) < 0) {
		err_wrap(err, "a program for the guest is missing (run `make`)");
		return NULL;
	}
	one = VEC_PUSH(d->v, d->n);
	one->path = xstrdup(path);
	memcpy(one->sha256, hex, sizeof(hex));
	return one->sha256;
}

/* @host_path becomes the record's. */
static int add_program(struct cell_record *r, const char *guest_path, char *path, struct digests *digests,
		       struct err *err)
{
	_cleanup_free_ char *host_path = path;
	const char *sha256 = digest_of(digests, host_path, err);
	struct cell_program *p;

	if (!sha256)
		return -1;
	p = VEC_PUSH(r->programs, r->n_programs);
	p->guest_path = xstrdup(guest_path);
	p->host_path = steal_ptr(host_path);
	strcpy(p->sha256, sha256);
	return 0;
}

/* Its digest is the cache's, which was compared when the plan was made. */
static void add_root(const struct plan *plan, struct cell_record *r, const struct workload *type)
{
	const struct root *root = type->rootfs ? roots_find(&plan->roots, type->rootfs) : NULL;
	struct cell_program *p;

	if (!root || !root->ready)
		return;
	p = VEC_PUSH(r->programs, r->n_programs);
	p->guest_path = xstrdup(&JOB_ROOT_IMAGE[1]);
	p->host_path = xstrdup(root->entry.path);
	memcpy(p->sha256, root->entry.image_sha256, sizeof(p->sha256));
}

static int add_programs(const struct plan *plan, struct cell_record *r, const struct workload_spec *workload,
			struct digests *digests, struct err *err)
{
	struct programs programs = { 0 };
	int rc = add_program(r, "init", guest_program_path("agent"), digests, err);

	workload->type->programs(workload->params, &programs);
	for (size_t i = 0; rc == 0 && i < programs.n; i++) {
		const struct guest_program *p = &programs.v[i];

		rc = add_program(r, p->guest_path,
				 p->source ? xstrdup(find_built(plan, p->source, p->built))
					   : guest_program_path(p->built),
				 digests, err);
	}
	programs_free(&programs);
	return rc;
}

/* Loaded by the agent before everything else: job.c has their lines. */
static void add_modules(struct cell_record *r, const struct kernel_image *image)
{
	for (size_t i = 0; i < image->n_modules; i++) {
		const struct kernel_module *m = &image->modules[i];
		struct cell_program *p = VEC_PUSH(r->programs, r->n_programs);

		p->guest_path = xasprintf("%s/%s", &JOB_MODULES_DIR[1], m->name);
		p->host_path = path_absolute(m->path);
		memcpy(p->sha256, m->sha256, sizeof(p->sha256));
	}
}

/* The programs that make the file system, and disks for which the host has the files. */
static void add_storage(const struct plan *plan, struct cell_record *r, const struct storage_profile *s)
{
	const struct mkfs *maker = maker_of(plan, s);
	const struct cell_disk disks[] = { { (char *)(uintptr_t)JOB_STORAGE_DISK, s->bytes, NULL },
					   { (char *)(uintptr_t)JOB_SWAP_DISK, s->swap_bytes, NULL } };
	const bool on_host[] = { s->where == WHERE_VIRTIO, s->swap == SWAP_VIRTIO };

	for (size_t i = 0; maker && i < maker->n; i++) {
		struct cell_program *p = VEC_PUSH(r->programs, r->n_programs);

		p->guest_path = xasprintf(MKFS_DIR "/%s", maker->files[i].name);
		p->host_path = path_absolute(maker->files[i].path);
		memcpy(p->sha256, maker->files[i].sha256, sizeof(p->sha256));
	}
	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		if (!on_host[i])
			continue;
		struct cell_disk *d = VEC_PUSH(r->disks, r->n_disks);

		d->name = xstrdup(disks[i].name);
		d->bytes = disks[i].bytes;
		d->cache = xstrdup(storage_cache_names[s->cache >= 0 ? s->cache : 0]);
	}
}

static void add_basis_note(const struct workload_spec *workload, struct cell_record *r)
{
	const char *note = workload->type->basis_note ? workload->type->basis_note(workload->params, r->basis) : NULL;
	_cleanup_free_ char *reason = r->basis_reason;

	r->basis_reason = note ? xasprintf("%s; %s", reason, note) : steal_ptr(reason);
}

static int fill_runnable(const struct plan *plan, const struct cell *cell, struct cell_record *r,
			 struct digests *digests, struct err *err)
{
	const struct matrix *matrix = plan->matrix;
	const struct kernel_image *image = plan->images[kernel_index(plan, cell)];
	struct kernel_version version = image_version(image);
	_cleanup_free_ char *words = NULL, *storage = cell->storage ? storage_command_line(cell->storage) : NULL;

	if (plan_basis(plan, cell, &r->basis, &r->basis_reason, err) < 0)
		return err_wrap(err, "cell %s", cell->id);
	add_basis_note(cell->workload, r);
	r->kernel_path = path_absolute(image->path);
	r->kernel_sha256 = xstrdup(image->sha256);
	r->kernel_release = xstrdup(image->release);
	r->system_map = xstrdup(image->system_map);
	r->page_bytes = image->page_bytes;
	r->cpus = matrix->guest.cpus;
	r->memory_bytes = matrix->guest.memory_bytes;
	r->timeout_s = matrix->guest.timeout_s;
	r->cpu_model = xstrdup(cpu_model(r->basis, image->page_bytes, version));
	words = folio_command_line(cell->folio);
	r->command_line = xasprintf("%s%s%s%s%s%s%s", COMMAND_LINE, words ? " " : "", words ? words : "",
				    storage ? " " : "", storage ? storage : "", cell->kernel->append ? " " : "",
				    cell->kernel->append ? cell->kernel->append : "");
	r->job = job_build(cell, &matrix->trials, image);
	r->work_bytes = cell->workload->type->work_bytes
				? cell->workload->type->work_bytes(cell->workload->params, image->page_bytes)
				: 0;
	r->asks_folios = folio_asks(cell->folio);
	add_modules(r, image);
	add_root(plan, r, cell->workload->type);
	if (cell->storage)
		add_storage(plan, r, cell->storage);
	return add_programs(plan, r, cell->workload, digests, err);
}

int plan_records(const struct plan *plan, struct cell_record **ret_cells, size_t *ret_n, struct err *err)
{
	struct cell_record *cells = NULL;
	struct digests digests = { 0 };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n_cells; i++) {
		const struct cell *cell = &plan->cells[i];
		struct cell_record *r = VEC_PUSH(cells, n);

		r->id = xstrdup(cell->id);
		r->skip = xstrdup(cell->skip);
		r->workload = xstrdup(cell->workload->type->name);
		r->boots = plan->matrix->trials.seeds;
		r->boots_most = plan->matrix->trials.until.at_most;
		r->half_width = r->boots_most ? plan->matrix->trials.until.half_width : 0;
		r->until_metric = xstrdup(plan->matrix->trials.until.metric);
		add_axis(r, "kernels", cell->kernel->label);
		add_axis(r, "folios", cell->folio->label);
		add_axis(r, "workloads", cell->workload->label);
		if (cell->storage)
			add_axis(r, "storages", cell->storage->label);
		if (cell->limit)
			add_axis(r, "limit", cell->limit->label);
		r->definition = cell_definition(plan, cell);
		if (!cell->skip)
			rc = fill_runnable(plan, cell, r, &digests, err);
	}
	digests_free(&digests);
	if (rc < 0) {
		for (size_t i = 0; i < n; i++)
			cell_record_free(&cells[i]);
		free(cells);
		return -1;
	}
	*ret_cells = cells;
	*ret_n = n;
	return 0;
}

int plan_create_run(const struct plan *plan, const char *dir, json_t *header, struct run **ret_run, struct err *err)
{
	struct cell_record *cells = NULL;
	size_t n = 0;
	int rc = plan_records(plan, &cells, &n, err);

	if (rc == 0)
		rc = run_create(dir, plan->matrix->text, header, cells, n, err);
	if (rc == 0)
		rc = run_open(dir, ret_run, err);
	for (size_t i = 0; i < n; i++)
		cell_record_free(&cells[i]);
	free(cells);
	return rc;
}
