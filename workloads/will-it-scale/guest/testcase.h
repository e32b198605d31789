/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test is and what it may call. The contract is upstream's (github.com/antonblanchard/will-it-scale): a test
 * defines testcase_description and testcase(), may define testcase_prepare() and testcase_cleanup(), may call
 * new_task(). An upstream test that includes nothing of this and loops for ever builds and runs too, by seconds.
 *
 * Ours end after a fixed number of operations, so that two kernels do equal work. For that they ask testcase_more()
 * before each operation, first in their loops' conditions:
 *
 *	while (testcase_more(iterations)) {
 *		p = mmap(...);
 *		for (i = 0; testcase_more(iterations) && i < MEMSIZE; i += page) { ...; (*iterations)++; }
 *		munmap(p, MEMSIZE);
 *	}
 *
 * It is first because in a run that is to be held it does not return at the limit: the task stays where it is for
 * ever, with all its memory mapped, and memory is read. Behind "i < MEMSIZE" it would stand after the munmap. */
#ifndef GRANULE_WILL_IT_SCALE_TESTCASE_H
#define GRANULE_WILL_IT_SCALE_TESTCASE_H

#include <stdbool.h>

/* ---- defined by a test ---- */
extern const char *testcase_description; /* upstream: char *; the symbol is the same */
/* Do operations and count them in *@iterations; @nr is the task's number, from 0. Returns at the limit. */
void testcase(unsigned long long *iterations, unsigned long nr);
/* Before the tasks are started, once, in the main process. May be left out. */
void testcase_prepare(unsigned long nr_tasks) __attribute__((weak));
void testcase_cleanup(void) __attribute__((weak));
/* Bytes that one operation touches: one base page where it faults, a fixed number where it reads or writes. Left out: no
 * matter of bytes. With it a test understands --bytes. */
unsigned long testcase_op_bytes(void) __attribute__((weak));

/* ---- defined by the runner ---- */
/* Run @function(@arg) beside the tasks, in a process or a thread of its own; it ends with the program. With --pin a
 * task's is where the task is, those of testcase_prepare() go where the tasks go, in turn. */
void new_task(void *(*function)(void *), void *arg);

/* What a task does between pause and resume is not measured: neither its time nor its faults. Never at once twice. */
void testcase_pause(void);
void testcase_resume(void);

extern unsigned long long testcase_limit; /* operations of each task; ULLONG_MAX: no limit */
/* At the limit: false; in a run that is to be held, announce this and never return. */
bool testcase_at_limit(void);

static inline bool testcase_more(const unsigned long long *iterations)
{
	return *iterations < testcase_limit || testcase_at_limit();
}

#endif
