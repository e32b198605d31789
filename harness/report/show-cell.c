// SPDX-License-Identifier: GPL-2.0-or-later
/* One cell, or one boot of it, as text and as JSON. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/number.h"
#include "report/show.h"
#include "report/table.h"
#include "stat/stat.h"

static void add_field(struct text *out, const char *key, const char *value)
{
	_cleanup_free_ char *first = xasprintf("  %-12s ", key);

	text_wrap(out, first, value && *value ? value : "-", REPORT_WIDTH);
}

/* {"a":{"b":1}} -> "a.b 1", one line each. */
static void add_leaves(struct text *out, const char *path, const json_t *v)
{
	_cleanup_free_ char *value = NULL, *first = NULL;
	json_t *sorted, *item;
	const char *key;

	if (!json_is_object(v)) {
		value = json_is_string(v) ? xstrdup(json_string_value(v))
					  : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(10));
		first = xasprintf("    %-28s ", path);
		text_wrap(out, first, value, REPORT_WIDTH);
		return;
	}
	/* the order of a file's keys is nobody's: sort through a dump */
	value = json_dumps(v, JSON_SORT_KEYS);
	sorted = json_loads(value, 0, NULL);
	json_object_foreach(sorted, key, item)
	{
		_cleanup_free_ char *deeper = xasprintf("%s%s%s", path, *path ? "." : "", key);

		add_leaves(out, deeper, item);
	}
	json_decref(sorted);
}

static void add_definition(struct text *out, const struct cell_record *cell)
{
	char page[24], memory[24];
	_cleanup_free_ char *kernel = NULL, *guest = NULL, *basis = NULL;

	text_wrap(out, "cell ", cell->id, REPORT_WIDTH);
	if (cell->skip) {
		add_field(out, "skipped", cell->skip);
	} else {
		kernel = xasprintf("%s, %s pages, Image %.12s", cell->kernel_release,
				   size_format(cell->page_bytes, page), cell->kernel_sha256);
		guest = xasprintf("%llu CPU%s (%s), %s", (unsigned long long)cell->cpus, cell->cpus == 1 ? "" : "s",
				  cell->cpu_model, size_format(cell->memory_bytes, memory));
		basis = xasprintf("%s: %s", basis_names[cell->basis], cell->basis_reason ? cell->basis_reason : "");
		add_field(out, "kernel", kernel);
		add_field(out, "Image", cell->kernel_path);
		add_field(out, "command line", cell->command_line);
		add_field(out, "guest", guest);
		add_field(out, "basis", basis);
		for (size_t i = 0; i < cell->n_programs; i++) {
			_cleanup_free_ char *p = xasprintf("%s %.12s (%s)", cell->programs[i].guest_path,
							   cell->programs[i].sha256, cell->programs[i].host_path);

			add_field(out, i ? "" : "programs", p);
		}
	}
	if (cell->definition) {
		text_add(out, "  definition\n");
		add_leaves(out, "", cell->definition);
	}
}

/* Of an adaptive cell: how far it is. */
static void add_rounds(struct text *out, const struct run *run, const struct cell_record *cell)
{
	_cleanup_free_ char *text = NULL, *width = NULL;
	struct cell_rounds r;

	if (cell->skip || !cell->boots_most || cell_rounds(run, cell, &r, NULL) < 0)
		return;
	width = isfinite(r.half_width) ? xasprintf("to within %.3g%%", 100 * r.half_width) : xstrdup("no interval yet");
	text = xasprintf("%zu of at most %llu: %s %s (%.10g%% is wanted)%s", r.boots,
			 (unsigned long long)cell->boots_most, r.widest ? r.widest : "all", width,
			 100 * cell->half_width, r.done ? "" : "; more are owed");
	add_field(out, "boots", text);
	free(r.widest);
}

