// SPDX-License-Identifier: GPL-2.0-or-later
/* granule-boot on the guest that is not there, and its watch over files made by hand. No QEMU, no libvirt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/watch.h"
#include "tests/guest-boot.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

#define SERVED_FIRST                                                                                                   \
	"service\told\t15\t9\t/bin/null\nstop\told\nservice\tserver\t15\t9\t/bin/null\n"                               \
	"exec\tprepare\tprepare\t0\t9\t/bin/null\n"
#define SERVED SERVED_FIRST "inspect\tnull\tserver\nexec\tprepare\tprepare\t1\t9\t/bin/null\nstop\tserver\n"

static int setup(void **state)
{
	char *dir = scratch_make();

	*state = path_join(dir, "run");
	boot_run_make(*state,
		      (const struct boot_cell[]){ { .id = "c", .page_bytes = 65536 },
						  { .id = "skipped", .skip = "not here" },
						  { .id = "other", .program = "/bin/other" },
						  { .id = "served", .page_bytes = 65536, .set = SERVED } },
		      4);
	free(dir);
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *run = *state;

	*strrchr(run, '/') = '\0';
	remove_tree(run, NULL);
	return 0;
}

/* Outcome and exit code of one boot of cell "c" whose guest fails as @how. */
static void lives(const char *run, const char *how, int code, enum outcome outcome, const char *reason)
{
	_cleanup_free_ char *flag = xasprintf("--fake=%s", how);
	static unsigned int boot;
	char number[16];
	struct boot_result result;

	snprintf(number, sizeof(number), "%u", ++boot);
	assert_int_equal(BOOT(NULL, flag, run, "c", number), code);
	boot_result_of(run, "c", boot, &result);
	if (result.outcome != outcome)
		fail_msg("--fake=%s: %s (%s), not %s", how, outcome_names[result.outcome],
			 result.reason ? result.reason : "", outcome_names[outcome]);
	if (reason && !strstr(result.reason, reason))
		fail_msg("--fake=%s: '%s' does not say '%s'", how, result.reason, reason);
	boot_result_free(&result);
}

static void each_failure_has_its_outcome(void **state)
{
	lives(*state, "ok", 0, OUTCOME_OK, NULL);
	lives(*state, "oops", 0, OUTCOME_GUEST_CRASHED, "Unable to handle kernel NULL pointer");
	lives(*state, "torn", 0, OUTCOME_INCOMPLETE, "torn");
	lives(*state, "damaged", 0, OUTCOME_INCOMPLETE, "damaged");
	lives(*state, "no-hello", 0, OUTCOME_BOOT_FAILED, "no hello in 80 s");
	lives(*state, "crash", 0, OUTCOME_GUEST_CRASHED, "signal 11");
	lives(*state, "wrong-page-size", 0, OUTCOME_BOOT_FAILED, "wrong page size");
	lives(*state, "timeout", 0, OUTCOME_TIMEOUT, "80 s");
	lives(*state, "host-error", 3, OUTCOME_HOST_FAILED, "told to fail");
}

/* What a full disk is without root: a limit on the size of files. */
static void files_that_cannot_grow(void **state)
{
	struct rlimit before, small = { .rlim_cur = 1500 };
	_cleanup_free_ char *out = NULL;
	struct boot_result result;
	int code;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	code = BOOT(&out, "--fake", *state, "c", "61");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	if (code != 3 || !strstr(out, "File too large"))
		fail_msg("%d: %s", code, out);
	boot_result_of(*state, "c", 61, &result);
	assert_int_equal(result.outcome, OUTCOME_HOST_FAILED);
	assert_non_null(strstr(result.reason, "File too large"));
	boot_result_free(&result);
}

static void same_seed_same_bytes(void **state)
{
	struct boot_result one, two, three;

	assert_int_equal(BOOT(NULL, "--fake", *state, "c", "31"), 0);
	assert_int_equal(BOOT(NULL, "--fake", *state, "c", "32"), 0);
	boot_result_of(*state, "c", 31, &one);
	boot_result_of(*state, "c", 32, &two);
	assert_int_equal(one.outcome, OUTCOME_OK);
	assert_string_not_equal(one.sha256, two.sha256);
	assert_int_equal(BOOT(NULL, "--fake", *state, "c", "31"), 0);
	boot_attempt_of(*state, "c", 31, 2, &three);
	assert_string_equal(three.sha256, one.sha256);
	boot_result_free(&one);
	boot_result_free(&two);
	boot_result_free(&three);
}

