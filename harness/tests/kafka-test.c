// SPDX-License-Identifier: GPL-2.0-or-later
/* The workload kafka without a guest: parameters, the job it makes, and metrics of recorded outputs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "tests/pipeline.h"
#include "tests/workload.h"
#include "workloads/kafka/kafka.h"

static void bad_parameters(void **state)
{
	static const struct refused cases[] = {
		{ "tests: [consume]", "tests: 'produce' must be among them" },
		{ "tests: [produce, drink]", "consume_cold" },
		{ "settings: [num.io.threads]", "settings: 'num.io.threads' is no NAME=VALUE" },
		{ "settings: ['a b=1']", "is no NAME=VALUE" },
		{ "producer: [acks]", "producer: 'acks' is no NAME=VALUE" },
		{ "jvm: [Xmx1g]", "jvm: 'Xmx1g' is no option of a JVM" },
		{ "thp: yes, large_pages: yes", "thp: the JVM takes either" },
		{ "records: 0", "'records'" },
		{ "partitions: 100000", "'partitions'" },
		{ "topics: 33", "'topics'" },
		{ "heap: 8M", "'heap'" },
		{ "gc: zgc", "'gc'" },
		{ "compression: brotli", "'compression'" },
	};

	(void)state;
	assert_refused("kafka", cases, ARRAY_SIZE(cases));
}

/* The steps of the preparation @name; "" if there is nothing to prepare. */
static char *preparation_of(const char *options, const char *name, bool *ret_per_page)
{
	const struct preparing preparing = { .page_bytes = 65536 };
	struct err err = ERR_INIT;
	struct matrix *m = workload_matrix("kafka", options, &err);
	const struct preparation *p;
	struct text job = { 0 };

	if (!m)
		fail_msg("%s", err.msg);
	for (p = m->workloads[0].type->preparations; strcmp(p->name, name) != 0; p++)
		assert_non_null(p->name);
	p->steps(m->workloads[0].params, &preparing, &job);
	*ret_per_page = p->per_page;
	matrix_free(m);
	return job.s ? text_steal(&job) : xstrdup("");
}

static void steps_are_what_was_asked(void **state)
{
	_cleanup_free_ char *plain = workload_job("kafka", "");
	_cleanup_free_ char *more = workload_job(
		"kafka",
		"tests: [produce, consume, consume_cold], records: 70, record_size: 100, acks: all, compression: lz4, "
		"batch: 1K, linger_ms: 0, partitions: 200, topics: 2, segment: 16M, index: 4K, heap: 512M, gc: serial, "
		"thp: on, code_cache: 64M, jvm: [-XX:+AlwaysPreTouch], producer: [buffer.memory=1000000], "
		"settings: [num.io.threads=3]");
	const char *cold;

	(void)state;
	assert_int_equal(occurrences(plain, "\nexec\tproduce\twarmup\t"), 1);
	assert_int_equal(occurrences(plain, "\nexec\tproduce\tsample\t"), 2);
	assert_int_equal(occurrences(plain, "ConsumerPerformance"), 0);
	assert_int_equal(occurrences(plain, "\nservice\tkafka\t15\t"), 1);
	assert_non_null(strstr(
		plain,
		"\nready\tkafka\t300\tport\t9092\nready\tkafka\t300\tcommand\t/bin/kafka-ask\t9092\t60\t1\tt0\n"));
	assert_non_null(strstr(plain, "\t-XX:+UseG1GC\t-Xms262144k\t-Xmx262144k\t"));
	assert_true(text_ends(plain, "stop\tkafka\n"));
	assert_int_equal(occurrences(plain, "\nwatch\t/sys/fs/cgroup/kafka/cpu.stat\tusage_usec\n"), 1);
	/* a warm-up and a sample of one topic, a sample of the other; the same of both consumers, but no cold warm-up */
	assert_int_equal(occurrences(more, "--topic\tt0\t--num-records\t70\t--record-size\t100\t"), 2);
	assert_int_equal(occurrences(more, "--topic\tt1\t--num-records\t70\t"), 1);
	assert_int_equal(occurrences(more,
				     "\tacks=all\tcompression.type=lz4\tbatch.size=1024\tlinger.ms=0\t"
				     "metrics.jmx.exclude=.*\tenable.metrics.push=false\tbuffer.memory=1000000\n"),
			 3);
	assert_int_equal(occurrences(more, "\nexec\tconsume\twarmup\t"), 1);
	assert_int_equal(occurrences(more, "\nexec\tconsume\tsample\t"), 2);
	assert_int_equal(occurrences(more, "\nexec\tconsume_cold\twarmup\t"), 0);
	assert_int_equal(occurrences(more, "\nexec\tconsume_cold\tsample\t"), 2);
	assert_int_equal(occurrences(more, "\t--cold\t"), 2);
	assert_int_equal(occurrences(more, "\t60\t200\tt0\tt1\n"), 3);
	/* the broker is down before the page cache goes, and another reads */
	assert_true(strstr(more, "\nstop\tkafka\n") < strstr(more, "\t--cold\t"));
	cold = strstr(more, "\t--cold\t");
	cold = strstr(cold, "\nservice\tkafka\t");
	assert_non_null(cold);
	assert_true(cold < strstr(more, "\nexec\tconsume_cold\tsample\t0\t"));
	/* all by one name, so that its share of the processor is found by it */
	assert_int_equal(occurrences(more, "\nservice\tkafka\t"), 3);
	assert_int_equal(occurrences(more, "\nstop\tkafka\n"), 3);
	assert_int_equal(occurrences(more, "\nwatch\t/sys/fs/cgroup/kafka/cpu.stat\tusage_usec\n"), 1);
	assert_true(text_ends(more, "stop\tkafka\n"));
	/* large pages that were not to be had are no quiet loss */
	assert_int_equal(occurrences(more, " disabled'*) echo "), 1);
	assert_int_equal(occurrences(plain, " disabled'*) echo "), 0);
	/* what a user sets comes behind the workload's, so it counts */
	assert_non_null(strstr(more, "\t-XX:+UseSerialGC\t-Xms524288k\t-Xmx524288k\t-XX:+UseTransparentHugePages\t"
				     "-XX:ReservedCodeCacheSize=65536k\t"));
	assert_int_equal(occurrences(more, "\t-XX:+AlwaysPreTouch\t-cp\t"), 3);
	assert_int_equal(
		occurrences(more, "\t--override\tlog.segment.bytes=16777216\t--override\tlog.index.size.max.bytes=4096"
				  "\t--override\tnum.io.threads=3\n"),
		3);
}

