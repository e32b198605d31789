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

static bool wild(const char *path)
{
	return strpbrk(path, "*?[");
}

void setting_report(struct agent *agent, const char *path, const char *requested, const char *effective,
		    const char *status)
{
	emit(agent, WIRE_SETTING,
	     (const struct wire_field[]){ text_field(path), text_field(requested), text_field(effective),
					  text_field(status) },
	     4);
}

/* What @where shows; false if it cannot be read. */
static bool read_value(const char *where, char *effective, size_t size)
{
	char content[4096];

	effective[0] = '\0';
	if (read_small(where, content, sizeof(content)) < 0)
		return false;
	setting_value(content, effective, size);
	return true;
}

void setting_judge(struct agent *agent, const char *path, const char *requested, const char *effective,
		   const char *trouble)
{
	bool differs = !trouble && !setting_equal(requested, effective);
	const char *status = trouble ? trouble : differs ? "differs" : "ok";

	if (trouble && strcmp(trouble, "absent") == 0) {
		if (!agent->absent_setting[0])
			snprintf(agent->absent_setting, sizeof(agent->absent_setting),
				 "%s: there is none in this kernel", path);
	} else if ((trouble || differs) && !agent->failed_setting[0]) {
		snprintf(agent->failed_setting, sizeof(agent->failed_setting), "%s: asked for %.200s, %s%s%.200s", path,
			 requested, status, differs ? ": it is " : "", differs ? effective : "");
	}
	setting_report(agent, path, requested, effective, status);
}

struct asked {
	struct agent *agent;
	const char *value;
	bool may_lack;
};

void setting_file(struct agent *agent, const char *name, const char *where, const char *value, bool may_lack)
{
	char effective[4096] = "", status[128];

	if (write_value(where, value) < 0) {
		int saved = errno;
		bool absent = saved == ENOENT || saved == ENOTDIR;

		snprintf(status, sizeof(status), "error: %s", strerror(saved));
		read_value(where, effective, sizeof(effective));
		if (absent && may_lack)
			setting_report(agent, name, value, effective, "absent");
		else
			setting_judge(agent, name, value, effective, absent ? "absent" : status);
	} else if (!read_value(where, effective, sizeof(effective))) {
		snprintf(status, sizeof(status), "error: cannot be read back: %s", strerror(errno));
		setting_judge(agent, name, value, effective, status);
	} else {
		setting_judge(agent, name, value, effective, NULL);
	}
}

/* @where is in this file system, below the root of a fake guest. */
static void apply_one(void *arg, const char *where)
{
	const struct asked *asked = arg;
	struct agent *agent = asked->agent;

	if (agent->fake && !asked->may_lack)
		make_file(where);
	setting_file(agent, where + strlen(agent->root), where, asked->value, asked->may_lack);
}

void setting_apply(struct agent *agent, const char *path, const char *value, bool may_lack)
{
	struct asked asked = { agent, value, may_lack };
	char where[PATH_SIZE];

	agent_path(agent, path, where);
	if (!wild(path))
		apply_one(&asked, where);
	else if (glob_walk(where, apply_one, &asked) == 0)
		may_lack ? setting_report(agent, path, value, "", "absent")
			 : setting_judge(agent, path, value, "", "absent");
}

void setting_check(struct agent *agent, const char *path, const char *value)
{
	char effective[4096], where[PATH_SIZE];
	bool there = read_value(agent_path(agent, path, where), effective, sizeof(effective));

	setting_judge(agent, path, value, effective, there ? NULL : "absent");
}

static void inherit_one(void *arg, const char *where)
{
	struct agent *agent = arg;
	char effective[4096];
	bool there = read_value(where, effective, sizeof(effective));

	setting_report(agent, where + strlen(agent->root), "", effective, there ? "inherited" : "absent");
}

void setting_inherit(struct agent *agent, const char *path)
{
	char where[PATH_SIZE];

	agent_path(agent, path, where);
	if (!wild(path))
		inherit_one(agent, where);
	else if (glob_walk(where, inherit_one, agent) == 0)
		setting_report(agent, path, "", "", "absent");
}

void setting_probe(struct agent *agent, const char *path, const char *values)
{
	char old[4096], effective[4096], where[PATH_SIZE], value[64], taken[1024] = "";
	size_t used = 0;

	agent_path(agent, path, where);
	if (wild(path) || !read_value(where, old, sizeof(old))) {
		setting_report(agent, path, values, "", "absent");
		return;
	}
	for (const char *p = values; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		snprintf(value, sizeof(value), "%.*s", (int)len, p);
		p += len;
		if (write_value(where, value) < 0 || !read_value(where, effective, sizeof(effective)) ||
		    !setting_equal(value, effective) || used + len + 2 > sizeof(taken))
			continue;
		used += (size_t)snprintf(taken + used, sizeof(taken) - used, "%s%s", used ? " " : "", value);
	}
	setting_report(agent, path, values, taken, "probed");
	if (write_value(where, old) < 0)
		agent_note(agent, "%s: cannot have its value %.200s again: %s", path, old, strerror(errno));
}
