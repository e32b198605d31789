// SPDX-License-Identifier: GPL-2.0-or-later
/* The floor's arithmetic: against published quantiles, and against what it promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "stat/floor.h"
#include "stat/stat.h"

/* NIST/SEMATECH e-Handbook 1.3.6.7.4, lower-tail critical values of chi-squared at 0.05, and z = 1.960. The values are
 * made to have s = 1. Caught: n for n - 1, the other tail of chi-squared, a forgotten sqrt(2). */
static void test_factor(void **state)
{
	static const struct {
		double v[10];
		size_t n;
		double chi2;
	} table[] = {
		{ { 0, M_SQRT2 }, 2, 0.00393 },
		{ { -1, 0, 1 }, 3, 0.103 },
		{ { -M_SQRT2, M_SQRT2, 0, 0, 0 }, 5, 0.711 },
		{ { -1.5, 1.5, -1.5, 1.5, 0, 0, 0, 0, 0, 0 }, 10, 3.325 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		double want = 1.960 * M_SQRT2 * sqrt((double)(table[i].n - 1) / table[i].chi2);
		double got = stat_floor(table[i].v, table[i].n, 0.95, 0.95);

		if (!(fabs(got / want - 1) < 0.005))
			fail_msg("n %zu: %.4f, expected %.4f", table[i].n, got, want);
	}
}

/* Caught: a floor below what was seen; one made up where nothing differed; one of a single build. */
static void test_ends(void **state)
{
	/* many builds of which two are far out: the largest difference is what was seen */
	double many[41] = { 0 };
	const double same[] = { 8, 8, 8 }, one[] = { 3 };

	(void)state;
	many[0] = -100;
	many[40] = 100;
	assert_true(stat_floor(many, 41, 0.5, 0.5) == 200);
	assert_true(stat_floor(same, 3, 0.95, 0.95) == 0);
	assert_true(isnan(stat_floor(one, 1, 0.95, 0.95)));
	assert_true(isnan(stat_floor(one, 0, 0.95, 0.95)));
}

/* Box and Muller, 1958, over Knuth's linear congruential generator (MMIX). */
static double normal(uint64_t *state)
{
	double u[2];

	for (int i = 0; i < 2; i++) {
		*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
	}
	return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

/* How often a calibration of @n builds gives a floor that holds at least 95% of the differences of two builds: as often
 * as its confidence says, 95%. Of the difference, which is normal with variance 2, what a floor F holds is erf(F /
 * 2). */
static double kept_promises(size_t n, double scale, uint64_t state)
{
	double v[16];
	size_t kept = 0, rounds = 20000;

	for (size_t r = 0; r < rounds; r++) {
		for (size_t i = 0; i < n; i++)
			v[i] = normal(&state);
		kept += erf(scale * stat_floor(v, n, 0.95, 0.95) / 2) >= 0.95;
	}
	return (double)kept / (double)rounds;
}

/* Caught: a factor that promises too much (or so much that it says nothing). The same check fails on floors that are a
 * tenth lower, so it can. 4 standard errors of 20,000 rounds are 0.006. */
static void test_promise(void **state)
{
	static const size_t builds[] = { 3, 4, 7, 10 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(builds); i++) {
		double kept = kept_promises(builds[i], 1, 20261125 + i), lower = kept_promises(builds[i], 0.9, 7 + i);

		if (!(kept > 0.95 - 0.006 && kept < 0.95 + 0.006))
			fail_msg("%zu builds: the floor holds in %.4f of calibrations, expected 0.95", builds[i], kept);
		if (!(lower < 0.95 - 0.003))
			fail_msg("%zu builds: a floor a tenth lower holds in %.4f of calibrations too", builds[i],
				 lower);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_factor),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
