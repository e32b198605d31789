// SPDX-License-Identifier: GPL-2.0-or-later
/* Knows jobs that keep something, the cache, and how to boot one guest in a run directory of its own. What is in a
 * layer, the agent knows. */
#include "run/prepared.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/collect.h"
#include "run/job.h"
#include "run/records.h"
#include "store/artifact.h"
#include "wire/job.h"
#include "workloads/workload.h"

/* Bump when the way a layer is made changes without any of the digested inputs changing. */
#define KEY_SCHEMA 1
#define META_SCHEMA 1
#define META_BYTES_MAX (1u << 20)

static void layers_clear(struct prepared *p)
{
	for (size_t i = 0; i < p->n_layers; i++) {
		free(p->layers[i].name);
		free(p->layers[i].path);
	}
	free(p->layers);
	p->layers = NULL;
	p->n_layers = 0;
}

void prepared_free(struct prepared *prepared, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		layers_clear(&prepared[i]);
		free(prepared[i].job);
		free(prepared[i].dir);
	}
	free(prepared);
}

/* ---- Which kernel prepares */

/* The first that can, or the number of kernels with the reason of the last that cannot. */
static size_t choose_kernel(const struct plan *plan, const struct cell *cell, const struct preparation *p,
			    char **ret_why)
{
	uint64_t page_bytes = plan->images[plan_kernel_index(plan, cell)]->page_bytes;
	size_t k;

	for (k = 0; k < plan->matrix->n_kernels; k++) {
		const struct kernel_image *image = plan->images[k];
		uint64_t pages = image ? image->page_bytes : plan->matrix->kernels[k].page_bytes;
		char *why = NULL;

		if (p->per_page && pages != page_bytes)
			continue;
		why = cell->workload->type->rootfs ? root_unsupported(image ? image->config : NULL) : NULL;
		if (!why)
			break;
		free(*ret_why);
		*ret_why = why;
	}
	return k;
}

/* The same with the kernel there, so that what it lacks is known. */
static int need_kernel(struct plan *plan, const struct cell *cell, const struct preparation *p,
		       image_progress *progress, void *ctx, size_t *ret_kernel, struct err *err)
{
	for (;;) {
		_cleanup_free_ char *why = NULL;
		size_t k = choose_kernel(plan, cell, p, &why);

		if (k == plan->matrix->n_kernels)
			return err_set(err, ERR_CONFIG,
				       "%s: no kernel of this matrix can prepare '%s' for workload '%s': %s",
				       plan->matrix->path, p->name, cell->workload->label,
				       why ? why : "none has its base page");
		if (plan->ready[k]) {
			*ret_kernel = k;
			return 0;
		}
		if (plan_need_kernel(plan, k, progress, ctx, err) < 0)
			return -1;
	}
}

/* ---- Entries */

static char *own_dir(void)
{
	_cleanup_free_ char *cache = cache_dir(), *own = path_join(cache, PREPARED_DIR);

	return path_absolute(own);
}

static json_t *read_meta(const char *dir)
{
	_cleanup_free_ char *path = path_join(dir, "meta.json"), *data = NULL;
	json_t *o = file_read(path, META_BYTES_MAX, &data, NULL, NULL) == 0 ? json_loads(data, 0, NULL) : NULL;

	if (o && json_integer_value(json_object_get(o, "schema")) != META_SCHEMA) {
		json_decref(o);
		o = NULL;
	}
	return o;
}

static bool add_layer(struct prepared *p, const char *dir, const json_t *item)
{
	struct layer *l = VEC_PUSH(p->layers, p->n_layers);
	_cleanup_free_ char *file = NULL;
	char hex[SHA256_HEX_SIZE];

	l->bytes = (uint64_t)json_integer_value(json_object_get(item, "bytes"));
	if (!meta_string(item, "name", &l->name) || !meta_hex(item, "sha256", l->sha256))
		return false;
	file = xasprintf("%s" JOB_LAYER_SUFFIX, l->name);
	l->path = path_join(dir, file);
	return sha256_file(l->path, hex, NULL) == 0 && !strcmp(hex, l->sha256);
}

