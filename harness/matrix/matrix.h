/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The matrix: YAML text -> validated sections -> cells. Pure: no clock, no disk but the file it is given. */
#ifndef GRANULE_MATRIX_MATRIX_H
#define GRANULE_MATRIX_MATRIX_H

#include "base/err.h"
#include "matrix/option.h"

struct workload; /* workloads/workload.h */

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_SIMULATED, ACCEL_EMULATED };
extern const char *const accel_names[]; /* "auto", "kvm", "simulated", "emulated", NULL */

struct guest_spec {
	uint64_t cpus;	       /* vCPUs */
	uint64_t memory_bytes; /* RAM of the guest */
	int accel;	       /* enum accel */
	uint64_t timeout_s;    /* the host's deadline for one boot, before scaling by accelerator */
};

#define LAYOUT_MAX 1000 /* of .layout */

struct kernel_spec {
	char *label;		    /* owned */
	int line;		    /* of its key in the matrix; 0: not from a matrix */
	char *source;		    /* owned: a Debian package linux-source-X.Y, or NULL */
	char *package;		    /* owned: a Debian package linux-image-..., or NULL */
	char *suite;		    /* owned: the Debian suite @source or @package is taken from, or NULL */
	char *git;		    /* owned: absolute path of a git tree of Linux, or NULL */
	char *commit;		    /* owned: what to take of @git, as written; NULL: HEAD */
	struct string_list patches; /* absolute paths, applied in this order to @source or @git */
	struct string_list set;	    /* options of @source or @git over the configuration: "ARM64_CONTPTE=n" */
	uint64_t layout;	    /* the number of a layout-neutral variant (image/layout.h); 0: none */
	uint64_t timers;	    /* the kernel's periodic work runs so many times slower; 0: as it is */
	uint64_t page_bytes; /* 4096, 16384, 65536; with @image and @package 0 = whatever the Image's header says */
	char *config;	     /* owned: a configuration under images/kernels/, "micro" */
	char *image;	     /* owned: absolute path of an arm64 Image, or NULL; one of this, @source, @git, @package */
	char *modules;	     /* owned: absolute path of a modules archive for @image, or NULL */
	struct string_list load; /* modules that the guest loads at its start, from @modules or @package */
	char *append;		 /* owned: more kernel command line, or NULL */
};

/* Its source is another kernel's with edits: it is built on the objects of that one and leaves none. */
static inline bool kernel_is_variant(const struct kernel_spec *kernel)
{
	return kernel->patches.n > 0 || kernel->layout > 0;
}

enum thp_choice { THP_ALWAYS, THP_MADVISE, THP_NEVER };
enum shmem_choice { SHMEM_ALWAYS, SHMEM_WITHIN_SIZE, SHMEM_ADVISE, SHMEM_NEVER, SHMEM_DENY, SHMEM_FORCE };
enum huge_choice { HUGE_ALWAYS, HUGE_WITHIN_SIZE, HUGE_ADVISE, HUGE_NEVER };

/* A folio profile. Enums are -1, sizes 0 where the matrix says nothing: the kernel's default stays, and is read back.
 * What each is in the guest: the table in knobs.c. */
struct folio_profile {
	char *label; /* owned */
	int line;
	/* words of the kernel's command line, and a tmpfs's option */
	int transparent_hugepage, transparent_hugepage_shmem, transparent_hugepage_tmpfs;
	struct size_map thp_anon, thp_shmem;
	int tmpfs_huge;
	/* files below transparent_hugepage/ */
	int thp, defrag, shmem, use_zero_page, shrink_underused;
	struct size_map anon, shmem_sizes;
	bool khugepaged; /* false: kept from scanning, folio.c says how; true: it runs */
	int khugepaged_defrag;
	struct maybe_u64 max_ptes_none, max_ptes_swap, max_ptes_shared;
	struct maybe_u64 pages_to_scan, scan_sleep_millisecs, alloc_sleep_millisecs;
	/* other files */
	int numa_balancing, demotion, defrag_mode;
	struct maybe_u64 swappiness, page_cluster, read_ahead_kb;
	uint64_t fault_around_bytes;
	uint64_t min_free_kbytes; /* vm.min_free_kbytes; 0: FOLIO_MIN_FREE_KBYTES (folio.h), never the kernel's own */
	/* the state of memory that the workload finds */
	int state;		 /* enum folio_state */
	uint64_t fragment_bytes; /* STATE_FRAGMENTED: 0 is the PMD's size */
	uint64_t fragment_percent;
	int probe; /* 1: also find out which values each knob takes */
};

