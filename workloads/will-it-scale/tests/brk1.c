// SPDX-License-Identifier: GPL-2.0-or-later
/* The heap's end up by 64 KiB and down again, nothing touched: the work on the mapping alone. One operation is one brk().
 * The step is the same at every page size, where upstream's is a page. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "testcase.h"

#define STEP (64ul << 10)

const char *testcase_description = "Heap grown and shrunk by brk";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	const unsigned long end = (unsigned long)sbrk(0);

	(void)nr;
	while (testcase_more(iterations)) {
		if ((unsigned long)syscall(SYS_brk, end + STEP) != end + STEP ||
		    (unsigned long)syscall(SYS_brk, end) != end)
			abort();
		*iterations += 2;
	}
}
