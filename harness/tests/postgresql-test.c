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
	_cleanup_free_ char *plain = job_of("");
	_cleanup_free_ char *more = job_of("tests: [select-only, tpcb-like], seconds: 5, rate: 100, latency_limit: 50, "
					   "clients: 3, protocol: simple, huge_pages: on, huge_page_size: 2M, "
					   "shared_buffers: 1G, settings: [work_mem=8MB, jit=on]");

	(void)state;
	assert_int_equal(count(plain, "\nexec\tselect-only\twarmup\t"), 1);
	assert_int_equal(count(plain, "\nexec\tselect-only\tsample\t"), 2);
	assert_int_equal(count(plain, "\t-t\t2000"), 4); /* a warm-up, two samples, one with the log */
	assert_int_equal(count(plain, "\t--log\t"), 1);
	assert_null(strstr(plain, "\t-R\t100"));
	assert_non_null(strstr(plain, "\nservice\tpostgres\t2\t60\t"));
	assert_non_null(strstr(plain, "\t--shared_buffers=131072kB\t--huge_pages=off\n"));
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

	(void)state;
	assert_int_equal(pg_measure(&simulated, "select-only", output, &a, &err), 0);
	assert_int_equal(pg_measure(&hardware, "select-only", output, &b, &err), 0);
	assert_true(fabs(value(&a, "select-only.insns_per_txn") - 0.5e9 / tps) < 1e-6);
	assert_true(fabs(value(&b, "select-only.ns_per_txn") - 1e9 / tps) < 1e-6);
	assert_true(value(&a, "select-only.tps") == tps);
	assert_null(measures_find(&a, "select-only.ns_per_txn"));
	assert_null(measures_find(&b, "select-only.insns_per_txn"));
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
	measures_free(&m);
	/* a log that was cut gives no number, but an error */
	m = (struct measures){ 0 };
	text_add(&artifacts.v[0].data, "0 4 10");
	assert_int_equal(pg_brought(&context, &artifacts, &m, &err), -1);
	assert_non_null(strstr(err.msg, "simple-update.transactions"));
	measures_free(&m);
	artifacts_free(&artifacts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_parameters),	   cmocka_unit_test(steps_are_what_was_asked),
		cmocka_unit_test(outputs_become_metrics),  cmocka_unit_test(percentiles),
		cmocka_unit_test(latencies_by_checkpoint),
	};

	return cmocka_run_group_tests_name("postgresql", tests, NULL, NULL);
}
