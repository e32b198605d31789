// SPDX-License-Identifier: GPL-2.0-or-later
/* A mutex of the task's own locked and unlocked ten times: a control that never enters the kernel. If it moves, the guest
 * programs or what interrupts them differ. Ten, so that an operation weighs as much as a system call and a timer tick
 * as little in it. */
#include <pthread.h>

#include "testcase.h"

const char *testcase_description = "Mutex without contention";

void testcase(unsigned long long *iterations, unsigned long nr)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	(void)nr;
	while (testcase_more(iterations)) {
		for (int i = 0; i < 10; i++) {
			pthread_mutex_lock(&mutex);
			pthread_mutex_unlock(&mutex);
		}
		(*iterations)++;
	}
}
