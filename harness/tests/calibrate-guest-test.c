// SPDX-License-Identifier: GPL-2.0-or-later
/* Calibration of a real 64K guest: one instruction in a fault is found above the floor, a build that only moves code
 * is not, and what moves with timers is timed. Needs linux-source-6.12 (trixie, micro, 64K) as layout 1
 * to 4 and the kernels of matrices/planted.yaml in the cache; a test builds none, and skips with the reason. */
#include <math.h>
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
#include "tests/pipeline.h"

#define PLANTED "matrices/planted.yaml"
#define INSNS "page_fault1.insns_per_op"

static const char kernels_text[] = "matrix: layouts\n"
				   "kernels:\n"
				   "  l1: { source: linux-source-6.12, suite: trixie, pages: 64K, layout: 1 }\n"
				   "  l2: { source: linux-source-6.12, suite: trixie, pages: 64K, layout: 2 }\n"
				   "  l3: { source: linux-source-6.12, suite: trixie, pages: 64K, layout: 3 }\n"
				   "  l4: { source: linux-source-6.12, suite: trixie, pages: 64K, layout: 4 }\n"
				   "workloads: { n: { null: {} } }\n";

static const char timed_text[] = "matrix: timed\n"
				 "guest: { cpus: 1, memory: 3GiB }\n"
				 "kernels:\n"
				 "  base: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
				 "folios:\n"
				 "  off: { thp: never }\n"
				 "workloads: { faults: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } } }\n"
				 "trials: { seeds: 3, warmups: 0, samples: 1 }\n";

static void free_json(json_t **v)
{
	json_decref(*v);
}

static int setup(void **state)
{
	struct guest_fixture *f;

	if (guest_setup(state) < 0)
		return -1;
	f = *state;
	if (!f->why_not) {
		_cleanup_free_ char *matrix = scratch_write(f->dir, "layouts.yaml", kernels_text, strlen(kernels_text));

		f->why_not = guest_kernels(matrix);
		if (!f->why_not)
			f->why_not = guest_kernels(PLANTED);
	}
	return 0;
}

/* What @args print as JSON; owned by the caller. */
static json_t *json_of(const char *const args[])
{
	_cleanup_free_ char *out = NULL;
	json_t *o;

	granule(&out, args);
	o = json_loads(out, 0, NULL);
	if (!o)
		fail_msg("%s", out);
	return o;
}
#define JSON_OF(...) json_of((const char *const[]){ __VA_ARGS__, NULL })

static json_t *named(const json_t *list, const char *name)
{
	size_t i;
	json_t *o;

	json_array_foreach(list, i, o)
	{
		if (!strcmp(json_string_value(json_object_get(o, "name")), name))
			return o;
	}
	fail_msg("no %s", name);
	return NULL;
}

/* The verdict on page_fault1's instructions of the pair with @kernel. */
static const char *verdict_of(const json_t *diff, const char *kernel)
{
	size_t i, arm = SIZE_MAX;
	json_t *o;

	json_array_foreach(json_object_get(diff, "arms"), i, o)
	{
		if (!strcmp(json_string_value(json_object_get(o, "other")), kernel))
			arm = i;
	}
	json_array_foreach(json_object_get(diff, "pairs"), i, o)
	{
		const json_t *m;

		if ((size_t)json_integer_value(json_object_get(o, "arm")) != arm)
			continue;
		m = named(json_object_get(o, "metrics"), INSNS);
		printf("%s: change %+.4f%%, %s (%s)\n", kernel, 100 * json_number_value(json_object_get(m, "change")),
		       json_string_value(json_object_get(m, "verdict")),
		       json_is_string(json_object_get(m, "reason")) ? json_string_value(json_object_get(m, "reason"))
								    : "");
		return json_string_value(json_object_get(m, "verdict"));
	}
	fail_msg("no pair with %s", kernel);
	return NULL;
}

/* Caught: a floor so wide that it hides an instruction, one so narrow that layout is called a change. */
static void one_instruction_is_found(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *cal = NULL, *run = NULL, *out = NULL;
	_cleanup_(free_json) json_t *diff = NULL;
	const char *layout;

	REQUIRE_GUESTS(f);
	cal = path_join(f->dir, "cal");
	run = path_join(f->dir, "run");
	if (GRANULE(&out, "calibrate", "-q", "-n", "4", "-j", "1", PLANTED, "-o", cal) != 0)
		fail_msg("%s", out);
	printf("%s", out);
	free(steal_ptr(out));
	if (GRANULE(&out, "run", "-q", "-j", "1", PLANTED, "-o", run, "--floor", cal) != 0)
		fail_msg("%s", out);
	diff = JSON_OF("diff", run, "--along", "kernels", "--effect", "0.005%", "--metric", INSNS, "--format", "json");
	assert_string_equal(verdict_of(diff, "longer-1"), "longer");
	assert_string_equal(verdict_of(diff, "longer-10"), "longer");
	assert_string_equal(verdict_of(diff, "longer-100"), "longer");
	layout = verdict_of(diff, "layout");
	assert_true(!strcmp(layout, "same") || !strcmp(layout, "not judged"));
}

/* Caught: a timer that is not slowed, a metric that moves with it and is judged all the same, one that does not and is
 * called timed. */
static void what_moves_with_timers_is_timed(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *matrix = NULL, *cal = NULL, *out = NULL;
	_cleanup_(free_json) json_t *floors = NULL;
	const json_t *metrics;

	REQUIRE_GUESTS(f);
	matrix = scratch_write(f->dir, "timed.yaml", timed_text, strlen(timed_text));
	cal = path_join(f->dir, "timed");
	if (GRANULE(&out, "calibrate", "-q", "-n", "2", "-j", "1", matrix, "-o", cal) != 0)
		fail_msg("%s", out);
	printf("%s", out);
	floors = JSON_OF("calibrate", "--show", cal, "--format", "json");
	metrics = json_object_get(named(json_object_get(floors, "cells"), "off.faults"), "metrics");
	assert_true(json_is_false(json_object_get(named(metrics, INSNS), "timed")));
	assert_true(json_is_true(json_object_get(named(metrics, "page_fault1.psi.guest.cpu.some"), "timed")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_instruction_is_found),
		cmocka_unit_test(what_moves_with_timers_is_timed),
	};

	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	return cmocka_run_group_tests(tests, setup, guest_teardown);
}
