// SPDX-License-Identifier: GPL-2.0-or-later
/* The fewest boots that a verdict takes. */
#include "run/reach.h"

#include "base/mem.h"
#include "base/text.h"
#include "stat/rank.h"
#include "stat/stat.h"

#define PAIRS_LEAST 2

/* Is any cell that runs on hardware? */
static bool any_on_hardware(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_cells; i++) {
		enum basis basis = BASIS_SIMULATED;
		char *reason = NULL;

		/* a basis that cannot be had is another error, and said by whoever needs it */
		if (!plan->cells[i].skip && plan_basis(plan, &plan->cells[i], &basis, &reason, NULL) == 0)
			free(reason);
		if (basis == BASIS_HARDWARE)
			return true;
	}
	return false;
}

int reach_check(const struct plan *plan, char **ret_warning, struct err *err)
{
	const struct matrix *m = plan->matrix;
	const struct trials *t = &m->trials;
	uint64_t boots = t->until.at_most ? t->until.at_most : t->seeds;
	bool hardware = any_on_hardware(plan);
	double confidence = m->n_gates ? 1 - (1 - STAT_CONFIDENCE) / (double)m->n_gates : STAT_CONFIDENCE;
	size_t least = hardware ? stat_shift_least_two(confidence) : PAIRS_LEAST;
	const char *noun = hardware ? "boot" : "seed", *key = t->until.at_most ? "until" : "seeds";
	_cleanup_free_ char *sentence = NULL;
	struct err warning = ERR_INIT;

	*ret_warning = NULL;
	if (!plan->n_runnable || boots >= least)
		return 0;
	if (m->n_gates)
		sentence = xasprintf("with %llu %s%s no gate of this matrix could ever fail: it takes %zu %ss a cell",
				     (unsigned long long)boots, noun, boots == 1 ? "" : "s", least, noun);
	else
		sentence = xasprintf(
			"with %llu %s%s there is no interval, and so hardly a verdict: it takes %zu %ss a cell",
			(unsigned long long)boots, noun, boots == 1 ? "" : "s", least, noun);
	matrix_trials_error(m, key, sentence, m->n_gates ? err : &warning);
	if (m->n_gates)
		return -1;
	*ret_warning = xstrdup(warning.msg);
	return 0;
}
