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

#define SHOWN 20 /* functions of the kernel, unless all are asked for */
#define SHOWN_USER 8
#define KIB 1024.0

static const struct table_column columns[] = {
	{ "function", 38, false }, { "base", 12, true }, { "other", 12, true },
	{ "change", 12, true },	   { NULL, 0, false },
};

/* @digits behind the point, below 0: two unless it is a whole number. */
static void add_numbers(struct table *table, const char *name, double base, double other, int digits)
{
	const double values[] = { base, other, other - base };
	const char *colour = other > base ? "red" : other < base ? "green" : NULL;

	table_line(table);
	table_cell(table, 0, name, NULL);
	for (int i = 0; i < 3; i++) {
		int shown = digits >= 0 ? digits : values[i] == floor(values[i]) ? 0 : 2;
		char text[NUMBER_SIZE];

		snprintf(text, sizeof(text), i == 2 ? "%+.*f" : "%.*f", shown, values[i]);
		table_cell(table, i + 1, text, i == 2 ? colour : NULL);
	}
}

static void add_line(struct table *table, const char *name, double base, double other)
{
	add_numbers(table, name, base, other, 1);
}

/* The functions that changed most, and how much of the two sums they leave. */
static void add_functions(struct table *table, const struct function_cost *v, size_t n, bool all, double *base_left,
			  double *other_left)
{
	for (size_t i = 0; i < n && (all || i < SHOWN); i++) {
		if (!all && fabs(v[i].other - v[i].base) < 0.05)
			break;
		add_line(table, v[i].name, v[i].base, v[i].other);
		*base_left -= v[i].base;
		*other_left -= v[i].other;
	}
}

static void add_kernel(struct table *table, const struct phase_cost *p, bool all)
{
	double base_left = p->base.kernel, other_left = p->other.kernel;

	add_functions(table, p->functions, p->n_functions, all, &base_left, &other_left);
	if (base_left > 0.05 || other_left > 0.05)
		add_line(table, "(other functions)", base_left, other_left);
	if (p->base.other > 0 || p->other.other > 0)
		add_line(table, "(kernel, outside of System.map)", p->base.other, p->other.other);
	add_line(table, "kernel", p->base.kernel + p->base.other, p->other.kernel + p->other.other);
}

static void add_program(struct table *table, const struct phase_cost *p, const struct function_cost *program, bool all)
{
	double base_left = program->base, other_left = program->other;
	size_t shown = 0;

	add_line(table, program->name, program->base, program->other);
	for (size_t i = 0; i < p->n_user; i++) {
		const struct function_cost *f = &p->user[i];
		_cleanup_free_ char *name = xasprintf("  %s", f->name);

		if (strcmp(f->program, program->name) != 0 ||
		    (!all && (shown == SHOWN_USER || f->base + f->other < 0.05)))
			continue;
		add_line(table, name, f->base, f->other);
		base_left -= f->base;
		other_left -= f->other;
		shown++;
	}
	if (shown && (fabs(base_left) > 0.05 || fabs(other_left) > 0.05))
		add_line(table, "  (other functions)", base_left, other_left);
}

static void add_user(struct table *table, const struct phase_cost *p, bool all)
{
	for (size_t i = 0; i < p->n_programs; i++)
		if (all || p->programs[i].base + p->programs[i].other > 0.05)
			add_program(table, p, &p->programs[i], all);
	add_line(table, "user", p->base.user, p->other.user);
}

static const struct table_column caller_columns[] = {
	{ "called by", 38, false }, { "base", 12, true }, { "other", 12, true },
	{ "change", 12, true },	    { NULL, 0, false },
};

static void add_callers(const struct phase_cost *p, const char *callee, bool colour, struct text *out)
{
	struct table *table = table_new(caller_columns, colour);
	double base = 0, other = 0;

	text_add(out, "  calls of %s per operation\n", callee);
	for (size_t i = 0; i < p->n_callers; i++) {
		add_numbers(table, p->callers[i].name, p->callers[i].base, p->callers[i].other, 4);
		base += p->callers[i].base;
		other += p->callers[i].other;
	}
	add_numbers(table, "sum", base, other, 4);
	table_finish(table, 2, out);
}

