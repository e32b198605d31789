// SPDX-License-Identifier: GPL-2.0-or-later
/* The keys of a folio profile: as options, and as what they are in a guest. Two tables, no mechanism but the search from
 * one to the other; what is done with them is folio.c's. */
#include "matrix/knobs.h"

#include <string.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)

/* in the order of enum thp_choice, shmem_choice, huge_choice and folio_state */
static const char *const thp_names[] = { "always", "madvise", "never", NULL };
static const char *const shmem_names[] = { "always", "within_size", "advise", "never", "deny", "force", NULL };
static const char *const huge_names[] = { "always", "within_size", "advise", "never", NULL };
static const char *const state_names[] = { "fresh", "fragmented", NULL };

static const char *const defrag_names[] = { "always", "defer", "defer+madvise", "madvise", "never", NULL };
static const char *const anon_size_names[] = { "always", "inherit", "madvise", "never", NULL };
static const char *const shmem_size_names[] = { "always", "inherit", "within_size", "advise", "never", NULL };
static const char *const switch_names[] = { "no", "yes", NULL };
static const char *const digits[] = { "0", "1", NULL };
static const char *const words[] = { "false", "true", NULL };
static const char *const numa_names[] = { "0", "1", "2", "3", NULL };

#define V(major, minor)                                                                                                \
	{                                                                                                              \
		major, minor                                                                                           \
	}

#define K(name_, kind_, file_, ...)                                                                                    \
	{                                                                                                              \
		.key = name_, .kind = KNOB_##kind_, .name = file_, __VA_ARGS__                                         \
	}

/* Three facts decide the order. Command line and mount options are read back before anything is written over them.
 * pages_to_scan comes before scan_sleep_millisecs, whose writing wakes khugepaged, and both before every `enabled`, which
 * may start it. Whatever starts or stops khugepaged may raise min_free_kbytes: last. */
const struct folio_knob folio_knobs[] = {
	K("transparent_hugepage", WORD, "transparent_hugepage", .shows = THP "enabled"),
	K("thp_anon", WORD_SIZES, "thp_anon", .shows = "enabled", .domain = DOMAIN_ANON, .since = V(6, 12)),
	K("transparent_hugepage_shmem", WORD, "transparent_hugepage_shmem", .shows = THP "shmem_enabled",
	  .since = V(6, 13)),
	K("thp_shmem", WORD_SIZES, "thp_shmem", .shows = "shmem_enabled", .domain = DOMAIN_SHMEM, .since = V(6, 13)),
	K("transparent_hugepage_tmpfs", WORD, "transparent_hugepage_tmpfs", .since = V(6, 14)),
	K("tmpfs_huge", MOUNT, "huge"),
	K("khugepaged_defrag", FILE, THP "khugepaged/defrag", .values = digits),
	K("max_ptes_none", FILE, THP "khugepaged/max_ptes_none", .domain = DOMAIN_PTES),
	K("max_ptes_swap", FILE, THP "khugepaged/max_ptes_swap", .domain = DOMAIN_PTES),
	K("max_ptes_shared", FILE, THP "khugepaged/max_ptes_shared", .domain = DOMAIN_PTES),
	K("alloc_sleep_millisecs", FILE, THP "khugepaged/alloc_sleep_millisecs"),
	K("pages_to_scan", FILE, THP "khugepaged/pages_to_scan"),
	K("scan_sleep_millisecs", FILE, THP "khugepaged/scan_sleep_millisecs"),
	K("defrag", FILE, THP "defrag"),
	K("use_zero_page", FILE, THP "use_zero_page", .values = digits),
	K("shrink_underused", FILE, THP "shrink_underused", .values = digits, .since = V(6, 12)),
	K("anon", SIZES, "enabled", .domain = DOMAIN_ANON, .since = V(6, 8)),
	K("shmem_sizes", SIZES, "shmem_enabled", .domain = DOMAIN_SHMEM, .since = V(6, 11)),
	K("shmem", FILE, THP "shmem_enabled"),
	K("thp", FILE, THP "enabled"),
	K("swappiness", FILE, "/proc/sys/vm/swappiness"),
	K("page_cluster", FILE, "/proc/sys/vm/page-cluster"),
	K("defrag_mode", FILE, "/proc/sys/vm/defrag_mode", .values = digits, .since = V(6, 15)),
	K("numa_balancing", FILE, "/proc/sys/kernel/numa_balancing"),
	K("demotion", FILE, "/sys/kernel/mm/numa/demotion_enabled", .values = words),
	K("fault_around_bytes", FILE, "/sys/kernel/debug/fault_around_bytes", .domain = DOMAIN_PTE_MAP),
	K("read_ahead_kb", FILE, "/sys/class/bdi/*/read_ahead_kb"),
	K("min_free_kbytes", FILE, "/proc/sys/vm/min_free_kbytes", .late = true),
	{ .key = NULL },
};

