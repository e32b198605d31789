// SPDX-License-Identifier: GPL-2.0-or-later
/* Every verdict and every reason not to give one. Each line names the mutation that it is there to catch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "compare/judge.h"
#include "compare/refuse.h"

static const struct metric lower_count = { "c", "1", METRIC_LOWER, METRIC_COUNT, .primary = true };
static const struct metric higher_time = { "t", "1/s", METRIC_HIGHER, METRIC_TIME, .primary = true };
static const struct metric insns = { "i", "insns", METRIC_LOWER, METRIC_TIME, .primary = true };
static const struct metric memory = { "memory.peak", "bytes", METRIC_LOWER, METRIC_MEMORY, .primary = true };
static const struct metric neither = { "n", "1", METRIC_NEITHER, METRIC_COUNT, .primary = false };
static const struct metric per_page = { "f_per_op", "1/op", METRIC_LOWER, METRIC_COUNT, .per_page = true };

static const struct judgement {
	const char *catches;
	const struct metric *metric;
	enum basis basis;
	double resolution;
	size_t n;
	double base[6], other[6];
	enum verdict verdict;
	const char *reason; /* its beginning */
} judgements[] = {
	{ "direction ignored",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 100, 101, 99 },
	  { 80, 81, 79 },
	  VERDICT_BETTER,
	  NULL },
	{ "direction ignored",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 80, 81, 79 },
	  { 100, 101, 99 },
	  VERDICT_WORSE,
	  NULL },
	{ "higher taken for worse",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  4,
	  { 80, 81, 79, 80.5 },
	  { 100, 101, 99, 100.5 },
	  VERDICT_BETTER,
	  NULL },
	{ "a speed claimed from instructions",
	  &insns,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 100, 101, 99 },
	  { 80, 81, 79 },
	  VERDICT_SHORTER,
	  NULL },
	{ "a speed claimed from instructions",
	  &insns,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 80, 81, 79 },
	  { 100, 101, 99 },
	  VERDICT_LONGER,
	  NULL },
	{ "ops/s on the instruction clock",
	  &higher_time,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 80, 81, 79 },
	  { 100, 101, 99 },
	  VERDICT_SHORTER,
	  NULL },
	{ "counts on the instruction clock called shorter",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 100, 101, 99 },
	  { 80, 81, 79 },
	  VERDICT_BETTER,
	  NULL },
	{ "unpaired interval",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 100, 200, 400 },
	  { 90, 180, 360.1 },
	  VERDICT_BETTER,
	  NULL },
	{ "effect ignored",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 1000, 1001, 999 },
	  { 1004, 1005, 1003 },
	  VERDICT_SAME,
	  NULL },
	{ "zero spread not exact", &lower_count, BASIS_SIMULATED, 0, 2, { 7, 7 }, { 8, 8 }, VERDICT_WORSE, NULL },
	{ "zero spread not exact", &lower_count, BASIS_SIMULATED, 0, 2, { 7, 7 }, { 7, 7 }, VERDICT_SAME, NULL },
	{ "wide interval judged",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  3,
	  { 100, 120, 90 },
	  { 110, 100, 105 },
	  VERDICT_UNCLEAR,
	  "" },
	{ "interval across 0 judged by its mean",
	  &lower_count,
	  BASIS_SIMULATED,
	  0,
	  2,
	  { 100, 100 },
	  { 103, 108 },
	  VERDICT_UNCLEAR,
	  "about 2 more seeds" },
	{ "one seed judged",
	  &memory,
	  BASIS_SIMULATED,
	  0,
	  1,
	  { 100 },
	  { 50 },
	  VERDICT_UNCLEAR,
	  "1 seed; at least 1 more" },
	{ "one exact seed not judged", &memory, BASIS_SIMULATED, 0, 1, { 100 }, { 100 }, VERDICT_SAME, NULL },
	{ "one exact seed not judged", &insns, BASIS_SIMULATED, 0, 1, { 100 }, { 100 }, VERDICT_SAME, NULL },
	{ "one timing on hardware called same",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  1,
	  { 100 },
	  { 100 },
	  VERDICT_UNCLEAR,
	  "1 boot; an interval takes 4 a side" },
	{ "three boots of hardware judged by t",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  3,
	  { 80, 80, 80 },
	  { 100, 100, 100 },
	  VERDICT_UNCLEAR,
	  "3 boots; an interval takes 4 a side" },
	{ "boots of hardware paired by seed",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  4,
	  { 100, 200, 400, 800 },
	  { 110, 220, 440, 880 },
	  VERDICT_UNCLEAR,
	  "more than 1000 boots" },
	{ "an outlier taken for spread",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  6,
	  { 100, 100.1, 100.2, 99.9, 99.8, 100 },
	  { 90, 90.1, 90.2, 89.9, 89.8, 60 },
	  VERDICT_WORSE,
	  NULL },
	{ "same on hardware",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  4,
	  { 100, 100.1, 100.2, 99.9 },
	  { 100.1, 100, 99.9, 100.2 },
	  VERDICT_SAME,
	  NULL },
	{ "equal counts of hardware without an interval",
	  &lower_count,
	  BASIS_HARDWARE,
	  0,
	  2,
	  { 7, 7 },
	  { 7, 7 },
	  VERDICT_SAME,
	  NULL },
	{ "two equal times of hardware called same",
	  &higher_time,
	  BASIS_HARDWARE,
	  0,
	  2,
	  { 7, 7 },
	  { 7, 7 },
	  VERDICT_UNCLEAR,
	  "2 boots" },
	{ "logarithm of zero",
	  &lower_count,
	  BASIS_HARDWARE,
	  0,
	  4,
	  { 0, 0, 0, 0 },
	  { 9, 9, 8, 9 },
	  VERDICT_WORSE,
	  NULL },
	{ "one seed within resolution unclear",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  1,
	  { 1e6 },
	  { 1e6 + 4096 },
	  VERDICT_NOT_JUDGED,
	  "below resolution (64.0 KiB)" },
	{ "resolution ignored",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e6, 1e6, 1e6 },
	  { 1.05e6, 1.05e6, 1.05e6 },
	  VERDICT_NOT_JUDGED,
	  "below resolution (64.0 KiB)" },
	{ "resolution hides a small change of a large number",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e9, 1e9, 1e9 },
	  { 1e9 + 4096, 1e9 + 4096, 1e9 + 4096 },
	  VERDICT_SAME,
	  NULL },
	{ "interval not widened",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e6, 1e6, 1e6 },
	  { 1.09e6, 1.12e6, 1.06e6 },
	  VERDICT_UNCLEAR,
	  "" },
	{ "an amount taken for sure that is mostly resolution",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e6, 1e6, 1e6 },
	  { 1.07e6, 1.07e6, 1.07e6 },
	  VERDICT_NOT_JUDGED,
	  "below resolution (64.0 KiB)" },
	{ "an amount taken for sure that is mostly resolution",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e6, 1e6, 1e6 },
	  { 1.1e6, 1.1e6, 1.1e6 },
	  VERDICT_WORSE,
	  "the amount is known to within 64.0 KiB only" },
	{ "resolution too strict",
	  &memory,
	  BASIS_SIMULATED,
	  65536,
	  3,
	  { 1e6, 1e6, 1e6 },
	  { 1.3e6, 1.3e6, 1.3e6 },
	  VERDICT_WORSE,
	  NULL },
	{ "division by zero", &lower_count, BASIS_SIMULATED, 0, 3, { 0, 0, 0 }, { 0, 0, 0 }, VERDICT_SAME, NULL },
	{ "division by zero", &lower_count, BASIS_SIMULATED, 1, 3, { 0, 0, 0 }, { 9, 9, 9 }, VERDICT_WORSE, NULL },
	{ "logarithm of zero", &lower_count, BASIS_SIMULATED, 0, 3, { 10, 10, 10 }, { 0, 0, 0 }, VERDICT_BETTER, NULL },
	{ "no pair", &lower_count, BASIS_SIMULATED, 0, 0, { 0 }, { 0 }, VERDICT_NOT_JUDGED, "no seed has it" },
};

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(judgements); i++) {
		const struct judgement *j = &judgements[i];
		struct row row = { .metric = j->metric, .resolution = j->resolution };
		const struct compare_options options = COMPARE_DEFAULTS;

		row.base = (struct side){ true, j->base[0], j->base[0], j->base[0], (double *)j->base, j->n, 1 };
		row.other = (struct side){ true, j->other[0], j->other[0], j->other[0], (double *)j->other, j->n, 1 };
		judge(&row, j->base, j->other, j->n, j->basis, NULL, &options);
		if (row.verdict != j->verdict)
			fail_msg("%zu (%s): %s (%s), expected %s", i, j->catches, verdict_names[row.verdict],
				 row.reason ? row.reason : "", verdict_names[j->verdict]);
		if (!j->reason != !row.reason || (j->reason && strncmp(row.reason, j->reason, strlen(j->reason))))
			fail_msg("%zu (%s): reason '%s', expected '%s'", i, j->catches, row.reason ? row.reason : "-",
				 j->reason ? j->reason : "-");
		free(row.reason);
	}
}

