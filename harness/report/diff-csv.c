// SPDX-License-Identifier: GPL-2.0-or-later
/* Comparisons and gates as CSV (RFC 4180): every metric of every pair a line, numbers in full. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static void add_field(struct text *out, const char *s)
{
	if (!s[strcspn(s, ",\"\r\n")]) {
		text_add(out, "%s,", s);
		return;
	}
	text_add(out, "\"");
	for (; *s; s++)
		text_add(out, *s == '"' ? "\"\"" : "%c", *s);
	text_add(out, "\",");
}

static void add_number(struct text *out, bool known, double v)
{
	if (known && isfinite(v))
		text_add(out, "%.12g", v);
	text_add(out, ",");
}

/* The last comma becomes the line's end. */
static void end_line(struct text *out)
{
	out->s[--out->len] = '\0';
	text_add(out, "\r\n");
}

static void add_row(struct text *out, const struct pair *pair, const struct row *row)
{
	const char *const names[] = { pair->base->id,
				      pair->other->id,
				      row->name,
				      row->metric->unit,
				      metric_class_names[row->metric->class],
				      metric_direction_names[row->metric->direction] };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		add_field(out, names[i]);
	add_number(out, row->base.present, row->base.median);
	add_number(out, row->other.present, row->other.median);
	add_number(out, row->has_change, row->change);
	add_number(out, row->has_interval, row->low);
	add_number(out, row->has_interval, row->high);
	add_number(out, true, row->resolution);
	text_add(out, "%zu,", row->n_pairs);
	add_field(out, verdict_names[row->verdict]);
	add_field(out, row->reason ? row->reason : "");
	add_field(out, row->counts ? "no" : "yes");
	end_line(out);
}

char *report_diff_csv(const struct comparison *c)
{
	struct text out = { 0 };

	text_add(&out,
		 "base_cell,other_cell,metric,unit,class,better,base,other,change,low,high,resolution,seeds,verdict,"
		 "reason,exploratory\r\n");
	for (size_t i = 0; i < c->n_pairs; i++)
		for (size_t k = 0; k < c->pairs[i].n_rows; k++)
			add_row(&out, &c->pairs[i], &c->pairs[i].rows[k]);
	return text_steal(&out);
}

static void add_check(struct text *out, const struct gate_check *c, size_t gate)
{
	const struct row *row = c->row;

	text_add(out, "%zu,", gate);
	add_field(out, c->gate->metric);
	add_field(out, gate_limit_names[c->gate->limit]);
	add_number(out, true, c->gate->by);
	add_field(out, c->pair->base->id);
	add_field(out, c->pair->other->id);
	add_field(out, row->name);
	add_field(out, row->metric->unit);
	add_number(out, row->base.present, row->base.median);
	add_number(out, row->other.present, row->other.median);
	add_number(out, row->has_change, row->change);
	add_number(out, true, c->low);
	add_number(out, true, c->high);
	add_field(out, gate_result_names[c->result]);
	add_field(out, c->reason ? c->reason : "");
	end_line(out);
}

/* A gate that selects nothing is a line too: else a reader of the table would take it for passed. */
static void add_empty_gate(struct text *out, const struct gate *g, size_t gate)
{
	text_add(out, "%zu,", gate);
	add_field(out, g->metric);
	add_field(out, gate_limit_names[g->limit]);
	add_number(out, true, g->by);
	text_add(out, ",,,,,,,,,");
	add_field(out, gate_result_names[g->result]);
	add_field(out, g->reason);
	end_line(out);
}

char *report_gate_csv(const struct gating *g)
{
	struct text out = { 0 };

	text_add(&out, "gate,gate_metric,limit,by,base_cell,other_cell,metric,unit,base,other,change,low,high,result,"
		       "reason\r\n");
	for (size_t i = 0; i < g->n_gates; i++) {
		if (g->gates[i].reason)
			add_empty_gate(&out, &g->gates[i], i + 1);
		for (size_t k = 0; k < g->n_checks; k++)
			if (g->checks[k].gate == &g->gates[i])
				add_check(&out, &g->checks[k], i + 1);
	}
	return text_steal(&out);
}
