// SPDX-License-Identifier: GPL-2.0-or-later
/* Option tables: the defaults of every table are values a user could write, JSON is canonical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "matrix/sections.h"
#include "tests/matrix-registry.h"

/* options_defaults() aborts on a default outside its own bounds. */
static void defaults_are_legal(void **state)
{
	union {
		struct guest_spec guest;
		struct kernel_spec kernel;
		struct folio_profile folio;
		struct trials trials;
		struct skip_rule skip;
		struct gate_rule gate;
	} target;

	(void)state;
	for (const struct section *s = sections; s->key; s++) {
		if (!s->options)
			continue;
		memset(&target, 0, sizeof(target));
		options_defaults(s->options, &target);
		options_free(s->options, &target);
		for (const struct option_def *o = s->options; o->key; o++)
			assert_non_null(o->help);
	}
}

static char *probe_json(const char *params)
{
	_cleanup_free_ char *text = xasprintf("matrix: m\nkernels: { i: { image: /Image } }\n"
					      "workloads: { w: { will-it-scale: %s } }\n",
					      params);
	struct matrix *m = NULL;
	struct err err = ERR_INIT;
	json_t *json;
	char *s;

	if (matrix_parse(text, "m.yaml", &m, &err) < 0)
		fail_msg("%s", err.msg);
	json = options_json(probe_options, m->workloads[0].params);
	s = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	matrix_free(m);
	return s;
}

static void json_of_defaults(void **state)
{
	_cleanup_free_ char *json = probe_json("{}");

	(void)state;
	/* no names, mode, file, note, iterations: they have no value */
	assert_string_equal(
		json, "{\"tests\":[\"page_fault1\",\"getppid1\"],\"tasks\":[1],"
		      "\"sizes\":{\"16K\":\"processes\",\"64K\":\"threads\"},\"bytes\":\"256M\",\"verbose\":false}");
}

static void json_is_canonical(void **state)
{
	_cleanup_free_ char *a =
		probe_json("{ tests: getppid1, names: [b, a], sizes: { 2M: threads, 64KiB: processes }, "
			   "bytes: 1048576, verbose: Yes, mode: threads, file: /f, iterations: 7 }");
	_cleanup_free_ char *b =
		probe_json("{ iterations: 7, mode: threads, file: /f, verbose: true, bytes: 1MiB, names: [b, a], "
			   "sizes: { 64K: processes, 2048K: threads }, tests: [getppid1] }");

	(void)state;
	assert_string_equal(a, "{\"tests\":[\"getppid1\"],\"names\":[\"b\",\"a\"],\"tasks\":[1],"
			       "\"sizes\":{\"64K\":\"processes\",\"2M\":\"threads\"},\"bytes\":\"1M\",\"iterations\":7,"
			       "\"verbose\":true,\"mode\":\"threads\",\"file\":\"/f\"}");
	assert_string_equal(a, b);
}

/* A list that is given replaces the default, it does not add to it. */
static void given_replaces_default(void **state)
{
	_cleanup_free_ char *json = probe_json("{ tests: [page_fault2], tasks: [2, 3], sizes: { 1M: threads } }");

	(void)state;
	assert_non_null(strstr(json, "\"tests\":[\"page_fault2\"],\"tasks\":[2,3],\"sizes\":{\"1M\":\"threads\"}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_legal),
		cmocka_unit_test(json_of_defaults),
		cmocka_unit_test(json_is_canonical),
		cmocka_unit_test(given_replaces_default),
	};

	return cmocka_run_group_tests_name("matrix-option", tests, NULL, NULL);
}
