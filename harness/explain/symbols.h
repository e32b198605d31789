/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's System.map: which function an address of a guest belongs to. */
#ifndef GRANULE_EXPLAIN_SYMBOLS_H
#define GRANULE_EXPLAIN_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct symbol {
	uint64_t address;
	const char *name; /* borrowed from the text */
};

struct symbols {
	char *text;	  /* owned */
	struct symbol *v; /* owned: of code, by address */
	size_t n;
	uint64_t end; /* of code: the first address behind it */
};

/* ERR_HOST: it cannot be read, or is no System.map. */
int symbols_load(const char *path, struct symbols *ret, struct err *err);
void symbols_free(struct symbols *symbols);
/* The place of the function that holds @address (as linked), SIZE_MAX if it is outside the kernel's code. */
size_t symbols_find(const struct symbols *symbols, uint64_t address);
/* How far KASLR moved the kernel, from the first line of the guest's /proc/kallsyms ("ffffb2f3d8e00000 T _text"). ERR_GUEST:
 * it says nothing of use. */
int symbols_shift(const struct symbols *symbols, const char *kallsyms, uint64_t *ret_shift, struct err *err);

#endif
