// SPDX-License-Identifier: GPL-2.0-or-later
/* What is said of a series in numbers: PHASE.series.COUNTER_max, _min, _last, _slope. Apart from those of samples by name:
 * reading counters beside a program disturbs it. */
#include "store/reader.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "stat/stat.h"

static void add(struct reader *r, const struct series *s, size_t column, const char *what, double value)
{
	char suffix[SUFFIX_SIZE];

	snprintf(suffix, sizeof(suffix), "series.%s_%s", s->columns[column].name, what);
	if (!isnan(value))
		reader_add(r, s->phase, suffix, value);
}

void series_measure(struct reader *r)
{
	for (size_t i = 0; i < r->series.n; i++) {
		const struct series *s = &r->series.v[i];
		_cleanup_free_ double *t = xcalloc(s->n_rows + 1, sizeof(*t)), *v = xcalloc(s->n_rows + 1, sizeof(*v));

		for (size_t c = 0; c < s->n_columns && name_safe(s->phase); c++) {
			size_t n = series_column(s, c, t, v);

			if (!n || !*s->columns[c].unit || !name_safe(s->columns[c].name))
				continue;
			add(r, s, c, "max", stat_max(v, n));
			add(r, s, c, "min", stat_min(v, n));
			add(r, s, c, "last", v[n - 1]);
			add(r, s, c, "slope", stat_slope(t, v, n));
		}
	}
}
