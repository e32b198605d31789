/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a base page offers: folio orders and the files that set them. Source: folio-knobs of the kernel's
 * Documentation/admin-guide/mm/transhuge.rst, and arch/arm64/include/asm/pgtable-hwdef.h for PMD sizes. Pure. */
#ifndef GRANULE_MATRIX_FOLIO_H
#define GRANULE_MATRIX_FOLIO_H

#include "matrix/matrix.h"

struct kernel_version {
	unsigned int major, minor; /* 0.0: not known; then nothing is refused, the guest will say */
};

/* vm.min_free_kbytes of every cell whose profile names none. Writing transparent_hugepage/enabled makes the kernel raise
 * its own figure to 11 page blocks, at most 5% of memory (mm/khugepaged.c, set_recommended_min_free_kbytes()): in a
 * 3 GiB guest about 7 MiB without THP, 22 MiB at 4K, 153 MiB at 64K. Left alone, the profiles and page sizes that are
 * compared would differ in free memory and in when reclaim starts. 64 MiB is above what 4K asks for, so that grouping by
 * mobility keeps its reserve there, is 1024 pages at 64K, and is 2% of the default guest. */
#define FOLIO_MIN_FREE_KBYTES 65536

/* What `state: fragmented` means where a profile says no more: nine tenths of the free memory in blocks below 2M. */
#define FOLIO_FRAGMENT_PERCENT 90
uint64_t folio_fragment_bytes(const struct folio_profile *folio);

/* "6.12.86+deb13" -> 6.12; false if it does not begin with two numbers. */
bool kernel_version_parse(const char *release, struct kernel_version *ret);

/* PMD size: 2M at 4K, 32M at 16K, 512M at 64K. */
uint64_t folio_pmd_bytes(uint64_t page_bytes);

/* The sizes with hugepages-N/enabled (anonymous memory: order 2 to PMD), and those with hugepages-N/shmem_enabled
 * (order 1 to PMD, at most order 11, MAX_PAGECACHE_ORDER); both ends inclusive. */
void folio_anon_sizes(uint64_t page_bytes, uint64_t *ret_first, uint64_t *ret_last);
void folio_shmem_sizes(uint64_t page_bytes, uint64_t *ret_first, uint64_t *ret_last);

/* Why @folio cannot be applied on this base page (0: not known) and kernel, naming the sizes that exist; NULL if it
 * can. Owned by the caller. */
char *folio_unsupported(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version);

/* What of @folio goes on the kernel's command line, "thp_anon=64K:always ..."; NULL if nothing does. Owned by the caller. */
char *folio_command_line(const struct folio_profile *folio);

/* The steps of a job (wire/job.h) that bring @folio about, in order: what the command line did is checked, then mount
 * options, then files are set. Then what the profile leaves alone is read, so that its default is known. */
struct folio_step {
	const char *verb;   /* check, tmpfs, set, knob, probe, mount, fragment */
	char *path, *value; /* owned; @value is NULL for knob */
	char *more;	    /* owned: a last word for tmpfs, or NULL */
	bool must;	    /* set: absent is `unsupported`; else absent is fine */
};
void folio_steps(const struct folio_profile *folio, uint64_t page_bytes, struct folio_step **ret_steps, size_t *ret_n);
void folio_steps_free(struct folio_step *steps, size_t n);

/* Does @folio ask for any large folio at all (then counters that never move make it inert)? The kernel's defaults, where
 * the profile says nothing, ask for none, except that `inherit` counts unless what it inherits is off. */
bool folio_asks(const struct folio_profile *folio);

#endif
