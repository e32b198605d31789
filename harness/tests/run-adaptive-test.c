// SPDX-License-Identifier: GPL-2.0-or-later
/* Boots that are added until a metric is known well enough, on the guest that is not there; and trials that cannot
 * reach a verdict. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"

/* Boots whose figures differ by 5%. */
static int setup(void **state)
{
	setenv("GRANULE_FAKE_SPREAD", "5", 1);
	return fake_setup(state);
}

static char *write_matrix(const struct fake_fixture *f, const char *workloads, const char *trials, const char *rest)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: a\nguest: { memory: 256MiB }\nkernels: { 4k: { image: Image-4k } }\n"
			  "workloads:\n%strials: { %s }\n%s",
			  workloads, trials, rest);

	return scratch_write(f->dir, "a.yaml", text, strlen(text));
}

/* The fake guest's costs and sizes differ by some tenths of a per cent between seeds: ten and more boots for a tenth
 * of one. */
static const char two_cells[] = "  w: { null: { cost: 1000000 } }\n  x: { null: { cost: 3000000 } }\n";

static size_t boots_of(const char *dir, const char *cell, bool *ret_done)
{
	_cleanup_(run_free_p) struct run *run = NULL;
	struct cell_rounds rounds;

	assert_int_equal(run_open(dir, &run, NULL), 0);
	assert_int_equal(cell_rounds(run, run_find_cell(run, cell), &rounds, NULL), 0);
	*ret_done = rounds.done;
	free(rounds.widest);
	return rounds.boots;
}

static char *digest_and_remove(const char *dir)
{
	char *digest = run_digest(dir);

	remove_tree(dir, NULL);
	return digest;
}

/* Start granule and kill it with all its guests, @ms after the run is planned. */
static void begin_and_kill(const char *const args[], const char *run, unsigned int ms)
{
	_cleanup_free_ char *planned = path_join(run, "run.json");
	struct timespec tick = { .tv_nsec = 5000000 }, moment = { .tv_nsec = (long)ms * 1000000 };
	pid_t pid = granule_start(args);

	for (int i = 0; i < 4000 && !path_exists(planned); i++)
		nanosleep(&tick, NULL);
	nanosleep(&moment, NULL);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Alone, two at a time, by four processes, by shards one after the other, killed and resumed: the same boots exist,
 * with the same bytes. Caught: rounds that begin before the last one is whole, a number of boots that depends on who
 * was first. */
static void the_same_boots_however_run(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(
		f, two_cells, "seeds: 3, warmups: 0, samples: 1, until: { half_width: 0.1%, at_most: 40 }", "");
	_cleanup_free_ char *run = path_join(f->dir, "r"), *out = NULL, *one = NULL, *two = NULL, *four = NULL;
	_cleanup_free_ char *sharded = NULL, *killed = NULL, *shown = NULL, *listed = NULL;
	size_t n;
	bool done;
	pid_t pids[4];

	assert_int_equal(GRANULE(&listed, "list", matrix), 0);
	assert_non_null(strstr(listed, "6 to 80 boots (3 seeds)"));
	assert_non_null(strstr(listed, "more until its primary metrics are known to within 0.1%, 40 at most"));
	assert_int_equal(GRANULE(&out, "run", "-j", "1", matrix, "-o", run), 0);
	n = boots_of(run, "4k.default.w", &done);
	assert_true(done && n > 6 && n < 40);
	assert_int_equal(GRANULE(&shown, "show", run, "4k.default.w"), 0);
	assert_non_null(strstr(shown, "of at most 40:"));
	one = digest_and_remove(run);

	assert_int_equal(GRANULE(NULL, "run", "-j", "2", matrix, "-o", run), 0);
	two = digest_and_remove(run);
	assert_string_equal(one, two);

	/* planned, and then four at it */
	begin_and_kill((const char *const[]){ "run", "-j", "1", matrix, "-o", run, NULL }, run, 0);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = granule_start((const char *const[]){ "run", "-j", "1", "--join", run, NULL });
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		waitpid(pids[i], NULL, 0);
	assert_int_equal(GRANULE(NULL, "run", "--resume", run), 0);
	four = digest_and_remove(run);
	assert_string_equal(one, four);

	begin_and_kill((const char *const[]){ "run", "-j", "1", matrix, "-o", run, NULL }, run, 0);
	assert_int_equal(GRANULE(NULL, "run", "--join", "--shard", "1/2", run), 0);
	assert_int_equal(GRANULE(NULL, "run", "--join", "--shard", "2/2", run), 0);
	sharded = digest_and_remove(run);
	assert_string_equal(one, sharded);

	begin_and_kill((const char *const[]){ "run", "-j", "2", matrix, "-o", run, NULL }, run, 40);
	for (unsigned int i = 1; i < 6; i++)
		begin_and_kill((const char *const[]){ "run", "-j", "2", "--resume", run, NULL }, run, 40 * i);
	assert_int_equal(GRANULE(NULL, "run", "--resume", run), 0);
	killed = digest_and_remove(run);
	assert_string_equal(one, killed);
}

/* Caught: a round too many where the first is narrow enough, a round beyond at_most, boots added to what never
 * measures. */
static void ends(void **state)
{
	static const struct {
		const char *workloads, *trials;
		int code;
		size_t boots;
	} cases[] = {
		{ two_cells, "seeds: 3, until: { half_width: 5%, at_most: 20 }", 0, 3 },
		{ two_cells, "seeds: 3, until: { half_width: 0.0001%, at_most: 7 }", 0, 7 },
		{ two_cells, "seeds: 1, until: { half_width: 50%, at_most: 7 }", 0, 2 },
		{ two_cells, "seeds: 2, until: { half_width: 0.0001%, at_most: 9, metric: value.* }", 0, 2 },
		{ "  w: { null: { fail: exit } }\n", "seeds: 2, until: { half_width: 1%, at_most: 9 }", 4, 2 },
	};
	const struct fake_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *matrix = write_matrix(f, cases[i].workloads, cases[i].trials, "");
		_cleanup_free_ char *run = path_join(f->dir, "e"), *out = NULL;
		size_t n;
		bool done;

		assert_int_equal(GRANULE(&out, "run", matrix, "-o", run), cases[i].code);
		n = boots_of(run, "4k.default.w", &done);
		if (n != cases[i].boots || !done)
			fail_msg("%s: %zu boots, %zu are meant", cases[i].trials, n, cases[i].boots);
		remove_tree(run, NULL);
	}
}

