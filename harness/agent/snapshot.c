// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots: the contents of many files at one moment, kept in static memory until they are written out. Knows no
 * file but vm.stat_refresh and those of a cgroup; what a line of the others means is the reader's. */
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
#define RECORD_FILES ((WIRE_FIELDS_MAX - 5) / 2)

static char buffers[2][SNAPSHOT_BYTES];
static struct snapshot_file files[2][SNAPSHOT_FILES];
static struct snapshot snapshots[2] = {
	{ .buf = buffers[0], .files = files[0] },
	{ .buf = buffers[1], .files = files[1] },
};
static char watch_names[WATCH_BYTES];
static size_t watch_used;
static struct watch_file {
	const char *path;  /* in watch_names, as the rest */
	const char *words; /* the first words of the lines to keep, each with its NUL */
	unsigned int n_words;
	bool state; /* not read around samples */
} watches[SNAPSHOT_FILES];
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

const char *counted_path(const struct agent *agent, const char *path, char buf[PATH_SIZE])
{
	static const char cgroup[] = "cgroup/";

	if (strncmp(path, cgroup, strlen(cgroup)) != 0)
		return agent_path(agent, path, buf);
	snprintf(buf, PATH_SIZE, "%s" CGROUP_ROOT "/%.200s/%s", agent->root, agent->phase, path + strlen(cgroup));
	return buf;
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

static const char *keep_name(struct agent *agent, const char *name)
{
	size_t len = strlen(name) + 1;
	char *kept = watch_names + watch_used;

	if (len > sizeof(watch_names) - watch_used)
		agent_fail(agent, "the names of the watched files are too long, at %s", name);
	watch_used += len;
	return memcpy(kept, name, len);
}

struct watching {
	struct agent *agent;
	struct watch_file proto;
};

static void watch_one(void *arg, const char *path)
{
	struct watching *w = arg;
	const char *name = path + strlen(w->agent->root);

	if (n_watches == SNAPSHOT_FILES)
		agent_fail(w->agent, "too many files to watch (%u), at %s", n_watches, name);
	watches[n_watches] = w->proto;
	watches[n_watches++].path = keep_name(w->agent, name);
}

void watch_add(struct agent *agent, const char *pattern, char *const words[], bool state)
{
	struct watching w = { .agent = agent, .proto = { .words = watch_names + watch_used, .state = state } };
	char path[PATH_SIZE];

	for (; words[w.proto.n_words]; w.proto.n_words++)
		keep_name(agent, words[w.proto.n_words]);
	agent_path(agent, pattern, path);
	if (!strpbrk(pattern, "*?["))
		watch_one(&w, path);
	else if (glob_walk(path, watch_one, &w) == 0)
		agent_note(agent, "nothing matches %s", pattern);
}

static bool keeps(const struct watch_file *watch, const char *word, size_t len)
{
	const char *p = watch->words;

	for (unsigned int i = 0; i < watch->n_words; i++, p += strlen(p) + 1) {
		if (strlen(p) == len && memcmp(p, word, len) == 0)
			return true;
	}
	return false;
}

/* Of @len bytes the lines that are wanted, without the blanks before them; their length. In place. */
static size_t keep_lines(const struct watch_file *watch, char *buf, size_t len)
{
	size_t used = 0;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(buf + at, '\n', len - at);
		size_t next = end ? (size_t)(end - buf) + 1 : len, word = at;

		while (word < next && buf[word] == ' ')
			word++;
		for (at = word; at < next && buf[at] != ' ' && buf[at] != '\n';)
			at++;
		if (keeps(watch, buf + word, at - word)) {
			memmove(buf + used, buf + word, next - word);
			used += next - word;
		}
		at = next;
	}
	return used;
}

static struct snapshot_file *next_file(struct agent *agent, struct snapshot *snapshot, const char *name)
{
	struct snapshot_file *file = &snapshot->files[snapshot->n_files];

	if (snapshot->n_files == SNAPSHOT_FILES || SNAPSHOT_BYTES - snapshot->used < PATH_SIZE)
		agent_fail(agent, "a snapshot holds more than %u files or %u bytes", SNAPSHOT_FILES, SNAPSHOT_BYTES);
	snapshot->n_files++;
	*file = (struct snapshot_file){ name, snapshot->used, -1 };
	return file;
}

/* @path is read, @name is what the record calls it. @watch: whose lines are wanted, NULL: all. */
static void add_file(struct agent *agent, struct snapshot *snapshot, const char *name, const char *path,
		     const struct watch_file *watch)
{
	struct snapshot_file *file = next_file(agent, snapshot, name);
	size_t room = SNAPSHOT_BYTES - snapshot->used;

	file->len = read_small(path, snapshot->buf + snapshot->used, room < FILE_CUT + 1 ? room : FILE_CUT + 1);
	if (file->len > 0 && watch && watch->n_words)
		file->len = (ssize_t)keep_lines(watch, snapshot->buf + snapshot->used, (size_t)file->len);
	if (file->len > 0)
		snapshot->used += (size_t)file->len;
}

