// SPDX-License-Identifier: GPL-2.0-or-later
/* The page's data: columns, not objects, for a large run has 300,000 rows. Numbers are written as the comparison has them, those
 * of the short table with eight digits, others with as many as are shown. */
#include "report/page.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "report/report.h"

#define DIGITS_COUNTS 8
#define DIGITS 5
#define DIGITS_CHANGE 4

struct entry {
	size_t cell; /* over all comparisons */
	const struct row *row;
};

struct column {
	const char *name; /* borrowed from a row */
	const struct metric *metric;
	struct entry *entries; /* owned */
	size_t n_entries, n_counts;
};

/* Strings by number: each is written once. */
struct strings {
	json_t *numbers; /* owned: {string: number} */
	json_t *list;	 /* owned: in the order of their numbers */
};

static size_t string_number(struct strings *s, const char *text)
{
	json_t *found = json_object_get(s->numbers, text);

	if (!found) {
		found = json_integer((json_int_t)json_array_size(s->list));
		json_object_set_new(s->numbers, text, found);
		json_array_append_new(s->list, json_string(text));
	}
	return (size_t)json_integer_value(found);
}

static void add_json(struct text *out, const char *key, json_t *value)
{
	char *dump = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));

	text_add(out, ",\"%s\":", key);
	/* what is no UTF-8 was made visible when it was read: a dump cannot fail */
	text_add_bytes(out, dump ? dump : "null", dump ? strlen(dump) : 4);
	free(dump);
	json_decref(value);
}

/* "%.*g" of most numbers, at a quarter of its cost: @v rounded to @digits digits, as a whole number and a power of ten, written
 * from its last digit on. NULL: it is too large or too small for that. @buf is of NUMBER_ROOM bytes. */
#define NUMBER_ROOM 32
static const char *fast_number(double v, int digits, char *buf)
{
	static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12 };
	int places = digits - 1 - (int)floor(log10(fabs(v))), limit = (int)ARRAY_SIZE(powers) - 1;
	size_t at = NUMBER_ROOM - 1;
	unsigned long long whole;

	if (places < -limit || places > limit)
		return NULL;
	whole = (unsigned long long)llround(places >= 0 ? fabs(v) * powers[places] : fabs(v) / powers[-places]);
	for (; places > 0 && whole % 10 == 0; places--)
		whole /= 10;
	for (; places < 0; places++)
		whole *= 10;
	buf[at] = '\0';
	/* at least one digit before the point */
	for (int n = 0; whole || n <= places; n++, whole /= 10) {
		if (n && n == places)
			buf[--at] = '.';
		buf[--at] = (char)('0' + whole % 10);
	}
	if (v < 0)
		buf[--at] = '-';
	return &buf[at];
}

static void add_number(struct text *out, bool known, double v, int digits)
{
	const char *fast;
	char buf[NUMBER_ROOM];

	if (!known || !isfinite(v))
		return text_add_bytes(out, "null", 4);
	if (v == 0)
		return text_add_bytes(out, "0", 1);
	fast = fast_number(v, digits, buf);
	if (fast)
		text_add_bytes(out, fast, strlen(fast));
	else
		text_add(out, "%.*g", digits, v);
}

/* ---- Cells */

static json_t *axes_of(const struct page_input *in)
{
	json_t *axes = json_array();

	for (size_t r = 0; r < in->n_runs; r++) {
		for (size_t i = 0; i < in->runs[r]->n_cells; i++) {
			const struct cell_record *cell = &in->runs[r]->cells[i];

			for (size_t k = json_array_size(axes); k < cell->n_axes; k++)
				json_array_append_new(axes, json_string(cell->axes[k].axis));
		}
	}
	return axes;
}

static void append_string(json_t *columns, const char *key, const char *s)
{
	json_array_append_new(json_object_get(columns, key), json_pack("s?", s));
}

static void append_integer(json_t *columns, const char *key, size_t n)
{
	json_array_append_new(json_object_get(columns, key), json_integer((json_int_t)n));
}

