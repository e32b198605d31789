// SPDX-License-Identifier: GPL-2.0-or-later
/* The program that a guest joins the page cache and shared buffers with, on this host's own files. Its main is another's here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

int buffered_main(int argc, char *argv[]);
#define main buffered_main
#include "workloads/postgresql/guest/buffered.c"
#undef main

#include "base/fs.h"
#include "base/mem.h"
#include "tests/pipeline.h"

#define BLOCK 8192

static uint64_t resident(const unsigned char *state, uint64_t page, uint64_t offset, uint64_t len)
{
	const struct pages pages = { .fd = -1, .state = (unsigned char *)(uintptr_t)state };
	uint64_t partly = 0, sum = resident_bytes(&pages, page, offset, len, &partly);

	assert_int_equal(partly, 0);
	return sum;
}

/* Bytes of blocks, whatever a page is. Caught: a page for the block in it, a block of two pages as all or nothing, a page that is
 * there but not up to date (its file cannot be asked here) taken for one that is. */
static void a_blocks_own_bytes(void **state)
{
	const unsigned char none[] = { 0, PRESENT, 0, 0 }, second[] = { 0, 3, 0, 0 }, all[] = { 3, 3, 3, 3 };

	(void)state;
	/* one page of 64 KiB holds eight */
	assert_int_equal(resident(second, 65536, 65536 + 3 * BLOCK, BLOCK), BLOCK);
	assert_int_equal(resident(second, 65536, 7 * BLOCK, BLOCK), 0);
	/* two pages of 4 KiB are one */
	assert_int_equal(resident(second, 4096, 0, BLOCK), 4096);
	assert_int_equal(resident(second, 4096, BLOCK, BLOCK), 0);
	assert_int_equal(resident(all, 4096, BLOCK, BLOCK), BLOCK);
	assert_int_equal(resident(none, 4096, 0, 2 * BLOCK), 0);
	/* blocks may be larger than both */
	assert_int_equal(resident(second, 16384, 0, 32768), 16384);
}

/* Every third page of a file: cachestat() by halves marks those and no other, and of one that is there all bytes are told. */
static void pages_that_are_there(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *path = path_join(dir, "f"), *data = NULL;
	struct pages pages = { .n = 50 };
	struct err err = ERR_INIT;

	(void)state;
	page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	data = xcalloc(pages.n, page_bytes);
	assert_int_equal(file_write(path, data, pages.n * page_bytes, &err), 0);
	pages.fd = open(path, O_RDONLY);
	pages.state = xcalloc(pages.n, 1);
	fsync(pages.fd);
	if (count_present(&pages, 0, pages.n) < 0)
		skip(); /* before Linux 6.5 */
	for (uint64_t i = 0; i < pages.n; i++)
		if (i % 3)
			posix_fadvise(pages.fd, (off_t)(i * page_bytes), (off_t)page_bytes, POSIX_FADV_DONTNEED);
	mark_present(&pages, 0, pages.n);
	for (uint64_t i = 0; i < pages.n; i++) {
		/* a tmpfs forgets nothing; a large folio goes as a whole or stays */
		if (i % 3 == 0)
			assert_int_equal(pages.state[i], PRESENT);
		if (pages.state[i] == PRESENT)
			assert_int_equal(there_bytes(&pages, i * page_bytes + 10, page_bytes - 10), page_bytes - 10);
		else
			assert_int_equal(there_bytes(&pages, i * page_bytes, page_bytes), 0);
		assert_int_equal(count_present(&pages, i, 1), pages.state[i] == PRESENT);
	}
	close(pages.fd);
	free(pages.state);
	scratch_remove(dir);
}

static void names_of_files(void **state)
{
	static const struct {
		const char *name;
		bool relation;
		uint64_t filenode, fork, segment;
	} cases[] = {
		{ "16384", true, 16384, 0, 0 },	    { "16384.12", true, 16384, 0, 12 },
		{ "16384_fsm", true, 16384, 1, 0 }, { "16384_vm.1", true, 16384, 2, 1 },
		{ "7_init", true, 7, 3, 0 },	    { "t3_16384", false, 0, 0, 0 },
		{ "PG_VERSION", false, 0, 0, 0 },   { "16384_x", false, 0, 0, 0 },
		{ "16384.", false, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct block b = { 0 };
		uint64_t segment;

		if (parse_name(cases[i].name, &b, &segment) != cases[i].relation)
			fail_msg("%s", cases[i].name);
		if (!cases[i].relation)
			continue;
		assert_int_equal(b.filenode, cases[i].filenode);
		assert_int_equal(b.fork, cases[i].fork);
		assert_int_equal(segment, cases[i].segment);
	}
}

/* A file of @blocks blocks and @rest bytes, all of it on the disk and in the page cache. */
static void put(const char *dir, const char *name, size_t blocks, size_t rest)
{
	_cleanup_free_ char *path = path_join(dir, name),
			    *parent = xasprintf("%.*s", (int)(strrchr(path, '/') - path), path);
	_cleanup_free_ char *data = xcalloc(1, blocks * BLOCK + rest + 1);
	struct err err = ERR_INIT;
	int fd;

	if (make_dirs(parent, &err) < 0 || file_write(path, data, blocks * BLOCK + rest, &err) < 0)
		fail_msg("%s", err.msg);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && fsync(fd) == 0);
	close(fd);
}

