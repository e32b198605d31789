// SPDX-License-Identifier: GPL-2.0-or-later
/* will-it-scale: what the runner printed to metrics. Trusts nothing in it, and knows no job. */
#include "wis.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

const struct metric wis_metrics[] = {
	{ .pattern = "insns_per_op",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .primary = true,
	  .help = "instructions per operation, user and kernel, first task's start to last one's end "
		  "(elapsed_ns of the runner / 2 ns / operations)" },
	{ .pattern = "shared_insns_per_op",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .primary = true,
	  .not_judged = "tasks took turns on one CPU and one instruction clock: no scalability",
	  .help = "instructions per operation of several tasks on one vCPU, user and kernel, their turns included: one "
		  "clock counts them all, so it says nothing about scalability; that needs hardware" },
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
	{ .pattern = "ops_per_s_per_task",
	  .unit = "1/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .help = "operations per second of guest time and task, where there are several (ops_per_s / tasks)" },
	{ .pattern = "scalability",
	  .unit = "1",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 0.005,
	  .primary = true,
	  .help = "ops_per_s_per_task over ops_per_s of the phase with one task: 1 if N tasks do N times as much; "
		  "hardware only" },
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

/* Those of a checkout of upstream, by name: which ones count base pages is known (not told by them). First that matches. */
static const struct wis_test upstream_tests[] = {
	{ .name = "page_fault*", .operation = WIS_BASE_PAGE, .upstream = true },
	{ .name = "tlb_flush*", .operation = WIS_BASE_PAGE, .upstream = true },
	{ .name = "read[34]", .operation = WIS_BASE_PAGE, .upstream = true },
	{ .name = "*", .operation = WIS_CALL, .upstream = true },
};

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
	if (report->tasks < 1 || report->tasks > WIS_TASKS_MAX)
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

/* "page_fault1_threads-2" -> "page_fault1_threads"; owned by the caller. */
static char *without_tasks(const char *phase)
{
	size_t len = strlen(phase), digits = 0;

	while (digits < len && phase[len - digits - 1] >= '0' && phase[len - digits - 1] <= '9')
		digits++;
	if (digits && digits < len && phase[len - digits - 1] == '-')
		len -= digits + 1;
	return xstrndup(phase, len);
}

/* "page_fault1_threads-2" -> the test. */
static const struct wis_test *phase_test(const char *phase)
{
	_cleanup_free_ char *name = without_tasks(phase);

	if (ends_with(name, "_threads"))
		name[strlen(name) - strlen("_threads")] = '\0';
	if (!starts_with(name, WIS_UPSTREAM))
		return wis_test_find(name);
	for (size_t i = 0; i < ARRAY_SIZE(upstream_tests); i++) {
		if (fnmatch(upstream_tests[i].name, name + strlen(WIS_UPSTREAM), 0) == 0)
			return &upstream_tests[i];
	}
	return NULL;
}

/* Bytes of one operation, 0 where it is no matter of bytes. */
static uint64_t operation_bytes(const struct wis_test *test, uint64_t page_bytes)
{
	return test->operation == WIS_BASE_PAGE ? page_bytes : test->op_bytes;
}

struct sink {
	struct measures *measures;
	const struct measure_context *context;
	const char *phase;
};

static void add(const struct sink *s, const char *suffix, double value)
{
	measures_add(s->measures, s->context, wis_metrics, s->phase, suffix, value);
}

/* Several tasks on the instruction clock: what they cost together is shown, and nothing is said about speed. */
static void add_times(const struct sink *s, const struct report *r, double ops, double mib)
{
	bool simulated = s->context->basis == BASIS_SIMULATED;
	double cost = (double)r->elapsed_ns / (simulated ? SIMULATED_NS_PER_INSN : 1);
	double seconds = (double)r->elapsed_ns / 1e9;

	if (simulated && r->tasks > 1) {
		add(s, "shared_insns_per_op", cost / ops);
		return;
	}
	add(s, simulated ? "insns_per_op" : "ns_per_op", cost / ops);
	if (mib > 0) {
		add(s, simulated ? "insns_per_mib" : "ns_per_mib", cost / mib);
		add(s, "bytes_per_s", mib * (1 << 20) / seconds);
	}
	add(s, "ops_per_s", ops / seconds);
	if (r->tasks > 1)
		add(s, "ops_per_s_per_task", ops / seconds / (double)r->tasks);
}

int wis_measure(const struct measure_context *context, const char *phase, const char *output, struct measures *measures,
		struct err *err)
{
	const struct sink sink = { measures, context, phase };
	const struct wis_test *test = phase_test(phase);
	struct report r = { 0 };
	uint64_t op_bytes, bytes;
	double ops, mib, faults;

	if (!test)
		return err_set(err, ERR_GUEST, "%s is no phase of will-it-scale", phase);
	if (parse_report(phase, output, &r, err) < 0)
		return -1;
	op_bytes = operation_bytes(test, context->page_bytes);
	if (r.op_bytes != (test->upstream ? 0 : op_bytes) || __builtin_mul_overflow(r.operations, r.op_bytes, &bytes) ||
	    r.bytes != bytes)
		return err_set(err, ERR_GUEST,
			       "%s: the runner says %" PRIu64 " bytes per operation, %" PRIu64 " in all", phase,
			       r.op_bytes, r.bytes);
	ops = (double)r.operations;
	mib = ops * (double)op_bytes / (1 << 20);
	faults = (double)r.minflt + (double)r.majflt;

	add_times(&sink, &r, ops, mib);
	if (mib > 0)
		add(&sink, "faults_per_mib", faults / mib);
	add(&sink, "faults_per_op", faults / ops);
	if (test->switches)
		add(&sink, "switches_per_op", ((double)r.nvcsw + (double)r.nivcsw) / ops);
	return 0;
}

/* Of each phase with several tasks, sample by sample, against the phase with one. Between tasks that share a clock or an
 * emulator there is nothing to derive. */
void wis_derive(const struct measure_context *context, struct measures *measures)
{
	size_t n = measures->n;

	if (context->basis != BASIS_HARDWARE)
		return;
	for (size_t i = 0; i < n; i++) {
		const char *dot = strchr(measures->v[i].name, '.');
		_cleanup_free_ char *phase = NULL, *one_task = NULL, *name = NULL;
		const struct measure *one;
		size_t samples;

		if (!dot || strcmp(dot, ".ops_per_s_per_task") != 0)
			continue;
		phase = xstrndup(measures->v[i].name, (size_t)(dot - measures->v[i].name));
		one_task = without_tasks(phase);
		name = xasprintf("%s.ops_per_s", one_task);
		one = measures_find(measures, name);
		if (!one)
			continue;
		/* adding moves the array, not the values */
		const double *values = measures->v[i].values, *of_one = one->values;

		samples = one->n_values < measures->v[i].n_values ? one->n_values : measures->v[i].n_values;
		for (size_t k = 0; k < samples; k++)
			measures_add(measures, context, wis_metrics, phase, "scalability", values[k] / of_one[k]);
	}
}
