// SPDX-License-Identifier: GPL-2.0-or-later
/* Injected failures with real guests: what is done to a guest or its host, the outcome that reading must give, and the words
 * without which its reason does not tell a person what happened. The same with recorded run directories (torn and
 * bit-flipped streams, oopses as other kernels print them): store-scenario-test.c. What is killed from outside:
 * guest-boot-test.c. A real oops in the middle of a sample needs a debugger: repro-gdb-test.c. Skips with the reason where guests cannot run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/guest-boot.h"
#include "tests/pipeline.h"

#define WORDS 4

/* Images of a few instructions: a valid header (Documentation/arch/arm64/booting.rst), code at 64. */
#define B_SELF 0x14000000
#define WFI 0xd503207f
#define B_BACK 0x17ffffff /* one instruction */
#define UDF 0x00000000
#define MOVZ_W0_8 0x52800100
#define MOVK_W0_8400 0x72b08000 /* PSCI SYSTEM_OFF is 0x84000008 */
#define HVC 0xd4000002
/* half a billion instructions: a guest that is over before libvirt has seen it run is a start that failed */
#define MOVZ_X1_1000_LSL16 0xd2a20001
#define SUBS_X1_1 0xf1000421
#define B_NE_BACK 0x54ffffe1

static const struct tiny {
	const char *name;
	uint32_t code[8];
} tinies[] = {
	{ "spins", { B_SELF } },
	{ "sleeps", { WFI, B_BACK } },
	{ "undefined", { UDF } },
	{ "halts", { MOVZ_X1_1000_LSL16, SUBS_X1_1, B_NE_BACK, MOVZ_W0_8, MOVK_W0_8400, HVC, B_SELF } },
};

/* @tiny: of tinies, NULL: the 64K kernel. @words: of the reason, all of them. */
static const struct failure {
	const char *name, *tiny;
	struct boot_cell cell;
	int code; /* granule-boot's */
	enum outcome outcome;
	const char *words[WORDS];
} failures[] = {
	/* kernels that do not boot */
	{ "kernel-spins",
	  "spins",
	  { .timeout_s = 1 },
	  0,
	  OUTCOME_BOOT_FAILED,
	  { "no hello in 4 s", "the console is empty", "QEMU's virt machine" } },
	{ "kernel-sleeps",
	  "sleeps",
	  { .timeout_s = 1 },
	  0,
	  OUTCOME_BOOT_FAILED,
	  { "no hello in 4 s", "the console is empty" } },
	{ "kernel-undefined",
	  "undefined",
	  { .timeout_s = 1 },
	  0,
	  OUTCOME_BOOT_FAILED,
	  { "no hello in 4 s", "the console is empty" } },
	{ "kernel-halts",
	  "halts",
	  { 0 },
	  0,
	  OUTCOME_BOOT_FAILED,
	  { "powered off without a hello", "the console is empty" } },
	{ "kernel-without-init",
	  NULL,
	  { .append = "rdinit=/absent" },
	  0,
	  OUTCOME_GUEST_CRASHED,
	  { "Kernel panic - not syncing", "Unable to mount root fs", "the stream is empty" } },
	{ "wrong-page-size",
	  NULL,
	  { .page_bytes = 4096 },
	  0,
	  OUTCOME_BOOT_FAILED,
	  { "wrong page size", "the guest has 65536 bytes", "the cell asks for 4096" } },
	/* kernels and agents that die or stop */
	{ "panic",
	  NULL,
	  { .program = "/bin/misbehave\tkill-init" },
	  0,
	  OUTCOME_GUEST_CRASHED,
	  { "Kernel panic - not syncing: Attempted to kill init!", "the stream stops at record", "in sample null 0" } },
	{ "panic-on-oom",
	  NULL,
	  { .program = "/bin/misbehave\thog-guest", .set = "set\t/proc/sys/vm/panic_on_oom\t1\tmust\n" },
	  0,
	  OUTCOME_GUEST_CRASHED,
	  { "Kernel panic - not syncing: Out of memory", "in sample null 0" } },
	{ "hang",
	  NULL,
	  { .program = "/bin/misbehave\tstop-init", .timeout_s = 2 },
	  0,
	  OUTCOME_TIMEOUT,
	  { "the guest still ran after 8 s", "the stream stops at record", "in sample null 0" } },
	/* guests that flood */
	{ "flood-console",
	  NULL,
	  { .program = "/bin/misbehave\tflood-console", .timeout_s = 100 },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "more than 16.0 MiB to its console", "the console ends with 'xxxx" } },
	{ "flood-stream",
	  NULL,
	  { .program = "/bin/misbehave\tflood-stream", .timeout_s = 100 },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "more than 256.0 MiB into its stream", "in sample null 0" } },
	{ "garble-stream",
	  NULL,
	  { .program = "/bin/misbehave\tgarble-stream" },
	  0,
	  OUTCOME_INCOMPLETE,
	  { "the stream is damaged at record", "in sample null 0" } },
	/* workloads */
	{ "exits-non-zero",
	  NULL,
	  { .program = "/bin/null\t--fail\texit" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "the workload failed: null: sample 0: /bin/null: exit 1", "null was told to fail" } },
	{ "is-killed",
	  NULL,
	  { .program = "/bin/null\t--fail\tsignal" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "/bin/null: signal 11" } },
	{ "never-ends-idle",
	  NULL,
	  { .program = "/bin/null\t--fail\thang", .exec_timeout_s = "30" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "sample 0: /bin/null: timeout" } },
	{ "never-ends-busy",
	  NULL,
	  { .program = "/bin/getppid1\t--iterations\t2000000000", .exec_timeout_s = "1", .timeout_s = 100 },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "sample 0: /bin/getppid1: timeout" } },
	{ "is-not-there",
	  NULL,
	  { .program = "/bin/absent" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "/bin/absent: exit 127", "No such file or directory" } },
	/* out of memory */
	{ "oom-guest",
	  NULL,
	  { .program = "/bin/misbehave\thog-guest" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "misbehave: signal 9", "the guest has too little memory", "console: Out of memory: Killed process" } },
	{ "oom-cgroup",
	  NULL,
	  { .program = "/bin/misbehave\thog-cgroup" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "misbehave: signal 9", "its cgroup's memory.max is 16777216",
	    "console: Memory cgroup out of memory: Killed process" } },
	{ "oom-unnoticed",
	  NULL,
	  { .program = "/bin/misbehave\thog-in-child" },
	  0,
	  OUTCOME_WORKLOAD_FAILED,
	  { "console: Memory cgroup out of memory: Killed process" } },
	{ "oom-host",
	  NULL,
	  { .memory_bytes = UINT64_C(1) << 46 },
	  3,
	  OUTCOME_HOST_FAILED,
	  { "QEMU: cannot set up guest memory", "Cannot allocate memory" } },
};