/* What is prepared does not know what users set, so all cells share it; every JVM of the cell insists on its archive. */
static void archives_are_prepared_and_insisted_on(void **state)
{
	bool per_page, shared;
	_cleanup_free_ char *plain = preparation_of("", "cds", &per_page),
			    *same = preparation_of("heap: 1G, partitions: 7, settings: [a.b=c]", "cds", &per_page),
			    *none = preparation_of("cds: off", "cds", &per_page),
			    *data = preparation_of("partitions: 7, segment: 2M", "data", &shared),
			    *job = workload_job("kafka", "tests: [produce, consume]"),
			    *without = workload_job("kafka", "cds: off");

	(void)state;
	assert_true(per_page);
	assert_false(shared);
	assert_string_equal(plain, same);
	assert_string_equal(none, "");
	assert_int_equal(occurrences(plain, "\t-XX:ArchiveClassesAtExit=/var/lib/kafka/"), 3);
	assert_true(text_ends(plain, "\nstop\tkafka\nkeep\tcds\t/root/var/lib/kafka\n"));
	assert_true(text_ends(data, "\nkeep\tdata\t/root/data\n"));
	assert_int_equal(occurrences(data, "kafka.tools.StorageTool"), 1);
	assert_int_equal(occurrences(job, "\t-Xshare:on\t-XX:SharedArchiveFile=/var/lib/kafka/broker.jsa"), 1);
	assert_int_equal(occurrences(job, "\t-Xshare:on\t-XX:SharedArchiveFile=/var/lib/kafka/producer.jsa"), 3);
	assert_int_equal(occurrences(job, "\t-Xshare:on\t-XX:SharedArchiveFile=/var/lib/kafka/consumer.jsa"), 3);
	assert_null(strstr(without, "-Xshare"));
}

/* What is in a tmpfs stays in memory, so nothing of it is measured as cold. */
static void cold_needs_a_disk(void **state)
{
	static const char text[] =
		"matrix: m\nkernels: { k: { image: Image } }\n"
		"storages: { mem: { where: tmpfs }, ext4: { where: null_blk, fs: ext4, size: 256MiB } }\n"
		"workloads: { hot: { kafka: {} }, cold: { kafka: { tests: [produce, consume_cold] } } }\n";
	static const char alone[] = "matrix: m\nkernels: { k: { image: Image } }\n"
				    "workloads: { cold: { kafka: { tests: [produce, consume_cold] } } }\n";
	char *dir = scratch_make();
	_cleanup_free_ char *cache = path_join(dir, "cache"), *m = scratch_write(dir, "m.yaml", text, strlen(text)),
			    *n = scratch_write(dir, "n.yaml", alone, strlen(alone)), *listed = NULL, *none = NULL;

	(void)state;
	setenv("GRANULE_CACHE", cache, 1);
	free(scratch_image(dir, "Image", 65536));
	GRANULE(&listed, "list", m);
	assert_non_null(strstr(
		listed, ".cold.mem  skipped: consume_cold needs a storage profile with a file system on a disk"));
	assert_null(strstr(listed, ".cold.ext4  skipped: consume_cold"));
	assert_null(strstr(listed, ".hot.mem  skipped: consume_cold"));
	GRANULE(&none, "list", n);
	assert_non_null(strstr(none, ".cold  skipped: consume_cold needs a storage profile"));
	unsetenv("GRANULE_CACHE");
	scratch_remove(dir);
}

