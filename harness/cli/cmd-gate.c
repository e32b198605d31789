// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "compare/floor.h"
#include "compare/gate.h"
#include "report/report.h"

struct gate_args {
	const char *run, *against, *gates, *floor, *format, *output;
	bool all, annotate;
};

enum { KEY_AGAINST = 256, KEY_GATES, KEY_FLOOR, KEY_FORMAT, KEY_ANNOTATE };

static const struct argp_option options[] = {
	{ "against", KEY_AGAINST, "RUN", 0, "The baseline run, for gates with `against: baseline`", 0 },
	{ "gates", KEY_GATES, "MATRIX", 0, "Take the gates of this matrix instead of those the run was planned with",
	  0 },
	{ "floor", KEY_FLOOR, "RUN", 0,
	  "A calibration: its floors widen the intervals, its timed metrics are not judged", 0 },
	{ "format", KEY_FORMAT, "FORMAT", 0, "text, json, csv, junit or markdown (default: text)", 0 },
	{ "output", 'o', "FILE", 0, "Write it to FILE, whole or not at all", 0 },
	{ "annotate", KEY_ANNOTATE, "github", 0, "Also print what failed as annotations of that service", 0 },
	{ "all", 'a', NULL, 0, "Show what passed, too", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct gate_args *a = state->input;

	switch (key) {
	case KEY_AGAINST:
		a->against = arg;
		return 0;
	case KEY_GATES:
		a->gates = arg;
		return 0;
	case KEY_FLOOR:
		a->floor = arg;
		return 0;
	case KEY_FORMAT:
		a->format = arg;
		return 0;
	case 'o':
		a->output = arg;
		return 0;
	case KEY_ANNOTATE:
		if (strcmp(arg, "github"))
			argp_error(state, "--annotate knows github, not '%s'", arg);
		a->annotate = true;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->run)
			argp_error(state, "one run; the baseline is --against");
		a->run = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->run)
			argp_error(state, "which run? for example: granule gate results/latest --against results/base");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"RUN",
	"Hold a run to the gates of its matrix.\v"
	"A gate is a metric (a glob), one limit and what the metric is compared with: the same cell in a baseline run, "
	"or the "
	"cell at `from` along an axis; `kernels`, `folios`, `workloads` and `limit` select cells by label. worse_by "
	"and "
	"longer_by forbid one direction, the metric's own, and changed_by both. `granule list --help-matrix` has the "
	"keys.\n\n"
	"A gate fails only where the interval lies wholly beyond its limit, corrected for the number of metrics that "
	"all gates "
	"judge; it passes only where the 95% interval lies within. Between them it is unclear, which `allow_unclear` "
	"lets "
	"pass.\n\n"
	"Exit code, first that applies: 130 interrupted; 2 wrong usage, no such run, no gates; 3 the disk failed; 1 a "
	"gate "
	"failed; 4 some boots failed; 5 a gate is unclear or could judge nothing, and does not allow it; 0 otherwise.",
	NULL,
	NULL,
	NULL,
};

static char *gate_text(const struct gating *g, const struct gate_args *a)
{
	return report_gate_text(g, a->all, !a->output && cli_colour());
}

static char *gate_json(const struct gating *g, const struct gate_args *a)
{
	json_t *o = report_gate_json(g);
	char *text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(12));

	(void)a;
	json_decref(o);
	return text;
}

static char *gate_junit(const struct gating *g, const struct gate_args *a)
{
	(void)a;
	return report_gate_junit(g);
}

static char *gate_markdown(const struct gating *g, const struct gate_args *a)
{
	(void)a;
	return report_gate_markdown(g);
}

static char *gate_csv(const struct gating *g, const struct gate_args *a)
{
	(void)a;
	return report_gate_csv(g);
}

static const struct gate_format {
	const char *name;
	char *(*make)(const struct gating *g, const struct gate_args *a);
} formats[] = { { "text", gate_text },
		{ "json", gate_json },
		{ "csv", gate_csv },
		{ "junit", gate_junit },
		{ "markdown", gate_markdown } };

static const struct gate_format *find_format(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!name || !strcmp(formats[i].name, name))
			return &formats[i];
	return NULL;
}

static int load_gates(const char *path, json_t **ret, struct err *err)
{
	_cleanup_(matrix_free_p) struct matrix *matrix = NULL;

	if (!path)
		return 0;
	if (matrix_load(path, &matrix, err) < 0)
		return -1;
	*ret = gates_json(matrix);
	return 0;
}

int cmd_gate(int argc, char **argv)
{
	_cleanup_(gating_free_p) struct gating *gating = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_(run_free_p) struct run *base = NULL;
	_cleanup_(floors_free_p) struct floors *floors = NULL;
	_cleanup_free_ char *text = NULL;
	const struct gate_format *format;
	struct gate_args a = { 0 };
	struct err err = ERR_INIT;
	json_t *gates = NULL;
	int rc;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	format = find_format(a.format);
	if (!format)
		return cli_usage("--format is text, json, csv, junit or markdown, not '%s'", a.format);
	rc = load_gates(a.gates, &gates, &err);
	if (rc == 0)
		rc = run_open(a.run, &run, &err);
	if (rc == 0 && a.against)
		rc = run_open(a.against, &base, &err);
	if (rc == 0)
		rc = cli_floors(a.floor, run, base, &floors, &err);
	if (rc == 0)
		rc = gating_make(run, base, gates, floors, &gating, &err);
	json_decref(gates);
	if (rc < 0)
		return cli_fail(&err);
	text = format->make(gating, &a);
	if (!a.output)
		fputs(text, stdout);
	else if (file_write_atomic(a.output, text, strlen(text), &err) < 0)
		return cli_fail(&err);
	if (a.annotate) {
		_cleanup_free_ char *annotations = report_gate_annotations(gating);

		fputs(annotations, stdout);
	}
	return gating_exit_code(gating);
}
