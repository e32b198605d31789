// SPDX-License-Identifier: GPL-2.0-or-later
/* Ceph in real 64K guests: the same bytes twice, the defect that tcmalloc had, and failures with Ceph's own words. Needs
 * QEMU, the kernel `full` and the workload's root file system in the cache; skips with the reason where they are not. */
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
#include "tests/pipeline.h"
#include "tests/workload.h"

#define RUN_S 1500 /* beside others on few cores */
#define MIB (1 << 20)

static int setup(void **state)
{
	struct workload_fixture *f = xcalloc(1, sizeof(*f));

	workload_fixture_make(f, "ceph");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	workload_fixture_clear(*state);
	free(*state);
	return 0;
}

/* On a device of @size, with @more sections. */
static char *run_ceph(const struct workload_fixture *f, const char *name, const char *options, const char *size,
		      const char *more, int want_rc)
{
	_cleanup_free_ char *sections =
		xasprintf("storages: { disk: { where: null_blk, size: %s, fs: raw } }\n%s", size, more);

	return guest_run_one(f, name, options, sections, want_rc, RUN_S);
}

static void assert_between(const struct measures *m, const char *name, double low, double high)
{
	double v = measured(m, name);

	if (!(v >= low && v <= high))
		fail_msg("%s is %g, not within %g and %g", name, v, low, high);
}

