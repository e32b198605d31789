// SPDX-License-Identifier: GPL-2.0-or-later
/* Recorded run directories and the outcome that reading them must give. Each is made by a function here and lies,
 * committed, under scenarios/NAME/run; the table is checked against both. REGENERATE=1 writes the committed ones anew:
 * do that for a new schema only, and keep the old ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/scenarios/build.h"

#define CELL "64k.off.null"
#define RECORDED "harness/tests/scenarios"
#define GOOD_CONSOLE "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x414fd0c1]\r\n"
#define DONE_POWEROFF "{\"stop\":\"poweroff\",\"wall_s\":0.83}"

static void one(const char *run, unsigned int attempt, const struct story *story, size_t cut, const char *console,
		const char *done)
{
	struct stream s = story_stream(story);

	if (cut)
		s.bytes.len -= cut;
	free(attempt_build(run, CELL, 1, attempt, &s, console, done));
	text_free(&s.bytes);
}

static void make_ok(const char *run)
{
	one(run, 1, NULL, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_adopted(const char *run)
{
	one(run, 1, NULL, 0, GOOD_CONSOLE, NULL);
}

static void make_torn(const char *run)
{
	one(run, 1, NULL, 1500, GOOD_CONSOLE, NULL);
}

static void make_oops(const char *run)
{
	one(run, 1, NULL, 0,
	    GOOD_CONSOLE "[    0.412345] Unable to handle kernel paging request at virtual address ffff000012340000\r\n"
			 "[    0.412399] Mem abort info:\r\n"
			 "[    0.412420]   ESR = 0x0000000096000007\r\n"
			 "[    0.412500] Internal error: Oops: 0000000096000007 [#1] PREEMPT\r\n",
	    DONE_POWEROFF);
}

static void make_wrong_page_size(const char *run)
{
	struct story story = { .page_size = "4096",
			       .end = "wrong-page-size",
			       .reason = "the page size is 4096, not 65536" };

	one(run, 1, &story, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_no_hello(const char *run)
{
	free(attempt_build(run, CELL, 1, 1, &(struct stream){ 0 },
			   GOOD_CONSOLE "[    0.300000] Waiting for root device /dev/vda...\r\n",
			   "{\"message\":\"no hello in 30 s\",\"stop\":\"no-hello\",\"wall_s\":30.2}"));
}

static void make_agent_gave_up(const char *run)
{
	free(attempt_build(run, CELL, 1, 1, &(struct stream){ 0 },
			   GOOD_CONSOLE "granule-agent: cannot load /lib/modules/1-virtio.ko: Exec format error\r\n"
					"[    0.400000] reboot: Power down\r\n",
			   DONE_POWEROFF));
}

static void make_two_attempts(const char *run)
{
	one(run, 1, NULL, 300, GOOD_CONSOLE, NULL);
	one(run, 2, NULL, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_damaged_record(const char *run)
{
	struct stream s = story_stream(NULL);

	/* one bit of the third record's payload */
	s.bytes.s[700] ^= 4;
	free(attempt_build(run, CELL, 1, 1, &s, GOOD_CONSOLE, DONE_POWEROFF));
	text_free(&s.bytes);
}

static void make_newer_major(const char *run)
{
	make_ok(run);
	put_text(run, "run.json",
		 "{\"created\":\"2031-01-01T00:00:00Z\",\"creator\":\"granule 9\",\"schema\":\"2.0\"}");
}

static void make_timeout(const char *run)
{
	one(run, 1, NULL, 1500, GOOD_CONSOLE,
	    "{\"message\":\"timeout after 60 s\",\"stop\":\"timeout\",\"wall_s\":60.1}");
}

static void make_host_error(const char *run)
{
	free(attempt_build(run, CELL, 1, 1, NULL, NULL,
			   "{\"message\":\"cannot start QEMU: No such file or directory\",\"stop\":\"host-error\"}"));
}

