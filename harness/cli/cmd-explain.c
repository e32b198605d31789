// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "explain/explain.h"
#include "explain/memory.h"
#include "explain/recorded.h"
#include "report/report.h"

struct explain_args {
	const char *words[4];
	const char *format;
	struct explain_wants wants;
	unsigned int boot, n_words;
	bool all, memory;
};

enum { KEY_FORMAT = 256, KEY_CALLERS, KEY_INLINE };

static const struct argp_option options[] = {
	{ "boot", 'b', "N", 0, "Which boot, and so which seed (default: 1)", 0 },
	{ "all", 'a', NULL, 0, "Every function, not only those that changed most", 0 },
	{ "memory", 'm', NULL, 0, "Only where memory is, as it was recorded: nothing is booted, and any basis will do",
	  0 },
	{ "callers", KEY_CALLERS, "FUNCTION", 0,
	  "Also who calls this function of the kernel, and how often per operation", 0 },
	{ "inline", KEY_INLINE, NULL, 0,
	  "Inlined functions apart, where a vmlinux with debug information lies beside the Image or at the top of its "
	  "tree",
	  0 },
	{ "format", KEY_FORMAT, "text|json|folded", 0, "What to print (default: text)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct explain_args *a = state->input;

	switch (key) {
	case 'b':
		a->boot = (unsigned int)cli_number(arg, "--boot", 1, 1000000);
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case 'm':
		a->memory = true;
		return 0;
	case KEY_CALLERS:
		a->wants.callee = arg;
		return 0;
	case KEY_INLINE:
		a->wants.inlines = true;
		return 0;
	case KEY_FORMAT:
		if (strcmp(arg, "text") && strcmp(arg, "json") && strcmp(arg, "folded"))
			argp_error(state, "--format is text, json or folded, not '%s'", arg);
		a->format = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->n_words == 4)
			argp_error(state, "two runs and two cells at most");
		a->words[a->n_words++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (a->n_words < 3)
			argp_error(state,
				   "two runs and a cell: granule explain results/6.12 results/7.2 64k.off.faults");
		if (a->memory && (a->wants.callee || a->wants.inlines))
			argp_error(state, "--callers and --inline need a count, --memory makes none");
		if (a->memory && !strcmp(a->format, "folded"))
			argp_error(state, "folded stacks are of functions; --memory has none");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"BASE OTHER CELL [OTHER-CELL]",
	"Say where a difference comes from: instructions per operation by function, of the kernel and of user "
	"programs, and memory by "
	"what holds it.\v"
	"One boot of each side is repeated with a plugin in QEMU that counts instructions between markers and changes "
	"nothing that the guest can see; it must give the recorded bytes again. Two cells of one run: name the run "
	"twice "
	"and both cells. Where that cannot be done (on hardware) it shows what the CPUs' event counters and the "
	"kernel's "
	"counted, and shares by perf where the root file systems of both cells have it.\n\nExit code: 0 explained, 2 "
	"wrong usage or a boot that cannot be repeated, 3 the host "
	"failed, "
	"4 the repeated boot is not what was recorded.",
	NULL,
	NULL,
	NULL,
};

static const struct cell_record *find_cell(const struct run *run, const char *id, struct err *err)
{
	const struct cell_record *cell = run_find_cell(run, id);

	if (!cell)
		err_set(err, ERR_CONFIG, "%s: no cell '%s'; `granule show` lists its cells", run->dir, id);
	return cell;
}

static void print(const struct explanation *e, const struct recorded *recorded, const struct memory_splits *memory,
		  const struct explain_args *a)
{
	_cleanup_free_ char *text = NULL, *more = NULL, *counters = NULL, *sampled = NULL;

	if (!strcmp(a->format, "json")) {
		json_t *o = report_explain_json(e, recorded, memory);

		text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
		json_decref(o);
	} else if (!strcmp(a->format, "folded")) {
		text = report_explain_folded(e);
	} else {
		text = report_explain_text(e, a->all, cli_colour());
		counters = recorded->why ? report_recorded_text(recorded, cli_colour()) : xstrdup("");
		sampled = report_sampled_text(recorded, a->all, cli_colour());
		more = report_memory_text(memory, cli_colour());
	}
	fputs(text, stdout);
	if (counters)
		fputs(counters, stdout);
	if (sampled)
		fputs(sampled, stdout);
	if (more)
		fputs(more, stdout);
	else if (text[0] && text[strlen(text) - 1] != '\n')
		putchar('\n');
}

/* perf is asked where it is there. That it fails takes nothing away from what was recorded. */
static int sample_both(const struct explain_side sides[2], unsigned int boot, struct recorded *recorded,
		       struct err *err)
{
	_cleanup_(host_caps_free) struct host_caps caps = { 0 };
	struct schedule_options schedule;

	if (!sampled_possible(sides[0].cell) || !sampled_possible(sides[1].cell))
		return 0;
	if (host_probe(&caps, err) < 0 || cli_need_qemu(&caps, err) < 0)
		return -1;
	schedule = cli_schedule_options(&caps, 1);
	if (sampled_explain(&sides[0], &sides[1], boot, &schedule, &recorded->sampled, err) == 0)
		return 0;
	if (err->kind == ERR_INTERRUPTED)
		return -1;
	recorded->no_samples = xstrdup(err->msg);
	return 0;
}

/* Two counted boots, unless only memory was asked for or nothing can be counted. */
static int count_both(const struct explain_side sides[2], const struct explain_args *a, struct explanation **ret,
		      struct recorded *recorded, struct err *err)
{
	bool uncounted = recorded_only(sides[0].cell) || recorded_only(sides[1].cell);
	_cleanup_(host_caps_free) struct host_caps caps = { 0 };
	struct schedule_options schedule;

	if (uncounted && !strcmp(a->format, "folded"))
		return err_set(err, ERR_CONFIG, "folded stacks are of functions, which only the basis simulated tells");
	if (uncounted && !a->memory &&
	    recorded_explain(sides[0].run, sides[0].cell, sides[1].run, sides[1].cell, a->boot, recorded, err) < 0)
		return -1;
	if (uncounted && !a->memory && sample_both(sides, a->boot, recorded, err) < 0)
		return -1;
	if (a->memory || uncounted) {
		*ret = explanation_new(&sides[0], &sides[1], a->boot);
		return 0;
	}
	if (host_probe(&caps, err) < 0 || cli_need_qemu(&caps, err) < 0)
		return -1;
	schedule = cli_schedule_options(&caps, 1);
	return explain(&sides[0], &sides[1], a->boot, &a->wants, &schedule, ret, err);
}

int cmd_explain(int argc, char **argv)
{
	_cleanup_(explanation_free_p) struct explanation *e = NULL;
	_cleanup_(memory_splits_free) struct memory_splits memory = { 0 };
	_cleanup_(recorded_free) struct recorded recorded = { 0 };
	struct explain_args a = { .format = "text", .boot = 1 };
	_cleanup_(run_free_p) struct run *base = NULL;
	_cleanup_(run_free_p) struct run *other = NULL;
	struct explain_side sides[2];
	struct err err = ERR_INIT;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	if (run_open(a.words[0], &base, &err) < 0 || run_open(a.words[1], &other, &err) < 0)
		return cli_fail(&err);
	sides[0] = (struct explain_side){ base, find_cell(base, a.words[2], &err) };
	sides[1] =
		(struct explain_side){ other, sides[0].cell ? find_cell(other, a.words[a.n_words - 1], &err) : NULL };
	if (!sides[0].cell || !sides[1].cell)
		return cli_fail(&err);
	if (count_both(sides, &a, &e, &recorded, &err) < 0 ||
	    memory_explain(base, sides[0].cell, other, sides[1].cell, a.boot, &memory, &err) < 0)
		return cli_fail(&err);
	print(e, &recorded, &memory, &a);
	return 0;
}
