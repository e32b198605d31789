// SPDX-License-Identifier: GPL-2.0-or-later
/* The whole program on the guest that is not there: run, resume, kill, show, diff. No QEMU, no network, no root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/pipeline.h"

static char *write_matrix(const struct fake_fixture *f, const char *name, const char *workloads, unsigned int seeds)
{
	_cleanup_free_ char *text = xasprintf(
		"matrix: test\nguest: { memory: 256MiB }\nkernels:\n  4k: { image: Image-4k }\n"
		"  64k: { image: Image-64k }\nfolios:\n  off: { thp: never }\n  small: { anon: { 64K: always } }\n"
		"workloads:\n%strials: { seeds: %u, warmups: 1, samples: 2 }\n",
		workloads, seeds);

	return scratch_write(f->dir, name, text, strlen(text));
}

static void run_show_diff(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "m.yaml", "  w: { null: { } }\n", 2);
	_cleanup_free_ char *run = path_join(f->dir, "run"), *out = NULL, *shown = NULL, *diff = NULL;
	_cleanup_free_ char *before = NULL, *after = NULL;

	assert_int_equal(GRANULE(&before, "list", matrix), 0);
	assert_non_null(strstr(before, "3 to run, 1 skipped; 6 boots"));
	assert_non_null(strstr(before, "the like of 3 cells was never run here"));
	assert_int_equal(GRANULE(&out, "run", matrix, "-o", run), 0);
	/* 64K pages have no 64K mTHP: that cell is skipped with the sizes that exist, the other three run twice */
	assert_non_null(strstr(out, "6 boots, 6 ok; 1 cells skipped"));
	assert_int_equal(GRANULE(&after, "list", matrix), 0);
	assert_null(strstr(after, "never run here"));
	assert_int_equal(GRANULE(&shown, "show", run), 0);
	assert_non_null(strstr(shown, "64k.small.w"));
	assert_non_null(strstr(shown, "256K"));
	assert_int_equal(GRANULE(&diff, "diff", run, "--along", "kernels") & ~5, 0);
	assert_non_null(strstr(diff, "64k"));
}

/* Of a package that was never fetched the page size is not known, so nothing can be said to be impossible on it. */
static void a_package_that_is_not_there(void **state)
{
	static const char text[] =
		"matrix: test\nkernels: { distro: { package: linux-image-arm64-16k, suite: trixie } }\n"
		"folios:\n  small: { anon: { 16K: always } }\nworkloads: { w: { null: { } } }\n";
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = scratch_write(f->dir, "package.yaml", text, strlen(text)), *out = NULL;

	assert_int_equal(GRANULE(&out, "list", matrix), 0);
	assert_non_null(strstr(out, "? pages  linux-image-arm64-16k (trixie)  (to be fetched)"));
	assert_non_null(strstr(out, "1 cells, 1 to run, 0 skipped"));
	assert_non_null(strstr(out, "0 kernels to build, 1 to fetch"));
}

/* Caught: a phase without its series, or with that of a warm-up; a definition that names what nobody asked for. */
static void series_are_shown(void **state)
{
	static const char text[] = "matrix: s\nguest: { memory: 256MiB }\nkernels:\n  64k: { image: Image-64k }\n"
				   "workloads: { w: { null: { touch: 4M } } }\n"
				   "trials: { seeds: 1, warmups: 1, samples: 2, series: 2, series_interval: 500 }\n";
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = scratch_write(f->dir, "s.yaml", text, strlen(text)), *plain = NULL;
	_cleanup_free_ char *run = path_join(f->dir, "s"), *shown = NULL, *json = NULL, *other = NULL, *out = NULL;

	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", run), 0);
	assert_int_equal(GRANULE(&shown, "show", run, "64k.default.w"), 0);
	assert_non_null(strstr(shown, "boot 1: series of null, 5 rows in 2.000 s of guest time, one in 500 ms; its"));
	assert_non_null(strstr(shown, "null.series.anon_max"));
	assert_int_equal(GRANULE(&json, "show", run, "64k.default.w", "--format", "json"), 0);
	assert_non_null(strstr(json, "\"series_interval\": 500"));
	assert_null(strstr(strstr(json, "\"series\": [") + 1, "\"series\": ["));
	plain = write_matrix(f, "plain.yaml", "  w: { null: { } }\n", 1);
	other = path_join(f->dir, "plain");
	assert_int_equal(GRANULE(NULL, "run", plain, "-o", other), 0);
	assert_int_equal(GRANULE(&out, "show", other, "64k.off.w", "--format", "json"), 0);
	assert_null(strstr(out, "series"));
}

