// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory at rest, of the idle guest and at hold: zones, per-CPU lists, free blocks, pageblocks, what lies in the guest's
 * memory as files; and what the reading of all that costs. A file that this kernel lacks gives no number. */
#include "store/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/buddyinfo.h"

#define KIB 1024.0
#define NS_PER_US 1000.0
#define TYPES_MAX 8 /* of pageblocks */

static const struct file *find(const struct reader *r, const char *path, bool after)
{
	return file_find(r->step.files, r->step.n_files, path, after);
}

/* A zone's name is the guest's: it becomes part of a metric's. */
static bool zone_name(struct span s, char name[PHASE_MAX + 1])
{
	if (s.len > 16)
		return false;
	memcpy(name, s.s, s.len);
	name[s.len] = '\0';
	return name_safe(name);
}

/* ---- /proc/zoneinfo (zoneinfo_show_print() in mm/vmstat.c) ---- */

struct zone {
	char name[PHASE_MAX + 1];
	double values[16]; /* in the order of zone_keys, in pages */
	bool seen[16];
};

static const struct zone_key {
	const char *key, *metric;
} zone_keys[] = {
	{ "present", "present" }, { "managed", "managed" }, { "pages", "free" },
	{ "min", "min" },	  { "low", "low" },	    { "high", "high" },
	{ "count:", "pcp" },	  { "high:", "pcp_high" },  { "batch:", "pcp_batch" },
};

static void zone_take(struct zone *zone, struct span key, struct span rest)
{
	struct span word = rest;
	double v;

	if (span_is(key, "pages")) /* "pages free 123" */
		span_next_word(&rest, &word);
	for (size_t i = 0; i < ARRAY_SIZE(zone_keys); i++) {
		if (!span_is(key, zone_keys[i].key) || !span_number(rest, &v))
			continue;
		/* of each CPU */
		zone->values[i] += v;
		zone->seen[i] = true;
	}
}

/* "Node 0, zone      DMA"; with more behind the name it is another file's line. */
static bool zone_head(struct span line, char name[PHASE_MAX + 1])
{
	static const char *const words[] = { "Node", NULL, "zone" };
	struct span word;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!span_next_word(&line, &word) || (words[i] && !span_is(word, words[i])))
			return false;
	return span_next_word(&line, &word) && zone_name(word, name) && !span_next_word(&line, &word);
}

/* An empty zone says nothing. */
static void zone_finish(struct reader *r, const char *phase, const struct zone *zone, double *pcp)
{
	double page = (double)r->context.page_bytes;

	if (!zone->values[0])
		return;
	if (zone->seen[6])
		*pcp = (*pcp < 0 ? 0 : *pcp) + zone->values[6] * page;
	for (size_t i = 0; i < ARRAY_SIZE(zone_keys) && !strcmp(phase, "guest"); i++) {
		char suffix[SUFFIX_SIZE];

		snprintf(suffix, sizeof(suffix), "zone.%s.%s", zone->name, zone_keys[i].metric);
		if (zone->seen[i])
			reader_add(r, phase, suffix, zone->values[i] * page);
	}
}

/* Two nodes' zones of one name are two values of one metric: a guest of granule has one node. */
static void measure_zones(struct reader *r, const char *phase, struct span text)
{
	struct span line, key;
	struct zone zone = { .name = "" };
	double pcp = -1;

	while (span_next_line(&text, &line)) {
		char name[PHASE_MAX + 1];

		if (zone_head(line, name)) {
			zone_finish(r, phase, &zone, &pcp);
			zone = (struct zone){ .name = "" };
			strcpy(zone.name, name);
		} else if (*zone.name && span_next_word(&line, &key)) {
			zone_take(&zone, key, line);
		}
	}
	zone_finish(r, phase, &zone, &pcp);
	if (pcp >= 0)
		reader_add(r, phase, "memory.pcp", pcp);
}

/* ---- /proc/buddyinfo ---- */

/* A PMD maps as many base pages as fit a page of 8-byte entries. */
static double pmd_bytes(uint64_t page_bytes)
{
	return (double)page_bytes * (double)(page_bytes / 8);
}

