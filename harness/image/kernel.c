// SPDX-License-Identifier: GPL-2.0-or-later
/* From a kernel_spec to an Image: by path, out of the cache, or built into it. The order of things and nothing else;
 * the things are in header.c, recipe.c, source.c, build.c, package.c and cache.c. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/git.h"
#include "image/header.h"
#include "image/image.h"
#include "image/modules.h"
#include "image/objects.h"
#include "image/package.h"

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
	free(image->commit);
	free(image->tree);
	for (size_t i = 0; i < image->patches.n; i++)
		free(image->patches.v[i]);
	free(image->patches.v);
	free(image->packages);
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
		ready = modules_lookup(env->cache, spec->modules, &spec->load, image, err);
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
	if (spec->modules && modules_ensure(env->cache, spec->modules, &spec->load, progress, ctx, image, err) < 0)
		return -1;
	*ret_image = steal_ptr(image);
	return 0;
}

/* What it was asked for as: another commit or another file may have led to the same kernel before. */
static void describe_image(struct kernel_image *image, const struct recipe *r, const struct kernel_source *source)
{
	free(image->origin);
	image->origin = recipe_describe(r, source);
	image->commit = source ? xstrdup(source->commit) : NULL;
	image->tree = source ? xstrdup(source->tree) : NULL;
	for (size_t i = r->n_house; i < r->n_patches; i++)
		*VEC_PUSH(image->patches.v, image->patches.n) =
			xasprintf("%s %s", strrchr(r->patches[i].path, '/') + 1, r->patches[i].sha256);
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
		*ret_image = cache_image(&e);
		describe_image(*ret_image, recipe, source);
	}
	return state;
}

/* The texts of @spec, and what is known of its source without the network: 1, or 0 if nothing. */
static int load(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_source *source,
		struct recipe *recipe, struct err *err)
{
	const char *version = spec->source ? source_kernel_version(spec->source) : NULL;

	if (!env->recipes)
		return err_set(err, ERR_HOST,
			       "the kernel recipes (images/kernels) are not beside this program; set "
			       "GRANULE_IMAGES to the folder images/ of granule's source");
	if (!spec->git && !version)
		return err_set(err, ERR_CONFIG,
			       "source: '%s' is no kernel source package: Debian calls them "
			       "linux-source-X.Y, as in linux-source-6.12",
			       spec->source);
	if (spec->git && git_lookup(spec->git, spec->commit, source, err) < 0)
		return -1;
	if (recipe_load(env->recipes, spec, version ? version : source->linux_version, recipe, err) < 0)
		return -1;
	if (spec->git)
		return 1;
	return env->refresh ? 0 : source_lookup(env->cache, spec->source, spec->suite, source, err);
}

static int lookup(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		  struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(recipe_clear) struct recipe recipe = { 0 };
	enum cache_state state = CACHE_ABSENT;
	struct kernel_image *image;
	int known;

	if (spec->image)
		return lookup_by_path(env, spec, ret_image, err);
	if (spec->package)
		return package_lookup(env, spec, ret_image, err);
	known = load(env, spec, &source, &recipe, err);
	if (known < 0)
		return -1;
	/* Without a compiler nothing that it would have built can be found; that is not this question's error. */
	if (known && env->builder->toolchain(&recipe.cross, &recipe.compiler, NULL) == 0)
		state = find_cached(env, &recipe, &source, ret_image, NULL);
	if (state == CACHE_INTACT)
		return 1;
	image = xcalloc(1, sizeof(*image));
	image->page_bytes = spec->page_bytes;
	image->release = xstrdup(recipe.version);
	describe_image(image, &recipe, known ? &source : NULL);
	if (state == CACHE_CORRUPT) {
		_cleanup_free_ char *name = steal_ptr(image->origin);

		image->origin = xasprintf("%s (the cached one is damaged)", name);
	}
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
			if (entries[i].steps && entries[i].family && strcmp(entries[i].family, family) == 0)
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
			     const struct workplace *w, const char *config, const char *digest, bool adopted,
			     image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *image = path_join(w->obj, "arch/arm64/boot/Image"), *map = path_join(w->obj, "System.map");
	_cleanup_free_ char *dot = path_join(w->obj, "granule.resolved"), *origin = recipe_describe(r, source);
	_cleanup_free_ char *family = xasprintf("linux-source-%s %s", r->version, r->config_name);
	_cleanup_free_ char *kept_map = xasprintf("%s.kept", map);
	_cleanup_(kernel_header_clear) struct kernel_header header = { 0 };
	/* how much differs is make's to find out, and says nothing about the next build */
	unsigned steps = 0, expected = adopted ? BUILD_STEPS_UNKNOWN : steps_before(env, family);
	uint64_t begin = now_ns();

	if (env->builder->compile(r, origin, w->tree, w->obj, w->log, expected, progress, ctx, &steps, err) < 0 ||
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
			       .steps = adopted ? 0 : steps,
			       .build_s = (unsigned)((now_ns() - begin) / NSEC_PER_SEC) };

	/* make takes a System.map that is gone for one that is up to date */
	unlink(kept_map);
	if (link(map, kept_map) < 0)
		return err_set_errno(err, ERR_HOST, "%s", kept_map);
	if (cache_store(env->cache, &n, err) < 0)
		return -1;
	return rename(kept_map, map) < 0 ? err_set_errno(err, ERR_HOST, "%s", map) : 0;
}

