/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a difference in path length comes from: one boot of two cells is repeated with a plugin that counts
 * instructions by address (harness/plugin/count.c), and the counts are added up by function, of the kernel and of
 * each user program. The repeated boot must give the bytes that were recorded: then what was counted is what was
 * measured. */
#ifndef GRANULE_EXPLAIN_EXPLAIN_H
#define GRANULE_EXPLAIN_EXPLAIN_H

#include "run/schedule.h"

/* One phase of one cell: means over its samples, in instructions per operation. */
struct side_cost {
	const struct cell_record *cell; /* borrowed */
	double metric; /* what the program's clock says: elapsed_ns / SIMULATED_NS_PER_INSN / operations */
	double kernel, user;
	double other; /* kernel code outside of System.map: modules, what is made at run time */
	/* metric - kernel - user - other: the instructions around the program's own clock reads (counted by the clock, outside of
	 * the markers), less those that were tried, faulted and tried again (counted twice, but not by the clock) */
	double rest;
	size_t n_samples;
	bool whole; /* the program sets no markers: the whole execution was counted, and rest says so */
};

/* User code that is no named function's, and code that is in no program of the cell. */
#define FUNCTION_UNNAMED "(no symbol)"
/* The vDSO's bytes are not those of the Image: the kernel patches them when it starts (apply_alternatives_vdso()). */
#define PROGRAM_UNKNOWN "(vDSO, or no program of the cell)"

struct function_cost {
	char *name;    /* owned */
	char *program; /* owned: user code's, by its file's name or one of the above; NULL: the kernel's */
	double base, other;
};

struct phase_cost {
	char *phase; /* owned: "page_fault1" */
	struct side_cost base, other;
	struct function_cost *functions; /* owned: the kernel's, the largest change first */
	size_t n_functions;
	struct function_cost *user; /* owned: the programs', the same way; they add up to side_cost.user */
	size_t n_user;
	struct function_cost *programs; /* owned: sums of @user by program, which is their name */
	size_t n_programs;
	/* owned: calls per operation of the function that was asked for, by the functions that call it; their name is
	 * the caller's */
	struct function_cost *callers;
	size_t n_callers;
};

struct explanation {
	const char *callee;			/* borrowed: whose callers are in the phases, or NULL */
	char *base_dir, *other_dir;		/* owned */
	const struct cell_record *base, *other; /* borrowed from the runs */
	unsigned int boot;
	struct phase_cost *phases; /* owned: those that both sides have, in the base's order */
	size_t n_phases;
};

struct explain_side {
	const struct run *run; /* borrowed */
	const struct cell_record *cell;
};

/* What is wanted beside functions. */
struct explain_wants {
	const char *callee; /* a function of the kernel whose callers are wanted, or NULL */
	bool inlines;	    /* "add_one (in outer)" apart from what is outer's own */
};

/* Boot @boot of both cells again, counted, and keep the counts beside the recorded boots. @options: as for any schedule.
 * ERR_CONFIG: a cell that is not sealed or has no System.map, a boot that is not ok, a callee that neither kernel has, no
 * debug information for inlines (explain/inlines.h); ERR_HOST: the plugin or QEMU; ERR_GUEST: the repeated boot is not
 * the recorded one. */
int explain(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
	    const struct explain_wants *wants, const struct schedule_options *options, struct explanation **ret,
	    struct err *err);
/* The same from the counts that earlier calls kept beside the recorded boots (count.zst). What is missing is booted
 * with @options; with NULL nothing is booted, and 1 is returned if a count is missing. */
int explain_kept(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
		 const struct schedule_options *options, struct explanation **ret, struct err *err);
/* One without phases: for what needs no boot. */
struct explanation *explanation_new(const struct explain_side *base, const struct explain_side *other,
				    unsigned int boot);
void explanation_free(struct explanation *explanation);
static inline void explanation_free_p(struct explanation **explanation)
{
	explanation_free(*explanation);
}

#endif