/* Caught: a verdict that changes when the two sides change places. */
static void test_symmetry(void **state)
{
	static const enum verdict mirror[] = { VERDICT_WORSE, VERDICT_BETTER,  VERDICT_LONGER,	  VERDICT_SHORTER,
					       VERDICT_SAME,  VERDICT_UNCLEAR, VERDICT_NOT_JUDGED };
	const struct compare_options options = COMPARE_DEFAULTS;
	unsigned int seed = 7;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct row there = { .metric = &insns, .resolution = 0 }, back = there;
		double a[3], b[3];

		for (int k = 0; k < 3; k++) {
			a[k] = 1000 + rand_r(&seed) % 40;
			b[k] = 1000 + rand_r(&seed) % 60;
		}
		there.base = back.other = (struct side){ .present = true, .median = a[0] };
		there.other = back.base = (struct side){ .present = true, .median = b[0] };
		judge(&there, a, b, 3, BASIS_SIMULATED, NULL, &options);
		judge(&back, b, a, 3, BASIS_SIMULATED, NULL, &options);
		assert_true(fabs(log1p(there.change) + log1p(back.change)) < 1e-12);
		/* the effect is a ratio on either side, so only its border may fall apart */
		if (fabs(fabs(there.change) - 0.01) > 2e-4 && fabs(fabs(there.low) - 0.01) > 2e-4 &&
		    fabs(fabs(there.high) - 0.01) > 2e-4)
			assert_int_equal(back.verdict, mirror[there.verdict]);
		free(there.reason);
		free(back.reason);
	}
}

