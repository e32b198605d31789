/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a difference in memory comes from: the parts of all that is not free (PHASE.split.*), and of all that is
 * charged to a phase's cgroup (PHASE.charged.*), of one recorded boot of two cells. Nothing is booted. What the parts
 * are: store/measure-split.c. */
#ifndef GRANULE_EXPLAIN_MEMORY_H
#define GRANULE_EXPLAIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

struct memory_part {
	const char *name, *label; /* "memmap", "struct pages"; static */
	double base, other;	  /* bytes */
};

/* @parts add up to @base and @other, exactly; those that are 0 on both sides are left out. */
struct memory_split {
	char *phase;		   /* owned: "page_fault1"; "guest": idle, before the first step */
	bool charged;		   /* of the phase's cgroup at hold; else of the guest */
	double base, other;	   /* bytes */
	struct memory_part *parts; /* owned, in the order of the table in memory.c, the rest last */
	size_t n_parts;
};

struct memory_splits {
	struct memory_split *v; /* owned: those that both sides have, in the base's order */
	size_t n;
};

/* ERR_CONFIG: boot @boot of a cell is not ok, or was recorded by a granule that did not look. */
int memory_explain(const struct run *base_run, const struct cell_record *base, const struct run *other_run,
		   const struct cell_record *other, unsigned int boot, struct memory_splits *ret, struct err *err);
void memory_splits_free(struct memory_splits *splits);

#endif
