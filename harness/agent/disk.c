// SPDX-License-Identifier: GPL-2.0-or-later
/* Block devices for the workload: made or found, filled, mounted, swapped to. A device in the guest's memory is
 * written to its end before anything else, so that it never allocates while a workload runs and its size is what it
 * holds. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/swap.h>
#include <unistd.h>

#define FILL_BYTES (256u << 10)
#define SWAP_MAGIC "SWAPSPACE2"

static struct disk {
	char name[32], kind[16];
	bool filled;
	uint64_t bytes;
} disks[4];
static unsigned int n_disks;

static void disk_absent(struct agent *agent, const char *path, const char *value)
{
	setting_judge(agent, path, value, "", "absent");
}

static void disk_trouble(struct agent *agent, const char *path, const char *value, const char *what)
{
	char status[256];

	snprintf(status, sizeof(status), "error: %.100s: %s", what, strerror(errno));
	setting_judge(agent, path, value, "", status);
}

/* ATTR=VALUE of a null_blk or zram device, in @dir. */
static void set_attribute(struct agent *agent, const char *dir, const char *word)
{
	char path[PATH_SIZE];
	const char *equal = strchr(word, '=');

	snprintf(path, sizeof(path), "%.300s/%.*s", dir, (int)(equal - word), word);
	setting_file(agent, path, path, equal + 1, false);
}

/* Documentation/block/null_blk.rst: a device is a folder of configfs. Its disk is called as the folder since 5.19, by
 * its index before. */
static bool make_null_blk(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64])
{
	char dir[PATH_SIZE], word[64], path[PATH_SIZE], index[32] = "";

	snprintf(dir, sizeof(dir), "/sys/kernel/config/nullb/%.32s", name);
	if (mkdir(dir, 0755) < 0) {
		disk_absent(agent, "/sys/kernel/config/nullb", name);
		return false;
	}
	set_attribute(agent, dir, "memory_backed=1");
	snprintf(word, sizeof(word), "size=%llu", (unsigned long long)(bytes >> 20));
	set_attribute(agent, dir, word);
	for (; *attributes; attributes++)
		set_attribute(agent, dir, *attributes);
	set_attribute(agent, dir, "power=1");
	snprintf(path, sizeof(path), "/sys/block/%.32s", name);
	if (access(path, F_OK) == 0) {
		snprintf(dev, 64, "%.32s", name);
		return true;
	}
	snprintf(path, sizeof(path), "%.400s/index", dir);
	if (read_small(path, index, sizeof(index)) > 0)
		snprintf(dev, 64, "nullb%lu", strtoul(index, NULL, 10));
	return true;
}

bool loop_attach(int file, uint32_t block_size, bool read_only, char dev[64])
{
	struct loop_config config = { .fd = (__u32)file, .block_size = block_size };
	int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC), loop = -1, n = -1;
	char path[80];
	bool ok;

	if (control >= 0)
		n = ioctl(control, LOOP_CTL_GET_FREE);
	if (n >= 0) {
		snprintf(dev, 64, "loop%d", n);
		snprintf(path, sizeof(path), "/dev/%s", dev);
		loop = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	}
	config.info.lo_flags = read_only ? LO_FLAGS_READ_ONLY : 0;
	ok = loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) == 0;
	/* the device keeps its file, and stays without being open */
	if (loop >= 0)
		close(loop);
	if (control >= 0)
		close(control);
	return ok;
}

/* The backing file has all its pages from the beginning, charged to process 1's cgroup: not a page of it is the
 * workload's. */
static bool make_loop(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64])
{
	char dir[PATH_SIZE], path[PATH_SIZE + 8], options[64];
	uint32_t block_size = 0;
	int file = -1;

	if (access(LOOP_CONTROL, F_OK) < 0) {
		disk_absent(agent, LOOP_CONTROL, name);
		return false;
	}
	snprintf(dir, sizeof(dir), DISK_BACKING "%.32s", name);
	make_parents(dir);
	snprintf(options, sizeof(options), "size=%llu", (unsigned long long)bytes);
	snprintf(path, sizeof(path), "%s/disk", dir);
	if (mount("tmpfs", dir, "tmpfs", 0, options) == 0)
		file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || fallocate(file, 0, 0, (off_t)bytes) < 0) {
		disk_trouble(agent, path, name, "cannot be allocated");
		return false;
	}
	for (; *attributes; attributes++) {
		if (strncmp(*attributes, "blocksize=", 10) == 0)
			block_size = (uint32_t)strtoul(*attributes + 10, NULL, 10);
	}
	if (!loop_attach(file, block_size, false, dev)) {
		disk_trouble(agent, path, name, "cannot be a loop device's");
		return false;
	}
	close(file);
	return true;
}

