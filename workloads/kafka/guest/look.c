// SPDX-License-Identifier: GPL-2.0-or-later
/* look: what a broker's files hold of memory, and what it has mapped. A guest program; the workload reads what it prints.
 *
 *   look OUT DIR [CGROUP]   write to OUT, a line each:
 *       file KIND SIZE ALLOCATED RESIDENT PATH    a regular file under DIR, its bytes by stat(2) and those of the page
 *                                                 cache; KIND is log, index, timeindex, or other
 *       map SIZE RSS PATH       a mapping of the processes of CGROUP that is of a file under DIR (/proc/PID/smaps)
 *       stack SIZE RSS          the mapping that a thread's stack pointer points into (/proc/PID/task/TID/syscall); those of
 *                               threads that run, or of a first thread, are left out
 *       process THREADS         one
 *   look --cold DIR         sync, unmount the file system that DIR is on wherever it is mounted and mount it again, drop clean
 *                           caches, and look: exit 1 where that is no disk's, where it is busy, and, with the names, where
 *                           anything of a regular file under DIR is still resident */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef SYS_cachestat
#define SYS_CACHESTAT SYS_cachestat
#else
#define SYS_CACHESTAT 451
#endif
#define DEPTH 16
#define CHUNK (UINT64_C(64) << 20) /* of a file that is looked at with one mincore() */
#define THREADS_MAX 4096
#define MOUNTS_MAX 16

static FILE *out;
static const char *dir;
static bool cold;
static unsigned int warm; /* files with something resident */
static long page;

/* mincore(2) says no of a page of which only some blocks were written (mm/mincore.c asks whether it is up to date), so of the
 * end of each log where pages are larger than blocks: cachestat(2), Linux 6.5, counts all. -1 with ENOSYS where it is not. */
static int64_t counted(int fd)
{
	struct {
		uint64_t cache, dirty, writeback, evicted, recently_evicted;
	} stat;
	const struct {
		uint64_t offset, len;
	} all = { 0, 0 };

	return syscall(SYS_CACHESTAT, fd, &all, &stat, 0) < 0 ? -1 : (int64_t)stat.cache * page;
}

/* Bytes of the page cache that are in core; -1: it cannot be told. */
static int64_t resident(const char *path, uint64_t size)
{
	static unsigned char pages[CHUNK / 4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t sum;

	if (fd < 0)
		return -1;
	sum = counted(fd);
	if (sum >= 0 || errno != ENOSYS) {
		close(fd);
		return sum;
	}
	sum = 0;
	for (uint64_t at = 0; at < size && sum >= 0; at += CHUNK) {
		size_t len = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		void *p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, (off_t)at);

		if (p == MAP_FAILED || mincore(p, len, pages) < 0) {
			sum = -1;
			break;
		}
		for (size_t i = 0; i < (len + (size_t)page - 1) / (size_t)page; i++)
			sum += pages[i] & 1 ? page : 0;
		munmap(p, len);
	}
	close(fd);
	return sum;
}

static const char *kind_of(const char *path)
{
	static const char *const kinds[] = { "log", "index", "timeindex" };
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(dot + 1, kinds[i]) == 0)
			return kinds[i];
	return "other";
}

