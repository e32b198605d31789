/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel sources: Debian's linux-source-X.Y of any suite, through the machine's own mirror, fetched by apt from a private
 * configuration directory: no root, nothing of the host's apt state is touched, hashes are checked by apt's signed index. */
#ifndef GRANULE_IMAGE_SOURCE_H
#define GRANULE_IMAGE_SOURCE_H

#include <stdbool.h>

#include "base/err.h"
#include "base/sha256.h"
#include "image/image.h"

/* A source in the cache: CACHE/sources/SUITE/PACKAGE/{source.json,source.tar.xz}. The record outlives the tarball. */
struct kernel_source {
	char *package, *suite;		  /* owned */
	char *version;			  /* owned: Debian's */
	char deb_sha256[SHA256_HEX_SIZE]; /* of the package, from the signed index */
	char tarball_sha256[SHA256_HEX_SIZE];
	char *tarball; /* owned: its path; it may be absent */
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

/* Extract to @tree (made whole by rename, patched with @patches, a list of paths) unless it is there. */
int source_extract(const struct kernel_source *source, const char *tree, char *const *patches, size_t n_patches,
		   image_progress *progress, void *ctx, struct err *err);

/* The mirror in the text of an apt source file, in the old one-line form or as deb822: the first entry of component
 * main whose suite is @codename. @ret_uri is owned by the caller; @ret_keyring too, NULL when the entry names none. */
bool source_mirror_parse(const char *text, bool deb822, const char *codename, char **ret_uri, char **ret_keyring);

#endif
