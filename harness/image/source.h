/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel sources: Debian's linux-source-X.Y of any suite, through the machine's own mirror, fetched by apt from a private
 * configuration directory: no root, nothing of the host's apt state is touched, hashes are checked by apt's signed index. */
#ifndef GRANULE_IMAGE_SOURCE_H
#define GRANULE_IMAGE_SOURCE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/sha256.h"
#include "image/image.h"

/* A source in the cache: CACHE/sources/SUITE/PACKAGE/{source.json,source.tar.xz}. The record outlives the tarball.
 * Or a commit of a git tree: git.h. */
struct kernel_source {
	char *package, *suite;		      /* owned; NULL of a git tree */
	char *git_dir, *commit, *tree;	      /* owned: where its objects are, and two full shas; NULL of a package */
	char *linux_version;		      /* owned: "6.12" */
	char *version;			      /* owned: Debian's, or the commit's first twelve digits */
	char deb_sha256[SHA256_HEX_SIZE];     /* of the package, from the signed index */
	char tarball_sha256[SHA256_HEX_SIZE]; /* of a git tree: a digest of its tree's sha */
	char *tarball;			      /* owned: its path; it may be absent */
};

void kernel_source_clear(struct kernel_source *source);

/* "6.12" of "linux-source-6.12"; NULL when @package is no such name. Borrowed from @package. */
const char *source_kernel_version(const char *package);

/* What the cache knows: 1 with @ret_source, 0 nothing, -1 error. No network. */
int source_lookup(const char *cache, const char *package, const char *suite, struct kernel_source *ret_source,
		  struct err *err);

/* Ask apt for the newest version in @suite, and fetch its tarball unless it is there. Needs the cache's lock.
 * Errors: CONFIG (no such suite or package), HOST (network, disk, missing tools). */
int source_fetch(const char *cache, const char *package, const char *suite, image_progress *progress, void *ctx,
		 struct kernel_source *ret_source, struct err *err);

struct source_patch {
	char *path; /* owned */
	char sha256[SHA256_HEX_SIZE];
	bool asked;  /* the matrix names it, not images/kernels/patches */
	char *edits; /* owned: of a layout-neutral variant (layout.h), in place of a file; @sha256 is of this text */
};

/* The file beside @tree whose time divides its files: those that a patch wrote are not older. Owned by the caller. */
char *source_stamp(const char *tree);

/* Extract to @tree (made whole by rename, patched) unless it is there. Files have the times of the tarball, or one fixed
 * time when they come from git; those that a patch changed have the time of that.
 * A tarball that is not what was fetched is removed. ERR_CONFIG: a patch that was asked for is not there, changed meanwhile, or does not apply. */
int source_extract(const struct kernel_source *source, const char *tree, const struct source_patch *patches,
		   size_t n_patches, image_progress *progress, void *ctx, struct err *err);

/* The mirror in the text of an apt source file, in the old one-line form or as deb822: the first entry of component
 * main whose suite is @codename. @ret_uri is owned by the caller; @ret_keyring too, NULL when the entry names none. */
bool source_mirror_parse(const char *text, bool deb822, const char *codename, char **ret_uri, char **ret_keyring);

#endif