static int see(const char *path, const struct stat *st, int type, struct FTW *at)
{
	int64_t bytes;

	(void)at;
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	bytes = resident(path, (uint64_t)st->st_size);
	if (bytes < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (cold && bytes) {
		fprintf(stderr, "%s: %" PRId64 " bytes are still resident\n", path, bytes);
		warm++;
	}
	if (out)
		fprintf(out, "file %s %lld %lld %" PRId64 " %s\n", kind_of(path), (long long)st->st_size,
			(long long)st->st_blocks * 512, bytes, path);
	return 0;
}

/* The stack pointers of @pid's threads but the first. */
static size_t stack_pointers(long pid, uint64_t *sp, size_t max, size_t *ret_threads)
{
	char path[96], line[256];
	struct dirent *entry;
	size_t n = 0;
	DIR *tasks;

	*ret_threads = 0;
	snprintf(path, sizeof(path), "/proc/%ld/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		long tid = strtol(entry->d_name, NULL, 10);
		char *words[9], *save = NULL;
		int words_n = 0;
		FILE *f;

		if (tid <= 0)
			continue;
		++*ret_threads;
		if (tid == pid || n == max)
			continue;
		/* "98 0x.. (six arguments) SP PC", "-1 SP PC", or "running" */
		snprintf(path, sizeof(path), "/proc/%ld/task/%ld/syscall", pid, tid);
		f = fopen(path, "re");
		if (f && fgets(line, sizeof(line), f))
			for (char *word = strtok_r(line, " \n", &save); word && words_n < 9;
			     word = strtok_r(NULL, " \n", &save))
				words[words_n++] = word;
		if (f)
			fclose(f);
		if (words_n >= 3)
			sp[n++] = strtoull(words[words_n - 2], NULL, 16);
	}
	if (tasks)
		closedir(tasks);
	return n;
}

/* One mapping is at an end: it is @begin to @end, and @rss of it is resident. */
static void take_map(uint64_t begin, uint64_t end, uint64_t rss, const char *name, const uint64_t *sp, size_t n)
{
	bool stack = false;

	if (name[0] == '/') {
		/* as the process sees it, which has another root: the end of the names must agree */
		const char *in_root = strstr(dir, "/root/") == dir ? dir + strlen("/root") : dir;

		if (strncmp(name, dir, strlen(dir)) == 0 || strncmp(name, in_root, strlen(in_root)) == 0)
			fprintf(out, "map %" PRIu64 " %" PRIu64 " %s\n", end - begin, rss, name);
		return;
	}
	for (size_t i = 0; i < n; i++)
		stack |= sp[i] >= begin && sp[i] < end;
	if (stack)
		fprintf(out, "stack %" PRIu64 " %" PRIu64 "\n", end - begin, rss);
}

static void look_at_process(long pid)
{
	static uint64_t sp[THREADS_MAX];
	char path[64], line[4096 + 256], name[4096] = "";
	uint64_t begin = 0, end = 0, rss = 0, from, to;
	size_t threads, n = stack_pointers(pid, sp, THREADS_MAX, &threads);
	FILE *f;

	fprintf(out, "process %zu\n", threads);
	snprintf(path, sizeof(path), "/proc/%ld/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		int at = 0;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", &from, &to, &at) == 2 && at) {
			if (end)
				take_map(begin, end, rss, name, sp, n);
			begin = from;
			end = to;
			rss = 0;
			line[strcspn(line, "\n")] = '\0';
			snprintf(name, sizeof(name), "%.4000s", line + at);
		} else if (strncmp(line, "Rss:", 4) == 0) {
			rss = strtoull(line + 4, NULL, 10) << 10;
		}
	}
	if (end)
		take_map(begin, end, rss, name, sp, n);
	fclose(f);
}

static int look_at_cgroup(const char *cgroup)
{
	char path[512];
	long pid;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "re");
	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	while (fscanf(f, "%ld", &pid) == 1)
		look_at_process(pid);
	fclose(f);
	return 0;
}

/* A line of /proc/self/mountinfo (Documentation/filesystems/proc.rst). */
struct mounted {
	char device[32], root[256], at[512], options[256], type[32], source[256], super[512];
};

/* What lies on the file system that DIR is on, in the order of its mounting: two mounts of one have one device number. */
static size_t find_mounts(struct mounted *found, size_t max)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[4096], device[32] = "";
	struct mounted m;
	size_t n = 0;

	/* the longest mount point that DIR begins with, then all with its device */
	for (size_t longest = 0, pass = 0; f && pass < 2; pass++, rewind(f))
		while (fgets(line, sizeof(line), f)) {
			const char *rest = strstr(line, " - ");
			size_t len;

			if (!rest ||
			    sscanf(line, "%*d %*d %31s %255s %511s %255s", m.device, m.root, m.at, m.options) != 4 ||
			    sscanf(rest, " - %31s %255s %511s", m.type, m.source, m.super) != 3)
				continue;
			len = strlen(m.at);
			if (pass == 1 && strcmp(m.device, device) == 0 && n < max)
				found[n++] = m;
			if (pass == 0 && len >= longest && strncmp(dir, m.at, len) == 0 &&
			    (dir[len] == '/' || !dir[len] || m.at[len - 1] == '/')) {
				longest = len;
				strcpy(device, m.device);
			}
		}
	if (f)
		fclose(f);
	return n;
}

