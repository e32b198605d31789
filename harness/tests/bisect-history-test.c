// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver on real git histories with a measurement that is made up: every way for a commit, an end, a host and
 * granule itself to turn out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "bisect/bisect.h"
#include "tests/git.h"
#include "tests/pipeline.h"

#define COMMITS 12

/* A world: from commit .bad on everything is bad, commits whose bit is set in .skip cannot be judged; subjects are
 * "c0", "c1", ... */
struct world {
	char *dir, *repo;
	char *sha[COMMITS + 1];
	unsigned bad, skip;
	unsigned calls, fail_at, die_at; /* counted from 1; 0: never */
	enum err_kind fail_kind;
	unsigned measured[COMMITS + 1];
};

static unsigned index_of(const struct world *w, const char *commit)
{
	for (unsigned i = 0; i <= COMMITS; i++)
		if (w->sha[i] && !strcmp(w->sha[i], commit))
			return i;
	fail_msg("%s was never committed", commit);
	return 0;
}

static int measure(void *ctx, const char *commit, enum bisect_verdict *ret_verdict, char **ret_reason, struct err *err)
{
	struct world *w = ctx;
	unsigned i = index_of(w, commit);

	w->calls++;
	if (w->calls == w->die_at)
		_exit(9);
	if (w->calls == w->fail_at)
		return err_set(err, w->fail_kind, "the disk is full");
	w->measured[i]++;
	*ret_verdict = w->skip & 1u << i ? BISECT_SKIP : i >= w->bad ? BISECT_BAD : BISECT_GOOD;
	*ret_reason = xasprintf("made up for c%u", i);
	return 0;
}

static char *commit_one(const char *repo, unsigned i)
{
	_cleanup_free_ char *text = xasprintf("VERSION = 6\nPATCHLEVEL = 12\n# %u\n", i), *name = xasprintf("c%u", i);
	char *sha;

	free(scratch_write(repo, "Makefile", text, strlen(text)));
	GIT_DO(repo, "add", "-A");
	GIT_DO(repo, "commit", "-q", "-m", name);
	sha = GIT(repo, "rev-parse", "HEAD");
	sha[strcspn(sha, "\n")] = '\0';
	return sha;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->dir = scratch_make();
	w->repo = path_join(w->dir, "linux");
	assert_int_equal(make_dirs(w->repo, NULL), 0);
	GIT_DO(w->repo, "init", "-q", "-b", "main");
	for (unsigned i = 0; i < COMMITS; i++)
		w->sha[i] = commit_one(w->repo, i);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i <= COMMITS; i++)
		free(w->sha[i]);
	free(w->repo);
	scratch_remove(w->dir);
	free(w);
	return 0;
}

static void reset(struct world *w, unsigned bad, unsigned skip)
{
	w->bad = bad;
	w->skip = skip;
	w->calls = w->fail_at = w->die_at = 0;
	memset(w->measured, 0, sizeof(w->measured));
}

/* A fresh folder for each bisection. */
static char *folder(const struct world *w)
{
	static unsigned n;
	char *dir = xasprintf("%s/b%u", w->dir, n++);

	assert_int_equal(make_dirs(dir, NULL), 0);
	return dir;
}

static int bisect_between(struct world *w, const char *dir, const char *tree, unsigned good, unsigned bad,
			  struct bisect_result *r, struct err *err)
{
	const struct bisect_options o = {
		.dir = dir, .tree = tree, .good = w->sha[good], .bad = w->sha[bad], .measure = measure, .ctx = w
	};

	*err = ERR_INIT;
	return bisect_run(&o, r, err);
}

static int bisect(struct world *w, const char *dir, struct bisect_result *r, struct err *err)
{
	return bisect_between(w, dir, w->repo, 0, COMMITS - 1, r, err);
}

