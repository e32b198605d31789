// SPDX-License-Identifier: GPL-2.0-or-later
/* Walks option tables: defaults, freeing, serialising, help. What a text means is option-parse.c's. */
#include "matrix/option.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/parse.h"

#define HELP_COLUMNS 78

/* A default is parsed like the user's own text, so that it cannot be what a user may not write. */
static void option_default(const struct option_def *option, void *target)
{
	struct source src = { .path = option->key, .text = option->fallback };
	_cleanup_(tree_free_p) struct node *node = NULL;
	struct err err = ERR_INIT;

	if (!option->fallback) {
		if (option->type == OPT_ENUM)
			*(int *)option_field(option, target) = -1;
		if (option->type == OPT_PERCENT)
			*(double *)option_field(option, target) = -1;
		if (option->type == OPT_GROUP)
			options_defaults(option->group, option_field(option, target));
		return;
	}
	src.len = strlen(option->fallback);
	if (tree_parse(&src, &node, &err) < 0 || option_parse(&src, node, option, target, &err) < 0) {
		fprintf(stderr, "granule: bad default in an option table: %s\n", err.msg);
		abort();
	}
}

void options_defaults(const struct option_def *options, void *target)
{
	for (const struct option_def *o = options; o->key; o++)
		option_default(o, target);
}

static void string_list_free(struct string_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct string_list){ 0 };
}

void options_free(const struct option_def *options, void *target)
{
	for (const struct option_def *o = options; o->key; o++) {
		void *field = option_field(o, target);

		switch (o->type) {
		case OPT_STRING:
		case OPT_PATH:
			free(*(char **)field);
			*(char **)field = NULL;
			break;
		case OPT_CHOICES:
		case OPT_STRINGS:
		case OPT_PATHS:
			string_list_free(field);
			break;
		case OPT_U64S:
			free(((struct u64_list *)field)->v);
			*(struct u64_list *)field = (struct u64_list){ 0 };
			break;
		case OPT_SIZE_MAP:
			free(((struct size_map *)field)->v);
			*(struct size_map *)field = (struct size_map){ 0 };
			break;
		case OPT_MAYBE_U64:
			*(struct maybe_u64 *)field = (struct maybe_u64){ 0 };
			break;
		case OPT_GROUP:
			options_free(o->group, field);
			break;
		case OPT_U64:
		case OPT_SIZE:
		case OPT_BOOL:
		case OPT_ENUM:
		case OPT_PERCENT:
			break;
		}
	}
}

static json_t *strings_json(const struct string_list *list)
{
	json_t *array;

	if (!list->n)
		return NULL;
	array = json_array();
	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_string(list->v[i]));
	return array;
}

static json_t *numbers_json(const struct u64_list *list)
{
	json_t *array;

	if (!list->n)
		return NULL;
	array = json_array();
	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_integer((json_int_t)list->v[i]));
	return array;
}

static json_t *size_map_json(const struct option_def *option, const struct size_map *map)
{
	json_t *object;

	if (!map->n)
		return NULL;
	object = json_object();
	for (size_t i = 0; i < map->n; i++) {
		char size[24];

		json_object_set_new(object, size_format(map->v[i].size_bytes, size),
				    json_string(option->choices[map->v[i].choice]));
	}
	return object;
}

static json_t *percent_json(double fraction)
{
	char text[32];

	if (fraction < 0)
		return NULL;
	snprintf(text, sizeof(text), "%.10g%%", fraction * 100);
	return json_string(text);
}

