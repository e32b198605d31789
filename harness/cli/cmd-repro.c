// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "guest/programs.h"
#include "image/busybox.h"
#include "run/debug.h"
#include "run/repeat.h"

struct repro_args {
	const char *run, *cell, *busybox, *vmlinux;
	unsigned int boot;
	bool shell, console, gdb;
};

static const struct argp_option options[] = {
	{ "boot", 'b', "N", 0, "Which boot, and so which seed (default: 1)", 0 },
	{ "console", 'c', NULL, 0, "Show the guest's console while it runs", 0 },
	{ "shell", 's', NULL, 0,
	  "With the cell's settings in place, its services running and nothing measured, a shell in the guest (not "
	  "sealed; `exit` or Ctrl-] "
	  "leaves)",
	  0 },
	{ "busybox", 'B', "FILE", 0, "The static arm64 busybox for --shell (default: Debian's, fetched once)", 0 },
	{ "gdb", 'g', NULL, 0,
	  "Stop at the kernel's first instruction and debug it: in gdb-multiarch where that is installed and this is a "
	  "terminal, else the command to type elsewhere is printed (not sealed: KASLR is off, no deadline)",
	  0 },
	{ "vmlinux", 'V', "FILE", 0, "The kernel's vmlinux for --gdb (default: System.map's names alone)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct repro_args *a = state->input;

	switch (key) {
	case 'b':
		a->boot = (unsigned int)cli_number(arg, "--boot", 1, 1000000);
		return 0;
	case 's':
		a->shell = true;
		return 0;
	case 'c':
		a->console = true;
		return 0;
	case 'g':
		a->gdb = true;
		return 0;
	case 'V':
		a->vmlinux = arg;
		return 0;
	case 'B':
		a->busybox = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->run)
			a->run = arg;
		else if (!a->cell)
			a->cell = arg;
		else
			argp_error(state, "one cell at a time");
		return 0;
	case ARGP_KEY_END:
		if (!a->cell)
			argp_error(state, "which run and cell? `granule show RUN` lists its cells");
		if (a->shell && a->console)
			argp_error(state, "--shell has the console already");
		if (a->gdb && (a->shell || a->console))
			argp_error(state,
				   "--gdb has this terminal for itself; console.log can be watched from another");
		if (a->vmlinux && !a->gdb)
			argp_error(state, "--vmlinux goes with --gdb");
		if (a->busybox && !a->shell)
			argp_error(state, "--busybox goes with --shell");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"RUN CELL",
	"Repeat one boot of one cell exactly as it was recorded: same kernel, settings, job and "
	"seed. Without an option the bytes are compared with the recorded ones.",
	NULL,
	NULL,
	NULL
};

static void print_cell(const struct cell_record *cell, unsigned int boot)
{
	printf("cell     %s, boot (seed) %u, %s: %s\n", cell->id, boot, basis_names[cell->basis], cell->basis_reason);
	printf("kernel   %s %s\n         %s\n", cell->kernel_release, cell->kernel_sha256, cell->kernel_path);
	printf("guest    %llu vCPU %s, %llu MiB, '%s'\n", (unsigned long long)cell->cpus, cell->cpu_model,
	       (unsigned long long)(cell->memory_bytes >> 20), cell->command_line);
	fflush(stdout);
}

/* Compare without a person: the same as verify for one boot. */
static int repeat_one(const struct run *run, const struct cell_record *cell, unsigned int boot, struct err *err)
{
	struct repeat *one = xcalloc(1, sizeof(*one));
	_cleanup_free_ char *kept = NULL;
	struct schedule_options schedule;
	_cleanup_(host_caps_free) struct host_caps caps = { 0 };
	int code = 0;

	one->cell = cell;
	one->boot = boot;
	if (host_probe(&caps, err) < 0 || cli_need_qemu(&caps, err) < 0) {
		repeats_free(one, 1);
		return cli_fail(err);
	}
	schedule = cli_schedule_options(&caps, 1);
	if (repeat_run(run, one, 1, &schedule, &kept, err) < 0)
		code = cli_fail(err);
	else if (one->identical)
		printf("the same bytes again\n");
	else
		printf("differs: %s\nthe repeated run is kept: %s\n", one->difference, kept);
	if (!code && !one->identical)
		code = 1;
	repeats_free(one, 1);
	return code;
}

static void show_fetch(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)fraction;
	(void)eta_s;
	fprintf(stderr, "%s\n", what);
}