static void samples_are_measured(void **state)
{
	const struct measure_context simulated = { 65536, 1, BASIS_SIMULATED }, emulated = { 65536, 1, BASIS_EMULATED };
	_cleanup_free_ char *producer = recorded_output("kafka/outputs/4.1.0/producer.G1"),
			    *consumer = recorded_output("kafka/outputs/4.1.0/consumer.G1");
	struct measures a = { 0 }, b = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	if (kafka_measure(&simulated, "produce", producer, &a, &err) < 0 ||
	    kafka_measure(&simulated, "consume_cold", consumer, &a, &err) < 0 ||
	    kafka_measure(&emulated, "produce", producer, &b, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(fabs(measured(&a, "produce.insns_per_record") - 0.5e9 / 10343.0) < 1e-6);
	assert_true(fabs(measured(&b, "produce.ns_per_record") - 1e9 / 10343.0) < 1e-6);
	assert_null(measures_find(&b, "produce.insns_per_record"));
	assert_true(fabs(measured(&a, "consume_cold.insns_per_record") - 0.5e9 / 63761.9554) < 1e-6);
	assert_true(measured(&a, "produce.latency.p99") == 2642);
	assert_true(measured(&a, "consume_cold.join") == 657);
	/* the tool's clock: a millisecond of 60,000 records, in instructions */
	assert_true(fabs(measures_find(&a, "consume_cold.insns_per_record")->resolution - 10) < 1e-9);
	assert_int_equal(kafka_measure(&simulated, "consume", producer, &b, &err), -1);
	measures_free(&a);
	measures_free(&b);
}

static void add_artifact(struct artifact_list *list, const char *name, const char *text)
{
	struct artifact *a = VEC_PUSH(list->v, list->n);

	snprintf(a->name, sizeof(a->name), "%s", name);
	text_add(&a->data, "%s", text);
}

static void boots_are_measured(void **state)
{
	const struct measure_context context = { 65536, 1, BASIS_SIMULATED };
	_cleanup_free_ char *gc = recorded_output("kafka/outputs/4.1.0/gc.G1.log"),
			    *pages = recorded_output("kafka/outputs/4.1.0/pagesize.G1.log");
	struct artifact_list list = { 0 };
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	add_artifact(&list, "gc.log", gc);
	add_artifact(&list, "pagesize.log", pages);
	add_artifact(&list, "cds.log", "Mapped dynamic region #0 at base 0x10000 top 0x30000 (ReadWrite)\n");
	add_artifact(&list, "produce.look",
		     "file index 10 0 65536 /a\nfile index 10 0 196608 /b\nprocess 9\nmap 10 5 /a\nstack 100 40\nstack "
		     "100 20\n");
	add_artifact(&list, "cold_start.look", "file log 7 4096 0 /a\n");
	add_artifact(&list, "kafka.log", "whatever");
	if (kafka_brought(&context, &list, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(measured(&m, "broker.gc.pauses") == 37);
	assert_true(fabs(measured(&m, "broker.gc.pause_max") - 49.077) < 1e-9);
	assert_true(measured(&m, "broker.heap.used") == 33 << 20);
	assert_true(measured(&m, "broker.jvm.page.heap") == 4096);
	assert_true(measured(&m, "broker.cds.mapped") == 0x20000);
	assert_true(measured(&m, "produce.cache.index.files") == 2);
	assert_true(measured(&m, "produce.cache.index.resident") == 262144);
	assert_true(measured(&m, "produce.cache.index.per_file") == 131072);
	assert_true(measured(&m, "produce.cache.index.max") == 196608);
	assert_true(measured(&m, "produce.maps") == 1);
	assert_true(measured(&m, "produce.stacks.per_thread") == 30);
	assert_true(measured(&m, "cold_start.cache.log.resident") == 0);
	assert_null(measures_find(&m, "cold_start.maps"));
	add_artifact(&list, "consume.look", "nonsense\n");
	assert_int_equal(kafka_brought(&context, &list, &m, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	assert_non_null(strstr(err.msg, "consume.look: look wrote something else: nonsense"));
	artifacts_free(&list);
	measures_free(&m);
}

/* What a log says of why a broker ended, if it does. */
static void causes_are_told(void **state)
{
	struct artifact_list list = { 0 };
	_cleanup_free_ char *none = NULL, *full = NULL;

	(void)state;
	assert_null(kafka_trouble(&list));
	add_artifact(&list, "kafka.log", "1 [main] INFO up\n");
	none = kafka_trouble(&list);
	assert_null(none);
	text_add(&list.v[0].data, "java.io.IOException: No space left on device\n9 FATAL Shutdown broker\n");
	full = kafka_trouble(&list);
	assert_string_equal(full, "its log: java.io.IOException: No space left on device");
	artifacts_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_parameters),
		cmocka_unit_test(steps_are_what_was_asked),
		cmocka_unit_test(archives_are_prepared_and_insisted_on),
		cmocka_unit_test(cold_needs_a_disk),
		cmocka_unit_test(samples_are_measured),
		cmocka_unit_test(boots_are_measured),
		cmocka_unit_test(causes_are_told),
	};

	return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
