// SPDX-License-Identifier: GPL-2.0-or-later
/* First write after fork() to 128 MiB of touched anonymous memory that a sleeping child shares: a fault, a copy, a page. Only
 * the writes are timed; memory and child are new in each round, for what was copied is in single pages, whatever the
 * folios were before. One operation is one base page. Held with both copies there. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forked.h"
#include "testcase.h"

const char *testcase_description = "Copy on write after fork";

unsigned long testcase_op_bytes(void)
{
	return (unsigned long)sysconf(_SC_PAGESIZE);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	const unsigned long page = testcase_op_bytes();

	(void)nr;
	testcase_pause();
	forked_prepare();
	while (testcase_more(iterations)) {
		char *p = touched_memory();
		pid_t child = forked_start();

		forked_wait_asleep();
		testcase_resume();
		for (unsigned long i = 0; i < MEMSIZE; i += page) {
			*(volatile char *)(p + i) = 2;
			(*iterations)++;
		}
		testcase_pause();
		testcase_more(iterations);
		forked_end(child);
		munmap(p, MEMSIZE);
	}
	testcase_resume();
}
