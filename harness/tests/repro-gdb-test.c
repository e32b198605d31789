// SPDX-License-Identifier: GPL-2.0-or-later
/* `granule repro --gdb` with a real guest and gdb-multiarch: it stops at the kernel's first instruction and at functions by
 * name; and with a debugger's help a real oops in the middle of a sample. Skips with the reason where guests cannot run or
 * there is no gdb-multiarch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/guest-boot.h"
#include "tests/pipeline.h"

struct fixture {
	char *dir, *run, *gdb, *why_not; /* owned */
};

#define REQUIRE_GDB(f)                                                                                                 \
	do {                                                                                                           \
		if ((f)->why_not)                                                                                      \
			skip();                                                                                        \
	} while (0)

/* Its System.map lies beside the Image. */
static void make_run(struct fixture *f, const char *kernel)
{
	const struct boot_cell c = {
		.id = "c", .kernel = kernel, .page_bytes = 65536, .program = "/bin/getppid1\t--iterations\t1000"
	};
	struct cell_record cell = { 0 };
	json_t *header = json_object();
	struct err err = ERR_INIT;

	f->run = path_join(f->dir, "run");
	boot_fill_cell(&cell, &c, 1);
	cell.system_map = xasprintf("%.*sSystem.map", (int)(strlen(kernel) - strlen("Image")), kernel);
	if (run_create(f->run, NULL, header, &cell, 1, &err) < 0)
		fail_msg("%s", err.msg);
	json_decref(header);
	cell_record_free(&cell);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *kernel = guest_kernel(65536, &f->why_not), *cache = NULL;

	f->dir = scratch_make();
	f->gdb = proc_find("gdb-multiarch");
	if (!f->why_not && !f->gdb) {
		f->why_not = xstrdup("gdb-multiarch is not on PATH");
		printf("skipped: %s\n", f->why_not);
	}
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	setenv("TMPDIR", f->dir, 1);
	if (!f->why_not)
		make_run(f, kernel);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->gdb);
	free(f->why_not);
	free(f);
	return 0;
}

static char *wait_for_words(const char *path, const char *words)
{
	for (int i = 0; i < 3000; i++) {
		_cleanup_free_ char *text = NULL;

		if (file_read(path, 1 << 20, &text, NULL, NULL) == 0 && strstr(text, words))
			return steal_ptr(text);
		usleep(10000);
	}
	fail_msg("%s: '%s' does not come", path, words);
	return NULL;
}

/* The word behind @key in what repro printed. */
static char *word_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	at += strlen(key) + strspn(at + strlen(key), " ");
	return xstrndup(at, strcspn(at, " \n"));
}

/* `granule repro --gdb` without a terminal; its pid. @ret_run: the scratch run. */
static pid_t start_repro(const struct fixture *f, char **ret_run)
{
	_cleanup_free_ char *program =
		path_join(getenv("GRANULE_BUILD") ? getenv("GRANULE_BUILD") : "build", "granule");
	_cleanup_free_ char *out = path_join(f->dir, "repro.out"), *text = NULL, *socket = NULL;
	_cleanup_close_ int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	char *argv[] = { program, (char *)"repro", (char *)"--gdb", f->run, (char *)"c", NULL };
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn(argv, fd, &err);

	if (pid < 0)
		fail_msg("%s", err.msg);
	text = wait_for_words(out, "Ctrl-C here ends the guest");
	assert_non_null(strstr(text, "nokaslr"));
	*ret_run = word_after(text, "run     ");
	socket = path_join(*ret_run, "gdb");
	for (int i = 0; i < 3000 && !path_exists(socket); i++)
		usleep(10000);
	assert_true(path_exists(socket));
	return pid;
}

/* gdb with the script that repro wrote and @commands (NULL-terminated); all that it said. */
static char *debug(const struct fixture *f, const char *run, const char *const *commands)
{
	_cleanup_free_ char *script = path_join(run, "gdb.commands");
	char *argv[40] = { f->gdb, (char *)"-q", (char *)"-nx", (char *)"-batch", (char *)"-x", script }, *out = NULL;
	struct err err = ERR_INIT;
	int n = 6;

	for (; *commands; commands++) {
		argv[n++] = (char *)"-ex";
		argv[n++] = (char *)*commands;
	}
	if (proc_capture(argv, now_ns() + 120 * NSEC_PER_SEC, 1 << 20, &out, &err) < 0)
		fail_msg("%s: %s", err.msg, out ? out : "");
	return out;
}

#define DEBUG(f, run, ...) debug(f, run, (const char *const[]){ __VA_ARGS__, NULL })

static void says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("gdb does not say '%s':\n%s", words, text);
}

static void end_repro(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void stops_at_the_entry_with_symbols(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *run = NULL, *out = NULL, *host = NULL, *path = NULL;
	pid_t pid;

	REQUIRE_GDB(f);
	pid = start_repro(f, &run);
	out = DEBUG(f, run, "printf \"entry %#lx\\n\", $pc", "info symbol $pc", "printf \"mmu %d\\n\", $SCTLR & 1",
		    "break start_kernel", "continue", "info symbol $pc", "detach");
	printf("%s\n", out);
	says(out, "entry 0x40200000");
	says(out, "_phys__text in section .phys");
	says(out, "Breakpoint 2, 0x");
	says(out, " in start_kernel ()");
	/* let go, the guest runs as it would have, but is not sealed */
	path = xasprintf("%s/cells/c/1/1/host.json", run);
	assert_int_equal(file_read(path, 65536, &host, NULL, NULL), 0);
	says(host, "\"gdb\": true");
	says(host, "\"sealed\": false");
	end_repro(pid);
}

/* A kernel that jumps to NULL in the middle of a sample, long after the workload has begun. */
static void a_real_oops(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *run = NULL, *out = NULL, *done = NULL;
	struct boot_result result;
	pid_t pid;
	int status;

	REQUIRE_GDB(f);
	pid = start_repro(f, &run);
	out = DEBUG(f, run, "break __arm64_sys_getppid", "ignore 2 100", "continue", "delete", "set $pc = 0", "detach");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	boot_result_of(run, "c", 1, &result);
	printf("%s: %s\n", outcome_names[result.outcome], result.reason ? result.reason : "");
	if (result.outcome != OUTCOME_GUEST_CRASHED)
		fail_msg("%s\n%s", outcome_names[result.outcome], out);
	says(result.reason,
	     "console: Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000");
	boot_result_free(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stops_at_the_entry_with_symbols),
		cmocka_unit_test(a_real_oops),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
