// SPDX-License-Identifier: GPL-2.0-or-later
#include "workloads/ceph/rounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workloads/ceph/answers.h"
#include "workloads/ceph/ceph.h"

#define ROUNDS_MAX 1000

const char *const round_columns[ROUND_COLUMNS] = { "heap", "in_use", "mempool" };

/* The round of "round-3/heap", *ret_what behind the '/'; NULL: the label is no round's. */
static struct round *round_of(struct rounds *rounds, const char *label, const char **ret_what)
{
	unsigned long i;
	char *end;

	if (!starts_with(label, CEPH_ROUND))
		return NULL;
	i = strtoul(label + strlen(CEPH_ROUND), &end, 10);
	if (*end != '/' || end == label + strlen(CEPH_ROUND) || i >= ROUNDS_MAX)
		return NULL;
	while (rounds->n <= i)
		*VEC_PUSH(rounds->v, rounds->n) = (struct round){ .v = { NAN, NAN, NAN } };
	*ret_what = end + 1;
	return &rounds->v[i];
}

static int take_reading(struct rounds *rounds, const struct reading *reading, struct err *err)
{
	_cleanup_(mempools_free) struct mempools pools = { 0 };
	const char *what;
	struct round *r = round_of(rounds, reading->label, &what);
	struct heap_stats heap;

	if (!r)
		return 0;
	r->ns = reading->ns;
	if (!strcmp(what, CEPH_HEAP)) {
		if (heap_parse(reading->text, &heap, err) < 0)
			return err_wrap(err, "%s", reading->label);
		r->v[0] = heap.there ? (double)heap.used : NAN;
		r->v[1] = heap.there ? (double)heap.in_use : NAN;
	} else if (!strcmp(what, CEPH_MEMPOOLS)) {
		if (mempools_parse(reading->text, &pools, err) < 0)
			return err_wrap(err, "%s", reading->label);
		r->v[2] = (double)pools.bytes;
	}
	return 0;
}

int rounds_read(const struct artifact_list *artifacts, struct rounds *ret, struct err *err)
{
	const struct artifact *file = artifact_find(artifacts, CEPH_READINGS);
	_cleanup_free_ char *text = file && file->data.s ? xstrdup(file->data.s) : NULL;
	_cleanup_(rounds_free) struct rounds rounds = { 0 };
	struct reading reading;
	char *rest = text;

	while (rest && reading_next(&rest, &reading))
		if (take_reading(&rounds, &reading, err) < 0)
			return err_wrap(err, CEPH_READINGS);
	*ret = rounds;
	rounds = (struct rounds){ 0 };
	return 0;
}

void rounds_free(struct rounds *rounds)
{
	free(rounds->v);
	*rounds = (struct rounds){ 0 };
}

double rounds_slope(const struct rounds *rounds, size_t column)
{
	double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;

	for (size_t i = 1; i < rounds->n; i++) {
		double x = (double)i, y = rounds->v[i].v[column];

		if (!isfinite(y))
			continue;
		n++;
		sx += x;
		sy += y;
		sxx += x * x;
		sxy += x * y;
	}
	return n < 2 ? NAN : (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

void ceph_series(const struct artifact_list *artifacts, struct series_list *ret)
{
	_cleanup_(rounds_free) struct rounds rounds = { 0 };
	struct series *s;

	if (rounds_read(artifacts, &rounds, NULL) < 0 || !rounds.n)
		return;
	s = VEC_PUSH(ret->v, ret->n);
	*s = (struct series){
		.phase = xstrdup("osd"),
		.index = xstrdup("0"),
		.runs = rounds.n,
		.columns = xcalloc(ROUND_COLUMNS, sizeof(*s->columns)),
		.n_columns = ROUND_COLUMNS,
		.rows = xcalloc(rounds.n, (1 + ROUND_COLUMNS) * sizeof(*s->rows)),
	};
	for (size_t c = 0; c < ROUND_COLUMNS; c++)
		s->columns[c] = (struct series_column){ xstrdup(round_columns[c]), xstrdup(CEPH_READINGS), xstrdup("-"),
							"bytes", 1 };
	for (size_t i = 0; i < rounds.n; i++) {
		double *row = s->rows + s->n_rows * (1 + ROUND_COLUMNS);

		if (!rounds.v[i].ns || rounds.v[i].ns < rounds.v[0].ns)
			continue;
		row[0] = (double)(rounds.v[i].ns - rounds.v[0].ns);
		memcpy(row + 1, rounds.v[i].v, sizeof(rounds.v[i].v));
		s->n_rows++;
	}
	if (s->n_rows > 1) /* on average */
		s->interval_ns = (uint64_t)s->rows[(s->n_rows - 1) * (1 + ROUND_COLUMNS)] / (s->n_rows - 1);
}