/* Is it there, and whole? Marks it as used. */
static bool take_entry(struct prepared *p, const char *dir)
{
	_cleanup_free_ char *meta = path_join(dir, "meta.json");
	json_t *o = read_meta(dir), *layers = json_object_get(o, "layers"), *item;
	bool ok = json_array_size(layers) > 0;
	size_t i;

	json_array_foreach(layers, i, item) ok = ok && add_layer(p, dir, item);
	json_decref(o);
	if (!ok) {
		layers_clear(p);
		return false;
	}
	p->dir = xstrdup(dir);
	utimensat(AT_FDCWD, meta, NULL, 0); /* a read-only cache has no last use */
	return true;
}

static void key_of(const struct cell_record *r, const char *qemu_version, char ret_hex[SHA256_HEX_SIZE])
{
	json_t *programs = json_object(), *o;
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < r->n_programs; i++)
		json_object_set_new(programs, r->programs[i].guest_path, json_string(r->programs[i].sha256));
	o = json_pack("{si,ss,ss,ss,ss,ss,sI,sI,ss,so}", "schema", KEY_SCHEMA, "job", r->job, "kernel",
		      r->kernel_sha256, "command_line", r->command_line, "cpu_model", r->cpu_model, "basis",
		      basis_names[r->basis], "cpus", (json_int_t)r->cpus, "memory", (json_int_t)r->memory_bytes, "qemu",
		      qemu_version ? qemu_version : "", "programs", programs);
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	sha256_bytes(text, strlen(text), ret_hex);
	json_decref(o);
}

/* ---- Making */

struct making {
	const struct cell_record *record;
	const char *stream;
	size_t stream_len;
	char *stage; /* owned: the entry that is being made */
	json_t *layers;
	struct err *err;
	int rc;
};

static int fsync_file(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_set_errno(err, ERR_HOST, "%s", path) : 0;
}

static void write_layer(void *ctx, const char *name, const char *path)
{
	struct making *m = ctx;
	_cleanup_free_ char *file = xasprintf("%s/%s" JOB_LAYER_SUFFIX, m->stage, name);
	char hex[SHA256_HEX_SIZE];
	struct stat st;

	(void)path;
	if (m->rc < 0)
		return;
	m->rc = artifact_kept(m->record->job, m->stream, m->stream_len, name, file, m->err);
	if (m->rc == 0)
		m->rc = fsync_file(file, m->err);
	if (m->rc == 0)
		m->rc = sha256_file(file, hex, m->err);
	if (m->rc == 0 && stat(file, &st) < 0)
		m->rc = err_set_errno(m->err, ERR_HOST, "%s", file);
	if (m->rc == 0)
		json_array_append_new(m->layers, json_pack("{ss,sI,ss}", "name", name, "bytes", (json_int_t)st.st_size,
							   "sha256", hex));
}

static int publish(const struct making *m, const struct prepared *p, const char *what, const char *dir, const char *own,
		   struct err *err)
{
	_cleanup_free_ char *path = path_join(m->stage, "meta.json"), *text = NULL;
	json_t *o = json_pack("{si,ss,ss,ss,sO}", "schema", META_SCHEMA, "what", what, "kernel",
			      m->record->kernel_sha256, "job", p->job, "layers", m->layers);
	int rc;

	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	rc = file_write_atomic(path, text, strlen(text), err);
	if (rc == 0)
		rc = remove_tree(dir, err);
	if (rc == 0 && rename(m->stage, dir) < 0)
		rc = err_set_errno(err, ERR_HOST, "%s", dir);
	return rc < 0 ? -1 : fsync_dir(own, err);
}

/* The guest's run directory; the boot's result, which the caller frees. */
static int boot(const struct cell_record *record, const char *run_dir, const struct schedule_options *schedule,
		json_t *header, struct boot_result *ret, struct err *err)
{
	struct schedule_options options = *schedule;
	_cleanup_(run_free_p) struct run *run = NULL;
	struct schedule_result result;

	options.shard = options.n_shards = 0;
	options.join = options.count = false;
	options.reuse = NULL; /* what is kept is kept here */
	options.quiet = true;
	if (run_create(run_dir, NULL, header, record, 1, err) < 0 || run_open(run_dir, &run, err) < 0 ||
	    schedule_run(run, &options, &result, err) < 0)
		return -1;
	return boot_read(run, &run->cells[0], 1, ret, err);
}

