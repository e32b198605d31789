/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the runner's two files share: runner.c is the work and the main process, tasks.c what processes and threads do
 * differently, and how the program ends. */
#ifndef GRANULE_WILL_IT_SCALE_RUNNER_H
#define GRANULE_WILL_IT_SCALE_RUNNER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef THREADS
#define USAGE_WHO RUSAGE_THREAD
#else
#define USAGE_WHO RUSAGE_SELF
#endif

#define LINE_PAIR 128 /* two cache lines: neighbours are prefetched in pairs */

struct usage {
	long minflt, majflt, nvcsw, nivcsw;
};

struct task {
	alignas(LINE_PAIR) unsigned long long iterations; /* alone in its lines: written in the timed region */
	alignas(LINE_PAIR) uint64_t start_ns;		  /* of the first operation */
	uint64_t begin_ns, end_ns;			  /* of the part that is timed now, or was last */
	uint64_t spent_ns;				  /* in finished parts */
	struct usage begin, used;
	unsigned long long lead_in; /* operations before the time that counts, by --seconds */
	bool parted, over;	    /* testcase_pause() was called; testcase() returned */
	unsigned long nr;
	pid_t pid;
	pthread_t thread;
};

struct shared {
	pthread_barrier_t barrier;
	sem_t held;
	bool said; /* the reason for the end is on standard error */
	struct task tasks[];
};

extern struct shared *shared;
extern __thread struct task *self; /* NULL in the main process and in partners of testcase_prepare() */

/* ---- runner.c ---- */
void usage_add(struct usage *sum, const struct usage *more);
struct usage usage_now(int who);
/* With --pin, to the @nr-th of the CPUs that this program may use, round and round. */
void pin_to(unsigned long nr);
void run_task(struct task *task);

/* ---- tasks.c ---- */
void end_saying(int status, const char *what, const char *why) __attribute__((noreturn));
void die(const char *what) __attribute__((noreturn));
void start_task(struct task *task);
/* Ends the program if a task has ended. */
void check_tasks(void);
void wait_tasks(unsigned long n);
/* Of tasks that run, added to @used. */
void read_usage(struct task *tasks, unsigned long n, struct usage *used);
/* Those that loop for ever. */
void stop_tasks(unsigned long n);

#endif
