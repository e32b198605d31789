/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this workload: its parameters, and what makes numbers of what its programs print. */
#ifndef GRANULE_WORKLOADS_CEPH_CEPH_H
#define GRANULE_WORKLOADS_CEPH_CEPH_H

#include "wire/job.h"
#include "workloads/workload.h"

struct ceph_params {
	struct string_list tests, settings;
	uint64_t objects, object_size, block_size, threads, rand_seconds;
	uint64_t memory_objects, memory_object_size; /* memory_objects 0: no such part */
	uint64_t rounds;
	uint64_t osd_memory_target, tcmalloc_page; /* bytes; tcmalloc_page 0: tcmalloc's own choice */
	char *tcmalloc_release_rate;		   /* NULL: tcmalloc's own choice */
	bool bluefs_buffered_io, manager;
};

/* The artifact with the answers of admin sockets, and the names of its sections: "PHASE/WHAT". Phases are
 * POINT-DAEMON ("n-osd"); of a round the point is "round-N". */
#define CEPH_READINGS "readings"
#define CEPH_MEMPOOLS "mempools"
#define CEPH_HEAP "heap"
#define CEPH_PRICACHE "pricache"
#define CEPH_ROUND "round-"
#define CEPH_START "start" /* "start/mon", "start/osd", "start/clean", "start/mgr": only when they were answered */

extern const struct metric ceph_metrics[];

/* Operations and bytes of a sample's output. */
void ceph_work(const char *output, double *ret_operations, double *ret_bytes);
/* Of a sample: rados bench's report. */
int ceph_measure(const struct measure_context *context, const char *phase, const char *output,
		 struct measures *measures, struct err *err);
/* Of the boot: the artifact `readings`. */
int ceph_brought(const struct measure_context *context, const struct artifact_list *artifacts,
		 struct measures *measures, struct err *err);
/* The rounds as they followed one another, in guest time. */
void ceph_series(const struct artifact_list *artifacts, struct series_list *ret);
/* Ratios of the above and of generic metrics: growth per byte of mempool, write amplification. */
void ceph_derive(const struct measure_context *context, struct measures *measures);
/* The line of a daemon's log that says why it ended; NULL: none does. Owned by the caller. */
char *ceph_trouble(const struct artifact_list *artifacts);

#endif
