// SPDX-License-Identifier: GPL-2.0-or-later
/* Breaks up free memory. A child in a cgroup of its own takes nearly all of it as base pages, puts one page of each
 * physical block of the asked size into a pipe, and gives back the rest. A page in a pipe has a reference that no mapping
 * explains, so compaction leaves it alone (mm/compaction.c, isolate_migratepages_block()) and reclaim cannot free it: the
 * block stays broken until the guest ends. What is done follows from physical addresses alone: no clock, no random number.
 * Knows no workload. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/buddyinfo.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PHASE "fragment"
#define BUDDYINFO "/proc/buddyinfo"
#define PIPES_MAX 512
#define PIPE_PAGES 4096u
#define CHUNK ((size_t)4 << 20)
/* Stays free: above the watermarks at the least min_free_kbytes that is set here, so that nothing is reclaimed. */
#define KEEP_FREE ((uint64_t)24 << 20)
#define ADDRESSES (UINT64_C(1) << 40) /* of physical memory: 1 TiB of guest, and where its RAM begins */

/* While it works. Less kept back, so that nearly all can be taken; and no more than a handful of pages on the per-CPU
 * lists, which may otherwise swallow an eighth of what the child gives back (mm/page_alloc.c, zone_highsize()). */
static struct held_knob {
	const char *path, *value;
	char old[32];
} knobs[] = {
	{ "/proc/sys/vm/min_free_kbytes", "1024", "" },
	{ "/proc/sys/vm/percpu_pagelist_high_fraction", "1000000", "" },
};

static int pipes[PIPES_MAX][2];
static unsigned int n_pipes;

static uint64_t free_bytes(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 ? (uint64_t)info.freeram * info.mem_unit : 0;
}

/* Pages on their way into the pipes. */
struct keeping {
	struct iovec pages[512];
	unsigned int n, used; /* used: of the pages of all pipes */
};

static int keep_flush(struct keeping *k)
{
	unsigned int done = 0;

	while (done < k->n) {
		unsigned int pipe = k->used / PIPE_PAGES, room = PIPE_PAGES - k->used % PIPE_PAGES;
		unsigned int want = k->n - done < room ? k->n - done : room, took;
		ssize_t n;

		if (pipe == n_pipes)
			return -1;
		n = vmsplice(pipes[pipe][1], k->pages + done, want, SPLICE_F_NONBLOCK);
		if (n <= 0)
			return -1;
		took = (unsigned int)((size_t)n / k->pages[0].iov_len);
		done += took;
		k->used += took;
	}
	k->n = 0;
	return 0;
}

/* One page of each block of @bytes in the @len bytes at @map, which are all there. */
static int keep_blocks(char *map, size_t len, uint64_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n_pages = len / page;
	uint64_t blocks = ADDRESSES / bytes, entries[4096];
	static struct keeping keeping;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	unsigned char *seen =
		mmap(NULL, blocks / 8 + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fd < 0 || seen == MAP_FAILED)
		return -1;
	for (size_t at = 0; at < n_pages;) {
		size_t want = n_pages - at < 4096 ? n_pages - at : 4096;
		ssize_t n = pread(fd, entries, want * 8, (off_t)(((uintptr_t)map / page + at) * 8));

		if (n < 8)
			return -1;
		for (size_t i = 0; i < (size_t)n / 8; i++) {
			/* Documentation/admin-guide/mm/pagemap.rst: bit 63 present, bits 0-54 the frame */
			uint64_t block = (entries[i] & ((UINT64_C(1) << 55) - 1)) * page / bytes;

			if (!(entries[i] >> 63) || block >= blocks || seen[block / 8] >> block % 8 & 1)
				continue;
			seen[block / 8] |= (unsigned char)(1 << block % 8);
			keeping.pages[keeping.n++] = (struct iovec){ map + (at + i) * page, page };
			if (keeping.n == 512 && keep_flush(&keeping) < 0)
				return -1;
		}
		at += (size_t)n / 8;
	}
	return keep_flush(&keeping);
}

/* The child: its exit status says how far it came. */
enum { DONE, NO_MEMORY, NO_PAGEMAP };

static int take_and_keep(uint64_t bytes)
{
	struct sysinfo info;
	size_t len, used = 0;
	char *map;

	if (sysinfo(&info) < 0)
		return NO_MEMORY;
	len = (size_t)info.totalram * info.mem_unit & ~(CHUNK - 1);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED || madvise(map, len, MADV_NOHUGEPAGE) < 0)
		return NO_MEMORY;
	while (used < len && free_bytes() > KEEP_FREE + CHUNK) {
		if (madvise(map + used, CHUNK, MADV_POPULATE_WRITE) < 0)
			return NO_MEMORY;
		used += CHUNK;
	}
	return keep_blocks(map, used, bytes) < 0 ? NO_PAGEMAP : DONE;
}

