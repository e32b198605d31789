// SPDX-License-Identifier: GPL-2.0-or-later
/* Matrix -> cells. Skip rules become tables of yes and no by axis first, so that a cell costs no comparison of names. */
#include <string.h>

#include "base/mem.h"
#include "matrix/labels.h"
#include "matrix/matrix.h"

/* One rule: which entries of each axis it selects. */
struct selector {
	bool *kernels, *folios, *workloads, *storages, *limits; /* owned */
	const char *why;					/* borrowed from the rule */
};

static bool *select_entries(const struct axis *axis, const struct string_list *list)
{
	bool *selected = xcalloc(axis->n, sizeof(bool));

	if (!list->n)
		memset(selected, true, axis->n * sizeof(bool));
	for (size_t i = 0; i < list->n; i++) {
		size_t at = axis_find(axis, list->v[i]);

		if (at != SIZE_MAX)
			selected[at] = true;
	}
	return selected;
}

static struct selector *make_selectors(const struct matrix *m)
{
	struct selector *selectors = xcalloc(m->n_skips, sizeof(*selectors));
	struct axes axes;

	axes_make(m, &axes);
	for (size_t i = 0; i < m->n_skips; i++) {
		const struct skip_rule *rule = &m->skips[i];

		selectors[i] = (struct selector){
			.kernels = select_entries(&axes.kernels, &rule->kernels),
			.folios = select_entries(&axes.folios, &rule->folios),
			.workloads = select_entries(&axes.workloads, &rule->workloads),
			.storages = select_entries(&axes.storages, &rule->storages),
			.limits = select_entries(&axes.limits, &rule->limits),
			.why = rule->why,
		};
	}
	axes_free(&axes);
	return selectors;
}

static void free_selectors(struct selector *selectors, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(selectors[i].kernels);
		free(selectors[i].folios);
		free(selectors[i].workloads);
		free(selectors[i].storages);
		free(selectors[i].limits);
	}
	free(selectors);
}

/* KERNEL.FOLIO.WORKLOAD[.STORAGE][.LIMIT]; snprintf() would be most of the time that a large matrix takes. */
static char *cell_id(const struct cell *cell)
{
	const char *labels[5] = { cell->kernel->label, cell->folio->label, cell->workload->label };
	size_t n = 0, n_labels = 3;
	char *id, *p;

	if (cell->storage)
		labels[n_labels++] = cell->storage->label;
	if (cell->limit)
		labels[n_labels++] = cell->limit->label;
	for (size_t i = 0; i < n_labels; i++)
		n += strlen(labels[i]) + 1;
	id = p = xcalloc(n, 1);
	for (size_t i = 0; i < n_labels; i++) {
		p = stpcpy(p, labels[i]);
		*p++ = '.';
	}
	p[-1] = '\0';
	return id;
}

void matrix_expand(const struct matrix *m, struct cell **ret_cells, size_t *ret_n)
{
	struct selector *selectors = make_selectors(m);
	size_t n = 0, per_storage = m->n_limits ? m->n_limits : 1,
	       per_workload = (m->n_storages ? m->n_storages : 1) * per_storage,
	       per_folio = m->n_workloads * per_workload, per_kernel = m->n_folios * per_folio,
	       total = m->n_kernels * per_kernel;
	struct cell *cells = xcalloc(total, sizeof(*cells));

	for (; n < total; n++) {
		size_t k = n / per_kernel, f = n / per_folio % m->n_folios, w = n / per_workload % m->n_workloads,
		       s = n % per_workload / per_storage, l = n % per_storage;
		struct cell *cell = &cells[n];

		cell->kernel = &m->kernels[k];
		cell->folio = &m->folios[f];
		cell->workload = &m->workloads[w];
		cell->storage = m->n_storages ? &m->storages[s] : NULL;
		cell->limit = m->n_limits ? &m->limits[l] : NULL;
		cell->id = cell_id(cell);
		for (size_t i = 0; i < m->n_skips && !cell->skip; i++)
			if (selectors[i].kernels[k] && selectors[i].folios[f] && selectors[i].workloads[w] &&
			    (!m->n_storages || selectors[i].storages[s]) && (!m->n_limits || selectors[i].limits[l]))
				cell->skip = xstrdup(selectors[i].why);
	}
	free_selectors(selectors, m->n_skips);
	*ret_cells = cells;
	*ret_n = total;
}

void cells_free(struct cell *cells, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(cells[i].id);
		free(cells[i].skip);
	}
	free(cells);
}
