// SPDX-License-Identifier: GPL-2.0-or-later
/* Unpacks and keeps modules. Which and in which order is modules-order.c's; loading them, the agent's. */
#include "image/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/tool.h"
#include "image/unpack.h"

#define MODULE_MAX (64u << 20)
#define INDEX_MAX (64u << 20)
#define SCHEMA 1

/* ---- The cache */

static void drop_modules(struct kernel_image *image)
{
	for (size_t i = 0; i < image->n_modules; i++) {
		free(image->modules[i].name);
		free(image->modules[i].path);
	}
	free(image->modules);
	image->modules = NULL;
	image->n_modules = 0;
}

/* What the guest gets, however it was packed. */
static void digest_modules(struct kernel_image *image)
{
	struct text list = { 0 };
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < image->n_modules; i++)
		text_add(&list, "%s %s\n", image->modules[i].name, image->modules[i].sha256);
	text = text_steal(&list);
	sha256_bytes(text, strlen(text), image->modules_sha256);
}

/* Every file is what it was when it was unpacked. */
static bool open_entry(const char *dir, struct kernel_image *image)
{
	_cleanup_free_ char *path = path_join(dir, "modules.json"), *data = NULL;
	json_t *o = file_read(path, 65536, &data, NULL, NULL) == 0 ? json_loads(data, 0, NULL) : NULL;
	const json_t *list = json_object_get(o, "modules"), *item;
	bool intact = json_is_array(list) && json_integer_value(json_object_get(o, "schema")) == SCHEMA;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *sha256 = json_string_value(json_object_get(item, "sha256"));
		struct kernel_module *m;

		intact = intact && name && sha256 && !strchr(name, '/');
		if (!intact)
			break;
		m = VEC_PUSH(image->modules, image->n_modules);
		m->name = xstrdup(name);
		m->path = path_join(dir, name);
		intact = sha256_file(m->path, m->sha256, NULL) == 0 && strcmp(m->sha256, sha256) == 0;
	}
	json_decref(o);
	if (intact) {
		digest_modules(image);
		utimensat(AT_FDCWD, dir, NULL, 0); /* its last use, for gc */
	} else {
		drop_modules(image);
	}
	return intact;
}

static int write_entry(const char *dir, const struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "modules.json"), *text = NULL;
	json_t *list = json_array(), *o = json_pack("{s:i, s:s}", "schema", SCHEMA, "release", image->release);

	for (size_t i = 0; i < image->n_modules; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", image->modules[i].name, "sha256",
						      image->modules[i].sha256));
	json_object_set_new(o, "modules", list);
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	return file_write_atomic(path, text, strlen(text), err);
}

/* The key of an entry: where the modules come from, and which are asked for. */
static void entry_key(const struct modules_wanted *want, const char *from, char ret_key[SHA256_HEX_SIZE])
{
	struct text text = { 0 };
	_cleanup_free_ char *s = NULL;

	text_add(&text, "%s\n", from);
	for (size_t i = 0; i < want->load->n; i++)
		text_add(&text, "%s\n", want->load->v[i]);
	s = text_steal(&text);
	if (want->load->n)
		sha256_bytes(s, strlen(s), ret_key);
	else
		snprintf(ret_key, SHA256_HEX_SIZE, "%s", from);
}

static char *entry_dir(const char *cache, const char *key, const struct kernel_image *image)
{
	return xasprintf("%s/modules/%s/%s", cache, key, image->release);
}

bool modules_cached(const char *cache, const struct modules_wanted *want, struct kernel_image *image)
{
	_cleanup_free_ char *dir = NULL;
	char key[SHA256_HEX_SIZE];

	if (!want->key)
		return false;
	entry_key(want, want->key, key);
	dir = entry_dir(cache, key, image);
	return open_entry(dir, image);
}

/* ---- The archive */

static void glob_close(glob_t *g)
{
	globfree(g);
}

