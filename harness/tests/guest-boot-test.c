// SPDX-License-Identifier: GPL-2.0-or-later
/* granule-boot with real guests: the lives that go wrong, and what is left behind. Needs QEMU, libvirt's driver, the
 * guest programs and the 64K micro kernel in the cache. Skips with the reason where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/guest-boot.h"
#include "tests/pipeline.h"

/* Busy for minutes: what a test does to this guest comes first. */
#define LONG_PROGRAM "/bin/getppid1\t--iterations\t2000000000"

struct fixture {
	char *dir, *run; /* owned */
	char *why_not;	 /* owned: why guests cannot run here, or NULL */
	char *kernel;	 /* owned */
	uint64_t page_bytes;
};

static void find_kernel(struct fixture *f)
{
	_cleanup_free_ char *agent = guest_program_path("agent"), *out = NULL;

	f->page_bytes = 65536;
	f->kernel = guest_kernel(f->page_bytes, &f->why_not);
	if (f->why_not)
		return;
	if (!path_exists(agent))
		f->why_not = xasprintf("%s is not there", agent);
	else if (BOOT(&out, "--check") != 0)
		f->why_not = steal_ptr(out);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cache = NULL;

	f->dir = scratch_make();
	find_kernel(f); /* in the user's cache; what follows has one of its own */
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	f->run = path_join(f->dir, "run");
	if (!f->why_not)
		boot_run_make(f->run,
			      (const struct boot_cell[]){
				      { .id = "ok", .kernel = f->kernel, .page_bytes = f->page_bytes },
				      { .id = "long",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes,
					.program = LONG_PROGRAM },
				      { .id = "short-time",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes,
					.program = LONG_PROGRAM,
					.timeout_s = 1 },
				      { .id = "panic",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes,
					.append = "rdinit=/nonexistent" },
				      { .id = "wrong-page-size",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes == 4096 ? 65536 : 4096 },
				      { .id = "changed",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes,
					.sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" },
				      { .id = "too-large",
					.kernel = f->kernel,
					.page_bytes = f->page_bytes,
					.memory_bytes = UINT64_C(1) << 40 },
			      },
			      7);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->kernel);
	free(f->why_not);
	free(f);
	return 0;
}

static char *attempt_file(const struct fixture *f, const char *cell, unsigned int boot, unsigned int attempt,
			  const char *file)
{
	return xasprintf("%s/cells/%s/%u/%u/%s", f->run, cell, boot, attempt, file);
}

/* Is @pid a QEMU of @slot? By its command line, arguments joined. */
static bool is_qemu_of(const char *pid, const char *slot_path)
{
	_cleanup_free_ char *path = xasprintf("/proc/%s/cmdline", pid), *line = NULL;
	size_t len;

	if (file_read(path, 1 << 20, &line, &len, NULL) < 0 || !strstr(line, "qemu-system"))
		return false;
	for (size_t k = 0; k < len; k++)
		if (!line[k])
			line[k] = ' ';
	return strstr(line, slot_path) != NULL;
}

/* The QEMU of @slot, 0: none. */
static pid_t find_qemu(const struct fixture *f, unsigned int slot)
{
	_cleanup_free_ char *slot_path = xasprintf("%s/cache/virt/%u/lib/qemu/domain-", f->dir, slot);
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	assert_non_null(proc);
	while (!found && (entry = readdir(proc)))
		if (atoi(entry->d_name) > 0 && is_qemu_of(entry->d_name, slot_path))
			found = atoi(entry->d_name);
	closedir(proc);
	return found;
}

/* Never 0: that would be this test's own process group. */
static void kill_qemu(const struct fixture *f, unsigned int slot, int sig)
{
	pid_t pid = find_qemu(f, slot);

	assert_true(pid > 0);
	kill(pid, sig);
}

static void ends(const struct fixture *f, const char *cell, int code, enum outcome outcome, const char *reason)
{
	_cleanup_free_ char *out = NULL, *done = attempt_file(f, cell, 1, 1, "done.json");
	_cleanup_free_ char *initramfs = attempt_file(f, cell, 1, 1, "initramfs");
	struct boot_result result;

	if (BOOT(&out, f->run, cell, "1") != code)
		fail_msg("%s: %s", cell, out);
	boot_result_of(f->run, cell, 1, &result);
	if (result.outcome != outcome || (reason && !strstr(result.reason, reason)))
		fail_msg("%s: %s: %s", cell, outcome_names[result.outcome], result.reason ? result.reason : "");
	assert_true(path_exists(done));
	assert_false(path_exists(initramfs));
	boot_result_free(&result);
}

static void a_boot_is_recorded(void **state)
{
	static const char *const files[] = { "claim.json",  "host.json",  "job",      "stream",
					     "console.log", "domain.xml", "done.json" };
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL, *host = NULL;

	REQUIRE_GUESTS(f);
	ends(f, "ok", 0, OUTCOME_OK, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *file = attempt_file(f, "ok", 1, 1, files[i]);

		if (!path_exists(file))
			fail_msg("%s is not there", file);
	}
	path = attempt_file(f, "ok", 1, 1, "host.json");
	assert_int_equal(file_read(path, 65536, &host, NULL, NULL), 0);
	assert_non_null(strstr(host, "\"guest\": \"qemu\""));
	assert_non_null(strstr(host, "\"sealed\": true"));
	assert_non_null(strstr(host, "\"initramfs_sha256\": \""));
}

