// SPDX-License-Identifier: GPL-2.0-or-later
/* What a good matrix becomes: values, defaults, cells, skips; and the limits that no small fixture reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "tests/matrix-registry.h"

static struct matrix *parsed(const char *text)
{
	struct matrix *matrix = NULL;
	struct err err = ERR_INIT;

	if (matrix_parse(text, "dir/m.yaml", &matrix, &err) < 0)
		fail_msg("%s", err.msg);
	return matrix;
}

static void assert_refused(const char *text, size_t len, const char *part)
{
	struct matrix *matrix = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(matrix_parse_bytes(text, len, "m.yaml", &matrix, &err), -1);
	assert_null(matrix);
	assert_int_equal(err.kind, ERR_CONFIG);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in: %s", part, err.msg);
}

static const char full[] =
	"matrix: page-size-smoke\n"
	"guest: { cpus: 2, memory: 1GiB, accel: simulated, timeout: 60 }\n"
	"kernels:\n"
	"  4k: { source: linux-source-6.12, suite: trixie, pages: 4K }\n"
	"  64k: { source: linux-source-6.12, suite: trixie, pages: 64KiB, config: large, append: 'a=b c' }\n"
	"  mine: { image: ../Image, modules: /m.tar }\n"
	"folios:\n"
	"  off: { thp: never }\n"
	"  mthp: { thp: madvise, anon: { 1M: never, 64K: always }, khugepaged: on, min_free_kbytes: 4096 }\n"
	"workloads:\n"
	"  faults: { will-it-scale: { tests: [page_fault2, getppid1], tasks: [1, 4], bytes: 1M } }\n"
	"  nothing: { null: }\n"
	"trials: { seeds: 5, warmups: 0, samples: 7 }\n"
	"skip:\n"
	"  - { kernels: mine, folios: [mthp], why: no sizes }\n"
	"  - workloads: nothing\n"
	"    kernels: [mine, 4k]\n"
	"    why: >\n"
	"      folded\n"
	"      text\n";

static void values(void **state)
{
	struct matrix *m = parsed(full);
	const struct probe_params *p = m->workloads[0].params;
	char cwd[4096];
	_cleanup_free_ char *image = NULL;

	(void)state;
	assert_string_equal(m->name, "page-size-smoke");
	assert_string_equal(m->path, "dir/m.yaml");
	assert_string_equal(m->text, full);
	assert_int_equal(m->guest.cpus, 2);
	assert_int_equal(m->guest.memory_bytes, 1u << 30);
	assert_int_equal(m->guest.accel, ACCEL_SIMULATED);
	assert_int_equal(m->guest.timeout_s, 60);
	assert_int_equal(m->n_kernels, 3);
	assert_string_equal(m->kernels[0].label, "4k");
	assert_int_equal(m->kernels[0].line, 4);
	assert_int_equal(m->kernels[0].page_bytes, 4096);
	assert_string_equal(m->kernels[0].config, "micro");
	assert_int_equal(m->kernels[1].page_bytes, 65536);
	assert_string_equal(m->kernels[1].config, "large");
	assert_string_equal(m->kernels[1].append, "a=b c");
	/* relative to the folder of the matrix, not to the working directory */
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	image = xasprintf("%s/dir/../Image", cwd);
	assert_string_equal(m->kernels[2].image, image);
	assert_string_equal(m->kernels[2].modules, "/m.tar");
	assert_int_equal(m->kernels[2].page_bytes, 0);
	assert_null(m->kernels[2].config);
	assert_int_equal(m->folios[0].thp, THP_NEVER);
	assert_int_equal(m->folios[0].defrag, -1);
	assert_false(m->folios[0].khugepaged);
	assert_int_equal(m->folios[1].anon.n, 2);
	/* sorted by size */
	assert_int_equal(m->folios[1].anon.v[0].size_bytes, 65536);
	assert_int_equal(m->folios[1].anon.v[0].choice, 0);
	assert_int_equal(m->folios[1].anon.v[1].size_bytes, 1u << 20);
	assert_int_equal(m->folios[1].anon.v[1].choice, 3);
	assert_true(m->folios[1].khugepaged);
	assert_int_equal(m->folios[1].min_free_kbytes, 4096);
	assert_ptr_equal(m->workloads[0].type, workload_find("will-it-scale"));
	assert_int_equal(p->tests.n, 2);
	assert_string_equal(p->tests.v[0], "page_fault2");
	assert_int_equal(p->tasks.n, 2);
	assert_int_equal(p->tasks.v[1], 4);
	assert_int_equal(p->bytes, 1u << 20);
	assert_ptr_equal(m->workloads[1].type, workload_find("null"));
	assert_int_equal(m->trials.seeds, 5);
	assert_int_equal(m->trials.warmups, 0);
	assert_int_equal(m->trials.samples, 7);
	assert_string_equal(m->skips[1].why, "folded text");
	matrix_free(m);
}

