// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines, words and numbers. Knows no file. */
#include "store/span.h"

#include <ctype.h>
#include <string.h>

bool span_is(struct span a, const char *s)
{
	return a.len == strlen(s) && !memcmp(a.s, s, a.len);
}

bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && !memcmp(a.s, b.s, a.len);
}

bool span_starts(struct span a, const char *prefix)
{
	return a.len >= strlen(prefix) && !memcmp(a.s, prefix, strlen(prefix));
}

bool span_number(struct span s, double *ret)
{
	size_t i = 0;
	double v = 0;
	bool any = false;

	while (i < s.len && (s.s[i] == ' ' || s.s[i] == '\t' || s.s[i] == ':'))
		i++;
	for (; i < s.len && isdigit((unsigned char)s.s[i]); i++, any = true)
		v = v * 10 + (s.s[i] - '0');
	*ret = v;
	return any;
}

bool span_next_line(struct span *text, struct span *line)
{
	const char *end;
	size_t len;

	if (!text->len)
		return false;
	end = memchr(text->s, '\n', text->len);
	len = end ? (size_t)(end - text->s) : text->len;
	*line = (struct span){ text->s, len };
	text->s += len + (end != NULL);
	text->len -= len + (end != NULL);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool span_next_word(struct span *line, struct span *word)
{
	size_t begin = 0, end;

	while (begin < line->len && is_blank(line->s[begin]))
		begin++;
	for (end = begin; end < line->len && !is_blank(line->s[end]);)
		end++;
	*word = (struct span){ line->s + begin, end - begin };
	*line = (struct span){ line->s + end, line->len - end };
	return word->len > 0;
}

bool span_next_pair(struct span *text, struct span *key, struct span *rest)
{
	struct span line;
	size_t k = 0;

	if (!span_next_line(text, &line))
		return false;
	while (k < line.len && !is_blank(line.s[k]) && line.s[k] != ':')
		k++;
	*key = (struct span){ line.s, k };
	*rest = (struct span){ line.s + k, line.len - k };
	return true;
}

bool span_table_value(struct span text, const char *key, double *ret)
{
	struct span k, rest;

	while (span_next_pair(&text, &k, &rest))
		if (span_is(k, key))
			return span_number(rest, ret);
	return false;
}
