// SPDX-License-Identifier: GPL-2.0-or-later
/* Kafka in real 64K guests: the same bytes twice, a page cache that was cold, and failures with the broker's own words. Needs
 * QEMU, the kernel `full` and the workload's root file system in the cache; skips with the reason where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/pipeline.h"
#include "tests/workload.h"

#define RUN_S 1500 /* beside others on few cores; the first prepares */

static int setup(void **state)
{
	static struct workload_fixture f;

	workload_fixture_make(&f, "kafka");
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	workload_fixture_clear(*state);
	return 0;
}

#define PLAIN "gc: serial, jit: c1"
#define SMALL "records: 1000, " PLAIN
#define COLD SMALL ", tests: [produce, consume_cold]"
#define EXT4 "storages: { e: { where: null_blk, fs: ext4, size: 256MiB } }\n"

static void runs_twice_the_same(void **state)
{
	struct workload_fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *log = NULL;
	struct measures m = { 0 };

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	one = guest_run_one(f, "one", COLD, EXT4, 0, RUN_S);
	two = guest_run_one(f, "two", COLD, EXT4, 0, RUN_S);
	guest_read_one(one, &a, &m);
	guest_read_one(two, &b, NULL);
	assert_int_equal(a.outcome, OUTCOME_OK);
	assert_string_equal(a.sha256, b.sha256);
	assert_true(measured(&m, "produce.insns_per_record") > 1000);
	/* both worked, and neither did it all */
	assert_true(measured(&m, "produce.insns_in.kafka_per_record") > 1000);
	assert_true(measured(&m, "produce.insns_in.client_per_record") > 1000);
	/* a consumer that found its records in the page cache would read nothing; what the start of the broker brings in is less than
	 * half of them */
	assert_true(measured(&m, "produce.operations") == 1000);
	assert_true(measured(&m, "consume_cold.disk.storage.read_per_record") > 500);
	assert_true(measured(&m, "cold_start.cache.log.resident") < measured(&m, "consume_cold.cache.log.resident"));
	/* of the broker that served them, not of the one that was stopped */
	assert_true(measured(&m, "consume_cold.insns_in.kafka_per_record") > 1000);
	/* a page of the guest's at least for each index that was written, in mappings of 10 MiB */
	assert_true(measured(&m, "produce.cache.index.resident") >= 65536);
	assert_true(measured(&m, "produce.maps.bytes") >= measured(&m, "produce.maps") * (9 << 20));
	assert_true(measured(&m, "produce.stacks.per_thread") >= 65536);
	assert_true(measured(&m, "broker.cds.mapped") > 1 << 20);
	assert_true(measured(&m, "broker.jvm.page.heap") == 65536);
	log = guest_artifact(&a, "kafka.log");
	assert_non_null(strstr(log, "Kafka Server started"));
	measures_free(&m);
}

static void failures_have_its_log(void **state)
{
	static const struct {
		const char *name, *options, *more, *reason, *log;
	} cases[] = {
		/* an archive that was made for another layout of objects: no quiet start without it */
		{ "no-archive", SMALL ", jvm: ['-XX:ObjectAlignmentInBytes=16']", "",
		  "service kafka ended by itself: exit 1:", "Unable to use shared archive." },
		{ "bad-setting", SMALL ", settings: [log.flush.interval.messages=0]", "",
		  "service kafka ended by itself: exit 1", "log.flush.interval.messages" },
		{ "no-reserve", SMALL ", large_pages: true", "", "the JVM: UseLargePages disabled",
		  "Kafka Server started" },
		{ "too-small", SMALL, "limit: [40MiB]\n", "(the OOM killer: its cgroup's memory.max is", NULL },
		/* two voters are a majority of two, and the other is not there */
		{ "no-quorum",
		  SMALL ", settings: ['controller.quorum.voters=1@127.0.0.1:9093,2@127.0.0.1:9094', "
			"server.max.startup.time.ms=3000]",
		  "", "service kafka ended by itself: exit 1", "TimeoutException" },
		/* large ones: a disk is full after few */
		{ "full-disk", "records: 120, record_size: 512K, " PLAIN,
		  "storages: { e: { where: null_blk, fs: ext4, size: 48MiB } }\n", "No space left on device",
		  "No space left on device" },
		/* the producer gives up on what is not acknowledged in 2 ms, and exits with 0 */
		{ "time-out", SMALL ", producer: [request.timeout.ms=1, delivery.timeout.ms=2, linger.ms=0]", "",
		  " of 1000 records: ", "Kafka Server started" },
	};
	struct workload_fixture *f = *state;

	REQUIRE_GUESTS(f);
	REQUIRE_LONG();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = guest_run_one(f, cases[i].name, cases[i].options, cases[i].more, 4, RUN_S),
				    *log = NULL;

		guest_read_one(run, &boot, NULL);
		assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (!strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s", cases[i].name, boot.reason);
		if (!cases[i].log)
			continue;
		log = guest_artifact(&boot, "kafka.log");
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