static void measure_blocks(struct reader *r, const char *phase, struct span text)
{
	const struct {
		const char *name;
		double bytes;
	} sizes[] = { { "64k", 65536 }, { "2m", 2097152 }, { "pmd", pmd_bytes(r->context.page_bytes) } };
	double page = (double)r->context.page_bytes, free_pages = 0, large[ARRAY_SIZE(sizes)] = { 0 };
	struct buddy_zone zone;
	char suffix[SUFFIX_SIZE];
	size_t at = 0;

	while (buddy_next(text.s, text.len, &at, &zone)) {
		free_pages += (double)buddy_pages(&zone, 0);
		for (unsigned int o = 0; o < zone.n_orders; o++) {
			snprintf(suffix, sizeof(suffix), "free_blocks.%s.%u", zone.zone, o);
			reader_add(r, phase, suffix, (double)zone.blocks[o]);
		}
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			unsigned int order = 0;

			while (page * (double)(UINT64_C(1) << order) < sizes[i].bytes)
				order++;
			large[i] += (double)buddy_pages(&zone, order);
		}
	}
	for (size_t i = 0; free_pages && i < ARRAY_SIZE(sizes); i++) {
		snprintf(suffix, sizeof(suffix), "memory.free_%s", sizes[i].name);
		reader_add(r, phase, suffix, large[i] * page);
		snprintf(suffix, sizeof(suffix), "unusable_%s", sizes[i].name);
		reader_add(r, phase, suffix, (free_pages - large[i]) / free_pages);
	}
}

/* ---- /proc/pagetypeinfo (pagetypeinfo_showblockcount() in mm/vmstat.c) ---- */

/* "Number of blocks type     Unmovable      Movable  Reclaimable": the names behind "type". */
static size_t block_types(struct span line, struct span types[TYPES_MAX])
{
	struct span word;
	size_t n = 0;

	while (span_next_word(&line, &word) && !span_is(word, "type"))
		continue;
	while (n < TYPES_MAX && span_next_word(&line, &types[n]))
		n++;
	return n;
}

static void measure_pageblocks(struct reader *r, const char *phase, struct span text)
{
	static const char per_block[] = "Pages per block:", head[] = "Number of blocks type";
	struct span line, types[TYPES_MAX], word;
	double counts[TYPES_MAX] = { 0 }, v;
	size_t n_types = 0;

	while (span_next_line(&text, &line)) {
		if (span_starts(line, per_block)) {
			line = (struct span){ line.s + strlen(per_block), line.len - strlen(per_block) };
			if (span_number(line, &v) && !strcmp(phase, "guest"))
				reader_add(r, phase, "pageblock_size", v * (double)r->context.page_bytes);
		} else if (span_starts(line, head)) {
			n_types = block_types(line, types);
		} else if (n_types && span_starts(line, "Node")) {
			for (int i = 0; i < 4; i++) /* Node 0, zone DMA */
				span_next_word(&line, &word);
			for (size_t i = 0; i < n_types && span_next_word(&line, &word); i++)
				counts[i] += span_number(word, &v) ? v : 0;
		}
	}
	for (size_t i = 0; i < n_types; i++) {
		char name[PHASE_MAX + 1], suffix[SUFFIX_SIZE];

		if (!zone_name(types[i], name))
			continue;
		snprintf(suffix, sizeof(suffix), "pageblocks.%s", name);
		reader_add(r, phase, suffix, counts[i]);
	}
}

/* ---- agent/storage ---- */

/* Bytes that files hold, and the capacity of devices whose use nobody knows; below 0: there are none. */
static void storage_sum(struct span text, double *used, double *unknown)
{
	struct span line, word;

	*used = *unknown = -1;
	while (span_next_line(&text, &line)) {
		double v, capacity;

		if (!span_next_word(&line, &word) || !span_next_word(&line, &word) || !span_next_word(&line, &word))
			continue;
		if (span_number(word, &v))
			*used = (*used < 0 ? 0 : *used) + v;
		else if (span_number(line, &capacity))
			*unknown = (*unknown < 0 ? 0 : *unknown) + capacity;
	}
}

/* What devices in the guest's memory hold: of the kinds of line that are no file system. */
static double disks_sum(struct span text)
{
	static const char *const kinds[] = { "null_blk", "brd", "loop", "zram" };
	struct span line, kind, word;
	double sum = 0, v;

	while (span_next_line(&text, &line)) {
		if (!span_next_word(&line, &kind) || !span_next_word(&line, &word) || !span_number(line, &v))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
			sum += span_is(kind, kinds[i]) ? v : 0;
	}
	return sum;
}

