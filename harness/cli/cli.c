// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
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

void cli_show_build(void *ctx, const char *what, double fraction, int eta_s)
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

char *cli_default_output(const char *prefix, const struct matrix *matrix)
{
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("results/%s%s-%s", prefix, matrix->name, when);
}

json_t *cli_run_header(const struct matrix *matrix)
{
	char sha256[SHA256_HEX_SIZE], when[32];
	time_t now = time(NULL);
	struct tm tm;

	sha256_bytes(matrix->text, strlen(matrix->text), sha256);
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "creator", "granule " GRANULE_VERSION, "created", when, "matrix",
			 matrix->name, "matrix_sha256", sha256, "gates", gates_json(matrix));
}

/* A test of granule's own shares no result with another unless it asks to. */
static bool reuse_possible(const struct schedule_options *schedule)
{
	return !schedule->fake || getenv("GRANULE_FAKE_REUSE");
}

struct reuse *cli_open_reuse(const struct host_caps *caps, const struct schedule_options *schedule, bool fresh)
{
	const struct reuse_options wanted = { .qemu = caps->qemu,
					      .qemu_version = caps->qemu_version,
					      .connect = schedule->connect,
					      .fake = schedule->fake,
					      .fresh = fresh };
	struct reuse *reuse = NULL;
	struct err err = ERR_INIT;

	if (reuse_possible(schedule) && reuse_open(&wanted, &reuse, &err) < 0)
		fprintf(stderr, "granule: results are not reused: %s\n", err.msg);
	return reuse;
}
