/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text: a growing buffer, sizes ("64K", "3GiB") both ways, globs, and the nearest name for a suggestion. */
#ifndef GRANULE_BASE_TEXT_H
#define GRANULE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *s; /* owned; NUL-terminated once anything was added, else NULL */
	size_t len;
};

void text_free(struct text *t);
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *t, const void *data, size_t len);
/* The string, owned by the caller; "" if nothing was added. */
char *text_steal(struct text *t);

/* "4096", "64K", "64KiB", "3GiB", "2M": powers of 1024, whole numbers; false on anything else or overflow. */
bool size_parse(const char *s, uint64_t *ret_bytes);
/* 65536 -> "64K", 3221225472 -> "3G", 1000 -> "1000": exact, the largest suffix that divides. @buf >= 24 bytes. */
const char *size_format(uint64_t bytes, char *buf);
/* 31137 -> "30.4 KiB": three digits, for people. @buf >= 24 bytes. */
const char *size_human(double bytes, char *buf);

/* The name of @names nearest to @s by edit distance, or NULL when none is close enough to suggest. */
const char *nearest_name(const char *s, const char *const *names, size_t n_names);

/* fnmatch() without flags, tens of times as fast for a pattern of at most one star and nothing else special. */
bool glob_match(const char *pattern, const char *s);
/* NULL reads as "". */
bool text_equal(const char *a, const char *b);
bool starts_with(const char *s, const char *prefix);
bool ends_with(const char *s, const char *suffix);
/* Where the line begins that @at, a place in @text, is in. */
const char *line_begin(const char *text, const char *at);
/* [A-Za-z0-9][A-Za-z0-9_-]*, at most 64: what a label may be, and so a part of a path. */
bool label_valid(const char *s);

#endif
