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

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "run/roots.h"
#include "store/store.h"
#include "tests/pipeline.h"

#define RUN_S 1800 /* beside others on few cores */
#define MIB (1 << 20)

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
	if (!f->why_not && (roots_want(&roots, "ceph", &err) < 0 || !roots.v[0].ready)) {
		f->why_not =
			xasprintf("no root file system ceph in the cache (`granule images build matrices/ceph.yaml` "
				  "makes it)%s%s",
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

/* Run a matrix of one cell, k.off.c.disk, with @options of the workload, a device of @size and @more sections; the
 * directory, owned by the caller. */
static char *run_ceph(const struct fixture *f, const char *name, const char *options, const char *size,
		      const char *more, int want_rc)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: m\nguest: { memory: 2560MiB, accel: simulated, timeout: 900 }\n"
			  "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"
			  "storages: { disk: { where: null_blk, size: %s, fs: raw } }\n"
			  "workloads: { c: { ceph: { %s } } }\n"
			  "trials: { seeds: 1, warmups: 0, samples: 1 }\n%s",
			  size, options, more);
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

static void assert_between(const struct measures *m, const char *name, double low, double high)
{
	double v = value(m, name);

	if (!(v >= low && v <= high))
		fail_msg("%s is %g, not within %g and %g", name, v, low, high);
}

static void runs_twice_the_same(void **state)
{
	static const char options[] = "tests: [write, seq, rand], objects: 200, memory_objects: 500, rounds: 3";
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL;
	struct measures m = { 0 };

	REQUIRE(f);
	one = run_ceph(f, "one", options, "512MiB", "", 0);
	two = run_ceph(f, "two", options, "512MiB", "", 0);
	read_boot(one, &a, &m);
	read_boot(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	/* an operation passes two processes and their messengers */
	assert_between(&m, "write.insns_per_op", 100000, 2000000);
	assert_between(&m, "seq.insns_per_op", 50000, 1000000);
	/* what the OSD itself takes is a part of it */
	assert_true(value(&m, "write.insns_in.osd_per_op") < value(&m, "write.insns_per_op"));
	assert_between(&m, "write.insns_in.osd_per_op", 50000, 1000000);
	/* BlueStore writes 4 KiB of data, and its log; reads of small objects come from the device or its cache */
	assert_between(&m, "write.write_amplification", 1, 100);
	assert_between(&m, "write.bytes_per_op", 4096, 4096);
	assert_between(&m, "4n-osd.heap.page", 8192, 8192);
	/* what Ceph believes is less than what it has; what was dropped comes back */
	assert_true(value(&m, "4n-osd.process.rss") > value(&m, "4n-osd.mempool.total"));
	assert_true(value(&m, "released-osd.mempool.total") < value(&m, "4n-osd.mempool.total"));
	assert_between(&m, "released-osd.heap.page_heap_free", 0, 8 * MIB);
	assert_between(&m, "osd.rss_per_mempool_byte", 0.5, 10);
	assert_true(value(&m, "start.clean") >= value(&m, "start.osd"));
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
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *fixed = NULL, *broken = NULL;
	struct measures m = { 0 };

	REQUIRE(f);
	fixed = run_ceph(f, "fixed", CACHED, "1GiB", "", 0);
	read_boot(fixed, &a, &m);
	assert_between(&m, "4n-osd.mempool.bluestore_cache_data", 400 * MIB, 500 * MIB);
	assert_between(&m, "released-osd.mempool.bluestore_cache_data", 0, MIB);
	assert_between(&m, "released-osd.heap.page_heap_free", 0, 32 * MIB);
	assert_between(&m, "released-osd.process.rss", 0, 160 * MIB);
	measures_free(&m);
	m = (struct measures){ 0 };
	broken = run_ceph(f, "broken", CACHED ", tcmalloc_page: 8K", "1GiB", "", 0);
	read_boot(broken, &b, &m);
	assert_between(&m, "released-osd.mempool.bluestore_cache_data", 0, MIB);
	assert_between(&m, "released-osd.heap.page_heap_free", 256 * MIB, 600 * MIB);
	assert_true(value(&m, "released-osd.process.rss") > 256 * MIB);
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
		/* BlueStore aborts where it finds no space for data that it has taken */
		{ "full", "memory_objects: 0, tests: [write], objects: 100, object_size: 4M", "256MiB", "",
		  "No space left on device", "osd.log", "ceph_abort_msg(" },
		{ "too-small", "memory_objects: 0, tests: [write]", "512MiB", "limit: [40MiB]\n",
		  "(the OOM killer: its cgroup's memory.max is", NULL, NULL },
	};
	struct fixture *f = *state;

	REQUIRE(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_ceph(f, cases[i].name, cases[i].options, cases[i].size, cases[i].more,
						    4),
				    *path = NULL, *log = NULL;
		struct err err = ERR_INIT;

		read_boot(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		path = xasprintf("%s/artifacts/%s", boot.dir, cases[i].log_name);
		if (file_read(path, 8 << 20, &log, NULL, &err) < 0)
			fail_msg("%s: %s", cases[i].name, err.msg);
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
