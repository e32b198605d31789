// SPDX-License-Identifier: GPL-2.0-or-later
/* The workload ceph without a guest: parameters, the jobs it makes, metrics of recorded outputs, why daemons ended. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tests/workload.h"
#include "workloads/ceph/ceph.h"

static void bad_parameters(void **state)
{
	static const struct refused cases[] = {
		{ "settings: [osd_max_backfills]", "settings: 'osd_max_backfills' is no NAME=VALUE" },
		{ "settings: ['osd max=4']", "is no NAME=VALUE" },
		{ "settings: [1x=4]", "is no NAME=VALUE" },
		{ "tcmalloc_release_rate: fast", "tcmalloc_release_rate: 'fast' is no number" },
		{ "tcmalloc_release_rate: '1.'", "is no number" },
		{ "tcmalloc_release_rate: '-1'", "is no number" },
		{ "tcmalloc_page: 12K", "tcmalloc_page: must be a power of two" },
		{ "object_size: 64K, block_size: 48K", "block_size: an object is to be a whole number" },
		{ "tests: [seq]", "write must be one of them" },
		{ "tests: [seq, write]", "write comes first" },
		{ "tests: [read]", "write" },
		{ "objects: 0", "'objects'" },
		{ "osd_memory_target: 512M", "'osd_memory_target'" },
		{ "threads: 2000", "'threads'" },
	};

	(void)state;
	assert_refused("ceph", cases, ARRAY_SIZE(cases));
}

static char *preparation_of(const char *options)
{
	const struct preparing p = { 65536, 1 << 30 };
	struct err err = ERR_INIT;
	struct matrix *m = workload_matrix("ceph", options, &err);
	struct text job = { 0 };

	if (!m)
		fail_msg("%s", err.msg);
	m->workloads[0].type->preparations[0].steps(m->workloads[0].params, &p, &job);
	matrix_free(m);
	return text_steal(&job);
}

static void steps_are_what_was_asked(void **state)
{
	_cleanup_free_ char *plain = workload_job("ceph", ""), *managed = workload_job("ceph", "manager: yes"),
			    *bare = workload_job("ceph", "memory_objects: 0, tests: [write]");
	_cleanup_free_ char *more = workload_job(
		"ceph",
		"tests: [write, rand], objects: 70, object_size: 64K, block_size: 4K, threads: 8, rand_seconds: "
		"3, rounds: 5, "
		"osd_memory_target: 2G, bluefs_buffered_io: no, tcmalloc_page: 8K, tcmalloc_release_rate: 10, "
		"memory_objects: 30, memory_object_size: 4M, settings: [osd_memory_target=1, bdev_aio=false]");

	(void)state;
	/* N, then three times as many; each read, and again when all that is free was given back */
	assert_int_equal(
		occurrences(plain, "\twrite\t-t\t4\t-b\t4096\t--max-objects\t1000\t--no-cleanup\t--format=json"), 4);
	assert_int_equal(occurrences(plain, "\t--max-objects\t3000\t--no-cleanup"), 1);
	assert_int_equal(occurrences(plain, "inspect\tn-osd\tosd"), 1);
	assert_int_equal(occurrences(plain, "inspect\t4n-mon\tmon"), 1);
	assert_true(strstr(plain, "\tcache drop\n") < strstr(plain, "inspect\treleased-osd\tosd"));
	assert_true(strstr(plain, "\"heapcmd\": \"release\"") < strstr(plain, "inspect\treleased-osd\tosd"));
	assert_int_equal(occurrences(plain, "\nexec\twrite\twarmup\t"), 1);
	assert_int_equal(occurrences(plain, "\nexec\twrite\tsample\t"), 2);
	assert_int_equal(occurrences(plain, "\nexec\tseq\tsample\t"), 2);
	assert_null(strstr(plain, "/usr/bin/env\t"));
	assert_null(strstr(plain, "round-0"));
	assert_null(strstr(plain, "ceph-mgr"));
	assert_true(text_ends(plain, "stop\tosd\nstop\tmon\n"));

	assert_int_equal(occurrences(managed, "\nservice\tmgr\t"), 1);
	assert_int_equal(occurrences(managed, "inspect\t4n-mgr\tmgr\n"), 1);
	/* its admin socket knows no such command */
	assert_int_equal(occurrences(managed, "mgr/heap"), 0);
	assert_int_equal(occurrences(managed, "\nwatch\t/sys/fs/cgroup/mgr/cpu.stat\t"), 1);
	assert_true(text_ends(managed, "stop\tmgr\nstop\tosd\nstop\tmon\n"));

	assert_null(strstr(bare, "inspect"));
	assert_int_equal(occurrences(bare, "--max-objects"), 3);

	assert_int_equal(occurrences(more, "\twrite\t-t\t8\t-b\t4096\t-O\t65536\t--max-objects\t70\t--no-cleanup"), 3);
	/* what a round writes it deletes */
	assert_int_equal(occurrences(more, "\t-O\t65536\t--max-objects\t70\t--format=json"), 5);
	assert_int_equal(occurrences(more, "\tround-4/heap\t"), 1);
	assert_int_equal(occurrences(more, "\tbench\t3\trand\t-t\t8\t"), 3);
	assert_int_equal(occurrences(more, "\t-b\t4194304\t--max-objects\t90\t"), 1);
	assert_int_equal(
		occurrences(
			more,
			"\t/usr/bin/env\tTCMALLOC_OVERRIDE_PAGESIZE=8192\tTCMALLOC_RELEASE_RATE=10\t/usr/bin/ceph-"),
		2);
	assert_non_null(strstr(more,
			       "\t--osd_memory_target=2147483648\t--bluefs_buffered_io=false\t--osd_memory_target=1\t"
			       "--bdev_aio=false\n"));
}

