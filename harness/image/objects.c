// SPDX-License-Identifier: GPL-2.0-or-later
/* Keeps object trees and lends copies. Knows that kbuild compares the command lines in *.cmd and the times of files, and
 * nothing else of make. */
#include "image/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/git.h"
#include "image/tool.h"

#define OBJECT_SCHEMA 1
#define CMD_CAP (16 << 20)

void object_parent_clear(struct object_parent *parent)
{
	free(parent->dir);
	free(parent->name);
	free(parent->source);
	free(parent->tree_path);
	free(parent->obj_path);
	*parent = (struct object_parent){ 0 };
}

/* What two recipes must have in common: everything but the source. */
static void family_digest(const struct recipe *r, const struct kernel_source *source, char ret_hex[SHA256_HEX_SIZE])
{
	_cleanup_free_ char *config = recipe_config(r, r->n_configs);
	_cleanup_(text_free) struct text t = { 0 };

	text_add(&t, "%s\n%s\n%s\n%s\n%s\n", source->git_dir ? "git" : "tarball", r->compiler, r->cross,
		 r->house_sha256, config);
	for (const char *const *v = recipe_make_vars; *v; v++)
		text_add(&t, "%s\n", *v);
	sha256_bytes(t.s, t.len, ret_hex);
}

static const char *source_identity(const struct kernel_source *source)
{
	return source->git_dir ? source->tree : source->tarball_sha256;
}

bool object_same(const struct object_parent *parent, const struct kernel_source *source)
{
	return strcmp(parent->source, source_identity(source)) == 0;
}

static char *string_of(const json_t *o, const char *key)
{
	return xstrdup(json_string_value(json_object_get(o, key)));
}

/* @dir's record, if it is of @family. */
static bool read_record(const char *dir, const char *family, struct object_parent *ret)
{
	_cleanup_free_ char *path = path_join(dir, "object.json"), *data = NULL, *of = NULL;
	_cleanup_(object_parent_clear) struct object_parent p = { 0 };
	json_t *o;

	if (file_read(path, 65536, &data, NULL, NULL) < 0 || !(o = json_loads(data, 0, NULL)))
		return false;
	p.dir = xstrdup(dir);
	p.name = string_of(o, "name");
	p.source = string_of(o, "source");
	p.tree_path = string_of(o, "tree_path");
	p.obj_path = string_of(o, "obj_path");
	if (json_integer_value(json_object_get(o, "schema")) == OBJECT_SCHEMA)
		of = string_of(o, "family");
	json_decref(o);
	if (!of || strcmp(of, family) != 0 || !p.name || !p.source || !p.tree_path || !p.obj_path)
		return false;
	*ret = p;
	p = (struct object_parent){ 0 };
	return true;
}

bool objects_find(const char *cache, const struct recipe *recipe, const struct kernel_source *source,
		  struct object_parent *ret_parent)
{
	_cleanup_free_ char *pattern = path_join(cache, "objects/*/object.json");
	_cleanup_(globfree) glob_t g = { 0 };
	char family[SHA256_HEX_SIZE];
	struct timespec newest = { 0 };
	bool found = false;

	family_digest(recipe, source, family);
	if (glob(pattern, 0, NULL, &g) != 0)
		return false;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_(object_parent_clear) struct object_parent p = { 0 };
		struct stat st;

		if (stat(g.gl_pathv[i], &st) < 0)
			continue;
		*strrchr(g.gl_pathv[i], '/') = '\0';
		if (!read_record(g.gl_pathv[i], family, &p))
			continue;
		if (!object_same(&p, source) && (!source->git_dir || !git_has_tree(source, p.source)))
			continue;
		if (found && (st.st_mtim.tv_sec < newest.tv_sec ||
			      (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec <= newest.tv_nsec)))
			continue;
		object_parent_clear(ret_parent);
		*ret_parent = p;
		p = (struct object_parent){ 0 };
		newest = st.st_mtim;
		found = true;
	}
	return found;
}

/* @text with each @from replaced by @to; NULL if there is none. */
static char *replaced(const char *text, const char *from, const char *to)
{
	struct text out = { 0 };
	const char *p = text, *hit;

	while ((hit = strstr(p, from))) {
		text_add_bytes(&out, p, (size_t)(hit - p));
		text_add(&out, "%s", to);
		p = hit + strlen(from);
	}
	if (p == text)
		return NULL;
	text_add(&out, "%s", p);
	return text_steal(&out);
}

static int rewrite_cmd(const char *path, const struct object_parent *p, const char *tree, const char *obj,
		       struct err *err)
{
	_cleanup_free_ char *text = NULL, *once = NULL, *twice = NULL;
	const char *out;

	if (file_read(path, CMD_CAP, &text, NULL, err) < 0)
		return -1;
	once = replaced(text, p->tree_path, tree);
	twice = replaced(once ? once : text, p->obj_path, obj);
	out = twice ? twice : once;
	if (!out)
		return 0;
	_cleanup_fclose_ FILE *f = fopen(path, "we");

