/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics of ranks: shifts, their intervals and tests that ask nothing of the distribution but, for one sample,
 * that it be symmetric. Pure; no input is kept or changed. NANs in the input are the caller's mistake.
 *
 * Exact up to STAT_EXACT_MOST values a sample; beyond, the normal approximation with a continuity correction of one
 * half. At that size they differ by less than 5% of p where p is 0.01 and more (stat-rank-test). */
#ifndef GRANULE_STAT_RANK_H
#define GRANULE_STAT_RANK_H

#include <stdbool.h>
#include <stddef.h>

#define STAT_EXACT_MOST 50

/* A Hodges-Lehmann shift with its distribution-free interval (Hodges and Lehmann, Annals of Mathematical Statistics
 * 34, 1963). The interval's ends are order statistics, so only some confidences exist: it has the least that is not
 * below what was asked for, @achieved. Where even the whole range of a small sample has less, it is not @known: 95%
 * takes 6 values of one sample, or 4 and 4 of two; no method that asks nothing of the distribution can do with fewer.
 * With ties both ends belong to the interval and its confidence is at least @achieved (Noether, JASA 62, 1967). */
struct stat_shift {
	double shift;	  /* NAN where a sample is empty */
	double low, high; /* NANs unless @known */
	double achieved;  /* NAN unless @known; of the normal approximation beyond STAT_EXACT_MOST */
	bool known;
};

/* Of one sample from 0, so of paired differences: the median of the n (n + 1) / 2 Walsh averages. */
struct stat_shift stat_shift_one(const double *v, size_t n, double confidence);
/* Of @other from @base: the median of the n m differences other[j] - base[i]. */
struct stat_shift stat_shift_two(const double *base, size_t n, const double *other, size_t m, double confidence);

/* The least n that @confidence can be reached with: of one sample, of two of n each. */
size_t stat_shift_least_one(double confidence);
size_t stat_shift_least_two(double confidence);

/* Wilcoxon's signed ranks (Biometrics Bulletin 1, 1945). W is the sum of the ranks of positive values; zeros are
 * dropped first, as he did; equal sizes share the mean of their ranks. @p is two-sided, twice the smaller tail and 1
 * at most: exact given the ties (over all signs), NAN where nothing is left. */
struct stat_rank_test {
	double statistic, p;
	bool exact;
};
struct stat_rank_test stat_signed_rank(const double *v, size_t n);
/* Mann and Whitney's U (Annals of Mathematical Statistics 18, 1947): pairs with other[j] > base[i], equal ones one
 * half. @p as above, exact given the ties (over all ways to divide the values). */
struct stat_rank_test stat_rank_sum(const double *base, size_t n, const double *other, size_t m);

#endif
