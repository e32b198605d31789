/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What workloads prepare (workloads/workload.h), made once and kept in the cache, so that all cells of a comparison begin
 * with the same bytes:
 *
 *   prepared/KEY/       NAME.layer for each "keep" line of the job, meta.json; appears whole, by rename after fsync. KEY
 *                       is the digest of all that the preparing guest was given (its job, kernel, programs, machine,
 *                       seed) and of QEMU's version
 *   prepared/making/D/  D is KEY's first digit, so that few wait for each other. lock: held by whoever makes one;
 *                       build/: the run directory of a guest that prepares; stays where it failed, until the next one
 *
 * The preparing guest has one vCPU, seed 1 and the first kernel of the matrix that can mount a root file system, of the
 * cell's base page where the preparation asks for that, so a skipped first kernel can prepare for all. On the simulated
 * basis it is sealed, so equal keys give equal bytes; on others whichever came first stays. */
#ifndef GRANULE_RUN_PREPARED_H
#define GRANULE_RUN_PREPARED_H

#include "run/plan.h"
#include "run/schedule.h"

struct preparation;

#define PREPARED_DIR "prepared" /* in the cache */

/* A file for the guests of cells. */
struct layer {
	char *name, *path; /* owned: "data"; the file, absolute */
	char sha256[SHA256_HEX_SIZE];
	uint64_t bytes;
};

struct prepared {
	const struct preparation *preparation; /* borrowed */
	size_t kernel;			       /* of the matrix: the one that prepares */
	char *job;			       /* owned: of the preparing guest */
	char *dir;			       /* owned: the entry; NULL while there is none */
	bool failed;			       /* the workload did, in its guest: the cells' guests do it themselves */
	struct layer *layers;		       /* owned */
	size_t n_layers;
};

/* Find what the plan's cells need, and make what is not there, one guest at a time, by @schedule. @header: of the run
 * that is being made, borrowed. After plan_build(). Where it is the workload that fails there, which is a result like any
 * other, the guests of cells do it themselves and tell (prepared_failed()). ERR_GUEST: a guest that prepares did not end
 * well for another reason; its files stay, and the error names them. */
int prepared_ensure(struct plan *plan, const struct schedule_options *schedule, json_t *header,
		    image_progress *progress, void *ctx, struct err *err);
/* What @cell gets of @preparation; NULL before prepared_ensure(). */
const struct prepared *prepared_find(const struct plan *plan, const struct cell *cell,
				     const struct preparation *preparation);
/* Must @cell's guests do what could not be prepared? */
bool prepared_failed(const struct plan *plan, const struct cell *cell);
void prepared_free(struct prepared *prepared, size_t n);

/* An entry, for people and gc. */
struct prepared_entry {
	char key[SHA256_HEX_SIZE];
	char *dir, *what; /* owned; what: "postgresql data on 6.12.117-granule"; "" of a damaged one */
	uint64_t bytes;
	time_t used;
};

/* Every entry, newest use last. */
int prepared_list(const char *cache, struct prepared_entry **ret_entries, size_t *ret_n, struct err *err);
void prepared_entries_free(struct prepared_entry *entries, size_t n);
/* Remove what was last used before @since; how many, and their @ret_bytes. */
size_t prepared_trim(const char *cache, time_t since, bool dry_run, uint64_t *ret_bytes);

#endif
