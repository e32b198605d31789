// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranks. The null distributions are counted, not looked up: how many subsets of the ranks have a sum. Ranks are
 * doubled, so that shared ones are whole numbers. */
#include "stat/rank.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sf_gamma.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ---- Null distributions: counts of subsets, exact in a double while below 2^53 and good to 1e-13 beyond */

/* How many subsets of the @n whole numbers in @ranks have each sum 0..@most; owned by the caller. */
static double *count_subsets(const size_t *ranks, size_t n, size_t most)
{
	double *ways = xcalloc(most + 1, sizeof(*ways));

	ways[0] = 1;
	for (size_t i = 0; i < n; i++)
		for (size_t sum = most; sum >= ranks[i]; sum--) {
			ways[sum] += ways[sum - ranks[i]];
			if (!sum)
				break;
		}
	return ways;
}

/* The same of subsets of exactly @k. */
static double *count_subsets_of(const size_t *ranks, size_t n, size_t k, size_t most)
{
	double *all = xcalloc((k + 1) * (most + 1), sizeof(*all)), *ways = xcalloc(most + 1, sizeof(*ways));

	all[0] = 1;
	for (size_t i = 0; i < n; i++)
		for (size_t size = i + 1 < k ? i + 1 : k; size >= 1; size--) {
			const double *less = all + (size - 1) * (most + 1);
			double *here = all + size * (most + 1);

			for (size_t sum = ranks[i]; sum <= most; sum++)
				here[sum] += less[sum - ranks[i]];
		}
	memcpy(ways, all + k * (most + 1), (most + 1) * sizeof(*ways));
	free(all);
	return ways;
}

/* Untied ranks: the greatest c with P(statistic <= c) at most @tail, and that probability; -1: there is none. */
struct critical {
	long c;
	double below;
};

static struct critical critical_exact(const double *ways, size_t most, double total, double tail)
{
	struct critical r = { .c = -1 };
	double sum = 0;

	for (size_t c = 0; c <= most; c++) {
		sum += ways[c];
		if (sum / total > tail)
			break;
		r = (struct critical){ (long)c, sum / total };
	}
	return r;
}

static struct critical critical_normal(double mean, double deviation, double tail)
{
	double c = floor(mean - 0.5 + gsl_cdf_ugaussian_Pinv(tail) * deviation);

	return c < 0 ? (struct critical){ .c = -1 }
		     : (struct critical){ (long)c, gsl_cdf_ugaussian_P((c + 0.5 - mean) / deviation) };
}

static struct critical critical_one(size_t n, double tail)
{
	size_t ranks[STAT_EXACT_MOST], most = n * (n + 1) / 4;
	_cleanup_free_ double *ways = NULL;

	if (n > STAT_EXACT_MOST) {
		double size = (double)n;

		return critical_normal(size * (size + 1) / 4, sqrt(size * (size + 1) * (2 * size + 1) / 24), tail);
	}
	for (size_t i = 0; i < n; i++)
		ranks[i] = i + 1;
	ways = count_subsets(ranks, n, most);
	return critical_exact(ways, most, ldexp(1, (int)n), tail);
}

/* U of n and m is the rank sum of the n less its least, so subsets of 0..n+m-1 with sums less n (n - 1) / 2. */
static struct critical critical_two(size_t n, size_t m, double tail)
{
	size_t ranks[2 * STAT_EXACT_MOST], least = n * (n - 1) / 2, most = n * m / 2;
	_cleanup_free_ double *ways = NULL;

	if (n > STAT_EXACT_MOST || m > STAT_EXACT_MOST) {
		double pairs = (double)n * (double)m;

		return critical_normal(pairs / 2, sqrt(pairs * (double)(n + m + 1) / 12), tail);
	}
	for (size_t i = 0; i < n + m; i++)
		ranks[i] = i;
	ways = count_subsets_of(ranks, n + m, n, least + most);
	return critical_exact(ways + least, most, gsl_sf_choose((unsigned int)(n + m), (unsigned int)n), tail);
}

/* Thousands of rows ask for the same one: the last answer is kept, which nobody can see but by the clock. @m 0: one
 * sample. */
static struct critical critical(size_t n, size_t m, double confidence)
{
	static _Thread_local struct {
		size_t n, m;
		double confidence;
		struct critical answer;
	} last;

	if (last.n != n || last.m != m || last.confidence != confidence) {
		double tail = (1 - confidence) / 2;

		last.answer = m ? critical_two(n, m, tail) : critical_one(n, tail);
		last.n = n;
		last.m = m;
		last.confidence = confidence;
	}
	return last.answer;
}

/* ---- Shifts */

/* @v becomes sorted. */
static struct stat_shift shift_of(double *v, size_t n, struct critical c)
{
	struct stat_shift r = { .low = NAN, .high = NAN, .achieved = NAN, .known = c.c >= 0 };

	qsort(v, n, sizeof(*v), by_value);
	r.shift = n % 2 || v[n / 2 - 1] == v[n / 2] ? v[n / 2] : v[n / 2 - 1] + (v[n / 2] - v[n / 2 - 1]) / 2;
	if (r.known) {
		r.low = v[c.c];
		r.high = v[n - 1 - (size_t)c.c];
		r.achieved = 1 - 2 * c.below;
	}
	return r;
}

struct stat_shift stat_shift_one(const double *v, size_t n, double confidence)
{
	size_t n_averages = n * (n + 1) / 2, at = 0;
	_cleanup_free_ double *averages = xcalloc(n_averages + 1, sizeof(*averages));

