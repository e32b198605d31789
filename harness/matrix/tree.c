// SPDX-License-Identifier: GPL-2.0-or-later
/* YAML events -> tree. Built from events and not from libyaml's documents, so that a bomb is met where it begins and
 * not after it went off. Knows no option. */
#include "matrix/tree.h"

#include <string.h>
#include <yaml.h>

struct builder {
	const struct source *src;
	yaml_parser_t parser;
	size_t n_nodes;
};

static void event_delete(yaml_event_t *event)
{
	yaml_event_delete(event);
}

static struct place place_of(yaml_mark_t mark)
{
	return (struct place){ (unsigned int)mark.line + 1, (unsigned int)mark.column + 1 };
}

/* What to do about a problem that libyaml has words for but no advice. */
static const struct {
	const char *problem, *context; /* NULL: any */
	const char *advice;
} advices[] = {
	{ "did not find expected ',' or '}'", NULL, "put a comma between entries and close the braces" },
	{ "did not find expected ',' or ']'", NULL, "put a comma between items and close the brackets" },
	{ "did not find expected key", NULL, "indent it like its neighbours, or quote the value before it" },
	{ "did not find expected '-' indicator", NULL, "indent each '-' of the list alike" },
	{ "mapping values are not allowed in this context", NULL,
	  "indent the line like its neighbours, or quote a value that holds ': '" },
	{ "block sequence entries are not allowed in this context", NULL, "put the '-' on a line of its own" },
	{ "could not find expected ':'", NULL, "every key needs ': ' and a value behind it" },
	{ "found unexpected end of stream", "while scanning a quoted scalar", "close the quote" },
	{ "found unexpected document indicator", "while scanning a quoted scalar", "close the quote" },
	{ "found unknown escape character", NULL, "write a backslash in double quotes as \\\\, or use single quotes" },
	{ "did not find expected <document start>", NULL, "one file holds one matrix" },
	{ NULL, NULL, NULL },
};

static int syntax_error(const struct builder *b, struct err *err)
{
	const yaml_parser_t *y = &b->parser;
	const char *problem = y->problem ? y->problem : "unknown problem", *advice = NULL;
	struct place at = place_of(y->problem_mark);
	char context[160] = "";
	size_t i = 0;

	if (y->error == YAML_MEMORY_ERROR)
		abort();
	if (y->context && y->context_mark.line != y->problem_mark.line)
		snprintf(context, sizeof(context), " %s that begins on line %zu", y->context, y->context_mark.line + 1);
	else if (y->context && strcmp(y->context, "while scanning for the next token"))
		snprintf(context, sizeof(context), " %s", y->context);
	if (!strcmp(problem, "found character that cannot start any token")) {
		if (source_char(b->src, at) == '\t')
			return source_error(b->src, err, at, "a tab cannot indent YAML; use spaces");
		return source_error(b->src, err, at,
				    "a value cannot begin with this character; put the value in quotes");
	}
	for (; advices[i].problem; i++)
		if (!strcmp(problem, advices[i].problem) &&
		    (!advices[i].context || (y->context && !strcmp(y->context, advices[i].context)))) {
			advice = advices[i].advice;
			break;
		}
	return source_error(b->src, err, at, "not YAML: %s%s%s%s", problem, context, advice ? "; " : "",
			    advice ? advice : "");
}

static int next_event(struct builder *b, yaml_event_t *event, struct err *err)
{
	return yaml_parser_parse(&b->parser, event) ? 0 : syntax_error(b, err);
}

static int check_plain(const struct builder *b, const yaml_event_t *event, struct err *err)
{
	struct place at = place_of(event->start_mark);
	const yaml_char_t *anchor = event->type == YAML_SCALAR_EVENT	       ? event->data.scalar.anchor
				    : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
									       : event->data.mapping_start.anchor;
	const yaml_char_t *tag = event->type == YAML_SCALAR_EVENT	    ? event->data.scalar.tag
				 : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.tag
									    : event->data.mapping_start.tag;

	if (anchor)
		return source_error(b->src, err, at, "anchor '&%.40s': a %s has no anchors and aliases; write it out",
				    (const char *)anchor, source_kind(b->src));
	if (tag)
		return source_error(b->src, err, at, "a %s has no tags; remove what begins with '!'",
				    source_kind(b->src));
	return 0;
}

/* The text of a scalar: one line. Escapes in double quotes can make any character. */
static int take_scalar(const struct builder *b, const yaml_event_t *event, struct node *node, struct err *err)
{
	const char *s = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	while (len && s[len - 1] == '\n' && event->data.scalar.style != YAML_DOUBLE_QUOTED_SCALAR_STYLE)
		len--;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\n')
			return source_error(b->src, err, node->at,
					    "this text has several lines; make it one, or write '>' for '|'");
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f || (s[i] == '\xc2' && (unsigned char)s[i + 1] < 0xa0))
			return source_error(b->src, err, node->at,
					    "this text holds a control character; remove the escape or tab");
	}
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->value = xstrndup(s, len);
	return 0;
}

struct key_ref {
	const struct node *key;
	size_t index;
};

