// SPDX-License-Identifier: GPL-2.0-or-later
/* A value's text -> the value, by its option. Knows no section. */
#include <ctype.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "matrix/parse.h"

bool option_is_size(const struct option_def *option)
{
	return option->type == OPT_SIZE || option->type == OPT_SIZE_MAP;
}

const char *option_range(const struct option_def *option, char buf[RANGE_SIZE])
{
	char min[24], max[24];

	if (option_is_size(option)) {
		size_format(option->min, min);
		size_format(option->max, max);
	} else {
		bool list = option->type == OPT_STRINGS || option->type == OPT_CHOICES;

		snprintf(min, sizeof(min), "%llu", (unsigned long long)(list && !option->min ? 1 : option->min));
		snprintf(max, sizeof(max), "%llu", (unsigned long long)option->max);
	}
	buf[0] = '\0';
	if (option->max)
		snprintf(buf, RANGE_SIZE, "%s to %s", min, max);
	else if (option->min)
		snprintf(buf, RANGE_SIZE, "at least %s", min);
	return buf;
}

char *option_choices(const struct option_def *option, const char *between)
{
	struct text t = { 0 };

	for (size_t i = 0; option->choices && option->choices[i]; i++)
		text_add(&t, "%s%s", i ? between : "", option->choices[i]);
	return text_steal(&t);
}

/* What a message is about: a list's items are parsed one by one. */
static const char *subject(const struct option_def *option)
{
	switch (option->type) {
	case OPT_CHOICES:
	case OPT_STRINGS:
	case OPT_PATHS:
	case OPT_U64S:
		return "each of ";
	case OPT_SIZE_MAP:
		return "each size of ";
	default:
		return "";
	}
}

static int wrong_type(const struct source *src, const struct node *node, const struct option_def *option,
		      const char *wanted, struct err *err)
{
	return source_error(src, err, node->at, "%s'%s' must be %s, not %s", subject(option), option->key, wanted,
			    node_describe(node, (char[QUOTE_SIZE]){ 0 }));
}

static size_t count_choices(const struct option_def *option)
{
	size_t n = 0;

	while (option->choices[n])
		n++;
	return n;
}

static int check_bounds(const struct source *src, const struct node *node, const struct option_def *option, uint64_t v,
			struct err *err)
{
	char range[RANGE_SIZE], value[24];

	if (v >= option->min && (!option->max || v <= option->max))
		return 0;
	if (option_is_size(option))
		size_format(v, value);
	else
		snprintf(value, sizeof(value), "%llu", (unsigned long long)v);
	return source_error(src, err, node->at, "%s'%s' must be %s, not %s", subject(option), option->key,
			    option_range(option, range), value);
}

static int parse_choice(const struct source *src, const struct node *node, const struct option_def *option, int *ret,
			struct err *err)
{
	_cleanup_free_ char *choices = NULL;
	const char *near;