/* Each way to fail has its outcome, and the run its exit code. */
static void failures_have_outcomes(void **state)
{
	static const struct {
		const char *how, *outcome;
	} cases[] = {
		{ "exit", "workload-failed" }, { "signal", "workload-failed" },	 { "oops", "guest-crashed" },
		{ "no-hello", "boot-failed" }, { "unsupported", "unsupported" },
	};
	const struct fake_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *workload = xasprintf("  w: { null: { fail: %s } }\n", cases[i].how);
		_cleanup_free_ char *matrix = write_matrix(f, "fail.yaml", workload, 1);
		_cleanup_free_ char *run = xasprintf("%s/run-%s", f->dir, cases[i].how), *out = NULL;
		int code = GRANULE(&out, "run", matrix, "-o", run, "--only", "4k.off.w");

		if (!strstr(out, cases[i].outcome))
			fail_msg("fail: %s should be %s, but granule said\n%s", cases[i].how, cases[i].outcome, out);
		assert_int_equal(code, 4);
	}
}

static void kill_at(pid_t pid, unsigned int ms, int sig)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&ts, NULL);
	kill(pid, sig);
	waitpid(pid, NULL, 0);
}

/* SIGKILL at many moments, then --resume: the same cells and the same bytes as a run that nobody disturbed. */
static void killed_runs_resume(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "k.yaml", "  a: { null: { } }\n  b: { null: { } }\n", 4);
	_cleanup_free_ char *whole = path_join(f->dir, "whole"), *want = NULL;

	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", whole), 0);
	want = run_digest(whole);
	for (unsigned int i = 0; i < 8; i++) {
		_cleanup_free_ char *run = xasprintf("%s/killed-%u", f->dir, i), *header = path_join(run, "run.json");
		_cleanup_free_ char *got = NULL;
		pid_t pid = granule_start((const char *const[]){ "run", matrix, "-o", run, NULL });

		/* it exists once run.json does; then the moments are spread over the run */
		for (unsigned int wait_ms = 0; !path_exists(header) && wait_ms < 20000; wait_ms++)
			usleep(1000);
		kill_at(pid, 25 * i, SIGKILL);
		assert_int_equal(GRANULE(NULL, "run", "--resume", run), 0);
		got = run_digest(run);
		assert_string_equal(got, want);
	}
}

static void interrupted_run_exits_130_and_resumes(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "i.yaml", "  w: { null: { } }\n", 40);
	_cleanup_free_ char *run = path_join(f->dir, "interrupted"), *header = path_join(run, "run.json");
	pid_t pid = granule_start((const char *const[]){ "run", matrix, "-o", run, NULL });
	int status;

	for (unsigned int wait_ms = 0; !path_exists(header) && wait_ms < 20000; wait_ms++)
		usleep(1000);
	usleep(100000);
	kill(pid, SIGINT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
	assert_int_equal(GRANULE(NULL, "run", "--resume", run), 0);
}

/* A limit on file sizes stands in for a full disk: a write fails in the middle. */
static void full_disk_is_said_and_resumes(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "d.yaml", "  w: { null: { } }\n", 1);
	_cleanup_free_ char *run = path_join(f->dir, "full"), *out = NULL;
	struct rlimit before, small;

	getrlimit(RLIMIT_FSIZE, &before);
	small = before;
	small.rlim_cur = 16384; /* the plan fits, an initramfs does not */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	int code = GRANULE(&out, "run", matrix, "-o", run);
	setrlimit(RLIMIT_FSIZE, &before);
	if (code == 0)
		fail_msg("the run should not be whole:\n%s", out);
	assert_int_equal(code, 3);
	if (path_exists(run)) {
		_cleanup_free_ char *header = path_join(run, "run.json");

		if (path_exists(header))
			assert_int_equal(GRANULE(NULL, "run", "--resume", run), 0);
	}
}