/* A verdict of difference where there is none comes in at most 5% of cases. Caught: a wrong quantile, n for n - 1. */
static void test_false_alarms(void **state)
{
	const struct compare_options options = { .effect = 0, .confidence = 0.95 };
	unsigned int seed = 11, alarms = 0;
	const int rounds = 20000;

	(void)state;
	for (int i = 0; i < rounds; i++) {
		struct row row = { .metric = &insns };
		double a[4], b[4];

		for (int k = 0; k < 4; k++) {
			double x = 0, y = 0;

			for (int s = 0; s < 12; s++) {
				x += rand_r(&seed) / (double)RAND_MAX;
				y += rand_r(&seed) / (double)RAND_MAX;
			}
			a[k] = exp(x / 100);
			b[k] = exp(y / 100);
		}
		row.base = row.other = (struct side){ .present = true, .median = 1 };
		judge(&row, a, b, 4, BASIS_SIMULATED, NULL, &options);
		alarms += row.verdict == VERDICT_SHORTER || row.verdict == VERDICT_LONGER;
		free(row.reason);
	}
	assert_in_range(alarms, rounds * 4 / 100, rounds * 6 / 100);
}

/* A refused row still shows its change. Caught: a verdict in spite of a refusal. */
static void test_refused(void **state)
{
	const double a[] = { 10, 10 }, b[] = { 20, 20 };
	const struct compare_options options = COMPARE_DEFAULTS;
	struct row row = { .metric = &insns, .base = { .median = 10 }, .other = { .median = 20 } };

	(void)state;
	judge(&row, a, b, 2, BASIS_SIMULATED, "because", &options);
	assert_int_equal(row.verdict, VERDICT_NOT_JUDGED);
	assert_string_equal(row.reason, "because");
	assert_true(row.has_change && row.has_interval && fabs(row.change - 1) < 1e-12);
	free(row.reason);
}

static struct row judged(const double *base, const double *other, size_t n, enum basis basis, double effect)
{
	const struct compare_options options = { .effect = effect, .confidence = 0.95 };
	struct row row = { .metric = &lower_count, .counts = true };

	row.base = (struct side){ .present = true, .median = base[0], .values = (double *)base, .n_boots = n };
	row.other = (struct side){ .present = true, .median = other[0], .values = (double *)other, .n_boots = n };
	judge(&row, base, other, n, basis, NULL, &options);
	return row;
}

