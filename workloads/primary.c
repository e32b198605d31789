// SPDX-License-Identifier: GPL-2.0-or-later
/* Which metrics a workload's verdicts rest on. */
#include <fnmatch.h>
#include <string.h>

#include "workloads/workload.h"

bool workload_primary(const char *workload, const char *name)
{
	const struct workload *w = workload ? workload_find(workload) : NULL;
	const char *dot = strchr(name, '.');

	for (size_t i = 0; w && dot && w->primary[i]; i++)
		if (!strcmp(w->primary[i], dot + 1) ||
		    (strpbrk(w->primary[i], "*?[") && fnmatch(w->primary[i], dot + 1, 0) == 0))
			return true;
	return false;
}
