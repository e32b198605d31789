// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/pmu.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "stat/stat.h"

/* What a job on hardware asks for (run/job.c), by the names of the metrics. */
static const struct {
	const char *name, *label;
} events[] = {
	{ "insns", "instructions" },
	{ "cycles", "CPU cycles" },
	{ "dtlb_walk", "page walks for data" },
	{ "itlb_walk", "page walks for instructions" },
	{ "l1d_tlb_refill", "L1 data TLB refills" },
	{ "l2d_tlb_refill", "L2 TLB refills" },
};

static const struct {
	const char *suffix, *name;
} units[] = { { "mib", "MiB" }, { "op", "operation" }, { "sample", "sample" } };

static const char *const halves[PMU_HALVES] = { "user", "kernel" };

bool pmu_metric(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot && starts_with(dot, ".pmu.");
}

static const struct measure *find(const struct measures *m, const char *phase, const char *event, int half,
				  const char *unit)
{
	_cleanup_free_ char *name = xasprintf("%s.pmu.%s_%s_per_%s", phase, event, halves[half], unit);

	return measures_find(m, name);
}

static bool read_event(const struct measures *base, const struct measures *other, const char *phase, const char *unit,
		       struct pmu_event *e)
{
	for (int half = 0; half < PMU_HALVES; half++) {
		const struct measure *a = find(base, phase, e->name, half, unit);
		const struct measure *b = find(other, phase, e->name, half, unit);

		if (!a || !b)
			return false;
		e->base[half] = stat_mean(a->values, a->n_values);
		e->other[half] = stat_mean(b->values, b->n_values);
	}
	return true;
}

/* In the first unit in which both sides have anything. */
static bool read_phase(const struct measures *base, const struct measures *other, bool by_mib, struct pmu_phase *p)
{
	for (size_t u = by_mib ? 0 : 1; u < ARRAY_SIZE(units) && !p->n; u++) {
		p->per = units[u].name;
		for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
			struct pmu_event e = { .name = events[i].name, .label = events[i].label };

			if (read_event(base, other, p->phase, units[u].suffix, &e))
				*VEC_PUSH(p->v, p->n) = e;
		}
	}
	return p->n;
}

static const struct pmu_event *event_of(const struct pmu_phase *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, name))
			return &p->v[i];
	return NULL;
}

double pmu_ipc(const struct pmu_phase *p, bool other)
{
	const struct pmu_event *insns = event_of(p, "insns"), *cycles = event_of(p, "cycles");
	const double *a, *b;

	if (!insns || !cycles)
		return NAN;
	a = other ? insns->other : insns->base;
	b = other ? cycles->other : cycles->base;
	return (a[PMU_USER] + a[PMU_KERNEL]) / (b[PMU_USER] + b[PMU_KERNEL]);
}

static void add_phase(const struct measures *base, const struct measures *other, bool by_mib, const char *name,
		      struct pmu_pair *ret)
{
	struct pmu_phase p = { .phase = xstrndup(name, strcspn(name, ".")) };

	for (size_t i = 0; i < ret->n; i++)
		if (!strcmp(ret->v[i].phase, p.phase)) {
			free(p.phase);
			return;
		}
	if (read_phase(base, other, by_mib, &p))
		*VEC_PUSH(ret->v, ret->n) = p;
	else
		free(p.phase);
}

static double least_counted(const struct measures *m)
{
	double least = 1;

	for (size_t i = 0; i < m->n; i++)
		if (ends_with(m->v[i].name, ".pmu.counted"))
			least = fmin(least, stat_min(m->v[i].values, m->v[i].n_values));
	return least;
}

static char *list_lacking(const struct pmu_pair *pair)
{
	struct text out = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		bool any = false;

		for (size_t k = 0; k < pair->n; k++)
			any |= event_of(&pair->v[k], events[i].name) != NULL;
		if (!any)
			text_add(&out, "%s%s", out.len ? ", " : "", events[i].label);
	}
	return out.len ? text_steal(&out) : NULL;
}

void pmu_pair(const struct measures *base, const struct measures *other, bool by_mib, struct pmu_pair *ret)
{
	*ret = (struct pmu_pair){ .counted = fmin(least_counted(base), least_counted(other)) };
	for (size_t i = 0; i < base->n; i++)
		if (pmu_metric(base->v[i].name))
			add_phase(base, other, by_mib, base->v[i].name, ret);
	ret->lacks = list_lacking(ret);
}

void pmu_pair_free(struct pmu_pair *pair)
{
	for (size_t i = 0; i < pair->n; i++) {
		free(pair->v[i].phase);
		free(pair->v[i].v);
	}
	free(pair->v);
	free(pair->lacks);
	*pair = (struct pmu_pair){ 0 };
}
