// SPDX-License-Identifier: GPL-2.0-or-later
/* Statistics against published values. Each test names the mutation that it is there to catch. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stat/stat.h"

#define assert_near(a, b, eps)                                                                                         \
	do {                                                                                                           \
		double a_ = (a), b_ = (b);                                                                             \
		if (!(fabs(a_ - b_) <= (eps)))                                                                         \
			fail_msg("%s: %.10g, expected %.10g", #a, a_, b_);                                             \
	} while (0)

/* R 4.2: quantile(c(1,3,4,8,11), ...) and median; type 7. Caught: another type, an unsorted copy, p * n. */
static void test_quantiles(void **state)
{
	const double v[] = { 11, 1, 8, 3, 4 }, even[] = { 7, 1, 5, 3 };
	const double kept[] = { 11, 1, 8, 3, 4 };

	(void)state;
	assert_near(stat_median(v, 5), 4, 0);
	assert_near(stat_median(even, 4), 4, 0);
	assert_near(stat_quantile(v, 5, 0.25), 3, 0);
	assert_near(stat_quantile(v, 5, 0.1), 1.8, 1e-12);
	assert_near(stat_quantile(v, 5, 0.9), 9.8, 1e-12);
	assert_near(stat_quantile(v, 5, 1), 11, 0);
	assert_near(stat_quantile(v, 5, 0), 1, 0);
	assert_memory_equal(v, kept, sizeof(v));
	assert_true(isnan(stat_median(v, 0)));
	assert_near(stat_min(v, 5), 1, 0);
	assert_near(stat_max(v, 5), 11, 0);
}

/* By hand: y = 3 - 2x, and a point off it by 3 at the end. Caught: x for y, an intercept of 0 taken for granted. */
static void test_slope(void **state)
{
	const double x[] = { 0, 1, 2, 3 }, line[] = { 3, 1, -1, -3 }, off[] = { 3, 1, -1, 0 }, same[] = { 5, 5, 5, 5 };

	(void)state;
	assert_near(stat_slope(x, line, 4), -2, 1e-12);
	assert_near(stat_slope(x, off, 4), -1.1, 1e-12);
	assert_near(stat_slope(x, same, 4), 0, 0);
	assert_true(isnan(stat_slope(same, x, 4)));
	assert_true(isnan(stat_slope(x, line, 1)));
}

/* NIST/SEMATECH e-Handbook 1.3.6.7.2, "Critical Values of the Student's t Distribution", column 0.975.
 * Caught: one-sided instead of two-sided, n instead of n - 1. */