static void runs_twice_the_same(void **state)
{
	static const char options[] =
		"tests: [write, seq, rand], objects: 200, memory_objects: 500, rounds: 3, manager: yes";
	struct workload_fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *log = NULL;
	struct measures m = { 0 };

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	one = run_ceph(f, "one", options, "512MiB", "", 0);
	two = run_ceph(f, "two", options, "512MiB", "", 0);
	guest_read_one(one, &a, &m);
	guest_read_one(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	/* an operation passes two processes and their messengers */
	assert_between(&m, "write.insns_per_op", 100000, 2000000);
	assert_between(&m, "seq.insns_per_op", 50000, 1000000);
	/* what the OSD itself takes is a part of it */
	assert_true(measured(&m, "write.insns_in.osd_per_op") < measured(&m, "write.insns_per_op"));
	assert_between(&m, "write.insns_in.osd_per_op", 50000, 1000000);
	/* BlueStore writes 4 KiB of data, and its log; reads of small objects come from the device or its cache */
	assert_between(&m, "write.write_amplification", 1, 100);
	assert_between(&m, "write.bytes_per_op", 4096, 4096);
	assert_between(&m, "4n-osd.heap.page", 8192, 8192);
	/* what Ceph believes is less than what it has; what was dropped comes back */
	assert_true(measured(&m, "4n-osd.process.rss") > measured(&m, "4n-osd.mempool.total"));
	assert_true(measured(&m, "released-osd.mempool.total") < measured(&m, "4n-osd.mempool.total"));
	assert_between(&m, "released-osd.heap.page_heap_free", 0, 8 * MIB);
	assert_between(&m, "osd.rss_per_mempool_byte", 0.5, 10);
	assert_true(measured(&m, "start.clean") >= measured(&m, "start.osd"));
	/* the manager is there, with its Python, and hears of what happens */
	assert_true(measured(&m, "start.mgr") > measured(&m, "start.clean"));
	assert_between(&m, "n-mgr.process.pss", 40 * MIB, 400 * MIB);
	assert_true(measured(&m, "write.insns_in.mgr_per_op") > 0);
	assert_true(measured(&m, "4n-mgr.mempool.pgmap") > 0);
	log = guest_artifact(&a, "mgr.log");
	assert_non_null(strstr(log, "Constructed class from module: balancer"));
	assert_null(strstr(log, "Error loading module"));
	measures_free(&m);
}

/* 480 MiB of objects in the OSD's cache, which is dropped: with pages of its own that are smaller than the kernel's
 * tcmalloc gives nothing back. */
#define CACHED                                                                                                         \
	"tests: [write], objects: 50, memory_objects: 30, memory_object_size: 4M, settings: "                          \
	"[bluestore_default_buffered_write=true, bluestore_cache_autotune=false, bluestore_cache_size=3221225472, "    \
	"bluestore_cache_meta_ratio=0.05, bluestore_cache_kv_ratio=0.05]"

static void the_known_defect_shows(void **state)
{
	struct workload_fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *fixed = NULL, *broken = NULL;
	struct measures m = { 0 };

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	fixed = run_ceph(f, "fixed", CACHED, "1GiB", "", 0);
	guest_read_one(fixed, &a, &m);
	assert_between(&m, "4n-osd.mempool.bluestore_cache_data", 400 * MIB, 500 * MIB);
	assert_between(&m, "released-osd.mempool.bluestore_cache_data", 0, MIB);
	assert_between(&m, "released-osd.heap.page_heap_free", 0, 32 * MIB);
	assert_between(&m, "released-osd.process.rss", 0, 160 * MIB);
	measures_free(&m);
	m = (struct measures){ 0 };
	broken = run_ceph(f, "broken", CACHED ", tcmalloc_page: 8K", "1GiB", "", 0);
	guest_read_one(broken, &b, &m);
	assert_between(&m, "released-osd.mempool.bluestore_cache_data", 0, MIB);
	assert_between(&m, "released-osd.heap.page_heap_free", 256 * MIB, 600 * MIB);
	assert_true(measured(&m, "released-osd.process.rss") > 256 * MIB);
	measures_free(&m);
}

static void failures_have_its_log(void **state)
{
	static const struct {
		const char *name, *options, *size, *more, *reason, *log_name, *log;
	} cases[] = {
		{ "bad-setting", "memory_objects: 0, tests: [write], settings: [no_such_thing=1]", "512MiB", "",
		  "mon.log: too many arguments: [--no_such_thing=1]", "mon.log", "too many arguments" },
		{ "no-monitor", "memory_objects: 0, tests: [write], settings: [mon_data=/nowhere]", "512MiB", "",
		  "service mon ended by itself: exit 1:", "mon.log", "monitor data directory at '/nowhere'" },
		{ "assertion", "memory_objects: 0, tests: [write], settings: [paxos_kill_at=3]", "512MiB", "",
		  "FAILED ceph_assert(g_conf()->paxos_kill_at != 3)", "mon.log", "*** Caught signal (Aborted) **" },
		/* it leads, and every commit takes hours: an OSD's entry into the map is none */
		{ "no-commit",
		  "memory_objects: 0, tests: [write], settings: [mon_inject_transaction_delay_probability=1, "
		  "mon_inject_transaction_delay_max=10000000]",
		  "512MiB", "", "osd.0.asok, status, after 300 s: ", "mon.log", " slow ops, oldest is" },
		{ "no-modules", "memory_objects: 0, tests: [write], manager: yes, settings: [mgr_module_path=/nowhere]",
		  "512MiB", "", "service mgr ended by itself: signal 6", "mgr.log", "thread_name:ceph-mgr" },
		/* BlueStore aborts where it finds no space for data that it has taken */
		{ "full", "memory_objects: 0, tests: [write], objects: 100, object_size: 4M", "256MiB", "",
		  "No space left on device", "osd.log", "ceph_abort_msg(" },
		{ "too-small", "memory_objects: 0, tests: [write]", "512MiB", "limit: [40MiB]\n",
		  "(the OOM killer: its cgroup's memory.max is", NULL, NULL },
	};
	struct workload_fixture *f = *state;

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_ceph(f, cases[i].name, cases[i].options, cases[i].size, cases[i].more,
						    4),
				    *log = NULL;

		guest_read_one(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		log = guest_artifact(&boot, cases[i].log_name);
		if (!strstr(log, cases[i].log))
			fail_msg("%s: its log: %.2000s", cases[i].name, log);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_twice_the_same),
		cmocka_unit_test(the_known_defect_shows),
		cmocka_unit_test(failures_have_its_log),
	};

	return cmocka_run_group_tests_name("ceph-guest", tests, setup, teardown);
}