static void defaults(void **state)
{
	struct matrix *m =
		parsed("matrix: m\nkernels: { i: { image: /Image } }\nworkloads: { w: { will-it-scale: {} } }\n");
	const struct probe_params *p = m->workloads[0].params;

	(void)state;
	assert_int_equal(m->guest.cpus, 1);
	assert_true(m->guest.memory_bytes == UINT64_C(3) << 30);
	assert_int_equal(m->guest.accel, ACCEL_AUTO);
	assert_int_equal(m->guest.timeout_s, 120);
	assert_int_equal(m->trials.seeds, 3);
	assert_int_equal(m->trials.warmups, 1);
	assert_int_equal(m->trials.samples, 3);
	assert_int_equal(m->n_folios, 1);
	assert_string_equal(m->folios[0].label, "default");
	assert_int_equal(m->folios[0].thp, -1);
	assert_int_equal(m->folios[0].shmem, -1);
	assert_int_equal(m->folios[0].anon.n, 0);
	assert_int_equal(p->tests.n, 2);
	assert_string_equal(p->tests.v[1], "getppid1");
	assert_int_equal(p->tasks.n, 1);
	assert_int_equal(p->sizes.v[0].size_bytes, 16384);
	assert_int_equal(p->bytes, 256u << 20);
	assert_int_equal(p->mode, -1);
	matrix_free(m);
}

static void cells(void **state)
{
	static const char *const expected[] = { "4k.off.faults",    "4k.off.nothing",	"4k.mthp.faults",
						"4k.mthp.nothing",  "64k.off.faults",	"64k.off.nothing",
						"64k.mthp.faults",  "64k.mthp.nothing", "mine.off.faults",
						"mine.off.nothing", "mine.mthp.faults", "mine.mthp.nothing" };
	static const char *const skip[] = { NULL, "folded text", NULL, "folded text", NULL,	  NULL,
					    NULL, NULL,		 NULL, "folded text", "no sizes", "no sizes" };
	struct matrix *m = parsed(full);
	struct cell *v;
	size_t n;

	(void)state;
	matrix_expand(m, &v, &n);
	assert_int_equal(n, ARRAY_SIZE(expected));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(v[i].id, expected[i]);
		/* every list of a rule must hold the label; the first rule that does gives the reason */
		if (skip[i])
			assert_string_equal(v[i].skip, skip[i]);
		else
			assert_null(v[i].skip);
	}
	assert_ptr_equal(v[7].kernel, &m->kernels[1]);
	assert_ptr_equal(v[7].folio, &m->folios[1]);
	assert_ptr_equal(v[7].workload, &m->workloads[1]);
	cells_free(v, n);
	matrix_free(m);
}

/* The axis is there only where it is given: then innermost, and part of every id. */
static void limits(void **state)
{
	static const char *const expected[] = { "k.f.a.none", "k.f.a.1536m", "k.f.a.1g",
						"k.f.b.none", "k.f.b.1536m", "k.f.b.1g" };
	struct matrix *m =
		parsed("matrix: m\nguest: { memory: 2GiB }\nkernels: { k: { image: I } }\nfolios: { f: {} }\n"
		       "workloads: { a: { null: }, b: { null: } }\nlimit: [none, 1536MiB, 1024M]\n"
		       "skip: [ { limit: 1g, workloads: b, why: small }, { limit: [none], why: large } ]\n");
	struct cell *v;
	size_t n;

	(void)state;
	matrix_expand(m, &v, &n);
	assert_int_equal(n, ARRAY_SIZE(expected));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(v[i].id, expected[i]);
		assert_ptr_equal(v[i].limit, &m->limits[i % 3]);
		assert_ptr_equal(v[i].workload, &m->workloads[i / 3]);
		assert_true(!v[i].skip == (i == 1 || i == 2 || i == 4));
	}
	assert_string_equal(v[5].skip, "small");
	assert_int_equal(m->limits[0].bytes, 0);
	assert_int_equal(m->limits[1].bytes, UINT64_C(1536) << 20);
	cells_free(v, n);
	matrix_free(m);
}

/* A matrix of @kernels x @folios x @loads with one rule a folio. */
static char *large(size_t kernels, size_t folios, size_t loads, size_t rules)
{
	struct text t = { 0 };

	text_add(&t, "matrix: large\nkernels:\n");
	for (size_t i = 0; i < kernels; i++)
		text_add(&t, "  k%zu: { image: I }\n", i);
	text_add(&t, "folios:\n");
	for (size_t i = 0; i < folios; i++)
		text_add(&t, "  f%zu: {}\n", i);
	text_add(&t, "workloads:\n");
	for (size_t i = 0; i < loads; i++)
		text_add(&t, "  w%zu: { null: }\n", i);
	text_add(&t, "%s", rules ? "skip:\n" : "");
	for (size_t i = 0; i < rules; i++)
		text_add(&t, "  - { folios: f%zu, workloads: w%zu, why: no }\n", i, i);
	return text_steal(&t);
}

