// SPDX-License-Identifier: GPL-2.0-or-later
/* Keeps kernels. Knows files, digests and locks; not how a kernel comes about. */
#include "image/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/header.h"

#define META_SCHEMA 1
#define LOCK_POLL_NS 200000000

void cache_packages_free(struct cache_package *packages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(packages[i].name);
		free(packages[i].version);
	}
	free(packages);
}

void cache_entry_clear(struct cache_entry *entry)
{
	free(entry->dir);
	free(entry->release);
	free(entry->origin);
	free(entry->compiler);
	free(entry->family);
	cache_packages_free(entry->packages, entry->n_packages);
	*entry = (struct cache_entry){ 0 };
}

void cache_entries_free(struct cache_entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cache_entry_clear(&entries[i]);
	free(entries);
}

static uint64_t du_total; /* nftw() has no context */

static int du_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path;
	(void)flag;
	(void)ftw;
	du_total += (uint64_t)st->st_blocks * 512;
	return 0;
}

uint64_t cache_bytes(const char *path)
{
	du_total = 0;
	nftw(path, du_one, 32, FTW_PHYS | FTW_MOUNT);
	return du_total;
}

bool meta_string(const json_t *o, const char *key, char **ret)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s)
		return false;
	*ret = xstrdup(s);
	return true;
}

bool meta_hex(const json_t *o, const char *key, char ret_hex[SHA256_HEX_SIZE])
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) != SHA256_HEX_SIZE - 1)
		return false;
	memcpy(ret_hex, s, SHA256_HEX_SIZE);
	return true;
}

/* As meta_hex(), but "" is a digest too: of a file that is not there. */
static bool hex_or_none(const json_t *o, const char *key, char ret_hex[SHA256_HEX_SIZE])
{
	const char *s = json_string_value(json_object_get(o, key));

	ret_hex[0] = '\0';
	return (s && !*s) || meta_hex(o, key, ret_hex);
}

bool meta_packages(const json_t *list, struct cache_package **ret_packages, size_t *ret_n)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		struct cache_package *p = VEC_PUSH(*ret_packages, *ret_n);

		if (!meta_string(item, "name", &p->name) || strchr(p->name, '/') ||
		    !meta_string(item, "version", &p->version) || !meta_hex(item, "sha256", p->sha256))
			return false;
	}
	return true;
}

static bool entry_parse(const json_t *o, struct cache_entry *e)
{
	e->page_bytes = (uint64_t)json_integer_value(json_object_get(o, "page_bytes"));
	e->steps = (unsigned)json_integer_value(json_object_get(o, "steps"));
	e->build_s = (unsigned)json_integer_value(json_object_get(o, "build_s"));
	return json_integer_value(json_object_get(o, "schema")) == META_SCHEMA &&
	       meta_string(o, "release", &e->release) && meta_string(o, "origin", &e->origin) &&
	       meta_string(o, "compiler", &e->compiler) && meta_string(o, "family", &e->family) &&
	       meta_hex(o, "image_sha256", e->image_sha256) && hex_or_none(o, "map_sha256", e->map_sha256) &&
	       hex_or_none(o, "config_sha256", e->config_sha256) &&
	       meta_packages(json_object_get(o, "packages"), &e->packages, &e->n_packages);
}

/* Reads meta.json; hashes nothing. */
static enum cache_state entry_read(const char *cache, const char *recipe, struct cache_entry *e, struct err *err)
{
	_cleanup_free_ char *meta = NULL, *data = NULL;
	struct stat st;
	json_t *o;
	bool ok;

	e->dir = xasprintf("%s/kernels/%s", cache, recipe);
	snprintf(e->recipe, sizeof(e->recipe), "%s", recipe);
	if (!path_is_dir(e->dir))
		return CACHE_ABSENT;
	meta = path_join(e->dir, "meta.json");
	if (stat(meta, &st) == 0)
		e->used = st.st_mtime;
	if (file_read(meta, 65536, &data, NULL, err) < 0)
		return CACHE_CORRUPT;
	o = json_loads(data, 0, NULL);
	ok = o && entry_parse(o, e);
	json_decref(o);
	if (!ok) {
		err_set(err, ERR_HOST, "%s: damaged", meta);
		return CACHE_CORRUPT;
	}
	return CACHE_INTACT;
}

static bool file_is(const char *dir, const char *name, const char *hex, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name);
	char got[SHA256_HEX_SIZE];

	if (!*hex)
		return true;
	if (sha256_file(path, got, err) < 0)
		return false;
	if (strcmp(got, hex) == 0)
		return true;
	err_set(err, ERR_HOST, "%s: damaged: its sha256 is not the one it had when it was built", path);
	return false;
}

enum cache_state cache_open(const char *cache, const char *recipe, struct cache_entry *ret_entry, struct err *err)
{
	_cleanup_(cache_entry_clear) struct cache_entry e = { 0 };
	enum cache_state state = entry_read(cache, recipe, &e, err);

