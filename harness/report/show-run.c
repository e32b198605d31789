// SPDX-License-Identifier: GPL-2.0-or-later
/* A run as text and as JSON: its cells, their outcomes, and what failed. Boots are read one at a time. */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "report/show.h"
#include "report/table.h"
#include "stat/stat.h"

struct cell_summary {
	size_t by_outcome[OUTCOME_INCOMPLETE + 1];
	size_t n_boots, n_running, n_reused;
	double wall_s; /* median, NAN if none says */
	/* the boots that are not ok, in order */
	struct summary_boot {
		unsigned int boot;
		enum outcome outcome;
		char *reason; /* owned */
	} * bad;	      /* owned */
	size_t n_bad;
};

static void summary_free(struct cell_summary *s)
{
	for (size_t i = 0; i < s->n_bad; i++)
		free(s->bad[i].reason);
	free(s->bad);
}

static int summarize(const struct run *run, const struct cell_record *cell, struct cell_summary *ret, struct err *err)
{
	_cleanup_free_ double *walls = NULL;
	struct cell_summary s = { 0 };
	size_t n_walls = 0;

	s.n_boots = cell_boots(run, cell);
	for (unsigned int boot = 1; boot <= s.n_boots; boot++) {
		struct boot_result r;

		if (boot_read(run, cell, boot, &r, err) < 0) {
			summary_free(&s);
			return -1;
		}
		s.by_outcome[r.outcome]++;
		s.n_running += r.running;
		s.n_reused += r.reused;
		if (r.wall_s >= 0)
			*VEC_PUSH(walls, n_walls) = r.wall_s;
		if (r.outcome != OUTCOME_OK) {
			struct summary_boot *b = VEC_PUSH(s.bad, s.n_bad);

			*b = (struct summary_boot){ boot, r.outcome, steal_ptr(r.reason) };
		}
		boot_result_free(&r);
	}
	s.wall_s = stat_median(walls, n_walls);
	*ret = s;
	return 0;
}

static char *outcome_list(const struct cell_record *cell, const struct cell_summary *s)
{
	struct text t = { 0 };

	if (cell->skip)
		return xstrdup("skipped");
	for (int i = 0; i <= OUTCOME_INCOMPLETE; i++) {
		if (!s->by_outcome[i])
			continue;
		text_add(&t, "%s", t.len ? ", " : "");
		if (s->by_outcome[i] < s->n_boots)
			text_add(&t, "%zu ", s->by_outcome[i]);
		text_add(&t, "%s", outcome_names[i]);
	}
	if (s->n_running)
		text_add(&t, " (%zu running)", s->n_running);
	return text_steal(&t);
}

static const char *header_text(const struct run *run, const char *key)
{
	const char *s = json_string_value(json_object_get(run->header, key));

	return s ? s : "unknown";
}

static void add_reasons(const struct cell_record *cell, const struct cell_summary *s, struct text *out)
{
	if (cell->skip) {
		_cleanup_free_ char *text = xasprintf("%s: skipped: %s", cell->id, cell->skip);

		text_wrap(out, "    ", text, REPORT_WIDTH);
	}
	for (size_t i = 0; i < s->n_bad; i++) {
		const struct summary_boot *b = &s->bad[i];
		_cleanup_free_ char *text = NULL;

		if (b->outcome == OUTCOME_NOT_RUN)
			continue;
		text = xasprintf("%s boot %u: %s%s%s", cell->id, b->boot, outcome_names[b->outcome],
				 b->reason ? ": " : "", b->reason ? b->reason : "");
		text_wrap(out, outcome_failed(b->outcome) ? "  ! " : "    ", text, REPORT_WIDTH);
	}
}

static bool add_cell(struct table *t, const struct cell_record *cell, const struct cell_summary *s)
{
	_cleanup_free_ char *outcome = outcome_list(cell, s);
	_cleanup_free_ char *boots = xasprintf("%zu/%zu", s->by_outcome[OUTCOME_OK], s->n_boots);
	char wall[32] = "", page[24];
	bool failed = false;

	for (size_t i = 0; i < s->n_bad; i++)
		failed |= outcome_failed(s->bad[i].outcome);
	table_line(t);
	table_cell(t, 0, cell->id, NULL);
	table_cell(t, 1, cell->skip ? "" : size_format(cell->page_bytes, page), NULL);
	table_cell(t, 2, cell->skip ? "" : basis_names[cell->basis], NULL);
	table_cell(t, 3, cell->skip ? "-" : boots, NULL);
	table_cell(t, 4, outcome, failed ? "red" : cell->skip ? "gray" : NULL);
	if (s->wall_s >= 0)
		snprintf(wall, sizeof(wall), "%.2f", s->wall_s);
	table_cell(t, 5, wall, NULL);
	return failed;
}

