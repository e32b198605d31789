/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pairs of cells and what changed between them. Reads runs through store/, computes everything that report/ shows.
 * Streams are read a few boots at a time and freed; what stays is numbers. Linear in the number of cells.
 *
 * Which interval decides is in judge.h: paired seeds and t on the simulated basis, ranks of unpaired boots on
 * hardware. */
#ifndef GRANULE_COMPARE_COMPARE_H
#define GRANULE_COMPARE_COMPARE_H

#include "stat/stat.h"
#include "store/store.h"

enum verdict {
	VERDICT_BETTER,
	VERDICT_WORSE,
	VERDICT_SHORTER, /* fewer instructions on the instruction clock: a shorter path, not a faster machine */
	VERDICT_LONGER,
	VERDICT_SAME,
	VERDICT_UNCLEAR,
	VERDICT_NOT_JUDGED,
};
extern const char *const verdict_names[];

struct floors; /* compare/floor.h */

struct compare_options {
	double effect;		     /* the smallest relative change that matters: 0.01 */
	double confidence;	     /* of intervals: 0.95 */
	const char *along;	     /* within one run along this axis ("kernels"), or NULL: two runs by cell id */
	const char *from;	     /* the base's label on that axis; NULL: the first in the plan */
	const char *to;		     /* only this label of that axis; NULL: every other one */
	const char *metric;	     /* glob of metrics to keep (with or without the phase), or NULL: all */
	const char *cell;	     /* glob of cell ids to keep, or NULL: all */
	const struct floors *floors; /* of a calibration, or NULL */
	bool resample;		     /* bootstrap intervals of what counts on hardware: milliseconds a row */
};
#define COMPARE_DEFAULTS ((struct compare_options){ .effect = 0.01, .confidence = STAT_CONFIDENCE })

/* A change as it was taken: over logs of ratios, or over differences in units of @scale. */
struct change {
	struct stat_interval d; /* by ranks: @mean is the Hodges-Lehmann shift, no @deviation; @n is the smaller side */
	bool logs;
	bool by_ranks; /* on hardware: boots of either side, unpaired; else pairs by seed and t (judge.h says why) */
	double scale;  /* differences: the base's mean, 1 if that is 0 */
};

/* One metric on one side: each boot's median over its samples, then over boots. */
struct side {
	bool present;
	double median, min, max;
	double *values; /* owned: one a boot that was measured, in the order of boots */
	size_t n_boots, n_samples;
};

/* A function that changed: instructions per operation (explain/origins.h). */
struct row_origin {
	char *function; /* owned */
	double base, other;
};

struct row {
	char *name;		     /* owned: "page_fault1.memory.peak" */
	const struct metric *metric; /* borrowed from a static table */
	struct side base, other;
	size_t n_pairs; /* boots with equal seed that have it on both sides; on hardware of the side with fewer */
	/* The relative change, 0.05 is +5%: the mean of the paired log ratios, as a ratio; where a value is 0, the mean
	 * difference over the base's mean. Known if the base is not 0. On hardware the Hodges-Lehmann shift of logs, or
	 * of differences. */
	bool has_change, has_interval;
	double change, low, high;
	struct change taken; /* what these three were made from; set if n_pairs is not 0 */
	bool exact;	     /* every pair is equal to the last bit, and that is an answer */
	bool refused;	     /* not judged, whatever the numbers; that neither way is better does not count here */
	double resolution;   /* the coarser one of both sides, in the metric's unit; with a floor what floor.h says */
	bool has_floor, timed;
	double floor; /* what layout alone is worth, in the metric's unit */
	bool shown;   /* in the short table: marked so in the dictionary and not zero throughout, or asked for */
	bool primary; /* the workload names it (workload.h) */
	/* Primary or asked for, and not zero throughout: corrected for its company and in the exit code. All else is
	 * exploratory: at 95% by itself, so of twenty that did not move one is called changed; it decides nothing. */
	bool counts;
	double corrected_low, corrected_high; /* what a claim of change had to hold at; NANs: not corrected */
	double p;			      /* on hardware, of what counts: Mann and Whitney's; NAN: none */
	struct stat_interval bootstrap;	      /* the same as ratios less 1; second opinion, decides nothing */
	enum verdict verdict;
	char *reason;		    /* owned: for unclear and not judged */
	size_t more_seeds;	    /* unclear: how many more would settle it; 0: no number would, or too many */
	struct row_origin *origins; /* owned: the largest change first; none where nobody has looked */
	size_t n_origins;
};