static void expect_found(struct world *w, const char *dir, const struct bisect_result *r, unsigned bad)
{
	_cleanup_free_ char *subject = xasprintf("c%u", bad), *path = path_join(dir, "bisect.log"), *log = NULL;

	if (!r->found || r->n_candidates != 1 || strcmp(r->candidates[0], w->sha[bad]) != 0)
		fail_msg("c%u is bad, and found is %s", bad, r->n_candidates ? r->candidates[0] : "nothing");
	assert_string_equal(r->subject, subject);
	assert_string_equal(r->author, "t <t@example>, 2026-11-01");
	assert_string_equal(r->parent, w->sha[bad - 1]);
	assert_int_equal(file_read(path, 1 << 20, &log, NULL, NULL), 0);
	assert_non_null(strstr(log, "# first bad commit: ["));
}

/* Caught: an end taken for the answer, good and bad turned round, the parent for the child. */
static void each_is_found(void **state)
{
	struct world *w = *state;

	for (unsigned bad = 1; bad < COMMITS; bad++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w);
		struct err err;

		reset(w, bad, 0);
		if (bisect(w, dir, &r, &err) < 0)
			fail_msg("%s", err.msg);
		expect_found(w, dir, &r, bad);
		/* 10 between two ends: 4 halvings at most, and each commit once */
		assert_true(w->calls <= 6);
		assert_int_equal(r.n_steps, w->calls);
		for (unsigned i = 0; i < COMMITS; i++)
			assert_true(w->measured[i] <= 1);
	}
}

/* Skipped commits away from the change do not matter; beside it they are candidates, all of them and no other. */
static void skips_are_candidates(void **state)
{
	static const struct {
		unsigned bad, skip, first, last; /* candidates are first..last; first == last: found */
	} table[] = {
		{ 5, 1u << 8 | 1u << 2, 5, 5 },
		{ 5, 1u << 4, 4, 5 },
		{ 6, 1u << 5 | 1u << 6, 5, 7 },
		{ 3, 1u << 1 | 1u << 2, 1, 3 },
		/* all between the ends */
		{ 4, ((1u << COMMITS) - 1) & ~1u & ~(1u << (COMMITS - 1)), 1, COMMITS - 1 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w);
		unsigned seen = 0, want = 0;
		struct err err;

		reset(w, table[i].bad, table[i].skip);
		if (bisect(w, dir, &r, &err) < 0)
			fail_msg("%s", err.msg);
		for (unsigned k = table[i].first; k <= table[i].last; k++)
			want |= 1u << k;
		for (size_t k = 0; k < r.n_candidates; k++)
			seen |= 1u << index_of(w, r.candidates[k]);
		assert_int_equal(seen, want);
		assert_int_equal(r.found, table[i].first == table[i].last);
	}
}

/* Caught: a bisection that starts between ends that are not what they are said to be, and ends with some commit all
 * the same. */
static void ends_are_measured(void **state)
{
	static const struct {
		unsigned bad, skip, from, to;
		enum err_kind kind;
		const char *says;
	} table[] = {
		{ 0, 0, 0, 11, ERR_CONFIG, "is bad: made up for c0" },
		{ 12, 0, 0, 11, ERR_CONFIG, "is good: made up for c11; there is nothing to find" },
		{ 5, 1, 0, 11, ERR_GUEST, "is neither good nor bad: made up for c0" },
		{ 5, 1u << 11, 0, 11, ERR_GUEST, "is neither good nor bad: made up for c11" },
		{ 5, 0, 11, 0, ERR_CONFIG, "Maybe you mistook good and bad revs?" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w);
		struct err err;

		reset(w, table[i].bad, table[i].skip);
		assert_int_equal(bisect_between(w, dir, w->repo, table[i].from, table[i].to, &r, &err), -1);
		if (err.kind != table[i].kind || !strstr(err.msg, table[i].says))
			fail_msg("%zu: kind %d: %s", i, (int)err.kind, err.msg);
		assert_true(w->calls <= 2);
	}
}

/* The host fails, or somebody interrupts, at each step in turn: nothing is concluded, nothing is lost, and the commit
 * that was not judged is measured again. Caught: a failed host that counts as a verdict, a journal that is not read. */
