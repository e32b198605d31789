// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "compare/floor.h"
#include "compare/gate.h"
#include "report/report.h"
#include "run/prepared.h"
#include "run/records.h"

struct run_args {
	const char *subject, *only, *output, *connect, *against, *floor;
	unsigned int jobs, shard, n_shards;
	bool resume, join, fresh, dry_run, quiet, gate;
};

enum { KEY_GATE = 256, KEY_AGAINST, KEY_FLOOR };

static const struct argp_option options[] = {
	{ "jobs", 'j', "N", 0, "At most N guests at a time (default: as many as cores and memory allow)", 0 },
	{ "only", 'O', "GLOB", 0, "Only cells whose id matches, as in '64k.*.faults'", 0 },
	{ "output", 'o', "DIR", 0, "The run directory (default: results/MATRIX-TIME)", 0 },
	{ "resume", 'r', NULL, 0, "The argument is a run directory: run what it still owes", 0 },
	{ "join", 'J', NULL, 0, "The argument is a run directory that other processes may be at: help them", 0 },
	{ "shard", 'S', "I/N", 0, "Only part I of N of the run's boots, split by the plan alone: for job arrays", 0 },
	{ "fresh", 'f', NULL, 0, "Boot every cell, also those whose like has run before with all the same inputs", 0 },
	{ "dry-run", 'n', NULL, 0, "Print what would run; build and boot nothing", 0 },
	{ "connect", 'c', "URI", 0, "A local libvirt instead of the embedded driver (qemu:///system)", 0 },
	{ "gate", KEY_GATE, NULL, 0, "Hold the run to the gates of its matrix; exit code 1 if one fails", 0 },
	{ "against", KEY_AGAINST, "RUN", 0, "The baseline run of gates with `against: baseline`", 0 },
	{ "floor", KEY_FLOOR, "RUN", 0,
	  "The calibration (`granule calibrate`) that diff and gate of this run shall use: its directory is stored "
	  "with it",
	  0 },
	{ "quiet", 'q', NULL, 0, "No progress", 0 },
	{ 0 },
};

static void parse_shard(struct run_args *a, const char *arg, struct argp_state *state)
{
	int used = 0;

	if (sscanf(arg, "%u/%u%n", &a->shard, &a->n_shards, &used) != 2 || arg[used] || a->shard < 1 ||
	    a->shard > a->n_shards || a->n_shards > 100000 || strpbrk(arg, "+- "))
		argp_error(state, "--shard: '%s' is not I/N with I from 1 to N, as in 2/4", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_args *a = state->input;

	switch (key) {
	case 'j':
		a->jobs = (unsigned int)cli_number(arg, "-j", 1, 1024);
		return 0;
	case 'O':
		a->only = arg;
		return 0;
	case 'o':
		a->output = arg;
		return 0;
	case 'r':
		a->resume = true;
		return 0;
	case 'J':
		a->join = true;
		return 0;
	case 'S':
		parse_shard(a, arg, state);
		return 0;
	case 'f':
		a->fresh = true;
		return 0;
	case 'n':
		a->dry_run = true;
		return 0;
	case 'c':
		a->connect = arg;
		return 0;
	case 'q':
		a->quiet = true;
		return 0;
	case KEY_GATE:
		a->gate = true;
		return 0;
	case KEY_AGAINST:
		a->against = arg;
		return 0;
	case KEY_FLOOR:
		a->floor = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->subject)
			argp_error(state, "one matrix at a time");
		a->subject = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->subject)
			argp_error(state, "which matrix? for example: granule run matrices/smoke.yaml");
		if (a->resume && a->join)
			argp_error(state, "--join works beside others, --resume alone: one of them");
		if (a->join && (a->output || a->only || a->dry_run))
			argp_error(state, "--join helps with a run; it takes no --output, no --only and no --dry-run");
		if (a->resume && (a->output || a->only))
			argp_error(state, "--resume runs what the run still owes; it takes no --output and no --only");
		if (a->floor && (a->resume || a->join))
			argp_error(state, "--floor is stored when a run is made");
		if (a->against && !a->gate)
			argp_error(state, "--against is for --gate");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"MATRIX | --resume RUN | --join RUN",
	"Run every cell of MATRIX once for each seed, build the kernels that are missing, and "
	"leave a run directory.\vA run that was interrupted, killed or ran out of disk goes on "
	"with --resume; finished boots are never repeated. Any number of processes, on this host or on others that "
	"share the "
	"file system, work on one run with --join.",
	NULL,
	NULL,
	NULL
};

