// SPDX-License-Identifier: GPL-2.0-or-later
/* `granule bisect` as a user types it, on a git tree whose kernels a fake make builds and a fake guest boots: no
 * QEMU, no network. A commit's file `kernel` says what its kernel does (guest/fake.c); "broken" does not compile. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/git.h"
#include "tests/kernel-make.h"
#include "tests/pipeline.h"
#include "tests/schema.h"

#define COMMITS_MAX 12

static const char matrix_text[] = "matrix: b\n"
				  "guest: { memory: 256MiB }\n"
				  "kernels:\n"
				  "  64k: { git: linux, pages: 64K }\n"
				  "  other: { image: Image-64k }\n"
				  "  debian: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
				  "workloads:\n"
				  "  w: { null: { cost: 100000 } }\n"
				  "trials: { seeds: 3, warmups: 0, samples: 1 }\n"
				  "gates:\n"
				  "  - { metric: cost_insns, longer_by: 1%, against: baseline }\n";

struct world {
	char *dir, *matrix, *repo, *bin;
	char *sha[COMMITS_MAX]; /* owned */
	unsigned n, n_out;
};

static void put(const char *dir, const char *name, const char *text)
{
	free(scratch_write(dir, name, text, strlen(text)));
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->dir = scratch_make();
	w->bin = kernel_make_install(w->dir);
	free(scratch_image(w->dir, "Image-64k", 65536));
	w->matrix = scratch_write(w->dir, "m.yaml", matrix_text, strlen(matrix_text));
	w->repo = path_join(w->dir, "linux");
	*state = w;
	return 0;
}

static void forget(struct world *w)
{
	for (unsigned i = 0; i < w->n; i++)
		free(w->sha[i]);
	w->n = 0;
	remove_tree(w->repo, NULL);
}

static int teardown(void **state)
{
	struct world *w = *state;

	forget(w);
	free(w->matrix);
	free(w->repo);
	free(w->bin);
	scratch_remove(w->dir);
	free(w);
	return 0;
}

/* A history of such kernels, "fine longer ..."; every commit of every history is a kernel of its own, by its
 * Makefile. */
static void history(struct world *w, const char *kinds)
{
	_cleanup_free_ char *words = xstrdup(kinds);
	static unsigned number;
	char *save = NULL;

	forget(w);
	assert_int_equal(make_dirs(w->repo, NULL), 0);
	GIT_DO(w->repo, "init", "-q", "-b", "main");
	for (char *kind = strtok_r(words, " ", &save); kind; kind = strtok_r(NULL, " ", &save)) {
		_cleanup_free_ char *makefile = xasprintf("VERSION = 6\nPATCHLEVEL = 12\n# %u\n", number++);
		_cleanup_free_ char *message = xasprintf("c%u: %s", w->n, kind);
		char *sha;

		put(w->repo, "Makefile", makefile);
		put(w->repo, "kernel", kind);
		GIT_DO(w->repo, "add", "-A");
		GIT_DO(w->repo, "commit", "-q", "-m", message);
		sha = GIT(w->repo, "rev-parse", "HEAD");
		sha[strcspn(sha, "\n")] = '\0';
		w->sha[w->n++] = sha;
	}
}

static char *out_dir(struct world *w)
{
	return xasprintf("%s/out%u", w->dir, w->n_out++);
}

/* @out by its place: it is set by the call that @code is the value of. */
static void expect(int code, int want, char *const *out, const char *says)
{
	if (code == want && strstr(*out, says))
		return;
	fprintf(stderr, "%s", *out); /* cmocka cuts */
	fail_msg("code %d, not %d, or not \"%s\" in what is above", code, want, says);
}

static void free_json(json_t **v)
{
	json_decref(*v);
}

/* The planted change, beside one commit that does not compile and one that does not boot, away from it. Caught: an
 * answer without its numbers, a skip that is a verdict, a kernel built from the working tree. */
static void found_and_measured(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *head = NULL, *path = path_join(dir, "result.json");
	_cleanup_(free_json) json_t *o = NULL;
	int code;

	history(w, "fine fine broken fine fine longer longer dead longer longer");
	put(w->repo, "kernel", "broken"); /* not committed: does not count */
	code = GRANULE(&out, "bisect", w->matrix, "--good", "HEAD~9", "--bad", "main", "-o", dir);
	head = xasprintf("granule bisect: %s is the first bad commit\n  subject   c5: longer", w->sha[5]);
	expect(code, 0, &out, head);
	expect(code, 0, &out, "default.w null.cost_insns: ");
	expect(code, 0, &out, "+10.0% [+10.0 +10.0]");
	expect(code, 0, &out, "bisect: step 3, then about 2 more");
	ASSERT_SCHEMA_FILE(path);
	o = json_load_file(path, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json_object_get(o, "first_bad"), "commit")), w->sha[5]);
	assert_string_equal(json_string_value(json_object_get(json_object_get(o, "first_bad"), "parent")), w->sha[4]);
	free(head);
	head = GIT(w->repo, "status", "--porcelain");
	assert_string_equal(head, " M kernel\n");
}

