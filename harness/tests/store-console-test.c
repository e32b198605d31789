// SPDX-License-Identifier: GPL-2.0-or-later
/* What counts as a crash on a console, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/store.h"

static void assert_crash(const char *console, const char *first)
{
	bool oom;
	_cleanup_free_ char *crash = console_crash(console, strlen(console), &oom);

	if (!first) {
		if (crash)
			fail_msg("'%s' was taken for a crash", crash);
		return;
	}
	if (!crash || strncmp(crash, first, strlen(first)))
		fail_msg("'%s' does not begin with '%s'", crash ? crash : "(null)", first);
}

/* One line as each kernel version prints it. Caught: a pattern taken out of the table. */
static void test_patterns(void **state)
{
	static const char *const crashes[] = {
		"[    1.234567] Internal error: Oops: 0000000096000045 [#1] PREEMPT SMP",
		"[    1.234567] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010",
		"[    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
		"[    1.234567] kernel BUG at mm/huge_memory.c:3120!",
		"[    1.234567] BUG: Bad page state in process page_fault1  pfn:48000",
		"[   31.234567] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [kcompactd0:25]",
		"[    1.234567] WARNING: CPU: 0 PID: 1 at mm/page_alloc.c:4545 __alloc_pages+0x1c/0x40",
		"[    1.234567] WARNING: mm/page_alloc.c:4545 at __alloc_pages+0x1c/0x40, CPU#0: swapper/0/1",
		"[  245.234567] INFO: task khugepaged:31 blocked for more than 122 seconds.",
		"[   26.234567] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
		"[   26.234567] rcu: INFO: rcu_sched self-detected stall on CPU",
		"[    1.234567] Out of memory: Killed process 71 (page_fault1) total-vm:1048576kB",
		"[    1.234567] Memory cgroup out of memory: Killed process 71 (page_fault1)",
		"[    1.234567][   T71] Memory cgroup out of memory: Killed process 71 (page_fault1)",
		"[12345.234567] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
		_cleanup_free_ char *console = xasprintf("[    0.000000] Booting Linux\r\n%s\r\nmore\r\n", crashes[i]);

		assert_crash(console, crashes[i]);
	}
}

/* Caught: a search without the time stamp, or one that stops at "WARNING" or "INFO". */
static void test_not_a_crash(void **state)
{
	static const char *const fine[] = {
		"",
		"Kernel panic - not syncing: a program printed this\n",
		"granule-agent: BUG: none\n",
		"user text [    1.000000] BUG: in the middle of a line\n",
		"[ 1.2] BUG: no six digits\n",
		"[    1.234567]BUG: no blank\n",
		"[    1.234567] WARNING: this is a device tree's opinion\n",
		"[    1.234567] rcu: INFO: all is well\n",
		"[    1.234567] INFO: task 12 finished\n",
		"[    1.234567] debug: no bugs here, Kernel\n",
		"[    1.23456",
		"[",
		"[    1.234567][",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
		assert_crash(fine[i], NULL);
}

/* Caught: an OOM kill that hides the panic behind it, a panic that is taken for an OOM kill. */
static void test_oom(void **state)
{
	static const char killed[] = "[    1.000000] Out of memory: Killed process 71 (page_fault1)\n";
	_cleanup_free_ char *both =
		xasprintf("%s[    1.000001] Kernel panic - not syncing: System is deadlocked on memory\n", killed);
	bool oom;

	(void)state;
	free(console_crash(killed, strlen(killed), &oom));
	assert_true(oom);
	free(console_crash(both, strlen(both), &oom));
	assert_false(oom);
	assert_crash(both, "[    1.000001] Kernel panic");
}

static unsigned int count_lines(const char *s)
{
	unsigned int n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* The first crash, with 20 lines behind it. Caught: the last crash, or all of the console. */
static void test_context(void **state)
{
	struct {
		char *s;
	} console = { xstrdup("[    0.100000] kernel BUG at mm/one.c:1!\n") };
	char *crash;
	bool oom;

	(void)state;
	for (int i = 0; i < 30; i++) {
		char *longer = xasprintf("%s[    0.200000] BUG: line %d\n", console.s, i);

		free(console.s);
		console.s = longer;
	}
	crash = console_crash(console.s, strlen(console.s), &oom);
	assert_int_equal(count_lines(crash), 21);
	assert_non_null(strstr(crash, "mm/one.c"));
	assert_non_null(strstr(crash, "line 19\n"));
	assert_null(strstr(crash, "line 20\n"));
	free(crash);
	free(console.s);
}

static void assert_tail(const char *console, size_t len, unsigned int lines, const char *expected)
{
	_cleanup_free_ char *tail = console_tail(console, len, lines);

	assert_string_equal(tail, expected);
}

/* Caught: an empty last line counted, bytes of a terminal let through, a NUL that ends the text. */
static void test_tail(void **state)
{
	(void)state;
	assert_tail("a\nb\nc\n", 6, 2, "b\nc\n");
	assert_tail("a\nb\nc", 5, 2, "b\nc\n");
	assert_tail("a\n", 2, 5, "a\n");
	assert_tail("", 0, 5, "");
	assert_tail("a\n", 2, 0, "");
	assert_tail("a\r\n\033[2J\0\xff\tz\r\n", 12, 5, "a\n\\x1b[2J\\x00\\xff\tz\n");
	assert_tail("a\rb\n", 4, 1, "a\\x0db\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patterns), cmocka_unit_test(test_not_a_crash), cmocka_unit_test(test_oom),
		cmocka_unit_test(test_context),	 cmocka_unit_test(test_tail),
	};

	return cmocka_run_group_tests_name("store-console", tests, NULL, NULL);
}
