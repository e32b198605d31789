/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fork1, cow1 and munmap1 share: a task's touched memory and a child that sleeps. */
#ifndef GRANULE_WILL_IT_SCALE_FORKED_H
#define GRANULE_WILL_IT_SCALE_FORKED_H

#include <sys/types.h>

#define MEMSIZE (128ul << 20)

/* MEMSIZE bytes of anonymous memory, written to once a base page. */
char *touched_memory(void);
/* Once a task, before the first child: from here on a child does not run until its parent sleeps or its slice is over. */
void forked_prepare(void);
/* A child that shares all memory, says that it runs and sleeps for ever. */
pid_t forked_start(void);
/* Until the newest child has said so: it has written to its stack, and will write to nothing else. */
void forked_wait_asleep(void);
void forked_end(pid_t child);

#endif
