// SPDX-License-Identifier: GPL-2.0-or-later
/* What `--format json` prints is what docs/schema says, from runs of the fake guest: ok, failed, skipped, watched.
 * (explain's and bisect's are checked where those run.) Each mutation of a valid document must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "bisect/bisect.h"
#include "compare/gate.h"
#include "report/report.h"
#include "tests/pipeline.h"
#include "tests/schema.h"

static const char matrix_text[] =
	"matrix: s\n"
	"guest: { memory: 256MiB }\n"
	"kernels:\n"
	"  4k: { image: Image-4k }\n"
	"  64k: { image: Image-64k }\n"
	"folios:\n"
	"  off: { thp: never }\n"
	"  small: { anon: { 64K: always } }\n"
	"workloads:\n"
	"  w: { null: { touch: 4M } }\n"
	"  bad: { null: { fail: exit } }\n"
	"trials: { seeds: 2, warmups: 0, samples: 2, series: 1, series_interval: 500 }\n"
	"gates:\n"
	"  - { metric: cost_insns, longer_by: 1%, against: baseline, workloads: w }\n"
	"  - { metric: memory.peak, worse_by: 1%, along: kernels, from: 4k, why: \"memory\" }\n"
	"  - { metric: nosuch, changed_by: 1%, along: folios, allow_unclear: yes }\n";

struct fixture {
	char *dir, *run;
	bool missing; /* the validator is */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cache = NULL, *matrix = NULL, *said = NULL, *out = NULL;

	f->dir = scratch_make();
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("CI", "1", 1);
	free(scratch_image(f->dir, "Image-4k", 4096));
	free(scratch_image(f->dir, "Image-64k", 65536));
	matrix = scratch_write(f->dir, "m.yaml", matrix_text, strlen(matrix_text));
	f->run = path_join(f->dir, "run");
	*state = f;
	if (GRANULE(&out, "run", matrix, "-o", f->run) != 4) {
		fprintf(stderr, "%s", out);
		return -1;
	}
	f->missing = schema_check_file("/dev/null", &said) == SCHEMA_MISSING;
	if (f->missing)
		printf("skipped: %s\n", said);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f);
	return 0;
}

static json_t *printed(const char *const args[])
{
	_cleanup_free_ char *out = NULL;
	json_t *o;

	granule(&out, args);
	o = json_loads(out, 0, NULL);
	if (!o)
		fail_msg("granule %s: %s", args[0], out);
	return o;
}

#define PRINTED(...) printed((const char *const[]){ __VA_ARGS__, "--format", "json", NULL })

static void documents_are_valid(void **state)
{
	const struct fixture *f = *state;

	if (f->missing)
		skip();
	json_t *const all[] = {
		PRINTED("diff", f->run, "--along", "kernels"), PRINTED("diff", f->run, f->run),
		PRINTED("gate", f->run, "--against", f->run),  PRINTED("show", f->run),
		PRINTED("show", f->run, "4k.small.w"),	       PRINTED("show", f->run, "64k.off.bad"),
		PRINTED("show", f->run, "64k.small.w"), /* skipped */
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *said = NULL;

		if (schema_check(f->dir, all[i], &said) != 0)
			fail_msg("%zu: %s", i, said);
		json_decref(all[i]);
	}
}

/* The value at @path ("gates/0/checks"), up to its last word: that is @ret_key. */
static json_t *parent_of(json_t *o, char *path, const char **ret_key)
{
	char *save = NULL, *word = strtok_r(path, "/", &save);

	for (char *next; (next = strtok_r(NULL, "/", &save)); word = next)
		o = json_is_array(o) ? json_array_get(o, strtoul(word, NULL, 10)) : json_object_get(o, word);
	*ret_key = word;
	return o;
}

/* A key that is lost, one that nobody knows, a number as text, a word that is none, a version that is another's. */
static void mutations_are_refused(void **state)
{
	static const struct {
		const char *path, *value; /* NULL: removed */
	} mutations[] = {
		{ "schema", "\"2.0\"" },
		{ "kind", "\"diff\"" },
		{ "run", NULL },
		{ "exit_code", "2" },
		{ "surprise", "1" },
		{ "gates", "[]" },
		{ "gates/0/by", "\"1%\"" },
		{ "gates/0/limit", "\"faster_by\"" },
		{ "gates/0/checks/0/result", "\"fine\"" },
		{ "gates/0/checks/0/metric", NULL },
		{ "gates/0/checks/0/low", "null" },
		{ "gates/1/labels", "{\"moons\": [\"io\"]}" },
	};
	const struct fixture *f = *state;
	json_t *valid;

	if (f->missing)
		skip();
	valid = PRINTED("gate", f->run, "--against", f->run);
	for (size_t i = 0; i < ARRAY_SIZE(mutations); i++) {
		_cleanup_free_ char *path = xstrdup(mutations[i].path), *said = NULL;
		json_t *o = json_deep_copy(valid), *parent;
		const char *key;

		parent = parent_of(o, path, &key);
		assert_true(json_is_object(parent));
		if (mutations[i].value)
			json_object_set_new(parent, key, json_loads(mutations[i].value, JSON_DECODE_ANY, NULL));
		else
			assert_int_equal(json_object_del(parent, key), 0);
		if (schema_check(f->dir, o, &said) != SCHEMA_INVALID)
			fail_msg("%s: not refused: %s", mutations[i].path, said);
		json_decref(o);
	}
	json_decref(valid);
}

static void check_words(const char *file, const char *pointer, const char *const *words)
{
	json_t *schema = json_load_file(file, 0, NULL), *at;
	_cleanup_free_ char *path = xasprintf("%s/enum", pointer);
	const char *key;
	size_t n = 0;

	assert_non_null(schema);
	at = json_object_get(parent_of(schema, path, &key), "enum");
	for (; words[n]; n++)
		if (!text_equal(json_string_value(json_array_get(at, n)), words[n]))
			fail_msg("%s: %s does not list '%s' as word %zu", file, pointer, words[n], n + 1);
	assert_int_equal(json_array_size(at), n);
	json_decref(schema);
}

/* A new verdict or result must come into the schema. */
static void words_are_those_of_the_code(void **state)
{
	(void)state;
	check_words("docs/schema/diff.schema.json",
		    "properties/pairs/items/properties/metrics/items/properties/verdict", verdict_names);
	check_words("docs/schema/gate.schema.json", "properties/gates/items/properties/limit", gate_limit_names);
	check_words("docs/schema/gate.schema.json", "properties/gates/items/properties/result", gate_result_names);
	check_words("docs/schema/bisect.schema.json", "properties/steps/items/properties/verdict",
		    bisect_verdict_names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_valid),
		cmocka_unit_test(mutations_are_refused),
		cmocka_unit_test(words_are_those_of_the_code),
	};

	return cmocka_run_group_tests_name("report-schema", tests, setup, teardown);
}