static void make_interrupted(const char *run)
{
	one(run, 1, NULL, 1500, GOOD_CONSOLE, "{\"stop\":\"interrupted\"}");
}

static void make_panic(const char *run)
{
	one(run, 1, NULL, 1500, GOOD_CONSOLE "[    0.512345] Kernel panic - not syncing: Out of memory\r\n",
	    "{\"stop\":\"crashed\",\"message\":\"panic\"}");
}

#define OOM_CONSOLE GOOD_CONSOLE "[    0.512345] Out of memory: Killed process 71 (null) total-vm:1048576kB\r\n"

static void make_oom_hidden(const char *run)
{
	one(run, 1, NULL, 0, OOM_CONSOLE, DONE_POWEROFF);
}

static void make_oom_told(const char *run)
{
	struct story story = {
		.end = "workload-failed",
		.reason = "null: sample 1: /bin/null: signal 9 (the OOM killer: the guest has too little memory)"
	};

	one(run, 1, &story, 0, OOM_CONSOLE, DONE_POWEROFF);
}

static void make_flood(const char *run)
{
	one(run, 1, NULL, 1500, GOOD_CONSOLE "xxxxxxxx\r\n",
	    "{\"stop\":\"console-too-large\",\"message\":\"the guest wrote more than 16.0 MiB to its console\"}");
}

