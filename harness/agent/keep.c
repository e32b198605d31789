// SPDX-License-Identifier: GPL-2.0-or-later
/* What one guest prepares and others begin with: a folder's tree, or what is not zero of a block device, out through
 * the stream and back from a file. Between the two it is a cpio archive of the format "newc"
 * (Documentation/driver-api/early-userspace/buffer-format.rst), which `cpio -t` shows too: of a device its entries are
 * regular files called by their offset, in hexadecimal. */
#include "agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAGIC "070701"
#define TRAILER "TRAILER!!!"
#define HEAD_SIZE 110u
#define NAME_SIZE 512u
#define RECORD_BYTES (512u << 10) /* of the archive in one record */
#define BLOCK_BYTES (64u << 10)	  /* of a device: zero as a whole, or kept */
#define RUN_BYTES (4u << 20)	  /* of a device in one entry */
#define LINK_SIZE 256u

/* The fields of a head, in its order; each is eight hexadecimal digits. */
enum field {
	INO,
	MODE,
	UID,
	GID,
	NLINK,
	MTIME,
	SIZE,
	DEV_MAJOR,
	DEV_MINOR,
	RDEV_MAJOR,
	RDEV_MINOR,
	NAME,
	CHECK,
	FIELDS
};

/* ---- Out */

static struct {
	struct agent *agent;
	char name[80];
	char buf[RECORD_BYTES];
	size_t used;
	uint64_t offset; /* in the archive, of buf */
	uint32_t entries;
} keeping;

static void send_out(void)
{
	char at[24], size[24];

	if (!keeping.used)
		return;
	snprintf(at, sizeof(at), "%llu", (unsigned long long)keeping.offset);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)keeping.offset + keeping.used);
	emit(keeping.agent, WIRE_ARTIFACT,
	     (const struct wire_field[]){
		     text_field(keeping.name), text_field(at), text_field(size), { keeping.buf, keeping.used } },
	     4);
	emit_flush(keeping.agent);
	keeping.offset += keeping.used;
	keeping.used = 0;
}

static void archive_put(const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		size_t n = sizeof(keeping.buf) - keeping.used < len ? sizeof(keeping.buf) - keeping.used : len;

		memcpy(keeping.buf + keeping.used, p, n);
		keeping.used += n;
		p += n;
		len -= n;
		if (keeping.used == sizeof(keeping.buf))
			send_out();
	}
}

/* Heads and contents begin at multiples of 4. */
static void put_padding(void)
{
	static const char zeros[4];

	archive_put(zeros, (4 - (keeping.offset + keeping.used) % 4) % 4);
}

static void put_head(const char *name, const struct stat *st, uint64_t size)
{
	uint32_t fields[FIELDS] = {
		[INO] = ++keeping.entries,
		[MODE] = st->st_mode,
		[UID] = st->st_uid,
		[GID] = st->st_gid,
		[NLINK] = 1,
		[MTIME] = (uint32_t)st->st_mtime,
		[SIZE] = (uint32_t)size,
		[NAME] = (uint32_t)strlen(name) + 1,
	};
	char head[HEAD_SIZE + 1] = MAGIC;

	for (int i = 0; i < FIELDS; i++)
		snprintf(head + 6 + i * 8, 9, "%08X", fields[i]);
	archive_put(head, HEAD_SIZE);
	archive_put(name, fields[NAME]);
	put_padding();
}

static void __attribute__((noreturn)) keep_fail(const char *path, const char *why)
{
	agent_fail(keeping.agent, "%s cannot be kept: %s", path, why);
}

static void put_file(const char *path, const char *name, const struct stat *st)
{
	static char buf[BLOCK_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t left = (uint64_t)st->st_size;
	ssize_t n = 0;

	if (fd < 0)
		keep_fail(path, strerror(errno));
	if (left > UINT32_MAX)
		keep_fail(path, "it is larger than 4 GiB");
	put_head(name, st, left);
	while (left && (n = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf))) > 0) {
		archive_put(buf, (size_t)n);
		left -= (uint64_t)n;
	}
	if (left)
		keep_fail(path, n < 0 ? strerror(errno) : "it became shorter meanwhile");
	put_padding();
	close(fd);
}

static void put_link(const char *path, const char *name, const struct stat *st)
{
	char to[LINK_SIZE];
	ssize_t n = readlink(path, to, sizeof(to));

	if (n < 0 || n == sizeof(to))
		keep_fail(path, n < 0 ? strerror(errno) : "its target is too long");
	put_head(name, st, (uint64_t)n);
	archive_put(to, (size_t)n);
	put_padding();
}

static void put_tree(const char *path, const char *name);

