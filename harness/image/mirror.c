// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds the machine's own mirror in apt's source files, so that no host name is written down in granule. Pure. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "image/source.h"

static const char blanks[] = " \t\r";

/* Is @word one of the blank-separated words of @list? */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p;) {
		size_t len;

		p += strspn(p, blanks);
		len = strcspn(p, blanks);
		if (len == n && memcmp(p, word, n) == 0)
			return true;
		p += len;
	}
	return false;
}

static char *first_word(const char *s)
{
	s += strspn(s, blanks);
	return xstrndup(s, strcspn(s, blanks));
}

static bool usable(const char *uri)
{
	return strstr(uri, ":/") && !starts_with(uri, "cdrom:");
}

/* "deb [arch=amd64 signed-by=/k.gpg] URI SUITE COMPONENT..." */
static bool parse_one_line(const char *line, const char *codename, char **ret_uri, char **ret_keyring)
{
	_cleanup_free_ char *keyring = NULL, *uri = NULL, *suite = NULL;
	const char *p = line + strspn(line, blanks);

	if (!starts_with(p, "deb ") && !starts_with(p, "deb\t"))
		return false;
	p += 3 + strspn(p + 3, blanks);
	if (*p == '[') {
		size_t len = strcspn(p, "]");
		_cleanup_free_ char *options = xstrndup(p, len);
		const char *key = strstr(options, "signed-by=/");

		if (key) {
			key += strlen("signed-by=");
			keyring = xstrndup(key, strcspn(key, " \t,]"));
		}
		p += len + (p[len] == ']');
		p += strspn(p, blanks);
	}
	uri = first_word(p);
	p += strlen(uri) + strspn(p + strlen(uri), blanks);
	suite = first_word(p);
	p += strlen(suite);
	if (!usable(uri) || strcmp(suite, codename) != 0 || !has_word(p, "main"))
		return false;
	*ret_uri = steal_ptr(uri);
	*ret_keyring = steal_ptr(keyring);
	return true;
}

struct stanza {
	char *types, *uris, *suites, *components, *signed_by, *enabled; /* owned */
};

static void stanza_clear(struct stanza *s)
{
	free(s->types);
	free(s->uris);
	free(s->suites);
	free(s->components);
	free(s->signed_by);
	free(s->enabled);
	*s = (struct stanza){ 0 };
}

static bool stanza_use(const struct stanza *s, const char *codename, char **ret_uri, char **ret_keyring)
{
	_cleanup_free_ char *uri = first_word(s->uris ? s->uris : "");

	if (!usable(uri) || !has_word(s->types ? s->types : "", "deb") ||
	    !has_word(s->suites ? s->suites : "", codename) || !has_word(s->components ? s->components : "", "main") ||
	    (s->enabled && has_word(s->enabled, "no")))
		return false;
	*ret_uri = steal_ptr(uri);
	*ret_keyring = s->signed_by && strchr(s->signed_by, '/') == s->signed_by + strspn(s->signed_by, blanks)
			       ? first_word(s->signed_by)
			       : NULL;
	return true;
}

static void stanza_field(struct stanza *s, const char *line)
{
	const struct {
		const char *name;
		char **slot;
	} fields[] = {
		{ "Types:", &s->types },	   { "URIs:", &s->uris },	    { "Suites:", &s->suites },
		{ "Components:", &s->components }, { "Signed-By:", &s->signed_by }, { "Enabled:", &s->enabled },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t n = strlen(fields[i].name);

		if (strncasecmp(line, fields[i].name, n) == 0 && !*fields[i].slot)
			*fields[i].slot = xstrdup(line + n);
	}
}

bool source_mirror_parse(const char *text, bool deb822, const char *codename, char **ret_uri, char **ret_keyring)
{
	_cleanup_(stanza_clear) struct stanza s = { 0 };

	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\n");
		_cleanup_free_ char *line = xstrndup(p, len);

		p += len + (p[len] == '\n');
		if (!deb822) {
			if (parse_one_line(line, codename, ret_uri, ret_keyring))
				return true;
			continue;
		}
		if (line[strspn(line, blanks)] != '\0') {
			if (line[0] != '#')
				stanza_field(&s, line);
			continue;
		}
		if (stanza_use(&s, codename, ret_uri, ret_keyring))
			return true;
		stanza_clear(&s);
	}
	return deb822 && stanza_use(&s, codename, ret_uri, ret_keyring);
}
