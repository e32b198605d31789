/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside this room: label -> position on an axis, in logarithmic time, since a matrix may have many of both. */
#ifndef GRANULE_MATRIX_LABELS_H
#define GRANULE_MATRIX_LABELS_H

#include "matrix/matrix.h"

struct axis {
	const char **labels; /* owned array of borrowed labels, in matrix order */
	size_t *sorted;	     /* owned: positions in the order of their labels */
	size_t n;
};

/* The axes in the order of a cell's id. */
struct axes {
	struct axis kernels, folios, workloads, storages, limits;
};

void axes_make(const struct matrix *matrix, struct axes *axes);
void axes_free(struct axes *axes);
/* SIZE_MAX if there is none. */
size_t axis_find(const struct axis *axis, const char *label);

#endif