	if (node->kind == NODE_SCALAR)
		for (int i = 0; option->choices[i]; i++)
			if (!strcmp(node->value, option->choices[i])) {
				*ret = i;
				return 0;
			}
	choices = option_choices(option, ", ");
	near = node->kind == NODE_SCALAR && option->type != OPT_SIZE
		       ? nearest_name(node->value, option->choices, count_choices(option))
		       : NULL;
	return source_error(src, err, node->at, "%s'%s' must be %s%s, not %s%s%s%s", subject(option), option->key,
			    option->choices[1] ? "one of " : "", choices, node_describe(node, (char[QUOTE_SIZE]){ 0 }),
			    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int parse_string(const struct source *src, const struct node *node, const struct option_def *option, char **ret,
			struct err *err)
{
	if (node->kind != NODE_SCALAR || node_empty(node))
		return wrong_type(src, node, option,
				  option->type == OPT_PATH || option->type == OPT_PATHS ? "a path" : "text", err);
	if (!*node->value)
		return source_error(src, err, node->at, "'%s' is empty; give it a value or leave it out", option->key);
	if (strlen(node->value) > OPTION_STRING_MAX)
		return source_error(src, err, node->at, "'%s' is longer than %d bytes", option->key, OPTION_STRING_MAX);
	free(*ret);
	*ret = xstrdup(node->value);
	return 0;
}

/* Relative to the folder of the matrix, so that a matrix means the same from wherever granule is called. */
static int parse_path(const struct source *src, const struct node *node, const struct option_def *option, char **ret,
		      struct err *err)
{
	_cleanup_free_ char *given = NULL, *joined = NULL;
	const char *slash = strrchr(src->path, '/');

	if (parse_string(src, node, option, &given, err) < 0)
		return -1;
	if (given[0] == '/' || !slash)
		joined = xstrdup(given);
	else
		joined = xasprintf("%.*s%s", (int)(slash - src->path + 1), src->path, given);
	free(*ret);
	*ret = path_absolute(joined);
	return 0;
}

static int parse_number(const struct source *src, const struct node *node, const struct option_def *option,
			uint64_t *ret, struct err *err)
{
	const char *p = node->kind == NODE_SCALAR ? node->value : "";
	char range[RANGE_SIZE];
	uint64_t v = 0;

	if (!*p || p[strspn(p, "0123456789")])
		return wrong_type(src, node, option, "a whole number", err);
	if (p[0] == '0' && p[1])
		return source_error(src, err, node->at, "'%s': write %s without a leading zero", option->key,
				    QUOTED(p));
	for (; *p; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v) ||
		    v > INT64_MAX)
			return source_error(src, err, node->at, "'%s' is too large; it must be %s", option->key,
					    *option_range(option, range) ? range : "less than 2^63");
	*ret = v;
	return check_bounds(src, node, option, v, err);
}

static int parse_size(const struct source *src, const struct node *node, const struct option_def *option, uint64_t *ret,
		      struct err *err)
{
	char canonical[24];
	int unused;

	if (node->kind != NODE_SCALAR || !size_parse(node->value, ret) || *ret > INT64_MAX) {
		if (option->choices)
			return parse_choice(src, node, option, &unused, err);
		return wrong_type(src, node, option, "a size such as 64K or 3GiB", err);
	}
	if (option->choices) {
		struct node same = { .kind = NODE_SCALAR, .at = node->at, .quoted = true, .value = canonical };

		size_format(*ret, canonical);
		return parse_choice(src, &same, option, &unused, err);
	}
	return check_bounds(src, node, option, *ret, err);
}

/* Digits, one point at most, a per cent sign: strtod() alone would take 0x1p3, inf and the locale's comma. */
static int parse_percent(const struct source *src, const struct node *node, const struct option_def *option,
			 double *ret, struct err *err)
{
	const char *p = node->kind == NODE_SCALAR ? node->value : "";
	size_t whole = strspn(p, "0123456789"), part = p[whole] == '.' ? strspn(p + whole + 1, "0123456789") + 1 : 0;
	double v = 0, scale = 1;
	char range[RANGE_SIZE];

	if (!whole || whole > 9 || part == 1 || part > 10 || strcmp(p + whole + part, "%"))
		return wrong_type(src, node, option, "a percentage such as 1% or 0.5%", err);
	for (size_t i = 0; i < whole + part; i++) {
		if (p[i] == '.')
			continue;
		v = v * 10 + (p[i] - '0');
		scale *= i > whole ? 10 : 1;
	}
	v /= scale;
	if (v < (double)option->min || (option->max && v > (double)option->max))
		return source_error(src, err, node->at, "'%s' must be %s per cent, not %s", option->key,
				    option_range(option, range), QUOTED(p));
	*ret = v / 100;
	return 0;
}

static int parse_bool(const struct source *src, const struct node *node, const struct option_def *option, bool *ret,
		      struct err *err)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };

	for (size_t i = 0; node->kind == NODE_SCALAR && i < ARRAY_SIZE(words); i++)
		if (!strcasecmp(node->value, words[i])) {
			*ret = i & 1;
			return 0;
		}
	return wrong_type(src, node, option, "yes or no", err);
}

static int list_too_long(const struct source *src, const struct node *node, const struct option_def *option,
			 struct err *err)
{
	return source_error(src, err, node->at, "'%s' holds %zu values; the limit is %d", option->key, node->n,
			    OPTION_LIST_MAX);
}

/* What a list and a map of sizes have in common: not empty, not endless. */
static int check_length(const struct source *src, const struct node *node, const struct option_def *option, size_t n,
			struct err *err)
{
	bool bounded = option->type == OPT_STRINGS || option->type == OPT_CHOICES;
	char range[RANGE_SIZE];