static void add_knobs(struct text *out, const struct shown_boot *b, bool colour)
{
	static const struct table_column columns[] = { { "setting", 36, false },
						       { "requested", 12, false },
						       { "effective", 12, false },
						       { "status", 12, false },
						       { NULL, 0, false } };
	struct table *t;

	if (!b->n_knobs)
		return;
	t = table_new(columns, colour);
	for (size_t i = 0; i < b->n_knobs; i++) {
		const struct knob *k = &b->knobs[i];
		const char *path = k->path;

		if (starts_with(path, "/sys/kernel/mm/"))
			path += strlen("/sys/kernel/mm/");
		table_line(t);
		table_cell(t, 0, path, NULL);
		table_cell(t, 1, k->requested, NULL);
		table_cell(t, 2, k->effective, NULL);
		table_cell(t, 3, k->status, strcmp(k->status, "ok") ? "red" : NULL);
	}
	text_add(out, "\n");
	table_finish(t, 2, out);
}

static void add_indented(struct text *out, const char *title, const char *s)
{
	if (!s || !*s)
		return;
	text_add(out, "\n  %s\n", title);
	while (*s) {
		int len = (int)strcspn(s, "\n");

		/* a console line is quoted as it is, cut where a mail would break it */
		text_add(out, "  | %.*s\n", len < REPORT_WIDTH - 4 ? len : REPORT_WIDTH - 4, s);
		s += len + (s[len] == '\n');
	}
}

static void add_boot_head(struct text *out, const struct shown_boot *b)
{
	_cleanup_free_ char *first = xasprintf("boot %u: ", b->boot), *what = NULL;

	what = xasprintf("%s%s%s", outcome_names[b->result.outcome], b->result.reason ? ": " : "",
			 b->result.reason ? b->result.reason : "");
	text_add(out, "\n");
	text_wrap(out, first, what, REPORT_WIDTH);
	if (b->measure_error)
		add_field(out, "no numbers", b->measure_error);
	for (size_t i = 0; i < b->n_attempts; i++) {
		const struct shown_attempt *a = &b->attempts[i];
		_cleanup_free_ char *text =
			xasprintf("%u%s: %s%s%s", a->number, a->counts ? " (counts)" : "", outcome_names[a->outcome],
				  a->reason ? ": " : "", a->reason ? a->reason : "");

		add_field(out, i ? "" : "attempts", text);
		add_field(out, "", a->dir);
	}
	if (b->result.dir && b->result.stream_len) {
		_cleanup_free_ char *stream = xasprintf("%zu bytes", b->result.stream_len);

		add_field(out, "stream", stream);
		text_add(out, "    sha256 %s\n", b->result.sha256);
	}
	if (b->result.reused)
		add_field(out, "reused", "from the result cache: host, steps and wall time are of the boot that ran");
	if (b->result.wall_s >= 0) {
		_cleanup_free_ char *wall = xasprintf("%.2f s", b->result.wall_s);

		add_field(out, "wall time", wall);
	}
	for (size_t i = 0; i < b->n_notes; i++)
		add_field(out, "note", b->notes[i]);
}

static void add_boot_details(struct text *out, const struct shown_boot *b, bool colour)
{
	add_knobs(out, b, colour);
	if (b->hello) {
		text_add(out, "\n  hello\n");
		add_leaves(out, "", b->hello);
	}
	if (b->host) {
		text_add(out, "  host\n");
		add_leaves(out, "", b->host);
	}
	if (json_object_get(b->done, "steps")) {
		text_add(out, "  steps\n");
		add_leaves(out, "", json_object_get(b->done, "steps"));
	}
}

/* A line more, since a drift is seen in a course and not in numbers; of fewer samples than this in those as well. */
#define COURSE_SAMPLES 5
#define COURSE_WIDTH 16

static void add_course(struct table *t, const struct measure *m)
{
	_cleanup_free_ double *order = xcalloc(m->n_values + 1, sizeof(*order));
	char course[COURSE_WIDTH + 1];

	if (m->n_values < COURSE_SAMPLES || stat_min(m->values, m->n_values) == stat_max(m->values, m->n_values))
		return;
	for (size_t i = 0; i < m->n_values; i++)
		order[i] = (double)i;
	course_text(order, m->values, m->n_values, COURSE_WIDTH, course);
	table_line(t);
	table_cell(t, 2, course, NULL);
}

