// SPDX-License-Identifier: GPL-2.0-or-later
/* ceph: reports and answers to metrics. Trusts nothing in them, and knows no job. */
#include "workloads/ceph/ceph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "workloads/ceph/answers.h"
#include "workloads/ceph/rounds.h"

#define CLOCK_MS 0.001	       /* rados bench prints microseconds */
#define GROWTH_LEAST (1 << 20) /* bytes of mempools, of which a ratio says something */

/* tcmalloc takes memory from the kernel by the MiB (kMinSystemAlloc), in pages that it fills with the next one. */
#define HEAP(name, want, how)                                                                                          \
	{                                                                                                              \
		.pattern = name, .unit = "bytes", .direction = want, .class = METRIC_MEMORY, .resolution = 1 << 20,    \
		.help = how                                                                                            \
	}
#define FACT(name, per, how)                                                                                           \
	{                                                                                                              \
		.pattern = name, .unit = per, .class = METRIC_COUNT, .help = how                                       \
	}
#define LATENCY(name, how)                                                                                             \
	{                                                                                                              \
		.pattern = name, .unit = "ms", .direction = METRIC_LOWER, .class = METRIC_TIME,                        \
		.resolution = CLOCK_MS, .help = how                                                                    \
	}

#define START(name, what)                                                                                              \
	{                                                                                                              \
		.pattern = name, .unit = "s", .direction = METRIC_LOWER, .class = METRIC_TIME, .resolution = 0.001,    \
		.help = "from the guest's start to " what " (the guest's clock)"                                       \
	}

const struct metric ceph_metrics[] = {
	{ .pattern = "insns_per_op",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 100,
	  .primary = true,
	  .help = "instructions per operation of all that ran, monitor, OSD, client, kernel and waiting for the device "
		  "(total_time_run of rados bench / operations / 2 ns)" },
	{ .pattern = "ns_per_op",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 100,
	  .primary = true,
	  .help = "time per operation of all threads together (total_time_run of rados bench / operations)" },
	{ .pattern = "iops",
	  .unit = "1/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 1,
	  .not_judged = "it is the same figure as the one per operation",
	  .help = "operations per second of guest time (rados bench)" },
	{ .pattern = "bandwidth",
	  .unit = "MiB/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 0.001,
	  .not_judged = "it is the same figure as the one per operation",
	  .help = "bytes per second of guest time (rados bench)" },
	LATENCY("latency.avg", "average latency of operations (rados bench)"),
	LATENCY("latency.min", "least latency of operations (rados bench)"),
	LATENCY("latency.max", "greatest latency of operations (rados bench)"),
	LATENCY("latency.stddev", "standard deviation of the latency of writes (rados bench)"),
	FACT("bytes_per_op", "bytes", "what an operation reads or writes (rados bench)"),
	{ .pattern = "write_amplification",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.01,
	  .help = "bytes that the device wrote during the sample for each that was asked for (disk.storage.written / "
		  "bytes_per_op)" },
	{ .pattern = "rss_per_mempool_byte",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution = 0.05,
	  .primary = true,
	  .help = "how much the daemon's resident memory grew from N to 4N objects for each byte that its mempools "
		  "grew "
		  "by (smaps_rollup Rss, dump_mempools)" },
	{ .pattern = "rss_of_mempools",
	  .unit = "1",
	  .class = METRIC_MEMORY,
	  .not_judged = "most of it is fixed cost: rss_per_mempool_byte is the figure",
	  .help = "the daemon's resident memory for each byte of its mempools (smaps_rollup Rss, dump_mempools)" },
	{ .pattern = "growth_per_round.*",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution = 65536,
	  .help = "what is added with each round of writing and deleting the same number of objects, a line through "
		  "all "
		  "rounds but the first: heap (tcmalloc, in use and free), in_use, mempool" },
	HEAP("mempool.*", METRIC_LOWER, "what the daemon believes that it uses, in all and by pool (dump_mempools)"),
	HEAP("heap.in_use", METRIC_LOWER, "given to the daemon by tcmalloc (heap stats)"),
	{ .pattern = "heap.page_heap_free",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution = 1 << 20,
	  .primary = true,
	  .help = "free spans that tcmalloc has not given back (heap stats)" },
	HEAP("heap.caches_free", METRIC_LOWER, "free in tcmalloc's central, transfer and thread caches (heap stats)"),
	HEAP("heap.metadata", METRIC_LOWER, "tcmalloc's own (heap stats)"),
	HEAP("heap.used", METRIC_LOWER, "what tcmalloc believes to be resident (heap stats)"),
	HEAP("heap.unmapped", METRIC_NEITHER, "address space that tcmalloc has given back (heap stats)"),
	FACT("heap.page", "bytes", "tcmalloc's own page (heap stats)"),
	FACT("cache.target", "bytes", "what all of the OSD is to take, osd_memory_target (bluestore-pricache)"),
	HEAP("cache.mapped", METRIC_LOWER, "what the cache's manager believes that it takes (bluestore-pricache)"),
	HEAP("cache.bytes", METRIC_NEITHER, "what BlueStore's caches may take, by the target (bluestore-pricache)"),
	START("mon", "a monitor that leads"),
	START("osd", "an active OSD"),
	START("clean", "placement groups that are all active and clean"),
	START("mgr", "a manager that has its maps and modules"),
	{ .pattern = NULL },
};