static void fake_is_visible(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/c/31/1/host.json", (char *)*state), *text = NULL;

	assert_int_equal(file_read(path, 65536, &text, NULL, NULL), 0);
	assert_non_null(strstr(text, "\"guest\": \"fake\""));
	assert_non_null(strstr(text, "\"sealed\": false"));
}

static void a_shell_runs_nothing_else(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/c/51/1/job", (char *)*state), *text = NULL;

	assert_int_equal(BOOT(NULL, "--fake", "--shell", *state, "c", "51"), 0);
	assert_int_equal(file_read(path, 65536, &text, NULL, NULL), 0);
	assert_string_equal(text, "job\t1\nexpect\tpage_size\t65536\nshell\n");
}

/* What was stopped stays so, and what comes behind the first measurement, here another service, is not there yet. */
static void a_shell_has_its_services(void **state)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/served/51/1/job", (char *)*state), *text = NULL;

	assert_int_equal(BOOT(NULL, "--fake", "--shell", *state, "served", "51"), 0);
	assert_int_equal(file_read(path, 65536, &text, NULL, NULL), 0);
	assert_string_equal(text, "job\t1\nexpect\tpage_size\t65536\n" SERVED_FIRST "shell\n");
}

static void foreign_programs_are_refused(void **state)
{
	struct boot_result result;

	assert_int_equal(BOOT(NULL, "--fake", *state, "other", "1"), 0);
	boot_result_of(*state, "other", 1, &result);
	assert_int_equal(result.outcome, OUTCOME_BOOT_FAILED);
	assert_non_null(strstr(result.reason, "a fake guest runs the null workload only"));
	boot_result_free(&result);
}

static void interrupted(void **state)
{
	struct boot_result result;
	pid_t pid = BOOT_START("--fake=sleep", *state, "c", "41");
	int status;

	boot_wait_for(*state, "c", 41, 1, "stream");
	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
	boot_result_of(*state, "c", 41, &result);
	assert_int_equal(result.outcome, OUTCOME_INCOMPLETE);
	assert_non_null(strstr(result.reason, "interrupted"));
	boot_result_free(&result);
}

static void usage(const char *want, const char *const *args)
{
	_cleanup_free_ char *out = NULL;

	assert_int_equal(boot_run(&out, args), 2);
	if (!strstr(out, want))
		fail_msg("'%s' does not say '%s'", out, want);
}

#define USAGE(want, ...) usage(want, (const char *const[]){ __VA_ARGS__, NULL })

static void bad_usage_exits_2(void **state)
{
	const char *run = *state;

	USAGE("RUN, CELL and BOOT are needed", run);
	USAGE("too many arguments", run, "c", "1", "2");
	USAGE("'0' is not the number of a boot", run, "c", "0");
	USAGE("'1x' is not the number of a boot", run, "c", "1x");
	USAGE("there is no cell 'nope'", "--fake", run, "nope", "1");
	USAGE("no such run", "--fake", "/nonexistent", "c", "1");
	USAGE("was skipped when the run was planned: not here", "--fake", run, "skipped", "1");
	USAGE("is no way to fail", "--fake=well", run, "c", "1");
	USAGE("'x' is not a number from 0 to 1023", "--slot=x", run, "c", "1");
	USAGE("is on another host", "--connect=qemu+ssh://there/system", run, "c", "1");
	USAGE("is on another host", "--connect=qemu://there/system", run, "c", "1");
	USAGE("not a libvirt URI of QEMU", "--connect=xen:///", run, "c", "1");
	USAGE("--slot", "--connect=qemu:///embed?root=/x", run, "c", "1");
}

/* ---- The watch */

struct files {
	struct life life;
	char *dir;
};

static void files_make(struct files *f)
{
	*f = (struct files){ .dir = scratch_make() };
	f->life.dir = f->dir;
	f->life.stream_path = path_join(f->dir, "stream");
	f->life.console_path = path_join(f->dir, "console.log");
	f->life.cell.timeout_s = 10;
	f->life.cell.basis = BASIS_HARDWARE;
	f->life.start_ns = now_ns();
}

static void files_free(struct files *f)
{
	free(f->life.stream_path);
	free(f->life.console_path);
	scratch_remove(f->dir);
}

static void put(const char *path, const void *data, size_t len)
{
	assert_int_equal(file_write_atomic(path, data, len, NULL), 0);
}

