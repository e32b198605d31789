// SPDX-License-Identifier: GPL-2.0-or-later
/* will-it-scale: parameters to steps of a job, what the runner printed to metrics. The tests and the runner are
 * guest programs (tests/, guest/); this file knows only their command line and their output. */
#include "workloads/workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MEMSIZE (UINT64_C(128) << 20) /* what a page fault test maps at a time, as upstream */
#define TASKS_MAX 1024
#define SECONDS_MAX 3600
#define ITERATIONS_DEFAULT 100000
/* Guest time, so long that only a hang reaches it: 1 GiB at 4K takes 4 s. */
#define EXEC_TIMEOUT_S 600

struct wis_params {
	struct string_list tests, modes;
	struct u64_list tasks;
	uint64_t bytes, iterations, seconds;
};

/* Every test: a source in tests/, a name in test_names, a line here. */
static const char *const test_names[] = { "page_fault1", "page_fault2",	    "page_fault3",
					  "getppid1",	 "context_switch1", NULL };
static const struct test {
	const char *name;
	bool pages;    /* one operation is one base page: done by bytes, and held */
	bool switches; /* its operations switch tasks */
} tests[] = {
	{ .name = "page_fault1", .pages = true }, /* anonymous */
	{ .name = "page_fault2", .pages = true }, /* private file mapping */
	{ .name = "page_fault3", .pages = true }, /* shared file mapping */
	{ .name = "getppid1" },			  /* control */
	{ .name = "context_switch1", .switches = true },
};
static const char *const mode_names[] = { "processes", "threads", NULL };

static const struct option_def wis_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  .offset = offsetof(struct wis_params, tests),
	  .choices = test_names,
	  .required = true,
	  .help = "the tests, in this order" },
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
	  .max = TASKS_MAX,
	  .help = "numbers of tasks; each is a phase of its own" },
	{ .key = "bytes",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct wis_params, bytes),
	  .fallback = "256M",
	  .help = "bytes that each task of a page fault test touches: a multiple of 128M" },
	{ .key = "iterations",
	  .type = OPT_U64,
	  .offset = offsetof(struct wis_params, iterations),
	  .fallback = "100000",
	  .min = 2,
	  .max = UINT64_C(1000000000000),
	  .help = "operations of each task of the other tests" },
	{ .key = "seconds",
	  .type = OPT_U64,
	  .offset = offsetof(struct wis_params, seconds),
	  .fallback = "0",
	  .max = SECONDS_MAX,
	  .help = "instead of a fixed amount of work, run this long; then memory is not judged" },
	OPTIONS_END,
};

static const struct metric wis_metrics[] = {
	{ .pattern = "insns_per_op",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .primary = true,
	  .help = "instructions per operation, user and kernel, first task's start to last one's end "
		  "(elapsed_ns of the runner / 2 ns / operations)" },
	{ .pattern = "insns_per_mib",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 100,
	  .primary = true,
	  .help = "instructions per MiB touched: page sizes side by side (elapsed_ns / 2 ns / MiB)" },
	{ .pattern = "ns_per_op",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .primary = true,
	  .help = "time per operation of all tasks together (elapsed_ns of the runner / operations)" },
	{ .pattern = "ns_per_mib",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 100,
	  .primary = true,
	  .help = "time per MiB touched: page sizes side by side (elapsed_ns / MiB)" },
	{ .pattern = "ops_per_s",
	  .unit = "1/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .help = "operations per second of guest time, all tasks together (operations / elapsed_ns of the runner)" },
	{ .pattern = "bytes_per_s",
	  .unit = "bytes/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 4096,
	  .help = "bytes touched per second of guest time (operations * op_bytes / elapsed_ns)" },
	{ .pattern = "faults_per_op",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.005,
	  .help = "page faults of the tasks per operation, minor and major (getrusage, timed region); 1 if each "
		  "base page faults, less with large folios or fault-around" },
	{ .pattern = "faults_per_mib",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.1,
	  .per_page = true,
	  .primary = true,
	  .help = "page faults of the tasks per MiB touched, minor and major (getrusage)" },
	{ .pattern = "switches_per_op",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.005,
	  .help = "context switches of the tasks, not of their partners, per operation, voluntary and not "
		  "(getrusage)" },
	{ .pattern = NULL },
};

static const struct test *find_test(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strcmp(tests[i].name, name) == 0)
			return &tests[i];
	}
	return NULL;
}

static bool any_test(const struct wis_params *p, bool pages)
{
	for (size_t i = 0; i < p->tests.n; i++) {
		if (find_test(p->tests.v[i])->pages == pages)
			return true;
	}
	return false;
}

