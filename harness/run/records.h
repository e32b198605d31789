/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a plan to cells.jsonl. */
#ifndef GRANULE_RUN_RECORDS_H
#define GRANULE_RUN_RECORDS_H

#include "run/plan.h"

/* The plan's cells as they go into cells.jsonl, skipped ones included; after plan_build() and prepared_ensure(). */
int plan_records(const struct plan *plan, struct cell_record **ret_cells, size_t *ret_n, struct err *err);

/* Make the run directory @dir of them, as run_create() does, and open it. */
int plan_create_run(const struct plan *plan, const char *dir, json_t *header, struct run **ret_run, struct err *err);

/* The guest that prepares with @job for the workload of @cell, on kernel @kernel of the matrix; called @id. */
int record_preparing(const struct plan *plan, const struct cell *cell, size_t kernel, const char *id, const char *job,
		     struct cell_record *ret, struct err *err);

#endif
