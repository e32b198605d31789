// SPDX-License-Identifier: GPL-2.0-or-later
/* Tasks and partners as processes, or with -DTHREADS as threads of one; and the end of a program that cannot go on. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"
#include "testcase.h"

#define EXIT_UNSUPPORTED 77

void end_saying(int status, const char *what, const char *why)
{
	if (shared)
		shared->said = true;
	fprintf(stderr, "will-it-scale: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	_exit(status);
}

void die(const char *what)
{
	end_saying(1, what, NULL);
}

/* ---- what a kernel may lack; tests of upstream assert, or do not look ---- */

static bool is_lack(int error)
{
	return error == ENOSYS || error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == EOPNOTSUPP;
}

/* In place of libc's: assert() tells what is missing. */
void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function)
{
	int error = errno;
	char what[512];

	(void)function;
	snprintf(what, sizeof(what), "%s:%u: %s is false", file, line, assertion);
	end_saying(is_lack(error) ? EXIT_UNSUPPORTED : 1, what, error ? strerror(error) : NULL);
}

/* unix1 of upstream does not look whether it got its sockets, and would count reads and writes that fail. */
int __real_socketpair(int domain, int type, int protocol, int fds[2]);
int __wrap_socketpair(int domain, int type, int protocol, int fds[2]);
int __wrap_socketpair(int domain, int type, int protocol, int fds[2])
{
	if (__real_socketpair(domain, type, protocol, fds) == 0)
		return 0;
	end_saying(is_lack(errno) ? EXIT_UNSUPPORTED : 1, "socketpair()", strerror(errno));
}

#ifdef THREADS

static void *task_main(void *arg)
{
	run_task(arg);
	return NULL;
}

void start_task(struct task *task)
{
	if (pthread_create(&task->thread, NULL, task_main, task) != 0)
		die("cannot create a thread");
}

void check_tasks(void)
{
}

void wait_tasks(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		pthread_join(shared->tasks[i].thread, NULL);
}

void read_usage(struct task *tasks, unsigned long n, struct usage *used)
{
	(void)tasks;
	(void)n;
	*used = usage_now(RUSAGE_SELF);
}

/* Threads cannot be stopped one by one: the process ends with them. */
void stop_tasks(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++) {
		if (shared->tasks[i].over)
			die("a task ended before its time");
	}
}

static unsigned long n_partners;

struct partner {
	void *(*function)(void *);
	void *arg;
	unsigned long nr;
	bool inherit; /* a task's: where its task is */
};

static void *partner_main(void *arg)
{
	struct partner partner = *(struct partner *)arg;

	free(arg);
	if (!partner.inherit)
		pin_to(partner.nr);
	return partner.function(partner.arg);
}

void new_task(void *(*function)(void *), void *arg)
{
	struct partner *partner = malloc(sizeof(*partner));
	pthread_t thread;

	if (!partner)
		die("no memory for a partner");
	*partner = (struct partner){ function, arg, self ? 0 : n_partners++, self };
	if (pthread_create(&thread, NULL, partner_main, partner) != 0)
		die("cannot create a thread");
	pthread_detach(thread);
}

#else

static pid_t fork_child(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("cannot fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}
	return pid;
}

static unsigned long n_started, n_ended;

void start_task(struct task *task)
{
	pid_t pid = fork_child();

	if (pid == 0) {
		run_task(task);
		_exit(0);
	}
	task->pid = pid;
	n_started++;
}

static bool is_task(pid_t pid)
{
	for (unsigned long i = 0; i < n_started; i++) {
		if (shared->tasks[i].pid == pid)
			return true;
	}
	return false;
}

/* The sentence, if there is one, is the last line that is printed. */
static void end_with(int status, const char *what) __attribute__((noreturn));
static void end_with(int status, const char *what)
{
	if (WIFEXITED(status) && shared->said)
		_exit(WEXITSTATUS(status));
	die(what);
}

void check_tasks(void)
{
	int status = 0;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (is_task(pid))
			end_with(status, "a task ended before its time");
	}
}

/* A task that did not end as it should ends the test; partners may go. */
void wait_tasks(unsigned long n)
{
	int status;
	pid_t pid;

	while (n_ended < n) {
		pid = waitpid(-1, &status, 0);
		if (pid > 0 && is_task(pid) && status != 0)
			end_with(status, "a task failed");
		else if (pid > 0)
			n_ended += is_task(pid);
		else if (errno != EINTR)
			die("lost its tasks");
	}
}

/* Of a task that runs, from outside: proc(5). */
void read_usage(struct task *tasks, unsigned long n, struct usage *used)
{
	for (unsigned long i = 0; i < n; i++) {
		struct usage one = { 0 };
		char path[64], line[512];
		const char *after;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)tasks[i].pid);
		f = fopen(path, "re");
		/* pid (name) state ppid pgrp session tty tpgid flags minflt cminflt majflt */
		after = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		if (!after ||
		    sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %ld %*u %ld", &one.minflt, &one.majflt) != 2)
			die("cannot read /proc/PID/stat of a task");
		fclose(f);
		snprintf(path, sizeof(path), "/proc/%d/status", (int)tasks[i].pid);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			sscanf(line, "voluntary_ctxt_switches: %ld", &one.nvcsw);
			sscanf(line, "nonvoluntary_ctxt_switches: %ld", &one.nivcsw);
		}
		if (f)
			fclose(f);
		usage_add(used, &one);
	}
}

void stop_tasks(unsigned long n)
{
	check_tasks();
	for (unsigned long i = 0; i < n; i++)
		kill(shared->tasks[i].pid, SIGKILL);
}

static unsigned long n_partners;

void new_task(void *(*function)(void *), void *arg)
{
	unsigned long nr = self ? 0 : n_partners++;

	if (fork_child() != 0)
		return;
	if (!self)
		pin_to(nr);
	function(arg);
	_exit(0);
}

#endif
