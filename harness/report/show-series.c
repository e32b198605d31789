// SPDX-License-Identifier: GPL-2.0-or-later
/* Series as lines of text that survive a mail, and as JSON. */
#include "report/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/number.h"
#include "report/report.h"
#include "report/table.h"
#include "stat/stat.h"

#define COURSE_WIDTH 36

static void add_one(struct text *out, const struct series *s, bool colour)
{
	static const struct table_column columns[] = { { "counter", 12, false },
						       { "least", 11, true },
						       { "most", 11, true },
						       { " course", COURSE_WIDTH + 1, false },
						       { NULL, 0, false } };
	_cleanup_free_ double *t = xcalloc(s->n_rows + 1, sizeof(*t)), *v = xcalloc(s->n_rows + 1, sizeof(*v));
	struct table *table = table_new(columns, colour);

	for (size_t c = 0; c < s->n_columns; c++) {
		size_t n = series_column(s, c, t, v);
		char number[NUMBER_SIZE], course[COURSE_WIDTH + 1];

		table_line(table);
		table_cell(table, 0, s->columns[c].name, NULL);
		if (!n) {
			table_cell(table, 1, "-", NULL);
			continue;
		}
		table_cell(table, 1, number_text(stat_min(v, n), s->columns[c].unit, number), NULL);
		table_cell(table, 2, number_text(stat_max(v, n), s->columns[c].unit, number), NULL);
		course_text(t, v, n, COURSE_WIDTH, course);
		{
			_cleanup_free_ char *behind = xasprintf(" %s", course);

			table_cell(table, 3, behind, NULL);
		}
	}
	table_finish(table, 2, out);
}

void show_series_text(struct text *out, const struct shown_boot *boot, bool colour)
{
	for (size_t i = 0; i < boot->series.n; i++) {
		const struct series *s = &boot->series.v[i];
		double last_ns = s->n_rows ? s->rows[(s->n_rows - 1) * (s->n_columns + 1)] : 0;
		_cleanup_free_ char *first = xasprintf("boot %u: ", boot->boot), *what = NULL;

		what = xasprintf("series of %s, %zu rows in %.3f s of guest time, one in %.0f ms; its program ran %llu "
				 "time%s",
				 s->phase, s->n_rows, last_ns / 1e9, (double)s->interval_ns / 1e6,
				 (unsigned long long)s->runs, s->runs == 1 ? "" : "s");
		text_add(out, "\n");
		text_wrap(out, first, what, REPORT_WIDTH);
		add_one(out, s, colour);
	}
}

json_t *show_series_json(const struct series_list *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct series *s = &list->v[i];
		json_t *columns = json_array(), *rows = json_array();

		for (size_t c = 0; c < s->n_columns; c++) {
			const struct series_column *column = &s->columns[c];

			json_array_append_new(columns,
					      json_pack("{ss,ss,ss,ss}", "name", column->name, "path", column->path,
							"word", column->word, "unit", column->unit));
		}
		for (size_t k = 0; k < s->n_rows * (s->n_columns + 1); k++) {
			json_t *row = k % (s->n_columns + 1) ? json_array_get(rows, json_array_size(rows) - 1) : NULL;

			if (!row)
				json_array_append_new(rows, row = json_array());
			json_array_append_new(row, isnan(s->rows[k]) ? json_null() : json_real(s->rows[k]));
		}
		json_array_append_new(all, json_pack("{ss,ss,sI,sI,so,so}", "phase", s->phase, "index", s->index,
						     "interval_ns", (json_int_t)s->interval_ns, "runs",
						     (json_int_t)s->runs, "columns", columns, "rows", rows));
	}
	return all;
}
