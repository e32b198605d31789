// SPDX-License-Identifier: GPL-2.0-or-later
/* Chooses, unpacks and keeps modules. Loads none: that is the agent's. */
#include "image/modules.h"

#include <ctype.h>
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

#define MODULE_MAX (64u << 20)
#define INDEX_MAX (64u << 20)
#define SCHEMA 1

/* What the stream goes through in the guest that domain.c describes: a virtio console on PCI. */
static const struct driver {
	const char *name;
	bool needed; /* else a part of some other driver in many kernels */
} drivers[] = {
	{ "pci_host_generic", false },
	{ "virtio_pci", true },
	{ "virtio_console", true },
};

/* ---- Which, and in which order */

/* The module's name of a path, as lsmod would show it: "kernel/drivers/pci/pci-host.ko.xz" is pci_host. */
static void name_of(const char *path, size_t len, char buf[128])
{
	const char *slash = memrchr(path, '/', len);
	const char *base = slash ? slash + 1 : path;
	size_t n = 0;

	for (; base < path + len && *base != '.' && n < 127; base++)
		buf[n++] = (char)(*base == '-' ? '_' : *base);
	buf[n] = '\0';
}

/* The line of @text (its first word up to a colon or the end of the line) whose module is @name; NULL if there is none. */
static const char *find_module(const char *text, const char *name)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char is[128];

		name_of(line, strcspn(line, ":\n"), is);
		if (strcmp(is, name) == 0)
			return line;
	}
	return NULL;
}

struct order {
	const char *dep; /* borrowed */
	char **files;	 /* owned, as their strings */
	size_t n_files;
	const char **seen; /* owned: lines of dep */
	size_t n_seen;
};

static void order_clear(struct order *o)
{
	for (size_t i = 0; i < o->n_files; i++)
		free(o->files[i]);
	free(o->files);
	free(o->seen);
	*o = (struct order){ 0 };
}

static void order_add(struct order *o, const char *line);

/* The modules that @line names behind its colon, the last first: a line lists all that is needed, the deepest last. */
static void order_add_needed(struct order *o, const char *line)
{
	const char *begin = line + strcspn(line, ":\n"), *to = line + strcspn(line, "\n");

	begin += *begin == ':';
	while (to > begin) {
		const char *from = to, *deeper;
		char name[128];

		while (from > begin && from[-1] != ' ')
			from--;
		name_of(from, (size_t)(to - from), name);
		deeper = *name ? find_module(o->dep, name) : NULL;
		if (deeper)
			order_add(o, deeper);
		to = from > begin ? from - 1 : from;
	}
}

/* First what it depends on, each by its own line; then itself. */
static void order_add(struct order *o, const char *line)
{
	for (size_t i = 0; i < o->n_seen; i++)
		if (o->seen[i] == line)
			return;
	*VEC_PUSH(o->seen, o->n_seen) = line;
	order_add_needed(o, line);
	*VEC_PUSH(o->files, o->n_files) = xstrndup(line, strcspn(line, ":\n"));
}

int modules_order(const char *what, const char *dep, const char *builtin, char ***ret_files, size_t *ret_n,
		  struct err *err)
{
	_cleanup_(order_clear) struct order o = { .dep = dep };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		const struct driver *d = &drivers[i];
		const char *line = find_module(dep, d->name);

		if (builtin && find_module(builtin, d->name))
			continue;
		if (line) {
			order_add(&o, line);
		} else if (d->needed) {
			return err_set(err, ERR_CONFIG,
				       "%s: no %s, neither as a module nor in modules.builtin: the guest could not "
				       "say anything; build it in (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_CONSOLE)",
				       what, d->name);
		}
	}
	*ret_n = o.n_files;
	*ret_files = steal_ptr(o.files);
	o.n_files = 0;
	return 0;
}

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

static char *entry_dir(const char *cache, const char *key, const struct kernel_image *image)
{
	return xasprintf("%s/modules/%s/%s", cache, key, image->release);
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

static void take_dep(void *ctx, const char *line)
{
	const char *colon = line ? strchr(line, ':') : NULL;

	if (colon && memmem(line, (size_t)(colon - line), ".ko", 3))
		text_add(ctx, "%s\n", line);
}

/* modules.dep of @dir, or what depmod would write there. @work: for a tree that depmod accepts. */
static int read_dep(const char *what, const char *dir, const char *release, const char *work, char **ret_dep,
		    struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "modules.dep"), *base = path_join(work, "depmod");
	_cleanup_free_ char *usr = path_join(base, "usr/lib/modules"), *lib = path_join(base, "lib");
	_cleanup_free_ char *link = path_join(usr, release), *found = proc_find("depmod");
	/* of kmod, in a folder that is not on everybody's PATH */
	const char *argv[] = { found ? found : "/usr/sbin/depmod", "-n", "-b", base, release, NULL };
	_cleanup_free_ char *order = path_join(dir, "modules.order");
	struct text dep = { 0 };
	struct stat st;

	if (path_exists(path))
		return file_read(path, INDEX_MAX, ret_dep, NULL, err);
	if (make_dirs(usr, err) < 0)
		return -1;
	/* depmod takes one of the two places, depending on its version */
	if (symlink("usr/lib", lib) < 0 || symlink(dir, link) < 0)
		return err_set_errno(err, ERR_HOST, "%s", link);
	if (tool_run(argv, NULL, take_dep, &dep, err) < 0) {
		text_free(&dep);
		return err_wrap(err, "%s has no modules.dep, and depmod (of the package kmod) fails", dir);
	}
	if (dep.len == 0 && stat(order, &st) == 0 && st.st_size > 0)
		return err_set(err, ERR_CONFIG,
			       "%s: no modules.dep in it, and this host's depmod reads none of its modules; pack "
			       "modules.dep with them (`make modules_install` leaves one)",
			       what);
	*ret_dep = text_steal(&dep);
	return 0;
}

