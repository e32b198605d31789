// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages that point into a text. Knows UTF-8 and lines; no YAML. */
#include "matrix/source.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define LINE_COLUMNS 100u /* of a source line in a message */
#define QUOTE_COLUMNS 48u
#define TAB_COLUMNS 8u

/* One character of @p: its bytes (at least 1) and value, or false and 1 byte where it is not UTF-8. */
static bool utf8_next(const char *p, const char *end, size_t *ret_bytes, uint32_t *ret_value)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*p;
	size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
	uint32_t v = n == 1 ? c : n ? c & (0x7fu >> n) : 0;

	*ret_bytes = 1;
	*ret_value = c;
	if (!n || (size_t)(end - p) < n)
		return false;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return false;
		v = v << 6 | ((unsigned char)p[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return false;
	*ret_bytes = n;
	*ret_value = v;
	return true;
}

/* Characters that a terminal would not show, or that turn the line around behind the reader's back. */
static bool invisible(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) || (c & 0xfffe) == 0xfffe;
}

/* Columns of a terminal: the wide blocks of East Asian scripts and emoji take two, combining marks none. */
static unsigned int columns(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} wide[] = { { 0x1100, 0x115f },   { 0x2e80, 0xa4cf },	{ 0xac00, 0xd7a3 }, { 0xf900, 0xfaff },
		     { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },	{ 0xffe0, 0xffe6 }, { 0x1f300, 0x1f64f },
		     { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } };

	if (c >= 0x300 && c <= 0x36f)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(wide); i++)
		if (c >= wide[i].first && c <= wide[i].last)
			return 2;
	return 1;
}

/* One character as it is shown. */
struct glyph {
	char s[12];
	size_t bytes; /* of the text that it stands for */
	unsigned int columns;
	bool tab;
};

static struct glyph glyph_next(const char *p, const char *end)
{
	struct glyph g = { .columns = 0 };
	uint32_t c;

	if (!utf8_next(p, end, &g.bytes, &c)) {
		g.columns = (unsigned int)snprintf(g.s, sizeof(g.s), "\\x%02x", (unsigned int)(c & 0xff));
	} else if (c == '\t') {
		g.tab = true;
		g.columns = TAB_COLUMNS;
		strcpy(g.s, "\t");
	} else if (invisible(c)) {
		g.columns = (unsigned int)snprintf(g.s, sizeof(g.s), c < 0x100 ? "\\x%02x" : "\\u%04x", c);
	} else {
		memcpy(g.s, p, g.bytes);
		g.columns = columns(c);
	}
	return g;
}

const char *source_quote(const char *s, char buf[QUOTE_SIZE])
{
	const char *end = s + strlen(s);
	unsigned int used = 0;
	size_t n = 0;

	buf[n++] = '\'';
	while (s < end && used < QUOTE_COLUMNS && n < QUOTE_SIZE - 24) {
		struct glyph g = glyph_next(s, end);

		if (g.tab)
			strcpy(g.s, "\\t");
		memcpy(buf + n, g.s, strlen(g.s));
		n += strlen(g.s);
		used += g.columns;
		s += g.bytes;
	}
	strcpy(buf + n, s < end ? "...'" : "'");
	return buf;
}

/* The line @at points to, without its line break; a place behind the end moves to the end of the last line that holds
 * anything. */
static void find_line(const struct source *src, struct place *at, const char **ret_line, const char **ret_end)
{
	const char *p = src->text, *end = src->text + src->len, *last = p, *last_end = p;
	unsigned int line = 1, last_line = 1;

	for (;;) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

		if (stop > p && stop[-1] == '\r')
			stop--;
		if (line == at->line && (stop > p || nl)) {
			*ret_line = p;
			*ret_end = stop;
			return;
		}
		if (stop > p) {
			last = p;
			last_end = stop;
			last_line = line;
		}
		if (!nl)
			break;
		p = nl + 1;
		line++;
	}
	*ret_line = last;
	*ret_end = last_end;
	*at = (struct place){ last_line, last < last_end ? UINT32_MAX : 1 };
}