static void add_phase(const struct phase_cost *p, bool all, bool colour, struct text *out)
{
	struct table *table = table_new(columns, colour);
	char change[NUMBER_SIZE];

	text_add(out, "\n%s  %.1f -> %.1f instructions per operation, %s\n", p->phase, p->base.metric, p->other.metric,
		 change_text(p->other.metric / p->base.metric - 1, change));
	add_kernel(table, p, all);
	add_user(table, p, all);
	add_line(table, "(clock reads, less faults tried twice)", p->base.rest, p->other.rest);
	add_line(table, "sum: instructions per operation", p->base.metric, p->other.metric);
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
	text_add(&out, "  boot      %u%s\n", e->boot,
		 e->n_phases ? ", repeated with the plugin: the recorded bytes again" : ", as it was recorded");
	for (size_t i = 0; i < e->n_phases; i++) {
		add_phase(&e->phases[i], all, colour, &out);
		if (e->callee)
			add_callers(&e->phases[i], e->callee, colour, &out);
	}
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
	for (size_t i = 0; i < p->n_user; i++) {
		const struct function_cost *f = &p->user[i];
		double v = other ? f->other : f->base;

		if (v >= 0.5)
			text_add(out, "%s;%s;user;%s;%s %.0f\n", side, p->phase, f->program, f->name, v);
	}
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

static json_t *functions_json(const struct function_cost *v, size_t n)
{
	json_t *functions = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_pack("{s:s, s:f, s:f, s:f, s:b}", "name", v[i].name, "base", v[i].base, "other",
				      v[i].other, "change", v[i].other - v[i].base, "user", v[i].program != NULL);

		if (v[i].program)
			json_object_set_new(o, "program", json_string(v[i].program));
		json_array_append_new(functions, o);
	}
	return functions;
}

static json_t *phase_json(const struct phase_cost *p, const char *callee)
{
	json_t *o = json_object();

	json_object_set_new(o, "phase", json_string(p->phase));
	json_object_set_new(o, "base", side_json(&p->base));
	json_object_set_new(o, "other", side_json(&p->other));
	json_object_set_new(o, "functions", functions_json(p->functions, p->n_functions));
	json_object_set_new(o, "user_functions", functions_json(p->user, p->n_user));
	if (callee) {
		json_object_set_new(o, "callee", json_string(callee));
		json_object_set_new(o, "callers", functions_json(p->callers, p->n_callers));
	}
	json_object_set_new(o, "programs", functions_json(p->programs, p->n_programs));
	return o;
}

static json_t *split_json(const struct memory_split *s)
{
	json_t *parts = json_array();

	for (size_t i = 0; i < s->n_parts; i++)
		json_array_append_new(parts,
				      json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", s->parts[i].name, "label",
						s->parts[i].label, "base", s->parts[i].base, "other", s->parts[i].other,
						"change", s->parts[i].other - s->parts[i].base));
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:o}", "phase", s->phase, "of", s->charged ? "cgroup" : "guest",
			 "base", s->base, "other", s->other, "change", s->other - s->base, "parts", parts);
}

static json_t *pmu_json(const struct pmu_pair *pmu)
{
	json_t *phases = json_array();

	for (size_t i = 0; i < pmu->n; i++) {
		const struct pmu_phase *p = &pmu->v[i];
		json_t *v = json_array();

		for (size_t k = 0; k < p->n; k++)
			json_array_append_new(v,
					      json_pack("{s:s, s:s, s:{s:f, s:f}, s:{s:f, s:f}}", "name", p->v[k].name,
							"label", p->v[k].label, "base", "user", p->v[k].base[PMU_USER],
							"kernel", p->v[k].base[PMU_KERNEL], "other", "user",
							p->v[k].other[PMU_USER], "kernel", p->v[k].other[PMU_KERNEL]));
		json_array_append_new(phases,
				      json_pack("{s:s, s:s, s:o}", "phase", p->phase, "per", p->per, "events", v));
	}
	return json_pack("{s:o, s:f, s:s?}", "phases", phases, "counted", pmu->counted, "lacks", pmu->lacks);
}

static json_t *sampled_json(const struct sampled *sampled)
{
	json_t *phases = json_array();

	for (size_t i = 0; i < sampled->n; i++) {
		const struct sampled_phase *p = &sampled->v[i];
		json_t *v = json_array();

		for (size_t k = 0; k < p->n; k++)
			json_array_append_new(v, json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "name", p->v[k].name,
							   "object", p->v[k].object, "base", p->v[k].base, "other",
							   p->v[k].other, "change", p->v[k].other - p->v[k].base,
							   "error", sampled_error(p, &p->v[k])));
		json_array_append_new(phases, json_pack("{s:s, s:s, s:f, s:f, s:o}", "phase", p->phase, "event",
							p->event, "base_samples", p->base_samples, "other_samples",
							p->other_samples, "functions", v));
	}
	return phases;
}