/* @own in the folder @path, which the archive calls @name. Sockets and pipes are those of programs that have ended. */
static void put_below(const char *path, const char *name, const char *own)
{
	char below[NAME_SIZE * 2], called[NAME_SIZE];
	struct stat st;

	snprintf(below, sizeof(below), "%s/%s", path, own);
	if (snprintf(called, sizeof(called), "%s%s%s", name, *name ? "/" : "", own) >= (int)sizeof(called))
		keep_fail(below, "its name is too long");
	if (lstat(below, &st) < 0)
		keep_fail(below, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		put_head(called, &st, 0);
		put_tree(below, called);
	} else if (S_ISREG(st.st_mode)) {
		put_file(below, called, &st);
	} else if (S_ISLNK(st.st_mode)) {
		put_link(below, called, &st);
	}
}

/* Everything below @path in order of name. */
static void put_tree(const char *path, const char *name)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort);

	if (n < 0)
		keep_fail(path, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
			put_below(path, name, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static bool is_zero(const char *p, size_t len)
{
	return !len || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

static void put_run(uint64_t offset, const char *data, size_t len)
{
	static const struct stat plain = { .st_mode = S_IFREG | 0600 };
	char name[24];

	if (!len)
		return;
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)offset);
	put_head(name, &plain, len);
	archive_put(data, len);
	put_padding();
}

/* Runs of blocks that are not zero, in the snapshot buffer, of which nobody has use now. */
static void put_device(const char *path)
{
	char *run = snapshot_get(SNAPSHOT_BEFORE)->buf;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0, begin = 0;
	size_t used = 0;
	ssize_t n;

	_Static_assert(RUN_BYTES <= SNAPSHOT_BYTES, "a run is gathered in a snapshot's buffer");
	if (fd < 0)
		keep_fail(path, strerror(errno));
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while ((n = pread(fd, run + used, BLOCK_BYTES, (off_t)at)) > 0) {
		bool zero = is_zero(run + used, (size_t)n);

		begin = used ? begin : at;
		used += zero ? 0 : (size_t)n;
		at += (uint64_t)n;
		if (zero || used + BLOCK_BYTES > RUN_BYTES) {
			put_run(begin, run, used);
			used = 0;
		}
	}
	if (n < 0)
		keep_fail(path, strerror(errno));
	put_run(begin, run, used);
	close(fd);
}

void keep_step(struct agent *agent, const char *name, const char *path)
{
	static const struct stat none;
	char where[PATH_SIZE];
	struct stat st;

	keeping.agent = agent;
	keeping.used = keeping.entries = 0;
	keeping.offset = 0;
	snprintf(keeping.name, sizeof(keeping.name), "%.60s" JOB_LAYER_SUFFIX, name);
	sync();
	path = agent_path(agent, path, where);
	if (stat(path, &st) < 0)
		keep_fail(path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		put_tree(path, "");
	else if (S_ISBLK(st.st_mode))
		put_device(path);
	else
		keep_fail(path, "it is neither a folder nor a block device");
	put_head(TRAILER, &none, 0);
	send_out();
}

/* ---- In */

static struct {
	struct agent *agent;
	const char *archive, *target; /* borrowed */
	int fd;			      /* the archive */
	uint64_t at;		      /* in it */
	int device;		      /* -1: the target is a folder */
} unpacking;

static void __attribute__((noreturn)) unpack_damaged(void)
{
	agent_fail(unpacking.agent, "%s is no archive of what was kept, at byte %llu", unpacking.archive,
		   (unsigned long long)unpacking.at);
}

/* What does not fit is what the matrix asked for: its disk is too small. */
static void __attribute__((noreturn)) unpack_fail(const char *path)
{
	char reason[PATH_SIZE * 2];

	snprintf(reason, sizeof(reason), "prepared data: %.600s: %s", path, strerror(errno));
	agent_end(unpacking.agent, errno == ENOSPC || errno == EFBIG ? "workload-failed" : "agent-failed", reason);
}

static void archive_get(void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(unpacking.fd, (char *)buf + done, len - done);

		if (n <= 0)
			unpack_damaged();
		done += (size_t)n;
	}
	unpacking.at += len;
}

static void get_padding(void)
{
	char rest[4];

	archive_get(rest, (4 - unpacking.at % 4) % 4);
}

static void get_head(uint32_t fields[FIELDS], char name[NAME_SIZE])
{
	char head[HEAD_SIZE + 1], digits[9], *end;

	archive_get(head, HEAD_SIZE);
	head[HEAD_SIZE] = '\0';
	if (strncmp(head, MAGIC, 6) != 0)
		unpack_damaged();
	for (int i = 0; i < FIELDS; i++) {
		memcpy(digits, head + 6 + i * 8, 8);
		digits[8] = '\0';
		fields[i] = (uint32_t)strtoul(digits, &end, 16);
		if (*end)
			unpack_damaged();
	}
	if (!fields[NAME] || fields[NAME] > NAME_SIZE)
		unpack_damaged();
	archive_get(name, fields[NAME]);
	if (name[fields[NAME] - 1] || name[0] == '/' || strstr(name, ".."))
		unpack_damaged();
	get_padding();
}

/* The next @size bytes of the archive to @fd, at @offset. */
static void get_contents(int fd, off_t offset, uint64_t size, const char *path)
{
	static char buf[BLOCK_BYTES];

	while (size) {
		size_t n = size < sizeof(buf) ? (size_t)size : sizeof(buf);
		size_t done = 0;

		archive_get(buf, n);
		while (done < n) {
			ssize_t w = pwrite(fd, buf + done, n - done, offset + (off_t)done);

			if (w <= 0)
				unpack_fail(path);
			done += (size_t)w;
		}
		offset += (off_t)n;
		size -= n;
	}
	get_padding();
}

/* In the archive a folder comes before what is in it, and is not there yet. */
static void get_entry(const uint32_t fields[FIELDS], const char *name)
{
	const struct timespec times[2] = { { fields[MTIME], 0 }, { fields[MTIME], 0 } };
	char path[NAME_SIZE * 2], to[LINK_SIZE];
	mode_t type = fields[MODE] & S_IFMT;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", unpacking.target, name);
	if (type == S_IFDIR) {
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			unpack_fail(path);
	} else if (type == S_IFLNK) {
		if (fields[SIZE] >= sizeof(to))
			unpack_damaged();
		archive_get(to, fields[SIZE]);
		to[fields[SIZE]] = '\0';
		get_padding();
		if (symlink(to, path) < 0)
			unpack_fail(path);
	} else if (type == S_IFREG) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			unpack_fail(path);
		get_contents(fd, 0, fields[SIZE], path);
		close(fd);
	} else {
		unpack_damaged();
	}
	if (!unpacking.agent->fake && lchown(path, fields[UID], fields[GID]) < 0)
		unpack_fail(path);
	if (type != S_IFLNK && chmod(path, fields[MODE] & 07777) < 0)
		unpack_fail(path);
	if (type == S_IFREG && utimensat(AT_FDCWD, path, times, 0) < 0)
		unpack_fail(path);
}