const struct option_def *knob_option(const struct folio_knob *knob)
{
	const struct option_def *o = folio_options;

	while (strcmp(o->key, knob->key))
		o++;
	return o;
}

#define ENUM(name, field, names, text)                                                                                 \
	{                                                                                                              \
		.key = name, .type = OPT_ENUM, .offset = offsetof(struct folio_profile, field), .choices = names,      \
		.help = text                                                                                           \
	}
#define NUMBER(name, field, most, text)                                                                                \
	{                                                                                                              \
		.key = name, .type = OPT_MAYBE_U64, .offset = offsetof(struct folio_profile, field), .max = most,      \
		.help = text                                                                                           \
	}
#define SIZES(name, field, names, least, most, text)                                                                   \
	{                                                                                                              \
		.key = name, .type = OPT_SIZE_MAP, .offset = offsetof(struct folio_profile, field), .choices = names,  \
		.min = least, .max = most, .help = text                                                                \
	}

/* The bounds are what any base page offers; what this cell's offers is folio_unsupported()'s. The knobs of khugepaged are
 * keys of their own and no mapping below `khugepaged`: max_ptes_* also steer shrink_underused and MADV_COLLAPSE while it
 * sleeps, and so one table still gives parsing, bounds, help and what diff compares. */
const struct option_def folio_options[] = {
	ENUM("thp", thp, thp_names, "transparent_hugepage/enabled: PMD-sized folios, and sizes that inherit."),
	ENUM("defrag", defrag, defrag_names, "transparent_hugepage/defrag: how hard a fault tries."),
	SIZES("anon", anon, anon_size_names, 16 * KIB, 512 * MIB,
	      "hugepages-SIZE/enabled: anonymous memory, { 64K: always }. always does not depend on thp. A base page "
	      "that lacks a size skips the cell."),
	ENUM("shmem", shmem, shmem_names,
	     "transparent_hugepage/shmem_enabled: memfd, SysV and shared anonymous memory."),
	SIZES("shmem_sizes", shmem_sizes, shmem_size_names, 8 * KIB, 128 * MIB,
	      "hugepages-SIZE/shmem_enabled, { 64K: advise }."),
	ENUM("tmpfs_huge", tmpfs_huge, huge_names,
	     "huge= of every tmpfs that is mounted for the workload, /tmp too. Up to 6.13 it means PMD-sized folios."),
	ENUM("use_zero_page", use_zero_page, switch_names, "transparent_hugepage/use_zero_page."),
	ENUM("shrink_underused", shrink_underused, switch_names,
	     "transparent_hugepage/shrink_underused: whether reclaim splits folios with more zero pages than "
	     "max_ptes_none, which at its default stops it."),
	{ .key = "khugepaged",
	  .type = OPT_BOOL,
	  .offset = offsetof(struct folio_profile, khugepaged),
	  .fallback = "no",
	  .help = "yes: it runs, at the kernel's own rate unless the three keys below say another. no: it is kept from "
		  "scanning, since its default rate is 256 times as fast at 64K as at 4K." },
	NUMBER("pages_to_scan", pages_to_scan, UINT32_MAX,
	       "khugepaged/pages_to_scan, at least 1; needs khugepaged: yes."),
	NUMBER("scan_sleep_millisecs", scan_sleep_millisecs, UINT32_MAX,
	       "khugepaged/scan_sleep_millisecs; needs khugepaged: yes."),
	NUMBER("alloc_sleep_millisecs", alloc_sleep_millisecs, UINT32_MAX,
	       "khugepaged/alloc_sleep_millisecs; needs khugepaged: yes."),
	ENUM("khugepaged_defrag", khugepaged_defrag, switch_names,
	     "khugepaged/defrag: whether collapse may reclaim and compact."),
	NUMBER("max_ptes_none", max_ptes_none, 8191,
	       "khugepaged/max_ptes_none, below the entries of a PMD (512, 2048, 8192). Also without khugepaged: "
	       "shrink_underused reads it."),
	NUMBER("max_ptes_swap", max_ptes_swap, 8191, "khugepaged/max_ptes_swap, as max_ptes_none."),
	NUMBER("max_ptes_shared", max_ptes_shared, 8191, "khugepaged/max_ptes_shared, as max_ptes_none."),
	ENUM("transparent_hugepage", transparent_hugepage, thp_names,
	     "This word of the command line. Command-line keys are read back before anything is written; a guest under "
	     "512 MiB forgets them all."),
	SIZES("thp_anon", thp_anon, anon_size_names, 16 * KIB, 512 * MIB,
	      "This word of the command line, { 64K: always }: sizes that it does not name become never."),
	ENUM("transparent_hugepage_shmem", transparent_hugepage_shmem, shmem_names, "This word of the command line."),
	SIZES("thp_shmem", thp_shmem, shmem_size_names, 8 * KIB, 128 * MIB,
	      "This word of the command line, as thp_anon."),
	ENUM("transparent_hugepage_tmpfs", transparent_hugepage_tmpfs, huge_names,
	     "This word of the command line: huge= of a tmpfs that is given none."),
	NUMBER("swappiness", swappiness, 200, "vm.swappiness."),
	NUMBER("page_cluster", page_cluster, 31, "vm.page-cluster: swap is read ahead by 2^N pages."),
	ENUM("defrag_mode", defrag_mode, switch_names, "vm.defrag_mode."),
	ENUM("numa_balancing", numa_balancing, numa_names, "kernel.numa_balancing: 1 balances, 2 promotes, 3 both."),
	ENUM("demotion", demotion, switch_names, "/sys/kernel/mm/numa/demotion_enabled."),
	{ .key = "fault_around_bytes",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct folio_profile, fault_around_bytes),
	  .min = 4 * KIB,
	  .max = 512 * MIB,
	  .help = "debugfs/fault_around_bytes: a power of two, from a base page to a PMD." },
	NUMBER("read_ahead_kb", read_ahead_kb, UINT32_MAX,
	       "read_ahead_kb of every backing device (a tmpfs has none), in KiB. The default of 128 is 2 pages at "
	       "64K."),
	{ .key = "min_free_kbytes",
	  .type = OPT_U64,
	  .offset = offsetof(struct folio_profile, min_free_kbytes),
	  .min = 1024,
	  .max = 64 * MIB,
	  .help = "vm.min_free_kbytes in KiB; 65536 in every profile that names none, because the kernel's own figure "
		  "depends on page size and THP." },
	{ .key = "state",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct folio_profile, state),
	  .choices = state_names,
	  .help = "The memory that the workload finds. fragmented: free, but broken up by pages that cannot move, so "
		  "that of the free memory fragment_percent lies in blocks below fragment_size. Not given: fresh." },
	{ .key = "fragment_size",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct folio_profile, fragment_bytes),
	  .min = 8 * KIB,
	  .max = 512 * MIB,
	  .help = "A power of two, twice a base page to the largest free block; not given: 2M." },
	{ .key = "fragment_percent",
	  .type = OPT_U64,
	  .offset = offsetof(struct folio_profile, fragment_percent),
	  .min = 1,
	  .max = 100,
	  .help = "The kernel's unusable free space index of that size in percent (buddyinfo); not given: 90. A guest "
		  "that does not reach it fails." },
	ENUM("probe", probe, switch_names,
	     "yes: every knob is also given each of its values, and which of them it takes is stored; it then has its "
	     "old value again. For tables of what a kernel supports, not for measuring."),
	OPTIONS_END,
};
