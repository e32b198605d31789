// SPDX-License-Identifier: GPL-2.0-or-later
/* From a kernel_spec to an Image: by path, out of the cache, or built into it. The order of things and nothing else;
 * the things are in header.c, recipe.c, source.c, build.c and cache.c. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/header.h"
#include "image/image.h"
#include "image/modules.h"

#define MIB (UINT64_C(1) << 20)
#define NEED_TREE_BYTES (2560 * MIB) /* package, tarball, unpacked source, object tree */
#define NEED_BUILD_BYTES (400 * MIB) /* the object tree alone */

void kernel_image_free(struct kernel_image *image)
{
	if (!image)
		return;
	free(image->path);
	free(image->system_map);
	free(image->config);
	free(image->release);
	free(image->compiler);
	free(image->origin);
	for (size_t i = 0; i < image->n_modules; i++) {
		free(image->modules[i].name);
		free(image->modules[i].path);
	}
	free(image->modules);
	free(image);
}

static void kernel_image_free_p(struct kernel_image **image)
{
	kernel_image_free(*image);
}

static void no_progress(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)what;
	(void)fraction;
	(void)eta_s;
}

static int in_context(const struct kernel_spec *spec, struct err *err)
{
	return spec->label && *spec->label ? err_wrap(err, "kernels.%s", spec->label) : -1;
}

/* A System.map or .config that lies beside the Image, as in a build tree or /boot. */
static char *beside(const char *image, const char *up, const char *name)
{
	_cleanup_free_ char *dir = xstrdup(image), *path = NULL;
	char *slash = strrchr(dir, '/');

	*(slash ? slash : dir) = '\0';
	path = xasprintf("%s/%s%s", dir, up, name);
	return path_exists(path) ? realpath(path, NULL) : NULL;
}

/* In arch/arm64/boot/ the map lies three folders up. */
static char *companion(const char *image, const char *name)
{
	char *path = beside(image, "", name);

	if (!path && strstr(image, "/arch/arm64/boot/"))
		path = beside(image, "../../../", name);
	return path;
}

static int image_by_path(const struct kernel_spec *spec, struct kernel_image **ret_image, struct err *err)
{
	_cleanup_free_ char *path = path_absolute(spec->image);
	struct kernel_header header;
	struct kernel_image *image;
	char has[24], wants[24], sha256[SHA256_HEX_SIZE];

	if (kernel_header_read(path, &header, err) < 0)
		return -1;
	if (spec->page_bytes && spec->page_bytes != header.page_bytes) {
		kernel_header_clear(&header);
		return err_set(err, ERR_CONFIG, "%s: built for %s pages, but `pages: %s` is asked for", path,
			       size_format(header.page_bytes, has), size_format(spec->page_bytes, wants));
	}
	if (sha256_file(path, sha256, err) < 0) {
		kernel_header_clear(&header);
		return -1;
	}
	image = xcalloc(1, sizeof(*image));
	image->release = header.release;
	image->compiler = header.compiler;
	image->page_bytes = header.page_bytes;
	memcpy(image->sha256, sha256, sizeof(sha256));
	image->system_map = companion(path, "System.map");
	image->config = companion(path, ".config");
	image->origin = xasprintf("%s, %s", path, size_format(header.page_bytes, has));
	image->path = steal_ptr(path);
	*ret_image = image;
	return 0;
}

/* kernel_lookup() of an Image by path: with modules that are still packed it is not ready. */
static int lookup_by_path(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
			  struct err *err)
{
	_cleanup_(kernel_image_free_p) struct kernel_image *image = NULL;
	int ready = 1;

	if (image_by_path(spec, &image, err) < 0)
		return -1;
	if (spec->modules)
		ready = modules_lookup(env->cache, spec->modules, image, err);
	if (ready < 0)
		return -1;
	*ret_image = steal_ptr(image);
	return ready;
}

static int ensure_by_path(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress,
			  void *ctx, struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(kernel_image_free_p) struct kernel_image *image = NULL;

	if (image_by_path(spec, &image, err) < 0)
		return -1;
	if (spec->modules && modules_ensure(env->cache, spec->modules, progress, ctx, image, err) < 0)
		return -1;
	*ret_image = steal_ptr(image);
	return 0;
}

