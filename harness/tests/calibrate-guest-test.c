// SPDX-License-Identifier: GPL-2.0-or-later
/* Calibration of a real 64K guest: instructions planted in a fault are found where they exceed the floor, a build that
 * only moves code is not, and what moves with timers is timed. Needs linux-source-6.12 (trixie, micro, 64K) as layout 1
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
#define EFFECT 0.00005 /* "0.005%": what lies within it of the floor is not judged either */

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

/* The metric @name of the pair with kernel @kernel. */
static const json_t *metric_of(const json_t *diff, const char *kernel, const char *name)
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
		if ((size_t)json_integer_value(json_object_get(o, "arm")) == arm)
			return named(json_object_get(o, "metrics"), name);
	}
	fail_msg("no pair with %s", kernel);
	return NULL;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static double median_of(const json_t *metric, const char *side)
{
	return json_number_value(json_object_get(json_object_get(metric, side), "median"));
}

static bool is_claim(const char *verdict)
{
	return !strcmp(verdict, "better") || !strcmp(verdict, "worse") || !strcmp(verdict, "shorter") ||
	       !strcmp(verdict, "longer");
}

/* How many metrics of the pairs with kernels whose label begins with @kernels are called a change, each printed. */
static size_t claims(const json_t *diff, const char *kernels)
{
	const json_t *arms = json_object_get(diff, "arms");
	size_t i, k, n = 0;
	json_t *pair, *m;

	json_array_foreach(json_object_get(diff, "pairs"), i, pair)
	{
		const json_t *arm = json_array_get(arms, (size_t)json_integer_value(json_object_get(pair, "arm")));

		if (strncmp(text_of(arm, "other"), kernels, strlen(kernels)) != 0)
			continue;
		json_array_foreach(json_object_get(pair, "metrics"), k, m)
		{
			if (!is_claim(text_of(m, "verdict")))
				continue;
			printf("%s: %s %+.3f%%, %s\n", text_of(arm, "other"), text_of(m, "name"),
			       100 * json_number_value(json_object_get(m, "change")), text_of(m, "verdict"));
			n++;
		}
	}
	return n;
}

static const json_t *floors_of(const json_t *calibration, const char *cell)
{
	return json_object_get(named(json_object_get(calibration, "cells"), cell), "metrics");
}

/* @size instructions were planted in @kernel: longer above the floor, and no change below it. */
static void check_planted(const json_t *diff, const char *kernel, double size, double floor)
{
	const json_t *m = metric_of(diff, kernel, INSNS);
	double base = median_of(m, "base"), change = median_of(m, "other") - base;
	const char *verdict = text_of(m, "verdict"), *reason = text_of(m, "reason");

	printf("%s: %+.2f where the floor is %.2f: %s (%s)\n", kernel, change, floor, verdict, reason);
	if (!(fabs(change - size) <= 0.75))
		fail_msg("%s: planted were %.0f", kernel, size);
	if (change > floor + EFFECT * base)
		assert_string_equal(verdict, "longer");
	else
		assert_true(!strcmp(verdict, "not judged") && strstr(reason, "within the layout floor"));
}

/* Caught: a floor so wide that it hides ten instructions, one that is not applied. */
static void planted_is_judged_by_the_floor(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *cal = NULL, *run = NULL, *out = NULL;
	_cleanup_(free_json) json_t *diff = NULL, *floors = NULL;
	const char *layout;
	double floor;

	REQUIRE_GUESTS(f);
	cal = path_join(f->dir, "cal");
	run = path_join(f->dir, "run");
	if (GRANULE(&out, "calibrate", "-q", "-n", "4", "-j", "1", PLANTED, "-o", cal) != 0)
		fail_msg("%s", out);
	printf("%s", out);
	free(steal_ptr(out));
	if (GRANULE(&out, "run", "-q", "-j", "1", PLANTED, "-o", run, "--floor", cal) != 0)
		fail_msg("%s", out);
	floors = JSON_OF("calibrate", "--show", cal, "--format", "json");
	floor = json_number_value(json_object_get(named(floors_of(floors, "default.faults"), INSNS), "floor"));
	assert_true(floor > 0 && floor < 9);
	diff = JSON_OF("diff", run, "--along", "kernels", "--effect", "0.005%", "--metric", INSNS, "--format", "json");
	check_planted(diff, "longer-1", 1, floor);
	check_planted(diff, "longer-10", 10, floor);
	check_planted(diff, "longer-100", 100, floor);
	layout = text_of(metric_of(diff, "layout", INSNS), "verdict");
	assert_true(!strcmp(layout, "same") || !strcmp(layout, "not judged"));
}

/* Builds that only move code are called changed without a floor (the alignment of layout 3 makes a larger Image, so
 * more reserved memory) and never with it. Caught: a floor that is not applied to memory. */
static void layout_alone_is_no_change(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *cal = NULL;
	_cleanup_(free_json) json_t *without = NULL, *with = NULL;

	REQUIRE_GUESTS(f);
	cal = path_join(f->dir, "cal"); /* of the test before */
	without = JSON_OF("diff", cal, "--along", "kernels", "--effect", "0.005%", "--metric", "*memory.*", "--format",
			  "json");
	with = JSON_OF("diff", cal, "--along", "kernels", "--effect", "0.005%", "--metric", "*memory.*", "--floor", cal,
		       "--format", "json");
	assert_string_equal(text_of(metric_of(without, "base-layout-3", "guest.memory.reserved"), "verdict"), "worse");
	assert_true(claims(without, "base-layout-") > 0);
	printf("with the floor:\n");
	assert_int_equal(claims(with, "base-layout-"), 0);
}

/* One kernel with other timers: times move, and no code changed. Four builds, for the floor of three is too wide to see
 * it. Caught: a timer that is not slowed, a metric that moves with it and is judged all the same, one that does not and
 * is called timed. */
static void what_moves_with_timers_is_timed(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *matrix = NULL, *cal = NULL, *out = NULL;
	_cleanup_(free_json) json_t *floors = NULL, *without = NULL, *with = NULL;
	const json_t *metrics;

	REQUIRE_GUESTS(f);
	matrix = scratch_write(f->dir, "timed.yaml", timed_text, strlen(timed_text));
	cal = path_join(f->dir, "timed");
	if (GRANULE(&out, "calibrate", "-q", "-n", "4", "-j", "1", matrix, "-o", cal) != 0)
		fail_msg("%s", out);
	printf("%s", out);
	floors = JSON_OF("calibrate", "--show", cal, "--format", "json");
	metrics = floors_of(floors, "off.faults");
	assert_true(json_is_false(json_object_get(named(metrics, INSNS), "timed")));
	assert_true(json_is_true(json_object_get(named(metrics, "page_fault1.psi.guest.cpu.some"), "timed")));
	without = JSON_OF("diff", cal, "--along", "kernels", "--effect", "0.005%", "--metric", "page_fault1.[ep]*",
			  "--format", "json");
	with = JSON_OF("diff", cal, "--along", "kernels", "--effect", "0.005%", "--metric", "page_fault1.[ep]*",
		       "--floor", cal, "--format", "json");
	assert_true(claims(without, "base-timers-10") > 0);
	printf("with the floor:\n");
	assert_int_equal(claims(with, "base-timers-10"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_is_judged_by_the_floor),
		cmocka_unit_test(layout_alone_is_no_change),
		cmocka_unit_test(what_moves_with_timers_is_timed),
	};

	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	return cmocka_run_group_tests(tests, setup, guest_teardown);
}
