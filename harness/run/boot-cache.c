// SPDX-License-Identifier: GPL-2.0-or-later
/* Keeps files under a key. Knows no cell and no boot; believes no entry. */
#include "run/boot-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pack.h"
#include "base/text.h"

#define ENTRY_SCHEMA 1
#define HEAD_SIZE_MAX (UINT64_C(1) << 20)
/* What a killed writer left is nobody's after that. */
#define TMP_AGE_S 3600

static char *entry_path(const char *cache, const char *key)
{
	return xasprintf("%s/results/%.2s/%s", cache, key, key);
}

void boot_cache_drop(const char *cache, const char *key)
{
	_cleanup_free_ char *path = entry_path(cache, key);

	unlink(path);
}

/* ---- Reading */

static bool take_file(const json_t *o, const char **at, const char *end, struct cached_boot *boot)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	const char *sha256 = json_string_value(json_object_get(o, "sha256"));
	json_int_t bytes = json_integer_value(json_object_get(o, "bytes"));
	struct cached_file *f = &boot->files[boot->n_files];

	if (boot->n_files == BOOT_CACHE_FILES_MAX || !name || !sha256 || bytes < 0 || bytes > end - *at)
		return false;
	*f = (struct cached_file){ .name = name, .data = *at, .len = (size_t)bytes };
	sha256_bytes(f->data, f->len, f->sha256);
	*at += bytes;
	boot->n_files++;
	return !strcmp(f->sha256, sha256);
}

/* Split @boot->buffer; false: it is not what boot_cache_put() wrote for @key. */
static bool parse(struct cached_boot *boot, size_t len, const char *key)
{
	const char *newline = memchr(boot->buffer, '\n', len), *end = boot->buffer + len, *at, *own;
	const json_t *files, *item;
	size_t i;

	if (!newline)
		return false;
	at = newline + 1;
	boot->head = json_loadb(boot->buffer, (size_t)(newline - boot->buffer), JSON_REJECT_DUPLICATES, NULL);
	own = json_string_value(json_object_get(boot->head, "key"));
	files = json_object_get(boot->head, "files");
	if (json_integer_value(json_object_get(boot->head, "schema")) != ENTRY_SCHEMA || !own || strcmp(own, key))
		return false;
	json_array_foreach(files, i, item)
	{
		if (!take_file(item, &at, end, boot))
			return false;
	}
	return at == end;
}

int boot_cache_get(const char *cache, const char *key, struct cached_boot *ret)
{
	_cleanup_free_ char *path = entry_path(cache, key), *data = NULL;
	struct cached_boot boot = { 0 };
	size_t len = 0;

	if (!path_exists(path))
		return 0;
	if (file_read(path, BOOT_CACHE_ENTRY_MAX, &data, &len, NULL) == 0)
		boot.buffer = unpack(data, len, BOOT_CACHE_ENTRY_MAX + HEAD_SIZE_MAX, &len);
	if (!boot.buffer || !parse(&boot, len, key)) {
		cached_boot_free(&boot);
		unlink(path);
		return 0;
	}
	utimensat(AT_FDCWD, path, NULL, 0); /* a cache that cannot be written has no last use */
	*ret = boot;
	return 1;
}

void cached_boot_free(struct cached_boot *boot)
{
	free(boot->buffer);
	json_decref(boot->head);
	*boot = (struct cached_boot){ 0 };
}

const struct cached_file *cached_boot_file(const struct cached_boot *boot, const char *name)
{
	for (size_t i = 0; i < boot->n_files; i++)
		if (!strcmp(boot->files[i].name, name))
			return &boot->files[i];
	return NULL;
}

/* ---- Writing */

static char *format_head(const char *key, json_t *inputs, const struct cached_boot *boot)
{
	json_t *files = json_array(), *o;
	char *text;

	for (size_t i = 0; i < boot->n_files; i++) {
		const struct cached_file *f = &boot->files[i];
		char sha256[SHA256_HEX_SIZE];

		sha256_bytes(f->data, f->len, sha256);
		json_array_append_new(
			files, json_pack("{ss,sI,ss}", "name", f->name, "bytes", (json_int_t)f->len, "sha256", sha256));
	}
	o = json_pack("{si,ss,sO,so}", "schema", ENTRY_SCHEMA, "key", key, "inputs", inputs, "files", files);
	text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

int boot_cache_put(const char *cache, const char *key, json_t *inputs, const struct cached_boot *boot, struct err *err)
{
	_cleanup_free_ char *path = entry_path(cache, key), *head = NULL, *data = NULL;
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	_cleanup_(text_free) struct text content = { 0 };
	uint64_t total = 0;
	size_t len = 0;

	for (size_t i = 0; i < boot->n_files; i++)
		total += boot->files[i].len;
	if (total > BOOT_CACHE_ENTRY_MAX)
		return 0;
	head = format_head(key, inputs, boot);
	text_add(&content, "%s\n", head);
	for (size_t i = 0; i < boot->n_files; i++)
		text_add_bytes(&content, boot->files[i].data, boot->files[i].len);
	if (pack(content.s, content.len, PACK_LEVEL, &data, &len, err) < 0 || make_dirs(dir, err) < 0)
		return -1;
	return file_write_atomic(path, data, len, err);
}

/* ---- All entries */

struct entry {
	char *path; /* owned */
	uint64_t bytes;
	time_t used;
};

static int by_use(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->path, y->path);
}

/* Whatever is there, the longest unused first. */
static struct entry *list(const char *cache, size_t *ret_n)
{
	_cleanup_free_ char *pattern = path_join(cache, "results/[0-9a-f][0-9a-f]/*");
	_cleanup_(globfree) glob_t g = { 0 };
	struct entry *entries = NULL;
	size_t n = 0;

	if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			struct stat st;

			if (lstat(g.gl_pathv[i], &st) == 0 && S_ISREG(st.st_mode))
				*VEC_PUSH(entries, n) = (struct entry){ xstrdup(g.gl_pathv[i]),
									(uint64_t)st.st_blocks * 512, st.st_mtime };
		}
	}
	if (n)
		qsort(entries, n, sizeof(*entries), by_use);
	*ret_n = n;
	return entries;
}

static void entries_free(struct entry *entries, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(entries[i].path);
	free(entries);
}

size_t boot_cache_trim(const char *cache, time_t since, uint64_t max_bytes, bool dry_run, uint64_t *ret_bytes)
{
	time_t now = time(NULL);
	size_t n, removed = 0;
	struct entry *entries = list(cache, &n);
	uint64_t total = 0;

	*ret_bytes = 0;
	for (size_t i = 0; i < n; i++)
		total += entries[i].bytes;
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &entries[i];
		bool left_over = strstr(e->path, ".tmp.") && e->used < now - TMP_AGE_S;

		if (!left_over && e->used >= since && total <= max_bytes)
			continue;
		if (!dry_run && unlink(e->path) < 0)
			continue;
		total -= e->bytes;
		*ret_bytes += e->bytes;
		removed++;
	}
	entries_free(entries, n);
	return removed;
}

void boot_cache_usage(const char *cache, size_t *ret_n, uint64_t *ret_bytes)
{
	struct entry *entries = list(cache, ret_n);

	*ret_bytes = 0;
	for (size_t i = 0; i < *ret_n; i++)
		*ret_bytes += entries[i].bytes;
	entries_free(entries, *ret_n);
}
