// SPDX-License-Identifier: GPL-2.0-or-later
/* A run that survives anything, with real 64K guests: SIGKILL of scheduler, granule-boot and QEMU at random moments, then
 * --resume: the bytes of an undisturbed run, and no QEMU left. Skips with the reason where guests cannot run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/survive.h"

#define MOMENTS 7 /* GRANULE_TEST_MOMENTS=100 for the long one */

struct fixture {
	char *dir, *whole, *roots; /* owned; roots: what the command lines of our QEMUs name */
	char *why_not;		   /* owned: why guests cannot run here, or NULL */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cache = NULL, *kernel = NULL;

	f->dir = scratch_make();
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	kernel = guest_kernel(65536, &f->why_not);
	/* roots of its own, so that every QEMU in them is this test's */
	cache = path_join(f->dir, "cache");
	f->roots = path_join(cache, "virt/");
	f->whole = path_join(f->dir, "whole");
	setenv("GRANULE_CACHE", cache, 1);
	if (kernel) {
		_cleanup_free_ char *text =
			xasprintf("matrix: survive\nguest: { memory: 512MiB, accel: simulated }\nkernels:\n"
				  "  64k: { image: %s }\nworkloads:\n"
				  "  w: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } }\n"
				  "trials: { seeds: 2, warmups: 0, samples: 2 }\n",
				  kernel);

		free(scratch_write(f->dir, "survive.yaml", text, strlen(text)));
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->whole);
	free(f->roots);
	free(f->why_not);
	free(f);
	return 0;
}

static pid_t resume(const char *run)
{
	return granule_start((const char *const[]){ "run", "-q", "--fresh", "-j", "1", "--resume", run, NULL });
}

static unsigned int chosen_moments(void)
{
	const char *given = getenv("GRANULE_TEST_MOMENTS");

	return given ? (unsigned int)strtoul(given, NULL, 10) : MOMENTS;
}

static void killed_at_random_moments(void **state)
{
	static const enum victims table[] = { SCHEDULER | WORKERS, SCHEDULER, WORKERS, SCHEDULER | WORKERS | GUESTS,
					      SCHEDULER | WORKERS };
	const struct fixture *f = *state;
	_cleanup_free_ char *want = NULL, *matrix = NULL;
	size_t adopted = 0, n_attempts = 0, n_boots = 0, boots;
	unsigned int seed, span_us = 0, moments = chosen_moments();
	uint64_t began;

	if (f->why_not)
		skip();
	seed = chosen_seed();
	matrix = path_join(f->dir, "survive.yaml");
	/* the first start in a new root takes longer */
	assert_int_equal(GRANULE(NULL, "run", "--fresh", "-j", "1", matrix, "-o", f->whole), 0);
	want = run_digest(f->whole);
	for (unsigned int i = 0; i <= moments; i++) {
		_cleanup_free_ char *name = xasprintf("r-%u", i), *run = planned(f->dir, f->whole, name);
		struct lane lane = { .run = run };

		began = now_ns();
		lane.pid = resume(run);
		if (i > 0) {
			/* the scheduler takes a while to come to its first guest, and that is tested elsewhere */
			lane.moment_us = span_us / 8 + (unsigned int)rand_r(&seed) % (span_us * 7 / 8);
			lane.victims = table[(i - 1) % ARRAY_SIZE(table)];
			usleep(lane.moment_us);
			strike(run, lane.victims, lane.pid);
			end_of(lane.pid);
			lane.pid = resume(run);
		}
		check_resumed(&lane, end_of(lane.pid), want);
		assert_nothing_left(f->roots);
		if (i == 0)
			span_us = (unsigned int)((now_ns() - began) / 1000);
		adopted += count_adopted(run);
		n_attempts += attempts_of(run, &boots);
		n_boots += boots;
	}
	printf("%u moments in %.1f s: %zu attempts for %zu boots, %zu adopted\n", moments, (double)span_us / 1e6,
	       n_attempts, n_boots, adopted);
}

/* Caught: a whole stream that is made again because nobody was there at its end; an orphan that is left to itself. */
static void orphans_are_adopted_not_repeated(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *want = NULL, *run = NULL;
	size_t n_boots;
	struct lane lane = { .victims = SCHEDULER | WORKERS };

	if (f->why_not)
		skip();
	want = run_digest(f->whole);
	/* while it runs: adopted alive */
	run = planned(f->dir, f->whole, "alive");
	lane.run = run;
	lane.pid = resume(run);
	wait_for_file(run, "64k.default.w/1/1/console.log");
	strike(run, lane.victims, lane.pid);
	end_of(lane.pid);
	assert_true(any_process(f->roots));
	lane.pid = resume(run);
	check_resumed(&lane, end_of(lane.pid), want);
	assert_int_equal(attempts_of(run, &n_boots), 2);
	assert_int_equal(count_adopted(run), 1);
	/* once it has ended by itself: adopted whole */
	free(run);
	run = planned(f->dir, f->whole, "dead");
	lane.run = run;
	lane.pid = resume(run);
	wait_for_file(run, "64k.default.w/1/1/console.log");
	strike(run, lane.victims, lane.pid);
	end_of(lane.pid);
	for (int i = 0; i < 6000 && any_process(f->roots); i++)
		usleep(10000);
	assert_false(any_process(f->roots));
	lane.pid = resume(run);
	check_resumed(&lane, end_of(lane.pid), want);
	assert_int_equal(attempts_of(run, &n_boots), 2);
	assert_int_equal(count_adopted(run), 1);
	assert_nothing_left(f->roots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_random_moments),
		cmocka_unit_test(orphans_are_adopted_not_repeated),
	};

	return cmocka_run_group_tests_name("survive-guest", tests, setup, teardown);
}