/* The flags among @options ("rw,nosuid,relatime"), by name; @ret_rest: what is none, for the file system, may be NULL. */
static unsigned long flags_of(char *options, char *ret_rest)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = {
		{ "rw", 0 },
		{ "ro", MS_RDONLY },
		{ "nosuid", MS_NOSUID },
		{ "nodev", MS_NODEV },
		{ "noexec", MS_NOEXEC },
		{ "noatime", MS_NOATIME },
		{ "nodiratime", MS_NODIRATIME },
		{ "relatime", MS_RELATIME },
		{ "sync", MS_SYNCHRONOUS },
		{ "dirsync", MS_DIRSYNC },
		{ "lazytime", MS_LAZYTIME },
	};
	unsigned long sum = 0;
	char *save = NULL;

	for (char *word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		size_t i = 0, n = sizeof(flags) / sizeof(flags[0]);

		while (i < n && strcmp(flags[i].name, word) != 0)
			i++;
		if (i < n)
			sum |= flags[i].flag;
		else if (ret_rest)
			sprintf(ret_rest + strlen(ret_rest), "%s%s", *ret_rest ? "," : "", word);
	}
	return sum;
}

static int failed(const char *what, const char *name)
{
	fprintf(stderr, "%s %s: %s\n", what, name, strerror(errno));
	return -1;
}

/* A file system's own caches go with it, and what it had delayed is written. */
static int remount(void)
{
	static struct mounted mounts[MOUNTS_MAX];
	size_t n = find_mounts(mounts, MOUNTS_MAX);

	if (!n || mounts[0].source[0] != '/') {
		fprintf(stderr, "%s is on no disk (%s), so nothing of it can be cold\n", dir,
			n ? mounts[0].type : "nothing");
		return -1;
	}
	for (size_t i = n; i-- > 0;)
		if (umount2(mounts[i].at, 0) < 0)
			return failed("cannot unmount", mounts[i].at);
	for (size_t i = 0; i < n; i++) {
		struct mounted *m = &mounts[i];
		char rest[sizeof(m->super)] = "", whole[sizeof(m->at) + sizeof(m->root)];
		unsigned long flags = flags_of(m->options, NULL);

		snprintf(whole, sizeof(whole), "%s%s", mounts[0].at, strcmp(m->root, "/") ? m->root : "");
		if (i == 0 ? mount(m->source, m->at, m->type, flags | flags_of(m->super, rest), rest) < 0
			   : mount(whole, m->at, NULL, MS_BIND, NULL) < 0)
			return failed("cannot mount again", m->at);
	}
	return 0;
}

static int make_cold(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	if (remount() < 0)
		return 1;
	if (fd < 0 || write(fd, "3", 1) != 1) {
		failed("cannot write", "/proc/sys/vm/drop_caches");
		return 1;
	}
	close(fd);
	cold = true;
	if (nftw(dir, see, DEPTH, FTW_PHYS) < 0) {
		failed("cannot walk", dir);
		return 1;
	}
	return warm ? 1 : 0;
}

int main(int argc, char **argv)
{
	page = sysconf(_SC_PAGESIZE);
	if (argc < 3) {
		fprintf(stderr, "usage: look OUT DIR [CGROUP], look --cold DIR\n");
		return 2;
	}
	dir = argv[2];
	if (strcmp(argv[1], "--cold") == 0)
		return make_cold();
	out = fopen(argv[1], "we");
	if (!out || nftw(dir, see, DEPTH, FTW_PHYS) < 0) {
		fprintf(stderr, "%s: %s\n", out ? dir : argv[1], strerror(errno));
		return 1;
	}
	if (argc > 3 && look_at_cgroup(argv[3]) != 0)
		return 1;
	return fclose(out) == 0 ? 0 : 1;
}
