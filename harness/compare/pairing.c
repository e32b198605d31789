// SPDX-License-Identifier: GPL-2.0-or-later
/* Groups cells by a key and puts each at its label's place. Sorts, so n log n for any number of cells. */
#include "compare/pairing.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

struct entry {
	char *key;   /* owned */
	size_t slot; /* 0: base, i: arm i - 1 */
	size_t order;
	const struct cell_record *cell;
};

struct entries {
	struct entry *v; /* owned */
	size_t n;
};

void pairing_free(struct pairing *p)
{
	for (size_t i = 0; i < p->n_groups; i++) {
		free(p->groups[i].name);
		free(p->groups[i].others);
	}
	free(p->groups);
	for (size_t i = 0; i < p->n_others; i++)
		free(p->other_labels[i]);
	free(p->other_labels);
	free(p->base_label);
	*p = (struct pairing){ 0 };
}

static char *key_without(const struct cell_record *cell, const char *axis)
{
	struct text key = { 0 };

	for (size_t i = 0; i < cell->n_axes; i++)
		if (strcmp(cell->axes[i].axis, axis))
			text_add(&key, "%s%s", key.len ? "." : "", cell->axes[i].label);
	return text_steal(&key);
}

static size_t label_index(char **labels, size_t n, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(labels[i], label))
			return i;
	return n;
}

static char *join(char **labels, size_t n)
{
	struct text t = { 0 };

	for (size_t i = 0; i < n; i++)
		text_add(&t, "%s%s", i ? ", " : "", labels[i]);
	return text_steal(&t);
}

static int no_such_axis(const struct run *run, const char *axis, struct err *err)
{
	_cleanup_free_ char *have = NULL;
	struct text t = { 0 };

	for (size_t i = 0; run->n_cells && i < run->cells[0].n_axes; i++)
		text_add(&t, "%s%s", i ? ", " : "", run->cells[0].axes[i].axis);
	have = text_steal(&t);
	return err_set(err, ERR_CONFIG, "%s: no axis '%s' to compare along; there are: %s", run->dir, axis, have);
}

/* The labels of @axis in plan order, the base's moved to the front. */
static int axis_labels(const struct run *run, const char *axis, const char *from, char ***ret, size_t *ret_n,
		       struct err *err)
{
	char **labels = NULL;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < run->n_cells; i++) {
		const char *label = cell_label(&run->cells[i], axis);

		if (label && label_index(labels, n, label) == n)
			*VEC_PUSH(labels, n) = xstrdup(label);
	}
	*ret = labels;
	*ret_n = n;
	if (!n)
		return no_such_axis(run, axis, err);
	if (from)
		at = label_index(labels, n, from);
	if (at == n || n == 1) {
		_cleanup_free_ char *have = join(labels, n);

		if (at == n)
			return err_set(err, ERR_CONFIG, "--from: no '%s' among %s: %s", from, axis, have);
		return err_set(err, ERR_CONFIG, "%s: only one of %s (%s): nothing to compare along it", run->dir, axis,
			       have);
	}
	for (char *base = labels[at]; at > 0; at--) {
		labels[at] = labels[at - 1];
		labels[at - 1] = base;
	}
	return 0;
}

/* Only the base and @to stay; cells of other labels are not compared, and not told of. */
static int keep_label(char **labels, size_t *n, const char *axis, const char *to, struct err *err)
{
	size_t at = label_index(labels, *n, to);
	_cleanup_free_ char *have = join(labels, *n);

	if (at == *n || at == 0)
		return err_set(err, ERR_CONFIG,
			       at ? "--to: no '%s' among %s: %s" : "--to: '%s' is the base itself; %s: %s", to, axis,
			       have);
	for (size_t i = 1; i < *n; i++)
		if (i != at)
			free(labels[i]);
	labels[1] = labels[at];
	*n = 2;
	return 0;
}

static int by_key(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int c = strcmp(a->key, b->key);

	if (c)
		return c;
	return (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	return (a->order > b->order) - (a->order < b->order);
}

static void add_entry(struct entries *e, char *key, size_t slot, const struct cell_record *cell)
{
	struct entry *entry = VEC_PUSH(e->v, e->n);

	*entry = (struct entry){ .key = key, .slot = slot, .order = e->n, .cell = cell };
}

/* Give each group the plan place of its first member, then put the members into their slots. */
static void make_groups(struct entries *e, const struct run *base, const struct run *other, struct pairing *p)
{
	struct entry *heads = xcalloc(e->n + 1, sizeof(*heads));
	size_t n_heads = 0;

	if (e->n)
		qsort(e->v, e->n, sizeof(*e->v), by_key);
	for (size_t i = 0; i < e->n; i++)
		if (!i || strcmp(e->v[i].key, e->v[i - 1].key)) {
			heads[n_heads] = e->v[i];
			heads[n_heads++].slot = i;
		}
	if (n_heads)
		qsort(heads, n_heads, sizeof(*heads), by_order);
	for (size_t h = 0; h < n_heads; h++) {
		struct cell_group *g = VEC_PUSH(p->groups, p->n_groups);

		*g = (struct cell_group){
			.name = xstrdup(heads[h].key), .base_run = base, .other_run = other, .n_others = p->n_others
		};
		g->others = xcalloc(p->n_others, sizeof(*g->others));
		for (size_t i = heads[h].slot; i < e->n && !strcmp(e->v[i].key, heads[h].key); i++) {
			if (e->v[i].slot)
				g->others[e->v[i].slot - 1] = e->v[i].cell;
			else
				g->base = e->v[i].cell;
		}
	}
	free(heads);
}

int pairing_make(const struct run *base, const struct run *other, const char *axis, const char *from, const char *to,
		 struct pairing *ret, struct err *err)
{
	struct pairing p = { 0 };
	struct entries e = { 0 };
	char **labels = NULL;
	size_t n = 0;
	int rc = axis ? axis_labels(base, axis, from, &labels, &n, err) : 0;

	if (rc == 0 && axis && to)
		rc = keep_label(labels, &n, axis, to, err);
	if (rc == 0 && axis) {
		for (size_t i = 0; i < base->n_cells; i++) {
			const char *label = cell_label(&base->cells[i], axis);

			if (label && label_index(labels, n, label) < n)
				add_entry(&e, key_without(&base->cells[i], axis), label_index(labels, n, label),
					  &base->cells[i]);
		}
		p.base_label = xstrdup(labels[0]);
		for (size_t i = 1; i < n; i++)
			*VEC_PUSH(p.other_labels, p.n_others) = xstrdup(labels[i]);
	} else if (rc == 0) {
		for (size_t i = 0; i < base->n_cells; i++)
			add_entry(&e, xstrdup(base->cells[i].id), 0, &base->cells[i]);
		for (size_t i = 0; i < other->n_cells; i++)
			add_entry(&e, xstrdup(other->cells[i].id), 1, &other->cells[i]);
		p.base_label = xstrdup(base->dir);
		*VEC_PUSH(p.other_labels, p.n_others) = xstrdup(other->dir);
	}
	if (rc == 0) {
		make_groups(&e, base, axis ? base : other, &p);
		*ret = p;
	}
	for (size_t i = 0; i < e.n; i++)
		free(e.v[i].key);
	free(e.v);
	for (size_t i = 0; i < n; i++)
		free(labels[i]);
	free(labels);
	return rc;
}
