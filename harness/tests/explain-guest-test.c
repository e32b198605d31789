// SPDX-License-Identifier: GPL-2.0-or-later
/* A real 64K guest, explained: the plugin changes no byte of what the guest says, and what it counts is what the guest's clock
 * measured, to the instruction. Skips with the reason where guests cannot run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/fs.h"
#include "base/mem.h"
#include "tests/pipeline.h"
#include "tests/schema.h"

struct fixture {
	char *dir, *run, *why_not; /* owned */
};

static const char matrix_text[] =
	"matrix: explained\n"
	"guest: { memory: 1GiB, accel: simulated }\n"
	"kernels:\n"
	"  64k: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
	"folios:\n"
	"  off: { thp: never }\n"
	"  2m: { thp: never, anon: { 2M: always } }\n"
	"workloads:\n"
	"  faults: { will-it-scale: { tests: [page_fault1, getppid1], bytes: 128MiB, iterations: 2000 } }\n"
	"trials: { seeds: 1, warmups: 0, samples: 2 }\n";

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *matrix = NULL, *out = NULL;

	*state = f;
	f->dir = scratch_make();
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	free(guest_kernel(65536, &f->why_not));
	if (f->why_not)
		return 0;
	matrix = scratch_write(f->dir, "m.yaml", matrix_text, strlen(matrix_text));
	f->run = path_join(f->dir, "run");
	if (GRANULE(&out, "run", matrix, "-o", f->run, "-j", "1") != 0) {
		fprintf(stderr, "%s", out);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->why_not);
	free(f);
	return 0;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double function_of(const json_t *phase, const char *list, const char *name, const char *side)
{
	const json_t *functions = json_object_get(phase, list);

	for (size_t i = 0; i < json_array_size(functions); i++) {
		const json_t *f = json_array_get(functions, i);

		if (!strcmp(json_string_value(json_object_get(f, "name")), name))
			return number(f, side);
	}
	return 0;
}

static double function(const json_t *phase, const char *name, const char *side)
{
	return function_of(phase, "functions", name, side);
}

static double sum_of(const json_t *phase, const char *list, const char *side)
{
	const json_t *functions = json_object_get(phase, list);
	double sum = 0;

	for (size_t i = 0; i < json_array_size(functions); i++)
		sum += number(json_array_get(functions, i), side);
	return sum;
}

/* The kernel's functions add up to what the plugin counted for the kernel, and everything to the metric: page_fault1
 * differs by its one faulting store, tried twice; getppid1, which faults never, by the clock reads around 2,000
 * calls. Caught: a KASLR shift that is off by a page, a counter that misses translations, markers in the wrong place. */
static void check_side(const json_t *phase, const char *side, double least_rest, double most_rest)
{
	const json_t *s = json_object_get(phase, side);
	double sum = sum_of(phase, "functions", side);

	assert_true(fabs(sum - number(s, "kernel")) < 1e-6 * sum);
	assert_true(fabs(number(s, "kernel") + number(s, "user") + number(s, "unnamed") + number(s, "rest") -
			 number(s, "insns_per_op")) < 1e-6 * sum);
	assert_true(number(s, "unnamed") == 0);
	assert_true(fabs(sum_of(phase, "user_functions", side) - number(s, "user")) < 1e-9 * sum);
	assert_true(fabs(sum_of(phase, "programs", side) - number(s, "user")) < 1e-9 * sum);
	if (number(s, "rest") < least_rest || number(s, "rest") > most_rest)
		fail_msg("rest: %g", number(s, "rest"));
}

/* User code is the program's, but for the agent's few instructions, and @function has a part of it. Caught: programs
 * taken for each other (all are linked at one address), symbols that are not found. */
static void check_user(const json_t *phase, const char *program, const char *name)
{
	double user = number(json_object_get(phase, "base"), "user");

	if (function_of(phase, "programs", program, "base") < 0.99 * user)
		fail_msg("%s has %g of %g", program, function_of(phase, "programs", program, "base"), user);
	assert_true(function_of(phase, "user_functions", name, "base") > 5);
}

/* The parts are the sum, to the byte, and most memory has a name. Caught: a part that is counted in two places (the
 * rest falls below zero), a file that the job does not ask for. */
static void check_memory(const json_t *splits)
{
	assert_int_equal(json_array_size(splits), 3); /* of the idle guest, and two of the phase that has a hold */
	for (size_t i = 0; i < json_array_size(splits); i++) {
		const json_t *split = json_array_get(splits, i);
		bool guest = !strcmp(json_string_value(json_object_get(split, "of")), "guest");

		for (int k = 0; k < 2; k++) {
			const char *side = k ? "other" : "base";
			double rest = function_of(split, "parts", "rest", side);

			assert_true(sum_of(split, "parts", side) == number(split, side));
			if (rest < 0 || rest > 4 << 20)
				fail_msg("%s: rest %g", json_string_value(json_object_get(split, "phase")), rest);
			if (guest)
				assert_true(function_of(split, "parts", "image", side) > 4 << 20);
		}
	}
}

/* Before anything was counted, and once it was: functions stand below the change, and no guest is started for them, but
 * for --explain. */
