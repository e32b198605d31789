/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of text by libsmartcols: fixed widths, no ruling, long names broken at a dot or underscore. */
#ifndef GRANULE_REPORT_TABLE_H
#define GRANULE_REPORT_TABLE_H

#include <stdbool.h>

#include "base/text.h"

struct table;

struct table_column {
	const char *title;
	int width; /* at most; 0: what is needed */
	bool right;
};

/* @columns ends with title NULL. */
struct table *table_new(const struct table_column *columns, bool colour);
/* Begin a line; cells are then set by column number. */
void table_line(struct table *table);
/* @colour: an escape name of libsmartcols ("red", "green", "yellow", "gray") or NULL. Text is copied. */
void table_cell(struct table *table, int column, const char *text, const char *colour);
/* Add the table to @out, each line behind @indent blanks, no blanks at line ends, and free it. */
void table_finish(struct table *table, int indent, struct text *out);

/* Add @s to @out in lines of at most @width columns, broken at blanks, the first behind @first, the rest behind as many
 * blanks; where @first leaves no room, all below it. A word that is longer than a line is cut. */
void text_wrap(struct text *out, const char *first, const char *s, int width);

#endif
