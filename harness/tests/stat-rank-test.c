// SPDX-License-Identifier: GPL-2.0-or-later
/* Ranks, resampling and counts: against published tables, against R (tests/ranks/, whose script made the figures)
 * and, with ties, against every sign and every division counted one by one. Each test names the mutation that it is
 * there to catch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "stat/counts.h"
#include "stat/rank.h"
#include "stat/resample.h"

#define VALUES_MOST 128

#define assert_near(a, b, eps)                                                                                         \
	do {                                                                                                           \
		double a_ = (a), b_ = (b);                                                                             \
		if (!(fabs(a_ - b_) <= (eps) || a_ == b_))                                                             \
			fail_msg("%s: %.17g, expected %.17g", #a, a_, b_);                                             \
	} while (0)

/* Signed ranks 1..n of which those that are positive sum to @w. */
static void ranks_with_sum(double *v, size_t n, size_t w)
{
	for (size_t rank = n; rank >= 1; rank--) {
		bool positive = rank <= w;

		v[rank - 1] = positive ? (double)rank : -(double)rank;
		w -= positive ? rank : 0;
	}
	assert_int_equal(w, 0);
}

/* Two samples without ties with @u pairs in which other is greater. */
static void samples_with_pairs(double *base, size_t n, double *other, size_t m, size_t u)
{
	for (size_t i = 0; i < n; i++)
		base[i] = (double)i;
	for (size_t k = 0; k < m; k++) {
		size_t above = u < n ? u : n;

		other[k] = (double)above - 0.5 + (double)k * 1e-3;
		u -= above;
	}
	assert_int_equal(u, 0);
}

/* Two-sided critical values at 5% and 1%: of W, McCornack, "Extended tables of the Wilcoxon matched pair signed rank
 * statistic", JASA 60 (1965); of U, Milton, "An extended table of critical values for the Mann-Whitney two-sample
 * statistic", JASA 59 (1964). Caught: one tail for two, < for <=, a rank from 0. */
static void critical_values(void **state)
{
	static const struct {
		size_t n, at_5, at_1;
	} w[] = { { 8, 3, 0 },	  { 9, 5, 1 },	  { 10, 8, 3 },	    { 12, 13, 7 },   { 15, 25, 15 },
		  { 20, 52, 37 }, { 25, 89, 68 }, { 30, 137, 109 }, { 50, 434, 373 } },
	  u[] = { { 5, 2, 0 }, { 6, 5, 2 }, { 8, 13, 7 }, { 10, 23, 16 }, { 20, 127, 105 } };
	double v[VALUES_MOST], base[VALUES_MOST], other[VALUES_MOST];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(w); i++) {
		ranks_with_sum(v, w[i].n, w[i].at_5);
		assert_true(stat_signed_rank(v, w[i].n).p <= 0.05 && stat_signed_rank(v, w[i].n).exact);
		assert_near(stat_signed_rank(v, w[i].n).statistic, (double)w[i].at_5, 0);
		ranks_with_sum(v, w[i].n, w[i].at_5 + 1);
		assert_true(stat_signed_rank(v, w[i].n).p > 0.05);
		ranks_with_sum(v, w[i].n, w[i].at_1);
		assert_true(stat_signed_rank(v, w[i].n).p <= 0.01);
		ranks_with_sum(v, w[i].n, w[i].at_1 + 1);
		assert_true(stat_signed_rank(v, w[i].n).p > 0.01);
	}
	for (size_t i = 0; i < ARRAY_SIZE(u); i++) {
		size_t n = u[i].n;

		samples_with_pairs(base, n, other, n, u[i].at_5);
		assert_near(stat_rank_sum(base, n, other, n).statistic, (double)u[i].at_5, 0);
		assert_true(stat_rank_sum(base, n, other, n).p <= 0.05);
		samples_with_pairs(base, n, other, n, u[i].at_5 + 1);
		assert_true(stat_rank_sum(base, n, other, n).p > 0.05);
		samples_with_pairs(base, n, other, n, u[i].at_1);
		assert_true(stat_rank_sum(base, n, other, n).p <= 0.01);
		samples_with_pairs(base, n, other, n, u[i].at_1 + 1);
		assert_true(stat_rank_sum(base, n, other, n).p > 0.01);
		/* differences 0 .. n^2 - 1: the interval leaves out as many at either end as the table says */
		for (size_t k = 0; k < n; k++) {
			base[k] = -(double)(k * n);
			other[k] = (double)k;
		}
		assert_near(stat_shift_two(base, n, other, n, 0.95).low, (double)u[i].at_5, 0);
		assert_near(stat_shift_two(base, n, other, n, 0.95).high, (double)(n * n - 1 - u[i].at_5), 0);
	}
}

