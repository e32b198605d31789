/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules that a kernel by path needs before its guest can speak: the drivers of the port that the stream goes through.
 * Only these few; whatever else a workload wants must be built in. Kept uncompressed in the cache:
 *
 *   CACHE/modules/ARCHIVE/RELEASE/   NN-name.ko in load order, modules.json; ARCHIVE is the archive's sha256, for a folder the
 *                                    digest of what was chosen from it */
#ifndef GRANULE_IMAGE_MODULES_H
#define GRANULE_IMAGE_MODULES_H

#include "image/image.h"

/* Pure. From the texts of modules.dep and modules.builtin (may be NULL: nothing is built in) to the files that are to be
 * loaded, as modules.dep names them, in load order; none when everything is built in. @what: for messages.
 * ERR_CONFIG: a driver is neither. */
int modules_order(const char *what, const char *dep, const char *builtin, char ***ret_files, size_t *ret_n,
		  struct err *err);

/* What the cache knows of @archive for @image: 1 with image->modules filled in, 0 it must be unpacked (a folder always
 * says so), -1 error. */
int modules_lookup(const char *cache, const char *archive, struct kernel_image *image, struct err *err);
/* Fill in image->modules from @archive, a tar file or a folder that holds lib/modules/RELEASE or is it. Takes the cache's
 * lock where there is something to unpack. ERR_CONFIG: the archive is none, or of another release; ERR_HOST: disk,
 * missing tools. */
int modules_ensure(const char *cache, const char *archive, image_progress *progress, void *ctx,
		   struct kernel_image *image, struct err *err);

#endif
