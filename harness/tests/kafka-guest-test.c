// SPDX-License-Identifier: GPL-2.0-or-later
/* Kafka in real 64K guests: the same bytes twice, a page cache that was cold, and failures with the broker's own words. Needs
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

#define RUN_S 1500 /* beside others on few cores; the first prepares */

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
	if (!f->why_not && (roots_want(&roots, "kafka", &err) < 0 || !roots.v[0].ready)) {
		f->why_not = xasprintf("no root file system kafka in the cache (`granule images build "
				       "matrices/kafka.yaml` makes it)%s%s",
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

/* Run a matrix of one cell with @options of the workload and @more sections; the directory, owned by the caller. */
static char *run_kafka(const struct fixture *f, const char *name, const char *options, const char *more, int want_rc)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: m\nguest: { memory: 3GiB, accel: simulated, timeout: 1200 }\n"
			  "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"
			  "workloads: { k: { kafka: { records: 1000, gc: serial%s } } }\n"
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

static char *broker_log(const struct boot_result *boot)
{
	_cleanup_free_ char *path = path_join(boot->dir, "artifacts/kafka.log");
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

#define COLD ", tests: [produce, consume_cold]"
#define EXT4 "storages: { e: { where: null_blk, fs: ext4, size: 256MiB } }\n"

static void runs_twice_the_same(void **state)
{
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *log = NULL;
	struct measures m = { 0 };

	REQUIRE(f);
	one = run_kafka(f, "one", COLD, EXT4, 0);
	two = run_kafka(f, "two", COLD, EXT4, 0);
	read_boot(one, &a, &m);
	read_boot(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	assert_true(value(&m, "produce.insns_per_record") > 1000);
	/* a consumer that found its records in the page cache would read nothing; each is 1 KiB and more on the disk */
	assert_true(value(&m, "produce.operations") == 1000);
	assert_true(value(&m, "consume_cold.disk.storage.read_per_op") > 1000);
	assert_true(value(&m, "cold_start.cache.log.resident") < value(&m, "consume_cold.cache.log.resident"));
	/* a page of the guest's at least for each index that was written, in mappings of 10 MiB */
	assert_true(value(&m, "produce.cache.index.resident") >= 65536);
	assert_true(value(&m, "produce.maps.bytes") >= value(&m, "produce.maps") * (9 << 20));
	assert_true(value(&m, "produce.stacks.per_thread") >= 65536);
	assert_true(value(&m, "broker.cds.mapped") > 1 << 20);
	assert_true(value(&m, "broker.jvm.page.heap") == 65536);
	log = broker_log(&a);
	assert_non_null(strstr(log, "Kafka Server started"));
	measures_free(&m);
}

static void failures_have_its_log(void **state)
{
	static const struct {
		const char *name, *options, *more, *reason, *log;
	} cases[] = {
		/* an archive that was made for another layout of objects: no quiet start without it */
		{ "no-archive", ", jvm: ['-XX:ObjectAlignmentInBytes=16']", "",
		  "service kafka ended by itself: exit 1:", "ObjectAlignmentInBytes" },
		{ "bad-setting", ", settings: [log.flush.interval.messages=0]", "",
		  "service kafka ended by itself: exit 1", "log.flush.interval.messages" },
		{ "too-small", "", "limit: [96MiB]\n", "(the OOM killer: its cgroup's memory.max is", NULL },
		{ "full-disk", ", records: 200000", "storages: { e: { where: null_blk, fs: ext4, size: 48MiB } }\n",
		  "service kafka ended by itself: exit 1", "No space left on device" },
		/* nothing is acknowledged; the producer gives up after its delivery.timeout.ms and exits with 0 */
		{ "time-out", ", acks: all, settings: [min.insync.replicas=2]", "",
		  "0 of 1000 records: ", "Kafka Server started" },
	};
	struct fixture *f = *state;

	REQUIRE(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = run_kafka(f, cases[i].name, cases[i].options, cases[i].more, 4), *log = NULL;

		read_boot(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		log = broker_log(&boot);
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

	return cmocka_run_group_tests_name("kafka-guest", tests, setup, teardown);
}
