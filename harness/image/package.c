// SPDX-License-Identifier: GPL-2.0-or-later
/* From packages to an entry of the cache and the modules of one guest. Which packages and how they get here is
 * package-apt.c's; which modules and in which order, modules.c's. */
#include "image/package.h"

#include <glob.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/header.h"
#include "image/modules.h"
#include "image/tool.h"
#include "image/unpack.h"

#define FORMAT "granule package 1\n" /* of what is made of packages: another one makes other entries */
#define IMAGE_MAX (512u << 20)
#define MAP_MAX (64u << 20)
#define CONFIG_MAX (4u << 20)
#define SPARE_BYTES (UINT64_C(1) << 30) /* Image, modules, and room for what else goes on */

static void image_free(struct kernel_image **image)
{
	kernel_image_free(*image);
}

static void glob_close(glob_t *g)
{
	globfree(g);
}

/* What no matrix lets through, and a command line may: these become parts of paths and apt's words. */
static int check_names(const struct kernel_spec *spec, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-", more[] = "+.";
	const char *suite = spec->suite ? spec->suite : "", *rest = spec->package;

	if (!*suite || suite[strspn(suite, letters)])
		return err_set(err, ERR_CONFIG,
			       "suite: '%s' is no Debian suite (bookworm, trixie, trixie-backports, sid, ...)", suite);
	while (*rest && (strchr(letters, *rest) || strchr(more, *rest)))
		rest++;
	if (*rest || !starts_with(spec->package, "linux-image-"))
		return err_set(err, ERR_CONFIG,
			       "package: '%s' is no kernel package: Debian calls them linux-image-..., as in "
			       "linux-image-arm64",
			       spec->package);
	return 0;
}

/* ---- What is in the cache */

static void inputs_digest(const struct kernel_spec *spec, char ret_hex[SHA256_HEX_SIZE])
{
	_cleanup_free_ char *text = xasprintf(FORMAT "%s\n%s\n", spec->suite, spec->package);

	sha256_bytes(text, strlen(text), ret_hex);
}

static void recipe_of(const struct cache_package *packages, size_t n, char ret_hex[SHA256_HEX_SIZE])
{
	struct text text = { 0 };
	_cleanup_free_ char *s = NULL;

	text_add(&text, FORMAT);
	for (size_t i = 0; i < n; i++)
		text_add(&text, "%s %s %s\n", packages[i].name, packages[i].version, packages[i].sha256);
	s = text_steal(&text);
	sha256_bytes(s, strlen(s), ret_hex);
}

static enum cache_state find(const struct kernel_env *env, const struct kernel_spec *spec,
			     struct cache_entry *ret_entry, struct err *err)
{
	char inputs[SHA256_HEX_SIZE], recipe[SHA256_HEX_SIZE];

	inputs_digest(spec, inputs);
	return cache_recall(env->cache, inputs, recipe) ? cache_open(env->cache, recipe, ret_entry, err) : CACHE_ABSENT;
}

static struct modules_wanted wanted(const struct kernel_spec *spec, const struct cache_entry *e)
{
	return (struct modules_wanted){ .what = spec->package, .key = e->recipe, .load = &spec->load };
}

/* @e's Image, without modules. ERR_CONFIG: not of the page size that is asked for. */
static int take_image(const struct kernel_spec *spec, const struct cache_entry *e, struct kernel_image **ret_image,
		      struct err *err)
{
	char has[24], wants[24];

	if (spec->page_bytes && spec->page_bytes != e->page_bytes)
		return err_set(err, ERR_CONFIG, "%s: built for %s pages, but `pages: %s` is asked for", e->origin,
			       size_format(e->page_bytes, has), size_format(spec->page_bytes, wants));
	cache_touch(e);
	*ret_image = cache_image(e);
	return 0;
}

int package_lookup(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		   struct err *err)
{
	_cleanup_(cache_entry_clear) struct cache_entry e = { 0 };
	struct modules_wanted want = wanted(spec, &e);
	struct kernel_image *image;
	enum cache_state state;

	if (check_names(spec, err) < 0)
		return -1;
	state = find(env, spec, &e, NULL);
	if (state == CACHE_INTACT)
		return take_image(spec, &e, ret_image, err) < 0 ? -1 : modules_cached(env->cache, &want, *ret_image);
	image = xcalloc(1, sizeof(*image));
	image->page_bytes = spec->page_bytes;
	image->release = xstrdup("");
	image->origin = xasprintf("%s (%s)%s", spec->package, spec->suite,
				  state == CACHE_CORRUPT ? " (the cached one is damaged)" : "");
	*ret_image = image;
	return 0;
}

