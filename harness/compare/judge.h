/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One metric of one pair of cells: the change and its verdict. Pure.
 *
 * Boots with equal seed pair up. The change is the mean of ln(other / base) with its t interval (stat/stat.h says why),
 * shown as a ratio. Let e be the smallest effect that matters and r the resolution over the base's median; the interval
 * is widened by r on both sides, for a resolution is an error that more seeds do not average out. Then, first that holds:
 *
 *   all pairs exactly equal                   same (one seed is enough for counts, memory and the instruction clock)
 *   one seed                                  not judged if within the resolution, else unclear
 *   widened interval inside [-e, e]           same
 *   |change| at most r (r + e where r >= e)   not judged: below resolution; what is left of it does not matter
 *   widened interval without 0, |change| >= e better or worse (shorter or longer on the instruction clock)
 *   else                                      unclear, with the number of seeds that would settle it
 *
 * Where a value is 0 there is no ratio: differences take its place, relative to the base's mean unless that is 0. */
#ifndef GRANULE_COMPARE_JUDGE_H
#define GRANULE_COMPARE_JUDGE_H

#include "compare/compare.h"

/* Set the change and the verdict of @row, whose metric, sides and resolution are set. @base and @other are the paired
 * boots' values, @n of each. @refusal: why it is not to be judged, or NULL; the change is computed all the same. */
void judge(struct row *row, const double *base, const double *other, size_t n, enum basis basis, const char *refusal,
	   const struct compare_options *options);

/* The interval of @row's change at another confidence; NANs for fewer than two pairs. */
void judge_interval_at(const struct row *row, double confidence, double *ret_low, double *ret_high);

#endif
