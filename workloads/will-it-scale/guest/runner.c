// SPDX-License-Identifier: GPL-2.0-or-later
/* The runner behind each test: X_processes, and with -DTHREADS X_threads.
 *
 *   X [--tasks N] --iterations N | --bytes N | --seconds S [--hold]
 *
 * --iterations and --bytes are for each task. The timed region runs from the first task's start to the last one's end;
 * all of them wait at a barrier before it, with their code, data, stack and counters mapped, and in it nothing happens
 * but the test: the main process sleeps, nothing is printed, counters are shared memory with a cache line pair each.
 * With --hold the tasks stop at the limit with all they have mapped, then the main process stops itself (SIGSTOP).
 *
 * The clock is CLOCK_MONOTONIC: the architectural counter, which under an instruction clock counts instructions; nothing
 * in a guest slews it, and it is the clock of the stream's own stamps. Prints "key value" lines. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "testcase.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

#ifdef THREADS
#define USAGE_WHO RUSAGE_THREAD
#else
#define USAGE_WHO RUSAGE_SELF
#endif

#define TASKS_MAX 1024
#define LINE_PAIR 128 /* two cache lines: neighbours are prefetched in pairs */

struct usage {
	long minflt, majflt, nvcsw, nivcsw;
};

struct task {
	alignas(LINE_PAIR) unsigned long long iterations; /* alone in its lines: written in the timed region */
	alignas(LINE_PAIR) uint64_t start_ns;
	uint64_t end_ns;
	struct usage start, used;
	unsigned long nr;
	pid_t pid;
	pthread_t thread;
};

struct shared {
	pthread_barrier_t barrier;
	sem_t held;
	struct task tasks[];
};

struct arguments {
	unsigned long tasks;
	unsigned long long iterations, bytes, seconds;
	bool hold;
};

unsigned long long testcase_limit = ULLONG_MAX;
static bool hold;
static struct shared *shared;

static void die(const char *what) __attribute__((noreturn));
static void die(const char *what)
{
	fprintf(stderr, "will-it-scale: %s\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static struct usage usage_now(int who)
{
	struct rusage ru;

	getrusage(who, &ru);
	return (struct usage){ ru.ru_minflt, ru.ru_majflt, ru.ru_nvcsw, ru.ru_nivcsw };
}

static struct usage usage_since(const struct usage *start, const struct usage *end)
{
	return (struct usage){ end->minflt - start->minflt, end->majflt - start->majflt, end->nvcsw - start->nvcsw,
			       end->nivcsw - start->nivcsw };
}

bool testcase_at_limit(void)
{
	if (!hold)
		return false;
	sem_post(&shared->held);
	for (;;)
		pause();
}

/* ---- before the barrier: nothing of the program's own is to fault in the timed region ---- */

static int populate(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), relro_end = 0;

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO)
			relro_end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
		uintptr_t begin = info->dlpi_addr + phdr->p_vaddr, end = begin + phdr->p_memsz;

		if (phdr->p_type != PT_LOAD)
			continue;
		begin &= ~(page - 1);
		end = (end + page - 1) & ~(page - 1);
		madvise((void *)begin, end - begin, MADV_POPULATE_READ);
		if (!(phdr->p_flags & PF_W))
			continue;
		if (relro_end > begin && relro_end < end)
			begin = relro_end & ~(page - 1);
		madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
	}
	return 0;
}

static __attribute__((noinline)) void touch_stack(void)
{
	volatile char stack[32u << 10];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
}

static void run_task(struct task *task)
{
	struct usage end;

	touch_stack();
	dl_iterate_phdr(populate, NULL);
	task->iterations = 0;
	task->end_ns = now_ns();
	task->start = usage_now(USAGE_WHO);

	pthread_barrier_wait(&shared->barrier);
	task->start = usage_now(USAGE_WHO);
	task->start_ns = now_ns();
	testcase(&task->iterations, task->nr);
	task->end_ns = now_ns();
	end = usage_now(USAGE_WHO);
	task->used = usage_since(&task->start, &end);
}

