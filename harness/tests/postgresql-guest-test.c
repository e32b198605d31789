// SPDX-License-Identifier: GPL-2.0-or-later
/* PostgreSQL in real 64K guests: the same bytes twice, what they say of instructions, memory and writing, and failures with PostgreSQL's own words. Needs QEMU, the
 * kernel `full` and the workload's root file system in the cache; skips with the reason where they are not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"
#include "tests/workload.h"
#include "workloads/postgresql/theory.h"

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

/* What a test's matrix of one cell has beside what all have. */
struct wanted {
	const char *name, *kernel, *options, *trials, *more; /* ", ..." of the mappings; sections */
};

static char *matrix_text(const struct wanted *w)
{
	return xasprintf("matrix: m\nguest: { memory: 2GiB, accel: simulated, timeout: 600 }\n"
			 "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full%s } }\n"
			 "workloads: { pg: { postgresql: { scale: 1, clients: 2, transactions: 100, shared_buffers: "
			 "32M%s } } }\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1%s }\n%s",
			 w->kernel ? w->kernel : "", w->options ? w->options : "", w->trials ? w->trials : "",
			 w->more ? w->more : "");
}

/* The run's directory, owned by the caller. */
static char *run_pg(const struct workload_fixture *f, const struct wanted *w, int want_rc)
{
	_cleanup_free_ char *text = matrix_text(w);

	return guest_run_text(f, w->name, text, want_rc, RUN_S);
}

static double in_phase(const struct measures *m, const char *phase, const char *name)
{
	_cleanup_free_ char *full = xasprintf("%s.%s", phase, name);
	const struct measure *found = measures_find(m, full);

	if (!found)
		fail_msg("no metric %s", full);
	return found->values[0];
}

/* The plugin counts what the program's start and end and its connections take too, and a store that faults twice; the guest's clock
 * has the same between the beginning and the end of the program, but for the few instructions around them. Caught: a half that is
 * missing or counted in both, a sample's counts for one transaction's. */
static void check_halves(const struct measures *m, const char *phase)
{
	const struct {
		const char *name;
		double value;
	} v[] = {
		{ "insns_user_per_txn", in_phase(m, phase, "insns_user_per_txn") },
		{ "insns_kernel_per_txn", in_phase(m, phase, "insns_kernel_per_txn") },
		{ "insns_per_txn", in_phase(m, phase, "insns_per_txn") },
	};
	double n = in_phase(m, phase, "operations"), by_clock = in_phase(m, phase, "elapsed") / SIMULATED_NS_PER_INSN;
	double both = (v[0].value + v[1].value) * n, twice = in_phase(m, phase, "vm.pgfault_per_txn") * n;

	assert_true(n == 200);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		if (!(v[i].value > 10000 && v[i].value < 2000000))
			fail_msg("%s.%s: %f", phase, v[i].name, v[i].value);
	if (!(both >= by_clock && both <= by_clock + twice + 100000))
		fail_msg("%s: %f user and kernel instructions, %f by the clock, %f faults", phase, both, by_clock,
			 twice);
	/* without the start of the program */
	assert_true(v[2].value * n < by_clock);
}

/* Caught: a look that changes residency (both would be all), data of another folder, whole pages for the blocks in them. */
static void check_buffers(const struct measures *m, const char *phase, const struct boot_result *boot)
{
	double shared = in_phase(m, phase, "buffers.shared"), cached = in_phase(m, phase, "buffers.cached");
	double both = in_phase(m, phase, "buffers.double"), behind = in_phase(m, phase, "buffers.rounding");
	_cleanup_free_ char *name = xasprintf("%s.buffers", phase), *text = guest_artifact(boot, name);
	double files = strtod(strstr(text, "\nfiles ") + 7, NULL), ends = strtod(strstr(text, "\nends ") + 6, NULL);

	assert_non_null(strstr(text, "page_size 65536\n"));
	assert_non_null(strstr(text, "\nunmatched 0\n"));
	/* the accounts are 13 MiB, of which transactions have touched some; the buffers are 32 */
	assert_true(shared >= 1 << 20 && shared <= 32 << 20);
	assert_true(both > 0 && both <= cached - behind);
	/* all came through the page cache; some lie in pages of which only they were written, which mincore() denies */
	assert_true(both == shared);
	assert_null(strstr(text, "\npartly 0\n"));
	/* the data that the server has not read are not in the page cache */
	assert_true(cached - behind < files);
	assert_true(behind > 0 && behind <= ends);
	/* nearly all files are of one or two blocks of 8 KiB: most of a page of each is nothing */
	assert_true(ends > 100 * file_rounding(65536, 16384));
}