enum folio_state { STATE_FRESH, STATE_FRAGMENTED };

enum storage_where { WHERE_TMPFS, WHERE_LOOP, WHERE_BRD, WHERE_NULL_BLK, WHERE_VIRTIO };
enum storage_fs { FS_RAW, FS_EXT4, FS_XFS, FS_BTRFS };
enum storage_swap { SWAP_NULL_BLK, SWAP_ZRAM, SWAP_VIRTIO };

/* A storage profile: a file system for the workload, a swap device, or both. As in a folio profile, -1, 0 and NULL mean
 * that the matrix says nothing. What it is in a guest: run/storage.c. */
struct storage_profile {
	char *label; /* owned */
	int line;
	int where; /* enum storage_where; -1: no file system of its own, /tmp stays a tmpfs */
	uint64_t bytes;
	int fs; /* enum storage_fs; set for every `where` but tmpfs */
	uint64_t block_bytes, sector_bytes;
	struct string_list mount;
	struct maybe_u64 latency_us, read_ahead_kb;
	uint64_t mbps;
	int scheduler, discard, cache;
	int swap; /* enum storage_swap; -1: none */
	uint64_t swap_bytes;
	int zram_algorithm, zswap, zswap_compressor;
	uint64_t zswap_max_pool_percent;
};

struct workload_spec {
	char *label; /* owned */
	int line;
	const struct workload *type; /* borrowed from the registry */
	void *params;		     /* owned; type->params_size bytes, filled by type->options */
};

/* A point of the optional axis `limit`: memory.max of the workload's cgroup. */
struct memory_limit {
	char *label;	/* owned: "none", "192m" */
	uint64_t bytes; /* 0: none */
};

/* When a cell has boots enough. */
struct until {
	double half_width; /* of the mean, relative; -1: not given, and none of this is */
	uint64_t at_most;  /* boots */
	char *metric;	   /* owned: a glob of what is to be so narrow, or NULL: the workload's primary metrics */
};

enum prepare { PREPARE_ONCE, PREPARE_EACH };

struct trials {
	uint64_t seeds;	  /* boots; boot i has seed i; with `until` those of the first round */
	uint64_t warmups; /* executions before the first sample */
	uint64_t samples;
	uint64_t series_s;	     /* how long each phase is run again to be watched; 0: not at all */
	uint64_t series_interval_ms; /* guest time between two readings */
	struct until until;
	int count;   /* 1: instructions of user and kernel apart, by the plugin */
	int prepare; /* enum prepare */
};

#define TRIALS_SERIES_INTERVAL_MS 1000

/* Selects cells: every given list must hold the cell's label. */
struct skip_rule {
	struct string_list kernels, folios, workloads, storages, limits;
	char *why; /* owned */
	int line;
};

/* A limit on how far a metric may move. Exactly one of the limits is given; the others are -1. */
struct gate_rule {
	char *metric; /* owned: a glob, with or without the phase */
	double worse_by, longer_by, changed_by;
	int along;   /* an index into gate_axes, or -1: a cell against itself in a baseline run */
	char *from;  /* owned: the base's label on that axis, or NULL: the first */
	int against; /* an index into gate_bases, or -1 */
	struct string_list kernels, folios, workloads, storages, limits;
	bool allow_unclear;
	char *why; /* owned, or NULL */
	int line;
};

