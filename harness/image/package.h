/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels out of Debian's linux-image packages: an entry of the cache like a built one, and beside its Image the packages it
 * came from, so that other modules of it can be had when the suite has moved on. The recipe's digest is over their names,
 * versions and digests; the suite and the name that was asked for lead to it (cache_remember). */
#ifndef GRANULE_IMAGE_PACKAGE_H
#define GRANULE_IMAGE_PACKAGE_H

#include "image/cache.h"
#include "image/image.h"

/* Where packages come from; tests put their own. */
struct package_archive {
	/* The packages that make up the newest @package of @suite: what it depends on in exactly one version, down to those
	 * that are named after a release (a metapackage is none of them). Asks the network; needs the cache's lock.
	 * @ret_packages: owned by the caller, cache_packages_free(). @ret_bytes: what they take, packed and unpacked.
	 * Errors: CONFIG (no such suite or package), HOST (network, missing tools). */
	int (*resolve)(const char *cache, const char *package, const char *suite, const char *log,
		       struct cache_package **ret_packages, size_t *ret_n, uint64_t *ret_bytes, struct err *err);
	/* Put one of these at @path, whole and with the digest that resolve() told. @work: an empty folder. */
	int (*download)(const char *cache, const char *suite, const struct cache_package *package, const char *path,
			const char *work, const char *log, struct err *err);
};

/* The machine's own mirror, through apt.h. */
extern const struct package_archive package_archive_apt;

/* kernel_lookup_in() and kernel_ensure_in() of a spec with .package. Before it was fetched nothing is known of it but what
 * the spec says: page_bytes may be 0, release is "". @archive NULL: apt. */
int package_lookup(const struct kernel_env *env, const struct kernel_spec *spec, struct kernel_image **ret_image,
		   struct err *err);
int package_ensure(const struct kernel_env *env, const struct package_archive *archive, const struct kernel_spec *spec,
		   image_progress *progress, void *ctx, struct kernel_image **ret_image, struct err *err);

#endif
