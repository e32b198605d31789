// SPDX-License-Identifier: GPL-2.0-or-later
/* How many boots an adaptive cell has, from what its boots measured. Starts nothing and stores nothing: whoever reads
 * the same boots finds the same number. */
#include "store/store.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "stat/rank.h"
#include "stat/stat.h"
#include "workloads/workload.h"

struct rounds {
	const struct cell_record *cell;
	struct measures *boots; /* owned: of each boot in turn; n is 0 where it gave no number */
	size_t n, n_measured;
};

static bool looked_at(const struct cell_record *cell, const struct measure *m)
{
	/* what no verdict can rest on needs no boots */
	if (m->metric->not_judged || (m->metric->class == METRIC_TIME && cell->basis == BASIS_EMULATED) ||
	    (m->metric->timed && cell->basis != BASIS_HARDWARE))
		return false;
	if (!cell->until_metric)
		return workload_primary(cell->workload, m->name);
	return metric_wanted(cell->until_metric, m->name);
}

/* Half of the interval of @v to either side of its middle; INFINITY: too few for one. */
static double half_width(const double *v, size_t n, enum basis basis)
{
	struct stat_interval t = stat_interval(v, n, STAT_CONFIDENCE);
	struct stat_shift ranks;

	if (basis != BASIS_HARDWARE)
		return t.known ? (t.high - t.low) / 2 : INFINITY;
	ranks = stat_shift_one(v, n, STAT_CONFIDENCE);
	return ranks.known ? (ranks.high - ranks.low) / 2 : INFINITY;
}

/* Relative, and less where the resolution is wider; NAN: a metric that says nothing (all 0). */
static double relative_width(const struct measure *m, const double *values, size_t n, enum basis basis)
{
	_cleanup_free_ double *v = xcalloc(n + 1, sizeof(*v));
	double middle = fabs(stat_median(values, n)), least = stat_min(values, n), half;

	if (stat_min(values, n) == stat_max(values, n))
		return n < 2 ? INFINITY : least == 0 ? NAN : 0;
	for (size_t i = 0; i < n; i++)
		v[i] = least > 0 ? log(values[i]) : values[i];
	half = half_width(v, n, basis);
	if (isinf(half))
		return half;
	half = least > 0 ? expm1(half) : middle > 0 ? half / middle : INFINITY;
	return middle > 0 && half * middle <= m->resolution ? 0 : half;
}

static double width_of(const struct rounds *r, const struct measure *m)
{
	_cleanup_free_ double *values = xcalloc(r->n + 1, sizeof(*values));
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct measure *of = measures_find(&r->boots[i], m->name);

		if (of)
			values[n++] = measure_median(of);
	}
	return relative_width(m, values, n, r->cell->basis);
}

/* The widest of the metrics that are looked at; @ret_name is borrowed from the boots. */
static double widest(const struct rounds *r, const char **ret_name)
{
	double most = NAN;

	*ret_name = NULL;
	for (size_t i = 0; i < r->n; i++) {
		const struct measures *all = &r->boots[i];

		if (!all->n)
			continue;
		for (size_t k = 0; k < all->n; k++) {
			double width = looked_at(r->cell, &all->v[k]) ? width_of(r, &all->v[k]) : NAN;

			if (!isnan(width) && !(width <= most)) {
				most = width;
				*ret_name = all->v[k].name;
			}
		}
		break; /* the first that measured names what the cell has */
	}
	return most;
}

/* The end of the next round; r->n: there is none. */
static size_t next_round(const struct rounds *r, double width)
{
	/* boots that give no number will not begin to */
	return r->n_measured && !isnan(width) ? stat_next_round(r->n, width, r->cell->half_width, r->cell->boots_most)
					      : r->n;
}

/* Read boots up to @end. Returns 1, 0 if one of them has not come to its end, -1. */
static int read_boots(const struct run *run, struct rounds *r, size_t end, struct err *err)
{
	for (size_t boot = r->n + 1; boot <= end; boot++) {
		struct measures *measures = VEC_PUSH(r->boots, r->n);
		struct boot_result result;
		struct err why = ERR_INIT;
		bool owed;

		if (boot_read(run, r->cell, (unsigned int)boot, &result, err) < 0)
			return -1;
		owed = outcome_owed(result.outcome);
		if (result.outcome == OUTCOME_OK && boot_measure(r->cell, &result, measures, &why) == 0)
			r->n_measured++;
		boot_result_free(&result);
		if (owed)
			return 0;
	}
	return 1;
}

static void rounds_free(struct rounds *r)
{
	for (size_t i = 0; i < r->n; i++)
		measures_free(&r->boots[i]);
	free(r->boots);
}

int cell_rounds(const struct run *run, const struct cell_record *cell, struct cell_rounds *ret, struct err *err)
{
	_cleanup_(rounds_free) struct rounds r = { .cell = cell };
	size_t end = cell->skip ? 0 : cell->boots;
	int whole = 1;

	*ret = (struct cell_rounds){ .boots = end, .half_width = NAN, .done = !cell->boots_most };
	while (!cell->skip && cell->boots_most && !ret->done) {
		const char *name;

		whole = read_boots(run, &r, end, err);
		if (whole < 0) {
			free(ret->widest);
			ret->widest = NULL;
			return -1;
		}
		ret->boots = end;
		if (!whole)
			break;
		ret->half_width = widest(&r, &name);
		free(ret->widest);
		ret->widest = xstrdup(name);
		end = next_round(&r, ret->half_width);
		ret->done = end == r.n;
	}
	return 0;
}

size_t cell_boots(const struct run *run, const struct cell_record *cell)
{
	struct cell_rounds rounds;

	if (cell->skip || !cell->boots_most || cell_rounds(run, cell, &rounds, NULL) < 0)
		return cell->skip ? 0 : cell->boots;
	free(rounds.widest);
	return rounds.boots;
}
