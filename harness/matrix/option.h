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
	OPT_SIZE,     /* uint64_t, bytes: 64K, 3GiB; one of .choices (in size_format()'s form) if there are any */
	OPT_BOOL,     /* bool: true/false/yes/no/on/off */
	OPT_ENUM,     /* int, an index into .choices */
	OPT_CHOICES,  /* struct string_list; each one of .choices; a scalar is a list of one; no duplicates */
	OPT_STRINGS,  /* struct string_list; a scalar is a list of one; no duplicates. .choices only go into the help */
	OPT_PATHS,    /* struct string_list of paths as OPT_PATH; a scalar is a list of one; no duplicates */
	OPT_U64S,     /* struct u64_list; a scalar is a list of one; no duplicates */
	OPT_PERCENT,  /* double, the fraction (0.015 for 1.5%); the text ends with %; -1 = not given */
	OPT_SIZE_MAP, /* struct size_map: SIZE -> index into .choices, as in `anon: { 64K: always }`; powers of two */

	/* struct maybe_u64: a number of which 0 is a value like any other */
	OPT_MAYBE_U64,
	OPT_GROUP, /* keys of their own, .group, whose offsets are from .offset on; where it is not given they have defaults */
};

struct maybe_u64 {
	uint64_t v;
	bool given;
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

struct option_def {
	const char *key;
	enum option_type type;
	size_t offset;	      /* in the section's struct */
	const char *fallback; /* the default as it would be written; NULL: none (0, NULL, empty, -1 for enums) */
	uint64_t min,
		max; /* inclusive bounds; max 0: none. Of the number, size or per cent; of each number of OPT_U64S and
				     * each size of OPT_SIZE_MAP; of the length of OPT_STRINGS and OPT_CHOICES. No list
				     * may be empty or longer than OPTION_LIST_MAX; no number is above INT64_MAX */
	const char *const *choices; /* NULL-terminated */
	const struct option_def *group;
	bool required;
	const char *help; /* one sentence, with the unit */
};

#define OPTION_LIST_MAX 1024
#define OPTION_STRING_MAX 4096 /* bytes of one string */

#define OPTIONS_END                                                                                                    \
	{                                                                                                              \
		.key = NULL                                                                                            \
	}

/* Fill @target (zeroed) with the defaults of @options. Aborts on a default that its own option does not allow. */
void options_defaults(const struct option_def *options, void *target);
void options_free(const struct option_def *options, void *target);
/* Serialise: an object of every option with a value, each as a matrix would hold it, in canonical form (sizes as
 * size_format() writes them, lists as arrays in the given order, maps sorted by size); owned by the caller. Equal
 * definitions give equal JSON: dump it with JSON_SORT_KEYS or JSON_COMPACT, the order of keys is the table's. */
json_t *options_json(const struct option_def *options, const void *target);
/* Help text: a paragraph an option, 78 columns: key, type, bounds or choices, default, help. Owned by the caller. */
char *options_help(const struct option_def *options);

#endif
