// SPDX-License-Identifier: GPL-2.0-or-later
/* PostgreSQL in real 64K guests: the same bytes twice, and failures with PostgreSQL's own words. Needs QEMU, the
 * kernel `full` and the workload's root file system in the cache; skips with the reason where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "run/roots.h"
#include "store/store.h"
#include "tests/pipeline.h"

#define RUN_S 900 /* beside others on few cores */

struct fixture {
	char *dir, *why_not; /* owned */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct roots roots = { 0 };
	struct err err = ERR_INIT;

	f->dir = scratch_make();
	*state = f;
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	free(guest_kernel_of("full", 65536, &f->why_not));
	if (!f->why_not && (roots_want(&roots, "postgresql", &err) < 0 || !roots.v[0].ready)) {
		f->why_not = xasprintf("no root file system postgresql in the cache (`granule images build "
				       "matrices/postgresql.yaml` makes it)%s%s",
				       err.msg[0] ? ": " : "", err.msg);
		printf("skipped: %s\n", f->why_not);
	}
	roots_free(&roots);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->why_not);
	free(f);
	return 0;
}

/* Run a matrix of one cell, k.off.pg, with @options of the workload and @more sections; the directory, owned by the
 * caller. */
static char *run_pg(const struct fixture *f, const char *name, const char *options, const char *more, int want_rc)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: m\nguest: { memory: 1GiB, accel: simulated, timeout: 600 }\n"
			  "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"
			  "workloads: { pg: { postgresql: { scale: 1, clients: 2, transactions: 100, shared_buffers: "
			  "32M%s } } }\n"
			  "trials: { seeds: 1, warmups: 0, samples: 1 }\n%s",
			  options, more);
	_cleanup_free_ char *file = xasprintf("%s.yaml", name),
			    *matrix = scratch_write(f->dir, file, text, strlen(text)), *out = NULL,
			    *run = path_join(f->dir, name), *program = NULL;
	const char *build = getenv("GRANULE_BUILD");
	struct err err = ERR_INIT;
	int rc;

	program = path_join(build ? build : "build", "granule");
	const char *argv[] = { program, "run", "--fresh", "-j", "1", "-o", run, matrix, NULL };

	rc = proc_capture((char *const *)argv, now_ns() + RUN_S * NSEC_PER_SEC, 1 << 20, &out, &err);
	if (rc != want_rc)
		fail_msg("exit code %d, not %d: %s%s", rc, want_rc, err.msg, out ? out : "");
	return steal_ptr(run);
}

/* The one boot of the one cell. */
static void read_boot(const char *dir, struct boot_result *boot, struct measures *ret_measures)
{
	struct err err = ERR_INIT;
	struct run *run;

	if (run_open(dir, &run, &err) < 0 || boot_read(run, &run->cells[0], 1, boot, &err) < 0)
		fail_msg("%s", err.msg);
	if (ret_measures && boot_measure(&run->cells[0], boot, ret_measures, &err) < 0)
		fail_msg("%s", err.msg);
	run_free(run);
}

static char *server_log(const struct boot_result *boot)
{
	_cleanup_free_ char *path = path_join(boot->dir, "artifacts/postgres.log");
	struct err err = ERR_INIT;
	char *text = NULL;

	if (file_read(path, 4 << 20, &text, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return text;
}

#define REQUIRE(f)                                                                                                     \
	do {                                                                                                           \
		if ((f)->why_not)                                                                                      \
			skip();                                                                                        \
	} while (0)

static double value(const struct measures *m, const char *name)
{
	const struct measure *found = measures_find(m, name);

	if (!found)
		fail_msg("no metric %s", name);
	return found->values[0];
}

static void runs_twice_the_same(void **state)
{
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *log = NULL;
	struct measures m = { 0 };

	REQUIRE(f);
	one = run_pg(f, "one", "", "", 0);
	two = run_pg(f, "two", "", "", 0);
	read_boot(one, &a, &m);
	read_boot(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	/* a transaction of pgbench -S is tens of thousands of instructions; a client and a server have their page
	 * tables */
	assert_true(value(&m, "select-only.insns_per_txn") > 10000);
	assert_true(value(&m, "select-only.insns_per_txn") < 1000000);
	assert_true(value(&m, "select-only.latency.p50") <= value(&m, "select-only.latency.max"));
	/* of each backend at least a table of 64 KiB on each of four levels' worth of paths */
	assert_true(value(&m, "select-only.process.vmpte") >= 2 * 65536);
	assert_true(value(&m, "select-only.process.pss") > 16 << 20);
	log = server_log(&a);
	assert_non_null(strstr(log, "LOG:  database system is shut down"));
	measures_free(&m);
}

static void failures_have_its_log(void **state)
{
	static const struct {
		const char *name, *options, *more, *reason, *log;
	} cases[] = {
		{ "bad-setting", ", settings: [wal_level=none]", "",
		  "service postgres ended by itself: exit 1:", "invalid value for parameter \"wal_level\"" },
		{ "too-small", "", "limit: [96MiB]\n", "(the OOM killer: its cgroup's memory.max is", NULL },
	};
	struct fixture *f = *state;

	REQUIRE(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_pg(f, cases[i].name, cases[i].options, cases[i].more, 4), *log = NULL;

		read_boot(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		log = server_log(&boot);
		if (!strstr(log, cases[i].log))
			fail_msg("%s: its log: %s", cases[i].name, log);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_twice_the_same),
		cmocka_unit_test(failures_have_its_log),
	};

	return cmocka_run_group_tests_name("postgresql-guest", tests, setup, teardown);
}
