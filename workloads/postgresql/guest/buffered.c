// SPDX-License-Identifier: GPL-2.0-or-later
/* Double buffering: which blocks of a PostgreSQL server lie in its shared buffers and in the kernel's page cache at once.
 *
 *	buffered DATA < LIST
 *
 * LIST is what buffers.sql prints: "BLOCK_BYTES SEGMENT_BLOCKS", then a line "TABLESPACE DATABASE FILENODE FORK BLOCK" for each
 * buffer. Every file of relations is mapped and asked about, which changes no residency: nothing is read from the disk, not even
 * an access time is written. mincore(2) knows the pages that are up to date as a whole. One of 64 KiB of which only some blocks were
 * written is not (folio_test_uptodate() in mincore_page()), though it takes its memory: cachestat(2), Linux 6.5, counts it, and
 * which blocks of it are there preadv2(2) tells, which with RWF_NOWAIT copies what is there and reads nothing. Before 6.5
 * such pages are left out. Prints a line "NAME BYTES" each:
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
 *	partly		of both: in pages that are not up to date as a whole
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
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/magic.h>

#define CACHESTAT 451 /* of all architectures (include/uapi/asm-generic/unistd.h) */

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
	uint64_t files, cached, behind, ends, both, partly, wal_cached;
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

/* Of each page of a file. */
enum { WHOLE = 1 /* up to date: mincore()'s bit */, PRESENT = 2 };

struct pages {
	int fd;
	unsigned char *state;
	uint64_t n;
};

/* How many pages of @n from @first on are in the page cache; -1: the kernel does not say. */
static int64_t count_present(const struct pages *pages, uint64_t first, uint64_t n)
{
	const struct {
		uint64_t offset, len;
	} range = { first * page_bytes, n * page_bytes };
	struct {
		uint64_t cache, dirty, writeback, evicted, recently_evicted;
	} counts = { 0 };

	return syscall(CACHESTAT, pages->fd, &range, &counts, 0) < 0 ? -1 : (int64_t)counts.cache;
}

/* By halves, until a part is all there or not at all. */
static void mark_present(struct pages *pages, uint64_t first, uint64_t n)
{
	int64_t present = count_present(pages, first, n);

	if (present > 0 && (uint64_t)present < n && n > 1) {
		mark_present(pages, first, n / 2);
		mark_present(pages, first + n / 2, n - n / 2);
		return;
	}
	for (uint64_t i = first; present > 0 && i < first + n; i++)
		pages->state[i] |= PRESENT;
}

/* Of the @len bytes at @offset, which lie in one page that is there, those whose content is. */
static uint64_t there_bytes(const struct pages *pages, uint64_t offset, uint64_t len)
{
	static char buf[64u << 10];
	uint64_t sum = 0;

	while (sum < len) {
		struct iovec to = { buf, len - sum < sizeof(buf) ? len - sum : sizeof(buf) };
		ssize_t n = preadv2(pages->fd, &to, 1, (off_t)(offset + sum), RWF_NOWAIT);

		if (n <= 0)
			break;
		sum += (uint64_t)n;
	}
	return sum;
}

/* Of the @len bytes at @offset of a file those that are in the page cache; of these in *partly those in pages that are not WHOLE. */
static uint64_t resident_bytes(const struct pages *pages, uint64_t page, uint64_t offset, uint64_t len,
			       uint64_t *partly)
{
	uint64_t sum = 0, n;

	for (uint64_t at = offset, next; at < offset + len; at = next) {
		unsigned char state = pages->state[at / page];

		next = (at / page + 1) * page;
		if (next > offset + len)
			next = offset + len;
		if (state & WHOLE) {
			sum += next - at;
		} else if (state & PRESENT) {
			n = there_bytes(pages, at, next - at);
			sum += n;
			*partly += n;
		}
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

static void match_blocks(const struct block *of, uint64_t segment, uint64_t size, const struct pages *pages)
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
		totals.both += resident_bytes(pages, page_bytes, offset, list.block_bytes, &totals.partly);
	}
}

/* mincore() calls everything resident that the caller could not write (can_do_mincore() in mm/mincore.c). */
static void check_ours(const char *path, const struct stat *st)
{
	if (geteuid() != 0 && st->st_uid != geteuid())
		die(path, "it belongs to another user, of whose files the kernel does not tell");
}

/* Into states; owned by the caller. */
static void look_at(const char *name, uint64_t size, struct pages *pages)
{
	void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, pages->fd, 0);

	pages->n = (size + page_bytes - 1) / page_bytes;
	pages->state = malloc(pages->n);
	if (!pages->state || map == MAP_FAILED || mincore(map, size, pages->state) < 0)
		die(name, strerror(errno));
	munmap(map, size);
	for (uint64_t i = 0; i < pages->n; i++)
		pages->state[i] = pages->state[i] & 1 ? WHOLE | PRESENT : 0;
	mark_present(pages, 0, pages->n);
}

static void take_file(int dir, const char *name, struct block of, bool wal)
{
	struct pages pages = { .fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME) };
	uint64_t n = 0, segment = 0, behind;
	struct stat st;

	if (pages.fd < 0 && errno == ENOENT) /* dropped meanwhile */
		return;
	if (pages.fd < 0 || fstat(pages.fd, &st) < 0)
		die(name, strerror(errno));
	check_ours(name, &st);
	if (!st.st_size) {
		close(pages.fd);
		return;
	}
	look_at(name, (uint64_t)st.st_size, &pages);
	for (uint64_t i = 0; i < pages.n; i++)
		n += !!(pages.state[i] & PRESENT);
	behind = pages.n * page_bytes - (uint64_t)st.st_size;
	if (wal) {
		totals.wal_cached += n * page_bytes;
	} else {
		totals.files += (uint64_t)st.st_size;
		totals.cached += n * page_bytes;
		totals.ends += behind;
		if (pages.state[pages.n - 1] & PRESENT)
			totals.behind += behind;
		if (parse_name(name, &of, &segment))
			match_blocks(&of, segment, (uint64_t)st.st_size, &pages);
	}
	free(pages.state);
	close(pages.fd);
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
	say("partly", totals.partly);
	say("wal_cached", totals.wal_cached);
	return 0;
}