static void a_failure_is_no_verdict(void **state)
{
	struct world *w = *state;

	for (unsigned at = 1; at <= 5; at++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w);
		struct err err;

		reset(w, 7, 0);
		w->fail_at = at;
		w->fail_kind = at % 2 ? ERR_HOST : ERR_INTERRUPTED;
		assert_int_equal(bisect(w, dir, &r, &err), -1);
		assert_int_equal(err.kind, w->fail_kind);
		assert_non_null(strstr(err.msg, "the disk is full"));
		if (bisect(w, dir, &r, &err) < 0)
			fail_msg("%s", err.msg);
		expect_found(w, dir, &r, 7);
		for (unsigned i = 0; i < COMMITS; i++)
			assert_true(w->measured[i] <= 1);
	}
}

/* Killed at each step; the journal's last line torn as well. Caught: steps that are told to git in another order than
 * before, a torn line that stops everything or counts. */
static void killed_and_resumed(void **state)
{
	struct world *w = *state;

	for (unsigned at = 1; at <= 5; at++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w), *journal = path_join(dir, "steps.jsonl");
		int status = 0;
		struct err err;
		pid_t pid;

		reset(w, 4, 1u << 6);
		w->die_at = at;
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			bisect(w, dir, &r, &err);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 9);
		assert_int_equal(file_append(journal, "{\"commit\":\"12", 13, NULL), 0);
		w->die_at = 0;
		if (bisect(w, dir, &r, &err) < 0)
			fail_msg("%s", err.msg);
		expect_found(w, dir, &r, 4);
		/* what the dead one had measured is not measured here, nor anything by a third */
		assert_int_equal(w->calls, r.n_steps - (at - 1));
		bisect_result_clear(&r);
		w->calls = 0;
		if (bisect(w, dir, &r, &err) < 0)
			fail_msg("%s", err.msg);
		expect_found(w, dir, &r, 4);
		assert_int_equal(w->calls, 0);
	}
}

static void a_damaged_journal_is_named(void **state)
{
	struct world *w = *state;
	_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
	_cleanup_free_ char *dir = folder(w);
	struct err err;

	free(scratch_write(dir, "steps.jsonl", "{\"commit\":\"1\",\"verdict\":\"ugly\"}\n", 33));
	reset(w, 4, 0);
	assert_int_equal(bisect(w, dir, &r, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "steps.jsonl:1: not a step"));
}

/* Every file of the repository and its working tree, with its time. Owned. */
static char *all_files(const char *dir)
{
	const char *argv[] = { "sh", "-c",
			       "cd \"$0\" && export GIT_OPTIONAL_LOCKS=0 && find . -printf '%p %T@ %s\\n' | sort && "
			       "git status --porcelain",
			       dir, NULL };
	char *out = NULL;

	assert_int_equal(proc_capture((char *const *)argv, now_ns() + 60 * NSEC_PER_SEC, 1 << 22, &out, NULL), 0);
	return out;
}

/* A dirty tree in the middle of a bisection of the user's own stays just that. Caught: a checkout, a ref, a BISECT_
 * file, an index. */
static void the_users_tree_is_not_touched(void **state)
{
	struct world *w = *state;
	_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
	_cleanup_free_ char *dir = folder(w), *clone = path_join(dir, "clone"), *before = NULL, *after = NULL;
	struct err err;

	GIT_DO(w->dir, "clone", "-q", w->repo, clone);
	GIT_DO(clone, "bisect", "start", "HEAD", "HEAD~6");
	free(scratch_write(clone, "Makefile", "mine\n", 5));
	free(scratch_write(clone, "new", "mine\n", 5));
	free(all_files(clone)); /* git status refreshes the index */
	before = all_files(clone);
	reset(w, 5, 1u << 4);
	if (bisect_between(w, dir, clone, 0, COMMITS - 1, &r, &err) < 0)
		fail_msg("%s", err.msg);
	after = all_files(clone);
	assert_string_equal(before, after);
}

