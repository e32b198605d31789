// SPDX-License-Identifier: GPL-2.0-or-later
/* Keeps root file systems, and has missing ones made. Knows files, digests and the order of steps; what they do, the
 * maker knows. */
#include "image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/recipe.h"

/* Bump when the way an image is made changes without any of the digested texts changing. */
#define ROOTFS_SCHEMA "granule-rootfs-1"
#define META_SCHEMA 1

void rootfs_entry_clear(struct rootfs_entry *e)
{
	free(e->dir);
	free(e->path);
	free(e->name);
	free(e->suite);
	free(e->tool);
	cache_packages_free(e->packages, e->n_packages);
	*e = (struct rootfs_entry){ 0 };
}

void rootfs_entries_free(struct rootfs_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		rootfs_entry_clear(&entries[i]);
	free(entries);
}

/* ---- Entries */

static bool entry_parse(const json_t *o, struct rootfs_entry *e)
{
	e->image_bytes = (uint64_t)json_integer_value(json_object_get(o, "image_bytes"));
	e->tree_bytes = (uint64_t)json_integer_value(json_object_get(o, "tree_bytes"));
	e->files = (uint64_t)json_integer_value(json_object_get(o, "files"));
	return json_integer_value(json_object_get(o, "schema")) == META_SCHEMA && meta_string(o, "name", &e->name) &&
	       meta_string(o, "suite", &e->suite) && meta_string(o, "tool", &e->tool) &&
	       meta_hex(o, "image_sha256", e->image_sha256) &&
	       meta_packages(json_object_get(o, "packages"), &e->packages, &e->n_packages) && e->n_packages;
}

static enum cache_state entry_read(const char *cache, const char *digest, struct rootfs_entry *e, struct err *err)
{
	_cleanup_free_ char *meta = NULL, *data = NULL;
	struct stat st;
	json_t *o;
	bool ok;

	snprintf(e->digest, sizeof(e->digest), "%s", digest);
	e->dir = xasprintf("%s/" ROOTFS_DIR "/%s", cache, digest);
	e->path = path_join(e->dir, "image");
	if (!path_is_dir(e->dir))
		return CACHE_ABSENT;
	meta = path_join(e->dir, "meta.json");
	if (stat(meta, &st) == 0)
		e->used = st.st_mtime;
	if (file_read(meta, 1 << 20, &data, NULL, err) < 0)
		return CACHE_CORRUPT;
	o = json_loads(data, 0, NULL);
	ok = o && entry_parse(o, e);
	json_decref(o);
	if (ok)
		return CACHE_INTACT;
	err_set(err, ERR_HOST, "%s: damaged", meta);
	return CACHE_CORRUPT;
}

enum cache_state rootfs_open(const char *cache, const char *digest, bool hash, struct rootfs_entry *ret_entry,
			     struct err *err)
{
	_cleanup_(rootfs_entry_clear) struct rootfs_entry e = { 0 };
	enum cache_state state = entry_read(cache, digest, &e, err);
	char hex[SHA256_HEX_SIZE];

	if (state != CACHE_INTACT)
		return state;
	if (hash && sha256_file(e.path, hex, err) < 0)
		return CACHE_CORRUPT;
	if (hash && strcmp(hex, e.image_sha256) != 0) {
		err_set(err, ERR_HOST, "%s: damaged: its sha256 is not the one it had when it was made", e.path);
		return CACHE_CORRUPT;
	}
	*ret_entry = e;
	e = (struct rootfs_entry){ 0 };
	return CACHE_INTACT;
}

static int entry_compare(const void *a, const void *b)
{
	const struct rootfs_entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->digest, y->digest);
}

int rootfs_list(const char *cache, struct rootfs_entry **ret_entries, size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *pattern = path_join(cache, ROOTFS_DIR "/*");
	_cleanup_(globfree) glob_t g = { 0 };
	struct rootfs_entry *entries = NULL;
	int rc = glob(pattern, 0, NULL, &g);
	size_t n = 0;

	if (rc != 0 && rc != GLOB_NOMATCH)
		return err_set(err, ERR_HOST, "%s: cannot be read", pattern);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *digest = strrchr(g.gl_pathv[i], '/') + 1;
		struct rootfs_entry *e;

		if (strlen(digest) != SHA256_HEX_SIZE - 1)
			continue;
		e = VEC_PUSH(entries, n);
		if (entry_read(cache, digest, e, NULL) != CACHE_INTACT) {
			free(e->name);
			e->name = xstrdup("");
		}
		e->bytes = cache_bytes(e->dir);
	}
	if (n)
		qsort(entries, n, sizeof(*entries), entry_compare);
	*ret_entries = entries;
	*ret_n = n;
	return 0;
}

