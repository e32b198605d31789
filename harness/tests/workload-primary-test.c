// SPDX-License-Identifier: GPL-2.0-or-later
/* What each workload calls primary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/measure.h"
#include "workloads/workload.h"

static bool in_table(const struct metric *table, const char *pattern)
{
	for (; table && table->pattern; table++)
		if (!strcmp(table->pattern, pattern) && table->primary)
			return true;
	return false;
}

/* Caught: a sixth, a pattern that no dictionary has (it would silently decide nothing), one that the short table
 * hides. */
static void five_at_most(void **state)
{
	(void)state;
	for (size_t i = 0; workloads[i]; i++) {
		const struct workload *w = workloads[i];
		size_t n = 0;

		while (n <= WORKLOAD_PRIMARY_MOST && w->primary[n]) {
			if (!in_table(w->metrics, w->primary[n]) && !in_table(generic_metrics, w->primary[n]))
				fail_msg("%s: no metric '%s'", w->name, w->primary[n]);
			n++;
		}
		if (!n || n > WORKLOAD_PRIMARY_MOST)
			fail_msg("%s: %zu primary metrics, 1 to %d are meant", w->name, n, WORKLOAD_PRIMARY_MOST);
	}
}

/* Caught: a phase in the pattern, a prefix for the whole. */
static void names(void **state)
{
	(void)state;
	assert_true(workload_primary("will-it-scale", "page_fault1.memory.peak"));
	assert_true(workload_primary("null", "p.value.x"));
	assert_false(workload_primary("will-it-scale", "page_fault1.memory.peaks"));
	assert_false(workload_primary("will-it-scale", "memory.peak"));
	assert_false(workload_primary("will-it-scale", "guest.memory.reserved"));
	assert_false(workload_primary("no-such", "p.memory.peak"));
	assert_false(workload_primary(NULL, "p.memory.peak"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(five_at_most), cmocka_unit_test(names) };

	return cmocka_run_group_tests_name("workload-primary", tests, NULL, NULL);
}
