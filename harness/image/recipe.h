/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel is made of, before it is made: the texts under images/kernels/, the compiler, the flags; and the digests over
 * them that key the cache. */
#ifndef GRANULE_IMAGE_RECIPE_H
#define GRANULE_IMAGE_RECIPE_H

#include "base/err.h"
#include "base/sha256.h"
#include "image/source.h"
#include "matrix/matrix.h"

struct recipe_text {
	char *name, *text; /* owned: "micro.config" and what is in it */
};

struct recipe {
	const struct kernel_spec *spec; /* borrowed; .source or .git is set */
	char *version;			/* owned: of Linux, "6.12" */
	char pages_name[24];		/* "pages-64k.config" */
	char *config_name;		/* owned: "full.config" */
	struct recipe_text *configs;	/* owned: what it includes, in order; itself last */
	size_t n_configs;
	char *pages, *must; /* owned: the texts */
	char *set;	    /* owned: the matrix's `set:` as lines of a .config, over all of these; "" for none */
	/* owned: options that may resolve otherwise than in what it includes; NULL where nothing is compared (same.h) */
	char *differs, *differs_name;
	char *absent, *absent_name;   /* owned; absent is "" where there is no list */
	struct source_patch *patches; /* owned: of images/kernels/patches by name, then the matrix's in its order */
	size_t n_patches, n_house;    /* the first n_house are of images/kernels/patches */
	char patches_sha256[SHA256_HEX_SIZE]; /* over the digests of all */
	char house_sha256[SHA256_HEX_SIZE];   /* over those of the first n_house: the parent's */
	char *cross;			      /* owned: "aarch64-linux-gnu-" or "" */
	char *compiler; /* owned: first lines of gcc --version and ld --version, for people and digests */
};

void recipe_clear(struct recipe *recipe);

/* Finds compiler and linker: @ret_cross as in CROSS_COMPILE, @ret_compiler one line; both owned by the caller. */
typedef int recipe_toolchain(char **ret_cross, char **ret_compiler, struct err *err);
recipe_toolchain recipe_toolchain_host;

/* Read the texts for @spec, a Linux @version, from @dir (images/kernels); cross and compiler stay NULL, and are needed for
 * digests and builds. ERR_CONFIG where the spec names what is not there. */
int recipe_load(const char *dir, const struct kernel_spec *spec, const char *version, struct recipe *ret_recipe,
		struct err *err);

/* The first @n_configs configurations and the base page in one text, as Kconfig takes it: later lines override earlier ones.
 * Owned by the caller. */
char *recipe_config(const struct recipe *recipe, size_t n_configs);

/* What can be known without the source tree: from this the cache remembers the recipe's digest. */
void recipe_inputs_digest(const struct recipe *recipe, const struct kernel_source *source,
			  char ret_hex[SHA256_HEX_SIZE]);
/* The recipe's digest: source, patches, the resolved configuration, compiler, flags. */
void recipe_digest(const struct recipe *recipe, const struct kernel_source *source, const char *resolved,
		   char ret_hex[SHA256_HEX_SIZE]);

/* make's variables that pin what a build would otherwise take from its surroundings; NULL-terminated. */
extern const char *const recipe_make_vars[];

/* The folder @below ("images/rootfs", "workloads") of what granule comes with: beside the program's folder (a build
 * tree), in ../share/granule (installed); what is below images/ also by $GRANULE_IMAGES. NULL if it is nowhere. Owned
 * by the caller. */
char *share_dir(const char *below);
/* images/kernels of that. */
char *recipe_dir(void);

/* "linux-source-6.12 6.12.107-1, micro, 64K", "git 1a2b3c4d5e6f (v6.12), 2 patches (0a1b2c3d), micro, 64K"; @source may be
 * NULL of a package. Owned by the caller. */
char *recipe_describe(const struct recipe *recipe, const struct kernel_source *source);

#endif