void state_phase_begins(struct reader *r)
{
	const struct file *storage = find(r, "agent/storage", false);
	struct phase_state *p;
	double used, unknown;

	if (!storage)
		return;
	storage_sum(storage->content, &used, &unknown);
	p = reader_phase(r, r->step.phase);
	/* a phase that is entered again has files of its own by now */
	if (used >= 0 && !p->has_storage) {
		p->has_storage = true;
		p->storage = used;
	}
}

/* The pages of a tmpfs file are charged to who touched them first, so of the cgroup's shmem its files are at most what the
 * guest's files grew by since the phase began. The rest is shared anonymous memory, memfd and System V. */
void state_own_memory(struct reader *r)
{
	const struct file *storage = find(r, "agent/storage", true), *stat = find(r, "cgroup/memory.stat", true);
	const struct file *current = find(r, "cgroup/memory.current", true);
	const struct phase_state *p = reader_phase(r, r->step.phase);
	double used, unknown, shmem, files, charged, zswap = 0;

	if (!storage || !stat || !p->has_storage || !span_table_value(stat->content, "shmem", &shmem))
		return;
	storage_sum(storage->content, &used, &unknown);
	if (used < 0)
		return;
	files = used > p->storage ? used - p->storage : 0;
	files = files < shmem ? files : shmem;
	reader_add(r, r->step.phase, "memory.shmem_files", files);
	reader_add(r, r->step.phase, "memory.shmem_other", shmem - files);
	span_table_value(stat->content, "zswap", &zswap);
	if (current && span_number(current->content, &charged) && charged >= files + zswap)
		reader_add(r, r->step.phase, "memory.own", charged - files - zswap);
}

void state_measure(struct reader *r, const char *phase, const struct file *files, size_t n)
{
	static const struct {
		const char *path;
		void (*measure)(struct reader *r, const char *phase, struct span text);
	} sources[] = {
		{ "/proc/zoneinfo", measure_zones },
		{ "/proc/buddyinfo", measure_blocks },
		{ "/proc/pagetypeinfo", measure_pageblocks },
	};
	const struct file *storage = file_find(files, n, "agent/storage", true);
	double used, unknown, disks;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const struct file *file = file_find(files, n, sources[i].path, true);

		if (file)
			sources[i].measure(r, phase, file->content);
	}
	if (!storage)
		return;
	storage_sum(storage->content, &used, &unknown);
	disks = disks_sum(storage->content);
	if (used >= 0)
		reader_add(r, phase, "memory.storage", used);
	if (disks > 0)
		reader_add(r, phase, "memory.disks", disks);
	if (unknown >= 0)
		reader_add(r, phase, "memory.storage_devices", unknown);
}

/* ---- hugetlb ---- */

/* "hugepages-2048kB/nr_hugepages" and its neighbours (Documentation/admin-guide/mm/hugetlbpage.rst): pages of all sizes that nothing
 * else can have, and those of them that nobody uses or was promised. */
void state_hugetlb(struct reader *r)
{
	static const char prefix[] = "/sys/kernel/mm/hugepages/hugepages-";
	static const char *const names[] = { "nr_hugepages", "free_hugepages", "resv_hugepages" };
	double sums[ARRAY_SIZE(names)] = { 0 }, kib, n;
	bool any = false;

	for (size_t i = 0; i < r->step.n_files; i++) {
		const struct file *f = &r->step.files[i];
		struct span size = f->folder;

		if (!span_starts(size, prefix) || size.len <= strlen(prefix) + 2)
			continue;
		size = (struct span){ size.s + strlen(prefix), size.len - strlen(prefix) - strlen("kB") };
		for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
			if (!span_is(f->name, names[k]) || !span_number(size, &kib) || !span_number(f->content, &n))
				continue;
			sums[k] += n * kib * KIB;
			any = true;
		}
	}
	if (!any)
		return;
	reader_add(r, r->step.phase, "hugetlb.reserve", sums[0]);
	reader_add(r, r->step.phase, "hugetlb.used", sums[0] - sums[1]);
	reader_add(r, r->step.phase, "hugetlb.promised", sums[2]);
}

