// SPDX-License-Identifier: GPL-2.0-or-later
/* What a console tells: the kernel's own words about a crash, and the last lines for a person. The text is untrusted. */
#include "store/store.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define CRASH_LINES 20
#define LINE_SHOWN_MAX 400

/* Each pattern is looked for behind the time stamp; with @also, that must follow it in the same line. Sources:
 * arch/arm64/kernel/traps.c (Internal error), arch/arm64/mm/fault.c (Unable to handle kernel), kernel/panic.c (panic,
 * WARNING: "CPU: %d PID" until 6.17, "at FUNCTION, CPU#%d" since), lib/bug.c, kernel/hung_task.c,
 * kernel/rcu/tree_stall.h, kernel/watchdog.c ("watchdog: BUG: soft lockup"), mm/oom_kill.c. */
struct crash_pattern {
	const char *text, *also;
};

static const struct crash_pattern crash_patterns[] = {
	{ "Internal error: ", NULL },
	{ "Unable to handle kernel", NULL },
	{ "Kernel panic", NULL },
	{ "kernel BUG at", NULL },
	{ "BUG: ", NULL },
	{ "WARNING: CPU", NULL },
	{ "WARNING: ", "CPU#" },
	{ "INFO: task ", "blocked for more than" },
	{ "rcu: INFO: ", "detected stall" },
	{ "rcu: INFO: ", "self-detected stall" },
	{ "INFO: rcu_", "stall" },
	{ NULL, NULL },
};

/* The kernel is well, the guest or a cgroup too small for what runs in it. "oom-kill:" says no more, and quieter. */
static const struct crash_pattern oom_patterns[] = {
	{ "Out of memory: Killed process", NULL },
	{ "Memory cgroup out of memory: Killed process", NULL },
	{ NULL, NULL },
};

struct line {
	const char *s;
	size_t len; /* without \r and \n */
};

static bool next_line(const char *text, size_t len, size_t *offset, struct line *line)
{
	const char *end;

	if (*offset >= len)
		return false;
	line->s = text + *offset;
	end = memchr(line->s, '\n', len - *offset);
	line->len = end ? (size_t)(end - line->s) : len - *offset;
	*offset += line->len + (end != NULL);
	while (line->len && line->s[line->len - 1] == '\r')
		line->len--;
	return true;
}

/* "[   12.345678] " with, under PRINTK_CALLER, "[    T1] " behind it; returns its length, 0 if the line has none. */
static size_t stamp_length(const struct line *line)
{
	size_t i = 0, n = line->len;
	const char *s = line->s;

	if (i >= n || s[i++] != '[')
		return 0;
	while (i < n && s[i] == ' ')
		i++;
	if (i >= n || !isdigit((unsigned char)s[i]))
		return 0;
	while (i < n && isdigit((unsigned char)s[i]))
		i++;
	if (i >= n || s[i++] != '.')
		return 0;
	for (int k = 0; k < 6; k++)
		if (i >= n || !isdigit((unsigned char)s[i++]))
			return 0;
	if (i >= n || s[i++] != ']')
		return 0;
	if (i < n && s[i] == '[') {
		const char *close = memchr(s + i, ']', n - i);

		if (!close || close - (s + i) > 16)
			return 0;
		i = (size_t)(close - s) + 1;
	}
	return i < n && s[i] == ' ' ? i + 1 : 0;
}

static bool line_matches(const struct line *line, const struct crash_pattern *patterns)
{
	size_t stamp = stamp_length(line);

	if (!stamp)
		return false;
	for (const struct crash_pattern *p = patterns; p->text; p++) {
		const char *at = memmem(line->s + stamp, line->len - stamp, p->text, strlen(p->text));

		if (!at)
			continue;
		if (!p->also || memmem(at, line->len - (size_t)(at - line->s), p->also, strlen(p->also)))
			return true;
	}
	return false;
}

char *text_visible(const char *data, size_t len)
{
	struct text out = { 0 };

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f))
			text_add_bytes(&out, &data[i], 1);
		else if (c != '\r' || i + 1 >= len || data[i + 1] != '\n')
			text_add(&out, "\\x%02x", c);
	}
	return text_steal(&out);
}

static void add_line(struct text *out, const struct line *line)
{
	size_t len = line->len < LINE_SHOWN_MAX ? line->len : LINE_SHOWN_MAX;
	_cleanup_free_ char *seen = text_visible(line->s, len);

	text_add(out, "%s%s\n", seen, len < line->len ? "..." : "");
}

static char *first_match(const char *console, size_t len, const struct crash_pattern *patterns)
{
	struct text out = { 0 };
	struct line line;
	size_t offset = 0;

	while (next_line(console, len, &offset, &line)) {
		if (!line_matches(&line, patterns))
			continue;
		add_line(&out, &line);
		for (int i = 0; i < CRASH_LINES && next_line(console, len, &offset, &line); i++)
			add_line(&out, &line);
		return text_steal(&out);
	}
	return NULL;
}

char *console_crash(const char *console, size_t len, bool *ret_oom)
{
	char *crash = first_match(console, len, crash_patterns);

	*ret_oom = !crash;
	return crash ? crash : first_match(console, len, oom_patterns);
}

char *console_tail(const char *console, size_t len, unsigned int lines)
{
	struct text out = { 0 };
	size_t start = len, offset;
	struct line line;

	/* the final newline ends the last line, it does not begin another */
	for (unsigned int found = 0; start > 0; start--)
		if (start < len && console[start - 1] == '\n' && ++found == lines)
			break;
	if (!lines)
		start = len;
	offset = start;
	while (next_line(console, len, &offset, &line))
		add_line(&out, &line);
	return text_steal(&out);
}
