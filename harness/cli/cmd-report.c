// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/compare.h"
#include "compare/floor.h"
#include "report/page.h"

#define EXPLANATION_SIZE_MAX (64 << 20)

struct report_args {
	const char **runs, **explanations; /* owned arrays of borrowed words */
	size_t n_runs, n_explanations;
	const char *output;
	struct cli_compare compare;
	bool json;
};

enum { KEY_EXPLAIN = 256, KEY_FORMAT };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "The page to write (default: report.html); -: standard output", 0 },
	{ "explain", KEY_EXPLAIN, "FILE", 0,
	  "Output of `granule explain --format json`, to be shown as a chart; can be given several times", 0 },
	{ "format", KEY_FORMAT, "html|json", 0, "What to write (default: html); json: what the page is made of", 0 },
	{ 0 },
};

static error_t parse_end(const struct report_args *a, struct argp_state *state)
{
	if (!a->n_runs)
		argp_error(state, "which runs? for example: granule report results/latest --along kernels");
	else if (a->n_runs > 1 && a->compare.options.along)
		argp_error(state, "--along compares within one run");
	else if (a->compare.options.from && !a->compare.options.along)
		argp_error(state, "--from is a label on the axis of --along");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report_args *a = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &a->compare;
		return 0;
	case 'o':
		a->output = arg;
		return 0;
	case KEY_EXPLAIN:
		*VEC_PUSH(a->explanations, a->n_explanations) = arg;
		return 0;
	case KEY_FORMAT:
		if (strcmp(arg, "html") && strcmp(arg, "json"))
			argp_error(state, "--format is html or json, not '%s'", arg);
		a->json = !strcmp(arg, "json");
		return 0;
	case ARGP_KEY_ARG:
		*VEC_PUSH(a->runs, a->n_runs) = arg;
		return 0;
	case ARGP_KEY_END:
		return parse_end(a, state);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &cli_compare_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	options,
	parse,
	"RUN\nRUN --along AXIS\nBASE OTHER...",
	"Write a page to look at: one file with everything in it, for any browser, without a network, and for print.\v"
	"One run is shown as it is, or compared along an axis; two are compared; of more, each is compared with the "
	"first, "
	"in the order given: a trend. Verdicts are those of `granule diff`. docs/report.md says what each view shows "
	"and how "
	"not to misread it.\n\nExit code: 0 written; 2 wrong usage, no such run, or no page to fill (`make page`); 3 "
	"the disk "
	"failed. Failed boots are shown and do not change it.",
	children,
	NULL,
	NULL,
};

/* Everything that the page is made of, freed together. */
struct gathered {
	struct run **runs;
	struct floors **floors; /* what the comparisons borrow; NULL: none */
	struct comparison **comparisons;
	json_t **explanations;
	size_t n_runs, n_floors, n_comparisons, n_explanations;
};

static void gathered_free(struct gathered *g)
{
	for (size_t i = 0; i < g->n_comparisons; i++)
		comparison_free(g->comparisons[i]);
	for (size_t i = 0; i < g->n_floors; i++)
		floors_free(g->floors[i]);
	for (size_t i = 0; i < g->n_runs; i++)
		run_free(g->runs[i]);
	for (size_t i = 0; i < g->n_explanations; i++)
		json_decref(g->explanations[i]);
	free(g->comparisons);
	free(g->floors);
	free(g->runs);
	free(g->explanations);
}

/* Has a phase what the page draws? It is given by hand, and one that lacks something would take the whole page with it. */
static bool phases_valid(const json_t *phases)
{
	const json_t *phase, *f;
	size_t i, k;

	json_array_foreach(phases, i, phase)
	{
		if (!json_is_string(json_object_get(phase, "phase")) ||
		    !json_is_number(json_object_get(json_object_get(phase, "base"), "insns_per_op")) ||
		    !json_is_number(json_object_get(json_object_get(phase, "other"), "insns_per_op")) ||
		    !json_is_array(json_object_get(phase, "functions")))
			return false;
		json_array_foreach(json_object_get(phase, "functions"), k, f)
		{
			if (!json_is_string(json_object_get(f, "name")) ||
			    !json_is_number(json_object_get(f, "base")) || !json_is_number(json_object_get(f, "other")))
				return false;
		}
	}
	return json_is_array(phases);
}

