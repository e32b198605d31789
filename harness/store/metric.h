/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: what a number is, and the numbers of one boot. */
#ifndef GRANULE_STORE_METRIC_H
#define GRANULE_STORE_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_direction { METRIC_NEITHER, METRIC_HIGHER, METRIC_LOWER }; /* which way is better */
enum metric_class { METRIC_COUNT, METRIC_MEMORY, METRIC_TIME };
extern const char *const metric_direction_names[]; /* "neither", "higher", "lower", NULL */
extern const char *const metric_class_names[];	   /* "count", "memory", "time", NULL */

/* How time was measured (DESIGN.md, "Basis"). */
enum basis { BASIS_HARDWARE, BASIS_SIMULATED, BASIS_EMULATED };
extern const char *const basis_names[]; /* "hardware", "simulated", "emulated", NULL */

/* The instruction clock: -icount shift=1, one instruction is 2^1 ns of guest time. */
#define SIMULATED_NS_PER_INSN 2

struct metric {
	const char *pattern; /* a glob of the name behind "PHASE.": "insns_per_op", "folio.*.anon_alloc_per_op" */
	const char *unit;    /* "insns", "bytes", "1/s", "1" */
	enum metric_direction direction;
	enum metric_class class;
	/* Below which no verdict is drawn, in the metric's unit: fixed + base pages * page_bytes
	 * + pages_per_cpu * page_bytes * cpus. */
	double resolution;
	double resolution_pages, resolution_pages_per_cpu;
	bool per_page;	  /* depends on the base page by construction (faults per operation): shown per byte too */
	bool primary;	  /* in the short table of diff; which of them decide is the workload's `primary` */
	const char *help; /* one sentence: what it is and the file it comes from */
	const char *not_judged; /* why there is never a verdict, one clause; or NULL */
	/* What moves it by the clock as much as by the code, one clause, or NULL. Off hardware such a metric is shown and
	 * not judged, like one that a calibration finds timed (compare/floor.h). */
	const char *timed;
	/* @resolution is a number of events in a whole sample; a measure's is that by its operations (or MiB). */
	bool resolution_per_sample;
};

/* The facts of a cell that turn raw bytes into numbers. */
struct measure_context {
	uint64_t page_bytes, cpus;
	enum basis basis;
};

struct measure {
	char *name;		     /* of the measures: "page_fault1.insns_per_op" */
	const struct metric *metric; /* borrowed */
	double resolution;	     /* in the metric's unit, for this cell */
	double *values;		     /* of the measures: one a sample, in order (one a boot for what is read once) */
	size_t n_values;	     /* 1 at least */
};

struct measure_slot {
	uint32_t hash, number; /* of a name; the index of its measure and 1, or 0 */
};

struct measures {
	struct measure *v; /* owned, in order of first appearance */
	size_t n;
	bool folios_moved; /* some large-folio counter rose after the idle snapshot: the profile is not inert */
	struct measure_block *blocks; /* owned: names and values */
	struct measure_slot *slots;   /* owned: a hash table of names */
	size_t n_slots;		      /* a power of two, or 0 */
	size_t cursor;		      /* where the last search ended; samples repeat the order of their metrics */
};

void measures_free(struct measures *measures);
/* Add one value of PHASE.@suffix; aborts if @metric does not match. */
void measures_add(struct measures *measures, const struct measure_context *context, const struct metric *table,
		  const char *phase, const char *suffix, double value);
const struct measure *measures_find(const struct measures *measures, const char *name);
/* What a boot has of a metric: the median of its samples. */
double measure_median(const struct measure *measure);
/* Does @glob, NULL for any, name the metric @name, with its phase or without? */
bool metric_wanted(const char *glob, const char *name);
/* The entry of @table (ends with pattern NULL) for the name behind the phase, or NULL. */
const struct metric *metric_lookup(const struct metric *table, const char *suffix);

#endif