/* ---- From packages to an entry */

struct making {
	const struct kernel_env *env;
	const struct package_archive *archive;
	const struct kernel_spec *spec;
	image_progress *progress;
	void *ctx;
	char *work, *debs, *root, *log; /* owned, all below CACHE/build */
	bool unpacked;			/* root holds the packages of the entry */
};

static void making_clear(struct making *m)
{
	if (m->work)
		remove_tree(m->work, NULL);
	free(m->work);
	free(m->debs);
	free(m->root);
	free(m->log);
}

static int unpack_all(struct making *m, const char *dir, const struct cache_package *packages, size_t n,
		      struct err *err)
{
	_cleanup_free_ char *what = xasprintf("%s: unpacking", m->spec->package);

	m->progress(m->ctx, what, -1, -1);
	if (make_dirs(m->root, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *deb = xasprintf("%s/%s.deb", dir, packages[i].name);
		const char *argv[] = { "dpkg-deb", "--extract", deb, m->root, NULL };

		if (tool_run(argv, NULL, NULL, NULL, err) < 0)
			return err_wrap(err, "%s", deb);
	}
	m->unpacked = true;
	return 0;
}

/* The kernel among what was unpacked; owned by the caller. */
static char *find_vmlinuz(const struct making *m, struct err *err)
{
	/* up to 6.18 in /boot; from 6.19 on beside its modules, and the package copies it when it is installed */
	static const char *const places[] = { "boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz" };
	_cleanup_free_ char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *pattern = path_join(m->root, places[i]);
		_cleanup_(glob_close) glob_t g = { 0 };
		struct stat st;

		if (glob(pattern, 0, NULL, &g) != 0)
			continue;
		for (size_t j = 0; j < g.gl_pathc; j++) {
			if (lstat(g.gl_pathv[j], &st) < 0 || !S_ISREG(st.st_mode))
				continue;
			if (found) {
				err_set(err, ERR_HOST, "%s: two kernels in it, %s and %s", m->spec->package,
					found + strlen(m->root), g.gl_pathv[j] + strlen(m->root));
				return NULL;
			}
			found = xstrdup(g.gl_pathv[j]);
		}
	}
	if (!found)
		err_set(err, ERR_CONFIG, "%s: no vmlinuz in it, nor in what it depends on in its own version",
			m->spec->package);
	return steal_ptr(found);
}

/* "config" of @release, wherever a package keeps it; NULL: nowhere. Owned by the caller. */
static char *find_companion(const struct making *m, const char *name, const char *release, size_t cap, size_t *ret_len)
{
	char *const places[] = { xasprintf("%s/boot/%s-%s", m->root, name, release),
				 xasprintf("%s/usr/lib/modules/%s/%s", m->root, release, name),
				 xasprintf("%s/lib/modules/%s/%s", m->root, release, name) };
	char *data = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct stat st;

		if (!data && lstat(places[i], &st) == 0 && S_ISREG(st.st_mode))
			file_read(places[i], cap, &data, ret_len, NULL);
		free(places[i]);
	}
	return data;
}

/* Debian's packages hold one line in place of the map: the real one is in the package of debug symbols. */
static bool is_map(const char *data, size_t len)
{
	return data && memmem(data, len, " _text\n", strlen(" _text\n"));
}

/* Put a companion that is one into the workplace; its path, owned by the caller, in @ret_path, or NULL. */
static int keep_companion(const struct making *m, const char *name, const char *release, size_t cap, char **ret_path,
			  struct err *err)
{
	size_t len = 0;
	_cleanup_free_ char *data = find_companion(m, name, release, cap, &len), *path = path_join(m->work, name);

	*ret_path = NULL;
	if (!data || (strcmp(name, "System.map") == 0 && !is_map(data, len)))
		return 0;
	if (file_write_atomic(path, data, len, err) < 0)
		return -1;
	*ret_path = steal_ptr(path);
	return 0;
}

/* The package that the kernel itself is in. */
static const struct cache_package *main_package(const struct cache_package *packages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (starts_with(packages[i].name, "linux-image-"))
			return &packages[i];
	return &packages[0];
}

