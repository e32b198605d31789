// SPDX-License-Identifier: GPL-2.0-or-later
/* Space for a file in /tmp, 64 KiB a call; at 128 MiB it is cut to nothing. tmpfs takes pages and zeroes them. One operation
 * is one call, so 16 pages at 4K and one at 64K; upstream's 8 KiB would be two pages and an eighth of one. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"
#include "tmpfile.h"

#define FILESIZE (128ul << 20)
#define CHUNK (64ul << 10)

const char *testcase_description = "Space allocated in a file";

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
	while (testcase_more(iterations)) {
		for (unsigned long at = 0; testcase_more(iterations) && at < FILESIZE; at += CHUNK) {
			if (fallocate(files[nr], 0, (off_t)at, CHUNK) < 0)
				abort();
			(*iterations)++;
		}
		if (ftruncate(files[nr], 0) < 0)
			abort();
	}
}