/* ---- rados bench */

void ceph_work(const char *output, double *ret_operations, double *ret_bytes)
{
	struct bench_report report;

	*ret_operations = *ret_bytes = 0;
	if (bench_parse(output, &report, NULL) < 0)
		return;
	*ret_operations = report.operations;
	*ret_bytes = report.operations * report.op_bytes;
}

int ceph_measure(const struct measure_context *context, const char *phase, const char *output,
		 struct measures *measures, struct err *err)
{
	struct bench_report r;
	double ns;

	if (bench_parse(output, &r, err) < 0)
		return -1;
	ns = r.seconds * 1e9 / r.operations;
	if (context->basis == BASIS_SIMULATED)
		measures_add(measures, context, ceph_metrics, phase, "insns_per_op", ns / SIMULATED_NS_PER_INSN);
	else
		measures_add(measures, context, ceph_metrics, phase, "ns_per_op", ns);
	measures_add(measures, context, ceph_metrics, phase, "iops", r.operations / r.seconds);
	measures_add(measures, context, ceph_metrics, phase, "bandwidth", r.mib_per_s);
	measures_add(measures, context, ceph_metrics, phase, "latency.avg", r.latency_avg_s * 1e3);
	measures_add(measures, context, ceph_metrics, phase, "latency.min", r.latency_min_s * 1e3);
	measures_add(measures, context, ceph_metrics, phase, "latency.max", r.latency_max_s * 1e3);
	if (isfinite(r.latency_stddev_s))
		measures_add(measures, context, ceph_metrics, phase, "latency.stddev", r.latency_stddev_s * 1e3);
	measures_add(measures, context, ceph_metrics, phase, "bytes_per_op", r.op_bytes);
	return 0;
}

/* ---- Answers */

struct answers {
	const struct measure_context *context;
	struct measures *measures;
};

static void add(const struct answers *a, const char *phase, const char *suffix, double v)
{
	measures_add(a->measures, a->context, ceph_metrics, phase, suffix, v);
}

static int take_heap(struct answers *a, const char *phase, const struct reading *reading, struct err *err)
{
	struct heap_stats h;

	if (heap_parse(reading->text, &h, err) < 0)
		return -1;
	if (!h.there)
		return 0;
	add(a, phase, "heap.in_use", (double)h.in_use);
	add(a, phase, "heap.page_heap_free", (double)h.page_heap_free);
	add(a, phase, "heap.caches_free", (double)h.central_free + (double)h.transfer_free + (double)h.thread_free);
	add(a, phase, "heap.metadata", (double)h.metadata);
	add(a, phase, "heap.used", (double)h.used);
	add(a, phase, "heap.unmapped", (double)h.unmapped);
	add(a, phase, "heap.page", (double)h.page);
	return 0;
}

/* A pool's name is the guest's: it becomes part of a metric's. */
static bool pool_name(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s) && strcmp(s, "total") != 0;
}

static int take_mempools(struct answers *a, const char *phase, const struct reading *reading, struct err *err)
{
	_cleanup_(mempools_free) struct mempools pools = { 0 };

	if (mempools_parse(reading->text, &pools, err) < 0)
		return -1;
	add(a, phase, "mempool.total", (double)pools.bytes);
	for (size_t i = 0; i < pools.n; i++) {
		_cleanup_free_ char *suffix = xasprintf("mempool.%s", pools.v[i].name);

		if (pools.v[i].bytes && pool_name(pools.v[i].name))
			add(a, phase, suffix, (double)pools.v[i].bytes);
	}
	return 0;
}

static int take_pricache(struct answers *a, const char *phase, const struct reading *reading, struct err *err)
{
	struct pricache cache;

	if (pricache_parse(reading->text, &cache, err) < 0)
		return -1;
	if (!cache.there)
		return 0;
	add(a, phase, "cache.target", cache.target);
	add(a, phase, "cache.mapped", cache.mapped);
	add(a, phase, "cache.bytes", cache.cache);
	return 0;
}

static int take_start(struct answers *a, const char *phase, const struct reading *reading, struct err *err)
{
	(void)err;
	add(a, phase, strchr(reading->label, '/') + 1, (double)reading->ns / 1e9);
	return 0;
}

static const struct section {
	const char *phase, *what; /* NULL: any phase */
	int (*take)(struct answers *a, const char *phase, const struct reading *reading, struct err *err);
} sections[] = {
	{ NULL, CEPH_MEMPOOLS, take_mempools }, { NULL, CEPH_HEAP, take_heap },
	{ NULL, CEPH_PRICACHE, take_pricache }, { CEPH_START, "mon", take_start },
	{ CEPH_START, "osd", take_start },	{ CEPH_START, "clean", take_start },
	{ CEPH_START, "mgr", take_start },
};

