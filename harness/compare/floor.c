// SPDX-License-Identifier: GPL-2.0-or-later
/* From a calibration's boots to floors, and from floors to rows. Judges nothing. */
#include "compare/floor.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "compare/load.h"
#include "stat/floor.h"

void floors_free(struct floors *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_cells; i++) {
		struct floor_cell *c = &f->cells[i];

		for (size_t k = 0; k < c->n; k++)
			free(c->v[k].name);
		free(c->v);
		free(c->name);
		json_decref(c->parts);
	}
	free(f->cells);
	free(f->dir);
	free(f);
}

/* A cell's boots in the arms of a calibration: the base first, then the builds. */
struct arms {
	struct cell_data *v; /* owned */
	size_t n;
	struct cell_data slow; /* no boots: there is none */
};

static void arms_free(struct arms *a)
{
	for (size_t i = 0; i < a->n; i++)
		cell_data_free(&a->v[i]);
	free(a->v);
	cell_data_free(&a->slow);
}

static const char *behind_kernel(const struct cell_record *cell)
{
	return strchr(cell->id, '.') + 1;
}

/* The cell of @run that is @cell but for its kernel, which is @label. */
static const struct cell_record *twin(const struct run *run, const struct cell_record *cell, const char *label)
{
	_cleanup_free_ char *id = xasprintf("%s.%s", label, behind_kernel(cell));

	return run_find_cell(run, id);
}

/* @arm less @base by seed, each boot the median of its samples, where both have it. @ret holds base->n_boots. */
static size_t differences(const struct cell_data *base, const struct cell_data *arm, const char *name, double *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < base->n_boots && i < arm->n_boots; i++) {
		const struct measure *a = boot_measure_find(&base->boots[i], name, 0),
				     *b = boot_measure_find(&arm->boots[i], name, 0);

		if (a && b)
			ret[n++] = measure_median(b) - measure_median(a);
	}
	return n;
}

static double base_median(const struct cell_data *base, const char *name, double *ret_resolution)
{
	_cleanup_free_ double *v = xcalloc(base->n_boots + 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < base->n_boots; i++) {
		const struct measure *m = boot_measure_find(&base->boots[i], name, 0);

		if (!m)
			continue;
		v[n++] = measure_median(m);
		*ret_resolution = fmax(*ret_resolution, m->resolution);
	}
	return stat_median(v, n);
}

/* What a difference must exceed. */
static double floor_bar(const struct metric *metric, enum basis basis, double resolution, double amount)
{
	return metric->class == METRIC_TIME && basis == BASIS_SIMULATED ? amount : fmax(resolution, amount);
}

static void find_slow(const struct arms *arms, enum basis basis, struct floor_entry *e, double *scratch)
{
	size_t n = differences(&arms->v[0], &arms->slow, e->name, scratch);
	struct stat_interval d = stat_interval(scratch, n, STAT_CONFIDENCE);
	double bar = floor_bar(e->metric, basis, e->resolution, e->amount);

	e->has_slow = d.known;
	e->slow = d.mean;
	e->timed = d.known && (d.low > bar || d.high < -bar);
}

/* One metric: nothing is added unless every build has it under two seeds of the base. */
static void add_entry(struct floor_cell *cell, const struct arms *arms, const struct measure *m)
{
	_cleanup_free_ double *means = xcalloc(arms->n, sizeof(*means)),
			      *scratch = xcalloc(arms->v[0].n_boots + 1, sizeof(*scratch));
	struct floor_entry e = { .metric = m->metric, .n_builds = arms->n };

	for (size_t i = 1; i < arms->n; i++) {
		size_t n = differences(&arms->v[0], &arms->v[i], m->name, scratch);

		if (n < 2)
			return;
		cell->n_seeds = !cell->n_seeds || n < cell->n_seeds ? n : cell->n_seeds;
		means[i] = stat_mean(scratch, n);
	}
	e.name = xstrdup(m->name);
	e.median = base_median(&arms->v[0], m->name, &e.resolution);
	e.amount = stat_floor(means, arms->n, FLOOR_COVERAGE, FLOOR_CONFIDENCE);
	e.seen = stat_max(means, arms->n) - stat_min(means, arms->n);
	find_slow(arms, cell->basis, &e, scratch);
	*VEC_PUSH(cell->v, cell->n) = e;
}

static int load_arms(const struct run *run, const struct cell_record *base, const json_t *one, struct arms *arms,
		     struct err *err)
{
	const json_t *layouts = json_object_get(one, "layouts");
	const char *slow = json_string_value(json_object_get(one, "slow"));
	const struct cell_record *cell = base;

