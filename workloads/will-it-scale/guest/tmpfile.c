// SPDX-License-Identifier: GPL-2.0-or-later
/* Files for tests, filled as a test would fill them: by writing to a shared mapping, page after page. */
#include "tmpfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int make_one(size_t size, bool fill)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char name[] = "/tmp/will-it-scale.XXXXXX";
	int fd = mkstemp(name);
	char *p;

	if (fd < 0 || unlink(name) < 0 || ftruncate(fd, (off_t)size) < 0)
		return -1;
	if (!fill)
		return fd;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < size; i += page)
		*(volatile char *)(p + i) = 1;
	munmap(p, size);
	return fd;
}

int *tmpfiles_make(unsigned long nr_tasks, size_t size, bool fill)
{
	int *fds = calloc(nr_tasks, sizeof(*fds));

	if (!fds)
		abort();

	for (unsigned long i = 0; i < nr_tasks; i++) {
		fds[i] = make_one(size, fill);
		if (fds[i] < 0) {
			perror("will-it-scale: a file in /tmp");
			abort();
		}
	}
	return fds;
}
