// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "bisect/measure.h"
#include "cli/cli.h"
#include "explain/explain.h"
#include "image/git.h"
#include "report/report.h"

/* For `git bisect run`: it stops at 128 and above. */
enum { STEP_SKIP = 125, STEP_USAGE = 128, STEP_HOST = 129, STEP_INTERRUPTED = 130 };

struct bisect_args {
	const char *matrix, *good, *bad, *step, *kernel, *tree, *metric, *limit, *by, *only, *output, *resume;
	unsigned int jobs;
	bool why, json, quiet;
};

enum {
	KEY_GOOD = 256,
	KEY_BAD,
	KEY_STEP,
	KEY_KERNEL,
	KEY_TREE,
	KEY_GATE,
	KEY_METRIC,
	KEY_LONGER,
	KEY_WORSE,
	KEY_CHANGED,
	KEY_WHY,
	KEY_FORMAT
};

static const struct argp_option options[] = {
	{ "good", KEY_GOOD, "REV", 0, "The end that is well", 0 },
	{ "bad", KEY_BAD, "REV", 0, "The end that is not", 0 },
	{ "kernel", KEY_KERNEL, "LABEL", 0, "The kernel whose commits are tried (default: the one with `git:`)", 0 },
	{ "tree", KEY_TREE, "PATH", 0, "Take its commits from this git tree of Linux instead", 0 },
	{ "gate", KEY_GATE, NULL, 0, "Bad is what fails a gate of the matrix (default)", 0 },
	{ "metric", KEY_METRIC, "GLOB", 0, "Bad is what moves this metric beyond a limit, against the good end", 0 },
	{ "longer-by", KEY_LONGER, "PERCENT", 0, "The limit of --metric, for a time on the instruction clock: 1%", 0 },
	{ "worse-by", KEY_WORSE, "PERCENT", 0, "The limit of --metric, in the metric's own direction", 0 },
	{ "changed-by", KEY_CHANGED, "PERCENT", 0, "The limit of --metric, either way", 0 },
	{ "only", 'O', "GLOB", 0, "Only cells whose id matches, as in '64k.*.faults'", 0 },
	{ "output", 'o', "DIR", 0, "The bisection's folder (default: results/bisect-MATRIX-TIME)", 0 },
	{ "resume", 'r', "DIR", 0, "Go on with the bisection of that folder", 0 },
	{ "why", KEY_WHY, NULL, 0, "End with the functions that the difference comes from, as `granule explain`", 0 },
	{ "step", KEY_STEP, "REV", 0, "Measure this commit alone, for a `git bisect run` of your own", 0 },
	{ "format", KEY_FORMAT, "text|json", 0, "What to print at the end (default: text)", 0 },
	{ "jobs", 'j', "N", 0, "At most N guests at a time (default: as many as cores and memory allow)", 0 },
	{ "quiet", 'q', NULL, 0, "No progress", 0 },
	{ 0 },
};

static void parse_limit(struct bisect_args *a, const char *limit, const char *by, struct argp_state *state)
{
	char *end;
	double percent = strtod(by, &end);

	if (end == by || strcmp(end, "%") != 0 || !(percent >= 0 && percent < 1e9))
		argp_error(state, "'%s' is not a percentage, as in 1%%", by);
	if (a->limit)
		argp_error(state, "one limit: --longer-by, --worse-by or --changed-by");
	a->limit = limit;
	a->by = by;
}

