// SPDX-License-Identifier: GPL-2.0-or-later
/* Knows perf's options and the text of its report (perf-report(1)). Judges nothing. */
#include "explain/sampled.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "run/repeat.h"
#include "store/artifact.h"
#include "wire/job.h"

#define PERF "/usr/bin/perf"
#define HERTZ "999" /* not in step with the kernel's tick */
#define STOP_S "60"
#define REPORT_S "900"
#define PHASE_MOST 50

bool sampled_possible(const struct cell_record *cell)
{
	const json_t *root = json_object_get(cell->definition, "rootfs");
	const char *packages = json_string_value(json_object_get(root, "packages"));
	static const char name[] = "linux-perf ";

	return !cell->skip && cell->basis != BASIS_SIMULATED && packages &&
	       (starts_with(packages, name) || strstr(packages, ", linux-perf "));
}

/* ---- The job */

/* "exec PHASE sample ...": the phase, or NULL. Owned by the caller. */
static char *sample_phase(const char *line)
{
	static const char exec[] = "exec\t", kind[] = "\tsample\t";
	const char *phase = line + strlen(exec);
	size_t len;

	if (!starts_with(line, exec))
		return NULL;
	len = strcspn(phase, "\t\n");
	/* it becomes a part of a service's and an artifact's name */
	return len <= PHASE_MOST && starts_with(phase + len, kind) ? xstrndup(phase, len) : NULL;
}

static void begin_phase(const char *phase, const char *user, struct text *out)
{
	text_add(out, "as\troot\n");
	text_add(out, "service\tperf-%s\t2\t" STOP_S "\t" PERF "\trecord\t-q\t-a\t-F\t" HERTZ "\t-o\t/run/perf-%s\n",
		 phase, phase);
	/* its file has a head once it is about to begin */
	text_add(out, "ready\tperf-%s\t" STOP_S "\tcommand\t/usr/bin/test\t-s\t/run/perf-%s\n", phase, phase);
	text_add(out, "as\t%s\n", user);
}

static void end_phase(const char *phase, const char *user, struct text *out)
{
	text_add(out, "as\troot\n");
	text_add(out, "stop\tperf-%s\n", phase);
	text_add(out,
		 "exec\tperf-report\tprepare\t0\t" REPORT_S "\t/usr/bin/sh\t-c\t" PERF
		 " report --stdio --no-children -F sample,dso,sym -t '|' -i /run/perf-%s "
		 ">/run/perf-%s.text\n",
		 phase, phase);
	text_add(out, "artifact\tperf.%s\t" JOB_ROOT_DIR "/run/perf-%s.text\n", phase, phase);
	text_add(out, "as\t%s\n", user);
}

char *sampled_job(const char *job)
{
	static const char *const left_out[] = { "pmu\t", "counter\t", "series\t" };
	_cleanup_free_ char *user = xstrdup("-"), *current = NULL;
	struct text out = { 0 };

	for (const char *line = job; *line;) {
		size_t len = strcspn(line, "\n");
		_cleanup_free_ char *one = xstrndup(line, len), *phase = sample_phase(one);
		bool keep = !strstr(one, "\tseries\t0\t");

		for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
			keep &= !starts_with(one, left_out[i]);
		if (current && (!phase || strcmp(phase, current))) {
			end_phase(current, user, &out);
			free(current);
			current = NULL;
		}
		if (phase && !current) {
			begin_phase(phase, user, &out);
			current = xstrdup(phase);
		}
		if (starts_with(one, "as\t")) {
			free(user);
			user = xstrdup(one + strlen("as\t"));
		}
		if (keep)
			text_add(&out, "%s\n", one);
		line += len + (line[len] == '\n');
	}
	if (current)
		end_phase(current, user, &out);
	return text_steal(&out);
}

/* ---- The report */

struct line {
	char *name, *object; /* owned */
	double samples;
};

struct report {
	struct line *v; /* owned */
	size_t n;
	char *event; /* owned */
	double samples;
};

static void report_free(struct report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].name);
		free(r->v[i].object);
	}
	free(r->v);
	free(r->event);
}

static char *steal_trimmed(const char *s)
{
	size_t len = strlen(s);

	while (len && s[len - 1] == ' ')
		len--;
	return xstrndup(s, len);
}

/* "  1234|[kernel.kallsyms]|[k] do_anonymous_page" */
static bool parse_line(const char *line, size_t len, struct line *ret)
{
	_cleanup_free_ char *text = xstrndup(line, len);
	char *object = strchr(text, '|'), *name = object ? strchr(object + 1, '|') : NULL, *end;

	ret->samples = strtod(text, &end);
	if (!name || end == text || end > object || !(ret->samples > 0) || !isfinite(ret->samples))
		return false;
	*name++ = '\0';
	if (name[0] == '[' && name[1] && name[2] == ']' && name[3] == ' ')
		name += 4;
	ret->object = starts_with(object + 1, "[kernel.kallsyms]") ? xstrdup("kernel") : steal_trimmed(object + 1);
	/* an address says nothing: where it lies differs from boot to boot */
	ret->name = starts_with(name, "0x") ? xstrdup(FUNCTION_UNNAMED) : steal_trimmed(name);
	return true;
}

/* "# Samples: 2K of event 'cycles:P'" */
static char *event_of(const char *text)
{
	static const char mark[] = " of event '";
	const char *at = strstr(text, mark);

	at = at ? at + strlen(mark) : "";
	return xstrndup(at, strcspn(at, "'\n"));
}

