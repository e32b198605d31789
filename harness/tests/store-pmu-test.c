// SPDX-License-Identifier: GPL-2.0-or-later
/* What the CPUs counted in a sample, from streams with agent/pmu. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

/* The measures of a boot of two samples of 2048 operations, 128 MiB; four texts, "": absent. */
static void measure(const char *const pmu[4], struct measures *ret)
{
	const struct numbers one = { .page = 65536, .insns = 10, .boots = 1, .pmu = pmu };
	struct cell_record cell = numbers_cell("64k", "off", &one);
	_cleanup_(run_free_p) struct run *run = NULL;
	char *dir = scratch_make();
	struct boot_result boot;
	struct err err = ERR_INIT;

	cell.basis = BASIS_HARDWARE;
	run_build(dir, &cell, 1);
	numbers_boots(dir, &cell, &one);
	must(run_open(dir, &run, &err), &err);
	must(boot_read(run, &run->cells[0], 1, &boot, &err), &err);
	must(boot_measure(&run->cells[0], &boot, ret, &err), &err);
	boot_result_free(&boot);
	cell_record_free(&cell);
	scratch_remove(dir);
}

static void expect(const struct measures *m, const char *name, size_t n, double first, double second)
{
	_cleanup_free_ char *full = xasprintf("page_fault1.pmu.%s", name);
	const struct measure *v = measures_find(m, full);

	if (!n) {
		if (v)
			fail_msg("%s is there", full);
		return;
	}
	if (!v || v->n_values != n)
		fail_msg("%s: %zu values", full, v ? v->n_values : 0);
	if (fabs(v->values[0] - first) > 1e-9 || (n > 1 && fabs(v->values[1] - second) > 1e-9))
		fail_msg("%s: %g", full, v->values[0]);
}

/* Caught: another column taken for the value, a half for the other, what was counted before the sample left in, a
 * divisor that is not the operations (or MiB), a file without its samples' turns: the second sample counts another set. */
static void values(void **state)
{
	static const char *const pmu[] = {
		"inst_retired user 1000 7 7\ninst_retired kernel 50 7 7\ncpu_cycles user 1 7 7\ncpu_cycles kernel 9 7 "
		"7\n",
		"inst_retired user 3048 5007 5007\ninst_retired kernel 20530 5007 5007\n"
		"cpu_cycles user 4097 5007 5007\ncpu_cycles kernel 40969 5007 5007\n",
		"dtlb_walk user 4 10 10\ndtlb_walk kernel 5 10 10\n",
		"dtlb_walk user 1028 20 20\ndtlb_walk kernel 517 20 20\n",
	};
	struct measures m;

	(void)state;
	measure(pmu, &m);
	expect(&m, "insns_user_per_op", 1, 1, 0);
	expect(&m, "insns_kernel_per_op", 1, 10, 0);
	expect(&m, "insns_kernel_per_mib", 1, 160, 0);
	expect(&m, "cycles_user_per_op", 1, 2, 0);
	expect(&m, "cycles_kernel_per_op", 1, 20, 0);
	expect(&m, "insns_per_cycle", 1, 0.5, 0);
	expect(&m, "dtlb_walk_user_per_op", 1, 0.5, 0);
	expect(&m, "dtlb_walk_kernel_per_op", 1, 0.25, 0);
	expect(&m, "dtlb_walk_kernel_per_mib", 1, 4, 0);
	expect(&m, "counted", 2, 1, 1);
	measures_free(&m);
}

/* Counters that were somebody else's for a while: how long is told, what they counted is not. Caught: a value that is
 * scaled up, or shown as if it were whole. */
static void a_part_is_no_value(void **state)
{
	static const char *const pmu[] = {
		"inst_retired user 0 0 0\n",
		"inst_retired user 2048 1000 750\n",
		"inst_retired user 2048 1000 750\n",
		"inst_retired user 6144 2000 1750\n",
	};
	struct measures m;

	(void)state;
	measure(pmu, &m);
	expect(&m, "counted", 2, 0.75, 1);
	expect(&m, "insns_user_per_op", 1, 2, 0);
	expect(&m, "insns_per_cycle", 0, 0, 0);
	measures_free(&m);
}

/* Caught: a number made of what is no line of the agent's, or of two that do not belong together. */
static void damage(void **state)
{
	static const char good[] = "inst_retired user 1 1 1\n";
	static const char *const bad[] = {
		"",				   /* taken by somebody else */
		"inst_retired user 9 9\n",	   /* a column less */
		"inst_retired user 9 9 9 9\n",	   /* and more */
		"inst_retired user nine 9 9\n",	   /* no number */
		"inst_retired kernel 9 9 9\n",	   /* another half than before */
		"cpu_cycles user 9 9 9\n",	   /* another event */
		"inst_retired user 0 9 9\n",	   /* counts down */
		"inst_retired user 9 1 1\n",	   /* no time passed */
		"inst_retired hypervisor 9 9 9\n", /* no half */
		"inst/retired user 9 9 9\n",	   /* no name */
		"guest.memory.peak user 9 9 9\n",  /* a name of ours */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const bool same = i == 8 || i == 9 || i == 10;
		const char *const pmu[] = { same ? bad[i] : good, bad[i], "", "" };
		struct measures m;

		measure(pmu, &m);
		for (size_t k = 0; k < m.n; k++)
			if (strstr(m.v[k].name, ".pmu.") && !ends_with(m.v[k].name, ".pmu.counted"))
				fail_msg("%zu: %s", i, m.v[k].name);
		measures_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(a_part_is_no_value),
		cmocka_unit_test(damage),
	};

	return cmocka_run_group_tests_name("store-pmu", tests, NULL, NULL);
}