/* Table I of Mann and Whitney (1947), P(U <= u) for 4 and 4, to their three digits. Caught: an off-by-one in the
 * counting. */
static void mann_whitney_table(void **state)
{
	static const double table[] = { 0.014, 0.029, 0.057, 0.100, 0.171, 0.243, 0.343, 0.443 };
	double base[4], other[4];

	(void)state;
	for (size_t u = 0; u < ARRAY_SIZE(table); u++) {
		samples_with_pairs(base, 4, other, 4, u);
		assert_near(stat_rank_sum(base, 4, other, 4).p / 2, table[u], 5.1e-4);
	}
}

/* Of an interval, what cannot be: 5 of one sample, 3 and 3. Caught: a 95% that is none. */
static void unreachable(void **state)
{
	const double v[] = { 1, 2, 3, 4, 5, 6 }, w[] = { 7, 8, 9, 10 };

	(void)state;
	assert_int_equal(stat_shift_least_one(0.95), 6);
	assert_int_equal(stat_shift_least_two(0.95), 4);
	assert_int_equal(stat_shift_least_one(0.99), 8);
	assert_int_equal(stat_shift_least_two(0.99), 5);
	assert_false(stat_shift_one(v, 5, 0.95).known);
	assert_true(isnan(stat_shift_one(v, 5, 0.95).low));
	assert_near(stat_shift_one(v, 5, 0.95).shift, 3, 0);
	assert_near(stat_shift_one(v, 5, 0.90).achieved, 0.9375, 1e-15);
	assert_true(stat_shift_one(v, 6, 0.95).known);
	assert_near(stat_shift_one(v, 6, 0.95).achieved, 1 - 2.0 / 64, 1e-15);
	assert_false(stat_shift_two(v, 3, w, 3, 0.95).known);
	assert_true(stat_shift_two(v, 4, w, 4, 0.95).known);
	assert_near(stat_shift_two(v, 4, w, 4, 0.95).achieved, 1 - 2.0 / 70, 1e-15);
	assert_false(stat_shift_two(v, 0, w, 3, 0.95).known);
	assert_true(isnan(stat_signed_rank(v, 0).p) && isnan(stat_rank_sum(v, 0, w, 3).p));
}

/* ---- R */

static size_t numbers(const char *text, double *ret)
{
	size_t n = 0;

	for (char *end; *text; text = *end ? end + 1 : end) {
		assert_true(n < VALUES_MOST);
		ret[n++] = strtod(text, &end);
		assert_true(end != text && (*end == ',' || !*end));
	}
	return n;
}