void rootfs_touch(const struct rootfs_entry *entry)
{
	_cleanup_free_ char *meta = path_join(entry->dir, "meta.json");

	utimensat(AT_FDCWD, meta, NULL, 0); /* a read-only cache has no last use */
}

char *rootfs_describe(const struct rootfs_entry *e)
{
	return xasprintf("%s, %s, %zu packages", e->name, e->suite, e->n_packages);
}

char *rootfs_recipe_path(const char *what)
{
	_cleanup_free_ char *workloads = NULL;

	if (strchr(what, '/') || ends_with(what, ".yaml"))
		return xstrdup(what);
	workloads = share_dir("workloads");
	return xasprintf("%s/%s/rootfs.yaml", workloads ? workloads : "workloads", what);
}

/* ---- Digests */

/* Over all that the recipe says, and the files that it brings. */
static int inputs_digest(const struct rootfs_recipe *recipe, char ret_hex[SHA256_HEX_SIZE], struct err *err)
{
	json_t *o = rootfs_recipe_json(recipe);
	_cleanup_free_ char *json = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	_cleanup_(text_free) struct text text = { 0 };

	json_decref(o);
	if (!json)
		return err_set(err, ERR_CONFIG, "recipe '%s' is not UTF-8", recipe->name);
	text_add(&text, ROOTFS_SCHEMA "\n%s\n", json);
	for (size_t i = 0; i < recipe->n_files; i++) {
		const struct rootfs_file *f = &recipe->files[i];
		char hex[SHA256_HEX_SIZE];

		if (!f->from)
			continue;
		if (sha256_file(f->from, hex, err) < 0) {
			if (err)
				err->kind = ERR_CONFIG;
			return err_wrap(err, "file '%s'", f->path);
		}
		text_add(&text, "file %s %s\n", f->path, hex);
	}
	for (size_t i = 0; i < recipe->n_mavens; i++) {
		const struct rootfs_maven *maven = &recipe->mavens[i];
		char hex[SHA256_HEX_SIZE];

		if (sha256_file(maven->pom, hex, err) < 0) {
			if (err)
				err->kind = ERR_CONFIG;
			return err_wrap(err, "maven '%s'", maven->folder);
		}
		text_add(&text, "maven %s %s\n", maven->folder, hex);
	}
	sha256_bytes(text.s, text.len, ret_hex);
	return 0;
}

/* ---- Making */

/* One that is asked for; what cleanup frees. */
struct making {
	const char *cache; /* of all */
	char *own;	   /* owned: the folder of this part of it */
	const struct rootfs_maker *maker;
	const struct rootfs_recipe *recipe;
	image_progress *progress;
	void *ctx;
	char inputs[SHA256_HEX_SIZE], digest[SHA256_HEX_SIZE];
	struct cache_package *packages; /* owned */
	size_t n_packages;
	struct rootfs_jar *jars; /* owned */
	size_t n_jars;
	char *tool, *work, *log, *raw, *tar, *stage; /* owned */
	struct rootfs_tree tree;
};

static void making_clear(struct making *m)
{
	if (m->work)
		remove_tree(m->work, NULL);
	cache_packages_free(m->packages, m->n_packages);
	rootfs_jars_free(m->jars, m->n_jars);
	free(m->own);
	free(m->tool);
	free(m->work);
	free(m->log);
	free(m->raw);
	free(m->tar);
	free(m->stage);
	rootfs_tree_clear(&m->tree);
}

/* Packages, then jars. */
static const struct cache_package *each_package(const struct making *m, size_t i)
{
	return i < m->n_packages ? &m->packages[i] : &m->jars[i - m->n_packages].package;
}

static void entry_digest(struct making *m)
{
	_cleanup_(text_free) struct text text = { 0 };

	text_add(&text, "%s\n%s\n", m->inputs, m->tool);
	for (size_t i = 0; i < m->n_packages + m->n_jars; i++) {
		const struct cache_package *p = each_package(m, i);

		text_add(&text, "%s %s %s\n", p->name, p->version, p->sha256);
	}
	sha256_bytes(text.s, text.len, m->digest);
}

static void say(struct making *m, const char *what)
{
	_cleanup_free_ char *line = xasprintf("rootfs %s: %s", m->recipe->name, what);

	m->progress(m->ctx, line, -1, -1);
}

static int fsync_file(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_set_errno(err, ERR_HOST, "%s", path) : 0;
}

