/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The numbers of one cell's boots, read one boot at a time. */
#ifndef GRANULE_COMPARE_LOAD_H
#define GRANULE_COMPARE_LOAD_H

#include "store/store.h"

struct boot_data {
	enum outcome outcome;
	char *reason; /* owned */
	bool measured, reused;
	json_t *host;		  /* owned: on hardware, host.json of one that was measured; else NULL */
	struct measures measures; /* owned */
};

struct cell_data {
	const struct cell_record *cell; /* borrowed */
	struct boot_data *boots;	/* owned; boot i is at i - 1 */
	size_t n_boots, n_reused;	/* reused: from the result cache */
	bool inert;			/* asks for large folios, and in no measured boot one was made */
	json_t *host;			/* owned: host.json of the first measured boot, or NULL */
	/* owned: on hardware, `hardware` of host.json of all measured boots: a value that is not the same in all is
	 * an array of what was seen; else NULL */
	json_t *hardware;
	json_t *knobs; /* owned: {path: effective value} of the same boot, or NULL */
};

/* Reads several boots at a time, by threads of its own. A boot whose numbers do not parse becomes a workload-failed
 * one; an error is ERR_HOST. */
int cell_load(const struct run *run, const struct cell_record *cell, struct cell_data *ret, struct err *err);
void cell_data_free(struct cell_data *data);

/* The first boot that was measured, or NULL. */
const struct boot_data *cell_first_measured(const struct cell_data *data);
/* The values of metric @name in @boot, or NULL. @hint: where its neighbour had it, looked at first. */
const struct measure *boot_measure_find(const struct boot_data *boot, const char *name, size_t hint);

struct loader_cell {
	const struct run *run;
	const struct cell_record *cell;
};

/* Many cells, the same way: the next ones are read while the caller is busy with the last. */
struct loader;

/* @cells are borrowed until loader_free(). */
struct loader *loader_start(const struct loader_cell *cells, size_t n);
/* The next of the @n cells, as cell_load() gives it; not to be called for more, nor after an error. By one thread. */
int loader_next(struct loader *loader, struct cell_data *ret, struct err *err);
void loader_free(struct loader *loader); /* also of one that was not read to its end */

static inline void loader_free_p(struct loader **loader)
{
	loader_free(*loader);
}

/* The knobs of a stream, {path: effective}; owned by the caller. */
json_t *stream_knobs(const char *stream, size_t len);

#endif