struct pair {
	char *name; /* owned: what both have in common: the id, or the id without the compared axis */
	size_t arm; /* index into comparison.arms */
	const struct cell_record *base, *other; /* borrowed from the runs */
	size_t n_pairs;				/* seeds that are ok on both sides */
	size_t n_samples;			/* of a boot, at most */
	/* boots of either side that came to an end which the guest decided, how many of them did not measure, and Fisher's
	 * exact p that both sides fail equally often; 1 where neither did */
	size_t n_ended[2], n_failed[2];
	double failed_p;
	size_t n_corrected; /* rows that claims of change are corrected for (judge.h) */
	struct row *rows;   /* owned; per phase, in order of appearance */
	size_t n_rows;
};

/* How far a difference between two definitions reaches. */
enum severity {
	SEVERITY_SUBJECT, /* it is what is compared */
	SEVERITY_NOTE,	  /* worth knowing */
	SEVERITY_TIME,	  /* no time is judged */
	SEVERITY_ALL,	  /* nothing is judged */
};
extern const char *const severity_names[];

struct difference {
	char *path, *base, *other; /* owned: "guest.memory_bytes", "3221225472", "2147483648"; "-": absent */
	size_t arm;
	enum severity severity;
	size_t n_pairs;
};

/* A boot that gives no number, or a cell without a partner. */
struct trouble {
	char *cell;	   /* owned: id */
	const char *arm;   /* borrowed: the label of its side */
	unsigned int boot; /* 0: the whole cell */
	enum outcome outcome;
	char *reason; /* owned */
	bool failed;  /* counts as a failure; skips and deliberate gaps do not */
};

/* The two ends of one comparison, and what all its pairs share. */
struct arm {
	char *base_label, *other_label; /* owned: "4k", "64k", or the runs' directories */
};

struct kernel_fact {
	size_t arm;
	const char *base_label, *other_label; /* borrowed: the cells' kernels */
	const char *base_release, *other_release;
	uint64_t base_page_bytes, other_page_bytes;
};

struct comparison {
	struct compare_options options; /* strings borrowed */
	char *base_dir, *other_dir;	/* owned; other_dir is NULL along an axis */
	char *axis;			/* owned, or NULL */
	struct arm *arms;		/* owned */
	size_t n_arms;
	struct pair *pairs; /* owned, by arm, then in plan order */
	size_t n_pairs;
	struct difference *differences; /* owned, worst first */
	size_t n_differences;
	const char **
		unseen; /* owned array of sentences: of what differs, what this basis does not see (compare/unseen.h) */
	size_t n_unseen;
	struct trouble *troubles; /* owned, in plan order */
	size_t n_troubles;
	struct kernel_fact *kernels; /* owned */
	size_t n_kernels;
	bool basis_seen[3];			   /* which of enum basis */
	char *qemu;				   /* owned: of the first boot that says, or NULL */
	size_t least_seeds, most_seeds;		   /* paired, over pairs */
	size_t least_samples, most_samples;	   /* of a boot */
	size_t n_reused;			   /* boots that were read and come from the result cache */
	size_t by_verdict[VERDICT_NOT_JUDGED + 1]; /* of rows that count */
};

/* @other is NULL exactly if @options->along is set. The runs must outlive the result. Failed boots are part of the
 * result; an error is ERR_CONFIG (no such axis, nothing matches) or ERR_HOST (the disk). */
int compare_runs(const struct run *base, const struct run *other, const struct compare_options *options,
		 struct comparison **ret, struct err *err);
/* One run by itself, for who shows it: each cell is a pair without an other side (pair.other is NULL), no row has a change or
 * a verdict. @options->along and ->from are not looked at; errors as above. */
int compare_alone(const struct run *run, const struct compare_options *options, struct comparison **ret,
		  struct err *err);
void comparison_free(struct comparison *comparison);
static inline void comparison_free_p(struct comparison **comparison)
{
	comparison_free(*comparison);
}

/* Any boot or cell that failed; anything that counts and is unclear. */
bool comparison_failed(const struct comparison *comparison);
bool comparison_unclear(const struct comparison *comparison);

#endif