/* Documentation/admin-guide/blockdev/zram.rst: attributes before the size. */
static bool make_zram(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64])
{
	char word[64];

	if (access("/sys/block/zram0", F_OK) < 0) {
		disk_absent(agent, "/sys/block/zram0", name);
		return false;
	}
	for (; *attributes; attributes++)
		set_attribute(agent, "/sys/block/zram0", *attributes);
	snprintf(word, sizeof(word), "disksize=%llu", (unsigned long long)bytes);
	set_attribute(agent, "/sys/block/zram0", word);
	snprintf(dev, 64, "zram0");
	return true;
}

/* Its size is a word of the command line, brd.rd_size. */
static bool find_brd(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64])
{
	(void)bytes;
	(void)attributes;
	if (access("/sys/block/ram0", F_OK) < 0) {
		disk_absent(agent, "/sys/block/ram0", name);
		return false;
	}
	snprintf(dev, 64, "ram0");
	return true;
}

struct by_serial {
	const char *serial;
	char *dev;
};

/* "/sys/block/vda/serial" */
static void match_serial(void *arg, const char *path)
{
	const struct by_serial *s = arg;
	const char *name = path + strlen("/sys/block/");
	char serial[64];

	if (read_small(path, serial, sizeof(serial)) < 0)
		return;
	serial[strcspn(serial, "\n")] = '\0';
	if (strcmp(serial, s->serial) == 0)
		snprintf(s->dev, 64, "%.*s", (int)strcspn(name, "/"), name);
}

bool disk_by_serial(const char *serial, char dev[64])
{
	struct by_serial s = { serial, dev };

	dev[0] = '\0';
	glob_walk("/sys/block/vd*/serial", match_serial, &s);
	return dev[0];
}

static bool find_virtio(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64])
{
	(void)bytes;
	(void)attributes;
	if (!disk_by_serial(name, dev))
		disk_absent(agent, "/sys/block/vd*/serial", name);
	return dev[0];
}

static const struct disk_kind {
	const char *name;
	bool (*make)(struct agent *agent, const char *name, uint64_t bytes, char *const attributes[], char dev[64]);
	bool fill; /* takes a page at the first write to it */
} disk_kinds[] = {
	{ "null_blk", make_null_blk, true }, { "brd", find_brd, true },	       { "loop", make_loop, false },
	{ "zram", make_zram, false },	     { "virtio", find_virtio, false },
};

static const struct disk_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(disk_kinds) / sizeof(disk_kinds[0]); i++) {
		if (strcmp(disk_kinds[i].name, name) == 0)
			return &disk_kinds[i];
	}
	return NULL;
}

bool disk_kind_known(const char *name)
{
	return find_kind(name) != NULL;
}

