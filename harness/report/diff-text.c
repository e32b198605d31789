// SPDX-License-Identifier: GPL-2.0-or-later
/* A comparison as text: what is compared, what else differs, one table a pair, what could not be compared. */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "compare/floor.h"
#include "report/number.h"
#include "report/table.h"

#define METRIC_WIDTH 24
#define LABEL_WIDTH 9 /* of a column of numbers; a longer label leaves its place to "base" or "other" */

struct notes {
	char **v; /* owned; note i is shown as (i + 1) */
	size_t n;
	bool exploratory; /* some verdict has a star */
};

static size_t note_number(struct notes *notes, const char *what, const char *reason)
{
	char *note = xasprintf("%s: %s", what, reason);

	for (size_t i = 0; i < notes->n; i++) {
		if (!strcmp(notes->v[i], note)) {
			free(note);
			return i + 1;
		}
	}
	*VEC_PUSH(notes->v, notes->n) = note;
	return notes->n;
}

static void notes_finish(struct notes *notes, struct text *out)
{
	if (notes->n || notes->exploratory)
		text_add(out, "\n");
	if (notes->exploratory)
		text_wrap(out, "  * ",
			  "exploratory: not one of the workload's primary metrics; at 95% by itself, so of twenty that "
			  "did not move one looks as if it had; in no exit code, and no gate's but one that names it",
			  REPORT_WIDTH);
	for (size_t i = 0; i < notes->n; i++) {
		_cleanup_free_ char *first = xasprintf("  (%zu) ", i + 1);

		text_wrap(out, first, notes->v[i], REPORT_WIDTH);
		free(notes->v[i]);
	}
	free(notes->v);
}

static void add_field(struct text *out, const char *key, const char *value)
{
	_cleanup_free_ char *first = xasprintf("  %-9s ", key);

	text_wrap(out, first, value, REPORT_WIDTH);
}

static char *range(size_t least, size_t most, const char *noun)
{
	if (least == most)
		return xasprintf("%zu %s%s", most, noun, most == 1 ? "" : "s");
	return xasprintf("%zu to %zu %ss", least, most, noun);
}

static void add_kernels(const struct comparison *c, size_t arm, struct text *out)
{
	char a[24], b[24];

	for (size_t i = 0; i < c->n_kernels; i++) {
		const struct kernel_fact *k = &c->kernels[i];
		_cleanup_free_ char *text = NULL;

		if (k->arm != arm)
			continue;
		size_format(k->base_page_bytes, a);
		size_format(k->other_page_bytes, b);
		if (!strcmp(k->base_label, k->other_label) && !strcmp(k->base_release, k->other_release) &&
		    k->base_page_bytes == k->other_page_bytes)
			text = xasprintf("%s (%s, %s pages)", k->base_label, k->base_release, a);
		else
			text = xasprintf("%s (%s, %s pages) -> %s (%s, %s pages)", k->base_label, k->base_release, a,
					 k->other_label, k->other_release, b);
		add_field(out, "kernel", text);
	}
}

static const char *const basis_sentences[] = {
	[BASIS_HARDWARE] = "hardware (KVM): time is time on this machine",
	[BASIS_SIMULATED] =
		"simulated (TCG, instruction clock): instructions, not time on silicon; a TLB or cache miss "
		"costs nothing, a barrier or TLBI what a nop costs",
	[BASIS_EMULATED] = "emulated (TCG, the host's clock): times are not judged",
};

/* Boots of equal seed share nothing there. */
static bool only_hardware(const struct comparison *c)
{
	return c->basis_seen[BASIS_HARDWARE] && !c->basis_seen[BASIS_SIMULATED] && !c->basis_seen[BASIS_EMULATED];
}

static void add_head(const struct comparison *c, struct text *out)
{
	const char *noun = only_hardware(c) ? "boot" : "seed";
	_cleanup_free_ char *seeds = range(c->least_seeds, c->most_seeds, noun);
	_cleanup_free_ char *samples = range(c->least_samples, c->most_samples, "sample"), *what = NULL;

	if (c->axis) {
		text_wrap(out, "granule diff: ", c->base_dir, REPORT_WIDTH);
		for (size_t i = 0; i < c->n_arms; i++) {
			_cleanup_free_ char *arm = xasprintf("%s -> %s", c->arms[i].base_label, c->arms[i].other_label);

			if (strcmp(c->axis, "kernels"))
				add_field(out, c->axis, arm);
			add_kernels(c, i, out);
		}
	} else {
		text_add(out, "granule diff\n");
		add_field(out, "base", c->base_dir);
		add_field(out, "other", c->other_dir);
		add_kernels(c, 0, out);
	}
	for (int b = 0; b < 3; b++)
		if (c->basis_seen[b])
			add_field(out, "basis", basis_sentences[b]);
	what = xasprintf("%s x %s; %g%% intervals over %ss; effects under %g%% do not matter", seeds, samples,
			 100 * c->options.confidence, noun, 100 * c->options.effect);
	add_field(out, "boots", what);
	if (c->options.floors) {
		_cleanup_free_ char *floor = xasprintf("%s: %zu builds of one kernel in other layouts; 95%% of their "
						       "differences, with 95%% confidence",
						       c->options.floors->dir, c->options.floors->n_builds);

		add_field(out, "floor", floor);
	}
	if (c->n_reused) {
		_cleanup_free_ char *reused = xasprintf("%zu boots from the result cache", c->n_reused);

		add_field(out, "", reused);
	}
	if (c->qemu)
		add_field(out, "QEMU", c->qemu);
}