/* ---- tasks ---- */

#ifdef THREADS

static void *task_main(void *arg)
{
	run_task(arg);
	return NULL;
}

static void start_task(struct task *task)
{
	if (pthread_create(&task->thread, NULL, task_main, task) != 0)
		die("cannot create a thread");
}

static void check_tasks(void)
{
}

static void wait_tasks(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		pthread_join(shared->tasks[i].thread, NULL);
}

/* Threads cannot be stopped one by one: the process ends with them. */
static void stop_tasks(unsigned long n, struct usage *used)
{
	struct usage end = usage_now(RUSAGE_SELF), start = shared->tasks[n].start;

	*used = usage_since(&start, &end);
}

void new_task(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, arg) != 0)
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

static void start_task(struct task *task)
{
	pid_t pid = fork_child();

	if (pid == 0) {
		run_task(task);
		_exit(0);
	}
	task->pid = pid;
}

static unsigned long n_started, n_ended;

/* A child is gone: a task that did not end as it should ends the test; partners may go. */
static void child_ended(pid_t pid, int status)
{
	for (unsigned long i = 0; i < n_started; i++) {
		if (shared->tasks[i].pid != pid)
			continue;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			die("a task failed");
		n_ended++;
	}
}

static void check_tasks(void)
{
	if (waitpid(-1, NULL, WNOHANG) != 0)
		die("a task ended before it could be held");
}

static void wait_tasks(unsigned long n)
{
	int status;
	pid_t pid;

	n_started = n;
	while (n_ended < n) {
		pid = waitpid(-1, &status, 0);
		if (pid > 0)
			child_ended(pid, status);
		else if (errno != EINTR)
			die("lost its tasks");
	}
}

static void stop_tasks(unsigned long n, struct usage *used)
{
	for (unsigned long i = 0; i < n; i++)
		kill(shared->tasks[i].pid, SIGKILL);
	for (unsigned long i = 0; i < n; i++) {
		struct usage end, one;
		struct rusage ru;
		int status;

		if (wait4(shared->tasks[i].pid, &status, 0, &ru) < 0)
			die("lost its tasks");
		end = (struct usage){ ru.ru_minflt, ru.ru_majflt, ru.ru_nvcsw, ru.ru_nivcsw };
		one = usage_since(&shared->tasks[i].start, &end);
		used->minflt += one.minflt;
		used->majflt += one.majflt;
		used->nvcsw += one.nvcsw;
		used->nivcsw += one.nivcsw;
	}
}

void new_task(void *(*function)(void *), void *arg)
{
	if (fork_child() != 0)
		return;
	function(arg);
	_exit(0);
}

#endif

/* ---- the main process ---- */

static void parse(int argc, char **argv, struct arguments *args)
{
	*args = (struct arguments){ .tasks = 1 };
	for (int i = 1; i < argc; i++) {
		unsigned long long value;
		char *end;

		if (strcmp(argv[i], "--hold") == 0) {
			args->hold = true;
			continue;
		}
		if (i + 1 == argc)
			die("an option lacks its value (--tasks, --iterations, --bytes, --seconds, --hold)");
		errno = 0;
		value = strtoull(argv[i + 1], &end, 10);
		if (errno || *end || argv[i + 1][0] == '-' || end == argv[i + 1])
			die("a value is not a whole number");
		if (strcmp(argv[i], "--tasks") == 0)
			args->tasks = value;
		else if (strcmp(argv[i], "--iterations") == 0)
			args->iterations = value;
		else if (strcmp(argv[i], "--bytes") == 0)
			args->bytes = value;
		else if (strcmp(argv[i], "--seconds") == 0)
			args->seconds = value;
		else
			die("the options are --tasks, --iterations, --bytes, --seconds, --hold");
		i++;
	}
	if (!!args->iterations + !!args->bytes + !!args->seconds != 1)
		die("give one of --iterations, --bytes and --seconds");
	if (args->tasks < 1 || args->tasks > TASKS_MAX)
		die("--tasks is 1 to 1024");
	if (args->bytes && !testcase_op_bytes)
		die("this test has no use for --bytes");
	if (args->seconds && args->hold)
		die("--hold needs a fixed amount of work");
}