/* Where the caret stands: in columns from the line's start; @at's column becomes one that exists. */
static unsigned int caret_column(const char *line, const char *end, struct place *at)
{
	unsigned int n = 0, i = 1;

	for (; line < end && i < at->col; i++) {
		struct glyph g = glyph_next(line, end);

		n += g.columns;
		line += g.bytes;
	}
	at->col = i;
	return n;
}

char source_char(const struct source *src, struct place at)
{
	const char *line, *end;
	struct place there = at;

	find_line(src, &there, &line, &end);
	if (there.line != at.line)
		return '\0';
	for (unsigned int col = 1; col < at.col && line < end; col++)
		line += glyph_next(line, end).bytes;
	return line < end ? *line : '\0';
}

/* The line and the caret below it, both indented by two. */
static void add_line(struct text *out, const char *line, const char *end, unsigned int caret)
{
	unsigned int first = 0, n = 0;
	struct text under = { 0 };

	for (const char *p = line; p < end && n <= LINE_COLUMNS;) {
		struct glyph g = glyph_next(p, end);

		n += g.columns;
		p += g.bytes;
	}
	if (n > LINE_COLUMNS && caret > LINE_COLUMNS * 2 / 3)
		first = caret - LINE_COLUMNS / 2;
	n = 0;

	text_add(out, "\n  %s", first ? "..." : "");
	text_add(&under, "\n  %s", first ? "   " : "");
	while (line < end) {
		struct glyph g = glyph_next(line, end);

		if (n >= first && n + g.columns > first + LINE_COLUMNS) {
			text_add(out, "...");
			break;
		}
		if (n >= first) {
			text_add(out, "%s", g.s);
			if (n < caret)
				text_add(&under, "%*s", g.tab ? 1 : (int)g.columns, g.tab ? "\t" : "");
		}
		n += g.columns;
		line += g.bytes;
	}
	text_add(out, "%s^", under.s);
	text_free(&under);
}

int source_error(const struct source *src, struct err *err, struct place at, const char *fmt, ...)
{
	const char *line = src->text, *end = src->text;
	struct text shown = { 0 };
	char sentence[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (!at.line)
		return err_set(err, ERR_CONFIG, "%s: %s", src->path, sentence);
	find_line(src, &at, &line, &end);
	at.col = at.col ? at.col : 1;
	if (line < end)
		add_line(&shown, line, end, caret_column(line, end, &at));
	err_set(err, ERR_CONFIG, "%s:%u:%u: %s%s", src->path, at.line, at.col, sentence, shown.s ? shown.s : "");
	text_free(&shown);
	return -1;
}

int source_check(const struct source *src, struct err *err)
{
	const char *p = src->text, *end = src->text + src->len;
	struct place at = { 1, 1 };

	while (p < end) {
		uint32_t c;
		size_t n;

		if (!utf8_next(p, end, &n, &c))
			return source_error(src, err, at, "byte 0x%02x is not UTF-8; save the file as UTF-8", c & 0xff);
		if (c == '\r' && !(p + 1 < end && p[1] == '\n'))
			return source_error(src, err, at,
					    "a carriage return without a line feed; end lines with a line feed");
		if (c == 0x85 || c == 0x2028 || c == 0x2029)
			return source_error(src, err, at, "U+%04X, a Unicode line break, is not allowed; remove it", c);
		if (c != '\t' && c != '\n' && c != '\r' &&
		    (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xfeff || c == 0xfffe || c == 0xffff))
			return source_error(src, err, at, "control character U+%04X is not allowed; remove it", c);
		p += n;
		at.col++;
		if (c == '\n')
			at = (struct place){ at.line + 1, 1 };
	}
	return 0;
}
