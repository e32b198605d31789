/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A storage profile in a cell: steps of the job, words of the command line, what a kernel lacks for it. */
#ifndef GRANULE_RUN_STORAGE_H
#define GRANULE_RUN_STORAGE_H

#include "base/text.h"
#include "image/image.h"
#include "image/mkfs.h"
#include "matrix/storage.h"

/* Add the steps that come before the folio profile's: devices, their file system, its mount, swap. What a tmpfs is
 * depends on the folio profile, so it comes after. */
void storage_steps_before(const struct storage_profile *storage, struct text *job);
void storage_steps_after(const struct storage_profile *storage, struct text *job);

/* A device of @bytes in the place of a profile's, in a guest that prepares what is on it. */
void storage_steps_preparing(uint64_t bytes, struct text *job);

/* "brd.rd_nr=1 brd.rd_size=524288", "nohlt", NULL if @storage needs no word. Owned by the caller. */
char *storage_command_line(const struct storage_profile *storage);

/* Which driver or file system @image lacks for @storage, a sentence; NULL: none, or its configuration is not known.
 * Owned by the caller. */
char *storage_lacks(const struct storage_profile *storage, const struct kernel_image *image);
/* The same of a configuration's text; @modules as kernel_image has them. */
char *storage_lacks_in(const struct storage_profile *storage, const char *config, const struct kernel_module *modules,
		       size_t n_modules);

#endif
