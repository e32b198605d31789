/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's debug information: which inlined function an instruction is of. From a vmlinux with DWARF, by elfutils'
 * libdw; a kernel that granule builds has none (images/kernels/README.md), one of the user's may. */
#ifndef GRANULE_EXPLAIN_INLINES_H
#define GRANULE_EXPLAIN_INLINES_H

#include <stdint.h>

#include "base/err.h"

struct inlines;

/* @vmlinux must be the file that @image was made of: their code is compared. ERR_CONFIG: it is not there, is another
 * kernel's, or has no debug information. */
int inlines_open(const char *vmlinux, const char *image, struct inlines **ret, struct err *err);
/* Where the vmlinux of @image is looked for: beside it, or for arch/arm64/boot/Image at the top of its tree. Owned by
 * the caller. */
char *inlines_path(const char *image);
/* The innermost function whose code was put at @address (as linked), NULL if it is none but the symbol's own; borrowed
 * from @inlines. */
const char *inlines_find(const struct inlines *inlines, uint64_t address);
void inlines_free(struct inlines *inlines);

#endif
