/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests that kill things share: a run without its boots, who is at it, what is struck, what must be true once
 * it was resumed. Include it behind cmocka.h. */
#ifndef GRANULE_TESTS_SURVIVE_H
#define GRANULE_TESTS_SURVIVE_H

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"

#ifndef UNUSED
#define UNUSED __attribute__((unused))
#endif
#define LEFT_WAIT_S 15 /* within which nothing of a run may be left */

/* A run that has all its cells and none of its boots: planned, and interrupted before anything could start. */
UNUSED static char *planned(const char *dir, const char *of, const char *name)
{
	static const char *const parts[] = { "cells.jsonl", "metrics.jsonl", "matrix.yaml", "run.json" };
	char *run = path_join(dir, name);
	_cleanup_free_ char *cells = path_join(run, "cells");

	assert_int_equal(make_dirs(cells, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		_cleanup_free_ char *from = path_join(of, parts[i]), *data = NULL;
		size_t len;

		assert_int_equal(file_read(from, 1 << 20, &data, &len, NULL), 0);
		free(scratch_write(run, parts[i], data, len));
	}
	return run;
}

UNUSED static size_t attempts_of(const char *run_dir, size_t *ret_boots)
{
	struct run *run;
	size_t all = 0;

	*ret_boots = 0;
	assert_int_equal(run_open(run_dir, &run, NULL), 0);
	for (size_t i = 0; i < run->n_cells; i++) {
		for (unsigned int boot = 1; !run->cells[i].skip && boot <= run->cells[i].boots; boot++) {
			unsigned int *attempts = NULL;
			size_t n;

			assert_int_equal(attempt_list(run, run->cells[i].id, boot, &attempts, &n, NULL), 0);
			free(attempts);
			all += n;
			*ret_boots += n > 0;
		}
	}
	run_free(run);
	return all;
}

UNUSED static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Processes of ours whose command line or, of a fake guest, whose program names @mark. */
UNUSED static size_t find_processes(const char *mark, const char *not_this, pid_t *pids, size_t max)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	assert_non_null(proc);
	while ((e = readdir(proc)) && n < max) {
		_cleanup_free_ char *path = xasprintf("/proc/%s/cmdline", e->d_name), *line = NULL;
		size_t len;

		if (atoi(e->d_name) <= 1 || file_read(path, 1 << 20, &line, &len, NULL) < 0)
			continue;
		for (size_t k = 0; k + 1 < len; k++)
			if (!line[k])
				line[k] = ' ';
		if (strstr(line, mark) && !(not_this && strstr(line, not_this)))
			pids[n++] = atoi(e->d_name);
	}
	closedir(proc);
	return n;
}

UNUSED static bool any_process(const char *mark)
{
	pid_t pid;

	return find_processes(mark, NULL, &pid, 1) > 0;
}

/* Until @file below the run's cells is there and not empty. */
UNUSED static void wait_for_file(const char *run, const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/%s", run, file);
	struct stat st;

	for (int i = 0; i < 60000; i++) {
		if (stat(path, &st) == 0 && st.st_size > 0)
			return;
		usleep(1000);
	}
	fail_msg("%s does not come", path);
}

/* A QEMU, or a fake one: that is a child of granule-boot and has its command line, so guest.json must tell. */
UNUSED static bool is_guest(const char *run, pid_t pid)
{
	_cleanup_free_ char *find = xasprintf("\"pid\":%d,", (int)pid), *comm = xasprintf("/proc/%d/comm", (int)pid);
	_cleanup_free_ char *name = NULL;
	bool found = file_read(comm, 64, &name, NULL, NULL) == 0 && starts_with(name, "qemu-");
	struct run *r;

	assert_int_equal(run_open(run, &r, NULL), 0);
	for (size_t i = 0; i < r->n_cells && !found; i++) {
		for (unsigned int boot = 1; boot <= r->cells[i].boots && !found; boot++) {
			for (unsigned int attempt = 1; attempt < 10 && !found; attempt++) {
				_cleanup_free_ char *path =
					xasprintf("%s/cells/%s/%u/%u/guest.json", run, r->cells[i].id, boot, attempt);
				_cleanup_free_ char *text = NULL;

				found = path_exists(path) && file_read(path, 4096, &text, NULL, NULL) == 0 &&
					strstr(text, find);
			}
		}
	}
	run_free(r);
	return found;
}

