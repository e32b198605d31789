// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operation of a workload is. */
#include <string.h>

#include "store/span.h"
#include "workloads/workload.h"

void workload_work(const struct workload *workload, const char *output, double *ret_operations, double *ret_bytes)
{
	const struct span text = { output, strlen(output) };

	*ret_operations = *ret_bytes = 0;
	span_table_value(text, "operations", ret_operations);
	span_table_value(text, "bytes", ret_bytes);
	if (workload->work)
		workload->work(output, ret_operations, ret_bytes);
}

const char *workload_operation(const struct workload *workload)
{
	return workload->operation ? workload->operation : "op";
}