/* ---- the idle guest ---- */

static void idle_meminfo(struct reader *r, struct span meminfo, double disks)
{
	static const struct {
		const char *key, *suffix;
	} keys[] = {
		{ "Slab", "memory.idle_slab" },
		{ "PageTables", "memory.idle_pagetables" },
		{ "Percpu", "memory.percpu" },
	};
	double total, v;

	if (span_table_value(meminfo, "MemTotal", &total)) {
		if (span_table_value(meminfo, "MemFree", &v))
			reader_add(r, "guest", "memory.idle_used", (total - v) * KIB - disks);
		if ((double)r->cell->memory_bytes >= total * KIB)
			reader_add(r, "guest", "memory.reserved", (double)r->cell->memory_bytes - total * KIB);
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (span_table_value(meminfo, keys[i].key, &v))
			reader_add(r, "guest", keys[i].suffix, v * KIB);
}

void state_idle(struct reader *r)
{
	const struct file *meminfo = file_find(r->idle, r->n_idle, "/proc/meminfo", true);
	const struct file *vmstat = file_find(r->idle, r->n_idle, "/proc/vmstat", true);
	const struct file *min_free = file_find(r->idle, r->n_idle, "/proc/sys/vm/min_free_kbytes", true);
	const struct file *storage = file_find(r->idle, r->n_idle, "agent/storage", true);
	double v, boot;

	if (min_free && span_number(min_free->content, &v))
		reader_add(r, "guest", "memory.min_free", v * KIB);
	if (meminfo)
		idle_meminfo(r, meminfo->content, storage ? disks_sum(storage->content) : 0);
	if (vmstat && span_table_value(vmstat->content, "nr_memmap_pages", &v) &&
	    span_table_value(vmstat->content, "nr_memmap_boot_pages", &boot))
		reader_add(r, "guest", "memory.memmap", (v + boot) * (double)r->context.page_bytes);
	state_measure(r, "guest", r->idle, r->n_idle);
	state_split(r, "guest", r->idle, r->n_idle);
}

/* ---- stalls ---- */

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=123", in us (Documentation/accounting/psi.rst). */
static bool stall_us(struct span text, const char *kind, double *ret)
{
	struct span line, word;

	while (span_next_line(&text, &line)) {
		if (!span_next_word(&line, &word) || !span_is(word, kind))
			continue;
		while (span_next_word(&line, &word))
			if (span_starts(word, "total="))
				return span_number((struct span){ word.s + 6, word.len - 6 }, ret);
	}
	return false;
}

void state_pressure(struct reader *r)
{
	static const struct {
		const char *path, *prefix;
	} sources[] = {
		{ "cgroup/memory.pressure", "psi.memory" }, { "cgroup/cpu.pressure", "psi.cpu" },
		{ "cgroup/io.pressure", "psi.io" },	    { "/proc/pressure/memory", "psi.guest.memory" },
		{ "/proc/pressure/cpu", "psi.guest.cpu" },  { "/proc/pressure/io", "psi.guest.io" },
	};
	static const char *const kinds[] = { "some", "full" };

	for (size_t i = 0; i < ARRAY_SIZE(sources) * ARRAY_SIZE(kinds); i++) {
		const char *path = sources[i / 2].path, *kind = kinds[i % 2];
		const struct file *before = find(r, path, false), *after = find(r, path, true);
		char suffix[SUFFIX_SIZE];
		double then, now;

		if (!before || !after || !stall_us(before->content, kind, &then) ||
		    !stall_us(after->content, kind, &now) || now < then)
			continue;
		snprintf(suffix, sizeof(suffix), "%s.%s", sources[i / 2].prefix, kind);
		reader_add(r, r->step.phase, suffix, (now - then) * NS_PER_US);
	}
}

/* ---- the sampler's own cost ---- */

/* The difference of the sum of all lines whose key is or, with a '*', begins with @key. */
static bool difference(struct span before, struct span after, const char *key, double *ret)
{
	size_t len = strlen(key), n = 0;
	bool prefix = key[len - 1] == '*';
	double sum[2] = { 0 }, v;

	for (int i = 0; i < 2; i++) {
		struct span text = i ? after : before, name, rest;

		while (span_next_pair(&text, &name, &rest)) {
			if (!(prefix ? name.len >= len && !memcmp(name.s, key, len - 1) : span_is(name, key)) ||
			    !span_number(rest, &v))
				continue;
			sum[i] += v;
			n++;
		}
	}
	*ret = sum[1] - sum[0];
	return n > 1;
}

/* What a sample took and did not give back, less what meminfo can name: a leak of the kernel's. Events of the page allocator are counted
 * when they happen (pgalloc_*, pgfree: pages, in post_alloc_hook()'s and free_pages_prepare()'s callers in mm/page_alloc.c), so pages on
 * per-CPU lists do not blur it. */
void state_unaccounted(struct reader *r)
{
	static const char *const named[] = { "AnonPages",   "Cached",	  "Buffers",	   "SwapCached", "Slab",
					     "KernelStack", "PageTables", "SecPageTables", "Percpu" };
	const struct file *vm[] = { find(r, "/proc/vmstat", false), find(r, "/proc/vmstat", true) };
	const struct file *mem[] = { find(r, "/proc/meminfo", false), find(r, "/proc/meminfo", true) };
	double taken, freed, claimed = 0, v;

	if (!vm[0] || !vm[1] || !mem[0] || !mem[1] ||
	    !difference(vm[0]->content, vm[1]->content, "pgalloc_*", &taken) ||
	    !difference(vm[0]->content, vm[1]->content, "pgfree", &freed))
		return;
	/* Compaction takes free pages without counting them (__isolate_free_page() in mm/page_alloc.c) and gives back, counted,
	 * those that it did not need. */
	if (difference(vm[0]->content, vm[1]->content, "compact_free_scanned", &v) && v != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(named); i++)
		if (difference(mem[0]->content, mem[1]->content, named[i], &v))
			claimed += v * KIB;
	/* the pool of zram and zswap: in no line of meminfo */
	if (difference(vm[0]->content, vm[1]->content, "nr_zspages", &v))
		claimed += v * (double)r->context.page_bytes;
	reader_add(r, r->step.phase, "memory.unaccounted", (taken - freed) * (double)r->context.page_bytes - claimed);
}

/* How many counters of the two are not what they were. One kernel prints one order. */
static double moved(struct span before, struct span after)
{
	struct span a, b;
	double n = 0;

	while (span_next_line(&before, &a) && span_next_line(&after, &b))
		n += !span_equal(a, b);
	return n;
}

void state_sampler(struct reader *r)
{
	static const struct {
		const char *path, *key, *suffix;
		double scale;
	} counters[] = {
		{ "/proc/vmstat", "pgfault", "sampler.pgfault", 1 },
		{ "/proc/vmstat", "pgalloc_*", "sampler.pgalloc", 1 },
		{ "/proc/vmstat", "pgfree", "sampler.pgfree", 1 },
		{ "/proc/meminfo", "MemFree", "sampler.free", KIB },
		{ "/proc/meminfo", "AnonPages", "sampler.anon", KIB },
		{ "/proc/meminfo", "Cached", "sampler.file", KIB },
		{ "/proc/meminfo", "Slab", "sampler.slab", KIB },
		{ "/proc/meminfo", "KernelStack", "sampler.stack", KIB },
		{ "/proc/meminfo", "PageTables", "sampler.pagetables", KIB },
	};
	const struct file *before = find(r, "/proc/vmstat", false), *after = find(r, "/proc/vmstat", true);
	bool simulated = r->context.basis == BASIS_SIMULATED;
	double v;

	if (!r->step.has_exec)
		return;
	/* a pair of them */
	v = (double)(r->step.end_ns - r->step.begin_ns) / 2;
	reader_add(r, "guest", simulated ? "sampler.insns" : "sampler.ns", v / (simulated ? SIMULATED_NS_PER_INSN : 1));
	reader_add(r, "guest", "sampler.faults", (double)r->step.faults);
	if (before && after)
		reader_add(r, "guest", "sampler.moved", moved(before->content, after->content));
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		before = find(r, counters[i].path, false);
		after = find(r, counters[i].path, true);
		if (before && after && difference(before->content, after->content, counters[i].key, &v))
			reader_add(r, "guest", counters[i].suffix, v * counters[i].scale);
	}
}
