// SPDX-License-Identifier: GPL-2.0-or-later
/* Which folios a held process tree has mapped, and which make up the page cache of its files. Page by page from
 * /proc/PID/pagemap and /proc/kpageflags (Documentation/admin-guide/mm/pagemap.rst), in a cgroup that is frozen
 * meanwhile. Allocates nothing of its own: it works in the snapshot buffer that a hold has no use for. */
#include "agent/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/kernel-page-flags.h>

#define CHUNK_PAGES 8192u /* of page table read at once; more than any block that the MMU joins */
#define WINDOW 32u	  /* page flags read at once */
#define MAPS_SIZE (256u << 10)
#define ORDERS 20u
#define FILES_SEEN 256u
#define PATTERNS 16u
#define PFN_BITS 55 /* pagemap: bits 0-54 are the page frame */
#define PRESENT (UINT64_C(1) << 63)
#define RESERVED_BIT 32 /* KPF_RESERVED: among those that the header keeps for the kernel */
#define FLAG(bit) (UINT64_C(1) << (bit))

enum kind { ANON, SHMEM, MAPPED_FILE, CACHE, KINDS };
static const char *const kind_names[KINDS] = { "anon", "shmem", "file", "cache" };

struct tally {
	uint64_t folios, pages, unaligned, partial, contpte;
};

/* Bits by page frame: it is mapped; at an address that its folio's size does not divide as its frame; in a whole block
 * of contiguous entries. */
enum { MAPPED, UNALIGNED, CONTPTE, BITMAPS };

struct folio {
	uint64_t head, pages, flags; /* pages 0: none */
};

static struct walk {
	int flags_fd;
	uint64_t base; /* the frame of the first bit */
	uint64_t n_bits, page, cont;
	uint64_t *bits[BITMAPS];
	uint64_t *entries;	/* CHUNK_PAGES */
	unsigned char *in_core; /* CHUNK_PAGES */
	char *maps;		/* MAPS_SIZE */
	uint64_t window[WINDOW], window_at;
	struct folio last;
	struct tally tallies[KINDS][ORDERS];
	uint64_t beyond; /* pages whose frame has no bit */
	struct {
		dev_t device;
		ino_t inode;
	} seen[FILES_SEEN];
	unsigned int n_seen;
} walk;

/* ---- Frames */

static uint64_t flags_of(uint64_t pfn)
{
	uint64_t from = pfn / WINDOW * WINDOW;

	if (from != walk.window_at) {
		ssize_t n = pread(walk.flags_fd, walk.window, sizeof(walk.window), (off_t)(from * 8));

		for (unsigned int i = n < 0 ? 0 : (unsigned int)n / 8; i < WINDOW; i++)
			walk.window[i] = FLAG(KPF_NOPAGE);
		walk.window_at = from;
	}
	return walk.window[pfn - from];
}

/* The folio that frame @pfn is part of: back to its head, on to its last tail. */
static struct folio folio_of(uint64_t pfn)
{
	struct folio *f = &walk.last;
	uint64_t head = pfn, end = pfn + 1, most = UINT64_C(1) << (ORDERS - 1);

	if (f->pages && pfn >= f->head && pfn < f->head + f->pages)
		return *f;
	while (head && pfn - head < most && flags_of(head) & FLAG(KPF_COMPOUND_TAIL))
		head--;
	if (flags_of(head) & FLAG(KPF_COMPOUND_HEAD))
		while (end - head < most && flags_of(end) & FLAG(KPF_COMPOUND_TAIL))
			end++;
	*f = (struct folio){ head, end - head, flags_of(head) };
	return *f;
}

/* Kernel text that is mapped (the vDSO) and the zero page are nobody's memory. */
static bool is_memory(const struct folio *f)
{
	return !(f->flags & (FLAG(KPF_NOPAGE) | FLAG(KPF_ZERO_PAGE) | FLAG(RESERVED_BIT) | FLAG(KPF_OFFLINE)));
}

