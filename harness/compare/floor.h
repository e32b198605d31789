/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floors: what a calibration run says a change must exceed to be one.
 *
 * A calibration (`granule calibrate`) is a run directory like another. Its run.json has
 *
 *	"calibration": [{"base": "64k", "layouts": ["64k-layout-1", ...], "slow": "64k-timers-10"}]
 *
 * labels of its kernels: a base, layout-neutral builds of the base (image/layout.h), and the base with timers that come
 * ten times more rarely. Of each of the base's cells and each metric, from the seeds that both sides have:
 *
 *	floor   stat_floor() (stat/floor.h) at 95/95 over the builds, the base among them, each with the mean over
 *		seeds of its difference to the base
 *	timed   the slow arm's mean difference to the base lies, with its 95% t interval, wholly beyond the floor and
 *		the metric's resolution
 *
 * They hold for a cell of the same base page, folio profile, workload, storage profile and guest, whatever its kernel.
 * A pair has a floor where both of its cells do: the larger one. */
#ifndef GRANULE_COMPARE_FLOOR_H
#define GRANULE_COMPARE_FLOOR_H

#include "compare/compare.h"

#define FLOOR_COVERAGE 0.95
#define FLOOR_CONFIDENCE 0.95
/* Beside the base: one of each kind of image/layout.h, for no two kinds move the same. */
#define FLOOR_BUILDS_LEAST 3

struct floor_entry {
	char *name;		     /* owned: "page_fault1.insns_per_op" */
	const struct metric *metric; /* borrowed from a static table */
	double median;		     /* of the base's boots */
	double resolution;	     /* the metric's own, in its unit */
	double amount;		     /* the floor, in its unit */
	double seen;		     /* the largest difference between two builds */
	size_t n_builds;	     /* the base among them */
	bool has_slow, timed;
	double slow; /* the slow arm's mean difference to the base, in its unit */
};

struct floor_cell {
	char *name;    /* owned: "off.faults": the id without its kernel */
	json_t *parts; /* owned: of the definition, what the floors hold for; absent where the definition has it not */
	uint64_t page_bytes, cpus, memory_bytes;
	enum basis basis;
	struct floor_entry *v; /* owned, in the order of the base's metrics */
	size_t n;
	size_t n_seeds; /* the least that a build shares with the base */
};

struct floors {
	char *dir;		  /* owned: the calibration's */
	struct floor_cell *cells; /* owned */
	size_t n_cells;
	size_t n_builds; /* the most that a cell has */
};

/* ERR_CONFIG: @run is no calibration, or no cell of it has the base and FLOOR_BUILDS_LEAST builds; ERR_HOST: the disk. */
int floors_load(const struct run *run, struct floors **ret, struct err *err);
void floors_free(struct floors *floors);
static inline void floors_free_p(struct floors **floors)
{
	floors_free(*floors);
}

/* What holds for @cell, or NULL; @floors may be NULL. */
const struct floor_cell *floors_cell(const struct floors *floors, const struct cell_record *cell);
/* What is known of @metric, or NULL. */
const struct floor_entry *floor_find(const struct floor_cell *cell, const char *metric);

/* Give @row, whose sides and resolution are set, the floor of the pair: for times it takes the resolution's place,
 * for all else the larger one counts. Either side may have none: NULL. Returns why the metric is not judged (it is
 * timed, off hardware), owned by the caller, or NULL. */
char *floor_apply(const struct floor_cell *base, const struct floor_cell *other, struct row *row);

#endif