static void get_run(const uint32_t fields[FIELDS], const char *name)
{
	char *end;
	unsigned long long offset = strtoull(name, &end, 16);

	if (*end || strlen(name) != 16)
		unpack_damaged();
	get_contents(unpacking.device, (off_t)offset, fields[SIZE], unpacking.target);
}

/* Whatever lies on a disk is cold then, whoever wrote it. */
static void settle(struct agent *agent)
{
	int fd;

	if (agent->fake)
		return;
	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "3", 1) < 0)
		agent_note(agent, "drop_caches: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

void unpack_step(struct agent *agent, const char *archive, const char *path)
{
	char from[PATH_SIZE], to[PATH_SIZE], name[NAME_SIZE];
	uint32_t fields[FIELDS];
	struct stat st;

	unpacking.agent = agent;
	unpacking.archive = agent_path(agent, archive, from);
	unpacking.target = agent_path(agent, path, to);
	unpacking.at = 0;
	unpacking.device = -1;
	unpacking.fd = open(unpacking.archive, O_RDONLY | O_CLOEXEC);
	if (unpacking.fd < 0)
		agent_fail(agent, "%s: %s", unpacking.archive, strerror(errno));
	make_parents(unpacking.target);
	if (stat(unpacking.target, &st) < 0)
		agent_fail(agent, "%s: %s", unpacking.target, strerror(errno));
	if (S_ISBLK(st.st_mode)) {
		unpacking.device = open(unpacking.target, O_WRONLY | O_CLOEXEC);
		if (unpacking.device < 0)
			agent_fail(agent, "%s: %s", unpacking.target, strerror(errno));
	}
	for (get_head(fields, name); strcmp(name, TRAILER) != 0; get_head(fields, name)) {
		if (unpacking.device < 0)
			get_entry(fields, name);
		else
			get_run(fields, name);
	}
	if (unpacking.device >= 0)
		close(unpacking.device);
	close(unpacking.fd);
	/* its memory is the guest's again */
	if (unlink(unpacking.archive) < 0)
		agent_note(agent, "%s: %s", unpacking.archive, strerror(errno));
	settle(agent);
}
