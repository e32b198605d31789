// SPDX-License-Identifier: GPL-2.0-or-later
/* malloc(128 MiB) and free(): libc maps and unmaps, and writes a header into the first page. So an operation is one fault,
 * for a whole page of 64K or, where the profile says so, a folio of 2M. */
#include <stdlib.h>

#include "testcase.h"

#define SIZE (128ul << 20)

const char *testcase_description = "Large allocation by malloc and free";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	while (testcase_more(iterations)) {
		void *volatile p = malloc(SIZE); /* volatile: a compiler may leave out both calls */

		if (!p)
			abort();
		free(p);
		(*iterations)++;
	}
}
