// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/origins.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "explain/explain.h"
#include "workloads/workload.h"

#define LEAST 0.05 /* instructions per operation: what a table rounds to 0 is no origin */

/* "insns_per_op", or what the pair's workload calls an operation. Owned by the caller. */
static char *cost_of(const struct pair *pair)
{
	const struct workload *w = pair->base->workload ? workload_find(pair->base->workload) : NULL;

	return xasprintf(".insns_per_%s", w ? workload_operation(w) : "op");
}

static bool is_asked_for(const struct row *row, const char *cost, const struct compare_options *options)
{
	if (!ends_with(row->name, cost) || !row->has_change)
		return false;
	return row->verdict == VERDICT_LONGER || row->verdict == VERDICT_SHORTER ||
	       (row->verdict == VERDICT_NOT_JUDGED && fabs(row->change) > options->effect);
}

static void take(struct row *row, const struct function_cost *f)
{
	size_t at = row->n_origins;
	double change = fabs(f->other - f->base);

	while (at && change > fabs(row->origins[at - 1].other - row->origins[at - 1].base))
		at--;
	if (change < LEAST || at == ORIGINS_MAX)
		return;
	if (row->n_origins == ORIGINS_MAX)
		free(row->origins[--row->n_origins].function);
	memmove(&row->origins[at + 1], &row->origins[at], (row->n_origins - at) * sizeof(*row->origins));
	row->origins[at] = (struct row_origin){ .function = xstrdup(f->name), .base = f->base, .other = f->other };
	row->n_origins++;
}

/* Both lists have the largest change first. */
static void set_origins(struct row *row, const char *cost, const struct explanation *e)
{
	_cleanup_free_ char *phase = xstrndup(row->name, strlen(row->name) - strlen(cost));

	for (size_t i = 0; i < e->n_phases; i++) {
		const struct phase_cost *p = &e->phases[i];

		if (strcmp(p->phase, phase) != 0)
			continue;
		if (!row->origins)
			row->origins = xcalloc(ORIGINS_MAX + 1, sizeof(*row->origins));
		for (size_t k = 0; k < p->n_functions && k < ORIGINS_MAX; k++)
			take(row, &p->functions[k]);
		for (size_t k = 0; k < p->n_user && k < ORIGINS_MAX; k++)
			take(row, &p->user[k]);
		return;
	}
}

/* 0 with an explanation, 1: there is none. */
static int explain_pair(const struct explain_side sides[2], const struct schedule_options *options,
			struct explanation **ret, struct err *err)
{
	size_t base_boots = cell_boots(sides[0].run, sides[0].cell), boots = cell_boots(sides[1].run, sides[1].cell);

	boots = boots < base_boots ? boots : base_boots;
	for (unsigned int boot = 1; boot <= boots; boot++) {
		struct err why = ERR_INIT;
		int rc;

		/* what nobody counted is not even read */
		if (!options && explain_kept(&sides[0], &sides[1], boot, NULL, ret, &why) == 0)
			return 0;
		if (!options)
			continue;
		if (boot_outcome(sides[0].run, sides[0].cell, boot) != OUTCOME_OK ||
		    boot_outcome(sides[1].run, sides[1].cell, boot) != OUTCOME_OK)
			continue;
		rc = explain_kept(&sides[0], &sides[1], boot, options, ret, &why);
		if (rc < 0 && why.kind != ERR_CONFIG) {
			*err = why;
			return -1;
		}
		return rc == 0 ? 0 : 1;
	}
	return 1;
}

int origins_find(struct comparison *c, const struct run *base, const struct run *other,
		 const struct schedule_options *options, struct err *err)
{
	for (size_t i = 0; i < c->n_pairs; i++) {
		const struct pair *pair = &c->pairs[i];
		const struct explain_side sides[] = { { base, pair->base }, { other ? other : base, pair->other } };
		_cleanup_(explanation_free_p) struct explanation *e = NULL;
		_cleanup_free_ char *cost = cost_of(pair);
		bool asked = false;
		int rc = 1;

		for (size_t k = 0; k < pair->n_rows; k++)
			asked |= is_asked_for(&pair->rows[k], cost, &c->options);
		if (asked)
			rc = explain_pair(sides, options, &e, err);
		if (rc < 0)
			return -1;
		for (size_t k = 0; e && k < pair->n_rows; k++)
			if (is_asked_for(&pair->rows[k], cost, &c->options))
				set_origins(&pair->rows[k], cost, e);
	}
	return 0;
}