	if (!n)
		return (struct stat_shift){ NAN, NAN, NAN, NAN, false };
	for (size_t i = 0; i < n; i++)
		for (size_t k = i; k < n; k++)
			averages[at++] = v[i] == v[k] ? v[i] : (v[i] + v[k]) / 2;
	return shift_of(averages, n_averages, critical(n, 0, confidence));
}

struct stat_shift stat_shift_two(const double *base, size_t n, const double *other, size_t m, double confidence)
{
	_cleanup_free_ double *differences = xcalloc(n * m + 1, sizeof(*differences));

	if (!n || !m)
		return (struct stat_shift){ NAN, NAN, NAN, NAN, false };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < m; k++)
			differences[i * m + k] = other[k] - base[i];
	return shift_of(differences, n * m, critical(n, m, confidence));
}

size_t stat_shift_least_one(double confidence)
{
	size_t n = 1;

	while (n <= STAT_EXACT_MOST && ldexp(2, -(int)n) > 1 - confidence)
		n++;
	return n;
}

size_t stat_shift_least_two(double confidence)
{
	unsigned int n = 1;

	while (n <= STAT_EXACT_MOST && 2 / gsl_sf_choose(2 * n, n) > 1 - confidence)
		n++;
	return n;
}

/* ---- Tests */

struct ranked {
	double value;
	bool mine; /* positive; of the other sample */
};

static int by_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	return by_value(&x->value, &y->value);
}

/* Doubled ranks of @v, which becomes sorted; owned by the caller. @ret_ties: the sum of t^3 - t over groups of t
 * equal ones. */
static size_t *doubled_ranks(struct ranked *v, size_t n, double *ret_ties)
{
	size_t *ranks = xcalloc(n + 1, sizeof(*ranks));

	*ret_ties = 0;
	qsort(v, n, sizeof(*v), by_ranked);
	for (size_t i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && v[end].value == v[i].value;)
			end++;
		for (size_t k = i; k < end; k++)
			ranks[k] = i + 1 + end; /* twice the mean of i + 1 .. end */
		t = (double)(end - i);
		*ret_ties += t * t * t - t;
	}
	return ranks;
}

/* Twice the smaller tail at @at of @ways over 0..@most. */
static double two_sided(const double *ways, size_t most, size_t at, double total)
{
	double low = 0, high = 0;

	for (size_t i = 0; i <= at; i++)
		low += ways[i];
	for (size_t i = at; i <= most; i++)
		high += ways[i];
	return fmin(1, 2 * fmin(low, high) / total);
}

static double two_sided_normal(double statistic, double mean, double variance)
{
	double off = fmax(0, fabs(statistic - mean) - 0.5);

	return variance > 0 ? 2 * gsl_cdf_ugaussian_Q(off / sqrt(variance)) : 1;
}

struct stat_rank_test stat_signed_rank(const double *v, size_t n)
{
	_cleanup_free_ struct ranked *sizes = xcalloc(n + 1, sizeof(*sizes));
	_cleanup_free_ size_t *ranks = NULL;
	_cleanup_free_ double *ways = NULL;
	size_t left = 0, sum = 0, most = 0;
	struct stat_rank_test r;
	double size, ties;

	for (size_t i = 0; i < n; i++)
		if (v[i] != 0)
			sizes[left++] = (struct ranked){ fabs(v[i]), v[i] > 0 };
	ranks = doubled_ranks(sizes, left, &ties);
	for (size_t i = 0; i < left; i++) {
		most += ranks[i];
		sum += sizes[i].mine ? ranks[i] : 0;
	}
	r = (struct stat_rank_test){ (double)sum / 2, left ? 0 : NAN, left <= STAT_EXACT_MOST };
	size = (double)left;
	if (!left)
		return r;
	if (r.exact) {
		ways = count_subsets(ranks, left, most);
		r.p = two_sided(ways, most, sum, ldexp(1, (int)left));
	} else {
		r.p = two_sided_normal(r.statistic, size * (size + 1) / 4,
				       size * (size + 1) * (2 * size + 1) / 24 - ties / 48);
	}
	return r;
}

struct stat_rank_test stat_rank_sum(const double *base, size_t n, const double *other, size_t m)
{
	size_t all = n + m, sum = 0, most = 0;
	_cleanup_free_ struct ranked *values = xcalloc(all + 1, sizeof(*values));
	_cleanup_free_ size_t *ranks = NULL;
	_cleanup_free_ double *ways = NULL;
	struct stat_rank_test r;
	double ties, size = (double)all, pairs = (double)n * (double)m;

	for (size_t i = 0; i < n; i++)
		values[i] = (struct ranked){ base[i], false };
	for (size_t i = 0; i < m; i++)
		values[n + i] = (struct ranked){ other[i], true };
	ranks = doubled_ranks(values, all, &ties);
	for (size_t i = 0; i < all; i++) {
		most += ranks[i];
		sum += values[i].mine ? ranks[i] : 0;
	}
	r = (struct stat_rank_test){ (double)sum / 2 - (double)(m * (m + 1)) / 2, n && m ? 0 : NAN,
				     n <= STAT_EXACT_MOST && m <= STAT_EXACT_MOST };
	if (!n || !m)
		return r;
	if (r.exact) {
		ways = count_subsets_of(ranks, all, m, most);
		r.p = two_sided(ways, most, sum, gsl_sf_choose((unsigned int)all, (unsigned int)m));
	} else {
		r.p = two_sided_normal(r.statistic, pairs / 2, pairs / 12 * (size + 1 - ties / (size * (size - 1))));
	}
	return r;
}