static json_t *explanation_load(const char *path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	json_error_t why;
	json_t *o;

	if (file_read(path, EXPLANATION_SIZE_MAX, &text, NULL, err) < 0)
		return NULL;
	o = json_loads(text, JSON_REJECT_DUPLICATES, &why);
	if (!o)
		err_set(err, ERR_CONFIG, "%s:%d:%d: %s", path, why.line, why.column, why.text);
	else if (phases_valid(json_object_get(o, "phases")))
		return o;
	else
		err_set(err, ERR_CONFIG,
			"%s: no output of `granule explain --format json`: \"phases\" is not there or not complete",
			path);
	json_decref(o);
	return NULL;
}

/* The run at @i compared with the first; of one run, that run by itself or along the axis. */
static int add_comparison(const struct report_args *a, struct gathered *g, size_t i, struct err *err)
{
	const struct run *base = g->runs[0], *other = i ? g->runs[i] : NULL;
	struct compare_options o = a->compare.options;
	struct comparison *c;
	int rc;

	if (!other && !o.along) {
		rc = compare_alone(base, &o, &c, err);
	} else {
		if (cli_floors(a->compare.floor, other, base, VEC_PUSH(g->floors, g->n_floors), err) < 0)
			return -1;
		o.floors = g->floors[g->n_floors - 1];
		rc = compare_runs(base, other, &o, &c, err);
	}
	if (rc < 0)
		return -1;
	*VEC_PUSH(g->comparisons, g->n_comparisons) = c;
	return 0;
}

static int gather(const struct report_args *a, struct gathered *g, struct err *err)
{
	for (size_t i = 0; i < a->n_explanations; i++) {
		json_t *o = explanation_load(a->explanations[i], err);

		if (!o)
			return -1;
		*VEC_PUSH(g->explanations, g->n_explanations) = o;
	}
	for (size_t i = 0; i < a->n_runs; i++) {
		struct run *run;

		if (run_open(a->runs[i], &run, err) < 0)
			return -1;
		*VEC_PUSH(g->runs, g->n_runs) = run;
	}
	for (size_t i = g->n_runs > 1; i < g->n_runs; i++)
		if (add_comparison(a, g, i, err) < 0)
			return -1;
	return 0;
}

static int make(const struct report_args *a, const struct gathered *g, const char *template, struct text *out,
		struct err *err)
{
	const struct page_input in = { (const struct run *const *)g->runs,
				       g->n_runs,
				       g->comparisons,
				       g->n_comparisons,
				       g->explanations,
				       g->n_explanations };
	_cleanup_free_ char *json = NULL;

	if (page_json(&in, &json, err) < 0)
		return -1;
	if (!a->json)
		return page_fill(template, json, out, err);
	text_add_bytes(out, json, strlen(json));
	text_add_bytes(out, "\n", 1);
	return 0;
}

static int write_out(const struct report_args *a, const struct text *out, struct err *err)
{
	const char *path = a->output ? a->output : a->json ? "-" : "report.html";

	if (strcmp(path, "-")) {
		if (file_write(path, out->s, out->len, err) < 0)
			return -1;
		printf("report: %s\n", path);
		return 0;
	}
	if (fwrite(out->s, 1, out->len, stdout) == out->len && fflush(stdout) == 0)
		return 0;
	return err_set(err, ERR_HOST, "standard output does not take the page: %m");
}

int cmd_report(int argc, char **argv)
{
	struct report_args a = { .compare.options = COMPARE_DEFAULTS };
	_cleanup_(gathered_free) struct gathered g = { 0 };
	_cleanup_free_ char *template = NULL;
	_cleanup_(text_free) struct text out = { 0 };
	struct err err = ERR_INIT;
	bool parsed = cli_parse(&argp, argc, argv, &a);
	int rc = 2;

	/* a page that cannot be filled is said before a large run is read */
	if (parsed && ((!a.json && page_template(&template, &err) < 0) || gather(&a, &g, &err) < 0 ||
		       make(&a, &g, template, &out, &err) < 0 || write_out(&a, &out, &err) < 0))
		rc = cli_fail(&err);
	else if (parsed)
		rc = 0;
	free(a.runs);
	free(a.explanations);
	return rc;
}
