// SPDX-License-Identifier: GPL-2.0-or-later
/* Children that do nothing, at the right time. */
#include "forked.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static __thread int fds[2];

char *touched_memory(void)
{
	const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, MEMSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	for (unsigned long i = 0; i < MEMSIZE; i += page)
		*(volatile char *)(p + i) = 1;
	return p;
}

/* A batch task does not preempt whoever is running (check_preempt_wakeup_fair()), and a child inherits that. Else a child
 * would begin, and fault, inside its parent's timed fork(). */
void forked_prepare(void)
{
	const struct sched_param none = { 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &none) < 0 || pipe(fds) < 0)
		abort();
}

pid_t forked_start(void)
{
	pid_t child = fork();
	char c = 0;

	if (child < 0)
		abort();
	if (child > 0)
		return child;
	if (write(fds[1], &c, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

void forked_wait_asleep(void)
{
	char c;

	if (read(fds[0], &c, 1) != 1)
		abort();
}

void forked_end(pid_t child)
{
	int status;

	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
		abort();
}
