// SPDX-License-Identifier: GPL-2.0-or-later
/* One knob: write, read back, compare, report. Knows no particular knob. */
#include "agent/agent.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void setting_value(const char *content, char *buf, size_t size)
{
	const char *begin = content, *end = content + strlen(content);
	const char *open = strchr(content, '['), *close = open ? strchr(open, ']') : NULL;
	size_t len;

	if (close) {
		begin = open + 1;
		end = close;
	}
	while (begin < end && isspace((unsigned char)*begin))
		begin++;
	while (end > begin && isspace((unsigned char)end[-1]))
		end--;
	len = (size_t)(end - begin);
	if (len > size - 1)
		len = size - 1;
	memcpy(buf, begin, len);
	buf[len] = '\0';
}

bool setting_equal(const char *requested, const char *effective)
{
	unsigned long long a, b;
	char *end_a, *end_b;

	if (strcmp(requested, effective) == 0)
		return true;
	if (!isdigit((unsigned char)*requested) || !isdigit((unsigned char)*effective))
		return false;
	errno = 0;
	a = strtoull(requested, &end_a, 10);
	b = strtoull(effective, &end_b, 10);
	return !errno && !*end_a && !*end_b && a == b;
}

static int write_value(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), saved;
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, value, len);
	saved = n < 0 ? errno : EIO;
	close(fd);
	if (n == (ssize_t)len)
		return 0;
	errno = saved;
	return -1;
}

/* In a fake guest: a knob that starts empty. */
static void make_file(const char *path)
{
	char dir[PATH_SIZE];
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	make_parents(dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		close(fd);
}

void setting_inherit(struct agent *agent, const char *path)
{
	char content[4096], effective[4096] = "", where[PATH_SIZE];
	bool there = read_small(agent_path(agent, path, where), content, sizeof(content)) >= 0;

	if (there)
		setting_value(content, effective, sizeof(effective));
	emit(agent, WIRE_SETTING,
	     (const struct wire_field[]){ text_field(path), text_field(""), text_field(effective),
					  text_field(there ? "inherited" : "absent") },
	     4);
}

void setting_apply(struct agent *agent, const char *path, const char *value, bool may_lack)
{
	char content[4096], effective[4096] = "", status[128], where[PATH_SIZE];
	bool bad = true;

	agent_path(agent, path, where);
	if (agent->fake && !may_lack)
		make_file(where);
	if (write_value(where, value) < 0) {
		int saved = errno;

		if (saved == ENOENT || saved == ENOTDIR) {
			snprintf(status, sizeof(status), "absent");
			bad = !may_lack;
		} else {
			snprintf(status, sizeof(status), "error: %s", strerror(saved));
		}
		if (read_small(where, content, sizeof(content)) >= 0)
			setting_value(content, effective, sizeof(effective));
	} else if (read_small(where, content, sizeof(content)) < 0) {
		snprintf(status, sizeof(status), "error: cannot be read back: %s", strerror(errno));
	} else {
		setting_value(content, effective, sizeof(effective));
		bad = !setting_equal(value, effective);
		snprintf(status, sizeof(status), "%s", bad ? "differs" : "ok");
	}

	if (bad && !agent->failed_setting[0])
		snprintf(agent->failed_setting, sizeof(agent->failed_setting), "%s: asked for %.200s, %s%s%.200s", path,
			 value, status, strcmp(status, "differs") == 0 ? ": it is " : "",
			 strcmp(status, "differs") == 0 ? effective : "");
	emit(agent, WIRE_SETTING,
	     (const struct wire_field[]){ text_field(path), text_field(value), text_field(effective),
					  text_field(status) },
	     4);
}