struct matrix {
	char *name, *path, *text; /* owned */
	struct guest_spec guest;
	struct kernel_spec *kernels; /* owned arrays */
	size_t n_kernels;
	struct folio_profile *folios;
	size_t n_folios;
	struct workload_spec *workloads;
	size_t n_workloads;
	struct storage_profile *storages;
	size_t n_storages; /* 0: no such axis */
	struct memory_limit *limits;
	size_t n_limits; /* 0: no such axis */
	struct trials trials;
	struct skip_rule *skips;
	size_t n_skips;
	struct gate_rule *gates;
	size_t n_gates;
};

/* What a matrix may at most be: beyond it parsing is an error, so no text costs more than a moment. */
#define MATRIX_BYTES_MAX (1u << 20)
#define MATRIX_CELLS_MAX 1000000

/* The option tables, for serialising a cell's definition with options_json(). */
extern const struct option_def guest_options[], kernel_options[], folio_options[], storage_options[], trials_options[],
	gate_options[];

/* Parse @text (file name @path for messages and relative paths). Errors are ERR_CONFIG and read
 *   FILE:LINE:COL: SENTENCE
 *     the source line
 *        ^
 * with a suggestion where one is close ("did you mean 'kernels'?"). */
int matrix_parse(const char *text, const char *path, struct matrix **ret_matrix, struct err *err);
/* The same for @len bytes, which may be anything at all. */
int matrix_parse_bytes(const char *text, size_t len, const char *path, struct matrix **ret_matrix, struct err *err);
/* Read @path (at most 1 MiB) and parse it. */
int matrix_load(const char *path, struct matrix **ret_matrix, struct err *err);
void matrix_free(struct matrix *matrix);
static inline void matrix_free_p(struct matrix **matrix)
{
	matrix_free(*matrix);
}
/* The gates as run.json keeps them: an array of what gate_options serialise to; owned by the caller. */
json_t *gates_json(const struct matrix *matrix);
#define CALIBRATION_TIMERS 10

/* Put in place of the kernels of @matrix those of its calibration: of each base page the first kernel that is built
 * (@kernel: that one only), @n layout-neutral builds of it, LABEL-layout-1 and so on, and LABEL-timers-10.
 * @ret_calibration is what run.json has to say of it (compare/floor.h), owned by the caller. ERR_CONFIG: there is no
 * such kernel. */
int matrix_calibrate(struct matrix *matrix, const char *kernel, uint64_t n, json_t **ret_calibration, struct err *err);
/* Put the place into an error of @kernel that only its lookup or build could find, if it reads "kernels.LABEL: KEY: SENTENCE":
 * FILE:LINE:COL, the line and a caret under the value of KEY, or under the label where there is no such key. Returns -1. */
int matrix_kernel_error(const struct matrix *matrix, const struct kernel_spec *kernel, struct err *err);
/* Put a place into an error about the trials: FILE:LINE:COL, the line and a caret under the value of @key of
 * `trials`, or, where the matrix does not give it, under what is nearest. Returns -1 with ERR_CONFIG. */
int matrix_trials_error(const struct matrix *matrix, const char *key, const char *sentence, struct err *err);
/* All sections with their options, for `granule list --help-matrix`; owned by the caller. */
char *matrix_help(void);

/* One point. */
struct cell {
	char *id;			  /* owned: KERNEL.FOLIO.WORKLOAD[.STORAGE][.LIMIT] by label */
	const struct kernel_spec *kernel; /* borrowed from the matrix, as the rest */
	const struct folio_profile *folio;
	const struct workload_spec *workload;
	const struct storage_profile *storage; /* NULL: the matrix has no such axis */
	const struct memory_limit *limit;      /* NULL: the matrix has no such axis */
	char *skip;			       /* owned: why it will not run, or NULL */
};

/* The product in matrix order (kernels outermost), @skip from the skip rules only (the first that selects the
 * cell). 100,000 cells in well under 1 s. */
void matrix_expand(const struct matrix *matrix, struct cell **ret_cells, size_t *ret_n);
void cells_free(struct cell *cells, size_t n);

#endif
