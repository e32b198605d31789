// SPDX-License-Identifier: GPL-2.0-or-later
/* From recorded bytes to numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <fnmatch.h>

#include "store/measure.h"
#include "tests/scenarios/build.h"

static int measure(const struct cell_record *cell, const struct stream *s, struct measures *ret, struct err *err)
{
	const struct boot_result boot = { .outcome = OUTCOME_OK, .stream = s->bytes.s, .stream_len = s->bytes.len };

	return boot_measure(cell, &boot, ret, err);
}

static void assert_measure(const struct measures *m, const char *name, size_t n, double value, double resolution)
{
	const struct measure *one = measures_find(m, name);

	if (!one)
		fail_msg("no measure %s", name);
	if (one->n_values != n || one->values[n - 1] != value || one->resolution != resolution)
		fail_msg("%s: %zu values, last %.17g, resolution %.17g; expected %zu, %.17g, %.17g", name,
			 one->n_values, one->values[one->n_values - 1], one->resolution, n, value, resolution);
}

/* Every number can be found by hand in scenarios/build.h. Caught: a wrong file, column, snapshot or divisor. */
static void test_numbers(void **state)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	const struct story story = { .folio_allocs = 100, .output = "value.0 42\nvalue.1 3\nelapsed_ns 2000000\n" };
	struct stream s = story_stream(&story);
	struct err err = ERR_INIT;
	struct measures m;
	const double page = 65536, memcg = 64 * page, vmstat = 24 * page;

	(void)state;
	must(measure(&cell, &s, &m, &err), &err);
	assert_measure(&m, "null.memory.peak", 1, 8912896, memcg);
	assert_measure(&m, "null.memory.anon", 1, 8388608, memcg);
	assert_measure(&m, "null.memory.file", 1, 65536, memcg);
	assert_measure(&m, "null.memory.kernel", 1, 131072, memcg);
	assert_measure(&m, "null.process.vmpte", 1, 2 * 64 * 1024, page);
	assert_measure(&m, "null.process.pss", 1, 2 * 4096 * 1024, page);
	assert_measure(&m, "null.process.rss", 1, 2 * 5120 * 1024, page);
	assert_measure(&m, "guest.memory.idle_used", 1, (3075840 - 2970000) * 1024.0, vmstat);
	assert_measure(&m, "guest.memory.reserved", 1, 3221225472.0 - 3075840 * 1024.0, page);
	assert_measure(&m, "guest.memory.percpu", 1, 128 * 1024, page);
	assert_measure(&m, "null.faults_per_sample", 2, 1024, 256);
	assert_measure(&m, "null.vm.pgfault_per_sample", 2, 300 + 1024, 256);
	assert_measure(&m, "null.vm.pgalloc_per_sample", 2, 1000, 256);
	assert_measure(&m, "null.folio.128K.anon_fault_alloc_per_sample", 2, 100, 256);
	assert_measure(&m, "null.elapsed", 2, 2000000, 0);
	assert_measure(&m, "null.value.1", 2, 3, 0.5);
	assert_true(m.folios_moved);
	/* absent is not zero */
	assert_null(measures_find(&m, "null.folio.128K.anon_fault_fallback_per_sample"));
	assert_null(measures_find(&m, "null.vm.pgmajfault_per_sample"));
	assert_null(measures_find(&m, "guest.memory.min_free"));
	assert_null(measures_find(&m, "null.operations"));
	measures_free(&m);
	text_free(&s.bytes);
	cell_record_free(&cell);
}

static bool moved_by(const char *counter)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	_cleanup_free_ char *before = xasprintf("pgfault 1\n%s 0\n", counter);
	_cleanup_free_ char *after = xasprintf("pgfault 9\n%s 5\n", counter);
	struct stream s = { 0 };
	struct measures m;
	bool moved;

	stream_put(&s, WIRE_HELLO, "page_size", "65536", NULL);
	stream_put(&s, WIRE_FILE, "null", "sample", "0", "before", "/proc/vmstat", before, NULL);
	stream_put(&s, WIRE_EXEC, "null", "sample", "0", "1", "5", "exit 0", "1", "0", "0", "0", "0", "0",
		   "value.0 1\n", NULL);
	stream_put(&s, WIRE_FILE, "null", "sample", "0", "after", "/proc/vmstat", after, NULL);
	must(measure(&cell, &s, &m, NULL), &ERR_INIT);
	moved = m.folios_moved;
	measures_free(&m);
	text_free(&s.bytes);
	cell_record_free(&cell);
	return moved;
}

/* Caught: the huge zero page, a split or a fallback taken for a large folio. */
static void test_what_moves(void **state)
{
	(void)state;
	assert_true(moved_by("thp_fault_alloc"));
	assert_true(moved_by("thp_collapse_alloc"));
	assert_false(moved_by("thp_zero_page_alloc"));
	assert_false(moved_by("thp_fault_fallback"));
	assert_false(moved_by("thp_split_page"));
	assert_false(moved_by("compact_daemon_alloc"));
}