static struct kernel_image *image_of_entry(const struct cache_entry *e)
{
	_cleanup_(kernel_header_clear) struct kernel_header header = { 0 };
	struct kernel_image *image = xcalloc(1, sizeof(*image));

	image->path = path_join(e->dir, "Image");
	image->system_map = path_join(e->dir, "System.map");
	image->config = path_join(e->dir, "config");
	image->release = xstrdup(e->release);
	image->page_bytes = e->page_bytes;
	image->origin = xstrdup(e->origin);
	memcpy(image->sha256, e->image_sha256, SHA256_HEX_SIZE);
	memcpy(image->recipe, e->recipe, SHA256_HEX_SIZE);
	/* the entry's own compiler is in other words than an Image by path has */
	if (kernel_header_read(image->path, &header, NULL) == 0)
		image->compiler = steal_ptr(header.compiler);
	return image;
}

/* The state of a cached kernel by its inputs. No lock, no network, no source tree: milliseconds. */
static enum cache_state find_cached(const struct kernel_env *env, const struct recipe *recipe,
				    const struct kernel_source *source, struct kernel_image **ret_image,
				    struct err *err)
{
	_cleanup_(cache_entry_clear) struct cache_entry e = { 0 };
	char inputs[SHA256_HEX_SIZE], digest[SHA256_HEX_SIZE];
	enum cache_state state;

	recipe_inputs_digest(recipe, source, inputs);
	if (!cache_recall(env->cache, inputs, digest))
		return CACHE_ABSENT;
	state = cache_open(env->cache, digest, &e, err);
	if (state == CACHE_INTACT) {
		cache_touch(&e);
		*ret_image = image_of_entry(&e);
	}
	return state;
}

static int load(const struct kernel_env *env, const struct kernel_spec *spec, struct recipe *recipe, struct err *err)
{
	if (!env->recipes)
		return err_set(err, ERR_HOST,
			       "the kernel recipes (images/kernels) are not beside this program; set "
			       "GRANULE_IMAGES to the folder images/ of granule's source");
	return recipe_load(env->recipes, spec, recipe, err);
}

static int lookup(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		  struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(recipe_clear) struct recipe recipe = { 0 };
	_cleanup_free_ char *name = NULL;
	enum cache_state state = CACHE_ABSENT;
	struct kernel_image *image;
	int known;

	if (spec->image)
		return lookup_by_path(env, spec, ret_image, err);
	if (load(env, spec, &recipe, err) < 0)
		return -1;
	known = source_lookup(env->cache, spec->source, spec->suite, &source, err);
	if (known < 0)
		return -1;
	/* Without a compiler nothing that it would have built can be found; that is not this question's error. */
	if (known && env->builder->toolchain(&recipe.cross, &recipe.compiler, NULL) == 0)
		state = find_cached(env, &recipe, &source, ret_image, NULL);
	if (state == CACHE_INTACT)
		return 1;
	name = recipe_describe(spec, known ? &source : NULL);
	image = xcalloc(1, sizeof(*image));
	image->page_bytes = spec->page_bytes;
	image->release = xstrdup(recipe.version);
	image->origin = xasprintf("%s%s", name, state == CACHE_CORRUPT ? " (the cached one is damaged)" : "");
	*ret_image = image;
	return 0;
}

int kernel_lookup_in(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		     struct err *err)
{
	int rc = lookup(env, spec, ret_image, err);

	return rc < 0 ? in_context(spec, err) : rc;
}

static int check_space(const struct kernel_env *env, bool have_tree, struct err *err)
{
	uint64_t need = have_tree ? NEED_BUILD_BYTES : NEED_TREE_BYTES, have = disk_free_bytes(env->cache);
	char need_text[24], have_text[24];

	if (have == 0 || have >= need)
		return 0;
	return err_set(err, ERR_HOST,
		       "%s: building a kernel takes %s of disk, and %s are free; free some (`granule images gc`), "
		       "or set GRANULE_CACHE to a folder with more",
		       env->cache, size_human((double)need, need_text), size_human((double)have, have_text));
}