	if (state != CACHE_INTACT)
		return state;
	if (!file_is(e.dir, "Image", e.image_sha256, err) || !file_is(e.dir, "System.map", e.map_sha256, err) ||
	    !file_is(e.dir, "config", e.config_sha256, err))
		return CACHE_CORRUPT;
	*ret_entry = e;
	e = (struct cache_entry){ 0 };
	return CACHE_INTACT;
}

int cache_check_packages(const struct cache_entry *entry, struct err *err)
{
	for (size_t i = 0; i < entry->n_packages; i++) {
		_cleanup_free_ char *name = xasprintf("%s.deb", entry->packages[i].name);

		if (!file_is(entry->dir, name, entry->packages[i].sha256, err))
			return -1;
	}
	return 0;
}

struct kernel_image *cache_image(const struct cache_entry *e)
{
	_cleanup_(kernel_header_clear) struct kernel_header header = { 0 };
	struct kernel_image *image = xcalloc(1, sizeof(*image));
	struct text packages = { 0 };

	image->path = path_join(e->dir, "Image");
	image->system_map = *e->map_sha256 ? path_join(e->dir, "System.map") : NULL;
	image->config = *e->config_sha256 ? path_join(e->dir, "config") : NULL;
	image->release = xstrdup(e->release);
	image->page_bytes = e->page_bytes;
	image->origin = xstrdup(e->origin);
	memcpy(image->sha256, e->image_sha256, SHA256_HEX_SIZE);
	memcpy(image->recipe, e->recipe, SHA256_HEX_SIZE);
	for (size_t i = 0; i < e->n_packages; i++)
		text_add(&packages, "%s%s %s %s", i ? ", " : "", e->packages[i].name, e->packages[i].version,
			 e->packages[i].sha256);
	image->packages = packages.len ? text_steal(&packages) : NULL;
	/* the entry's own compiler is in other words than an Image by path has */
	if (kernel_header_read(image->path, &header, NULL) == 0)
		image->compiler = steal_ptr(header.compiler);
	return image;
}

void cache_touch(const struct cache_entry *entry)
{
	_cleanup_free_ char *meta = path_join(entry->dir, "meta.json");

	utimensat(AT_FDCWD, meta, NULL, 0); /* a read-only cache has no last use */
}

static int entry_compare(const void *a, const void *b)
{
	const struct cache_entry *x = a, *y = b;

	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->recipe, y->recipe);
}

static void entry_close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

int cache_list(const char *cache, struct cache_entry **ret_entries, size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *dir = path_join(cache, "kernels");
	_cleanup_(entry_close_dir) DIR *d = opendir(dir);
	struct cache_entry *entries = NULL;
	size_t n = 0;

	if (!d && errno != ENOENT)
		return err_set_errno(err, ERR_HOST, "%s", dir);
	for (struct dirent *de; d && (de = readdir(d));) {
		struct cache_entry *e;

		if (strlen(de->d_name) != SHA256_HEX_SIZE - 1)
			continue;
		e = VEC_PUSH(entries, n);
		if (entry_read(cache, de->d_name, e, NULL) != CACHE_INTACT) {
			free(e->release);
			e->release = xstrdup("");
		}
		e->bytes = cache_bytes(e->dir);
	}
	if (n)
		qsort(entries, n, sizeof(*entries), entry_compare);
	*ret_entries = entries;
	*ret_n = n;
	return 0;
}

bool cache_recall(const char *cache, const char *inputs, char ret_recipe[SHA256_HEX_SIZE])
{
	_cleanup_free_ char *path = xasprintf("%s/inputs/%s", cache, inputs), *data = NULL;
	size_t len;

	if (file_read(path, 4096, &data, &len, NULL) < 0 || strspn(data, "0123456789abcdef") != SHA256_HEX_SIZE - 1)
		return false;
	memcpy(ret_recipe, data, SHA256_HEX_SIZE - 1);
	ret_recipe[SHA256_HEX_SIZE - 1] = '\0';
	return true;
}

int cache_remember(const char *cache, const char *inputs, const char *recipe, struct err *err)
{
	_cleanup_free_ char *dir = path_join(cache, "inputs"), *path = path_join(dir, inputs),
			    *line = xasprintf("%s\n", recipe);

	return make_dirs(dir, err) < 0 ? -1 : file_write_atomic(path, line, strlen(line), err);
}

static int file_sync(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

static int move_in(const char *from, const char *dir, const char *name, char *ret_hex, struct err *err)
{
	_cleanup_free_ char *to = path_join(dir, name);

	if (ret_hex)
		ret_hex[0] = '\0';
	if (!from)
		return 0;
	if (rename(from, to) < 0)
		return err_set_errno(err, ERR_HOST, "%s to %s", from, to);
	if (ret_hex && sha256_file(to, ret_hex, err) < 0)
		return -1;
	return file_sync(to, err);
}

/* The packages into @stage, and what meta.json says of them into @o. */
static int move_packages(const struct cache_new *n, const char *stage, json_t *o, struct err *err)
{
	json_t *list = json_array();

	json_object_set_new(o, "packages", list);
	for (size_t i = 0; i < n->n_packages; i++) {
		const struct cache_package *p = &n->packages[i];
		_cleanup_free_ char *name = xasprintf("%s.deb", p->name), *from = path_join(n->debs, name);

		if (move_in(from, stage, name, NULL, err) < 0)
			return -1;
		json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", p->name, "version", p->version,
						      "sha256", p->sha256));
	}
	return 0;
}