static void parse_report(const char *text, struct report *ret)
{
	*ret = (struct report){ .event = event_of(text) };
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		struct line one;

		if (*line != '#' && parse_line(line, len, &one)) {
			*VEC_PUSH(ret->v, ret->n) = one;
			ret->samples += one.samples;
		}
		line += len + (line[len] == '\n');
	}
}

/* One function may have several lines: a name that an object has twice. */
static struct sampled_function *function_of(struct sampled_phase *p, const struct line *line)
{
	struct sampled_function *f;

	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, line->name) && !strcmp(p->v[i].object, line->object))
			return &p->v[i];
	f = VEC_PUSH(p->v, p->n);
	f->name = xstrdup(line->name);
	f->object = xstrdup(line->object);
	return f;
}

static int by_change(const void *a, const void *b)
{
	const struct sampled_function *x = a, *y = b;
	double dx = fabs(x->other - x->base), dy = fabs(y->other - y->base);

	if (dx != dy)
		return dx < dy ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void phase_free(struct sampled_phase *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].object);
	}
	free(p->v);
	free(p->phase);
	free(p->event);
}

bool sampled_pair(const char *phase, const char *base, const char *other, struct sampled *ret)
{
	struct report a, b;
	struct sampled_phase p = { 0 };
	bool both;

	parse_report(base, &a);
	parse_report(other, &b);
	both = a.n && b.n && !strcmp(a.event, b.event);
	if (both) {
		p = (struct sampled_phase){ .phase = xstrdup(phase),
					    .event = xstrdup(a.event),
					    .base_samples = a.samples,
					    .other_samples = b.samples };
		for (size_t i = 0; i < a.n; i++)
			function_of(&p, &a.v[i])->base += a.v[i].samples / a.samples;
		for (size_t i = 0; i < b.n; i++)
			function_of(&p, &b.v[i])->other += b.v[i].samples / b.samples;
		qsort(p.v, p.n, sizeof(*p.v), by_change);
		*VEC_PUSH(ret->v, ret->n) = p;
	}
	report_free(&a);
	report_free(&b);
	return both;
}

double sampled_error(const struct sampled_phase *p, const struct sampled_function *f)
{
	return 2 * sqrt(f->base * (1 - f->base) / p->base_samples + f->other * (1 - f->other) / p->other_samples);
}

void sampled_free(struct sampled *s)
{
	for (size_t i = 0; i < s->n; i++)
		phase_free(&s->v[i]);
	free(s->v);
	*s = (struct sampled){ 0 };
}

/* ---- The boots */

struct wanted {
	unsigned int boot;
};

static bool is_wanted(void *ctx, const struct cell_record *cell, unsigned int boot)
{
	const struct wanted *w = ctx;

	(void)cell;
	return boot == w->boot;
}

static int read_artifacts(const struct run *again, unsigned int boot, struct artifact_list *ret, struct err *err)
{
	struct boot_result result = { 0 };
	int rc = boot_read(again, &again->cells[0], boot, &result, err);

	if (rc == 0 && result.outcome != OUTCOME_OK)
		rc = err_set(err, ERR_GUEST, "%s: the boot with perf is %s: %s (%s)", again->cells[0].id,
			     outcome_names[result.outcome], result.reason ? result.reason : "", again->dir);
	if (rc == 0)
		artifacts_read(again->cells[0].job, result.stream, result.stream_len, ret);
	boot_result_free(&result);
	return rc;
}

static int boot_with_perf(const struct explain_side *side, unsigned int boot, const struct schedule_options *options,
			  struct artifact_list *ret, struct err *err)
{
	struct cell_record cell = *side->cell; /* all but the job is borrowed */
	_cleanup_free_ char *job = sampled_job(cell.job), *dir = NULL;
	_cleanup_(run_free_p) struct run *again = NULL;
	struct schedule_options chosen = *options;
	struct wanted wanted = { boot };
	struct schedule_result result;

	cell.job = job;
	if (repeat_scratch(side->run, &cell, 1, &dir, &again, err) < 0)
		return -1;
	chosen.wanted = is_wanted;
	chosen.wanted_ctx = &wanted;
	chosen.reuse = NULL;
	if (schedule_run(again, &chosen, &result, err) < 0) {
		remove_tree(dir, NULL);
		return -1;
	}
	/* a guest that failed stays to be looked at: the message names it */
	if (read_artifacts(again, boot, ret, err) < 0)
		return -1;
	remove_tree(dir, NULL);
	return 0;
}

static const char *report_text(const struct artifact_list *list, const char *name)
{
	const struct artifact *a = artifact_find(list, name);

	return a && a->data.s ? a->data.s : "";
}

int sampled_explain(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
		    const struct schedule_options *options, struct sampled *ret, struct err *err)
{
	_cleanup_(artifacts_free) struct artifact_list a = { 0 };
	_cleanup_(artifacts_free) struct artifact_list b = { 0 };
	static const char prefix[] = "perf.";

	if (boot_with_perf(base, boot, options, &a, err) < 0 || boot_with_perf(other, boot, options, &b, err) < 0)
		return -1;
	for (size_t i = 0; i < a.n; i++)
		if (starts_with(a.v[i].name, prefix))
			sampled_pair(a.v[i].name + strlen(prefix), report_text(&a, a.v[i].name),
				     report_text(&b, a.v[i].name), ret);
	return ret->n ? 0 : err_set(err, ERR_GUEST, "%s: perf has no samples of both sides", base->cell->id);
}
