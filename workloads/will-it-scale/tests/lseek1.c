// SPDX-License-Identifier: GPL-2.0-or-later
/* Move a file's position: a control, a system call that looks up a descriptor. */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

const char *testcase_description = "File position moved";

static int *files;

void testcase_prepare(unsigned long nr_tasks)
{
	files = tmpfiles_make(nr_tasks, 0, false);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	while (testcase_more(iterations)) {
		if (lseek(files[nr], 0, SEEK_SET) != 0)
			abort();
		(*iterations)++;
	}
}
