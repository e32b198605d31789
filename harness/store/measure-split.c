// SPDX-License-Identifier: GPL-2.0-or-later
/* Where all memory is: what is not free of the guest's, and what is charged to a phase's cgroup, in parts that do not
 * overlap and a rest that no counter names. total is their sum, exactly, since the rest is made so. */
#include "store/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/buddyinfo.h"

#define KIB 1024.0
#define PARTS_MAX 16

struct split {
	const char *prefix;
	double total;
	struct {
		const char *name;
		double bytes;
	} parts[PARTS_MAX];
	size_t n;
};

static void add_part(struct split *s, const char *name, double bytes)
{
	s->parts[s->n].name = name;
	s->parts[s->n++].bytes = bytes;
}

static void emit_split(struct reader *r, const char *phase, const struct split *s)
{
	double rest = s->total;
	char suffix[SUFFIX_SIZE];

	for (size_t i = 0; i < s->n; i++) {
		snprintf(suffix, sizeof(suffix), "%s.%s", s->prefix, s->parts[i].name);
		reader_add(r, phase, suffix, s->parts[i].bytes);
		rest -= s->parts[i].bytes;
	}
	snprintf(suffix, sizeof(suffix), "%s.rest", s->prefix);
	reader_add(r, phase, suffix, rest);
	snprintf(suffix, sizeof(suffix), "%s.total", s->prefix);
	reader_add(r, phase, suffix, s->total);
}

/* The value behind @key in KiB, as bytes; 0 where this kernel lacks it, and so it is part of the rest. */
static double kib(struct span meminfo, const char *key)
{
	double v;

	return span_table_value(meminfo, key, &v) ? v * KIB : 0;
}

static double stat_bytes(struct span stat, const char *key)
{
	double v;

	return span_table_value(stat, key, &v) ? v : 0;
}

/* "  40210000-4073ffff : Kernel code": the bytes of all lines that end so. */
static double iomem_bytes(const struct file *iomem, const char *name)
{
	struct span text = iomem ? iomem->content : (struct span){ NULL, 0 }, line;
	double sum = 0;

	while (span_next_line(&text, &line)) {
		_cleanup_free_ char *s = xstrndup(line.s, line.len);
		unsigned long long begin, end;

		if (ends_with(s, name) && sscanf(s, " %llx-%llx", &begin, &end) == 2 && end >= begin)
			sum += (double)(end - begin) + 1;
	}
	return sum;
}

static double vmstat_bytes(const struct reader *r, const struct file *vmstat, const char *key)
{
	double v;

	return vmstat && span_table_value(vmstat->content, key, &v) ? v * (double)r->context.page_bytes : 0;
}

/* Pages in the buddy allocator's lists that MemFree does not count (it is kept per CPU and folded later), or counts too
 * much. */
static double unfolded_free(const struct reader *r, const struct file *buddyinfo, double free_bytes)
{
	struct buddy_zone zone;
	uint64_t pages = 0;
	size_t at = 0;

	if (!buddyinfo)
		return 0;
	while (buddy_next(buddyinfo->content.s, buddyinfo->content.len, &at, &zone))
		pages += buddy_pages(&zone, 0);
	return (double)pages * (double)r->context.page_bytes - free_bytes;
}

static double on_pcp_lists(const struct reader *r, const char *phase)
{
	_cleanup_free_ char *name = xasprintf("%s.memory.pcp", phase);
	const struct measure *m = measures_find(r->out, name);

	return m ? m->values[m->n_values - 1] : 0;
}

/* What the kernel keeps from its start on and never gives to the page allocator, but for the image, the memmap and
 * per-CPU areas: hash tables, the device tree, the crash kernel. Percpu of the idle guest stands for its first chunk,
 * which is there. */
static double boot_reserved(const struct reader *r, struct span meminfo, double named)
{
	const struct file *idle = file_find(r->idle, r->n_idle, "/proc/meminfo", true);
	double reserved = (double)r->cell->memory_bytes - kib(meminfo, "MemTotal") - named;

	return reserved - (idle ? kib(idle->content, "Percpu") : 0);
}

void state_split(struct reader *r, const char *phase, const struct file *files, size_t n)
{
	const struct file *file = file_find(files, n, "/proc/meminfo", true);
	const struct file *vmstat = file_find(files, n, "/proc/vmstat", true);
	const struct file *iomem = file_find(r->idle, r->n_idle, "/proc/iomem", true);
	struct split s = { .prefix = "split" };
	double stacks, vmalloc, image, boot_memmap, shmem;
	struct span m;

	if (!file || !r->cell->memory_bytes)
		return;
	m = file->content;
	stacks = kib(m, "KernelStack");
	vmalloc = kib(m, "VmallocUsed");
	shmem = kib(m, "Shmem");
	image = iomem_bytes(iomem, " : Kernel code") + iomem_bytes(iomem, " : Kernel data");
	boot_memmap = vmstat_bytes(r, vmstat, "nr_memmap_boot_pages");
	s.total = (double)r->cell->memory_bytes - kib(m, "MemFree");
	add_part(&s, "anon", kib(m, "AnonPages"));
	add_part(&s, "file", kib(m, "Cached") + kib(m, "Buffers") - shmem);
	add_part(&s, "shmem", shmem);
	add_part(&s, "pagetables", kib(m, "PageTables") + kib(m, "SecPageTables"));
	add_part(&s, "slab", kib(m, "Slab"));
	add_part(&s, "stacks", stacks);
	/* kernel stacks are mapped by vmalloc (CONFIG_VMAP_STACK, always on arm64) and counted there too */
	add_part(&s, "vmalloc", vmalloc > stacks ? vmalloc - stacks : 0);
	add_part(&s, "percpu", kib(m, "Percpu"));
	add_part(&s, "memmap", boot_memmap + vmstat_bytes(r, vmstat, "nr_memmap_pages"));
	add_part(&s, "image", image);
	add_part(&s, "boot", boot_reserved(r, m, image + boot_memmap));
	add_part(&s, "pcp", on_pcp_lists(r, phase));
	add_part(&s, "unfolded", unfolded_free(r, file_find(files, n, "/proc/buddyinfo", true), kib(m, "MemFree")));
	emit_split(r, phase, &s);
}

void state_charged(struct reader *r)
{
	static const struct {
		const char *key, *name;
	} kernel[] = {
		{ "pagetables", "pagetables" }, { "slab", "slab" },	{ "kernel_stack", "stacks" },
		{ "vmalloc", "vmalloc" },	{ "percpu", "percpu" },
	};
	const struct file *stat = file_find(r->step.files, r->step.n_files, "cgroup/memory.stat", true);
	const struct file *current = file_find(r->step.files, r->step.n_files, "cgroup/memory.current", true);
	struct split s = { .prefix = "charged" };
	double kernel_rest, shmem;

	if (!stat || !current || !span_number(current->content, &s.total))
		return;
	shmem = stat_bytes(stat->content, "shmem");
	kernel_rest = stat_bytes(stat->content, "kernel");
	add_part(&s, "anon", stat_bytes(stat->content, "anon"));
	add_part(&s, "file", stat_bytes(stat->content, "file") - shmem);
	add_part(&s, "shmem", shmem);
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		double bytes = stat_bytes(stat->content, kernel[i].key);

		add_part(&s, kernel[i].name, bytes);
		kernel_rest -= bytes;
	}
	add_part(&s, "kernel", kernel_rest);
	add_part(&s, "sock", stat_bytes(stat->content, "sock"));
	emit_split(r, r->step.phase, &s);
}
