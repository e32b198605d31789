/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The OSD's memory after each round of writing and deleting the same number of objects: does it grow? */
#ifndef GRANULE_WORKLOADS_CEPH_ROUNDS_H
#define GRANULE_WORKLOADS_CEPH_ROUNDS_H

#include "workloads/workload.h"

/* In bytes: what tcmalloc has of the kernel, what of it the OSD has, what its mempools say. */
#define ROUND_COLUMNS 3
extern const char *const round_columns[ROUND_COLUMNS]; /* "heap", "in_use", "mempool" */

struct round {
	uint64_t ns;		 /* the guest's clock at its last reading; 0: there was none */
	double v[ROUND_COLUMNS]; /* NAN: not there */
};

struct rounds {
	struct round *v; /* owned */
	size_t n;
};

/* Of the artifact `readings`; none is no error. ERR_GUEST: a reading does not parse. */
int rounds_read(const struct artifact_list *artifacts, struct rounds *ret, struct err *err);
void rounds_free(struct rounds *rounds);
/* What a round adds, by a line through all but the first, which fills what is empty; NAN for less than two of them. */
double rounds_slope(const struct rounds *rounds, size_t column);

#endif
