/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floor under a difference: what two builds of the same code may differ by. Pure. */
#ifndef GRANULE_STAT_FLOOR_H
#define GRANULE_STAT_FLOOR_H

#include <stddef.h>

/* @means: one value a build of the same code, of @n builds.
 *
 * Take a build's value as normal around what the code is worth, with variance v for where the linker put things. The
 * difference of two builds then has mean 0, which is known, and variance 2v; of v the builds give an estimate s * s
 * with n - 1 degrees of freedom. With @confidence at least @coverage of all differences of two builds are no larger
 * than
 *
 *	z((1 + coverage) / 2) * sqrt(2) * s * sqrt((n - 1) / q)
 *
 * with z the normal quantile and q the (1 - confidence) quantile of chi-squared with n - 1 degrees of freedom: a
 * two-sided tolerance bound for a known mean (Hahn and Meeker, "Statistical Intervals", 1991, 4.6, where the mean is
 * estimated; here it is not). Never less than the largest difference that was seen. 0 where all are equal: then the
 * builds say no more than that. NAN for n < 2. */
double stat_floor(const double *means, size_t n, double coverage, double confidence);

#endif
