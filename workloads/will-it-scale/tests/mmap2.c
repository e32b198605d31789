// SPDX-License-Identifier: GPL-2.0-or-later
/* Map a file of 128 MiB in /tmp, privately, and unmap it, nothing touched: mmap1 with a file. One operation is both. */
#include <stdlib.h>
#include <sys/mman.h>

#include "testcase.h"
#include "tmpfile.h"

#define MEMSIZE (128ul << 20)

const char *testcase_description = "Private file mapping made and removed";

static int *files;

void testcase_prepare(unsigned long nr_tasks)
{
	files = tmpfiles_make(nr_tasks, MEMSIZE, false);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	while (testcase_more(iterations)) {
		void *p = mmap(NULL, MEMSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, files[nr], 0);

		if (p == MAP_FAILED)
			abort();
		munmap(p, MEMSIZE);
		(*iterations)++;
	}
}
