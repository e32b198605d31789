/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making room in the image cache, by age and by size: kernels, object trees, sources, modules, tools. Never what a build
 * uses (it has the cache's lock) or a kernel that a run in progress holds. */
#ifndef GRANULE_IMAGE_COLLECT_H
#define GRANULE_IMAGE_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "image/image.h"

struct collect {
	uint64_t older_than_s; /* what was not used for so long goes; 0: age does not count */
	bool bounded;	       /* kernels and object trees together may take keep_bytes: object trees go first, then the
				* kernels that were not used for longest */
	uint64_t keep_bytes;
	bool dry_run; /* remove nothing, take no lock */
};

/* @what goes (@kept NULL) or would, and takes @bytes; or it stays, though the options name it, because of @kept. */
typedef void collect_report(void *ctx, const char *what, uint64_t bytes, const char *kept);

/* What builds that died left behind, unpacked sources and damaged kernels always go. Waits for a build to end, and says so
 * through @progress; a dry run tells of it instead. @ret_bytes: what was freed, or would be. */
int cache_collect(const char *cache, const struct collect *options, image_progress *progress, collect_report *report,
		  void *ctx, uint64_t *ret_bytes, struct err *err);

/* The same of root file systems (rootfs.h): damaged ones and what died making one go, old ones by age, and under
 * @keep_bytes, their own bound, those that were not used for longest. Its own lock: a kernel's build does not make it
 * wait. */
int rootfs_collect(const char *cache, const struct collect *options, image_progress *progress, collect_report *report,
		   void *ctx, uint64_t *ret_bytes, struct err *err);

/* Keep the kernel whose Image is @path, or the modules of which one is, from being collected for as long as the
 * returned descriptor is open, or the root file system whose image it is, or what was prepared (run/prepared.h); -1
 * where there is nothing to hold. Whoever
 * boots it may call this; nothing else does. */
int cache_hold(const char *path);
/* Does somebody hold what is in the folder @dir? The answer is that of a moment: who holds it later finds it gone, and
 * makes it again. */
bool cache_held(const char *dir);

#endif
