/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One metric of one pair of cells: the change and its verdict. Pure.
 *
 * Boots with equal seed pair up. The change is the mean of ln(other / base) with its t interval (stat/stat.h says
 * why), shown as a ratio. Let e be the smallest effect that matters and r the resolution over the base's median; the
 * interval is widened by r on both sides, for a resolution is an error that more seeds do not average out. Then,
 * first that holds:
 *
 *   all pairs exactly equal                   same (one seed is enough for counts, memory and the instruction clock)
 *   one seed                                  not judged if within the resolution, else unclear
 *   widened interval inside [-e, e]           same
 *   |change| at most r (r + e where r >= e)   not judged: below resolution; what is left of it does not matter
 *   widened interval without 0, |change| >= e better or worse (shorter or longer on the instruction clock)
 *   else                                      unclear, with the number of seeds that would settle it
 *
 * Where a value is 0 there is no ratio: differences take its place, relative to the base's mean unless that is 0.
 *
 * On hardware no two boots share anything, whatever their seeds: boots are clusters, each stands for itself with the
 * median of its samples, and their number decides. The change is the Hodges-Lehmann shift of the logs (of all
 * differences of a boot of other and one of base the median) with its distribution-free interval (stat/rank.h): a
 * boot that met a noisy neighbour moves it little, and its 95% is 95% whatever the noise looks like. Four boots a
 * side are the least, five for what is corrected. "All pairs equal" is there: every boot of both sides is, two at
 * least, and it is no time.
 *
 * Ranks do not replace t on the simulated basis, because of the seeds that they take: six pairs for 95%, nine for
 * what is corrected for eight, where t judges from two. Measured on recorded boots of one kernel
 * (compare-seeds-test): t calls a change in 3.1, 4.0 and 4.3% of 3, 5 and 10 pairs; ranks in 3.3% of 10, 1.03 times
 * as wide; a bootstrap in 18.9% of 3, so it is shown and decides nothing. Unpaired ranks of 4 to 10 boots: 2.8% at
 * most.
 *
 * Correction. Among the k rows of a pair that count and are not refused, a claim of change must hold at 1 - (1 -
 * confidence) / k too (Bonferroni: the interval that is shown as corrected is the one that decided, which Holm's
 * steps have none of). So a pair that did not change has any false claim in 5% at most, however many tests it holds.
 * `same` is not corrected: it asks that the plain interval lie within the effect, so each single `same` is wrong in
 * 2.5% at most, and correcting it would only call fewer things the same. What loses its claim to the correction
 * becomes unclear, never `same`. Of eight metrics some claim is made in 5.5% (10 seeds) or, by ranks, 1.9% of pairs
 * at most, uncorrected in 35 and 13%; at 3 seeds in 8.3%, for three differences that happen to be equal have no
 * spread to widen: what stands against that is the metric's resolution. */
#ifndef GRANULE_COMPARE_JUDGE_H
#define GRANULE_COMPARE_JUDGE_H

#include "compare/compare.h"

/* Set the change and the verdict of @row, whose metric, sides (on hardware with their values) and resolution are set.
 * @base and @other are the paired boots' values, @n of each. @refusal: why it is not to be judged, or NULL; the
 * change is computed all the same. */
void judge(struct row *row, const double *base, const double *other, size_t n, enum basis basis, const char *refusal,
	   const struct compare_options *options);

/* Hold a claim of change of @row, judged, to the correction for @family rows. */
void judge_corrected(struct row *row, size_t family, const struct compare_options *options);

/* The interval of @row's change at another confidence; NANs where its boots are too few for it. */
void judge_interval_at(const struct row *row, double confidence, double *ret_low, double *ret_high);

/* How many more seeds, or boots a side, until @row's interval at @confidence is at most @half wide to either side, as
 * a relative change above 0, if the spread stays what it is; at least 1. A sentence, owned by the caller; *ret_more is 0 if
 * no number up to 1000 will do. */
char *judge_more(const struct row *row, double half, double confidence, size_t *ret_more);

#endif
