// SPDX-License-Identifier: GPL-2.0-or-later
/* Patterns: literal text, '#', '~', '*'. */
#include "workloads/pattern.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DIGITS_MAX 18 /* no overflow */
#define SPECIAL "#~*"

struct number {
	bool whole;
	uint64_t count;
	double decimal;
};

static const char *take_count(const char *s, struct number *ret)
{
	size_t digits = strspn(s, "0123456789");

	if (!digits || digits > DIGITS_MAX)
		return NULL;
	ret->whole = true;
	ret->count = strtoull(s, NULL, 10);
	return s + digits;
}

static const char *take_decimal(const char *s, struct number *ret)
{
	size_t len = strspn(s, "0123456789");

	if (!len)
		return NULL;
	if (s[len] == '.')
		len += 1 + strspn(s + len + 1, "0123456789");
	ret->whole = false;
	ret->decimal = strtod(s, NULL);
	return s + len;
}

/* What stands for itself at the beginning of @text. */
static size_t literal_len(const char *text)
{
	return strcspn(text, SPECIAL);
}

/* Behind a '*': where the literal at @text is, the end of @line where there is none. */
static const char *skip_to(const char *text, const char *line)
{
	size_t len = literal_len(text);

	return len ? memmem(line, strlen(line), text, len) : line + strlen(line);
}

static void put(const struct number *number, size_t at, void *ret)
{
	if (at == PATTERN_SKIP)
		return;
	if (number->whole)
		memcpy((char *)ret + at - 1, &number->count, sizeof(number->count));
	else
		memcpy((char *)ret + at - 1, &number->decimal, sizeof(number->decimal));
}

bool pattern_begins(const struct pattern *pattern, const char *line)
{
	return strncmp(line, pattern->text, literal_len(pattern->text)) == 0;
}

bool pattern_read(const struct pattern *pattern, const char *line, void *ret)
{
	struct number numbers[PATTERN_NUMBERS_MAX];
	const char *text = pattern->text;
	size_t n = 0;

	while (line && *text) {
		size_t len = literal_len(text);

		if (len) {
			line = strncmp(line, text, len) == 0 ? line + len : NULL;
			text += len;
		} else if (*text == '*') {
			line = skip_to(++text, line);
		} else {
			if (n == PATTERN_NUMBERS_MAX)
				return false;
			line = *text == '#' ? take_count(line, &numbers[n]) : take_decimal(line, &numbers[n]);
			n++;
			text++;
		}
	}
	if (!line || *line)
		return false;
	for (size_t i = 0; i < n; i++)
		put(&numbers[i], pattern->at[i], ret);
	return true;
}
