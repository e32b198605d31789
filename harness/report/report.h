/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people and JSON for programs. Presentation only: nothing is computed here. Text fits REPORT_WIDTH columns,
 * on a terminal and off it, so that it survives e-mail; @colour is for a terminal only. */
#ifndef GRANULE_REPORT_REPORT_H
#define GRANULE_REPORT_REPORT_H

#include "bisect/bisect.h"
#include "compare/compare.h"
#include "compare/floor.h"
#include "compare/gate.h"
#include "explain/explain.h"
#include "explain/memory.h"
#include "explain/recorded.h"

#define REPORT_WIDTH 78
#define REPORT_SCHEMA "1.1" /* of the JSON, docs/schema/; keys are added within a major version, never changed */

/* @all: also the metrics that are not in the short table. Owned by the caller. */
char *report_diff_text(const struct comparison *comparison, bool all, bool colour);
json_t *report_diff_json(const struct comparison *comparison);
/* Of that only what pairs share: arms, kernels, differences, not_compared. */
json_t *report_diff_lists(const struct comparison *comparison);

/* Every metric of every pair a line, RFC 4180: for spreadsheets and data frames; columns in results/README.md. */
char *report_diff_csv(const struct comparison *comparison);

/* A calibration's floors: a table a cell, primary metrics or @all. */
char *report_floors_text(const struct floors *floors, bool all, bool colour);
json_t *report_floors_json(const struct floors *floors);

/* Gates: for a terminal (@all: what passed too), CI services' JUnit, a job's summary page, GitHub's annotations. */
char *report_gate_text(const struct gating *gating, bool all, bool colour);
char *report_gate_junit(const struct gating *gating);
char *report_gate_markdown(const struct gating *gating);
char *report_gate_annotations(const struct gating *gating);
char *report_gate_csv(const struct gating *gating);
json_t *report_gate_json(const struct gating *gating);
json_t *report_gate_check_json(const struct gate_check *check);
/* "64k.off.faults", along an axis "off.faults: 4k -> 64k"; "4445 -> 4890, +10.0%; REASON". Owned by the caller. */
char *gate_check_where(const struct gate_check *check);
char *gate_check_words(const struct gate_check *check);

/* Where a difference comes from: a table, folded stacks ("base;PHASE;kernel;FUNCTION COUNT" in instructions per
 * operation), JSON (results/README.md). Without phases only memory was asked for, or nothing can be counted: then
 * @recorded has a why. */
char *report_explain_text(const struct explanation *explanation, bool all, bool colour);
char *report_explain_folded(const struct explanation *explanation);
json_t *report_explain_json(const struct explanation *explanation, const struct recorded *recorded,
			    const struct memory_splits *memory);
char *report_recorded_text(const struct recorded *recorded, bool colour);
/* Functions by perf, "" where there are none; owned by the caller. @all: also those within their error. */
char *report_sampled_text(const struct recorded *recorded, bool all, bool colour);
char *report_memory_text(const struct memory_splits *memory, bool colour);

/* What a bisection found, and its step: what moved from the parent of the first bad commit to it (NULL where there is
 * no one commit, or its parent could not be measured). */
struct bisect_report {
	const char *dir, *tree, *good, *bad; /* borrowed, as all */
	const struct bisect_result *result;
	const struct gating *step;
};
char *report_bisect_text(const struct bisect_report *report);
json_t *report_bisect_json(const struct bisect_report *report);

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