int report_run_text(const struct run *run, bool colour, char **ret_text, bool *ret_failed, struct err *err)
{
	static const struct table_column columns[] = { { "cell", 24, false },	 { "pages", 5, true },
						       { "basis", 9, false },	 { "ok", 7, true },
						       { "outcome", 22, false }, { "wall s", 6, true },
						       { NULL, 0, false } };
	struct table *t = table_new(columns, colour);
	struct text out = { 0 }, reasons = { 0 };
	size_t n_boots = 0, n_ok = 0, n_skipped = 0, n_reused = 0;
	int rc = 0;

	*ret_failed = false;
	for (size_t i = 0; rc == 0 && i < run->n_cells; i++) {
		struct cell_summary s;

		rc = summarize(run, &run->cells[i], &s, err);
		if (rc < 0)
			break;
		*ret_failed |= add_cell(t, &run->cells[i], &s);
		add_reasons(&run->cells[i], &s, &reasons);
		n_boots += s.n_boots;
		n_ok += s.by_outcome[OUTCOME_OK];
		n_reused += s.n_reused;
		n_skipped += run->cells[i].skip != NULL;
		summary_free(&s);
	}
	text_wrap(&out, "granule run: ", run->dir, REPORT_WIDTH);
	text_add(&out, "  created %s by %s, schema %s\n\n", header_text(run, "created"), header_text(run, "creator"),
		 header_text(run, "schema"));
	table_finish(t, 0, &out);
	if (reasons.len)
		text_add(&out, "\n%s", reasons.s);
	text_add(&out, "\n%zu cells", run->n_cells);
	if (n_skipped)
		text_add(&out, " (%zu skipped)", n_skipped);
	text_add(&out, "; %zu of %zu boots ok", n_ok, n_boots);
	if (n_reused)
		text_add(&out, ", %zu from the result cache", n_reused);
	text_add(&out, "\n");
	text_free(&reasons);
	*ret_text = text_steal(&out);
	if (rc < 0)
		free(steal_ptr(*ret_text));
	return rc;
}

static json_t *cell_json(const struct cell_record *cell, const struct cell_summary *s, bool *failed)
{
	json_t *o = json_object(), *bad = json_array(), *outcomes = json_object();

	json_object_set_new(o, "id", json_string(cell->id));
	json_object_set_new(o, "skip", cell->skip ? json_string(cell->skip) : json_null());
	json_object_set_new(o, "page_bytes", json_integer((json_int_t)cell->page_bytes));
	json_object_set_new(o, "basis", cell->skip ? json_null() : json_string(basis_names[cell->basis]));
	json_object_set_new(o, "boots", json_integer((json_int_t)s->n_boots));
	json_object_set_new(o, "running", json_integer((json_int_t)s->n_running));
	json_object_set_new(o, "reused", json_integer((json_int_t)s->n_reused));
	if (s->wall_s >= 0)
		json_object_set_new(o, "wall_s", json_real(s->wall_s));
	for (int i = 0; i <= OUTCOME_INCOMPLETE; i++)
		if (s->by_outcome[i])
			json_object_set_new(outcomes, outcome_names[i], json_integer((json_int_t)s->by_outcome[i]));
	for (size_t i = 0; i < s->n_bad; i++) {
		*failed |= outcome_failed(s->bad[i].outcome);
		json_array_append_new(bad, json_pack("{sI,ss,ss}", "boot", (json_int_t)s->bad[i].boot, "outcome",
						     outcome_names[s->bad[i].outcome], "reason",
						     s->bad[i].reason ? s->bad[i].reason : ""));
	}
	json_object_set_new(o, "outcomes", outcomes);
	json_object_set_new(o, "not_ok", bad);
	return o;
}

int report_run_json(const struct run *run, json_t **ret, bool *ret_failed, struct err *err)
{
	json_t *o = json_pack("{ss,ss,ss,sO}", "schema", REPORT_SCHEMA, "kind", "run", "run", run->dir, "header",
			      run->header);
	json_t *cells = json_array();

	json_object_set_new(o, "cells", cells);
	*ret_failed = false;
	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell_summary s;

		if (summarize(run, &run->cells[i], &s, err) < 0) {
			json_decref(o);
			return -1;
		}
		json_array_append_new(cells, cell_json(&run->cells[i], &s, ret_failed));
		summary_free(&s);
	}
	*ret = o;
	return 0;
}
