// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions by perf: the job that samples, and perf's report, whose lines here are of real guests (perf 6.12 of Debian's
 * trixie in an emulated guest, PostgreSQL, 4K and 64K). Each test names the mutation that it is there to catch. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "explain/sampled.h"

#define HEAD                                                                                                           \
	"# To display the perf.data header info, please use --header/--header-only options.\n#\n#\n"                   \
	"# Total Lost Samples: 0\n#\n# Samples: 1K of event 'cycles:P'\n# Event count (approx.): 1603919576\n#\n"      \
	"#      Samples|Shared Object        |Symbol                                         \n"

static const char base_report[] = HEAD " 153        |libc.so.6            |[.] 0x00000000000828bc\n"
				       " 47         |libc.so.6            |[.] 0x0000000000096c24\n"
				       " 137        |[kernel.kallsyms]    |[k] el0_svc                  \n"
				       " 13         |[kernel.kallsyms]    |[k] do_wp_page\n"
				       " 50         |postgres             |[.] PostgresMain\n\n\n";
static const char other_report[] = HEAD " 100        |libc.so.6            |[.] 0x00000000000828bc\n"
					" 137        |[kernel.kallsyms]    |[k] el0_svc\n"
					" 63         |postgres             |[.] PostgresMain\n";

static const struct sampled_function *find(const struct sampled_phase *p, const char *object, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, name) && !strcmp(p->v[i].object, object))
			return &p->v[i];
	fail_msg("no %s in %s", name, object);
	return NULL;
}

static void expect_share(const struct sampled_phase *p, const char *object, const char *name, double base, double other)
{
	const struct sampled_function *f = find(p, object, name);

	if (fabs(f->base - base) > 1e-12 || fabs(f->other - other) > 1e-12)
		fail_msg("%s: %g and %g", name, f->base, f->other);
}

/* 400 samples against 300. Caught: a share of the other side's samples, addresses of one object that stay apart, a
 * function that is gone and so lost, names with perf's padding. */
static void reports(void **state)
{
	struct sampled s = { 0 };
	const struct sampled_phase *p;

	(void)state;
	assert_true(sampled_pair("select-only", base_report, other_report, &s));
	assert_int_equal(s.n, 1);
	p = &s.v[0];
	assert_string_equal(p->phase, "select-only");
	assert_string_equal(p->event, "cycles:P");
	assert_true(p->base_samples == 400 && p->other_samples == 300);
	assert_int_equal(p->n, 4);
	expect_share(p, "libc.so.6", FUNCTION_UNNAMED, 200 / 400.0, 100 / 300.0);
	expect_share(p, "kernel", "el0_svc", 137 / 400.0, 137 / 300.0);
	expect_share(p, "kernel", "do_wp_page", 13 / 400.0, 0);
	expect_share(p, "postgres", "PostgresMain", 50 / 400.0, 63 / 300.0);
	/* the largest change first */
	assert_string_equal(p->v[0].object, "libc.so.6");
	/* 2 sqrt(.125 .875 / 400 + .21 .79 / 300), by hand */
	assert_true(fabs(sampled_error(p, find(p, "postgres", "PostgresMain")) - 0.0574957) < 1e-6);
	sampled_free(&s);
}

/* Caught: shares of nothing, or of two different events. */
static void no_reports(void **state)
{
	static const char *const bad[] = { "",
					   HEAD,
					   "Error:\nThe perf.data data has no samples!\n",
					   "many|kernel|[k] f\n",
					   "5\n",
					   "5|kernel\n",
					   "-5|kernel|[k] f\n",
					   "nan|kernel|[k] f\n",
					   "x5|kernel|[k] f\n" };
	static const char good[] = " 5|kernel|[k] f\n";
	static const char clock[] = "# Samples: 1K of event 'cpu-clock'\n 10|kernel|[k] f\n";
	struct sampled s = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (sampled_pair("a", good, bad[i], &s) || sampled_pair("a", bad[i], good, &s))
			fail_msg("%zu", i);
	assert_false(sampled_pair("a", base_report, HEAD, &s));
	assert_true(sampled_pair("a", good, good, &s));
	sampled_free(&s);
	assert_false(sampled_pair("a", base_report, clock, &s));
	assert_int_equal(s.n, 0);
}

