// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operation of a workload is. */
#include <string.h>

#include "store/span.h"
#include "workloads/workload.h"

double workload_operations(const struct workload *workload, const char *output)
{
	double n;

	if (workload->operations)
		return workload->operations(output);
	return span_table_value((struct span){ output, strlen(output) }, "operations", &n) ? n : 0;
}

const char *workload_operation(const struct workload *workload)
{
	return workload->operation ? workload->operation : "op";
}