static void two_schedulers_do_not_share_a_run(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "t.yaml", "  w: { null: { } }\n", 40);
	_cleanup_free_ char *run = path_join(f->dir, "two"), *lock = path_join(run, "lock"), *out = NULL;
	pid_t pid = granule_start((const char *const[]){ "run", matrix, "-o", run, NULL });

	for (unsigned int wait_ms = 0; !path_exists(lock) && wait_ms < 20000; wait_ms++)
		usleep(1000);
	assert_int_equal(GRANULE(&out, "run", "--resume", run), 3);
	assert_non_null(strstr(out, "another granule is running it"));
	kill_at(pid, 0, SIGTERM);
}

static void usage_errors_exit_2(void **state)
{
	static const struct {
		const char *args[5], *said;
	} cases[] = {
		{ { "rnu" }, "did you mean 'run'?" },
		{ { "run" }, "which matrix?" },
		{ { "run", "no/such.yaml" }, "no/such.yaml" },
		{ { "run", "x.yaml", "-j", "0" }, "-j: '0' is not a whole number" },
		{ { "run", "x", "--shard", "5/4" }, "--shard: '5/4' is not I/N" },
		{ { "run", "x", "--shard", "0/4" }, "--shard: '0/4' is not I/N" },
		{ { "run", "x", "--shard", "1/4x" }, "--shard: '1/4x' is not I/N" },
		{ { "run", "x", "--join", "--resume" }, "one of them" },
		{ { "run", "x", "--join", "-oy" }, "it takes no --output" },
		{ { "run", "--join", "no/such/run" }, "no/such/run" },
		{ { "list", "--olny", "x" }, "unrecognized option" },
		{ { "show", "no/such/run" }, "no/such/run" },
		{ { "diff", "no/such/run", "--along", "kernels" }, "no/such/run" },
		{ { "verify", "no/such/run" }, "no/such/run" },
		{ { "repro", "no/such/run", "cell" }, "no/such/run" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *out = NULL;
		int code = granule(&out, cases[i].args);

		if (code != 2 || !strstr(out, cases[i].said))
			fail_msg("granule %s: exit %d, wanted 2 and \"%s\":\n%s", cases[i].args[0], code, cases[i].said,
				 out);
	}
}

static void missing_things_are_named(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *absent = NULL, *x86 = NULL, *none = NULL, *out = NULL, *out2 = NULL, *out3 = NULL;
	_cleanup_free_ char *run = path_join(f->dir, "missing");
	static const char bzimage[1024] = { [0x1fe] = 0x55, [0x1ff] = (char)0xaa, [0x202] = 'H', 'd', 'r', 'S' };
	static const char *const yaml = "matrix: m\nkernels:\n  k: { image: %s }\nworkloads:\n  w: { null: { } }\n";
	_cleanup_free_ char *t1 = xasprintf(yaml, "gone/Image"), *t2 = xasprintf(yaml, "bzImage");

	free(scratch_write(f->dir, "bzImage", bzimage, sizeof(bzimage)));
	absent = scratch_write(f->dir, "absent.yaml", t1, strlen(t1));
	x86 = scratch_write(f->dir, "x86.yaml", t2, strlen(t2));
	assert_int_not_equal(GRANULE(&out, "run", absent, "-o", run), 0);
	assert_non_null(strstr(out, "absent.yaml:3: kernels.k: "));
	assert_non_null(strstr(out, "gone/Image"));
	assert_int_not_equal(GRANULE(&out2, "run", x86, "-o", run), 0);
	assert_non_null(strstr(out2, "x86"));
	none = write_matrix(f, "only.yaml", "  w: { null: { } }\n", 1);
	assert_int_equal(GRANULE(&out3, "run", none, "--only", "nothing.*", "-o", run), 2);
	assert_non_null(strstr(out3, "--only 'nothing.*'"));
	assert_false(path_exists(run));
}

/* Guests need QEMU; the plan does not. Nothing is made before the error. */
static void no_qemu_is_said_first(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "q.yaml", "  w: { null: { } }\n", 1), *out = NULL;
	_cleanup_free_ char *run = path_join(f->dir, "no-qemu"), *path = xstrdup(getenv("PATH"));

	unsetenv("GRANULE_FAKE");
	setenv("PATH", f->dir, 1);
	int listed = GRANULE(NULL, "list", matrix), code = GRANULE(&out, "run", matrix, "-o", run);
	setenv("PATH", path, 1);
	setenv("GRANULE_FAKE", "1", 1);
	assert_int_equal(listed, 0);
	assert_int_equal(code, 3);
	assert_non_null(strstr(out, "qemu-system-aarch64 is not on PATH; `make deps`"));
	assert_false(path_exists(run));
}

