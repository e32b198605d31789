/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels: from what a matrix says to an Image in the content-addressed cache. Never prints; progress goes to a
 * callback. */
#ifndef GRANULE_IMAGE_IMAGE_H
#define GRANULE_IMAGE_IMAGE_H

#include "base/sha256.h"
#include "matrix/matrix.h"

/* A module that the guest loads at its start: modules.h. */
struct kernel_module {
	char *name;		      /* owned: "02-virtio_console.ko"; their order is the load order */
	char *path;		      /* owned: in the cache, not compressed */
	char sha256[SHA256_HEX_SIZE]; /* of that file */
};

struct kernel_image {
	char *path;		       /* owned: the Image */
	char *system_map;	       /* owned, or NULL (an Image by path may have none) */
	char *config;		       /* owned: the resolved .config, or NULL */
	char *release;		       /* owned: uname -r */
	char *compiler;		       /* owned: compiler and linker from the Image's banner, or NULL */
	uint64_t page_bytes;	       /* from the Image's header */
	char sha256[SHA256_HEX_SIZE];  /* of the Image: its identity */
	char recipe[SHA256_HEX_SIZE];  /* of what it was built from, or of its packages; "" for an Image by path */
	struct kernel_module *modules; /* owned; none where all drivers are built in */
	size_t n_modules;
	char modules_sha256[SHA256_HEX_SIZE]; /* over names and contents; "" when modules were not asked for */
	char *origin;		    /* owned: one line for people: "linux-source-6.12 6.12.57-1, micro, 64K" */
	char *packages;		    /* owned: "NAME VERSION SHA256, ..." of the packages it came from, or NULL */
	char *commit, *tree;	    /* owned: full shas of what it was built from; NULL but of a git tree */
	struct string_list patches; /* owned: "a.patch SHA256", as they were applied */
};

void kernel_image_free(struct kernel_image *image);

/* @fraction 0..1, below 0 if unknown; @eta_s below 0 if unknown. */
typedef void image_progress(void *ctx, const char *what, double fraction, int eta_s);
extern image_progress no_progress; /* for who is not to hear any */

/* What is known of @spec without building: 1 with @ret_image when the Image exists (by path, or in the cache),
 * 0 when it must be built or fetched (then only page_bytes, origin and a release like "6.12" are set; of a package that
 * was never fetched not even these: page_bytes is 0 and release ""), -1 on error. */
int kernel_lookup(const struct kernel_spec *spec, struct kernel_image **ret_image, struct err *err);

/* Make sure that @spec's Image is there and intact; builds or fetches it if not. */
int kernel_ensure(const struct kernel_spec *spec, image_progress *progress, void *ctx, struct kernel_image **ret_image,
		  struct err *err);

/* Remove the unpacked kernel sources (1.6 GiB each) that kernel_ensure() keeps for the next page size: call it after the
 * last one. Does nothing while another granule builds. */
void kernel_drop_sources(void);

struct kernel_builder; /* build.h */

/* Where kernels come from; tests put their own. */
struct kernel_env {
	const char *cache;		      /* borrowed: the cache's folder */
	const char *recipes;		      /* borrowed: images/kernels; NULL if it was not found */
	const struct kernel_builder *builder; /* borrowed */
	bool refresh;			      /* ask apt for a newer source even if one is cached */
	bool prepared; /* whoever started this process has the cache's lock and did kernel_prepare_in() */
};

/* With the cache's lock held: fetch and unpack what building @spec (of source or git) takes. 1: it is to be built, and
 * @ret_inputs tells its build from others; 0: it is in the cache; -1 on error. */
int kernel_prepare_in(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		      char ret_inputs[SHA256_HEX_SIZE], struct err *err);

/* How many builds go side by side on this host: two where there are cores for them, else one. */
unsigned kernels_side_by_side(void);

/* Build those of @specs (of source or git) that are not in the cache, @jobs at a time, each in a process of its own: kernels
 * without patches first, whose object trees the others start from. @ret_failed: which one @err is about. */
int kernels_build_in(const struct kernel_env *env, const struct kernel_spec *const *specs, size_t n, unsigned jobs,
		     image_progress *progress, void *ctx, size_t *ret_failed, struct err *err);
/* The same with the surroundings of kernel_ensure(), @jobs being kernels_side_by_side(). */
int kernels_build(const struct kernel_spec *const *specs, size_t n, image_progress *progress, void *ctx,
		  size_t *ret_failed, struct err *err);

/* kernel_lookup() and kernel_ensure() with all of their surroundings given. */
int kernel_lookup_in(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		     struct err *err);
int kernel_ensure_in(const struct kernel_env *env, const struct kernel_spec *spec, image_progress *progress, void *ctx,
		     struct kernel_image **ret_image, struct err *err);

#endif