	if (!n)
		return source_error(src, err, node->at, "'%s' is empty; give it a value or leave it out", option->key);
	if (n > OPTION_LIST_MAX)
		return list_too_long(src, node, option, err);
	if (bounded && (n < option->min || (option->max && n > option->max)))
		return source_error(src, err, node->at, "'%s' holds %zu values; it must hold %s", option->key, n,
				    option_range(option, range));
	return 0;
}

static int twice_error(const struct source *src, const struct node *node, const struct option_def *option,
		       struct err *err)
{
	return source_error(src, err, node->at, "%s is in '%s' twice", QUOTED(node->value), option->key);
}

static int add_string(const struct source *src, const struct node *node, const struct option_def *option,
		      struct string_list *list, struct err *err)
{
	_cleanup_free_ char *s = NULL;
	int unused;

	if (option->type == OPT_CHOICES && parse_choice(src, node, option, &unused, err) < 0)
		return -1;
	if ((option->type == OPT_PATHS ? parse_path : parse_string)(src, node, option, &s, err) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], s))
			return twice_error(src, node, option, err);
	*VEC_PUSH(list->v, list->n) = steal_ptr(s);
	return 0;
}

static int add_number(const struct source *src, const struct node *node, const struct option_def *option,
		      struct u64_list *list, struct err *err)
{
	uint64_t v = 0;

	if (parse_number(src, node, option, &v, err) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i] == v)
			return twice_error(src, node, option, err);
	*VEC_PUSH(list->v, list->n) = v;
	return 0;
}

static int add_item(const struct source *src, const struct node *node, const struct option_def *option, void *field,
		    struct err *err)
{
	return option->type == OPT_U64S ? add_number(src, node, option, field, err)
					: add_string(src, node, option, field, err);
}

static int parse_list(const struct source *src, const struct node *node, const struct option_def *option, void *field,
		      struct err *err)
{
	if (node->kind == NODE_MAP)
		return source_error(src, err, node->at, "'%s' must be a list, not a mapping", option->key);
	if (check_length(src, node, option, node->kind == NODE_LIST ? node->n : 1, err) < 0)
		return -1;
	if (node->kind == NODE_SCALAR)
		return add_item(src, node, option, field, err);
	NODE_EACH_ITEM(item, node)
	{
		if (add_item(src, item, option, field, err) < 0)
			return -1;
	}
	return 0;
}