static void output_directory_in_use_is_kept(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "o.yaml", "  w: { null: { } }\n", 1), *out = NULL;
	_cleanup_free_ char *run = path_join(f->dir, "used"), *before = NULL, *after = NULL;

	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", run), 0);
	before = run_digest(run);
	assert_int_not_equal(GRANULE(&out, "run", matrix, "-o", run), 0);
	after = run_digest(run);
	assert_string_equal(before, after);
}

/* `run --gate`: what cannot be held is found out before the first boot; the exit code is the gate's. Caught: a gate that is
 * read from nowhere, a baseline that is asked for after the last boot, a code that the outcomes cover up. */
static void run_gate(void **state)
{
	static const char text[] = "matrix: test\nguest: { memory: 256MiB }\nkernels: { 4k: { image: Image-4k } }\n"
				   "workloads: { w: { null: {} } }\ntrials: { seeds: 2, samples: 1 }\n"
				   "gates:\n  - { metric: guest.memory.idle_used, worse_by: 1%, against: baseline }\n";
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = scratch_write(f->dir, "g.yaml", text, strlen(text));
	_cleanup_free_ char *plain = write_matrix(f, "m.yaml", "  w: { null: { } }\n", 1);
	_cleanup_free_ char *base = path_join(f->dir, "gate-base"), *run = path_join(f->dir, "gate-run"), *none = NULL,
			    *out = NULL;
	_cleanup_free_ char *xml = path_join(f->dir, "junit.xml"), *gate = NULL, *junit = NULL, *without = NULL;

	assert_int_equal(GRANULE(&without, "run", plain, "-o", run, "--gate"), 2);
	assert_non_null(strstr(without, "has no gates"));
	assert_int_equal(GRANULE(&none, "run", matrix, "-o", run, "--gate"), 2);
	assert_non_null(strstr(none, "--against RUN"));
	assert_false(path_exists(run));
	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", base), 0);
	assert_int_equal(GRANULE(&out, "run", matrix, "-o", run, "--gate", "--against", base), 0);
	assert_non_null(strstr(out, "1 gate: 1 passed"));
	assert_int_equal(GRANULE(&gate, "gate", run, "--against", base, "--format", "junit", "-o", xml), 0);
	assert_int_equal(file_read(xml, 1 << 20, &junit, NULL, NULL), 0);
	assert_non_null(strstr(junit, "name=\"guest.memory.idle_used\""));
	assert_int_equal(GRANULE(NULL, "gate", run), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_show_diff),
		cmocka_unit_test(series_are_shown),
		cmocka_unit_test(a_package_that_is_not_there),
		cmocka_unit_test(failures_have_outcomes),
		cmocka_unit_test(killed_runs_resume),
		cmocka_unit_test(interrupted_run_exits_130_and_resumes),
		cmocka_unit_test(full_disk_is_said_and_resumes),
		cmocka_unit_test(two_schedulers_do_not_share_a_run),
		cmocka_unit_test(usage_errors_exit_2),
		cmocka_unit_test(missing_things_are_named),
		cmocka_unit_test(no_qemu_is_said_first),
		cmocka_unit_test(output_directory_in_use_is_kept),
		cmocka_unit_test(run_gate),
	};

	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
