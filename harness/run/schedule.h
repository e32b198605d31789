/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The schedule: granule-boot processes that pay the boots that a run still owes, never more at a time than cores and
 * memory allow. Cells interleave: every cell's boot 1, then every cell's boot 2. Several schedulers may be at one run:
 * claims decide who takes a boot, and the last one waits for what the others are at. */
#ifndef GRANULE_RUN_SCHEDULE_H
#define GRANULE_RUN_SCHEDULE_H

#include "run/owed.h"
#include "run/reuse.h"

struct schedule_options {
	unsigned int jobs;     /* guests at a time at most; 0: as many as cores and memory allow */
	uint64_t memory_bytes; /* for guests, all together */
	unsigned int cpus;     /* of the host */
	const char *connect;   /* a local libvirt URI for granule-boot, or NULL: its embedded driver */
	const char *fake;      /* not NULL: the guest that is not there, for tests */
	/* Only boots that this accepts are run and counted; NULL: all. */
	bool (*wanted)(void *ctx, const struct cell_record *cell, unsigned int boot);
	void *wanted_ctx;
	/* where boots that ran before are found, and new ones kept; NULL: every boot is booted */
	struct reuse *reuse;
	bool join;		      /* beside others; else being alone is insisted on */
	unsigned int shard, n_shards; /* only this part of the run's boots, from 1; 0: all */
	bool count;		      /* granule-boot --count */
	bool plain;		      /* progress as plain lines (no terminal, or CI) */
	bool quiet;
};

struct schedule_result {
	size_t n_boots, n_done_before;		   /* owed in all; complete when this began */
	size_t n_reused;			   /* taken from the cache by this */
	size_t by_outcome[OUTCOME_INCOMPLETE + 1]; /* of boots, at the end */
};

/* Run what is owed. Progress goes to standard error. ERR_HOST: a guest's life could not be recorded (disk, QEMU,
 * libvirt), the run stops; ERR_INTERRUPTED: SIGINT or SIGTERM, guests are ended, their boots stay owed. The result is
 * set in every case. */
int schedule_run(const struct run *run, const struct schedule_options *options, struct schedule_result *ret_result,
		 struct err *err);

#endif
