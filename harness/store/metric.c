// SPDX-License-Identifier: GPL-2.0-or-later
/* Named series of numbers and the dictionary's look-up. Knows no file and no workload. */
#include "store/metric.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "stat/stat.h"

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

double measure_median(const struct measure *m)
{
	return stat_median(m->values, m->n_values);
}

bool metric_wanted(const char *glob, const char *name)
{
	const char *dot = strchr(name, '.');

	return !glob || glob_match(glob, name) || (dot && glob_match(glob, dot + 1));
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

static void slot_put(struct measures *measures, struct measure_slot slot)
{
	size_t at = slot.hash & (measures->n_slots - 1);

	while (measures->slots[at].number)
		at = (at + 1) & (measures->n_slots - 1);
	measures->slots[at] = slot;
}

/* The last measure is new. Half of the slots stay free. */
static void slots_add(struct measures *measures, uint32_t hash)
{
	struct measure_slot *old = measures->slots;
	size_t n_old = measures->n_slots;

	if (measures->n * 2 > n_old) {
		measures->n_slots = n_old ? 2 * n_old : 64;
		measures->slots = xcalloc(measures->n_slots, sizeof(*measures->slots));
		for (size_t i = 0; i < n_old; i++)
			if (old[i].number)
				slot_put(measures, old[i]);
		free(old);
	}
	slot_put(measures, (struct measure_slot){ hash, (uint32_t)measures->n });
}

/* Where a search for @hash stands: the next measure that has it, or NULL. */
static struct measure *slot_next(const struct measures *measures, uint32_t hash, size_t *at)
{
	while (measures->n_slots) {
		const struct measure_slot *slot = &measures->slots[(*at)++ & (measures->n_slots - 1)];

		if (!slot->number)
			break;
		if (slot->hash == hash)
			return &measures->v[slot->number - 1];
	}
	return NULL;
}

/* Looks first at where the last search ended: a sample repeats the order of the one before. *ret_hash is of the name, and set only
 * where there is none. */
static struct measure *find_or_null(struct measures *measures, const char *phase, const char *suffix,
				    uint32_t *ret_hash)
{
	size_t phase_len = strlen(phase), at;
	struct measure *m;

	if (measures->cursor < measures->n && name_is(measures->v[measures->cursor].name, phase, phase_len, suffix))
		return &measures->v[measures->cursor++];
	*ret_hash = hash_more(hash_more(hash_more(HASH_BEGIN, phase), "."), suffix);
	for (at = *ret_hash; (m = slot_next(measures, *ret_hash, &at));) {
		if (name_is(m->name, phase, phase_len, suffix)) {
			measures->cursor = (size_t)(m - measures->v) + 1;
			return m;
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

struct kept_lookup {
	const struct metric *table, *answer;
	char suffix[64];
};

#define KEPT 1024
#define KEPT_PLACES 8 /* for one look-up: names of a run do not drive each other out */

/* Boots of a run have the same metrics: the last look-ups are kept, which nobody can see but by the clock. @hash: of what is
 * looked up, and perhaps of more. */
static const struct metric *lookup_again(const struct metric *table, const char *suffix, uint32_t hash)
{
	static _Thread_local struct kept_lookup kept[KEPT];
	size_t first = hash % KEPT;
	struct kept_lookup *k = &kept[first];

	if (strlen(suffix) >= sizeof(k->suffix))
		return metric_lookup(table, suffix);
	for (size_t i = 0; i < KEPT_PLACES; i++) {
		k = &kept[(first + i) % KEPT];
		if (k->table == table && !strcmp(k->suffix, suffix))
			return k->answer;
		if (!k->table)
			break;
	}
	if (k->table)
		k = &kept[first];
	k->table = table;
	k->answer = metric_lookup(table, suffix);
	strcpy(k->suffix, suffix);
	return k->answer;
}

void measures_add(struct measures *measures, const struct measure_context *context, const struct metric *table,
		  const char *phase, const char *suffix, double value)
{
	uint32_t hash;
	struct measure *m = find_or_null(measures, phase, suffix, &hash);

	if (!m) {
		const struct metric *metric = lookup_again(table, suffix, hash);
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
		slots_add(measures, hash);
	}
	value_add(measures, m, value);
}

const struct measure *measures_find(const struct measures *measures, const char *name)
{
	uint32_t hash = hash_more(HASH_BEGIN, name);
	const struct measure *m;

	for (size_t at = hash; (m = slot_next(measures, hash, &at));)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}
