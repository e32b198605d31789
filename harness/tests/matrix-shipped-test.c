// SPDX-License-Identifier: GPL-2.0-or-later
/* The matrices that ship, with the real workloads: each one parses, and smoke has what `make demo` and CI rely on. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "matrix/folio.h"
#include "workloads/will-it-scale/wis.h"

/* "matrices/NAME" from wherever the test is run. */
static char *shipped(const char *name)
{
	const char *tests = strstr(__FILE__, "harness/tests/");

	return xasprintf("%.*smatrices/%s", tests ? (int)(tests - __FILE__) : 0, __FILE__, name);
}

static struct matrix *loaded(const char *path)
{
	struct matrix *m = NULL;
	struct err err = ERR_INIT;

	if (matrix_load(path, &m, &err) < 0)
		fail_msg("%s", err.msg);
	return m;
}

static void all_parse(void **state)
{
	_cleanup_free_ char *pattern = shipped("*.yaml");
	glob_t found;

	(void)state;
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 4);
	for (size_t i = 0; i < found.gl_pathc; i++)
		matrix_free(loaded(found.gl_pathv[i]));
	globfree(&found);
}

/* One source and one configuration at 4K and 64K, every profile exists at both, one asks for folios and one does not. */
static void smoke(void **state)
{
	_cleanup_free_ char *path = shipped("smoke.yaml");
	struct matrix *m = loaded(path);
	bool asks = false, off = false;

	(void)state;
	assert_int_equal(m->n_kernels, 2);
	assert_string_equal(m->kernels[0].source, m->kernels[1].source);
	assert_string_equal(m->kernels[0].suite, m->kernels[1].suite);
	assert_string_equal(m->kernels[0].config, m->kernels[1].config);
	assert_int_equal(m->kernels[0].page_bytes, 4096);
	assert_int_equal(m->kernels[1].page_bytes, 65536);
	for (size_t f = 0; f < m->n_folios; f++) {
		for (size_t k = 0; k < m->n_kernels; k++)
			assert_null(folio_unsupported(&m->folios[f], m->kernels[k].page_bytes,
						      (struct kernel_version){ 6, 12 }));
		asks |= folio_asks(&m->folios[f]);
		off |= !folio_asks(&m->folios[f]);
	}
	assert_true(asks && off);
	/* sealed: repeated boots are compared byte for byte */
	assert_int_equal(m->guest.cpus, 1);
	assert_int_equal(m->n_skips, 0);
	matrix_free(m);
}

/* A cell of null.yaml cannot exist, and says so. */
static void null(void **state)
{
	_cleanup_free_ char *path = shipped("null.yaml");
	struct matrix *m = loaded(path);
	size_t impossible = 0;

	(void)state;
	for (size_t f = 0; f < m->n_folios; f++)
		for (size_t k = 0; k < m->n_kernels; k++) {
			_cleanup_free_ char *why = folio_unsupported(&m->folios[f], m->kernels[k].page_bytes,
								     (struct kernel_version){ 6, 12 });

			impossible += why != NULL;
		}
	assert_int_equal(impossible, 1);
	matrix_free(m);
}

/* will-it-scale.yaml leaves out no test of ours, and nothing in it is skipped. */
static void will_it_scale(void **state)
{
	_cleanup_free_ char *path = shipped("will-it-scale.yaml");
	struct matrix *m = loaded(path);
	size_t n = 0;

	(void)state;
	for (const struct wis_test *t = wis_tests; t->name; t++) {
		_cleanup_free_ char *quoted = xasprintf("\"%s\"", t->name);
		size_t times = 0;

		for (size_t i = 0; i < m->n_workloads; i++) {
			json_t *o = options_json(m->workloads[i].type->options, m->workloads[i].params);
			_cleanup_free_ char *tests = json_dumps(json_object_get(o, "tests"), 0);

			times += strstr(tests, quoted) != NULL;
			json_decref(o);
		}
		if (times != 1)
			fail_msg("%s is in %zu workloads", t->name, times);
		n++;
	}
	assert_true(n >= 20);
	assert_int_equal(m->n_skips, 0);
	matrix_free(m);
}

/* distro.yaml: packages only, none of them pinned to a version that a suite drops, at two page sizes and two releases, and one
 * vCPU, so that it is sealed. */
static void distro(void **state)
{
	_cleanup_free_ char *path = shipped("distro.yaml");
	struct matrix *m = loaded(path);
	bool large = false, old = false;

	(void)state;
	for (size_t k = 0; k < m->n_kernels; k++) {
		const struct kernel_spec *spec = &m->kernels[k];

		assert_non_null(spec->package);
		assert_null(strchr(spec->package, '.'));
		assert_int_equal(spec->page_bytes, 0); /* from the Image */
		large |= strstr(spec->package, "-16k") != NULL;
		old |= strcmp(spec->suite, "bookworm") == 0;
	}
	assert_true(large && old);
	assert_int_equal(m->guest.cpus, 1);
	matrix_free(m);
}

/* The tables of the real workloads: their defaults are legal (options_defaults() aborts) and have help. */
static void real_tables(void **state)
{
	_cleanup_free_ char *help = matrix_help();

	(void)state;
	assert_non_null(help);
	for (size_t i = 0; workloads[i]; i++) {
		void *params = xcalloc(1, workloads[i]->params_size);

		assert_non_null(strstr(help, workloads[i]->name));
		options_defaults(workloads[i]->options, params);
		json_decref(options_json(workloads[i]->options, params));
		options_free(workloads[i]->options, params);
		free(params);
		for (const struct option_def *o = workloads[i]->options; o->key; o++)
			assert_non_null(o->help);
	}
}

/* The kernel's command line is given by `append` there, so nothing in it is skipped by what this table believes. */
static void folio_support(void **state)
{
	_cleanup_free_ char *path = shipped("folio-support.yaml");
	struct matrix *m = loaded(path);

	(void)state;
	assert_int_equal(m->n_kernels, 18);
	for (size_t f = 0; f < m->n_folios; f++)
		for (size_t k = 0; k < m->n_kernels; k++)
			assert_null(folio_unsupported(&m->folios[f], m->kernels[k].page_bytes,
						      (struct kernel_version){ 6, 1 }));
	matrix_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_parse),	 cmocka_unit_test(smoke),  cmocka_unit_test(null),
		cmocka_unit_test(will_it_scale), cmocka_unit_test(distro), cmocka_unit_test(real_tables),
		cmocka_unit_test(folio_support),
	};

	return cmocka_run_group_tests_name("matrix-shipped", tests, NULL, NULL);
}
