// SPDX-License-Identifier: GPL-2.0-or-later
/* What Kafka's tools, a JVM and look print, as recorded (workloads/kafka/outputs), and what is none of it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "tests/workload.h"
#include "workloads/kafka/printed.h"

static void assert_near(double value, double wanted)
{
	if (fabs(value - wanted) > 1e-6)
		fail_msg("%g, not %g", value, wanted);
}

static char *recorded(const char *name)
{
	_cleanup_free_ char *path = xasprintf("kafka/outputs/4.1.0/%s", name);

	return recorded_output(path);
}

static void producers_are_read(void **state)
{
	static const struct {
		const char *name;
		double per_s, mean_ms;
		uint64_t p50_ms, p999_ms;
	} cases[] = {
		{ "producer.Serial", 8556.8, 2576.69, 2639, 3944 },
		{ "producer.G1", 10343.0, 1893.57, 1992, 2654 },
		{ "producer.Parallel", 8878.4, 2385.34, 2319, 3362 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = recorded(cases[i].name);
		struct producer_report r;
		struct err err = ERR_INIT;

		if (producer_parse(text, &r, &err) < 0)
			fail_msg("%s: %s", cases[i].name, err.msg);
		assert_int_equal(r.records, 60000);
		assert_near(r.records_per_s, cases[i].per_s);
		assert_near(r.latency_ms, cases[i].mean_ms);
		assert_int_equal(r.p50_ms, cases[i].p50_ms);
		assert_int_equal(r.p999_ms, cases[i].p999_ms);
	}
}

static void consumers_are_read(void **state)
{
	_cleanup_free_ char *text = recorded("consumer.G1"), *few = recorded("consumer.short");
	struct consumer_report r;
	struct err err = ERR_INIT;

	(void)state;
	if (consumer_parse(text, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.records, 60000);
	assert_int_equal(r.join_ms, 657);
	assert_int_equal(r.fetch_ms, 941);
	assert_near(r.fetch_records_per_s, 63761.9554);
	assert_near(r.mib, 58.5938);
	/* whether that is enough the guest asks */
	assert_int_equal(consumer_parse(few, &r, &err), 0);
	assert_int_equal(r.records, 60000);
}

static void what_is_no_summary(void **state)
{
	static const char *const not_producer[] = {
		"",
		"60000 records sent, 8556.8 records/sec (8.36 MB/sec), 2576.69 ms avg latency, 3945.00 ms max "
		"latency.\n",
		"60000 records sent, 8556.8 records/sec (8.36 MB/sec), 2576.69 ms avg latency, 3945.00 ms max latency, "
		"2639 ms "
		"50th, 3723 ms 95th, 3903 ms 99th, 3944 ms 99",
		"0 records sent, 1.0 records/sec (1.0 MB/sec), 0.0 ms avg latency, 0.00 ms max latency, 0 ms 50th, 0 "
		"ms 95th, "
		"0 ms 99th, 0 ms 99.9th.\n",
	};
	static const char *const not_consumer[] = {
		"",
		"start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, "
		"rebalance.time.ms\n",
		"2026-11-25 14:15:55:494, 2026-11-25 14:15:57:092, 58.5938, 36.6669, 60000, 37546.9337, 657, 941, "
		"62.2675\n",
		"2026-11-25 14:15:55:494, 2026-11-25 14:15:57:092, 58.5, 36.6, 60000, 37546.9, 657, -941, 62.2675, "
		"63761.9\n",
		"2026-11-25 14:15:55:494, 2026-11-25 14:15:57:092, 58.5, 36.6, 0, 0.0, 657, 941, 62.2675, 63761.9\n",
	};
	_cleanup_free_ char *nobody = recorded("producer.nobody");
	struct producer_report p;
	struct consumer_report c;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(not_producer); i++)
		if (producer_parse(not_producer[i], &p, NULL) == 0)
			fail_msg("taken: %s", not_producer[i]);
	for (size_t i = 0; i < ARRAY_SIZE(not_consumer); i++)
		if (consumer_parse(not_consumer[i], &c, NULL) == 0)
			fail_msg("taken: %s", not_consumer[i]);
	assert_int_equal(producer_parse(nobody, &p, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	assert_non_null(strstr(err.msg, "TimeoutException: Topic x not present in metadata after 1000 ms."));
}

static void pauses_are_added_up(void **state)
{
	static const struct {
		const char *name;
		uint64_t pauses, after_mib, heap_mib, peak_mib;
		double ms, max_ms;
	} cases[] = {
		{ "gc.Serial.log", 19, 28, 61, 44, 437.206, 87.063 },
		{ "gc.G1.log", 37, 33, 64, 50, 417.695, 49.077 },
		{ "gc.Parallel.log", 32, 33, 60, 44, 709.096, 205.671 },
	};
	struct gc_report r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = recorded(cases[i].name);

		gc_parse(text, &r);
		assert_int_equal(r.pauses, cases[i].pauses);
		assert_int_equal(r.after_mib, cases[i].after_mib);
		assert_int_equal(r.heap_mib, cases[i].heap_mib);
		assert_int_equal(r.peak_mib, cases[i].peak_mib);
		assert_near(r.pause_ms, cases[i].ms);
		assert_near(r.pause_max_ms, cases[i].max_ms);
	}
	gc_parse("[1s][info][gc] GC(1) Concurrent Mark Cycle 12M->3M(4M) 5.0ms\n[1s] GC(2) Pause x 5M->\nM->\nGC(3) "
		 "Pause M->",
		 &r);
	assert_int_equal(r.pauses, 0);
}

