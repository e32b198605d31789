/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run directories of any size with numbers that look measured: what speed and reports are tried on. */
#ifndef GRANULE_TESTS_SYNTHETIC_H
#define GRANULE_TESTS_SYNTHETIC_H

#include <stddef.h>
#include <stdint.h>

/* Kernels k0, k1, ... k9, profiles f0 ... f9, and as many workloads w0, w1, ... as @cells needs: w0 has the first hundred cells.
 * Each boot is a whole stream of a page-fault test at 64K. */
struct synthetic {
	unsigned int cells, boots, samples;
	unsigned int counters; /* of vmstat; each becomes two metrics, beside about 20 that every stream has */
	uint64_t seed;	       /* of the numbers; equal seeds give equal bytes */
	/* Every third counter and the time of a sample are multiplied by this in cells of every third kernel; 0: 1. */
	double shift;
};

/* @dir must not exist or be empty. Aborts where the disk does not take it. */
void synthetic_run(const char *dir, const struct synthetic *s);

#endif
