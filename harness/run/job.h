/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cell's job (wire/job.h): the settings of its folio profile, what every snapshot reads, the workload's steps. Pure. */
#ifndef GRANULE_RUN_JOB_H
#define GRANULE_RUN_JOB_H

#include "image/image.h"
#include "matrix/folio.h"
#include "store/metric.h"

struct preparation;

/* With the line for the root file system of its workload, if that has one, and on hardware those for the CPU's event
 * counters. Owned by the caller. */
char *job_build(const struct cell *cell, const struct trials *trials, const struct kernel_image *image,
		enum basis basis);

/* The job of the guest that prepares @preparation for @cell, on @image. Owned by the caller. */
char *job_build_preparation(const struct cell *cell, const struct preparation *preparation,
			    const struct kernel_image *image);

/* Is there anything that @preparation keeps for @cell? */
bool job_keeps(const struct cell *cell, const struct preparation *preparation);
/* Hand each "keep NAME PATH" line of a job to @found. */
void job_kept(const char *job, void (*found)(void *ctx, const char *name, const char *path), void *ctx);

#endif