/* Caught: a half of what is written left out, a device that is not the one below the data. */
static void check_written(const struct measures *m)
{
	double asked = in_phase(m, "simple-update", "wal.bytes_per_txn") +
		       in_phase(m, "simple-update", "data.written_per_txn");
	double written = in_phase(m, "simple-update", "device.written_per_txn");

	/* an update, an insert, a commit */
	assert_true(in_phase(m, "simple-update", "wal.records_per_txn") >= 3);
	assert_true(in_phase(m, "simple-update", "wal.bytes_per_txn") > 200);
	assert_true(in_phase(m, "simple-update", "data.written_per_txn") >= 8192.0 / 200);
	/* all that is asked for is written, and the journal, and the last page of the WAL with each commit */
	assert_true(written > asked);
	assert_true(fabs(in_phase(m, "simple-update", "write_amplification") - written / asked) < 1e-6);
	/* who only reads asks for next to nothing: no ratio */
	assert_true(in_phase(m, "hot", "wal.bytes_per_txn") < 200);
	assert_null(measures_find(m, "hot.write_amplification"));
	assert_true(in_phase(m, "simple-update", "disk.storage.writes_per_txn") >= 0.5);
}

static void check_script(const char *dir, const struct measures *m, const struct boot_result *boot)
{
	_cleanup_free_ char *report = guest_artifact(boot, "hot.report"),
			    *settings = guest_artifact(boot, "server.settings"), *show = NULL;
	struct err err = ERR_INIT;
	struct run *run;
	bool there = false;

	if (run_open(dir, &run, &err) < 0)
		fail_msg("%s", err.msg);
	/* by digest, under its own name; where it lies is nobody's matter */
	for (size_t i = 0; i < run->cells[0].n_programs; i++)
		there |= !strcmp(run->cells[0].programs[i].guest_path, "postgresql/files/hot.sql");
	assert_true(there);
	assert_null(json_object_get(
		json_object_get(json_object_get(run->cells[0].definition, "workload"), "parameters"), "script"));
	assert_int_equal(GRANULE(&show, "show", dir, run->cells[0].id, "1"), 0);
	assert_non_null(strstr(show, "series of hot, "));
	assert_non_null(strstr(report, "transaction type: /mnt/files/hot.sql\n"));
	assert_non_null(strstr(settings, "\nshared_buffers\t4096\t8kB\tcommand line\n"));
	assert_true(in_phase(m, "hot", "latency.p50") <= in_phase(m, "hot", "latency.max"));
	assert_true(in_phase(m, "hot", "checkpoints") == 0);
	assert_null(measures_find(m, "hot.latency.max_between"));
	run_free(run);
}

