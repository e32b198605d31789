/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a person sees of a run on standard error: on a terminal a line per running guest with its step and time and an
 * overall line with the time left, redrawn in place; elsewhere one plain line per finished boot. It reads the streams
 * of running guests as they grow; it never speaks to a guest. */
#ifndef GRANULE_RUN_PROGRESS_H
#define GRANULE_RUN_PROGRESS_H

#include <stdbool.h>

#include "store/store.h"

struct progress_guest {
	const struct cell_record *cell; /* borrowed; NULL: the slot is free */
	unsigned int boot;
	uint64_t began_ns;
	char *stream_path; /* owned: found once the attempt is there */
	size_t offset;	   /* of the stream, parsed so far */
	uint32_t sequence;
	char step[96]; /* "page_fault1 sample 2" */
};

struct progress {
	const struct run *run;	       /* borrowed */
	struct progress_guest *guests; /* owned; one a slot */
	size_t n_guests;
	size_t n_total, n_done, n_done_before;
	uint64_t began_ns, drawn_ns;
	unsigned int lines_drawn;
	bool plain, quiet;
};

void progress_init(struct progress *p, const struct run *run, size_t n_guests, bool plain, bool quiet);
void progress_free(struct progress *p);
void progress_start(struct progress *p, size_t slot, const struct cell_record *cell, unsigned int boot);
/* A boot ended: plain mode prints its line, a terminal prints one only for what went wrong. */
void progress_finish(struct progress *p, size_t slot, enum outcome outcome, const char *reason);
/* It was another process's boot. */
void progress_drop(struct progress *p, size_t slot);
/* Redraw if it is time to. */
void progress_tick(struct progress *p);
/* Wipe the drawn lines, before something else is printed. */
void progress_clear(struct progress *p);

#endif
