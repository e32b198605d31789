// SPDX-License-Identifier: GPL-2.0-or-later
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "compare/floor.h"
#include "report/report.h"

#define BUILDS 6 /* two of each kind of image/layout.h */

struct calibrate_args {
	const char *subject, *kernel, *cell, *output;
	uint64_t builds;
	unsigned int jobs;
	bool fresh, quiet, all, json, show, builds_given;
};

enum { KEY_KERNEL = 256, KEY_CELL, KEY_FORMAT, KEY_SHOW };

static const struct argp_option options[] = {
	{ "kernel", KEY_KERNEL, "LABEL", 0,
	  "The base that is built in other layouts (default: of each base page the first kernel with source or git)",
	  0 },
	{ "cell", KEY_CELL, "GLOB", 0, "Only cells whose id, with the base's label, matches, as in '64k.*.faults'", 0 },
	{ "builds", 'n', "N", 0, "Layout-neutral builds beside the base (default: 6, at least 3)", 0 },
	{ "output", 'o', "DIR", 0, "The run directory (default: results/MATRIX-TIME)", 0 },
	{ "jobs", 'j', "N", 0, "At most N guests at a time (default: as many as cores and memory allow)", 0 },
	{ "fresh", 'f', NULL, 0, "Boot every cell, also those whose like has run before", 0 },
	{ "show", KEY_SHOW, NULL, 0, "The argument is a calibration: print its floors; boot nothing", 0 },
	{ "all", 'a', NULL, 0, "Show every metric, not only the primary and the timed ones", 0 },
	{ "format", KEY_FORMAT, "text|json", 0, "What to print (default: text)", 0 },
	{ "quiet", 'q', NULL, 0, "No progress", 0 },
	{ 0 },
};

static error_t parse_end(const struct calibrate_args *a, struct argp_state *state)
{
	if (!a->subject)
		argp_error(state, "which matrix? for example: granule calibrate matrices/planted.yaml");
	else if (a->show && (a->kernel || a->cell || a->output || a->builds_given || a->jobs || a->fresh))
		argp_error(state, "--show prints what a calibration found; it takes --all and --format only");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct calibrate_args *a = state->input;

	switch (key) {
	case KEY_KERNEL:
		a->kernel = arg;
		return 0;
	case KEY_CELL:
		a->cell = arg;
		return 0;
	case 'n':
		a->builds = cli_number(arg, "-n", FLOOR_BUILDS_LEAST, LAYOUT_MAX);
		a->builds_given = true;
		return 0;
	case 'o':
		a->output = arg;
		return 0;
	case 'j':
		a->jobs = (unsigned int)cli_number(arg, "-j", 1, 1024);
		return 0;
	case 'f':
		a->fresh = true;
		return 0;
	case KEY_SHOW:
		a->show = true;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case KEY_FORMAT:
		if (strcmp(arg, "text") && strcmp(arg, "json"))
			argp_error(state, "--format is text or json, not '%s'", arg);
		a->json = !strcmp(arg, "json");
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->subject)
			argp_error(state, "one matrix at a time");
		a->subject = arg;
		return 0;
	case ARGP_KEY_END:
		return parse_end(a, state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"MATRIX\n--show RUN",
	"Measure what a change in layout alone is worth.\vBuilds the base kernel again as layout-neutral variants "
	"(padding, "
	"link order, alignment of functions), and runs the matrix's cells on all of them and once more with periodic "
	"work that comes ten times more rarely. What it leaves is a run directory: `granule diff --floor RUN` and "
	"`granule gate "
	"--floor RUN` call no change what lies below its floor, and judge no metric that moves with the timers.\n\n"
	"Exit codes are those of `granule run`.",
	NULL,
	NULL,
	NULL,
};

struct wanted {
	const char *glob;
	const json_t *calibration;
};

/* Is it a build of the base of @one, of a calibration? */
static bool is_build(const json_t *one, const char *label)
{
	const json_t *layouts = json_object_get(one, "layouts"), *layout;
	size_t i;

	json_array_foreach(layouts, i, layout)
	{
		if (!strcmp(json_string_value(layout), label))
			return true;
	}
	return !strcmp(json_string_value(json_object_get(one, "slow")), label);
}

/* The label of the base that kernel @label of a calibration stands for. */
static const char *base_of(const json_t *calibration, const char *label)
{
	const json_t *one;
	size_t i;

	json_array_foreach(calibration, i, one)
	{
		if (is_build(one, label))
			return json_string_value(json_object_get(one, "base"));
	}
	return label;
}

static bool cell_wanted(const struct cell *cell, const void *ctx)
{
	const struct wanted *w = ctx;
	_cleanup_free_ char *id =
		xasprintf("%s%s", base_of(w->calibration, cell->kernel->label), strchr(cell->id, '.'));

	return fnmatch(w->glob, id, 0) == 0;
}

static int load_plan(const struct calibrate_args *a, struct cli_plan *cli, json_t **ret_calibration, struct err *err)
{
	if (matrix_load(a->subject, &cli->matrix, err) < 0 ||
	    matrix_calibrate(cli->matrix, a->kernel, a->builds, ret_calibration, err) < 0 ||
	    host_probe(&cli->caps, err) < 0 || plan_make(cli->matrix, &cli->caps, NULL, &cli->plan, err) < 0)
		return -1;
	if (a->cell) {
		struct wanted wanted = { a->cell, *ret_calibration };

		plan_keep(cli->plan, cell_wanted, &wanted);
	}
	if (!cli->plan->n_runnable)
		return err_set(err, ERR_CONFIG, "%s: no cell of the base to run%s%s%s", a->subject,
			       a->cell ? " matches --cell '" : "", a->cell ? a->cell : "", a->cell ? "'" : "");
	return 0;
}

static void print_floors(const struct floors *floors, const struct calibrate_args *a)
{
	_cleanup_free_ char *text = NULL;

	if (a->json) {
		json_t *o = report_floors_json(floors);

		text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
		json_decref(o);
		puts(text);
		return;
	}
	text = report_floors_text(floors, a->all, cli_colour());
	fputs(text, stdout);
}

int cmd_calibrate(int argc, char **argv)
{
	struct calibrate_args a = { .builds = BUILDS };
	_cleanup_(cli_plan_free) struct cli_plan cli = { 0 };
	_cleanup_(floors_free_p) struct floors *floors = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	struct err err = ERR_INIT;
	json_t *calibration = NULL;
	int rc = 0;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	if (a.show) {
		rc = run_open(a.subject, &run, &err);
	} else if ((rc = load_plan(&a, &cli, &calibration, &err)) == 0) {
		const struct cli_calibration wanted = { a.output, a.jobs, a.fresh, a.quiet, calibration };

		rc = cli_run_calibration(&cli, &wanted, &run, &err);
	}
	json_decref(calibration);
	if (rc < 0 || floors_load(run, &floors, &err) < 0)
		return cli_fail(&err);
	print_floors(floors, &a);
	return rc;
}
