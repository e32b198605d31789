/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of a matrix and the messages that point into it. Pure. */
#ifndef GRANULE_MATRIX_SOURCE_H
#define GRANULE_MATRIX_SOURCE_H

#include <stddef.h>

#include "base/err.h"

struct source {
	const char *path; /* borrowed: as the user gave it */
	const char *text; /* borrowed, @len bytes, without a byte order mark */
	size_t len;
	const char *kind; /* what such a text is called, NULL: "matrix" */
};

struct place {
	unsigned int line, col; /* from 1; columns count characters, not bytes; line 0: the file as a whole */
};

/* Set ERR_CONFIG "PATH:LINE:COL: SENTENCE", the line (cut to 100 columns, tabs kept, control characters and invalid
 * bytes visible) and a caret below it. A place behind the end of the text becomes the end. Returns -1. */
int source_error(const struct source *src, struct err *err, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Refuse what libyaml would report without a position, or where its idea of a line is not an editor's: text that is not
 * UTF-8, control characters, lone carriage returns, Unicode's own line breaks. */
int source_check(const struct source *src, struct err *err);

/* The first byte of the character at @at, '\0' behind the end. */
char source_char(const struct source *src, struct place at);

static inline const char *source_kind(const struct source *src)
{
	return src->kind ? src->kind : "matrix";
}

/* 'text' in quotes for a message: cut after 48 columns, unprintable characters made visible. */
#define QUOTE_SIZE 320
const char *source_quote(const char *s, char buf[QUOTE_SIZE]);
#define QUOTED(s) source_quote((s), (char[QUOTE_SIZE]){ 0 })

#endif
