// SPDX-License-Identifier: GPL-2.0-or-later
/* `make bench`: what granule costs beside raw QEMU with the same kernel, initramfs and arguments. Both sides run in
 * turn in one process, so a slow or loaded machine slows both; what counts are the ratios of medians. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/life.h"
#include "guest/programs.h"
#include "image/busybox.h"
#include "run/repeat.h"
#include "stat/stat.h"
#include "store/store.h"
#include "tests/synthetic.h"

#define ROUNDS 15
#define CELLS 20
#define SHELL_ROUNDS 5
#define PROMPT "(granule) "
#define JOIN_ROUNDS 3
#define PREPARED_ROUNDS 3

static void die(const struct err *err)
{
	fprintf(stderr, "bench: %s\n", err->msg);
	exit(3);
}

static double elapsed_s(uint64_t since)
{
	return (double)(now_ns() - since) / (double)NSEC_PER_SEC;
}

static void report(const char *what, double value, const char *unit, double limit)
{
	printf("%-52s %8.2f %-4s (limit %g) %s\n", what, value, unit, limit, value <= limit ? "ok" : "OVER");
	fflush(stdout);
}

struct subject {
	struct run *run; /* a finished run of one cell */
	const struct cell_record *cell;
	char *initramfs, *dir, *qemu;
};

static void make_initramfs(struct subject *s)
{
	_cleanup_free_ struct initramfs_entry *entries = xcalloc(s->cell->n_programs + 1, sizeof(*entries));
	size_t n = life_entries(s->cell, s->cell->job, entries);
	struct err err = ERR_INIT;

	if (initramfs_write(s->initramfs, entries, n, &err) < 0)
		die(&err);
}

static pid_t start_raw(const struct subject *s, const char *stream)
{
	_cleanup_free_ char *chardev = xasprintf("file,id=s,path=%s", stream);
	_cleanup_free_ char *memory = xasprintf("%llu", (unsigned long long)(s->cell->memory_bytes >> 20));
	char *argv[] = { s->qemu,
			 (char *)"-M",
			 (char *)"virt,gic-version=3",
			 (char *)"-cpu",
			 s->cell->cpu_model,
			 (char *)"-smp",
			 (char *)"1",
			 (char *)"-m",
			 memory,
			 (char *)"-icount",
			 (char *)"shift=1,sleep=off",
			 (char *)"-seed",
			 (char *)"1",
			 (char *)"-rtc",
			 (char *)"base=2020-01-01,clock=vm",
			 (char *)"-nodefaults",
			 (char *)"-display",
			 (char *)"none",
			 (char *)"-serial",
			 (char *)"null",
			 (char *)"-global",
			 (char *)"virtio-serial-pci.ioeventfd=off",
			 (char *)"-device",
			 (char *)"virtio-serial-pci",
			 (char *)"-chardev",
			 chardev,
			 (char *)"-device",
			 (char *)"virtserialport,chardev=s,name=org.granule.stream",
			 (char *)"-kernel",
			 s->cell->kernel_path,
			 (char *)"-initrd",
			 s->initramfs,
			 (char *)"-append",
			 s->cell->command_line,
			 (char *)"-no-reboot",
			 NULL };
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn(argv, -1, &err);

	if (pid < 0)
		die(&err);
	return pid;
}

static pid_t start_granule(const struct subject *s, const char *run_dir)
{
	_cleanup_free_ char *program = granule_program_path("granule-boot");
	char *argv[] = { program, (char *)run_dir, s->cell->id, (char *)"1", NULL };
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn(argv, -1, &err);

	if (pid < 0)
		die(&err);
	return pid;
}

/* Seconds from @began until @stream holds something, then until @pid is gone. */
static void follow(pid_t pid, const char *stream, uint64_t began, double *ret_hello, double *ret_end)
{
	struct timespec tick = { .tv_nsec = 500000 };
	struct stat st;
	int status;

	*ret_hello = -1;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (*ret_hello < 0 && stat(stream, &st) == 0 && st.st_size > 0)
			*ret_hello = elapsed_s(began);
		nanosleep(&tick, NULL);
	}
	*ret_end = elapsed_s(began);
	if (*ret_hello < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "bench: a guest failed (%s)\n", stream);
		exit(3);
	}
}

