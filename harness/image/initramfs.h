/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A newc cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst) as a pure function of its entries:
 * sorted, owner 0:0, time 0, inodes counted from 1. Parent directories and /dev/console (5:1) are added. */
#ifndef GRANULE_IMAGE_INITRAMFS_H
#define GRANULE_IMAGE_INITRAMFS_H

#include <stddef.h>
#include <sys/types.h>

#include "base/sha256.h"

struct initramfs_entry {
	const char *path;      /* borrowed, in the guest, without the leading slash: "init" */
	mode_t mode;	       /* S_IFREG|0755, S_IFDIR|0755, S_IFLNK|0777 */
	const char *host_path; /* borrowed: contents from this file, or NULL */
	const void *data;      /* borrowed: contents (or link target) from memory */
	size_t len;
};

/* Write @file: whole or absent, but not forced to the disk, since it can be made again. Duplicate paths and host files
 * that cannot be read are errors. */
int initramfs_write(const char *file, const struct initramfs_entry *entries, size_t n_entries, struct err *err);
/* The digest of the archive that initramfs_write() would write, nothing written. */
int initramfs_digest(const struct initramfs_entry *entries, size_t n_entries, char ret_hex[SHA256_HEX_SIZE],
		     struct err *err);

#endif
