// SPDX-License-Identifier: GPL-2.0-or-later
/* A git history of real kernels, bisected: Linux 6.12 with ten instructions planted in the anonymous fault by one
 * commit, beside one that does not compile and one that panics. Half an hour of kernel builds on two cores, so only
 * with GRANULE_TEST_BISECT=1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/git.h"
#include "tests/pipeline.h"

#define SOURCE "sources/trixie/linux-source-6.12/source.tar.xz"
#define PLANTED "images/kernels/patches/planted/longer-10.patch"
#define PATIENCE_NS (3 * 3600 * NSEC_PER_SEC)

static const char matrix_text[] =
	"matrix: planted-history\n"
	"guest: { memory: 1GiB, accel: simulated }\n"
	"kernels:\n"
	"  64k: { git: linux, pages: 64K }\n"
	"workloads:\n"
	"  faults: { will-it-scale: { tests: [page_fault1, getppid1], bytes: 128MiB, iterations: 2000 } }\n"
	"trials: { seeds: 3, warmups: 0, samples: 1 }\n"
	"gates:\n"
	"  - { metric: page_fault1.insns_per_op, longer_by: 0.05%, against: baseline }\n";

/* In their order. @command is run by a shell in the tree. */
static const struct commit {
	const char *subject, *command;
} commits[] = {
	{ "base", "true" },
	{ "docs: one", "echo 1 >>Documentation/process/howto.rst" },
	{ "docs: two", "echo 2 >>Documentation/process/howto.rst" },
	{ "docs: three", "echo 3 >>Documentation/process/howto.rst" },
	{ "kernel/bounds: a slip", "echo 'int slip' >>kernel/bounds.c" },
	{ "kernel/bounds: mend it", "sed -i '/^int slip/d' kernel/bounds.c" },
	{ "mm: more to do in a fault", "patch -s -p1 <\"$PATCH\"" },
	{ "init: give up", "sed -i '/^\\tkernel_init_freeable();/i\\\\tpanic(\"planted\");' init/main.c" },
	{ "init: do not give up", "sed -i '/^\\tpanic(\"planted\");/d' init/main.c" },
};

enum { GOOD_PARENT = 5, PLANTED_AT = 6 };

static void shell(const char *dir, const char *command)
{
	_cleanup_free_ char *patch = realpath(PLANTED, NULL), *var = xasprintf("PATCH=%s", patch);
	const char *argv[] = { "env", "-C", dir, var, "sh", "-ec", command, NULL };
	_cleanup_free_ char *out = NULL;

	if (proc_capture((char *const *)argv, now_ns() + PATIENCE_NS, 1 << 20, &out, NULL) != 0)
		fail_msg("%s: %s", command, out);
}

static void make_history(const char *dir, const char *repo, const char *tarball, char *sha[])
{
	_cleanup_free_ char *untar = xasprintf("mkdir linux && tar -xf '%s' -C linux --strip-components=1", tarball);

	shell(dir, untar);
	GIT_DO(repo, "init", "-q", "-b", "main");
	GIT_DO(repo, "config", "gc.auto", "0");
	for (size_t i = 0; i < ARRAY_SIZE(commits); i++) {
		shell(repo, commits[i].command);
		GIT_DO(repo, "add", "-A", "-f");
		GIT_DO(repo, "commit", "-q", "--allow-empty", "-m", commits[i].subject);
		sha[i] = GIT(repo, "rev-parse", "HEAD");
		sha[i][strcspn(sha[i], "\n")] = '\0';
	}
}

static void free_json(json_t **v)
{
	json_decref(*v);
}

static const json_t *step_of(const json_t *result, const char *sha)
{
	const json_t *steps = json_object_get(result, "steps");

	for (size_t i = 0; i < json_array_size(steps); i++)
		if (!strcmp(json_string_value(json_object_get(json_array_get(steps, i), "commit")), sha))
			return json_array_get(steps, i);
	return NULL;
}

/* A commit need not have been tried; if it was, it was skipped, and for this. */
static void check_skipped(const json_t *result, const char *sha, const char *why)
{
	const json_t *s = step_of(result, sha);

	if (!s)
		return;
	assert_string_equal(json_string_value(json_object_get(s, "verdict")), "skip");
	if (!strstr(json_string_value(json_object_get(s, "reason")), why))
		fail_msg("skipped for: %s", json_string_value(json_object_get(s, "reason")));
}

static void check_result(const char *out_dir, char *const sha[])
{
	_cleanup_free_ char *path = path_join(out_dir, "result.json");
	_cleanup_(free_json) json_t *o = json_load_file(path, 0, NULL);
	const json_t *first = json_object_get(o, "first_bad"), *moved = json_array_get(json_object_get(o, "step"), 0);
	double step =
		json_number_value(json_object_get(moved, "other")) - json_number_value(json_object_get(moved, "base"));

	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(first, "commit")), sha[PLANTED_AT]);
	assert_string_equal(json_string_value(json_object_get(first, "parent")), sha[GOOD_PARENT]);
	if (step < 9.5 || step > 10.5)
		fail_msg("ten instructions were planted, and %.2f are found", step);
	check_skipped(o, sha[4], "building git ");
	check_skipped(o, sha[7], "boot 1: ");
	/* the middle is the one that does not compile, so this saw at least that */
	assert_non_null(step_of(o, sha[4]));
}

static char *tarball_path(void)
{
	_cleanup_free_ char *cache = cache_dir();

	return path_join(cache, SOURCE);
}

static void bisect_it(const struct guest_fixture *f)
{
	_cleanup_free_ char *tarball = tarball_path(), *repo = path_join(f->dir, "linux"), *out = NULL, *status = NULL,
			    *matrix = scratch_write(f->dir, "m.yaml", matrix_text, strlen(matrix_text)),
			    *out_dir = path_join(f->dir, "bisect"),
			    *build = path_absolute(getenv("GRANULE_BUILD") ? getenv("GRANULE_BUILD") : "build"),
			    *program = path_join(build, "granule");
	const char *argv[] = { program, "bisect", matrix, "--good", "main~8", "--bad",
			       "main",	"--why",  "-o",	  out_dir,  NULL };
	char *sha[ARRAY_SIZE(commits)] = { NULL };
	int code;

	make_history(f->dir, repo, tarball, sha);
	code = proc_capture((char *const *)argv, now_ns() + PATIENCE_NS, 1 << 22, &out, NULL);
	fprintf(stderr, "%s", out);
	assert_int_equal(code, 0);
	check_result(out_dir, sha);
	assert_non_null(strstr(out, "mm: more to do in a fault"));
	/* do_anonymous_page() is inlined: its caller shows it */
	assert_non_null(strstr(strstr(out, "granule explain: "), "__handle_mm_fault"));
	status = GIT(repo, "status", "--porcelain");
	assert_string_equal(status, "");
	for (size_t i = 0; i < ARRAY_SIZE(commits); i++)
		free(sha[i]);
}

static bool is_possible(void)
{
	_cleanup_free_ char *tarball = tarball_path();

	if (getenv("GRANULE_TEST_BISECT") && path_exists(tarball))
		return true;
	printf("skipped: half an hour of kernel builds; GRANULE_TEST_BISECT=1 asks for it, with %s there\n", SOURCE);
	return false;
}

static void a_planted_change_is_found(void **state)
{
	const struct guest_fixture *f = *state;

	REQUIRE_GUESTS(f);
	if (!is_possible())
		skip();
	bisect_it(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_planted_change_is_found) };

	return cmocka_run_group_tests_name("bisect-guest", tests, guest_setup, guest_teardown);
}