static void set_bits(int map, uint64_t pfn, uint64_t n)
{
	for (uint64_t i = pfn - walk.base; n; i++, n--) {
		if (i < walk.n_bits)
			walk.bits[map][i / 64] |= UINT64_C(1) << i % 64;
		else if (map == MAPPED)
			walk.beyond++;
	}
}

static bool get_bit(int map, uint64_t pfn)
{
	uint64_t i = pfn - walk.base;

	return i < walk.n_bits && walk.bits[map][i / 64] >> i % 64 & 1;
}

/* ---- Page tables */

/* @n pages from virtual page @vpn on are frames from @pfn on, of one folio. A block of entries can be joined where it
 * lies in one folio, in order, and its virtual and physical address are both multiples of its size
 * (__contpte_try_fold() in arch/arm64/mm/contpte.c); that it has one set of permissions is taken for granted. */
static void take_run(uint64_t vpn, uint64_t pfn, uint64_t n, const struct folio *f)
{
	set_bits(MAPPED, pfn, n);
	if ((vpn - pfn) % f->pages)
		set_bits(UNALIGNED, pfn, n);
	if ((vpn - pfn) % walk.cont)
		return;
	for (uint64_t at = (vpn + walk.cont - 1) / walk.cont * walk.cont; at + walk.cont <= vpn + n; at += walk.cont)
		set_bits(CONTPTE, pfn + (at - vpn), walk.cont);
}

static void take_entries(uint64_t vpn, uint64_t n)
{
	const uint64_t mask = FLAG(PFN_BITS) - 1, *e = walk.entries;
	uint64_t run;

	for (uint64_t i = 0; i < n; i += run) {
		uint64_t pfn = e[i] & mask;
		struct folio f;

		run = 1;
		if (!(e[i] & PRESENT) || !pfn)
			continue;
		f = folio_of(pfn);
		while (i + run < n && e[i + run] & PRESENT && (e[i + run] & mask) == pfn + run &&
		       pfn + run < f.head + f.pages)
			run++;
		if (is_memory(&f))
			take_run(vpn + i, pfn, run, &f);
	}
}

/* Chunks begin at multiples of their size, so that no block of entries is cut. */
static void take_range(int pagemap, uint64_t vpn, uint64_t end)
{
	while (vpn < end) {
		uint64_t next = (vpn / CHUNK_PAGES + 1) * CHUNK_PAGES, n = (next < end ? next : end) - vpn;
		ssize_t got = pread(pagemap, walk.entries, n * 8, (off_t)(vpn * 8));

		if (got > 0)
			take_entries(vpn, (uint64_t)got / 8);
		vpn += n;
	}
}

