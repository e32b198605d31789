/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: pieces of a guest's files, as the kernel formats them. Nothing is copied, nothing believed. */
#ifndef GRANULE_STORE_SPAN_H
#define GRANULE_STORE_SPAN_H

#include <stdbool.h>
#include <stddef.h>

struct span {
	const char *s; /* borrowed; not NUL-terminated */
	size_t len;
};

bool span_is(struct span a, const char *s);
bool span_equal(struct span a, struct span b);
bool span_starts(struct span a, const char *prefix);
/* The decimal number at the beginning of @s behind blanks and a colon. */
bool span_number(struct span s, double *ret);
/* Cut the first line off @text. False at its end. */
bool span_next_line(struct span *text, struct span *line);
/* Cut the first word off @line: what stands between blanks. False where none is left. */
bool span_next_word(struct span *line, struct span *word);
/* Cut the first line off @text and split it into its first word (up to a blank or colon) and the rest. */
bool span_next_pair(struct span *text, struct span *key, struct span *rest);
/* The number behind @key at the beginning of a line of @text. */
bool span_table_value(struct span text, const char *key, double *ret);

#endif