static void parse_end(const struct bisect_args *a, struct argp_state *state)
{
	bool asked = a->matrix || a->good || a->bad || a->kernel || a->tree || a->metric || a->only || a->output;

	if (a->resume && (asked || a->step || a->limit))
		argp_error(state,
			   "--resume goes on with what was asked for; beside it go --why, --format, -j and -q only");
	if (a->resume)
		return;
	if (!a->matrix)
		argp_error(state, "which matrix? for example: granule bisect m.yaml --good v6.12 --bad v6.13");
	if (!a->good)
		argp_error(state, "from where? --good REV");
	if (!a->bad == !a->step)
		argp_error(state, "to where? --bad REV (or --step REV, for one commit alone)");
	if (!a->metric != !a->limit)
		argp_error(state, "--metric goes with one limit: --longer-by, --worse-by or --changed-by");
	if (a->step && !a->output)
		argp_error(state, "--step needs -o DIR, where the run of --good stays for the next step");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct bisect_args *a = state->input;
	const struct {
		int key;
		const char **where;
	} words[] = {
		{ KEY_GOOD, &a->good },	    { KEY_BAD, &a->bad },   { KEY_STEP, &a->step },
		{ KEY_KERNEL, &a->kernel }, { KEY_TREE, &a->tree }, { KEY_METRIC, &a->metric },
		{ 'O', &a->only },	    { 'o', &a->output },    { 'r', &a->resume },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].key == key) {
			*words[i].where = arg;
			return 0;
		}
	}
	switch (key) {
	case KEY_GATE:
		return 0;
	case KEY_LONGER:
		parse_limit(a, "longer_by", arg, state);
		return 0;
	case KEY_WORSE:
		parse_limit(a, "worse_by", arg, state);
		return 0;
	case KEY_CHANGED:
		parse_limit(a, "changed_by", arg, state);
		return 0;
	case KEY_WHY:
		a->why = true;
		return 0;
	case KEY_FORMAT:
		if (strcmp(arg, "text") && strcmp(arg, "json"))
			argp_error(state, "--format is text or json, not '%s'", arg);
		a->json = !strcmp(arg, "json");
		return 0;
	case 'j':
		a->jobs = (unsigned int)cli_number(arg, "-j", 1, 1024);
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->matrix)
			argp_error(state, "one matrix at a time");
		a->matrix = arg;
		return 0;
	case ARGP_KEY_END:
		parse_end(a, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"MATRIX --good REV --bad REV\n--resume DIR",
	"Find the commit that moved a metric, by `git bisect`.\vThe kernel is built from commits of a git tree, which "
	"is read "
	"and never touched: git bisects in a repository of its own in the bisection's folder. Both ends are measured "
	"first: "
	"the good one must pass the gates and the bad one must fail. A commit that does not build or boot, or stays "
	"unclear, is skipped; what could not be told apart for that is reported as several commits. A bisection that "
	"was "
	"killed or interrupted goes on with --resume.\n\n"
	"Exit code: 0 found; 5 one of several; 2 wrong usage, or an end that is not what it is said to be; 3 the host "
	"failed; 4 an end does not build or boot, or is unclear; 130 interrupted.\n\n"
	"With --step, as `git bisect run` takes it: 0 good; 1 bad; 125 does not build or boot, or stays unclear; 128 "
	"wrong "
	"usage; 129 the host failed, or the good end cannot be measured; 130 interrupted. In your own tree: git bisect "
	"run "
	"granule bisect m.yaml --good v6.12 --step HEAD -o DIR",
	NULL,
	NULL,
	NULL,
};

/* ---- What was asked for, as bisect.json keeps it */

struct job {
	const struct bisect_args *args;
	struct bench bench;
	struct matrix *matrix; /* owned, as the rest */
	json_t *request, *header;
	char *dir, *tree, *good, *bad;
	struct host_caps caps;
	struct build_progress build;
};

static void job_clear(struct job *j)
{
	bench_clear(&j->bench);
	reuse_close(j->bench.schedule.reuse);
	matrix_free(j->matrix);
	host_caps_free(&j->caps);
	json_decref(j->request);
	json_decref(j->header);
	free(j->dir);
	free(j->tree);
	free(j->good);
	free(j->bad);
}

static json_t *asked_gates(const struct bisect_args *a, const struct matrix *matrix)
{
	return a->metric ? json_pack("[{s:s, s:s, s:s}]", "metric", a->metric, a->limit, a->by, "against", "baseline")
			 : gates_json(matrix);
}

static int resolve(const char *tree, const char *option, const char *rev, char **ret_sha, struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };

	if (!rev)
		return 0;
	if (git_lookup(tree, rev, &source, err) < 0)
		return err_wrap(err, "%s", option);
	*ret_sha = steal_ptr(source.commit);
	return 0;
}

