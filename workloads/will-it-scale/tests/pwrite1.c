// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of 16 MiB in /tmp written over, 64 KiB a call; its pages are there before. One operation is one pwrite(). */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define FILESIZE (16ul << 20)
#define CHUNK (64ul << 10)

const char *testcase_description = "Positional write of a file";

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
		for (unsigned long at = 0; testcase_more(iterations) && at < FILESIZE; at += CHUNK) {
			if (pwrite(files[nr], buffer, CHUNK, (off_t)at) != CHUNK)
				abort();
			(*iterations)++;
		}
	}
}