/* With a person: granule-boot takes over this terminal. */
static int attend(const struct run *run, const struct cell_record *cell, const struct repro_args *args, struct err *err)
{
	_cleanup_(run_free_p) struct run *scratch = NULL;
	_cleanup_free_ char *dir = NULL, *program = granule_program_path("granule-boot");
	_cleanup_free_ char *boot = xasprintf("%u", args->boot), *busybox = xstrdup(args->busybox);
	char *argv[7] = { program };
	int n = 1;

	if (args->shell && !busybox && busybox_ensure(show_fetch, NULL, &busybox, err) < 0)
		return cli_fail(err);
	if (repeat_scratch(run, cell, 1, &dir, &scratch, err) < 0)
		return cli_fail(err);
	argv[n++] = args->shell ? (char *)"--shell" : (char *)"--console";
	if (busybox)
		argv[n++] = xasprintf("--busybox=%s", busybox);
	argv[n++] = dir;
	argv[n++] = (char *)args->cell;
	argv[n] = boot;
	printf("run      %s (kept)\n", dir);
	fflush(stdout);
	execv(program, argv);
	err_set_errno(err, ERR_HOST, "%s", program);
	if (busybox)
		free(argv[2]);
	return cli_fail(err);
}

static void print_debug(const struct debug *debug, const char *dir, const struct repro_args *a)
{
	printf("run      %s (kept)\n", dir);
	printf("console  %s/cells/%s/%u/1/console.log\n", dir, a->cell, a->boot);
	printf("symbols  %s\n",
	       debug->symbols ? debug->symbols : "none: this kernel has neither vmlinux nor System.map");
	printf("not sealed: nokaslr is on the command line, and the kernel waits\n");
}

/* With a debugger on this terminal, or with the command for another one. */
static int debug_one(const struct run *run, const struct cell_record *cell, const struct repro_args *a, struct err *err)
{
	_cleanup_(run_free_p) struct run *scratch = NULL;
	_cleanup_free_ char *dir = NULL, *program = granule_program_path("granule-boot"), *gdb = debug_find_gdb();
	_cleanup_free_ char *boot = xasprintf("%u", a->boot);
	_cleanup_(debug_free) struct debug debug = { 0 };
	char *argv[] = { program, (char *)"--gdb", NULL, (char *)a->cell, boot, NULL };
	int code;

	if (repeat_scratch(run, cell, 1, &dir, &scratch, err) < 0 ||
	    debug_prepare(dir, cell, a->vmlinux, &debug, err) < 0)
		return cli_fail(err);
	argv[2] = dir;
	print_debug(&debug, dir, a);
	if (!gdb || !isatty(STDIN_FILENO)) {
		printf("debugger gdb-multiarch -q -x %s\n%s         Ctrl-C here ends the guest\n", debug.script,
		       gdb ? "" : "         (not installed here: apt-get install gdb-multiarch)\n");
		fflush(stdout);
		execv(program, argv);
		err_set_errno(err, ERR_HOST, "%s", program);
		return cli_fail(err);
	}
	fflush(stdout);
	code = debug_session(&debug, argv, gdb, err);
	return code < 0 ? cli_fail(err) : code;
}

int cmd_repro(int argc, char **argv)
{
	struct repro_args args = { .boot = 1 };
	_cleanup_(run_free_p) struct run *run = NULL;
	const struct cell_record *cell;
	struct err err = ERR_INIT;

	if (!cli_parse(&argp, argc, argv, &args))
		return 2;
	if (run_open(args.run, &run, &err) < 0)
		return cli_fail(&err);
	cell = run_find_cell(run, args.cell);
	if (!cell)
		return cli_usage("%s has no cell '%s'; `granule show %s` lists them", args.run, args.cell, args.run);
	if (cell->skip)
		return cli_usage("cell %s was skipped: %s", cell->id, cell->skip);
	if (args.boot > cell_boots(run, cell))
		return cli_usage("cell %s has boots 1 to %llu", cell->id, (unsigned long long)cell_boots(run, cell));
	if (!path_exists(cell->kernel_path))
		return cli_usage(
			"%s is gone (images gc?); `granule images build` on the run's matrix.yaml makes it again",
			cell->kernel_path);
	print_cell(cell, args.boot);
	if (args.gdb)
		return debug_one(run, cell, &args, &err);
	if (args.shell || args.console)
		return attend(run, cell, &args, &err);
	return repeat_one(run, cell, args.boot, &err);
}
