// SPDX-License-Identifier: GPL-2.0-or-later
/* Where kernels differ in what the instruction clock does not see, diff says so, and says it nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/report.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

static const struct numbers usual = { .page = 65536, .insns = 8000, .spread = 8, .boots = 5, .peak = 132 << 20 };
static const struct numbers shorter = { .page = 65536, .insns = 7000, .spread = 8, .boots = 5, .peak = 132 << 20 };

/* The diff of two kernels of which the second has @key: @value in its definition; owned by the caller. */
static char *diff_of(const char *key, const char *value, enum basis basis, size_t *ret_claims)
{
	struct cell_record cells[] = { numbers_cell("a", "off", &usual), numbers_cell("b", "off", &shorter) };
	const struct numbers numbers[] = { usual, shorter };
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_(comparison_free_p) struct comparison *c = NULL;
	struct compare_options options = COMPARE_DEFAULTS;
	json_t *kernel = json_object_get(cells[1].definition, "kernel");
	struct err err = ERR_INIT;
	char *dir = scratch_make(), *text;

	if (key)
		json_object_set_new(kernel, key, json_pack("[s]", value));
	cells[0].basis = cells[1].basis = basis;
	run_build(dir, cells, 2);
	for (size_t i = 0; i < 2; i++)
		numbers_boots(dir, &cells[i], &numbers[i]);
	must(run_open(dir, &run, &err), &err);
	options.along = "kernels";
	must(compare_runs(run, NULL, &options, &c, &err), &err);
	text = report_diff_text(c, false, false);
	*ret_claims = 0;
	for (size_t k = 0; k < c->pairs[0].n_rows; k++) {
		const struct row *row = &c->pairs[0].rows[k];

		*ret_claims += row->metric->class == METRIC_TIME &&
			       (row->verdict == VERDICT_BETTER || row->verdict == VERDICT_WORSE);
	}
	for (size_t i = 0; i < 2; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
	return text;
}

/* Caught: a note that is never made, one that is always made, one on the basis that does see; a time on the
 * instruction clock called better, and the same count on hardware, where it may be, shows that it can be. */
static void test_notes(void **state)
{
	static const struct {
		const char *key, *value;
		enum basis basis;
		const char *note; /* NULL: none at all */
		bool claims;
	} table[] = {
		{ "set", "ARM64_CONTPTE=n", BASIS_SIMULATED, "ARM64_CONTPTE: contiguous entries spare TLB misses",
		  false },
		{ "set", "HZ=100", BASIS_SIMULATED, NULL, false },
		{ "patches", "tlbi.patch 00", BASIS_SIMULATED, "patches: an instruction counts as one", false },
		{ NULL, NULL, BASIS_SIMULATED, NULL, false },
		{ "set", "ARM64_CONTPTE=n", BASIS_HARDWARE, NULL, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t claims;
		_cleanup_free_ char *text = diff_of(table[i].key, table[i].value, table[i].basis, &claims);

		if (!strstr(text, "Not seen on this basis") != !table[i].note ||
		    (table[i].note && !strstr(text, table[i].note)))
			fail_msg("%s %s: expected '%s' in\n%s", table[i].key, table[i].value, table[i].note, text);
		assert_int_equal(claims > 0, table[i].claims);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_notes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
