// SPDX-License-Identifier: GPL-2.0-or-later
/* User and kernel instructions of a counted boot, from files as the plugin writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

#define KERNEL "ffff800080012344"
#define USER "aaaab0001230"
/* what user space enters the kernel through lies in the fixmap */
#define TRAMPOLINE "fffffdffff800a00"

/* The measures of a boot of two samples of 2048 operations with @count beside its stream (NULL: none); -1: not
 * measured. */
static int measure(const char *count, struct measures *ret, struct err *err)
{
	static const struct numbers one = { .page = 65536, .insns = 10, .boots = 1 };
	struct cell_record cell = numbers_cell("64k", "off", &one);
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_free_ char *attempt = NULL;
	struct boot_result boot;
	char *dir = scratch_make();
	int rc;

	run_build(dir, &cell, 1);
	numbers_boots(dir, &cell, &one);
	attempt = xasprintf("%s/cells/%s/1/1", dir, cell.id);
	if (count)
		put_text(attempt, "count", count);
	must(run_open(dir, &run, err), err);
	must(boot_read(run, &run->cells[0], 1, &boot, err), err);
	rc = boot_measure(&run->cells[0], &boot, ret, err);
	boot_result_free(&boot);
	cell_record_free(&cell);
	scratch_remove(dir);
	return rc;
}

static void expect(const struct measures *m, const char *name, double first, double second)
{
	const struct measure *v = measures_find(m, name);

	assert_non_null(v);
	assert_int_equal(v->n_values, 2);
	assert_true(v->values[0] == first && v->values[1] == second);
}

/* Caught: a half taken for the other, the trampoline taken for user space, the first sample's counts in both, a count
 * that is not divided by the operations. */
static void test_halves(void **state)
{
	static const char file[] =
		"granule-count 3\nsample 0 work\n" USER " 6144 77aa\n" KERNEL " 14336\n" TRAMPOLINE " 1024\nend 21504\n"
		"sample 1 work\n" USER " 2048 9b\n" USER " 6144 77aa\n" KERNEL " 18432\nend 26624\n";
	struct measures m;
	struct err err = ERR_INIT;

	(void)state;
	must(measure(file, &m, &err), &err);
	expect(&m, "page_fault1.insns_user_per_op", 3, 4);
	expect(&m, "page_fault1.insns_kernel_per_op", 7.5, 9);
	measures_free(&m);
	must(measure(NULL, &m, &err), &err);
	assert_null(measures_find(&m, "page_fault1.insns_user_per_op"));
	measures_free(&m);
}

/* A boot whose counts are not whole gives no numbers rather than some. */
static void test_damage(void **state)
{
	static const char *const files[][2] = {
		{ "", "not written by granule's plugin" },
		{ "granule-count 3\nsample 0 work\n" USER " 6144\nend 6144\n", "the plugin saw 1 samples" },
		{ "granule-count 3\nsample 0 work\n" USER " 6144\nend 6145\n", "sample 0 is damaged" },
		{ "granule-count 3\nsample 0 work\n" USER " 6144\n", "sample 0 is damaged" },
		{ "granule-count 3\n" USER " 6144\n", "sample 0 is damaged" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct measures m;
		struct err err = ERR_INIT;

		assert_int_equal(measure(files[i][0], &m, &err), -1);
		if (!strstr(err.msg, files[i][1]))
			fail_msg("%s: expected '%s'", err.msg, files[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_halves), cmocka_unit_test(test_damage) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
