// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "run/cost.h"

/* Of one kernel; two idle cores of x86-64 (HACKING.md, "What things cost"). */
#define BUILD_SECONDS 160
#define FETCH_SECONDS 30 /* of a kernel package */

struct list_args {
	const char *matrix, *only;
	bool help_matrix;
};

static const struct argp_option options[] = {
	{ "only", 'O', "GLOB", 0, "Only cells whose id matches, as in '64k.*.faults'", 0 },
	{ "help-matrix", 'H', NULL, 0, "Print every section and option that a matrix can have", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct list_args *a = state->input;

	switch (key) {
	case 'O':
		a->only = arg;
		return 0;
	case 'H':
		a->help_matrix = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->matrix)
			argp_error(state, "one matrix at a time");
		a->matrix = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->matrix && !a->help_matrix)
			argp_error(state, "which matrix? for example: granule list matrices/smoke.yaml");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { options,
				  parse,
				  "MATRIX",
				  "Print the cells of MATRIX, those that will be skipped and why, and what a run will "
				  "cost. Boots and builds nothing.",
				  NULL,
				  NULL,
				  NULL };

static void print_kernels(const struct plan *plan)
{
	const struct matrix *m = plan->matrix;

	for (size_t i = 0; i < m->n_kernels; i++) {
		const struct kernel_image *image = plan->images[i];
		char size[24];

		if (image)
			printf("kernel %-12s %4s pages  %s%s\n", m->kernels[i].label,
			       image->page_bytes ? size_format(image->page_bytes, size) : "?", image->origin,
			       plan->ready[i]	       ? ""
			       : m->kernels[i].package ? "  (to be fetched)"
						       : "  (to be built)");
	}
	for (size_t i = 0; i < plan->roots.n; i++) {
		const struct root *root = &plan->roots.v[i];
		_cleanup_free_ char *what = root->ready ? rootfs_describe(&root->entry) : NULL;

		printf("root of %s  %s\n", root->name, what ? what : "(to be made)");
	}
}

static void print_cost(const struct plan *plan)
{
	const struct matrix *m = plan->matrix;
	size_t builds = 0, fetches = 0, boots = plan->n_runnable * m->trials.seeds;
	struct schedule_options o = cli_schedule_options(plan->caps, 0);
	unsigned int jobs = o.cpus / (unsigned int)m->guest.cpus ? o.cpus / (unsigned int)m->guest.cpus : 1;
	struct cost cost = cost_of(plan);
	double seconds;
	char most[32] = "";

	for (size_t i = 0; i < m->n_kernels; i++)
		*(m->kernels[i].package ? &fetches : &builds) += plan->images[i] && !plan->ready[i];
	seconds = (double)builds * BUILD_SECONDS + (double)fetches * FETCH_SECONDS + cost.seconds / jobs;
	if (m->trials.until.at_most)
		snprintf(most, sizeof(most), " to %llu",
			 (unsigned long long)(plan->n_runnable * m->trials.until.at_most));
	printf("%zu cells, %zu to run, %zu skipped; %zu%s boots (%llu seeds), each %llu warmups and %llu samples; "
	       "%zu kernels to build, %zu to fetch\n",
	       plan->n_cells, plan->n_runnable, plan->n_cells - plan->n_runnable, boots, most,
	       (unsigned long long)m->trials.seeds, (unsigned long long)m->trials.warmups,
	       (unsigned long long)m->trials.samples, builds, fetches);
	printf("about %d:%02d of wall time at -j %u", (int)seconds / 60, (int)seconds % 60, jobs);
	if (cost.n_unknown)
		printf("; the like of %zu cells was never run here, a boot of those is taken for %d s", cost.n_unknown,
		       COST_GUESS_S);
	putchar('\n');
	if (m->trials.until.at_most)
		printf("for the first %llu boots a cell; more until %s are known to within %.10g%%, %llu at most\n",
		       (unsigned long long)m->trials.seeds,
		       m->trials.until.metric ? m->trials.until.metric : "its primary metrics",
		       100 * m->trials.until.half_width, (unsigned long long)m->trials.until.at_most);
}

int cmd_list(int argc, char **argv)
{
	struct list_args args = { 0 };
	struct err err = ERR_INIT;
	_cleanup_(cli_plan_free) struct cli_plan cli = { 0 };

	if (!cli_parse(&argp, argc, argv, &args))
		return 2;
	if (args.help_matrix) {
		_cleanup_free_ char *help = matrix_help();

		fputs(help, stdout);
		return 0;
	}
	if (cli_plan_load(args.matrix, args.only, &cli, &err) < 0 || cli_check_reach(cli.plan, &err) < 0)
		return cli_fail(&err);
	print_kernels(cli.plan);
	for (size_t i = 0; i < cli.plan->n_cells; i++) {
		const struct cell *cell = &cli.plan->cells[i];

		printf("%s%s%s\n", cell->id, cell->skip ? "  skipped: " : "", cell->skip ? cell->skip : "");
	}
	print_cost(cli.plan);
	return 0;
}
