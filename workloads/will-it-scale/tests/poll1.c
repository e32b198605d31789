// SPDX-License-Identifier: GPL-2.0-or-later
/* poll() of one pipe that can be written to: a control. */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"

const char *testcase_description = "Poll of one descriptor";

static int (*pipes)[2];

void testcase_prepare(unsigned long nr_tasks)
{
	pipes = calloc(nr_tasks, sizeof(*pipes));
	for (unsigned long i = 0; i < nr_tasks; i++) {
		if (!pipes || pipe(pipes[i]) < 0)
			abort();
	}
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	while (testcase_more(iterations)) {
		struct pollfd one = { .fd = pipes[nr][1], .events = POLLOUT };

		if (poll(&one, 1, 0) != 1)
			abort();
		(*iterations)++;
	}
}
