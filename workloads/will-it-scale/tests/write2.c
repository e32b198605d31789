// SPDX-License-Identifier: GPL-2.0-or-later
/* A file in /tmp written from nothing, 64 KiB a call; at 128 MiB it is cut to nothing. Unlike write1 and pwrite1 each call
 * puts pages into the page cache. One operation is one write(). */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define FILESIZE (128ul << 20)
#define CHUNK (64ul << 10)

const char *testcase_description = "Growing write of a file";

static int *files;

unsigned long testcase_op_bytes(void)
{
	return CHUNK;
}

void testcase_prepare(unsigned long nr_tasks)
{
	files = tmpfiles_make(nr_tasks, 0, false);
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
		if (ftruncate(files[nr], 0) < 0)
			abort();
	}
}