static int store(const struct making *m, const struct cache_package *packages, size_t n, const char *recipe,
		 unsigned took_s, struct err *err)
{
	_cleanup_(kernel_header_clear) struct kernel_header header = { 0 };
	_cleanup_free_ char *vmlinuz = find_vmlinuz(m, err), *path = path_join(m->work, "Image"), *data = NULL;
	_cleanup_free_ char *map = NULL, *config = NULL, *origin = NULL;
	const struct cache_package *p = main_package(packages, n);
	char pages[24];
	size_t len;

	if (!vmlinuz || unpack_kernel(vmlinuz, IMAGE_MAX, &data, &len, err) < 0 ||
	    file_write_atomic(path, data, len, err) < 0)
		return -1;
	if (kernel_header_read(path, &header, err) < 0)
		return err_wrap(err, "%s", m->spec->package);
	if (keep_companion(m, "System.map", header.release, MAP_MAX, &map, err) < 0 ||
	    keep_companion(m, "config", header.release, CONFIG_MAX, &config, err) < 0)
		return -1;
	origin = xasprintf("%s %s, %s", p->name, p->version, size_format(header.page_bytes, pages));
	struct cache_new new = { .recipe = recipe,
				 .image = path,
				 .system_map = map,
				 .config = config,
				 .log = m->log,
				 .release = header.release,
				 .origin = origin,
				 .compiler = header.compiler ? header.compiler : "",
				 .family = m->spec->package,
				 .page_bytes = header.page_bytes,
				 .build_s = took_s,
				 .packages = packages,
				 .n_packages = n,
				 .debs = m->debs };

	return cache_store(m->env->cache, &new, err);
}

static int check_space(const struct making *m, uint64_t bytes, struct err *err)
{
	uint64_t need = bytes + SPARE_BYTES, have = disk_free_bytes(m->env->cache);
	char need_text[24], have_text[24];

	if (have == 0 || have >= need)
		return 0;
	return err_set(err, ERR_HOST,
		       "%s: fetching and unpacking it takes %s of disk, and %s are free; free some (`granule images "
		       "gc`), or set GRANULE_CACHE to another place",
		       m->env->cache, size_human((double)need, need_text), size_human((double)have, have_text));
}

static int download_all(struct making *m, const struct cache_package *packages, size_t n, struct err *err)
{
	_cleanup_free_ char *scratch = path_join(m->work, "download");

	for (size_t i = 0; i < n; i++) {
		const struct cache_package *p = &packages[i];
		_cleanup_free_ char *deb = xasprintf("%s/%s.deb", m->debs, p->name);
		_cleanup_free_ char *what = xasprintf("%s %s: fetching from %s", p->name, p->version, m->spec->suite);

		m->progress(m->ctx, what, -1, -1);
		if (remove_tree(scratch, err) < 0 || make_dirs(scratch, err) < 0 ||
		    m->archive->download(m->env->cache, m->spec->suite, p, deb, scratch, m->log, err) < 0)
			return -1;
	}
	return 0;
}

/* Ask the archive, and fetch what it has unless that is here already. */
static int fetch(struct making *m, struct cache_entry *ret_entry, struct err *err)
{
	_cleanup_free_ char *what =
		xasprintf("%s: asking for the newest version in %s", m->spec->package, m->spec->suite);
	char inputs[SHA256_HEX_SIZE], recipe[SHA256_HEX_SIZE];
	struct cache_package *packages = NULL;
	uint64_t begin = now_ns(), bytes = 0;
	size_t n = 0;
	int rc;

	m->progress(m->ctx, what, -1, -1);
	if (m->archive->resolve(m->env->cache, m->spec->package, m->spec->suite, m->log, &packages, &n, &bytes, err) <
	    0)
		return -1;
	recipe_of(packages, n, recipe);
	inputs_digest(m->spec, inputs);
	rc = cache_open(m->env->cache, recipe, ret_entry, NULL) == CACHE_INTACT &&
			     cache_check_packages(ret_entry, NULL) == 0
		     ? 0
		     : 1;
	if (rc == 1) {
		cache_entry_clear(ret_entry);
		rc = check_space(m, bytes, err) < 0 || download_all(m, packages, n, err) < 0 ||
				     unpack_all(m, m->debs, packages, n, err) < 0 ||
				     store(m, packages, n, recipe, (unsigned)((now_ns() - begin) / NSEC_PER_SEC), err) <
					     0 ||
				     cache_open(m->env->cache, recipe, ret_entry, err) != CACHE_INTACT
			     ? -1
			     : 0;
	}
	cache_packages_free(packages, n);
	return rc < 0 ? -1 : cache_remember(m->env->cache, inputs, recipe, err);
}

