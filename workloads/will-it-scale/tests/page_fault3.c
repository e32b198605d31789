// SPDX-License-Identifier: GPL-2.0-or-later
/* First write to a shared mapping of a file in /tmp: find the file's page, map it, mark it dirty; nothing is allocated. One
 * operation is one base page. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define MEMSIZE (128ul << 20)

const char *testcase_description = "Shared file mapping page fault";

static int *files;

unsigned long testcase_op_bytes(void)
{
	return (unsigned long)sysconf(_SC_PAGESIZE);
}

void testcase_prepare(unsigned long nr_tasks)
{
	files = tmpfiles_make(nr_tasks, MEMSIZE, true);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	const unsigned long page = testcase_op_bytes();

	while (testcase_more(iterations)) {
		char *p = mmap(NULL, MEMSIZE, PROT_READ | PROT_WRITE, MAP_SHARED, files[nr], 0);

		if (p == MAP_FAILED)
			abort();
		for (unsigned long i = 0; testcase_more(iterations) && i < MEMSIZE; i += page) {
			*(volatile char *)(p + i) = 1;
			(*iterations)++;
		}
		munmap(p, MEMSIZE);
	}
}
