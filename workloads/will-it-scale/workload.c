// SPDX-License-Identifier: GPL-2.0-or-later
/* will-it-scale: parameters to steps of a job. The tests and the runner are guest programs (tests/, guest/); this file
 * knows only their command line, figures.c what they print. */
#include "wis.h"

#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define MEMSIZE (UINT64_C(128) << 20) /* what a test of pages maps at a time, as upstream; others divide it */
#define SECONDS_MAX 3600
#define ITERATIONS_DEFAULT 20000
/* Guest time, so long that only a hang reaches it: 1 GiB at 4K takes 4 s. */
#define EXEC_TIMEOUT_S 600

struct wis_params {
	struct string_list tests, modes;
	struct u64_list tasks;
	char *tests_dir;
	uint64_t bytes, iterations, seconds;
	bool pin;
};

const struct wis_test wis_tests[] = {
	{ .name = "page_fault1", .operation = WIS_BASE_PAGE, .held = true },
	{ .name = "page_fault2", .operation = WIS_BASE_PAGE, .held = true },
	{ .name = "page_fault3", .operation = WIS_BASE_PAGE, .held = true },
	{ .name = "tlb_flush1", .operation = WIS_BASE_PAGE, .held = true },
	{ .name = "fork1", .operation = WIS_BASE_PAGE, .held = true, .parted = true },
	{ .name = "cow1", .operation = WIS_BASE_PAGE, .held = true, .parted = true },
	{ .name = "munmap1", .operation = WIS_BASE_PAGE, .parted = true },
	{ .name = "fallocate1", .operation = WIS_BYTES, .op_bytes = 65536, .held = true },
	{ .name = "read1", .operation = WIS_BYTES, .op_bytes = 4096 },
	{ .name = "pread1", .operation = WIS_BYTES, .op_bytes = 65536 },
	{ .name = "write1", .operation = WIS_BYTES, .op_bytes = 4096 },
	{ .name = "pwrite1", .operation = WIS_BYTES, .op_bytes = 65536 },
	{ .name = "write2", .operation = WIS_BYTES, .op_bytes = 65536, .held = true },
	{ .name = "malloc1" },
	{ .name = "brk1" },
	{ .name = "mmap1" },
	{ .name = "mmap2" },
	{ .name = "getppid1" },
	{ .name = "lseek1" },
	{ .name = "poll1" },
	{ .name = "signal1" },
	{ .name = "futex1" },
	{ .name = "pthread_mutex1" },
	{ .name = "context_switch1", .switches = true },
	{ .name = NULL },
};
/* The same names, for help. */
static const char *const test_names[] = { "page_fault1", "page_fault2", "page_fault3",	  "tlb_flush1",	     "fork1",
					  "cow1",	 "munmap1",	"fallocate1",	  "read1",	     "pread1",
					  "write1",	 "pwrite1",	"write2",	  "malloc1",	     "brk1",
					  "mmap1",	 "mmap2",	"getppid1",	  "lseek1",	     "poll1",
					  "signal1",	 "futex1",	"pthread_mutex1", "context_switch1", NULL };
static const char *const mode_names[] = { "processes", "threads", NULL };

static const struct option_def wis_options[] = {
	{ .key = "tests",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct wis_params, tests),
	  .choices = test_names,
	  .required = true,
	  .help = "the tests, in this order; with tests_dir files of that folder, without their .c" },
	{ .key = "tests_dir",
	  .type = OPT_PATH,
	  .offset = offsetof(struct wis_params, tests_dir),
	  .help = "a checkout of upstream will-it-scale (or a folder of such .c files): its tests are built for the "
		  "guest as they are and run by seconds" },
	{ .key = "modes",
	  .type = OPT_CHOICES,
	  .offset = offsetof(struct wis_params, modes),
	  .choices = mode_names,
	  .fallback = "processes",
	  .help = "whether tasks are processes, threads of one process, or first one then the other" },
	{ .key = "tasks",
	  .type = OPT_U64S,
	  .offset = offsetof(struct wis_params, tasks),
	  .fallback = "1",
	  .min = 1,
	  .max = WIS_TASKS_MAX,
	  .help = "numbers of tasks; each is a phase of its own. Scalability is for hardware: on the instruction clock "
		  "tasks take turns, and the times of several are shown, not judged" },
	{ .key = "pin",
	  .type = OPT_BOOL,
	  .offset = offsetof(struct wis_params, pin),
	  .fallback = "no",
	  .help = "whether task i stays on the i-th CPU (round and round), as upstream's do" },
	{ .key = "bytes",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct wis_params, bytes),
	  .fallback = "256M",
	  .help = "bytes that each task touches, in tests whose operations are pages or bytes: a multiple of 128M" },
	{ .key = "iterations",
	  .type = OPT_U64,
	  .offset = offsetof(struct wis_params, iterations),
	  .fallback = "20000",
	  .min = 2,
	  .max = UINT64_C(1000000000000),
	  .help = "operations of each task of the other tests" },
	{ .key = "seconds",
	  .type = OPT_U64,
	  .offset = offsetof(struct wis_params, seconds),
	  .fallback = "0",
	  .max = SECONDS_MAX,
	  .help = "instead of a fixed amount of work, run this long, after one second that does not count; then memory "
		  "is not judged" },
	OPTIONS_END,
};