struct fixture {
	char *dir, *run, *kernel, *why_not; /* owned; why_not: guests cannot run here, or NULL */
	char *tinies[ARRAY_SIZE(tinies)];   /* owned: paths */
};

static char *write_tiny(const char *dir, const struct tiny *tiny)
{
	/* b code; 0; text_offset; image_size; flags: little-endian, 64K pages; 3 x reserved; magic; reserved */
	uint32_t image[1024] = { 0x14000010, 0, 0, 0, 0x1000, 0, 3 << 1 };

	memcpy(&image[14], "ARM\x64", 4);
	memcpy(&image[16], tiny->code, sizeof(tiny->code));
	return scratch_write(dir, tiny->name, image, sizeof(image));
}

static struct boot_cell cell_of(const struct fixture *f, const struct failure *failure)
{
	struct boot_cell cell = failure->cell;

	cell.id = failure->name;
	cell.kernel = f->kernel;
	cell.page_bytes = cell.page_bytes ? cell.page_bytes : 65536;
	for (size_t i = 0; failure->tiny && i < ARRAY_SIZE(tinies); i++)
		if (!strcmp(failure->tiny, tinies[i].name))
			cell.kernel = f->tinies[i];
	return cell;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct boot_cell cells[ARRAY_SIZE(failures) + 1];
	_cleanup_free_ char *cache = NULL;

	f->dir = scratch_make();
	f->kernel = guest_kernel(65536, &f->why_not); /* of the user's cache; what follows has one of its own */
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	f->run = path_join(f->dir, "run");
	for (size_t i = 0; i < ARRAY_SIZE(tinies); i++)
		f->tinies[i] = write_tiny(f->dir, &tinies[i]);
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		cells[i] = cell_of(f, &failures[i]);
	cells[ARRAY_SIZE(failures)] = (struct boot_cell){ .id = "ok", .kernel = f->kernel, .page_bytes = 65536 };
	boot_run_make(f->run, cells, ARRAY_SIZE(cells));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	for (size_t i = 0; i < ARRAY_SIZE(tinies); i++)
		free(f->tinies[i]);
	free(f->run);
	free(f->kernel);
	free(f->why_not);
	free(f);
	return 0;
}

