/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Series: the rows that a boot's SERIES records hold (wire/wire.h). */
#ifndef GRANULE_STORE_SERIES_H
#define GRANULE_STORE_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "wire/wire.h"

#define SERIES_COLUMNS_MAX 16

struct series {
	char *phase, *index; /* owned */
	uint64_t interval_ns, runs;
	struct series_column {
		char *name, *path, *word; /* owned, visible text without blanks */
		const char *unit;	  /* "bytes", or "" where it is not known */
		double scale;		  /* what makes a number of the file one of the unit */
	} * columns;			  /* owned */
	size_t n_columns;
	double *rows; /* owned: n_rows of 1 + n_columns: ns since the beginning, the columns in their unit, NAN: none */
	size_t n_rows;
};

struct series_list {
	struct series *v; /* owned */
	size_t n;
};

/* Take the rows of one SERIES record; what does not parse is left out. */
void series_take(struct series_list *list, const struct wire_record *record);
void series_list_free(struct series_list *list);
/* Column @column as arrays @t (in s) and @v of n_rows each, rows without a number left out; returns their number. */
size_t series_column(const struct series *series, size_t column, double *t, double *v);

#endif
