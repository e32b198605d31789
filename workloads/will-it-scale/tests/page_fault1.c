// SPDX-License-Identifier: GPL-2.0-or-later
/* First write to anonymous memory: allocate, zero, map. One operation is one base page. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testcase.h"

#define MEMSIZE (128ul << 20)

const char *testcase_description = "Anonymous memory page fault";

unsigned long testcase_op_bytes(void)
{
	return (unsigned long)sysconf(_SC_PAGESIZE);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	const unsigned long page = testcase_op_bytes();

	(void)nr;
	while (testcase_more(iterations)) {
		char *p = mmap(NULL, MEMSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			abort();
		for (unsigned long i = 0; testcase_more(iterations) && i < MEMSIZE; i += page) {
			*(volatile char *)(p + i) = 1;
			(*iterations)++;
		}
		munmap(p, MEMSIZE);
	}
}
