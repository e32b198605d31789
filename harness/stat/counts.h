/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exact comparison of counts. Pure. */
#ifndef GRANULE_STAT_COUNTS_H
#define GRANULE_STAT_COUNTS_H

#include <stdint.h>

struct stat_counts {
	double ratio;	  /* of rates, other / base; INFINITY where only the base has none, NAN where both have none */
	double low, high; /* of @ratio; 0 and INFINITY are honest ends */
	double p;	  /* two-sided: that the rates are equal; 1 where both have none */
};

/* @base events in @base_exposure against @other in @other_exposure (boots, operations, seconds; above 0). Given the
 * total, the other side's events are binomial where events come one by one and do not bring each other about
 * (Przyborowski and Wilenski, Biometrika 31, 1940), which is for the caller to know. @p sums what is no likelier than
 * what was seen; the interval is that of Clopper and Pearson (Biometrika 26, 1934), so the two can disagree near the
 * edge. Counts up to 10^6. */
struct stat_counts stat_counts(uint64_t base, double base_exposure, uint64_t other, double other_exposure,
			       double confidence);

/* The least share of which @events or fewer in @of would be an accident of 1 - @confidence: Clopper and Pearson's
 * upper bound. */
double stat_share_bound(uint64_t events, uint64_t of, double confidence);

/* Fisher's exact test, two-sided as above: @base of @n against @other of @m, as boots that failed. */
double stat_fisher(uint64_t base, uint64_t n, uint64_t other, uint64_t m);

#endif