static void set_recorded(json_t *o, const struct recorded *r)
{
	json_t *counters = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(counters, json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", r->v[i].name, "unit",
							  r->v[i].unit, "base", r->v[i].base, "other", r->v[i].other,
							  "change", r->v[i].other - r->v[i].base));
	json_object_set_new(o, "not_counted", json_string(r->why));
	json_object_set_new(o, "pmu", pmu_json(&r->pmu));
	json_object_set_new(o, "sampled", sampled_json(&r->sampled));
	if (r->no_samples)
		json_object_set_new(o, "not_sampled", json_string(r->no_samples));
	json_object_set_new(o, "counters", counters);
}

json_t *report_explain_json(const struct explanation *e, const struct recorded *recorded,
			    const struct memory_splits *memory)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "schema", REPORT_SCHEMA, "kind", "explain",
			      "base_run", e->base_dir, "other_run", e->other_dir, "base", e->base->id, "other",
			      e->other->id, "boot", (json_int_t)e->boot);
	json_t *phases = json_array(), *splits = json_array();

	for (size_t i = 0; i < e->n_phases; i++)
		json_array_append_new(phases, phase_json(&e->phases[i], e->callee));
	for (size_t i = 0; i < memory->n; i++)
		json_array_append_new(splits, split_json(&memory->v[i]));
	json_object_set_new(o, "phases", phases);
	json_object_set_new(o, "memory", splits);
	if (recorded->why)
		set_recorded(o, recorded);
	return o;
}

/* ---- What was recorded */

static const struct table_column pmu_columns[] = {
	{ "", 38, false }, { "base", 12, true }, { "other", 12, true }, { "change", 14, true }, { NULL, 0, false },
};

static void add_pmu_line(struct table *table, const char *name, double base, double other)
{
	char text[NUMBER_SIZE];

	table_line(table);
	table_cell(table, 0, name, NULL);
	table_cell(table, 1, number_text(base, "1", text), NULL);
	table_cell(table, 2, number_text(other, "1", text), NULL);
	table_cell(table, 3, base ? change_text(other / base - 1, text) : other ? "from 0" : "0%", NULL);
}

static void add_pmu_phase(const struct pmu_phase *p, bool colour, struct text *out)
{
	struct table *table = table_new(pmu_columns, colour);
	bool ipc_due = !isnan(pmu_ipc(p, false));

	text_add(out, "\n%s  counted by the CPUs, per %s\n", p->phase, p->per);
	for (size_t i = 0; i < p->n; i++) {
		const struct pmu_event *e = &p->v[i];

		add_pmu_line(table, e->label, e->base[PMU_USER] + e->base[PMU_KERNEL],
			     e->other[PMU_USER] + e->other[PMU_KERNEL]);
		add_pmu_line(table, "  user", e->base[PMU_USER], e->other[PMU_USER]);
		add_pmu_line(table, "  kernel", e->base[PMU_KERNEL], e->other[PMU_KERNEL]);
		if (ipc_due && i == 1) {
			add_pmu_line(table, "instructions per cycle", pmu_ipc(p, false), pmu_ipc(p, true));
			ipc_due = false;
		}
	}
	table_finish(table, 2, out);
}

static void add_pmu(const struct pmu_pair *pmu, bool colour, struct text *out)
{
	_cleanup_free_ char *lacks = pmu->lacks && pmu->n ? xasprintf("Not counted: %s.", pmu->lacks) : NULL;
	_cleanup_free_ char *part =
		pmu->counted < 1
			? xasprintf("A guest had its counters for a part of a sample only, at least once (%.0f%% "
				    "of the time): what they counted then is left out.",
				    100 * pmu->counted)
			: NULL;

	for (size_t i = 0; i < pmu->n; i++)
		add_pmu_phase(&pmu->v[i], colour, out);
	text_add(out, "\n");
	if (pmu->n)
		text_wrap(
			out, "  ",
			"Counted from before a sample's program is started until it has ended, of all that runs in the "
			"guest: its start and end, servers, interrupts and the agent's part are in it.",
			REPORT_WIDTH);
	else if (!part)
		text_wrap(out, "  ",
			  "The CPUs counted nothing: they are asked on hardware only, and a guest may have no PMU (its "
			  "notes: granule show RUN CELL BOOT).",
			  REPORT_WIDTH);
	if (part)
		text_wrap(out, "  ", part, REPORT_WIDTH);
	if (lacks)
		text_wrap(out, "  ", lacks, REPORT_WIDTH);
}

static const struct table_column sampled_columns[] = {
	{ "function", 34, false }, { "in", 16, false },	 { "base", 8, true }, { "other", 8, true },
	{ "change", 8, true },	   { "error", 8, true }, { NULL, 0, false },
};

static void add_share(struct table *table, int column, const char *fmt, double share)
{
	char text[NUMBER_SIZE];

	snprintf(text, sizeof(text), fmt, 100 * share);
	table_cell(table, column, text, NULL);
}

