// SPDX-License-Identifier: GPL-2.0-or-later
/* explain where nothing can be counted: a recorded run on hardware. And the counts that are kept for later. Each test
 * names the mutation that it is there to catch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "explain/recorded.h"
#include "store/counts.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"
#include "tests/schema.h"

/* Two samples of 2048 operations: instructions and cycles in the first, walks in the second. */
static const char *const pmu_before[] = {
	"inst_retired user 0 1 1\ninst_retired kernel 0 1 1\ncpu_cycles user 0 1 1\ncpu_cycles kernel 0 1 1\n",
	"inst_retired user 20480 9 9\ninst_retired kernel 2048000 9 9\ncpu_cycles user 40960 9 9\n"
	"cpu_cycles kernel 4096000 9 9\n",
	"dtlb_walk user 0 1 1\ndtlb_walk kernel 0 1 1\n",
	"dtlb_walk user 8192 9 9\ndtlb_walk kernel 4096 9 9\n",
};
static const char *const pmu_after[] = {
	"inst_retired user 0 1 1\ninst_retired kernel 0 1 1\ncpu_cycles user 0 1 1\ncpu_cycles kernel 0 1 1\n",
	"inst_retired user 20480 9 9\ninst_retired kernel 3072000 9 9\ncpu_cycles user 40960 9 9\n"
	"cpu_cycles kernel 3051520 9 9\n",
	"dtlb_walk user 0 1 1\ndtlb_walk kernel 0 1 1\n",
	"dtlb_walk user 2048 9 9\ndtlb_walk kernel 4096 9 9\n",
};

static const struct numbers before = { .page = 65536, .insns = 6600, .boots = 2, .peak = 18874368 };
static const struct numbers after = { .page = 65536, .insns = 7260, .boots = 2, .peak = 18874368 };

static char *build_run_of(enum basis basis, const struct numbers *base, const struct numbers *other)
{
	struct cell_record cells[] = { numbers_cell("64k", "off", base), numbers_cell("64k", "128k", other) };
	char *dir = scratch_make();

	for (size_t i = 0; i < 2; i++)
		cells[i].basis = basis;
	run_build(dir, cells, 2);
	numbers_boots(dir, &cells[0], base);
	numbers_boots(dir, &cells[1], other);
	for (size_t i = 0; i < 2; i++)
		cell_record_free(&cells[i]);
	return dir;
}

static char *build_run(enum basis basis)
{
	return build_run_of(basis, &before, &after);
}

/* Caught: a guest that is started for a cell that cannot repeat, a refusal where the recorded counters tell something,
 * an explanation that does not say what it lacks. */
static void hardware_says_what_it_knows(void **state)
{
	char *dir = build_run(BASIS_HARDWARE);
	_cleanup_free_ char *text = NULL, *json = NULL, *folded = NULL;
	const json_t *counters;
	json_t *o;

	(void)state;
	assert_int_equal(GRANULE(&text, "explain", dir, dir, "64k.off.faults", "64k.128k.faults"), 0);
	if (!strstr(text, "64k.off.faults ran on the basis hardware") || !strstr(text, "function by") ||
	    !strstr(text, "accel:") || !strstr(text, "no perf") || !strstr(text, "page_fault1.ns_per_op"))
		fail_msg("%s", text);
	assert_non_null(strstr(text, "+10.0%"));
	/* a boot without such counters says so */
	assert_non_null(strstr(text, "The CPUs counted nothing"));
	assert_int_equal(GRANULE(&json, "explain", dir, dir, "64k.off.faults", "64k.128k.faults", "--format", "json"),
			 0);
	o = json_loads(json, 0, NULL);
	assert_non_null(json_string_value(json_object_get(o, "not_counted")));
	assert_int_equal(json_array_size(json_object_get(o, "phases")), 0);
	counters = json_object_get(o, "counters");
	assert_string_equal(json_string_value(json_object_get(json_array_get(counters, 0), "name")),
			    "page_fault1.ns_per_op");
	json_decref(o);
	assert_int_equal(
		GRANULE(&folded, "explain", dir, dir, "64k.off.faults", "64k.128k.faults", "--format", "folded"), 2);
	assert_non_null(strstr(folded, "only the basis simulated tells"));
	scratch_remove(dir);
}

static double pmu_number(const json_t *phase, size_t event, const char *side, const char *half)
{
	const json_t *e = json_array_get(json_object_get(phase, "events"), event);

	return json_number_value(json_object_get(json_object_get(e, side), half));
}

/* A line of the table that begins with @label has these words; blanks do not count. */
static void expect_line(const char *text, const char *label, const char *numbers)
{
	_cleanup_free_ char *want = xasprintf("\n  %s", label);
	const char *at = strstr(text, want);
	struct text words = { 0 };

	if (!at)
		fail_msg("no line '%s' in:\n%s", label, text);
	for (const char *p = at + strlen(want); *p && *p != '\n'; p++)
		if (*p != ' ' || (words.len && p[1] != ' ' && p[1] != '\n'))
			text_add(&words, "%c", *p);
	if (!words.s || strcmp(words.s, numbers) != 0)
		fail_msg("%s: '%s', not '%s'", label, words.s, numbers);
	text_free(&words);
}