/* The number of steps of the last build of the same family, 0 if there was none. */
static unsigned steps_before(const struct kernel_env *env, const char *family)
{
	struct cache_entry *entries = NULL;
	unsigned steps = 0;
	size_t n = 0;

	if (cache_list(env->cache, &entries, &n, NULL) == 0) {
		for (size_t i = 0; i < n; i++) {
			if (entries[i].family && strcmp(entries[i].family, family) == 0)
				steps = entries[i].steps;
		}
	}
	cache_entries_free(entries, n);
	return steps;
}

/* Names of one build, all under CACHE/build. */
struct workplace {
	char *tree, *obj, *log; /* owned */
};

static void workplace_clear(struct workplace *w)
{
	free(w->tree);
	free(w->obj);
	free(w->log);
}

static struct workplace workplace(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *s)
{
	struct workplace w = { 0 };

	/* A tree is known by its tarball and its patches. */
	w.tree = xasprintf("%s/build/tree-%.16s-%.8s", env->cache, s->tarball_sha256, r->patches_sha256);
	w.obj = xasprintf("%s/build/obj-%s-%u-%d", env->cache, r->version, (unsigned)(r->spec->page_bytes >> 10),
			  (int)getpid());
	w.log = xasprintf("%s.log", w.obj);
	return w;
}

static int check_built(const char *image, const struct recipe *r, struct kernel_header *ret_header, struct err *err)
{
	if (kernel_header_read(image, ret_header, err) < 0)
		return -1;
	if (ret_header->page_bytes == r->spec->page_bytes)
		return 0;
	kernel_header_clear(ret_header);
	return err_set(err, ERR_HOST, "%s: built for the wrong page size", image);
}

static int compile_and_store(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *source,
			     const struct workplace *w, const char *config, const char *digest,
			     image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *image = path_join(w->obj, "arch/arm64/boot/Image"), *map = path_join(w->obj, "System.map");
	_cleanup_free_ char *dot = path_join(w->obj, "granule.resolved"), *origin = recipe_describe(r->spec, source);
	_cleanup_free_ char *family = xasprintf("%s %s", r->spec->source, r->config_name);
	_cleanup_(kernel_header_clear) struct kernel_header header = { 0 };
	uint64_t begin = now_ns();
	unsigned steps = 0;

	if (env->builder->compile(r, origin, w->tree, w->obj, w->log, steps_before(env, family), progress, ctx, &steps,
				  err) < 0 ||
	    check_built(image, r, &header, err) < 0 || file_write_atomic(dot, config, strlen(config), err) < 0)
		return -1;
	struct cache_new n = { .recipe = digest,
			       .image = image,
			       .system_map = map,
			       .config = dot,
			       .log = w->log,
			       .release = header.release,
			       .origin = origin,
			       .compiler = r->compiler,
			       .family = family,
			       .page_bytes = header.page_bytes,
			       .steps = steps,
			       .build_s = (unsigned)((now_ns() - begin) / NSEC_PER_SEC) };

	return cache_store(env->cache, &n, err);
}