/* Zeros to its end, past the page cache. */
static bool fill(struct agent *agent, const char *path, uint64_t bytes)
{
	void *zeros = mmap(NULL, FILL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	uint64_t at = 0;

	while (fd >= 0 && zeros != MAP_FAILED && at < bytes) {
		size_t len = bytes - at < FILL_BYTES ? (size_t)(bytes - at) : FILL_BYTES;
		ssize_t n = pwrite(fd, zeros, len, (off_t)at);

		if (n <= 0)
			break;
		at += (uint64_t)n;
	}
	if (at < bytes)
		disk_trouble(agent, path, "filled", "cannot be filled");
	if (zeros != MAP_FAILED)
		munmap(zeros, FILL_BYTES);
	if (fd >= 0)
		close(fd);
	return at == bytes;
}

static void judge_size(struct agent *agent, const char *name, uint64_t bytes)
{
	char path[PATH_SIZE], text[32] = "", want[24], is[24];

	snprintf(path, sizeof(path), DISK_DIR "%.32s/size", name);
	read_small(path, text, sizeof(text));
	snprintf(want, sizeof(want), "%llu", (unsigned long long)bytes / 512);
	snprintf(is, sizeof(is), "%llu", strtoull(text, NULL, 10));
	setting_judge(agent, path, want, is, NULL);
}

static bool discards(char *const attributes[])
{
	for (; *attributes; attributes++) {
		if (strcmp(*attributes, "discard=1") == 0)
			return true;
	}
	return false;
}

void disk_step(struct agent *agent, const char *name, const char *kind, uint64_t bytes, char *const attributes[])
{
	const struct disk_kind *k = find_kind(kind);
	char dev[64] = "", from[PATH_SIZE], to[PATH_SIZE];
	struct disk *disk = &disks[n_disks];

	if (agent->fake || n_disks == sizeof(disks) / sizeof(disks[0]))
		return;
	if (!k->make(agent, name, bytes, attributes, dev))
		return;
	mkdir("/disk", 0755);
	snprintf(from, sizeof(from), "/sys/block/%s", dev);
	snprintf(to, sizeof(to), DISK_DIR "%.32s", name);
	if (symlink(from, to) < 0)
		agent_note(agent, "%s: %s", to, strerror(errno));
	snprintf(to, sizeof(to), "/dev/%.32s", name);
	if (strcmp(dev, name) != 0 && symlink(dev, to) < 0)
		agent_note(agent, "%s: %s", to, strerror(errno));
	judge_size(agent, name, bytes);
	if (agent->failed_setting[0] || agent->absent_setting[0])
		return;
	snprintf(disk->name, sizeof(disk->name), "%s", name);
	snprintf(disk->kind, sizeof(disk->kind), "%s", kind);
	disk->bytes = bytes;
	disk->filled = k->fill && fill(agent, to, bytes) && !discards(attributes);
	n_disks++;
}

bool disk_filled(const char *kind, const char *dev, uint64_t *ret_bytes)
{
	for (unsigned int i = 0; i < n_disks; i++) {
		if (strcmp(disks[i].kind, kind) == 0 && (!dev || strcmp(disks[i].name, dev) == 0) && disks[i].filled) {
			*ret_bytes = disks[i].bytes;
			return true;
		}
	}
	return false;
}

/* ---- mounts */

/* The options of the mount at @target, as /proc/self/mounts shows them. */
static bool shown_options(const char *target, char *buf, size_t size)
{
	static char mounts[65536];
	char mark[PATH_SIZE];
	const char *at, *end;

	if (read_small("/proc/self/mounts", mounts, sizeof(mounts)) < 0)
		return false;
	snprintf(mark, sizeof(mark), " %.200s ", target);
	at = strstr(mounts, mark);
	at = at ? strchr(at + strlen(mark), ' ') : NULL;
	if (!at)
		return false;
	end = at + 1 + strcspn(at + 1, " \n");
	snprintf(buf, size, "%.*s", (int)(end - at - 1), at + 1);
	return true;
}

static bool has_option(const char *list, const char *option, size_t len)
{
	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',') {
		if (strcspn(p, ",") == len && memcmp(p, option, len) == 0)
			return true;
	}
	return false;
}

/* A file system may keep to itself what is its default: such an option is told in a note, and the mount counts as it
 * is. */
static void report_mount(struct agent *agent, const char *target, const char *options, const char *block)
{
	char path[PATH_SIZE], shown[2048] = "", is[24];
	struct statfs fs;
	bool there = shown_options(target, shown, sizeof(shown));
	const char *asked = strcmp(options, "-") == 0 ? "" : options;

	snprintf(path, sizeof(path), "mount%.200s/options", target);
	setting_report(agent, path, asked, shown, !there ? "absent" : *asked ? "ok" : "inherited");
	for (const char *p = asked; *p; p += strcspn(p, ","), p += *p == ',') {
		if (!has_option(shown, p, strcspn(p, ",")))
			agent_note(agent, "%s: the kernel does not show the option %.*s", target, (int)strcspn(p, ","),
				   p);
	}
	if (strcmp(block, "-") == 0 || statfs(target, &fs) < 0)
		return;
	snprintf(path, sizeof(path), "mount%.200s/block_size", target);
	snprintf(is, sizeof(is), "%llu", (unsigned long long)fs.f_bsize);
	setting_judge(agent, path, block, is, NULL);
}

/* Flags of mount(2) that no file system parses. */
static unsigned long take_flags(const char *options, char *rest, size_t size)
{
	static const struct {
		const char *name;
		unsigned long flag;
	} flags[] = {
		{ "noatime", MS_NOATIME },   { "nodiratime", MS_NODIRATIME },
		{ "relatime", MS_RELATIME }, { "strictatime", MS_STRICTATIME },
		{ "lazytime", MS_LAZYTIME }, { "sync", MS_SYNCHRONOUS },
		{ "dirsync", MS_DIRSYNC },   { "ro", MS_RDONLY },
		{ "nosuid", MS_NOSUID },     { "nodev", MS_NODEV },
		{ "noexec", MS_NOEXEC },
	};
	unsigned long found = 0;
	size_t used = 0;

	rest[0] = '\0';
	for (const char *p = options; *p; p += strcspn(p, ","), p += *p == ',') {
		size_t len = strcspn(p, ","), i = 0, n = sizeof(flags) / sizeof(flags[0]);

		while (i < n && (strlen(flags[i].name) != len || memcmp(flags[i].name, p, len) != 0))
			i++;
		if (i < n)
			found |= flags[i].flag;
		else if (used + len + 2 < size)
			used += (size_t)snprintf(rest + used, size - used, "%s%.*s", used ? "," : "", (int)len, p);
	}
	return found;
}