static bool is_modules_dir(const char *dir)
{
	_cleanup_free_ char *dep = path_join(dir, "modules.dep"), *order = path_join(dir, "modules.order");

	return path_exists(dep) || path_exists(order);
}

/* The folder of @release's modules under @root; owned by the caller. */
static char *find_release(const char *what, const char *root, const char *release, struct err *err)
{
	static const char *const places[] = {
		"/", "/*/", "/lib/modules/*/", "/usr/lib/modules/*/", "/*/lib/modules/*/", "/*/usr/lib/modules/*/"
	};
	_cleanup_free_ char *other = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *pattern = xasprintf("%s%s", root, places[i]);
		_cleanup_(glob_close) glob_t g = { 0 };

		if (glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t j = 0; j < g.gl_pathc; j++) {
			_cleanup_free_ char *dir = realpath(g.gl_pathv[j], NULL);
			const char *base = dir ? strrchr(dir, '/') + 1 : "";

			if (!dir || !is_modules_dir(dir))
				continue;
			if (strcmp(base, release) == 0)
				return steal_ptr(dir);
			if (!other)
				other = xstrdup(base);
		}
	}
	if (other)
		err_set(err, ERR_CONFIG, "%s: holds the modules of %s, but the Image is %s", what, other, release);
	else
		err_set(err, ERR_CONFIG,
			"%s: no modules in it; granule needs lib/modules/%s with modules.order, as `make "
			"modules_install` leaves it",
			what, release);
	return NULL;
}

/* The texts that depmod makes. */
struct texts {
	char *dep, *builtin, *softdep, *alias; /* owned */
};

static void texts_clear(struct texts *t)
{
	free(t->dep);
	free(t->builtin);
	free(t->softdep);
	free(t->alias);
}

struct depmod_output {
	struct text dep, softdep, alias;
};

static void depmod_output_clear(struct depmod_output *out)
{
	text_free(&out->dep);
	text_free(&out->softdep);
	text_free(&out->alias);
}

/* depmod -n prints all of its files one behind the other; each has a shape of its own. */
static void take_line(void *ctx, const char *line)
{
	struct depmod_output *out = ctx;
	const char *colon = line ? strchr(line, ':') : NULL;

	if (!line)
		return;
	if (starts_with(line, "softdep "))
		text_add(&out->softdep, "%s\n", line);
	else if (starts_with(line, "alias "))
		text_add(&out->alias, "%s\n", line);
	else if (colon && memmem(line, (size_t)(colon - line), ".ko", 3))
		text_add(&out->dep, "%s\n", line);
}

/* What depmod would write into @dir. @work: for a tree that depmod accepts. */
static int run_depmod(const struct modules_wanted *want, const char *dir, const char *release, const char *work,
		      struct texts *t, struct err *err)
{
	_cleanup_free_ char *base = path_join(work, "depmod"), *order = path_join(dir, "modules.order");
	_cleanup_free_ char *usr = path_join(base, "usr/lib/modules"), *lib = path_join(base, "lib");
	_cleanup_free_ char *link = path_join(usr, release), *found = proc_find("depmod");
	/* of kmod, in a folder that is not on everybody's PATH */
	const char *argv[] = { found ? found : "/usr/sbin/depmod", "-n", "-b", base, release, NULL };
	_cleanup_(depmod_output_clear) struct depmod_output out = { 0 };
	struct stat st;

	if (make_dirs(usr, err) < 0)
		return -1;
	/* depmod takes one of the two places, depending on its version */
	if (symlink("usr/lib", lib) < 0 || symlink(dir, link) < 0)
		return err_set_errno(err, ERR_HOST, "%s", link);
	if (tool_run(argv, NULL, take_line, &out, err) < 0)
		return err_wrap(err, "%s has no modules.dep, and depmod (of the package kmod) fails", dir);
	if (out.dep.len == 0 && stat(order, &st) == 0 && st.st_size > 0)
		return err_set(err, ERR_CONFIG,
			       "%s: no modules.dep in it, and this host's depmod reads none of its modules; pack "
			       "modules.dep with them (`make modules_install` leaves one)",
			       want->what);
	t->dep = text_steal(&out.dep);
	t->softdep = text_steal(&out.softdep);
	t->alias = text_steal(&out.alias);
	return 0;
}

