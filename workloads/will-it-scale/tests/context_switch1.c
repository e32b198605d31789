// SPDX-License-Identifier: GPL-2.0-or-later
/* A byte to and fro between a task and its partner over two pipes: a control that no page size and no folio policy
 * may move much. One operation is one message, so a round trip is two; each makes one switch where the two
 * share a CPU. Partners are started before the clock is. */
#include <stdlib.h>
#include <unistd.h>

#include "testcase.h"

const char *testcase_description = "Context switch over pipes";

static struct pair {
	int to[2], fro[2];
} * pairs;

static void *partner(void *arg)
{
	const struct pair *pair = arg;
	char c;

	while (read(pair->to[0], &c, 1) == 1 && write(pair->fro[1], &c, 1) == 1)
		;
	return NULL;
}

void testcase_prepare(unsigned long nr_tasks)
{
	pairs = calloc(nr_tasks, sizeof(*pairs));
	for (unsigned long i = 0; i < nr_tasks; i++) {
		if (!pairs || pipe(pairs[i].to) < 0 || pipe(pairs[i].fro) < 0)
			abort();
		new_task(partner, &pairs[i]);
	}
}

void testcase(unsigned long long *iterations, unsigned long nr)
{
	const struct pair *pair = &pairs[nr];
	char c = 0;

	while (testcase_more(iterations)) {
		if (write(pair->to[1], &c, 1) != 1 || read(pair->fro[0], &c, 1) != 1)
			abort();
		*iterations += 2;
	}
}
