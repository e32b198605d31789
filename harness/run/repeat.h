/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Repeat finished boots of a run in a scratch run directory and compare the bytes: the proof that a sealed cell is a
 * pure function of its inputs. */
#ifndef GRANULE_RUN_REPEAT_H
#define GRANULE_RUN_REPEAT_H

#include "run/schedule.h"

struct repeat {
	const struct cell_record *cell; /* borrowed from the run */
	unsigned int boot;
	bool identical;
	char *difference; /* owned: where the streams part first, or why there is nothing to compare; NULL if identical */
};

/* Boots of @run that can be repeated: ok and on the simulated basis. At most @sample (0: all), spread evenly over the
 * plan. @ret_repeats is owned by the caller, repeats_free(). */
int repeat_choose(const struct run *run, unsigned int sample, struct repeat **ret_repeats, size_t *ret_n,
		  struct err *err);
void repeats_free(struct repeat *repeats, size_t n);

/* Boot them again. @ret_dir: the scratch run directory, owned by the caller; removed already (and NULL) if all were
 * identical and nothing was counted. */
int repeat_run(const struct run *run, struct repeat *repeats, size_t n, const struct schedule_options *options,
	       char **ret_dir, struct err *err);

/* A run directory under $TMPDIR with @cells of @of. */
int repeat_scratch(const struct run *of, const struct cell_record *cells, size_t n, char **ret_dir,
		   struct run **ret_run, struct err *err);

/* One sentence on the first record in which two streams differ; NULL if they are equal. Owned by the caller. */
char *stream_difference(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