static bool poll_at(struct watch *w, const struct files *f, uint64_t s, enum stop *stop)
{
	return watch_poll(w, f->life.start_ns + s * NSEC_PER_SEC, stop);
}

static void watch_sees_the_hello(void **state)
{
	const struct wire_field fields[] = { { "page_size", 9 }, { "4096", 4 } };
	struct files f;
	struct watch w;
	enum stop stop;
	char buf[256];
	size_t n;

	(void)state;
	files_make(&f);
	watch_init(&w, &f.life);
	n = wire_put(buf, sizeof(buf), WIRE_HELLO, 0, 1, fields, 2);
	assert_false(poll_at(&w, &f, 1, &stop));
	put(f.life.stream_path, buf, n - 1);
	assert_false(poll_at(&w, &f, 2, &stop));
	assert_false(w.hello);
	put(f.life.stream_path, buf, n);
	assert_false(poll_at(&w, &f, 3, &stop));
	assert_true(w.hello);
	assert_true(w.hello_s > 2.9 && w.hello_s < 3.1);
	assert_true(poll_at(&w, &f, 10, &stop));
	assert_int_equal(stop, STOP_TIMEOUT);
	assert_string_equal(w.message, "timeout: the guest still ran after 10 s");
	files_free(&f);
}

static void watch_ends_the_silent_and_the_mad(void **state)
{
	struct files f;
	struct watch w;
	enum stop stop;

	(void)state;
	files_make(&f);
	f.life.cell.timeout_s = 1000;
	watch_init(&w, &f.life);
	assert_false(poll_at(&w, &f, 59, &stop));
	assert_true(poll_at(&w, &f, 60, &stop));
	assert_int_equal(stop, STOP_NO_HELLO);
	assert_string_equal(w.message, "agent: no hello in 60 s");
	put(f.life.stream_path, "this is no record of any kind that a host would read", 52);
	assert_true(poll_at(&w, &f, 1, &stop));
	assert_int_equal(stop, STOP_NO_HELLO);
	assert_non_null(strstr(w.message, "no hello"));
	files_free(&f);
}

static void watch_caps_files(void **state)
{
	struct files f;
	struct watch w;
	enum stop stop;

	(void)state;
	files_make(&f);
	watch_init(&w, &f.life);
	put(f.life.console_path, "", 0);
	assert_int_equal(truncate(f.life.console_path, CONSOLE_SIZE_MAX), 0);
	assert_false(poll_at(&w, &f, 1, &stop));
	assert_int_equal(truncate(f.life.console_path, CONSOLE_SIZE_MAX + 1), 0);
	assert_true(poll_at(&w, &f, 1, &stop));
	assert_int_equal(stop, STOP_CONSOLE_TOO_LARGE);
	put(f.life.stream_path, "", 0);
	assert_int_equal(truncate(f.life.stream_path, STREAM_SIZE_MAX + 1), 0);
	assert_true(poll_at(&w, &f, 1, &stop));
	assert_int_equal(stop, STOP_STREAM_TOO_LARGE);
	assert_string_equal(w.message, "the guest wrote more than 256.0 MiB into its stream");
	files_free(&f);
}

/* Slower bases get more time. */
static void deadlines_scale(void **state)
{
	struct cell_record cell = { .timeout_s = 100, .basis = BASIS_HARDWARE };

	(void)state;
	assert_int_equal(life_timeout_s(&cell), 100);
	assert_int_equal(life_hello_timeout_s(&cell), 60);
	cell.basis = BASIS_SIMULATED;
	assert_int_equal(life_timeout_s(&cell), 400);
	cell.basis = BASIS_EMULATED;
	assert_int_equal(life_timeout_s(&cell), 1000);
	assert_int_equal(life_hello_timeout_s(&cell), 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_has_its_outcome),
		cmocka_unit_test(files_that_cannot_grow),
		cmocka_unit_test(same_seed_same_bytes),
		cmocka_unit_test(fake_is_visible),
		cmocka_unit_test(a_shell_runs_nothing_else),
		cmocka_unit_test(a_shell_has_its_services),
		cmocka_unit_test(foreign_programs_are_refused),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(bad_usage_exits_2),
		cmocka_unit_test(watch_sees_the_hello),
		cmocka_unit_test(watch_ends_the_silent_and_the_mad),
		cmocka_unit_test(watch_caps_files),
		cmocka_unit_test(deadlines_scale),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
