// SPDX-License-Identifier: GPL-2.0-or-later
/* munmap() of 128 MiB of touched anonymous memory: page tables cleared, pages freed. Only the call is timed. One operation
 * is one base page, whatever folios they are in. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forked.h"
#include "testcase.h"

const char *testcase_description = "Unmapping of touched anonymous memory";

unsigned long testcase_op_bytes(void)
{
	return (unsigned long)sysconf(_SC_PAGESIZE);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	testcase_pause();
	while (testcase_more(iterations)) {
		char *p = touched_memory();

		testcase_resume();
		munmap(p, MEMSIZE);
		testcase_pause();
		*iterations += MEMSIZE / testcase_op_bytes();
	}
	testcase_resume();
}
