// SPDX-License-Identifier: GPL-2.0-or-later
/* Named series of numbers and the dictionary's look-up. Knows no file and no workload. */
#include "store/metric.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void measures_free(struct measures *measures)
{
	for (size_t i = 0; i < measures->n; i++) {
		free(measures->v[i].name);
		free(measures->v[i].values);
	}
	free(measures->v);
	*measures = (struct measures){ 0 };
}

const struct metric *metric_lookup(const struct metric *table, const char *suffix)
{
	for (const struct metric *m = table; m && m->pattern; m++)
		if (fnmatch(m->pattern, suffix, 0) == 0)
			return m;
	return NULL;
}

static bool name_is(const char *name, const char *phase, size_t phase_len, const char *suffix)
{
	return !strncmp(name, phase, phase_len) && name[phase_len] == '.' && !strcmp(name + phase_len + 1, suffix);
}

/* Searches from where the last search ended, so a sample with the metrics of the one before costs one step each. */
static struct measure *find_or_null(struct measures *measures, const char *phase, const char *suffix)
{
	size_t phase_len = strlen(phase);

	for (size_t k = 0; k < measures->n; k++) {
		size_t i = (measures->cursor + k) % measures->n;

		if (name_is(measures->v[i].name, phase, phase_len, suffix)) {
			measures->cursor = i + 1;
			return &measures->v[i];
		}
	}
	return NULL;
}

void measures_add(struct measures *measures, const struct measure_context *context, const struct metric *table,
		  const char *phase, const char *suffix, double value)
{
	struct measure *m = find_or_null(measures, phase, suffix);

	if (!m) {
		const struct metric *metric = metric_lookup(table, suffix);
		double page = (double)context->page_bytes;

		if (!metric) {
			fprintf(stderr, "granule: metric '%s' is in no dictionary\n", suffix);
			abort();
		}
		m = VEC_PUSH(measures->v, measures->n);
		m->name = xasprintf("%s.%s", phase, suffix);
		m->metric = metric;
		m->resolution = metric->resolution + metric->resolution_pages * page +
				metric->resolution_pages_per_cpu * page * (double)context->cpus;
		measures->cursor = measures->n;
	}
	*VEC_PUSH(m->values, m->n_values) = value;
}

const struct measure *measures_find(const struct measures *measures, const char *name)
{
	for (size_t i = 0; i < measures->n; i++)
		if (!strcmp(measures->v[i].name, name))
			return &measures->v[i];
	return NULL;
}
