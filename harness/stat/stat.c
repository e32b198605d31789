// SPDX-License-Identifier: GPL-2.0-or-later
/* Medians, quantiles and t intervals. Knows no metric and no verdict. */
#include "stat/stat.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_fit.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"

double stat_mean(const double *v, size_t n)
{
	double sum = 0, rest = 0;

	/* Kahan: byte counts and nanoseconds of different size meet here */
	for (size_t i = 0; i < n; i++) {
		double y = v[i] - rest, t = sum + y;

		rest = (t - sum) - y;
		sum = t;
	}
	return n ? sum / (double)n : NAN;
}

double stat_min(const double *v, size_t n)
{
	double least = n ? v[0] : NAN;

	for (size_t i = 1; i < n; i++)
		least = v[i] < least ? v[i] : least;
	return least;
}

double stat_max(const double *v, size_t n)
{
	double most = n ? v[0] : NAN;

	for (size_t i = 1; i < n; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

double stat_slope(const double *x, const double *y, size_t n)
{
	double at_zero, slope, cov00, cov01, cov11, sum_of_squares;

	if (n < 2 || stat_min(x, n) == stat_max(x, n))
		return NAN;
	gsl_fit_linear(x, 1, y, 1, n, &at_zero, &slope, &cov00, &cov01, &cov11, &sum_of_squares);
	return slope;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Boots and samples are few, and millions of such lists are sorted. */
static void sort_few(double *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		double one = v[i];
		size_t k = i;

		for (; k && v[k - 1] > one; k--)
			v[k] = v[k - 1];
		v[k] = one;
	}
}

double stat_quantile(const double *v, size_t n, double p)
{
	_cleanup_free_ double *many = NULL;
	double few[32], *sorted = few, at, part;
	size_t i;

	if (n < 2)
		return n ? v[0] : NAN;
	if (n > ARRAY_SIZE(few))
		sorted = many = xcalloc(n, sizeof(*many));
	memcpy(sorted, v, n * sizeof(*v));
	if (many)
		qsort(sorted, n, sizeof(*sorted), by_value);
	else
		sort_few(sorted, n);
	at = p * (double)(n - 1);
	i = (size_t)at;
	part = at - (double)i;
	if (i + 1 >= n)
		return sorted[n - 1];
	/* equal neighbours give exactly their value, whatever part is */
	return part > 0 ? sorted[i] + part * (sorted[i + 1] - sorted[i]) : sorted[i];
}

double stat_median(const double *v, size_t n)
{
	return stat_quantile(v, n, 0.5);
}

double stat_deviation(const double *v, size_t n)
{
	double mean = stat_mean(v, n), sum = 0;

	if (n < 2)
		return NAN;
	for (size_t i = 0; i < n; i++)
		sum += (v[i] - mean) * (v[i] - mean);
	return sqrt(sum / (double)(n - 1));
}

/* Thousands of rows ask for the same few: the last answers are kept, which nobody can see but by the clock. */
double stat_t(double confidence, double freedom)
{
	static _Thread_local struct {
		double confidence, freedom, t;
	} kept[64];
	size_t at = (size_t)freedom % ARRAY_SIZE(kept);

	if (kept[at].freedom != freedom || kept[at].confidence != confidence) {
		kept[at].confidence = confidence;
		kept[at].freedom = freedom;
		kept[at].t = gsl_cdf_tdist_Pinv(0.5 + confidence / 2, freedom);
	}
	return kept[at].t;
}

/* All equal: the mean's rounding must not become a spread. */
static bool all_equal(const double *v, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (v[i] != v[0])
			return false;
	return n > 0;
}

struct stat_interval stat_interval(const double *v, size_t n, double confidence)
{
	struct stat_interval r = {
		.mean = stat_mean(v, n), .low = NAN, .high = NAN, .deviation = NAN, .n = n, .known = n >= 2
	};
	double half;

	if (all_equal(v, n)) {
		r.mean = v[0];
		if (r.known) {
			r.low = r.high = v[0];
			r.deviation = 0;
		}
		return r;
	}
	if (!r.known)
		return r;
	r.deviation = stat_deviation(v, n);
	half = stat_t(confidence, (double)(n - 1)) * r.deviation / sqrt((double)n);
	r.low = r.mean - half;
	r.high = r.mean + half;
	return r;
}

struct stat_interval stat_log_ratio(const double *base, const double *other, size_t n, double confidence)
{
	_cleanup_free_ double *d = xcalloc(n + 1, sizeof(*d));

	for (size_t i = 0; i < n; i++) {
		if (!(base[i] > 0) || !(other[i] > 0))
			return (struct stat_interval){ .mean = NAN, .low = NAN, .high = NAN, .deviation = NAN, .n = n };
		d[i] = log(other[i] / base[i]);
	}
	return stat_interval(d, n, confidence);
}

struct stat_interval stat_difference(const double *base, const double *other, size_t n, double confidence)
{
	_cleanup_free_ double *d = xcalloc(n + 1, sizeof(*d));

	for (size_t i = 0; i < n; i++)
		d[i] = other[i] - base[i];
	return stat_interval(d, n, confidence);
}

size_t stat_pairs_needed(double deviation, double half_width, double confidence, size_t most)
{
	if (deviation == 0)
		return 2;
	if (!(half_width > 0))
		return 0;
	for (size_t n = 2; n <= most; n++)
		if (stat_t(confidence, (double)(n - 1)) * deviation / sqrt((double)n) <= half_width)
			return n;
	return 0;
}

size_t stat_next_round(size_t n, double width, double target, size_t most)
{
	double now = (double)n, needed;

	if (n >= most || width <= target)
		return n;
	needed = isinf(width) ? now + 1 : ceil(now * (width / target) * (width / target));
	needed = fmin(fmax(needed, now + 1), 2 * now);
	return needed < (double)most ? (size_t)needed : most;
}