/* Start the object tree from that of the kernel which this one is a variant of. Whatever goes wrong there is no error: then
 * it starts from nothing. A kernel like a kept one in all is built from nothing too: its entry was damaged or removed. */
static int start_objects(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *source,
			 const struct workplace *w, image_progress *progress, void *ctx, bool *ret_adopted,
			 struct err *err)
{
	_cleanup_(object_parent_clear) struct object_parent parent = { 0 };
	_cleanup_free_ char *what = NULL;
	struct err why = ERR_INIT;

	*ret_adopted = false;
	if (!objects_find(env->cache, r, source, &parent) ||
	    (!kernel_is_variant(r->spec) && object_same(&parent, source)))
		return make_dirs(w->obj, err);
	what = xasprintf("starting from the object tree of %s", parent.name);
	progress(ctx, what, -1, -1);
	if (objects_adopt(&parent, source, kernel_is_variant(r->spec), w->tree, w->obj, &why) == 0) {
		*ret_adopted = true;
		return 0;
	}
	if (why.kind == ERR_INTERRUPTED)
		return err_set(err, why.kind, "%s", why.msg);
	return remove_tree(w->obj, err) < 0 ? -1 : make_dirs(w->obj, err);
}

/* With source and object tree there: the recipe's digest, and its entry. */
static int make_kernel(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *source,
		       const struct workplace *w, bool adopted, image_progress *progress, void *ctx,
		       char ret_digest[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_free_ char *config = NULL, *name = recipe_describe(r, source),
			    *what = xasprintf("%s: configuring", name);
	_cleanup_(cache_entry_clear) struct cache_entry there = { 0 };
	char inputs[SHA256_HEX_SIZE];

	progress(ctx, what, -1, -1);
	if (env->builder->resolve(r, w->tree, w->obj, &config, err) < 0)
		return -1;
	recipe_digest(r, source, config, ret_digest);
	recipe_inputs_digest(r, source, inputs);
	if (cache_open(env->cache, ret_digest, &there, NULL) == CACHE_INTACT)
		return remove_tree(w->obj, err) < 0 ? -1 : cache_remember(env->cache, inputs, ret_digest, err);
	if (compile_and_store(env, r, source, w, config, ret_digest, adopted, progress, ctx, err) < 0 ||
	    cache_remember(env->cache, inputs, ret_digest, err) < 0)
		return -1;
	return objects_keep(env->cache, ret_digest, r, source, name, w->tree, w->obj, err);
}

/* With the lock held and nothing usable in the cache: make it. */
static int build(const struct kernel_env *env, const struct recipe *r, const struct kernel_source *source,
		 image_progress *progress, void *ctx, char ret_digest[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_(workplace_clear) struct workplace w = workplace(env, r, source);
	bool have_tree = path_is_dir(w.tree), adopted = false;
	struct err why = ERR_INIT;

	/* Whatever is under build/ belongs to nobody now; other unpacked sources make room for this one. */
	if ((!env->prepared && cache_sweep(env->cache, !have_tree, err) < 0) || check_space(env, have_tree, err) < 0 ||
	    env->builder->extract(source, w.tree, r->patches, r->n_patches, progress, ctx, err) < 0 ||
	    start_objects(env, r, source, &w, progress, ctx, &adopted, err) < 0)
		return -1;
	if (make_kernel(env, r, source, &w, adopted, progress, ctx, ret_digest, &why) == 0)
		return 0;
	if (!adopted || (why.kind != ERR_HOST && why.kind != ERR_BUILD))
		return err_set(err, why.kind, "%s", why.msg);
	progress(ctx, "that object tree does not do; starting from nothing", -1, -1);
	if (remove_tree(w.obj, err) < 0 || make_dirs(w.obj, err) < 0)
		return -1;
	return make_kernel(env, r, source, &w, false, progress, ctx, ret_digest, err);
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

/* Build; if that found the tarball damaged (then it is gone), fetch it again and build once more. */
static int build_or_fetch(const struct kernel_env *env, const struct kernel_spec *spec, const struct recipe *recipe,
			  struct kernel_source *source, image_progress *progress, void *ctx,
			  char ret_digest[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_free_ char *what = NULL;
	struct err why = ERR_INIT;

	if (build(env, recipe, source, progress, ctx, ret_digest, &why) == 0)
		return 0;
	if (spec->git || path_exists(source->tarball))
		return err_set(err, why.kind, "%s", why.msg);
	what = xasprintf("%s; fetching it again", why.msg);
	progress(ctx, what, -1, -1);
	kernel_source_clear(source);
	if (find_source(env, spec, progress, ctx, source, err) < 0)
		return -1;
	return build(env, recipe, source, progress, ctx, ret_digest, err);
}

static int ensure_locked(const struct kernel_env *env, const struct kernel_spec *spec, const struct recipe *recipe,
			 struct kernel_source *source, image_progress *progress, void *ctx,
			 struct kernel_image **ret_image, struct err *err)
{
	_cleanup_(cache_entry_clear) struct cache_entry entry = { 0 };
	char digest[SHA256_HEX_SIZE];

	if (!spec->git) {
		kernel_source_clear(source);
		if (find_source(env, spec, progress, ctx, source, err) < 0)
			return -1;
	}
	/* Another granule may have built it while this one waited; or apt may have had nothing new. */
	if (find_cached(env, recipe, source, ret_image, NULL) == CACHE_INTACT)
		return 0;
	if (build_or_fetch(env, spec, recipe, source, progress, ctx, digest, err) < 0)
		return -1;
	if (cache_open(env->cache, digest, &entry, err) != CACHE_INTACT)
		return -1;
	*ret_image = cache_image(&entry);
	describe_image(*ret_image, recipe, source);
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
	if (spec->package)
		return package_ensure(env, NULL, spec, progress, ctx, ret_image, err);
	known = load(env, spec, &source, &recipe, err);
	if (known < 0 || env->builder->toolchain(&recipe.cross, &recipe.compiler, err) < 0)
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
	if (!env->prepared) {
		lock = cache_lock(env->cache, progress, ctx, err);
		if (lock < 0)
			return -1;
	}
	return ensure_locked(env, spec, &recipe, &source, progress, ctx, ret_image, err);
}

int kernel_ensure_in(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		     struct kernel_image **ret_image, struct err *err)
{
	return ensure(env, spec, progress ? progress : no_progress, ctx, ret_image, err) < 0 ? in_context(spec, err)
											     : 0;
}

int kernel_prepare_in(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		      char ret_inputs[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(workplace_clear) struct workplace w = { 0 };
	_cleanup_(recipe_clear) struct recipe r = { 0 };
	struct kernel_image *image;

	if (load(env, spec, &source, &r, err) < 0 || env->builder->toolchain(&r.cross, &r.compiler, err) < 0)
		return in_context(spec, err);
	if (!spec->git) {
		kernel_source_clear(&source);
		if (find_source(env, spec, progress, ctx, &source, err) < 0)
			return in_context(spec, err);
	}
	if (find_cached(env, &r, &source, &image, NULL) == CACHE_INTACT) {
		kernel_image_free(image);
		return 0;
	}
	recipe_inputs_digest(&r, &source, ret_inputs);
	w = workplace(env, &r, &source);
	if (check_space(env, path_is_dir(w.tree), err) < 0 ||
	    env->builder->extract(&source, w.tree, r.patches, r.n_patches, progress, ctx, err) < 0)
		return in_context(spec, err);
	return 1;
}

int kernels_build(const struct kernel_spec *const *specs, size_t n, image_progress *progress, void *ctx,
		  size_t *ret_failed, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *recipes = recipe_dir();
	struct kernel_env env = { .cache = cache, .recipes = recipes, .builder = &kernel_builder_real };

	return kernels_build_in(&env, specs, n, kernels_side_by_side(), progress, ctx, ret_failed, err);
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
