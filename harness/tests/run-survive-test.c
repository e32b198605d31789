// SPDX-License-Identifier: GPL-2.0-or-later
/* A run that survives anything, on the guest that is not there: several schedulers at one run, SIGKILL of everything at
 * random moments, starved hosts, Images that do not boot. The fake guest has a process of its own ("slow"), so that it
 * outlives its granule-boot as QEMU does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "run/owed.h"
#include "tests/survive.h"

#define MOMENTS 100
#define LANES 10

/* 2 kernels x @workloads cells. */
static char *write_matrix(const struct fake_fixture *f, const char *name, unsigned int workloads, unsigned int seeds,
			  const char *guest)
{
	struct text t = { 0 };
	char *path;

	text_add(&t,
		 "matrix: test\nguest: { memory: 256MiB%s }\nkernels:\n  4k: { image: Image-4k }\n"
		 "  64k: { image: Image-64k }\nworkloads:\n",
		 guest);
	for (unsigned int i = 0; i < workloads; i++)
		text_add(&t, "  w%u: { null: { values: [%u] } }\n", i, i + 1);
	text_add(&t, "trials: { seeds: %u, warmups: 1, samples: 2 }\n", seeds);
	path = scratch_write(f->dir, name, t.s, t.len);
	text_free(&t);
	return path;
}

/* Every "[done/all]" of the progress, others' boots included: never back, never too many. */
static void assert_counts_right(const char *out, unsigned int all)
{
	unsigned int before = 0, n_lines = 0;

	for (const char *p = out; (p = strchr(p, '[')); p++) {
		unsigned int done, total;

		if (sscanf(p, "[%u/%u]", &done, &total) != 2)
			continue;
		if (total != all || done > all || done <= before)
			fail_msg("[%u/%u] behind [%u/%u]:\n%s", done, total, before, all, out);
		before = done;
		n_lines++;
	}
	/* with others at it, this one did not do them all */
	assert_true(n_lines > 0 && n_lines < all);
	assert_non_null(strstr(out, "36 boots, 36 ok"));
}

/* Caught: a boot that two schedulers start, that none does, or that makes one stop. */
static void four_join_and_double_nothing(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "j.yaml", 3, 6, ""), *want = NULL, *out = NULL;
	_cleanup_free_ char *whole = path_join(f->dir, "j-whole");

	setenv("GRANULE_FAKE", "slow", 1);
	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", whole), 0);
	want = run_digest(whole);
	for (unsigned int round = 0; round < 4; round++) {
		_cleanup_free_ char *name = xasprintf("j-%u", round), *run = planned(f->dir, whole, name), *got = NULL;
		size_t n_attempts, n_boots;
		pid_t pids[3];

		for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
			pids[i] = granule_start((const char *const[]){ "run", "--join", run, NULL });
		assert_int_equal(GRANULE(&out, "run", "--join", run), 0);
		assert_counts_right(out, 36);
		free(steal_ptr(out));
		for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
			assert_int_equal(end_of(pids[i]), 0);
		got = run_digest(run);
		assert_string_equal(got, want);
		n_attempts = attempts_of(run, &n_boots);
		assert_int_equal(n_boots, 36);
		assert_int_equal(n_attempts, 36);
		assert_int_equal(GRANULE(&out, "run", "--resume", run), 0);
		free(steal_ptr(out));
	}
}

/* Caught: a shard that does another's boots, a boot that is in none, a split that is not the same twice. */
static void shards_are_a_partition(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "s.yaml", 2, 5, ""), *want = NULL, *got = NULL;
	_cleanup_free_ char *whole = path_join(f->dir, "s-whole"), *run = NULL;
	size_t n_attempts, n_boots = 0, before = 0;

	setenv("GRANULE_FAKE", "1", 1);
	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", whole), 0);
	want = run_digest(whole);
	run = planned(f->dir, whole, "s");
	for (unsigned int i = 1; i <= 3; i++) {
		_cleanup_free_ char *shard = xasprintf("%u/3", i), *out = NULL;

		assert_int_equal(GRANULE(&out, "run", "--join", run, "--shard", shard), 0);
		n_attempts = attempts_of(run, &n_boots);
		assert_int_equal(n_attempts, n_boots);
		/* 20 boots: 6 or 7 each */
		assert_true(n_boots - before == 6 || n_boots - before == 7);
		before = n_boots;
	}
	assert_int_equal(n_boots, 20);
	got = run_digest(run);
	assert_string_equal(got, want);
}

/* Caught: a joiner that leaves while somebody is still at a boot that it counts. */
static void a_joiner_waits_for_the_last_boot(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "w.yaml", 1, 1, ""), *run = path_join(f->dir, "w");
	_cleanup_free_ char *header = path_join(run, "run.json"), *out = NULL;
	pid_t first;

	setenv("GRANULE_FAKE", "slow", 1);
	first = granule_start((const char *const[]){ "run", matrix, "-o", run, "-j", "2", NULL });
	for (int i = 0; i < 10000 && !path_exists(header); i++)
		usleep(1000);
	usleep(60000);
	assert_int_equal(GRANULE(&out, "run", "--join", run), 0);
	assert_non_null(strstr(out, "2 boots, 2 ok"));
	assert_int_equal(end_of(first), 0);
}