static char *wis_check(const void *params)
{
	const struct wis_params *p = params;
	char size[24];

	if (any_test(p, true) && !p->seconds && (!p->bytes || p->bytes % MEMSIZE))
		return xasprintf(
			"bytes: %s is not a multiple of 128M; the page fault tests map and touch 128M at a time, and "
			"with a part of it page sizes would not do equal work",
			size_format(p->bytes, size));
	if (!any_test(p, false) && !p->seconds && p->iterations != ITERATIONS_DEFAULT)
		return xstrdup(
			"iterations: the page fault tests do as many operations as `bytes` has pages, so that page "
			"sizes do equal work; give `bytes`, or a test that counts operations (getppid1, "
			"context_switch1)");
	return NULL;
}

static void wis_programs(const void *params, struct programs *programs)
{
	const struct wis_params *p = params;

	for (size_t t = 0; t < p->tests.n; t++) {
		for (size_t m = 0; m < p->modes.n; m++)
			programs_add(programs, xasprintf("bin/%s_%s", p->tests.v[t], p->modes.v[m]),
				     xasprintf("will-it-scale/%s_%s", p->tests.v[t], p->modes.v[m]));
	}
}

static void add_exec(const struct wis_params *p, const struct test *test, const char *mode, uint64_t tasks,
		     const char *kind, uint64_t index, struct text *job)
{
	text_add(job, "exec\t%s%s", test->name, strcmp(mode, "threads") == 0 ? "_threads" : "");
	if (tasks > 1)
		text_add(job, "-%" PRIu64, tasks);
	text_add(job, "\t%s\t%" PRIu64 "\t%" PRIu64 "\t/bin/%s_%s\t--tasks\t%" PRIu64, kind, index,
		 EXEC_TIMEOUT_S + p->seconds, test->name, mode, tasks);
	if (p->seconds)
		text_add(job, "\t--seconds\t%" PRIu64, p->seconds);
	else if (test->pages)
		text_add(job, "\t--bytes\t%" PRIu64, p->bytes);
	else
		text_add(job, "\t--iterations\t%" PRIu64, p->iterations);
	text_add(job, "%s\n", strcmp(kind, "hold") == 0 ? "\t--hold" : "");
}

static void add_phase(const struct wis_params *p, const struct test *test, const char *mode, uint64_t tasks,
		      const struct trials *trials, struct text *job)
{
	for (uint64_t i = 0; i < trials->warmups; i++)
		add_exec(p, test, mode, tasks, "warmup", i, job);
	for (uint64_t i = 0; i < trials->samples; i++)
		add_exec(p, test, mode, tasks, "sample", i, job);
	if (test->pages && !p->seconds)
		add_exec(p, test, mode, tasks, "hold", 0, job);
}