/* The texts of @dir; what it lacks of depmod's stays NULL if it has modules.dep. */
static int read_texts(const struct modules_wanted *want, const char *dir, const char *release, const char *work,
		      struct texts *t, struct err *err)
{
	const struct {
		const char *name;
		char **text;
	} files[] = { { "modules.builtin", &t->builtin },
		      { "modules.dep", &t->dep },
		      { "modules.softdep", &t->softdep },
		      { "modules.alias", &t->alias } };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = path_join(dir, files[i].name);

		if (path_exists(path) && file_read(path, INDEX_MAX, files[i].text, NULL, err) < 0)
			return -1;
	}
	if (t->dep)
		return 0;
	free(t->softdep);
	free(t->alias);
	t->softdep = t->alias = NULL;
	return run_depmod(want, dir, release, work, t, err);
}

static int choose(const struct modules_wanted *want, const char *dir, const char *release, const char *work,
		  char ***ret_files, size_t *ret_n, struct err *err)
{
	_cleanup_(texts_clear) struct texts t = { 0 };

	if (read_texts(want, dir, release, work, &t, err) < 0)
		return -1;
	const struct modules_index index = {
		.dep = t.dep, .builtin = t.builtin, .softdep = t.softdep, .alias = t.alias
	};

	return modules_order(want->what, &index, want->load, ret_files, ret_n, err);
}

/* The release that a module was built for, from its "vermagic=6.12.107 SMP ...". */
static int check_vermagic(const char *what, const char *path, const char *release, struct err *err)
{
	static const char key[] = "vermagic=";
	_cleanup_free_ char *data = NULL, *is = NULL;
	const char *p;
	size_t len;

	if (file_read(path, MODULE_MAX, &data, &len, err) < 0)
		return -1;
	p = memmem(data, len, key, strlen(key));
	if (!p)
		return err_set(err, ERR_CONFIG, "%s: %s is no kernel module", what, strrchr(path, '/') + 1);
	p += strlen(key);
	is = xstrndup(p, strcspn(p, " "));
	if (strcmp(is, release) != 0)
		return err_set(err, ERR_CONFIG, "%s: %s was built for %s, but the Image is %s", what,
			       strrchr(path, '/') + 1, is, release);
	return 0;
}

/* @from into @stage as "NN-name.ko", whatever it is compressed with. */
static int unpack_module(const char *from, const char *stage, size_t index, struct kernel_module *m, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	char name[MODULE_NAME_SIZE];
	size_t len;

	module_name(from, strlen(from), name);
	m->name = xasprintf("%02zu-%s.ko", index, name);
	m->path = path_join(stage, m->name);
	if (unpack_file(from, MODULE_MAX, &data, &len, err) < 0 || file_write_atomic(m->path, data, len, err) < 0)
		return -1;
	return sha256_file(m->path, m->sha256, err);
}

