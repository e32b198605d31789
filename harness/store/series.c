// SPDX-License-Identifier: GPL-2.0-or-later
/* SERIES records to rows. The guest is not trusted: columns, rows and names have bounds. */
#include "store/series.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "store/span.h"
#include "store/store.h"
#include "wire/job.h"

#define SERIES_MAX 1000
#define TEXT_MAX 128 /* of a name: a phase has at most so many */

static struct span field(const struct wire_record *record, unsigned int i)
{
	return (struct span){ record->fields[i].data, record->fields[i].len };
}

static char *text_of(struct span s)
{
	return text_visible(s.s, s.len < TEXT_MAX ? s.len : TEXT_MAX);
}

/* "charged cgroup/memory.current -" */
static void take_columns(struct series *s, struct span text)
{
	struct span line, name, path, word;

	while (s->n_columns < SERIES_COLUMNS_MAX && span_next_line(&text, &line)) {
		struct series_column *c;

		if (!span_next_word(&line, &name) || !span_next_word(&line, &path) || !span_next_word(&line, &word))
			return;
		c = VEC_PUSH(s->columns, s->n_columns);
		*c = (struct series_column){ text_of(name), text_of(path), text_of(word), "", 1 };
		if (span_is(path, "/proc/meminfo")) {
			c->unit = "bytes";
			c->scale = 1024;
		} else if (span_starts(path, "cgroup/memory.")) {
			c->unit = "bytes";
		}
	}
}

static void take_rows(struct series *s, struct span text)
{
	struct span line, word;

	while (s->n_rows <= SERIES_ROWS_MAX && span_next_line(&text, &line)) {
		double row[SERIES_COLUMNS_MAX + 1];

		if (!span_next_word(&line, &word) || !span_number(word, &row[0]))
			return;
		for (size_t i = 0; i < s->n_columns; i++) {
			double v;
			bool known = span_next_word(&line, &word) && span_number(word, &v);

			row[i + 1] = known ? v * s->columns[i].scale : NAN;
		}
		s->rows = xrealloc(s->rows, (s->n_rows + 1) * (s->n_columns + 1), sizeof(*s->rows));
		memcpy(s->rows + s->n_rows * (s->n_columns + 1), row, (s->n_columns + 1) * sizeof(*row));
		s->n_rows++;
	}
}

void series_take(struct series_list *list, const struct wire_record *record)
{
	struct series *s = list->n ? &list->v[list->n - 1] : NULL;
	uint64_t interval_ns, runs;

	if (record->type != WIRE_SERIES || record->n_fields < 6 || !wire_number(record, 2, &interval_ns) ||
	    !wire_number(record, 3, &runs))
		return;
	if (!s || !wire_is(record, 0, s->phase) || !wire_is(record, 1, s->index)) {
		if (list->n == SERIES_MAX)
			return;
		s = VEC_PUSH(list->v, list->n);
		*s = (struct series){ .phase = text_of(field(record, 0)),
				      .index = text_of(field(record, 1)),
				      .interval_ns = interval_ns,
				      .runs = runs };
		take_columns(s, field(record, 4));
	}
	take_rows(s, field(record, 5));
}

void series_list_free(struct series_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		struct series *s = &list->v[i];

		for (size_t c = 0; c < s->n_columns; c++) {
			free(s->columns[c].name);
			free(s->columns[c].path);
			free(s->columns[c].word);
		}
		free(s->columns);
		free(s->rows);
		free(s->phase);
		free(s->index);
	}
	free(list->v);
	*list = (struct series_list){ 0 };
}

size_t series_column(const struct series *series, size_t column, double *t, double *v)
{
	size_t n = 0;

	for (size_t i = 0; i < series->n_rows; i++) {
		const double *row = series->rows + i * (series->n_columns + 1);

		if (isnan(row[column + 1]))
			continue;
		t[n] = row[0] / 1e9;
		v[n++] = row[column + 1];
	}
	return n;
}