/* Caught: a matrix that boots for an hour to learn that no gate could fail; a warning that stops what was only to be
 * watched. */
static void trials_out_of_reach(void **state)
{
	static const char gate[] = "gates:\n  - { metric: value.*, worse_by: 1%, against: baseline }\n";
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *with = write_matrix(f, two_cells, "samples: 1, seeds: 1", gate), *out = NULL, *ran = NULL;
	_cleanup_free_ char *run = path_join(f->dir, "n"), *warned = NULL, *well = NULL, *adaptive = NULL;
	char *matrix = with;

	assert_int_equal(GRANULE(&out, "list", matrix), 2);
	assert_non_null(
		strstr(out, "a.yaml:7:30: with 1 seed no gate of this matrix could ever fail: it takes 2 seeds a cell\n"
			    "  trials: { samples: 1, seeds: 1 }\n"
			    "                               ^"));
	assert_int_equal(GRANULE(&ran, "run", matrix, "-o", run), 2);
	assert_false(path_exists(run));
	free(write_matrix(f, two_cells, "samples: 1, seeds: 1", ""));
	assert_int_equal(GRANULE(&warned, "list", matrix), 0);
	assert_non_null(strstr(warned, "warning: "));
	assert_non_null(strstr(warned, "with 1 seed there is no interval"));
	free(write_matrix(f, two_cells, "samples: 1, seeds: 2", gate));
	assert_int_equal(GRANULE(&well, "list", matrix), 0);
	assert_null(strstr(well, "warning"));
	free(write_matrix(f, two_cells, "seeds: 1, until: { half_width: 1%, at_most: 2 }", gate));
	assert_int_equal(GRANULE(&adaptive, "list", matrix), 0);
	assert_null(strstr(adaptive, "warning"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_boots_however_run),
		cmocka_unit_test(ends),
		cmocka_unit_test(trials_out_of_reach),
	};

	return cmocka_run_group_tests_name("run-adaptive", tests, setup, fake_teardown);
}
