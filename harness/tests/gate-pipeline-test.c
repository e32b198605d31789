// SPDX-License-Identifier: GPL-2.0-or-later
/* `granule gate` and `run --gate` as a user types them: every exit code, every selector, along an axis and against a
 * baseline. Kernels say in their release what the fake guest does with them (guest/fake.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/pipeline.h"

static const char head[] = "matrix: g\n"
			   "guest: { memory: 256MiB }\n"
			   "kernels:\n"
			   "  base: { image: Image-fine }\n"
			   "  fine: { image: Image-fine2 }\n"
			   "  longer: { image: Image-longer }\n"
			   "  wobbly: { image: Image-wobbly }\n"
			   "%s"
			   "folios: { off: { thp: never }, all: { thp: always } }\n"
			   "workloads:\n"
			   "  w: { null: { cost: 100000, values: 100 } }\n"
			   "  v: { null: { cost: 100000, values: 100 } }\n"
			   "limit: [none, 192MiB]\n"
			   "trials: { seeds: 3, warmups: 0, samples: 1 }\n"
			   "gates:\n  - %s\n";

struct fixture {
	char *dir, *run, *dead;
};

static char *matrix_with(const struct fixture *f, const char *name, const char *kernels, const char *gate)
{
	_cleanup_free_ char *text = xasprintf(head, kernels, gate);

	return scratch_write(f->dir, name, text, strlen(text));
}

/* An Image of 64K pages with such a release. */
static void put_image(const struct fixture *f, const char *name, const char *release)
{
	_cleanup_free_ char *path = scratch_image(f->dir, name, 65536), *data = NULL;
	size_t len;

	assert_int_equal(file_read(path, 65536, &data, &len, NULL), 0);
	snprintf(data + 512, 512, "Linux version %s (nobody@nowhere) (gcc) #1 SMP\n", release);
	assert_int_equal(file_write_atomic(path, data, len, NULL), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cache = NULL, *matrix = NULL, *dead = NULL, *out = NULL;
	static const char any[] = "{ metric: cost_insns, longer_by: 5%, along: kernels }";

	f->dir = scratch_make();
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("CI", "1", 1);
	put_image(f, "Image-fine", "6.12.0+fine");
	put_image(f, "Image-fine2", "6.12.1+fine");
	put_image(f, "Image-longer", "6.12.0+longer");
	put_image(f, "Image-wobbly", "6.12.0+wobbly");
	put_image(f, "Image-dead", "6.12.0+dead");
	matrix = matrix_with(f, "m.yaml", "", any);
	dead = matrix_with(f, "d.yaml", "  dead: { image: Image-dead }\n", any);
	f->run = path_join(f->dir, "run");
	f->dead = path_join(f->dir, "dead");
	*state = f;
	if (GRANULE(&out, "run", "-q", matrix, "-o", f->run) == 0 &&
	    GRANULE(NULL, "run", "-q", dead, "-o", f->dead) == 4)
		return 0;
	fprintf(stderr, "%s", out);
	return -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->dead);
	free(f);
	return 0;
}

/* Caught: a selector that selects all or nothing, a direction turned round, a limit of the wrong kind that passes, a
 * code that another covers up. */
static void codes_and_selectors(void **state)
{
	static const struct {
		const char *gate;
		int code;
		unsigned checks; /* how many it selects */
	} table[] = {
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: fine }", 0, 8 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer }", 1, 8 },
		{ "{ metric: cost_insns, longer_by: 15%, along: kernels, kernels: longer }", 0, 8 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: [fine, longer] }", 1, 16 },
		/* from the longer one all others are shorter, which this limit does not forbid and the next one does */
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, from: longer, kernels: [base, fine] }", 0, 16 },
		{ "{ metric: cost_insns, changed_by: 5%, along: kernels, from: longer, kernels: [base, fine] }", 1,
		  16 },
		/* by the seed a tenth longer, as it was, a tenth shorter */
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: wobbly }", 5, 8 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: wobbly, allow_unclear: yes }", 0, 8 },
		/* the clock does not know worse, a count not longer: nothing is judged, and that is no pass */
		{ "{ metric: cost_insns, worse_by: 50%, along: kernels, kernels: fine }", 5, 8 },
		{ "{ metric: value.*, longer_by: 50%, along: kernels, kernels: fine }", 5, 8 },
		{ "{ metric: cost_insns, worse_by: 50%, along: kernels, kernels: fine, allow_unclear: yes }", 0, 8 },
		{ "{ metric: value.*, worse_by: 1%, along: kernels, kernels: fine }", 0, 8 },
		{ "{ metric: 'null.cost_[i]*', longer_by: 5%, along: kernels, kernels: longer }", 1, 8 },
		{ "{ metric: nosuch, worse_by: 1%, along: kernels }", 1, 0 },
		/* one axis after the other; what is left of 8 pairs */
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer, folios: off }", 1, 4 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer, workloads: v }", 1, 4 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer, limit: 192m }", 1, 4 },
		{ "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer, folios: off, workloads: w, "
		  "limit: "
		  "none }",
		  1, 1 },
		{ "{ metric: value.0, worse_by: 1%, along: workloads, kernels: fine }", 0, 4 },
		{ "{ metric: value.0, worse_by: 1%, along: limit, kernels: fine, from: 192m }", 0, 4 },
		{ "{ metric: cost_insns, longer_by: 5%, against: baseline, kernels: longer }", 0, 8 },
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *gates = matrix_with(f, "g.yaml", "", table[i].gate), *out = NULL;
		unsigned checks = 0;
		int code = GRANULE(&out, "gate", f->run, "--against", f->run, "--gates", gates, "--format", "csv");

		for (const char *p = out; (p = strstr(p, "\r\n1,")); p++)
			checks += !starts_with(p, "\r\n1,nosuch,"); /* a gate that selects nothing has a line, too */
		if (code != table[i].code || checks != table[i].checks)
			fail_msg("%s: code %d, not %d; %u checks, not %u\n%s", table[i].gate, code, table[i].code,
				 checks, table[i].checks, out);
	}
}

