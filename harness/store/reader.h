/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: one boot's stream on its way to numbers. measure.c walks the records and measures samples,
 * measure-state.c what memory looks like at rest, measure-series.c what a series saw. */
#ifndef GRANULE_STORE_READER_H
#define GRANULE_STORE_READER_H

#include "base/err.h"
#include "store/measure.h"
#include "store/series.h"
#include "store/span.h"
#include "store/store.h"

#define PHASE_MAX 128 /* bytes of a phase's or counter's name */
/* The name of a metric behind its phase. */
#define SUFFIX_SIZE (2 * PHASE_MAX)

struct file {
	struct span folder, name, content; /* "/proc" "meminfo" */
	bool after;			   /* "after" or "hold"; else "before" */
};

/* The records of one step: one phase, kind and index. */
struct step {
	char phase[PHASE_MAX + 1], kind[16], index[16];
	struct file *files; /* owned */
	size_t n_files;
	bool has_exec;
	uint64_t begin_ns, end_ns, faults;
	double usage_us; /* of the processor, user and system */
	char status[24];
	char *output; /* owned */
};

/* What is kept of a phase from one step to another. */
struct phase_state {
	char phase[PHASE_MAX + 1];
	bool has_peak, has_storage;
	double peak;	/* the last "after" of its memory.peak, for phases without a hold */
	double storage; /* bytes that files held before its first program */
};

/* Instructions of one sample by half of the address space, from an attempt's file `count`. */
struct halves {
	double user, kernel;
};

struct halves_list {
	struct halves *v; /* owned, in the order of the samples; none: the boot was not counted */
	size_t n;
};

struct reader {
	const struct cell_record *cell;
	struct measure_context context;
	const struct workload *workload;
	struct measures *out;
	struct step step;
	struct file *idle; /* owned: the idle snapshot */
	size_t n_idle;
	struct phase_state *phases; /* owned */
	size_t n_phases;
	struct series_list series;
	/* samples' divisors, to scale resolutions */
	double operations, mib;
	struct halves_list halves;
	size_t halves_at; /* the next sample's */
};

/* ---- measure.c ---- */
/* Letters, digits, '_' and '-': may be part of a metric's name. */
bool name_safe(const char *s);
const struct file *file_find(const struct file *files, size_t n, const char *path, bool after);
/* One value of PHASE.@suffix, a generic metric. */
void reader_add(struct reader *r, const char *phase, const char *suffix, double value);
/* @events of a sample, as counter @name: per operation and per MiB where those are known, else per sample. */
void reader_count(struct reader *r, const char *name, double events);
struct phase_state *reader_phase(struct reader *r, const char *phase);

/* ---- measure-state.c ---- */
/* Zones, free blocks, pageblocks, storage: of @files, an idle or hold snapshot. */
void state_measure(struct reader *r, const char *phase, const struct file *files, size_t n);
/* The idle guest. */
void state_idle(struct reader *r);
/* What files hold as a phase begins. */
void state_phase_begins(struct reader *r);
/* Of what is charged to the hold's cgroup, what its files hold. */
void state_own_memory(struct reader *r);
/* The kernel's reserves of hugetlb pages. */
void state_hugetlb(struct reader *r);
/* Pages that a sample left behind and that nothing claims. */
void state_unaccounted(struct reader *r);
/* Stalls during a sample. */
void state_pressure(struct reader *r);
/* What two snapshots with nothing between them cost. */
void state_sampler(struct reader *r);

/* ---- measure-folios.c ---- */
/* Orders, alignment and contiguous blocks of what the hold's processes have mapped. */
void state_folios(struct reader *r);

/* ---- measure-split.c ---- */
/* All that is not free, in parts: of @files, an idle or hold snapshot; behind state_measure(). */
void state_split(struct reader *r, const char *phase, const struct file *files, size_t n);
/* All that is charged to the hold's cgroup, in parts. */
void state_charged(struct reader *r);

/* ---- measure-halves.c ---- */
/* No file is no error. ERR_HOST: it is damaged. */
int halves_load(const char *attempt_dir, struct halves_list *ret, struct err *err);
void halves_free(struct halves_list *list);
/* The sample's halves per operation; nothing where the boot was not counted. */
int halves_measure(struct reader *r, struct err *err);

/* ---- measure-pmu.c ---- */
/* What the CPUs counted in a sample. */
void pmu_measure(struct reader *r);

/* ---- measure-series.c ---- */
void series_measure(struct reader *r);

#endif
