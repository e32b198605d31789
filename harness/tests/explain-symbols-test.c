// SPDX-License-Identifier: GPL-2.0-or-later
/* From a plugin's file and a System.map to functions. Each test names the mutation that it is there to catch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/counts.h"
#include "explain/symbols.h"
#include "tests/pipeline.h"

static const char map[] = "ffff800080000000 T _text\n"
			  "ffff800080010000 T _stext\n"
			  "ffff800080010000 t alias\n"
			  "ffff800080010040 t $x\n"
			  "ffff800080010080 T do_fault\n"
			  "ffff800080010100 d a_table\n"
			  "ffff800080010200 W clear_page\n"
			  "ffff800080011000 T _etext\n"
			  "ffff800080020000 T _sinittext\n"
			  "ffff800080020010 t early\n"
			  "ffff800080021000 T _einittext\n"
			  "ffff800080030000 B _end\n";

static struct symbols load(const char *text)
{
	char *dir = scratch_make();
	_cleanup_free_ char *path = scratch_write(dir, "System.map", text, strlen(text));
	struct symbols s = { 0 };
	struct err err = ERR_INIT;

	if (symbols_load(path, &s, &err) < 0)
		fail_msg("%s", err.msg);
	scratch_remove(dir);
	return s;
}

/* Caught: the next symbol instead of the last, data and marks taken for functions, an end that is the last symbol's. */
static void test_find(void **state)
{
	static const struct {
		uint64_t address;
		const char *name; /* NULL: none */
	} table[] = {
		{ 0xffff800080010000, "_stext" },     { 0xffff800080010050, "_stext" },
		{ 0xffff800080010080, "do_fault" },   { 0xffff8000800101fc, "do_fault" },
		{ 0xffff800080010200, "clear_page" }, { 0xffff800080020014, "early" },
		{ 0xffff800080020ffc, "early" },      { 0xffff800080021000, NULL },
		{ 0xffff80007fffffff, NULL },	      { 0xffffffffff580000, NULL },
	};
	struct symbols s = load(map);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t at = symbols_find(&s, table[i].address);

		if ((at == SIZE_MAX) != !table[i].name || (table[i].name && strcmp(s.v[at].name, table[i].name)))
			fail_msg("%zu: %s, expected %s", i, at == SIZE_MAX ? "none" : s.v[at].name,
				 table[i].name ? table[i].name : "none");
	}
	symbols_free(&s);
}

/* Caught: a shift of the wrong sign, one from another symbol, hidden addresses taken for real ones. */
static void test_shift(void **state)
{
	struct symbols s = load(map);
	struct err err = ERR_INIT;
	uint64_t shift = 0;

	(void)state;
	assert_int_equal(symbols_shift(&s, "ffffc45cd3a10080 t do_fault", &shift, &err), 0);
	assert_int_equal(0xffffc45cd3a10080 - shift, 0xffff800080010080);
	assert_int_equal(symbols_shift(&s, "0000000000000000 T _text", &shift, &err), -1);
	assert_int_equal(symbols_shift(&s, "ffffc45cd3a10080 t nothing_known", &shift, &err), -1);
	assert_int_equal(symbols_shift(&s, "", &shift, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	symbols_free(&s);
}

static void test_no_map(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *path = scratch_write(dir, "System.map", "not a map\n", 10);
	struct err err = ERR_INIT;
	struct symbols s;

	(void)state;
	assert_int_equal(symbols_load(path, &s, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	scratch_remove(dir);
}

/* Caught: samples mixed up, a sum that nobody checks, an order that nobody checks. */
static void test_counts(void **state)
{
	static const char good[] = "granule-count 3\n"
				   "sample 0 work\n400a10 5 ab\n400a10 6 ac\nffff800080010080 17\nffff800080010084 "
				   "3\ncall ffff800080010084 ffff800080010200 3\nend 31\n"
				   "sample 1 whole\nend 0\n";
	static const char *const bad[] = {
		"",
		"granule-count 4\n",
		"granule-count 3\nsample 1 work\nend 0\n",
		"granule-count 3\nsample 0 other\nend 0\n",
		"granule-count 3\nsample 0 work\n10 1\nend 2\n",
		"granule-count 3\nsample 0 work\n10 1\n10 1\nend 2\n",
		"granule-count 3\nsample 0 work\n20 1\n10 1\nend 2\n",
		"granule-count 3\nsample 0 work\n10 1\n",
		"granule-count 3\nsample 0 work\n10 1 b\n10 1 a\nend 2\n",
		"granule-count 3\nsample 0 work\n10 1 b c\nend 1\n",
		"granule-count 3\nsample 0 work\ncall 10 20\nend 0\n",
		"granule-count 3\nsample 0 work\ncall 10 x 1\nend 0\n",
		"granule-count 3\nsample 0 work\n10 x\nend 0\n",
	};
	struct err err = ERR_INIT;
	struct counts c;

	(void)state;
	assert_int_equal(counts_parse(good, &c, &err), 0);
	assert_int_equal(c.n, 2);
	assert_true(c.samples[0].work && !c.samples[1].work);
	assert_int_equal(c.samples[0].n, 4);
	assert_int_equal(c.samples[0].v[1].digest, 0xac);
	assert_int_equal(c.samples[0].v[2].digest, 0);
	assert_int_equal(c.samples[0].v[3].address, 0xffff800080010084);
	assert_int_equal(c.samples[0].v[3].n, 3);
	assert_int_equal(c.samples[0].sum, 31);
	assert_int_equal(c.samples[0].n_branches, 1);
	assert_int_equal(c.samples[0].branches[0].target, 0xffff800080010200);
	assert_int_equal(c.samples[0].branches[0].n, 3);
	counts_free(&c);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (counts_parse(bad[i], &c, &err) == 0)
			fail_msg("%zu is accepted", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_no_map),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests_name("explain-symbols", tests, NULL, NULL);
}