	if (!f || fputs(out, f) < 0 || fflush(f) != 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

/* kbuild rebuilds what was made by another command line, and the paths are in there. */
static int rewrite_commands(const struct object_parent *p, const char *tree, const char *obj, struct err *err)
{
	char *const roots[] = { (char *)obj, NULL };
	_cleanup_(fts_end) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);
	FTSENT *f;

	while (fts && (f = fts_read(fts)))
		if (f->fts_info != FTS_D && f->fts_info != FTS_DP && ends_with(f->fts_name, ".cmd") &&
		    rewrite_cmd(f->fts_path, p, tree, obj, err) < 0)
			return -1;
	return 0;
}

/* The files that patches wrote are those not older than the stamp that source_extract() made before it applied them. */
static int touch_patched(const char *tree, struct err *err)
{
	_cleanup_free_ char *stamp = source_stamp(tree);
	char *const roots[] = { (char *)tree, NULL };
	_cleanup_(fts_end) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct stat since;
	FTSENT *f;

	if (stat(stamp, &since) < 0)
		return err_set_errno(err, ERR_HOST, "%s", stamp);
	while (fts && (f = fts_read(fts))) {
		const struct timespec *m = &f->fts_statp->st_mtim, *s = &since.st_mtim;

		if (f->fts_info != FTS_F ||
		    (m->tv_sec < s->tv_sec || (m->tv_sec == s->tv_sec && m->tv_nsec < s->tv_nsec)))
			continue;
		if (utimensat(AT_FDCWD, f->fts_path, NULL, 0) < 0)
			return err_set_errno(err, ERR_HOST, "%s", f->fts_path);
	}
	return 0;
}

int objects_adopt(const struct object_parent *parent, const struct kernel_source *source, bool patched,
		  const char *tree, const char *obj, struct err *err)
{
	_cleanup_free_ char *from = path_join(parent->dir, "obj"), *record = path_join(parent->dir, "object.json");
	const char *copy[] = { "cp", "-a", "--reflink=auto", from, obj, NULL };

	if (tool_run(copy, NULL, NULL, NULL, err) < 0 || rewrite_commands(parent, tree, obj, err) < 0)
		return -1;
	utimensat(AT_FDCWD, record, NULL, 0); /* its last use */
	if (!object_same(parent, source) && git_touch_changed(source, parent->source, tree, err) < 0)
		return -1;
	return patched ? touch_patched(tree, err) : 0;
}

/* One kept tree, for dropping the oldest. */
struct kept {
	char *dir; /* owned */
	time_t used;
	uint64_t bytes;
};

static int by_use(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->used > y->used) - (x->used < y->used);
}

/* Drop the longest unused until what is left fits. */
static int trim(const char *cache, uint64_t limit, struct err *err)
{
	_cleanup_free_ char *pattern = path_join(cache, "objects/*");
	_cleanup_(globfree) glob_t g = { 0 };
	struct kept *v = NULL;
	uint64_t total = 0;
	size_t n = 0;
	int rc = 0;

	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *record = path_join(g.gl_pathv[i], "object.json");
		struct kept *k = VEC_PUSH(v, n);
		struct stat st;

		k->dir = xstrdup(g.gl_pathv[i]);
		k->used = stat(record, &st) == 0 ? st.st_mtime : 0;
		k->bytes = cache_bytes(k->dir);
		total += k->bytes;
	}
	qsort(v, n, sizeof(*v), by_use);
	for (size_t i = 0; i < n; i++) {
		if (rc == 0 && total > limit)
			rc = remove_tree(v[i].dir, err);
		total -= v[i].bytes;
		free(v[i].dir);
	}
	free(v);
	return rc;
}

int objects_keep(const char *cache, const char *digest, const struct recipe *recipe, const struct kernel_source *source,
		 const char *name, const char *tree, const char *obj, struct err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/objects/%.16s", cache, digest), *to = path_join(dir, "obj"),
			    *record = path_join(dir, "object.json"), *text = NULL;
	char family[SHA256_HEX_SIZE];
	uint64_t free_bytes;
	json_t *o;

	if (remove_tree(dir, err) < 0)
		return -1;
	if (kernel_is_variant(recipe->spec))
		return remove_tree(obj, err);
	if (make_dirs(dir, err) < 0)
		return -1;
	if (rename(obj, to) < 0)
		return err_set_errno(err, ERR_HOST, "%s", to);
	family_digest(recipe, source, family);
	o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "schema", OBJECT_SCHEMA, "family", family, "name", name,
		      "source", source_identity(source), "tree_path", tree, "obj_path", obj);
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	/* the record last: without it the folder is no parent */
	if (file_write_atomic(record, text, strlen(text), err) < 0)
		return -1;
	free_bytes = disk_free_bytes(cache);
	return trim(cache, free_bytes && free_bytes / 4 < OBJECTS_BYTES_MAX ? free_bytes / 4 : OBJECTS_BYTES_MAX, err);
}
