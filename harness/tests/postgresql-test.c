// SPDX-License-Identifier: GPL-2.0-or-later
/* The workload postgresql without a guest: parameters, the job it makes, and metrics of recorded outputs. */
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
#include "base/text.h"
#include "workloads/postgresql/postgresql.h"

#define HEAD                                                                                                           \
	"matrix: m\nkernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"          \
	"workloads:\n  pg: { postgresql: {"

static struct matrix *parse(const char *options, struct err *err)
{
	_cleanup_free_ char *text = xasprintf(HEAD "%s} }\ntrials: { warmups: 1, samples: 2 }\n", options);
	struct matrix *m = NULL;

	return matrix_parse(text, "m.yaml", &m, err) < 0 ? NULL : m;
}

static void bad_parameters(void **state)
{
	static const struct {
		const char *options, *says;
	} cases[] = {
		{ "settings: [work_mem]", "settings: 'work_mem' is no NAME=VALUE" },
		{ "settings: ['work mem=4MB']", "is no NAME=VALUE" },
		{ "settings: [1x=4]", "is no NAME=VALUE" },
		{ "latency_limit: 5", "latency_limit: only with a `rate`" },
		{ "huge_pages: on, huge_page_size: 3M", "huge_page_size: must be a power of two" },
		{ "huge_page_size: 2M", "huge_page_size: needs `huge_pages: try` or `on`" },
		{ "tests: [select]", "select-only" },
		{ "transactions: 0", "'transactions'" },
		{ "clients: 5000", "'clients'" },
		{ "script: /a/hot rows.sql", "script: a phase is called like its file" },
		{ "script: /a/postgres.sql", "script: 'postgres' is the name of something else" },
		{ "script: /a/tpcb-like.sql", "script: 'tpcb-like' is the name of something else" },
		{ "script: [/a/x.sql, /b/x.sql]", "script: two files are called 'x'" },
		{ "script: /a/0123456789012345678901234567890123456789x", "at most 40" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;

		if (parse(cases[i].options, &err))
			fail_msg("taken: %s", cases[i].options);
		assert_int_equal(err.kind, ERR_CONFIG);
		if (!strstr(err.msg, cases[i].says) || !strstr(err.msg, "m.yaml:4:"))
			fail_msg("%s", err.msg);
	}
}

static char *job_of(const char *options)
{
	struct err err = ERR_INIT;
	struct matrix *m = parse(options, &err);
	struct text job = { 0 };

	if (!m)
		fail_msg("%s", err.msg);
	m->workloads[0].type->steps(m->workloads[0].params, &m->trials, 65536, &job);
	matrix_free(m);
	return text_steal(&job);
}

static unsigned int count(const char *text, const char *word)
{
	unsigned int n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

static void steps_are_what_was_asked(void **state)
{
	_cleanup_free_ char *plain = job_of(""), *scripts = job_of("script: [a/hot.sql, /b/cold.pgbench], clients: 4");
	_cleanup_free_ char *both = job_of("tests: simple-update, script: hot.sql");
	_cleanup_free_ char *more = job_of("tests: [select-only, tpcb-like], seconds: 5, rate: 100, latency_limit: 50, "
					   "clients: 3, protocol: simple, huge_pages: on, huge_page_size: 2M, "
					   "shared_buffers: 1G, settings: [work_mem=8MB, jit=on]");

	(void)state;
	assert_int_equal(count(plain, "\nexec\tselect-only\twarmup\t"), 1);
	assert_int_equal(count(plain, "\nexec\tselect-only\tsample\t"), 2);
	assert_int_equal(count(plain, "\t-t\t2000"), 4); /* a warm-up, two samples, one with the log */
	assert_int_equal(
		count(plain, "\t/mnt/observe.sh\tlogged\t/tmp/select-only\t/usr/lib/postgresql/17/bin/pgbench\t"), 1);
	assert_null(strstr(plain, "\t-R\t100"));
	assert_non_null(strstr(plain, "\nservice\tpostgres\t2\t60\t"));
	assert_non_null(strstr(plain, "\t--max_connections=12\t--shared_buffers=131072kB\t--huge_pages=off\n"));
	/* hugetlb pages are nobody's matter where the server takes none */
	assert_null(strstr(plain, "hugepages"));
	assert_int_equal(count(more, "\nlook\t/sys/kernel/mm/hugepages/hugepages-*/nr_hugepages\n"), 1);
	/* all that the command line says must have been taken */
	assert_non_null(strstr(plain, "\tsettings\t/tmp/server\tlisten_addresses,"));
	assert_non_null(strstr(more, ",work_mem,jit,max_connections,shared_buffers,huge_pages,huge_page_size\n"));
	/* memory is read once every connection has done a transaction */
	assert_true(strstr(plain, "\tsettled\t/tmp/-\t2\n") < strstr(plain, "\ninspect\tselect-only\tpostgres\n"));
	/* scripts are phases, and without tests the only ones */
	assert_null(strstr(scripts, "select-only"));
	assert_int_equal(count(scripts, "\nexec\thot\tsample\t"), 2);
	assert_int_equal(count(scripts, "\t-f\t/mnt/files/hot.sql\t-c\t4\t"), 5);
	assert_int_equal(count(scripts, "\nartifact\tcold.transactions\t/root/tmp/cold.transactions\n"), 1);
	assert_true(strstr(both, "\nexec\tsimple-update\tsample\t") < strstr(both, "\nexec\thot\tsample\t"));
	assert_int_equal(count(more, "\nexec\ttpcb-like\tsample\t"), 2);
	assert_int_equal(
		count(more, "\t-M\tsimple\t-b\ttpcb-like\t-c\t3\t-j\t1\t--random-seed=42\t-T\t5\t-R\t100\t-L\t50"), 4);
	/* a user's setting comes behind the workload's, so it counts */
	assert_true(strstr(more, "\t--jit=on") > strstr(more, "\t--jit=off"));
	assert_non_null(strstr(more, "\t--huge_pages=on\t--huge_page_size=2048kB\t--work_mem=8MB"));
	assert_true(strlen(plain) > 2 &&
		    !strcmp(plain + strlen(plain) - strlen("stop\tpostgres\n"), "stop\tpostgres\n"));
}

/* Beside this file. */
static char *recorded(const char *name)
{
	const char *tests = strstr(__FILE__, "harness/tests/");
	_cleanup_free_ char *path =
		xasprintf("%.*sworkloads/postgresql/outputs/%s", tests ? (int)(tests - __FILE__) : 0, __FILE__, name);
	struct err err = ERR_INIT;
	char *text = NULL;

	if (file_read(path, 1 << 20, &text, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return text;
}

static double value(const struct measures *m, const char *name)
{
	const struct measure *found = measures_find(m, name);

	if (!found)
		fail_msg("no metric %s", name);
	return found->values[0];
}

static void outputs_become_metrics(void **state)
{
	const struct measure_context simulated = { 65536, 1, BASIS_SIMULATED }, hardware = { 65536, 1, BASIS_HARDWARE };
	_cleanup_free_ char *output = recorded("17/select-only.txt"), *aborted = recorded("17/aborted.txt");
	struct measures a = { 0 }, b = { 0 };
	struct err err = ERR_INIT;
	double tps = strtod(strstr(output, "tps = ") + strlen("tps = "), NULL);

	double operations, bytes;

	(void)state;
	assert_int_equal(pg_measure(&simulated, "select-only", output, &a, &err), 0);
	assert_int_equal(pg_measure(&hardware, "select-only", output, &b, &err), 0);
	assert_true(fabs(value(&a, "select-only.insns_per_txn") - 0.5e9 / tps) < 1e-6);
	assert_true(fabs(value(&b, "select-only.ns_per_txn") - 1e9 / tps) < 1e-6);
	assert_true(value(&a, "select-only.tps") == tps);
	assert_null(measures_find(&a, "select-only.ns_per_txn"));
	assert_null(measures_find(&b, "select-only.insns_per_txn"));
	pg_work(output, &operations, &bytes);
	assert_true(operations == 4000);
	pg_work(aborted, &operations, &bytes);
	assert_true(operations == 0);
	assert_int_equal(pg_measure(&simulated, "select-only", aborted, &a, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	measures_free(&a);
	measures_free(&b);
}

static void percentiles(void **state)
{
	const double v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

	(void)state;
	assert_true(pg_percentile(v, 10, 0.5) == 5);
	assert_true(pg_percentile(v, 10, 0.95) == 10);
	assert_true(pg_percentile(v, 10, 0.9) == 9);
	assert_true(pg_percentile(v, 10, 1) == 10);
	assert_true(pg_percentile(v, 10, 0) == 1);
	assert_true(isnan(pg_percentile(v, 0, 0.5)));
}

static void add_artifact(struct artifact_list *list, const char *name, const char *text)
{
	struct artifact *a = VEC_PUSH(list->v, list->n);

	strcpy(a->name, name);
	text_add(&a->data, "%s", text);
	a->next = a->data.len;
}

/* A transaction that overlaps with a checkpoint is counted there, the others elsewhere; all of them together too. */
static void latencies_by_checkpoint(void **state)
{
	static const char server[] =
		"100.000 [7] LOG:  checkpoint starting: time\n"
		"102.000 [7] LOG:  checkpoint complete: wrote 5 buffers (0.0%); 0 WAL file(s) added, "
		"0 removed, 0 recycled; write=1.900 s, sync=0.010 s, total=2.000 s; sync files=1, "
		"longest=0.001 s, average=0.001 s; distance=1 kB, estimate=1 kB; lsn=0/1, redo lsn=0/1\n";
	/* client, number, microseconds, script, end: 9 ms at 101 s, 1 and 3 ms at 110 s */
	static const char log[] = "0 1 9000 0 101 0\n0 2 1000 0 110 0\n0 3 3000 0 110 500000\n";
	const struct measure_context context = { 65536, 1, BASIS_SIMULATED };
	struct artifact_list artifacts = { 0 };
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	add_artifact(&artifacts, "simple-update.transactions", log);
	add_artifact(&artifacts, "postgres.log", server);
	if (pg_brought(&context, &artifacts, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(value(&m, "simple-update.latency.p50") == 3);
	assert_true(value(&m, "simple-update.latency.p99") == 9);
	assert_true(value(&m, "simple-update.latency.max_checkpoint") == 9);
	assert_true(value(&m, "simple-update.latency.max_between") == 3);
	assert_true(value(&m, "simple-update.checkpoints") == 1);
	/* of so few the slowest would stand for p99.9 */
	assert_null(measures_find(&m, "simple-update.latency.p999_checkpoint"));
	assert_null(measures_find(&m, "simple-update.latency.p999_stall"));
	assert_non_null(measures_find(&m, "simple-update.latency.max_checkpoint")->metric->timed);
	assert_null(measures_find(&m, "simple-update.latency.max")->metric->timed);
	measures_free(&m);
	/* a run that saw no checkpoint has no two kinds of transactions */
	m = (struct measures){ 0 };
	artifacts.v[1].data.s[0] = '3'; /* 300.000 */
	assert_int_equal(pg_brought(&context, &artifacts, &m, &err), 0);
	assert_true(value(&m, "simple-update.checkpoints") == 0);
	assert_true(value(&m, "simple-update.latency.max") == 9);
	assert_null(measures_find(&m, "simple-update.latency.max_checkpoint"));
	assert_null(measures_find(&m, "simple-update.latency.max_between"));
	measures_free(&m);
	m = (struct measures){ 0 };
	/* a log that was cut gives no number, but an error */
	m = (struct measures){ 0 };
	text_add(&artifacts.v[0].data, "0 4 10");
	assert_int_equal(pg_brought(&context, &artifacts, &m, &err), -1);
	assert_non_null(strstr(err.msg, "simple-update.transactions"));
	measures_free(&m);
	artifacts_free(&artifacts);
}

/* Recorded logs: 378, 37 and 151 transactions of 2000 overlapped with one of 3, 3 and 5 checkpoints (postgresql-parse-test), so only
 * the others have a p99.9. Two logs together and one checkpoint among them have two, and a ratio. Caught: one side for the other,
 * a p99.9 of few, a ratio upside down. */
static void stalls_of_recorded_logs(void **state)
{
	static const char *const versions[] = { "15", "17", "18" };
	const struct measure_context context = { 65536, 1, BASIS_SIMULATED };
	struct artifact_list artifacts = { 0 };
	struct measures m = { 0 };
	struct text log = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_free_ char *log_name = xasprintf("%s/simple-update.log", versions[i]),
				    *log_text = recorded(log_name);
		_cleanup_free_ char *server_name = xasprintf("%s/server.log", versions[i]),
				    *server = recorded(server_name);
		double inside, outside;

		add_artifact(&artifacts, "a.transactions", log_text);
		add_artifact(&artifacts, "postgres.log", server);
		assert_int_equal(pg_brought(&context, &artifacts, &m, &err), 0);
		assert_true(value(&m, "a.checkpoints") >= 1);
		inside = value(&m, "a.latency.max_checkpoint");
		outside = value(&m, "a.latency.max_between");
		assert_true(fmax(inside, outside) == value(&m, "a.latency.max"));
		assert_true(value(&m, "a.latency.p999_between") <= outside);
		assert_null(measures_find(&m, "a.latency.p999_checkpoint"));
		measures_free(&m);
		artifacts_free(&artifacts);
		m = (struct measures){ 0 };
	}
	/* 1 ms each, but 1% of those in the checkpoint 50 ms, and 1% of the others 10 */
	for (int i = 0; i < 2000; i++)
		text_add(&log, "0 %d %d 0 %d %d\n", i,
			 i % 100    ? 1000
			 : i < 1000 ? 50000
				    : 10000,
			 i < 1000 ? 101 : 110, i);
	add_artifact(&artifacts, "a.transactions", log.s);
	add_artifact(&artifacts, "postgres.log",
		     "100.000 [7] LOG:  checkpoint starting: time\n102.000 [7] LOG:  checkpoint complete: wrote 5 "
		     "buffers (0.0%); x; "
		     "write=1.900 s, sync=0.010 s, total=2.000 s; x\n");
	assert_int_equal(pg_brought(&context, &artifacts, &m, &err), 0);
	assert_true(value(&m, "a.latency.p999_checkpoint") == 50);
	assert_true(value(&m, "a.latency.p999_between") == 10);
	assert_true(value(&m, "a.latency.p999_stall") == 5);
	measures_free(&m);
	artifacts_free(&artifacts);
	text_free(&log);
}

/* Caught: the whole run's for one transaction's, WAL or data left out of what was asked for, a ratio of next to nothing, bytes that are
 * in memory anyway called double. */
static void observations_become_metrics(void **state)
{
	static const char counters[] =
		"before\npg_stat_wal.wal_records 0\npg_stat_wal.wal_fpi 0\npg_stat_wal.wal_bytes 0\n"
		"device 0 0 0 0 0 0 0\nafter\npg_stat_wal.wal_records 8000\npg_stat_wal.wal_fpi 200\n"
		"pg_stat_wal.wal_bytes 1000000\npg_stat_io.checkpointer.relation.normal.writes 1000\n"
		"device 1 0 4 0 9 0 40000 0\n";
	const struct measure_context context = { 65536, 1, BASIS_SIMULATED };
	_cleanup_free_ char *report = recorded("17/observed.report"), *settings = recorded("17/server.settings");
	struct artifact_list artifacts = { 0 };
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	add_artifact(&artifacts, "a.io", counters);
	add_artifact(&artifacts, "a.report", report);
	add_artifact(&artifacts, "server.settings", settings);
	add_artifact(&artifacts, "a.buffers",
		     "shared 100\nunmatched 0\nfiles 200\ncached 90\nbehind 7\nboth 60\nwal_cached 5\n");
	add_artifact(&artifacts, "b.buffers", "in_memory 1\n");
	if (pg_brought(&context, &artifacts, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(value(&m, "a.wal.records_per_txn") == 4);
	assert_true(value(&m, "a.wal.full_pages_per_txn") == 0.1);
	assert_true(value(&m, "a.wal.bytes_per_txn") == 500);
	assert_true(value(&m, "a.data.written_per_txn") == 4096);
	assert_true(value(&m, "a.device.written_per_txn") == 10240);
	assert_true(value(&m, "a.device.read_per_txn") == 1.024);
	assert_true(fabs(value(&m, "a.write_amplification") - 40000 * 512 / (1000000 + 1000 * 8192.0)) < 1e-12);
	assert_null(measures_find(&m, "a.wal.written_per_txn")); /* 18's */
	assert_non_null(measures_find(&m, "a.write_amplification")->metric->timed);
	assert_null(measures_find(&m, "a.wal.records_per_txn")->metric->timed);
	assert_true(value(&m, "a.buffers.shared") == 100 && value(&m, "a.buffers.cached") == 90);
	assert_true(value(&m, "a.buffers.double") == 60 && value(&m, "a.buffers.rounding") == 7);
	assert_null(measures_find(&m, "b.buffers.double"));
	assert_true(value(&m, "server.shared_memory") == 149454848);
	measures_free(&m);
	/* a run that asked for less than 1 MiB */
	m = (struct measures){ 0 };
	*strstr(artifacts.v[0].data.s, "writes 1000") = 'x';
	text_add(&artifacts.v[0].data, "pg_stat_io.checkpointer.relation.normal.writes 5\n");
	assert_int_equal(pg_brought(&context, &artifacts, &m, &err), 0);
	assert_null(measures_find(&m, "a.write_amplification"));
	assert_true(value(&m, "a.device.written_per_txn") == 10240);
	measures_free(&m);
	artifacts_free(&artifacts);
}

/* 2 MiB pages: 100 kept, 60 of them touched and 20 promised to the server, whose shared memory is 149454848 bytes. Caught: what is
 * promised called free, a reserve that the server does not use called needed. */
static void wasted_huge_pages(void **state)
{
	static const struct metric table[] = { { .pattern = "hugetlb.*", .unit = "bytes" },
					       { .pattern = "shared_memory", .unit = "bytes" },
					       { .pattern = NULL } };
	static const double mib = 1 << 20, needed = 149454848;
	const struct measure_context context = { 65536, 1, BASIS_SIMULATED };
	struct measures m = { 0 };

	(void)state;
	for (int used = 0; used < 2; used++) {
		const char *phase = used ? "a" : "b";

		measures_add(&m, &context, table, phase, "hugetlb.reserve", 200 * mib);
		measures_add(&m, &context, table, phase, "hugetlb.used", used * 120 * mib);
		measures_add(&m, &context, table, phase, "hugetlb.promised", used * 40 * mib);
	}
	measures_add(&m, &context, table, "server", "shared_memory", needed);
	pg_derive(&context, &m);
	assert_true(value(&m, "a.hugetlb.wasted") == 200 * mib - needed);
	assert_true(value(&m, "a.hugetlb.rounding") == 160 * mib - needed);
	assert_true(value(&m, "b.hugetlb.wasted") == 200 * mib);
	assert_true(value(&m, "b.hugetlb.rounding") == 0);
	measures_free(&m);
}

/* Ten rows at least, by the longest of 1 s, 100 ms, 10 ms, 1 ms. Caught: a transaction in the wrong row, a short last row taken for a
 * whole one, Unix time for the run's. */
static void courses(void **state)
{
	struct artifact_list artifacts = { 0 };
	struct series_list list = { 0 };
	const struct series *s;
	struct text log = { 0 };

	(void)state;
	/* begins at 1000 s; 20 a second for 10 s, then one that ends half a second later and took 400 ms */
	for (int i = 0; i < 200; i++)
		text_add(&log, "0 %d 50000 0 %d %d\n", i, 1000 + (i + 1) / 20, (i + 1) % 20 * 50000);
	text_add(&log, "0 200 400000 0 1010 500000\n");
	add_artifact(&artifacts, "a.transactions", log.s);
	add_artifact(&artifacts, "postgres.log", "");
	pg_series(&artifacts, &list);
	assert_int_equal(list.n, 1);
	s = &list.v[0];
	assert_string_equal(s->phase, "a");
	assert_string_equal(s->columns[0].name, "tps");
	assert_string_equal(s->columns[1].name, "latency.max");
	assert_true(s->interval_ns == 1000000000 && s->n_rows == 11 && s->n_columns == 2);
	/* a transaction that ends where a second does is the next one's */
	assert_true(s->rows[0] == 1e9 && s->rows[1] == 19 && s->rows[2] == 50);
	assert_true(s->rows[3 * 5] == 6e9 && s->rows[3 * 5 + 1] == 20);
	assert_true(fabs(s->rows[3 * 10] - 10.5e9) < 1e3 && fabs(s->rows[3 * 10 + 1] - 2 / 0.5) < 1e-3 &&
		    s->rows[3 * 10 + 2] == 400);
	series_list_free(&list);
	/* of 20 ms there are rows of 1 */
	text_free(&artifacts.v[0].data);
	text_add(&artifacts.v[0].data, "0 1 1000 0 5 1000\n0 2 1000 0 5 20000\n");
	artifacts.v[0].next = artifacts.v[0].data.len;
	pg_series(&artifacts, &list);
	assert_true(list.v[0].interval_ns == 1000000 && list.v[0].n_rows == 20);
	assert_true(isnan(list.v[0].rows[3 * 7 + 2]) && list.v[0].rows[3 * 7 + 1] == 0);
	series_list_free(&list);
	/* the end of a log that was longer than what is brought out */
	text_free(&artifacts.v[0].data);
	text_add(&artifacts.v[0].data, "5 7\n0 1 1000 0 5 1000\n");
	artifacts.v[0].next = 5000000;
	pg_series(&artifacts, &list);
	assert_int_equal(list.n, 1);
	series_list_free(&list);
	artifacts_free(&artifacts);
	text_free(&log);
}

static void files_go_in(void **state)
{
	struct err err = ERR_INIT;
	struct matrix *m = parse("script: some/hot.sql", &err);
	struct programs programs = { 0 };
	const struct guest_program *last;

	(void)state;
	if (!m)
		fail_msg("%s", err.msg);
	m->workloads[0].type->programs(m->workloads[0].params, &programs);
	last = &programs.v[programs.n - 1];
	assert_string_equal(programs.v[0].guest_path, "postgresql/observe.sh");
	assert_string_equal(last->guest_path, "postgresql/files/hot.sql");
	assert_true(ends_with(last->file, "/some/hot.sql"));
	assert_null(last->built);
	programs_free(&programs);
	matrix_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_parameters),
		cmocka_unit_test(steps_are_what_was_asked),
		cmocka_unit_test(outputs_become_metrics),
		cmocka_unit_test(percentiles),
		cmocka_unit_test(latencies_by_checkpoint),
		cmocka_unit_test(stalls_of_recorded_logs),
		cmocka_unit_test(observations_become_metrics),
		cmocka_unit_test(wasted_huge_pages),
		cmocka_unit_test(courses),
		cmocka_unit_test(files_go_in),
	};

	return cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
}