/* What changed by more than its error first: the rest of the table would be noise. */
static void add_sampled(const struct sampled_phase *p, bool all, bool colour, struct text *out)
{
	struct table *table = table_new(sampled_columns, colour);
	size_t shown = 0;

	text_add(out, "\n%s  sampled by perf on every CPU: %.0f and %.0f samples%s%s, %% of them\n", p->phase,
		 p->base_samples, p->other_samples, *p->event ? " by " : "", p->event);
	for (size_t i = 0; i < p->n && (all || shown < SHOWN); i++) {
		const struct sampled_function *f = &p->v[i];

		if (!all && fabs(f->other - f->base) <= sampled_error(p, f))
			continue;
		table_line(table);
		table_cell(table, 0, f->name, NULL);
		table_cell(table, 1, f->object, NULL);
		add_share(table, 2, "%.2f", f->base);
		add_share(table, 3, "%.2f", f->other);
		add_share(table, 4, "%+.2f", f->other - f->base);
		add_share(table, 5, "%.2f", sampled_error(p, f));
		shown++;
	}
	table_finish(table, 2, out);
	if (!shown)
		text_add(out, "  no function's share changed by more than its error\n");
}

char *report_sampled_text(const struct recorded *r, bool all, bool colour)
{
	struct text out = { 0 };
	_cleanup_free_ char *why = r->no_samples ? xasprintf("perf gave no functions: %s", r->no_samples) : NULL;

	for (size_t i = 0; i < r->sampled.n; i++)
		add_sampled(&r->sampled.v[i], all, colour, &out);
	if (r->sampled.n)
		text_wrap(
			&out, "  ",
			"Sampled, not counted: of a boot that was made now, with perf beside it, of all that runs in "
			"the "
			"guest. The error is that of drawing so many samples (two standard errors of the difference), "
			"not how boots differ; of some hundred functions a few are beyond it by chance. What a kernel "
			"without pseudo-NMIs does with interrupts off is charged to whoever switches them on.",
			REPORT_WIDTH);
	if (why)
		text_wrap(&out, "\n  ", why, REPORT_WIDTH);
	return out.s ? text_steal(&out) : xstrdup("");
}

char *report_recorded_text(const struct recorded *r, bool colour)
{
	static const struct table_column recorded_columns[] = {
		{ "per operation", 34, false }, { "base", 12, true }, { "other", 12, true },
		{ "change", 14, true },		{ NULL, 0, false },
	};
	struct table *table = table_new(recorded_columns, colour);
	struct text out = { 0 };

	text_wrap(&out, "  ", r->why, REPORT_WIDTH);
	add_pmu(&r->pmu, colour, &out);
	text_add(&out, "\n");
	for (size_t i = 0; i < r->n; i++) {
		const struct counter_change *c = &r->v[i];
		char text[NUMBER_SIZE];

		table_line(table);
		table_cell(table, 0, c->name, NULL);
		table_cell(table, 1, number_text(c->base, c->unit, text), NULL);
		table_cell(table, 2, number_text(c->other, c->unit, text), NULL);
		table_cell(table, 3, c->base ? change_text(c->other / c->base - 1, text) : "from 0", NULL);
	}
	table_finish(table, 2, &out);
	if (!r->n)
		text_add(&out, "  no counter per operation differs\n");
	return text_steal(&out);
}

/* ---- Memory */

static const struct table_column memory_columns[] = {
	{ "KiB", 38, false }, { "base", 12, true }, { "other", 12, true }, { "change", 12, true }, { NULL, 0, false },
};

static void add_split(const struct memory_split *s, bool colour, struct text *out)
{
	struct table *table = table_new(memory_columns, colour);
	char base[NUMBER_SIZE], other[NUMBER_SIZE];

	text_add(out, "\n%s  memory %s%s: %s -> %s\n", s->phase,
		 s->charged ? "charged to its cgroup" : "of the guest that is not free",
		 strcmp(s->phase, "guest") ? ", at hold" : ", idle", number_text(s->base, "bytes", base),
		 number_text(s->other, "bytes", other));
	for (size_t i = 0; i < s->n_parts; i++)
		add_numbers(table, s->parts[i].label, s->parts[i].base / KIB, s->parts[i].other / KIB, -1);
	add_numbers(table, "sum", s->base / KIB, s->other / KIB, -1);
	table_finish(table, 2, out);
}

char *report_memory_text(const struct memory_splits *memory, bool colour)
{
	struct text out = { 0 };

	for (size_t i = 0; i < memory->n; i++)
		add_split(&memory->v[i], colour, &out);
	return text_steal(&out);
}
