// SPDX-License-Identifier: GPL-2.0-or-later
/* fork() of a task with 128 MiB of touched anonymous memory: the copy of its page tables. Only the call is timed; the memory
 * is fresh in each round, since a second fork finds its entries write-protected. One operation is one base page, whatever
 * folios they are in. Held with the child alive. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forked.h"
#include "testcase.h"

const char *testcase_description = "Fork with anonymous memory";

unsigned long testcase_op_bytes(void)
{
	return (unsigned long)sysconf(_SC_PAGESIZE);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	testcase_pause();
	forked_prepare();
	while (testcase_more(iterations)) {
		char *p = touched_memory();
		pid_t child;

		testcase_resume();
		child = forked_start();
		testcase_pause();
		*iterations += MEMSIZE / testcase_op_bytes();
		testcase_more(iterations);
		forked_end(child);
		munmap(p, MEMSIZE);
	}
	testcase_resume();
}
