/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statistics: pure functions on arrays of doubles. None of them keeps or changes its input. */
#ifndef GRANULE_STAT_STAT_H
#define GRANULE_STAT_STAT_H

#include <stdbool.h>
#include <stddef.h>

/* NAN for n == 0, in all of these. */
double stat_mean(const double *v, size_t n);
double stat_median(const double *v, size_t n);
double stat_min(const double *v, size_t n);
double stat_max(const double *v, size_t n);
/* Quantile @p (0..1) by linear interpolation between order statistics: type 7 of Hyndman and Fan, "Sample quantiles in
 * statistical packages", The American Statistician 50 (1996); what R and NumPy do unless told otherwise. */
double stat_quantile(const double *v, size_t n, double p);
/* Sample standard deviation (n - 1); NAN for n < 2. */
double stat_deviation(const double *v, size_t n);

/* The slope of the straight line through the points (@x, @y), by least squares; NAN where @x does not spread. */
double stat_slope(const double *x, const double *y, size_t n);

/* Of every interval, unless another is asked for. */
#define STAT_CONFIDENCE 0.95

/* Two-sided t quantile: P(|T| <= t) = @confidence with @freedom degrees of freedom. */
double stat_t(double confidence, double freedom);

/* A mean with the t interval around it. Zero spread gives an interval of zero width: an exact answer, as for counts
 * that are the same under every seed. */
struct stat_interval {
	double mean, low, high;
	double deviation;
	size_t n;
	bool known; /* n >= 2; else low and high are NAN */
};
struct stat_interval stat_interval(const double *v, size_t n, double confidence);

/* Relative change of paired positive values as a log ratio: interval of ln(other[i] / base[i]). Ratios, because what
 * changes run time, instruction counts or memory does so in proportion; logs, because then A against B is exactly the
 * reverse of B against A, and +100% and -50% weigh the same. Not known unless every value is above 0. */
struct stat_interval stat_log_ratio(const double *base, const double *other, size_t n, double confidence);
/* The interval of the differences other[i] - base[i]. */
struct stat_interval stat_difference(const double *base, const double *other, size_t n, double confidence);

/* How many pairs in all until the half width of the interval is at most @half_width, if the deviation stays what it
 * is: the least n with t(n - 1) * deviation / sqrt(n) <= half_width. 0: more than @most. */
size_t stat_pairs_needed(double deviation, double half_width, double confidence, size_t most);

/* The end of the next round where @n are known to within @width (INFINITY: too few to say) and @target is wanted: as
 * many as the width, which shrinks as one over the root, says, from n + 1 to 2 n, @most at most. @n: enough. */
size_t stat_next_round(size_t n, double width, double target, size_t most);

#endif
