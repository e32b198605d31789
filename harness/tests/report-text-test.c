// SPDX-License-Identifier: GPL-2.0-or-later
/* What people and programs read: goldens under scenarios/golden (REGENERATE=1 writes them anew; read them then), no line
 * wider than 78 columns whatever the names, nothing of a guest's that a terminal would obey. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/number.h"
#include "report/report.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

static const struct numbers small = { .page = 4096, .insns = 1400, .spread = 3, .boots = 3, .peak = 8912896 };
static const struct numbers large = { .page = 65536, .insns = 6600, .spread = 9, .boots = 3, .peak = 18874368 };
static const struct numbers huge = {
	.page = 65536, .insns = 400, .spread = 40, .boots = 3, .folio_allocs = 64, .peak = 134217728
};

static struct run *open_run(const char *dir)
{
	struct err err = ERR_INIT;
	struct run *run;

	must(run_open(dir, &run, &err), &err);
	return run;
}

/* Five cells: a pair with large folios, one without, one that is skipped; one boot crashed, one not run. */
static char *build_run(unsigned long long more_insns)
{
	struct cell_record cells[] = { numbers_cell("4k", "off", &small), numbers_cell("4k", "128k", &small),
				       numbers_cell("64k", "off", &large), numbers_cell("64k", "128k", &huge),
				       numbers_cell("16k", "off", &large) };
	const struct numbers moved = {
		.page = 4096, .insns = 700, .spread = 2, .boots = 3, .folio_allocs = 1024, .peak = 8912896
	};
	const struct numbers *n[] = { &small, &moved, &large, &huge };
	_cleanup_free_ char *crashed = NULL, *torn = NULL;
	char *dir = scratch_make();

	cells[4].skip = xstrdup("this CPU has no 16K granule");
	run_build(dir, cells, 5);
	for (size_t i = 0; i < 4; i++) {
		struct numbers with = *n[i];

		with.insns += more_insns;
		numbers_boots(dir, &cells[i], &with);
	}
	crashed = xasprintf("%s/cells/64k.off.faults/2/1", dir);
	put_text(crashed, "console.log",
		 "[    0.000000] Booting Linux\r\n[    0.400000] kernel BUG at mm/huge_memory.c:3120!\r\n"
		 "[    0.400100] Internal error: Oops - BUG: 00000000f2000800 [#1] SMP\r\n\033[31mred\033[0m\r\n");
	torn = xasprintf("%s/cells/64k.128k.faults/3/1", dir);
	put_text(torn, "stream", "GRN1");
	for (size_t i = 0; i < 5; i++)
		cell_record_free(&cells[i]);
	return dir;
}

static void assert_narrow(const char *text)
{
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\n");

		if (len > REPORT_WIDTH)
			fail_msg("%zu columns: %.*s", len, (int)len, p);
		if (len && p[len - 1] == ' ')
			fail_msg("blank at the end: %.*s", (int)len, p);
	}
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p >= 0x7f || ((unsigned char)*p < 0x20 && *p != '\n'))
			fail_msg("byte 0x%02x", (unsigned char)*p);
}

static void check_golden(const char *name, const char *dir, char *text)
{
	_cleanup_free_ char *plain = replaced(text, dir, "/results/RUN");

	assert_narrow(text);
	assert_int_equal(golden(name, plain), 0);
	free(text);
}

static char *diff_text(const char *dir, const struct run *other, struct compare_options options, bool all)
{
	struct run *run = open_run(dir);
	struct comparison *c;
	struct err err = ERR_INIT;
	char *text;

	must(compare_runs(run, other, &options, &c, &err), &err);
	text = report_diff_text(c, all, false);
	comparison_free(c);
	run_free(run);
	return text;
}

static void test_diff(void **state)
{
	struct compare_options options = COMPARE_DEFAULTS;
	char *dir = build_run(0);

	(void)state;
	options.along = "kernels";
	check_golden("diff-kernels.txt", dir, diff_text(dir, NULL, options, false));
	check_golden("diff-kernels-all.txt", dir, diff_text(dir, NULL, options, true));
	options.along = "folios";
	check_golden("diff-folios.txt", dir, diff_text(dir, NULL, options, false));
	options.metric = "memory.*";
	options.cell = "4k.*";
	check_golden("diff-folios-memory.txt", dir, diff_text(dir, NULL, options, false));
	scratch_remove(dir);
}