/* 64 hexadecimal digits: twelve tell two apart. */
static char *short_value(const char *s)
{
	if (strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64)
		return xasprintf("%.12s", s);
	return *s ? xstrdup(s) : xstrdup("\"\"");
}

/* A kernel's digests differ whenever anything of the kernel does. */
static bool worth_saying(const struct comparison *c, const struct difference *d)
{
	bool digest = ends_with(d->path, ".sha256") || ends_with(d->path, ".recipe");

	if (!strcmp(d->path, "kernel.page_bytes") || !strcmp(d->path, "kernel.release"))
		return false; /* in the head */
	if (d->severity != SEVERITY_SUBJECT || !digest)
		return true;
	for (size_t i = 0; i < c->n_differences; i++) {
		const struct difference *e = &c->differences[i];

		if (e != d && e->arm == d->arm && e->severity == SEVERITY_SUBJECT && !ends_with(e->path, ".sha256") &&
		    !ends_with(e->path, ".recipe"))
			return false;
	}
	return true;
}

static void add_differences(const struct comparison *c, bool subject, const char *title, struct text *out)
{
	bool begun = false;

	for (size_t i = 0; i < c->n_differences; i++) {
		const struct difference *d = &c->differences[i];
		_cleanup_free_ char *a = short_value(d->base), *b = short_value(d->other), *text = NULL, *arm = NULL;
		size_t of = 0;

		if ((d->severity == SEVERITY_SUBJECT) != subject || !worth_saying(c, d))
			continue;
		for (size_t k = 0; k < c->n_pairs; k++)
			of += c->pairs[k].arm == d->arm;
		if (!begun)
			text_add(out, "\n%s\n", title);
		begun = true;
		arm = c->n_arms > 1 ? xasprintf(" [%s]", c->arms[d->arm].other_label) : xstrdup("");
		text = xasprintf("%s: %s -> %s%s", d->path, a, b, arm);
		if (d->n_pairs < of) {
			char *more = xasprintf("%s, in %zu of %zu pairs", text, d->n_pairs, of);

			free(text);
			text = more;
		}
		if (d->severity == SEVERITY_TIME || d->severity == SEVERITY_ALL) {
			char *more = xasprintf("%s (%s)", text, severity_names[d->severity]);

			free(text);
			text = more;
		}
		text_wrap(out, d->severity >= SEVERITY_TIME ? "  ! " : "    ", text, REPORT_WIDTH);
	}
}

/* No verdict says it: shorter and longer are of the path. */
static void add_unseen(const struct comparison *c, struct text *out)
{
	if (c->n_unseen)
		text_add(out, "\nNot seen on this basis\n");
	for (size_t i = 0; i < c->n_unseen; i++)
		text_wrap(out, "    ", c->unseen[i], REPORT_WIDTH);
}

static const char *verdict_colour(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_BETTER:
	case VERDICT_SHORTER:
		return "green";
	case VERDICT_WORSE:
	case VERDICT_LONGER:
		return "red";
	case VERDICT_UNCLEAR:
		return "yellow";
	case VERDICT_NOT_JUDGED:
		return "gray";
	case VERDICT_SAME:
		break;
	}
	return NULL;
}

static void phase_of(const struct row *row, char *buf, size_t size)
{
	const char *dot = strchr(row->name, '.');
	size_t len = dot ? (size_t)(dot - row->name) : strlen(row->name);

	len = len < size ? len : size - 1;
	memcpy(buf, row->name, len);
	buf[len] = '\0';
}

static bool side_is_zero(const struct side *side)
{
	return !side->present || (side->min == 0 && side->max == 0);
}

/* Hundreds of counters stay at zero; the JSON has them. */
static bool row_shown(const struct row *row, bool all)
{
	return row->shown || (all && !(side_is_zero(&row->base) && side_is_zero(&row->other)));
}

