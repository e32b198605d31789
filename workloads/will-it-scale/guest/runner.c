// SPDX-License-Identifier: GPL-2.0-or-later
/* The runner behind each test: X_processes, and with -DTHREADS X_threads.
 *
 *   X [--tasks N] --iterations N | --bytes N | --seconds S [--pin] [--hold]
 *
 * --iterations and --bytes are for each task. The timed region runs from the first task's start to the last one's end;
 * all of them wait at a barrier before it, with their code, data, stack and counters mapped, and in it nothing happens
 * but the test: the main process sleeps, nothing is printed, counters are shared memory with a cache line pair each.
 * A test may take parts of its rounds out of the region (testcase_pause()); the time is then the longest task's rest.
 * With --hold the tasks stop at the limit with all they have mapped, then the main process stops itself (SIGSTOP).
 *
 * By --seconds the counters are read twice, after a lead-in of one second and S seconds later: a test of upstream fills
 * its file in its first round, and that is not what it measures.
 *
 * Exit codes: 0; 1 with a sentence, on standard error; 77 with a sentence: this kernel lacks what the test needs.
 *
 * The clock is CLOCK_MONOTONIC: the architectural counter, which under an instruction clock counts instructions; nothing
 * in a guest slews it, and it is the clock of the stream's own stamps. Prints "key value" lines. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"
#include "testcase.h"
#include "wire/marker.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define TASKS_MAX 1024
#define LEAD_IN_S 1
#define PMD_SIZE_MAX (512ul << 20) /* what one table of entries maps at 64K; 2M at 4K, 32M at 16K */

struct arguments {
	unsigned long tasks;
	unsigned long long iterations, bytes, seconds;
	bool hold, pin;
};

unsigned long long testcase_limit = ULLONG_MAX;
static bool hold, pin, by_seconds;
struct shared *shared;
__thread struct task *self;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

struct usage usage_now(int who)
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

void usage_add(struct usage *sum, const struct usage *more)
{
	sum->minflt += more->minflt;
	sum->majflt += more->majflt;
	sum->nvcsw += more->nvcsw;
	sum->nivcsw += more->nivcsw;
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
	volatile char stack[160u << 10]; /* more than any test of ours has */

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
}

static void begin_part(struct task *task)
{
	task->begin = usage_now(USAGE_WHO);
	task->begin_ns = now_ns();
	MARKER(MARKER_WORK_BEGIN);
}

static void end_part(struct task *task)
{
	struct usage end, part;

	MARKER(MARKER_WORK_END);
	task->end_ns = now_ns();
	task->spent_ns += task->end_ns - task->begin_ns;
	end = usage_now(USAGE_WHO);
	part = usage_since(&task->begin, &end);
	usage_add(&task->used, &part);
}

void testcase_pause(void)
{
	if (by_seconds)
		die("this test times parts of its rounds; give it --bytes or --iterations");
	end_part(self);
	self->parted = true;
}

/* Until the kernel has just had its timer tick (this clock moves with it): a part shorter than a tick has none in it, and
 * longer ones as many every time. One tick is 2% of a fork of 2048 entries. */
static void wait_for_tick(void)
{
	struct timespec first, now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &first);
	do
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	while (now.tv_sec == first.tv_sec && now.tv_nsec == first.tv_nsec);
}

void testcase_resume(void)
{
	wait_for_tick();
	begin_part(self);
}

void pin_to(unsigned long nr)
{
	cpu_set_t mine, one;
	unsigned long skip;

	if (!pin)
		return;
	CPU_ZERO(&one);
	if (sched_getaffinity(getpid(), sizeof(mine), &mine) < 0)
		die("cannot read which CPUs there are");
	skip = nr % (unsigned long)CPU_COUNT(&mine);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &mine) && skip-- == 0) {
			CPU_SET(cpu, &one);
			break;
		}
	}
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		die("cannot pin a task to its CPU");
}

/* What is mapped next ends where no page table of another mapping begins. Else part of it lies behind a neighbour's, as the
 * seed has it, and an unmap at 64K walks 2048 empty entries, some of them or none: 28,800 instructions for mmap1, 23,400 or
 * 10,500. */
