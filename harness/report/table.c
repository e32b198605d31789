// SPDX-License-Identifier: GPL-2.0-or-later
/* The only file that knows libsmartcols. */
#include "report/table.h"

#include <libsmartcols/libsmartcols.h>
#include <string.h>

#include "base/mem.h"
#include "report/report.h"

/* Less than this beside its key, and a text goes below it, indented. */
#define WRAP_ROOM_MIN 16
#define WRAP_INDENT 8

struct table {
	struct libscols_table *tb;
	struct libscols_line *line;
	int widths[16];
};

struct table *table_new(const struct table_column *columns, bool colour)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->tb = scols_new_table();
	if (!t->tb)
		abort();
	scols_table_set_termforce(t->tb, SCOLS_TERMFORCE_ALWAYS);
	/* wider than any line, so that nothing is cut: widths are kept by breaking cells */
	scols_table_set_termwidth(t->tb, 4 * REPORT_WIDTH);
	scols_table_enable_colors(t->tb, colour);
	for (int i = 0; i < (int)ARRAY_SIZE(t->widths) && columns[i].title; i++) {
		struct libscols_column *c = scols_table_new_column(
			t->tb, columns[i].title, 0, SCOLS_FL_WRAP | (columns[i].right ? SCOLS_FL_RIGHT : 0));

		if (!c)
			abort();
		scols_column_set_wrapfunc(c, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
		scols_column_set_safechars(c, "\n");
		t->widths[i] = columns[i].width;
	}
	return t;
}

void table_line(struct table *t)
{
	t->line = scols_table_new_line(t->tb, NULL);
	if (!t->line)
		abort();
}

/* How much of @s goes on a line of @width: to the last blank, else dot or underscore, that leaves it half full at least. */
static int line_cut(const char *s, int width)
{
	static const char *const places[] = { " ", "._" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		for (int cut = width; cut > width / 2; cut--)
			if (strchr(places[i], s[cut - 1]))
				return cut;
	return width;
}

/* Break @s into lines of at most @width. */
static char *broken(const char *s, int width)
{
	struct text out = { 0 };

	while (width > 2 && (int)strlen(s) > width) {
		int cut = line_cut(s, width);

		text_add(&out, "%.*s\n  ", cut, s);
		s += cut;
		width -= out.len <= (size_t)cut + 3 ? 2 : 0;
	}
	text_add(&out, "%s", s);
	return text_steal(&out);
}

void table_cell(struct table *t, int column, const char *text, const char *colour)
{
	struct libscols_cell *cell = scols_line_get_cell(t->line, (size_t)column);
	char *s = broken(text, t->widths[column]);

	if (!cell || scols_cell_refer_data(cell, s))
		abort();
	if (colour)
		scols_cell_set_color(cell, colour);
}

static void add_trimmed(struct text *out, int indent, const char *line, size_t len)
{
	while (len && line[len - 1] == ' ')
		len--;
	if (len)
		text_add(out, "%*s%.*s", indent, "", (int)len, line);
	text_add(out, "\n");
}

void table_finish(struct table *t, int indent, struct text *out)
{
	char *s = NULL;

	if (scols_print_table_to_string(t->tb, &s) == 0 && s) {
		for (char *p = s; *p;) {
			size_t len = strcspn(p, "\n");

			add_trimmed(out, indent, p, len);
			p += len + (p[len] == '\n');
		}
	}
	free(s);
	scols_unref_table(t->tb);
	free(t);
}

void text_wrap(struct text *out, const char *first, const char *s, int width)
{
	int indent = (int)strlen(first), room = width - indent;
	bool begun = false;

	/* what a foreign run calls its keys may leave no room beside it: then the text goes below */
	if (room < WRAP_ROOM_MIN) {
		add_trimmed(out, 0, first, (size_t)indent);
		indent = WRAP_INDENT;
		room = width - indent;
		begun = true;
	}
	do {
		int cut = (int)strcspn(s, "\n"), full = cut;

		if (cut > room) {
			cut = room;
			while (cut > 0 && s[cut] != ' ')
				cut--;
			if (cut == 0)
				cut = room;
		}
		if (begun)
			text_add(out, "%*s%.*s\n", cut ? indent : 0, "", cut, s);
		else
			text_add(out, "%s%.*s\n", first, cut, s);
		begun = true;
		s += cut;
		if (cut < full)
			s += strspn(s, " ");
		else
			s += *s == '\n';
	} while (*s);
}