/* What only cells differ in leaves the prepared cluster alone. */
static void preparation_is_shared(void **state)
{
	_cleanup_free_ char *a = preparation_of(""), *managed = preparation_of("manager: yes"),
			    *b = preparation_of(
				    "objects: 7, osd_memory_target: 2G, tcmalloc_page: 8K, settings: [bdev_aio=false]");

	(void)state;
	assert_string_equal(a, b);
	/* a manager's compiled Python is prepared, too, for cells that have one */
	assert_null(strstr(a, "ceph-mgr"));
	assert_int_equal(occurrences(managed, "PYTHONPYCACHEPREFIX=/data/ceph/pycache\t/usr/bin/ceph-mgr\t"), 1);
	assert_true(strstr(managed, "mgr_status\tinitialized=true\n") < strstr(managed, "\nstop\tnew-mgr\n"));
	assert_true(strstr(managed, "\nstop\tnew-mgr\n") < strstr(managed, "\nkeep\t"));
	assert_int_equal(occurrences(a, "\nkeep\t"), 2);
	assert_true(strstr(a, "\nstop\tnew-mon\n") < strstr(a, "\nkeep\t"));
	assert_null(strstr(a, "/usr/bin/ceph\t"));
}

static void assert_near(double got, double want)
{
	if (!(fabs(got - want) <= 1e-9 * fabs(want)))
		fail_msg("%.12g, not %.12g", got, want);
}

static const struct measure_context simulated = { 65536, 1, BASIS_SIMULATED };