static void take_process(struct agent *agent, long pid)
{
	char path[PATH_SIZE], name[64], *line = walk.maps;
	int pagemap;

	snprintf(name, sizeof(name), "/proc/%ld/maps", pid);
	if (read_small(agent_path(agent, name, path), walk.maps, MAPS_SIZE) < 0)
		return;
	snprintf(name, sizeof(name), "/proc/%ld/pagemap", pid);
	pagemap = open(agent_path(agent, name, path), O_RDONLY | O_CLOEXEC);
	while (pagemap >= 0 && *line) {
		unsigned long long begin, end;

		if (sscanf(line, "%llx-%llx", &begin, &end) == 2)
			take_range(pagemap, begin / walk.page, end / walk.page);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	if (pagemap >= 0)
		close(pagemap);
}

/* ---- Page cache */

/* What is in core of one chunk of the file at @fd, mapped into the agent for a moment: the place in the file stands for
 * the address, as in a mapping that is aligned. */
static void take_file_chunk(int fd, int pagemap, uint64_t first, uint64_t n)
{
	const unsigned char *p = mmap(NULL, n * walk.page, PROT_READ, MAP_SHARED, fd, (off_t)(first * walk.page));
	ssize_t got;

	if (p == MAP_FAILED)
		return;
	if (mincore((void *)(uintptr_t)p, n * walk.page, walk.in_core) == 0) {
		for (uint64_t i = 0; i < n; i++)
			if (walk.in_core[i] & 1)
				(void)*(const volatile unsigned char *)(p + i * walk.page);
		got = pread(pagemap, walk.entries, n * 8, (off_t)((uintptr_t)p / walk.page * 8));
		if (got > 0)
			take_entries(first, (uint64_t)got / 8);
	}
	munmap((void *)(uintptr_t)p, n * walk.page);
}

static bool file_seen(const struct stat *st)
{
	for (unsigned int i = 0; i < walk.n_seen; i++)
		if (walk.seen[i].device == st->st_dev && walk.seen[i].inode == st->st_ino)
			return true;
	if (walk.n_seen < FILES_SEEN) {
		walk.seen[walk.n_seen].device = st->st_dev;
		walk.seen[walk.n_seen++].inode = st->st_ino;
	}
	return false;
}

static void take_file(const char *path)
{
	uint64_t pages;
	struct stat st;
	int fd, pagemap;

	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size || file_seen(&st))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOATIME);
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	pages = ((uint64_t)st.st_size + walk.page - 1) / walk.page;
	for (uint64_t at = 0; fd >= 0 && pagemap >= 0 && at < pages; at += CHUNK_PAGES)
		take_file_chunk(fd, pagemap, at, pages - at < CHUNK_PAGES ? pages - at : CHUNK_PAGES);
	if (fd >= 0)
		close(fd);
	if (pagemap >= 0)
		close(pagemap);
}

/* The files that @pid has open, deleted ones too. */
static void take_open_files(struct agent *agent, long pid)
{
	char dir[64], where[PATH_SIZE], path[PATH_SIZE + 64];
	struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%ld/fd", pid);
	d = opendir(agent_path(agent, dir, where));
	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%.32s", where, entry->d_name);
		take_file(path);
	}
	if (d)
		closedir(d);
}

static char patterns[PATTERNS][PATH_SIZE];
static unsigned int n_patterns;

void folios_cache(struct agent *agent, const char *pattern)
{
	if (n_patterns == PATTERNS)
		agent_fail(agent, "too many patterns of files whose page cache is looked at, at %s", pattern);
	snprintf(patterns[n_patterns++], PATH_SIZE, "%s", pattern);
}

static void take_found(void *arg, const char *path)
{
	(void)arg;
	take_file(path);
}

static void take_given_files(struct agent *agent)
{
	char path[PATH_SIZE];

	for (unsigned int i = 0; i < n_patterns; i++)
		glob_walk(agent_path(agent, patterns[i], path), take_found, NULL);
}

/* ---- Adding up */

static unsigned int order_of(uint64_t pages)
{
	unsigned int order = 0;

	while (order < ORDERS - 1 && UINT64_C(1) << order < pages)
		order++;
	return order;
}

static enum kind kind_of(const struct folio *f, bool cache)
{
	if (cache)
		return CACHE;
	if (f->flags & FLAG(KPF_ANON))
		return ANON;
	return f->flags & FLAG(KPF_SWAPBACKED) ? SHMEM : MAPPED_FILE;
}

static void count_folio(const struct folio *f, bool cache)
{
	struct tally *t = &walk.tallies[kind_of(f, cache)][order_of(f->pages)];
	uint64_t mapped = 0;
	bool unaligned = false;

	for (uint64_t pfn = f->head; pfn < f->head + f->pages; pfn++) {
		mapped += get_bit(MAPPED, pfn);
		unaligned |= get_bit(UNALIGNED, pfn);
		t->contpte += get_bit(CONTPTE, pfn);
	}
	t->folios++;
	t->pages += mapped;
	t->unaligned += unaligned;
	t->partial += mapped < f->pages;
}

