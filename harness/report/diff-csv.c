// SPDX-License-Identifier: GPL-2.0-or-later
/* A comparison as CSV (RFC 4180): every metric of every pair a line, numbers in full. */
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
	/* the last comma becomes the line's end */
	out->s[--out->len] = '\0';
	text_add(out, "\r\n");
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