/* What the CPUs counted stands first, user and kernel apart, not among the recorded counters again, and what was not
 * counted is named. Caught: base and other exchanged, a half lost, a ratio of means where the sum's is meant. */
static void hardware_shows_what_cpus_counted(void **state)
{
	const struct numbers base = { .page = 65536, .insns = 6600, .boots = 2, .peak = 18874368, .pmu = pmu_before };
	const struct numbers other = { .page = 65536, .insns = 7260, .boots = 2, .peak = 18874368, .pmu = pmu_after };
	char *dir = build_run_of(BASIS_HARDWARE, &base, &other);
	_cleanup_free_ char *text = NULL, *json = NULL, *file = NULL;
	const json_t *pmu, *phase;
	json_t *o;

	(void)state;
	assert_int_equal(GRANULE(&text, "explain", dir, dir, "64k.off.faults", "64k.128k.faults"), 0);
	assert_non_null(strstr(text, "page_fault1  counted by the CPUs, per operation"));
	expect_line(text, "instructions ", "1010 1510 +49.5%");
	expect_line(text, "  kernel ", "1000 1500 +50.0%");
	expect_line(text, "CPU cycles", "2020 1510 -25.2%");
	expect_line(text, "instructions per cycle", "0.5 1 +100%");
	expect_line(text, "page walks for data", "6 3 -50.0%");
	if (!strstr(text, "Not counted: page walks for instructions, L1 data TLB refills, L2"))
		fail_msg("%s", text);
	assert_null(strstr(text, "The CPUs counted nothing"));
	assert_null(strstr(text, "pmu."));
	assert_int_equal(GRANULE(&json, "explain", dir, dir, "64k.off.faults", "64k.128k.faults", "--format", "json"),
			 0);
	o = json_loads(json, 0, NULL);
	file = scratch_write(dir, "explain.json", json, strlen(json));
	ASSERT_SCHEMA_FILE(file);
	pmu = json_object_get(o, "pmu");
	phase = json_array_get(json_object_get(pmu, "phases"), 0);
	assert_true(pmu_number(phase, 0, "base", "user") == 10 && pmu_number(phase, 0, "base", "kernel") == 1000);
	assert_true(pmu_number(phase, 2, "base", "user") == 4 && pmu_number(phase, 2, "other", "user") == 1);
	json_decref(o);
	scratch_remove(dir);
}

/* A cell whose first round of two boots was not enough has four. Caught: the second round taken for boots that are not
 * there. */
static void boots_of_later_rounds(void **state)
{
	static const struct numbers wide = {
		.page = 65536, .insns = 6600, .spread = 900, .boots = 4, .peak = 18874368
	};
	struct cell_record cell = numbers_cell("64k", "off", &wide);
	char *dir = scratch_make();
	_cleanup_(run_free_p) struct run *run = NULL;
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	cell.boots = 2;
	cell.boots_most = 4;
	cell.half_width = 0.0001;
	run_build(dir, &cell, 1);
	numbers_boots(dir, &cell, &wide);
	must(run_open(dir, &run, &err), &err);
	cell_record_free(&cell);
	must(recorded_measures(run, &run->cells[0], 3, &m, &err), &err);
	measures_free(&m);
	assert_int_equal(recorded_measures(run, &run->cells[0], 5, &m, &err), -1);
	assert_non_null(strstr(err.msg, "it has boots 1 to 4"));
	scratch_remove(dir);
}

/* Caught: a comparison that boots or fails where nobody has counted yet. */
static void diff_without_counts(void **state)
{
	char *dir = build_run(BASIS_SIMULATED);
	_cleanup_free_ char *text = NULL;

	(void)state;
	GRANULE(&text, "diff", dir, "--along", "folios");
	if (!strstr(text, "insns_per_op") || strstr(text, "boot 1:"))
		fail_msg("%s", text);
	scratch_remove(dir);
}

/* Caught: a file that is believed though it is torn or not granule's. */
static void kept_counts(void **state)
{
	static const char text[] = "granule-count 3\nsample 0 work\nffff800080010080 17\nend 17\n";
	char *dir = scratch_make();
	_cleanup_free_ char *plain = scratch_write(dir, "count", text, strlen(text)), *data = NULL;
	_cleanup_free_ char *kept = path_join(dir, "count.zst");
	struct err err = ERR_INIT;
	struct counts c;
	size_t len;

	(void)state;
	must(counts_keep(plain, kept, &err), &err);
	must(counts_load_kept(kept, &c, &err), &err);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.samples[0].sum, 17);
	counts_free(&c);
	must(file_read(kept, 1 << 20, &data, &len, &err), &err);
	must(file_write_atomic(kept, data, len - 3, &err), &err);
	assert_int_equal(counts_load_kept(kept, &c, &err), -1);
	must(file_write_atomic(kept, text, strlen(text), &err), &err);
	assert_int_equal(counts_load_kept(kept, &c, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hardware_says_what_it_knows),
		cmocka_unit_test(hardware_shows_what_cpus_counted),
		cmocka_unit_test(boots_of_later_rounds),
		cmocka_unit_test(diff_without_counts),
		cmocka_unit_test(kept_counts),
	};

	return cmocka_run_group_tests_name("explain-recorded", tests, NULL, NULL);
}
