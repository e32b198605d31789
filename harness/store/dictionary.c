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

/* Grows with the base page for a reason of granule's own. */
#define MEMORY_OF_PAGES(name, is_primary, text)                                                                        \
	{                                                                                                              \
		.pattern = name, .unit = "bytes", .direction = METRIC_LOWER, .class = METRIC_MEMORY, VMSTAT,           \
		.per_page = true, .primary = is_primary, .help = text                                                  \
	}

#define COUNT_AS(name, per, want, page, is_primary, text)                                                              \
	{                                                                                                              \
		.pattern = name, .unit = per, .direction = want, .class = METRIC_COUNT, START, .per_page = page,       \
		.primary = is_primary, .help = text                                                                    \
	}

/* At rest, of the guest and at each hold. */
#define BLOCKS(size, text)                                                                                             \
	MEMORY("memory.free_" size, METRIC_HIGHER, false, VMSTAT, "free bytes in blocks of " text " (buddyinfo)"),     \
	{                                                                                                              \
		.pattern = "unusable_" size, .unit = "1", .direction = METRIC_LOWER, .class = METRIC_COUNT,            \
		.resolution = 0.01,                                                                                    \
		.help = "share of the free memory that no allocation of " text " can use (buddyinfo)"                  \
	}

#define PART(name, text) MEMORY(name, METRIC_NEITHER, false, VMSTAT, text)

#define SHARE(name, text)                                                                                              \
	{                                                                                                              \
		.pattern = name, .unit = "1", .direction = METRIC_HIGHER, .class = METRIC_COUNT, .resolution = 0.01,   \
		.help = text                                                                                           \
	}

/* What is no verdict's matter. */
#define FACT(name, per, text)                                                                                          \
	{                                                                                                              \
		.pattern = name, .unit = per, .class = METRIC_COUNT, .help = text                                      \
	}

/* Stall time: what total= grew by. It is kept in us, and a sample's holds its program's start and end. */
#define STALL(name, text)                                                                                              \
	{                                                                                                              \
		.pattern = name, .unit = "ns", .direction = METRIC_LOWER, .class = METRIC_TIME, .resolution = 100000,  \
		.help = text                                                                                           \
	}

/* Journals and writeback go by the clock: what one sample writes, another need not. Reading is the workload's. */
#define WRITEBACK .timed = "journals and writeback go by the clock"
#define DISK_AS(name, what, amount, why, text)                                                                         \
	{                                                                                                              \
		.pattern = name, .unit = what, .direction = METRIC_LOWER, .class = METRIC_COUNT, .resolution = amount, \
		.resolution_per_sample = true, why, .help = text " (/sys/block/NAME/stat)"                             \
	}
#define DISK(glob, per)                                                                                                \
	DISK_AS("disk.*.reads_" glob, "1/" per, 16, .timed = NULL, "requests to read of the device of that name"),     \
		DISK_AS("disk.*.read_" glob, "B/" per, 262144, .timed = NULL,                                          \
			"bytes that the device of that name read"),                                                    \
		DISK_AS("disk.*.written_" glob, "B/" per, 262144, WRITEBACK,                                           \
			"bytes that the device of that name wrote"),                                                   \
		DISK_AS("disk.*.discarded_" glob, "B/" per, 262144, WRITEBACK,                                         \
			"bytes that the device of that name discarded"),                                               \
		DISK_AS("disk.*_" glob, "1/" per, 16, WRITEBACK,                                                       \
			"requests to write, to discard, to flush of the device of that name")

/* Counted by the plugin, exactly; what faults is counted when it is tried and when it is repeated. */
#define HALF(half, text)                                                                                               \
	{ .pattern = "insns_" half "_per_sample",                                                                      \
	  .unit = "insns",                                                                                             \
	  .direction = METRIC_LOWER,                                                                                   \
	  .class = METRIC_TIME,                                                                                        \
	  .resolution = 1000,                                                                                          \
	  .help = text " instructions of a sample (trials: count)" },                                                  \
	{                                                                                                              \
		.pattern = "insns_" half "_per_*", .unit = "insns", .direction = METRIC_LOWER, .class = METRIC_TIME,   \
		.resolution = 1, .primary = true,                                                                      \
		.help = text " instructions per operation, of each sample's work (trials: count)"                      \
	}