/* Speed first, then what explains it, then what it costs. */
static int row_rank(const struct row *row)
{
	static const int ranks[] = { [METRIC_TIME] = 0, [METRIC_COUNT] = 1, [METRIC_MEMORY] = 2 };

	return ranks[row->metric->class];
}

static void add_row(struct table *t, const struct row *row, struct notes *notes)
{
	const char *colour = verdict_colour(row->verdict), *grey = row->verdict == VERDICT_NOT_JUDGED ? colour : NULL;
	char number[NUMBER_SIZE], verdict[40];
	const char *name = strchr(row->name, '.');
	bool star;

	table_line(t);
	name = name ? name + 1 : row->name;
	{
		_cleanup_free_ char *indented = xasprintf("  %s", name);

		table_cell(t, 0, indented, grey);
	}
	table_cell(t, 1, row->base.present ? number_text(row->base.median, row->metric->unit, number) : "-", grey);
	table_cell(t, 2, row->other.present ? number_text(row->other.median, row->metric->unit, number) : "-", grey);
	table_cell(t, 3, row_change_text(row, number), grey);
	star = !row->counts && !row->exact && row->verdict != VERDICT_NOT_JUDGED;
	notes->exploratory |= star;
	snprintf(verdict, sizeof(verdict), "%s%s",
		 row->verdict == VERDICT_NOT_JUDGED ? "-" : verdict_names[row->verdict], star ? "*" : "");
	if (row->reason)
		snprintf(verdict + strlen(verdict), sizeof(verdict) - strlen(verdict), " (%zu)",
			 note_number(notes, verdict_names[row->verdict], row->reason));
	table_cell(t, 4, verdict, colour);
}

/* Below it the functions that changed most, where they are known. */
static void add_origins(struct table *t, const struct row *row)
{
	for (size_t i = 0; i < row->n_origins; i++) {
		const struct row_origin *o = &row->origins[i];
		_cleanup_free_ char *name = xasprintf("    %s", o->function);
		char number[NUMBER_SIZE];

		table_line(t);
		table_cell(t, 0, name, NULL);
		snprintf(number, sizeof(number), "%.1f", o->base);
		table_cell(t, 1, number, NULL);
		snprintf(number, sizeof(number), "%.1f", o->other);
		table_cell(t, 2, number, NULL);
		snprintf(number, sizeof(number), "%+.1f", o->other - o->base);
		table_cell(t, 3, number, NULL);
	}
}

static void add_phase(struct table *t, const struct pair *pair, size_t from, const char *phase, bool all,
		      struct notes *notes)
{
	bool titled = false;

	for (int rank = 0; rank < 3; rank++) {
		for (size_t i = from; i < pair->n_rows; i++) {
			char of[200];

			phase_of(&pair->rows[i], of, sizeof(of));
			if (strcmp(of, phase) || row_rank(&pair->rows[i]) != rank || !row_shown(&pair->rows[i], all))
				continue;
			if (!titled) {
				table_line(t);
				table_cell(t, 0, phase, NULL);
			}
			titled = true;
			add_row(t, &pair->rows[i], notes);
			add_origins(t, &pair->rows[i]);
		}
	}
}

/* The first row of each phase brings all of its phase; the guest as a whole comes last. */
static void add_phases(struct table *t, const struct pair *pair, bool all, struct notes *notes)
{
	char phase[200], earlier[200];

	for (int guest = 0; guest < 2; guest++) {
		for (size_t i = 0; i < pair->n_rows; i++) {
			bool seen = false;

			phase_of(&pair->rows[i], phase, sizeof(phase));
			if ((strcmp(phase, "guest") == 0) != guest)
				continue;
			for (size_t k = i; k-- > 0 && !seen;) {
				phase_of(&pair->rows[k], earlier, sizeof(earlier));
				seen = !strcmp(phase, earlier);
			}
			if (!seen)
				add_phase(t, pair, i, phase, all, notes);
		}
	}
}

static void add_pair(const struct comparison *c, const struct pair *pair, bool all, bool colour, struct notes *notes,
		     struct text *out)
{
	const struct arm *arm = &c->arms[pair->arm];
	bool labels = c->axis && strlen(arm->base_label) <= LABEL_WIDTH && strlen(arm->other_label) <= LABEL_WIDTH;
	const char *base = labels ? arm->base_label : "base", *other = labels ? arm->other_label : "other";
	const struct table_column columns[] = { { "", METRIC_WIDTH, false }, { base, 10, true },
						{ other, 10, true },	     { "change", 21, true },
						{ " verdict", 14, false },   { NULL, 0, false } };
	struct table *t;
	size_t shown = 0;