/* perf runs as root from before a phase's first sample to behind its last, and what counts or watches by itself goes.
 * Caught: a service that is named twice, programs that go on as root, a second phase in the first one's report. */
static void job(void **state)
{
	static const char before[] = "job\t1\nroot\t/root.image\t/root\npmu\tinst_retired\nidle\nas\tpostgres\n"
				     "exec\ta\twarmup\t0\t9\t/bin/x\nexec\ta\tsample\t0\t9\t/bin/x\n"
				     "exec\ta\tsample\t1\t9\t/bin/x\ninspect\ta\tpostgres\n"
				     "exec\tb\tsample\t0\t9\t/bin/y\ncounter\tc\tcgroup/memory.current\t-\n"
				     "series\t100\t1\nexec\ta\tseries\t0\t9\t/bin/x\n";
	static const char begin[] =
		"as\troot\nservice\tperf-%c\t2\t60\t/usr/bin/perf\trecord\t-q\t-a\t-F\t999\t-o\t/run/perf-%c\n"
		"ready\tperf-%c\t60\tcommand\t/usr/bin/test\t-s\t/run/perf-%c\nas\tpostgres\n";
	static const char end[] =
		"as\troot\nstop\tperf-%c\nexec\tperf-report\tprepare\t0\t900\t/usr/bin/sh\t-c\t/usr/bin/perf "
		"report --stdio --no-children -F sample,dso,sym -t '|' -i /run/perf-%c >/run/perf-%c.text\n"
		"artifact\tperf.%c\t/root/run/perf-%c.text\nas\tpostgres\n";
	struct text want = { 0 };
	_cleanup_free_ char *is = sampled_job(before), *long_one = NULL, *kept = NULL;
	char phase[70];

	(void)state;
	text_add(&want, "job\t1\nroot\t/root.image\t/root\nidle\nas\tpostgres\nexec\ta\twarmup\t0\t9\t/bin/x\n");
	text_add(&want, begin, 'a', 'a', 'a', 'a');
	text_add(&want, "exec\ta\tsample\t0\t9\t/bin/x\nexec\ta\tsample\t1\t9\t/bin/x\n");
	text_add(&want, end, 'a', 'a', 'a', 'a', 'a');
	text_add(&want, "inspect\ta\tpostgres\n");
	text_add(&want, begin, 'b', 'b', 'b', 'b');
	text_add(&want, "exec\tb\tsample\t0\t9\t/bin/y\n");
	text_add(&want, end, 'b', 'b', 'b', 'b', 'b');
	if (strcmp(is, want.s) != 0)
		fail_msg("%s", is);
	text_free(&want);
	/* too long for a service's name: not sampled rather than a job that is refused */
	memset(phase, 'p', sizeof(phase) - 1);
	phase[sizeof(phase) - 1] = '\0';
	long_one = xasprintf("job\t1\nexec\t%s\tsample\t0\t9\t/bin/x\n", phase);
	kept = sampled_job(long_one);
	assert_string_equal(kept, long_one);
}

/* Caught: perf looked for on the basis where functions are counted, another package whose name ends so. */
static void where_it_can(void **state)
{
	static const struct {
		const char *packages;
		enum basis basis;
		bool can;
	} table[] = {
		{ "libc6 2.41-12, linux-perf 6.12.117-1, zlib1g 1", BASIS_HARDWARE, true },
		{ "linux-perf 6.12.117-1", BASIS_EMULATED, true },
		{ "linux-perf 6.12.117-1", BASIS_SIMULATED, false },
		{ "libc6 2.41-12, not-linux-perf 1, linux-perfect 2", BASIS_HARDWARE, false },
		{ NULL, BASIS_HARDWARE, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct cell_record cell = { .basis = table[i].basis,
					    .definition =
						    json_pack("{s:{s:s*}}", "rootfs", "packages", table[i].packages) };

		assert_true(sampled_possible(&cell) == table[i].can);
		cell.skip = (char *)"not here";
		assert_false(sampled_possible(&cell));
		json_decref(cell.definition);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reports),
		cmocka_unit_test(no_reports),
		cmocka_unit_test(job),
		cmocka_unit_test(where_it_can),
	};

	return cmocka_run_group_tests_name("explain-sampled", tests, NULL, NULL);
}