/* In @turn, whose lock is held. *ret_why: the workload failed there, and nothing was made; owned by the caller. */
static int make(struct prepared *p, const struct cell_record *record, const char *what, const char *own,
		const char *turn, const char *dir, const struct schedule_options *schedule, json_t *header,
		char **ret_why, struct err *err)
{
	_cleanup_(boot_result_free) struct boot_result result = { 0 };
	_cleanup_free_ char *build = path_join(turn, "build"), *run_dir = path_join(build, "run");
	_cleanup_free_ char *stage = path_join(build, "new");
	struct making m = { .record = record, .stage = stage, .err = err };
	int rc;

	if (cache_sweep(turn, false, err) < 0 || make_dirs(stage, err) < 0 ||
	    boot(record, run_dir, schedule, header, &result, err) < 0)
		return -1;
	if (result.outcome == OUTCOME_WORKLOAD_FAILED) {
		*ret_why = xstrdup(result.reason ? result.reason : "no reason given");
		return 0;
	}
	if (result.outcome != OUTCOME_OK)
		return err_set(err, ERR_GUEST, "preparing %s: %s: %s; its guest's files are in %s", what,
			       outcome_names[result.outcome], result.reason ? result.reason : "no reason given",
			       result.dir ? result.dir : run_dir);
	m.stream = result.stream;
	m.stream_len = result.stream_len;
	m.layers = json_array();
	job_kept(record->job, write_layer, &m);
	rc = m.rc < 0 ? -1 : publish(&m, p, what, dir, own, err);
	json_decref(m.layers);
	return rc < 0 ? -1 : cache_sweep(turn, false, err);
}

/* With its job and kernel known. */
static int ensure(struct plan *plan, const struct cell *cell, struct prepared *p,
		  const struct schedule_options *schedule, json_t *header, image_progress *progress, void *ctx,
		  struct err *err)
{
	_cleanup_free_ char *own = own_dir(), *dir = NULL, *turn = NULL, *what = NULL, *doing = NULL, *id = NULL,
			    *why = NULL;
	_cleanup_(cell_record_free) struct cell_record record = { 0 };
	_cleanup_close_ int lock = -1;
	char key[SHA256_HEX_SIZE];
	int rc;

	id = xasprintf("prepare.%s.%s", cell->workload->type->name, p->preparation->name);
	if (record_preparing(plan, cell, p->kernel, id, p->job, &record, err) < 0)
		return -1;
	key_of(&record, plan->caps->qemu_version, key);
	dir = path_join(own, key);
	if (take_entry(p, dir))
		return 0;
	turn = xasprintf("%s/making/%.1s", own, key);
	lock = cache_lock(turn, progress, ctx, err);
	if (lock < 0)
		return -1;
	if (take_entry(p, dir)) /* made by whoever had the lock */
		return 0;
	what = xasprintf("%s %s on %s", cell->workload->type->name, p->preparation->name, record.kernel_release);
	doing = xasprintf("preparing %s", what);
	progress(ctx, doing, -1, -1);
	rc = make(p, &record, what, own, turn, dir, schedule, header, &why, err);
	if (rc < 0)
		return -1;
	if (why) {
		_cleanup_free_ char *failed = xasprintf("preparing %s: %s; each boot does it itself", what, why);

		p->failed = true;
		progress(ctx, failed, -1, -1);
		return 0;
	}
	if (!take_entry(p, dir))
		return err_set(err, ERR_HOST, "%s: what was prepared is not there", dir);
	progress(ctx, doing, 1, -1);
	return 0;
}

static const struct prepared *find(const struct plan *plan, const struct preparation *preparation, size_t kernel,
				   const char *job)
{
	for (size_t i = 0; i < plan->n_prepared; i++) {
		const struct prepared *p = &plan->prepared[i];

		if (p->preparation == preparation && p->kernel == kernel && !strcmp(p->job, job))
			return p;
	}
	return NULL;
}

static int ensure_one(struct plan *plan, const struct cell *cell, const struct preparation *preparation,
		      const struct schedule_options *schedule, json_t *header, image_progress *progress, void *ctx,
		      struct err *err)
{
	_cleanup_free_ char *job = NULL;
	struct prepared *p;
	size_t kernel = 0;

