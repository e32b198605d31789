/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A workload: a program to measure and its parameters. It turns parameters into steps of a job and what its programs
 * printed into metrics. The agent knows no workload; the rest of granule knows only this header. */
#ifndef GRANULE_WORKLOADS_WORKLOAD_H
#define GRANULE_WORKLOADS_WORKLOAD_H

#include "base/err.h"
#include "base/text.h"
#include "matrix/matrix.h"
#include "store/artifact.h"
#include "store/metric.h"
#include "store/series.h"
#include "wire/wire.h"

#define WORKLOAD_PRIMARY_MOST 5

/* A program for the guest. Static arm64; built by the Makefile under build/guest/, or of a C file of the user's. */
struct guest_program {
	char *guest_path; /* owned: in the initramfs, "bin/page_fault1" */
	char *built;	  /* owned: below granule's guest folder: WORKLOAD_NAME "/page_fault1_processes" */
	char *source;	  /* owned: a C file that is to be linked with the object @built (image/program.h), or NULL */
	char *file;	  /* owned: a file of the user's that goes into the guest as it is; then no @built. Or NULL */
};

struct programs {
	struct guest_program *v; /* owned */
	size_t n;
};

/* What the guest that prepares is like. */
struct preparing {
	uint64_t page_bytes;
	uint64_t
		device_bytes; /* of /dev/storage, the storage profile's device without a file system; 0: there is none */
};

/* Something that takes long and is the same in every boot: made once, in a guest of its own, and kept in the cache
 * (run/prepared.h). */
struct preparation {
	const char *name; /* a file name: "data" */
	bool per_page;	  /* on a kernel of the cell's base page; else on one kernel for the cells of all */
	/* The steps of that guest's job behind its root file system, JOB_DATA_DIR (a tmpfs) and the device; the last
	 * ones are "keep NAME PATH" lines (none: there is nothing to prepare). What is at PATH then is there in the guests of the cells before the
	 * workload's own steps. NAME and PATH do not depend on @preparing. Equal texts are prepared once, so what
	 * matters to the cells only stays out. */
	void (*steps)(const void *params, const struct preparing *preparing, struct text *job);
};

struct workload {
	const char *name; /* WORKLOAD_NAME: the key in the matrix */
	const char *help; /* one sentence */
	const struct option_def *options;
	size_t params_size;
	/* What the table cannot say; NULL or a sentence for the user, owned by the caller, and in *ret_key, unless left
	 * alone, the key that it is about. May be NULL. */
	char *(*check)(const void *params, const char **ret_key);
	/* Why this cannot be sealed (several vCPUs are allowed; host storage is not), or NULL if it can. */
	const char *(*unsealed)(const void *params);
	void (*programs)(const void *params, struct programs *programs);
	/* WORKLOAD_NAME if the folder has a recipe of a root file system (workloads/NAME/rootfs.yaml,
	 * matrix/rootfs.h): it is mounted at JOB_ROOT_DIR before the steps. NULL: it needs none. */
	const char *rootfs;
	const struct preparation *preparations; /* ends with name NULL; NULL: none */
	/* Add "exec" lines (wire/job.h) to @job: warmups, samples, holds. */
	void (*steps)(const void *params, const struct trials *trials, uint64_t page_bytes, struct text *job);
	/* The size of the work of a boot, fixed and the same for equal parameters: bytes touched, or operations where
	 * the work is no matter of bytes. 0: not fixed (by seconds). Memory is judged between cells only where they
	 * did equal work. */
	uint64_t (*work_bytes)(const void *params, uint64_t page_bytes);
	/* What this workload's times mean on @basis, a clause for people behind the reason for the basis, or NULL. May be
	 * NULL. */
	const char *(*basis_note)(const void *params, enum basis basis);
	/* What an operation is called in the names of metrics: "txn" makes it insns_user_per_txn. NULL: "op". */
	const char *operation;
	/* Operations and bytes of a sample, from its output; 0: not known. NULL: lines "operations N" and "bytes N"
	 * say it. */
	void (*work)(const char *output, double *ret_operations, double *ret_bytes);
	/* Metrics of one EXEC record of kind "sample"; -1 with ERR_GUEST if its output does not parse. */
	int (*measure)(const struct measure_context *context, const char *phase, const char *output,
		       struct measures *measures, struct err *err);
	/* Metrics of a boot from the files that it brought out; -1 with ERR_GUEST if one does not parse. May be
	 * NULL. */
	int (*brought)(const struct measure_context *context, const struct artifact_list *artifacts,
		       struct measures *measures, struct err *err);
	/* What the files that a failed boot brought out say of why, a clause; NULL: nothing. Owned by the caller. May be
	 * NULL. */
	char *(*trouble)(const struct artifact_list *artifacts);
	/* Series over guest time that are in those files, behind what is in @ret. May be NULL. */
	void (*series)(const struct artifact_list *artifacts, struct series_list *ret);
	/* Metrics of a boot that follow from those of several phases, added once all are measured. May be NULL. */
	void (*derive)(const struct measure_context *context, struct measures *measures);
	bool raw_storage; /* has no use for files, or knows what to do with a device, /dev/storage */
	/* What cannot be measured on @storage (NULL: there is no profile), a sentence for the cell that is skipped, owned by
	 * the caller; or NULL. May be NULL. */
	char *(*unfit)(const void *params, const struct storage_profile *storage);
	const struct metric *metrics; /* ends with pattern NULL */
	/* What a verdict on this workload rests on: patterns of names behind "PHASE.", of its own or generic metrics,
	 * NULL at the end. These are corrected for each other and decide the exit code of diff; the rest is
	 * exploratory. Few, because each makes every claim about the others dearer. */
	const char *primary[WORKLOAD_PRIMARY_MOST + 1];
};

/* What a folder's workload.c defines. The Makefile gives sources of the folder its name as WORKLOAD_NAME ("will-it-scale"), and
 * links the folder into one object, in which this alone is global, called after the folder. */
extern const struct workload this_workload;

/* The registry, which the Makefile makes: the folders of workloads/ by name, NULL at the end. */
extern const struct workload *const workloads[];
const struct workload *workload_find(const char *name);
/* Is the metric @name ("page_fault1.memory.peak") primary to workload @workload? */
bool workload_primary(const char *workload, const char *name);

/* Add one; the strings become the list's. */
void programs_add(struct programs *programs, char *guest_path, char *built);
void programs_add_source(struct programs *programs, char *guest_path, char *source, char *object);
/* A file's digest is in the cell's record, what it was called on the host is not. The guest's path is "NAME/files/...":
 * between two runs such a file is part of the definition, not a program that happened to be built otherwise. */
void programs_add_file(struct programs *programs, char *guest_path, char *file);
void programs_free(struct programs *programs);
/* The operations and bytes of a sample, 0: not known; what an operation is called, "op". */
void workload_work(const struct workload *workload, const char *output, double *ret_operations, double *ret_bytes);
const char *workload_operation(const struct workload *workload);
/* One line of a job: words joined by tabs; aborts on a word with a tab or newline. The list ends with NULL. */
void job_line(struct text *job, ...) __attribute__((sentinel));

#endif