/* Each folio once, however many processes map it; the bits are clear afterwards. */
static void count_folios(bool cache)
{
	for (uint64_t i = 0; i < walk.n_bits; i++) {
		struct folio f;

		if (!walk.bits[MAPPED][i / 64]) {
			i |= 63;
			continue;
		}
		if (!get_bit(MAPPED, walk.base + i))
			continue;
		f = folio_of(walk.base + i);
		count_folio(&f, cache);
		i = f.head + f.pages - 1 - walk.base;
	}
	for (int map = 0; map < BITMAPS; map++)
		memset(walk.bits[map], 0, walk.n_bits / 8);
}

static size_t write_tallies(char *buf, size_t size)
{
	size_t used = 0;

	for (int kind = 0; kind < KINDS; kind++)
		for (unsigned int order = 0; order < ORDERS; order++) {
			const struct tally *t = &walk.tallies[kind][order];

			if (t->folios && size - used > 160)
				used += (size_t)snprintf(buf + used, size - used, "%s %u %llu %llu %llu %llu %llu\n",
							 kind_names[kind], order, (unsigned long long)t->folios,
							 (unsigned long long)t->pages, (unsigned long long)t->unaligned,
							 (unsigned long long)t->partial,
							 (unsigned long long)t->contpte);
		}
	return used;
}

/* ---- The walk */

/* CONFIG_ARM64_CONT_PTE_SHIFT: 4, 7 and 5 (arch/arm64/Kconfig): 64K, 2M and 2M. */
static uint64_t block_pages(uint64_t page)
{
	return page == 65536 ? 32 : page == 16384 ? 128 : 16;
}

/* The first frame of memory: 1 GiB on QEMU's virt machine, so bits below would be wasted. */
static uint64_t first_frame(struct agent *agent)
{
	return agent->fake ? 0 : (UINT64_C(1) << 30) / walk.page;
}

static void walk_begin(struct agent *agent)
{
	char *scratch = snapshot_get(SNAPSHOT_BEFORE)->buf;
	size_t left = SNAPSHOT_BYTES;

	memset(&walk, 0, sizeof(walk));
	walk.window_at = UINT64_MAX;
	walk.page = agent_page_size(agent);
	walk.cont = block_pages(walk.page);
	walk.base = first_frame(agent);
	walk.entries = (uint64_t *)(void *)scratch;
	scratch += CHUNK_PAGES * sizeof(uint64_t);
	walk.in_core = (unsigned char *)scratch;
	scratch += CHUNK_PAGES;
	walk.maps = scratch;
	scratch += MAPS_SIZE;
	left -= CHUNK_PAGES * sizeof(uint64_t) + CHUNK_PAGES + MAPS_SIZE;
	walk.n_bits = left / BITMAPS / 64 * 64 * 8;
	for (int map = 0; map < BITMAPS; map++) {
		walk.bits[map] = (uint64_t *)(void *)scratch;
		memset(scratch, 0, walk.n_bits / 8);
		scratch += walk.n_bits / 8;
	}
}

static void each_pid(struct agent *agent, const char *pids, void (*take)(struct agent *agent, long pid))
{
	char *end;
	long pid;

	for (const char *p = pids; (pid = strtol(p, &end, 10)) > 0 && end > p; p = end)
		take(agent, pid);
}

ssize_t folios_list(struct agent *agent, const char *pids, char *buf, size_t size)
{
	char path[PATH_SIZE];

	walk_begin(agent);
	walk.flags_fd = open(agent_path(agent, "/proc/kpageflags", path), O_RDONLY | O_CLOEXEC);
	if (walk.flags_fd < 0)
		return -1;
	each_pid(agent, pids, take_process);
	count_folios(false);
	each_pid(agent, pids, take_open_files);
	take_given_files(agent);
	count_folios(true);
	close(walk.flags_fd);
	if (walk.beyond)
		agent_note(agent, "%llu pages lie beyond what the folio walker has bits for",
			   (unsigned long long)walk.beyond);
	return (ssize_t)write_tallies(buf, size);
}
