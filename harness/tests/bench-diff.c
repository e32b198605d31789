// SPDX-License-Identifier: GPL-2.0-or-later
/* `make bench`: how long `granule diff` takes on a large run, and benchstat on the same numbers. The run is made up:
 * 1,000 cells along an axis of two kernels (500 pairs), each of 10 boots of one sample, which is the dearer way to
 * have 10 samples, with some 300 metrics a boot. Both programs read it from disk (the page cache), in turn. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "guest/programs.h"
#include "stat/stat.h"
#include "tests/scenarios/pairs.h"

#define COUNTERS 142 /* of vmstat, each shown per operation and per MiB */
#define BOOTS 10
#define ROUNDS 5
#define LIMIT_S 1
#define LIMIT_MIB 256

static uint64_t mix(uint64_t x)
{
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9) >> 40;
}

/* What counter @i of a sample of boot @boot of cell @cell grew by. */
static unsigned long long growth(size_t cell, unsigned int boot, size_t i)
{
	return 4000 + 13 * i + mix(cell * 1009 + i) % 500 + mix((cell * 64 + boot) * 4096 + i) % 200;
}

static void snapshot(struct stream *s, const char *kind, const char *when, size_t cell, unsigned int boot)
{
	bool after = !strcmp(when, "after");
	struct text vmstat = { 0 };

	for (size_t i = 0; i < COUNTERS; i++)
		text_add(&vmstat, "thp_counter_number_%03zu %llu\n", i, 100000 + (after ? growth(cell, boot, i) : 0));
	stream_put(s, WIRE_FILE, "page_fault1", kind, "0", when, "/proc/vmstat", vmstat.s, NULL);
	text_free(&vmstat);
}

/* As attempt_build() does, but not forced to the disk: that would take minutes. */
static void put_attempt(const char *run, const char *cell, unsigned int boot, const struct stream *s)
{
	const struct {
		const char *name, *data;
		size_t len;
	} files[] = { { "claim.json", "{}", 2 },
		      { "host.json", "{\"cpu\":\"QEMU TCG\",\"qemu_version\":\"7.2.22\"}", 42 },
		      { "stream", s->bytes.s, s->bytes.len },
		      { "console.log", "[    0.000000] Booting Linux\r\n", 30 },
		      { "done.json", "{\"stop\":\"poweroff\",\"wall_s\":0.84}", 33 } };
	_cleanup_free_ char *dir = xasprintf("%s/cells/%s/%u/1", run, cell, boot);
	struct err err = ERR_INIT;

	must(make_dirs(dir, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = path_join(dir, files[i].name);
		FILE *f = fopen(path, "we");

		if (!f || fwrite(files[i].data, 1, files[i].len, f) != files[i].len || fclose(f)) {
			perror(path);
			exit(3);
		}
	}
}

static void make_boot(const char *dir, const struct cell_record *cell, size_t number, unsigned int boot)
{
	unsigned long long ops = 32768, ns = 2 * (1400 + mix(number) % 50 + mix(number * 64 + boot) % 9) * ops;
	_cleanup_free_ char *output = xasprintf(wis_pattern, ops, 4096ULL, 128ULL << 20, ns, ops, ops);
	_cleanup_free_ char *elapsed = xasprintf("%llu", 1000000 + ns);
	struct stream s = { 0 };

	stream_put(&s, WIRE_HELLO, "page_size", "4096", "release", "6.12.57", NULL);
	stream_put(&s, WIRE_SETTING, "/sys/kernel/mm/transparent_hugepage/enabled", "never", "never", "ok", NULL);
	stream_put(&s, WIRE_STEP, "sample", "page_fault1", "0", NULL);
	snapshot(&s, "sample", "before", number, boot);
	stream_put(&s, WIRE_EXEC, "page_fault1", "sample", "0", "1000000", elapsed, "exit 0", "32768", "0", "1", "2",
		   "300", "400", output, NULL);
	snapshot(&s, "sample", "after", number, boot);
	stream_put(&s, WIRE_STEP, "hold", "page_fault1", "0", NULL);
	stream_put(&s, WIRE_FILE, "page_fault1", "hold", "0", "hold", "cgroup/memory.peak", "8912896\n", NULL);
	stream_put(&s, WIRE_END, "ok", "", NULL);
	put_attempt(dir, cell->id, boot, &s);
	text_free(&s.bytes);
}

static void make_run(const char *dir, size_t n_cells)
{
	struct cell_record *cells = xcalloc(n_cells, sizeof(*cells));
	const struct numbers shape = { .page = 4096, .boots = BOOTS };

	for (size_t i = 0; i < n_cells; i++) {
		_cleanup_free_ char *folio = xasprintf("f%zu", i / 2);

		cells[i] = numbers_cell(i % 2 ? "new" : "old", folio, &shape);
		cells[i].asks_folios = false;
	}
	run_build(dir, cells, n_cells);
	for (size_t i = 0; i < n_cells; i++) {
		for (unsigned int boot = 1; boot <= BOOTS; boot++)
			make_boot(dir, &cells[i], i, boot);
		cell_record_free(&cells[i]);
	}
	free(cells);
}

/* One line a boot, as `go test -bench` would print it; 300 metrics of it. */
static void make_benchmarks(const char *path, size_t n_cells, size_t side)
{
	FILE *f = fopen(path, "we");

	if (!f)
		exit(3);
	for (size_t i = side; i < n_cells; i += 2) {
		for (unsigned int boot = 1; boot <= BOOTS; boot++) {
			fprintf(f, "BenchmarkF%zu 1", i / 2);
			for (size_t k = 0; k < COUNTERS; k++)
				fprintf(f, " %.8g c%zu/op %.8g c%zu/MiB", (double)growth(i, boot, k) / 32768, k,
					(double)growth(i, boot, k) / 128, k);
			fprintf(f, "\n");
		}
	}
	fclose(f);
}

struct cost {
	double wall_s, cpu_s, mib;
};

/* One program whose output goes to @out. */
static struct cost run_program(char *const *argv, const char *out)
{
	_cleanup_close_ int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	uint64_t began = now_ns();
	struct err err = ERR_INIT;
	struct rusage usage;
	int status;
	pid_t pid = proc_spawn(argv, fd, &err);

	if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) ||
	    (WEXITSTATUS(status) && WEXITSTATUS(status) != 5)) {
		fprintf(stderr, "bench: %s failed\n", argv[0]);
		exit(3);
	}
	return (struct cost){ .wall_s = (double)(now_ns() - began) / (double)NSEC_PER_SEC,
			      .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
			      .mib = (double)usage.ru_maxrss / 1024 };
}