static int choose(const char *what, const char *dir, const char *release, const char *work, char ***ret_files,
		  size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "modules.builtin"), *builtin = NULL, *dep = NULL;

	if (path_exists(path) && file_read(path, INDEX_MAX, &builtin, NULL, err) < 0)
		return -1;
	if (read_dep(what, dir, release, work, &dep, err) < 0)
		return -1;
	return modules_order(what, dep, builtin, ret_files, ret_n, err);
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
	static const struct {
		const char *suffix, *tool;
	} packers[] = { { ".xz", "xz" }, { ".gz", "gzip" }, { ".zst", "zstd" } };
	_cleanup_free_ char *data = NULL, *packed = NULL;
	const char *suffix = "";
	char name[128];
	size_t len;

	name_of(from, strlen(from), name);
	m->name = xasprintf("%02zu-%s.ko", index, name);
	m->path = path_join(stage, m->name);
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++)
		if (ends_with(from, packers[i].suffix))
			suffix = packers[i].suffix;
	packed = xasprintf("%s%s", m->path, suffix);
	if (file_read(from, MODULE_MAX, &data, &len, err) < 0 || file_write_atomic(packed, data, len, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		const char *argv[] = { packers[i].tool, "-d", "-q", "-f", packed, NULL };

		if (ends_with(from, packers[i].suffix) && tool_run(argv, NULL, NULL, NULL, err) < 0)
			return err_wrap(err, "unpacking %s", from);
	}
	if (*suffix)
		unlink(packed); /* zstd keeps it */
	return sha256_file(m->path, m->sha256, err);
}

/* From the modules of @dir to the entry for @key; NULL: keyed by what was chosen. */
static int store(const char *cache, const char *what, const char *dir, const char *key, const char *work,
		 struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *stage = path_join(work, "stage"), *parent = NULL, *entry = NULL;
	char **files = NULL;
	size_t n = 0;
	int rc;

	if (make_dirs(stage, err) < 0 || choose(what, dir, image->release, work, &files, &n, err) < 0)
		return -1;
	rc = 0;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct kernel_module *m = VEC_PUSH(image->modules, image->n_modules);
		_cleanup_free_ char *from = files[i][0] == '/' ? xstrdup(files[i]) : path_join(dir, files[i]);

		rc = unpack_module(from, stage, i, m, err);
		if (rc == 0)
			rc = check_vermagic(what, m->path, image->release, err);
	}
	for (size_t i = 0; i < n; i++)
		free(files[i]);
	free(files);
	if (rc < 0 || write_entry(stage, image, err) < 0)
		return -1;
	digest_modules(image);
	parent = xasprintf("%s/modules/%s", cache, key ? key : image->modules_sha256);
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

int modules_lookup(const char *cache, const char *archive, struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *dir = NULL;
	char key[SHA256_HEX_SIZE];

	if (path_is_dir(archive))
		return 0;
	if (!path_exists(archive))
		return err_set(err, ERR_CONFIG, "%s: no such file or folder", archive);
	if (sha256_file(archive, key, err) < 0)
		return -1;
	dir = entry_dir(cache, key, image);
	return open_entry(dir, image) ? 1 : 0;
}

int modules_ensure(const char *cache, const char *archive, image_progress *progress, void *ctx,
		   struct kernel_image *image, struct err *err)
{
	_cleanup_free_ char *work = xasprintf("%s/build/modules-%d", cache, (int)getpid());
	_cleanup_free_ char *root = path_is_dir(archive) ? xstrdup(archive) : path_join(work, "root"), *dir = NULL;
	_cleanup_free_ char *what = xasprintf("%s: unpacking", archive);
	_cleanup_close_ int lock = -1;
	char key[SHA256_HEX_SIZE];
	bool folder = path_is_dir(archive);
	int rc = modules_lookup(cache, archive, image, err);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	lock = cache_lock(cache, progress, ctx, err);
	if (lock < 0 || remove_tree(work, err) < 0 || make_dirs(work, err) < 0)
		return -1;
	progress(ctx, what, -1, -1);
	rc = folder ? 0 : sha256_file(archive, key, err);
	if (rc == 0 && !folder)
		rc = unpack_archive(archive, work, err);
	if (rc == 0)
		dir = find_release(archive, root, image->release, err);
	rc = dir ? store(cache, archive, dir, folder ? NULL : key, work, image, err) : -1;
	if (rc < 0)
		drop_modules(image);
	remove_tree(work, NULL);
	return rc;
}
