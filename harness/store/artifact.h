/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that a guest sent: ARTIFACT records of its stream (wire.h). The guest is not trusted: a name counts only
 * where the job has it, pieces must follow one another, and all together are bounded by 64 MiB. */
#ifndef GRANULE_STORE_ARTIFACT_H
#define GRANULE_STORE_ARTIFACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

struct artifact {
	char name[64];
	uint64_t next; /* behind its last piece, in the guest's file */
	struct text data;
};

struct artifact_list {
	struct artifact *v; /* owned */
	size_t n;
	uint64_t bytes;
};

void artifacts_free(struct artifact_list *list);
/* May a guest that had @job send any? Where not, its stream need not be read for them. */
bool artifacts_expected(const char *job);
/* Does it have one of that name? */
bool artifact_expected(const char *job, const char *name);
/* Those of a stream whose guest had @job. */
void artifacts_read(const char *job, const char *stream, size_t len, struct artifact_list *ret_list);
/* NULL: it was not sent. */
const struct artifact *artifact_find(const struct artifact_list *list, const char *name);
/* The same into @dir/artifacts. */
int artifacts_write(const char *dir, const char *job, const char *stream, size_t len, struct err *err);

/* What the job's line "keep NAME PATH" brought out, into the file @path. ERR_GUEST: it is not whole. */
int artifact_kept(const char *job, const char *stream, size_t len, const char *name, const char *path, struct err *err);

#endif
