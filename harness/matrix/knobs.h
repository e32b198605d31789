/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: what the keys of a folio profile are in a guest, one table. Sources: the kernel's
 * Documentation/admin-guide/mm/transhuge.rst, sysctl/vm.rst, filesystems/tmpfs.rst and the code that those describe. */
#ifndef GRANULE_MATRIX_KNOBS_H
#define GRANULE_MATRIX_KNOBS_H

#include "matrix/folio.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

enum knob_kind {
	KNOB_WORD, /* name=CHOICE on the kernel's command line; @shows: the file that shows it, NULL: a tmpfs does */
	KNOB_WORD_SIZES, /* name=SIZE:CHOICE;...; @shows: the file of a size that shows it */
	KNOB_MOUNT,	 /* name=CHOICE, an option of every tmpfs */
	KNOB_FILE,	 /* the file @name; wildcards: every file that matches */
	KNOB_SIZES,	 /* hugepages-SIZE/@name */
};

/* Which values exist depends on the base page. */
enum knob_domain {
	DOMAIN_OPTION,	/* what the option table allows */
	DOMAIN_ANON,	/* sizes of anonymous folios */
	DOMAIN_SHMEM,	/* sizes of shmem folios */
	DOMAIN_PTES,	/* a number of a PMD's entries but one: 511 at 4K */
	DOMAIN_PTE_MAP, /* bytes from a page to what a page of entries maps */
};

struct folio_knob {
	const char *key; /* in folio_options */
	enum knob_kind kind;
	const char *name;
	const char *shows;
	const char *const *values; /* what is written for each choice; NULL: its name */
	enum knob_domain domain;
	struct kernel_version since; /* 0.0: in 6.1 already. None of them was removed up to 7.2 */
	bool late;		     /* min_free_kbytes: behind all others */
};

/* In the order in which they are written. */
extern const struct folio_knob folio_knobs[]; /* ends with key NULL */

/* The option behind a knob. */
const struct option_def *knob_option(const struct folio_knob *knob);

#endif
