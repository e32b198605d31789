// SPDX-License-Identifier: GPL-2.0-or-later
/* What rados bench and the daemons of Ceph printed (workloads/ceph/outputs, record.sh made them), and what must be
 * refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "tests/workload.h"
#include "workloads/ceph/answers.h"

static char *output(const char *version, const char *name)
{
	_cleanup_free_ char *path = xasprintf("ceph/outputs/%s/%s", version, name);

	return recorded_output(path);
}

/* ---- rados bench. As the files say it. */

static const struct {
	const char *version, *name;
	struct bench_report want;
} reports[] = {
	{ "18", "write.txt", { true, 500, 4096, 0.597021, 837, 3.271453, 0.004770, 0.000883, 0.015625, 0.003385 } },
	{ "18",
	  "write-blocks.txt",
	  { true, 1600, 4096, 0.844522, 1894, 7.400639, 0.002109, 0.000830, 0.024204, 0.002279 } },
	{ "18", "seq.txt", { false, 1600, 4096, 0.175490, 9117, 35.614646, 0.000433, 0.000098, 0.005589, NAN } },
	{ "18", "rand.txt", { false, 17517, 4096, 1.000089, 17515, 68.419663, 0.000224, 0.000085, 0.010455, NAN } },
	{ "20", "write.txt", { true, 500, 4096, 0.197557, 2530, 9.886370, 0.001577, 0.000493, 0.016083, 0.002118 } },
	{ "20",
	  "write-blocks.txt",
	  { true, 1600, 4096, 0.515423, 3104, 12.125970, 0.001285, 0.000559, 0.018665, 0.001308 } },
	{ "20", "seq.txt", { false, 1600, 4096, 0.191373, 8360, 32.658775, 0.000472, 0.000089, 0.015566, NAN } },
	{ "20", "rand.txt", { false, 20384, 4096, 1.000057, 20382, 79.620433, 0.000194, 0.000083, 0.001308, NAN } },
};

static void assert_decimal(double got, double want)
{
	if (!(got == want) && !(isnan(got) && isnan(want)))
		fail_msg("%f, not %f", got, want);
}

static void every_report_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		_cleanup_free_ char *text = output(reports[i].version, reports[i].name);
		const struct bench_report *want = &reports[i].want;
		struct err err = ERR_INIT;
		struct bench_report got;

		if (bench_parse(text, &got, &err) < 0)
			fail_msg("%s/%s: %s", reports[i].version, reports[i].name, err.msg);
		assert_int_equal(got.write, want->write);
		assert_decimal(got.operations, want->operations);
		assert_decimal(got.op_bytes, want->op_bytes);
		assert_decimal(got.seconds, want->seconds);
		assert_decimal(got.iops, want->iops);
		assert_decimal(got.mib_per_s, want->mib_per_s);
		assert_decimal(got.latency_avg_s, want->latency_avg_s);
		assert_decimal(got.latency_min_s, want->latency_min_s);
		assert_decimal(got.latency_max_s, want->latency_max_s);
		assert_decimal(got.latency_stddev_s, want->latency_stddev_s);
	}
}

/* @from in @text becomes @to. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	if (!at)
		fail_msg("there is no '%s'", from);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void bad_reports(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "\"total_writes_made\":\"500\"", "\"total_writes_made\":\"0\"", "did nothing" },
		{ "\"total_writes_made\":\"500\"", "\"total_writes_made\":\"many\"", "no number total_writes_made" },
		{ "\"total_writes_made\":\"500\"", "\"total_writes_made\":\"500 \"", "no number total_writes_made" },
		{ "\"total_writes_made\"", "\"total_done\"", "no number total_reads_made" },
		{ "\"stddev_latency\"", "\"stddev\"", "no number stddev_latency" },
		{ "\"write_size\":\"4096\"", "\"write_size\":\"nan\"", "no number write_size" },
		{ "\"datas\":[", "\"datas\":[[", "no JSON" },
		{ "hints = 1\n{", "hints = 1\n", "no report" },
	};
	_cleanup_free_ char *good = output("18", "write.txt"), *none = output("18", "no-pool.txt");
	struct bench_report report;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *bad = replaced(good, cases[i].from, cases[i].to);
		struct err why = ERR_INIT;

		if (bench_parse(bad, &report, &why) == 0)
			fail_msg("taken: %s", cases[i].to);
		assert_int_equal(why.kind, ERR_GUEST);
		if (!strstr(why.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].to, why.msg);
	}
	/* cut anywhere there is no report, but an error; the newline at the end is not needed */
	for (size_t len = 0; len + 2 < strlen(good); len++) {
		_cleanup_free_ char *cut = xstrndup(good, len);

		if (bench_parse(cut, &report, NULL) == 0)
			fail_msg("taken: the first %zu bytes", len);
	}
	assert_int_equal(bench_parse(none, &report, &err), -1);
	assert_non_null(strstr(err.msg, "error opening pool none"));
}

/* ---- A file of answers */

