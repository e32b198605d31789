// SPDX-License-Identifier: GPL-2.0-or-later
/* An explanation as a table, as folded stacks (for flame graph tools) and as JSON. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/number.h"
#include "report/table.h"

#define SHOWN 20 /* functions, unless all are asked for */

static const struct table_column columns[] = {
	{ "function", 38, false }, { "base", 12, true }, { "other", 12, true },
	{ "change", 12, true },	   { NULL, 0, false },
};

static void add_line(struct table *table, const char *name, double base, double other)
{
	char text[NUMBER_SIZE];

	table_line(table);
	table_cell(table, 0, name, NULL);
	snprintf(text, sizeof(text), "%.1f", base);
	table_cell(table, 1, text, NULL);
	snprintf(text, sizeof(text), "%.1f", other);
	table_cell(table, 2, text, NULL);
	snprintf(text, sizeof(text), "%+.1f", other - base);
	table_cell(table, 3, text, other > base ? "red" : other < base ? "green" : NULL);
}

static void add_sums(struct table *table, const struct phase_cost *p, double base_left, double other_left)
{
	if (base_left > 0.05 || other_left > 0.05)
		add_line(table, "(other functions)", base_left, other_left);
	if (p->base.other > 0 || p->other.other > 0)
		add_line(table, "(kernel, outside of System.map)", p->base.other, p->other.other);
	add_line(table, "(user)", p->base.user, p->other.user);
	add_line(table, "(clock reads, less faults tried twice)", p->base.rest, p->other.rest);
	add_line(table, "sum: instructions per operation", p->base.metric, p->other.metric);
}

static void add_phase(const struct phase_cost *p, bool all, bool colour, struct text *out)
{
	struct table *table = table_new(columns, colour);
	double base_left = p->base.kernel, other_left = p->other.kernel;
	char change[NUMBER_SIZE];

	text_add(out, "\n%s  %.1f -> %.1f instructions per operation, %s\n", p->phase, p->base.metric, p->other.metric,
		 change_text(p->other.metric / p->base.metric - 1, change));
	for (size_t i = 0; i < p->n_functions && (all || i < SHOWN); i++) {
		const struct function_cost *f = &p->functions[i];

		if (!all && fabs(f->other - f->base) < 0.05)
			break;
		add_line(table, f->name, f->base, f->other);
		base_left -= f->base;
		other_left -= f->other;
	}
	add_sums(table, p, base_left, other_left);
	table_finish(table, 2, out);
	if (p->base.whole || p->other.whole)
		text_wrap(out, "  ", "This program sets no markers: its whole execution was counted.", REPORT_WIDTH);
}

char *report_explain_text(const struct explanation *e, bool all, bool colour)
{
	struct text out = { 0 };

	text_wrap(&out, "granule explain: ", e->other->id, REPORT_WIDTH);
	text_add(&out, "  base      %s, %s\n            %s\n", e->base->id, e->base->kernel_release, e->base_dir);
	text_add(&out, "  other     %s, %s\n            %s\n", e->other->id, e->other->kernel_release, e->other_dir);
	text_add(&out, "  boot      %u, repeated with the plugin: the recorded bytes again\n", e->boot);
	for (size_t i = 0; i < e->n_phases; i++)
		add_phase(&e->phases[i], all, colour, &out);
	return text_steal(&out);
}

static void add_folded(struct text *out, const char *side, const struct phase_cost *p, const struct side_cost *cost,
		       bool other)
{
	for (size_t i = 0; i < p->n_functions; i++) {
		double v = other ? p->functions[i].other : p->functions[i].base;

		if (v >= 0.5)
			text_add(out, "%s;%s;kernel;%s %.0f\n", side, p->phase, p->functions[i].name, v);
	}
	text_add(out, "%s;%s;user %.0f\n", side, p->phase, cost->user);
	if (cost->other >= 0.5)
		text_add(out, "%s;%s;kernel;(outside of System.map) %.0f\n", side, p->phase, cost->other);
}

char *report_explain_folded(const struct explanation *e)
{
	struct text out = { 0 };

	for (size_t i = 0; i < e->n_phases; i++) {
		add_folded(&out, "base", &e->phases[i], &e->phases[i].base, false);
		add_folded(&out, "other", &e->phases[i], &e->phases[i].other, true);
	}
	return text_steal(&out);
}

static json_t *side_json(const struct side_cost *c)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:b}", "insns_per_op", c->metric, "kernel", c->kernel, "user",
			 c->user, "unnamed", c->other, "rest", c->rest, "samples", (json_int_t)c->n_samples, "whole",
			 c->whole);
}

static json_t *phase_json(const struct phase_cost *p)
{
	json_t *o = json_object(), *functions = json_array();

	json_object_set_new(o, "phase", json_string(p->phase));
	json_object_set_new(o, "base", side_json(&p->base));
	json_object_set_new(o, "other", side_json(&p->other));
	for (size_t i = 0; i < p->n_functions; i++)
		json_array_append_new(functions, json_pack("{s:s, s:f, s:f}", "name", p->functions[i].name, "base",
							   p->functions[i].base, "other", p->functions[i].other));
	json_object_set_new(o, "functions", functions);
	return o;
}

json_t *report_explain_json(const struct explanation *e)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "schema", REPORT_SCHEMA, "base_run", e->base_dir,
			      "other_run", e->other_dir, "base", e->base->id, "other", e->other->id, "boot",
			      (json_int_t)e->boot);
	json_t *phases = json_array();

	for (size_t i = 0; i < e->n_phases; i++)
		json_array_append_new(phases, phase_json(&e->phases[i]));
	json_object_set_new(o, "phases", phases);
	return o;
}
