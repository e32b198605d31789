// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "run/repeat.h"

struct verify_args {
	const char *run;
	unsigned int sample, jobs;
};

static const struct argp_option options[] = {
	{ "sample", 's', "N", 0, "Repeat N boots, spread over the run (default: all)", 0 },
	{ "jobs", 'j', "N", 0, "At most N guests at a time (default: as many as cores and memory allow)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct verify_args *a = state->input;

	switch (key) {
	case 's':
		a->sample = (unsigned int)cli_number(arg, "--sample", 1, 1000000);
		return 0;
	case 'j':
		a->jobs = (unsigned int)cli_number(arg, "-j", 1, 1024);
		return 0;
	case ARGP_KEY_ARG:
		if (a->run)
			argp_error(state, "one run at a time");
		a->run = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->run)
			argp_error(state, "which run? for example: granule verify results/latest");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"RUN",
	"Boot finished cells of RUN again with the same seeds and compare their streams byte "
	"for byte.\vExit code 0: all identical. 1: a stream differs; the first record that does "
	"is named and the repeated run is kept.",
	NULL,
	NULL,
	NULL
};

static int report(const struct repeat *repeats, size_t n, const char *kept)
{
	size_t identical = 0;

	for (size_t i = 0; i < n; i++) {
		identical += repeats[i].identical;
		if (!repeats[i].identical)
			printf("%s boot %u differs: %s\n", repeats[i].cell->id, repeats[i].boot, repeats[i].difference);
	}
	printf("%zu of %zu boots gave the same bytes again\n", identical, n);
	if (kept)
		printf("the repeated run is kept: %s\n", kept);
	return identical == n ? 0 : 1;
}

int cmd_verify(int argc, char **argv)
{
	struct verify_args args = { 0 };
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_free_ char *kept = NULL;
	struct schedule_options schedule;
	_cleanup_(host_caps_free) struct host_caps caps = { 0 };
	struct repeat *repeats = NULL;
	struct err err = ERR_INIT;
	size_t n = 0;
	int code;

	if (!cli_parse(&argp, argc, argv, &args))
		return 2;
	if (host_probe(&caps, &err) < 0 || cli_need_qemu(&caps, &err) < 0 || run_open(args.run, &run, &err) < 0 ||
	    repeat_choose(run, args.sample, &repeats, &n, &err) < 0)
		return cli_fail(&err);
	schedule = cli_schedule_options(&caps, args.jobs);
	if (repeat_run(run, repeats, n, &schedule, &kept, &err) < 0)
		code = cli_fail(&err);
	else
		code = report(repeats, n, kept);
	repeats_free(repeats, n);
	return code;
}