/* ---- Both together */

/* 1: @ret_image is ready. 0: with the lock it can be made ready. -1: error. */
static int ready(const struct kernel_env *env, const struct kernel_spec *spec, struct cache_entry *e,
		 struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(image_free) struct kernel_image *image = NULL;
	struct modules_wanted want = wanted(spec, e);

	if (take_image(spec, e, &image, err) < 0)
		return -1;
	if (!modules_cached(env->cache, &want, image))
		return 0;
	*ret_image = steal_ptr(image);
	return 1;
}

/* With the lock held and nothing ready. @state: of @e. */
static int make(struct making *m, enum cache_state state, struct cache_entry *e, struct kernel_image **ret_image,
		struct err *err)
{
	_cleanup_(image_free) struct kernel_image *image = NULL;
	struct err damage = ERR_INIT;
	int rc;

	if (state == CACHE_INTACT && cache_check_packages(e, &damage) < 0) {
		_cleanup_free_ char *what = xasprintf("%s; fetching it again", damage.msg);

		m->progress(m->ctx, what, -1, -1);
		state = CACHE_CORRUPT;
	}
	if (state != CACHE_INTACT) {
		cache_entry_clear(e);
		if (fetch(m, e, err) < 0)
			return -1;
		rc = ready(m->env, m->spec, e, ret_image, err);
		if (rc != 0)
			return rc < 0 ? -1 : 0;
	}
	if (!m->unpacked && unpack_all(m, e->dir, e->packages, e->n_packages, err) < 0)
		return -1;
	struct modules_wanted want = wanted(m->spec, e);

	if (take_image(m->spec, e, &image, err) < 0 ||
	    modules_take(m->env->cache, &want, m->root, m->work, image, err) < 0)
		return -1;
	*ret_image = steal_ptr(image);
	return 0;
}

/* 1, 0 and -1 as ready(); 0 also where the cache has no good entry, and @ret_state says why. */
static int try_cache(struct making *m, struct cache_entry *e, enum cache_state *ret_state,
		     struct kernel_image **ret_image, struct err *err)
{
	struct err damage = ERR_INIT;

	cache_entry_clear(e);
	*ret_state = m->env->refresh ? CACHE_ABSENT : find(m->env, m->spec, e, &damage);
	if (*ret_state == CACHE_CORRUPT) {
		_cleanup_free_ char *what = xasprintf("%s; fetching it again", damage.msg);

		m->progress(m->ctx, what, -1, -1);
	}
	return *ret_state == CACHE_INTACT ? ready(m->env, m->spec, e, ret_image, err) : 0;
}

int package_ensure(const struct kernel_env *env, const struct package_archive *archive, const struct kernel_spec *spec,
		   image_progress *progress, void *ctx, struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(making_clear) struct making m = { .env = env,
						    .archive = archive ? archive : &package_archive_apt,
						    .spec = spec,
						    .progress = progress,
						    .ctx = ctx };
	_cleanup_(cache_entry_clear) struct cache_entry e = { 0 };
	_cleanup_close_ int lock = -1;
	struct err local = ERR_INIT;
	enum cache_state state;
	int rc;

	err = err ? err : &local; /* apt's own sentence is looked into on the way */
	if (check_names(spec, err) < 0)
		return -1;
	rc = try_cache(&m, &e, &state, ret_image, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	lock = cache_lock(env->cache, progress, ctx, err);
	/* whatever is under build/ belongs to nobody now */
	if (lock < 0 || cache_sweep(env->cache, false, err) < 0)
		return -1;
	/* another granule may have made it while this one waited */
	rc = try_cache(&m, &e, &state, ret_image, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	m.work = xasprintf("%s/build/package-%d", env->cache, (int)getpid());
	m.debs = path_join(m.work, "debs");
	m.root = path_join(m.work, "root");
	m.log = xasprintf("%s.log", m.work);
	return make_dirs(m.debs, err) < 0 ? -1 : make(&m, state, &e, ret_image, err);
}
