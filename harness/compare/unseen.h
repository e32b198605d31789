/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between two kernels and acts where the instruction clock does not look. Pure. */
#ifndef GRANULE_COMPARE_UNSEEN_H
#define GRANULE_COMPARE_UNSEEN_H

#include "compare/compare.h"

/* Fill in @comparison->unseen from its differences, each sentence once, where a pair is on the simulated basis. */
void unseen_find(struct comparison *comparison);

#endif