/* Who had the processor: us of the kernel's, so no finer than that in a sample, whose switches are in it. */
#define PROCESSOR(name, per, what)                                                                                     \
	{                                                                                                              \
		.pattern = name "_in.*_per_" per, .unit = name, .direction = METRIC_LOWER, .class = METRIC_TIME,       \
		.resolution = 50000, .resolution_per_sample = true, .help = what                                       \
	}

/* An event counter per operation, whatever the workload calls one (_per_op, _per_txn), per sample where the operations are not
 * known, and per MiB touched. */
#define COUNTER(name, want, page, is_primary, text)                                                                    \
	COUNT_AS(name "_per_sample", "1/sample", want, page, is_primary, text),                                        \
		COUNT_AS(name "_per_mib", "1/MiB", want, false, false, text),                                          \
		COUNT_AS(name "_per_*", "1/op", want, page, is_primary, text)

/* By the CPUs, where the job asks for it, which is on hardware. No way is better: it is of a sample's whole execution,
 * with what starting and ending a program costs, and of that only instructions are known (0.9 million of the kernel's,
 * and at most a timer tick of will-it-scale's; pmu-guest-test). What is judged is time, of the timed part. */
#define PMU(events, what, of, text)                                                                                    \
	{ .pattern = "pmu." events "_per_sample",                                                                      \
	  .unit = what "/sample",                                                                                      \
	  .class = of,                                                                                                 \
	  .help = text " of a sample, by the PMU" },                                                                   \
		{ .pattern = "pmu." events "_per_mib",                                                                 \
		  .unit = what "/MiB",                                                                                 \
		  .class = of,                                                                                         \
		  .help = text " per MiB touched, by the PMU" },                                                       \
	{                                                                                                              \
		.pattern = "pmu." events "_per_*", .unit = what "/op", .class = of,                                    \
		.help = text " per operation, by the PMU"                                                              \
	}

