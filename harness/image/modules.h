/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules that a guest loads at its start: the drivers of the port that the stream goes through, where the kernel has them
 * as modules, then those that the matrix names (load:), each behind what it needs. Kept uncompressed in the cache:
 *
 *   CACHE/modules/KEY/RELEASE/   NN-name.ko in load order, modules.json. KEY stands for where they come from (an archive's
 *                                sha256, a package's recipe; for a folder the digest of what was chosen from it), with
 *                                what was asked for by name, if anything was */
#ifndef GRANULE_IMAGE_MODULES_H
#define GRANULE_IMAGE_MODULES_H

#include <stdbool.h>

#include "image/image.h"

#define MODULE_NAME_SIZE 128

/* The module's name of a path or a file, as lsmod would show it: "kernel/drivers/pci/pci-host.ko.xz" is pci_host. */
void module_name(const char *path, size_t len, char buf[MODULE_NAME_SIZE]);

/* depmod's texts; borrowed. All but dep may be NULL: nothing is built in, no module has soft dependencies or aliases. */
struct modules_index {
	const char *dep, *builtin, *softdep, *alias;
};

/* Pure. The files that are to be loaded, as modules.dep names them, in load order; none when everything is built in. @what:
 * for messages. @load may be NULL. ERR_CONFIG: a driver of the port, or a name of @load, is neither a module nor built in. */
int modules_order(const char *what, const struct modules_index *index, const struct string_list *load,
		  char ***ret_files, size_t *ret_n, struct err *err);

struct modules_wanted {
	const char *what; /* borrowed: the archive or package, for messages */
	const char *key;  /* borrowed: a digest of where they come from; NULL: a folder, which may change */
	const struct string_list *load; /* borrowed */
};

/* True with image->modules filled in when the cache has them. */
bool modules_cached(const char *cache, const struct modules_wanted *want, struct kernel_image *image);
/* Fill in image->modules from the folder @root, which holds lib/modules/RELEASE or is it, and keep them. @work: an empty
 * folder on the cache's file system, or one that holds @root and no "stage" and "depmod". Needs the cache's lock.
 * ERR_CONFIG: no modules in it, or of another release, or not those that are wanted; ERR_HOST: disk, missing tools. */
int modules_take(const char *cache, const struct modules_wanted *want, const char *root, const char *work,
		 struct kernel_image *image, struct err *err);

/* What the cache knows of @archive for @image: 1 with image->modules filled in, 0 it must be unpacked (a folder always
 * says so), -1 error. */
int modules_lookup(const char *cache, const char *archive, const struct string_list *load, struct kernel_image *image,
		   struct err *err);
/* modules_take() from @archive, a tar file or a folder. Takes the lock where there is something to unpack. ERR_CONFIG also
 * where the archive is none. */
int modules_ensure(const char *cache, const char *archive, const struct string_list *load, image_progress *progress,
		   void *ctx, struct kernel_image *image, struct err *err);

#endif
