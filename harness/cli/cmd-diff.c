// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/compare.h"
#include "compare/floor.h"
#include "explain/origins.h"
#include "report/report.h"

struct diff_args {
	const char *base, *other;
	struct cli_compare compare;
	const char *format;
	bool all, explain;
};

enum { KEY_TO = 256, KEY_FORMAT, KEY_EXPLAIN };

static const struct argp_option options[] = {
	{ "to", KEY_TO, "LABEL", 0, "Compare only this one with it (default: every other one)", 0 },
	{ "all", 'a', NULL, 0, "Show every metric, not only the primary ones", 0 },
	{ "explain", KEY_EXPLAIN, NULL, 0,
	  "Boot what is not explained yet, counted (two boots a pair), and show the functions that changed most below "
	  "each "
	  "longer, shorter, and each change of path length that is not judged",
	  0 },
	{ "format", KEY_FORMAT, "text|json|csv", 0, "What to print (default: text)", 0 },
	{ 0 },
};

static error_t parse_run(struct diff_args *a, char *arg, struct argp_state *state)
{
	if (!a->base)
		a->base = arg;
	else if (!a->other)
		a->other = arg;
	else
		argp_error(state, "two runs at most");
	return 0;
}

static error_t parse_end(const struct diff_args *a, struct argp_state *state)
{
	if (!a->base)
		argp_error(state, "which runs? for example: granule diff results/6.12 results/7.2");
	else if (!a->other && !a->compare.options.along)
		argp_error(state, "one run is compared along an axis: granule diff %s --along kernels", a->base);
	else if (a->other && a->compare.options.along)
		argp_error(state, "--along compares within one run");
	else if ((a->compare.options.from || a->compare.options.to) && !a->compare.options.along)
		argp_error(state, "--from and --to are labels on the axis of --along");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct diff_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->compare;
		return 0;
	case KEY_TO:
		a->compare.options.to = arg;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case KEY_EXPLAIN:
		a->explain = true;
		return 0;
	case KEY_FORMAT:
		if (strcmp(arg, "text") && strcmp(arg, "json") && strcmp(arg, "csv"))
			argp_error(state, "--format is text, json or csv, not '%s'", arg);
		a->format = arg;
		return 0;
	case ARGP_KEY_ARG:
		return parse_run(a, arg, state);
	case ARGP_KEY_END:
		return parse_end(a, state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &cli_compare_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options,
	parse,
	"BASE OTHER\nRUN --along AXIS",
	"Compare two runs cell by cell, or the cells of one run along an axis.\v"
	"Boots with equal seed pair up. The change is the mean of the log ratios of paired boots (each the median of "
	"its "
	"samples), with a 95% t interval; on hardware, where seeds pair nothing, "
	"the Hodges-Lehmann shift of all boots with its distribution-free one. Verdicts: better, worse (shorter, "
	"longer on the instruction clock), same "
	"(the "
	"interval lies inside --effect), unclear (more seeds would tell), not judged (and why). Claims of change among "
	"a pair's primary metrics are "
	"corrected for their number (Bonferroni); a verdict with a star is exploratory: neither corrected nor "
	"counted.\n\n"
	"Below a change of path length stand the three functions that changed most, where `granule explain` or "
	"--explain has counted "
	"them before; without --explain no guest is started.\n\n"
	"Exit code, first that applies: 130 interrupted; 2 wrong usage or no such run; 3 the disk failed; 4 some boots "
	"failed or were not run (skipped and unsupported cells do not count); 5 a primary metric, or one named by "
	"--metric, is unclear; 0 otherwise, whatever the verdicts: worse is no failure without a gate.",
	children,
	NULL,
	NULL,
};

static void print_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(o);
}

/* From what was counted before, or by counting now. */
static int find_origins(const struct diff_args *a, struct comparison *c, const struct run *base,
			const struct run *other, struct err *err)
{
	_cleanup_(host_caps_free) struct host_caps caps = { 0 };
	struct schedule_options schedule;

	if (!a->explain)
		return origins_find(c, base, other, NULL, err);
	if (host_probe(&caps, err) < 0 || cli_need_qemu(&caps, err) < 0)
		return -1;
	schedule = cli_schedule_options(&caps, 1);
	return origins_find(c, base, other, &schedule, err);
}

int cmd_diff(int argc, char **argv)
{
	struct diff_args a = { .compare.options = COMPARE_DEFAULTS, .format = "text" };
	_cleanup_(comparison_free_p) struct comparison *comparison = NULL;
	_cleanup_(floors_free_p) struct floors *floors = NULL;
	_cleanup_(run_free_p) struct run *base = NULL;
	_cleanup_(run_free_p) struct run *other = NULL;
	struct err err = ERR_INIT;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	a.compare.options.resample = !strcmp(a.format, "json");
	if (run_open(a.base, &base, &err) < 0 || (a.other && run_open(a.other, &other, &err) < 0) ||
	    cli_floors(a.compare.floor, other, base, &floors, &err) < 0)
		return cli_fail(&err);
	a.compare.options.floors = floors;
	if (compare_runs(base, other, &a.compare.options, &comparison, &err) < 0 ||
	    find_origins(&a, comparison, base, other, &err) < 0)
		return cli_fail(&err);
	if (!strcmp(a.format, "json")) {
		print_json(report_diff_json(comparison));
	} else {
		_cleanup_free_ char *text = !strcmp(a.format, "csv")
						    ? report_diff_csv(comparison)
						    : report_diff_text(comparison, a.all, cli_colour());

		fputs(text, stdout);
	}
	if (comparison_failed(comparison))
		return 4;
	return comparison_unclear(comparison) ? 5 : 0;
}
