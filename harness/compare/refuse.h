/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a metric of a pair is not to be judged, whatever its numbers. Pure. */
#ifndef GRANULE_COMPARE_REFUSE_H
#define GRANULE_COMPARE_REFUSE_H

#include "compare/compare.h"

/* What of a pair matters here. */
struct pair_facts {
	const struct cell_record *base, *other;
	bool base_inert, other_inert;
	bool folios_differ;	     /* the profiles' definitions do */
	bool storages_differ;	     /* the storage profiles' do */
	const char *confounder;	     /* path of a difference of SEVERITY_ALL, or NULL */
	const char *time_confounder; /* of SEVERITY_TIME, or NULL */
};

/* The sentence, owned by the caller, or NULL. @name: "page_fault1.memory.peak". @per_mib: the same is also given per MiB,
 * so an operation is a matter of bytes, and of other bytes at another page size. */
char *refuse(const struct pair_facts *facts, const char *name, const struct metric *metric, bool per_mib);

/* Would it be refused even if one way of the metric were better? A limit on any change needs no direction. */
bool refused_either_way(const struct pair_facts *facts, const char *name, const struct metric *metric, bool per_mib);

#endif