static void runs_twice_the_same(void **state)
{
	static const char sql[] = "\\set aid random(1, 100)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n";
	static const struct wanted wanted[] = {
		{ "one", NULL, ", tests: simple-update, script: hot.sql", ", count: yes",
		  "storages: { ext4: { where: null_blk, fs: ext4, size: 512MiB } }\n" },
		{ "two", NULL, ", tests: simple-update, script: hot.sql", ", count: yes",
		  "storages: { ext4: { where: null_blk, fs: ext4, size: 512MiB } }\n" },
	};
	struct workload_fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *log = NULL;
	struct measures m = { 0 };

	REQUIRE_GUESTS(f);
	free(scratch_write(f->dir, "hot.sql", sql, strlen(sql)));
	one = run_pg(f, &wanted[0], 0);
	two = run_pg(f, &wanted[1], 0);
	guest_read_one(one, &a, &m);
	guest_read_one(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	/* the server, its helpers and two backends: of each some tables of 64 KiB */
	assert_true(in_phase(&m, "hot", "process.number") >= 6);
	assert_true(in_phase(&m, "hot", "process.vmpte") >= in_phase(&m, "hot", "process.number") * 2 * 65536);
	assert_true(in_phase(&m, "hot", "process.vmpte_most") < in_phase(&m, "hot", "process.vmpte") / 3);
	assert_true(in_phase(&m, "hot", "process.pss") > 16 << 20);
	check_halves(&m, "simple-update");
	check_halves(&m, "hot");
	check_buffers(&m, "simple-update", &a);
	check_written(&m);
	check_script(one, &m, &a);
	log = guest_artifact(&a, "postgres.log");
	assert_non_null(strstr(log, "LOG:  database system is shut down"));
	measures_free(&m);
}

/* Whatever the default size, 2 MiB pages for 36 MiB of shared memory. Without a disk there is no double buffering. Caught: a reserve
 * that the server did not take, one size for all, double buffering of what is in memory anyway. */
static void huge_pages_are_accounted_for(void **state)
{
	static const struct wanted wanted = { "huge", ", append: 'hugepagesz=2M hugepages=40'",
					      ", tests: select-only, huge_pages: on, huge_page_size: 2M", NULL, NULL };
	static const double mib = 1 << 20;
	struct workload_fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result boot = { 0 };
	_cleanup_free_ char *run = NULL, *settings = NULL;
	struct measures m = { 0 };
	double needed, rounding;

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	run = run_pg(f, &wanted, 0);
	guest_read_one(run, &boot, &m);
	settings = guest_artifact(&boot, "server.settings");
	assert_non_null(strstr(settings, "\nhuge_pages_status\ton\t"));
	needed = in_phase(&m, "server", "shared_memory");
	rounding = in_phase(&m, "select-only", "hugetlb.rounding");
	assert_true(needed > 32 * mib && needed < 64 * mib);
	assert_true(in_phase(&m, "select-only", "hugetlb.reserve") == 80 * mib);
	assert_true(in_phase(&m, "select-only", "hugetlb.wasted") == 80 * mib - needed);
	assert_true(rounding >= 0 && rounding < 2 * mib);
	assert_null(measures_find(&m, "select-only.buffers.double"));
	measures_free(&m);
}

static void failures_have_its_log(void **state)
{
	static const struct {
		struct wanted wanted;
		const char *reason, *log;
	} cases[] = {
		{ { "bad-setting", NULL, ", settings: [wal_level=none]", NULL, NULL },
		  "service postgres ended by itself: exit 1:",
		  "invalid value for parameter \"wal_level\"" },
		/* psql and pgbench say what they are called, and so the server does not take it from its command line */
		{ { "refused", NULL, ", settings: [work_mem=8MB, application_name=x]", NULL, NULL },
		  "settings that the server did not take: application_name (it is psql, from client)",
		  "database system is ready" },
		{ { "too-small", NULL, "", NULL, "limit: [16MiB]\n" },
		  "(the OOM killer: its cgroup's memory.max is",
		  NULL },
	};
	struct workload_fixture *f = *state;

	REQUIRE_GUESTS(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_pg(f, &cases[i].wanted, 4), *log = NULL;

		guest_read_one(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].wanted.name, boot.reason);
		if (!cases[i].log)
			continue;
		log = guest_artifact(&boot, "postgres.log");
		if (!strstr(log, cases[i].log))
			fail_msg("%s: its log: %s", cases[i].wanted.name, log);
	}
}

/* Before anything boots. */
static void a_script_that_is_not_there(void **state)
{
	static const struct wanted wanted = { "missing", NULL, ", script: nowhere.sql", NULL, NULL };
	struct workload_fixture *f = *state;
	_cleanup_free_ char *text = NULL, *matrix = NULL, *run = NULL, *out = NULL;

	REQUIRE_GUESTS(f); /* leaves by longjmp: nothing is owned before */
	text = matrix_text(&wanted);
	run = path_join(f->dir, "missing");
	matrix = scratch_write(f->dir, "missing.yaml", text, strlen(text));
	assert_int_equal(GRANULE(&out, "run", "-o", run, matrix), 2);
	if (!strstr(out, "missing.yaml:4: workload 'pg': cannot read ") || !strstr(out, "nowhere.sql"))
		fail_msg("%s", out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_that_is_not_there),
		cmocka_unit_test(runs_twice_the_same),
		cmocka_unit_test(huge_pages_are_accounted_for),
		cmocka_unit_test(failures_have_its_log),
	};

	return cmocka_run_group_tests_name("postgresql-guest", tests, setup, teardown);
}
