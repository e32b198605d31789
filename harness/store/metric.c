// SPDX-License-Identifier: GPL-2.0-or-later
/* Named series of numbers and the dictionary's look-up. Knows no file and no workload. */
#include "store/metric.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

/* Names and values, freed together: a boot has hundreds, a run millions. */
struct measure_block {
	struct measure_block *next;
	size_t used;
	double room[2040];
};

static void *block_take(struct measures *measures, size_t size)
{
	struct measure_block *b = measures->blocks;
	size_t n = (size + sizeof(b->room[0]) - 1) / sizeof(b->room[0]);
	void *at;

	if (n > ARRAY_SIZE(b->room) / 8) {
		/* one of its own, behind the one that is being filled */
		struct measure_block *large = xcalloc(1, sizeof(*b) + size);

		large->used = ARRAY_SIZE(b->room);
		if (b) {
			large->next = b->next;
			b->next = large;
		} else {
			measures->blocks = large;
		}
		return large->room;
	}
	if (!b || b->used + n > ARRAY_SIZE(b->room)) {
		b = xcalloc(1, sizeof(*b));
		b->next = measures->blocks;
		measures->blocks = b;
	}
	at = b->room + b->used;
	b->used += n;
	return at;
}

static void value_add(struct measures *measures, struct measure *m, double value)
{
	if ((m->n_values & (m->n_values - 1)) == 0) {
		double *more = block_take(measures, (m->n_values ? 2 * m->n_values : 1) * sizeof(*more));

		if (m->n_values)
			memcpy(more, m->values, m->n_values * sizeof(*more));
		m->values = more;
	}
	m->values[m->n_values++] = value;
}

void measures_free(struct measures *measures)
{
	for (struct measure_block *b = measures->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(measures->v);
	free(measures->slots);
	*measures = (struct measures){ 0 };
}

const struct metric *metric_lookup(const struct metric *table, const char *suffix)
{
	for (const struct metric *m = table; m && m->pattern; m++)
		if (glob_match(m->pattern, suffix))
			return m;
	return NULL;
}

static bool name_is(const char *name, const char *phase, size_t phase_len, const char *suffix)
{
	return !strncmp(name, phase, phase_len) && name[phase_len] == '.' && !strcmp(name + phase_len + 1, suffix);
}

/* FNV-1a (Fowler, Noll, Vo), in pieces. */
#define HASH_BEGIN UINT32_C(2166136261)

static uint32_t hash_more(uint32_t hash, const char *s)
{
	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * UINT32_C(16777619);
	return hash;
}

static void slot_put(struct measures *measures, uint32_t hash, uint32_t index)
{
	size_t at = hash & (measures->n_slots - 1);

	while (measures->slots[at])
		at = (at + 1) & (measures->n_slots - 1);
	measures->slots[at] = index + 1;
}

/* The last measure is new. Half of the slots stay free. */
static void slots_add(struct measures *measures)
{
	if (measures->n * 2 <= measures->n_slots) {
		slot_put(measures, hash_more(HASH_BEGIN, measures->v[measures->n - 1].name), (uint32_t)measures->n - 1);
		return;
	}
	measures->n_slots = measures->n_slots ? 2 * measures->n_slots : 64;
	free(measures->slots);
	measures->slots = xcalloc(measures->n_slots, sizeof(*measures->slots));
	for (size_t i = 0; i < measures->n; i++)
		slot_put(measures, hash_more(HASH_BEGIN, measures->v[i].name), (uint32_t)i);
}

/* Looks first at where the last search ended: a sample repeats the order of the one before. */
static struct measure *find_or_null(struct measures *measures, const char *phase, const char *suffix)
{
	size_t phase_len = strlen(phase), at;

	if (!measures->n)
		return NULL;
	if (measures->cursor < measures->n && name_is(measures->v[measures->cursor].name, phase, phase_len, suffix))
		return &measures->v[measures->cursor++];
	at = hash_more(hash_more(hash_more(HASH_BEGIN, phase), "."), suffix);
	for (at &= measures->n_slots - 1; measures->slots[at]; at = (at + 1) & (measures->n_slots - 1)) {
		size_t i = measures->slots[at] - 1;

		if (name_is(measures->v[i].name, phase, phase_len, suffix)) {
			measures->cursor = i + 1;
			return &measures->v[i];
		}
	}
	return NULL;
}

/* "PHASE.SUFFIX"; millions of them are made. */
static char *name_join(struct measures *measures, const char *phase, const char *suffix)
{
	size_t a = strlen(phase), b = strlen(suffix);
	char *name = block_take(measures, a + b + 2);

	memcpy(name, phase, a);
	name[a] = '.';
	memcpy(name + a + 1, suffix, b + 1);
	return name;
}

/* Boots of a run have the same metrics: the last look-ups are kept, which nobody can see but by the clock. */
static const struct metric *lookup_again(const struct metric *table, const char *suffix)
{
	static _Thread_local struct {
		const struct metric *table, *answer;
		char suffix[64];
	} kept[1024];
	size_t at = hash_more(HASH_BEGIN, suffix) % ARRAY_SIZE(kept);

	if (strlen(suffix) >= sizeof(kept[at].suffix))
		return metric_lookup(table, suffix);
	if (kept[at].table != table || strcmp(kept[at].suffix, suffix)) {
		kept[at].table = table;
		kept[at].answer = metric_lookup(table, suffix);
		strcpy(kept[at].suffix, suffix);
	}
	return kept[at].answer;
}

void measures_add(struct measures *measures, const struct measure_context *context, const struct metric *table,
		  const char *phase, const char *suffix, double value)
{
	struct measure *m = find_or_null(measures, phase, suffix);

	if (!m) {
		const struct metric *metric = lookup_again(table, suffix);
		double page = (double)context->page_bytes;

		if (!metric) {
			fprintf(stderr, "granule: metric '%s' is in no dictionary\n", suffix);
			abort();
		}
		m = VEC_PUSH(measures->v, measures->n);
		m->name = name_join(measures, phase, suffix);
		m->metric = metric;
		m->resolution = metric->resolution + metric->resolution_pages * page +
				metric->resolution_pages_per_cpu * page * (double)context->cpus;
		measures->cursor = measures->n;
		slots_add(measures);
	}
	value_add(measures, m, value);
}

const struct measure *measures_find(const struct measures *measures, const char *name)
{
	size_t at = hash_more(HASH_BEGIN, name);

	for (at &= measures->n_slots - 1; measures->n && measures->slots[at]; at = (at + 1) & (measures->n_slots - 1))
		if (!strcmp(measures->v[measures->slots[at] - 1].name, name))
			return &measures->v[measures->slots[at] - 1];
	return NULL;
}