static void check_line(char *line, unsigned int *seen)
{
	double f[VALUES_MOST], v[VALUES_MOST], w[VALUES_MOST];
	char *words[16] = { 0 }, *save;
	size_t n_words = 0, n;

	for (char *word = strtok_r(line, " ", &save); word && n_words < 16; word = strtok_r(NULL, " ", &save))
		words[n_words++] = word;
	for (size_t i = 1; i < n_words && !strchr(words[i], ','); i++)
		f[i] = strtod(words[i], NULL);
	if (!strcmp(words[0], "one") || !strcmp(words[0], "two")) {
		bool two = !strcmp(words[0], "two");
		struct stat_rank_test t;
		struct stat_shift s;

		n = numbers(words[7], v);
		size_t m = two ? numbers(words[8], w) : 0;

		t = two ? stat_rank_sum(v, n, w, m) : stat_signed_rank(v, n);
		s = two ? stat_shift_two(v, n, w, m, f[1]) : stat_shift_one(v, n, f[1]);
		assert_true(t.exact && s.known && s.achieved >= f[1]);
		assert_near(t.statistic, f[2], 0);
		assert_near(t.p / f[3], 1, 1e-9);
		assert_near(s.shift, f[4], 1e-12);
		assert_near(s.low, f[5], 1e-12);
		assert_near(s.high, f[6], 1e-12);
	} else if (!strcmp(words[0], "one-normal") || !strcmp(words[0], "two-normal")) {
		bool two = words[0][0] == 't';
		struct stat_rank_test t;

		n = numbers(words[3], v);
		t = two ? stat_rank_sum(v, n, w, numbers(words[4], w)) : stat_signed_rank(v, n);
		assert_false(t.exact);
		assert_near(t.statistic, f[1], 0);
		assert_near(t.p / f[2], 1, 1e-9);
	} else if (!strcmp(words[0], "counts")) {
		struct stat_counts c = stat_counts((uint64_t)f[1], f[2], (uint64_t)f[3], f[4], 0.95);

		assert_near(c.p, f[5], 1e-9);
		assert_near(c.ratio, f[6], 1e-12);
		assert_near(c.low, f[7], 1e-8);
		assert_near(c.high, f[8], 1e-8);
	} else if (!strcmp(words[0], "fisher")) {
		assert_near(stat_fisher((uint64_t)f[1], (uint64_t)f[2], (uint64_t)f[3], (uint64_t)f[4]), f[5], 1e-9);
	} else if (!strcmp(words[0], "near-one")) {
		n = (size_t)f[1];
		ranks_with_sum(v, n, (size_t)f[2]);
		assert_false(stat_signed_rank(v, n).exact);
		if (f[3] >= 0.01)
			assert_near(stat_signed_rank(v, n).p / f[3], 1, 0.05);
	} else if (!strcmp(words[0], "near-two")) {
		n = (size_t)f[1];
		samples_with_pairs(v, n, w, n, (size_t)f[2]);
		assert_false(stat_rank_sum(v, n, w, n).exact);
		if (f[3] >= 0.01)
			assert_near(stat_rank_sum(v, n, w, n).p / f[3], 1, 0.05);
	} else {
		fail_msg("%s: no such line", words[0]);
	}
	(*seen)++;
}

/* Caught: midranks, the correction for ties or the one half left out, base and other swapped, an interval's end one
 * off. */
static void as_in_r(void **state)
{
	_cleanup_free_ char *text = NULL;
	unsigned int seen = 0;
	char *save;

	(void)state;
	if (file_read("harness/tests/ranks/expected.txt", 1 << 20, &text, NULL, NULL) < 0)
		fail_msg("harness/tests/ranks/expected.txt cannot be read");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		check_line(line, &seen);
	assert_true(seen >= 50);
}

/* NIST/SEMATECH e-Handbook 7.2.4.1 gives 4 of 20 the one-sided 95% bound 0.401; none of n has 1 - 0.05^(1/n). Caught:
 * two tails. */
static void shares(void **state)
{
	(void)state;
	assert_near(stat_share_bound(4, 20, 0.95), 0.4010, 5e-5);
	assert_near(stat_share_bound(0, 10000, 0.95), 1 - pow(0.05, 1e-4), 1e-12);
	assert_near(stat_share_bound(10, 10, 0.95), 1, 0);
	/* GSL's own inverse gives up near here */
	for (uint64_t events = 480; events < 600; events++)
		assert_true(stat_share_bound(events, 10000, 0.95) > (double)events / 10000);
}

/* ---- Ties: all signs, all divisions */

