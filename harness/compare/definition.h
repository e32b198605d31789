/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What two cells' definitions do not share, and how far it reaches. */
#ifndef GRANULE_COMPARE_DEFINITION_H
#define GRANULE_COMPARE_DEFINITION_H

#include "compare/load.h"
#include "compare/refuse.h"

/* Find the differences between what lies behind two cells: definition, command line, CPU model, programs, the knobs as
 * read back, the host. Adds them to the groups in @differences (one a path and pair of values) and sets what matters
 * in @facts, whose strings then point into @comparison's differences. @axis: the compared axis, or NULL for two runs,
 * where the kernel is what is compared. */
void definition_compare(const struct cell_data *base, const struct cell_data *other, const char *axis, size_t arm,
			struct comparison *comparison, struct pair_facts *facts);
/* Worst first, then by path. */
void differences_sort(struct comparison *comparison);

#endif
