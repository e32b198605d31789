/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A registry of workloads for the tests of the matrix, which then depend on no real workload: every type of option,
 * bounds, a check. Linking it keeps the archive's own registry out. */
#ifndef GRANULE_TESTS_MATRIX_REGISTRY_H
#define GRANULE_TESTS_MATRIX_REGISTRY_H

#include <string.h>

#include "base/mem.h"
#include "workloads/workload.h"

struct probe_params {
	struct string_list tests, names;
	struct u64_list tasks;
	struct size_map sizes;
	uint64_t bytes, iterations;
	bool verbose;
	int mode;
	char *file, *note;
};

static const char *const probe_tests[] = { "page_fault1", "page_fault2", "getppid1", NULL };
static const char *const probe_modes[] = { "processes", "threads", NULL };

static const struct option_def probe_options[] = {
	{ .key = "tests",
	  .type = OPT_CHOICES,
	  .offset = offsetof(struct probe_params, tests),
	  .fallback = "[page_fault1, getppid1]",
	  .choices = probe_tests,
	  .help = "Tests." },
	{ .key = "names",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct probe_params, names),
	  .max = 3,
	  .help = "Names." },
	{ .key = "tasks",
	  .type = OPT_U64S,
	  .offset = offsetof(struct probe_params, tasks),
	  .fallback = "1",
	  .min = 1,
	  .max = 8,
	  .help = "Tasks." },
	{ .key = "sizes",
	  .type = OPT_SIZE_MAP,
	  .offset = offsetof(struct probe_params, sizes),
	  .fallback = "{ 64K: threads, 16K: processes }",
	  .choices = probe_modes,
	  .help = "Sizes." },
	{ .key = "bytes",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct probe_params, bytes),
	  .fallback = "256MiB",
	  .min = 4096,
	  .help = "Bytes." },
	{ .key = "iterations",
	  .type = OPT_U64,
	  .offset = offsetof(struct probe_params, iterations),
	  .help = "Iterations." },
	{ .key = "verbose", .type = OPT_BOOL, .offset = offsetof(struct probe_params, verbose), .help = "Verbose." },
	{ .key = "mode",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct probe_params, mode),
	  .choices = probe_modes,
	  .help = "Mode." },
	{ .key = "file", .type = OPT_PATH, .offset = offsetof(struct probe_params, file), .help = "File." },
	{ .key = "note", .type = OPT_STRING, .offset = offsetof(struct probe_params, note), .help = "Note." },
	OPTIONS_END,
};

static char *probe_check(const void *params, const char **ret_key)
{
	const struct probe_params *p = params;

	*ret_key = "iterations";
	return p->iterations == 13 ? xstrdup("13 iterations bring bad luck; take 12") : NULL;
}

static const struct option_def null_options[] = {
	{ .key = "output", .type = OPT_U64, .offset = 0, .fallback = "0", .max = 1u << 20, .help = "Bytes to print." },
	OPTIONS_END,
};

static const struct workload will_it_scale_workload = {
	.name = "will-it-scale",
	.help = "A stand-in with every type of option.",
	.options = probe_options,
	.params_size = sizeof(struct probe_params),
	.check = probe_check,
};
static const struct workload null_workload = {
	.name = "null",
	.help = "Does nothing.",
	.options = null_options,
	.params_size = sizeof(uint64_t),
};

const struct workload *const workloads[] = { &null_workload, &will_it_scale_workload, NULL };

#endif
