// SPDX-License-Identifier: GPL-2.0-or-later
/* postgresql: reports and logs to metrics. Trusts nothing in them, and knows no job. */
#include "postgresql.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pgbench.h"

#define TRANSACTIONS_SUFFIX ".transactions"
#define LOG_CLOCK_MS 0.001 /* of a line of pgbench's log: microseconds */

const struct metric pg_metrics[] = {
	{ .pattern = "insns_per_txn",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 10,
	  .primary = true,
	  .help = "instructions per transaction of all that ran, server, client and kernel, without connecting (1 / "
		  "tps of "
		  "pgbench / 2 ns)" },
	{ .pattern = "ns_per_txn",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 10,
	  .primary = true,
	  .help = "time per transaction of all clients together, without connecting (1 / tps of pgbench)" },
	{ .pattern = "tps",
	  .unit = "1/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 0.01,
	  .not_judged = "it is the same figure as the one per transaction",
	  .help = "transactions per second of guest time, without connecting (pgbench)" },
	{ .pattern = "failed",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "transactions of a sample that failed after their last try (pgbench)" },
	{ .pattern = "skipped",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "transactions of a sample that were late before they began (pgbench, rate and latency_limit)" },
	{ .pattern = "latency.p99",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = LOG_CLOCK_MS,
	  .primary = true,
	  .help = "99% of transactions took at most this long, in a run with pgbench's log, which no sample has" },
	{ .pattern = "latency.*",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = LOG_CLOCK_MS,
	  .help = "latency of transactions in a run with pgbench's log, which no sample has: p50, p95, p99, p999, max; "
		  "*_checkpoint and *_between: of those that overlapped with a checkpoint of the server's log, and the "
		  "rest" },
	{ .pattern = NULL },
};

int pg_measure(const struct measure_context *context, const char *phase, const char *output, struct measures *measures,
	       struct err *err)
{
	struct pgbench_report report;
	double ns;

	if (pgbench_parse(output, &report, err) < 0)
		return -1;
	if (!(report.tps > 0))
		return err_set(err, ERR_GUEST, "%s: pgbench did no transaction in a time that can be measured", phase);
	ns = 1e9 / report.tps;
	if (context->basis == BASIS_SIMULATED)
		measures_add(measures, context, pg_metrics, phase, "insns_per_txn", ns / SIMULATED_NS_PER_INSN);
	else
		measures_add(measures, context, pg_metrics, phase, "ns_per_txn", ns);
	measures_add(measures, context, pg_metrics, phase, "tps", report.tps);
	measures_add(measures, context, pg_metrics, phase, "failed", (double)report.failed);
	measures_add(measures, context, pg_metrics, phase, "skipped", (double)report.skipped);
	return 0;
}

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
} quantiles[] = { { "p50", 0.5 }, { "p95", 0.95 }, { "p99", 0.99 }, { "p999", 0.999 }, { "max", 1 } };

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

static void add_latencies(const struct measure_context *context, const char *phase, const struct transaction_log *log,
			  const struct server_log *server, struct measures *measures)
{
	static const char *const suffixes[] = { "_between", "_checkpoint" };
	size_t n;
	_cleanup_free_ double *all = select_ms(log, server, -1, &n);

	for (size_t i = 0; n && i < ARRAY_SIZE(quantiles); i++) {
		_cleanup_free_ char *name = xasprintf("latency.%s", quantiles[i].name);

		measures_add(measures, context, pg_metrics, phase, name, pg_percentile(all, n, quantiles[i].q));
	}
	for (int in = 0; in < 2; in++) {
		_cleanup_free_ double *part = select_ms(log, server, in, &n);
		_cleanup_free_ char *p999 = xasprintf("latency.p999%s", suffixes[in]),
				    *max = xasprintf("latency.max%s", suffixes[in]);

		if (!n)
			continue;
		measures_add(measures, context, pg_metrics, phase, p999, pg_percentile(part, n, 0.999));
		measures_add(measures, context, pg_metrics, phase, max, part[n - 1]);
	}
}

int pg_brought(const struct measure_context *context, const struct artifact_list *artifacts, struct measures *measures,
	       struct err *err)
{
	const struct artifact *server_text = artifact_find(artifacts, "postgres.log");
	_cleanup_(server_log_free) struct server_log server = { 0 };

	if (server_text)
		server_log_parse(server_text->data.s ? server_text->data.s : "", &server);
	for (size_t i = 0; i < artifacts->n; i++) {
		const struct artifact *a = &artifacts->v[i];
		_cleanup_(transaction_log_free) struct transaction_log log = { 0 };
		_cleanup_free_ char *phase = NULL;

		if (!ends_with(a->name, TRANSACTIONS_SUFFIX))
			continue;
		phase = xstrndup(a->name, strlen(a->name) - strlen(TRANSACTIONS_SUFFIX));
		if (transaction_log_parse(a->data.s ? a->data.s : "", &log, err) < 0)
			return err_wrap(err, "%s", a->name);
		add_latencies(context, phase, &log, &server, measures);
	}
	return 0;
}