static char *value_list(const struct measure *m)
{
	struct text t = { 0 };
	char number[NUMBER_SIZE];

	for (size_t i = 0; i < m->n_values; i++)
		text_add(&t, "%s%s", i ? "  " : "", number_text(m->values[i], m->metric->unit, number));
	return text_steal(&t);
}

/* Every value of every metric of each boot: metric, boot, its samples. */
static void add_values(struct text *out, const struct shown_boot *boots, size_t n, bool colour)
{
	static const struct table_column columns[] = {
		{ "metric", 34, false }, { "boot", 4, true }, { "samples", 38, false }, { NULL, 0, false }
	};
	const struct shown_boot *first = NULL;
	struct table *t;

	for (size_t i = 0; !first && i < n; i++)
		if (boots[i].measured)
			first = &boots[i];
	if (!first)
		return;
	t = table_new(columns, colour);
	for (size_t m = 0; m < first->measures.n; m++) {
		const char *name = first->measures.v[m].name;
		bool named = false;

		for (size_t i = 0; i < n; i++) {
			const struct measure *found =
				boots[i].measured ? measures_find(&boots[i].measures, name) : NULL;
			_cleanup_free_ char *values = found ? value_list(found) : NULL;
			char boot[12];

			if (!found)
				continue;
			snprintf(boot, sizeof(boot), "%u", boots[i].boot);
			table_line(t);
			table_cell(t, 0, named ? "" : name, NULL);
			table_cell(t, 1, boot, NULL);
			table_cell(t, 2, values, NULL);
			add_course(t, found);
			named = true;
		}
	}
	text_add(out, "\n");
	table_finish(t, 0, out);
	text_add(out, "\n%s\n", first->measures.folios_moved ? "Large folios were made." : "No large folio was made.");
}

static int load_boots(const struct run *run, const struct cell_record *cell, unsigned int boot, struct shown_boot **ret,
		      size_t *ret_n, bool *failed, struct err *err)
{
	size_t n = cell->skip ? 0 : boot ? 1 : cell_boots(run, cell);
	struct shown_boot *boots = xcalloc(n + 1, sizeof(*boots));

	*failed = false;
	for (size_t i = 0; i < n; i++) {
		if (shown_boot_load(run, cell, boot ? boot : (unsigned int)i + 1, &boots[i], err) < 0) {
			for (size_t k = 0; k < i; k++)
				shown_boot_free(&boots[k]);
			free(boots);
			return -1;
		}
		*failed |= boots[i].failed;
		/* the numbers are out of it; what is said of it is its length and digest */
		free(boots[i].result.stream);
		boots[i].result.stream = NULL;
	}
	*ret = boots;
	*ret_n = n;
	return 0;
}

int report_cell_text(const struct run *run, const struct cell_record *cell, unsigned int boot, bool colour,
		     char **ret_text, bool *ret_failed, struct err *err)
{
	struct text out = { 0 };
	struct shown_boot *boots;
	bool detailed = false;
	size_t n;

	if (load_boots(run, cell, boot, &boots, &n, ret_failed, err) < 0)
		return -1;
	add_definition(&out, cell);
	add_rounds(&out, run, cell);
	for (size_t i = 0; i < n; i++) {
		add_boot_head(&out, &boots[i]);
		/* once for a cell: other boots differ in their seed */
		if (boot || (!detailed && boots[i].n_knobs)) {
			add_boot_details(&out, &boots[i], colour);
			detailed = true;
		}
		add_indented(&out, "console, the crash", boots[i].crash);
		add_indented(&out, "console, the end", boots[i].tail);
	}
	for (size_t i = 0; i < n; i++)
		show_series_text(&out, &boots[i], colour);
	add_values(&out, boots, n, colour);
	for (size_t i = 0; i < n; i++)
		shown_boot_free(&boots[i]);
	free(boots);
	*ret_text = text_steal(&out);
	return 0;
}

