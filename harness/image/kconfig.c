// SPDX-License-Identifier: GPL-2.0-or-later
/* Compares configurations. Kconfig drops what a dependency forbids without a word; here it gets its word. */
#include "image/kconfig.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define NOT_SET "n"

struct setting {
	char *name;	    /* owned: CONFIG_X */
	char *value;	    /* owned: as written; "n" for "is not set" */
	const char *origin; /* borrowed: the text's name */
	size_t order;	    /* the later one wins */
};

struct settings {
	struct setting *v; /* owned, sorted by name */
	size_t n;
};

static void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].name);
		free(s->v[i].value);
	}
	free(s->v);
}

static int setting_compare(const void *a, const void *b)
{
	const struct setting *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->order > y->order) - (x->order < y->order);
}

static void add_setting(struct settings *s, const char *name, size_t name_len, const char *value, size_t value_len,
			const char *origin)
{
	size_t order = s->n;
	struct setting *v = VEC_PUSH(s->v, s->n);

	*v = (struct setting){ xstrndup(name, name_len), xstrndup(value, value_len), origin, order };
}

/* "CONFIG_X=V", "# CONFIG_X is not set", and with @bare a plain "CONFIG_X"; anything else is skipped. */
static void parse_line(struct settings *s, const char *line, size_t len, const char *origin, bool bare)
{
	static const char off[] = " is not set";
	const char *name = line, *eq;

	if (len > 2 && memcmp(line, "# ", 2) == 0)
		name += 2;
	if ((size_t)(line + len - name) < 8 || memcmp(name, "CONFIG_", 7) != 0)
		return;
	if (name != line) {
		size_t rest = (size_t)(line + len - name), n = strlen(off);

		if (rest > n && memcmp(name + rest - n, off, n) == 0)
			add_setting(s, name, rest - n, NOT_SET, 1, origin);
		return;
	}
	eq = memchr(line, '=', len);
	if (eq)
		add_setting(s, line, (size_t)(eq - line), eq + 1, (size_t)(line + len - eq) - 1, origin);
	else if (bare)
		add_setting(s, line, len, NOT_SET, 1, origin);
}

static void parse_text(struct settings *s, const char *text, const char *origin, bool bare)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n"), keep = len;

		while (keep && (line[keep - 1] == ' ' || line[keep - 1] == '\t' || line[keep - 1] == '\r'))
			keep--;
		parse_line(s, line, keep, origin, bare);
		line += len + (line[len] == '\n');
	}
}

/* Sort, and of settings with one name keep the last. */
static void settle(struct settings *s)
{
	size_t out = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), setting_compare);
	for (size_t i = 0; i < s->n; i++) {
		if (out && strcmp(s->v[out - 1].name, s->v[i].name) == 0) {
			out--;
			free(s->v[out].name);
			free(s->v[out].value);
		}
		s->v[out++] = s->v[i];
	}
	s->n = out;
}

static const struct setting *find(const struct settings *s, const char *name)
{
	struct setting key = { .name = (char *)name, .order = 0 };
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(key.name, s->v[mid].name);

		if (c == 0)
			return &s->v[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static void compare_one(const struct setting *want, const struct setting *got, struct text *out)
{
	bool off = strcmp(want->value, NOT_SET) == 0;

	if (off ? !got || strcmp(got->value, NOT_SET) == 0 : got && strcmp(got->value, want->value) == 0)
		return;
	if (off)
		text_add(out, "\n  # %s is not set (%s): it is %s", want->name, want->origin, got->value);
	else if (!got)
		text_add(out,
			 "\n  %s=%s (%s): it is not in the resolved .config: a dependency is missing, or this "
			 "kernel does not have it",
			 want->name, want->value, want->origin);
	else if (strcmp(got->value, NOT_SET) == 0)
		text_add(out, "\n  %s=%s (%s): it is not set", want->name, want->value, want->origin);
	else
		text_add(out, "\n  %s=%s (%s): it is %s", want->name, want->value, want->origin, got->value);
}

int kconfig_check(const char *resolved, const struct kconfig_text *wants, size_t n_wants, const char *absent,
		  const char *absent_name, struct err *err)
{
	_cleanup_(settings_clear) struct settings have = { 0 }, want = { 0 }, missing = { 0 };
	_cleanup_(text_free) struct text out = { 0 };

	parse_text(&have, resolved, ".config", false);
	settle(&have);
	for (size_t i = 0; i < n_wants; i++)
		parse_text(&want, wants[i].text, wants[i].name, false);
	settle(&want);
	parse_text(&missing, absent ? absent : "", absent_name, true);
	settle(&missing);
	for (size_t i = 0; i < want.n; i++) {
		if (!find(&missing, want.v[i].name))
			compare_one(&want.v[i], find(&have, want.v[i].name), &out);
	}
	for (size_t i = 0; i < missing.n; i++) {
		if (find(&have, missing.v[i].name))
			text_add(&out, "\n  %s: %s says that this kernel does not have it, but it does",
				 missing.v[i].name, absent_name);
	}
	if (!out.len)
		return 0;
	return err_set(err, ERR_CONFIG, "the configuration did not resolve as asked:%s", out.s);
}

void kconfig_differences_clear(struct kconfig_differences *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].name);
		free(d->v[i].base);
		free(d->v[i].here);
		free(d->v[i].place);
	}
	free(d->v);
	*d = (struct kconfig_differences){ 0 };
}