static void every_reading_is_found(void **state)
{
	static const char *const versions[] = { "18", "20" };

	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
		_cleanup_free_ char *text = output(versions[v], "readings");
		unsigned int heaps = 0, pools = 0, caches = 0, all = 0;
		struct reading reading;
		struct err err = ERR_INIT;
		uint64_t last_ns = 0;
		char *rest = text;

		while (reading_next(&rest, &reading)) {
			all++;
			assert_true(reading.ns > last_ns);
			last_ns = reading.ns;
			if (ends_with(reading.label, "/heap")) {
				struct heap_stats h;

				if (heap_parse(reading.text, &h, &err) < 0)
					fail_msg("%s: %s", reading.label, err.msg);
				/* tcmalloc's own sum */
				assert_int_equal(h.used, h.in_use + h.page_heap_free + h.central_free +
								 h.transfer_free + h.thread_free + h.metadata);
				assert_int_equal(h.page, 8192);
				heaps++;
			} else if (ends_with(reading.label, "/mempools")) {
				_cleanup_(mempools_free) struct mempools m = { 0 };
				uint64_t bytes = 0, items = 0;

				if (mempools_parse(reading.text, &m, &err) < 0)
					fail_msg("%s: %s", reading.label, err.msg);
				assert_true(m.n > 20);
				for (size_t i = 0; i < m.n; i++) {
					bytes += m.v[i].bytes;
					items += m.v[i].items;
				}
				assert_int_equal(bytes, m.bytes);
				assert_int_equal(items, m.items);
				pools++;
			} else if (ends_with(reading.label, "/pricache")) {
				struct pricache c;

				if (pricache_parse(reading.text, &c, &err) < 0)
					fail_msg("%s: %s", reading.label, err.msg);
				/* a monitor's has another name */
				assert_int_equal(c.there, strstr(reading.label, "-osd/") != NULL);
				if (c.there)
					assert_true(c.target > 0 && c.heap == c.mapped + c.unmapped);
				caches++;
			}
		}
		assert_int_equal(heaps, 9);
		assert_int_equal(pools, 9);
		assert_int_equal(caches, 5);
		assert_int_equal(all, 27);
	}
}

static void bad_answers(void **state)
{
	static const char heap[] = "osd.0 tcmalloc heap stats:----\n"
				   "MALLOC:       100 (    0.0 MiB) Bytes in use by application\n"
				   "MALLOC: +     200 (    0.0 MiB) Bytes in page heap freelist\n"
				   "MALLOC: +       3 (    0.0 MiB) Bytes in central cache freelist\n"
				   "MALLOC: +       4 (    0.0 MiB) Bytes in transfer cache freelist\n"
				   "MALLOC: +       5 (    0.0 MiB) Bytes in thread cache freelists\n"
				   "MALLOC: +       6 (    0.0 MiB) Bytes in malloc metadata\n"
				   "MALLOC: =     318 (    0.0 MiB) Actual memory used (physical + swap)\n"
				   "MALLOC: +       7 (    0.0 MiB) Bytes released to OS (aka unmapped)\n"
				   "MALLOC:      8192              Tcmalloc page size\n";
	_cleanup_free_ char *none = output("20", "no-tcmalloc.txt");
	struct mempools pools;
	struct pricache cache;
	struct heap_stats h;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(heap_parse(heap, &h, &err), 0);
	assert_true(h.there);
	assert_int_equal(h.in_use, 100);
	assert_int_equal(h.page_heap_free, 200);
	assert_int_equal(h.central_free + h.transfer_free + h.thread_free, 12);
	assert_int_equal(h.unmapped, 7);
	/* each line is needed */
	for (const char *line = strchr(heap, '\n') + 1; *line; line = strchr(line, '\n') + 1) {
		_cleanup_free_ char *less = xasprintf("%.*s%s", (int)(line - heap), heap, strchr(line, '\n') + 1);

		if (heap_parse(less, &h, NULL) == 0)
			fail_msg("taken without: %.60s", line);
	}
	assert_int_equal(heap_parse("tcmalloc is not there\n", &h, &err), -1);
	/* Debian's 20.2 for arm64 has none */
	assert_int_equal(heap_parse(none, &h, &err), 0);
	assert_false(h.there);

	assert_int_equal(mempools_parse("{\"mempool\": {}}", &pools, &err), -1);
	assert_int_equal(mempools_parse("{\"mempool\": {\"by_pool\": {\"a\": {\"items\": 1}}, "
					"\"total\": {\"items\": 1, \"bytes\": 2}}}",
					&pools, &err),
			 -1);
	assert_int_equal(mempools_parse("nonsense", &pools, &err), -1);
	/* below zero for a moment */
	assert_int_equal(mempools_parse("{\"mempool\": {\"by_pool\": {\"a\": {\"items\": -1, \"bytes\": -5}}, "
					"\"total\": {\"items\": 1, \"bytes\": 2}}}",
					&pools, &err),
			 0);
	assert_int_equal(pools.v[0].bytes, 0);
	mempools_free(&pools);

	assert_int_equal(pricache_parse("{}", &cache, &err), 0);
	assert_false(cache.there);
	assert_int_equal(pricache_parse("{\"bluestore-pricache\": {\"target_bytes\": 1}}", &cache, &err), -1);
}

static void headings(void **state)
{
	char text[] = "before\n== a/b 12\none\ntwo\n== is no heading\n== c 1x\n== c/d 13\n== e/f 14\nthree";
	struct reading r;
	char *rest = text;

	(void)state;
	assert_true(reading_next(&rest, &r));
	assert_string_equal(r.label, "a/b");
	assert_int_equal(r.ns, 12);
	assert_true(starts_with(r.text, "one\ntwo"));
	assert_true(reading_next(&rest, &r));
	assert_string_equal(r.label, "c/d");
	assert_string_equal(r.text, "");
	assert_true(reading_next(&rest, &r));
	assert_string_equal(r.label, "e/f");
	assert_string_equal(r.text, "three");
	assert_false(reading_next(&rest, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_report_is_read),
		cmocka_unit_test(bad_reports),
		cmocka_unit_test(every_reading_is_found),
		cmocka_unit_test(bad_answers),
		cmocka_unit_test(headings),
	};

	return cmocka_run_group_tests_name("ceph-answers", tests, NULL, NULL);
}