/* results/latest names the newest run, for commands typed by hand. */
static void link_latest(const char *dir)
{
	const char *slash = strrchr(dir, '/');
	_cleanup_free_ char *parent = NULL, *link = NULL;

	if (!slash)
		return;
	parent = xstrndup(dir, (size_t)(slash - dir));
	link = path_join(parent, "latest");
	unlink(link);
	if (symlink(slash + 1, link) < 0)
		fprintf(stderr, "granule: %s: %s\n", link, strerror(errno));
}

static void print_basis(const struct cell_record *cells, size_t n)
{
	const char *last = "";

	for (size_t i = 0; i < n; i++) {
		if (cells[i].skip || !strcmp(cells[i].basis_reason, last))
			continue;
		last = cells[i].basis_reason;
		fprintf(stderr, "basis: %s (%s)\n", basis_names[cells[i].basis], last);
	}
}

static struct schedule_options schedule_options(const struct run_args *args, const struct host_caps *caps)
{
	struct schedule_options schedule = cli_schedule_options(caps, args->jobs);

	schedule.join = args->join;
	schedule.shard = args->shard;
	schedule.n_shards = args->n_shards;
	schedule.connect = args->connect;
	schedule.quiet = args->quiet;
	return schedule;
}

/* @calibration: what run.json says of it, or NULL. */
static int make_run(const struct run_args *args, struct cli_plan *cli, json_t *calibration, struct run **ret_run,
		    struct err *err)
{
	_cleanup_free_ char *dir = args->output ? xstrdup(args->output) : cli_default_output("", cli->matrix);
	struct build_progress progress = { .plain = !isatty(STDERR_FILENO) || getenv("CI"), .quiet = args->quiet };
	struct schedule_options schedule = schedule_options(args, &cli->caps);
	json_t *header = cli_run_header(cli->matrix);
	int rc = plan_build(cli->plan, cli_show_build, &progress, err);

	if (rc == 0)
		rc = prepared_ensure(cli->plan, &schedule, header, cli_show_build, &progress, err);

	if (calibration)
		json_object_set(header, "calibration", calibration);
	if (args->floor && strcmp(args->floor, "none") != 0) {
		_cleanup_free_ char *floor = path_absolute(args->floor);

		json_object_set_new(header, "floor", json_string(floor));
	}
	if (rc == 0)
		rc = plan_create_run(cli->plan, dir, header, ret_run, err);
	if (rc == 0 && !args->quiet)
		print_basis((*ret_run)->cells, (*ret_run)->n_cells);
	if (rc == 0 && !args->output)
		link_latest(dir);
	json_decref(header);
	return rc;
}

static int dry_run(const struct cli_plan *cli)
{
	for (size_t i = 0; i < cli->plan->n_cells; i++)
		if (!cli->plan->cells[i].skip)
			printf("%s x %llu\n", cli->plan->cells[i].id, (unsigned long long)cli->matrix->trials.seeds);
	return 0;
}

/* A line for each Image that was given up; the cells of one are next to each other. */
static void print_given_up(const struct run *run)
{
	const char *last = "";

	for (size_t i = 0; i < run->n_cells; i++) {
		_cleanup_free_ char *reason = NULL;

		if (run->cells[i].skip || !strcmp(run->cells[i].kernel_sha256, last))
			continue;
		last = run->cells[i].kernel_sha256;
		reason = image_given_up(run, last);
		if (reason)
			printf("%s\n", reason);
	}
}

static int print_summary(const struct run *run, const struct schedule_result *result, uint64_t began_ns)
{
	size_t failed = result->n_boots - result->by_outcome[OUTCOME_OK];
	size_t skipped = 0;

	for (size_t i = 0; i < run->n_cells; i++)
		skipped += run->cells[i].skip != NULL;
	printf("%zu boots", result->n_boots);
	for (int o = 0; o <= OUTCOME_INCOMPLETE; o++)
		if (result->by_outcome[o])
			printf(", %zu %s", result->by_outcome[o], outcome_names[o]);
	printf("; %zu cells skipped; %.1f s\n", skipped, (double)(now_ns() - began_ns) / (double)NSEC_PER_SEC);
	if (result->n_reused)
		printf("%zu of %zu boots taken from the cache (--fresh repeats them)\n", result->n_reused,
		       result->n_boots);
	print_given_up(run);
	printf("run: %s\n", run->dir);
	return result->by_outcome[OUTCOME_HOST_FAILED] ? 3 : failed ? 4 : 0;
}

