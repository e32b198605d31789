// SPDX-License-Identifier: GPL-2.0-or-later
/* A calibration's floors as a table and as JSON. */
#include "report/report.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/number.h"
#include "report/table.h"

static bool is_primary(const struct floor_entry *e)
{
	return e->metric->primary && e->median != 0;
}

static bool is_shown(const struct floor_entry *e, bool all)
{
	return is_primary(e) || e->timed || (all && (e->median != 0 || e->amount > 0));
}

static void set_share(struct table *t, int column, const struct floor_entry *e)
{
	_cleanup_free_ char *text = NULL;

	if (e->median == 0)
		return;
	text = xasprintf("%.3f%%", 100 * e->amount / fabs(e->median));
	table_cell(t, column, text, NULL);
}

static void add_entry(struct table *t, const struct floor_entry *e)
{
	char number[NUMBER_SIZE];

	table_line(t);
	table_cell(t, 0, e->name, NULL);
	table_cell(t, 1, number_text(e->median, e->metric->unit, number), NULL);
	table_cell(t, 2, number_text(e->seen, e->metric->unit, number), NULL);
	table_cell(t, 3, number_text(e->amount, e->metric->unit, number), NULL);
	set_share(t, 4, e);
	if (e->has_slow)
		table_cell(t, 5, number_text(e->slow, e->metric->unit, number), NULL);
	table_cell(t, 6, e->timed ? "timed" : "", e->timed ? "yellow" : NULL);
}

static void add_cell(const struct floor_cell *cell, bool all, bool colour, struct text *out)
{
	static const struct table_column columns[] = { { "", 28, false },   { "base", 0, true },
						       { "seen", 0, true }, { "floor", 0, true },
						       { "", 0, true },	    { "slow timers", 0, true },
						       { "", 0, false },    { NULL, 0, false } };
	struct table *t = table_new(columns, colour);
	char pages[24];

	text_add(out, "\n%s, %s pages\n", cell->name, size_format(cell->page_bytes, pages));
	for (size_t i = 0; i < cell->n; i++)
		if (is_shown(&cell->v[i], all))
			add_entry(t, &cell->v[i]);
	table_finish(t, 2, out);
}

char *report_floors_text(const struct floors *floors, bool all, bool colour)
{
	_cleanup_free_ char *what = NULL;
	struct text out = { 0 };

	what = xasprintf(
		"%zu builds of one kernel that differ in layout only. seen: the largest difference between two; "
		"floor: with 95%% confidence no less than 95%% of such differences are smaller. slow timers: what "
		"changes when the kernel's periodic work comes ten times more rarely",
		floors->n_builds);
	text_wrap(&out, "calibration: ", floors->dir, REPORT_WIDTH);
	text_wrap(&out, "  ", what, REPORT_WIDTH);
	for (size_t i = 0; i < floors->n_cells; i++)
		add_cell(&floors->cells[i], all, colour, &out);
	return text_steal(&out);
}

static json_t *entry_json(const struct floor_entry *e)
{
	json_t *o = json_pack("{ss,ss,sf,sf,sf,sf,sI,sb}", "name", e->name, "unit", e->metric->unit, "median",
			      e->median, "resolution", e->resolution, "seen", e->seen, "floor", e->amount, "builds",
			      (json_int_t)e->n_builds, "timed", e->timed);

	if (e->has_slow)
		json_object_set_new(o, "slow", json_real(e->slow));
	return o;
}

json_t *report_floors_json(const struct floors *floors)
{
	json_t *cells = json_array();

	for (size_t i = 0; i < floors->n_cells; i++) {
		const struct floor_cell *c = &floors->cells[i];
		json_t *metrics = json_array();

		for (size_t k = 0; k < c->n; k++)
			json_array_append_new(metrics, entry_json(&c->v[k]));
		json_array_append_new(cells, json_pack("{ss,sI,sI,so}", "name", c->name, "page_bytes",
						       (json_int_t)c->page_bytes, "seeds", (json_int_t)c->n_seeds,
						       "metrics", metrics));
	}
	return json_pack("{ss,ss,ss,so}", "schema", REPORT_SCHEMA, "kind", "calibration", "run", floors->dir, "cells",
			 cells);
}
