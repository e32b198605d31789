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

/* The value of huge= in the options of the mount at @target, as /proc/self/mounts shows it: never is not shown. */
static bool mount_huge(const char *target, char *buf, size_t size)
{
	static char mounts[65536];
	char mark[PATH_SIZE];
	const char *line, *end, *huge;

	if (read_small("/proc/self/mounts", mounts, sizeof(mounts)) < 0)
		return false;
	snprintf(mark, sizeof(mark), "\ntmpfs %s tmpfs ", target);
	line = strstr(mounts, mark);
	if (!line)
		return false;
	line++;
	end = line + strcspn(line, "\n");
	huge = strstr(line, ",huge=");
	snprintf(buf, size, "never");
	if (huge && huge < end)
		snprintf(buf, size, "%.*s", (int)strcspn(huge + 6, ", \n"), huge + 6);
	return true;
}

/* "nodev\ttmpfs\n" a line. The error of mount() does not tell: a kernel without debugfs has no folder for it either. */
bool has_filesystem(const char *type)
{
	char list[4096], mark[64];

	snprintf(mark, sizeof(mark), "\t%.50s\n", type);
	return read_small("/proc/filesystems", list, sizeof(list)) < 0 || strstr(list, mark);
}

static void mount_report(struct agent *agent, const char *target)
{
	char path[PATH_SIZE], huge[32] = "";
	bool any = strcmp(agent->tmpfs_shows, "-") == 0;
	bool there = agent->fake || mount_huge(target, huge, sizeof(huge));

	if (agent->fake)
		snprintf(huge, sizeof(huge), "%s", any ? "never" : agent->tmpfs_shows);
	snprintf(path, sizeof(path), "mount%.200s/huge", target);
	if (!any)
		setting_judge(agent, path, agent->tmpfs_shows, huge, there ? NULL : "absent");
	else
		emit(agent, WIRE_SETTING,
		     (const struct wire_field[]){ text_field(path), text_field(""), text_field(huge),
						  text_field(there ? "inherited" : "absent") },
		     4);
}

void mount_step(struct agent *agent, const char *type, const char *target, const char *options)
{
	bool tmpfs = strcmp(type, "tmpfs") == 0 && agent->tmpfs_huge[0];
	bool plain = strcmp(options, "-") == 0;
	char all[PATH_SIZE], reason[PATH_SIZE];

	snprintf(all, sizeof(all), "%s", plain ? "" : options);
	if (tmpfs && strcmp(agent->tmpfs_huge, "-") != 0 && !strstr(options, "huge="))
		snprintf(all, sizeof(all), "%.400s%shuge=%s", plain ? "" : options, plain ? "" : ",",
			 agent->tmpfs_huge);
	if (!agent->fake) {
		make_parents(target);
		if (mount(type, target, type, 0, all[0] ? all : NULL) < 0) {
			int saved = errno;

			if (!has_filesystem(type)) {
				snprintf(reason, sizeof(reason), "there is no file system %.100s in this kernel", type);
				agent_end(agent, "unsupported", reason);
			}
			errno = saved;
			agent_fail(agent, "cannot mount %s on %s with options %s: %s", type, target, all,
				   strerror(errno));
		}
	}
	/* a workload that names its own means it */
	if (tmpfs && !strstr(options, "huge="))
		mount_report(agent, target);
}

void mount_probe(struct agent *agent, const char *target, const char *values)
{
	char path[PATH_SIZE], old[32] = "", shown[32], option[64], taken[256] = "";
	size_t used = 0;

	if (agent->fake || !mount_huge(target, old, sizeof(old)))
		return;
	for (const char *p = values; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");

		snprintf(option, sizeof(option), "huge=%.*s", (int)(len < 32 ? len : 32), p);
		p += len;
		if (mount(NULL, target, NULL, MS_REMOUNT, option) < 0 || !mount_huge(target, shown, sizeof(shown)) ||
		    strcmp(shown, option + strlen("huge=")) != 0 || used + len + 2 > sizeof(taken))
			continue;
		used += (size_t)snprintf(taken + used, sizeof(taken) - used, "%s%s", used ? " " : "", shown);
	}
	snprintf(option, sizeof(option), "huge=%s", old);
	if (mount(NULL, target, NULL, MS_REMOUNT, option) < 0)
		agent_note(agent, "%s cannot have %s again: %s", target, option, strerror(errno));
	snprintf(path, sizeof(path), "mount%.200s/huge", target);
	setting_report(agent, path, values, taken, "probed");
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
	char page[24], cpus[24], memory[24], sizes[512], cmdline[4096] = "", text[128] = "", path[PATH_SIZE];
	struct utsname uts;

	uname(&uts);
	snprintf(page, sizeof(page), "%llu", (unsigned long long)agent_page_size(agent));
	snprintf(cpus, sizeof(cpus), "%ld", agent->fake ? 1 : sysconf(_SC_NPROCESSORS_ONLN));
	snprintf(memory, sizeof(memory), "%llu", memory_kib(agent));
	thp_sizes(agent, sizes, sizeof(sizes));
	read_small(agent_path(agent, "/proc/cmdline", path), cmdline, sizeof(cmdline));
	cmdline[strcspn(cmdline, "\n")] = '\0';
	/* where KASLR put the kernel: its first symbol, "ffffb2f3d8e00000 T _text" */
	read_small(agent_path(agent, "/proc/kallsyms", path), text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';

	const struct wire_field fields[] = {
		text_field("page_size"),  text_field(page),	     text_field("release"),   text_field(uts.release),
		text_field("version"),	  text_field(uts.version),   text_field("machine"),   text_field(uts.machine),
		text_field("cmdline"),	  text_field(cmdline),	     text_field("cpus"),      text_field(cpus),
		text_field("memory_kib"), text_field(memory),	     text_field("thp_sizes"), text_field(sizes),
		text_field("agent"),	  text_field(AGENT_VERSION), text_field("kallsyms"),  text_field(text),
	};

	emit(agent, WIRE_HELLO, fields, sizeof(fields) / sizeof(fields[0]));
	emit_flush(agent);
}
