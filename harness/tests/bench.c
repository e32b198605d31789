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
#include "guest/programs.h"
#include "image/initramfs.h"
#include "run/repeat.h"
#include "stat/stat.h"
#include "store/store.h"

#define ROUNDS 15
#define CELLS 20

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
	size_t n = s->cell->n_programs;
	struct initramfs_entry *entries = xcalloc(n + 1, sizeof(*entries));
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		entries[i] = (struct initramfs_entry){ .path = s->cell->programs[i].guest_path,
						       .mode = S_IFREG | 0755,
						       .host_path = s->cell->programs[i].host_path };
	entries[n] = (struct initramfs_entry){
		.path = "job", .mode = S_IFREG | 0644, .data = s->cell->job, .len = strlen(s->cell->job)
	};
	if (initramfs_write(s->initramfs, entries, n + 1, &err) < 0)
		die(&err);
	free(entries);
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
	       "x", 1.5);
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
	char *argv[] = {
		granule, (char *)"run", (char *)"-j", (char *)"2", (char *)"-q", (char *)"--resume", dir, NULL
	};

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

int main(int argc, char **argv)
{
	struct subject s = { .qemu = proc_find("qemu-system-aarch64") };
	_cleanup_free_ char *dir = xstrdup("/tmp/granule-bench-XXXXXX");
	struct err err = ERR_INIT;

	if (argc != 2) {
		fputs("usage: bench RUN   (a finished run; its first cell on the simulated basis is the subject)\n",
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
	printf("subject: %s, kernel %s\n", s.cell->id, s.cell->kernel_release);
	bench_one_guest(&s);
	bench_many(&s);
	bench_list(&s);
	remove_tree(dir, NULL);
	free(s.initramfs);
	free(s.qemu);
	run_free(s.run);
	return 0;
}