static int write_request(const struct job *j, struct err *err)
{
	_cleanup_free_ char *path = path_join(j->dir, "bisect.json"), *matrix = path_join(j->dir, "matrix.yaml"),
			    *text = json_dumps(j->request, JSON_INDENT(1));

	if (make_dirs(j->dir, err) < 0 || file_write_atomic(matrix, j->matrix->text, strlen(j->matrix->text), err) < 0)
		return -1;
	return file_write_atomic(path, text, strlen(text), err);
}

/* From the command line into bisect.json, before anything is built. */
static int ask(struct job *j, struct err *err)
{
	const struct bisect_args *a = j->args;
	_cleanup_free_ char *path = path_absolute(a->matrix), *record = NULL;
	struct kernel_spec *kernel;

	if (matrix_load(a->matrix, &j->matrix, err) < 0 ||
	    bench_kernel(j->matrix, a->kernel, a->tree, &kernel, err) < 0 ||
	    resolve(kernel->git, "--good", a->good, &j->good, err) < 0 ||
	    resolve(kernel->git, "--bad", a->bad, &j->bad, err) < 0)
		return -1;
	j->tree = xstrdup(kernel->git);
	j->dir = a->output ? path_absolute(a->output) : cli_default_output("bisect-", j->matrix);
	j->request = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?, s:o}", "schema", BISECT_SCHEMA, "creator",
			       "granule " GRANULE_VERSION, "matrix", path, "kernel", kernel->label, "tree", j->tree,
			       "good", j->good, "bad", j->bad, "only", a->only, "gates", asked_gates(a, j->matrix));
	record = path_join(j->dir, "bisect.json");
	if (!path_exists(record))
		return write_request(j, err);
	if (!a->step)
		return err_set(err, ERR_CONFIG,
			       "%s holds a bisection; go on with `--resume %s`, or name another folder", j->dir,
			       j->dir);
	return 0;
}

