// SPDX-License-Identifier: GPL-2.0-or-later
/* Map 128 MiB of anonymous memory and unmap it, nothing touched: the work on the mapping alone. One operation is both. */
#include <stdlib.h>
#include <sys/mman.h>

#include "testcase.h"

#define MEMSIZE (128ul << 20)

const char *testcase_description = "Anonymous mapping made and removed";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	while (testcase_more(iterations)) {
		void *p = mmap(NULL, MEMSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			abort();
		munmap(p, MEMSIZE);
		(*iterations)++;
	}
}
