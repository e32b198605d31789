/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zstd frames that say how long their content is, and whose checksum says whether it is whole. */
#ifndef GRANULE_BASE_PACK_H
#define GRANULE_BASE_PACK_H

#include <stddef.h>

#include "base/err.h"

#define PACK_LEVEL 3 /* zstd's own default */

/* The frame, owned by the caller; ERR_HOST. */
int pack(const void *data, size_t len, int level, char **ret, size_t *ret_len, struct err *err);
/* The content with a NUL behind it, owned by the caller; NULL: no frame, a damaged one, or more than @max bytes. */
char *unpack(const void *frame, size_t len, size_t max, size_t *ret_len);

#endif
