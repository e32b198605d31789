/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root file systems that the workloads of a plan want. Made by the program granule-image, a process of its own. */
#ifndef GRANULE_RUN_ROOTS_H
#define GRANULE_RUN_ROOTS_H

#include "image/rootfs.h"
#include "store/store.h"

struct roots {
	struct root {
		const char *name;	   /* borrowed: the workload's */
		struct rootfs_entry entry; /* empty while it is not ready */
		bool ready;
	} * v; /* owned */
	size_t n;
};

void roots_free(struct roots *roots);
/* Note that a cell needs @name (workloads/NAME/rootfs.yaml), and look in the cache, once each. ERR_CONFIG: its
 * recipe. */
int roots_want(struct roots *roots, const char *name, struct err *err);
/* The one that was noted so. */
const struct root *roots_find(const struct roots *roots, const char *name);
/* Have those made that are not ready. Errors: HOST. */
int roots_build(struct roots *roots, image_progress *progress, void *ctx, struct err *err);
/* What a cell's definition says of it: digests, and every package with its exact version; owned by the caller. */
json_t *root_definition(const struct root *root);
/* Why a kernel of the resolved configuration @config (a path, may be NULL) cannot mount one, or NULL; owned by the
 * caller. */
char *root_unsupported(const char *config);

#endif
