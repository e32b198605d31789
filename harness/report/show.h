/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What show's text and JSON are made of: one boot as it was read, with everything a person may ask about it. */
#ifndef GRANULE_REPORT_SHOW_H
#define GRANULE_REPORT_SHOW_H

#include "base/text.h"
#include "store/series.h"
#include "store/store.h"

struct knob {
	char *path, *requested, *effective, *status; /* owned, visible text */
};

struct shown_attempt {
	unsigned int number;
	char *dir; /* owned */
	enum outcome outcome;
	char *reason; /* owned, or NULL */
	bool counts, running;
};

struct shown_boot {
	unsigned int boot;
	struct boot_result result; /* owned */
	bool measured;
	struct measures measures; /* owned */
	char *measure_error;	  /* owned: why an ok boot has no numbers */
	struct knob *knobs;	  /* owned */
	size_t n_knobs;
	struct series_list series; /* owned */
	char **notes;		   /* owned: what the agent wanted known */
	size_t n_notes;
	json_t *hello;			/* owned: {key: value} or NULL */
	json_t *host, *done;		/* owned, or NULL */
	struct shown_attempt *attempts; /* owned */
	size_t n_attempts;
	char *crash, *tail; /* owned: of the console of a failed boot, or NULL */
	bool failed;
};

/* Field @i of a record as visible text, cut at 1 KiB; "" if it is not there. Owned by the caller. */
struct wire_record;
char *record_text(const struct wire_record *record, unsigned int i);
/* Neither ok nor skipped nor unsupported. */
bool outcome_failed(enum outcome outcome);
int shown_boot_load(const struct run *run, const struct cell_record *cell, unsigned int boot, struct shown_boot *ret,
		    struct err *err);
void shown_boot_free(struct shown_boot *shown);

/* ---- show-series.c ---- */
/* Each series of @boot: a line a counter, its least and most and its course. */
void show_series_text(struct text *out, const struct shown_boot *boot, bool colour);
/* [{phase, index, interval_ns, runs, columns[{name, path, word, unit}], rows[[ns, ...]]}]; null where nothing was read. */
json_t *show_series_json(const struct series_list *list);

#endif
