// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guest's memory holds as a disk would: memory file systems and block devices in memory. A reader needs it to
 * tell a workload's memory from its files. Says only what the kernel says: how much a device of null_blk or brd has
 * allocated is in no file, so that is "-", never 0, unless it was filled to its end (disk.c). */
#include "agent/agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define MOUNTS_MAX 64
#define UNKNOWN UINT64_MAX

struct list {
	struct agent *agent;
	char *buf;
	size_t size, used;
};

static const char *number(uint64_t n, char buf[24])
{
	if (n == UNKNOWN)
		return "-";
	snprintf(buf, 24, "%" PRIu64, n);
	return buf;
}

/* A line that does not fit is left out whole. */
static void add_line(struct list *list, const char *kind, const char *name, uint64_t used, uint64_t capacity)
{
	char line[PATH_SIZE + 80], a[24], b[24];
	int len =
		snprintf(line, sizeof(line), "%.16s %.400s %s %s\n", kind, name, number(used, a), number(capacity, b));

	if ((size_t)len > list->size - list->used)
		return;
	memcpy(list->buf + list->used, line, (size_t)len);
	list->used += (size_t)len;
}

/* Blocks of a file system without a limit are not counted by statfs(): f_blocks is 0 (shmem_statfs() in mm/shmem.c,
 * simple_statfs() for ramfs). A fake guest does not look at its host. */
static void add_mount(struct list *list, const char *type, const char *target)
{
	struct statfs fs;
	uint64_t unit;

	if (list->agent->fake || statfs(target, &fs) < 0 || !fs.f_blocks || fs.f_bfree > fs.f_blocks) {
		add_line(list, type, target, UNKNOWN, UNKNOWN);
		return;
	}
	unit = (uint64_t)fs.f_bsize;
	add_line(list, type, target, (fs.f_blocks - fs.f_bfree) * unit, fs.f_blocks * unit);
}

static bool seen_before(dev_t dev, dev_t *seen, unsigned int *n)
{
	for (unsigned int i = 0; i < *n; i++) {
		if (seen[i] == dev)
			return true;
	}
	if (*n < MOUNTS_MAX)
		seen[(*n)++] = dev;
	return false;
}

/* One file system may be mounted in several places. */
static void add_mounts(struct list *list)
{
	static const char *const types[] = { "tmpfs", "ramfs", "rootfs", "devtmpfs" };
	static char text[16u << 10];
	char path[PATH_SIZE], target[PATH_SIZE], type[32];
	unsigned int n_seen = 0;
	dev_t seen[MOUNTS_MAX];

	if (read_small(agent_path(list->agent, "/proc/self/mounts", path), text, sizeof(text)) < 0)
		return;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		struct stat st;

		if (sscanf(line, "%*s %400s %31s", target, type) != 2)
			continue;
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			if (strcmp(type, types[i]) == 0 &&
			    (list->agent->fake || (stat(target, &st) == 0 && !seen_before(st.st_dev, seen, &n_seen))))
				add_mount(list, strncmp(target, DISK_BACKING, strlen(DISK_BACKING)) ? type : "loop",
					  target);
		}
	}
}

/* The @nth number (from 0) of a small file. */
static uint64_t file_number(const char *path, unsigned int nth)
{
	char text[512], *p = text, *end;
	uint64_t v = UNKNOWN;

	if (read_small(path, text, sizeof(text)) < 0)
		return UNKNOWN;
	for (unsigned int i = 0; i <= nth; i++, p = end) {
		v = strtoull(p, &end, 10);
		if (end == p)
			return UNKNOWN;
	}
	return v;
}

/* The last folder of @path: ".../zram0/mm_stat" -> "zram0". */
static void folder_name(const char *path, char *buf, size_t size)
{
	const char *end = strrchr(path, '/'), *begin = end;

	while (begin > path && begin[-1] != '/')
		begin--;
	snprintf(buf, size, "%.*s", (int)(end - begin), begin);
}

/* mm_stat: orig_data_size compr_data_size mem_used_total ... (Documentation/admin-guide/blockdev/zram.rst). */
static void add_zram(void *arg, const char *path)
{
	struct list *list = arg;
	char name[64], disksize[PATH_SIZE + 16];

	folder_name(path, name, sizeof(name));
	snprintf(disksize, sizeof(disksize), "%.*s/disksize", (int)(strrchr(path, '/') - path), path);
	add_line(list, "zram", name, file_number(path, 2), file_number(disksize, 0));
}

static void add_brd(void *arg, const char *path)
{
	char name[64];
	uint64_t sectors = file_number(path, 0), used = UNKNOWN;

	folder_name(path, name, sizeof(name));
	disk_filled("brd", strcmp(name, "ram0") == 0 ? NULL : name, &used);
	add_line(arg, "brd", name, used, sectors == UNKNOWN ? UNKNOWN : sectors * 512);
}

static void add_null_blk(void *arg, const char *path)
{
	char name[64], size[PATH_SIZE + 16];
	uint64_t mib, used = UNKNOWN;

	if (file_number(path, 0) != 1)
		return;
	folder_name(path, name, sizeof(name));
	snprintf(size, sizeof(size), "%.*s/size", (int)(strrchr(path, '/') - path), path);
	mib = file_number(size, 0);
	disk_filled("null_blk", name, &used);
	add_line(arg, "null_blk", name, used, mib == UNKNOWN ? UNKNOWN : mib << 20);
}

size_t storage_list(struct agent *agent, char *buf, size_t size)
{
	static const struct {
		const char *pattern;
		void (*add)(void *arg, const char *path);
	} devices[] = {
		{ "/sys/block/zram*/mm_stat", add_zram },
		{ "/sys/block/ram*/size", add_brd },
		{ "/sys/kernel/config/nullb/*/memory_backed", add_null_blk },
	};
	struct list list = { agent, buf, size, 0 };
	char path[PATH_SIZE];

	add_mounts(&list);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		glob_walk(agent_path(agent, devices[i].pattern, path), devices[i].add, &list);
	return list.used;
}
