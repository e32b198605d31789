// SPDX-License-Identifier: GPL-2.0-or-later
/* A cell's job by its basis: the CPU's event counters are asked for on hardware, and nowhere else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "run/job.h"

static const char matrix_text[] = "matrix: m\nkernels: { k: { image: I } }\nworkloads: { w: { null: } }\n";

/* Caught: a simulated cell whose job, and so whose bytes, would change; lines behind the idle snapshot, so that what
 * the kernel keeps for the counters would look like memory that the workload took. */
static void counters_by_basis(void **state)
{
	const struct kernel_image image = { .page_bytes = 65536 };
	_cleanup_free_ char *simulated = NULL, *emulated = NULL, *hardware = NULL;
	struct err err = ERR_INIT;
	struct matrix *m = NULL;
	struct cell *cells;
	const char *idle;
	size_t n;

	(void)state;
	if (matrix_parse(matrix_text, "m.yaml", &m, &err) < 0)
		fail_msg("%s", err.msg);
	matrix_expand(m, &cells, &n);
	simulated = job_build(&cells[0], &m->trials, &image, BASIS_SIMULATED);
	emulated = job_build(&cells[0], &m->trials, &image, BASIS_EMULATED);
	hardware = job_build(&cells[0], &m->trials, &image, BASIS_HARDWARE);
	assert_null(strstr(simulated, "\npmu\t"));
	assert_string_equal(simulated, emulated);
	idle = strstr(hardware, "pmu\tinst_retired\tcpu_cycles\tdtlb_walk\n"
				"pmu\titlb_walk\tl1d_tlb_refill\tl2d_tlb_refill\n"
				"idle\n");
	assert_non_null(idle);
	/* nothing else differs */
	assert_memory_equal(hardware, simulated, (size_t)(idle - hardware));
	assert_string_equal(strstr(idle, "idle\n"), simulated + (idle - hardware));
	cells_free(cells, n);
	matrix_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(counters_by_basis) };

	return cmocka_run_group_tests_name("run-job", tests, NULL, NULL);
}
