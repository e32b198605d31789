/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option tables: one table a section drives parsing, defaults, bounds, help and serialising. A workload's parameters
 * use the same tables. Pure. */
#ifndef GRANULE_MATRIX_OPTION_H
#define GRANULE_MATRIX_OPTION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
	OPT_STRING,   /* char *, owned, NULL = not given */
	OPT_PATH,     /* char *, owned; relative to the matrix file's folder, kept as absolute */
	OPT_U64,      /* uint64_t */
	OPT_SIZE,     /* uint64_t, bytes: 64K, 3GiB */
	OPT_BOOL,     /* bool: true/false/yes/no/on/off */
	OPT_ENUM,     /* int, an index into .choices */
	OPT_CHOICES,  /* struct string_list; each one of .choices; a scalar is a list of one; no duplicates */
	OPT_STRINGS,  /* struct string_list */
	OPT_U64S,     /* struct u64_list */
	OPT_SIZE_MAP, /* struct size_map: SIZE -> one of .choices, as in `anon: { 64K: always }` */
};

struct string_list {
	char **v; /* owned */
	size_t n;
};

struct u64_list {
	uint64_t *v; /* owned */
	size_t n;
};

struct size_map {
	struct size_choice {
		uint64_t size_bytes;
		int choice;
	} * v; /* owned, sorted by size */
	size_t n;
};

struct option {
	const char *key;
	enum option_type type;
	size_t offset;		    /* in the section's struct */
	const char *fallback;	    /* the default as it would be written; NULL: none (0, NULL, empty, -1 for enums) */
	uint64_t min, max;	    /* inclusive bounds of numbers, sizes and list lengths; max 0: none */
	const char *const *choices; /* NULL-terminated */
	bool required;
	const char *help; /* one sentence, with the unit */
};

#define OPTIONS_END                                                                                                    \
	{                                                                                                              \
		.key = NULL                                                                                            \
	}

/* Fill @target (zeroed) with the defaults of @options. */
void options_defaults(const struct option *options, void *target);
void options_free(const struct option *options, void *target);
/* Serialise: every option with a value, canonical forms; owned by the caller. Equal definitions give equal JSON. */
json_t *options_json(const struct option *options, const void *target);
/* Help text: one line an option: key, default, bounds or choices, help. Owned by the caller. */
char *options_help(const struct option *options);

#endif