static void differ_one(struct kconfig_differences *d, const char *name, const struct setting *base,
		       const struct setting *here, bool allowed)
{
	const char *b = base ? base->value : NOT_SET, *h = here ? here->value : NOT_SET;

	if (strcmp(b, h) != 0)
		*VEC_PUSH(d->v, d->n) =
			(struct kconfig_difference){ xstrdup(name), xstrdup(b), xstrdup(h), NULL, allowed };
}

int kconfig_differ(const char *base, const char *here, const char *allowed, const char *allowed_name,
		   struct kconfig_differences *ret_differences, struct err *err)
{
	_cleanup_(settings_clear) struct settings a = { 0 }, b = { 0 }, may = { 0 };
	_cleanup_(kconfig_differences_clear) struct kconfig_differences d = { 0 };
	_cleanup_(text_free) struct text stale = { 0 };

	parse_text(&a, base, "base", false);
	settle(&a);
	parse_text(&b, here, ".config", false);
	settle(&b);
	parse_text(&may, allowed, allowed_name, true);
	settle(&may);
	/* a merge of two sorted lists */
	for (size_t i = 0, j = 0; i < a.n || j < b.n;) {
		int c = i == a.n ? 1 : j == b.n ? -1 : strcmp(a.v[i].name, b.v[j].name);
		const char *name = c <= 0 ? a.v[i].name : b.v[j].name;

		differ_one(&d, name, c <= 0 ? &a.v[i] : NULL, c >= 0 ? &b.v[j] : NULL, find(&may, name) != NULL);
		i += c <= 0;
		j += c >= 0;
	}
	for (size_t i = 0, j = 0; i < may.n; i++) {
		while (j < d.n && strcmp(d.v[j].name, may.v[i].name) < 0)
			j++;
		if ((j == d.n || strcmp(d.v[j].name, may.v[i].name) != 0) &&
		    (find(&a, may.v[i].name) || find(&b, may.v[i].name)))
			text_add(&stale, "\n  %s", may.v[i].name);
	}
	if (stale.len)
		return err_set(err, ERR_CONFIG, "%s names what does not differ:%s", allowed_name, stale.s);
	*ret_differences = d;
	d = (struct kconfig_differences){ 0 };
	return 0;
}

static bool word(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* @name: X, without its prefix. */
static void mention(struct kconfig_differences *d, const char *place, const char *name, size_t len)
{
	size_t lo = 0, hi = d->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *have = d->v[mid].name + strlen("CONFIG_");
		int c = strncmp(name, have, len);

		if (c == 0 && have[len] == '\0') {
			if (!d->v[mid].place)
				d->v[mid].place = xstrdup(place);
			return;
		}
		if (c <= 0)
			hi = mid;
		else
			lo = mid + 1;
	}
}

void kconfig_mention(struct kconfig_differences *d, const char *place, const char *text, bool defines)
{
	/* Kconfig's other word is "menuconfig", which ends in the first */
	const char *key = defines ? "config " : "CONFIG_";

	for (const char *p = text; (p = strstr(p, key));) {
		size_t len = 0;

		p += strlen(key);
		while (word(p[len]))
			len++;
		mention(d, place, p, len);
	}
}
