// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/buddyinfo, of real guests and of none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/buddyinfo.h"

/* A 64K guest of 3 GiB, 6.12, idle; two zones of a 4K one. Caught: an order missed, pages for blocks, a zone lost. */
static void zones(void **state)
{
	static const char text[] =
		"Node 0, zone      DMA      1      2      2      3      2      2      3      2      4      5      5    "
		"  "
		"3      4      2 \n"
		"Node 0, zone    DMA32      0      1      0      0      0      0      0      0      0      0      7 \n"
		"Node 1, zone   Normal      3 ";
	struct buddy_zone z;
	size_t at = 0;

	(void)state;
	assert_true(buddy_next(text, strlen(text), &at, &z));
	assert_string_equal(z.zone, "DMA");
	assert_int_equal(z.n_orders, 14);
	assert_int_equal(z.blocks[13], 2);
	assert_int_equal(buddy_pages(&z, 0), 48197);
	assert_int_equal(buddy_pages(&z, 13), 2 * 8192);
	assert_int_equal(buddy_pages(&z, 14), 0);
	assert_true(buddy_next(text, strlen(text), &at, &z));
	assert_string_equal(z.zone, "DMA32");
	assert_int_equal(buddy_pages(&z, 0), 2 + 7 * 1024);
	/* the last line of a file that was cut may lack its newline */
	assert_true(buddy_next(text, strlen(text), &at, &z));
	assert_int_equal(z.node, 1);
	assert_int_equal(buddy_pages(&z, 0), 3);
	assert_false(buddy_next(text, strlen(text), &at, &z));
}

/* Caught (under ASan): a length believed, a number that overflows, a name that becomes a path. */
static void hostile(void **state)
{
	static const char *const lines[] = {
		"",
		"\n\n",
		"Node",
		"Node 0, zone",
		"Node 0, zone   \n",
		"Node 0, zone DMA",
		"Node 0, zone DMA x",
		"Node 0, zone DMA 1 2 x 3\n",
		"Node 0, zone ../../etc 1 2\n",
		"Node 0, zone ABCDEFGHIJKLMNOPQRSTUVWXYZ 1 2\n",
		"Node 0, zone DMA 99999999999999999999999\n",
		"Node 0, zone DMA 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n",
		"Node x, zone DMA 1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct buddy_zone z;
		size_t at = 0;

		if (buddy_next(lines[i], strlen(lines[i]), &at, &z))
			fail_msg("'%s' is zone %s", lines[i], z.zone);
		assert_int_equal(at, strlen(lines[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zones),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("wire-buddyinfo", tests, NULL, NULL);
}
