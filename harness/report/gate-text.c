// SPDX-License-Identifier: GPL-2.0-or-later
/* Gates for people on a terminal, for a job's summary page (Markdown) and as annotations of a CI service. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/number.h"
#include "report/table.h"

static const char *const result_colours[] = {
	[GATE_PASSED] = "green", [GATE_NOT_JUDGED] = "gray", [GATE_UNCLEAR] = "yellow", [GATE_FAILED] = "red"
};

/* "3 passed, 1 failed": the results that there are. */
static char *counts_text(const size_t *by_result)
{
	struct text t = { 0 };

	for (int r = GATE_FAILED; r >= 0; r--)
		if (by_result[r])
			text_add(&t, "%s%zu %s", t.len ? ", " : "", by_result[r], gate_result_names[r]);
	return text_steal(&t);
}

char *gate_check_where(const struct gate_check *check)
{
	if (!check->gate->along)
		return xstrdup(check->pair->name);
	return xasprintf("%s: %s -> %s", check->pair->name, check->arm->base_label, check->arm->other_label);
}

char *gate_check_words(const struct gate_check *check)
{
	const struct row *row = check->row;
	char a[NUMBER_SIZE], b[NUMBER_SIZE], change[NUMBER_SIZE];

	return xasprintf("%s -> %s, %s%s%s", number_text(row->base.median, row->metric->unit, a),
			 number_text(row->other.median, row->metric->unit, b),
			 row->has_change ? row_change_text(row, change) : "from 0", check->reason ? "; " : "",
			 check->reason ? check->reason : "");
}

static const struct table_column columns[] = {
	{ "cell", 20, false }, { "metric", 24, false }, { "change", 25, true }, { "", 10, false }, { NULL, 0, false },
};

/* What a reader must look at; passes only if asked for. Reasons go below the table, each once. */
static void add_checks(const struct gating *gating, const struct gate *g, bool all, bool colour, struct text *out)
{
	struct table *table = table_new(columns, colour);
	const char *last = "";
	size_t n = 0;

	for (size_t i = 0; i < gating->n_checks; i++) {
		const struct gate_check *c = &gating->checks[i];
		_cleanup_free_ char *where = NULL;
		char change[NUMBER_SIZE];

		if (c->gate != g || (!all && c->result == GATE_PASSED) ||
		    (!all && c->result == GATE_NOT_JUDGED && g->result != GATE_NOT_JUDGED))
			continue;
		where = gate_check_where(c);
		table_line(table);
		table_cell(table, 0, where, NULL);
		table_cell(table, 1, c->row->name, NULL);
		table_cell(table, 2, row_change_text(c->row, change), NULL);
		table_cell(table, 3, gate_result_names[c->result], result_colours[c->result]);
		n++;
	}
	if (!n) {
		struct text none = { 0 };

		table_finish(table, 2, &none);
		text_free(&none);
		return;
	}
	table_finish(table, 2, out);
	for (size_t i = 0; i < gating->n_checks; i++) {
		const struct gate_check *c = &gating->checks[i];

		if (c->gate != g || !c->reason || !strcmp(c->reason, last) ||
		    (!all && c->result == GATE_NOT_JUDGED && g->result != GATE_NOT_JUDGED))
			continue;
		last = c->reason;
		text_wrap(out, "    ", c->reason, REPORT_WIDTH);
	}
}

static void add_gate(const struct gating *gating, size_t i, bool all, bool colour, struct text *out)
{
	const struct gate *g = &gating->gates[i];
	_cleanup_free_ char *counts = counts_text(g->by_result), *what = gate_describe(g);
	_cleanup_free_ char *first = xasprintf("gate %zu  ", i + 1);
	_cleanup_free_ char *verdict =
		xasprintf("%s%s%s%s%s", gate_result_names[g->result], *counts ? " (" : "", counts, *counts ? ")" : "",
			  g->allow_unclear ? ", unclear is allowed" : "");

	text_add(out, "\n");
	text_wrap(out, first, what, REPORT_WIDTH);
	text_wrap(out, "  ", verdict, REPORT_WIDTH);
	if (g->why && g->result != GATE_PASSED)
		text_wrap(out, "  why: ", g->why, REPORT_WIDTH);
	if (g->reason)
		text_wrap(out, "  ", g->reason, REPORT_WIDTH);
	add_checks(gating, g, all, colour, out);
}

static void count_gates(const struct gating *gating, size_t by_result[GATE_FAILED + 1])
{
	memset(by_result, 0, (GATE_FAILED + 1) * sizeof(*by_result));
	for (size_t i = 0; i < gating->n_gates; i++)
		by_result[gating->gates[i].result]++;
}

