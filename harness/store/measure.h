/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generic metrics: what any boot says about memory, faults and folios, whatever its workload. */
#ifndef GRANULE_STORE_MEASURE_H
#define GRANULE_STORE_MEASURE_H

#include "store/metric.h"

extern const struct metric generic_metrics[]; /* ends with pattern NULL */

#endif