/* Another kernel release, another QEMU: subject and confounder. */
static void test_diff_runs(void **state)
{
	char *dirs[] = { build_run(0), build_run(100) };
	_cleanup_free_ char *host = xasprintf("%s/cells/4k.off.faults/1/1", dirs[1]), *text = NULL;
	struct run *other;

	(void)state;
	put_text(host, "host.json", "{\"cpu\":\"QEMU TCG\",\"qemu_version\":\"10.0.2\"}");
	other = open_run(dirs[1]);
	free(other->cells[1].kernel_release);
	other->cells[1].kernel_release = xstrdup("7.2.13");
	json_object_set_new(json_object_get(other->cells[1].definition, "kernel"), "release", json_string("7.2.13"));
	json_object_set_new(json_object_get(other->cells[1].definition, "kernel"), "compiler", json_string("gcc 15"));
	text = diff_text(dirs[0], other, COMPARE_DEFAULTS, false);
	check_golden("diff-runs.txt", dirs[0], replaced(text, dirs[1], "/results/OTHER"));
	run_free(other);
	scratch_remove(dirs[0]);
	scratch_remove(dirs[1]);
}

static char *cell_text(const char *dir, const char *cell, unsigned int boot, bool expect_failed)
{
	struct run *run = open_run(dir);
	struct err err = ERR_INIT;
	bool failed;
	char *text;

	if (cell)
		must(report_cell_text(run, run_find_cell(run, cell), boot, false, &text, &failed, &err), &err);
	else
		must(report_run_text(run, false, &text, &failed, &err), &err);
	assert_int_equal(failed, expect_failed);
	run_free(run);
	return text;
}

static void test_show(void **state)
{
	char *dir = build_run(0);

	(void)state;
	check_golden("show-run.txt", dir, cell_text(dir, NULL, 0, true));
	check_golden("show-cell.txt", dir, cell_text(dir, "4k.128k.faults", 0, false));
	check_golden("show-crashed.txt", dir, cell_text(dir, "64k.off.faults", 2, true));
	check_golden("show-skipped.txt", dir, cell_text(dir, "16k.off.faults", 0, false));
	scratch_remove(dir);
}

/* One boot whose stream has two series, the second as a guest could send it. Caught: a course of the wrong length or
 * scale, a stretch in which nothing was read drawn, kB for bytes, a name that breaks the line. */
static void test_series(void **state)
{
	static const char columns[] = "charged cgroup/memory.current -\nfree /proc/meminfo MemFree:\nodd /proc/x y\n"
				      "never /proc/none -\n";
	struct cell_record cell = numbers_cell("4k", "off", &small);
	_cleanup_free_ char *longest = xasprintf("%0300d", 7), *odd = NULL;
	struct stream s = { 0 };
	struct text rows = { 0 };
	char *dir = scratch_make();
	json_t *o, *rows_json;
	bool failed;
	struct run *run;

	(void)state;
	for (unsigned int i = 0; i <= 100; i++)
		if (i < 50 || i > 60)
			text_add(&rows, "%u00000000 %u %u 7 -\n", i, (i % 25) << 20, 3000000 - 1000 * i);
	stream_put(&s, WIRE_HELLO, "page_size", "4096", NULL);
	stream_put(&s, WIRE_SERIES, "null", "0", "100000000", "12", columns, rows.s, NULL);
	odd = xasprintf("%s\033[31m %s %s\n", longest, longest, longest);
	stream_put(&s, WIRE_SERIES, longest, "0", "1", "1", odd, "0 5\n99999999999 -\n0 3\n", NULL);
	stream_put(&s, WIRE_END, "ok", "", NULL);
	run_build(dir, &cell, 1);
	free(attempt_build(dir, cell.id, 1, 1, &s, "", "{\"stop\":\"poweroff\"}"));
	check_golden("show-series.txt", dir, cell_text(dir, cell.id, 1, false));
	run = open_run(dir);
	must(report_cell_json(run, &run->cells[0], 1, &o, &failed, NULL), &ERR_INIT);
	rows_json = json_object_get(
		json_array_get(json_object_get(json_array_get(json_object_get(o, "boots"), 0), "series"), 0), "rows");
	assert_int_equal(json_array_size(rows_json), 90);
	assert_true(json_is_null(json_array_get(json_array_get(rows_json, 0), 4)));
	json_decref(o);
	run_free(run);
	text_free(&rows);
	text_free(&s.bytes);
	cell_record_free(&cell);
	scratch_remove(dir);
}