static void add_storage(struct agent *agent, struct snapshot *snapshot)
{
	struct snapshot_file *file = next_file(agent, snapshot, STORAGE_NAME);

	file->len = (ssize_t)storage_list(agent, snapshot->buf + snapshot->used, SNAPSHOT_BYTES - snapshot->used);
	snapshot->used += (size_t)file->len;
}

void snapshot_take(struct agent *agent, struct snapshot *snapshot, unsigned int what)
{
	static const char *const cgroup_files[] = { "cgroup/memory.current", "cgroup/memory.peak",
						    "cgroup/memory.stat",    "cgroup/memory.pressure",
						    "cgroup/cpu.pressure",   "cgroup/io.pressure" };
	char path[PATH_SIZE];
	int fd;

	snapshot->used = snapshot->n_files = 0;
	/* Fold the per-CPU counters into what vmstat and meminfo show (Documentation/admin-guide/sysctl/vm.rst). */
	fd = agent->fake ? -1 : open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) < 0)
			agent_note(agent, "vm.stat_refresh: %s", strerror(errno));
		close(fd);
	}
	for (size_t i = 0; what & SNAPSHOT_CGROUP && i < sizeof(cgroup_files) / sizeof(cgroup_files[0]); i++)
		add_file(agent, snapshot, cgroup_files[i], counted_path(agent, cgroup_files[i], path), NULL);
	if (what & SNAPSHOT_CGROUP && agent->swaps)
		add_file(agent, snapshot, "cgroup/memory.swap.current",
			 counted_path(agent, "cgroup/memory.swap.current", path), NULL);
	for (unsigned int i = 0; i < n_watches; i++) {
		if (!watches[i].state || what & SNAPSHOT_STATE)
			add_file(agent, snapshot, watches[i].path, agent_path(agent, watches[i].path, path),
				 &watches[i]);
	}
	if (what & SNAPSHOT_STATE)
		add_storage(agent, snapshot);
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
		add_file(agent, snapshot, name, agent_path(agent, name, path), NULL);
	}
}

void snapshot_add_folios(struct agent *agent, struct snapshot *snapshot, const char *pids)
{
	struct snapshot_file *file = next_file(agent, snapshot, FOLIOS_NAME);

	file->len = folios_list(agent, pids, snapshot->buf + snapshot->used, SNAPSHOT_BYTES - snapshot->used);
	if (file->len > 0)
		snapshot->used += (size_t)file->len;
}

void snapshot_add_pmu(struct agent *agent, struct snapshot *snapshot, int when)
{
	struct snapshot_file *file;

	if (!pmu_counts())
		return;
	file = next_file(agent, snapshot, PMU_NAME);
	file->len = pmu_list(when, snapshot->buf + snapshot->used, SNAPSHOT_BYTES - snapshot->used);
	if (file->len > 0)
		snapshot->used += (size_t)file->len;
}

/* How many files from @from on go into one record: of one folder, none absent. */
static unsigned int same_folder(const struct snapshot *snapshot, unsigned int from)
{
	const struct snapshot_file *first = &snapshot->files[from];
	const char *slash = strrchr(first->path, '/');
	size_t folder = slash ? (size_t)(slash - first->path) + 1 : 0, bytes = 0;
	unsigned int n = 0;

	while (slash && from + n < snapshot->n_files && n < RECORD_FILES) {
		const struct snapshot_file *file = &snapshot->files[from + n];

		if (file->len < 0 || strncmp(file->path, first->path, folder) != 0 || strchr(file->path + folder, '/'))
			break;
		bytes += (size_t)file->len + PATH_SIZE;
		if (n && bytes > FILE_CUT)
			break;
		n++;
	}
	return n;
}

static void emit_folder(struct agent *agent, const struct snapshot *snapshot, const struct snapshot_file *first,
			unsigned int n, struct wire_field fields[WIRE_FIELDS_MAX])
{
	size_t folder = (size_t)(strrchr(first[0].path, '/') - first[0].path);

	fields[4] = (struct wire_field){ first[0].path, folder };
	for (unsigned int i = 0; i < n; i++) {
		fields[5 + 2 * i] = text_field(first[i].path + folder + 1);
		fields[6 + 2 * i] = (struct wire_field){ snapshot->buf + first[i].offset, (size_t)first[i].len };
	}
	emit(agent, WIRE_FILES, fields, 5 + 2 * n);
}

void snapshot_emit(struct agent *agent, const struct snapshot *snapshot, const char *phase, const char *kind,
		   const char *index, const char *when)
{
	struct wire_field fields[WIRE_FIELDS_MAX] = { text_field(phase), text_field(kind), text_field(index),
						      text_field(when) };

	for (unsigned int i = 0, n; i < snapshot->n_files; i += n) {
		const struct snapshot_file *file = &snapshot->files[i];

		n = same_folder(snapshot, i);
		if (n > 1) {
			emit_folder(agent, snapshot, file, n, fields);
			continue;
		}
		n = 1;
		fields[4] = text_field(file->path);
		if (file->len >= 0)
			fields[5] = (struct wire_field){ snapshot->buf + file->offset, (size_t)file->len };
		emit(agent, WIRE_FILE, fields, file->len < 0 ? 5 : 6);
	}
}