/* What is sure alone is not sure among twenty; what is `same` stays it; what is beyond doubt stays a claim. Caught:
 * `same` or a claim made easier by company, seeds that are asked for at 95% still. */
static void test_correction(void **state)
{
	const double base[] = { 100, 100, 100, 100 }, near[] = { 103, 104, 103.5, 101.8 },
		     far[] = { 150, 151, 150, 151 };
	const double none[4] = { 0 };
	const double alike[] = { 100.3, 99.9, 100.2, 100.1 };
	const struct compare_options options = COMPARE_DEFAULTS;
	struct row row = judged(base, near, 4, BASIS_SIMULATED, 0.01);
	size_t alone;

	(void)state;
	assert_int_equal(row.verdict, VERDICT_WORSE);
	judge_corrected(&row, 1, &options);
	assert_int_equal(row.verdict, VERDICT_WORSE);
	assert_true(isnan(row.corrected_low));
	judge_corrected(&row, 20, &options);
	assert_int_equal(row.verdict, VERDICT_UNCLEAR);
	assert_true(row.corrected_low < row.low && row.corrected_high > row.high && row.more_seeds > 0);
	assert_non_null(strstr(row.reason, "among 20 metrics"));
	free(row.reason);
	row = judged(base, far, 4, BASIS_SIMULATED, 0.01);
	judge_corrected(&row, 20, &options);
	assert_int_equal(row.verdict, VERDICT_WORSE);
	free(row.reason);
	row = judged(base, alike, 4, BASIS_SIMULATED, 0.01);
	assert_int_equal(row.verdict, VERDICT_SAME);
	judge_corrected(&row, 20, &options);
	assert_int_equal(row.verdict, VERDICT_SAME);
	free(row.reason);
	row = judged(base, near, 2, BASIS_SIMULATED, 0.01);
	assert_int_equal(row.verdict, VERDICT_UNCLEAR);
	alone = row.more_seeds;
	judge_corrected(&row, 20, &options);
	assert_true(row.verdict == VERDICT_UNCLEAR && row.more_seeds > alone);
	free(row.reason);
	/* over a base of 0 there is no ratio, and still a number of seeds */
	row = judged(none, near, 4, BASIS_SIMULATED, 0.01);
	assert_true(row.verdict == VERDICT_WORSE && !row.has_change);
	judge_corrected(&row, 1000000, &options);
	assert_int_equal(row.verdict, VERDICT_UNCLEAR);
	assert_non_null(strstr(row.reason, "among 1000000 metrics; about"));
	free(row.reason);
	/* four boots of hardware reach 97.1%, which is not enough for two: five are */
	row = judged(base, far, 4, BASIS_HARDWARE, 0.01);
	assert_int_equal(row.verdict, VERDICT_WORSE);
	judge_corrected(&row, 2, &options);
	assert_int_equal(row.verdict, VERDICT_UNCLEAR);
	assert_string_equal(row.reason, "not beyond doubt among 2 metrics; about 1 more boot");
	free(row.reason);
}

/* By hand: 16 differences of logs; Mann and Whitney's p of 4 and 4 that do not overlap is 2/70. Caught: a mean for
 * the shift, a bootstrap or p of what is exploratory. */
static void test_hardware(void **state)
{
	const double base[] = { 100, 102, 104, 106 }, other[] = { 200, 208, 204, 1000 };
	struct compare_options options = COMPARE_DEFAULTS;
	struct row row = judged(base, other, 4, BASIS_HARDWARE, 0.01);

	(void)state;
	assert_true(row.taken.by_ranks && row.taken.logs && row.n_pairs == 4);
	assert_true(fabs(row.p - 2.0 / 70) < 1e-12);
	assert_true(fabs(row.low - (200.0 / 106 - 1)) < 1e-12 && fabs(row.high - 9) < 1e-12);
	assert_true(row.change > 0.9 && row.change < 1.2);
	assert_false(row.bootstrap.known);
	free(row.reason);
	row.reason = NULL;
	options.resample = true;
	judge(&row, base, other, 4, BASIS_HARDWARE, NULL, &options);
	assert_true(row.bootstrap.known && row.bootstrap.low < row.change && row.bootstrap.high > row.change);
	free(row.reason);
	row = (struct row){ .metric = &lower_count, .base = row.base, .other = row.other };
	judge(&row, base, other, 4, BASIS_HARDWARE, NULL, &options);
	assert_true(isnan(row.p) && !row.bootstrap.known);
	free(row.reason);
}