/* Medians. @limited: held to what was promised. Returns the wall time. */
static double report(const char *what, const struct cost *costs, bool limited)
{
	double wall[ROUNDS], cpu[ROUNDS], mib[ROUNDS], s;

	for (size_t i = 0; i < ROUNDS; i++) {
		wall[i] = costs[i].wall_s;
		cpu[i] = costs[i].cpu_s;
		mib[i] = costs[i].mib;
	}
	s = stat_median(wall, ROUNDS);
	printf("%-38s %6.2f s, %6.2f s of processors, %4.0f MiB", what, s, stat_median(cpu, ROUNDS),
	       stat_median(mib, ROUNDS));
	if (limited)
		printf(" (limit %d s, %d MiB) %s", LIMIT_S, LIMIT_MIB,
		       s <= LIMIT_S && stat_median(mib, ROUNDS) <= LIMIT_MIB ? "ok" : "OVER");
	printf("\n");
	fflush(stdout);
	return s;
}

int main(int argc, char **argv)
{
	_cleanup_free_ char *granule = granule_program_path("granule"), *dir = xstrdup("/tmp/granule-diff-XXXXXX");
	_cleanup_free_ char *run = NULL, *olds = NULL, *news = NULL, *out = NULL;
	size_t n_cells = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000;
	char *benchstat = argc > 1 && *argv[1] ? argv[1] : NULL;
	struct cost ours[ROUNDS], theirs[ROUNDS];
	double s;

	if (!mkdtemp(dir))
		return 3;
	run = path_join(dir, "run");
	olds = path_join(dir, "old.txt");
	news = path_join(dir, "new.txt");
	out = path_join(dir, "out");
	make_run(run, n_cells);
	make_benchmarks(olds, n_cells, 0);
	make_benchmarks(news, n_cells, 1);
	char *diff[] = { granule, (char *)"diff", run, (char *)"--along", (char *)"kernels", NULL };
	char *other[] = { benchstat, olds, news, NULL };

	for (size_t i = 0; i < ROUNDS; i++) {
		ours[i] = run_program(diff, out);
		if (benchstat)
			theirs[i] = run_program(other, out);
	}
	printf("%zu cells x 300 metrics x %d boots of a sample (medians of %d)\n", n_cells, BOOTS, ROUNDS);
	s = report("granule diff", ours, true);
	if (benchstat)
		printf("granule diff takes %.2f times as long\n",
		       s / report("benchstat, on the same numbers", theirs, false));
	else
		printf("benchstat: not measured: no Go here, or its module is not to be had\n");
	remove_tree(dir, NULL);
	return 0;
}
