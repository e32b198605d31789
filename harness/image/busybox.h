/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shell that `granule repro --shell` puts into a guest: Debian's busybox-static for arm64, kept as
 * CACHE/tools/busybox-arm64 with a record of its digest. No sealed cell holds it. */
#ifndef GRANULE_IMAGE_BUSYBOX_H
#define GRANULE_IMAGE_BUSYBOX_H

#include "image/image.h"

/* The path of a busybox that is what was fetched once; fetches it, under the cache's lock, where there is none or it is
 * damaged. No network and no lock otherwise. @progress may be NULL; @ret_path is owned by the caller.
 * Errors: CONFIG (the suite has no such package), HOST (network, disk, missing tools). */
int busybox_ensure(image_progress *progress, void *ctx, char **ret_path, struct err *err);
/* The same with the cache's folder and, if not NULL, what fetches: it puts the program at @path. For tests. */
typedef int busybox_fetch(const char *cache, const char *path, const char *work, struct err *err);
int busybox_ensure_in(const char *cache, busybox_fetch *fetch, image_progress *progress, void *ctx, char **ret_path,
		      struct err *err);

#endif
