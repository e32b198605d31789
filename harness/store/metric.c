// SPDX-License-Identifier: GPL-2.0-or-later
/* Named series of numbers and the dictionary's look-up. Knows no file and no workload. */
#include "store/metric.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void measures_free(struct measures *measures)
{
	for (size_t i = 0; i < measures->n; i++) {
		free(measures->v[i].name);
		free(measures->v[i].values);
	}
	free(measures->v);
	free(measures->slots);
	*measures = (struct measures){ 0 };
}

/* What fnmatch() says of patterns that have no wildcard but "*". Every name of every boot is looked up, and fnmatch() would
 * turn both into wide characters each time. */
static bool pattern_matches(const char *pattern, const char *s)
{
	const char *star = NULL, *again = NULL;

	while (*s) {
		if (*pattern == '*') {
			star = ++pattern;
			again = s;
		} else if (*pattern == *s) {
			pattern++;
			s++;
		} else if (star) {
			/* the last star takes one byte more */
			pattern = star;
			s = ++again;
		} else {
			return false;
		}
	}
	return !pattern[strspn(pattern, "*")];
}

const struct metric *metric_lookup(const struct metric *table, const char *suffix)
{
	for (const struct metric *m = table; m && m->pattern; m++)
		if (pattern_matches(m->pattern, suffix))
			return m;
	return NULL;
}

/* FNV-1a, begun with 2166136261 or with the hash of what goes before. */
static uint32_t hash_on(uint32_t hash, const char *s)
{
	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * 16777619;
	return hash;
}

static uint32_t hash_of(const char *phase, const char *suffix)
{
	return hash_on(hash_on(hash_on(2166136261, phase), "."), suffix);
}

static bool name_is(const char *name, const char *phase, const char *suffix)
{
	size_t len = strlen(phase);

	return !strncmp(name, phase, len) && name[len] == '.' && !strcmp(name + len + 1, suffix);
}

/* Where the measure of @hash and that name is, or else the free slot where it would be; @phase NULL: the free slot. */
static uint32_t *slot_of(const struct measures *measures, uint32_t hash, const char *phase, const char *suffix)
{
	for (size_t i = hash;; i++) {
		uint32_t *slot = &measures->slots[i & (measures->n_slots - 1)];
		const struct measure *m = *slot ? &measures->v[*slot - 1] : NULL;

		if (!m || (phase && m->hash == hash && name_is(m->name, phase, suffix)))
			return slot;
	}
}

/* At most half of the slots are taken. */
static void grow_slots(struct measures *measures)
{
	if (2 * (measures->n + 1) <= measures->n_slots)
		return;
	free(measures->slots);
	measures->n_slots = measures->n_slots ? 2 * measures->n_slots : 64;
	measures->slots = xcalloc(measures->n_slots, sizeof(*measures->slots));
	for (size_t i = 0; i < measures->n; i++)
		*slot_of(measures, measures->v[i].hash, NULL, NULL) = (uint32_t)i + 1;
}

void measures_add(struct measures *measures, const struct measure_context *context, const struct metric *table,
		  const char *phase, const char *suffix, double value)
{
	uint32_t hash = hash_of(phase, suffix), *slot;
	struct measure *m;

	grow_slots(measures);
	slot = slot_of(measures, hash, phase, suffix);
	if (!*slot) {
		const struct metric *metric = metric_lookup(table, suffix);
		double page = (double)context->page_bytes;

		if (!metric) {
			fprintf(stderr, "granule: metric '%s' is in no dictionary\n", suffix);
			abort();
		}
		m = VEC_PUSH(measures->v, measures->n);
		m->name = xasprintf("%s.%s", phase, suffix);
		m->metric = metric;
		m->hash = hash;
		*slot = (uint32_t)measures->n;
		m->resolution = metric->resolution + metric->resolution_pages * page +
				metric->resolution_pages_per_cpu * page * (double)context->cpus;
	}
	m = &measures->v[*slot - 1];
	measures->last = *slot - 1;
	*VEC_PUSH(m->values, m->n_values) = value;
}

const struct measure *measures_find(const struct measures *measures, const char *name)
{
	const char *dot = strchr(name, '.');
	_cleanup_free_ char *phase = xstrndup(name, dot ? (size_t)(dot - name) : 0);
	const uint32_t *slot;

	if (!dot || !measures->n_slots)
		return NULL;
	slot = slot_of(measures, hash_of(phase, dot + 1), phase, dot + 1);
	return *slot ? &measures->v[*slot - 1] : NULL;
}