static const char *member(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* From bisect.json. The matrix is what it was then, whatever its file says now. */
static int recall(struct job *j, struct err *err)
{
	_cleanup_free_ char *path = path_join(j->dir, "bisect.json"), *matrix = path_join(j->dir, "matrix.yaml"),
			    *text = NULL;
	struct kernel_spec *kernel;
	json_error_t at;

	if (!path_exists(path))
		return err_set(err, ERR_CONFIG, "%s holds no bisection: there is no bisect.json", j->dir);
	json_decref(j->request);
	j->request = json_load_file(path, 0, &at);
	if (!j->request)
		return err_set(err, ERR_CONFIG, "%s:%d:%d: %s", path, at.line, at.column, at.text);
	if (!text_equal(member(j->request, "schema"), BISECT_SCHEMA) || !member(j->request, "matrix") ||
	    !member(j->request, "kernel") || !member(j->request, "tree") || !member(j->request, "good") ||
	    !json_is_array(json_object_get(j->request, "gates")))
		return err_set(err, ERR_CONFIG,
			       "%s: not a bisection that this granule (schema " BISECT_SCHEMA ") knows", path);
	matrix_free(j->matrix);
	j->matrix = NULL;
	if (file_read(matrix, MATRIX_BYTES_MAX, &text, NULL, err) < 0 ||
	    matrix_parse(text, member(j->request, "matrix"), &j->matrix, err) < 0 ||
	    bench_kernel(j->matrix, member(j->request, "kernel"), member(j->request, "tree"), &kernel, err) < 0)
		return -1;
	free(j->tree);
	free(j->good);
	free(j->bad);
	j->tree = xstrdup(member(j->request, "tree"));
	j->good = xstrdup(member(j->request, "good"));
	j->bad = xstrdup(member(j->request, "bad"));
	j->header = cli_run_header(j->matrix);
	j->bench.matrix = j->matrix;
	j->bench.kernel = kernel;
	j->bench.gates = json_object_get(j->request, "gates");
	j->bench.only = member(j->request, "only");
	return bench_prepare(&j->bench, err);
}

/* The steps of one `git bisect run` share a folder, and so a good end and its gates. */
static int check_same(const struct job *j, const char *good, struct err *err)
{
	if (!j->args->step || !strcmp(good, j->good))
		return 0;
	return err_set(err, ERR_CONFIG, "%s belongs to --good %.12s, not %.12s; name another folder", j->dir, j->good,
		       good);
}

static int prepare(struct job *j, struct err *err)
{
	const struct bisect_args *a = j->args;
	_cleanup_free_ char *good = NULL;

	if (a->resume)
		j->dir = path_absolute(a->resume);
	else if (ask(j, err) < 0)
		return -1;
	good = xstrdup(j->good);
	if (recall(j, err) < 0 || (good && check_same(j, good, err) < 0) || host_probe(&j->caps, err) < 0 ||
	    cli_need_qemu(&j->caps, err) < 0)
		return -1;
	j->build = (struct build_progress){ .plain = !isatty(STDERR_FILENO) || getenv("CI"), .quiet = a->quiet };
	j->bench.caps = &j->caps;
	j->bench.schedule = cli_schedule_options(&j->caps, a->jobs);
	j->bench.schedule.quiet = a->quiet;
	j->bench.schedule.reuse = cli_open_reuse(&j->caps, &j->bench.schedule, false);
	j->bench.dir = j->dir;
	j->bench.good = j->good;
	j->bench.header = j->header;
	j->bench.progress = cli_show_build;
	j->bench.progress_ctx = &j->build;
	return 0;
}

/* ---- One step, for git */

static int step_failed(const struct err *err)
{
	cli_fail(err);
	return err->kind == ERR_CONFIG ? STEP_USAGE : err->kind == ERR_INTERRUPTED ? STEP_INTERRUPTED : STEP_HOST;
}

static int measure_one(struct job *j, struct err *err)
{
	static const int codes[] = { [BISECT_GOOD] = 0, [BISECT_BAD] = 1, [BISECT_SKIP] = STEP_SKIP };
	_cleanup_free_ char *commit = NULL, *reason = NULL;
	enum bisect_verdict verdict, good;

	if (resolve(j->tree, "--step", j->args->step, &commit, err) < 0 ||
	    bench_measure(&j->bench, j->good, &good, &reason, err) < 0)
		return step_failed(err);
	if (good != BISECT_GOOD) {
		err_set(err, ERR_GUEST, "--good %.12s does not pass: %s", j->good, reason);
		return step_failed(err);
	}
	free(steal_ptr(reason));
	if (bench_measure(&j->bench, commit, &verdict, &reason, err) < 0)
		return step_failed(err);
	printf("%.12s %s: %s\n", commit, bisect_verdict_names[verdict], reason);
	return codes[verdict];
}

/* ---- All of them */

static void show_step(void *ctx, const struct bisect_step *s, const struct history *history, size_t number, bool done)
{
	const struct job *j = ctx;

	if (j->args->quiet)
		return;
	if (done)
		fprintf(stderr, "bisect: %.12s is %s: %s\n", s->commit,
			s->verdict == BISECT_SKIP ? "skipped" : bisect_verdict_names[s->verdict], s->reason);
	else if (!history)
		fprintf(stderr, "bisect: step %zu, an end: %.12s %s\n", number, s->commit, s->subject);
	else
		fprintf(stderr, "bisect: step %zu, then about %u more (%u commits): %.12s %s\n", number,
			history->steps_left, history->commits_left, s->commit, s->subject);
}

static int measure(void *ctx, const char *commit, enum bisect_verdict *ret_verdict, char **ret_reason, struct err *err)
{
	struct job *j = ctx;

	return bench_measure(&j->bench, commit, ret_verdict, ret_reason, err);
}

/* What moved between the first bad commit and its parent; none where that cannot be measured. */
static int find_step(struct job *j, const struct bisect_result *r, struct run *runs[2], struct gating **ret,
		     struct err *err)
{
	const char *const commits[] = { r->parent, r->candidates[0] };

	for (int i = 0; i < 2; i++) {
		_cleanup_free_ char *reason = NULL;
		int rc = bench_boot(&j->bench, commits[i], &runs[i], &reason, err);

		if (rc < 0)
			return -1;
		if (rc == 0) {
			fprintf(stderr, "bisect: %.12s cannot be compared with its parent: %.12s: %s\n",
				r->candidates[0], commits[i], reason);
			return 0;
		}
	}
	return bench_step(&j->bench, runs[0], runs[1], ret, err);
}

static bool seen_before(const struct gating *step, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (step->checks[k].result == GATE_FAILED && step->checks[k].pair == step->checks[i].pair)
			return true;
	return false;
}

/* Each cell that moved, once. */
static int explain_step(const struct job *j, struct run *const runs[2], const struct gating *step, struct err *err)
{
	struct schedule_options schedule = cli_schedule_options(&j->caps, 1);
	const struct explain_wants wants = { 0 };

	schedule.quiet = j->args->quiet;
	for (size_t i = 0; i < step->n_checks; i++) {
		const struct gate_check *c = &step->checks[i];
		_cleanup_(explanation_free_p) struct explanation *e = NULL;
		struct explain_side base = { runs[0], c->pair->base }, other = { runs[1], c->pair->other };
		_cleanup_free_ char *text = NULL;

		if (c->result != GATE_FAILED || seen_before(step, i))
			continue;
		if (explain(&base, &other, 1, &wants, &schedule, &e, err) < 0)
			return err_wrap(err, "--why");
		text = report_explain_text(e, false, cli_colour());
		printf("\n%s", text);
	}
	return 0;
}

static int report(const struct job *j, const struct bisect_result *r, const struct gating *step, struct err *err)
{
	const struct bisect_report what = {
		.dir = j->dir, .tree = j->tree, .good = j->good, .bad = j->bad, .result = r, .step = step
	};
	_cleanup_free_ char *path = path_join(j->dir, "result.json"), *text = report_bisect_text(&what), *json = NULL;
	json_t *o = report_bisect_json(&what);

	json = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
	json_decref(o);
	if (file_write_atomic(path, json, strlen(json), err) < 0)
		return -1;
	printf("%s%s", j->args->json ? json : text, j->args->json ? "\n" : "");
	fflush(stdout);
	return 0;
}

static int search(struct job *j, struct err *err)
{
	const struct bisect_options o = { .dir = j->dir,
					  .tree = j->tree,
					  .good = j->good,
					  .bad = j->bad,
					  .measure = measure,
					  .progress = show_step,
					  .ctx = j };
	_cleanup_(bisect_result_clear) struct bisect_result r = { 0 };
	_cleanup_(gating_free_p) struct gating *step = NULL;
	struct run *runs[2] = { NULL, NULL };
	int rc = bisect_run(&o, &r, err);

	if (rc == 0 && r.found && r.parent)
		rc = find_step(j, &r, runs, &step, err);
	if (rc == 0)
		rc = report(j, &r, step, err);
	if (rc == 0 && j->args->why && step)
		rc = explain_step(j, runs, step, err);
	if (rc < 0 && err->kind != ERR_CONFIG)
		fprintf(stderr, "bisect: `granule bisect --resume %s` goes on\n", j->dir);
	gating_free(steal_ptr(step));
	run_free(runs[0]);
	run_free(runs[1]);
	return rc < 0 ? cli_fail(err) : r.found ? 0 : 5;
}

static bool asks_step(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (starts_with(argv[i], "--step"))
			return true;
	return false;
}

int cmd_bisect(int argc, char **argv)
{
	_cleanup_(job_clear) struct job j = { 0 };
	struct bisect_args args = { 0 };
	struct err err = ERR_INIT;

	argp_err_exit_status = asks_step(argc, argv) ? STEP_USAGE : 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
		return argp_err_exit_status;
	j.args = &args;
	if (prepare(&j, &err) < 0)
		return args.step ? step_failed(&err) : cli_fail(&err);
	if (args.step)
		return measure_one(&j, &err);
	if (!j.bad)
		return cli_usage("%s: its folder was made by --step and names no bad end", j.dir);
	return search(&j, &err);
}