/* Caught: warm-ups measured, folios of the preparation not seen, the zero page taken for a folio. */
static void test_inert(void **state)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	const struct story none = { .output = "value.0 1\n" };
	struct stream s = story_stream(&none);
	struct measures m;

	(void)state;
	must(measure(&cell, &s, &m, NULL), &ERR_INIT);
	assert_false(m.folios_moved);
	assert_int_equal(measures_find(&m, "null.value.0")->n_values, 2);
	measures_free(&m);
	text_free(&s.bytes);
	cell_record_free(&cell);
}

/* A phase without a hold gives the last sample's peak. Caught: no fallback, or the first sample's. */
static void test_no_hold(void **state)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	struct stream s = { 0 };
	struct measures m;

	(void)state;
	stream_put(&s, WIRE_HELLO, "page_size", "65536", NULL);
	for (int i = 0; i < 2; i++) {
		const char *index = i ? "1" : "0";

		stream_put(&s, WIRE_EXEC, "null", "sample", index, "1", "5", "exit 0", "1", "0", "0", "0", "0", "0",
			   "value.0 1\n", NULL);
		stream_put(&s, WIRE_FILE, "null", "sample", index, "after", "cgroup/memory.peak",
			   i ? "7000\n" : "5000\n", NULL);
	}
	must(measure(&cell, &s, &m, NULL), &ERR_INIT);
	assert_measure(&m, "null.memory.peak", 1, 7000, 64 * 65536.0);
	measures_free(&m);
	text_free(&s.bytes);
	cell_record_free(&cell);
}

/* What a guest could send that is no number, no name, no file. Caught: each check left out (under ASan). */
static void test_hostile(void **state)
{
	static const char *const paths[] = {
		"/sys/kernel/mm/transparent_hugepage/hugepages-kB/stats/anon_fault_alloc",
		"/sys/kernel/mm/transparent_hugepage/hugepages-99999999999999999999kB/stats/anon_fault_alloc",
		"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/../../../../etc/passwd",
		"/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/",
		"/sys/kernel/mm/transparent_hugepage/hugepages--64kB/stats/x",
		"/proc/vmstat",
		"/proc/1/status",
		"/proc/",
		"",
		"cgroup/memory.peak",
		"cgroup/memory.stat",
	};
	static const char *const contents[] = { "",
						"\n",
						"99999999999999999999999999999999999999999",
						"-5",
						"pgfault\npgfault 1\nthp_\n",
						"thp_fault_alloc 3\n\n\n",
						"anon",
						"VmPTE:" };
	struct cell_record cell = cell_build("64k", "off", "null", 65536);

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(contents); c++) {
		struct stream s = { 0 };
		struct measures m;

		stream_put(&s, WIRE_HELLO, "page_size", "65536", NULL);
		for (size_t p = 0; p < ARRAY_SIZE(paths); p++) {
			stream_put(&s, WIRE_FILE, "null", "sample", "0", "before", paths[p], "0\n", NULL);
			stream_put(&s, WIRE_FILE, "null", "sample", "0", "after", paths[p], contents[c], NULL);
			stream_put(&s, WIRE_FILE, "", "idle", "0", "idle", paths[p], contents[c], NULL);
		}
		stream_put(&s, WIRE_FILE, "../evil", "sample", "0", "after", paths[0], "1\n", NULL);
		stream_put(&s, WIRE_FILE, "null", NULL);
		stream_put(&s, WIRE_FILE, NULL);
		stream_put(&s, WIRE_EXEC, "null", NULL);
		stream_put(&s, WIRE_EXEC, "null", "sample", "0", "9", "1", "exit 0", "x", "", "0", "0", "0", "0",
			   "value.0 1\n", NULL);
		stream_put(&s, WIRE_EXEC, "null", "sample", "0", "1", "9", "exit 0", "x", "", "0", "0", "0", "0",
			   "value.0 1\n", NULL);
		must(measure(&cell, &s, &m, NULL), &ERR_INIT);
		for (size_t i = 0; i < m.n; i++)
			assert_null(strstr(m.v[i].name, ".."));
		measures_free(&m);
		text_free(&s.bytes);
	}
	cell_record_free(&cell);
}

static void assert_fails(const struct cell_record *cell, const char *output, const char *status, const char *part)
{
	struct stream s = { 0 };
	struct err err = ERR_INIT;
	struct measures m;

	stream_put(&s, WIRE_HELLO, "page_size", "65536", NULL);
	if (status)
		stream_put(&s, WIRE_EXEC, "null", "sample", "0", "1", "9", status, "1", "0", "0", "0", "0", "0", output,
			   NULL);
	else
		stream_put(&s, WIRE_FILE, "null", "sample", "0", "after", "/proc/vmstat", "x 1\n", NULL);
	assert_int_equal(measure(cell, &s, &m, &err), -1);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in '%s'", part, err.msg);
	text_free(&s.bytes);
}

/* Caught: a sample without its program, or with one that failed, or of a workload that nobody knows, given numbers. */
static void test_errors(void **state)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);

	(void)state;
	assert_fails(&cell, "value.0 1\n", "exit 1", "null sample 0: the program ended with exit 1");
	assert_fails(&cell, "", NULL, "null sample 0: its program's record is missing");
	free(cell.workload);
	cell.workload = xstrdup("unheard");
	assert_fails(&cell, "value.0 1\n", "exit 0", "this granule does not know workload 'unheard'");
	cell_record_free(&cell);
}

