/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bootstrap intervals: what a statistic does when its sample is drawn again from itself (Efron, Annals of Statistics
 * 7, 1979). Pure: the generator is GSL's taus2 (L'Ecuyer's three-component Tausworthe generator), seeded anew with
 * STAT_SEED in each call, so equal input gives equal output on any machine.
 *
 * The interval is the percentile one. It is too short for few values: of 3 it holds the truth about 3 times in 4
 * (compare-seeds-test measures it), so nothing is decided by it. */
#ifndef GRANULE_STAT_RESAMPLE_H
#define GRANULE_STAT_RESAMPLE_H

#include "stat/stat.h"

#define STAT_SEED 20261125
#define STAT_RESAMPLES 2000

/* Of the median of @v; known for n >= 2. @mean is the median itself. */
struct stat_interval stat_bootstrap_one(const double *v, size_t n, double confidence);
/* Of median(other) - median(base), each drawn from itself; known where both have 2 and more. */
struct stat_interval stat_bootstrap_two(const double *base, size_t n, const double *other, size_t m, double confidence);

#endif