/* A side's facts under "base_KEY" or "other_KEY". */
static void append_side(json_t *columns, bool other, const struct cell_record *cell)
{
	append_string(columns, other ? "other" : "base", cell ? cell->id : NULL);
	append_integer(columns, other ? "other_page_bytes" : "base_page_bytes", cell ? cell->page_bytes : 0);
}

static void append_cell(json_t *columns, json_t *labels, size_t arm, const struct pair *pair)
{
	const char *axis;
	json_t *list;

	append_string(columns, "name", pair->name);
	append_side(columns, false, pair->base);
	append_side(columns, true, pair->other);
	append_integer(columns, "arm", arm);
	append_integer(columns, "seeds", pair->n_pairs);
	append_integer(columns, "samples", pair->n_samples);
	append_string(columns, "basis", basis_names[pair->base->basis]);
	json_object_foreach(labels, axis, list)
	{
		json_array_append_new(list, json_pack("s?", cell_label(pair->base, axis)));
	}
}

/* One entry a pair, of all comparisons one behind the other; "arm" counts on over them. */
static json_t *cells_json(const struct page_input *in, json_t *axes)
{
	static const char *const keys[] = { "name",  "base",	"other", "arm", "base_page_bytes", "other_page_bytes",
					    "seeds", "samples", "basis" };
	json_t *columns = json_object(), *labels = json_object(), *axis;
	size_t arm = 0, i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set_new(columns, keys[i], json_array());
	json_array_foreach(axes, i, axis)
	{
		json_object_set_new(labels, json_string_value(axis), json_array());
	}
	json_object_set_new(columns, "labels", labels);
	for (size_t c = 0; c < in->n_comparisons; c++) {
		const struct comparison *comparison = in->comparisons[c];

		for (i = 0; i < comparison->n_pairs; i++)
			append_cell(columns, labels, arm + comparison->pairs[i].arm, &comparison->pairs[i]);
		arm += comparison->n_arms;
	}
	return columns;
}

/* ---- Metrics */

static struct column *columns_make(const struct page_input *in, size_t *ret_n)
{
	json_t *numbers = json_object();
	struct column *columns = NULL;
	size_t n = 0, cell = 0;

	for (size_t c = 0; c < in->n_comparisons; c++) {
		for (size_t p = 0; p < in->comparisons[c]->n_pairs; p++, cell++) {
			const struct pair *pair = &in->comparisons[c]->pairs[p];

			for (size_t i = 0; i < pair->n_rows; i++) {
				const struct row *row = &pair->rows[i];
				json_t *number = json_object_get(numbers, row->name);
				struct column *column;

				if (!number) {
					number = json_integer((json_int_t)n);
					json_object_set_new(numbers, row->name, number);
					column = VEC_PUSH(columns, n);
					column->name = row->name;
					column->metric = row->metric;
				}
				column = &columns[json_integer_value(number)];
				*VEC_PUSH(column->entries, column->n_entries) = (struct entry){ cell, row };
				column->n_counts += row->counts;
			}
		}
	}
	json_decref(numbers);
	*ret_n = n;
	return columns;
}

static json_t *metrics_json(const struct column *columns, size_t n)
{
	static const char *const keys[] = { "name", "unit", "class", "direction", "help" };
	json_t *o = json_object(), *primary = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set_new(o, keys[i], json_array());
	for (size_t i = 0; i < n; i++) {
		const struct metric *m = columns[i].metric;
		const char *const values[] = { columns[i].name, m->unit, metric_class_names[m->class],
					       metric_direction_names[m->direction], m->help };

		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			append_string(o, keys[k], values[k]);
		json_array_append_new(primary, json_boolean(m->primary));
	}
	json_object_set_new(o, "primary", primary);
	return o;
}

enum field { FIELD_BASE, FIELD_OTHER, FIELD_CHANGE, FIELD_LOW, FIELD_HIGH, FIELDS };