/* ---- Kills */

static int by_moment(const void *a, const void *b)
{
	const struct lane *x = a, *y = b;

	return (x->moment_us > y->moment_us) - (x->moment_us < y->moment_us);
}

static void disturb(struct lane *lanes, size_t n, unsigned int span_us, unsigned int *seed)
{
	static const enum victims table[] = { SCHEDULER, WORKERS, SCHEDULER | WORKERS, SCHEDULER | GUESTS,
					      SCHEDULER | WORKERS | GUESTS };
	uint64_t began = now_ns();

	for (size_t i = 0; i < n; i++) {
		lanes[i].moment_us = (unsigned int)rand_r(seed) % span_us;
		lanes[i].victims = table[(unsigned int)rand_r(seed) % ARRAY_SIZE(table)];
	}
	qsort(lanes, n, sizeof(*lanes), by_moment);
	for (size_t i = 0; i < n; i++)
		lanes[i].pid = granule_start((const char *const[]){ "run", "-q", "--resume", lanes[i].run, NULL });
	for (size_t i = 0; i < n; i++) {
		uint64_t at = began + lanes[i].moment_us * UINT64_C(1000), now = now_ns();

		if (at > now)
			usleep((unsigned int)((at - now) / 1000));
		strike(lanes[i].run, lanes[i].victims, lanes[i].pid);
		/* a scheduler that only lost its workers goes on */
		end_of(lanes[i].pid);
	}
}

/* How long as many runs take side by side on a host as busy as this one is now: the moments are spread over that. */
static unsigned int undisturbed_us(const struct fake_fixture *f, const char *whole)
{
	uint64_t began = now_ns();
	pid_t pids[LANES];

	for (unsigned int k = 0; k < LANES; k++) {
		_cleanup_free_ char *name = xasprintf("u-%u", k), *run = planned(f->dir, whole, name);

		pids[k] = granule_start((const char *const[]){ "run", "-q", "--resume", run, NULL });
	}
	for (unsigned int k = 0; k < LANES; k++)
		assert_int_equal(end_of(pids[k]), 0);
	return (unsigned int)((now_ns() - began) / 1000);
}

static void killed_at_a_hundred_moments(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "k.yaml", 1, 2, ""), *whole = path_join(f->dir, "k-whole");
	_cleanup_free_ char *want = NULL;
	unsigned int seed = chosen_seed(), span_us;
	size_t adopted = 0, n_attempts = 0, n_boots = 0, boots;

	setenv("GRANULE_FAKE", "slow", 1);
	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", whole), 0);
	want = run_digest(whole);
	span_us = undisturbed_us(f, whole);
	for (unsigned int i = 0; i < MOMENTS; i += LANES) {
		struct lane lanes[LANES] = { 0 };

		for (unsigned int k = 0; k < LANES; k++) {
			_cleanup_free_ char *name = xasprintf("k-%u", i + k);

			lanes[k].run = planned(f->dir, whole, name);
		}
		disturb(lanes, LANES, span_us, &seed);
		for (unsigned int k = 0; k < LANES; k++)
			lanes[k].pid =
				granule_start((const char *const[]){ "run", "-q", "--resume", lanes[k].run, NULL });
		for (unsigned int k = 0; k < LANES; k++) {
			check_resumed(&lanes[k], end_of(lanes[k].pid), want);
			adopted += count_adopted(lanes[k].run);
			n_attempts += attempts_of(lanes[k].run, &boots);
			n_boots += boots;
			assert_int_equal(remove_tree(lanes[k].run, NULL), 0);
			free(lanes[k].run);
		}
	}
	printf("%d moments in %.1f s: %zu attempts for %zu boots, %zu adopted\n", MOMENTS, (double)span_us / 1e6,
	       n_attempts, n_boots, adopted);
	/* else the moments missed what they are for */
	assert_true(n_attempts > n_boots && adopted > 0);
}

/* ---- Starved hosts, Images that do not boot */

