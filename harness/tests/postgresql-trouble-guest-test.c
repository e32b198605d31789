// SPDX-License-Identifier: GPL-2.0-or-later
/* PostgreSQL in real 64K guests when things go wrong: a disk that is full, too small for what was prepared, a guest that
 * comes to no end; and a person who looks at a running server. Each failure is classified and has PostgreSQL's own
 * log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"
#include "tests/workload.h"

#define RUN_S 900 /* beside others on few cores */

static int setup(void **state)
{
	static struct workload_fixture f;

	workload_fixture_make(&f, "postgresql");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	workload_fixture_clear(*state);
	return 0;
}

static char *run_pg(const struct workload_fixture *f, const char *name, const char *guest, const char *storage,
		    const char *options, int want_rc)
{
	_cleanup_free_ char *text = xasprintf(
		"matrix: m\nguest: { memory: 1GiB, %s }\n"
		"kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"
		"storages: { s: { %s } }\n"
		"workloads: { pg: { postgresql: { tests: [simple-update], scale: 1, clients: 2, shared_buffers: "
		"32M, %s } } }\n"
		"trials: { seeds: 1, warmups: 0, samples: 1 }\n",
		guest, storage, options);

	return guest_run_text(f, name, text, want_rc, RUN_S);
}

static void failures_are_told(void **state)
{
	static const struct {
		const char *name, *guest, *storage, *options;
		enum outcome outcome;
		const char *reason, *log;
	} cases[] = {
		/* its write-ahead log grows until there is no room */
		{ "full-disk", "accel: simulated, timeout: 600", "where: null_blk, fs: ext4, size: 96MiB",
		  "transactions: 20000, settings: [max_wal_size=400MB, min_wal_size=400MB]", OUTCOME_WORKLOAD_FAILED,
		  "PANIC:  could not write to file", "No space left on device" },
		{ "too-small", "accel: simulated", "where: null_blk, fs: ext4, size: 32MiB", "transactions: 10",
		  OUTCOME_WORKLOAD_FAILED, "prepared data: ", NULL },
		/* the guest is ended at the host's deadline: its log is read from its disk */
		{ "deadline", "accel: emulated, timeout: 5", "where: virtio, fs: ext4, size: 256MiB",
		  "transactions: 10000000", OUTCOME_TIMEOUT, "timeout: the guest still ran",
		  "database system is ready to accept connections" },
	};
	struct workload_fixture *f = *state;

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_pg(f, cases[i].name, cases[i].guest, cases[i].storage, cases[i].options,
						  4),
				    *log = NULL;

		guest_read_one(run, &boot, NULL);
		assert_int_equal(boot.outcome, cases[i].outcome);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		log = guest_artifact(&boot, "postgres.log");
		if (!strstr(log, cases[i].log))
			fail_msg("%s: its log: %s", cases[i].name, log);
	}
}

/* Read @fd until @mark has come, or the time is over. */
static void await(int fd, struct text *seen, const char *mark, unsigned int timeout_s)
{
	uint64_t deadline = now_ns() + timeout_s * NSEC_PER_SEC;
	char buf[4096];

	while (!seen->s || !strstr(seen->s, mark)) {
		ssize_t n = now_ns() < deadline ? read(fd, buf, sizeof(buf)) : 0;

		if (n <= 0)
			fail_msg("no '%s' in: %s", mark, seen->s ? seen->s : "");
		text_add_bytes(seen, buf, (size_t)n);
	}
}

static pid_t start_shell(const char *run, int *ret_in, int *ret_out)
{
	const char *build = getenv("GRANULE_BUILD");
	_cleanup_free_ char *program = path_join(build ? build : "build", "granule");
	int in[2], out[2];
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		fail_msg("no pipe");
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(program, program, "repro", run, "k.default.pg.s", "--shell", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*ret_in = in[1];
	*ret_out = out[0];
	return pid;
}

/* The server of the cell runs beside the shell, with its settings and its prepared data. */
static void a_shell_beside_the_server(void **state)
{
	static const char ask[] = "chroot /root /usr/lib/postgresql/17/bin/psql -P pager=off -h /tmp -U postgres -Atc "
				  "\"select 'rows ' || count(*) || ', ' || current_setting('work_mem') from "
				  "pgbench_accounts\"\n";
	struct workload_fixture *f = *state;
	_cleanup_free_ char *run = NULL;
	_cleanup_(text_free) struct text seen = { 0 };
	int in, out, status;
	pid_t pid;

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	run = run_pg(f, "shell", "accel: simulated", "where: null_blk, fs: xfs, size: 320MiB",
		     "transactions: 10, settings: [work_mem=5MB]", 0);
	pid = start_shell(run, &in, &out);
	await(out, &seen, "(granule) / # ", 300);
	assert_int_equal(write(in, ask, strlen(ask)), strlen(ask));
	await(out, &seen, "rows 100000, 5MB", 300);
	close(in); /* as Ctrl-] does */
	waitpid(pid, &status, 0);
	close(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(a_shell_beside_the_server),
	};

	return cmocka_run_group_tests_name("postgresql-trouble-guest", tests, setup, teardown);
}