const struct wis_test *wis_test_find(const char *name)
{
	for (const struct wis_test *t = wis_tests; t->name; t++) {
		if (strcmp(t->name, name) == 0)
			return t;
	}
	return NULL;
}

static bool by_bytes(const struct wis_test *test)
{
	return test && test->operation != WIS_CALL;
}

static bool any_test(const struct wis_params *p, bool bytes)
{
	for (size_t i = 0; i < p->tests.n; i++) {
		if (by_bytes(wis_test_find(p->tests.v[i])) == bytes)
			return true;
	}
	return false;
}

static char *check_upstream(const struct wis_params *p, const char **ret_key)
{
	*ret_key = "tests";
	for (size_t i = 0; i < p->tests.n; i++) {
		if (!label_valid(p->tests.v[i]))
			return xasprintf(
				"a test of `tests_dir` is a file's name without .c (letters, digits, _ and -), not "
				"'%.100s'",
				p->tests.v[i]);
	}
	*ret_key = "tests_dir";
	if (!p->seconds)
		return xstrdup("tests of upstream loop for ever and count no fixed work; give `seconds`");
	return NULL;
}

static char *check_test(const struct wis_params *p, const char *name, const char **ret_key)
{
	const struct wis_test *test = wis_test_find(name);
	const char *near;

	*ret_key = "tests";
	if (!test) {
		near = nearest_name(name, test_names, ARRAY_SIZE(test_names) - 1);
		return xasprintf("there is no test '%.100s'%s%s%s", name, near ? "; did you mean '" : "",
				 near ? near : "", near ? "'?" : " (`granule list --help-matrix` names them)");
	}
	*ret_key = "seconds";
	if (test->parted && p->seconds)
		return xasprintf("%s times parts of its rounds, for a fixed amount of work; give `bytes`", name);
	return NULL;
}

static char *wis_check(const void *params, const char **ret_key)
{
	const struct wis_params *p = params;
	char size[24], *objection;

	if (p->tests_dir)
		return check_upstream(p, ret_key);
	for (size_t i = 0; i < p->tests.n; i++) {
		objection = check_test(p, p->tests.v[i], ret_key);
		if (objection)
			return objection;
	}
	*ret_key = "bytes";
	if (any_test(p, true) && !p->seconds && (!p->bytes || p->bytes % MEMSIZE))
		return xasprintf(
			"bytes: %s is not a multiple of 128M; the tests of pages map and touch 128M at a time, and "
			"with a part of it page sizes would not do equal work",
			size_format(p->bytes, size));
	*ret_key = "iterations";
	if (!any_test(p, false) && !p->seconds && p->iterations != ITERATIONS_DEFAULT)
		return xstrdup(
			"iterations: these tests do as many operations as `bytes` has pages or pieces, so that page "
			"sizes do equal work; give `bytes`, or a test that counts operations (getppid1, "
			"context_switch1)");
	return NULL;
}

