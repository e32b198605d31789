// SPDX-License-Identifier: GPL-2.0-or-later
/* Claims, adoption, orphans: who is at a boot, told by files alone. Forks real processes; boots nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/proc.h"
#include "tests/pipeline.h"
#include "tests/scenarios/build.h"

struct fixture {
	char *dir, *attempt; /* owned; of attempt 1, claimed by this process */
	struct cell_record cell;
	struct run *run;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	unsigned int number;

	f->dir = scratch_make();
	f->cell = cell_build("4k", "off", "null", 4096);
	run_build(f->dir, &f->cell, 1);
	assert_int_equal(run_open(f->dir, &f->run, NULL), 0);
	assert_int_equal(boot_outcome(f->run, &f->run->cells[0], 1), OUTCOME_NOT_RUN);
	assert_int_equal(attempt_claim(f->dir, f->cell.id, 1, 0, 0, &f->attempt, &number, NULL), 0);
	assert_int_equal(number, 1);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	run_free(f->run);
	cell_record_free(&f->cell);
	scratch_remove(f->dir);
	free(f->attempt);
	free(f);
	return 0;
}

static int claim(const struct fixture *f, unsigned int boot, unsigned int number)
{
	_cleanup_free_ char *dir = NULL;
	unsigned int got;

	return attempt_claim(f->dir, f->cell.id, boot, number, 0, &dir, &got, NULL);
}

/* Caught: a claim that two processes can both have, or that none gets. Four children want the same 25 attempts. */
static void one_wins_each_attempt(void **state)
{
	const struct fixture *f = *state;
	unsigned int won = 0;

	for (int child = 0; child < 4; child++) {
		if (fork() == 0) {
			int wins = 0;

			for (unsigned int number = 1; number <= 25; number++) {
				int rc = claim(f, 2, number);

				if (rc != 0 && rc != -2)
					_exit(255);
				wins += rc == 0;
			}
			_exit(wins);
		}
	}
	for (int child = 0; child < 4; child++) {
		int status;

		wait(&status);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 25);
		won += (unsigned int)WEXITSTATUS(status);
	}
	assert_int_equal(won, 25);
}

/* claim.json with some of its values replaced; NULL: as it was written. */
static json_t *changed_claim(const struct fixture *f, const char *file, json_t *changes)
{
	_cleanup_free_ char *path = path_join(f->attempt, "claim.json"), *text = NULL;
	json_t *o = json_load_file(path, 0, NULL);

	if (changes)
		json_object_update(o, changes);
	text = json_dumps(o, 0);
	put_text(f->attempt, file, text);
	json_decref(changes);
	return o;
}

static bool alive_with(const struct fixture *f, json_t *changes)
{
	_cleanup_free_ char *path = path_join(f->attempt, "claim.json"), *before = NULL;
	struct boot_result result;
	bool running;

	assert_int_equal(file_read(path, 65536, &before, NULL, NULL), 0);
	json_decref(changed_claim(f, "claim.json", changes));
	assert_int_equal(boot_read(f->run, &f->run->cells[0], 1, &result, NULL), 0);
	running = result.running;
	assert_int_equal(result.outcome, OUTCOME_INCOMPLETE);
	assert_string_equal(result.reason, running ? "still running" : "the stream is empty");
	boot_result_free(&result);
	put_text(f->attempt, "claim.json", before);
	return running;
}

/* Caught: a pid trusted without its start time, or outside of its namespace; a foreign claim that is stale before its
 * deadline, or never; two hosts of one name taken for one host. */
static void who_is_alive(void **state)
{
	const struct fixture *f = *state;
	json_int_t now = time(NULL);

	assert_true(alive_with(f, NULL));
	assert_false(alive_with(f, json_pack("{sI}", "pid_start_time", (json_int_t)1)));
	assert_false(alive_with(f, json_pack("{sI}", "pid", (json_int_t)0)));
	/* renaming the host changes nothing: the boot id names the kernel */
	assert_true(alive_with(f, json_pack("{ss}", "host", "renamed")));
	/* another container: its pid says nothing here, even where the number is in use */
	assert_true(alive_with(f, json_pack("{sI,sI}", "pid_ns", (json_int_t)1, "deadline_s", now + 60)));
	assert_true(alive_with(f, json_pack("{sI,sI,sI}", "pid_ns", (json_int_t)1, "pid_start_time", (json_int_t)1,
					    "deadline_s", now + 60)));
	assert_false(alive_with(f, json_pack("{sI,sI}", "pid_ns", (json_int_t)1, "deadline_s", now - 120)));
	/* another host, and clocks that differ a little */
	assert_true(alive_with(f, json_pack("{ss,ss,sI}", "host", "far", "boot_id", "x", "deadline_s", now + 60)));
	assert_true(alive_with(f, json_pack("{ss,ss,sI}", "host", "far", "boot_id", "x", "deadline_s", now - 30)));
	assert_false(alive_with(f, json_pack("{ss,ss,sI}", "host", "far", "boot_id", "x", "deadline_s", now - 120)));
	/* this host before its last start, and its twin of today */
	assert_false(alive_with(
		f, json_pack("{ss,sI,sI}", "boot_id", "x", "claimed_s", (json_int_t)1000, "deadline_s", now + 60)));
	assert_true(alive_with(f, json_pack("{ss,sI,sI}", "boot_id", "x", "claimed_s", now, "deadline_s", now + 60)));
}

