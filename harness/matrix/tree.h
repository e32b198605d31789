/* SPDX-License-Identifier: GPL-2.0-or-later */
/* YAML as a tree in which every node knows its line and column. A strict part of YAML: one document, no anchors,
 * aliases or tags, keys are scalars and appear once. Values are text; what they mean is the option's matter. */
#ifndef GRANULE_MATRIX_TREE_H
#define GRANULE_MATRIX_TREE_H

#include <stdbool.h>

#include "base/mem.h"
#include "matrix/source.h"

#define TREE_DEPTH_MAX 16
#define TREE_NODES_MAX 250000

enum node_kind { NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_kind kind;
	struct place at;
	bool quoted;	    /* a scalar in quotes, or a block scalar: never "no value" */
	char *value;	    /* owned: a scalar's text, one line, no control characters; else NULL */
	struct node *first; /* owned: a map's keys and values in turn, a list's items */
	struct node *next;  /* owned: the sibling */
	size_t n;	    /* pairs of a map, items of a list */
};

int tree_parse(const struct source *src, struct node **ret_root, struct err *err);
void tree_free(struct node *node);
static inline void tree_free_p(struct node **node)
{
	tree_free(*node);
}

/* `key:` with nothing behind it, or ~, or null. */
bool node_empty(const struct node *node);
/* The key node @name of a map (its value is ->next), or NULL. */
const struct node *node_key(const struct node *map, const char *name);
/* "a list", "a mapping", "an empty value" or the quoted value. */
const char *node_describe(const struct node *node, char buf[QUOTE_SIZE]);

#define NODE_EACH_KEY(key, map) for (const struct node *key = (map)->first; key; key = key->next->next)
#define NODE_EACH_ITEM(item, list) for (const struct node *item = (list)->first; item; item = item->next)

#endif