static void make_settings_failed(const char *run)
{
	struct story story = { .end = "settings-failed", .reason = "enabled: always asked, \033[31mnever read" };

	one(run, 1, &story, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_workload_failed(const char *run)
{
	struct story story = { .end = "workload-failed", .reason = "null: sample 1: /bin/null: exit 1" };

	one(run, 1, &story, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_unsupported(const char *run)
{
	struct story story = { .end = "unsupported", .reason = "no userfaultfd" };

	one(run, 1, &story, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_lying_page_size(const char *run)
{
	struct story story = { .page_size = "4096" };

	one(run, 1, &story, 0, GOOD_CONSOLE, DONE_POWEROFF);
}

static void make_two_ends(const char *run)
{
	struct stream s = story_stream(NULL);

	stream_put(&s, WIRE_END, "ok", "", NULL);
	free(attempt_build(run, CELL, 1, 1, &s, GOOD_CONSOLE, DONE_POWEROFF));
	text_free(&s.bytes);
}

static void make_changed_stream(const char *run)
{
	one(run, 1, NULL, 0, GOOD_CONSOLE,
	    "{\"stop\":\"poweroff\",\"stream_sha256\":"
	    "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}");
}

static void make_not_run(const char *run)
{
	(void)run;
}

/* What schema 1.1 added to streams. */
static void make_folders_and_series(const char *run)
{
	static const char columns[] = "charged cgroup/memory.current -\nfree /proc/meminfo MemFree:\n";
	struct stream s = { 0 };

	stream_put(&s, WIRE_HELLO, "page_size", "65536", "release", "6.12.57", "agent", "1", NULL);
	stream_put(&s, WIRE_FILE, "", "idle", "0", "idle", "agent/storage", "rootfs / 4128768 1596588032\n", NULL);
	stream_put(&s, WIRE_STEP, "sample", "null", "0", NULL);
	stream_put(&s, WIRE_FILES, "null", "sample", "0", "before", "/proc", "vmstat", "pgfault 10\n", "meminfo",
		   "MemFree: 9 kB\n", NULL);
	stream_put(&s, WIRE_EXEC, "null", "sample", "0", "1000", "2000", "exit 0", "1", "0", "0", "0", "0", "0",
		   "value.0 42\n", NULL);
	stream_put(&s, WIRE_FILES, "null", "sample", "0", "after", "/proc", "vmstat", "pgfault 310\n", "meminfo",
		   "MemFree: 9 kB\n", NULL);
	stream_put(&s, WIRE_SERIES, "null", "0", "1000000000", "2", columns, "0 0 100\n1000000000 65536 36\n", NULL);
	stream_put(&s, WIRE_END, "ok", "", NULL);
	free(attempt_build(run, CELL, 1, 1, &s, GOOD_CONSOLE, DONE_POWEROFF));
	text_free(&s.bytes);
}

static void make_silent_poweroff(const char *run)
{
	free(attempt_build(run, CELL, 1, 1, &(struct stream){ 0 }, "", DONE_POWEROFF));
}

/* What a test expects of the lowest complete attempt, and which mutation it is there to catch. */
static const struct scenario {
	const char *name;
	void (*make)(const char *run);
	enum outcome outcome;
	const char *reason; /* its beginning; NULL: none */
	unsigned int attempt;
	bool recorded;
	const char *catches;
} scenarios[] = {
	{ "ok", make_ok, OUTCOME_OK, NULL, 1, true, "any check too strict" },
	{ "adopted", make_adopted, OUTCOME_OK, NULL, 1, false, "done.json taken as needed" },
	{ "torn-stream", make_torn, OUTCOME_INCOMPLETE, "the stream is torn at record ", 1, true,
	  "a missing end record taken for a good end" },
	{ "oops-mid-sample", make_oops, OUTCOME_GUEST_CRASHED,
	  "console: Unable to handle kernel paging request at virtual address ffff000012340000", 1, true,
	  "END ok believed over the console" },
	{ "wrong-page-size", make_wrong_page_size, OUTCOME_BOOT_FAILED,
	  "wrong page size: the guest has 4096 bytes, the cell asks for 65536", 1, true, "the outcome not mapped" },
	{ "lying-page-size", make_lying_page_size, OUTCOME_BOOT_FAILED, "wrong page size: the guest has 4096", 1, false,
	  "the hello's page size not compared" },
	{ "no-hello", make_no_hello, OUTCOME_BOOT_FAILED,
	  "no hello in 30 s; the console ends with '[    0.300000] Waiting for root device /dev/vda...'", 1, true,
	  "done.json not read, console not quoted" },
	{ "agent-gave-up", make_agent_gave_up, OUTCOME_BOOT_FAILED,
	  "the guest powered off without a hello; the console ends with 'granule-agent: cannot load /lib", 1, false,
	  "the console's last line quoted, whoever's it is" },
	{ "two-attempts", make_two_attempts, OUTCOME_OK, NULL, 2, true, "the first attempt taken whatever it is" },
	{ "damaged-record", make_damaged_record, OUTCOME_INCOMPLETE, "the stream is damaged at record ", 1, true,
	  "a checksum not compared" },
	{ "timeout", make_timeout, OUTCOME_TIMEOUT, "timeout after 60 s; the stream is torn at record ", 1, false,
	  "stop not mapped" },
	{ "host-error", make_host_error, OUTCOME_HOST_FAILED, "cannot start QEMU", 1, false, "stop not mapped" },
	{ "interrupted", make_interrupted, OUTCOME_INCOMPLETE, "interrupted; the stream is torn", 1, false,
	  "stop not mapped" },
	{ "oom-hidden", make_oom_hidden, OUTCOME_WORKLOAD_FAILED, "console: Out of memory: Killed process 71 (null)", 1,
	  false, "END ok believed though the kernel killed a part of the workload" },
	{ "oom-told", make_oom_told, OUTCOME_WORKLOAD_FAILED,
	  "the workload failed: null: sample 1: /bin/null: signal 9 (the OOM killer: the guest has too little memory); "
	  "console: Out of memory: Killed process 71",
	  1, false, "an OOM kill called a crash" },
	{ "flood", make_flood, OUTCOME_WORKLOAD_FAILED,
	  "the guest wrote more than 16.0 MiB to its console; the console ends with 'xxxxxxxx'", 1, false,
	  "the console not quoted" },
	{ "panic", make_panic, OUTCOME_GUEST_CRASHED,
	  "console: Kernel panic - not syncing: Out of memory; the stream is torn at", 1, false,
	  "a torn stream called incomplete though the console tells why" },
	{ "settings-failed", make_settings_failed, OUTCOME_SETTINGS_FAILED,
	  "a setting did not take: enabled: always asked, \\x1b[31mnever read", 1, false,
	  "a guest's bytes on a terminal" },
	{ "workload-failed", make_workload_failed, OUTCOME_WORKLOAD_FAILED,
	  "the workload failed: null: sample 1: /bin/null: exit 1", 1, false, "outcome not mapped" },
	{ "unsupported", make_unsupported, OUTCOME_UNSUPPORTED, "the guest cannot do this: no userfaultfd", 1, false,
	  "outcome not mapped" },
	{ "two-ends", make_two_ends, OUTCOME_INCOMPLETE, "the stream is damaged: ", 1, false,
	  "bytes behind END ignored" },
	{ "changed-stream", make_changed_stream, OUTCOME_INCOMPLETE,
	  "the stream is damaged: it is not the one that done.json names", 1, false, "the digest not compared" },
	{ "not-run", make_not_run, OUTCOME_NOT_RUN, "not run", 0, false, "no attempt taken for an empty one" },
	{ "folders-and-series", make_folders_and_series, OUTCOME_OK, NULL, 1, true, "a record of 1.1 not read" },
	{ "silent-poweroff", make_silent_poweroff, OUTCOME_BOOT_FAILED,
	  "the guest powered off without a hello; the console is empty", 1, false, "stop poweroff taken for ok" },
};

static void check(const struct scenario *sc, const char *dir)
{
	struct boot_result result;
	struct err err = ERR_INIT;
	struct run *run;

	if (run_open(dir, &run, &err) < 0)
		fail_msg("%s: %s", dir, err.msg);
	if (boot_read(run, &run->cells[0], 1, &result, &err) < 0)
		fail_msg("%s: %s", dir, err.msg);
	if (result.outcome != sc->outcome)
		fail_msg("%s: outcome %s (%s), expected %s", dir, outcome_names[result.outcome],
			 result.reason ? result.reason : "", outcome_names[sc->outcome]);
	if (!sc->reason != !result.reason || (sc->reason && strncmp(result.reason, sc->reason, strlen(sc->reason))))
		fail_msg("%s: reason '%s', expected '%s'", dir, result.reason ? result.reason : "(none)",
			 sc->reason ? sc->reason : "(none)");
	assert_int_equal(result.attempt, sc->attempt);
	assert_int_equal(boot_outcome(run, &run->cells[0], 1), sc->outcome);
	assert_false(result.running);
	boot_result_free(&result);
	run_free(run);
}

static void make(const struct scenario *sc, const char *dir)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);

	run_build(dir, &cell, 1);
	sc->make(dir);
	cell_record_free(&cell);
}

static void test_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		char dir[] = "/tmp/granule-scenario-XXXXXX";

		assert_non_null(mkdtemp(dir));
		make(&scenarios[i], dir);
		check(&scenarios[i], dir);
		remove_tree(dir, NULL);
	}
}

static void test_recorded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++) {
		_cleanup_free_ char *dir = xasprintf(RECORDED "/%s/run", scenarios[i].name);

		if (!scenarios[i].recorded)
			continue;
		if (getenv("REGENERATE")) {
			remove_tree(dir, NULL);
			make(&scenarios[i], dir);
		}
		check(&scenarios[i], dir);
	}
}

