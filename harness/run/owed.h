/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the boots of a run still need, by reading, while other processes may work on the same run. Starts nothing. */
#ifndef GRANULE_RUN_OWED_H
#define GRANULE_RUN_OWED_H

#include "store/store.h"

enum owed_state {
	OWED_START,	/* to be started: nobody is at it */
	OWED_ADOPT,	/* its granule-boot was killed and left something to finish */
	OWED_HERE,	/* a granule-boot of this scheduler is at it */
	OWED_ELSEWHERE, /* another process is */
	OWED_PAID,	/* finished, whatever came of it */
	OWED_LEFT,	/* tried often enough; the next --resume tries again */
	OWED_GIVEN_UP,	/* its Image boots nowhere */
};

struct owed_boot {
	const struct cell_record *cell; /* borrowed */
	unsigned int boot;
	unsigned int attempt; /* the newest that was read, 0: none */
	unsigned int before;  /* attempts that were over when this began */
	size_t image;
	enum owed_state state;
	enum outcome outcome; /* as last read */
	double wall_s;	      /* the same; below 0 if nothing says */
};

/* What became of an Image's boots. */
struct owed_image {
	const char *sha256;	     /* borrowed */
	const char *label, *release; /* borrowed */
	unsigned int failed, passed; /* before its job began; any other end that says something of the Image */
	bool given_up;
};

struct owed {
	const struct run *run; /* borrowed */
	struct owed_boot
		*boots;	 /* owned; every cell's boot 1, then every cell's boot 2; finished ones too; then rounds */
	size_t n, first; /* nothing before @first is to be started */
	struct owed_image *images; /* owned */
	size_t n_images;
	size_t n_done_before; /* were finished when this began */
	bool (*wanted)(void *ctx, const struct cell_record *cell, unsigned int boot);
	void *wanted_ctx;
	size_t *n_of_cell; /* owned: adaptive cells: the boots that were looked at, in the order of the run's cells */
	bool *settled;	   /* owned: some boot of that cell was paid since its rounds were looked at */
};

/* Of the plan alone, so every process that is told the same @n splits alike: is this boot part of @shard (from 1)? */
bool owed_in_shard(size_t cell_index, unsigned int boot, unsigned int shard, unsigned int n);

/* Read every boot that @wanted accepts (its cells are not skipped). An adaptive cell gets its next round, and @boots
 * grows, in owed_next() and owed_poll() alone. */
void owed_init(struct owed *owed, const struct run *run,
	       bool (*wanted)(void *ctx, const struct cell_record *cell, unsigned int boot), void *ctx);
void owed_free(struct owed *owed);

/* The first boot to start or adopt, SIZE_MAX: none at the moment. Looks whether it still is one. @ret_others: how many
 * were found to have been finished by others. */
size_t owed_next(struct owed *owed, size_t *ret_others);
/* The caller's granule-boot is at it (OWED_HERE), or is no more: read it again. */
void owed_take(struct owed *owed, size_t index);
enum owed_state owed_settle(struct owed *owed, size_t index, const struct boot_result *result);
/* Look after what others are at; returns how many boots they have finished since. */
size_t owed_poll(struct owed *owed);
size_t owed_count(const struct owed *owed, enum owed_state state);

#endif