/* Process 1 has the pipes, so that what is in them outlives the child. */
static bool make_pipes(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), blocks;
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return false;
	/* a block at each end of each zone may be only partly memory */
	blocks = (uint64_t)info.totalram * info.mem_unit / bytes + 64;
	/* the kernel's own memory is none of the child's, but blocks that it only shares are */
	blocks += blocks / 8;
	while ((uint64_t)n_pipes * PIPE_PAGES < blocks) {
		if (n_pipes == PIPES_MAX || pipe2(pipes[n_pipes], O_CLOEXEC) < 0 ||
		    fcntl(pipes[n_pipes][0], F_SETPIPE_SZ, (int)(PIPE_PAGES * page)) < 0)
			return false;
		n_pipes++;
	}
	return true;
}

/* The kernel's unusable free space index (mm/vmstat.c, unusable_free_index()) of blocks of @bytes over all zones, in
 * thousandths. */
static unsigned int unusable(const char *buddyinfo, size_t len, uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), all = 0, usable = 0;
	struct buddy_zone zone;
	unsigned int order = 0;
	size_t offset = 0;

	while (page << order < bytes)
		order++;
	while (buddy_next(buddyinfo, len, &offset, &zone)) {
		all += buddy_pages(&zone, 0);
		usable += buddy_pages(&zone, order);
	}
	return all ? (unsigned int)((all - usable) * 1000 / all) : 0;
}

static void tell(struct agent *agent, const char *when, const char *name, const char *content)
{
	emit(agent, WIRE_FILE,
	     (const struct wire_field[]){ text_field(PHASE), text_field(PHASE), text_field("0"), text_field(when),
					  text_field(name), text_field(content) },
	     6);
}

static void write_small(struct agent *agent, const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		agent_note(agent, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* NULL, or why not. */
static const char *run_child(struct agent *agent, uint64_t bytes)
{
	int status = 0;
	pid_t pid;

	if (agent->cgroups && mkdir(CGROUP_ROOT "/" PHASE, 0755) < 0 && errno != EEXIST)
		return "error: its cgroup cannot be made";
	if (!make_pipes(bytes))
		return "error: its pages do not fit into pipes";
	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
		if (read_small(knobs[i].path, knobs[i].old, sizeof(knobs[i].old)) > 0)
			write_small(agent, knobs[i].path, knobs[i].value);
	pid = fork_into(agent, PHASE);
	if (pid == 0)
		_exit(take_and_keep(bytes));
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	for (size_t i = 0; i < sizeof(knobs) / sizeof(knobs[0]); i++)
		if (knobs[i].old[0])
			write_small(agent, knobs[i].path, knobs[i].old);
	if (pid < 0 || !WIFEXITED(status))
		return "error: its process was killed";
	if (WEXITSTATUS(status) == NO_PAGEMAP)
		return "error: the kernel does not show or keep its pages (pagemap, vmsplice)";
	return WEXITSTATUS(status) == DONE ? NULL : "error: its memory cannot be had";
}

void fragment_step(struct agent *agent, uint64_t bytes, uint64_t percent)
{
	char name[64], asked[24], reached[24], text[8192] = "", short_of[128];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const char *trouble = NULL;
	unsigned int index;

	snprintf(name, sizeof(name), PHASE "/%llu/percent", (unsigned long long)bytes);
	snprintf(asked, sizeof(asked), "%llu", (unsigned long long)percent);
	if (agent->fake) {
		setting_report(agent, name, asked, asked, "ok");
		return;
	}
	if (read_small(BUDDYINFO, text, sizeof(text)) > 0)
		tell(agent, "before", BUDDYINFO, text);
	if (bytes <= page || bytes > ADDRESSES || bytes & (bytes - 1))
		trouble = "error: a block is a power of two above the page size";
	if (!trouble)
		trouble = run_child(agent, bytes);
	if (read_small(BUDDYINFO, text, sizeof(text)) > 0)
		tell(agent, "after", BUDDYINFO, text);
	index = unusable(text, strlen(text), bytes);
	snprintf(reached, sizeof(reached), "%u.%u", index / 10, index % 10);
	if (read_small(CGROUP_ROOT "/" PHASE "/memory.current", text, sizeof(text)) > 0)
		tell(agent, "after", "cgroup/memory.current", text);
	if (!trouble && index < percent * 10) {
		snprintf(short_of, sizeof(short_of), "error: only %s%% of the free memory lies in smaller blocks",
			 reached);
		trouble = short_of;
	}
	if (trouble)
		setting_judge(agent, name, asked, reached, trouble);
	else
		setting_report(agent, name, asked, reached, "ok");
}
