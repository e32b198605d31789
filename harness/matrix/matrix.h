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

struct kernel_spec {
	char *label;	     /* owned */
	int line;	     /* of its key in the matrix; 0: not from a matrix */
	char *source;	     /* owned: a Debian package linux-source-X.Y, or NULL */
	char *suite;	     /* owned: the Debian suite @source is taken from, or NULL */
	uint64_t page_bytes; /* 4096, 16384, 65536; with @image 0 = whatever its header says */
	char *config;	     /* owned: a configuration under images/kernels/, "micro" */
	char *image;	     /* owned: absolute path of an arm64 Image, or NULL; either @source or @image */
	char *modules;	     /* owned: absolute path of a modules archive for @image, or NULL */
	char *append;	     /* owned: more kernel command line, or NULL */
};

enum thp_choice { THP_ALWAYS, THP_MADVISE, THP_NEVER };
enum shmem_choice { SHMEM_ALWAYS, SHMEM_WITHIN_SIZE, SHMEM_ADVISE, SHMEM_NEVER, SHMEM_DENY, SHMEM_FORCE };

/* A folio profile. Enums are -1 where the matrix says nothing: the kernel's default stays, and is read back. */
struct folio_profile {
	char *label; /* owned */
	int line;
	int thp;		     /* transparent_hugepage/enabled */
	int defrag;		     /* transparent_hugepage/defrag */
	int shmem;		     /* transparent_hugepage/shmem_enabled */
	struct size_map anon;	     /* hugepages-N/enabled: always, inherit, madvise, never */
	struct size_map shmem_sizes; /* hugepages-N/shmem_enabled: `shmem_sizes: { 64K: always }` */
	bool khugepaged;	     /* false: kept from scanning, folio.c says how; true: the kernel's defaults */
	uint64_t min_free_kbytes; /* vm.min_free_kbytes; 0: FOLIO_MIN_FREE_KBYTES (folio.h), never the kernel's own */
};

struct workload_spec {
	char *label; /* owned */
	int line;
	const struct workload *type; /* borrowed from the registry */
	void *params;		     /* owned; type->params_size bytes, filled by type->options */
};

struct trials {
	uint64_t seeds;	  /* boots; boot i has seed i */
	uint64_t warmups; /* executions before the first sample */
	uint64_t samples;
};

/* Selects cells: every given list must hold the cell's label. */
struct skip_rule {
	struct string_list kernels, folios, workloads;
	char *why; /* owned */
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
	struct trials trials;
	struct skip_rule *skips;
	size_t n_skips;
};

/* What a matrix may at most be: beyond it parsing is an error, so no text costs more than a moment. */
#define MATRIX_BYTES_MAX (1u << 20)
#define MATRIX_CELLS_MAX 1000000

/* The option tables, for serialising a cell's definition with options_json(). */
extern const struct option_def guest_options[], kernel_options[], folio_options[], trials_options[];

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
/* All sections with their options, for `granule list --help-matrix`; owned by the caller. */
char *matrix_help(void);

/* One point. */
struct cell {
	char *id;			  /* owned: KERNEL.FOLIO.WORKLOAD by label */
	const struct kernel_spec *kernel; /* borrowed from the matrix, as the rest */
	const struct folio_profile *folio;
	const struct workload_spec *workload;
	char *skip; /* owned: why it will not run, or NULL */
};

/* The product in matrix order (kernels outermost), @skip from the skip rules only (the first that selects the
 * cell). 100,000 cells in well under 1 s. */
void matrix_expand(const struct matrix *matrix, struct cell **ret_cells, size_t *ret_n);
void cells_free(struct cell *cells, size_t n);

#endif
