// SPDX-License-Identifier: GPL-2.0-or-later
/* The cache's garbage. Knows what may go and in which order; what it is, cache.h and objects.h say. */
#include "image/collect.h"

#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/rootfs.h"

static const char in_use[] = "a run in progress uses it";

#define LITTLE_BYTES 65536 /* an empty build/ is nothing to speak of */

/* One thing that can go by itself. */
struct item {
	char *path, *name; /* owned */
	time_t used;
	uint64_t bytes;
	bool damaged, kernel;
};

struct collecting {
	const char *cache;
	const struct collect *options;
	collect_report *report;
	void *ctx;
	uint64_t freed;
	time_t now;
	struct item *items; /* owned; object trees before kernels, each the longest unused first */
	size_t n_items;
};

static void collecting_clear(struct collecting *c)
{
	for (size_t i = 0; i < c->n_items; i++) {
		free(c->items[i].path);
		free(c->items[i].name);
	}
	free(c->items);
}

int cache_hold(const char *path)
{
	_cleanup_free_ char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	*(slash ? slash : dir) = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool cache_held(const char *dir)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

static int drop(struct collecting *c, const char *path, const char *name, uint64_t bytes, struct err *err)
{
	if (!c->options->dry_run && remove_tree(path, err) < 0)
		return -1;
	c->report(c->ctx, name, bytes, NULL);
	c->freed += bytes;
	return 0;
}

static bool old(const struct collecting *c, time_t used)
{
	return c->options->older_than_s && used < c->now - (time_t)c->options->older_than_s;
}

static int item_compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->kernel != y->kernel)
		return x->kernel ? 1 : -1;
	if (x->used != y->used)
		return x->used < y->used ? -1 : 1;
	return strcmp(x->path, y->path);
}