/* Everything that text shows is in the JSON, which parses back. Caught: NaN, a key renamed. */
static void test_json(void **state)
{
	struct compare_options options = COMPARE_DEFAULTS;
	static const char *const keys[] = { "schema",	"kind",	      "base",	     "other",	    "along",
					    "effect",	"confidence", "arms",	     "kernels",	    "pairs",
					    "verdicts", "qemu",	      "differences", "not_compared" };
	char *dir = build_run(0);
	struct run *run = open_run(dir);
	_cleanup_free_ char *text = NULL;
	struct comparison *c;
	bool failed;
	json_t *o, *back, *row;

	(void)state;
	options.along = "kernels";
	must(compare_runs(run, NULL, &options, &c, NULL), &ERR_INIT);
	o = report_diff_json(c);
	text = json_dumps(o, JSON_INDENT(1));
	assert_non_null(text);
	back = json_loads(text, 0, NULL);
	assert_non_null(back);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!json_object_get(back, keys[i]))
			fail_msg("no key %s", keys[i]);
	row = json_array_get(json_object_get(json_array_get(json_object_get(back, "pairs"), 0), "metrics"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "name")), "page_fault1.insns_per_op");
	assert_int_equal(json_array_size(json_object_get(json_object_get(row, "base"), "boots")), 3);
	json_decref(o);
	json_decref(back);
	comparison_free(c);
	must(report_run_json(run, &o, &failed, NULL), &ERR_INIT);
	assert_true(failed);
	assert_int_equal(json_array_size(json_object_get(o, "cells")), 5);
	json_decref(o);
	must(report_cell_json(run, &run->cells[0], 0, &o, &failed, NULL), &ERR_INIT);
	assert_false(failed);
	row = json_array_get(json_object_get(o, "boots"), 2);
	row = json_object_get(json_object_get(row, "metrics"), "page_fault1.insns_per_op");
	assert_int_equal(json_array_size(json_object_get(row, "samples")), 2);
	assert_true(json_real_value(json_array_get(json_object_get(row, "samples"), 0)) == 1400);
	json_decref(o);
	run_free(run);
	scratch_remove(dir);
}

/* The longest labels there can be, the longest reasons. Caught: a column that grows with its contents. */
static void test_narrow(void **state)
{
	static const char longest[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij";
	struct cell_record cells[] = { numbers_cell(longest, longest, &small), numbers_cell("x", longest, &large),
				       numbers_cell("y", longest, &large) };
	struct compare_options options = COMPARE_DEFAULTS;
	char *dir = scratch_make();
	_cleanup_free_ char *text = NULL, *run_text = NULL, *cell = NULL;

	(void)state;
	cells[2].skip = xasprintf("%s%s%s", longest, longest, longest);
	run_build(dir, cells, 3);
	numbers_boots(dir, &cells[0], &small);
	numbers_boots(dir, &cells[1], &huge);
	options.along = "kernels";
	assert_narrow(text = diff_text(dir, NULL, options, true));
	assert_narrow(run_text = cell_text(dir, NULL, 0, false));
	assert_narrow(cell = cell_text(dir, cells[0].id, 0, false));
	for (size_t i = 0; i < 3; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
}

/* Numbers for people. Caught: a lost sign, digits that mean nothing, 1000 for 1024. */
static void test_numbers(void **state)
{
	static const struct {
		double value;
		const char *unit, *text;
	} numbers[] = {
		{ 8912896, "bytes", "8.50 MiB" }, { 0, "bytes", "0 B" },	  { 6697.4, "insns", "6697" },
		{ 1234567, "1", "1235k" },	  { 0.00390625, "1", "0.00391" }, { 0, "1", "0" },
		{ 1.0024, "1/op", "1.002" },	  { 99999.4, "1", "100k" },	  { NAN, "1", "-" },
	};
	static const struct {
		double change;
		const char *text;
	} changes[] = {
		{ 0.059, "+5.90%" }, { -0.681, "-68.1%" },  { 15.4, "x16.4" },	   { -0.9375, "1/16" }, { 0, "0%" },
		{ 1.5, "+150%" },    { -0.0004, "-0.04%" }, { -0.00004, "0.00%" }, { -1, "-100%" },
	};
	static const double times[] = { 0, 1, 2, 3, 8 }, values[] = { 10, 20, 15, 10, 17 };
	char buf[NUMBER_SIZE];

	(void)state;
	assert_string_equal(course_text(times, values, 5, 16, buf), "#=  +");
	assert_string_equal(course_text(times, values, 5, 2, buf), "#+");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		assert_string_equal(number_text(numbers[i].value, numbers[i].unit, buf), numbers[i].text);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		assert_string_equal(change_text(changes[i].change, buf), changes[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_diff),	cmocka_unit_test(test_diff_runs), cmocka_unit_test(test_show),
		cmocka_unit_test(test_json),	cmocka_unit_test(test_series),	  cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("report-text", tests, NULL, NULL);
}
