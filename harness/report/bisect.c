// SPDX-License-Identifier: GPL-2.0-or-later
/* A bisection's end, for people and as JSON (docs/schema/bisect.schema.json). */
#include "report/report.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/table.h"

static const struct bisect_step *step_of(const struct bisect_result *r, const char *commit)
{
	for (size_t i = 0; commit && i < r->n_steps; i++)
		if (!strcmp(r->steps[i].commit, commit))
			return &r->steps[i];
	return NULL;
}

static void count(const struct bisect_result *r, size_t n[BISECT_SKIP + 1])
{
	memset(n, 0, (BISECT_SKIP + 1) * sizeof(*n));
	for (size_t i = 0; i < r->n_steps; i++)
		n[r->steps[i].verdict]++;
}

static void add_line(struct text *out, const char *key, const char *value)
{
	_cleanup_free_ char *first = xasprintf("  %-8s  ", key);

	text_wrap(out, first, value, REPORT_WIDTH);
}

/* The metrics that the step moved beyond a limit. */
static void add_moved(const struct gating *step, struct text *out)
{
	const char *key = "moved";

	for (size_t i = 0; i < step->n_checks; i++) {
		const struct gate_check *c = &step->checks[i];
		_cleanup_free_ char *where = NULL, *words = NULL, *line = NULL;

		if (c->result != GATE_FAILED)
			continue;
		where = gate_check_where(c);
		words = gate_check_words(c);
		line = xasprintf("%s %s: %s", where, c->row->name, words);
		add_line(out, key, line);
		key = "";
	}
	if (*key)
		add_line(out, key, "nothing beyond a limit from its parent to it alone");
}

static void add_found(const struct bisect_report *report, struct text *out)
{
	const struct bisect_result *r = report->result;
	const struct bisect_step *step = step_of(r, r->candidates[0]), *before = step_of(r, r->parent);
	_cleanup_free_ char *parent = NULL;

	text_add(out, "granule bisect: %s is the first bad commit\n", r->candidates[0]);
	add_line(out, "subject", r->subject);
	add_line(out, "author", r->author);
	if (r->parent) {
		parent = before ? xasprintf("%.12s %s", r->parent, before->subject) : xasprintf("%.12s", r->parent);
		add_line(out, "parent", parent);
	}
	if (step)
		add_line(out, "vs good", step->reason);
	if (report->step)
		add_moved(report->step, out);
}

static void add_several(const struct bisect_result *r, struct text *out)
{
	text_add(out, "granule bisect: the first bad commit is one of %zu; those between could not be judged\n",
		 r->n_candidates);
	for (size_t i = 0; i < r->n_candidates; i++) {
		const struct bisect_step *s = step_of(r, r->candidates[i]);
		_cleanup_free_ char *sha = xstrndup(r->candidates[i], 12), *first = xasprintf("  %s  ", sha);

		if (!s) {
			text_wrap(out, first, "not measured", REPORT_WIDTH);
			continue;
		}
		text_wrap(out, first, s->subject, REPORT_WIDTH);
		text_add(out, "                %s: ", bisect_verdict_names[s->verdict]);
		text_add(out, "%s\n", s->reason);
	}
}

char *report_bisect_text(const struct bisect_report *report)
{
	const struct bisect_result *r = report->result;
	size_t n[BISECT_SKIP + 1];
	_cleanup_free_ char *measured = NULL, *log = xasprintf("%s/bisect.log", report->dir);
	struct text out = { 0 };

	if (r->found)
		add_found(report, &out);
	else
		add_several(r, &out);
	count(r, n);
	measured = xasprintf("%zu commits with the ends: %zu good, %zu bad, %zu skipped", r->n_steps, n[BISECT_GOOD],
			     n[BISECT_BAD], n[BISECT_SKIP]);
	add_line(&out, "measured", measured);
	for (size_t i = 0; r->found && i < r->n_steps; i++) {
		_cleanup_free_ char *line = NULL;

		if (r->steps[i].verdict != BISECT_SKIP)
			continue;
		line = xasprintf("%.12s %s: %s", r->steps[i].commit, r->steps[i].subject, r->steps[i].reason);
		add_line(&out, "skipped", line);
	}
	add_line(&out, "log", log);
	return text_steal(&out);
}

static json_t *candidates_json(const struct bisect_result *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->n_candidates; i++)
		json_array_append_new(a, json_string(r->candidates[i]));
	return a;
}

static json_t *steps_json(const struct bisect_result *r)
{
	json_t *a = json_array();

	for (size_t i = 0; i < r->n_steps; i++) {
		const struct bisect_step *s = &r->steps[i];

		json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:s, s:b}", "commit", s->commit, "subject",
						   s->subject, "verdict", bisect_verdict_names[s->verdict], "reason",
						   s->reason, "end", s->end));
	}
	return a;
}

static json_t *moved_json(const struct gating *step)
{
	json_t *a = json_array();

	for (size_t i = 0; i < step->n_checks; i++)
		json_array_append_new(a, report_gate_check_json(&step->checks[i]));
	return a;
}

json_t *report_bisect_json(const struct bisect_report *report)
{
	const struct bisect_result *r = report->result;
	json_t *o = json_object();

	json_object_set_new(o, "schema", json_string(REPORT_SCHEMA));
	json_object_set_new(o, "kind", json_string("bisect"));
	json_object_set_new(o, "tree", json_string(report->tree));
	json_object_set_new(o, "good", json_string(report->good));
	json_object_set_new(o, "bad", json_string(report->bad));
	json_object_set_new(o, "first_bad",
			    r->found ? json_pack("{s:s, s:s, s:s, s:s?}", "commit", r->candidates[0], "subject",
						 r->subject, "author", r->author, "parent", r->parent)
				     : json_null());
	json_object_set_new(o, "candidates", candidates_json(r));
	json_object_set_new(o, "steps", steps_json(r));
	json_object_set_new(o, "step", report->step ? moved_json(report->step) : json_null());
	return o;
}