/* With the lock held and nothing usable in the cache: make it. */
static int build(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *source,
		 image_progress *progress, void *ctx, char ret_digest[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_(workplace_clear) struct workplace w = workplace(env, r, source);
	_cleanup_(cache_entry_clear) struct cache_entry there = { 0 };
	char inputs[SHA256_HEX_SIZE];
	_cleanup_free_ char *config = NULL, *name = recipe_describe(r->spec, source), *what = NULL;
	bool have_tree = path_is_dir(w.tree);

	/* Whatever is under build/ belongs to nobody now; other unpacked sources make room for this one. */
	if (cache_sweep(env->cache, !have_tree, err) < 0 || check_space(env, have_tree, err) < 0 ||
	    make_dirs(w.obj, err) < 0 ||
	    env->builder->extract(source, w.tree, r->patches, r->n_patches, progress, ctx, err) < 0)
		return -1;
	what = xasprintf("%s: configuring", name);
	progress(ctx, what, -1, -1);
	if (env->builder->resolve(r, w.tree, w.obj, &config, err) < 0)
		return -1;
	recipe_digest(r, source, config, ret_digest);
	recipe_inputs_digest(r, source, inputs);
	if (cache_open(env->cache, ret_digest, &there, NULL) != CACHE_INTACT &&
	    compile_and_store(env, r, source, &w, config, ret_digest, progress, ctx, err) < 0)
		return -1;
	if (cache_remember(env->cache, inputs, ret_digest, err) < 0)
		return -1;
	return remove_tree(w.obj, err);
}

/* The source to build from: the cached one, or what apt has. Needs the lock. */
static int find_source(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress,
		       void *ctx, struct kernel_source *ret_source, struct err *err)
{
	int known = env->refresh ? 0 : source_lookup(env->cache, spec->source, spec->suite, ret_source, err);

	if (known < 0)
		return -1;
	if (known && path_exists(ret_source->tarball))
		return 0;
	kernel_source_clear(ret_source);
	if (check_space(env, false, err) < 0)
		return -1;
	return env->builder->fetch(env->cache, spec->source, spec->suite, progress, ctx, ret_source, err);
}

static int ensure_locked(const struct kernel_env *env, const struct kernel_spec *spec, const struct recipe *recipe,
			 image_progress *progress, void *ctx, struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(cache_entry_clear) struct cache_entry entry = { 0 };
	char digest[SHA256_HEX_SIZE];

	if (find_source(env, spec, progress, ctx, &source, err) < 0)
		return -1;
	/* Another granule may have built it while this one waited; or apt may have had nothing new. */
	if (find_cached(env, recipe, &source, ret_image, NULL) == CACHE_INTACT)
		return 0;
	if (build(env, recipe, &source, progress, ctx, digest, err) < 0)
		return -1;
	if (cache_open(env->cache, digest, &entry, err) != CACHE_INTACT)
		return -1;
	*ret_image = image_of_entry(&entry);
	return 0;
}

static int ensure(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		  struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(recipe_clear) struct recipe recipe = { 0 };
	_cleanup_close_ int lock = -1;
	struct err damage = ERR_INIT;
	int known;

	if (spec->image)
		return ensure_by_path(env, spec, progress, ctx, ret_image, err);
	if (load(env, spec, &recipe, err) < 0 || env->builder->toolchain(&recipe.cross, &recipe.compiler, err) < 0)
		return -1;
	known = env->refresh ? 0 : source_lookup(env->cache, spec->source, spec->suite, &source, err);
	if (known < 0)
		return -1;
	if (known) {
		enum cache_state state = find_cached(env, &recipe, &source, ret_image, &damage);

		if (state == CACHE_INTACT)
			return 0;
		if (state == CACHE_CORRUPT) {
			_cleanup_free_ char *what = xasprintf("%s; building it again", damage.msg);

			progress(ctx, what, -1, -1);
		}
	}
	lock = cache_lock(env->cache, progress, ctx, err);
	if (lock < 0)
		return -1;
	return ensure_locked(env, spec, &recipe, progress, ctx, ret_image, err);
}

int kernel_ensure_in(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		     struct kernel_image **ret_image, struct err *err)
{
	return ensure(env, spec, progress ? progress : no_progress, ctx, ret_image, err) < 0 ? in_context(spec, err)
											     : 0;
}

int kernel_lookup(const struct kernel_spec *spec, struct kernel_image **ret_image, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *recipes = recipe_dir();
	struct kernel_env env = { .cache = cache, .recipes = recipes, .builder = &kernel_builder_real };

	return kernel_lookup_in(&env, spec, ret_image, err);
}

int kernel_ensure(const struct kernel_spec *spec, image_progress *progress, void *ctx, struct kernel_image **ret_image,
		  struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *recipes = recipe_dir();
	struct kernel_env env = { .cache = cache, .recipes = recipes, .builder = &kernel_builder_real };

	return kernel_ensure_in(&env, spec, progress, ctx, ret_image, err);
}

void kernel_drop_sources(void)
{
	_cleanup_free_ char *cache = cache_dir(), *path = path_join(cache, "lock");
	_cleanup_close_ int lock = path_exists(path) ? lock_file(path, false, NULL) : -1;

	if (lock >= 0)
		cache_sweep(cache, true, NULL);
}
