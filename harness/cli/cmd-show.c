// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "report/report.h"

struct show_args {
	const char *run, *cell;
	unsigned int boot;
	bool json;
};

enum { KEY_FORMAT = 256 };

static const struct argp_option options[] = {
	{ "format", KEY_FORMAT, "text|json", 0, "What to print (default: text)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct show_args *a = state->input;

	switch (key) {
	case KEY_FORMAT:
		if (strcmp(arg, "text") && strcmp(arg, "json"))
			argp_error(state, "--format is text or json, not '%s'", arg);
		a->json = !strcmp(arg, "json");
		return 0;
	case ARGP_KEY_ARG:
		if (!a->run)
			a->run = arg;
		else if (!a->cell)
			a->cell = arg;
		else if (!a->boot)
			a->boot = (unsigned int)cli_number(arg, "BOOT", 1, 100000);
		else
			argp_error(state, "RUN [CELL [BOOT]] and no more");
		return 0;
	case ARGP_KEY_END:
		if (!a->run)
			argp_error(state, "which run? for example: granule show results/latest");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"RUN [CELL [BOOT]]",
	"Show what became of a run, of one cell, or of one boot: outcomes, settings as asked and as read back, every "
	"value of every metric, provenance, and the console of what failed.\v"
	"Exit code: 0; 4 if some boot shown failed or was not run (skipped and unsupported cells do not count); 2 "
	"wrong "
	"usage or no such run, cell or boot; 3 the disk failed.",
	NULL,
	NULL,
	NULL,
};

static const struct cell_record *find_cell(const struct run *run, const struct show_args *a, struct err *err)
{
	const struct cell_record *cell = run_find_cell(run, a->cell);
	_cleanup_free_ const char **names = NULL;
	const char *near;

	if (cell) {
		if (a->boot <= cell_boots(run, cell) || cell->skip)
			return cell;
		err_set(err, ERR_CONFIG, "%s: cell '%s' has boots 1 to %llu, not %u", a->run, a->cell,
			(unsigned long long)cell_boots(run, cell), a->boot);
		return NULL;
	}
	names = xcalloc(run->n_cells + 1, sizeof(*names));
	for (size_t i = 0; i < run->n_cells; i++)
		names[i] = run->cells[i].id;
	near = nearest_name(a->cell, names, run->n_cells);
	if (near)
		err_set(err, ERR_CONFIG, "%s: there is no cell '%s'; did you mean '%s'?", a->run, a->cell, near);
	else
		err_set(err, ERR_CONFIG, "%s: there is no cell '%s'; `granule show %s` lists them", a->run, a->cell,
			a->run);
	return NULL;
}

int cmd_show(int argc, char **argv)
{
	struct show_args a = { 0 };
	_cleanup_(run_free_p) struct run *run = NULL;
	const struct cell_record *cell = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;
	bool failed = false;
	json_t *o = NULL;
	int rc;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	if (run_open(a.run, &run, &err) < 0)
		return cli_fail(&err);
	if (a.cell && !(cell = find_cell(run, &a, &err)))
		return cli_fail(&err);
	if (cell && a.json)
		rc = report_cell_json(run, cell, a.boot, &o, &failed, &err);
	else if (cell)
		rc = report_cell_text(run, cell, a.boot, cli_colour(), &text, &failed, &err);
	else if (a.json)
		rc = report_run_json(run, &o, &failed, &err);
	else
		rc = report_run_text(run, cli_colour(), &text, &failed, &err);
	if (rc < 0)
		return cli_fail(&err);
	if (o) {
		json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
		putchar('\n');
		json_decref(o);
	} else {
		fputs(text, stdout);
	}
	return failed ? 4 : 0;
}