static void test_newer_major(void **state)
{
	static const struct scenario newer = { .name = "newer-major-schema", .make = make_newer_major };
	const char *dir = RECORDED "/newer-major-schema/run";
	struct err err = ERR_INIT;
	struct run *run;

	(void)state;
	if (getenv("REGENERATE")) {
		remove_tree(dir, NULL);
		make(&newer, dir);
	}
	assert_int_equal(run_open(dir, &run, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "run.json: schema 2.0 is newer than this granule reads (1.x)"));
}

/* Of the recording of 1.1; FILE records, all that 1.0 has, are measured in store-measure-test. Caught: a file not found in its folder. */
static void test_numbers(void **state)
{
	static const struct {
		const char *dir, *name;
		double value;
	} cases[] = {
		{ RECORDED "/folders-and-series/run", "null.vm.pgfault_per_sample", 300 },
		{ RECORDED "/folders-and-series/run", "null.series.charged_slope", 65536 },
		{ RECORDED "/folders-and-series/run", "guest.memory.storage", 4128768 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct measure *one;
		struct boot_result result;
		struct err err = ERR_INIT;
		struct measures m;
		struct run *run;

		must(run_open(cases[i].dir, &run, &err), &err);
		must(boot_read(run, &run->cells[0], 1, &result, &err), &err);
		must(boot_measure(&run->cells[0], &result, &m, &err), &err);
		one = measures_find(&m, cases[i].name);
		if (!one || one->values[0] != cases[i].value)
			fail_msg("%s: %s is %g, not %g", cases[i].dir, cases[i].name, one ? one->values[0] : -1,
				 cases[i].value);
		measures_free(&m);
		boot_result_free(&result);
		run_free(run);
	}
}

/* A skipped cell is skipped whatever lies in its directory. */
static void test_skipped(void **state)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	struct run run = { .dir = xstrdup("/nowhere"), .cells = &cell, .n_cells = 1 };
	struct boot_result result;

	(void)state;
	cell.skip = xstrdup("not wanted here");
	assert_int_equal(boot_read(&run, &cell, 1, &result, NULL), 0);
	assert_int_equal(result.outcome, OUTCOME_SKIPPED);
	assert_string_equal(result.reason, "not wanted here");
	boot_result_free(&result);
	cell_record_free(&cell);
	free(run.dir);
}

