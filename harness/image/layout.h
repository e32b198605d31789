/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Layout-neutral variants of a kernel: the same code at other addresses, made from a number. What moves between them is
 * what a change in layout alone is worth (`granule calibrate`). By the number, in turn:
 *
 *   padding    instructions that nobody runs, before the code of some of mm/, arch/, kernel/, fs/, lib/
 *   order      the objects of mm/ and fs/ linked in another order. Initcalls of one level change places with them
 *   alignment  functions of mm/, or of mm/ and fs/, begin at multiples of 32, 64 or 128
 *
 * the latter two with padding before arch/arm64/mm, so that no two numbers give one kernel.
 *
 * Equal numbers give equal edits on every host; the text of the edits is part of a kernel's digest. */
#ifndef GRANULE_IMAGE_LAYOUT_H
#define GRANULE_IMAGE_LAYOUT_H

#include <stdint.h>

#include "base/err.h"

/* The edits of @number (from 1), one a line: "pad mm/memory.c 123" (instructions), "rotate mm/Makefile 7" (objects),
 * "align mm/Makefile 64" (bytes). Owned by the caller. */
char *layout_edits(uint64_t number);

/* Make @edits to the source in @tree. ERR_CONFIG: a file of theirs is not there. */
int layout_apply(const char *edits, const char *tree, struct err *err);

#endif