/* Out of the page cache, which a tmpfs does not allow. */
static void forget(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);
	int fd = open(path, O_RDONLY);

	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	close(fd);
}

static void look(const char *dir)
{
	const struct block normal = { .tablespace = TABLESPACE_DEFAULT }, global = { .tablespace = TABLESPACE_GLOBAL };
	int at = open(dir, O_RDONLY | O_DIRECTORY);

	totals = (struct totals){ 0 };
	list.matched = 0;
	walk(at, "base", normal, 1, false);
	walk(at, "global", global, 0, false);
	walk(at, "pg_tblspc", normal, 3, false);
	walk(at, "pg_wal", normal, 1, true);
	close(at);
}

/* With files that are no longer in the page cache, and once more. */
static void look_again(const char *dir)
{
	struct totals once;

	forget(dir, "base/5/16384");
	look(dir);
	assert_int_equal(list.matched, 7);
	assert_int_equal(totals.both, 5 * BLOCK);
	assert_int_equal(totals.cached - totals.behind, totals.files - 2 * BLOCK);
	once = totals;
	look(dir);
	assert_memory_equal(&once, &totals, sizeof(totals));
	forget(dir, "base/6/16384");
	look(dir);
	assert_int_equal(totals.behind, once.ends - (page_bytes - (BLOCK + 100) % page_bytes));
}

/* Segments of two blocks. Caught: a tablespace, a database, a fork, a segment taken for another, a block that is behind the end, bytes
 * of one file in another's, residency that the look itself changed. */
static void the_join(void **state)
{
	static struct block blocks[] = {
		{ 1663, 5, 16384, 0, 0 },
		{ 1663, 5, 16384, 0, 1 },
		{ 1663, 5, 16384, 0, 2 },
		{ 1663, 5, 16384, 1, 0 },
		{ 1663, 6, 16384, 0, 0 },
		{ 1664, 0, 1260, 0, 0 },
		{ 777, 5, 20000, 0, 1 },
		/* these have no file, or are behind one's end */
		{ 1663, 7, 16384, 0, 0 },
		{ 1664, 5, 16384, 0, 0 },
		{ 1663, 5, 16384, 0, 4 },
		{ 1663, 5, 16384, 2, 0 },
	};
	char *dir = scratch_make();
	struct statfs fs;

	(void)state;
	page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	put(dir, "base/5/16384", 2, 0);
	put(dir, "base/5/16384.1", 2, 0);
	put(dir, "base/5/16384_fsm", 1, 0);
	put(dir, "base/6/16384", 1, 100);
	put(dir, "base/6/PG_VERSION", 0, 3);
	put(dir, "global/1260", 1, 0);
	put(dir, "pg_tblspc/777/PG_17_1/5/20000", 2, 0);
	put(dir, "pg_wal/0001", 4, 0);
	list = (struct list){ .v = blocks, .n = ARRAY_SIZE(blocks), .block_bytes = BLOCK, .segment_blocks = 2 };
	qsort(list.v, list.n, sizeof(*list.v), by_place);
	look(dir);
	assert_int_equal(list.matched, 7);
	assert_int_equal(totals.both, 7 * BLOCK);
	assert_int_equal(totals.files, 9 * BLOCK + 103);
	assert_int_equal(totals.ends, totals.behind);
	assert_int_equal(totals.cached - totals.behind, totals.files);
	assert_int_equal(totals.wal_cached, 4 * BLOCK);
	if (statfs(dir, &fs) == 0 && fs.f_type != TMPFS_MAGIC && fs.f_type != OVERLAYFS_SUPER_MAGIC)
		look_again(dir);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_blocks_own_bytes),
		cmocka_unit_test(pages_that_are_there),
		cmocka_unit_test(names_of_files),
		cmocka_unit_test(the_join),
	};

	return cmocka_run_group_tests_name("postgresql-buffered", tests, NULL, NULL);
}
