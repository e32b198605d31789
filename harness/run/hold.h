/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernels of a run in progress, held so that `granule images gc` leaves them. */
#ifndef GRANULE_RUN_HOLD_H
#define GRANULE_RUN_HOLD_H

#include "store/store.h"

struct holds {
	struct hold {
		char *path; /* owned */
		int fd;	    /* -1: nothing to hold */
	} * v;		    /* owned */
	size_t n;
};

/* Hold every kernel of @run's runnable cells and its modules; what cannot be held is none of the cache's. */
void holds_take(const struct run *run, struct holds *ret_holds);
void holds_end(struct holds *holds);

#endif