static int key_ref_cmp(const void *a, const void *b)
{
	const struct key_ref *x = a, *y = b;
	int c = strcmp(x->key->value, y->key->value);

	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static int check_duplicates(const struct builder *b, const struct node *map, struct err *err)
{
	_cleanup_free_ struct key_ref *refs = xcalloc(map->n, sizeof(*refs));
	const struct key_ref *twice = NULL;
	const struct node *first;
	size_t n = 0;

	NODE_EACH_KEY(key, map)
	{
		refs[n] = (struct key_ref){ key, n };
		n++;
	}
	qsort(refs, n, sizeof(*refs), key_ref_cmp);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(refs[i - 1].key->value, refs[i].key->value) && (!twice || refs[i].index < twice->index))
			twice = &refs[i];
	if (!twice)
		return 0;
	first = node_key(map, twice->key->value);
	return source_error(b->src, err, twice->key->at, "key %s appears twice; first on line %u, column %u",
			    QUOTED(twice->key->value), first->at.line, first->at.col);
}

static int build(struct builder *b, const yaml_event_t *event, unsigned int depth, struct node **ret, struct err *err);

static int build_children(struct builder *b, struct node *parent, unsigned int depth, struct err *err)
{
	struct node **tail = &parent->first;
	size_t n = 0;

	for (;; n++) {
		_cleanup_(event_delete) yaml_event_t event = { .type = YAML_NO_EVENT };

		if (next_event(b, &event, err) < 0)
			return -1;
		if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT)
			break;
		if (parent->kind == NODE_MAP && n % 2 == 0 && event.type != YAML_SCALAR_EVENT &&
		    event.type != YAML_ALIAS_EVENT)
			return source_error(b->src, err, place_of(event.start_mark),
					    "a key must be a word, not a list or a mapping");
		if (build(b, &event, depth + 1, tail, err) < 0)
			return -1;
		tail = &(*tail)->next;
	}
	parent->n = parent->kind == NODE_MAP ? n / 2 : n;
	return parent->kind == NODE_MAP ? check_duplicates(b, parent, err) : 0;
}

static int build(struct builder *b, const yaml_event_t *event, unsigned int depth, struct node **ret, struct err *err)
{
	struct place at = place_of(event->start_mark);
	_cleanup_(tree_free_p) struct node *node = NULL;

	if (event->type == YAML_ALIAS_EVENT)
		return source_error(b->src, err, at, "alias '*%.40s': a %s has no anchors and aliases; write it out",
				    (const char *)event->data.alias.anchor, source_kind(b->src));
	if (check_plain(b, event, err) < 0)
		return -1;
	if (depth > TREE_DEPTH_MAX)
		return source_error(b->src, err, at, "nested deeper than %d levels; a matrix needs five",
				    TREE_DEPTH_MAX);
	if (++b->n_nodes > TREE_NODES_MAX)
		return source_error(b->src, err, at, "more than %d keys and values; split the matrix", TREE_NODES_MAX);
	node = xcalloc(1, sizeof(*node));
	node->at = at;
	if (event->type == YAML_SCALAR_EVENT) {
		if (take_scalar(b, event, node, err) < 0)
			return -1;
	} else {
		node->kind = event->type == YAML_MAPPING_START_EVENT ? NODE_MAP : NODE_LIST;
		if (build_children(b, node, depth, err) < 0)
			return -1;
	}
	*ret = steal_ptr(node);
	return 0;
}

static int build_document(struct builder *b, struct node **ret_root, struct err *err)
{
	_cleanup_(tree_free_p) struct node *root = NULL;

	for (;;) {
		_cleanup_(event_delete) yaml_event_t event = { .type = YAML_NO_EVENT };

		if (next_event(b, &event, err) < 0)
			return -1;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			continue;
		case YAML_DOCUMENT_START_EVENT:
			if (root)
				return source_error(b->src, err, place_of(event.start_mark),
						    "a second document begins here; one file holds one %s",
						    source_kind(b->src));
			continue;
		case YAML_STREAM_END_EVENT:
			if (!root)
				return source_error(b->src, err, (struct place){ 1, 1 },
						    "the file is empty; a %s begins with `%s: NAME`",
						    source_kind(b->src), b->src->kind ? "rootfs" : "matrix");
			*ret_root = steal_ptr(root);
			return 0;
		default:
			if (build(b, &event, 1, &root, err) < 0)
				return -1;
		}
	}
}

int tree_parse(const struct source *src, struct node **ret_root, struct err *err)
{
	struct builder b = { .src = src };
	int r;

	if (source_check(src, err) < 0)
		return -1;
	if (!yaml_parser_initialize(&b.parser))
		abort();
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)src->text, src->len);
	r = build_document(&b, ret_root, err);
	yaml_parser_delete(&b.parser);
	return r;
}

void tree_free(struct node *node)
{
	while (node) {
		struct node *next = node->next;

		tree_free(node->first);
		free(node->value);
		free(node);
		node = next;
	}
}

bool node_empty(const struct node *node)
{
	return node->kind == NODE_SCALAR && !node->quoted &&
	       (!*node->value || !strcmp(node->value, "~") || !strcmp(node->value, "null"));
}

const struct node *node_key(const struct node *map, const char *name)
{
	NODE_EACH_KEY(key, map)
	{
		if (!strcmp(key->value, name))
			return key;
	}
	return NULL;
}

const char *node_describe(const struct node *node, char buf[QUOTE_SIZE])
{
	if (node->kind != NODE_SCALAR)
		return node->kind == NODE_LIST ? "a list" : "a mapping";
	return node_empty(node) ? "an empty value" : source_quote(node->value, buf);
}