/* A kernel of a Debian source, with the commits of a tree; a metric in place of the matrix's gates; JSON alone. */
static void of_another_tree(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *want = NULL;
	int code;

	history(w, "longer longer fine fine fine");
	/* shorter is a change, too: the matrix's own gate would not mind */
	code = GRANULE(&out, "bisect", w->matrix, "--kernel", "debian", "--tree", w->repo, "--good", w->sha[0], "--bad",
		       w->sha[4], "--metric", "cost_*", "--changed-by", "1%", "-q", "--format", "json", "-o", dir);
	want = xasprintf("\"commit\": \"%s\"", w->sha[2]);
	expect(code, 0, &out, want);
}

/* What cannot be told apart is said to be several. */
static void skipped_beside_it(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *result = path_join(dir, "result.json");
	int code;

	history(w, "fine fine broken wobbly dead longer longer");
	code = GRANULE(&out, "bisect", w->matrix, "--good", "main~6", "--bad", "main", "-o", dir);
	ASSERT_SCHEMA_FILE(result);
	expect(code, 5, &out, "the first bad commit is one of 4;");
	expect(code, 5, &out, ": kernels.64k: building git ");
	expect(code, 5, &out, ": mm/memory.c:1:1: error: broken");
	expect(code, 5, &out, "c4: dead");
	expect(code, 5, &out, "boot-failed: agent: no hello in");
	expect(code, 5, &out, "skip: unclear: 64k.default.w null.cost_insns: ");
	for (unsigned i = 2; i <= 5; i++) {
		_cleanup_free_ char *line = xasprintf("\n  %.12s  c%u: ", w->sha[i], i);

		expect(code, 5, &out, line);
	}
}

/* What is wrong with the question stops before the search, with its own code. */
static void wrong_questions(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *args[8];
		int code;
		const char *says;
	} table[] = {
		{ { "--good", "main~1", "--bad", "main" }, 2, "is good: " },
		{ { "--good", "main~3", "--bad", "main~2" }, 4, "--bad" },
		{ { "--good", "main~2", "--bad", "main" }, 4, "is neither good nor bad: " },
		{ { "--good", "main", "--bad", "main~3" }, 2, "Maybe you mistook good and bad revs?" },
		{ { "--good", "nosuch", "--bad", "main" }, 2, "--good: commit: " },
		{ { "--good", "main~3", "--bad", "main", "--kernel", "other" }, 2, "is not of a git tree" },
		{ { "--good", "main~3", "--bad", "main", "--kernel", "32k" }, 2, "it has 64k, other, debian" },
		{ { "--good", "main~3", "--bad", "main", "--metric", "nosuch", "--longer-by", "1%" },
		  2,
		  "selects no metric" },
		{ { "--good", "main~3", "--bad", "main", "--metric", "cost_insns" },
		  2,
		  "--metric goes with one limit" },
		{ { "--good", "main~3", "--bad", "main", "--metric", "x", "--longer-by", "1" }, 2, "not a percentage" },
		{ { "--good", "main~3" }, 2, "to where?" },
		{ { "--good", "main~3", "--bad", "main", "--only", "4k.*" }, 2, "matches --only" },
	};

	history(w, "fine broken fine fine");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *dir = out_dir(w), *out = NULL;
		const char *args[16] = { "bisect", w->matrix, "-o", dir };

		for (size_t k = 0; k < 8; k++)
			args[4 + k] = table[i].args[k];
		expect(granule(&out, args), table[i].code, &out, table[i].says);
	}
}

/* A full disk is the host's, not the commit's; when there is room again the bisection goes on. Caught: a host error
 * taken for a commit that does not compile. */
static void the_host_fails(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *again = NULL, *wrong = NULL,
			    *full = path_join(w->bin, "full"), *head = NULL, *late = NULL;

	history(w, "fine fine fine longer longer");
	put(w->bin, "full", "");
	expect(GRANULE(&out, "bisect", w->matrix, "--good", "main~4", "--bad", "main", "-o", dir), 3, &out,
	       "No space left on device");
	unlink(full);
	expect(GRANULE(&wrong, "bisect", w->matrix, "--good", "main~4", "--bad", "main", "-o", dir), 2, &wrong,
	       "go on with `--resume");
	head = xasprintf("granule bisect: %s is the first bad commit", w->sha[3]);
	expect(GRANULE(&again, "bisect", "--resume", dir), 0, &again, head);
	/* a second time nothing is measured again */
	expect(GRANULE(&late, "bisect", "--resume", dir, "--format", "json"), 0, &late, w->sha[3]);
	assert_null(strstr(late, "bisect: step"));
}