static void outputs_become_metrics(void **state)
{
	const struct measure_context hardware = { 65536, 1, BASIS_HARDWARE };
	_cleanup_free_ char *output = recorded_output("ceph/outputs/18/write-blocks.txt"),
			    *none = recorded_output("ceph/outputs/18/no-pool.txt");
	struct measures a = { 0 }, b = { 0 };
	struct err err = ERR_INIT;
	double operations, bytes,
		s = strtod(strstr(output, "total_time_run\":\"") + strlen("total_time_run\":\""), NULL);

	(void)state;
	ceph_work(output, &operations, &bytes);
	assert_near(operations, 1600);
	assert_near(bytes, 1600 * 4096);
	ceph_work(none, &operations, &bytes);
	assert_true(operations == 0 && bytes == 0);
	assert_int_equal(ceph_measure(&simulated, "write", output, &a, &err), 0);
	assert_int_equal(ceph_measure(&hardware, "write", output, &b, &err), 0);
	assert_near(measured(&a, "write.insns_per_op"), s * 1e9 / 1600 / 2);
	assert_near(measured(&b, "write.ns_per_op"), s * 1e9 / 1600);
	assert_near(measured(&a, "write.iops"), 1600 / s);
	assert_null(measures_find(&a, "write.ns_per_op"));
	assert_null(measures_find(&b, "write.insns_per_op"));
	assert_near(measured(&a, "write.latency.max"), 24.204);
	assert_int_equal(ceph_measure(&simulated, "write", none, &a, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	measures_free(&a);
	measures_free(&b);
}

static void add_artifact(struct artifact_list *list, const char *name, const char *text)
{
	struct artifact *a = VEC_PUSH(list->v, list->n);

	strcpy(a->name, name);
	text_add(&a->data, "%s", text);
}

/* A monitor's and an OSD's memory at three points, four rounds. */
static void readings_become_metrics(void **state)
{
	_cleanup_free_ char *text = recorded_output("ceph/outputs/18/readings");
	struct artifact_list artifacts = { 0 };
	struct measures m = { 0 };
	struct err err = ERR_INIT;
	double grown;

	(void)state;
	add_artifact(&artifacts, CEPH_READINGS, text);
	if (ceph_brought(&simulated, &artifacts, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(measured(&m, "4n-osd.mempool.total") > measured(&m, "n-osd.mempool.total"));
	assert_true(measured(&m, "released-osd.mempool.total") < measured(&m, "n-osd.mempool.total"));
	assert_near(measured(&m, "n-osd.heap.page"), 8192);
	assert_near(measured(&m, "start.mon"), 34310.597342322);
	assert_near(measured(&m, "start.osd"), 34310.600713038);
	assert_null(measures_find(&m, "round-0.heap.in_use"));
	/* the monitor's cache is another */
	assert_null(measures_find(&m, "n-mon.cache.target"));
	assert_near(measured(&m, "n-osd.cache.target"), 4294967296);

	/* what the agent reads of the processes: 40 MiB more than at N */
	grown = measured(&m, "4n-osd.mempool.total") - measured(&m, "n-osd.mempool.total");
	assert_true(grown > 1 << 20);
	measures_add(&m, &simulated, (const struct metric[]){ { .pattern = "process.rss" }, { NULL } }, "n-osd",
		     "process.rss", 100 << 20);
	measures_add(&m, &simulated, (const struct metric[]){ { .pattern = "process.rss" }, { NULL } }, "4n-osd",
		     "process.rss", 140 << 20);
	ceph_derive(&simulated, &m);
	assert_near(measured(&m, "osd.rss_per_mempool_byte"), (40 << 20) / grown);
	assert_near(measured(&m, "n-osd.rss_of_mempools"), (100 << 20) / measured(&m, "n-osd.mempool.total"));
	/* nobody read the monitor's, and its mempools do not grow */
	assert_null(measures_find(&m, "mon.rss_per_mempool_byte"));
	measures_free(&m);

	/* a file that was cut is an error, with the section's name */
	m = (struct measures){ 0 };
	artifacts.v[0].data.s[artifacts.v[0].data.len - 600] = '\0';
	assert_int_equal(ceph_brought(&simulated, &artifacts, &m, &err), -1);
	assert_non_null(strstr(err.msg, "readings: round-3/heap"));
	measures_free(&m);
	artifacts_free(&artifacts);
}

/* A manager goes on without modules that it could not load, and takes less: no numbers of that. */
static void a_manager_has_its_modules(void **state)
{
	struct artifact_list whole = { 0 }, less = { 0 };
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	add_artifact(&whole, "mgr.log",
		     "mgr[py] Loading python module 'balancer'\nmgr[py] Loading python module 'crash'\n");
	add_artifact(&less, "mgr.log", "mgr[py] Error loading module 'balancer': (22) Invalid argument\nactive\n");
	assert_int_equal(ceph_brought(&simulated, &whole, &m, &err), 0);
	assert_int_equal(ceph_brought(&simulated, &less, &m, &err), -1);
	assert_string_equal(err.msg, "mgr.log: Error loading module 'balancer': (22) Invalid argument");
	measures_free(&m);
	artifacts_free(&whole);
	artifacts_free(&less);
}

/* A line through the rounds but the first: 10 MiB each, whatever the first took. */
static void growth_is_a_slope(void **state)
{
	static const char heap[] =
		"MALLOC: %d (x) Bytes in use by application\nMALLOC: + 0 (x) Bytes in page heap freelist\n"
		"MALLOC: + 0 (x) Bytes in central cache freelist\nMALLOC: + 0 (x) Bytes in transfer cache freelist\n"
		"MALLOC: + 0 (x) Bytes in thread cache freelists\nMALLOC: + 0 (x) Bytes in malloc metadata\n"
		"MALLOC: = %d (x) Actual memory used (physical + swap)\nMALLOC: + 0 (x) Bytes released to OS (aka "
		"unmapped)\n"
		"MALLOC: 8192 Tcmalloc page size\n";
	static const int mib[] = { 5, 100, 110, 120, 130 };
	_cleanup_(series_list_free) struct series_list series = { 0 };
	struct artifact_list artifacts = { 0 };
	double t[ARRAY_SIZE(mib)], v[ARRAY_SIZE(mib)];
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	add_artifact(&artifacts, CEPH_READINGS, "");
	for (size_t i = 0; i < ARRAY_SIZE(mib); i++) {
		text_add(&artifacts.v[0].data, "== round-%zu/heap %zu\n", i, (i + 1) * NSEC_PER_SEC);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		text_add(&artifacts.v[0].data, heap, mib[i] << 20, (mib[i] + 1) << 20);
#pragma GCC diagnostic pop
	}
	if (ceph_brought(&simulated, &artifacts, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_near(measured(&m, "osd.growth_per_round.in_use"), 10 << 20);
	assert_near(measured(&m, "osd.growth_per_round.heap"), 10 << 20);
	assert_null(measures_find(&m, "osd.growth_per_round.mempool"));
	/* and all of them as they followed one another */
	ceph_series(&artifacts, &series);
	assert_int_equal(series.n, 1);
	assert_string_equal(series.v[0].columns[1].name, "in_use");
	assert_int_equal(series_column(&series.v[0], 1, t, v), 5);
	assert_near(t[4], 4);
	assert_near(v[0], 5 << 20);
	assert_near(v[4], 130 << 20);
	assert_int_equal(series_column(&series.v[0], 2, t, v), 0);
	measures_free(&m);
	artifacts_free(&artifacts);
}

static void device_bytes_become_amplification(void **state)
{
	static const struct metric generic[] = { { .pattern = "disk.*" }, { NULL } };
	_cleanup_free_ char *output = recorded_output("ceph/outputs/18/write.txt");
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(ceph_measure(&simulated, "write", output, &m, &err), 0);
	measures_add(&m, &simulated, generic, "write", "disk.storage.written_per_op", 3 * 4096);
	ceph_derive(&simulated, &m);
	assert_near(measured(&m, "write.write_amplification"), 3);
	measures_free(&m);
}

static void trouble_is_found(void **state)
{
	static const struct {
		const char *name, *log, *says;
	} cases[] = {
		{ "osd.log",
		  "2026 7f -1 set_numa_affinity unable to identify public interface\n"
		  "./src/os/bluestore/BlueFS.cc: 12: FAILED ceph_assert(r == 0)\n*** Caught signal (Aborted) **\n",
		  "osd.log: ./src/os/bluestore/BlueFS.cc: 12: FAILED ceph_assert(r == 0)" },
		{ "mon.log", "one\n*** Caught signal (Aborted) **\n in thread ff thread_name:ms_dispatch\n",
		  "mon.log: *** Caught signal (Aborted) ** in thread ff thread_name:ms_dispatch" },
		{ "new-mon.log", "2026 0 starting\nERROR: on disk data includes unsupported features\nmore\n",
		  "new-mon.log: ERROR: on disk data includes unsupported features" },
		/* a monitor that commits nothing */
		{ "mon.log",
		  "2026 ff 0 starting\n2026 ff -1 mon.a@0(leader) e1 reporting 7 slow ops, oldest is log(1)\n",
		  "mon.log: 2026 ff -1 mon.a@0(leader) e1 reporting 7 slow ops, oldest is log(1)" },
		/* daily life */
		{ "osd.log",
		  "2026 7f -1 osd.0 1 set_numa_affinity unable to identify public interface '' numa node\n"
		  "2026 7f -1 osd.0 5 *** Immediate shutdown (osd_fast_shutdown=true) ***\n",
		  NULL },
		{ "other.log", "*** Caught signal (Aborted) **\n", NULL },
	};
	_cleanup_free_ char *killed = recorded_output("ceph/outputs/18/osd-killed.log"), *got = NULL;
	struct artifact_list list = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct artifact_list one = { 0 };
		_cleanup_free_ char *trouble = NULL;

		add_artifact(&one, cases[i].name, cases[i].log);
		trouble = ceph_trouble(&one);
		if (!cases[i].says != !trouble || (trouble && strcmp(trouble, cases[i].says)))
			fail_msg("%s: %s", cases[i].log, trouble ? trouble : "nothing");
		artifacts_free(&one);
	}
	add_artifact(&list, "osd.log", killed);
	got = ceph_trouble(&list);
	assert_string_equal(got, "osd.log: *** Caught signal (Segmentation fault) ** in thread 7f16ad1766c0 "
				 "thread_name:ceph-osd");
	artifacts_free(&list);
	list = (struct artifact_list){ 0 };
	free(killed);
	free(got);
	killed = recorded_output("ceph/outputs/20/osd-killed.log");
	add_artifact(&list, "osd.log", killed);
	got = ceph_trouble(&list);
	assert_true(starts_with(got, "osd.log: *** Caught signal (Segmentation fault) ** in thread "));
	artifacts_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_parameters),	   cmocka_unit_test(steps_are_what_was_asked),
		cmocka_unit_test(preparation_is_shared),   cmocka_unit_test(outputs_become_metrics),
		cmocka_unit_test(readings_become_metrics), cmocka_unit_test(a_manager_has_its_modules),
		cmocka_unit_test(growth_is_a_slope),	   cmocka_unit_test(device_bytes_become_amplification),
		cmocka_unit_test(trouble_is_found),
	};

	return cmocka_run_group_tests_name("ceph", tests, NULL, NULL);
}