const struct metric generic_metrics[] = {
	HALF("user", "user"),
	HALF("kernel", "kernel"),
	PROCESSOR("insns", "sample",
		  "instructions of the service of that name (cpu.stat of its cgroup), or of the sample's program "
		  "(client: wait4(), its start and end included), in user space and in the kernel for it"),
	PROCESSOR("insns", "mib", "the same, for each MiB"),
	PROCESSOR("insns", "*", "the same, per operation"),
	PROCESSOR("ns", "sample",
		  "time on the processor of the service of that name (cpu.stat of its cgroup), or of the sample's "
		  "program (client: wait4())"),
	PROCESSOR("ns", "mib", "the same, for each MiB"),
	PROCESSOR("ns", "*", "the same, per operation"),
	MEMORY("memory.peak", METRIC_LOWER, true, MEMCG,
	       "most charged to the phase's cgroup at once, its tmpfs files too (memory.peak)"),
	/* a page table more or less, by where the seed put things, is in it until its RCU grace period is over */
	MEMORY("memory.unaccounted", METRIC_LOWER, false, .resolution_pages = 2,
	       "pages that a sample took and did not free by its end (pgalloc_* - pgfree of vmstat) and that no line "
	       "of meminfo claims: "
	       "what the kernel leaks, and what it frees later; none of a sample in which compaction ran"),
	MEMORY("memory.own", METRIC_LOWER, false, MEMCG,
	       "charged at hold less what its tmpfs files and zswap hold (memory.current - memory.shmem_files - "
	       "zswap)"),
	MEMORY("memory.anon", METRIC_LOWER, false, MEMCG, "anonymous memory at hold (memory.stat anon)"),
	MEMORY("memory.file", METRIC_LOWER, false, MEMCG, "page cache and tmpfs at hold (memory.stat file)"),
	MEMORY("memory.shmem", METRIC_LOWER, false, MEMCG, "tmpfs and shared anonymous memory at hold (memory.stat)"),
	MEMORY("memory.shmem_files", METRIC_NEITHER, false, MEMCG,
	       "of memory.shmem: what the guest's tmpfs files grew by since the phase began, at most all of it "
	       "(statfs)"),
	MEMORY("memory.shmem_other", METRIC_LOWER, false, MEMCG,
	       "of memory.shmem: the rest, shared anonymous memory, memfd, System V (memory.stat - statfs)"),
	MEMORY("memory.kernel", METRIC_LOWER, false, MEMCG, "kernel memory at hold (memory.stat kernel)"),
	MEMORY("memory.slab", METRIC_LOWER, false, MEMCG, "slab at hold (memory.stat slab)"),
	MEMORY("memory.pagetables", METRIC_LOWER, false, MEMCG, "page tables at hold (memory.stat pagetables)"),
	MEMORY("memory.swap", METRIC_NEITHER, false, MEMCG, "swapped out at hold (memory.swap.current)"),
	MEMORY("memory.zswap", METRIC_NEITHER, false, MEMCG,
	       "what zswap's pool holds of it at hold (memory.stat zswap); not in memory.own and memory.kernel"),
	MEMORY("process.vmpte", METRIC_LOWER, true, PAGE, "page tables of its processes at hold (status VmPTE)"),
	MEMORY("process.pss", METRIC_LOWER, true, PAGE, "proportional set of its processes at hold (smaps_rollup Pss)"),
	MEMORY("process.rss", METRIC_LOWER, false, PAGE, "resident set of its processes at hold (smaps_rollup Rss)"),
	MEMORY("process.vmpte_most", METRIC_LOWER, false, PAGE,
	       "of process.vmpte: the process that has most (status VmPTE)"),
	MEMORY("process.rss_shmem", METRIC_LOWER, false, PAGE,
	       "shared memory that its processes have mapped and touched, each counting its own (status RssShmem)"),
	FACT("process.number", "1", "its processes at hold"),
	MEMORY("hugetlb.reserve", METRIC_NEITHER, false, PAGE,
	       "hugetlb pages that the kernel keeps, of all sizes (/sys/kernel/mm/hugepages, nr_hugepages)"),
	MEMORY("hugetlb.used", METRIC_NEITHER, false, PAGE, "of hugetlb.reserve: allocated (nr - free_hugepages)"),
	MEMORY("hugetlb.promised", METRIC_NEITHER, false, PAGE,
	       "of hugetlb.reserve: not yet allocated, but reserved by a mapping (resv_hugepages)"),

	/* of the guest as a whole, before the first step */
	/* Holds granule's own port: drivers/char/virtio_console.c keeps a page for each receive buffer, 256 of them with QEMU
	 * 7.2 and 2048 with 10.0, so 16 or 128 MiB at 64K. No page size is blamed for that. */
	MEMORY_OF_PAGES("memory.idle_used", true,
			"MemTotal - MemFree - memory.disks of the idle guest (meminfo), the virtio port's receive "
			"buffers included: a "
			"page each"),
	MEMORY("memory.reserved", METRIC_LOWER, true, PAGE, "RAM - MemTotal: kernel image, memmap (meminfo)"),
	MEMORY_OF_PAGES("memory.idle_slab", false,
			"Slab of the idle guest (meminfo), the virtio port's receive buffers included: a page each"),
	MEMORY("memory.idle_pagetables", METRIC_LOWER, false, VMSTAT, "PageTables of the idle guest (meminfo)"),
	MEMORY("memory.percpu", METRIC_LOWER, false, PAGE, "Percpu of the idle guest (meminfo)"),
	MEMORY("memory.memmap", METRIC_LOWER, false, PAGE,
	       "struct pages of the idle guest (vmstat nr_memmap_*); before 6.11 not counted: part of memory.reserved"),
	MEMORY("memory.min_free", METRIC_NEITHER, false, PAGE, "what reclaim keeps free (vm.min_free_kbytes)"),

	/* of the guest, before the first step and at each hold */
	MEMORY("memory.storage", METRIC_NEITHER, false, PAGE,
	       "what the guest's memory holds as files: tmpfs, rootfs, zram (statfs, mm_stat)"),
	MEMORY("memory.disks", METRIC_NEITHER, false, PAGE,
	       "of memory.storage: devices, null_blk, brd, the file of a loop device, zram's pool; not in "
	       "memory.idle_used"),
	MEMORY("memory.storage_devices", METRIC_NEITHER, false, PAGE,
	       "capacity of brd and memory-backed null_blk devices, whose use the kernel does not say (sysfs)"),
	MEMORY("memory.pcp", METRIC_NEITHER, false, VMSTAT,
	       "on the per-CPU lists: free, but not in MemFree (zoneinfo count, summed)"),
	BLOCKS("64k", "64 KiB and more"),
	BLOCKS("2m", "2 MiB and more"),
	MEMORY("memory.free_pmd", METRIC_NEITHER, false, VMSTAT,
	       "free bytes in blocks of a PMD (2M, 32M, 512M by page size) and more (buddyinfo)"),
	FACT("unusable_pmd", "1", "share of the free memory that no allocation of a PMD can use (buddyinfo)"),
	FACT("free_blocks.*", "1", "free blocks of that zone and order (buddyinfo)"),
	FACT("pageblocks.*", "1", "pageblocks of that migrate type (pagetypeinfo)"),
	MEMORY("pageblock_size", METRIC_NEITHER, false, PAGE, "bytes of a pageblock (pagetypeinfo)"),
	MEMORY("zone.*.pcp_high", METRIC_NEITHER, false, PAGE,
	       "most that a per-CPU list keeps (zoneinfo high:, summed)"),
	MEMORY("zone.*.pcp_batch", METRIC_NEITHER, false, PAGE,
	       "what a per-CPU list takes or gives at once (zoneinfo batch:, summed)"),
	MEMORY("zone.*.pcp", METRIC_NEITHER, false, VMSTAT, "on the zone's per-CPU lists (zoneinfo count:, summed)"),
	MEMORY("zone.*", METRIC_NEITHER, false, VMSTAT,
	       "the zone's present, managed and free memory and its watermarks (zoneinfo)"),

	/* what the sampler itself does to all counters: two snapshots with nothing between them, once a boot */
	{ .pattern = "sampler.insns",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 1000,
	  .help = "instructions of one snapshot, half of two (guest time / 2 ns)" },
	{ .pattern = "sampler.ns",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 100000,
	  .help = "time of one snapshot, half of two" },
	FACT("sampler.faults", "1", "page faults of the agent in two snapshots (getrusage)"),
	FACT("sampler.moved", "1", "counters that differ between two snapshots (vmstat)"),
	FACT("sampler.pg*", "1", "vmstat counter of that name: what one snapshot adds (pgalloc: pgalloc_*, summed)"),
	MEMORY("sampler.*", METRIC_NEITHER, false, VMSTAT,
	       "what one snapshot changes of MemFree, AnonPages, Cached, Slab, KernelStack, PageTables (meminfo)"),

	/* of the separate execution that is watched while it runs; over time, not over equal work */
	{ .pattern = "series.*_slope",
	  .unit = "bytes/s",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  MEMCG,
	  .help = "growth per second of guest time over a series, by least squares (the file that show names)" },
	MEMORY("series.free_*", METRIC_HIGHER, false, VMSTAT, "MemFree in a series: max, min, last (meminfo)"),
	MEMORY("series.slab_*", METRIC_LOWER, false, VMSTAT, "Slab in a series: max, min, last (meminfo)"),
	MEMORY("series.pagetables_*", METRIC_LOWER, false, VMSTAT, "PageTables in a series: max, min, last (meminfo)"),
	MEMORY("series.*", METRIC_LOWER, false, MEMCG,
	       "of the phase's cgroup in a series: max, min, last (memory.current, memory.stat)"),

	STALL("psi.guest.*.some", "time in which some task of the guest waited for it in a sample (/proc/pressure)"),
	STALL("psi.guest.*.full", "time in which every task of the guest waited for it in a sample (/proc/pressure)"),
	STALL("psi.*.some", "time in which some task of the program waited for it (cgroup/X.pressure)"),
	STALL("psi.*.full", "time in which every task of the program waited for it (cgroup/X.pressure)"),

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
	/* all that is not free, of the idle guest and at each hold; the parts do not overlap, and their sum is the
	 * total */
	PART("split.total", "all that is not free: RAM - MemFree (meminfo)"),
	PART("split.anon", "of split.total: anonymous memory (meminfo AnonPages)"),
	PART("split.file", "of split.total: page cache without tmpfs (meminfo Cached + Buffers - Shmem)"),
	PART("split.shmem", "of split.total: tmpfs and shared anonymous memory (meminfo Shmem)"),
	PART("split.pagetables", "of split.total: page tables (meminfo PageTables + SecPageTables)"),
	PART("split.slab", "of split.total: slab (meminfo Slab)"),
	PART("split.stacks", "of split.total: kernel stacks (meminfo KernelStack)"),
	PART("split.vmalloc", "of split.total: vmalloc without stacks (meminfo VmallocUsed - KernelStack)"),
	PART("split.percpu", "of split.total: per-CPU areas (meminfo Percpu)"),
	PART("split.memmap", "of split.total: struct pages (vmstat nr_memmap_*); before 6.11 in split.boot"),
	PART("split.image", "of split.total: the kernel's text and data (iomem)"),
	PART("split.boot",
	     "of split.total: the rest of what is reserved at boot: hash tables, device tree (RAM - MemTotal - "
	     "...)"),
	PART("split.pcp", "of split.total: free, on per-CPU lists (zoneinfo count)"),
	PART("split.unfolded", "of split.total: free, in free lists, not yet in MemFree (buddyinfo - MemFree)"),
	PART("split.rest",
	     "of split.total: what no counter names, drivers' buffers, leaks; and counters not yet folded"),

	/* all that is charged to the phase's cgroup at hold, the same way */
	PART("charged.total", "all that is charged to the phase's cgroup (memory.current)"),
	PART("charged.kernel", "of charged.total: kernel memory that no other part names (memory.stat kernel - ...)"),
	PART("charged.rest", "of charged.total: charged in advance, up to 64 pages a CPU, or not yet in memory.stat"),
	PART("charged.*", "of charged.total: memory.stat of that name (stacks: kernel_stack; file: without shmem)"),

	/* at hold, by the agent's walk of page tables; anon, shmem, file: mapped; cache: the page cache of open
	 * files */
	FACT("folio.*.order_*", "1", "folios of that order (pagemap, kpageflags)"),
	FACT("folio.*.unaligned_*", "1",
	     "folios of that order at an address that is no multiple of their size (pagemap, kpageflags)"),
	FACT("folio.*.partial_*", "1", "folios of that order that are mapped in part (pagemap, kpageflags)"),
	FACT("folio.*.unaligned", "1", "folios at an address that is no multiple of their size (pagemap, kpageflags)"),
	FACT("folio.*.partial", "1", "folios that are mapped in part (pagemap, kpageflags)"),
	MEMORY("folio.*.mapped", METRIC_NEITHER, false, PAGE,
	       "in folios that are mapped, each counted once; of cache: in core (pagemap)"),
	SHARE("folio.*.large_share",
	      "of the mapped pages: share in folios of more than one page (pagemap, kpageflags)"),
	SHARE("folio.*.contpte_share", "of the mapped pages: share in whole aligned blocks that the MMU can join, 64K, "
				       "2M, 2M by page size (pagemap)"),
	{ .pattern = "folio.*.nr_anon",
	  .unit = "1",
	  .class = METRIC_COUNT,
	  .help = "anonymous folios of that size in the guest at hold (hugepages-SIZE/stats/nr_anon)" },

	FACT("pmu.insns_per_cycle", "1", "instructions retired / CPU cycles of a sample, user and kernel (PMU)"),
	FACT("pmu.counted", "1",
	     "of a sample's time, the part for which the guest had the PMU's counters; below 1 "
	     "what they counted is left out"),
	PMU("insns_*", "insns", METRIC_COUNT, "instructions retired (INST_RETIRED)"),
	PMU("cycles_*", "cycles", METRIC_TIME, "CPU cycles, not those of an idle CPU (CPU_CYCLES)"),
	PMU("dtlb_walk_*", "1", METRIC_COUNT, "walks of page tables for data (DTLB_WALK)"),
	PMU("itlb_walk_*", "1", METRIC_COUNT, "walks of page tables for instructions (ITLB_WALK)"),
	PMU("l1d_tlb_refill_*", "1", METRIC_COUNT, "refills of the first data TLB (L1D_TLB_REFILL)"),
	PMU("l2d_tlb_refill_*", "1", METRIC_COUNT, "refills of the second data or unified TLB (L2D_TLB_REFILL)"),
	PMU("*", "1", METRIC_COUNT, "events of that name (Arm ARM, the PMU's common events)"),

	DISK("per_sample", "sample"),
	DISK("per_mib", "MiB"),
	DISK("per_*", "op"),

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
