/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people and JSON for programs. Presentation only: nothing is computed here. Text fits REPORT_WIDTH columns,
 * on a terminal and off it, so that it survives e-mail; @colour is for a terminal only. */
#ifndef GRANULE_REPORT_REPORT_H
#define GRANULE_REPORT_REPORT_H

#include "compare/compare.h"

#define REPORT_WIDTH 78
#define REPORT_SCHEMA "1.0" /* of the JSON; keys are added within a major version, never changed */

/* @all: also the metrics that are not in the short table. Owned by the caller. */
char *report_diff_text(const struct comparison *comparison, bool all, bool colour);
json_t *report_diff_json(const struct comparison *comparison);

/* The run: its cells, outcomes and what failed. @ret_failed: some boot is neither ok nor skipped nor unsupported. */
int report_run_text(const struct run *run, bool colour, char **ret_text, bool *ret_failed, struct err *err);
int report_run_json(const struct run *run, json_t **ret, bool *ret_failed, struct err *err);
/* One cell, or one boot of it (@boot 0: all): definition, knobs, every value of every metric, provenance, attempts,
 * the console of what failed. */
int report_cell_text(const struct run *run, const struct cell_record *cell, unsigned int boot, bool colour,
		     char **ret_text, bool *ret_failed, struct err *err);
int report_cell_json(const struct run *run, const struct cell_record *cell, unsigned int boot, json_t **ret,
		     bool *ret_failed, struct err *err);

#endif
