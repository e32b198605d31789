/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel is made of, before it is made: the texts under images/kernels/, the compiler, the flags; and the digests over
 * them that key the cache. */
#ifndef GRANULE_IMAGE_RECIPE_H
#define GRANULE_IMAGE_RECIPE_H

#include "base/err.h"
#include "base/sha256.h"
#include "image/source.h"
#include "matrix/matrix.h"

struct recipe {
	const struct kernel_spec *spec; /* borrowed; .source is set */
	const char *version;		/* borrowed from the spec: "6.12" */
	char pages_name[24];		/* "pages-64k.config" */
	char *config_name;		/* owned: "micro.config" */
	char *config, *pages, *must;	/* owned: the texts */
	char *absent, *absent_name;	/* owned; absent is "" where there is no list */
	char **patches;			/* owned: paths, sorted */
	size_t n_patches;
	char patches_sha256[SHA256_HEX_SIZE];
	char *cross;	/* owned: "aarch64-linux-gnu-" or "" */
	char *compiler; /* owned: first lines of gcc --version and ld --version, for people and digests */
};

void recipe_clear(struct recipe *recipe);

/* Finds compiler and linker: @ret_cross as in CROSS_COMPILE, @ret_compiler one line; both owned by the caller. */
typedef int recipe_toolchain(char **ret_cross, char **ret_compiler, struct err *err);
recipe_toolchain recipe_toolchain_host;

/* Read the texts for @spec from @dir (images/kernels); cross and compiler stay NULL, and are needed for digests and builds.
 * ERR_CONFIG where the spec names what is not there. */
int recipe_load(const char *dir, const struct kernel_spec *spec, struct recipe *ret_recipe, struct err *err);

/* What can be known without the source tree: from this the cache remembers the recipe's digest. */
void recipe_inputs_digest(const struct recipe *recipe, const struct kernel_source *source,
			  char ret_hex[SHA256_HEX_SIZE]);
/* The recipe's digest: source, patches, the resolved configuration, compiler, flags. */
void recipe_digest(const struct recipe *recipe, const struct kernel_source *source, const char *resolved,
		   char ret_hex[SHA256_HEX_SIZE]);

/* make's variables that pin what a build would otherwise take from its surroundings; NULL-terminated. */
extern const char *const recipe_make_vars[];

/* images/kernels: $GRANULE_IMAGES/kernels, else beside the program: ../images (a build tree), ../share/granule/images
 * (installed). NULL if it is nowhere. Owned by the caller. */
char *recipe_dir(void);

/* "linux-source-6.12 6.12.107-1, micro, 64K"; @source may be NULL. Owned by the caller. */
char *recipe_describe(const struct kernel_spec *spec, const struct kernel_source *source);

#endif
