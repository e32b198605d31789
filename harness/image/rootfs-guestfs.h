/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What granule-image does through libguestfs, and nothing else of granule does. The appliance is a small Linux of
 * this host's own packages and kernel in a QEMU of its own, so all of it works as a plain user, owners of files
 * included. */
#ifndef GRANULE_IMAGE_ROOTFS_GUESTFS_H
#define GRANULE_IMAGE_ROOTFS_GUESTFS_H

#include "image/rootfs.h"

/* struct rootfs_maker's image and tool: tar-in to a scratch disk, mkfs.erofs from there to the image, then
 * fsck.erofs, and the image mounted: what the recipe needs must be in it. KVM where it starts, else TCG, which is
 * said through progress. Errors: HOST (libguestfs, its kernel, disk), CONFIG (a file that the recipe needs is not
 * there). */
int rootfs_guestfs_image(const struct rootfs_making *making, struct err *err);
int rootfs_guestfs_tool(char **ret_tool, struct err *err);

/* Copy the files that match one of @globs out of the file system on the disk image @disk (raw, partitionless), which
 * is opened read-only, into the folder @to, at most @max_bytes each (the end of a longer one). A journal that needs
 * replaying is not replayed. File "/var/log/x" becomes "x", with "-2", "-3" where there are more of that name.
 * @ret_n: how many there were. */
int rootfs_guestfs_copy_out(const char *cache, const char *disk, const char *const *globs, size_t n_globs,
			    const char *to, uint64_t max_bytes, image_progress *progress, void *ctx, size_t *ret_n,
			    struct err *err);

#endif
