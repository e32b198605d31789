// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots: the contents of many files at one moment, kept in static memory until they are written out. Knows no
 * file but vm.stat_refresh and the three of a cgroup. */
#include "agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GLOB_ENTRIES 1024

static char buffers[2][SNAPSHOT_BYTES];
static struct snapshot_file files[2][SNAPSHOT_FILES];
static struct snapshot snapshots[2] = {
	{ .buf = buffers[0], .files = files[0] },
	{ .buf = buffers[1], .files = files[1] },
};
static char watch_names[WATCH_BYTES];
static size_t watch_used;
static const char *watches[SNAPSHOT_FILES];
static unsigned int n_watches;

extern char __bss_start[], _end[];

struct snapshot *snapshot_get(int which)
{
	return &snapshots[which];
}

/* All of .bss, whoever's it is: there lies every buffer of the agent. Its folios stay small whatever the kernel's
 * default, so that a profile's counters do not hold the agent's own. */
/* Between the variables of a build with AddressSanitizer lies what must not be touched. */
__attribute__((no_sanitize_address)) void snapshot_prepare(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t begin = ((uintptr_t)__bss_start + page - 1) & ~(page - 1), end = (uintptr_t)_end;

	if (end <= begin)
		return;
	madvise((void *)begin, end - begin, MADV_NOHUGEPAGE);
	for (uintptr_t p = begin; p < end; p += page)
		*(volatile char *)p = *(volatile char *)p;
}

ssize_t read_small(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -1;
	while (used < size - 1) {
		n = read(fd, buf + used, size - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	if (n < 0)
		return -1;
	buf[used] = '\0';
	return (ssize_t)used;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One part of a pattern that has wildcards: the entries of @dir that match, sorted. */
static size_t list_matches(const char *dir, const char *part, char **names, size_t max)
{
	DIR *d = opendir(*dir ? dir : "/");
	struct dirent *entry;
	size_t n = 0;

	if (!d)
		return 0;
	while (n < max && (entry = readdir(d))) {
		if (fnmatch(part, entry->d_name, FNM_PERIOD) == 0)
			names[n++] = strdup(entry->d_name);
	}
	closedir(d);
	qsort(names, n, sizeof(*names), by_name);
	return n;
}

unsigned int glob_walk(const char *pattern, void (*found)(void *arg, const char *path), void *arg)
{
	const char *wild = strpbrk(pattern, "*?["), *begin, *end;
	char dir[PATH_SIZE], part[PATH_SIZE], next[PATH_SIZE * 2], *names[GLOB_ENTRIES];
	unsigned int n = 0;
	size_t n_names;

	if (!wild) {
		if (access(pattern, F_OK) < 0)
			return 0;
		found(arg, pattern);
		return 1;
	}
	for (begin = wild; begin > pattern && begin[-1] != '/';)
		begin--;
	end = begin + strcspn(begin, "/");
	snprintf(dir, sizeof(dir), "%.*s", (int)(begin > pattern ? begin - pattern - 1 : 0), pattern);
	snprintf(part, sizeof(part), "%.*s", (int)(end - begin), begin);
	n_names = list_matches(dir, part, names, GLOB_ENTRIES);
	for (size_t i = 0; i < n_names; i++) {
		snprintf(next, sizeof(next), "%s/%s%s", dir, names[i], end);
		if (strlen(next) < PATH_SIZE)
			n += glob_walk(next, found, arg);
		free(names[i]);
	}
	return n;
}

static void watch_one(void *arg, const char *path)
{
	struct agent *agent = arg;
	const char *name = path + strlen(agent->root);
	size_t len = strlen(name) + 1;

	if (n_watches == SNAPSHOT_FILES || len > sizeof(watch_names) - watch_used)
		agent_fail(agent, "too many files to watch (%u), at %s", n_watches, name);
	watches[n_watches++] = memcpy(watch_names + watch_used, name, len);
	watch_used += len;
}

void watch_add(struct agent *agent, const char *pattern)
{
	char path[PATH_SIZE];

	agent_path(agent, pattern, path);
	if (!strpbrk(pattern, "*?["))
		watch_one(agent, path);
	else if (glob_walk(path, watch_one, agent) == 0)
		agent_note(agent, "nothing matches %s", pattern);
}

/* @path is read, @name is what the record calls it. */
static void add_file(struct agent *agent, struct snapshot *snapshot, const char *name, const char *path)
{
	struct snapshot_file *file = &snapshot->files[snapshot->n_files];
	size_t room = SNAPSHOT_BYTES - snapshot->used;

	if (snapshot->n_files == SNAPSHOT_FILES || room < PATH_SIZE)
		agent_fail(agent, "a snapshot holds more than %u files or %u bytes", SNAPSHOT_FILES, SNAPSHOT_BYTES);
	file->path = name;
	file->offset = snapshot->used;
	file->len = read_small(path, snapshot->buf + snapshot->used, room < FILE_CUT + 1 ? room : FILE_CUT + 1);
	if (file->len > 0)
		snapshot->used += (size_t)file->len;
	snapshot->n_files++;
}

void snapshot_take(struct agent *agent, struct snapshot *snapshot, bool with_cgroup)
{
	static const char *const cgroup_files[] = { "cgroup/memory.current", "cgroup/memory.peak",
						    "cgroup/memory.stat" };
	char path[PATH_SIZE * 2];
	int fd;

	snapshot->used = snapshot->n_files = 0;
	/* Fold the per-CPU counters into what vmstat and meminfo show (Documentation/admin-guide/sysctl/vm.rst). */
	fd = agent->fake ? -1 : open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			agent_note(agent, "vm.stat_refresh: %s", strerror(errno));
		close(fd);
	}
	for (size_t i = 0; with_cgroup && i < sizeof(cgroup_files) / sizeof(cgroup_files[0]); i++) {
		snprintf(path, sizeof(path), "%s" CGROUP_ROOT "/%s/%s", agent->root, agent->phase,
			 cgroup_files[i] + strlen("cgroup/"));
		add_file(agent, snapshot, cgroup_files[i], path);
	}
	for (unsigned int i = 0; i < n_watches; i++)
		add_file(agent, snapshot, watches[i], agent_path(agent, watches[i], path));
}

void snapshot_add_process(struct agent *agent, struct snapshot *snapshot, pid_t pid)
{
	static const char *const names[] = { "status", "smaps_rollup" };
	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *name = snapshot->buf + snapshot->used;
		size_t room = SNAPSHOT_BYTES - snapshot->used;

		if (room < PATH_SIZE)
			agent_fail(agent, "a snapshot holds more than %u bytes", SNAPSHOT_BYTES);
		/* A fake guest has one process, always the same. */
		snapshot->used +=
			1 + (size_t)snprintf(name, PATH_SIZE, "/proc/%d/%s", agent->fake ? 1 : (int)pid, names[i]);
		add_file(agent, snapshot, name, agent_path(agent, name, path));
	}
}

void snapshot_emit(struct agent *agent, const struct snapshot *snapshot, const char *phase, const char *kind,
		   const char *index, const char *when)
{
	for (unsigned int i = 0; i < snapshot->n_files; i++) {
		const struct snapshot_file *file = &snapshot->files[i];
		const struct wire_field fields[] = {
			text_field(phase),	text_field(kind),
			text_field(index),	text_field(when),
			text_field(file->path), { snapshot->buf + file->offset, file->len < 0 ? 0 : (size_t)file->len },
		};

		emit(agent, WIRE_FILE, fields, file->len < 0 ? 5 : 6);
	}
}
