// SPDX-License-Identifier: GPL-2.0-or-later
/* What the instruction clock does not see gets no claim about speed: matrices/controls.yaml in real guests. Needs its
 * kernels in the cache, where `granule images build matrices/controls.yaml` puts them; skips with the reason where
 * they are not. */
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

#define MATRIX "matrices/controls.yaml"
#define INSNS "page_fault1.insns_per_op"
#define TLBI_INSNS 3 /* of tlbi.patch */

static void free_json(json_t **v)
{
	json_decref(*v);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Every time is a path here. Returns the change of page_fault1's instructions. */
static double check_pair(const json_t *pair, const char *kernel)
{
	double change = NAN;
	size_t k, n = 0;
	json_t *m;

	json_array_foreach(json_object_get(pair, "metrics"), k, m)
	{
		const char *verdict = text_of(m, "verdict");

		if (strcmp(text_of(m, "class"), "time") != 0)
			continue;
		n++;
		if (!strcmp(verdict, "better") || !strcmp(verdict, "worse"))
			fail_msg("%s: %s is called %s", kernel, text_of(m, "name"), verdict);
		if (!strcmp(text_of(m, "name"), INSNS))
			change = json_number_value(json_object_get(json_object_get(m, "other"), "median")) -
				 json_number_value(json_object_get(json_object_get(m, "base"), "median"));
	}
	assert_true(n > 0);
	printf("%s: " INSNS " %+.2f\n", kernel, change);
	return change;
}

/* Caught: a TLBI that is shown as more (or less) than its instructions, a time called better or worse, a diff that
 * does not say what it is blind to. */
static void nothing_is_said_of_speed(void **state)
{
	char *why_not = guest_kernels(MATRIX), *dir;
	bool here = !why_not;
	_cleanup_free_ char *run = NULL, *out = NULL, *json = NULL, *text = NULL;
	_cleanup_(free_json) json_t *diff = NULL;
	double tlbi, no_contpte;

	(void)state;
	free(why_not); /* skip() leaves by longjmp */
	if (!here)
		skip();
	dir = scratch_make();
	run = path_join(dir, "run");
	if (GRANULE(&out, "run", "-j", "1", MATRIX, "-o", run) != 0)
		fail_msg("%s", out);
	GRANULE(&json, "diff", run, "--along", "kernels", "--effect", "0.005%", "--format", "json");
	GRANULE(&text, "diff", run, "--along", "kernels", "--effect", "0.005%");
	diff = json_loads(json, 0, NULL);
	if (!diff)
		fail_msg("%s", json);
	assert_int_equal(json_array_size(json_object_get(diff, "pairs")), 2);
	tlbi = check_pair(json_array_get(json_object_get(diff, "pairs"), 0), "tlbi");
	no_contpte = check_pair(json_array_get(json_object_get(diff, "pairs"), 1), "no-contpte");
	if (!(fabs(tlbi - TLBI_INSNS) <= 0.75))
		fail_msg("tlbi: %+.2f instructions, planted were %d", tlbi, TLBI_INSNS);
	/* without its hooks the path cannot be longer by more than what layout is worth */
	if (!(no_contpte < 0.75))
		fail_msg("no-contpte: %+.2f instructions", no_contpte);
	assert_non_null(strstr(text, "Not seen on this basis"));
	assert_non_null(strstr(text, "ARM64_CONTPTE: contiguous entries spare TLB misses"));
	assert_non_null(strstr(text, "a barrier or TLBI"));
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_said_of_speed) };

	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