static void diff_shows(const struct fixture *f, bool counted)
{
	_cleanup_free_ char *out = NULL;

	GRANULE(&out, "diff", f->run, "--along", "folios");
	if (!strstr(out, "insns_per_op") || !strstr(out, "__handle_mm_fault") == counted || strstr(out, "boot 1:"))
		fail_msg("%s", out);
}

/* First. Caught: counts that are made again though they are kept. */
static void diff_explains(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *out = NULL, *again = NULL;

	REQUIRE_GUESTS(f);
	diff_shows(f, false);
	GRANULE(&out, "diff", f->run, "--along", "folios", "--explain");
	if (!strstr(out, "__handle_mm_fault") || !strstr(out, "64k.off.faults boot 1: ok") ||
	    !strstr(out, "64k.2m.faults boot 1: ok"))
		fail_msg("%s", out);
	GRANULE(&again, "diff", f->run, "--along", "folios", "--explain");
	assert_non_null(strstr(again, "__handle_mm_fault"));
	assert_null(strstr(again, "boot 1: ok"));
	diff_shows(f, true);
}

static void explained_exactly(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *out = NULL, *said = NULL;
	json_t *o, *faults, *getppid;
	int code;

	REQUIRE_GUESTS(f);
	code = GRANULE(&out, "explain", f->run, f->run, "64k.off.faults", "64k.2m.faults", "--callers",
		       "handle_mm_fault", "--format", "json");
	if (code)
		fail_msg("%s", out);
	o = json_loads(strchr(out, '{'), 0, NULL);
	assert_non_null(o);
	if (schema_check(f->dir, o, &said) % SCHEMA_MISSING)
		fail_msg("%s", said);
	assert_int_equal(json_array_size(json_object_get(o, "phases")), 2);
	faults = json_array_get(json_object_get(o, "phases"), 0);
	getppid = json_array_get(json_object_get(o, "phases"), 1);
	check_side(faults, "base", -1.2, -0.8);
	check_side(getppid, "base", 0, 0.5);
	check_side(getppid, "other", 0, 0.5);
	/* with 2M folios 32 base pages come with one fault: the fault handler's share must fall to about that */
	assert_true(function(faults, "__handle_mm_fault", "base") > 100);
	assert_true(function(faults, "__handle_mm_fault", "other") < function(faults, "__handle_mm_fault", "base") / 2);
	assert_true(function(getppid, "__arm64_sys_getppid", "base") > 5);
	assert_true(function(getppid, "__handle_mm_fault", "base") < 0.1);
	check_user(faults, "page_fault1_processes", "testcase");
	check_user(getppid, "getppid1_processes", "testcase");
	/* one call a fault, by BL; Caught: a target that is off by an instruction, a count of the whole sample */
	assert_true(fabs(function_of(faults, "callers", "do_page_fault", "base") - 1) < 0.01);
	assert_true(fabs(sum_of(getppid, "callers", "base")) < 0.05);
	check_memory(json_object_get(o, "memory"));
	json_decref(o);
}

/* System calls go through a table (BLR): one a call. Caught: a branch through a register that is lost, or ends in
 * another block. */
static void indirect_calls(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *out = NULL, *no = NULL;
	const json_t *getppid;
	json_t *o;

	REQUIRE_GUESTS(f);
	assert_int_equal(GRANULE(&out, "explain", f->run, f->run, "64k.off.faults", "--callers", "__arm64_sys_getppid",
				 "--format", "json"),
			 0);
	o = json_loads(strchr(out, '{'), 0, NULL);
	getppid = json_array_get(json_object_get(o, "phases"), 1);
	if (fabs(sum_of(getppid, "callers", "base") - 1) > 0.001 || !strstr(out, "invoke_syscall"))
		fail_msg("%s", out);
	json_decref(o);
	assert_int_equal(GRANULE(&no, "explain", f->run, f->run, "64k.off.faults", "--callers", "no_such_function"), 2);
	assert_non_null(strstr(no, "neither kernel has a function 'no_such_function'"));
	free(no);
	assert_int_equal(GRANULE(&no, "explain", f->run, f->run, "64k.off.faults", "--inline"), 2);
	assert_non_null(strstr(no, "vmlinux with debug information, which is not there"));
}

/* Last, since it spoils the run: the streams are compared before anything is believed. Caught: an explanation of another boot than the recorded one. */
static void another_boot_is_refused(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *cells = NULL, *path = NULL, *out = NULL, *changed = NULL;
	char *at;

	REQUIRE_GUESTS(f);
	path = path_join(f->run, "cells.jsonl");
	assert_int_equal(file_read(path, 1 << 20, &cells, NULL, NULL), 0);
	/* one more operation's worth of work in the job, not in the recorded stream */
	at = strstr(cells, "134217728");
	assert_non_null(at);
	changed = xasprintf("%.*s268435456%s", (int)(at - cells), cells, at + strlen("134217728"));
	assert_int_equal(file_write_atomic(path, changed, strlen(changed), NULL), 0);
	assert_int_equal(GRANULE(&out, "explain", f->run, f->run, "64k.off.faults"), 4);
	assert_non_null(strstr(out, "is not what was recorded any more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(diff_explains),
		cmocka_unit_test(explained_exactly),
		cmocka_unit_test(indirect_calls),
		cmocka_unit_test(another_boot_is_refused),
	};

	return cmocka_run_group_tests_name("explain-guest", tests, setup, teardown);
}
