// SPDX-License-Identifier: GPL-2.0-or-later
/* The dictionary of the generic metrics: one table, read top to bottom; the first pattern that matches counts. */
#include "store/measure.h"

#include <stddef.h>

/* Resolutions and their reasons.
 *
 * MEMCG: a memory cgroup charges in advance, up to MEMCG_CHARGE_BATCH = 64 pages per CPU (mm/memcontrol.c), and
 *	memory.stat may leave as many updates per CPU unflushed (memcg_vmstats_needs_flush()).
 * VMSTAT: zone and node counters (nr_*, MemFree, Slab) hold back a threshold per CPU, about 24 pages on small guests
 *	(calculate_normal_threshold() in mm/vmstat.c; /proc/sys/vm/stat_refresh folds them, then what remains is what
 *	the reading itself moves), and MemFree misses the pages on the per-CPU lists.
 * PAGE: exact, in whole pages: page tables and what smaps_rollup counts by walking them.
 * START: event counters (pgfault, thp_*, mTHP stats) are exact sums over CPUs, but a sample's also hold what starting
 *	and ending a program costs: fewer than 256 faults at 4K, fewer still at 64K. A difference of that size is the
 *	exec's, not the workload's. */
#define MEMCG .resolution_pages_per_cpu = 64
#define VMSTAT .resolution_pages_per_cpu = 24
#define PAGE .resolution_pages = 1
#define START .resolution = 256, .resolution_per_sample = true

#define MEMORY(name, want, is_primary, how, text)                                                                      \
	{                                                                                                              \
		.pattern = name, .unit = "bytes", .direction = want, .class = METRIC_MEMORY, how,                      \
		.primary = is_primary, .help = text                                                                    \
	}

#define COUNT_AS(name, per, want, page, is_primary, text)                                                              \
	{                                                                                                              \
		.pattern = name, .unit = per, .direction = want, .class = METRIC_COUNT, START, .per_page = page,       \
		.primary = is_primary, .help = text                                                                    \
	}

/* An event counter per operation, per sample where the operations are not known, and per MiB touched. */
#define COUNTER(name, want, page, is_primary, text)                                                                    \
	COUNT_AS(name "_per_op", "1/op", want, page, is_primary, text),                                                \
		COUNT_AS(name "_per_sample", "1/sample", want, page, is_primary, text),                                \
		COUNT_AS(name "_per_mib", "1/MiB", want, false, false, text)

const struct metric generic_metrics[] = {
	MEMORY("memory.peak", METRIC_LOWER, true, MEMCG, "most charged to the phase's cgroup at once (memory.peak)"),
	MEMORY("memory.anon", METRIC_LOWER, false, MEMCG, "anonymous memory at hold (memory.stat anon)"),
	MEMORY("memory.file", METRIC_LOWER, false, MEMCG, "page cache and tmpfs at hold (memory.stat file)"),
	MEMORY("memory.shmem", METRIC_LOWER, false, MEMCG, "tmpfs and shared anonymous memory at hold (memory.stat)"),
	MEMORY("memory.kernel", METRIC_LOWER, false, MEMCG, "kernel memory at hold (memory.stat kernel)"),
	MEMORY("memory.slab", METRIC_LOWER, false, MEMCG, "slab at hold (memory.stat slab)"),
	MEMORY("memory.pagetables", METRIC_LOWER, false, MEMCG, "page tables at hold (memory.stat pagetables)"),
	MEMORY("process.vmpte", METRIC_LOWER, true, PAGE, "page tables of its processes at hold (status VmPTE)"),
	MEMORY("process.pss", METRIC_LOWER, true, PAGE, "proportional set of its processes at hold (smaps_rollup Pss)"),
	MEMORY("process.rss", METRIC_LOWER, false, PAGE, "resident set of its processes at hold (smaps_rollup Rss)"),

	/* of the guest as a whole, before the first step */
	MEMORY("memory.idle_used", METRIC_LOWER, true, VMSTAT, "MemTotal - MemFree of the idle guest (meminfo)"),
	MEMORY("memory.reserved", METRIC_LOWER, true, PAGE, "RAM - MemTotal: kernel image, memmap (meminfo)"),
	MEMORY("memory.idle_slab", METRIC_LOWER, false, VMSTAT, "Slab of the idle guest (meminfo)"),
	MEMORY("memory.idle_pagetables", METRIC_LOWER, false, VMSTAT, "PageTables of the idle guest (meminfo)"),
	MEMORY("memory.percpu", METRIC_LOWER, false, PAGE, "Percpu of the idle guest (meminfo)"),
	MEMORY("memory.min_free", METRIC_NEITHER, false, PAGE, "what reclaim keeps free (vm.min_free_kbytes)"),

	COUNTER("faults", METRIC_LOWER, true, true, "page faults of the program (rusage minflt + majflt)"),
	COUNTER("vm.pgfault", METRIC_LOWER, true, false, "page faults of the guest (vmstat pgfault)"),
	COUNTER("vm.pgmajfault", METRIC_LOWER, false, false, "major faults of the guest (vmstat)"),
	COUNTER("vm.pgalloc", METRIC_NEITHER, true, false, "base pages allocated (vmstat pgalloc_*, summed)"),
	COUNTER("vm.allocstall", METRIC_LOWER, false, false, "direct reclaims (vmstat allocstall_*, summed)"),
	COUNTER("vm.thp_fault_alloc", METRIC_NEITHER, false, true, "PMD-size folios given at a fault (vmstat)"),
	COUNTER("vm.thp_fault_fallback", METRIC_LOWER, false, true, "faults that wanted a PMD-size folio (vmstat)"),
	COUNTER("vm.thp_*", METRIC_NEITHER, false, false, "vmstat counter of that name"),
	COUNTER("vm.compact_*", METRIC_NEITHER, false, false, "vmstat counter of that name"),
	COUNTER("vm.pgmigrate_*", METRIC_NEITHER, false, false, "vmstat counter of that name"),
	COUNTER("vm.pswp*", METRIC_LOWER, true, false, "vmstat counter of that name"),
	COUNTER("folio.*.anon_fault_alloc", METRIC_NEITHER, false, true,
		"anonymous folios of that size given at a fault"),
	COUNTER("folio.*.anon_fault_fallback", METRIC_LOWER, false, true, "faults that wanted that size and fell back"),
	COUNTER("folio.*.shmem_alloc", METRIC_NEITHER, false, true, "shmem folios of that size"),
	COUNTER("folio.*.shmem_fallback", METRIC_LOWER, false, true, "shmem allocations that fell back from that size"),
	COUNTER("folio.*.*", METRIC_NEITHER, false, false, "hugepages-SIZE/stats counter of that name"),
	{ .pattern = "folio.*.nr_anon",
	  .unit = "1",
	  .class = METRIC_COUNT,
	  .help = "anonymous folios of that size in the guest at hold (hugepages-SIZE/stats/nr_anon)" },

	{ .pattern = "operations",
	  .unit = "1",
	  .class = METRIC_COUNT,
	  .help = "operations of one sample, as its program says" },
	{ .pattern = "elapsed",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .help = "guest time of one sample, start of the program to its end" },
	{ .pattern = NULL },
};