/* Pairs of other above base, ties half. */
static double pairs_above(const double *v, size_t n, unsigned int others)
{
	double u = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			if (!(others >> i & 1) && others >> k & 1)
				u += v[k] > v[i] ? 1 : v[k] == v[i] ? 0.5 : 0;
	return u;
}

static double positive_ranks(const double *v, size_t n, unsigned int positive)
{
	double w = 0;

	for (size_t i = 0; i < n; i++) {
		double rank = 0.5;

		for (size_t k = 0; k < n; k++)
			rank += fabs(v[k]) < fabs(v[i]) ? 1 : fabs(v[k]) == fabs(v[i]) ? 0.5 : 0;
		w += positive >> i & 1 ? rank : 0;
	}
	return w;
}

/* Caught: ties broken by place, zeros that count, a tail that leaves out what was seen. */
static void ties_by_counting(void **state)
{
	static const double v[] = { 3, -1, 1, 2, 3, -2, 3, 3 }, with_zero[] = { 0, 3, -1, 1, 2, 0, 3, -2, 3, 3 };
	static const double mixed[] = { 1, 2, 2, 3, 2, 3, 3, 3, 5 };
	double low = 0, high = 0, all = 0, seen = positive_ranks(v, 8, 0xdd), u = pairs_above(mixed, 9, 0x1f0);
	struct stat_rank_test t = stat_signed_rank(v, 8);

	(void)state;
	for (unsigned int signs = 0; signs < 256; signs++) {
		low += positive_ranks(v, 8, signs) <= seen;
		high += positive_ranks(v, 8, signs) >= seen;
	}
	assert_near(t.statistic, seen, 0);
	assert_near(t.p, fmin(1, 2 * fmin(low, high) / 256), 1e-14);
	assert_near(stat_signed_rank(with_zero, 10).p, t.p, 0);
	low = high = 0;
	for (unsigned int others = 0; others < 512; others++) {
		if (__builtin_popcount(others) != 5)
			continue;
		all++;
		low += pairs_above(mixed, 9, others) <= u;
		high += pairs_above(mixed, 9, others) >= u;
	}
	t = stat_rank_sum(mixed, 4, mixed + 4, 5);
	assert_near(t.statistic, u, 0);
	assert_near(t.p, fmin(1, 2 * fmin(low, high) / all), 1e-14);
}

/* ---- Bootstrap */

/* Of 4 values all 256 samples can be listed; 2,000 drawn ones come near. Caught: drawing without putting back, a mean
 * for the median, a seed that is not set anew. */
static void bootstrap_by_listing(void **state)
{
	static const double v[] = { 1, 2, 4, 8 };
	struct stat_interval a = stat_bootstrap_one(v, 4, 0.8), b = stat_bootstrap_one(v, 4, 0.8), two;
	double medians[256];

	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		double drawn[] = { v[i & 3], v[i >> 2 & 3], v[i >> 4 & 3], v[i >> 6] };

		medians[i] = stat_median(drawn, 4);
	}
	assert_near(a.mean, 3, 0);
	assert_near(a.low, stat_quantile(medians, 256, 0.1), 0.51);
	assert_near(a.high, stat_quantile(medians, 256, 0.9), 0.51);
	assert_near(a.deviation, stat_deviation(medians, 256), 0.1);
	assert_true(a.low == b.low && a.high == b.high && a.deviation == b.deviation);
	two = stat_bootstrap_two(v, 4, v, 4, 0.9);
	assert_near(two.mean, 0, 0);
	assert_near(two.low, -two.high, 0.51);
	assert_near(two.deviation, stat_deviation(medians, 256) * sqrt(2), 0.15);
	assert_false(stat_bootstrap_one(v, 1, 0.9).known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(critical_values),
		cmocka_unit_test(mann_whitney_table),
		cmocka_unit_test(unreachable),
		cmocka_unit_test(as_in_r),
		cmocka_unit_test(shares),
		cmocka_unit_test(ties_by_counting),
		cmocka_unit_test(bootstrap_by_listing),
	};

	return cmocka_run_group_tests_name("stat-rank", tests, NULL, NULL);
}