static void bench_one_guest(const struct subject *s)
{
	double raw_hello[ROUNDS], raw_end[ROUNDS], own_hello[ROUNDS], own_end[ROUNDS];
	_cleanup_free_ char *raw_stream = path_join(s->dir, "raw");

	for (unsigned int i = 0; i < ROUNDS; i++) {
		_cleanup_free_ char *stream = NULL, *dir = NULL;
		_cleanup_(run_free_p) struct run *scratch = NULL;
		struct err err = ERR_INIT;
		uint64_t began;

		unlink(raw_stream);
		began = now_ns();
		follow(start_raw(s, raw_stream), raw_stream, began, &raw_hello[i], &raw_end[i]);
		if (repeat_scratch(s->run, s->cell, 1, &dir, &scratch, &err) < 0)
			die(&err);
		stream = xasprintf("%s/cells/%s/1/1/stream", dir, s->cell->id);
		began = now_ns();
		follow(start_granule(s, dir), stream, began, &own_hello[i], &own_end[i]);
		remove_tree(dir, NULL);
	}
	printf("raw qemu: hello %.2f s, end %.2f s; granule-boot: hello %.2f s, end %.2f s (medians of %d)\n",
	       stat_median(raw_hello, ROUNDS), stat_median(raw_end, ROUNDS), stat_median(own_hello, ROUNDS),
	       stat_median(own_end, ROUNDS), ROUNDS);
	report("process start to hello, of raw qemu", stat_median(own_hello, ROUNDS) / stat_median(raw_hello, ROUNDS),
	       "x", 1.1);
	report("a cell's wall time outside the guest", stat_median(own_end, ROUNDS) - stat_median(raw_end, ROUNDS), "s",
	       0.5);
}

static uint64_t peak_resident_bytes(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", (int)pid), *text = NULL;
	unsigned long long kib = 0;
	char *p;

	if (file_read(path, 65536, &text, NULL, NULL) == 0 && (p = strstr(text, "VmHWM:")))
		sscanf(p, "VmHWM: %llu kB", &kib);
	return kib << 10;
}

/* Two loops of raw QEMU side by side against `granule run -j 2` on as many boots of the same cell. */
static void bench_many(const struct subject *s)
{
	_cleanup_free_ char *granule = granule_program_path("granule");
	_cleanup_(run_free_p) struct run *scratch = NULL;
	struct timespec tick = { .tv_nsec = 2000000 };
	_cleanup_free_ char *dir = NULL;
	struct err err = ERR_INIT;
	struct cell_record many;
	uint64_t began, resident = 0;
	double raw, own;
	pid_t pid;
	int status;

	began = now_ns();
	for (unsigned int loop = 0; loop < 2; loop++) {
		if (fork() == 0) {
			_cleanup_free_ char *stream = xasprintf("%s/raw%u", s->dir, loop);

			for (unsigned int i = 0; i < CELLS / 2; i++) {
				unlink(stream);
				waitpid(start_raw(s, stream), NULL, 0);
			}
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		;
	raw = elapsed_s(began);

	many = *s->cell;
	many.boots = CELLS;
	if (repeat_scratch(s->run, &many, 1, &dir, &scratch, &err) < 0)
		die(&err);
	char *argv[] = { granule,	    (char *)"run",	(char *)"-j", (char *)"2", (char *)"-q",
			 (char *)"--fresh", (char *)"--resume", dir,	      NULL };

	began = now_ns();
	pid = proc_spawn(argv, open("/dev/null", O_WRONLY | O_CLOEXEC), &err);
	if (pid < 0)
		die(&err);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		uint64_t now = peak_resident_bytes(pid);

		resident = now > resident ? now : resident;
		nanosleep(&tick, NULL);
	}
	own = elapsed_s(began);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "bench: granule run failed in %s\n", dir);
		exit(3);
	}
	remove_tree(dir, NULL);
	printf("%d boots: two loops of raw qemu %.1f s, granule run -j 2 %.1f s\n", CELLS, raw, own);
	report("20 boots at -j 2, of two loops of raw qemu", own / raw, "x", 1.3);
	report("scheduler's peak resident", (double)resident / (1 << 20), "MiB", 32);
}

/* Seconds that `granule run` of @matrix takes at -j 2; @option may be NULL. */
static double run_matrix(const struct subject *s, const char *matrix, const char *name, const char *option)
{
	_cleanup_free_ char *granule = granule_program_path("granule"), *dir = path_join(s->dir, name), *out = NULL;
	char *argv[] = { granule,      (char *)"run", (char *)"-j",   (char *)"2",    (char *)"-q",
			 (char *)"-o", dir,	      (char *)matrix, (char *)option, NULL };
	struct err err = ERR_INIT;
	uint64_t began = now_ns();

	if (proc_capture(argv, began + 3600 * NSEC_PER_SEC, 1 << 20, &out, &err) != 0) {
		fprintf(stderr, "bench: granule run %s failed: %s%s\n", matrix, out ? out : "", err.msg);
		exit(3);
	}
	return elapsed_s(began);
}

