/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: a map of the tree -> a struct, by an option table. */
#ifndef GRANULE_MATRIX_PARSE_H
#define GRANULE_MATRIX_PARSE_H

#include "matrix/option.h"
#include "matrix/tree.h"

/* Fill @target (zeroed) from @map, then the defaults of what it does not give. @map NULL: nothing given. @what names the
 * owner in messages ("kernel '4k'"), @owner is where it is. @target may be handed to options_free() whatever happens. */
int options_parse(const struct source *src, const struct node *map, const char *what, struct place owner,
		  const struct option_def *options, void *target, struct err *err);

/* The value at @node for one option. */
int option_parse(const struct source *src, const struct node *node, const struct option_def *option, void *target,
		 struct err *err);

static inline void *option_field(const struct option_def *option, void *target)
{
	return (char *)target + option->offset;
}

/* "1 to 64", "at least 1", "256M to 1T", "" where there are no bounds. */
#define RANGE_SIZE 64
const char *option_range(const struct option_def *option, char buf[RANGE_SIZE]);
bool option_is_size(const struct option_def *option);
/* "always, madvise, never" */
char *option_choices(const struct option_def *option, const char *between);

struct text;
/* Add @words, broken at blanks into lines of 78 columns, each indented by @indent, and a newline. */
void help_wrap(struct text *out, unsigned int indent, const char *words);

/* "unknown key 'sorce' in kernel '4k'; did you mean 'source'?", else the list of @names. */
int unknown_name_error(const struct source *src, const struct node *node, const char *what, const char *const *names,
		       size_t n_names, const char *listed_as, struct err *err);

#endif
