// SPDX-License-Identifier: GPL-2.0-or-later
/* From nothing to a guest that has said hello: mounts, cgroups, the port. */
#include "agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* mkdir -p of @path itself. */
void make_parents(const char *path)
{
	char part[PATH_SIZE];

	for (size_t i = 1; i < sizeof(part) - 1; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		mkdir(part, 0755);
		if (!path[i])
			return;
	}
}

void init_mounts(struct agent *agent)
{
	static const struct {
		const char *type, *target;
	} mounts[] = { { "devtmpfs", "/dev" }, { "proc", "/proc" }, { "sysfs", "/sys" } };

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		make_parents(mounts[i].target);
		/* devtmpfs may have been mounted by the kernel. */
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, 0, NULL) < 0 && errno != EBUSY)
			agent_fail(agent, "cannot mount %s on %s: %s", mounts[i].type, mounts[i].target,
				   strerror(errno));
	}
}

/* Without cgroups a cell still runs: its cgroup/ files are then absent. */
void init_cgroups(struct agent *agent)
{
	static const char on[] = "+memory";
	int fd;

	if (mount("cgroup2", CGROUP_ROOT, "cgroup2", 0, NULL) < 0) {
		agent_note(agent, "no cgroup v2 in this kernel: %s", strerror(errno));
		return;
	}
	fd = open(CGROUP_ROOT "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, on, strlen(on)) < 0)
		agent_note(agent, "no memory controller in this kernel: %s", strerror(errno));
	else
		agent->cgroups = true;
	if (fd >= 0)
		close(fd);
}

static void load_module(struct agent *agent, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
		agent_fail(agent, "cannot load the module %s: %s", path, strerror(errno));
	close(fd);
}

/* The job's module lines; whether they are well-formed and come first is checked with the rest of the job, once there
 * is a port to complain through. */
void init_modules(struct agent *agent, const char *job)
{
	static const char verb[] = "\nmodule\t";

	for (const char *p = job; (p = strstr(p, verb));) {
		char path[PATH_SIZE];

		p += strlen(verb);
		snprintf(path, sizeof(path), "%.*s", (int)strcspn(p, "\t\n"), p);
		load_module(agent, path);
	}
}

/* The device behind the port that is called WIRE_PORT_NAME. */
static bool find_port(char path[PATH_SIZE])
{
	static const char ports[] = "/sys/class/virtio-ports";
	DIR *dir = opendir(ports);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		char name[64];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, PATH_SIZE, "%s/%s/name", ports, entry->d_name);
		if (read_small(path, name, sizeof(name)) < 0)
			continue;
		name[strcspn(name, "\n")] = '\0';
		found = strcmp(name, WIRE_PORT_NAME) == 0;
		snprintf(path, PATH_SIZE, "/dev/%s", entry->d_name);
	}
	closedir(dir);
	return found;
}

void init_port(struct agent *agent)
{
	char path[PATH_SIZE];

	/* The device is probed before process 1 starts; the wait is for kernels that probe later. */
	for (int i = 0; !find_port(path); i++) {
		if (i == 100)
			agent_fail(agent, "there is no virtio port called " WIRE_PORT_NAME);
		usleep(20000);
	}
	agent->port = open(path, O_WRONLY | O_CLOEXEC);
	if (agent->port < 0)
		agent_fail(agent, "cannot open %s: %s", path, strerror(errno));
}

void mount_step(struct agent *agent, const char *type, const char *target, const char *options)
{
	if (agent->fake)
		return;
	make_parents(target);
	if (mount(type, target, type, 0, strcmp(options, "-") == 0 ? NULL : options) < 0)
		agent_fail(agent, "cannot mount %s on %s with options %s: %s", type, target, options, strerror(errno));
}

uint64_t agent_page_size(const struct agent *agent)
{
	char path[PATH_SIZE], text[32];

	if (agent->fake && read_small(agent_path(agent, "/page_size", path), text, sizeof(text)) > 0)
		return strtoull(text, NULL, 10);
	if (agent->fake_page)
		return agent->fake_page;
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int by_size(const void *a, const void *b)
{
	unsigned long long x = *(const unsigned long long *)a, y = *(const unsigned long long *)b;

	return x < y ? -1 : x > y;
}

/* "64K 128K 2M": the hugepages-*kB folders. */
static void thp_sizes(const struct agent *agent, char *buf, size_t size)
{
	unsigned long long kib[64];
	char path[PATH_SIZE];
	DIR *dir = opendir(agent_path(agent, "/sys/kernel/mm/transparent_hugepage", path));
	struct dirent *entry;
	size_t n = 0, used = 0;

	buf[0] = '\0';
	if (!dir)
		return;
	while (n < 64 && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "hugepages-%llukB", &kib[n]) == 1)
			n++;
	}
	closedir(dir);
	qsort(kib, n, sizeof(kib[0]), by_size);
	for (size_t i = 0; i < n && used < size; i++) {
		static const char suffix[] = "KMGT";
		unsigned long long v = kib[i];
		int s = 0;

		while (v && v % 1024 == 0 && s < 3) {
			v /= 1024;
			s++;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%llu%c", i ? " " : "", v, suffix[s]);
	}
}

static unsigned long long memory_kib(const struct agent *agent)
{
	char path[PATH_SIZE], text[4096];
	const char *line;

	if (read_small(agent_path(agent, "/proc/meminfo", path), text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, "MemTotal:");
	return line ? strtoull(line + strlen("MemTotal:"), NULL, 10) : 0;
}

void hello(struct agent *agent)
{
	char page[24], cpus[24], memory[24], sizes[512], cmdline[4096] = "", path[PATH_SIZE];
	struct utsname uts;

	uname(&uts);
	snprintf(page, sizeof(page), "%llu", (unsigned long long)agent_page_size(agent));
	snprintf(cpus, sizeof(cpus), "%ld", agent->fake ? 1 : sysconf(_SC_NPROCESSORS_ONLN));
	snprintf(memory, sizeof(memory), "%llu", memory_kib(agent));
	thp_sizes(agent, sizes, sizeof(sizes));
	read_small(agent_path(agent, "/proc/cmdline", path), cmdline, sizeof(cmdline));
	cmdline[strcspn(cmdline, "\n")] = '\0';

	const struct wire_field fields[] = {
		text_field("page_size"),  text_field(page),	     text_field("release"),   text_field(uts.release),
		text_field("version"),	  text_field(uts.version),   text_field("machine"),   text_field(uts.machine),
		text_field("cmdline"),	  text_field(cmdline),	     text_field("cpus"),      text_field(cpus),
		text_field("memory_kib"), text_field(memory),	     text_field("thp_sizes"), text_field(sizes),
		text_field("agent"),	  text_field(AGENT_VERSION),
	};

	emit(agent, WIRE_HELLO, fields, sizeof(fields) / sizeof(fields[0]));
	emit_flush(agent);
}
