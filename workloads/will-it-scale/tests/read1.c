// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of 16 MiB in /tmp read from the page cache, 4 KiB a call, over and over: what is around the copy dominates. One
 * operation is one read(). */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define FILESIZE (16ul << 20)
#define CHUNK (4ul << 10)

const char *testcase_description = "Sequential read of a file";

static int *files;

unsigned long testcase_op_bytes(void)
{
	return CHUNK;
}

void testcase_prepare(unsigned long nr_tasks)
{
	files = tmpfiles_make(nr_tasks, FILESIZE, true);
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	_Alignas(4096) char buffer[CHUNK]; /* mapped: the runner touches more of the stack */

	while (testcase_more(iterations)) {
		if (lseek(files[nr], 0, SEEK_SET) != 0)
			abort();
		for (unsigned long at = 0; testcase_more(iterations) && at < FILESIZE; at += CHUNK) {
			if (read(files[nr], buffer, CHUNK) != CHUNK)
				abort();
			(*iterations)++;
		}
	}
}
