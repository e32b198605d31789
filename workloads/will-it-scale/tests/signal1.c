// SPDX-License-Identifier: GPL-2.0-or-later
/* A task sends itself a signal and handles it: a control, with a frame written to the stack and read back. */
#include <signal.h>
#include <stdlib.h>

#include "testcase.h"

const char *testcase_description = "Signal raised and handled";

static void handler(int signo)
{
	(void)signo;
}

void testcase_prepare(unsigned long nr_tasks)
{
	const struct sigaction action = { .sa_handler = handler };

	(void)nr_tasks;
	if (sigaction(SIGUSR1, &action, NULL) < 0)
		abort();
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	(void)nr;
	while (testcase_more(iterations)) {
		raise(SIGUSR1);
		(*iterations)++;
	}
}
