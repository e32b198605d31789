// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "compare/floor.h"
#include "run/reach.h"

int cli_fail(const struct err *err)
{
	fprintf(stderr, "granule: %s\n", err->msg);
	return err_exit_code(err);
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	fputs("granule: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 2;
}

bool cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = 2;
	return argp_parse(argp, argc, argv, 0, NULL, input) == 0;
}

bool cli_colour(void)
{
	const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(refused && *refused) && terminal && strcmp(terminal, "dumb");
}

uint64_t cli_number(const char *text, const char *option, uint64_t min, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || v < min || v > max)
		exit(cli_usage("%s: '%s' is not a whole number from %llu to %llu", option, text,
			       (unsigned long long)min, (unsigned long long)max));
	return v;
}

double cli_percentage(const char *text, const char *option)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%")) || !(v >= 0 && v < 100))
		exit(cli_usage("%s: '%s' is not a percentage from 0 to 100, such as 1%%", option, text));
	return v / 100;
}

int cli_plan_load(const char *matrix_path, const char *only, struct cli_plan *ret_plan, struct err *err)
{
	*ret_plan = (struct cli_plan){ 0 };
	if (matrix_load(matrix_path, &ret_plan->matrix, err) < 0 || host_probe(&ret_plan->caps, err) < 0 ||
	    plan_make(ret_plan->matrix, &ret_plan->caps, only, &ret_plan->plan, err) < 0) {
		cli_plan_free(ret_plan);
		return -1;
	}
	return 0;
}

int cli_check_reach(const struct plan *plan, struct err *err)
{
	_cleanup_free_ char *warning = NULL;
	int rc = reach_check(plan, &warning, err);

	if (warning)
		fprintf(stderr, "granule: warning: %s\n", warning);
	return rc;
}

void cli_plan_free(struct cli_plan *plan)
{
	plan_free(plan->plan);
	matrix_free(plan->matrix);
	host_caps_free(&plan->caps);
	*plan = (struct cli_plan){ 0 };
}

static const char *made_with(const struct run *run)
{
	return run ? json_string_value(json_object_get(run->header, "floor")) : NULL;
}

int cli_floors(const char *dir, const struct run *run, const struct run *base, struct floors **ret_floors,
	       struct err *err)
{
	_cleanup_(run_free_p) struct run *calibration = NULL;
	const char *from = dir ? dir : made_with(run) ? made_with(run) : made_with(base);

	*ret_floors = NULL;
	if (!from || !strcmp(from, "none"))
		return 0;
	if (run_open(from, &calibration, err) == 0 && floors_load(calibration, ret_floors, err) == 0)
		return 0;
	return dir ? err_wrap(err, "--floor")
		   : err_wrap(err, "the calibration that this run was made with (--floor names another, or none)");
}

int cli_need_qemu(const struct host_caps *caps, struct err *err)
{
	if (caps->qemu || getenv("GRANULE_FAKE"))
		return 0;
	return err_set(
		err, ERR_HOST,
		"qemu-system-aarch64 is not on PATH; `make deps` installs it (Debian's package qemu-system-arm)");
}

struct schedule_options cli_schedule_options(const struct host_caps *caps, unsigned int jobs)
{
	return (struct schedule_options){
		.jobs = jobs,
		.cpus = (unsigned int)caps->cpus,
		.memory_bytes = caps->memory_bytes,
		.fake = getenv("GRANULE_FAKE"),
		.plain = !isatty(STDERR_FILENO) || getenv("CI"),
	};
}
