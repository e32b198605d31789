// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/compare.h"

enum { KEY_ALONG = 256, KEY_FROM, KEY_EFFECT, KEY_METRIC, KEY_CELL, KEY_FLOOR };

static const struct argp_option compare_argp_options[] = {
	{ "along", KEY_ALONG, "AXIS", 0,
	  "Compare within one run along AXIS: kernels, folios, workloads, storages or limit", 0 },
	{ "from", KEY_FROM, "LABEL", 0, "The base on that axis (default: the first of the matrix)", 0 },
	{ "effect", KEY_EFFECT, "PERCENT", 0, "The smallest change that matters (default: 1%)", 0 },
	{ "metric", KEY_METRIC, "GLOB", 0,
	  "Only metrics that match, with or without their phase: 'memory.*', 'page_fault1.*'; these count for the "
	  "exit code of diff even if they are not primary",
	  0 },
	{ "cell", KEY_CELL, "GLOB", 0, "Only cells whose id matches", 0 },
	{ "floor", KEY_FLOOR, "RUN", 0,
	  "A calibration (`granule calibrate`): what lies below its floors is no change, what it found timed is not "
	  "judged; none: not even the one that the run was made with",
	  0 },
	{ 0 },
};

static error_t parse_compare(int key, char *arg, struct argp_state *state)
{
	struct cli_compare *c = state->input;

	switch (key) {
	case KEY_ALONG:
		c->options.along = arg;
		return 0;
	case KEY_FROM:
		c->options.from = arg;
		return 0;
	case KEY_EFFECT:
		c->options.effect = cli_percentage(arg, "--effect");
		return 0;
	case KEY_METRIC:
		c->options.metric = arg;
		return 0;
	case KEY_CELL:
		c->options.cell = arg;
		return 0;
	case KEY_FLOOR:
		c->floor = arg;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

const struct argp cli_compare_argp = { compare_argp_options, parse_compare, NULL, NULL, NULL, NULL, NULL };
