// SPDX-License-Identifier: GPL-2.0-or-later
/* postgresql: metrics and series of the files that a boot brought out. Trusts nothing in them, and knows no job. */
#include "postgresql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "observed.h"
#include "pgbench.h"

#define BLOCK_BYTES 8192 /* as Debian builds it */
/* p99.9 of fewer is the slowest one, and the more there are the slower that is: two such numbers say nothing about each other */
#define P999_LEAST 1000
#define ASKED_LEAST (1 << 20) /* bytes; of less the journal of the file system makes any ratio */

struct brought {
	const struct measure_context *context;
	const struct artifact_list *artifacts;
	struct measures *measures;
	struct server_log log;
	double block_bytes;
};

static void add(const struct brought *b, const char *phase, const char *name, double value)
{
	if (!isnan(value))
		measures_add(b->measures, b->context, pg_metrics, phase, name, value);
}

static const char *text_of(const struct artifact *a)
{
	return a && a->data.s ? a->data.s : "";
}

/* ---- latency */

double pg_percentile(const double *v, size_t n, double q)
{
	size_t i = (size_t)ceil(q * (double)n);

	return n ? v[i ? i - 1 : 0] : NAN;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static const struct quantile {
	const char *name;
	double q;
} quantiles[] = { { "latency.p50", 0.5 },
		  { "latency.p95", 0.95 },
		  { "latency.p99", 0.99 },
		  { "latency.p999", 0.999 },
		  { "latency.max", 1 } };

/* Those of @log for which @in_checkpoint holds, or does not, or all (@which below 0), in order of latency; owned by the
 * caller. */
static double *select_ms(const struct transaction_log *log, const struct server_log *server, int which, size_t *ret_n)
{
	double *v = xcalloc(log->n ? log->n : 1, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < log->n; i++)
		if (which < 0 || in_checkpoint(server, &log->v[i]) == (which > 0))
			v[n++] = log->v[i].ms;
	qsort(v, n, sizeof(*v), by_value);
	*ret_n = n;
	return v;
}

static double count_checkpoints(const struct transaction_log *log, const struct server_log *server)
{
	double n = 0;

	for (size_t c = 0; c < server->n_checkpoints; c++) {
		const struct server_log one = { .checkpoints = &server->checkpoints[c], .n_checkpoints = 1 };
		size_t i = 0;

		while (i < log->n && !in_checkpoint(&one, &log->v[i]))
			i++;
		n += i < log->n;
	}
	return n;
}

/* Where no transaction saw a checkpoint there are no two kinds of them. */
static void add_stalls(const struct brought *b, const char *phase, const struct transaction_log *log)
{
	static const char *const p999[] = { "latency.p999_between", "latency.p999_checkpoint" };
	static const char *const max[] = { "latency.max_between", "latency.max_checkpoint" };
	double worst[2] = { NAN, NAN }, checkpoints = count_checkpoints(log, &b->log);

	add(b, phase, "checkpoints", checkpoints);
	for (int in = 0; in < 2 && checkpoints > 0; in++) {
		size_t n;
		_cleanup_free_ double *part = select_ms(log, &b->log, in, &n);

		if (n >= P999_LEAST)
			worst[in] = pg_percentile(part, n, 0.999);
		add(b, phase, p999[in], worst[in]);
		add(b, phase, max[in], n ? part[n - 1] : NAN);
	}
	add(b, phase, "latency.p999_stall", worst[1] / worst[0]);
}

/* The log of a run is brought out whole, or its end. Owned by the caller. */
static int read_transactions(const struct artifact *a, struct transaction_log *ret, struct err *err)
{
	const char *text = text_of(a), *newline = strchr(text, '\n');

	/* the first line of what was cut is a part of one */
	if (a->next > a->data.len)
		text = newline ? newline + 1 : "";
	return transaction_log_parse(text, ret, err);
}

static int take_transactions(const struct brought *b, const char *phase, const struct artifact *a, struct err *err)
{
	_cleanup_(transaction_log_free) struct transaction_log log = { 0 };
	_cleanup_free_ double *all = NULL;
	size_t n;

	if (read_transactions(a, &log, err) < 0)
		return -1;
	all = select_ms(&log, &b->log, -1, &n);
	for (size_t i = 0; n && i < ARRAY_SIZE(quantiles); i++)
		add(b, phase, quantiles[i].name, pg_percentile(all, n, quantiles[i].q));
	add_stalls(b, phase, &log);
	return 0;
}

/* ---- what was written */

static int take_io(const struct brought *b, const char *phase, const struct artifact *a, struct err *err)
{
	_cleanup_free_ char *name = xasprintf("%s.report", phase);
	const struct artifact *report_text = artifact_find(b->artifacts, name);
	struct pgbench_report report;
	struct io_counts io;
	double n, asked;

	if (io_counts_parse(text_of(a), b->block_bytes, &io, err) < 0)
		return -1;
	if (!report_text)
		return err_set(err, ERR_GUEST, "there is no %s", name);
	if (pgbench_parse(text_of(report_text), &report, err) < 0)
		return -1;
	n = (double)report.transactions;
	add(b, phase, "wal.records_per_txn", io.wal_records / n);
	add(b, phase, "wal.full_pages_per_txn", io.wal_full_pages / n);
	add(b, phase, "wal.bytes_per_txn", io.wal_bytes / n);
	add(b, phase, "wal.written_per_txn", io.wal_written / n);
	add(b, phase, "data.written_per_txn", io.data_written / n);
	add(b, phase, "device.written_per_txn", io.device_written / n);
	add(b, phase, "device.read_per_txn", io.device_read / n);
	asked = io.wal_bytes + io.data_written;
	if (asked >= ASKED_LEAST)
		add(b, phase, "write_amplification", io.device_written / asked);
	return 0;
}

/* ---- double buffering */

static int take_buffers(const struct brought *b, const char *phase, const struct artifact *a, struct err *err)
{
	struct buffered buffered;

	if (buffered_parse(text_of(a), &buffered, err) < 0)
		return -1;
	if (buffered.in_memory)
		return 0;
	add(b, phase, "buffers.shared", buffered.shared);
	add(b, phase, "buffers.cached", buffered.cached);
	add(b, phase, "buffers.double", buffered.both);
	add(b, phase, "buffers.rounding", buffered.behind);
	add(b, phase, "buffers.wal_cached", buffered.wal_cached);
	return 0;
}

/* ---- all of them */

static const struct kind {
	const char *suffix;
	int (*take)(const struct brought *b, const char *phase, const struct artifact *a, struct err *err);
} kinds[] = { { ".transactions", take_transactions }, { ".io", take_io }, { ".buffers", take_buffers } };

/* The phase of an artifact of @kind, owned by the caller, or NULL: it is another. */
static char *phase_of(const struct artifact *a, const char *suffix)
{
	return ends_with(a->name, suffix) ? xstrndup(a->name, strlen(a->name) - strlen(suffix)) : NULL;
}

static int take_artifact(const struct brought *b, const struct artifact *a, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *phase = phase_of(a, kinds[i].suffix);

		if (phase && kinds[i].take(b, phase, a, err) < 0)
			return err_wrap(err, "%s", a->name);
	}
	return 0;
}