static void keep_neighbours_away(void)
{
	const size_t probe = 128u << 20;
	char *p = mmap(NULL, probe, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t past;

	if (p == MAP_FAILED)
		die("no room for a mapping");
	munmap(p, probe);
	past = (uintptr_t)(p + probe) % PMD_SIZE_MAX;
	if (past && mmap(p + probe - past, past, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
		die("no room for a mapping");
}

void run_task(struct task *task)
{
	pin_to(task->nr);
	keep_neighbours_away();
	self = task;
	touch_stack();
	dl_iterate_phdr(populate, NULL);
	task->iterations = 0;
	task->end_ns = now_ns();
	task->begin = usage_now(USAGE_WHO);
	wait_for_tick();

	pthread_barrier_wait(&shared->barrier);
	begin_part(task);
	task->start_ns = task->begin_ns;
	testcase(&task->iterations, task->nr);
	end_part(task);
	task->over = true;
}

/* ---- the main process ---- */

static void parse(int argc, char **argv, struct arguments *args)
{
	*args = (struct arguments){ .tasks = 1 };
	for (int i = 1; i < argc; i++) {
		unsigned long long value;
		char *end;

		if (strcmp(argv[i], "--hold") == 0 || strcmp(argv[i], "--pin") == 0) {
			*(argv[i][2] == 'h' ? &args->hold : &args->pin) = true;
			continue;
		}
		if (i + 1 == argc)
			die("an option lacks its value (--tasks, --iterations, --bytes, --seconds)");
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
			die("the options are --tasks, --iterations, --bytes, --seconds, --pin, --hold");
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
	size_t size = sizeof(*shared) + args->tasks * sizeof(struct task);
	pthread_barrierattr_t attr;

	if (symlink("tmp", "/tmpfs") < 0 && errno != EEXIST && errno != EACCES)
		die("cannot make /tmpfs, where fallocate1 of upstream writes");
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
	pin = args->pin;
	by_seconds = args->seconds;
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

static void report(unsigned long n, uint64_t elapsed_ns, const struct usage *used)
{
	unsigned long op_bytes = testcase_op_bytes ? testcase_op_bytes() : 0;
	unsigned long long operations = 0;

	for (unsigned long i = 0; i < n; i++)
		operations += shared->tasks[i].iterations - shared->tasks[i].lead_in;
	printf("tasks %lu\n", n);
	printf("operations %llu\n", operations);
	printf("op_bytes %lu\n", op_bytes);
	printf("bytes %llu\n", operations * op_bytes);
	printf("elapsed_ns %" PRIu64 "\n", elapsed_ns);
	printf("minflt %ld\nmajflt %ld\nnvcsw %ld\nnivcsw %ld\n", used->minflt, used->majflt, used->nvcsw,
	       used->nivcsw);
	for (unsigned long i = 0; i < n; i++)
		printf("task %lu %llu\n", i, shared->tasks[i].iterations - shared->tasks[i].lead_in);
	fflush(stdout);
}

static void measure_work(unsigned long n)
{
	uint64_t begin_ns = UINT64_MAX, end_ns = 0, longest_ns = 0;
	struct usage used = { 0 };
	bool parted = false;

	wait_tasks(n);
	for (unsigned long i = 0; i < n; i++) {
		const struct task *task = &shared->tasks[i];

		usage_add(&used, &task->used);
		parted |= task->parted;
		if (task->start_ns < begin_ns)
			begin_ns = task->start_ns;
		if (task->end_ns > end_ns)
			end_ns = task->end_ns;
		if (task->spent_ns > longest_ns)
			longest_ns = task->spent_ns;
	}
	report(n, parted ? longest_ns : end_ns - begin_ns, &used);
}

static void sleep_s(unsigned long long seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* A test that loops for ever: its counters now and @seconds later, then its end. */
static void measure_seconds(unsigned long n, unsigned long long seconds)
{
	struct usage before = { 0 }, after = { 0 }, used;
	unsigned long long count[TASKS_MAX];
	uint64_t begin_ns, end_ns;

	sleep_s(LEAD_IN_S);
	read_usage(shared->tasks, n, &before);
	begin_ns = now_ns();
	for (unsigned long i = 0; i < n; i++)
		shared->tasks[i].lead_in = shared->tasks[i].iterations;
	sleep_s(seconds);
	end_ns = now_ns();
	for (unsigned long i = 0; i < n; i++)
		count[i] = shared->tasks[i].iterations;
	read_usage(shared->tasks, n, &after);
	stop_tasks(n);
	for (unsigned long i = 0; i < n; i++)
		shared->tasks[i].iterations = count[i];
	used = usage_since(&before, &after);
	report(n, end_ns - begin_ns, &used);
}

int main(int argc, char **argv)
{
	struct arguments args;

	parse(argc, argv, &args);
	set_up(&args);
	if (testcase_prepare)
		testcase_prepare(args.tasks);
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
