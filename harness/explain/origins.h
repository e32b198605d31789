/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A comparison's verdicts on instructions, each with the functions that changed most. */
#ifndef GRANULE_EXPLAIN_ORIGINS_H
#define GRANULE_EXPLAIN_ORIGINS_H

#include "compare/compare.h"
#include "run/schedule.h"

#define ORIGINS_MAX 3

/* Set the origins of every row PHASE.insns_per_op (or _per_txn: what the workload calls an operation) of @comparison that is longer,
 * shorter, or moved by more than what matters and is not judged; by the first boot that is ok on both sides. @options: boot what was never counted; NULL:
 * boot nothing, rows that nobody has explained yet stay as they are. Cells that cannot be counted (their basis, no
 * System.map) stay so too. Errors: HOST, GUEST, as of explain(); with NULL none. */
int origins_find(struct comparison *comparison, const struct run *base, const struct run *other,
		 const struct schedule_options *options, struct err *err);

#endif
