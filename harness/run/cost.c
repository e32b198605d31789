// SPDX-License-Identifier: GPL-2.0-or-later
#include "run/cost.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "stat/stat.h"
#include "workloads/workload.h"

/* The file for a workload's definition, its trials and a base page. Takes over both JSON values. */
static char *cost_path(const char *workload, json_t *parameters, json_t *trials, uint64_t page_bytes)
{
	_cleanup_free_ char *cache = cache_dir(), *text = NULL;
	json_t *o = json_pack("{s:s, s:o, s:o, s:I}", "workload", workload, "parameters", parameters, "trials", trials,
			      "page_bytes", (json_int_t)page_bytes);
	char sha256[SHA256_HEX_SIZE];

	/* seeds are boots, not a boot's cost */
	json_object_del(json_object_get(o, "trials"), "seeds");
	text = json_dumps(o, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(o);
	sha256_bytes(text, strlen(text), sha256);
	return xasprintf("%s/costs/%.16s", cache, sha256);
}

static void record_cell(const struct cell_record *cell, const double *walls, size_t n)
{
	const json_t *workload = json_object_get(cell->definition, "workload");
	json_t *parameters = json_object_get(workload, "parameters");
	json_t *trials = json_object_get(cell->definition, "trials");
	_cleanup_free_ char *path = NULL, *text = NULL, *dir = NULL;

	if (!n || !parameters || !trials)
		return;
	path = cost_path(cell->workload, json_deep_copy(parameters), json_deep_copy(trials), cell->page_bytes);
	text = xasprintf("%.3f\n", stat_median(walls, n));
	dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	if (make_dirs(dir, NULL) == 0)
		file_write(path, text, strlen(text), NULL);
}

void cost_record(const struct owed *owed)
{
	struct walls {
		double *v; /* owned */
		size_t n;
	} *cells = xcalloc(owed->run->n_cells, sizeof(*cells));

	for (size_t i = 0; i < owed->n; i++) {
		const struct owed_boot *b = &owed->boots[i];
		struct walls *w = &cells[b->cell - owed->run->cells];

		if (b->outcome == OUTCOME_OK && b->wall_s >= 0)
			*VEC_PUSH(w->v, w->n) = b->wall_s;
	}
	for (size_t i = 0; i < owed->run->n_cells; i++) {
		record_cell(&owed->run->cells[i], cells[i].v, cells[i].n);
		free(cells[i].v);
	}
	free(cells);
}

static double seconds_last_time(const struct plan *plan, const struct workload_spec *workload, uint64_t page_bytes)
{
	_cleanup_free_ char *path =
		cost_path(workload->type->name, options_json(workload->type->options, workload->params),
			  options_json(trials_options, &plan->matrix->trials), page_bytes);
	_cleanup_free_ char *text = NULL;

	if (file_read(path, 64, &text, NULL, NULL) < 0)
		return -1;
	return atof(text);
}

struct cost cost_of(const struct plan *plan)
{
	const struct matrix *m = plan->matrix;
	double *known = xcalloc(m->n_kernels * m->n_workloads, sizeof(*known)); /* 0: not asked yet */
	struct cost cost = { 0 };

	for (size_t i = 0; i < plan->n_cells; i++) {
		const struct cell *cell = &plan->cells[i];
		size_t k = (size_t)(cell->kernel - m->kernels), w = (size_t)(cell->workload - m->workloads);
		double *seconds = &known[k * m->n_workloads + w];

		if (cell->skip)
			continue;
		if (*seconds == 0)
			*seconds = seconds_last_time(plan, cell->workload, plan->images[k]->page_bytes);
		if (*seconds < 0)
			cost.n_unknown++;
		cost.seconds += (double)m->trials.seeds * (*seconds < 0 ? COST_GUESS_S : *seconds);
	}
	free(known);
	return cost;
}
