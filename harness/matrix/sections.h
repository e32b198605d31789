/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: the sections of a matrix, one table. */
#ifndef GRANULE_MATRIX_SECTIONS_H
#define GRANULE_MATRIX_SECTIONS_H

#include "matrix/matrix.h"
#include "matrix/parse.h"

/* What the parsers of the sections share. */
struct parsing {
	const struct source *src;
	const struct node *root;
	struct matrix *matrix;
};

enum section_shape {
	SECTION_NAME,	  /* matrix: NAME */
	SECTION_OPTIONS,  /* one mapping of options */
	SECTION_LABELS,	  /* LABEL: { options } */
	SECTION_WORKLOAD, /* LABEL: { WORKLOAD: { its options } } */
	SECTION_LIST,	  /* a list of values */
	SECTION_RULES,	  /* a list of { options } */
};

struct section {
	const char *key;
	enum section_shape shape;
	const struct option_def *options; /* NULL for SECTION_NAME and SECTION_WORKLOAD */
	bool required;
	const char *help;
	/* @value is what the section holds, NULL if it is absent. */
	int (*parse)(struct parsing *p, const struct section *section, const struct node *key, const struct node *value,
		     struct err *err);
};

/* ": { KEY: VALUE, ... }" */
const char *section_shape_help(enum section_shape shape);

extern const struct option_def skip_options[];
/* ERR_CONFIG unless @key may be a label of an axis. */
int check_label(const struct parsing *p, const struct node *key, struct err *err);
/* The place of @name's value in @map, which holds it. */
struct place value_at(const struct node *map, const char *name);
/* Every label that @rule names under @key must be one of @axis. */
struct axis;
struct axes;
int check_labels(const struct parsing *p, const struct node *rule, const char *key, const struct axis *axis,
		 struct err *err);

/* Each item of @value, the list of a section of rules (NULL: absent), by @one. */
typedef int rule_parser(struct parsing *p, const struct section *section, const struct node *node,
			const struct axes *axes, struct err *err);
int parse_rules(struct parsing *p, const struct section *section, const struct node *value, rule_parser *one,
		struct err *err);

extern const struct section sections[]; /* in the order of parsing and help; ends with key NULL */

/* The parsers that the table names, in entries.c and gates.c. */
int parse_name(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
	       struct err *err);
int parse_guest(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		struct err *err);
int parse_kernels(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		  struct err *err);
int parse_folios(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		 struct err *err);
int parse_workloads(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		    struct err *err);
int parse_storages(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		   struct err *err);
int parse_limits(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		 struct err *err);
int parse_trials(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		 struct err *err);
int parse_gates(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		struct err *err);
int parse_skips(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		struct err *err);

#endif