/* A stream larger than the cap is not loaded. The file is sparse. A guest that was ended for that is not owed another
 * try, whatever digest its done.json has. */
static void test_stream_cap(void **state)
{
	static const char ended[] =
		"{\"stop\":\"stream-too-large\",\"message\":\"the guest wrote more than 256.0 MiB into its stream\","
		"\"stream_sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}";
	char dir[] = "/tmp/granule-scenario-XXXXXX";
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	_cleanup_free_ char *attempt = NULL, *path = NULL;
	struct stream s = story_stream(NULL);
	struct boot_result result;
	struct run *run;

	(void)state;
	assert_non_null(mkdtemp(dir));
	run_build(dir, &cell, 1);
	attempt = attempt_build(dir, CELL, 1, 1, &s, GOOD_CONSOLE, DONE_POWEROFF);
	path = path_join(attempt, "stream");
	assert_int_equal(truncate(path, (off_t)STREAM_SIZE_MAX + 1), 0);
	assert_int_equal(run_open(dir, &run, NULL), 0);
	assert_int_equal(boot_read(run, &run->cells[0], 1, &result, NULL), 0);
	assert_int_equal(result.outcome, OUTCOME_INCOMPLETE);
	assert_string_equal(result.reason, "the stream is larger than 268435456 bytes");
	assert_true(result.stream_len <= STREAM_SIZE_MAX);
	boot_result_free(&result);
	put_text(attempt, "done.json", ended);
	assert_int_equal(boot_read(run, &run->cells[0], 1, &result, NULL), 0);
	assert_int_equal(result.outcome, OUTCOME_WORKLOAD_FAILED);
	assert_true(starts_with(result.reason, "the guest wrote more than 256.0 MiB into its stream, in hold null 0"));
	boot_result_free(&result);
	text_free(&s.bytes);
	run_free(run);
	cell_record_free(&cell);
	remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made),	cmocka_unit_test(test_recorded), cmocka_unit_test(test_newer_major),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_skipped),	 cmocka_unit_test(test_stream_cap),
	};

	return cmocka_run_group_tests_name("store-scenario", tests, NULL, NULL);
}