/* A label is the guest's; what is none of the workload's is passed over, rounds are rounds.c's. */
static int take_reading(struct answers *a, const struct reading *reading, struct err *err)
{
	const char *slash = strchr(reading->label, '/');
	_cleanup_free_ char *phase =
		xstrndup(reading->label, slash ? (size_t)(slash - reading->label) : strlen(reading->label));

	if (!slash || !*phase || strlen(phase) > 40 || starts_with(phase, CEPH_ROUND) ||
	    strspn(phase, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(phase))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		const struct section *s = &sections[i];

		if (strcmp(slash + 1, s->what) || (s->phase && strcmp(s->phase, phase)))
			continue;
		return s->take(a, phase, reading, err) < 0 ? err_wrap(err, "%s", reading->label) : 0;
	}
	return 0;
}

static int add_growth(const struct measure_context *context, const struct artifact_list *artifacts,
		      struct measures *measures, struct err *err)
{
	_cleanup_(rounds_free) struct rounds rounds = { 0 };

	if (rounds_read(artifacts, &rounds, err) < 0)
		return -1;
	for (size_t c = 0; c < ROUND_COLUMNS; c++) {
		_cleanup_free_ char *suffix = xasprintf("growth_per_round.%s", round_columns[c]);
		double v = rounds_slope(&rounds, c);

		if (isfinite(v))
			measures_add(measures, context, ceph_metrics, "osd", suffix, v);
	}
	return 0;
}

/* ceph-mgr goes on without the modules that it could not load, and would be measured as a smaller one. */
static int check_modules(const struct artifact_list *artifacts, struct err *err)
{
	const struct artifact *log = artifact_find(artifacts, "mgr.log");
	const char *at = log && log->data.s ? strstr(log->data.s, "Error loading module") : NULL;

	return at ? err_set(err, ERR_GUEST, "mgr.log: %.*s", (int)strcspn(at, "\n"), at) : 0;
}

int ceph_brought(const struct measure_context *context, const struct artifact_list *artifacts,
		 struct measures *measures, struct err *err)
{
	const struct artifact *file = artifact_find(artifacts, CEPH_READINGS);
	_cleanup_free_ char *text = file && file->data.s ? xstrdup(file->data.s) : NULL;
	struct answers a = { context, measures };
	struct reading reading;
	char *rest = text;

	while (rest && reading_next(&rest, &reading))
		if (take_reading(&a, &reading, err) < 0)
			return err_wrap(err, CEPH_READINGS);
	if (check_modules(artifacts, err) < 0)
		return -1;
	return add_growth(context, artifacts, measures, err);
}

/* ---- Ratios */

static double value(const struct measures *measures, const char *phase, const char *suffix)
{
	_cleanup_free_ char *name = xasprintf("%s.%s", phase, suffix);
	const struct measure *m = measures_find(measures, name);

	return m ? measure_median(m) : NAN;
}

static void add_ratios(const struct measure_context *context, const char *daemon, struct measures *measures)
{
	static const char *const points[] = { "n", "4n", "released" };
	double rss[2] = { NAN, NAN }, mempool[2] = { NAN, NAN };

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		_cleanup_free_ char *phase = xasprintf("%s-%s", points[i], daemon);
		double r = value(measures, phase, "process.rss"), m = value(measures, phase, "mempool.total");

		if (isfinite(r) && m > 0)
			measures_add(measures, context, ceph_metrics, phase, "rss_of_mempools", r / m);
		if (i < 2) {
			rss[i] = r;
			mempool[i] = m;
		}
	}
	/* a monitor's do not depend on the objects */
	if (isfinite(rss[1] - rss[0]) && mempool[1] - mempool[0] >= GROWTH_LEAST)
		measures_add(measures, context, ceph_metrics, daemon, "rss_per_mempool_byte",
			     (rss[1] - rss[0]) / (mempool[1] - mempool[0]));
}

/* One for each sample: both figures have one a sample. */
static void add_amplification(const struct measure_context *context, const char *phase, struct measures *measures)
{
	_cleanup_free_ char *written = xasprintf("%s.disk.storage.written_per_op", phase),
			    *asked = xasprintf("%s.bytes_per_op", phase);
	const struct measure *w = measures_find(measures, written), *a = measures_find(measures, asked);
	size_t n = w && a && w->n_values == a->n_values ? w->n_values : 0;
	/* adding one may move the measures, not their values */
	const double *of_device = n ? w->values : NULL, *of_client = n ? a->values : NULL;

	for (size_t i = 0; i < n; i++)
		if (of_client[i] > 0)
			measures_add(measures, context, ceph_metrics, phase, "write_amplification",
				     of_device[i] / of_client[i]);
}

void ceph_derive(const struct measure_context *context, struct measures *measures)
{
	add_ratios(context, "osd", measures);
	add_ratios(context, "mon", measures);
	add_amplification(context, "write", measures);
}
