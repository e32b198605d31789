// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#define MAP_SIZE_MAX ((size_t)64 << 20)

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return (x->address > y->address) - (x->address < y->address);
	/* two names of one address: a fixed choice, whatever qsort does */
	return strcmp(x->name, y->name);
}

/* "ffff800080000000 T _text\n" at @line, cut in place; false if it is none. */
static bool parse_line(char *line, uint64_t *ret_address, char *ret_type, char **ret_name)
{
	char *end;

	*ret_address = strtoull(line, &end, 16);
	if (end == line || end[0] != ' ' || !end[1] || end[2] != ' ' || !end[3])
		return false;
	*ret_type = end[1];
	*ret_name = end + 3;
	(*ret_name)[strcspn(*ret_name, "\r\n\t ")] = '\0';
	return **ret_name != '\0';
}

/* Marks of the assembler ($x, $d, .L...) are no functions. */
static bool is_code(char type, const char *name)
{
	return strchr("tTwW", type) && name[0] != '$' && strncmp(name, ".L", 2) != 0;
}

int symbols_load(const char *path, struct symbols *ret, struct err *err)
{
	struct symbols s = { 0 };
	char *next;

	if (file_read(path, MAP_SIZE_MAX, &s.text, NULL, err) < 0)
		return -1;
	for (char *line = s.text; *line; line = next) {
		uint64_t address;
		char type, *name;

		next = line + strcspn(line, "\n");
		next += *next == '\n';
		if (next > line && next[-1] == '\n')
			next[-1] = '\0';
		if (!parse_line(line, &address, &type, &name))
			continue;
		if (!strcmp(name, "_einittext") || (!s.end && !strcmp(name, "_etext")))
			s.end = address;
		if (is_code(type, name))
			*VEC_PUSH(s.v, s.n) = (struct symbol){ address, name };
	}
	if (!s.n || !s.end) {
		symbols_free(&s);
		return err_set(err, ERR_HOST, "%s: no System.map: it names no _etext", path);
	}
	qsort(s.v, s.n, sizeof(*s.v), by_address);
	*ret = s;
	return 0;
}

void symbols_free(struct symbols *s)
{
	free(s->v);
	free(s->text);
	*s = (struct symbols){ 0 };
}

size_t symbols_find(const struct symbols *s, uint64_t address)
{
	size_t low = 0, high = s->n;

	if (!s->n || address < s->v[0].address || address >= s->end)
		return SIZE_MAX;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->v[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	/* of several names the first in order */
	while (low && s->v[low - 1].address == s->v[low].address)
		low--;
	return low;
}

int symbols_shift(const struct symbols *s, const char *kallsyms, uint64_t *ret_shift, struct err *err)
{
	_cleanup_free_ char *line = xstrdup(kallsyms);
	uint64_t address;
	char type, *name;

	if (!parse_line(line, &address, &type, &name) || !address)
		return err_set(err, ERR_GUEST, "the guest's /proc/kallsyms gives no addresses");
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->v[i].name, name) != 0)
			continue;
		*ret_shift = address - s->v[i].address;
		return 0;
	}
	return err_set(err, ERR_GUEST, "the guest's first symbol, %s, is not in System.map", name);
}
