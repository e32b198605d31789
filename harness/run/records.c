// SPDX-License-Identifier: GPL-2.0-or-later
/* The plan's cells as run directories keep them: what a guest gets, and what its cell is by definition. Boots nothing,
 * and decides nothing. */
#include "run/records.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "image/program.h"
#include "run/job.h"
#include "run/prepared.h"
#include "run/storage.h"
#include "wire/job.h"
#include "workloads/workload.h"

/* loglevel 5: warnings and worse reach the console, and so the watch for crashes; the rest would only cost
 * instructions. panic=-1: a panic reboots at once, which ends the guest. */
#define PREPARE_TIMEOUT_S 900 /* at least: such a guest is slow, and none that measures */
#define COMMAND_LINE "console=ttyAMA0 loglevel=5 panic=-1"

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

/* The cell of an earlier run that has what @cell is to begin with, or NULL. */
static const struct cell_record *prepared_cell(const struct plan *plan, const struct cell *cell)
{
	return plan->prepared_from ? run_find_cell(plan->prepared_from, cell->id) : NULL;
}

static void copy_definition(const struct cell_record *from, const char *key, json_t *definition)
{
	json_t *value = json_object_get(from->definition, key);

	if (value)
		json_object_set(definition, key, value);
}

/* By digest: what made them is in the cache beside them. Those that a base page needs of its own differ with it. */
static void add_prepared_definition(const struct plan *plan, const struct cell *cell, json_t *definition)
{
	const struct preparation *p = cell->skip ? NULL : cell->workload->type->preparations;
	const struct cell_record *from = prepared_cell(plan, cell);
	bool each = !cell->skip && prepared_failed(plan, cell);
	json_t *all = json_object(), *per_page = json_object();

	if (from) {
		copy_definition(from, "prepared", definition);
		copy_definition(from, "prepared_per_page", definition);
	}
	for (; !from && !each && p && p->name; p++) {
		const struct prepared *found = prepared_find(plan, cell, p);

		for (size_t i = 0; found && i < found->n_layers; i++)
			json_object_set_new(p->per_page ? per_page : all, found->layers[i].name,
					    json_string(found->layers[i].sha256));
	}
	if (json_object_size(all))
		json_object_set(definition, "prepared", all);
	if (json_object_size(per_page))
		json_object_set(definition, "prepared_per_page", per_page);
	json_decref(all);
	json_decref(per_page);
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
	json_object_set_new(o, "kernel", kernel_definition(cell->kernel, plan->images[plan_kernel_index(plan, cell)]));
	if (root && root->ready)
		json_object_set_new(o, "rootfs", root_definition(root));
	json_object_set_new(o, "folio", options_json(folio_options, cell->folio));
	json_object_set_new(o, "guest", options_json(guest_options, &matrix->guest));
	json_object_set_new(o, "trials", options_json(trials_options, &matrix->trials));
	if (cell->storage)
		json_object_set_new(o, "storage", storage_definition(plan, cell->storage));
	add_prepared_definition(plan, cell, o);
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

/* Of the user's own files a guest that prepares knows nothing: cells that differ in them share what it made. */
static int add_programs(const struct plan *plan, struct cell_record *r, const struct workload_spec *workload,
			bool users_files, struct digests *digests, struct err *err)
{
	struct programs programs = { 0 };
	int rc = add_program(r, "init", guest_program_path("agent"), digests, err);

	workload->type->programs(workload->params, &programs);
	for (size_t i = 0; rc == 0 && i < programs.n; i++) {
		const struct guest_program *p = &programs.v[i];

		if (p->file && !users_files)
			continue;
		rc = add_program(r, p->guest_path,
				 p->file     ? path_absolute(p->file)
				 : p->source ? xstrdup(plan_find_built(plan, p->source, p->built))
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

static void add_file(struct cell_record *r, const char *guest_path, const char *host_path, const char *sha256)
{
	struct cell_program *p = VEC_PUSH(r->programs, r->n_programs);

	p->guest_path = xstrdup(guest_path);
	p->host_path = path_absolute(host_path);
	memcpy(p->sha256, sha256, sizeof(p->sha256));
}

static void add_layers(const struct plan *plan, const struct cell *cell, struct cell_record *r)
{
	const struct preparation *p = cell->workload->type->preparations;
	const struct cell_record *from = prepared_cell(plan, cell);
	bool each = prepared_failed(plan, cell);

	for (size_t i = 0; from && i < from->n_programs; i++)
		if (ends_with(from->programs[i].guest_path, JOB_LAYER_SUFFIX))
			add_file(r, from->programs[i].guest_path, from->programs[i].host_path,
				 from->programs[i].sha256);
	for (; !from && !each && p && p->name; p++) {
		const struct prepared *found = prepared_find(plan, cell, p);

		for (size_t i = 0; found && i < found->n_layers; i++) {
			const struct layer *l = &found->layers[i];
			_cleanup_free_ char *name = xasprintf("%s" JOB_LAYER_SUFFIX, l->name);

			add_file(r, name, l->path, l->sha256);
		}
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

/* What a guest on @image is, but for its job: the basis is known. */
static void fill_machine(const struct plan *plan, const struct kernel_image *image, struct cell_record *r)
{
	const struct matrix *matrix = plan->matrix;

	r->kernel_path = path_absolute(image->path);
	r->kernel_sha256 = xstrdup(image->sha256);
	r->kernel_release = xstrdup(image->release);
	r->system_map = xstrdup(image->system_map);
	r->page_bytes = image->page_bytes;
	r->cpus = matrix->guest.cpus;
	r->memory_bytes = matrix->guest.memory_bytes;
	r->timeout_s = matrix->guest.timeout_s;
	r->cpu_model = xstrdup(cpu_model(r->basis, image->page_bytes, plan_image_version(image)));
	add_modules(r, image);
}

static int fill_runnable(const struct plan *plan, const struct cell *cell, struct cell_record *r,
			 struct digests *digests, struct err *err)
{
	const struct kernel_image *image = plan->images[plan_kernel_index(plan, cell)];
	struct trials trials = plan->matrix->trials;
	_cleanup_free_ char *words = NULL, *storage = cell->storage ? storage_command_line(cell->storage) : NULL;

	if (plan_basis(plan, cell, &r->basis, &r->basis_reason, err) < 0)
		return err_wrap(err, "cell %s", cell->id);
	add_basis_note(cell->workload, r);
	fill_machine(plan, image, r);
	words = folio_command_line(cell->folio);
	r->command_line = xasprintf("%s%s%s%s%s%s%s", COMMAND_LINE, words ? " " : "", words ? words : "",
				    storage ? " " : "", storage ? storage : "", cell->kernel->append ? " " : "",
				    cell->kernel->append ? cell->kernel->append : "");
	if (prepared_failed(plan, cell))
		trials.prepare = PREPARE_EACH;
	r->job = job_build(cell, &trials, image, r->basis);
	r->work_bytes = cell->workload->type->work_bytes
				? cell->workload->type->work_bytes(cell->workload->params, image->page_bytes)
				: 0;
	r->asks_folios = folio_asks(cell->folio);
	add_root(plan, r, cell->workload->type);
	add_layers(plan, cell, r);
	if (cell->storage)
		add_storage(plan, r, cell->storage);
	return add_programs(plan, r, cell->workload, true, digests, err);
}

int record_preparing(const struct plan *plan, const struct cell *cell, size_t kernel, const char *id, const char *job,
		     struct cell_record *r, struct err *err)
{
	const struct workload_spec *workload = cell->workload;
	const struct kernel_image *image = plan->images[kernel];
	const char *append = plan->matrix->kernels[kernel].append;
	struct digests digests = { 0 };
	int rc;

	r->id = xstrdup(id);
	r->workload = xstrdup(workload->type->name);
	r->boots = 1;
	if (basis_choose(plan->caps, (enum accel)plan->matrix->guest.accel, 1, NULL, &r->basis, &r->basis_reason, err) <
	    0)
		return err_wrap(err, "%s", id);
	fill_machine(plan, image, r);
	r->cpus = 1;
	r->timeout_s = r->timeout_s > PREPARE_TIMEOUT_S ? r->timeout_s : PREPARE_TIMEOUT_S;
	r->command_line = xasprintf("%s%s%s", COMMAND_LINE, append ? " " : "", append ? append : "");
	r->job = xstrdup(job);
	add_root(plan, r, workload->type);
	rc = add_programs(plan, r, workload, false, &digests, err);
	digests_free(&digests);
	return rc;
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