static void assert_refusal(const struct pair_facts *f, const char *name, const struct metric *metric, bool per_mib,
			   const char *expected)
{
	_cleanup_free_ char *why = refuse(f, name, metric, per_mib);

	if (!expected != !why || (why && strcmp(why, expected)))
		fail_msg("%s: '%s', expected '%s'", name, why ? why : "(judged)", expected ? expected : "(judged)");
}

/* Caught: each rule left out, and each one applied too widely. */
static void test_refusals(void **state)
{
	struct cell_record a = { .page_bytes = 4096, .basis = BASIS_SIMULATED, .work_bytes = 8 << 20 }, b = a;
	const struct pair_facts plain = { .base = &a, .other = &b };
	struct pair_facts f = plain;
	struct metric never = insns, timed = lower_count;

	(void)state;
	assert_refusal(&f, "p.i", &insns, false, NULL);
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	assert_refusal(&f, "p.f_per_op", &per_page, true, NULL);
	assert_refusal(&f, "p.n", &neither, false, "neither way is better");
	never.not_judged = "it never is";
	assert_refusal(&f, "p.i", &never, false, "it never is");
	timed.timed = "writeback goes by the clock";
	assert_refusal(&f, "p.c", &timed, false, "timed: writeback goes by the clock");
	a.basis = b.basis = BASIS_HARDWARE;
	assert_refusal(&f, "p.c", &timed, false, NULL);
	a.basis = b.basis = BASIS_SIMULATED;

	b.page_bytes = 65536;
	assert_refusal(&f, "p.i", &insns, false, "page sizes differ: instructions are shown, not judged");
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	assert_refusal(&f, "p.c", &lower_count, false, NULL);
	assert_refusal(&f, "p.c_per_op", &lower_count, true, "page sizes differ, and so do operations: see per MiB");
	assert_refusal(&f, "p.f_per_op", &per_page, false, "follows from the page size");
	b.page_bytes = 4096;

	f.folios_differ = true;
	assert_refusal(&f, "p.i", &insns, false, "folio profiles differ: instructions are shown, not judged");
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	f = plain;
	f.storages_differ = true;
	assert_refusal(&f, "p.i", &insns, false, "storage profiles differ: instructions are shown, not judged");
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	f = plain;

	a.basis = b.basis = BASIS_HARDWARE;
	f.folios_differ = true;
	assert_refusal(&f, "p.t", &higher_time, false, NULL);
	f = plain;
	a.basis = b.basis = BASIS_EMULATED;
	assert_refusal(&f, "p.t", &higher_time, false,
		       "emulated: the host's clock says nothing about the guest's work");
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	a.basis = BASIS_SIMULATED;
	assert_refusal(&f, "p.memory.peak", &memory, false, "bases differ: simulated against emulated");
	b.basis = BASIS_SIMULATED;

	f.confounder = "guest.memory_bytes";
	assert_refusal(&f, "p.memory.peak", &memory, false, "confounded: guest.memory_bytes differs");
	f = plain;
	f.time_confounder = "host.qemu_version";
	assert_refusal(&f, "p.i", &insns, false, "confounded: host.qemu_version differs");
	assert_refusal(&f, "p.memory.peak", &memory, false, NULL);
	f = plain;
	f.other_inert = true;
	assert_refusal(&f, "p.memory.peak", &memory, false,
		       "inert treatment: the profile asks for large folios, none was made on the other side");
	f = plain;

	b.work_bytes = 16 << 20;
	assert_refusal(&f, "p.memory.peak", &memory, false, "unequal work: 8.00 MiB against 16.0 MiB");
	assert_refusal(&f, "p.c_per_sample", &lower_count, false, "unequal work: 8.00 MiB against 16.0 MiB");
	assert_refusal(&f, "p.c_per_op", &lower_count, false, NULL);
	assert_refusal(&f, "guest.memory.idle_used", &memory, false, NULL);
	b.work_bytes = 0;
	assert_refusal(&f, "p.memory.peak", &memory, false, "the work is not fixed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts), cmocka_unit_test(test_symmetry), cmocka_unit_test(test_false_alarms),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_refusals), cmocka_unit_test(test_correction),
		cmocka_unit_test(test_hardware),
	};

	return cmocka_run_group_tests_name("compare-judge", tests, NULL, NULL);
}