int pg_brought(const struct measure_context *context, const struct artifact_list *artifacts, struct measures *measures,
	       struct err *err)
{
	const struct artifact *settings = artifact_find(artifacts, SERVER_PHASE ".settings");
	struct brought b = { context, artifacts, measures, { 0 }, BLOCK_BYTES };
	int rc = 0;

	server_log_parse(text_of(artifact_find(artifacts, "postgres.log")), &b.log);
	if (settings) {
		double block = pg_setting_number(text_of(settings), "block_size");

		add(&b, SERVER_PHASE, "shared_memory", pg_setting_number(text_of(settings), "shared_memory_bytes"));
		b.block_bytes = block > 0 ? block : BLOCK_BYTES;
	}
	for (size_t i = 0; rc == 0 && i < artifacts->n; i++)
		rc = take_artifact(&b, &artifacts->v[i], err);
	server_log_free(&b.log);
	return rc;
}

static double value_of(const struct measures *measures, const char *phase, const char *name)
{
	_cleanup_free_ char *full = xasprintf("%s.%s", phase, name);
	const struct measure *m = measures_find(measures, full);

	return m ? m->values[0] : NAN;
}

void pg_derive(const struct measure_context *context, struct measures *measures)
{
	static const char reserve[] = ".hugetlb.reserve";
	double needed = value_of(measures, SERVER_PHASE, "shared_memory");
	size_t n = measures->n;

	for (size_t i = 0; i < n && !isnan(needed); i++) {
		const struct measure *m = &measures->v[i];
		double all = m->values[0], taken;
		_cleanup_free_ char *phase = NULL;

		if (!ends_with(m->name, reserve))
			continue;
		phase = xstrndup(m->name, strlen(m->name) - strlen(reserve));
		taken = value_of(measures, phase, "hugetlb.used") + value_of(measures, phase, "hugetlb.promised");
		measures_add(measures, context, pg_metrics, phase, "hugetlb.wasted", all - (taken > 0 ? needed : 0));
		measures_add(measures, context, pg_metrics, phase, "hugetlb.rounding", taken > 0 ? taken - needed : 0);
	}
}