/* What would only be found out after the last boot. */
static int check_gates(const struct run_args *args, const json_t *gates, struct run **ret_base, struct err *err)
{
	if (!args->gate)
		return 0;
	if (!json_array_size(gates))
		return err_set(err, ERR_CONFIG, "%s has no gates for --gate", args->subject);
	if (gates_need_baseline(gates) && !args->against)
		return err_set(err, ERR_CONFIG, "%s: a gate compares with a baseline run: name it, `--against RUN`",
			       args->subject);
	return args->against ? run_open(args->against, ret_base, err) : 0;
}

/* The gates' code where it says more than the boots' @code; a host that failed comes before both. */
static int hold_to_gates(const struct run *run, const struct run *base, int code)
{
	_cleanup_(floors_free_p) struct floors *floors = NULL;
	_cleanup_(gating_free_p) struct gating *gating = NULL;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	if (cli_floors(NULL, run, base, &floors, &err) < 0 || gating_make(run, base, NULL, floors, &gating, &err) < 0)
		return cli_fail(&err);
	text = report_gate_text(gating, false, cli_colour());
	printf("\n%s", text);
	return code != 3 && (gating_exit_code(gating) == 1 || !code) ? gating_exit_code(gating) : code;
}

/* Everything that @run owes, @args->fresh or from the result cache. Returns what print_summary() does; -1 error. */
static int run_owed(const struct run_args *args, const struct host_caps *caps, struct run *run, uint64_t began_ns,
		    struct err *err)
{
	struct schedule_options schedule = schedule_options(args, caps);
	struct schedule_result result;
	int rc;

	schedule.reuse = cli_open_reuse(caps, &schedule, args->fresh);
	rc = schedule_run(run, &schedule, &result, err);
	reuse_close(schedule.reuse);
	return rc < 0 ? -1 : print_summary(run, &result, began_ns);
}

int cli_run_calibration(struct cli_plan *cli, const struct cli_calibration *wanted, struct run **ret_run,
			struct err *err)
{
	const struct run_args args = {
		.output = wanted->output, .jobs = wanted->jobs, .fresh = wanted->fresh, .quiet = wanted->quiet
	};
	uint64_t began_ns = now_ns();

	if (cli_need_qemu(&cli->caps, err) < 0 || make_run(&args, cli, wanted->calibration, ret_run, err) < 0)
		return -1;
	return run_owed(&args, &cli->caps, *ret_run, began_ns, err);
}

int cmd_run(int argc, char **argv)
{
	struct run_args args = { 0 };
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_(run_free_p) struct run *base = NULL;
	_cleanup_(cli_plan_free) struct cli_plan cli = { 0 };
	_cleanup_(floors_free_p) struct floors *floors = NULL; /* whether they can be had, before the first boot */
	struct err err = ERR_INIT;
	uint64_t began_ns = now_ns();
	json_t *gates;
	int rc;

	if (!cli_parse(&argp, argc, argv, &args))
		return 2;
	if (args.resume || args.join) {
		if (host_probe(&cli.caps, &err) < 0 || cli_need_qemu(&cli.caps, &err) < 0 ||
		    run_open(args.subject, &run, &err) < 0 ||
		    check_gates(&args, json_object_get(run->header, "gates"), &base, &err) < 0)
			return cli_fail(&err);
	} else {
		if (cli_plan_load(args.subject, args.only, &cli, &err) < 0 || cli_check_reach(cli.plan, &err) < 0)
			return cli_fail(&err);
		if (args.dry_run)
			return dry_run(&cli);
		if (cli_floors(args.floor, NULL, NULL, &floors, &err) < 0)
			return cli_fail(&err);
		gates = gates_json(cli.matrix);
		rc = check_gates(&args, gates, &base, &err);
		json_decref(gates);
		if (rc < 0 || cli_need_qemu(&cli.caps, &err) < 0 || make_run(&args, &cli, NULL, &run, &err) < 0)
			return cli_fail(&err);
	}
	rc = run_owed(&args, &cli.caps, run, began_ns, &err);
	if (rc < 0)
		return cli_fail(&err);
	return args.gate ? hold_to_gates(run, base, rc) : rc;
}
