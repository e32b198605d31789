/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file that the plugin wrote: instructions by address, sample by sample (harness/plugin/count.c). */
#ifndef GRANULE_STORE_COUNTS_H
#define GRANULE_STORE_COUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct count {
	uint64_t address, n;
	uint64_t digest; /* of the piece that user code lies in (wire/code.h); 0: the kernel's, or not known */
};

/* A branch of the kernel that was taken @n times from @site to @target: a call, a jump to another function's beginning,
 * or none of these. */
struct branch {
	uint64_t site, target, n;
};

struct sample_counts {
	struct count *v; /* owned, by address, then digest */
	size_t n;
	struct branch *branches; /* owned */
	size_t n_branches;
	uint64_t sum;
	bool work; /* between the program's own markers; else the whole execution */
};

struct counts {
	struct sample_counts *samples; /* owned, in the order of the boot */
	size_t n;
};

/* ERR_HOST: it cannot be read, is larger than 512 MiB, is damaged, or a sample's sum is not that of its lines. */
int counts_load(const char *path, struct counts *ret, struct err *err);
/* The same of a file that counts_keep() wrote: zstd. ERR_HOST too if it is not there. */
int counts_load_kept(const char *path, struct counts *ret, struct err *err);
/* Compress the plugin's file @path into @kept, by rename. ERR_HOST. */
int counts_keep(const char *path, const char *kept, struct err *err);
int counts_parse(const char *text, struct counts *ret, struct err *err);
void counts_free(struct counts *counts);

#endif