/* Without an other side the interval is what the boots span, in the metric's unit. */
static void add_field(struct text *out, const struct row *row, enum field field)
{
	int digits = row->counts ? DIGITS_COUNTS : DIGITS, change = row->counts ? DIGITS : DIGITS_CHANGE;
	bool alone = !row->other.present && !row->n_pairs && row->base.present && !row->reason;

	switch (field) {
	case FIELD_BASE:
		return add_number(out, row->base.present, row->base.median, digits);
	case FIELD_OTHER:
		return add_number(out, row->other.present, row->other.median, digits);
	case FIELD_CHANGE:
		return add_number(out, row->has_change, row->change, change);
	case FIELD_LOW:
		return alone ? add_number(out, true, row->base.min, digits)
			     : add_number(out, row->has_interval, row->low, change);
	default:
		return alone ? add_number(out, true, row->base.max, digits)
			     : add_number(out, row->has_interval, row->high, change);
	}
}

static void add_boots(struct text *out, const struct side *side)
{
	text_add(out, "[");
	for (size_t i = 0; i < side->n_boots; i++) {
		text_add(out, "%s", i ? "," : "");
		add_number(out, true, side->values[i], DIGITS_COUNTS);
	}
	text_add(out, "]");
}

static void add_index(struct text *out, size_t at, size_t v)
{
	text_add_bytes(out, ",", at > 0);
	add_number(out, true, (double)v, 9);
}

static void add_column(struct text *out, const struct column *column, struct strings *reasons)
{
	static const char *const keys[FIELDS] = { "base", "other", "change", "low", "high" };

	text_add(out, "{\"cell\":[");
	for (size_t i = 0; i < column->n_entries; i++)
		add_index(out, i, column->entries[i].cell);
	for (enum field f = 0; f < FIELDS; f++) {
		text_add(out, "],\"%s\":[", keys[f]);
		for (size_t i = 0; i < column->n_entries; i++) {
			text_add_bytes(out, ",", i > 0);
			add_field(out, column->entries[i].row, f);
		}
	}
	text_add(out, "],\"verdict\":\"");
	for (size_t i = 0; i < column->n_entries; i++)
		text_add_bytes(out, &"0123456789"[column->entries[i].row->verdict], 1);
	text_add(out, "\",\"counts\":\"");
	for (size_t i = 0; i < column->n_entries; i++)
		text_add_bytes(out, column->entries[i].row->counts ? "1" : "0", 1);
	text_add(out, "\",\"reason\":[");
	for (size_t i = 0; i < column->n_entries; i++) {
		const char *reason = column->entries[i].row->reason;

		add_index(out, i, string_number(reasons, reason ? reason : ""));
	}
	for (int other = 0; column->n_counts && other < 2; other++) {
		text_add(out, "],\"%s\":[", other ? "other_boots" : "base_boots");
		for (size_t i = 0; i < column->n_entries; i++) {
			text_add_bytes(out, ",", i > 0);
			add_boots(out, other ? &column->entries[i].row->other : &column->entries[i].row->base);
		}
	}
	text_add(out, "]}");
}

static void add_columns(struct text *out, const struct page_input *in)
{
	struct strings reasons = { json_object(), json_array() };
	struct column *columns;
	size_t n;

	columns = columns_make(in, &n);
	string_number(&reasons, "");
	add_json(out, "metrics", metrics_json(columns, n));
	text_add(out, ",\"columns\":[");
	for (size_t i = 0; i < n; i++) {
		text_add(out, "%s", i ? "," : "");
		add_column(out, &columns[i], &reasons);
		free(columns[i].entries);
	}
	text_add(out, "]");
	free(columns);
	json_decref(reasons.numbers);
	add_json(out, "reasons", reasons.list);
}

/* ---- What they share */

