/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Can these trials reach a verdict at all? Arithmetic on the plan; boots nothing. */
#ifndef GRANULE_RUN_REACH_H
#define GRANULE_RUN_REACH_H

#include "run/plan.h"

/* The boots of a cell, at its most, against the fewest that any interval takes: 2 where seeds pair (one seed can only
 * find what is equal to the last bit); on hardware 4 a side for 95%, and more for a gate's fail, whose confidence is
 * corrected for at least as many metrics as there are gates (compare/gate.h, stat/rank.h).
 *
 * Too few with gates: ERR_CONFIG at the number in the matrix, for such a gate could never fail and the run would be
 * for nothing. Too few without: *ret_warning, owned by the caller, says it at the same place, for there is more to a
 * run than verdicts. Else 0 and NULL. */
int reach_check(const struct plan *plan, char **ret_warning, struct err *err);

#endif