static json_t *packages_json(const struct making *m)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->n_packages + m->n_jars; i++) {
		const struct cache_package *p = each_package(m, i);

		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", p->name, "version", p->version,
						      "sha256", p->sha256));
	}
	return list;
}

/* meta.json: the entry's manifest. */
static int write_meta(const struct making *m, const char *image, struct err *err)
{
	_cleanup_free_ char *path = path_join(m->stage, "meta.json"), *text = NULL;
	json_t *o, *narrow = json_array();
	char hex[SHA256_HEX_SIZE];
	struct stat st;

	if (sha256_file(image, hex, err) < 0)
		return -1;
	if (stat(image, &st) < 0)
		return err_set_errno(err, ERR_HOST, "%s", image);
	for (size_t i = 0; i < m->tree.narrow.n; i++)
		json_array_append_new(narrow, json_string(m->tree.narrow.v[i]));
	o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "schema", META_SCHEMA,
		      "name", m->recipe->name, "suite", m->recipe->suite, "inputs", m->inputs, "tool", m->tool,
		      "image_sha256", hex, "image_bytes", (json_int_t)st.st_size, "files", (json_int_t)m->tree.files,
		      "tree_bytes", (json_int_t)m->tree.bytes, "dropped_bytes", (json_int_t)m->tree.dropped_bytes,
		      "packages", packages_json(m), "unaligned", narrow, "recipe", rootfs_recipe_json(m->recipe));
	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	return file_write_atomic(path, text, strlen(text), err);
}

/* The stage becomes the entry. */
static int publish(const struct making *m, struct err *err)
{
	_cleanup_free_ char *dir = path_join(m->own, m->digest);

	if (remove_tree(dir, err) < 0)
		return -1;
	if (rename(m->stage, dir) < 0)
		return err_set_errno(err, ERR_HOST, "%s", dir);
	return fsync_dir(m->own, err);
}

static int make_image(struct making *m, struct err *err)
{
	_cleanup_free_ char *image = path_join(m->stage, "image"), *scratch = path_join(m->work, "scratch");
	const struct rootfs_making making = { .cache = m->own,
					      .tar = m->tar,
					      .image = image,
					      .work = scratch,
					      .recipe = m->recipe,
					      .tree_bytes = m->tree.bytes,
					      .files = m->tree.files,
					      .progress = m->progress,
					      .ctx = m->ctx };

	if (make_dirs(scratch, err) < 0 || m->maker->image(&making, err) < 0 || fsync_file(image, err) < 0)
		return -1;
	return write_meta(m, image, err) < 0 ? -1 : publish(m, err);
}

/* For the tree a jar is a file that the recipe brings. */
static int make_tree(struct making *m, struct err *err)
{
	struct rootfs_recipe all = *m->recipe; /* borrows */
	_cleanup_free_ struct rootfs_file *files = xcalloc(all.n_files + m->n_jars + 1, sizeof(*files));

	if (all.n_files)
		memcpy(files, all.files, all.n_files * sizeof(*files));
	for (size_t i = 0; i < m->n_jars; i++)
		files[all.n_files++] = (struct rootfs_file){ .path = m->jars[i].target,
							     .from = m->jars[i].from,
							     .owner = (char *)(uintptr_t) "root" };
	all.files = files;
	return rootfs_tar_make(m->raw, m->tar, &all, &m->tree, err);
}

/* Packages are known and no entry has them. The log survives a failure beside the work folder. */
static int make(struct making *m, struct err *err)
{
	char dropped[24], bytes[24];
	_cleanup_free_ char *what = NULL, *log = path_join(m->stage, "build.log");

	if (make_dirs(m->stage, err) < 0)
		return -1;
	say(m, "fetching and unpacking packages");
	if (m->maker->fetch(m->own, m->recipe, m->packages, m->n_packages, m->raw, m->log, err) < 0)
		return -1;
	say(m, "looking at files and programs");
	if (make_tree(m, err) < 0)
		return err_wrap(err, "rootfs %s", m->recipe->name);
	unlink(m->raw);
	what = xasprintf("%llu files, %s; %s left out by rule", (unsigned long long)m->tree.files,
			 size_human((double)m->tree.bytes, bytes), size_human((double)m->tree.dropped_bytes, dropped));
	say(m, what);
	if (rename(m->log, log) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_HOST, "%s", m->log);
	return make_image(m, err);
}

