// SPDX-License-Identifier: GPL-2.0-or-later
/* Labels of the axes, sorted. Knows no rule. */
#include "matrix/labels.h"

#include <string.h>

#include "base/mem.h"

static int by_label(const void *a, const void *b, void *labels)
{
	const char *const *v = labels;

	return strcmp(v[*(const size_t *)a], v[*(const size_t *)b]);
}

static void axis_sort(struct axis *axis)
{
	axis->sorted = xcalloc(axis->n, sizeof(*axis->sorted));
	for (size_t i = 0; i < axis->n; i++)
		axis->sorted[i] = i;
	qsort_r(axis->sorted, axis->n, sizeof(*axis->sorted), by_label, axis->labels);
}

#define AXIS_MAKE(axis, entries, n_entries)                                                                            \
	do {                                                                                                           \
		(axis)->n = (n_entries);                                                                               \
		(axis)->labels = xcalloc((n_entries), sizeof(char *));                                                 \
		for (size_t i_ = 0; i_ < (n_entries); i_++)                                                            \
			(axis)->labels[i_] = (entries)[i_].label;                                                      \
		axis_sort(axis);                                                                                       \
	} while (0)

void axes_make(const struct matrix *m, struct axes *axes)
{
	AXIS_MAKE(&axes->kernels, m->kernels, m->n_kernels);
	AXIS_MAKE(&axes->folios, m->folios, m->n_folios);
	AXIS_MAKE(&axes->workloads, m->workloads, m->n_workloads);
	AXIS_MAKE(&axes->storages, m->storages, m->n_storages);
	AXIS_MAKE(&axes->limits, m->limits, m->n_limits);
}

void axes_free(struct axes *axes)
{
	struct axis *each[] = { &axes->kernels, &axes->folios, &axes->workloads, &axes->storages, &axes->limits };

	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		free(each[i]->labels);
		free(each[i]->sorted);
	}
}

size_t axis_find(const struct axis *axis, const char *label)
{
	size_t lo = 0, hi = axis->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(label, axis->labels[axis->sorted[mid]]);

		if (!c)
			return axis->sorted[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return SIZE_MAX;
}
