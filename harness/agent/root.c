// SPDX-License-Identifier: GPL-2.0-or-later
/* A root file system for programs: the read-only image below, what is written in a tmpfs above it. Process 1 stays
 * outside. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Mounted in it, in this order; what a program of a distribution takes for granted. */
static const struct {
	const char *type, *target, *options;
} inner[] = {
	{ "devtmpfs", "/dev", "-" }, { "tmpfs", "/dev/shm", "mode=1777" }, { "proc", "/proc", "-" },
	{ "sysfs", "/sys", "-" },    { "tmpfs", "/run", "mode=755" },	   { "tmpfs", "/tmp", "mode=1777" },
};

static void __attribute__((noreturn, format(printf, 2, 3))) lacks(struct agent *agent, const char *fmt, ...)
{
	char reason[PATH_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	agent_end(agent, "unsupported", reason);
}

static void mount_from(struct agent *agent, const char *source, const char *type, const char *target,
		       unsigned long flags, const char *options)
{
	make_parents(target);
	if (mount(source, target, type, flags, options) == 0)
		return;
	int saved = errno;

	if (!has_filesystem(type))
		lacks(agent, "there is no file system %s in this kernel, which a root file system needs", type);
	agent_fail(agent, "cannot mount %s (%s) on %s: %s", source, type, target, strerror(saved));
}

static void attach_image(struct agent *agent, const char *image, char dev[64])
{
	int file = open(image, O_RDONLY | O_CLOEXEC);

	if (access(LOOP_CONTROL, F_OK) < 0)
		lacks(agent, "there are no loop devices in this kernel, which a root file system in memory needs");
	if (file < 0 || !loop_attach(file, 4096, true, dev))
		agent_fail(agent, "cannot make a loop device of %s: %s", image, strerror(errno));
	close(file);
}

static void bring_loopback_up(struct agent *agent)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* a kernel without a network may still run what needs none */
	if (fd < 0)
		return;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		agent_note(agent, "the loopback interface does not come up: %s", strerror(errno));
	close(fd);
}

void root_step(struct agent *agent, const char *image, const char *dir)
{
	char lower[PATH_SIZE], writable[PATH_SIZE], part[PATH_SIZE], options[PATH_SIZE * 4], dev[64];

	if (agent->newroot[0])
		agent_fail(agent, "a second root file system, on %s", dir);
	snprintf(agent->newroot, sizeof(agent->newroot), "%.200s", dir);
	if (agent->fake)
		return;
	snprintf(lower, sizeof(lower), "%.200s.lower", dir);
	snprintf(writable, sizeof(writable), "%.200s.written", dir);
	if (access(image, R_OK) == 0) {
		attach_image(agent, image, dev);
	} else if (!disk_by_serial(JOB_ROOT_SERIAL, dev)) {
		agent_fail(agent, "neither %s nor a disk with the serial number " JOB_ROOT_SERIAL " is there", image);
	}
	snprintf(part, sizeof(part), "/dev/%s", dev);
	mount_from(agent, part, "erofs", lower, MS_RDONLY | MS_NODEV, NULL);
	mount_step(agent, "tmpfs", writable, "mode=755");
	snprintf(part, sizeof(part), "%.220s/upper", writable);
	mkdir(part, 0755);
	snprintf(part, sizeof(part), "%.220s/work", writable);
	mkdir(part, 0755);
	snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, writable, writable);
	mount_from(agent, "overlay", "overlay", dir, 0, options);
	for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		snprintf(part, sizeof(part), "%.200s%s", dir, inner[i].target);
		mount_step(agent, inner[i].type, part, inner[i].options);
	}
	bring_loopback_up(agent);
	if (sethostname("granule", strlen("granule")) < 0)
		agent_note(agent, "no host name: %s", strerror(errno));
}

/* "postgres:x:101:101::/var/lib/postgresql:/bin/sh" */
static bool parse_passwd(char *line, const char *user, struct identity *ret)
{
	char *fields[7], *p = line;

	for (int i = 0; i < 7; i++) {
		fields[i] = strsep(&p, ":");
		if (!fields[i])
			return false;
	}
	if (strcmp(fields[0], user) != 0)
		return false;
	ret->uid = (uid_t)strtoul(fields[2], NULL, 10);
	ret->gid = (gid_t)strtoul(fields[3], NULL, 10);
	snprintf(ret->home, sizeof(ret->home), "HOME=%.100s", fields[5]);
	snprintf(ret->user, sizeof(ret->user), "USER=%.40s", user);
	return true;
}

void as_step(struct agent *agent, const char *user)
{
	static char passwd[16u << 10];
	char path[PATH_SIZE], *save = NULL;

	agent->as = (struct identity){ 0 };
	if (strcmp(user, "-") == 0)
		return;
	if (!agent->newroot[0])
		agent_fail(agent, "as %s: there is no root file system yet", user);
	agent->as.inside = true;
	if (agent->fake)
		return;
	snprintf(path, sizeof(path), "%.200s/etc/passwd", agent->newroot);
	if (read_small(path, passwd, sizeof(passwd)) < 0)
		agent_fail(agent, "cannot read %s: %s", path, strerror(errno));
	for (char *line = strtok_r(passwd, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (parse_passwd(line, user, &agent->as))
			return;
	agent_fail(agent, "as %s: %s has no such user", user, path);
}

const char *identity_enter(const struct agent *agent)
{
	const struct identity *as = &agent->as;

	if (!as->inside || agent->fake)
		return NULL;
	if (chroot(agent->newroot) < 0 || chdir("/") < 0)
		return "chroot";
	if (setgroups(0, NULL) < 0 || setgid(as->gid) < 0 || setuid(as->uid) < 0)
		return "setuid";
	return NULL;
}
