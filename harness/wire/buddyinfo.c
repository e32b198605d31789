// SPDX-License-Identifier: GPL-2.0-or-later
/* One line at a time; nothing is allocated, nothing is believed that is not there. */
#include "wire/buddyinfo.h"

#include <string.h>

#define DIGITS_MAX 15 /* of a number: sums of pages stay below 2^63 */

struct cursor {
	const char *p, *end;
};

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
}

static bool skip_text(struct cursor *c, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(c->end - c->p) < len || memcmp(c->p, text, len) != 0)
		return false;
	c->p += len;
	return true;
}

static bool number(struct cursor *c, uint64_t *ret)
{
	unsigned int digits = 0;

	skip_blanks(c);
	for (*ret = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, digits++)
		*ret = digits < DIGITS_MAX ? *ret * 10 + (uint64_t)(*c->p - '0') : 0;
	return digits && digits <= DIGITS_MAX;
}

static bool name(struct cursor *c, char *buf, size_t size)
{
	size_t n = 0;

	skip_blanks(c);
	for (; c->p < c->end && n < size - 1; c->p++, n++) {
		char ch = *c->p;

		if (!((ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')))
			break;
		buf[n] = ch;
	}
	buf[n] = '\0';
	return n > 0;
}

static bool parse_line(struct cursor c, struct buddy_zone *ret)
{
	uint64_t node, blocks;

	*ret = (struct buddy_zone){ 0 };
	if (!skip_text(&c, "Node") || !number(&c, &node) || !skip_text(&c, ", zone") ||
	    !name(&c, ret->zone, sizeof(ret->zone)))
		return false;
	ret->node = (unsigned int)node;
	while (ret->n_orders < BUDDY_ORDERS_MAX && number(&c, &blocks))
		ret->blocks[ret->n_orders++] = blocks;
	skip_blanks(&c);
	return ret->n_orders && c.p == c.end;
}

bool buddy_next(const char *text, size_t len, size_t *offset, struct buddy_zone *ret)
{
	while (*offset < len) {
		const char *begin = text + *offset, *end = memchr(begin, '\n', len - *offset);
		struct cursor line = { begin, end ? end : text + len };

		*offset = (size_t)(line.end - text) + (end != NULL);
		if (parse_line(line, ret))
			return true;
	}
	return false;
}

uint64_t buddy_pages(const struct buddy_zone *zone, unsigned int order)
{
	uint64_t pages = 0;

	for (unsigned int i = order; i < zone->n_orders; i++)
		pages += zone->blocks[i] << i;
	return pages;
}
