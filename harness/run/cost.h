/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a boot cost last time, so that `list` can say what a run will cost: one small file in the cache for each
 * workload, its trials and base page. A matter of this host; nothing else reads it. */
#ifndef GRANULE_RUN_COST_H
#define GRANULE_RUN_COST_H

#include "run/owed.h"
#include "run/plan.h"

/* Remember the median wall time of the ok boots, cell by cell. Errors are nobody's business: a guess gets worse. */
void cost_record(const struct owed *owed);

struct cost {
	double seconds;	  /* of all boots of the runnable cells, one after the other */
	size_t n_unknown; /* cells whose like was never run here; each boot counted with COST_GUESS_S */
};

#define COST_GUESS_S 20

struct cost cost_of(const struct plan *plan);

#endif