static void hundred_thousand(void **state)
{
	_cleanup_free_ char *most = large(100, 50, 10, 10), *text = xasprintf("%slimit: [none, 192MiB]\n", most);
	uint64_t start = now_ns(), ms;
	struct matrix *m = parsed(text);
	size_t n, skipped = 0;
	struct cell *v;

	(void)state;
	matrix_expand(m, &v, &n);
	ms = (now_ns() - start) / NSEC_PER_MSEC;
	assert_int_equal(n, 100000);
	for (size_t i = 0; i < n; i++)
		skipped += v[i].skip != NULL;
	assert_int_equal(skipped, 2000);
	print_message("100,000 cells parsed and expanded in %u ms\n", (unsigned int)ms);
	assert_true(ms < 1000);
	cells_free(v, n);
	matrix_free(m);
}

static void too_many_cells(void **state)
{
	_cleanup_free_ char *most = large(100, 100, 100, 0), *more = large(100, 100, 101, 0);
	struct matrix *m = parsed(most);

	(void)state;
	matrix_free(m);
	assert_refused(more, strlen(more),
		       ": 100 kernels x 100 folio profiles x 101 workloads are more than 1000000 cells");
}

static void too_large(void **state)
{
	_cleanup_free_ char *text = xcalloc(MATRIX_BYTES_MAX + 2, 1);

	(void)state;
	memset(text, '#', MATRIX_BYTES_MAX + 1);
	assert_refused(text, MATRIX_BYTES_MAX + 1, "m.yaml: larger than 1 MiB");
	assert_refused(text, MATRIX_BYTES_MAX, "m.yaml:1:1: the file is empty");
}

/* What is hostile must also be quick to refuse. */
static void hostile(void **state)
{
	static const char *const pieces[] = { "[",  "{",    "? ", "- ",	  "{a: ", "a: &a [*a,",
					      "\"", "!!a ", "%",  "|\n ", ": ",	  "[a, " };
	_cleanup_free_ char *text = xcalloc(MATRIX_BYTES_MAX + 1, 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		size_t len = strlen(pieces[i]), n = 0;
		struct matrix *matrix = NULL;
		struct err err = ERR_INIT;
		uint64_t start = now_ns();

		for (; n + len <= MATRIX_BYTES_MAX; n += len)
			memcpy(text + n, pieces[i], len);
		assert_int_equal(matrix_parse_bytes(text, n, "m.yaml", &matrix, &err), -1);
		assert_true(now_ns() - start < 2 * NSEC_PER_SEC);
	}
}

static void too_many_nodes(void **state)
{
	struct text t = { 0 };

	(void)state;
	text_add(&t, "matrix: m\nskip: [");
	for (size_t i = 0; i < 250000; i++)
		text_add(&t, "a, ");
	text_add(&t, "]\n");
	assert_refused(t.s, t.len, "more than 250000 keys and values");
	text_free(&t);
}

static void missing_file(void **state)
{
	struct matrix *matrix = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(matrix_load("/nonexistent/m.yaml", &matrix, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "/nonexistent/m.yaml: No such file or directory");
}

/* Embedded NUL bytes end no check early. */
static void whole_buffer(void **state)
{
	static const char text[] = "matrix: m\0\nrubbish";

	(void)state;
	assert_refused(text, sizeof(text) - 1, "m.yaml:1:10: control character U+0000");
}

static void help(void **state)
{
	_cleanup_free_ char *text = matrix_help();

	(void)state;
	assert_non_null(strstr(text, "\nkernels: { LABEL: { KEY: VALUE, ... }, ... }  (required)\n"));
	assert_non_null(strstr(text, "    cpus: a number, 1 to 64, default 1\n"));
	assert_non_null(strstr(text, "    pages: 4K | 16K | 64K\n"));
	assert_non_null(strstr(
		text, "  will-it-scale\n    A stand-in with every type of option.\n    tests: a list of page_fault1"));
	for (const char *p = text, *nl; (nl = strchr(p, '\n')); p = nl + 1)
		assert_true(nl - p <= 78);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),	cmocka_unit_test(defaults),	    cmocka_unit_test(cells),
		cmocka_unit_test(limits),	cmocka_unit_test(hundred_thousand), cmocka_unit_test(too_many_cells),
		cmocka_unit_test(too_large),	cmocka_unit_test(hostile),	    cmocka_unit_test(too_many_nodes),
		cmocka_unit_test(missing_file), cmocka_unit_test(whole_buffer),	    cmocka_unit_test(help),
	};

	return cmocka_run_group_tests_name("matrix-parse", tests, NULL, NULL);
}
