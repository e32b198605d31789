// SPDX-License-Identifier: GPL-2.0-or-later
/* What is put into a kernel is found, at the size it has: matrices/planted.yaml in real guests. Needs its kernels in the cache, where `granule
 * images build matrices/planted.yaml` puts them; a test builds none, and skips with the reason. */
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

#define MATRIX "matrices/planted.yaml"
#define INSNS "page_fault1.insns_per_op"
#define UNACCOUNTED "page_fault1.memory.unaccounted"
#define PAGE 65536

static const struct planted {
	const char *kernel, *metric;
	double size;	  /* in the metric's unit */
	double tolerance; /* layout is worth half an instruction, and a page table or two */
	const char *verdict;
} planted[] = {
	/* the metric's resolution is 1 instruction; the size is shown all the same */
	{ "longer-1", INSNS, 1, 0.75, "not judged" },
	{ "longer-10", INSNS, 10, 0.75, "longer" },
	{ "longer-100", INSNS, 100, 0.75, "longer" },
	{ "layout", INSNS, 0, 0.75, "not judged" },
	/* of 8192 faults every thousandth */
	{ "leak", UNACCOUNTED, 8 * PAGE, 2 * PAGE, "worse" },
	/* within its resolution, or the very same */
	{ "layout", UNACCOUNTED, 0, 2 * PAGE, NULL },
	{ "longer-10", UNACCOUNTED, 0, 2 * PAGE, NULL },
};

static void free_json(json_t **v)
{
	json_decref(*v);
}

static json_t *metric_of(json_t *diff, const char *kernel, const char *name)
{
	size_t arm, i, k;
	json_t *a, *pair, *metric;

	json_array_foreach(json_object_get(diff, "arms"), arm, a)
	{
		if (strcmp(json_string_value(json_object_get(a, "other")), kernel) != 0)
			continue;
		json_array_foreach(json_object_get(diff, "pairs"), i, pair)
		{
			if ((size_t)json_integer_value(json_object_get(pair, "arm")) != arm)
				continue;
			json_array_foreach(json_object_get(pair, "metrics"), k, metric)
			{
				if (!strcmp(json_string_value(json_object_get(metric, "name")), name))
					return metric;
			}
		}
	}
	fail_msg("no %s of %s", name, kernel);
	return NULL;
}

static void check(json_t *diff, const struct planted *p)
{
	json_t *metric = metric_of(diff, p->kernel, p->metric);
	double base = json_number_value(json_object_get(json_object_get(metric, "base"), "median"));
	double other = json_number_value(json_object_get(json_object_get(metric, "other"), "median"));
	const char *verdict = json_string_value(json_object_get(metric, "verdict"));

	printf("%s: %s %.1f %+.2f, %s\n", p->kernel, p->metric, base, other - base, verdict);
	if (!(fabs(other - base - p->size) <= p->tolerance) || (p->verdict && strcmp(verdict, p->verdict) != 0) ||
	    (!p->size && (!strcmp(verdict, "worse") || !strcmp(verdict, "better"))))
		fail_msg("%s: %s %+.2f, %s, where %+.0f was planted", p->kernel, p->metric, other - base, verdict,
			 p->size);
}

/* Caught: a change that is not found, one of the wrong size, one that is found where only addresses moved. */
static void what_is_planted_is_found(void **state)
{
	char *why_not = guest_kernels(MATRIX), *dir;
	bool here = !why_not;
	_cleanup_(free_json) json_t *diff = NULL;
	_cleanup_free_ char *run = NULL, *out = NULL, *text = NULL;

	(void)state;
	free(why_not); /* skip() leaves by longjmp */
	if (!here)
		skip();
	dir = scratch_make();
	run = path_join(dir, "run");
	if (GRANULE(&out, "run", "--fresh", "-j", "1", MATRIX, "-o", run) != 0)
		fail_msg("%s", out);
	GRANULE(&text, "diff", run, "--along", "kernels", "--from", "base", "--effect", "0.005%", "--metric",
		"page_fault1.[im]*", "--format", "json");
	diff = json_loads(text, 0, NULL);
	if (!diff)
		fail_msg("%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(planted); i++)
		check(diff, &planted[i]);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_planted_is_found) };

	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