static void test_t_table(void **state)
{
	static const struct {
		double freedom, t;
	} table[] = { { 1, 12.706 }, { 2, 4.303 },  { 3, 3.182 },  { 4, 2.776 },
		      { 9, 2.262 },  { 29, 2.045 }, { 100, 1.984 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_near(stat_t(0.95, table[i].freedom), table[i].t, 5e-4);
	assert_near(stat_t(0.99, 9), 3.250, 5e-4);
}

/* NIST StRD, univariate summary statistics, Michelson's speed of light and NumAcc: certified values.
 * NumAcc2: 1001 values 1.2, then 1.1 and 1.3 in turn: mean 1.2, deviation 0.1. NumAcc4: the same around 10000000.2,
 * where a one-pass formula loses every digit. Caught: sum of squares minus square of sum, division by n. */
static void test_deviation_certified(void **state)
{
	double v[1001];

	(void)state;
	v[0] = 1.2;
	for (size_t i = 1; i < 1001; i++)
		v[i] = i % 2 ? 1.1 : 1.3;
	assert_near(stat_mean(v, 1001), 1.2, 1e-13);
	assert_near(stat_deviation(v, 1001), 0.1, 1e-13);
	v[0] = 10000000.2;
	for (size_t i = 1; i < 1001; i++)
		v[i] = i % 2 ? 10000000.1 : 10000000.3;
	assert_near(stat_mean(v, 1001), 10000000.2, 1e-6);
	assert_near(stat_deviation(v, 1001), 0.1, 1e-8);
	assert_true(isnan(stat_deviation(v, 1)));
}

/* "Student" (1908), The probable error of a mean, Biometrika 6: additional hours of sleep (R's data set `sleep`).
 * R: t.test(extra ~ group, paired = TRUE): mean 1.58, 95% interval 0.7001142 to 2.4598858.
 * Caught: unpaired interval (R gives -0.2054832 to 3.3654832 then), the sign of the difference. */
static void test_paired_sleep(void **state)
{
	const double one[] = { 0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0 };
	const double two[] = { 1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4 };
	struct stat_interval i = stat_difference(one, two, 10, 0.95);

	(void)state;
	assert_true(i.known);
	assert_near(i.mean, 1.58, 1e-12);
	assert_near(i.low, 0.7001142, 1e-7);
	assert_near(i.high, 2.4598858, 1e-7);
}

/* Caught: an interval made of one value, a spread made of rounding. */
static void test_degenerate(void **state)
{
	const double one[] = { 5 }, same[] = { 0.1, 0.1, 0.1 }, twice[] = { 0.2, 0.2, 0.2 };
	struct stat_interval i = stat_interval(one, 1, 0.95);

	(void)state;
	assert_false(i.known);
	assert_near(i.mean, 5, 0);
	assert_true(isnan(i.low) && isnan(i.high));
	i = stat_interval(same, 3, 0.95);
	assert_true(i.known);
	assert_true(i.low == 0.1 && i.high == 0.1 && i.mean == 0.1 && i.deviation == 0);
	i = stat_log_ratio(same, twice, 3, 0.95);
	assert_true(i.known && i.low == i.high && i.mean == log(2));
	i = stat_interval(one, 0, 0.95);
	assert_false(i.known);
}

/* Caught: a ratio that is not symmetric, a logarithm of zero. */
static void test_log_ratio(void **state)
{
	const double a[] = { 100, 110, 90 }, b[] = { 50, 56, 44 }, zero[] = { 0, 1, 1 };
	struct stat_interval there = stat_log_ratio(a, b, 3, 0.95), back = stat_log_ratio(b, a, 3, 0.95);

	(void)state;
	assert_near(there.mean, -back.mean, 1e-15);
	assert_near(there.low, -back.high, 1e-15);
	/* by hand: the mean of ln 0.5, ln 56/110, ln 44/90 */
	assert_near(there.mean, (log(0.5) + log(56.0 / 110) + log(44.0 / 90)) / 3, 1e-15);
	assert_false(stat_log_ratio(a, zero, 3, 0.95).known);
	assert_true(isnan(stat_log_ratio(zero, a, 3, 0.95).mean));
}

/* Caught: a normal quantile instead of t, off by one. With deviation 1 and half width 1: n = 7, for
 * t(6)/sqrt(7) = 2.447/2.646 = 0.925 <= 1 and t(5)/sqrt(6) = 2.571/2.449 = 1.049 > 1 (the same table as above). */
static void test_pairs_needed(void **state)
{
	(void)state;
	assert_int_equal(stat_pairs_needed(1, 1, 0.95, 100), 7);
	assert_int_equal(stat_pairs_needed(1, 12.7062 / sqrt(2) + 1e-3, 0.95, 100), 2);
	assert_int_equal(stat_pairs_needed(0, 0, 0.95, 100), 2);
	assert_int_equal(stat_pairs_needed(1, 1e-3, 0.95, 100), 0);
	assert_int_equal(stat_pairs_needed(1, 0, 0.95, 100), 0);
}

/* Caught: a round of none, one that more than doubles, one beyond the end. */
static void test_next_round(void **state)
{
	(void)state;
	assert_int_equal(stat_next_round(3, 0.01, 0.01, 20), 3);
	assert_int_equal(stat_next_round(4, 0.012, 0.01, 20), 6); /* 4 * 1.44 */
	assert_int_equal(stat_next_round(4, 0.0101, 0.01, 20), 5);
	assert_int_equal(stat_next_round(4, 1, 0.01, 20), 8);
	assert_int_equal(stat_next_round(16, 1, 0.01, 20), 20);
	assert_int_equal(stat_next_round(20, 1, 0.01, 20), 20);
	assert_int_equal(stat_next_round(1, INFINITY, 0.01, 20), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slope),	     cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_t_table),	     cmocka_unit_test(test_deviation_certified),
		cmocka_unit_test(test_paired_sleep), cmocka_unit_test(test_degenerate),
		cmocka_unit_test(test_log_ratio),    cmocka_unit_test(test_next_round),
		cmocka_unit_test(test_pairs_needed),
	};

	return cmocka_run_group_tests_name("stat-stat", tests, NULL, NULL);
}