static void find_objects(struct collecting *c)
{
	_cleanup_free_ char *pattern = path_join(c->cache, "objects/*");
	_cleanup_(globfree) glob_t g = { 0 };

	if (glob(pattern, 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *record = path_join(g.gl_pathv[i], "object.json");
		struct item *item = VEC_PUSH(c->items, c->n_items);
		struct stat st;

		item->path = xstrdup(g.gl_pathv[i]);
		item->name = xasprintf("objects of %.12s", strrchr(item->path, '/') + 1);
		item->used = stat(record, &st) == 0 ? st.st_mtime : 0;
		item->bytes = cache_bytes(item->path);
	}
}

static int find_items(struct collecting *c, struct err *err)
{
	struct cache_entry *entries;
	size_t n;

	if (cache_list(c->cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct cache_entry *e = &entries[i];

		*VEC_PUSH(c->items, c->n_items) = (struct item){
			.damaged = !e->release[0],
			.kernel = true,
			.path = xstrdup(e->dir),
			.name = xasprintf("%.12s %s", e->recipe, e->release[0] ? e->origin : "(damaged)"),
			.used = e->used,
			.bytes = e->bytes,
		};
	}
	cache_entries_free(entries, n);
	find_objects(c);
	return 0;
}

static int collect_found(struct collecting *c, struct err *err)
{
	uint64_t total = 0;

	if (c->n_items)
		qsort(c->items, c->n_items, sizeof(*c->items), item_compare);
	for (size_t i = 0; i < c->n_items; i++)
		total += c->items[i].bytes;
	for (size_t i = 0; i < c->n_items; i++) {
		const struct item *item = &c->items[i];
		bool much = c->options->bounded && total > c->options->keep_bytes;

		if (!old(c, item->used) && !much && !item->damaged)
			continue;
		if (item->kernel && cache_held(item->path)) {
			c->report(c->ctx, item->name, item->bytes, in_use);
			continue;
		}
		if (drop(c, item->path, item->name, item->bytes, err) < 0)
			return -1;
		total -= item->bytes;
	}
	return 0;
}

static int collect_items(struct collecting *c, struct err *err)
{
	return find_items(c, err) < 0 ? -1 : collect_found(c, err);
}

/* What lies at @pattern below the cache and was not used for so long. */
static int collect_old(struct collecting *c, const char *pattern, struct err *err)
{
	_cleanup_free_ char *all = path_join(c->cache, pattern);
	_cleanup_(globfree) glob_t g = { 0 };

	if (glob(all, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *path = g.gl_pathv[i];
		struct stat st;

		if (stat(path, &st) < 0 || !old(c, st.st_mtime))
			continue;
		if (cache_held(path))
			c->report(c->ctx, path + strlen(c->cache) + 1, cache_bytes(path), in_use);
		else if (drop(c, path, path + strlen(c->cache) + 1, cache_bytes(path), err) < 0)
			return -1;
	}
	return 0;
}

/* Of sources the tarballs only: their records stay, so that kernels built from them are still found without the network. */
static const char *const by_age[] = { "apt/*", "sources/*/*/source.tar.xz", "modules/*/*", "tools/*", "programs/*" };

static int collect_build(struct collecting *c, bool building, struct err *err)
{
	_cleanup_free_ char *build = path_join(c->cache, "build");
	uint64_t bytes = cache_bytes(build);
	const char *what = "unpacked sources and unfinished builds";

	if (bytes <= LITTLE_BYTES)
		return 0;
	if (!building)
		return drop(c, build, what, bytes, err);
	c->report(c->ctx, what, bytes, "a build is in progress");
	return 0;
}

int cache_collect(const char *cache, const struct collect *options, image_progress *progress, collect_report *report,
		  void *ctx, uint64_t *ret_bytes, struct err *err)
{
	_cleanup_(collecting_clear) struct collecting c = {
		.cache = cache, .options = options, .report = report, .ctx = ctx, .now = time(NULL)
	};
	_cleanup_free_ char *path = path_join(cache, "lock");
	_cleanup_close_ int lock = -1;
	bool building = false;

	if (!options->dry_run) {
		lock = cache_lock(cache, progress, ctx, err);
		if (lock < 0)
			return -1;
	} else if (path_exists(path)) {
		/* asked, not kept: a dry run is in nobody's way */
		_cleanup_close_ int asked = lock_file(path, false, NULL);

		building = asked == -2;
	}
	if (collect_build(&c, building, err) < 0 || collect_items(&c, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(by_age); i++)
		if (collect_old(&c, by_age[i], err) < 0)
			return -1;
	*ret_bytes = c.freed;
	return 0;
}

/* Root file systems as items. */
static int find_roots(struct collecting *c, struct err *err)
{
	struct rootfs_entry *entries;
	size_t n;

	if (rootfs_list(c->cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct rootfs_entry *e = &entries[i];

		*VEC_PUSH(c->items, c->n_items) = (struct item){
			.damaged = !e->name[0],
			.kernel = true,
			.path = xstrdup(e->dir),
			.name = xasprintf("%.12s root file system %s", e->digest, e->name[0] ? e->name : "(damaged)"),
			.used = e->used,
			.bytes = e->bytes,
		};
	}
	rootfs_entries_free(entries, n);
	return 0;
}

int rootfs_collect(const char *cache, const struct collect *options, image_progress *progress, collect_report *report,
		   void *ctx, uint64_t *ret_bytes, struct err *err)
{
	_cleanup_free_ char *own = path_join(cache, ROOTFS_DIR);
	_cleanup_(collecting_clear) struct collecting c = {
		.cache = cache, .options = options, .report = report, .ctx = ctx, .now = time(NULL)
	};
	_cleanup_close_ int lock = -1;

	*ret_bytes = 0;
	if (!path_is_dir(own))
		return 0;
	if (!options->dry_run) {
		lock = cache_lock(own, progress, ctx, err);
		if (lock < 0 || cache_sweep(own, true, err) < 0)
			return -1;
	}
	if (find_roots(&c, err) < 0 || collect_found(&c, err) < 0)
		return -1;
	c.cache = own;
	if (collect_old(&c, "apt/*", err) < 0 || collect_old(&c, "appliance", err) < 0)
		return -1;
	*ret_bytes = c.freed;
	return 0;
}