static json_t *runs_json(const struct page_input *in)
{
	static const char *const keys[] = { "created", "creator", "matrix" };
	json_t *runs = json_array();

	for (size_t r = 0; r < in->n_runs; r++) {
		json_t *o = json_pack("{ss,sI}", "dir", in->runs[r]->dir, "cells", (json_int_t)in->runs[r]->n_cells);

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			const json_t *v = json_object_get(in->runs[r]->header, keys[i]);

			json_object_set_new(o, keys[i], json_pack("s?", json_string_value(v)));
		}
		json_object_set(o, "kernels", json_object_get(in->runs[r]->header, "kernels"));
		json_array_append_new(runs, o);
	}
	return runs;
}

/* Of diff's JSON, which says them by comparison; a page has them as lists with "arm" counted on. */
static void add_diff_lists(struct text *out, const struct page_input *in)
{
	static const char *const keys[] = { "arms", "kernels", "differences", "not_compared" };
	json_t *lists[ARRAY_SIZE(keys)];
	json_int_t arm = 0;

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		lists[k] = json_array();
	for (size_t c = 0; c < in->n_comparisons; c++) {
		json_t *o = report_diff_lists(in->comparisons[c]), *item;
		size_t i;

		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			json_array_foreach(json_object_get(o, keys[k]), i, item)
			{
				json_t *own = json_object_get(item, "arm");

				if (json_is_integer(own))
					json_integer_set(own, json_integer_value(own) + arm);
			}
			json_array_extend(lists[k], json_object_get(o, keys[k]));
		}
		arm += (json_int_t)in->comparisons[c]->n_arms;
		json_decref(o);
	}
	for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
		add_json(out, keys[k], lists[k]);
}

static json_t *bases_seen(const struct page_input *in)
{
	json_t *bases = json_array();

	for (size_t b = 0; basis_names[b]; b++) {
		bool seen = false;

		for (size_t c = 0; c < in->n_comparisons; c++)
			seen |= in->comparisons[c]->basis_seen[b];
		if (seen)
			json_array_append_new(bases, json_string(basis_names[b]));
	}
	return bases;
}

static const char *page_mode(const struct page_input *in)
{
	if (in->comparisons[0]->axis)
		return "along";
	return in->n_runs == 1 ? "show" : in->n_runs == 2 ? "compare" : "trend";
}

static void add_verdicts(struct text *out)
{
	json_t *names = json_array();

	for (int v = 0; v <= VERDICT_NOT_JUDGED; v++)
		json_array_append_new(names, json_string(verdict_names[v]));
	add_json(out, "verdicts", names);
}

int page_json(const struct page_input *in, char **ret, struct err *err)
{
	const struct comparison *first = in->comparisons[0];
	json_t *settings = NULL, *consoles = NULL, *explanations = json_array(), *axes;
	struct text out = { 0 };

	if (page_settings(in, &settings, err) < 0 || page_consoles(in, &consoles, err) < 0) {
		json_decref(explanations);
		json_decref(settings);
		return -1;
	}
	text_add(&out, "{\"schema\":\"%s\",\"kind\":\"report\",\"mode\":\"%s\"", REPORT_SCHEMA, page_mode(in));
	add_json(&out, "along", json_pack("s?", first->axis));
	add_json(&out, "effect", json_real(first->options.effect));
	add_json(&out, "confidence", json_real(first->options.confidence));
	add_json(&out, "qemu", json_pack("s?", first->qemu));
	add_json(&out, "bases", bases_seen(in));
	add_verdicts(&out);
	add_json(&out, "runs", runs_json(in));
	axes = axes_of(in);
	add_json(&out, "cells", cells_json(in, axes));
	add_json(&out, "axes", axes);
	add_diff_lists(&out, in);
	add_columns(&out, in);
	add_json(&out, "settings", settings);
	add_json(&out, "consoles", consoles);
	for (size_t i = 0; i < in->n_explanations; i++)
		json_array_append(explanations, in->explanations[i]);
	add_json(&out, "explanations", explanations);
	text_add(&out, "}");
	*ret = text_steal(&out);
	return 0;
}