static int size_choice_cmp(const void *a, const void *b)
{
	const struct size_choice *x = a, *y = b;

	return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

static int add_size(const struct source *src, const struct node *key, const struct option_def *option,
		    struct size_map *map, struct err *err)
{
	struct size_choice entry = { 0 };
	char size[24];

	if (!size_parse(key->value, &entry.size_bytes) || entry.size_bytes > INT64_MAX)
		return source_error(src, err, key->at, "'%s': %s is not a size; write one such as 64K or 2M",
				    option->key, QUOTED(key->value));
	size_format(entry.size_bytes, size);
	if (!entry.size_bytes || (entry.size_bytes & (entry.size_bytes - 1)))
		return source_error(src, err, key->at, "'%s': %s is not a power of two, and folios are", option->key,
				    QUOTED(key->value));
	if (check_bounds(src, key, option, entry.size_bytes, err) < 0)
		return -1;
	for (size_t i = 0; i < map->n; i++)
		if (map->v[i].size_bytes == entry.size_bytes)
			return source_error(src, err, key->at, "size %s is in '%s' twice", size, option->key);
	if (parse_choice(src, key->next, option, &entry.choice, err) < 0)
		return -1;
	*VEC_PUSH(map->v, map->n) = entry;
	return 0;
}

static int parse_size_map(const struct source *src, const struct node *node, const struct option_def *option,
			  struct size_map *map, struct err *err)
{
	if (node->kind != NODE_MAP) {
		return source_error(src, err, node->at, "'%s' must be a mapping such as { 64K: %s }, not %s",
				    option->key, option->choices[0], node_describe(node, (char[QUOTE_SIZE]){ 0 }));
	}
	if (check_length(src, node, option, node->n, err) < 0)
		return -1;
	NODE_EACH_KEY(key, node)
	{
		if (add_size(src, key, option, map, err) < 0)
			return -1;
	}
	qsort(map->v, map->n, sizeof(*map->v), size_choice_cmp);
	return 0;
}

int option_parse(const struct source *src, const struct node *node, const struct option_def *option, void *target,
		 struct err *err)
{
	void *field = option_field(option, target);

	switch (option->type) {
	case OPT_STRING:
		return parse_string(src, node, option, field, err);
	case OPT_PATH:
		return parse_path(src, node, option, field, err);
	case OPT_U64:
		return parse_number(src, node, option, field, err);
	case OPT_MAYBE_U64:
		((struct maybe_u64 *)field)->given = true;
		return parse_number(src, node, option, &((struct maybe_u64 *)field)->v, err);
	case OPT_SIZE:
		return parse_size(src, node, option, field, err);
	case OPT_BOOL:
		return parse_bool(src, node, option, field, err);
	case OPT_ENUM:
		return parse_choice(src, node, option, field, err);
	case OPT_CHOICES:
	case OPT_STRINGS:
	case OPT_PATHS:
	case OPT_U64S:
		return parse_list(src, node, option, field, err);
	case OPT_PERCENT:
		return parse_percent(src, node, option, field, err);
	case OPT_SIZE_MAP:
		return parse_size_map(src, node, option, field, err);
	case OPT_GROUP: {
		_cleanup_free_ char *what = xasprintf("'%s'", option->key);

		return options_parse(src, node, what, node->at, option->group, field, err);
	}
	}
	abort();
}

int unknown_name_error(const struct source *src, const struct node *node, const char *what, const char *const *names,
		       size_t n_names, const char *listed_as, struct err *err)
{
	const char *near = nearest_name(node->value, names, n_names);
	struct text list = { 0 };

	if (near)
		return source_error(src, err, node->at, "%s %s; did you mean '%s'?", what, QUOTED(node->value), near);
	for (size_t i = 0; i < n_names && i < 20; i++)
		text_add(&list, "%s%s", i ? ", " : "", names[i]);
	if (n_names > 20)
		text_add(&list, ", ...");
	source_error(src, err, node->at, "%s %s; %s: %s", what, QUOTED(node->value), listed_as,
		     list.s ? list.s : "none");
	text_free(&list);
	return -1;
}

static int unknown_key(const struct source *src, const struct node *key, const char *what,
		       const struct option_def *options, struct err *err)
{
	_cleanup_free_ char *sentence = xasprintf("%s: unknown key", what);
	_cleanup_free_ const char **names = NULL;
	size_t n = 0;

	for (const struct option_def *o = options; o->key; o++)
		*VEC_PUSH(names, n) = o->key;
	return unknown_name_error(src, key, sentence, names, n, "its keys are", err);
}

static int parse_keys(const struct source *src, const struct node *map, const char *what,
		      const struct option_def *options, void *target, struct err *err)
{
	NODE_EACH_KEY(key, map)
	{
		const struct option_def *o = options;

		while (o->key && strcmp(o->key, key->value))
			o++;
		if (!o->key)
			return unknown_key(src, key, what, options, err);
		if (node_empty(key->next) && o->type != OPT_ENUM && o->type != OPT_CHOICES)
			return source_error(src, err, key->at, "'%s' has no value", o->key);
		if (option_parse(src, key->next, o, target, err) < 0)
			return -1;
	}
	return 0;
}

int options_parse(const struct source *src, const struct node *map, const char *what, struct place owner,
		  const struct option_def *options, void *target, struct err *err)
{
	if (map && map->kind != NODE_MAP)
		return source_error(src, err, map->at, "%s must be a mapping of keys to values, not %s", what,
				    node_describe(map, (char[QUOTE_SIZE]){ 0 }));
	if (map && parse_keys(src, map, what, options, target, err) < 0)
		return -1;
	for (const struct option_def *o = options; o->key; o++) {
		struct option_def one[] = { *o, OPTIONS_END };

		if (map && node_key(map, o->key))
			continue;
		if (o->required)
			return source_error(src, err, owner, "%s: '%s' is missing (%.*s)", what, o->key,
					    (int)strcspn(o->help, "."), o->help);
		options_defaults(one, target);
	}
	return 0;
}
