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

static const struct numbers before = { .page = 65536, .insns = 6600, .boots = 2, .peak = 18874368 };
static const struct numbers after = { .page = 65536, .insns = 7260, .boots = 2, .peak = 18874368 };

static char *build_run(enum basis basis)
{
	struct cell_record cells[] = { numbers_cell("64k", "off", &before), numbers_cell("64k", "128k", &after) };
	char *dir = scratch_make();

	for (size_t i = 0; i < 2; i++)
		cells[i].basis = basis;
	run_build(dir, cells, 2);
	numbers_boots(dir, &cells[0], &before);
	numbers_boots(dir, &cells[1], &after);
	for (size_t i = 0; i < 2; i++)
		cell_record_free(&cells[i]);
	return dir;
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
		cmocka_unit_test(boots_of_later_rounds),
		cmocka_unit_test(diff_without_counts),
		cmocka_unit_test(kept_counts),
	};

	return cmocka_run_group_tests_name("explain-recorded", tests, NULL, NULL);
}