/* A linked worktree, a bare repository, a shallow clone; a repository that is one of the caller's GIT_DIR. */
static void any_kind_of_repository(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *place = folder(w), *worktree = path_join(place, "worktree"),
			    *bare = path_join(place, "bare"), *shallow = path_join(place, "shallow"),
			    *url = xasprintf("file://%s", w->repo);
	const char *const trees[] = { worktree, bare, shallow };

	GIT_DO(w->repo, "worktree", "add", "-q", "--detach", worktree, "HEAD~2");
	GIT_DO(w->dir, "clone", "-q", "--bare", w->repo, bare);
	GIT_DO(w->dir, "clone", "-q", "--depth", "6", url, shallow);
	for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
		_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
		_cleanup_free_ char *dir = folder(w);
		struct err err;
		int rc;

		reset(w, 9, 0);
		setenv("GIT_DIR", "/proc/nonexistent", 1);
		rc = bisect_between(w, dir, trees[i], i == 2 ? COMMITS - 6 : 0, COMMITS - 1, &r, &err);
		unsetenv("GIT_DIR");
		if (rc < 0)
			fail_msg("%s: %s", trees[i], err.msg);
		assert_true(r.found);
		assert_string_equal(r.candidates[0], w->sha[9]);
	}
}

/* What came in by a merge is found on its branch, and the log repeats it elsewhere. */
static void merges_and_replay(void **state)
{
	struct world *w = *state;
	_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
	_cleanup_free_ char *dir = folder(w), *repo = path_join(dir, "linux"), *log = path_join(dir, "bisect.log"),
			    *replayed = NULL;
	char *main_sha[COMMITS + 1];
	struct err err;

	memcpy(main_sha, w->sha, sizeof(main_sha));
	memset(w->sha, 0, sizeof(w->sha));
	assert_int_equal(make_dirs(repo, NULL), 0);
	GIT_DO(repo, "init", "-q", "-b", "main");
	w->sha[0] = commit_one(repo, 0);
	GIT_DO(repo, "checkout", "-q", "-b", "side");
	/* numbered behind the main line's, so that "from .bad on" holds on the side branch and behind the merge */
	w->sha[5] = commit_one(repo, 5);
	w->sha[6] = commit_one(repo, 6);
	w->sha[7] = commit_one(repo, 7);
	GIT_DO(repo, "checkout", "-q", "main");
	free(scratch_write(repo, "other", "1\n", 2));
	w->sha[1] = commit_one(repo, 1);
	w->sha[2] = commit_one(repo, 2);
	GIT_DO(repo, "merge", "-q", "-X", "theirs", "-m", "c8", "side");
	w->sha[8] = GIT(repo, "rev-parse", "HEAD");
	w->sha[8][strcspn(w->sha[8], "\n")] = '\0';
	reset(w, 6, 0);
	if (bisect_between(w, dir, repo, 0, 8, &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(r.found);
	assert_string_equal(r.candidates[0], w->sha[6]);
	GIT_DO(repo, "bisect", "replay", log);
	replayed = GIT(repo, "rev-parse", "refs/bisect/bad");
	replayed[strcspn(replayed, "\n")] = '\0';
	assert_string_equal(replayed, w->sha[6]);
	for (unsigned i = 0; i <= COMMITS; i++)
		free(w->sha[i]);
	memcpy(w->sha, main_sha, sizeof(main_sha));
}

static void one_at_a_time(void **state)
{
	struct world *w = *state;
	_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
	_cleanup_free_ char *dir = folder(w), *path = path_join(dir, "lock");
	_cleanup_close_ int lock = lock_file(path, false, NULL);
	struct err err;

	assert_true(lock >= 0);
	reset(w, 4, 0);
	assert_int_equal(bisect(w, dir, &r, &err), -1);
	assert_non_null(strstr(err.msg, "another granule is at this bisection"));
	assert_int_equal(w->calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_found),
		cmocka_unit_test(skips_are_candidates),
		cmocka_unit_test(ends_are_measured),
		cmocka_unit_test(a_failure_is_no_verdict),
		cmocka_unit_test(killed_and_resumed),
		cmocka_unit_test(a_damaged_journal_is_named),
		cmocka_unit_test(the_users_tree_is_not_touched),
		cmocka_unit_test(any_kind_of_repository),
		cmocka_unit_test(merges_and_replay),
		cmocka_unit_test(one_at_a_time),
	};

	return cmocka_run_group_tests_name("bisect-history", tests, setup, teardown);
}
