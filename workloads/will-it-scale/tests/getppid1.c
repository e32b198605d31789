// SPDX-License-Identifier: GPL-2.0-or-later
/* The shortest system call: a control that no page size and no folio policy may move. */
#include <sys/syscall.h>
#include <unistd.h>

#include "testcase.h"

const char *testcase_description = "System call";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	while (testcase_more(iterations)) {
		syscall(SYS_getppid);
		(*iterations)++;
	}
}
