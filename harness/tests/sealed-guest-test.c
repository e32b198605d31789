// SPDX-License-Identifier: GPL-2.0-or-later
/* Real guests, 4K and 64K pages, from start to diff: the property granule stands on, and what happens to guests that go
 * wrong. Needs QEMU, libvirt's driver, and the kernels of matrices/smoke.yaml in the cache; skips with the reason where
 * they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "run/repeat.h"
#include "store/store.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

struct fixture {
	char *dir, *run; /* owned; run: made once by the first test, at -j 2 under load */
	char *why_not;	 /* owned: why guests cannot run here, or NULL */
	pid_t load[2];
};

static const char matrix_text[] =
	"matrix: sealed\n"
	"guest: { memory: 1GiB, accel: simulated }\n"
	"kernels:\n"
	"  4k:  { source: linux-source-6.12, suite: trixie, pages: 4K }\n"
	"  64k: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
	"folios:\n"
	"  off: { thp: never }\n"
	"  2m: { thp: never, anon: { 2M: always } }\n"
	"workloads:\n"
	"  faults: { will-it-scale: { tests: [page_fault1, context_switch1], bytes: 128MiB, iterations: 2000 } }\n"
	"trials: { seeds: 2, warmups: 1, samples: 2 }\n";

static int setup(void **state)
{
	static const uint64_t page_sizes[] = { 4096, 65536 };
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *matrix = NULL;

	f->dir = scratch_make();
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	matrix = scratch_write(f->dir, "sealed.yaml", matrix_text, strlen(matrix_text));
	for (size_t i = 0; i < ARRAY_SIZE(page_sizes) && !f->why_not; i++)
		free(guest_kernel(page_sizes[i], &f->why_not));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->why_not);
	free(f);
	return 0;
}

static void load_start(struct fixture *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(f->load); i++) {
		f->load[i] = fork();
		if (f->load[i] == 0)
			for (volatile unsigned long n = 0;; n++)
				;
	}
}

static void load_stop(struct fixture *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(f->load); i++) {
		kill(f->load[i], SIGKILL);
		waitpid(f->load[i], NULL, 0);
	}
}

static char *run_matrix(const struct fixture *f, const char *name, const char *jobs)
{
	_cleanup_free_ char *matrix = path_join(f->dir, "sealed.yaml"), *out = NULL;
	char *run = path_join(f->dir, name);

	/* from the cache everything would be the same */
	if (GRANULE(&out, "run", matrix, "-o", run, "-j", jobs, "--fresh") != 0)
		fail_msg("%s", out);
	return run;
}

/* Two guests at a time on a host with both cores busy, then one at a time on an idle one: the same bytes. */
static void same_seed_same_bytes(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *again = NULL, *a = NULL, *b = NULL;

	REQUIRE_GUESTS(f);
	load_start(f);
	f->run = run_matrix(f, "loaded", "2");
	load_stop(f);
	again = run_matrix(f, "idle", "1");
	a = run_digest(f->run);
	b = run_digest(again);
	assert_string_equal(a, b);
	assert_null(strstr(a, "failed"));
}

/* And what the cache gives instead of a guest is those bytes. */
static void cached_boots_are_those_bytes(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *matrix = NULL, *run = NULL, *out = NULL, *want = NULL, *got = NULL;

	REQUIRE_GUESTS(f);
	matrix = path_join(f->dir, "sealed.yaml");
	run = path_join(f->dir, "cached");
	assert_int_equal(GRANULE(&out, "run", matrix, "-o", run), 0);
	if (!strstr(out, "8 of 8 boots taken from the cache"))
		fail_msg("%s", out);
	want = run_digest(f->run);
	got = run_digest(run);
	assert_string_equal(got, want);
}

/* The checks above can fail: another seed gives other bytes. */
static void another_seed_other_bytes(void **state)
{
	struct fixture *f = *state;
	struct boot_result one = { 0 }, two = { 0 };
	_cleanup_free_ char *difference = NULL;
	struct err err = ERR_INIT;
	struct run *run;

	REQUIRE_GUESTS(f);
	assert_int_equal(run_open(f->run, &run, &err), 0);
	assert_int_equal(boot_read(run, &run->cells[0], 1, &one, &err), 0);
	assert_int_equal(boot_read(run, &run->cells[0], 2, &two, &err), 0);
	difference = stream_difference(one.stream, one.stream_len, two.stream, two.stream_len);
	assert_non_null(difference);
	assert_non_null(strstr(difference, "record "));
	boot_result_free(&one);
	boot_result_free(&two);
	run_free(run);
}

static void verify_repeats(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *out = NULL;

	REQUIRE_GUESTS(f);
	if (GRANULE(&out, "verify", f->run, "--sample", "3") != 0)
		fail_msg("%s", out);
	assert_non_null(strstr(out, "3 of 3 boots gave the same bytes again"));
}

