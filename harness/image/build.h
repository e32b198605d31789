/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the kernel's own make. The steps of a build are a table, so that tests put other steps in their place. */
#ifndef GRANULE_IMAGE_BUILD_H
#define GRANULE_IMAGE_BUILD_H

#include "image/image.h"
#include "image/recipe.h"
#include "image/source.h"

#define BUILD_STEPS_UNKNOWN UINT32_MAX /* nobody can say how far such a build is */

struct kernel_builder {
	recipe_toolchain *toolchain;
	/* source.h: source_fetch() */
	int (*fetch)(const char *cache, const char *package, const char *suite, image_progress *progress, void *ctx,
		     struct kernel_source *ret_source, struct err *err);
	/* source.h: source_extract() */
	int (*extract)(const struct kernel_source *source, const char *tree, const struct source_patch *patches,
		       size_t n_patches, image_progress *progress, void *ctx, struct err *err);
	/* Make @obj/.config from the fragments, compare it with them; @ret_config is its text, owned by the caller. */
	int (*resolve)(const struct recipe *recipe, const char *tree, const char *obj, char **ret_config,
		       struct err *err);
	/* Leave arch/arm64/boot/Image and System.map in @obj. @name: what it is, for people. @expected_steps: lines of output that the last such
	 * build had, 0 unknown; @ret_steps what this one had. ERR_BUILD: the source does not compile. */
	int (*compile)(const struct recipe *recipe, const char *name, const char *tree, const char *obj,
		       const char *log, unsigned expected_steps, image_progress *progress, void *ctx,
		       unsigned *ret_steps, struct err *err);
};

/* apt, tar and make. */
extern const struct kernel_builder kernel_builder_real;

#endif