enum victims { SCHEDULER = 1, WORKERS = 2, GUESTS = 4 };

/* What is killed at one moment. The order is the worst one: who could start something new goes first. */
UNUSED static void strike(const char *run, enum victims victims, pid_t scheduler)
{
	pid_t pids[64];
	size_t n;

	if (victims & SCHEDULER)
		kill(scheduler, SIGKILL);
	if (!(victims & (WORKERS | GUESTS)))
		return;
	n = find_processes(run, "granule run", pids, ARRAY_SIZE(pids));
	for (size_t i = 0; i < n; i++)
		if (is_guest(run, pids[i]) ? victims & GUESTS : victims & WORKERS)
			kill(pids[i], SIGKILL);
}

UNUSED static unsigned int chosen_seed(void)
{
	const char *given = getenv("GRANULE_TEST_SEED");
	unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 10) : (unsigned int)now_ns();

	printf("moments by GRANULE_TEST_SEED=%u\n", seed);
	return seed;
}

UNUSED static void assert_nothing_left(const char *run)
{
	uint64_t deadline = now_ns() + LEFT_WAIT_S * NSEC_PER_SEC;
	pid_t pids[64];

	while (find_processes(run, NULL, pids, ARRAY_SIZE(pids)))
		if (now_ns() > deadline)
			fail_msg("process %d of %s is left", (int)pids[0], run);
		else
			usleep(5000);
}

/* Was a stream that was whole when everything was killed repeated? Then an attempt stands behind a complete one. */
UNUSED static void assert_no_repetition(const char *run_dir)
{
	struct run *run;

	assert_int_equal(run_open(run_dir, &run, NULL), 0);
	for (size_t i = 0; i < run->n_cells; i++) {
		for (unsigned int boot = 1; boot <= run->cells[i].boots; boot++) {
			_cleanup_free_ unsigned int *attempts = NULL;
			struct boot_result result;
			size_t n;

			assert_int_equal(attempt_list(run, run->cells[i].id, boot, &attempts, &n, NULL), 0);
			assert_int_equal(boot_read(run, &run->cells[i], boot, &result, NULL), 0);
			if (n != result.attempt)
				fail_msg("%s boot %u: attempt %u was complete, and %zu were made", run->cells[i].id,
					 boot, result.attempt, n);
			if (n > 3)
				fail_msg("%s boot %u: %zu attempts", run->cells[i].id, boot, n);
			boot_result_free(&result);
		}
	}
	run_free(run);
}

/* One disturbed run. Several go side by side: they mostly sleep. */
struct lane {
	char *run; /* owned */
	pid_t pid;
	unsigned int moment_us;
	enum victims victims;
};

/* The same cells and the same bytes as a run that nobody disturbed, no whole stream made again, nothing left. */
UNUSED static void check_resumed(const struct lane *lane, int code, const char *want)
{
	_cleanup_free_ char *got = NULL;

	if (code != 0)
		fail_msg("killed after %u us, victims %d: --resume ends with %d", lane->moment_us, lane->victims, code);
	assert_nothing_left(lane->run);
	got = run_digest(lane->run);
	if (strcmp(got, want) != 0)
		fail_msg("killed after %u us, victims %d: other bytes:\n%s\n%s", lane->moment_us, lane->victims, got,
			 want);
	assert_no_repetition(lane->run);
}

/* done.json of what a dead granule-boot left says so. */
UNUSED static size_t count_adopted(const char *run)
{
	_cleanup_free_ char *command = xasprintf("grep -l '\"adopted\": true' %s/cells/*/*/*/done.json | wc -l", run);
	FILE *p = popen(command, "re");
	size_t n = 0;

	assert_non_null(p);
	assert_int_equal(fscanf(p, "%zu", &n), 1);
	pclose(p);
	return n;
}

#endif