	if (!job_keeps(cell, preparation))
		return 0;
	if (need_kernel(plan, cell, preparation, progress, ctx, &kernel, err) < 0)
		return -1;
	job = job_build_preparation(cell, preparation, plan->images[kernel]);
	if (find(plan, preparation, kernel, job))
		return 0;
	p = VEC_PUSH(plan->prepared, plan->n_prepared);
	*p = (struct prepared){ .preparation = preparation, .kernel = kernel, .job = steal_ptr(job) };
	if (ensure(plan, cell, p, schedule, header, progress, ctx, err) == 0)
		return 0;
	return err_wrap(err, "%s:%d: workload '%s'", plan->matrix->path, cell->workload->line, cell->workload->label);
}

int prepared_ensure(struct plan *plan, const struct schedule_options *schedule, json_t *header,
		    image_progress *progress, void *ctx, struct err *err)
{
	bool needless = plan->prepared_from || plan->matrix->trials.prepare == PREPARE_EACH;

	for (size_t i = 0; i < plan->n_cells && !needless; i++) {
		const struct cell *cell = &plan->cells[i];
		const struct preparation *p = cell->skip ? NULL : cell->workload->type->preparations;

		for (; p && p->name; p++)
			if (ensure_one(plan, cell, p, schedule, header, progress, ctx, err) < 0)
				return -1;
	}
	return 0;
}

const struct prepared *prepared_find(const struct plan *plan, const struct cell *cell,
				     const struct preparation *preparation)
{
	_cleanup_free_ char *why = NULL, *job = NULL;
	size_t kernel =
		job_keeps(cell, preparation) ? choose_kernel(plan, cell, preparation, &why) : plan->matrix->n_kernels;

	if (kernel == plan->matrix->n_kernels || !plan->images[kernel])
		return NULL;
	job = job_build_preparation(cell, preparation, plan->images[kernel]);
	return find(plan, preparation, kernel, job);
}

bool prepared_failed(const struct plan *plan, const struct cell *cell)
{
	const struct preparation *p = cell->workload->type->preparations;

	for (; p && p->name; p++) {
		const struct prepared *found = prepared_find(plan, cell, p);

		if (found && found->failed)
			return true;
	}
	return false;
}

/* ---- All entries */

static int by_use(const void *a, const void *b)
{
	const struct prepared_entry *x = a, *y = b;

	return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->key, y->key);
}

int prepared_list(const char *cache, struct prepared_entry **ret_entries, size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *pattern = path_join(cache, PREPARED_DIR "/*");
	_cleanup_(globfree) glob_t g = { 0 };
	struct prepared_entry *entries = NULL;
	int rc = glob(pattern, 0, NULL, &g);
	size_t n = 0;

	if (rc != 0 && rc != GLOB_NOMATCH)
		return err_set(err, ERR_HOST, "%s: cannot be read", pattern);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *dir = g.gl_pathv[i], *key = strrchr(dir, '/') + 1;
		_cleanup_free_ char *meta = path_join(dir, "meta.json");
		struct prepared_entry *e;
		struct stat st;
		json_t *o;

		if (strlen(key) != SHA256_HEX_SIZE - 1)
			continue;
		e = VEC_PUSH(entries, n);
		snprintf(e->key, sizeof(e->key), "%s", key);
		o = read_meta(dir);
		if (!meta_string(o, "what", &e->what))
			e->what = xstrdup("");
		json_decref(o);
		e->dir = xstrdup(dir);
		e->bytes = cache_bytes(dir);
		e->used = stat(meta, &st) == 0 ? st.st_mtime : 0;
	}
	if (n)
		qsort(entries, n, sizeof(*entries), by_use);
	*ret_entries = entries;
	*ret_n = n;
	return 0;
}

void prepared_entries_free(struct prepared_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(entries[i].dir);
		free(entries[i].what);
	}
	free(entries);
}

size_t prepared_trim(const char *cache, time_t since, bool dry_run, uint64_t *ret_bytes)
{
	struct prepared_entry *entries = NULL;
	size_t n = 0, removed = 0;

	*ret_bytes = 0;
	if (prepared_list(cache, &entries, &n, NULL) < 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].used >= since || cache_held(entries[i].dir) ||
		    (!dry_run && remove_tree(entries[i].dir, NULL) < 0))
			continue;
		*ret_bytes += entries[i].bytes;
		removed++;
	}
	prepared_entries_free(entries, n);
	return removed;
}
