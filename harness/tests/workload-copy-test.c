// SPDX-License-Identifier: GPL-2.0-or-later
/* A renamed copy of a workload's folder is a workload: `make` finds it, no other file says so. In a scratch tree whose
 * workloads/ is a copy; the rest of the tree is this one by links, and what it has built is not compiled again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "tests/pipeline.h"

#define MAKE_S 240

struct fixture {
	char *top, *tree, *build,
		*dir; /* owned: of this tree, of the scratch tree, its build/, for matrices and runs */
};

static void tool(const char *const argv[])
{
	_cleanup_free_ char *out = NULL;
	struct err err = ERR_INIT;
	int rc = proc_capture((char *const *)argv, now_ns() + MAKE_S * NSEC_PER_SEC, 1 << 20, &out, &err);

	if (rc)
		fail_msg("%s %s: %s", argv[0], argv[1], rc < 0 ? err.msg : out);
}
#define TOOL(...) tool((const char *const[]){ __VA_ARGS__, NULL })

static void copy_workload(const struct fixture *f, const char *from, const char *to)
{
	_cleanup_free_ char *source = xasprintf("%s/workloads/%s", f->top, from);
	_cleanup_free_ char *copy = xasprintf("%s/workloads/%s", f->tree, to);

	TOOL("cp", "-r", source, copy);
}

/* Both programs with the workloads that are there. */
static void make_programs(const struct fixture *f)
{
	TOOL("make", "-j2", "-C", f->tree, "B=build", "build/granule", "build/granule-boot");
}

static void link_tree(const struct fixture *f)
{
	static const char *const linked[] = { "Makefile", "harness", "images", "tools" };
	_cleanup_free_ char *workloads = path_join(f->top, "workloads");

	for (size_t i = 0; i < ARRAY_SIZE(linked); i++) {
		_cleanup_free_ char *to = path_join(f->top, linked[i]), *link = path_join(f->tree, linked[i]);

		assert_int_equal(symlink(to, link), 0);
	}
	TOOL("cp", "-a", workloads, f->tree);
}

static int setup(void **state)
{
	static const char *const built[] = { "obj", "guest" };
	const char *build = getenv("GRANULE_BUILD") ? getenv("GRANULE_BUILD") : "build";
	struct fixture *f = xcalloc(1, sizeof(*f));

	fake_setup(state);
	f->dir = ((struct fake_fixture *)*state)->dir;
	free(*state);
	*state = f;
	f->top = path_absolute(".");
	f->tree = path_join(f->dir, "tree");
	f->build = path_join(f->tree, "build");
	assert_int_equal(make_dirs(f->build, NULL), 0);
	link_tree(f);
	for (size_t i = 0; i < ARRAY_SIZE(built); i++) {
		_cleanup_free_ char *from = path_join(build, built[i]);

		TOOL("cp", "-a", from, f->build);
	}
	/* not the flags of the make that this may run under */
	unsetenv("MAKEFLAGS");
	unsetenv("MFLAGS");
	unsetenv("MAKELEVEL");
	setenv("GRANULE_BUILD", f->build, 1);
	copy_workload(f, "null", "null-copy");
	copy_workload(f, "postgresql", "pg_copy");
	copy_workload(f, "will-it-scale", "wis.copy");
	make_programs(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->top);
	free(f->tree);
	free(f->build);
	free(f);
	return 0;
}

static char *write_matrix(const struct fixture *f, const char *workloads)
{
	_cleanup_free_ char *text = xasprintf("matrix: copies\nguest: { memory: 256MiB }\n"
					      "kernels: { 64k: { image: Image-64k } }\nworkloads:\n%s"
					      "trials: { seeds: 2, warmups: 1, samples: 2 }\n",
					      workloads);

	return scratch_write(f->dir, "m.yaml", text, strlen(text));
}

/* Each has its own parameters and checks; the copy of one with a root file system has that of its folder. */
static void lists_its_cells(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *matrix =
				    write_matrix(f, "  n: { null-copy: { values: [3, 4] } }\n"
						    "  p: { pg_copy: { tests: [select-only, tpcb-like], scale: 1 } }\n"
						    "  w: { wis.copy: { tests: getppid1 } }\n"),
			    *out = NULL;

	if (GRANULE(&out, "list", matrix))
		fail_msg("%s", out);
	assert_non_null(strstr(out, "\n64k.default.n\n64k.default.p\n64k.default.w\n3 cells, 3 to run, 0 skipped"));
	assert_non_null(strstr(out, "\nroot of pg_copy  "));
}

