// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/text.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void text_free(struct text *t)
{
	free(t->s);
	*t = (struct text){ 0 };
}

static void text_reserve(struct text *t, size_t more)
{
	size_t need = t->len + more + 1, have = t->s ? 64 : 0;

	/* the capacity is the power of two above len + 1, so it needs no field */
	while (t->s && have < t->len + 1)
		have *= 2;
	if (need <= have)
		return;
	if (!have)
		have = 64;
	while (have < need)
		have *= 2;
	t->s = xrealloc(t->s, have, 1);
}

void text_add_bytes(struct text *t, const void *data, size_t len)
{
	text_reserve(t, len);
	memcpy(t->s + t->len, data, len);
	t->len += len;
	t->s[t->len] = '\0';
}

void text_add(struct text *t, const char *fmt, ...)
{
	char small[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < sizeof(small)) {
		text_add_bytes(t, small, (size_t)n);
		return;
	}
	text_reserve(t, (size_t)n);
	va_start(ap, fmt);
	vsnprintf(t->s + t->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

char *text_steal(struct text *t)
{
	char *s = t->s ? t->s : xstrdup("");

	*t = (struct text){ 0 };
	return s;
}

static const struct {
	const char *suffix;
	unsigned int shift;
} suffixes[] = {
	{ "", 0 },   { "B", 0 },    { "K", 10 }, { "KiB", 10 }, { "k", 10 }, { "kB", 10 },
	{ "M", 20 }, { "MiB", 20 }, { "G", 30 }, { "GiB", 30 }, { "T", 40 }, { "TiB", 40 },
};

bool size_parse(const char *s, uint64_t *ret_bytes)
{
	uint64_t v = 0;
	const char *p = s;

	if (!isdigit((unsigned char)*p))
		return false;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	while (*p == ' ')
		p++;
	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (strcmp(p, suffixes[i].suffix))
			continue;
		if (v > (UINT64_MAX >> suffixes[i].shift))
			return false;
		*ret_bytes = v << suffixes[i].shift;
		return true;
	}
	return false;
}

const char *size_format(uint64_t bytes, char *buf)
{
	static const char unit[] = "\0KMGT";
	unsigned int i = 0;

	while (bytes && bytes % 1024 == 0 && i < 4) {
		bytes /= 1024;
		i++;
	}
	snprintf(buf, 24, "%llu%c", (unsigned long long)bytes, unit[i]);
	return buf;
}

const char *size_human(double bytes, char *buf)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int i = 0;
	double size = bytes < 0 ? -bytes : bytes;

	while (size >= 1024 && i < ARRAY_SIZE(unit) - 1) {
		size /= 1024;
		bytes /= 1024;
		i++;
	}
	snprintf(buf, 24, "%.*f %s", i == 0 || size >= 999.5 ? 0 : size < 10 ? 2 : 1, bytes, unit[i]);
	return buf;
}

static size_t edit_distance(const char *a, const char *b)
{
	size_t row[65], la = strnlen(a, 64), lb = strnlen(b, 64);

	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *nearest_name(const char *s, const char *const *names, size_t n_names)
{
	size_t best = strlen(s) / 3 + 1;
	const char *found = NULL;

	for (size_t i = 0; i < n_names; i++) {
		size_t d = edit_distance(s, names[i]);

		if (d <= best && (d < best || !found)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

bool text_equal(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

bool ends_with(const char *s, const char *suffix)
{
	size_t ls = strlen(s), lx = strlen(suffix);

	return ls >= lx && !strcmp(s + ls - lx, suffix);
}

const char *line_begin(const char *text, const char *at)
{
	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

bool label_valid(const char *s)
{
	size_t n = 0;

	for (; s[n]; n++)
		if (!isalnum((unsigned char)s[n]) && !(n && (s[n] == '_' || s[n] == '-')))
			return false;
	return n > 0 && n <= 64;
}

static bool is_special(char c)
{
	return c == '*' || c == '?' || c == '[' || c == '\\';
}

bool glob_match(const char *pattern, const char *s)
{
	const char *p = pattern, *rest = s;
	size_t tail, len;

	for (; *p && !is_special(*p); p++, rest++)
		if (*p != *rest)
			return false;
	if (!*p)
		return !*rest;
	if (*p != '*' || strpbrk(p + 1, "*?[\\"))
		return fnmatch(pattern, s, 0) == 0;
	tail = strlen(p + 1);
	len = strlen(rest);
	return len >= tail && !memcmp(p + 1, rest + len - tail, tail);
}