static void same_seed_same_bytes(void **state)
{
	const struct fixture *f = *state;
	struct boot_result one, again, other;

	REQUIRE_GUESTS(f);
	assert_int_equal(BOOT(NULL, f->run, "ok", "2"), 0);
	assert_int_equal(BOOT(NULL, "--slot=4", f->run, "ok", "2"), 0);
	assert_int_equal(BOOT(NULL, f->run, "ok", "3"), 0);
	boot_attempt_of(f->run, "ok", 2, 1, &one);
	boot_attempt_of(f->run, "ok", 2, 2, &again);
	boot_attempt_of(f->run, "ok", 3, 1, &other);
	assert_int_equal(one.outcome, OUTCOME_OK);
	assert_string_equal(one.sha256, again.sha256);
	assert_string_not_equal(one.sha256, other.sha256);
	boot_result_free(&one);
	boot_result_free(&again);
	boot_result_free(&other);
}

static void guests_that_go_wrong(void **state)
{
	const struct fixture *f = *state;

	REQUIRE_GUESTS(f);
	ends(f, "short-time", 0, OUTCOME_TIMEOUT, "the guest still ran after 4 s");
	ends(f, "panic", 0, OUTCOME_GUEST_CRASHED, "panic");
	ends(f, "wrong-page-size", 0, OUTCOME_BOOT_FAILED, "wrong page size");
}

