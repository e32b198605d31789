/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which cell belongs to which: by id between two runs, by the labels off the compared axis within one. Pure. */
#ifndef GRANULE_COMPARE_PAIRING_H
#define GRANULE_COMPARE_PAIRING_H

#include "store/store.h"

/* A base cell and its partner in each arm; any of them may be missing. */
struct cell_group {
	char *name;				/* owned: what they share */
	const struct run *base_run, *other_run; /* borrowed */
	const struct cell_record *base;		/* borrowed, or NULL */
	const struct cell_record **others;	/* owned array of borrowed cells or NULL, one an arm */
	size_t n_others;
};

struct pairing {
	char *base_label;    /* owned: the label, or the run's directory */
	char **other_labels; /* owned */
	size_t n_others;
	struct cell_group *groups; /* owned, in plan order of their first member */
	size_t n_groups;
};

/* ERR_CONFIG: no such axis or label (the message lists them), or only one label on it. @to: only this label is compared
 * with the base; NULL: all. */
int pairing_make(const struct run *base, const struct run *other, const char *axis, const char *from, const char *to,
		 struct pairing *ret, struct err *err);
void pairing_free(struct pairing *pairing);

#endif