static void wis_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct wis_params *p = params;

	(void)page_bytes;
	for (size_t t = 0; t < p->tests.n; t++) {
		for (size_t m = 0; m < p->modes.n; m++) {
			for (size_t k = 0; k < p->tasks.n; k++)
				add_phase(p, find_test(p->tests.v[t]), p->modes.v[m], p->tasks.v[k], trials, job);
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

/* ---- what the runner printed ---- */

struct report {
	uint64_t tasks, operations, op_bytes, bytes, elapsed_ns, minflt, majflt, nvcsw, nivcsw;
};

static const struct report_key {
	const char *name;
	size_t offset;
} report_keys[] = {
	{ "tasks", offsetof(struct report, tasks) },	       { "operations", offsetof(struct report, operations) },
	{ "op_bytes", offsetof(struct report, op_bytes) },     { "bytes", offsetof(struct report, bytes) },
	{ "elapsed_ns", offsetof(struct report, elapsed_ns) }, { "minflt", offsetof(struct report, minflt) },
	{ "majflt", offsetof(struct report, majflt) },	       { "nvcsw", offsetof(struct report, nvcsw) },
	{ "nivcsw", offsetof(struct report, nivcsw) },
};

/* A decimal number of at most 18 digits, so that sums of a thousand do not overflow unseen; NULL if there is none. */
static const char *parse_number(const char *s, uint64_t *ret)
{
	size_t digits = strspn(s, "0123456789");

	if (!digits || digits > 18)
		return NULL;
	*ret = strtoull(s, NULL, 10);
	return s + digits;
}

/* "key value" lines in the order of report_keys, then "task I OPERATIONS" for each task; nothing else. */
static int parse_report(const char *phase, const char *output, struct report *report, struct err *err)
{
	const char *p = output, *end;
	uint64_t sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(report_keys); i++) {
		const char *name = report_keys[i].name;
		size_t len = strlen(name);

		end = strncmp(p, name, len) == 0 && p[len] == ' '
			      ? parse_number(p + len + 1, (uint64_t *)((char *)report + report_keys[i].offset))
			      : NULL;
		if (!end || *end != '\n')
			return err_set(err, ERR_GUEST,
				       "%s: the runner's output has no line \"%s NUMBER\" where it belongs", phase,
				       name);
		p = end + 1;
	}
	if (report->tasks < 1 || report->tasks > TASKS_MAX)
		return err_set(err, ERR_GUEST, "%s: the runner says %" PRIu64 " tasks", phase, report->tasks);
	for (uint64_t i = 0; i < report->tasks; i++) {
		uint64_t nr, operations;

		end = strncmp(p, "task ", 5) == 0 ? parse_number(p + 5, &nr) : NULL;
		end = end && *end == ' ' && nr == i ? parse_number(end + 1, &operations) : NULL;
		if (!end || *end != '\n' || __builtin_add_overflow(sum, operations, &sum))
			return err_set(err, ERR_GUEST,
				       "%s: the runner's output has no line \"task %" PRIu64
				       " NUMBER\" where it belongs",
				       phase, i);
		p = end + 1;
	}
	if (*p)
		return err_set(err, ERR_GUEST, "%s: the runner printed more than its report: %.60s", phase, p);
	if (sum != report->operations || !sum || !report->elapsed_ns)
		return err_set(err, ERR_GUEST,
			       "%s: the runner's numbers make no sense: %" PRIu64 " operations, %" PRIu64
			       " by its tasks, in %" PRIu64 " ns",
			       phase, report->operations, sum, report->elapsed_ns);
	return 0;
}

/* "page_fault1_threads-2" -> the test. */
static const struct test *phase_test(const char *phase)
{
	size_t len = strcspn(phase, "-");

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		size_t n = strlen(tests[i].name);

		if (strncmp(phase, tests[i].name, n) == 0 && (len == n || strncmp(phase + n, "_threads", len - n) == 0))
			return &tests[i];
	}
	return NULL;
}

static int wis_measure(const struct measure_context *context, const char *phase, const char *output,
		       struct measures *measures, struct err *err)
{
	const struct test *test = phase_test(phase);
	bool simulated = context->basis == BASIS_SIMULATED;
	struct report r = { 0 };
	double ops, cost, seconds, faults;
	uint64_t bytes;

	if (!test)
		return err_set(err, ERR_GUEST, "%s is no phase of will-it-scale", phase);
	if (parse_report(phase, output, &r, err) < 0)
		return -1;
	if (r.op_bytes != (test->pages ? context->page_bytes : 0) ||
	    __builtin_mul_overflow(r.operations, r.op_bytes, &bytes) || r.bytes != bytes)
		return err_set(err, ERR_GUEST,
			       "%s: the runner says %" PRIu64 " bytes per operation, %" PRIu64 " in all", phase,
			       r.op_bytes, r.bytes);
	ops = (double)r.operations;
	seconds = (double)r.elapsed_ns / 1e9;
	cost = (double)r.elapsed_ns / (simulated ? SIMULATED_NS_PER_INSN : 1);
	faults = (double)r.minflt + (double)r.majflt;

	measures_add(measures, context, wis_metrics, phase, simulated ? "insns_per_op" : "ns_per_op", cost / ops);
	if (test->pages) {
		double mib = ops * (double)r.op_bytes / (1 << 20);

		measures_add(measures, context, wis_metrics, phase, simulated ? "insns_per_mib" : "ns_per_mib",
			     cost / mib);
		measures_add(measures, context, wis_metrics, phase, "bytes_per_s", ops * (double)r.op_bytes / seconds);
		measures_add(measures, context, wis_metrics, phase, "faults_per_mib", faults / mib);
	}
	measures_add(measures, context, wis_metrics, phase, "faults_per_op", faults / ops);
	measures_add(measures, context, wis_metrics, phase, "ops_per_s", ops / seconds);
	if (test->switches)
		measures_add(measures, context, wis_metrics, phase, "switches_per_op",
			     ((double)r.nvcsw + (double)r.nivcsw) / ops);
	return 0;
}

const struct workload will_it_scale_workload = {
	.name = "will-it-scale",
	.help = "page faults of three kinds and two controls, in processes and threads",
	.options = wis_options,
	.params_size = sizeof(struct wis_params),
	.check = wis_check,
	.programs = wis_programs,
	.steps = wis_steps,
	.work_bytes = wis_work_bytes,
	.measure = wis_measure,
	.metrics = wis_metrics,
};