/* Two groups may have artifacts of one name. */
static int check_jars(const struct making *m, struct err *err)
{
	for (size_t i = 0; i < m->n_jars; i++) {
		const struct rootfs_jar *jar = &m->jars[i];

		for (size_t j = 0; j < i; j++)
			if (!strcmp(jar->target, m->jars[j].target))
				return err_set(err, ERR_CONFIG, "rootfs %s: %s and %s would both be %s",
					       m->recipe->name, m->jars[j].package.name, jar->package.name,
					       jar->target);
		for (size_t j = 0; j < m->recipe->n_files; j++)
			if (!strcmp(jar->target, m->recipe->files[j].path))
				return err_set(err, ERR_CONFIG, "rootfs %s: %s is a jar of Maven's and one of 'files'",
					       m->recipe->name, jar->target);
	}
	return 0;
}

static int resolve(struct making *m, struct err *err)
{
	say(m, "asking for packages");
	if (m->maker->tool(&m->tool, err) < 0 ||
	    m->maker->resolve(m->own, m->recipe, m->log, &m->packages, &m->n_packages, err) < 0)
		return -1;
	if (m->recipe->n_mavens) {
		say(m, "asking Maven for jars");
		if (m->maker->jars(m->own, m->recipe, m->work, m->log, &m->jars, &m->n_jars, err) < 0 ||
		    check_jars(m, err) < 0)
			return -1;
	}
	entry_digest(m);
	return 0;
}

/* What @inputs led to last: an intact entry, or nothing. */
static enum cache_state recall(const char *cache, const char *inputs, struct rootfs_entry *ret, struct err *err)
{
	_cleanup_free_ char *own = path_join(cache, ROOTFS_DIR);
	char digest[SHA256_HEX_SIZE];

	return cache_recall(own, inputs, digest) ? rootfs_open(cache, digest, true, ret, err) : CACHE_ABSENT;
}

int rootfs_lookup(const char *cache, const struct rootfs_recipe *recipe, struct rootfs_entry *ret_entry,
		  struct err *err)
{
	char inputs[SHA256_HEX_SIZE];

	if (inputs_digest(recipe, inputs, err) < 0)
		return -1;
	/* a damaged one is made again */
	return recall(cache, inputs, ret_entry, NULL) == CACHE_INTACT;
}

static void paths(struct making *m)
{
	m->work = xasprintf("%s/build/rootfs-%d", m->own, (int)getpid());
	m->log = xasprintf("%s.log", m->work);
	m->raw = path_join(m->work, "unpacked.tar");
	m->tar = path_join(m->work, "root.tar");
	m->stage = path_join(m->work, "new");
}

/* With the lock held. */
static int ensure_locked(struct making *m, bool refresh, struct rootfs_entry *ret, struct err *err)
{
	struct err damage = ERR_INIT;
	enum cache_state state = refresh ? CACHE_ABSENT : recall(m->cache, m->inputs, ret, &damage);

	if (state == CACHE_INTACT)
		return 0;
	if (state == CACHE_CORRUPT) {
		_cleanup_free_ char *what = xasprintf("%s; making it again", damage.msg);

		say(m, what);
	}
	paths(m);
	if (cache_sweep(m->own, false, err) < 0 || make_dirs(m->work, err) < 0 || resolve(m, err) < 0)
		return -1;
	/* the suite may not have moved */
	state = rootfs_open(m->cache, m->digest, true, ret, NULL);
	if (state != CACHE_INTACT && make(m, err) < 0)
		return -1;
	if (cache_remember(m->own, m->inputs, m->digest, err) < 0)
		return -1;
	unlink(m->log);
	if (state == CACHE_INTACT)
		return 0;
	return rootfs_open(m->cache, m->digest, true, ret, err) == CACHE_INTACT ? 0 : -1;
}

int rootfs_ensure(const char *cache, const struct rootfs_maker *maker, const struct rootfs_recipe *recipe, bool refresh,
		  image_progress *progress, void *ctx, struct rootfs_entry *ret_entry, struct err *err)
{
	_cleanup_(making_clear) struct making m = {
		.cache = cache, .maker = maker, .recipe = recipe, .progress = progress, .ctx = ctx
	};
	_cleanup_close_ int lock = -1;
	struct err local = ERR_INIT;

	err = err ? err : &local;
	if (inputs_digest(recipe, m.inputs, err) < 0)
		return -1;
	if (!refresh && recall(cache, m.inputs, ret_entry, NULL) == CACHE_INTACT)
		return 0;
	m.own = path_join(cache, ROOTFS_DIR);
	lock = cache_lock(m.own, progress, ctx, err);
	return lock < 0 ? -1 : ensure_locked(&m, refresh, ret_entry, err);
}
