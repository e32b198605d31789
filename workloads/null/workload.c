// SPDX-License-Identifier: GPL-2.0-or-later
/* null: a workload that measures nothing and can fail in every way, so that the pipeline can be tested in a second. */
#include "workloads/workload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define EXEC_TIMEOUT_S 20

struct null_params {
	struct u64_list values;
	uint64_t cost_ns, touch_bytes, prepared_bytes;
	int fail;
	bool hold;
};

/* guest/null.c knows what each means; no-hello is the fake guest's (agent/main.c). */
static const char *const failures[] = { "none",	 "exit",    "unsupported", "signal",   "hang",	  "garbage",
					"flood", "no-hold", "oops",	   "no-hello", "prepare", NULL };
#define FAIL_PREPARE 10 /* what prepares exits with 1; the rest is as with none */

static const struct option_def null_options[] = {
	{ .key = "values",
	  .type = OPT_U64S,
	  .offset = offsetof(struct null_params, values),
	  .fallback = "1",
	  .help = "the numbers that each sample reports, as value.0, value.1, ..." },
	{ .key = "cost",
	  .type = OPT_U64,
	  .offset = offsetof(struct null_params, cost_ns),
	  .fallback = "1000",
	  .max = UINT64_C(1000000000000),
	  .help = "the time that each sample claims to have taken, in ns" },
	{ .key = "touch",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct null_params, touch_bytes),
	  .fallback = "0",
	  .max = UINT64_C(1) << 40,
	  .help = "bytes of anonymous memory that each execution touches" },
	{ .key = "prepared",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct null_params, prepared_bytes),
	  .fallback = "0",
	  .max = UINT64_C(1) << 30,
	  .help = "bytes in a file that is prepared once, and that each execution reads and checks" },
	{ .key = "fail",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct null_params, fail),
	  .fallback = "none",
	  .choices = failures,
	  .help = "how each execution fails" },
	{ .key = "hold",
	  .type = OPT_BOOL,
	  .offset = offsetof(struct null_params, hold),
	  .fallback = "true",
	  .help = "whether memory is also read at its greatest extent" },
	OPTIONS_END,
};

static const struct metric null_metrics[] = {
	{ .pattern = "value.*",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .primary = true,
	  .help = "a number that the matrix gave (null prints it)" },
	{ .pattern = "cost_insns",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 0.5,
	  .primary = true,
	  .help = "instructions of a sample by the instruction clock, as the matrix gave them" },
	{ .pattern = "cost_ns",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .primary = true,
	  .help = "time of a sample, as the matrix gave it" },
	{ .pattern = NULL },
};

static void null_programs(const void *params, struct programs *programs)
{
	(void)params;
	programs_add(programs, xstrdup("bin/null"), xstrdup(WORKLOAD_NAME "/null"));
}

static void add_exec(const struct null_params *p, const char *kind, uint64_t index, struct text *job)
{
	text_add(job, "exec\tnull\t%s\t%" PRIu64 "\t%d\t/bin/null", kind, index, EXEC_TIMEOUT_S);
	for (size_t i = 0; i < p->values.n; i++)
		text_add(job, "\t--value\t%" PRIu64, p->values.v[i]);
	text_add(job, "\t--cost\t%" PRIu64, p->cost_ns);
	if (p->touch_bytes)
		text_add(job, "\t--touch\t%" PRIu64, p->touch_bytes);
	if (p->prepared_bytes)
		text_add(job, "\t--read\t%" PRIu64, p->prepared_bytes);
	if (p->fail && p->fail != FAIL_PREPARE)
		text_add(job, "\t--fail\t%s", failures[p->fail]);
	text_add(job, "%s\n", strcmp(kind, "hold") == 0 ? "\t--hold" : "");
}

static void null_prepare(const void *params, const struct preparing *preparing, struct text *job)
{
	const struct null_params *p = params;

	(void)preparing;
	if (!p->prepared_bytes)
		return;
	text_add(job, "exec\tprepare\tprepare\t0\t%d\t/bin/null\t--write\t%" PRIu64 "%s\n", EXEC_TIMEOUT_S,
		 p->prepared_bytes, p->fail == FAIL_PREPARE ? "\t--fail\texit" : "");
	text_add(job, "keep\tdata\t/tmp/prepared\n");
}

static const struct preparation null_preparations[] = {
	{ .name = "data", .steps = null_prepare },
	{ .name = NULL },
};

static void null_steps(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct null_params *p = params;

	(void)page_bytes;
	for (uint64_t i = 0; i < trials->warmups; i++)
		add_exec(p, "warmup", i, job);
	for (uint64_t i = 0; i < trials->samples; i++)
		add_exec(p, "sample", i, job);
	if (p->hold)
		add_exec(p, "hold", 0, job);
}

/* A word of a job each: JOB_WORDS_MAX less what add_exec() needs. */
static char *null_check(const void *params, const char **ret_key)
{
	const struct null_params *p = params;

	*ret_key = "values";
	return p->values.n > 20 ? xasprintf("values: at most 20 numbers, not %zu", p->values.n) : NULL;
}

static uint64_t null_work_bytes(const void *params, uint64_t page_bytes)
{
	const struct null_params *p = params;

	(void)page_bytes;
	return p->touch_bytes ? p->touch_bytes : 1;
}

static int null_measure(const struct measure_context *context, const char *phase, const char *output,
			struct measures *measures, struct err *err)
{
	for (const char *line = output; *line;) {
		size_t len = strcspn(line, "\n"), digits;
		const char *space = memchr(line, ' ', len);
		char name[32];
		double value;

		digits = space ? strspn(space + 1, "0123456789") : 0;
		if (!space || space - line >= (ptrdiff_t)sizeof(name) || !digits || space[1 + digits] != '\n')
			return err_set(err, ERR_GUEST, "%s: null printed a line that is no name and number: %.*s",
				       phase, (int)(len < 60 ? len : 60), line);
		snprintf(name, sizeof(name), "%.*s", (int)(space - line), line);
		value = (double)strtoull(space + 1, NULL, 10);
		if (strcmp(name, "elapsed_ns") != 0 && !metric_lookup(null_metrics, name))
			return err_set(err, ERR_GUEST, "%s: null printed a number called %s", phase, name);
		if (strcmp(name, "elapsed_ns") != 0)
			measures_add(measures, context, null_metrics, phase, name, value);
		else if (context->basis == BASIS_SIMULATED)
			measures_add(measures, context, null_metrics, phase, "cost_insns",
				     value / SIMULATED_NS_PER_INSN);
		else
			measures_add(measures, context, null_metrics, phase, "cost_ns", value);
		line += len + 1;
	}
	return 0;
}

const struct workload this_workload = {
	.name = WORKLOAD_NAME,
	.help = "measures nothing, and fails in every way that it is asked to: for tests of granule itself",
	.options = null_options,
	.params_size = sizeof(struct null_params),
	.check = null_check,
	.programs = null_programs,
	.preparations = null_preparations,
	.steps = null_steps,
	.work_bytes = null_work_bytes,
	.measure = null_measure,
	.raw_storage = true,
	.metrics = null_metrics,
	.primary = { "value.*", "cost_insns", "cost_ns", "memory.peak" },
};