static void pages_are_read(void **state)
{
	_cleanup_free_ char *serial = recorded("pagesize.Serial.log"), *g1 = recorded("pagesize.G1.log"),
			    *guest = recorded("pagesize.64k.log");
	struct jvm_pages pages;

	(void)state;
	pagesize_parse(serial, &pages);
	assert_int_equal(pages.heap_bytes, 4096);
	assert_int_equal(pages.code_bytes, 4096);
	pagesize_parse(g1, &pages);
	assert_int_equal(pages.heap_bytes, 4096);
	pagesize_parse(guest, &pages);
	assert_int_equal(pages.heap_bytes, 65536);
	assert_int_equal(pages.code_bytes, 65536);
	pagesize_parse("[0s] Heap:  min=8M page_size=2M size=1\n[0s] CodeHeap 'x':  page_size=64K\n[0s] CodeHeap 'y':  "
		       "page_size=4K",
		       &pages);
	assert_int_equal(pages.heap_bytes, 2 << 20);
	assert_int_equal(pages.code_bytes, 64 << 10);
	pagesize_parse("[0s] Heap:  page_size=99999999999G\n", &pages);
	assert_int_equal(pages.heap_bytes, 0);
}

static void archives_are_found(void **state)
{
	_cleanup_free_ char *none = recorded("cds.none.log"), *guest = recorded("cds.64k.log");
	uint64_t bytes;

	(void)state;
	assert_false(cds_parse(none, &bytes));
	assert_true(cds_parse(guest, &bytes));
	assert_int_equal(bytes, 47644672);
	assert_true(cds_parse("[0.1s][info][cds] Mapped static  region #0 at base 0x0000ffff00000000 top "
			      "0x0000ffff00454000 (ReadWrite)\n"
			      "[0.1s][info][cds] Mapped dynamic region #0 at base 0x0000ffff00bc7000 top "
			      "0x0000ffff00bd7000 (ReadWrite)\n"
			      "[0.1s][info][cds] Mapped dynamic region #1 at base 0x0000ffff00c00000 top "
			      "0x0000ffff00c20000 (ReadOnly)\n",
			      &bytes));
	assert_int_equal(bytes, 0x30000);
	assert_false(cds_parse("Mapped dynamic region #0 at base 0x20 top 0x10", &bytes));
}

static void looks_are_added_up(void **state)
{
	static const char *const bad[] = {
		"file log 1 2 3 /a", /* half a line */
		"file lag 1 2 3 /a\n", "file log 1 2 /a\n", "map 1 -2 /a\n", "stack 1\n", "\n",
	};
	_cleanup_free_ char *guest = recorded("consume.64k.look");
	struct look_report r;
	struct err err = ERR_INIT;

	(void)state;
	if (look_parse(
		    "file log 1000 4096 65536 /d/t-0/0.log\nfile log 2000 4096 0 /d/t 1/0.log\n"
		    "file index 10485760 0 131072 /d/t-0/0.index\nfile timeindex 10485756 0 65536 /d/t-0/0.timeindex\n"
		    "file other 5 4096 65536 /d/x\nprocess 80\nmap 10485760 65536 /d/t-0/0.index\n"
		    "map 10485760 0 /d/t-0/0.timeindex\nstack 2097152 131072\nstack 2097152 65536\n",
		    &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r.log.files, 2);
	assert_int_equal(r.log.bytes, 3000);
	assert_int_equal(r.log.allocated, 8192);
	assert_int_equal(r.log.resident, 65536);
	assert_int_equal(r.index.resident_max, 131072);
	assert_int_equal(r.timeindex.bytes, 10485756);
	assert_int_equal(r.other.files, 1);
	assert_int_equal(r.maps, 2);
	assert_int_equal(r.maps_rss, 65536);
	assert_int_equal(r.stacks, 2);
	assert_int_equal(r.stacks_rss, 196608);
	assert_int_equal(r.threads, 80);
	assert_int_equal(look_parse(guest, &r, &err), 0);
	assert_int_equal(r.log.files, 3);
	assert_int_equal(r.log.resident, 10420224);
	assert_int_equal(r.index.bytes, 31457280);
	assert_int_equal(r.maps, 6);
	assert_int_equal(r.stacks_rss, 13238272);
	assert_int_equal(r.threads, 74);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (look_parse(bad[i], &r, &err) == 0)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(err.kind, ERR_GUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(producers_are_read), cmocka_unit_test(consumers_are_read),
		cmocka_unit_test(what_is_no_summary), cmocka_unit_test(pauses_are_added_up),
		cmocka_unit_test(pages_are_read),     cmocka_unit_test(archives_are_found),
		cmocka_unit_test(looks_are_added_up),
	};

	return cmocka_run_group_tests_name("kafka-parse", tests, NULL, NULL);
}