	for (size_t i = 0; i <= json_array_size(layouts); i++) {
		if (i)
			cell = twin(run, base, json_string_value(json_array_get(layouts, i - 1)));
		if (!cell || cell->skip)
			continue;
		if (cell_load(run, cell, VEC_PUSH(arms->v, arms->n), err) < 0) {
			arms->n--;
			return -1;
		}
	}
	cell = slow ? twin(run, base, slow) : NULL;
	return cell && !cell->skip ? cell_load(run, cell, &arms->slow, err) : 0;
}

/* All of a definition but for the kernel and the guest. */
static json_t *definition_parts(const struct cell_record *cell)
{
	static const char *const names[] = { "folio", "workload", "storage", "limit" };
	json_t *parts = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		json_object_set(parts, names[i], json_object_get(cell->definition, names[i]));
	return parts;
}

static int add_cell(struct floors *f, const struct run *run, const struct cell_record *base, const json_t *one,
		    struct err *err)
{
	_cleanup_(arms_free) struct arms arms = { 0 };
	const struct boot_data *first;
	struct floor_cell *cell;

	if (load_arms(run, base, one, &arms, err) < 0)
		return -1;
	if (arms.n < 1 + FLOOR_BUILDS_LEAST)
		return 0;
	cell = VEC_PUSH(f->cells, f->n_cells);
	*cell = (struct floor_cell){
		.name = xstrdup(behind_kernel(base)),
		.parts = definition_parts(base),
		.page_bytes = base->page_bytes,
		.cpus = base->cpus,
		.memory_bytes = base->memory_bytes,
		.basis = base->basis,
	};
	f->n_builds = arms.n > f->n_builds ? arms.n : f->n_builds;
	first = cell_first_measured(&arms.v[0]);
	for (size_t i = 0; first && i < first->measures.n; i++)
		add_entry(cell, &arms, &first->measures.v[i]);
	return 0;
}

int floors_load(const struct run *run, struct floors **ret, struct err *err)
{
	_cleanup_(floors_free_p) struct floors *f = xcalloc(1, sizeof(*f));
	const json_t *all = json_object_get(run->header, "calibration");

	if (!json_array_size(all))
		return err_set(err, ERR_CONFIG, "%s is no calibration; `granule calibrate MATRIX` makes one", run->dir);
	f->dir = xstrdup(run->dir);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *one = json_array_get(all, i);
		const char *label = json_string_value(json_object_get(one, "base"));

		for (size_t k = 0; label && k < run->n_cells; k++)
			if (!run->cells[k].skip && starts_with(run->cells[k].id, label) &&
			    run->cells[k].id[strlen(label)] == '.' && add_cell(f, run, &run->cells[k], one, err) < 0)
				return -1;
	}
	if (!f->n_cells)
		return err_set(err, ERR_CONFIG, "%s: no cell has a base and %d layout-neutral builds of it", run->dir,
			       FLOOR_BUILDS_LEAST);
	*ret = steal_ptr(f);
	return 0;
}

static bool same_cell(const struct floor_cell *f, const struct cell_record *cell)
{
	json_t *parts = definition_parts(cell);
	bool same = f->page_bytes == cell->page_bytes && f->cpus == cell->cpus &&
		    f->memory_bytes == cell->memory_bytes && f->basis == cell->basis && json_equal(f->parts, parts);

	json_decref(parts);
	return same;
}

const struct floor_cell *floors_cell(const struct floors *f, const struct cell_record *cell)
{
	for (size_t i = 0; f && i < f->n_cells; i++)
		if (same_cell(&f->cells[i], cell))
			return &f->cells[i];
	return NULL;
}

const struct floor_entry *floor_find(const struct floor_cell *cell, const char *metric)
{
	for (size_t i = 0; i < cell->n; i++)
		if (!strcmp(cell->v[i].name, metric))
			return &cell->v[i];
	return NULL;
}

char *floor_apply(const struct floor_cell *base, const struct floor_cell *other, struct row *row)
{
	const struct floor_entry *a = base ? floor_find(base, row->name) : NULL;
	const struct floor_entry *b = other ? floor_find(other, row->name) : NULL;
	double amount;

	if (!a || !b)
		return NULL;
	amount = fmax(a->amount, b->amount);
	row->has_floor = true;
	row->floor = amount;
	row->timed = a->timed || b->timed;
	row->resolution = floor_bar(row->metric, base->basis, row->resolution, amount);
	if (!row->timed || base->basis == BASIS_HARDWARE)
		return NULL;
	a = a->timed ? a : b;
	return xasprintf("timed: it moves by %.3g %s when the kernel's periodic work comes ten times more rarely",
			 a->slow, row->metric->unit);
}