static void hosts_that_fail(void **state)
{
	const struct fixture *f = *state;

	REQUIRE_GUESTS(f);
	ends(f, "changed", 3, OUTCOME_HOST_FAILED, "has changed since the run was planned");
	ends(f, "too-large", 3, OUTCOME_HOST_FAILED, "QEMU: cannot set up guest memory");
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void interrupted(void **state)
{
	const struct fixture *f = *state;
	struct boot_result result;
	pid_t pid;

	REQUIRE_GUESTS(f);
	pid = BOOT_START("--slot=1", f->run, "long", "1");
	boot_wait_for(f->run, "long", 1, 1, "stream");
	kill(pid, SIGINT);
	assert_int_equal(status_of(pid), 130);
	assert_int_equal(find_qemu(f, 1), 0);
	boot_result_of(f->run, "long", 1, &result);
	assert_int_equal(result.outcome, OUTCOME_INCOMPLETE);
	assert_non_null(strstr(result.reason, "interrupted"));
	assert_false(result.running);
	boot_result_free(&result);
}

static void forget_deadline(const struct fixture *f, const char *cell, unsigned int boot)
{
	_cleanup_free_ char *path = attempt_file(f, cell, boot, 1, "guest.json"), *text = NULL;
	json_t *o = json_load_file(path, 0, NULL);

	assert_non_null(o);
	json_object_set_new(o, "deadline_s", json_integer(1));
	text = json_dumps(o, 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
	json_decref(o);
}

/* Its guest goes on, and its slot is not free as long as somebody may come back for it; then the next owner ends it. */
static void killed(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *out = NULL;
	struct boot_result result;
	pid_t pid;

	REQUIRE_GUESTS(f);
	pid = BOOT_START("--slot=2", f->run, "long", "2");
	boot_wait_for(f->run, "long", 2, 1, "stream");
	kill(pid, SIGKILL);
	assert_int_equal(status_of(pid), 128 + SIGKILL);
	assert_true(find_qemu(f, 2) > 0);
	boot_result_of(f->run, "long", 2, &result);
	assert_int_equal(result.outcome, OUTCOME_INCOMPLETE);
	assert_true(result.running && result.adoptable);
	boot_result_free(&result);
	assert_int_equal(BOOT(&out, "--slot=2", f->run, "ok", "5"), 3);
	assert_non_null(strstr(out, "that its run may come back for"));
	assert_int_equal(BOOT(NULL, f->run, "long", "2"), BOOT_EXIT_TAKEN);
	forget_deadline(f, "long", 2);
	assert_int_equal(BOOT(NULL, "--slot=2", f->run, "ok", "5"), 0);
	boot_result_of(f->run, "ok", 5, &result);
	assert_int_equal(result.outcome, OUTCOME_OK);
	boot_result_free(&result);
	assert_int_equal(find_qemu(f, 2), 0);
	boot_result_of(f->run, "long", 2, &result);
	assert_false(result.running);
	boot_result_free(&result);
}

/* Nobody is there to see it, and it ends all the same: complete, and without its QEMU. Whoever adopts it says so. */
static void an_orphan_finishes(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL, *done = NULL, *initramfs = NULL;
	struct boot_result one, orphan;
	pid_t pid;

	REQUIRE_GUESTS(f);
	assert_int_equal(BOOT(NULL, f->run, "ok", "6"), 0);
	pid = BOOT_START("--slot=3", f->run, "ok", "6");
	/* before its first word the guest may still be paused, and would stay so */
	boot_wait_for(f->run, "ok", 6, 2, "console.log");
	kill(pid, SIGKILL);
	status_of(pid);
	assert_true(find_qemu(f, 3) > 0);
	assert_int_equal(BOOT(NULL, "--adopt=2", f->run, "ok", "6"), 0);
	assert_int_equal(find_qemu(f, 3), 0);
	boot_attempt_of(f->run, "ok", 6, 1, &one);
	boot_attempt_of(f->run, "ok", 6, 2, &orphan);
	assert_int_equal(orphan.outcome, OUTCOME_OK);
	assert_false(orphan.adoptable);
	assert_string_equal(orphan.sha256, one.sha256);
	boot_result_free(&one);
	boot_result_free(&orphan);
	path = attempt_file(f, "ok", 6, 2, "done.json");
	initramfs = attempt_file(f, "ok", 6, 2, "initramfs");
	assert_int_equal(file_read(path, 65536, &done, NULL, NULL), 0);
	assert_non_null(strstr(done, "\"adopted\": true"));
	assert_non_null(strstr(done, "\"stop\": \"unseen\""));
	assert_false(path_exists(initramfs));
	assert_int_equal(BOOT(NULL, "--adopt=2", f->run, "ok", "6"), BOOT_EXIT_TAKEN);
}

/* A stopped process is the worst case of a starved one: the deadline says nothing of the guest. */
static void a_starved_guest_is_the_hosts(void **state)
{
	const struct fixture *f = *state;
	struct boot_result result;
	pid_t pid;

	REQUIRE_GUESTS(f);
	pid = BOOT_START("--slot=1", f->run, "short-time", "2");
	boot_wait_for(f->run, "short-time", 2, 1, "console.log");
	kill_qemu(f, 1, SIGSTOP);
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(find_qemu(f, 1), 0);
	boot_result_of(f->run, "short-time", 2, &result);
	assert_int_equal(result.outcome, OUTCOME_HOST_FAILED);
	assert_true(result.starved);
	assert_non_null(strstr(result.reason, "this host starved the guest"));
	boot_result_free(&result);
}

static void qemu_is_killed(void **state)
{
	const struct fixture *f = *state;
	struct boot_result result;
	pid_t pid;

	REQUIRE_GUESTS(f);
	pid = BOOT_START("--slot=1", f->run, "long", "7");
	boot_wait_for(f->run, "long", 7, 1, "stream");
	kill_qemu(f, 1, SIGKILL);
	assert_int_equal(status_of(pid), 3);
	boot_result_of(f->run, "long", 7, &result);
	assert_int_equal(result.outcome, OUTCOME_HOST_FAILED);
	assert_non_null(strstr(result.reason, "QEMU is gone: signal 9: somebody killed it, or this host's kernel"));
	boot_result_free(&result);
	pid = BOOT_START("--slot=1", f->run, "long", "8");
	boot_wait_for(f->run, "long", 8, 1, "stream");
	kill_qemu(f, 1, SIGABRT);
	assert_int_equal(status_of(pid), 0);
	boot_result_of(f->run, "long", 8, &result);
	assert_int_equal(result.outcome, OUTCOME_GUEST_CRASHED);
	boot_result_free(&result);
}

/* A guest that fills its files is ended. The host may not tell a guest's bytes from others': the files are made to grow
 * from here. */
static void files_that_outgrow_their_caps(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *console = NULL;
	struct boot_result result;
	pid_t pid;

	REQUIRE_GUESTS(f);
	console = attempt_file(f, "long", 9, 1, "console.log");
	pid = BOOT_START("--slot=1", f->run, "long", "9");
	boot_wait_for(f->run, "long", 9, 1, "stream");
	assert_int_equal(truncate(console, CONSOLE_SIZE_MAX + 1), 0);
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(find_qemu(f, 1), 0);
	boot_result_of(f->run, "long", 9, &result);
	assert_int_equal(result.outcome, OUTCOME_WORKLOAD_FAILED);
	assert_non_null(strstr(result.reason, "to its console"));
	boot_result_free(&result);
}

static void a_slot_has_one_owner(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *out = NULL;
	pid_t pid;

	REQUIRE_GUESTS(f);
	pid = BOOT_START("--slot=1", f->run, "long", "10");
	boot_wait_for(f->run, "long", 10, 1, "stream");
	assert_int_equal(BOOT(&out, "--slot=1", f->run, "ok", "10"), 3);
	assert_non_null(strstr(out, "held by another process"));
	kill(pid, SIGTERM);
	assert_int_equal(status_of(pid), 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boot_is_recorded),	cmocka_unit_test(same_seed_same_bytes),
		cmocka_unit_test(guests_that_go_wrong), cmocka_unit_test(hosts_that_fail),
		cmocka_unit_test(interrupted),		cmocka_unit_test(killed),
		cmocka_unit_test(an_orphan_finishes),	cmocka_unit_test(a_starved_guest_is_the_hosts),
		cmocka_unit_test(qemu_is_killed),	cmocka_unit_test(files_that_outgrow_their_caps),
		cmocka_unit_test(a_slot_has_one_owner),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