static void set_string(json_t *o, const char *key, const char *s)
{
	if (s)
		json_object_set_new(o, key, json_string(s));
}

static json_t *measures_json(const struct measures *measures)
{
	json_t *o = json_object();

	for (size_t i = 0; i < measures->n; i++) {
		const struct measure *m = &measures->v[i];
		json_t *values = json_array(), *one;

		for (size_t k = 0; k < m->n_values; k++)
			json_array_append_new(values, isfinite(m->values[k]) ? json_real(m->values[k]) : json_null());
		one = json_pack("{ss,ss,ss,sb,sf,so}", "unit", m->metric->unit, "class",
				metric_class_names[m->metric->class], "direction",
				metric_direction_names[m->metric->direction], "primary", m->metric->primary,
				"resolution", m->resolution, "samples", values);
		json_object_set_new(o, m->name, one);
	}
	return o;
}

static json_t *boot_json(const struct shown_boot *b)
{
	json_t *o = json_object(), *attempts = json_array(), *knobs = json_array();

	json_object_set_new(o, "boot", json_integer(b->boot));
	set_string(o, "outcome", outcome_names[b->result.outcome]);
	set_string(o, "reason", b->result.reason ? b->result.reason : b->measure_error);
	json_object_set_new(o, "running", json_boolean(b->result.running));
	json_object_set_new(o, "reused", json_boolean(b->result.reused));
	if (b->result.dir)
		set_string(o, "stream_sha256", b->result.sha256);
	if (b->result.wall_s >= 0)
		json_object_set_new(o, "wall_s", json_real(b->result.wall_s));
	for (size_t i = 0; i < b->n_attempts; i++) {
		const struct shown_attempt *a = &b->attempts[i];

		json_array_append_new(attempts, json_pack("{sI,ss,ss,ss,sb}", "attempt", (json_int_t)a->number, "dir",
							  a->dir, "outcome", outcome_names[a->outcome], "reason",
							  a->reason ? a->reason : "", "counts", a->counts));
	}
	for (size_t i = 0; i < b->n_knobs; i++) {
		const struct knob *k = &b->knobs[i];

		json_array_append_new(knobs, json_pack("{ss,ss,ss,ss}", "path", k->path, "requested", k->requested,
						       "effective", k->effective, "status", k->status));
	}
	json_object_set_new(o, "attempts", attempts);
	json_object_set_new(o, "settings", knobs);
	if (b->hello)
		json_object_set(o, "hello", b->hello);
	if (b->host)
		json_object_set(o, "host", b->host);
	if (b->done)
		json_object_set(o, "done", b->done);
	set_string(o, "console_crash", b->crash);
	set_string(o, "console_tail", b->tail);
	if (b->measured) {
		json_object_set_new(o, "metrics", measures_json(&b->measures));
		json_object_set_new(o, "folios_moved", json_boolean(b->measures.folios_moved));
	}
	if (b->series.n)
		json_object_set_new(o, "series", show_series_json(&b->series));
	return o;
}

int report_cell_json(const struct run *run, const struct cell_record *cell, unsigned int boot, json_t **ret,
		     bool *ret_failed, struct err *err)
{
	json_t *o, *list = json_array();
	struct shown_boot *boots;
	size_t n;

	if (load_boots(run, cell, boot, &boots, &n, ret_failed, err) < 0) {
		json_decref(list);
		return -1;
	}
	o = json_pack("{ss,ss,ss,ss}", "schema", REPORT_SCHEMA, "kind", "cell", "run", run->dir, "id", cell->id);
	json_object_set_new(o, "skip", cell->skip ? json_string(cell->skip) : json_null());
	if (cell->definition)
		json_object_set(o, "definition", cell->definition);
	for (size_t i = 0; i < n; i++) {
		json_array_append_new(list, boot_json(&boots[i]));
		shown_boot_free(&boots[i]);
	}
	free(boots);
	json_object_set_new(o, "boots", list);
	*ret = o;
	return 0;
}
