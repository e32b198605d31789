/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cell's job (wire/job.h): the settings of its folio profile, what every snapshot reads, the workload's steps. Pure. */
#ifndef GRANULE_RUN_JOB_H
#define GRANULE_RUN_JOB_H

#include "image/image.h"
#include "matrix/folio.h"

/* With the line for the root file system of its workload, if that has one. Owned by the caller. */
char *job_build(const struct cell *cell, const struct trials *trials, const struct kernel_image *image);

#endif