	for (size_t i = 0; i < pair->n_rows; i++)
		shown += row_shown(&pair->rows[i], all);
	text_add(out, "\n");
	if (c->axis)
		text_add(out, "%s\n", pair->name);
	else
		text_wrap(out, "", pair->name, REPORT_WIDTH);
	if (pair->n_failed[0] + pair->n_failed[1])
		text_add(out, "  failed boots: %zu of %zu -> %zu of %zu (Fisher's exact p %.2g)\n", pair->n_failed[0],
			 pair->n_ended[0], pair->n_failed[1], pair->n_ended[1], pair->failed_p);
	if (!pair->n_pairs) {
		text_add(out, "  no %s is ok on both sides\n", only_hardware(c) ? "boot" : "seed");
		return;
	}
	if (pair->n_pairs < c->most_seeds)
		text_add(out, "  %zu of %zu %ss are ok on both sides\n", pair->n_pairs, c->most_seeds,
			 only_hardware(c) ? "boot" : "seed");
	if (!shown) {
		text_add(out, "  nothing to show\n");
		return;
	}
	t = table_new(columns, colour);
	add_phases(t, pair, all, notes);
	table_finish(t, 0, out);
}

static bool same_trouble(const struct trouble *a, const struct trouble *b)
{
	return a->outcome == b->outcome && a->arm == b->arm && !strcmp(a->reason, b->reason) &&
	       !strcmp(a->cell, b->cell);
}

static void add_troubles(const struct comparison *c, struct text *out)
{
	if (c->n_troubles)
		text_add(out, "\nNot compared\n");
	for (size_t i = 0; i < c->n_troubles;) {
		const struct trouble *t = &c->troubles[i];
		_cleanup_free_ char *boots = NULL, *text = NULL, *side = NULL;
		struct text list = { 0 };
		size_t n = 0;

		for (; i + n < c->n_troubles && same_trouble(t, &c->troubles[i + n]); n++)
			if (c->troubles[i + n].boot)
				text_add(&list, "%s%u", n ? ", " : " boot ", c->troubles[i + n].boot);
		boots = text_steal(&list);
		i += n;
		side = c->axis ? xstrdup("") : xasprintf(" (%s)", t->arm == c->arms[0].base_label ? "base" : "other");
		text = xasprintf("%s%s%s: %s%s%s", t->cell, boots, side,
				 t->outcome == OUTCOME_OK ? "unpaired" : outcome_names[t->outcome],
				 *t->reason && strcmp(t->reason, "not run") ? ": " : "",
				 strcmp(t->reason, "not run") ? t->reason : "");
		text_wrap(out, t->failed ? "  ! " : "    ", text, REPORT_WIDTH);
	}
}

static void add_total(const struct comparison *c, bool all, struct text *out)
{
	struct text line = { 0 };
	_cleanup_free_ char *s = NULL;
	size_t hidden = 0, zero = 0;

	for (size_t i = 0; i < c->n_pairs; i++) {
		for (size_t k = 0; c->pairs[i].n_pairs && k < c->pairs[i].n_rows; k++) {
			hidden += !row_shown(&c->pairs[i].rows[k], all) && row_shown(&c->pairs[i].rows[k], true);
			zero += !row_shown(&c->pairs[i].rows[k], true);
		}
	}
	for (int v = 0; v <= VERDICT_NOT_JUDGED; v++)
		if (c->by_verdict[v])
			text_add(&line, "%s%zu %s", line.len ? ", " : "", c->by_verdict[v], verdict_names[v]);
	if (hidden)
		text_add(&line, "%s%zu more metrics with --all", line.len ? "; " : "", hidden);
	if (zero && all)
		text_add(&line, "%s%zu counters stayed at zero", line.len ? "; " : "", zero);
	s = text_steal(&line);
	text_add(out, "\n");
	text_wrap(out, "", *s ? s : "nothing was compared", REPORT_WIDTH);
}

char *report_diff_text(const struct comparison *c, bool all, bool colour)
{
	struct notes notes = { 0 };
	struct text out = { 0 };

	add_head(c, &out);
	add_differences(c, true, "What is compared differs in", &out);
	add_differences(c, false, "Also different", &out);
	add_unseen(c, &out);
	for (size_t i = 0; i < c->n_pairs; i++) {
		if (c->n_arms > 1 && (i == 0 || c->pairs[i].arm != c->pairs[i - 1].arm))
			text_add(&out, "\n== %s -> %s ==\n", c->arms[c->pairs[i].arm].base_label,
				 c->arms[c->pairs[i].arm].other_label);
		add_pair(c, &c->pairs[i], all, colour, &notes, &out);
	}
	notes_finish(&notes, &out);
	add_troubles(c, &out);
	add_total(c, all, &out);
	return text_steal(&out);
}
