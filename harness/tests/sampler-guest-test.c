// SPDX-License-Identifier: GPL-2.0-or-later
/* What the agent's reading does to what is read, and a series, in a real guest with 64K pages. Skips with the reason where
 * there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "run/repeat.h"
#include "store/series.h"
#include "store/store.h"
#include "tests/pipeline.h"

static const char matrix_text[] = "matrix: sampler\n"
				  "guest: { memory: 1GiB, accel: simulated }\n"
				  "kernels:\n"
				  "  64k: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
				  "workloads:\n"
				  "  calls: { will-it-scale: { tests: [getppid1], iterations: 10000 } }\n"
				  "  null: { null: { touch: 64M, hold: false } }\n"
				  "trials: { seeds: 1, warmups: 1, samples: 2, series: 1, series_interval: 100 }\n";

struct fixture {
	char *dir, *run_dir, *why_not; /* owned */
	struct run *run;	       /* owned */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *matrix = NULL, *out = NULL;
	struct err err = ERR_INIT;

	*state = f;
	f->dir = scratch_make();
	unsetenv("GRANULE_FAKE");
	free(guest_kernel(65536, &f->why_not));
	if (f->why_not)
		return 0;
	matrix = scratch_write(f->dir, "sampler.yaml", matrix_text, strlen(matrix_text));
	f->run_dir = path_join(f->dir, "run");
	if (GRANULE(&out, "run", "--fresh", matrix, "-o", f->run_dir, "-j", "1") != 0 ||
	    run_open(f->run_dir, &f->run, &err) < 0)
		fail_msg("%s %s", out, err.msg);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run_free(f->run);
	scratch_remove(f->dir);
	free(f->run_dir);
	free(f->why_not);
	free(f);
	return 0;
}

static void measure(const struct run *run, const char *cell, struct measures *ret)
{
	const struct cell_record *record = run_find_cell(run, cell);
	struct boot_result boot = { 0 };
	struct err err = ERR_INIT;

	assert_non_null(record);
	if (boot_read(run, record, 1, &boot, &err) < 0 || boot_measure(record, &boot, ret, &err) < 0)
		fail_msg("%s: %s", cell, err.msg);
	boot_result_free(&boot);
}

static double value(const struct measures *m, const char *name)
{
	const struct measure *one = measures_find(m, name);

	if (!one)
		fail_msg("no measure %s", name);
	return one->values[one->n_values - 1];
}

/* Caught: a buffer of the agent that was not touched before, memory from malloc() in a snapshot, anything printed. What the
 * kernel needs to show a file may come and go: it is reported, and far below the resolution of what it adds to. */
static void reading_allocates_nothing(void **state)
{
	static const char *const none[] = { "guest.sampler.faults", "guest.sampler.pgfault",	"guest.sampler.anon",
					    "guest.sampler.file",   "guest.sampler.pagetables", "guest.sampler.stack" };
	struct fixture *f = *state;
	struct measures m;

	REQUIRE_GUESTS(f);
	measure(f->run, "64k.default.calls", &m);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		if (value(&m, none[i]) != 0)
			fail_msg("%s is %g", none[i], value(&m, none[i]));
	assert_in_range((int)value(&m, "guest.sampler.pgalloc"), 0, 24);
	assert_true(fabs(value(&m, "guest.sampler.slab")) <= 16 * 65536.0);
	assert_true(value(&m, "guest.sampler.insns") > 100000);
	measures_free(&m);
}

/* Without the files that it takes long to read. */
static void watch_less(struct cell_record *cell)
{
	char *at = strstr(cell->job, "watch\t/sys/kernel/mm/transparent_hugepage/"), *end;

	assert_non_null(at);
	end = strchr(at, '\n') + 1;
	memmove(at, end, strlen(end) + 1);
}

/* Where a snapshot takes longer, a sample does not. What a program measures of itself, and what the agent measures of a
 * program that waits for nothing (will-it-scale's begins its timed part at a tick, so its execution varies by one). Caught: a
 * snapshot between the moments that begin and end a sample. */
static void reading_takes_no_time_of_a_sample(void **state)
{
	static const struct {
		const char *cell, *metric;
	} table[] = { { "64k.default.calls", "getppid1.insns_per_op" }, { "64k.default.null", "null.elapsed" } };
	struct fixture *f = *state;
	_cleanup_free_ char *dir = NULL, *out = NULL;
	struct err err = ERR_INIT;
	struct run *run, *scratch;

	REQUIRE_GUESTS(f);
	assert_int_equal(run_open(f->run_dir, &run, &err), 0);
	for (size_t i = 0; i < run->n_cells; i++)
		watch_less(&run->cells[i]);
	if (repeat_scratch(run, run->cells, run->n_cells, &dir, &scratch, &err) < 0)
		fail_msg("%s", err.msg);
	if (GRANULE(&out, "run", "--fresh", "--resume", dir) != 0)
		fail_msg("%s", out);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct measures all, less;
		double a, b;

		measure(f->run, table[i].cell, &all);
		measure(scratch, table[i].cell, &less);
		assert_true(value(&less, "guest.sampler.insns") < 0.5 * value(&all, "guest.sampler.insns"));
		a = value(&all, table[i].metric);
		b = value(&less, table[i].metric);
		if (fabs(a - b) > 0.02 * b)
			fail_msg("%s: %g, and %g where less is read", table[i].metric, a, b);
		measures_free(&all);
		measures_free(&less);
	}
	run_free(scratch);
	run_free(run);
	remove_tree(dir, NULL);
}

/* Eleven rows, each within a tick of the kernel of its time, of a program that touches 64 MiB. Caught: rows lost, late by
 * more each time, the agent's own cgroup read. */
static void a_series(void **state)
{
	struct fixture *f = *state;
	struct boot_result boot = { 0 };
	struct series_list list = { 0 };
	struct wire_record record;
	struct err err = ERR_INIT;
	struct measures m;
	size_t at = 0;

	REQUIRE_GUESTS(f);
	assert_int_equal(boot_read(f->run, run_find_cell(f->run, "64k.default.null"), 1, &boot, &err), 0);
	for (uint32_t n = 0; wire_next(boot.stream, boot.stream_len, &at, n, &record) == WIRE_OK; n++)
		series_take(&list, &record);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.v[0].n_rows, 11);
	assert_true(list.v[0].runs > 1);
	for (size_t i = 0; i < list.v[0].n_rows; i++) {
		double late = list.v[0].rows[i * (list.v[0].n_columns + 1)] - (double)i * 1e8;

		if (late < 0 || late > 8e6)
			fail_msg("row %zu is %.0f ns late", i, late);
	}
	measure(f->run, "64k.default.null", &m);
	assert_true(value(&m, "null.series.anon_max") > 16e6);
	assert_true(value(&m, "null.series.anon_max") < 80e6);
	measures_free(&m);
	series_list_free(&list);
	boot_result_free(&boot);
}

static void it_repeats(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *out = NULL;

	REQUIRE_GUESTS(f);
	if (GRANULE(&out, "verify", f->run_dir, "--sample", "2") != 0)
		fail_msg("%s", out);
	assert_non_null(strstr(out, "2 of 2 boots gave the same bytes again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading_allocates_nothing),
		cmocka_unit_test(reading_takes_no_time_of_a_sample),
		cmocka_unit_test(a_series),
		cmocka_unit_test(it_repeats),
	};

	return cmocka_run_group_tests_name("sampler-guest", tests, setup, teardown);
}
