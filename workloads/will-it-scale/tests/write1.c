// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of 16 MiB in /tmp written over, 4 KiB a call, over and over; its pages are there before. One operation is one
 * write(). */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define FILESIZE (16ul << 20)
#define CHUNK (4ul << 10)

const char *testcase_description = "Sequential write of a file";

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
	_Alignas(4096) char buffer[CHUNK] = { 0 }; /* mapped: the runner touches more of the stack */

	while (testcase_more(iterations)) {
		if (lseek(files[nr], 0, SEEK_SET) != 0)
			abort();
		for (unsigned long at = 0; testcase_more(iterations) && at < FILESIZE; at += CHUNK) {
			if (write(files[nr], buffer, CHUNK) != CHUNK)
				abort();
			(*iterations)++;
		}
	}
}