/* Caught: a host whose clock is a day ahead keeps a boot for a day; one that says nothing of its clock for ever. */
static void clocks_that_are_wrong(void **state)
{
	const struct fixture *f = *state;
	json_int_t ahead = time(NULL) + 86400;
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 1000 }, { .tv_sec = time(NULL) - 1000 } };
	_cleanup_free_ char *path = path_join(f->attempt, "claim.json");

	json_decref(changed_claim(f, "claim.json",
				  json_pack("{ss,ss,sI,sI}", "host", "far", "boot_id", "x", "claimed_s", ahead,
					    "deadline_s", ahead + 100)));
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_CLAIMED);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_OVER);
}

/* Caught: the next attempt begun beside a living one. */
static void the_next_waits_for_the_last(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(claim(f, 1, 0), -2);
	json_decref(changed_claim(f, "claim.json", json_pack("{sI}", "pid_start_time", (json_int_t)1)));
	assert_int_equal(claim(f, 1, 1), -2);
	assert_int_equal(claim(f, 1, 0), 0);
	assert_int_equal(claim(f, 1, 0), -2);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

/* Caught: an orphan taken for a running attempt or for a dead one; a zombie taken for alive; an adoption that two
 * processes can both have, or of what is not orphaned. */
static void orphans_are_adopted_once(void **state)
{
	const struct fixture *f = *state;
	struct attempt_guest guest = { .pid = sleeper(), .started_s = 1, .deadline_s = 2 };
	struct boot_result result;
	siginfo_t info;
	int won = 0;

	assert_int_equal(attempt_guest_write(f->attempt, &guest, NULL), 0);
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_CLAIMED);
	assert_int_equal(attempt_adopt(f->attempt, 0, NULL), -2);
	json_decref(changed_claim(f, "claim.json", json_pack("{sI}", "pid_start_time", (json_int_t)1)));
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_ORPHAN);
	assert_int_equal(boot_read(f->run, &f->run->cells[0], 1, &result, NULL), 0);
	assert_true(result.running && result.adoptable);
	boot_result_free(&result);
	for (int child = 0; child < 8; child++) {
		if (fork() == 0) {
			int rc = attempt_adopt(f->attempt, 0, NULL);

			/* alive until all have tried */
			usleep(300000);
			_exit(rc == 0 ? 1 : rc == -2 ? 0 : 255);
		}
	}
	usleep(150000);
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_CLAIMED);
	for (int child = 0; child < 8; child++) {
		int status;

		assert_true(waitpid(-1, &status, 0) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		won += WEXITSTATUS(status);
	}
	assert_int_equal(won, 1);
	/* the adopter is dead too: an orphan again, until the guest itself ends */
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_ORPHAN);
	kill(guest.pid, SIGKILL);
	assert_int_equal(waitid(P_PID, (id_t)guest.pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_OVER);
	assert_int_equal(attempt_adopt(f->attempt, 0, NULL), 0);
	put_text(f->attempt, "done.json", "{}");
	assert_int_equal(attempt_state(f->attempt), ATTEMPT_OVER);
	assert_int_equal(attempt_adopt(f->attempt, 0, NULL), -2);
	waitpid(guest.pid, NULL, 0);
}

/* Caught: a reason that outlives its being wrong; a digest that becomes a path. */
static void images_are_given_up(void **state)
{
	const struct fixture *f = *state;
	struct cell_record *cell = &f->run->cells[0];
	struct boot_result result;
	_cleanup_free_ char *none = NULL;

	assert_int_equal(image_give_up(f->run, cell->kernel_sha256, "it boots nowhere", NULL), 0);
	assert_int_equal(boot_read(f->run, cell, 3, &result, NULL), 0);
	assert_int_equal(result.outcome, OUTCOME_NOT_RUN);
	assert_string_equal(result.reason, "it boots nowhere");
	boot_result_free(&result);
	image_take_back(f->run, cell->kernel_sha256);
	assert_int_equal(boot_read(f->run, cell, 3, &result, NULL), 0);
	assert_string_equal(result.reason, "not run");
	boot_result_free(&result);
	assert_null(image_given_up(f->run, "../run.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_wins_each_attempt, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_alive, setup, teardown),
		cmocka_unit_test_setup_teardown(clocks_that_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(the_next_waits_for_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans_are_adopted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(images_are_given_up, setup, teardown),
	};

	return cmocka_run_group_tests_name("store-claim", tests, NULL, NULL);
}