/* The code of @run held to 5% longer for @kernel. */
static int hold(const struct fixture *f, const char *run, const char *kernel)
{
	_cleanup_free_ char *gate =
		xasprintf("{ metric: cost_insns, longer_by: 5%%, along: kernels, kernels: %s }", kernel);
	_cleanup_free_ char *gates = matrix_with(f, "h.yaml", "", gate);

	return GRANULE(NULL, "gate", run, "--gates", gates);
}

static void other_codes(void **state)
{
	const struct fixture *f = *state;

	/* boots of another kernel failed: told, unless a gate failed; before unclear */
	assert_int_equal(hold(f, f->dead, "fine"), 4);
	assert_int_equal(hold(f, f->dead, "longer"), 1);
	assert_int_equal(hold(f, f->dead, "wobbly"), 4);
	assert_int_equal(GRANULE(NULL, "gate", f->run, "-o", "/proc/nonexistent/x"), 3);
	assert_int_equal(GRANULE(NULL, "gate", f->run, "--gates", "/proc/nonexistent.yaml"), 2);
	assert_int_equal(GRANULE(NULL, "gate", "/proc/nonexistent"), 2);
	assert_int_equal(GRANULE(NULL, "gate"), 2);
	assert_int_equal(GRANULE(NULL, "gate", f->run, "--format", "pdf"), 2);
	assert_int_equal(GRANULE(NULL, "gate", f->run, "--annotate", "nobody"), 2);
}

/* What a run was planned with is what it is held to; its own codes come through. */
static void run_has_the_codes(void **state)
{
	static const struct {
		const char *kernels, *gate;
		int code;
	} table[] = {
		{ "", "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: fine }", 0 },
		{ "", "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer }", 1 },
		{ "", "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: wobbly }", 5 },
		{ "  dead: { image: Image-dead }\n",
		  "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: fine }", 4 },
		{ "  dead: { image: Image-dead }\n",
		  "{ metric: cost_insns, longer_by: 5%, along: kernels, kernels: longer }", 1 },
		{ "", "{ metric: cost_insns, longer_by: 5%, against: baseline }", 2 },
	};
	const struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		_cleanup_free_ char *matrix = matrix_with(f, "r.yaml", table[i].kernels, table[i].gate), *out = NULL,
				    *dir = xasprintf("%s/r%zu", f->dir, i);
		int code = GRANULE(&out, "run", "-q", "--gate", "--only", "*.off.w.none", matrix, "-o", dir);

		if (code != table[i].code)
			fail_msg("%s: code %d, not %d\n%s", table[i].gate, code, table[i].code, out);
	}
}

static void help_says_it(void **state)
{
	static const char *const words[] = { "--against",  "--gates",	    "--annotate",	  "csv",
					     "junit",	   "markdown",	    "worse_by",		  "longer_by",
					     "changed_by", "allow_unclear", "`kernels`",	  "`workloads`",
					     "Exit code",  "4 some boots",  "5 a gate is unclear" };
	_cleanup_free_ char *out = NULL, *flat = NULL;

	(void)state;
	assert_int_equal(GRANULE(&out, "gate", "--help"), 0);
	flat = xstrdup(out);
	for (char *p = flat; *p; p++)
		if (*p == '\n')
			*p = ' ';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strstr(flat, words[i]))
			fail_msg("--help does not say '%s':\n%s", words[i], out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_and_selectors),
		cmocka_unit_test(other_codes),
		cmocka_unit_test(run_has_the_codes),
		cmocka_unit_test(help_says_it),
	};

	return cmocka_run_group_tests_name("gate-pipeline", tests, setup, teardown);
}
