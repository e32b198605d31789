// SPDX-License-Identifier: GPL-2.0-or-later
/* granule: one program, a table of commands. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "list", cmd_list, "what a matrix holds: cells, skips and why, what a run will cost" },
	{ "run", cmd_run, "run a matrix, or resume a run" },
	{ "show", cmd_show, "what a run found: outcomes, settings, every sample" },
	{ "calibrate", cmd_calibrate, "what layout and timers alone are worth: the floor under a change" },
	{ "diff", cmd_diff, "two runs, or one run along an axis: memory and throughput, with verdicts" },
	{ "report", cmd_report, "a page to look at: verdicts, charts, settings, consoles; one file, no network" },
	{ "explain", cmd_explain, "which functions and which memory a difference comes from" },
	{ "gate", cmd_gate, "hold a run to the limits of its matrix" },
	{ "bisect", cmd_bisect, "the commit of a git tree that moved a metric, by git bisect" },
	{ "verify", cmd_verify, "repeat finished cells and compare their bytes" },
	{ "repro", cmd_repro, "one cell by hand: again, with its console, or with a shell" },
	{ "images", cmd_images, "kernels in the cache: list, build, verify, gc" },
	{ "doctor", cmd_doctor, "what this host can do, what is missing, and the command that fixes it" },
};

static void print_help(FILE *out)
{
	fputs("Usage: granule COMMAND [ARGUMENT...]\n\n"
	      "Boots arm64 kernels built for 4K, 16K and 64K pages in sealed guests, applies\n"
	      "large-folio settings from a YAML matrix, and diffs memory and throughput.\n\n",
	      out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
	fputs("\n`granule COMMAND --help` tells more. Exit codes: 0 fine, 1 a gate failed, 2 usage or\n"
	      "configuration, 3 host or images failed, 4 some cells failed, 5 unclear, 130 interrupted.\n",
	      out);
}

static int unknown_command(const char *name)
{
	const char *names[ARRAY_SIZE(commands)], *near;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	near = nearest_name(name, names, ARRAY_SIZE(commands));
	if (near)
		return cli_usage("unknown command '%s'; did you mean '%s'?", name, near);
	return cli_usage("unknown command '%s'; `granule --help` lists them", name);
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("granule " GRANULE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(argv[1], commands[i].name)) {
			_cleanup_free_ char *name = xasprintf("granule %s", argv[1]);

			argv[1] = name;
			return commands[i].run(argc - 1, argv + 1);
		}
	}
	return unknown_command(argv[1]);
}