static void guests_say_their_page_size(void **state)
{
	static const struct {
		const char *cell, *pages;
	} cases[] = { { "4k.off.faults", "4096" }, { "64k.off.faults", "65536" } };
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct run *run;

	REQUIRE_GUESTS(f);
	assert_int_equal(run_open(f->run, &run, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct cell_record *cell = run_find_cell(run, cases[i].cell);
		struct boot_result boot = { 0 };
		struct wire_record hello;
		size_t at = 0;

		assert_non_null(cell);
		assert_int_equal(boot_read(run, cell, 1, &boot, &err), 0);
		assert_int_equal(wire_next(boot.stream, boot.stream_len, &at, 0, &hello), WIRE_OK);
		assert_int_equal(hello.type, WIRE_HELLO);
		assert_true(wire_is(&hello, 0, "page_size"));
		assert_true(wire_is(&hello, 1, cases[i].pages));
		boot_result_free(&boot);
	}
	run_free(run);
}

static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

/* One boot of the first cell, changed by @change; the outcome must be @outcome and its reason say @reason. */
static void expect_outcome(const struct fixture *f, void (*change)(struct cell_record *), enum outcome outcome,
			   const char *reason)
{
	_cleanup_free_ char *dir = NULL, *out = NULL;
	struct run *run, *scratch;
	struct boot_result boot = { 0 };
	struct err err = ERR_INIT;

	assert_int_equal(run_open(f->run, &run, &err), 0);
	change(&run->cells[0]);
	run->cells[0].boots = 1;
	if (repeat_scratch(run, run->cells, 1, &dir, &scratch, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(GRANULE(&out, "run", "--resume", dir), 4);
	assert_int_equal(boot_read(scratch, &scratch->cells[0], 1, &boot, &err), 0);
	if (boot.outcome != outcome || !boot.reason || !strstr(boot.reason, reason))
		fail_msg("outcome %s: %s; wanted %s: ...%s...", outcome_names[boot.outcome],
			 boot.reason ? boot.reason : "", outcome_names[outcome], reason);
	boot_result_free(&boot);
	run_free(scratch);
	run_free(run);
	remove_tree(dir, NULL);
}

static void set_job(struct cell_record *cell, const char *from, const char *to)
{
	char *job = replaced(cell->job, from, to);

	free(cell->job);
	cell->job = job;
}

static void expect_64k(struct cell_record *cell)
{
	set_job(cell, "expect\tpage_size\t4096", "expect\tpage_size\t65536");
}

static void set_nonsense(struct cell_record *cell)
{
	set_job(cell, "idle\n", "set\t/sys/kernel/mm/transparent_hugepage/enabled\tsometimes\tmust\nidle\n");
}

static void run_nothing(struct cell_record *cell)
{
	set_job(cell, "idle\n", "idle\nexec\tx\tsample\t0\t10\t/bin/absent\n");
}

static void boot_no_init(struct cell_record *cell)
{
	char *line = xasprintf("%s rdinit=/absent", cell->command_line);

	free(cell->command_line);
	cell->command_line = line;
}

static void bad_guests_are_told_apart(void **state)
{
	struct fixture *f = *state;

	REQUIRE_GUESTS(f);
	expect_outcome(f, expect_64k, OUTCOME_BOOT_FAILED, "4096");
	expect_outcome(f, set_nonsense, OUTCOME_SETTINGS_FAILED, "transparent_hugepage/enabled");
	expect_outcome(f, run_nothing, OUTCOME_WORKLOAD_FAILED, "/bin/absent");
	expect_outcome(f, boot_no_init, OUTCOME_GUEST_CRASHED, "Unable to mount root fs");
}

static pid_t find_boot_process(pid_t scheduler)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/task/%d/children", (int)scheduler, (int)scheduler);
	_cleanup_free_ char *text = NULL;

	for (unsigned int wait_ms = 0; wait_ms < 20000; wait_ms++) {
		if (file_read(path, 4096, &text, NULL, NULL) == 0 && atoi(text) > 0)
			return atoi(text);
		free(steal_ptr(text));
		usleep(1000);
	}
	return 0;
}

/* SIGKILL for granule-boot in the middle of a guest, then for the scheduler; --resume ends with the same bytes. */
static void killed_guests_are_repeated(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *matrix = NULL, *run = NULL, *want = NULL, *got = NULL, *out = NULL;
	pid_t scheduler, boot;

	REQUIRE_GUESTS(f); /* leaves by longjmp, so before anything is allocated */
	matrix = path_join(f->dir, "sealed.yaml");
	run = path_join(f->dir, "killed");
	scheduler = granule_start((const char *const[]){ "run", matrix, "-o", run, "-j", "2", "--fresh", NULL });
	boot = find_boot_process(scheduler);
	assert_true(boot > 0);
	usleep(700000);
	kill(boot, SIGKILL);
	usleep(500000);
	kill(scheduler, SIGKILL);
	waitpid(scheduler, NULL, 0);
	if (GRANULE(&out, "run", "--resume", run, "--fresh") != 0)
		fail_msg("%s", out);
	want = run_digest(f->run);
	got = run_digest(run);
	assert_string_equal(got, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_same_bytes),	      cmocka_unit_test(cached_boots_are_those_bytes),
		cmocka_unit_test(another_seed_other_bytes),   cmocka_unit_test(verify_repeats),
		cmocka_unit_test(guests_say_their_page_size), cmocka_unit_test(bad_guests_are_told_apart),
		cmocka_unit_test(killed_guests_are_repeated),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
