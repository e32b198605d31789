/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage profiles: what one may say, and what no kernel of a version and page size can do. Pure. */
#ifndef GRANULE_MATRIX_STORAGE_H
#define GRANULE_MATRIX_STORAGE_H

#include "matrix/folio.h"

extern const char *const storage_where_names[]; /* "tmpfs", "loop", "brd", "null_blk", "virtio", NULL */
extern const char *const storage_fs_names[];	/* "raw", "ext4", "xfs", "btrfs", NULL */
extern const char *const storage_swap_names[];	/* "null_blk", "zram", "virtio", NULL */
extern const char *const storage_scheduler_names[], *const storage_cache_names[], *const storage_zram_names[],
											  *const storage_zswap_names[];

/* Does any device of @storage lie on the host? Such a cell is not sealed. */
bool storage_on_host(const struct storage_profile *storage);
/* Is there a file system that a program must make? */
bool storage_is_made(const struct storage_profile *storage);
/* The size of the device without a file system that a workload finds; 0: none. @storage may be NULL. */
uint64_t storage_device_bytes(const struct storage_profile *storage);

/* Why @storage cannot be had beside @folio on this base page (0: not known) and kernel; NULL if it can. Owned by the
 * caller. */
char *storage_unsupported(const struct storage_profile *storage, const struct folio_profile *folio, uint64_t page_bytes,
			  struct kernel_version version);

#endif