static void kill_after(pid_t pid, unsigned ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	int status;

	nanosleep(&ts, NULL);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* Ctrl-C while a kernel is built: that says nothing of its commit. Caught: an interrupted make taken for a source
 * that does not compile. */
static void interrupted_and_resumed(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *slow = path_join(w->bin, "slow"),
			    *seen = path_join(w->bin, "seen"), *journal = path_join(dir, "steps.jsonl"), *head = NULL;
	int status = 0;
	pid_t pid;

	history(w, "fine longer longer");
	put(w->bin, "slow", "");
	pid = granule_start(
		(const char *const[]){ "bisect", w->matrix, "--good", "main~2", "--bad", "main", "-o", dir, NULL });
	for (int i = 0; i < 3000 && !path_exists(seen); i++)
		usleep(10000);
	assert_true(path_exists(seen));
	assert_int_equal(kill(pid, SIGINT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 130);
	assert_false(path_exists(journal));
	unlink(slow);
	head = xasprintf("granule bisect: %s is the first bad commit", w->sha[1]);
	expect(GRANULE(&out, "bisect", "--resume", dir), 0, &out, head);
}

/* Killed wherever it is, a moment later each time, and resumed until it is done. Caught: a half-made run, tree or
 * repository that stops the next one. */
static void killed_and_resumed(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *head = NULL, *record = path_join(dir, "bisect.json"),
			    *result = path_join(dir, "result.json");

	history(w, "fine fine fine fine broken fine longer longer longer longer");
	for (unsigned ms = 40; ms < 4000 && !path_exists(result); ms = ms * 5 / 4) {
		if (path_exists(record))
			kill_after(granule_start((const char *const[]){ "bisect", "--resume", dir, NULL }), ms);
		else
			kill_after(granule_start((const char *const[]){ "bisect", w->matrix, "--good", "main~9",
									"--bad", "main", "-o", dir, NULL }),
				   ms);
	}
	head = xasprintf("granule bisect: %s is the first bad commit", w->sha[6]);
	expect(GRANULE(&out, "bisect", "--resume", dir), 0, &out, head);
}

/* The codes that `git bisect run` acts on, and git itself acting on them. */
static void steps_for_git(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *rev;
		int code;
		const char *says;
	} table[] = {
		{ "main", 1, "bad: 64k.default.w null.cost_insns: " },
		{ "main~5", 0, "good: " },
		{ "main~4", 125, "skip: unclear" },
		{ "main~3", 125, ": kernels.64k: building git " },
		{ "main~2", 125, "boot-failed" },
		{ "nosuch", 128, "--step: commit: " },
	};
	_cleanup_free_ char *dir = out_dir(w), *out = NULL, *found = NULL, *full = path_join(w->bin, "full"),
			    *fresh = out_dir(w),
			    *build = path_absolute(getenv("GRANULE_BUILD") ? getenv("GRANULE_BUILD") : "build"),
			    *program = path_join(build, "granule"), *head = NULL, *host = NULL;

	history(w, "fine fine wobbly broken dead longer longer");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *said = NULL;

		expect(GRANULE(&said, "bisect", w->matrix, "--good", "main~6", "--step", table[i].rev, "-o", dir),
		       table[i].code, &said, table[i].says);
	}
	expect(GRANULE(&out, "bisect", w->matrix, "--good", "main~6", "--step", "main"), 128, &out, "--step needs -o");
	history(w, "fine fine broken fine longer longer longer");
	put(w->bin, "full", "");
	expect(GRANULE(&host, "bisect", w->matrix, "--good", "main~6", "--step", "main", "-o", fresh), 129, &host,
	       "No space left on device");
	unlink(full);
	GIT_DO(w->repo, "bisect", "start", "--no-checkout", "main", "main~6");
	found = GIT(w->repo, "bisect", "run", program, "bisect", w->matrix, "--good", w->sha[0], "--step",
		    "BISECT_HEAD", "-q", "-o", fresh);
	head = xasprintf("%s is the first bad commit", w->sha[4]);
	expect(0, 0, &found, head);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_and_measured), cmocka_unit_test(of_another_tree),
		cmocka_unit_test(skipped_beside_it),  cmocka_unit_test(wrong_questions),
		cmocka_unit_test(the_host_fails),     cmocka_unit_test(interrupted_and_resumed),
		cmocka_unit_test(killed_and_resumed), cmocka_unit_test(steps_for_git),
	};

	return cmocka_run_group_tests_name("bisect-pipeline", tests, setup, teardown);
}