static void wis_programs(const void *params, struct programs *programs)
{
	const struct wis_params *p = params;
	_cleanup_free_ char *below = p->tests_dir ? path_join(p->tests_dir, "tests") : NULL;
	const char *dir = below && path_is_dir(below) ? below : p->tests_dir;

	for (size_t t = 0; t < p->tests.n; t++) {
		const char *test = p->tests.v[t];

		for (size_t m = 0; m < p->modes.n; m++) {
			const char *mode = p->modes.v[m];

			if (dir)
				programs_add_source(programs, xasprintf("bin/" WIS_UPSTREAM "%s_%s", test, mode),
						    xasprintf("%s/%s.c", dir, test),
						    xasprintf(WORKLOAD_NAME "/runner_%s.o", mode));
			else
				programs_add(programs, xasprintf("bin/%s_%s", test, mode),
					     xasprintf(WORKLOAD_NAME "/%s_%s", test, mode));
		}
	}
}

struct phase {
	const char *test, *mode;
	const struct wis_test *def; /* NULL: of a checkout */
	uint64_t tasks;
};

static void add_exec(const struct wis_params *p, const struct phase *phase, const char *kind, uint64_t index,
		     struct text *job)
{
	const char *prefix = phase->def ? "" : WIS_UPSTREAM;

	text_add(job, "exec\t%s%s%s", prefix, phase->test, strcmp(phase->mode, "threads") == 0 ? "_threads" : "");
	if (phase->tasks > 1)
		text_add(job, "-%" PRIu64, phase->tasks);
	text_add(job, "\t%s\t%" PRIu64 "\t%" PRIu64 "\t/bin/%s%s_%s\t--tasks\t%" PRIu64, kind, index,
		 EXEC_TIMEOUT_S + p->seconds, prefix, phase->test, phase->mode, phase->tasks);
	if (p->seconds)
		text_add(job, "\t--seconds\t%" PRIu64, p->seconds);
	else if (by_bytes(phase->def))
		text_add(job, "\t--bytes\t%" PRIu64, p->bytes);
	else
		text_add(job, "\t--iterations\t%" PRIu64, p->iterations);
	text_add(job, "%s%s\n", p->pin ? "\t--pin" : "", strcmp(kind, "hold") == 0 ? "\t--hold" : "");
}

static void add_phase(const struct wis_params *p, const struct phase *phase, const struct trials *trials,
		      struct text *job)
{
	for (uint64_t i = 0; i < trials->warmups; i++)
		add_exec(p, phase, "warmup", i, job);
	for (uint64_t i = 0; i < trials->samples; i++)
		add_exec(p, phase, "sample", i, job);
	if (phase->def && phase->def->held && !p->seconds)
		add_exec(p, phase, "hold", 0, job);
}

static void wis_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct wis_params *p = params;

	(void)page_bytes;
	for (size_t t = 0; t < p->tests.n; t++) {
		for (size_t m = 0; m < p->modes.n; m++) {
			for (size_t k = 0; k < p->tasks.n; k++) {
				const struct phase phase = {
					.test = p->tests.v[t],
					.mode = p->modes.v[m],
					.def = p->tests_dir ? NULL : wis_test_find(p->tests.v[t]),
					.tasks = p->tasks.v[k],
				};

				add_phase(p, &phase, trials, job);
			}
		}
	}
}

static uint64_t wis_work_bytes(const void *params, uint64_t page_bytes)
{
	const struct wis_params *p = params;

	(void)page_bytes;
	if (p->seconds)
		return 0;
	return any_test(p, true) ? p->bytes : p->iterations;
}

static const char *wis_basis_note(const void *params, enum basis basis)
{
	const struct wis_params *p = params;

	for (size_t i = 0; i < p->tasks.n; i++) {
		if (p->tasks.v[i] > 1 && basis == BASIS_SIMULATED)
			return "several tasks take turns on it, so their times are shown, not judged, and nothing is "
			       "said "
			       "about scalability: that needs hardware";
		if (p->tasks.v[i] > 1 && basis == BASIS_EMULATED)
			return "vCPUs of an emulator say nothing about scalability: that needs hardware";
	}
	return NULL;
}

const struct workload this_workload = {
	.name = WORKLOAD_NAME,
	.help = "page faults, mappings, fork, page cache and controls, in processes and threads; upstream's tests too",
	.options = wis_options,
	.params_size = sizeof(struct wis_params),
	.check = wis_check,
	.programs = wis_programs,
	.steps = wis_steps,
	.work_bytes = wis_work_bytes,
	.basis_note = wis_basis_note,
	.measure = wis_measure,
	.derive = wis_derive,
	.metrics = wis_metrics,
	.primary = { "insns_per_op", "ns_per_op", "scalability", "memory.peak", "process.pss" },
};