/* From the modules of @dir to their entry. */
static int store(const char *cache, const struct modules_wanted *want, const char *dir, const char *work,
		 struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *stage = path_join(work, "stage"), *parent = NULL, *entry = NULL;
	char **files = NULL, key[SHA256_HEX_SIZE];
	size_t n = 0;
	int rc;

	if (make_dirs(stage, err) < 0 || choose(want, dir, image->release, work, &files, &n, err) < 0)
		return -1;
	rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct kernel_module *m = VEC_PUSH(image->modules, image->n_modules);
		_cleanup_free_ char *from = files[i][0] == '/' ? xstrdup(files[i]) : path_join(dir, files[i]);

		rc = unpack_module(from, stage, i, m, err);
		if (rc == 0)
			rc = check_vermagic(want->what, m->path, image->release, err);
	}
	for (size_t i = 0; i < n; i++)
		free(files[i]);
	free(files);
	if (rc < 0 || write_entry(stage, image, err) < 0)
		return -1;
	digest_modules(image);
	entry_key(want, want->key ? want->key : image->modules_sha256, key);
	parent = xasprintf("%s/modules/%s", cache, key);
	entry = path_join(parent, image->release);
	drop_modules(image);
	if (make_dirs(parent, err) < 0 || remove_tree(entry, err) < 0)
		return -1;
	if (rename(stage, entry) < 0)
		return err_set_errno(err, ERR_HOST, "%s", entry);
	if (fsync_dir(parent, err) < 0)
		return -1;
	return open_entry(entry, image) ? 0 : err_set(err, ERR_HOST, "%s: not what was written there", entry);
}

int modules_take(const char *cache, const struct modules_wanted *want, const char *root, const char *work,
		 struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *dir = find_release(want->what, root, image->release, err);

	if (dir && store(cache, want, dir, work, image, err) == 0)
		return 0;
	drop_modules(image);
	return -1;
}

static int unpack_archive(const char *archive, const char *work, struct err *err)
{
	static const char *const tools[] = { "tar", NULL };
	_cleanup_free_ char *missing = tools_missing(tools), *root = path_join(work, "root");
	const char *argv[] = { "tar", "--no-same-owner", "-x", "-C", root, "-f", archive, NULL };

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (modules come in a tar file)", missing);
	if (make_dirs(root, err) < 0)
		return -1;
	if (tool_run(argv, NULL, NULL, NULL, err) < 0) {
		if (err && err->kind == ERR_HOST)
			err->kind = ERR_CONFIG;
		return err_wrap(err, "%s: neither a folder nor a tar file that tar can read", archive);
	}
	return 0;
}

/* @key: the archive's digest, for want->key, which stays NULL of a folder. */
static int archive_wanted(const char *archive, const struct string_list *load, char key[SHA256_HEX_SIZE],
			  struct modules_wanted *want, struct err *err)
{
	*want = (struct modules_wanted){ .what = archive, .load = load };
	if (path_is_dir(archive))
		return 0;
	if (!path_exists(archive))
		return err_set(err, ERR_CONFIG, "%s: no such file or folder", archive);
	if (sha256_file(archive, key, err) < 0)
		return -1;
	want->key = key;
	return 0;
}

int modules_lookup(const char *cache, const char *archive, const struct string_list *load, struct kernel_image *image,
		   struct err *err)
{
	struct modules_wanted want;
	char key[SHA256_HEX_SIZE];

	return archive_wanted(archive, load, key, &want, err) < 0 ? -1 : modules_cached(cache, &want, image);
}

int modules_ensure(const char *cache, const char *archive, const struct string_list *load, image_progress *progress,
		   void *ctx, struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *work = xasprintf("%s/build/modules-%d", cache, (int)getpid());
	_cleanup_free_ char *root = path_is_dir(archive) ? xstrdup(archive) : path_join(work, "root");
	_cleanup_free_ char *what = xasprintf("%s: unpacking", archive);
	_cleanup_close_ int lock = -1;
	struct modules_wanted want;
	char key[SHA256_HEX_SIZE];
	int rc = 0;

	if (archive_wanted(archive, load, key, &want, err) < 0)
		return -1;
	if (modules_cached(cache, &want, image))
		return 0;
	lock = cache_lock(cache, progress, ctx, err);
	if (lock < 0 || remove_tree(work, err) < 0 || make_dirs(work, err) < 0)
		return -1;
	progress(ctx, what, -1, -1);
	if (want.key)
		rc = unpack_archive(archive, work, err);
	if (rc == 0)
		rc = modules_take(cache, &want, root, work, image, err);
	remove_tree(work, NULL);
	return rc;
}