int cache_store(const char *cache, const struct cache_new *n, struct err *err)
{
	_cleanup_free_ char *stage = xasprintf("%s/build/new-%.16s", cache, n->recipe),
			    *meta = path_join(stage, "meta.json");
	_cleanup_free_ char *kernels = path_join(cache, "kernels"), *dir = path_join(kernels, n->recipe), *text = NULL;
	char image[SHA256_HEX_SIZE], map[SHA256_HEX_SIZE], config[SHA256_HEX_SIZE];
	json_t *o;
	int rc;

	if (remove_tree(stage, err) < 0 || make_dirs(stage, err) < 0 || make_dirs(kernels, err) < 0)
		return -1;
	if (move_in(n->image, stage, "Image", image, err) < 0 ||
	    move_in(n->system_map, stage, "System.map", map, err) < 0 ||
	    move_in(n->config, stage, "config", config, err) < 0 || move_in(n->log, stage, "build.log", NULL, err) < 0)
		return -1;
	o = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:s, s:s, s:s}", "schema", META_SCHEMA, "recipe",
		      n->recipe, "release", n->release, "origin", n->origin, "compiler", n->compiler, "family",
		      n->family, "page_bytes", (json_int_t)n->page_bytes, "steps", (int)n->steps, "build_s",
		      (int)n->build_s, "image_sha256", image, "map_sha256", map, "config_sha256", config);
	rc = n->n_packages ? move_packages(n, stage, o, err) : 0;
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	if (rc < 0 || file_write_atomic(meta, text, strlen(text), err) < 0 || remove_tree(dir, err) < 0)
		return -1;
	if (rename(stage, dir) < 0)
		return err_set_errno(err, ERR_HOST, "%s", dir);
	return fsync_dir(kernels, err);
}

int cache_lock(const char *cache, image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *path = path_join(cache, "lock");
	struct err held = ERR_INIT;
	bool said = false;
	char pid[24];
	int fd;

	if (make_dirs(cache, err) < 0)
		return -1;
	while ((fd = lock_file(path, false, &held)) == -2) {
		struct timespec t = { .tv_nsec = LOCK_POLL_NS };

		if (!said) {
			_cleanup_free_ char *holder = NULL, *what = NULL;

			file_read(path, 64, &holder, NULL, NULL);
			what = xasprintf("waiting: another granule (process %.*s) is building in %s",
					 holder ? (int)strspn(holder, "0123456789") : 0, holder ? holder : "", cache);
			progress(ctx, what, -1, -1);
			said = true;
		}
		if (nanosleep(&t, NULL) < 0 && errno == EINTR)
			return err_set(err, ERR_INTERRUPTED, "interrupted while waiting for %s", path);
	}
	if (fd < 0)
		return err_set(err, held.kind, "%s", held.msg);
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0) {
		close(fd);
		return err_set_errno(err, ERR_HOST, "%s", path);
	}
	return fd;
}

int cache_sweep(const char *cache, bool trees, struct err *err)
{
	_cleanup_free_ char *dir = path_join(cache, "build");
	_cleanup_(entry_close_dir) DIR *d = opendir(dir);

	if (!d)
		return errno == ENOENT ? 0 : err_set_errno(err, ERR_HOST, "%s", dir);
	for (struct dirent *de; (de = readdir(d));) {
		_cleanup_free_ char *path = path_join(dir, de->d_name);
		bool whole_tree = starts_with(de->d_name, "tree-") && !ends_with(de->d_name, ".tmp");

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0 || (whole_tree && !trees))
			continue;
		if (remove_tree(path, err) < 0)
			return -1;
	}
	return 0;
}

bool cache_file_intact(const char *path)
{
	_cleanup_free_ char *record = xasprintf("%s.sha256", path), *known = NULL;
	char hex[SHA256_HEX_SIZE];

	if (file_read(record, 4096, &known, NULL, NULL) < 0 || sha256_file(path, hex, NULL) < 0 ||
	    strncmp(known, hex, strlen(hex)) != 0)
		return false;
	/* their last use, for gc */
	utimensat(AT_FDCWD, path, NULL, 0);
	utimensat(AT_FDCWD, record, NULL, 0);
	return true;
}

int cache_record_file(const char *path, struct err *err)
{
	_cleanup_free_ char *record = xasprintf("%s.sha256", path), *line = NULL;
	char hex[SHA256_HEX_SIZE];

	if (sha256_file(path, hex, err) < 0)
		return -1;
	line = xasprintf("%s\n", hex);
	return file_write_atomic(record, line, strlen(line), err);
}