static void each_is_in_the_help_once(void **state)
{
	static const char *const in_order[] = { "null",	      "null-copy",     "pg_copy",
						"postgresql", "will-it-scale", "wis.copy" };
	_cleanup_free_ char *help = NULL;
	const char *at;

	(void)state;
	assert_int_equal(GRANULE(&help, "list", "--help-matrix"), 0);
	at = help;
	for (size_t i = 0; i < ARRAY_SIZE(in_order); i++) {
		_cleanup_free_ char *line = xasprintf("\n  %s\n", in_order[i]);

		at = strstr(at, line);
		if (!at)
			fail_msg("no line '%s' in its place in: %s", in_order[i], help);
		assert_null(strstr(at + 1, line));
	}
}

/* The copy's guest programs are in a folder of its own, and the same bytes. */
static void guest_programs(void **state)
{
	static const char *const pairs[][2] = { { "null/null", "null-copy/null" },
						{ "will-it-scale/getppid1_threads", "wis.copy/getppid1_threads" },
						{ "will-it-scale/runner_processes.o", "wis.copy/runner_processes.o" } };
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		_cleanup_free_ char *target = path_join("build/guest", pairs[i][1]);
		_cleanup_free_ char *ours = xasprintf("%s/guest/%s", f->build, pairs[i][0]);
		_cleanup_free_ char *copy = path_join(f->tree, target);

		TOOL("make", "-C", f->tree, "B=build", target);
		TOOL("cmp", ours, copy);
	}
}

/* On the fake guest, with the copy's own program, to the bytes and the metrics of the original. */
static void runs(void **state)
{
	static const char *const names[] = { "null", "null-copy" };
	const struct fixture *f = *state;
	char *digests[2], *runs[2];

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *workloads = xasprintf("  w: { %s: { values: 7, touch: 4M } }\n", names[i]);
		_cleanup_free_ char *matrix = write_matrix(f, workloads), *out = NULL, *shown = NULL, *cells = NULL;
		_cleanup_free_ char *path = NULL, *program = xasprintf("/guest/%s/null\"", names[i]);

		runs[i] = xasprintf("%s/run%zu", f->dir, i);
		path = path_join(runs[i], "cells.jsonl");
		if (GRANULE(&out, "run", "--fresh", matrix, "-o", runs[i]))
			fail_msg("%s", out);
		assert_non_null(strstr(out, "2 boots, 2 ok"));
		assert_int_equal(GRANULE(&shown, "show", runs[i], "64k.default.w"), 0);
		assert_non_null(strstr(shown, "value.0"));
		assert_int_equal(file_read(path, 1 << 20, &cells, NULL, NULL), 0);
		if (!strstr(cells, program))
			fail_msg("no program %s in %s", program, cells);
		digests[i] = run_digest(runs[i]);
	}
	assert_string_equal(digests[0], digests[1]);
	for (size_t i = 0; i < 2; i++) {
		free(digests[i]);
		free(runs[i]);
	}
}

/* Without its folder it is none, and the others are what they were. The last of the group: it takes the folder away. */
static void gone_with_its_folder(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *folder = path_join(f->tree, "workloads/null-copy"), *out = NULL, *left = NULL;
	_cleanup_free_ char *matrix = write_matrix(f, "  n: { null-copy: {} }\n"), *others = NULL;

	assert_int_equal(GRANULE(NULL, "list", matrix), 0);
	assert_int_equal(remove_tree(folder, NULL), 0);
	make_programs(f);
	assert_int_equal(GRANULE(&out, "list", matrix), 2);
	assert_non_null(strstr(out, "unknown workload 'null-copy'"));
	others = write_matrix(f, "  n: { null: {} }\n  p: { pg_copy: {} }\n");
	assert_int_equal(GRANULE(&left, "list", others), 0);
	assert_non_null(strstr(left, "2 cells, 2 to run"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_its_cells),	cmocka_unit_test(each_is_in_the_help_once),
		cmocka_unit_test(guest_programs),	cmocka_unit_test(runs),
		cmocka_unit_test(gone_with_its_folder),
	};

	return cmocka_run_group_tests_name("workload-copy", tests, setup, teardown);
}
