// SPDX-License-Identifier: GPL-2.0-or-later
/* Double buffering: which blocks of a PostgreSQL server lie in its shared buffers and in the kernel's page cache at once.
 *
 *	buffered DATA < LIST
 *
 * LIST is what buffers.sql prints: "BLOCK_BYTES SEGMENT_BLOCKS", then a line "TABLESPACE DATABASE FILENODE FORK BLOCK" for each
 * buffer. Every file of relations is mapped and asked about by mincore(2), which tells residency by base pages and changes
 * none: nothing is read, not even an access time is written. Prints a line "NAME BYTES" each:
 *
 *	page_size	of the kernel
 *	shared		in shared buffers: the list
 *	unmatched	of shared: no file has it
 *	files		in the files below base, global and pg_tblspc
 *	cached		of these files, whole pages of the page cache
 *	behind		of cached: behind the ends of files
 *	ends		what behind would be if all files were in the page cache: by their sizes alone
 *	both		of shared: also in the page cache. A block counts with those of its own bytes that are resident: of a
 *			64 KiB page that holds eight blocks only those that are buffers, of a block in two 4 KiB pages perhaps half
 *	wal_cached	of the files below pg_wal, whole pages of the page cache
 *
 * Files in memory (tmpfs, or an overlay whose upper layer is one, as that of granule's root file systems) have no copy but the
 * page cache: then "in_memory 1" is all that is said. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <linux/magic.h>

#define TABLESPACE_DEFAULT 1663 /* src/include/catalog/pg_tablespace.dat */
#define TABLESPACE_GLOBAL 1664
#define LINE_BYTES 256

struct block {
	uint64_t tablespace, database, filenode, fork, number;
};

static struct list {
	struct block *v;
	size_t n, room, matched;
	uint64_t block_bytes, segment_blocks;
} list;

static struct totals {
	uint64_t files, cached, behind, ends, both, wal_cached;
} totals;

static uint64_t page_bytes;

static void __attribute__((noreturn)) die(const char *what, const char *why)
{
	fprintf(stderr, "buffered: %s: %s\n", what, why);
	exit(1);
}

static int by_place(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	const uint64_t p[] = { x->tablespace, x->database, x->filenode, x->fork, x->number };
	const uint64_t q[] = { y->tablespace, y->database, y->filenode, y->fork, y->number };

	for (int i = 0; i < 5; i++)
		if (p[i] != q[i])
			return p[i] < q[i] ? -1 : 1;
	return 0;
}

static void read_list(void)
{
	char line[LINE_BYTES];

	if (!fgets(line, sizeof(line), stdin) ||
	    sscanf(line, "%" SCNu64 " %" SCNu64, &list.block_bytes, &list.segment_blocks) != 2 || !list.block_bytes ||
	    !list.segment_blocks)
		die("the list", "its first line is no size of a block and of a segment");
	while (fgets(line, sizeof(line), stdin)) {
		struct block b;

		if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &b.tablespace, &b.database,
			   &b.filenode, &b.fork, &b.number) != 5)
			die("the list has a line that is no buffer", line);
		if (list.n == list.room) {
			list.room = list.room ? 2 * list.room : 4096;
			list.v = realloc(list.v, list.room * sizeof(*list.v));
			if (!list.v)
				die("the list", strerror(ENOMEM));
		}
		list.v[list.n++] = b;
	}
	qsort(list.v, list.n, sizeof(*list.v), by_place);
}

/* Of the @len bytes at @offset of a file those that are in the page cache; @resident as mincore() fills it. */
static uint64_t resident_bytes(const unsigned char *resident, uint64_t page, uint64_t offset, uint64_t len)
{
	uint64_t sum = 0;

	for (uint64_t at = offset, next; at < offset + len; at = next) {
		next = (at / page + 1) * page;
		if (next > offset + len)
			next = offset + len;
		if (resident[at / page] & 1)
			sum += next - at;
	}
	return sum;
}

/* "16384", "16384_vm.1": the number, fork and segment of a relation's file. */
static bool parse_name(const char *name, struct block *ret, uint64_t *ret_segment)
{
	static const char *const forks[] = { "", "_fsm", "_vm", "_init" };
	char *end;

	if (!isdigit((unsigned char)*name))
		return false;
	ret->filenode = strtoull(name, &end, 10);
	*ret_segment = 0;
	for (int i = 3; i >= 0; i--) {
		size_t len = strlen(forks[i]);

		if (strncmp(end, forks[i], len) != 0)
			continue;
		ret->fork = (uint64_t)i;
		end += len;
		break;
	}
	if (*end == '.' && isdigit((unsigned char)end[1]))
		*ret_segment = strtoull(end + 1, &end, 10);
	return !*end;
}

