/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The front door: parse, call, print errors, pick the exit code; nothing else. */
#ifndef GRANULE_CLI_CLI_H
#define GRANULE_CLI_CLI_H

#include <argp.h>

#include "image/image.h"
#include "run/plan.h"
#include "run/schedule.h"

#define GRANULE_VERSION "0.1"

/* Each gets its own argv ("granule run", ...) and returns the program's exit code. */
int cmd_list(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_gate(int argc, char **argv);
int cmd_bisect(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_repro(int argc, char **argv);
int cmd_images(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

/* Print "granule: MESSAGE" on standard error; returns the exit code of @err. */
int cli_fail(const struct err *err);

/* "granule: MESSAGE" for a wrong command line; returns 2. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* argp_parse() with exit code 2 for a wrong command line; false: the caller returns @ret_code. */
bool cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* May standard output have colours? Only a terminal that knows them, and not where NO_COLOR is set (empty: not set). */
bool cli_colour(void);

/* A whole number from a command line argument; exits with 2 and a sentence that names @option. */
uint64_t cli_number(const char *text, const char *option, uint64_t min, uint64_t max);

/* "1%", "0.5%", "2": per cent either way, from 0 to below 100; returns 0.01 for 1%; exits as above. */
double cli_percentage(const char *text, const char *option);

/* Matrix, host and plan of one command line, freed together. */
struct cli_plan {
	struct matrix *matrix;
	struct host_caps caps;
	struct plan *plan;
};
int cli_plan_load(const char *matrix_path, const char *only, struct cli_plan *ret_plan, struct err *err);
void cli_plan_free(struct cli_plan *plan);
/* Refuse trials that cannot reach a verdict of a gate; warn on standard error where there is no gate (run/reach.h). */
int cli_check_reach(const struct plan *plan, struct err *err);

/* Build, make and run the plan of a calibration, with progress and summary as `granule run` has them. Returns that
 * command's exit code with @ret_run open, or -1. */
struct cli_calibration {
	const char *output; /* NULL: results/MATRIX-TIME */
	unsigned int jobs;
	bool fresh, quiet;
	json_t *calibration; /* borrowed: what run.json has to say of it */
};
int cli_run_calibration(struct cli_plan *cli, const struct cli_calibration *wanted, struct run **ret_run,
			struct err *err);

/* The floors of the calibration in @dir, or, where that is NULL, of the one that @run or else @base was made with
 * (`run --floor`; either may be NULL). "none" and nothing to be found give NULL. floors_free() */
struct floors;
int cli_floors(const char *dir, const struct run *run, const struct run *base, struct floors **ret_floors,
	       struct err *err);

/* Guests need QEMU, unless they are fake: ERR_HOST with what installs it. */
int cli_need_qemu(const struct host_caps *caps, struct err *err);

/* Options for a schedule on this host. */
struct schedule_options cli_schedule_options(const struct host_caps *caps, unsigned int jobs);

/* The result cache for @schedule, or NULL with the reason on standard error; reuse_close(). */
struct reuse *cli_open_reuse(const struct host_caps *caps, const struct schedule_options *schedule, bool fresh);

/* results/PREFIXMATRIX-TIME; owned by the caller. */
char *cli_default_output(const char *prefix, const struct matrix *matrix);

/* What run.json says of a run of @matrix beside its cells; owned by the caller. */
json_t *cli_run_header(const struct matrix *matrix);

/* Build progress on standard error: redrawn on a terminal, a line each ten percent elsewhere. @ctx: a struct
 * build_progress. */
struct build_progress {
	char what[128];
	int last_tenth;
	bool plain, quiet;
};
image_progress cli_show_build;

#endif