/* The deadline of boots is shorter than a matrix may ask for. */
static void set_timeout(const char *run, const char *basis)
{
	_cleanup_free_ char *path = path_join(run, "cells.jsonl"), *text = NULL;
	char *timeout, *at;

	assert_int_equal(file_read(path, 1 << 20, &text, NULL, NULL), 0);
	while ((timeout = strstr(text, "\"timeout_s\":120")))
		memcpy(timeout + 12, "  1", 3);
	while (basis && (at = strstr(text, "\"basis\":\"simulated\"")))
		memcpy(at, "\"basis\":\"hardware\" ", 19);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

static struct boot_result result_of(const char *run_dir, unsigned int attempt)
{
	struct boot_result result;
	struct run *run;
	bool complete;

	assert_int_equal(run_open(run_dir, &run, NULL), 0);
	assert_int_equal(attempt_read(run, &run->cells[0], 1, attempt, &result, &complete, NULL), 0);
	run_free(run);
	return result;
}

/* Caught: a starved host's boot that is taken for a slow guest's, that is not repeated, or that is repeated for ever. */
static void a_starved_boot_is_repeated_once(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f, "st.yaml", 1, 1, ""), *whole = path_join(f->dir, "st-whole");
	_cleanup_free_ char *once = NULL, *always = NULL, *out = NULL;
	struct boot_result first, second;
	size_t n_boots;

	setenv("GRANULE_FAKE", "1", 1);
	assert_int_equal(GRANULE(NULL, "run", matrix, "-o", whole, "--only", "4k.*"), 0);
	once = planned(f->dir, whole, "st-once");
	always = planned(f->dir, whole, "st-always");
	set_timeout(once, NULL);
	set_timeout(always, "hardware");
	setenv("GRANULE_FAKE", "stall-once", 1);
	assert_int_equal(GRANULE(NULL, "run", "--resume", once), 0);
	assert_int_equal(attempts_of(once, &n_boots), 2);
	first = result_of(once, 1);
	second = result_of(once, 2);
	assert_int_equal(first.outcome, OUTCOME_HOST_FAILED);
	assert_non_null(strstr(first.reason, "this host starved the guest"));
	assert_int_equal(second.outcome, OUTCOME_OK);
	boot_result_free(&first);
	boot_result_free(&second);
	setenv("GRANULE_FAKE", "stall", 1);
	assert_int_equal(GRANULE(&out, "run", "--resume", always), 3);
	assert_non_null(strstr(out, "1 boots, 1 host-failed"));
	assert_int_equal(attempts_of(always, &n_boots), 2);
}

static char *write_no_hello(const struct fake_fixture *f, bool one_boots)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: test\nguest: { memory: 256MiB }\nkernels:\n  k: { image: Image-4k }\n"
			  "workloads:\n%s  b: { null: { fail: no-hello } }\n"
			  "  c: { null: { fail: no-hello } }\ntrials: { seeds: 4 }\n",
			  one_boots ? "  a: { null: { } }\n" : "");

	return scratch_write(f->dir, "images.yaml", text, strlen(text));
}

/* Caught: an Image that boots nowhere and is tried to the end; one that boots and is given up for its cells' sake. */
static void three_boot_failures_give_an_image_up(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *bad = path_join(f->dir, "bad"), *fair = path_join(f->dir, "fair"), *matrix = NULL;
	_cleanup_free_ char *out = NULL, *shown = NULL, *again = NULL, *other = NULL;
	size_t n_boots;

	setenv("GRANULE_FAKE", "1", 1);
	matrix = write_no_hello(f, false);
	assert_int_equal(GRANULE(&out, "run", matrix, "-o", bad, "-j", "1"), 4);
	assert_non_null(strstr(out, "8 boots, 3 boot-failed, 5 not-run"));
	assert_non_null(strstr(out, "3 boots failed before their job and none got to it"));
	assert_int_equal(GRANULE(&shown, "show", bad, "k.default.c", "4"), 4);
	/* its lines are wrapped */
	assert_non_null(strstr(shown, "3 boots failed"));
	assert_int_equal(GRANULE(&again, "run", "--resume", bad), 4);
	assert_int_equal(attempts_of(bad, &n_boots), 3);
	free(matrix);
	matrix = write_no_hello(f, true);
	assert_int_equal(GRANULE(&other, "run", matrix, "-o", fair, "-j", "1"), 4);
	assert_non_null(strstr(other, "12 boots, 4 ok, 8 boot-failed"));
}

/* Caught: a boot in two shards or in none; a shard that gets all boots of a dear cell. */
static void shards_split_evenly(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 7; n++) {
		for (size_t cell = 0; cell < 9; cell++) {
			unsigned int per_shard[7] = { 0 };

			for (unsigned int boot = 1; boot <= 14; boot++) {
				unsigned int owners = 0;

				for (unsigned int shard = 1; shard <= n; shard++) {
					bool mine = owed_in_shard(cell, boot, shard, n);

					owners += mine;
					per_shard[shard - 1] += mine;
				}
				assert_int_equal(owners, 1);
			}
			for (unsigned int shard = 0; shard < n; shard++)
				assert_true(per_shard[shard] >= 14 / n && per_shard[shard] <= 14 / n + 1);
		}
	}
	assert_true(owed_in_shard(3, 1, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_join_and_double_nothing),
		cmocka_unit_test(shards_are_a_partition),
		cmocka_unit_test(a_joiner_waits_for_the_last_boot),
		cmocka_unit_test(shards_split_evenly),
		cmocka_unit_test(a_starved_boot_is_repeated_once),
		cmocka_unit_test(three_boot_failures_give_an_image_up),
		cmocka_unit_test(killed_at_a_hundred_moments),
	};

	return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