/* The first buffer that is not before @key. */
static size_t first_from(const struct block *key)
{
	size_t low = 0, high = list.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (by_place(&list.v[middle], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void match_blocks(const struct block *of, uint64_t segment, uint64_t size, const unsigned char *resident)
{
	struct block key = *of;
	uint64_t first = segment * list.segment_blocks;

	key.number = first;
	for (size_t i = first_from(&key); i < list.n; i++) {
		const struct block *b = &list.v[i];
		uint64_t offset = (b->number - first) * list.block_bytes;

		if (b->tablespace != key.tablespace || b->database != key.database || b->filenode != key.filenode ||
		    b->fork != key.fork || b->number >= first + list.segment_blocks)
			break;
		if (offset + list.block_bytes > size)
			continue;
		list.matched++;
		totals.both += resident_bytes(resident, page_bytes, offset, list.block_bytes);
	}
}

/* mincore() calls everything resident that the caller could not write (can_do_mincore() in mm/mincore.c). */
static void check_ours(const char *path, const struct stat *st)
{
	if (geteuid() != 0 && st->st_uid != geteuid())
		die(path, "it belongs to another user, of whose files the kernel does not tell");
}

static void take_file(int dir, const char *name, struct block of, bool wal)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME);
	uint64_t pages, n = 0, segment = 0;
	unsigned char *resident;
	struct stat st;
	void *map;

	if (fd < 0 && errno == ENOENT) /* dropped meanwhile */
		return;
	if (fd < 0 || fstat(fd, &st) < 0)
		die(name, strerror(errno));
	check_ours(name, &st);
	if (!st.st_size) {
		close(fd);
		return;
	}
	pages = ((uint64_t)st.st_size + page_bytes - 1) / page_bytes;
	resident = malloc(pages);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (!resident || map == MAP_FAILED || mincore(map, (size_t)st.st_size, resident) < 0)
		die(name, strerror(errno));
	munmap(map, (size_t)st.st_size);
	close(fd);
	for (uint64_t i = 0; i < pages; i++)
		n += resident[i] & 1;
	if (wal) {
		totals.wal_cached += n * page_bytes;
	} else {
		totals.files += (uint64_t)st.st_size;
		totals.cached += n * page_bytes;
		totals.ends += pages * page_bytes - (uint64_t)st.st_size;
		if (resident[pages - 1] & 1)
			totals.behind += pages * page_bytes - (uint64_t)st.st_size;
		if (parse_name(name, &of, &segment))
			match_blocks(&of, segment, (uint64_t)st.st_size, resident);
	}
	free(resident);
}

static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		die(name, strerror(errno));
	return d;
}

/* All files of a folder; of folders in it as many levels as @below. The name of a folder one level above files is a database. */
static void walk(int at, const char *name, struct block of, int below, bool wal)
{
	DIR *d = open_folder(at, name);
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(d))) {
		if (entry->d_name[0] == '.' || fstatat(dirfd(d), entry->d_name, &st, 0) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			take_file(dirfd(d), entry->d_name, of, wal);
		if (!S_ISDIR(st.st_mode) || !below)
			continue;
		if (below == 1)
			of.database = strtoull(entry->d_name, NULL, 10);
		/* pg_tblspc/OID/PG_17_202406281/DATABASE */
		if (below == 3)
			of.tablespace = strtoull(entry->d_name, NULL, 10);
		walk(dirfd(d), entry->d_name, of, below - 1, wal);
		if (below == 1)
			of.database = 0;
	}
	closedir(d);
}

static void say(const char *name, uint64_t bytes)
{
	printf("%s %" PRIu64 "\n", name, bytes);
}

int main(int argc, char *argv[])
{
	const struct block normal = { .tablespace = TABLESPACE_DEFAULT }, global = { .tablespace = TABLESPACE_GLOBAL };
	struct statfs fs;
	int data;

	if (argc != 2)
		die("usage", "buffered DATA < LIST");
	page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	read_list();
	data = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (data < 0 || fstatfs(data, &fs) < 0)
		die(argv[1], strerror(errno));
	if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC) {
		say("in_memory", 1);
		return 0;
	}
	walk(data, "base", normal, 1, false);
	walk(data, "global", global, 0, false);
	walk(data, "pg_tblspc", normal, 3, false);
	walk(data, "pg_wal", normal, 1, true);
	say("page_size", page_bytes);
	say("shared", list.n * list.block_bytes);
	say("unmatched", (list.n - list.matched) * list.block_bytes);
	say("files", totals.files);
	say("cached", totals.cached);
	say("behind", totals.behind);
	say("ends", totals.ends);
	say("both", totals.both);
	say("wal_cached", totals.wal_cached);
	return 0;
}
