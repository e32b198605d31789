// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory of a known layout, for folios-guest-test.c: anonymous folios of SIZE bytes that are aligned, that mremap() put
 * beside their alignment, and of which a page is unmapped; single pages; all shared with a child; and an open tmpfs
 * file.
 *
 *   layout SIZE ALIGNED UNALIGNED PARTIAL SINGLE FILE_PAGES */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* @bytes at a multiple of @size, with @size of nothing on both sides. */
static char *reserve(size_t bytes, size_t size)
{
	char *p = mmap(NULL, bytes + 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return (char *)(((uintptr_t)p + 2 * size - 1) & ~(size - 1));
}

static char *region(size_t bytes, size_t size, int advice)
{
	char *p = reserve(bytes, size);

	if (mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		die("mmap");
	if (madvise(p, bytes, advice) < 0)
		die("madvise");
	for (size_t i = 0; i < bytes; i += page)
		p[i] = 1;
	return p;
}

static void make_unaligned(size_t size, size_t n)
{
	char *p = region(n * size, size, MADV_HUGEPAGE), *to = reserve((n + 1) * size, size) + page;

	if (mremap(p, n * size, n * size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED)
		die("mremap");
}

static void make_partial(size_t size, size_t n)
{
	char *p = region(n * size, size, MADV_HUGEPAGE);

	for (size_t i = 0; i < n; i++)
		if (madvise(p + i * size, page, MADV_DONTNEED) < 0)
			die("madvise");
}

static void make_file(size_t n)
{
	int fd = open("/tmp/layout", O_RDWR | O_CREAT | O_EXCL, 0600);

	for (size_t i = 0; i < n; i++)
		if (fd < 0 || pwrite(fd, "x", 1, (off_t)(i * page)) != 1)
			die("/tmp/layout");
	if (fd >= 0)
		unlink("/tmp/layout");
}

int main(int argc, char **argv)
{
	size_t n[6];

	page = (size_t)sysconf(_SC_PAGESIZE);
	if (argc != 7)
		return 2;
	for (int i = 0; i < 6; i++)
		n[i] = strtoul(argv[i + 1], NULL, 10);
	if (n[1])
		region(n[1] * n[0], n[0], MADV_HUGEPAGE);
	if (n[2])
		make_unaligned(n[0], n[2]);
	if (n[3])
		make_partial(n[0], n[3]);
	region(n[4] * page, n[0], MADV_NOHUGEPAGE);
	make_file(n[5]);
	if (fork() == 0)
		for (;;)
			pause();
	raise(SIGSTOP);
	return 0;
}