static void set_up(const struct arguments *args)
{
	size_t size = sizeof(*shared) + (args->tasks + 1) * sizeof(struct task);
	pthread_barrierattr_t attr;

	shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED)
		die("no memory for the counters");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&shared->barrier, &attr, (unsigned int)args->tasks);
	sem_init(&shared->held, 1, 0);
	for (unsigned long i = 0; i < args->tasks; i++)
		shared->tasks[i].nr = i;
	hold = args->hold;
	if (args->bytes)
		testcase_limit = args->bytes / testcase_op_bytes();
	else if (args->iterations)
		testcase_limit = args->iterations;
}

static void hold_tasks(unsigned long n)
{
	while (n) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += 1;
		if (sem_timedwait(&shared->held, &until) == 0)
			n--;
		else
			check_tasks();
	}
	raise(SIGSTOP);
	_exit(0);
}

static void report(unsigned long n, uint64_t end_ns, const struct usage *used)
{
	unsigned long op_bytes = testcase_op_bytes ? testcase_op_bytes() : 0;
	unsigned long long operations = 0;
	uint64_t begin_ns = UINT64_MAX;

	for (unsigned long i = 0; i < n; i++) {
		operations += shared->tasks[i].iterations;
		if (shared->tasks[i].start_ns < begin_ns)
			begin_ns = shared->tasks[i].start_ns;
	}
	printf("tasks %lu\n", n);
	printf("operations %llu\n", operations);
	printf("op_bytes %lu\n", op_bytes);
	printf("bytes %llu\n", operations * op_bytes);
	printf("elapsed_ns %" PRIu64 "\n", end_ns - begin_ns);
	printf("minflt %ld\nmajflt %ld\nnvcsw %ld\nnivcsw %ld\n", used->minflt, used->majflt, used->nvcsw,
	       used->nivcsw);
	for (unsigned long i = 0; i < n; i++)
		printf("task %lu %llu\n", i, shared->tasks[i].iterations);
	fflush(stdout);
}

static void measure_work(unsigned long n)
{
	struct usage used = { 0 };
	uint64_t end_ns = 0;

	wait_tasks(n);
	for (unsigned long i = 0; i < n; i++) {
		const struct task *task = &shared->tasks[i];

		used.minflt += task->used.minflt;
		used.majflt += task->used.majflt;
		used.nvcsw += task->used.nvcsw;
		used.nivcsw += task->used.nivcsw;
		if (task->end_ns > end_ns)
			end_ns = task->end_ns;
	}
	report(n, end_ns, &used);
}

/* A test that loops for ever: stop it at the end of the time and read its counters. */
static void measure_seconds(unsigned long n, unsigned long long seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };
	struct usage used = { 0 };
	uint64_t end_ns;

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	end_ns = now_ns();
	stop_tasks(n, &used);
	report(n, end_ns, &used);
}

int main(int argc, char **argv)
{
	struct arguments args;

	parse(argc, argv, &args);
	set_up(&args);
	if (testcase_prepare)
		testcase_prepare(args.tasks);
	shared->tasks[args.tasks].start = usage_now(RUSAGE_SELF);
	for (unsigned long i = 0; i < args.tasks; i++)
		start_task(&shared->tasks[i]);
	if (args.hold)
		hold_tasks(args.tasks);
	else if (args.seconds)
		measure_seconds(args.tasks, args.seconds);
	else
		measure_work(args.tasks);
	if (testcase_cleanup)
		testcase_cleanup();
	fflush(stdout);
	_exit(0);
}
