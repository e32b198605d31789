// SPDX-License-Identifier: GPL-2.0-or-later
/* FUTEX_WAKE of a word that nobody waits for: a control, hash and bucket lock without a sleeper. */
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testcase.h"

const char *testcase_description = "Futex woken without a waiter";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	unsigned int word = 0;

	(void)nr;
	while (testcase_more(iterations)) {
		if (syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) != 0)
			abort();
		(*iterations)++;
	}
}