char *report_gate_text(const struct gating *gating, bool all, bool colour)
{
	size_t by_result[GATE_FAILED + 1];
	_cleanup_free_ char *counts = NULL;
	struct text out = { 0 };

	count_gates(gating, by_result);
	counts = counts_text(by_result);
	text_wrap(&out, "granule gate: ", gating->run_dir, REPORT_WIDTH);
	if (gating->base_dir)
		text_wrap(&out, "  baseline  ", gating->base_dir, REPORT_WIDTH);
	for (size_t i = 0; i < gating->n_gates; i++)
		add_gate(gating, i, all, colour, &out);
	text_add(&out, "\n%zu gate%s: %s\n", gating->n_gates, gating->n_gates == 1 ? "" : "s", counts);
	return text_steal(&out);
}

/* ---- Markdown */

/* A table's cell: no pipe, no line end, nothing that Markdown would act on. */
static void add_escaped(struct text *out, const char *s)
{
	for (; *s; s++) {
		if (strchr("|\\`*_<>[]#", *s))
			text_add(out, "\\");
		text_add(out, "%c", *s == '\n' ? ' ' : *s);
	}
}

static void add_markdown_check(const struct gate_check *c, struct text *out)
{
	_cleanup_free_ char *where = gate_check_where(c), *what = gate_describe(c->gate), *words = gate_check_words(c);
	const char *const fields[] = { where, c->row->name, words, what, gate_result_names[c->result] };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		text_add(out, "| ");
		add_escaped(out, fields[i]);
		text_add(out, " ");
	}
	text_add(out, "|\n");
}

char *report_gate_markdown(const struct gating *gating)
{
	size_t by_result[GATE_FAILED + 1], n = 0;
	_cleanup_free_ char *counts = NULL;
	struct text out = { 0 };

	count_gates(gating, by_result);
	counts = counts_text(by_result);
	text_add(&out, "### granule: %zu gate%s: %s\n\n", gating->n_gates, gating->n_gates == 1 ? "" : "s", counts);
	for (size_t i = 0; i < gating->n_gates; i++) {
		const struct gate *g = &gating->gates[i];
		_cleanup_free_ char *what = gate_describe(g), *each = counts_text(g->by_result);

		text_add(&out, "- ");
		add_escaped(&out, what);
		text_add(&out, ": **%s** (%s)\n", gate_result_names[g->result], g->reason ? g->reason : each);
	}
	for (size_t i = 0; i < gating->n_checks; i++) {
		if (gating->checks[i].result != GATE_FAILED && gating->checks[i].result != GATE_UNCLEAR)
			continue;
		if (!n++)
			text_add(&out, "\n| cell | metric | change | gate | |\n| --- | --- | --- | --- | --- |\n");
		add_markdown_check(&gating->checks[i], &out);
	}
	return text_steal(&out);
}

/* ---- Annotations: GitHub's workflow commands (its documentation, "Workflow commands for GitHub Actions") */

static void add_command_text(struct text *out, const char *s, bool property)
{
	for (; *s; s++) {
		if (*s == '%' || *s == '\n' || *s == '\r' || (property && (*s == ':' || *s == ',')))
			text_add(out, "%%%02X", (unsigned char)*s);
		else
			text_add(out, "%c", *s);
	}
}

static void add_annotation(struct text *out, const char *level, const char *title, const char *message)
{
	text_add(out, "::%s title=", level);
	add_command_text(out, title, true);
	text_add(out, "::");
	add_command_text(out, message, false);
	text_add(out, "\n");
}

char *report_gate_annotations(const struct gating *gating)
{
	struct text out = { 0 };

	for (size_t i = 0; i < gating->n_gates; i++) {
		const struct gate *g = &gating->gates[i];
		_cleanup_free_ char *what = gate_describe(g);

		if (g->reason)
			add_annotation(&out, "error", what, g->reason);
		else if (g->result == GATE_NOT_JUDGED)
			add_annotation(&out, g->allow_unclear ? "warning" : "error", what, "nothing could be judged");
	}
	for (size_t i = 0; i < gating->n_checks; i++) {
		const struct gate_check *c = &gating->checks[i];
		_cleanup_free_ char *where = NULL, *title = NULL, *words = NULL, *what = NULL, *message = NULL;
		bool soft = c->result == GATE_UNCLEAR && c->gate->allow_unclear;

		if (c->result != GATE_FAILED && c->result != GATE_UNCLEAR)
			continue;
		where = gate_check_where(c);
		title = xasprintf("%s %s %s", where, c->row->name, gate_result_names[c->result]);
		words = gate_check_words(c);
		what = gate_describe(c->gate);
		message = xasprintf("%s (%s)", words, what);
		add_annotation(&out, soft ? "warning" : "error", title, message);
	}
	return text_steal(&out);
}
