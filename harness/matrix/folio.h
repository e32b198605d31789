/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a base page offers: folio orders and the files that set them. Source: folio-knobs of the kernel's
 * Documentation/admin-guide/mm/transhuge.rst, and arch/arm64/include/asm/pgtable-hwdef.h for PMD sizes. Pure. */
#ifndef GRANULE_MATRIX_FOLIO_H
#define GRANULE_MATRIX_FOLIO_H

#include "matrix/matrix.h"

struct kernel_version {
	unsigned int major, minor;
};

/* "6.12.86+deb13" -> 6.12; false if it does not begin with two numbers. */
bool kernel_version_parse(const char *release, struct kernel_version *ret);

/* PMD size: 2M at 4K, 32M at 16K, 512M at 64K. */
uint64_t folio_pmd_bytes(uint64_t page_bytes);

/* Why @folio cannot be applied on this base page and kernel, naming the sizes that exist; NULL if it can. Owned by
 * the caller. */
char *folio_unsupported(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version);

/* The settings of @folio in the order to be written, min_free_kbytes last. */
struct folio_setting {
	char *path, *value; /* owned */
	bool must;	    /* absent or different fails the cell; else absent is fine */
};
void folio_settings(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version,
		    struct folio_setting **ret_settings, size_t *ret_n);
void folio_settings_free(struct folio_setting *settings, size_t n);

/* Does @folio ask for any large folio at all (then counters that never move make it inert)? */
bool folio_asks(const struct folio_profile *folio);

#endif
