// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules of DESIGN.md ("Basis", "Diff") about what may be compared at all; first that holds. */
#include "compare/refuse.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

static char *refuse_pair(const struct pair_facts *f)
{
	if (f->base->basis != f->other->basis)
		return xasprintf("bases differ: %s against %s", basis_names[f->base->basis],
				 basis_names[f->other->basis]);
	if (f->confounder)
		return xasprintf("confounded: %s differs", f->confounder);
	if (f->base_inert || f->other_inert)
		return xasprintf("inert treatment: the profile asks for large folios, none was made%s",
				 f->base_inert && f->other_inert ? ""
				 : f->base_inert		 ? " on the base's side"
								 : " on the other side");
	return NULL;
}

static char *refuse_time(const struct pair_facts *f, bool pages_differ)
{
	if (f->base->basis == BASIS_EMULATED)
		return xstrdup("emulated: the host's clock says nothing about the guest's work");
	if (f->time_confounder)
		return xasprintf("confounded: %s differs", f->time_confounder);
	if (f->base->basis != BASIS_SIMULATED)
		return NULL;
	if (pages_differ)
		return xstrdup("page sizes differ: instructions are shown, not judged");
	if (f->folios_differ)
		return xstrdup("folio profiles differ: instructions are shown, not judged");
	if (f->storages_differ)
		return xstrdup("storage profiles differ: instructions are shown, not judged");
	return NULL;
}

/* What a boot weighs may be compared where it did the same. The idle guest has done nothing yet. */
static char *refuse_work(const struct pair_facts *f, const char *name)
{
	char a[24], b[24];

	if (starts_with(name, "guest."))
		return NULL;
	if (strstr(name, ".series."))
		return xstrdup("a series runs for a time, not for an amount of work");
	if (!f->base->work_bytes || !f->other->work_bytes)
		return xstrdup("the work is not fixed");
	if (f->base->work_bytes != f->other->work_bytes)
		return xasprintf("unequal work: %s against %s", size_human((double)f->base->work_bytes, a),
				 size_human((double)f->other->work_bytes, b));
	return NULL;
}

char *refuse(const struct pair_facts *f, const char *name, const struct metric *metric, bool per_mib)
{
	bool pages_differ = f->base->page_bytes != f->other->page_bytes;
	char *why = refuse_pair(f);

	if (!why && metric->direction == METRIC_NEITHER)
		return xstrdup("neither way is better");
	if (!why && metric->not_judged)
		return xstrdup(metric->not_judged);
	if (!why && metric->timed && f->base->basis != BASIS_HARDWARE)
		return xasprintf("timed: %s", metric->timed);
	if (!why && metric->class == METRIC_TIME)
		why = refuse_time(f, pages_differ);
	if (!why && pages_differ && per_mib)
		return xstrdup("page sizes differ, and so do operations: see per MiB");
	if (!why && pages_differ && metric->per_page)
		return xstrdup("follows from the page size");
	if (!why && (metric->class == METRIC_MEMORY || ends_with(name, "_per_sample")))
		why = refuse_work(f, name);
	return why;
}

bool refused_either_way(const struct pair_facts *f, const char *name, const struct metric *metric, bool per_mib)
{
	struct metric directed = *metric;
	_cleanup_free_ char *why = NULL;

	directed.direction = METRIC_LOWER;
	why = refuse(f, name, &directed, per_mib);
	return why != NULL;
}
