/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers in lines that programs print, by a pattern that reads like the line. Pure. */
#ifndef GRANULE_WORKLOADS_PATTERN_H
#define GRANULE_WORKLOADS_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_NUMBERS_MAX 16
#define PATTERN_SKIP 0 /* the number is read and dropped */

/* In @text '#' is a whole number of at most 18 digits (a uint64_t), '~' a decimal without sign and exponent (a double), '*'
 * anything up to the next place where what follows it stands, or to the end; all else stands for itself. A number goes to where
 * @at says, an offset plus one; those behind the last one given are dropped. */
struct pattern {
	const char *text;
	size_t at[PATTERN_NUMBERS_MAX];
};
#define PATTERN_AT(type, member) (offsetof(type, member) + 1)

/* Does @line (without its newline) begin with the words before the first number or '*'? */
bool pattern_begins(const struct pattern *pattern, const char *line);
/* Does all of @line match? Only then anything is written to @ret. */
bool pattern_read(const struct pattern *pattern, const char *line, void *ret);

#endif