/* NULL where the option has no value. A number without a default has none while it is 0. */
static json_t *option_json(const struct option_def *option, const void *field)
{
	char size[24];

	switch (option->type) {
	case OPT_STRING:
	case OPT_PATH:
		return *(char *const *)field ? json_string(*(char *const *)field) : NULL;
	case OPT_U64:
	case OPT_SIZE: {
		uint64_t v = *(const uint64_t *)field;

		if (!v && !option->fallback)
			return NULL;
		if (option->type == OPT_U64)
			return json_integer((json_int_t)v);
		return json_string(size_format(v, size));
	}
	case OPT_MAYBE_U64: {
		const struct maybe_u64 *m = field;

		return m->given ? json_integer((json_int_t)m->v) : NULL;
	}
	case OPT_BOOL:
		return json_boolean(*(const bool *)field);
	case OPT_ENUM:
		return *(const int *)field < 0 ? NULL : json_string(option->choices[*(const int *)field]);
	case OPT_PERCENT:
		return percent_json(*(const double *)field);
	case OPT_CHOICES:
	case OPT_STRINGS:
	case OPT_PATHS:
		return strings_json(field);
	case OPT_U64S:
		return numbers_json(field);
	case OPT_SIZE_MAP:
		return size_map_json(option, field);
	case OPT_GROUP: {
		json_t *o = options_json(option->group, field);

		if (json_object_size(o))
			return o;
		json_decref(o);
		return NULL;
	}
	}
	return NULL;
}

json_t *options_json(const struct option_def *options, const void *target)
{
	json_t *object = json_object();

	for (const struct option_def *o = options; o->key; o++) {
		json_t *value = option_json(o, (const char *)target + o->offset);

		if (value)
			json_object_set_new(object, o->key, value);
	}
	return object;
}

void help_wrap(struct text *out, unsigned int indent, const char *words)
{
	size_t used = 0;

	while (*words) {
		size_t n = strcspn(words, " ");

		if (used && used + 1 + n > HELP_COLUMNS) {
			text_add(out, "\n");
			used = 0;
		}
		text_add(out, "%*s%.*s", used ? 1 : (int)indent, "", (int)n, words);
		used += n + (used ? 1 : indent);
		words += n + strspn(words + n, " ");
	}
	text_add(out, "\n");
}

static const char *type_help(enum option_type type)
{
	switch (type) {
	case OPT_STRING:
		return "text";
	case OPT_PATH:
		return "a path, relative to this file";
	case OPT_U64:
	case OPT_MAYBE_U64:
		return "a number";
	case OPT_SIZE:
		return "a size (64K, 3GiB)";
	case OPT_BOOL:
		return "yes or no";
	case OPT_ENUM:
		return "one of";
	case OPT_CHOICES:
		return "a list of";
	case OPT_STRINGS:
		return "a list";
	case OPT_PATHS:
		return "a list of paths, relative to this file";
	case OPT_U64S:
		return "a list of numbers";
	case OPT_PERCENT:
		return "a percentage (1%, 0.5%)";
	case OPT_SIZE_MAP:
		return "a mapping of sizes to";
	case OPT_GROUP:
		return "a mapping";
	}
	return "";
}

char *options_help(const struct option_def *options)
{
	struct text out = { 0 };

	for (const struct option_def *o = options; o->key; o++) {
		_cleanup_free_ char *choices =
			option_choices(o, o->type == OPT_CHOICES || o->type == OPT_STRINGS ? ", " : " | ");
		struct text head = { 0 };
		char range[RANGE_SIZE];

		if (o->type == OPT_SIZE && o->choices)
			text_add(&head, "%s: %s", o->key, choices);
		else
			text_add(&head, "%s: %s%s%s", o->key, type_help(o->type), o->choices ? " " : "", choices);
		if (*option_range(o, range))
			text_add(&head, ", %s", range);
		if (o->required)
			text_add(&head, ", required");
		else if (o->fallback)
			text_add(&head, ", default %s", o->fallback);
		help_wrap(&out, 4, head.s);
		if (o->help)
			help_wrap(&out, 6, o->help);
		for (const struct option_def *g = o->group; g && g->key; g++) {
			_cleanup_free_ char *line = xasprintf("%s.%s: %s%s. %s", o->key, g->key, type_help(g->type),
							      g->required ? ", required" : "", g->help);

			help_wrap(&out, 6, line);
		}
		text_free(&head);
	}
	return text_steal(&out);
}