void attach_step(struct agent *agent, const char *type, const char *name, const char *target, const char *options,
		 const char *block)
{
	char from[PATH_SIZE], rest[1024], reason[PATH_SIZE * 2];
	unsigned long flags = take_flags(strcmp(options, "-") == 0 ? "" : options, rest, sizeof(rest));

	if (agent->fake)
		return;
	snprintf(from, sizeof(from), "/dev/%.32s", name);
	make_parents(target);
	if (mount(from, target, type, flags, rest[0] ? rest : NULL) < 0) {
		int saved = errno;
		bool lacks = !has_filesystem(type) || saved == ENOSYS || saved == EOPNOTSUPP;

		if (!has_filesystem(type))
			snprintf(reason, sizeof(reason), "there is no file system %.100s in this kernel", type);
		else
			snprintf(reason, sizeof(reason),
				 "cannot mount %s with blocks of %s bytes and options %.300s: %s (the kernel's own "
				 "words are on "
				 "the console)",
				 type, block, options, strerror(saved));
		agent_end(agent, lacks ? "unsupported" : "settings-failed", reason);
	}
	report_mount(agent, target, options, block);
}

void bind_step(struct agent *agent, const char *from, const char *to)
{
	if (agent->fake)
		return;
	make_parents(from);
	make_parents(to);
	if (strcmp(to, JOB_LOG_DIR) == 0)
		agent->log_flags = O_DSYNC;
	/* what would be hidden below is taken away: nothing else may count it */
	umount2(to, 0);
	if (mount(from, to, NULL, MS_BIND, NULL) < 0)
		agent_fail(agent, "cannot bind %s to %s: %s", from, to, strerror(errno));
}

/* ---- swap */

/* union swap_header of include/linux/swap.h: version 1, the last page, no bad ones, an identity; the magic ends the
 * page. */
static bool write_swap_header(int fd, uint64_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *header = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t info[3] = { 1, (uint32_t)(bytes / page - 1), 0 };
	bool ok;

	if (header == MAP_FAILED)
		return false;
	memcpy(header + 1024, info, sizeof(info));
	memset(header + 1036, 0x67, 16);
	memcpy(header + page - strlen(SWAP_MAGIC), SWAP_MAGIC, strlen(SWAP_MAGIC));
	ok = pwrite(fd, header, page, 0) == (ssize_t)page && fsync(fd) == 0;
	munmap(header, page);
	return ok;
}

/* "Filename Type Size Used Priority", KiB: the size of the only one there is. */
static void swap_shows(char *buf, size_t size)
{
	char text[1024];
	const char *line;

	buf[0] = '\0';
	if (read_small("/proc/swaps", text, sizeof(text)) < 0)
		return;
	line = strchr(text, '\n');
	if (line && line[1])
		sscanf(line + 1, "%*s %*s %23s", buf);
	(void)size;
}

void swapon_step(struct agent *agent, const char *name, uint64_t bytes)
{
	char path[PATH_SIZE], want[24], is[24] = "";
	int fd;

	/* a page is the header */
	snprintf(want, sizeof(want), "%llu", (unsigned long long)((bytes - agent_page_size(agent)) >> 10));
	if (agent->fake)
		return;
	agent->swaps = true;
	snprintf(path, sizeof(path), "/dev/%.32s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !write_swap_header(fd, bytes))
		disk_trouble(agent, "/proc/swaps", want, "no header");
	if (fd >= 0)
		close(fd);
	if (agent->failed_setting[0] || agent->absent_setting[0])
		return;
	if (swapon(path, 0) < 0) {
		if (errno == ENOSYS)
			disk_absent(agent, "/proc/swaps", want);
		else
			disk_trouble(agent, "/proc/swaps", want, "swapon");
		return;
	}
	swap_shows(is, sizeof(is));
	setting_judge(agent, "/proc/swaps", want, is, NULL);
}