/* Outcome and reason of the boot that just ended with @code; false (and told) if they are not @failure's. */
static bool told(const char *run, const struct failure *failure, int code, const char *out)
{
	struct boot_result result;
	bool right;

	boot_result_of(run, failure->name, 1, &result);
	right = code == failure->code && result.outcome == failure->outcome && result.reason;
	for (size_t i = 0; right && i < WORDS && failure->words[i]; i++)
		right = strstr(result.reason, failure->words[i]);
	printf("%s %s: exit %d, %s: %s\n", right ? "  " : "! ", failure->name, code, outcome_names[result.outcome],
	       result.reason ? result.reason : out);
	boot_result_free(&result);
	return right;
}

/* Each by itself; all are told before the test fails. $GRANULE_FAILURE: only that one. */
static void each_failure_is_told(void **state)
{
	const struct fixture *f = *state;
	const char *only = getenv("GRANULE_FAILURE");
	unsigned int wrong = 0;

	REQUIRE_GUESTS(f);
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		_cleanup_free_ char *out = NULL;
		int code;

		if (only && strcmp(only, failures[i].name) != 0)
			continue;
		code = BOOT(&out, f->run, failures[i].name, "1");
		wrong += !told(f->run, &failures[i], code, out);
	}
	assert_int_equal(wrong, 0);
}

/* A host that can give QEMU no memory: its address space is limited, as in a small container. */
static void no_memory_for_qemu(void **state)
{
	static const struct failure failure = {
		"ok", NULL, { 0 }, 3, OUTCOME_HOST_FAILED, { "QEMU: ", "Cannot allocate memory" }
	};
	const struct fixture *f = *state;
	struct rlimit before, small = { .rlim_cur = 512 << 20 };
	_cleanup_free_ char *out = NULL;
	int code;

	REQUIRE_GUESTS(f);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
	code = BOOT(&out, f->run, "ok", "1");
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_true(told(f->run, &failure, code, out));
}

/* A file system of @size, in a mount namespace of our own; NULL: not allowed here. */
static char *small_disk(const struct fixture *f, const char *size)
{
	char *disk = path_join(f->dir, "disk");
	_cleanup_free_ char *options = xasprintf("size=%s", size);
	struct err err = ERR_INIT;

	if (make_dirs(disk, &err) < 0)
		fail_msg("%s", err.msg);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", disk, "tmpfs", 0, options) < 0) {
		printf("skipped: cannot mount a small file system: %s\n", strerror(errno));
		free(disk);
		return NULL;
	}
	return disk;
}

static void remount(const char *disk, const char *size)
{
	_cleanup_free_ char *options = xasprintf("size=%s", size);

	assert_int_equal(mount(NULL, disk, NULL, MS_REMOUNT, options), 0);
}

/* The disk fills while the guest floods its console, then has no room for the next initramfs; with room again the
 * same boot is repeated. */
static void disk_full(void **state)
{
	static const struct failure fills = { "flood-console",
					      NULL,
					      { 0 },
					      3,
					      OUTCOME_HOST_FAILED,
					      { "no space left on this file system", "--resume" } };
	static const struct failure full = { "ok", NULL, { 0 }, 3, OUTCOME_HOST_FAILED, { "No space left on device" } };
	const struct fixture *f = *state;
	_cleanup_free_ char *disk = NULL, *run = NULL, *filler = NULL, *out = NULL, *out2 = NULL;
	struct boot_result result;
	int code;

	REQUIRE_GUESTS(f);
	disk = small_disk(f, "8M");
	if (!disk)
		skip();
	run = path_join(disk, "run");
	boot_run_make(run,
		      (const struct boot_cell[]){ cell_of(f, &failures[0]),
						  { .id = "ok", .kernel = f->kernel, .page_bytes = 65536 },
						  { .id = "flood-console",
						    .kernel = f->kernel,
						    .page_bytes = 65536,
						    .program = "/bin/misbehave\tflood-console",
						    .timeout_s = 100 } },
		      3);
	code = BOOT(&out, run, "flood-console", "1");
	assert_true(told(run, &fills, code, out));
	filler = scratch_write(disk, "filler", "", 0);
	assert_int_equal(truncate(filler, 0), 0);
	remount(disk, "7M");
	code = BOOT(&out2, run, "ok", "1");
	assert_true(told(run, &full, code, out2));
	remount(disk, "64M");
	assert_int_equal(BOOT(NULL, run, "ok", "1"), 0);
	boot_result_of(run, "ok", 1, &result);
	assert_int_equal(result.outcome, OUTCOME_OK);
	boot_result_free(&result);
	umount(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_failure_is_told),
		cmocka_unit_test(no_memory_for_qemu),
		cmocka_unit_test(disk_full),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
