// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/recorded.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "stat/stat.h"

int recorded_measures(const struct run *run, const struct cell_record *cell, unsigned int boot, struct measures *ret,
		      struct err *err)
{
	struct boot_result result = { 0 };
	size_t boots = cell_boots(run, cell);
	int rc;

	if (cell->skip)
		return err_set(err, ERR_CONFIG, "%s: it was skipped: %s", cell->id, cell->skip);
	if (boot < 1 || boot > boots)
		return err_set(err, ERR_CONFIG, "%s: it has boots 1 to %zu", cell->id, boots);
	rc = boot_read(run, cell, boot, &result, err);
	if (rc == 0 && result.outcome != OUTCOME_OK)
		rc = err_set(err, ERR_CONFIG, "%s: boot %u is not ok", cell->id, boot);
	if (rc == 0)
		rc = boot_measure(cell, &result, ret, err);
	boot_result_free(&result);
	return rc;
}

bool recorded_only(const struct cell_record *cell)
{
	return !cell->skip && cell->basis != BASIS_SIMULATED;
}

static char *why_not(const struct cell_record *cell, bool perf)
{
	return xasprintf(
		"%s ran on the basis %s, where no boot repeats to the bit, so its instructions cannot be counted "
		"function by function. Below are the counters that it recorded, the CPUs' own first, if it has any: "
		"they tell which events became more, not which function they cost. Functions are told exactly by the "
		"same matrix with accel: simulated%s",
		cell->id, basis_names[cell->basis],
		perf ? "; perf's samples below are shares, with an error, of a boot of their own."
		     : ", or as shares by perf: without the package linux-perf in the root file system of both cells "
		       "there "
		       "is no perf.");
}

static double relative(const struct counter_change *c)
{
	return c->base ? fabs(c->other / c->base - 1) : HUGE_VAL;
}

static bool is_time(const struct counter_change *c)
{
	return ends_with(c->name, ".ns_per_op");
}

static int by_change(const void *a, const void *b)
{
	const struct counter_change *x = a, *y = b;

	if (is_time(x) != is_time(y))
		return is_time(y) - is_time(x);
	if (relative(x) != relative(y))
		return (relative(x) < relative(y)) - (relative(x) > relative(y));
	return strcmp(x->name, y->name);
}

static void add_changes(struct recorded *r, const struct measures *a, const struct measures *b)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct measure *x = &a->v[i], *y = measures_find(b, x->name);
		struct counter_change c = { .unit = x->metric->unit };

		if (!ends_with(x->name, "_per_op") || !y || pmu_metric(x->name))
			continue;
		c.base = stat_mean(x->values, x->n_values);
		c.other = stat_mean(y->values, y->n_values);
		if (c.base == c.other)
			continue;
		c.name = xstrdup(x->name);
		*VEC_PUSH(r->v, r->n) = c;
	}
	if (r->n)
		qsort(r->v, r->n, sizeof(*r->v), by_change);
}

int recorded_explain(const struct run *base_run, const struct cell_record *base, const struct run *other_run,
		     const struct cell_record *other, unsigned int boot, struct recorded *ret, struct err *err)
{
	struct measures a = { 0 }, b = { 0 };
	int rc = recorded_measures(base_run, base, boot, &a, err);

	if (rc == 0)
		rc = recorded_measures(other_run, other, boot, &b, err);
	if (rc == 0) {
		*ret = (struct recorded){ .why = why_not(recorded_only(base) ? base : other,
							 sampled_possible(base) && sampled_possible(other)) };
		pmu_pair(&a, &b, base->page_bytes != other->page_bytes, &ret->pmu);
		add_changes(ret, &a, &b);
	}
	measures_free(&a);
	measures_free(&b);
	return rc;
}

void recorded_free(struct recorded *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].name);
	free(r->v);
	pmu_pair_free(&r->pmu);
	sampled_free(&r->sampled);
	free(r->no_samples);
	free(r->why);
	*r = (struct recorded){ 0 };
}