/* Per operation and per MiB where the program says how many. The table is will-it-scale's runner's. */
static void test_per_operation(void **state)
{
	static const char output[] = "tasks 1\noperations 2000\nop_bytes 65536\nbytes 131072000\nelapsed_ns 8000000\n"
				     "minflt 2000\nmajflt 0\nnvcsw 0\nnivcsw 0\ntask 0 2000\n";
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	const struct story story = { .workload = "page_fault1", .output = output, .folio_allocs = 100 };
	struct stream s = story_stream(&story);
	struct err err = ERR_INIT;
	struct measures m;

	(void)state;
	free(cell.workload);
	cell.workload = xstrdup("will-it-scale");
	must(measure(&cell, &s, &m, &err), &err);
	assert_measure(&m, "page_fault1.operations", 2, 2000, 0);
	assert_measure(&m, "page_fault1.folio.128K.anon_fault_alloc_per_op", 2, 0.05, 256 / 2000.0);
	assert_measure(&m, "page_fault1.folio.128K.anon_fault_alloc_per_mib", 2, 0.8, 256 / 125.0);
	assert_null(measures_find(&m, "page_fault1.folio.128K.anon_fault_alloc_per_sample"));
	/* the workload's own, not those of the whole program beside them */
	assert_int_equal(measures_find(&m, "page_fault1.faults_per_op")->n_values, 2);
	assert_true(measures_find(&m, "page_fault1.faults_per_op")->values[0] == 1);
	assert_non_null(measures_find(&m, "page_fault1.insns_per_op"));
	measures_free(&m);
	text_free(&s.bytes);
	cell_record_free(&cell);
}

/* Every entry of the dictionary has what people and metrics.jsonl need; the first match is the most special. */
static void test_dictionary(void **state)
{
	(void)state;
	for (const struct metric *g = generic_metrics; g->pattern; g++) {
		assert_non_null(g->unit);
		assert_true(g->help && *g->help);
		assert_ptr_equal(metric_lookup(generic_metrics, g->pattern), g);
	}
	assert_true(metric_lookup(generic_metrics, "folio.64K.anon_fault_alloc_per_op")->primary);
	assert_false(metric_lookup(generic_metrics, "folio.64K.split_per_op")->primary);
	assert_null(metric_lookup(generic_metrics, "no.such.metric"));
}

/* Caught: a glob that is read otherwise than fnmatch() reads it. */
static void test_patterns(void **state)
{
	static const char *const patterns[] = { "", "*", "a", "a*", "*a", "a*b", "*a*", "a*b*a", "**b", "ab*ab" };
	static const char letters[] = "ab.";
	char name[6];

	(void)state;
	for (size_t p = 0; p < ARRAY_SIZE(patterns); p++) {
		const struct metric table[] = { { .pattern = patterns[p] }, { .pattern = NULL } };

		for (unsigned int i = 0; i < 4 * 4 * 4 * 4 * 4; i++) {
			size_t len = 0;

			for (unsigned int k = i; k; k /= 4)
				if (k % 4)
					name[len++] = letters[k % 4 - 1];
			name[len] = '\0';
			assert_int_equal(metric_lookup(table, name) != NULL, fnmatch(patterns[p], name, 0) == 0);
		}
	}
}

/* Caught: a measure that is lost or doubled when there are many, or found by another's name. */
static void test_many_measures(void **state)
{
	static const struct metric any[] = { { .pattern = "*", .unit = "1", .help = "any" }, { .pattern = NULL } };
	const struct measure_context context = { .page_bytes = 4096, .cpus = 1 };
	struct measures m = { 0 };
	char suffix[24];

	(void)state;
	assert_null(measures_find(&m, "p.m0"));
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 3000; i++) {
			snprintf(suffix, sizeof(suffix), "m%d", i);
			measures_add(&m, &context, any, i % 2 ? "p" : "q", suffix, i + round);
			assert_int_equal(m.cursor, i + 1);
		}
	}
	assert_int_equal(m.n, 3000);
	for (int i = 0; i < 3000; i++) {
		snprintf(suffix, sizeof(suffix), "%s.m%d", i % 2 ? "p" : "q", i);
		assert_ptr_equal(measures_find(&m, suffix), &m.v[i]);
		assert_int_equal(m.v[i].n_values, 2);
		suffix[0] = i % 2 ? 'q' : 'p';
		assert_null(measures_find(&m, suffix));
	}
	assert_null(measures_find(&m, "p"));
	measures_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	      cmocka_unit_test(test_inert),
		cmocka_unit_test(test_what_moves),    cmocka_unit_test(test_no_hold),
		cmocka_unit_test(test_hostile),	      cmocka_unit_test(test_errors),
		cmocka_unit_test(test_per_operation), cmocka_unit_test(test_dictionary),
		cmocka_unit_test(test_patterns),      cmocka_unit_test(test_many_measures),
	};

	return cmocka_run_group_tests_name("store-measure", tests, NULL, NULL);
}