/* ---- the course of a run */

/* The longest of these that a run has ten of: a sealed guest lives a second or two. */
static uint64_t interval_of(double seconds)
{
	static const uint64_t intervals_ms[] = { 1000, 100, 10, 1 };
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(intervals_ms) && seconds * 1e3 < 10 * (double)intervals_ms[i])
		i++;
	return intervals_ms[i] * 1000000;
}

static void bounds_of(const struct transaction_log *log, double *begin, double *end)
{
	*begin = INFINITY;
	*end = -INFINITY;
	for (size_t i = 0; i < log->n; i++) {
		*begin = fmin(*begin, log->v[i].end_s - log->v[i].ms / 1e3);
		*end = fmax(*end, log->v[i].end_s);
	}
}

#define COURSE_COLUMNS 2

/* A row at the end of each interval, of the transactions that ended in it; the last one may be shorter. */
static void add_course(const struct transaction_log *log, const char *phase, const char *artifact, struct series *s)
{
	static const struct {
		const char *name, *unit;
	} columns[COURSE_COLUMNS] = { { "tps", "1/s" }, { "latency.max", "ms" } };
	double begin, end, step;

	bounds_of(log, &begin, &end);
	*s = (struct series){
		.phase = xstrdup(phase), .index = xstrdup("0"), .interval_ns = interval_of(end - begin), .runs = 1
	};
	step = (double)s->interval_ns / 1e9;
	for (size_t c = 0; c < COURSE_COLUMNS; c++)
		*VEC_PUSH(s->columns, s->n_columns) =
			(struct series_column){ xstrdup(columns[c].name), xstrdup(artifact), xstrdup("-"),
						columns[c].unit, 1 };
	/* Unix time as a double is good to a microsecond */
	s->n_rows = (size_t)ceil((end - begin) / step - 1e-3);
	s->n_rows = s->n_rows < 1 ? 1 : s->n_rows > SERIES_ROWS_MAX ? SERIES_ROWS_MAX : s->n_rows;
	s->rows = xcalloc(s->n_rows * (1 + COURSE_COLUMNS), sizeof(*s->rows));
	for (size_t i = 0; i < log->n; i++) {
		size_t k = (size_t)((log->v[i].end_s - begin) / step);
		double *row = s->rows + (k < s->n_rows ? k : s->n_rows - 1) * (1 + COURSE_COLUMNS);

		row[1]++;
		row[2] = fmax(row[2], log->v[i].ms);
	}
	for (size_t k = 0; k < s->n_rows; k++) {
		double *row = s->rows + k * (1 + COURSE_COLUMNS), from = (double)k * step;
		double to = k + 1 < s->n_rows ? from + step : end - begin;

		row[0] = to * 1e9;
		row[1] = to > from ? row[1] / (to - from) : NAN;
		row[2] = row[2] > 0 ? row[2] : NAN;
	}
}

void pg_series(const struct artifact_list *artifacts, struct series_list *ret)
{
	for (size_t i = 0; i < artifacts->n; i++) {
		const struct artifact *a = &artifacts->v[i];
		_cleanup_(transaction_log_free) struct transaction_log log = { 0 };
		_cleanup_free_ char *phase = phase_of(a, kinds[0].suffix);

		if (phase && read_transactions(a, &log, NULL) == 0 && log.n)
			add_course(&log, phase, a->name, VEC_PUSH(ret->v, ret->n));
	}
}
