/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that make file systems in a guest: Debian's, for arm64, each with the shared libraries that it needs
 * and their loader, kept as CACHE/tools/mkfs-NAME/ with a list of what they came from and of their digests. In the
 * guest all of them lie in one folder, and the loader is told so: no root file system is needed. */
#ifndef GRANULE_IMAGE_MKFS_H
#define GRANULE_IMAGE_MKFS_H

#include "image/image.h"

#define MKFS_DIR "mkfs" /* in the guest, below / */
#define MKFS_LOADER "ld-linux-aarch64.so.1"

struct mkfs_file {
	char *name, *path; /* owned; of the file in MKFS_DIR; on this host */
	char sha256[SHA256_HEX_SIZE];
};

struct mkfs {
	char *packages;		 /* owned: "NAME VERSION SHA256, ..." */
	struct mkfs_file *files; /* owned, in the order of their names */
	size_t n;
	char sha256[SHA256_HEX_SIZE]; /* over their names and digests */
};

void mkfs_free(struct mkfs *mkfs);

/* The name of @fs's program ("mke2fs"), NULL if granule makes no such file system. */
const char *mkfs_program(const char *fs);

/* The program of @fs ("ext4", "xfs", "btrfs") if it is in the cache and is what was fetched: 1; 0: mkfs_ensure() would
 * fetch it; -1 on error. @cache NULL: the usual one. @ret_mkfs is owned by the caller. */
int mkfs_lookup(const char *cache, const char *fs, struct mkfs **ret_mkfs, struct err *err);
/* The same, fetched where it is not there, under the cache's lock. @progress may be NULL. Errors: CONFIG (the suite
 * lacks a package), HOST (network, disk, missing tools, a library that none of the packages has). */
int mkfs_ensure(const char *cache, const char *fs, image_progress *progress, void *ctx, struct mkfs **ret_mkfs,
		struct err *err);

/* Of what was unpacked below @root: the program at @program and, transitively, what it needs, copied into the folder
 * @dir. For mkfs_ensure(), and for tests. */
int mkfs_gather(const char *root, const char *program, const char *dir, struct err *err);

#endif
