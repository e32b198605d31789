// SPDX-License-Identifier: GPL-2.0-or-later
/* Knows cells and the cache's word for "in use". */
#include "run/hold.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "image/collect.h"
#include "wire/job.h"

/* Once each: a run has many cells and few kernels. */
static void take(struct holds *holds, const char *path)
{
	struct hold *hold;

	for (size_t i = 0; i < holds->n; i++)
		if (!strcmp(holds->v[i].path, path))
			return;
	hold = VEC_PUSH(holds->v, holds->n);
	hold->path = xstrdup(path);
	hold->fd = cache_hold(path);
}

void holds_take(const struct run *run, struct holds *ret_holds)
{
	*ret_holds = (struct holds){ 0 };
	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell_record *cell = &run->cells[i];

		if (cell->skip)
			continue;
		take(ret_holds, cell->kernel_path);
		for (size_t j = 0; j < cell->n_programs; j++)
			if (starts_with(cell->programs[j].guest_path, &JOB_MODULES_DIR[1]) ||
			    ends_with(cell->programs[j].guest_path, JOB_LAYER_SUFFIX) ||
			    !strcmp(cell->programs[j].guest_path, &JOB_ROOT_IMAGE[1]))
				take(ret_holds, cell->programs[j].host_path);
	}
}

void holds_end(struct holds *holds)
{
	for (size_t i = 0; i < holds->n; i++) {
		if (holds->v[i].fd >= 0)
			close(holds->v[i].fd);
		free(holds->v[i].path);
	}
	free(holds->v);
	*holds = (struct holds){ 0 };
}