/* What a person waits for: all of @matrix, and the same again when nothing has changed. */
static void bench_matrix(const struct subject *s, const char *matrix)
{
	double again[3];

	report("smoke matrix at -j 2", run_matrix(s, matrix, "fresh", "--fresh"), "s", 120);
	again[0] = run_matrix(s, matrix, "again", NULL);
	again[1] = run_matrix(s, matrix, "again2", NULL);
	again[2] = run_matrix(s, matrix, "again3", NULL);
	report("second run of it", stat_median(again, ARRAY_SIZE(again)), "s", 3);
}

/* granule-boot --shell with nobody at the terminal: the write end of its input in @ret_input. */
static pid_t start_shell(const struct subject *s, const char *busybox, const char *run_dir, int *ret_input)
{
	_cleanup_free_ char *program = granule_program_path("granule-boot");
	_cleanup_free_ char *option = xasprintf("--busybox=%s", busybox);
	int fds[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		exit(3);
	pid = fork();
	if (pid == 0) {
		dup2(fds[0], STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execl(program, program, "--shell", option, run_dir, s->cell->id, "1", (char *)NULL);
		_exit(127);
	}
	close(fds[0]);
	close(null);
	*ret_input = fds[1];
	return pid;
}

/* Seconds from the hello to the prompt; ends the guest. */
static double prompt_after_hello(const struct subject *s, const char *busybox, const char *dir)
{
	_cleanup_free_ char *stream = xasprintf("%s/cells/%s/1/1/stream", dir, s->cell->id);
	_cleanup_free_ char *console = xasprintf("%s/cells/%s/1/1/console.log", dir, s->cell->id);
	struct timespec tick = { .tv_nsec = 2000000 };
	uint64_t hello = 0;
	double prompt = -1;
	int input, status;
	pid_t pid = start_shell(s, busybox, dir, &input);

	while (prompt < 0 && waitpid(pid, &status, WNOHANG) == 0) {
		_cleanup_free_ char *text = NULL;
		struct stat st;

		if (!hello && stat(stream, &st) == 0 && st.st_size > 0)
			hello = now_ns();
		if (hello && file_read(console, 16 << 20, &text, NULL, NULL) == 0 && strstr(text, PROMPT))
			prompt = elapsed_s(hello);
		nanosleep(&tick, NULL);
	}
	close(input); /* as Ctrl-] does */
	if (prompt >= 0)
		waitpid(pid, &status, 0);
	return prompt;
}

static void bench_shell(const struct subject *s)
{
	_cleanup_free_ char *busybox = NULL;
	double seconds[SHELL_ROUNDS];
	struct err err = ERR_INIT;

	if (busybox_ensure(NULL, NULL, &busybox, &err) < 0) {
		printf("repro --shell, hello to prompt: not measured: %s\n", err.msg);
		return;
	}
	for (size_t i = 0; i < SHELL_ROUNDS; i++) {
		_cleanup_(run_free_p) struct run *scratch = NULL;
		_cleanup_free_ char *dir = NULL;

		if (repeat_scratch(s->run, s->cell, 1, &dir, &scratch, &err) < 0)
			die(&err);
		seconds[i] = prompt_after_hello(s, busybox, dir);
		if (seconds[i] < 0) {
			fprintf(stderr, "bench: the shell's guest failed in %s\n", dir);
			exit(3);
		}
		remove_tree(dir, NULL);
	}
	report("repro --shell, hello to prompt", stat_median(seconds, SHELL_ROUNDS), "s", 2);
}

/* One more process at the run in @dir; @jobs guests at a time. */
static pid_t start_worker(const char *dir, const char *how, const char *jobs)
{
	_cleanup_free_ char *granule = granule_program_path("granule");
	char *argv[] = { granule,      (char *)"run", (char *)"--fresh", (char *)"-j", (char *)jobs,
			 (char *)"-q", (char *)how,   (char *)dir,	 NULL };
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn(argv, null, &err);

	if (pid < 0)
		die(&err);
	return pid;
}

static double time_workers(const struct subject *s, unsigned int n, const char *how, const char *jobs)
{
	_cleanup_(run_free_p) struct run *scratch = NULL;
	struct cell_record many = *s->cell;
	_cleanup_free_ char *dir = NULL;
	struct err err = ERR_INIT;
	uint64_t began;
	int status;

	many.boots = CELLS;
	if (repeat_scratch(s->run, &many, 1, &dir, &scratch, &err) < 0)
		die(&err);
	began = now_ns();
	for (unsigned int i = 0; i < n; i++)
		start_worker(dir, how, jobs);
	for (unsigned int i = 0; i < n; i++) {
		if (wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		fprintf(stderr, "bench: granule run %s failed in %s\n", how, dir);
		exit(3);
	}
	remove_tree(dir, NULL);
	return elapsed_s(began);
}

/* Four processes at one run against one process with as many guests, in turn. */
static void bench_join(const struct subject *s)
{
	double alone[JOIN_ROUNDS], joined[JOIN_ROUNDS];

	for (size_t i = 0; i < JOIN_ROUNDS; i++) {
		alone[i] = time_workers(s, 1, "--resume", "4");
		joined[i] = time_workers(s, 4, "--join", "1");
	}
	printf("%d boots: granule run -j 4 %.1f s, four granule run --join -j 1 %.1f s\n", CELLS,
	       stat_median(alone, JOIN_ROUNDS), stat_median(joined, JOIN_ROUNDS));
	report("4 workers on one run, of one scheduler at -j 4",
	       stat_median(joined, JOIN_ROUNDS) / stat_median(alone, JOIN_ROUNDS), "x", 1.1);
}

static void bench_list(const struct subject *s)
{
	_cleanup_free_ char *granule = granule_program_path("granule"), *path = path_join(s->dir, "large.yaml");
	char *argv[] = { granule, (char *)"list", path, NULL };
	struct text yaml = { 0 };
	double seconds[5];

	text_add(&yaml, "matrix: large\nkernels:\n");
	for (unsigned int i = 0; i < 100; i++)
		text_add(&yaml, "  k%u: { image: %s }\n", i, s->cell->kernel_path);
	text_add(&yaml, "folios:\n");
	for (unsigned int i = 0; i < 100; i++)
		text_add(&yaml, "  f%u: { thp: never }\n", i);
	text_add(&yaml, "workloads:\n");
	for (unsigned int i = 0; i < 10; i++)
		text_add(&yaml, "  w%u: { null: { } }\n", i);
	if (file_write_atomic(path, yaml.s, yaml.len, NULL) < 0)
		return;
	text_free(&yaml);
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		_cleanup_free_ char *out = NULL;
		struct err err = ERR_INIT;
		uint64_t began = now_ns();

		if (proc_capture(argv, began + 60 * NSEC_PER_SEC, 1 << 20, &out, &err) != 0) {
			fprintf(stderr, "bench: granule list failed: %s%s\n", out ? out : "", err.msg);
			exit(3);
		}
		seconds[i] = elapsed_s(began);
	}
	report("list of 100,000 cells", stat_median(seconds, ARRAY_SIZE(seconds)), "s", 1);
}

/* Two runs of 1,000 cells x 300 metrics x 10 samples (5 of each of two boots), every number with noise of its own: nothing of it
 * compresses by being the same. */
static void bench_report(const struct subject *s)
{
	struct synthetic base = { .cells = 1000, .boots = 2, .samples = 5, .counters = 140, .seed = 1 };
	_cleanup_free_ char *granule = granule_program_path("granule"), *page = path_join(s->dir, "report.html");
	_cleanup_free_ char *a = path_join(s->dir, "synthetic-a"), *b = path_join(s->dir, "synthetic-b");
	char *argv[] = { granule, (char *)"report", a, b, (char *)"-o", page, NULL };
	double seconds[5];
	struct stat st;

	synthetic_run(a, &base);
	base.seed = 2;
	base.shift = 1.1;
	synthetic_run(b, &base);
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		_cleanup_free_ char *out = NULL;
		struct err err = ERR_INIT;
		uint64_t began = now_ns();

		if (proc_capture(argv, began + 300 * NSEC_PER_SEC, 1 << 20, &out, &err) != 0) {
			printf("report: not measured: %s%s\n", out ? out : "", err.msg);
			return;
		}
		seconds[i] = elapsed_s(began);
	}
	report("report of 1,000 cells x 300 metrics x 10 samples", stat_median(seconds, ARRAY_SIZE(seconds)), "s", 3);
	if (stat(page, &st) == 0)
		report("its page", (double)st.st_size / (1 << 20), "MiB", 5);
}

/* The wall time of one boot of @matrix, whose trials end with @more. */
static double time_boot(const struct subject *s, const char *matrix, const char *more)
{
	_cleanup_free_ char *granule = granule_program_path("granule"), *text = NULL,
			    *run = path_join(s->dir, "prepared"), *path = path_join(s->dir, "prepared.yaml"),
			    *out = NULL, *whole = NULL;
	char *argv[] = { granule,     (char *)"run", (char *)"--fresh", (char *)"-j",
			 (char *)"1", (char *)"-q",  (char *)"-o",	run,
			 path,	      NULL };
	_cleanup_(boot_result_free) struct boot_result boot = { 0 };
	_cleanup_(run_free_p) struct run *done = NULL;
	struct err err = ERR_INIT;

	if (file_read(matrix, 1 << 20, &text, NULL, &err) < 0)
		die(&err);
	whole = xasprintf("%s%s\n", text, more);
	if (file_write(path, whole, strlen(whole), &err) < 0 || remove_tree(run, &err) < 0)
		die(&err);
	if (proc_capture(argv, now_ns() + 1800 * NSEC_PER_SEC, 1 << 20, &out, &err) != 0) {
		fprintf(stderr, "bench: granule run %s failed: %s%s\n", matrix, out ? out : "", err.msg);
		exit(3);
	}
	if (run_open(run, &done, &err) < 0 || boot_read(done, &done->cells[0], 1, &boot, &err) < 0)
		die(&err);
	return boot.wall_s;
}

/* A boot that begins with prepared data, of one that does all of it itself, in turn; the preparing guest has run before. */
static void bench_prepared(const struct subject *s, const char *matrix)
{
	double once[PREPARED_ROUNDS], each[PREPARED_ROUNDS];

	time_boot(s, matrix, "trials: { seeds: 1, warmups: 0, samples: 1 }");
	for (size_t i = 0; i < PREPARED_ROUNDS; i++) {
		once[i] = time_boot(s, matrix, "trials: { seeds: 1, warmups: 0, samples: 1 }");
		each[i] = time_boot(s, matrix, "trials: { seeds: 1, warmups: 0, samples: 1, prepare: each }");
	}
	printf("PostgreSQL, one boot: prepared once %.1f s, in each boot %.1f s\n", stat_median(once, PREPARED_ROUNDS),
	       stat_median(each, PREPARED_ROUNDS));
	report("a boot with prepared data, of one that prepares",
	       stat_median(once, PREPARED_ROUNDS) / stat_median(each, PREPARED_ROUNDS), "x", 0.7);
}

int main(int argc, char **argv)
{
	struct subject s = { .qemu = proc_find("qemu-system-aarch64") };
	_cleanup_free_ char *dir = xstrdup("/tmp/granule-bench-XXXXXX");
	struct err err = ERR_INIT;

	if (argc != 3 && argc != 4) {
		fputs("usage: bench RUN MATRIX [PREPARED]   (a finished run, its first cell on the simulated basis is "
		      "the "
		      "subject; a matrix to run; one without trials, whose workload prepares something)\n",
		      stderr);
		return 2;
	}
	if (!s.qemu || !mkdtemp(dir) || run_open(argv[1], &s.run, &err) < 0)
		die(&err);
	for (size_t i = 0; i < s.run->n_cells && !s.cell; i++)
		if (!s.run->cells[i].skip && s.run->cells[i].basis == BASIS_SIMULATED)
			s.cell = &s.run->cells[i];
	if (!s.cell) {
		fputs("bench: no cell on the simulated basis in this run\n", stderr);
		return 2;
	}
	s.dir = dir;
	s.initramfs = path_join(dir, "initramfs");
	make_initramfs(&s);
	printf("subject: %s, kernel %s\n", s.cell->id,
	       json_string_value(json_object_get(json_object_get(s.cell->definition, "kernel"), "origin")));
	bench_one_guest(&s);
	bench_many(&s);
	bench_shell(&s);
	bench_join(&s);
	bench_list(&s);
	bench_report(&s);
	bench_matrix(&s, argv[2]);
	if (argc == 4)
		bench_prepared(&s, argv[3]);
	else
		puts("prepared data: not measured: the kernel full or PostgreSQL's root file system is not in the "
		     "cache");
	remove_tree(dir, NULL);
	free(s.initramfs);
	free(s.qemu);
	run_free(s.run);
	return 0;
}
