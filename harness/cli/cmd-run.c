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
#include "run/cost.h"

struct run_args {
	const char *subject, *only, *output, *connect;
	unsigned int jobs;
	bool resume, dry_run, quiet;
};

static const struct argp_option options[] = {
	{ "jobs", 'j', "N", 0, "At most N guests at a time (default: as many as cores and memory allow)", 0 },
	{ "only", 'O', "GLOB", 0, "Only cells whose id matches, as in '64k.*.faults'", 0 },
	{ "output", 'o', "DIR", 0, "The run directory (default: results/MATRIX-TIME)", 0 },
	{ "resume", 'r', NULL, 0, "The argument is a run directory: run what it still owes", 0 },
	{ "dry-run", 'n', NULL, 0, "Print what would run; build and boot nothing", 0 },
	{ "connect", 'c', "URI", 0, "A local libvirt instead of the embedded driver (qemu:///system)", 0 },
	{ "quiet", 'q', NULL, 0, "No progress", 0 },
	{ 0 },
};

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
	case 'n':
		a->dry_run = true;
		return 0;
	case 'c':
		a->connect = arg;
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
		if (!a->subject)
			argp_error(state, "which matrix? for example: granule run matrices/smoke.yaml");
		if (a->resume && (a->output || a->only))
			argp_error(state, "--resume runs what the run still owes; it takes no --output and no --only");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"MATRIX | --resume RUN",
	"Run every cell of MATRIX once for each seed, build the kernels that are missing, and "
	"leave a run directory.\vA run that was interrupted, killed or ran out of disk goes on "
	"with --resume; finished boots are never repeated.",
	NULL,
	NULL,
	NULL
};

/* Build progress: redrawn on a terminal, a line each ten percent elsewhere. */
struct build_progress {
	char what[128];
	int last_tenth;
	bool plain, quiet;
};

static void show_build(void *ctx, const char *what, double fraction, int eta_s)
{
	struct build_progress *b = ctx;
	int tenth = fraction < 0 ? -1 : (int)(fraction * 10);
	bool news = strcmp(b->what, what) != 0;

	if (b->quiet)
		return;
	snprintf(b->what, sizeof(b->what), "%s", what);
	if (!b->plain) {
		fprintf(stderr, "\r\033[2K%s", what);
		if (fraction >= 0)
			fprintf(stderr, " %3.0f%%", 100 * fraction);
		if (eta_s >= 0)
			fprintf(stderr, ", about %d:%02d left", eta_s / 60, eta_s % 60);
		if (fraction >= 1)
			fputc('\n', stderr);
	} else if (news || tenth != b->last_tenth) {
		fprintf(stderr, "%s", what);
		if (fraction >= 0)
			fprintf(stderr, " %.0f%%", 100 * fraction);
		fputc('\n', stderr);
	}
	b->last_tenth = tenth;
}

static json_t *run_header(const struct matrix *matrix)
{
	char sha256[SHA256_HEX_SIZE], when[32];
	time_t now = time(NULL);
	struct tm tm;

	sha256_bytes(matrix->text, strlen(matrix->text), sha256);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s, s:s, s:s, s:s}", "creator", "granule " GRANULE_VERSION, "created", when, "matrix",
			 matrix->name, "matrix_sha256", sha256);
}

static char *default_output(const struct matrix *matrix)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("results/%s-%s", matrix->name, when);
}

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

static int make_run(const struct run_args *args, struct cli_plan *cli, struct run **ret_run, struct err *err)
{
	_cleanup_free_ char *dir = args->output ? xstrdup(args->output) : default_output(cli->matrix);
	struct build_progress progress = { .plain = !isatty(STDERR_FILENO) || getenv("CI"), .quiet = args->quiet };
	json_t *header = run_header(cli->matrix);
	struct cell_record *cells = NULL;
	size_t n = 0;
	int rc;

	rc = plan_build(cli->plan, show_build, &progress, err);
	if (rc == 0)
		rc = plan_records(cli->plan, &cells, &n, err);
	if (rc == 0) {
		if (!args->quiet)
			print_basis(cells, n);
		rc = run_create(dir, cli->matrix->text, header, cells, n, err);
	}
	if (rc == 0)
		rc = run_open(dir, ret_run, err);
	if (rc == 0 && !args->output)
		link_latest(dir);
	for (size_t i = 0; i < n; i++)
		cell_record_free(&cells[i]);
	free(cells);
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
	printf("run: %s\n", run->dir);
	return failed ? 4 : 0;
}

int cmd_run(int argc, char **argv)
{
	struct run_args args = { 0 };
	struct schedule_options schedule;
	struct schedule_result result;
	_cleanup_(run_free_p) struct run *run = NULL;
	_cleanup_(cli_plan_free) struct cli_plan cli = { 0 };
	struct err err = ERR_INIT;
	uint64_t began_ns = now_ns();
	int rc;

	if (!cli_parse(&argp, argc, argv, &args))
		return 2;
	if (args.resume) {
		if (host_probe(&cli.caps, &err) < 0 || cli_need_qemu(&cli.caps, &err) < 0 ||
		    run_open(args.subject, &run, &err) < 0)
			return cli_fail(&err);
	} else {
		if (cli_plan_load(args.subject, args.only, &cli, &err) < 0)
			return cli_fail(&err);
		if (args.dry_run)
			return dry_run(&cli);
		if (cli_need_qemu(&cli.caps, &err) < 0 || make_run(&args, &cli, &run, &err) < 0)
			return cli_fail(&err);
	}
	schedule = cli_schedule_options(&cli.caps, args.jobs);
	schedule.connect = args.connect;
	schedule.quiet = args.quiet;
	rc = schedule_run(run, &schedule, &result, &err);
	if (rc < 0)
		return cli_fail(&err);
	cost_record(run);
	return print_summary(run, &result, began_ns);
}
