// SPDX-License-Identifier: GPL-2.0-or-later
/* kafka: what was printed to metrics. Trusts nothing in it, and knows no job. */
#include "workloads/kafka/kafka.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "workloads/kafka/printed.h"

#define LOOK_SUFFIX ".look"
#define BROKER_LOG "kafka.log"
#define MS 1.0 /* the tools' clock */
#define NS_PER_MS 1e6
#define MIB (1024.0 * 1024.0)

const struct metric kafka_metrics[] = {
	{ .pattern = "insns_per_record",
	  .unit = "insns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 10,
	  .primary = true,
	  .help = "guest time a record in instructions, of broker, tool and kernel: a producer's from its first send "
		  "to its "
		  "last acknowledgement, a consumer's without joining its group (the tool's summary / 2 ns); a wait "
		  "counts as if "
		  "it were run" },
	{ .pattern = "ns_per_record",
	  .unit = "ns",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 20,
	  .primary = true,
	  .help = "the same in ns, on other bases" },
	{ .pattern = "records_per_s",
	  .unit = "1/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 0.1,
	  .not_judged = "it is the same figure as the one per record",
	  .help = "records a second of guest time (the tool's summary)" },
	{ .pattern = "mib_per_s",
	  .unit = "MiB/s",
	  .direction = METRIC_HIGHER,
	  .class = METRIC_TIME,
	  .resolution = 0.01,
	  .not_judged = "it is the same figure as the one per record",
	  .help = "their bytes (the tool's MB are MiB)" },
	{ .pattern = "latency.p99",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = MS,
	  .primary = true,
	  .help = "99% of records were acknowledged in at most so many whole ms (ProducerPerformance)" },
	{ .pattern = "latency.*",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = MS,
	  .help = "p50, p95, p999, mean and max of the same" },
	{ .pattern = "join",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = MS,
	  .help = "a consumer's time to join its group (ConsumerPerformance)" },
	{ .pattern = "cache.*.files",
	  .unit = "1",
	  .direction = METRIC_NEITHER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "files of the broker's folder: log segments, index, timeindex, other (look)" },
	{ .pattern = "cache.index.resident",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .primary = true,
	  .help = "of all of them in the page cache (cachestat)" },
	{ .pattern = "cache.*.resident",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .help = "of all of them in the page cache (cachestat)" },
	{ .pattern = "cache.*",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .help = "bytes: their sizes; allocated: on the disk; per_file, max: in the page cache of one, on average and "
		  "at "
		  "most" },
	{ .pattern = "maps",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "mappings of the broker's that are of a file in its folder: its indexes (smaps)" },
	{ .pattern = "maps.*",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .help = "bytes: of those; rss: of them mapped in" },
	{ .pattern = "threads",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "the broker's" },
	{ .pattern = "stacks",
	  .unit = "1",
	  .direction = METRIC_NEITHER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "stacks of threads that were found by their stack pointers (/proc/PID/task/TID/syscall)" },
	{ .pattern = "stacks.per_thread",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .primary = true,
	  .help = "what is resident of one of those, on average" },
	{ .pattern = "stacks.*",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .help = "bytes: of those; rss: of them resident" },
	{ .pattern = "gc.pauses",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.5,
	  .help = "of the broker's whole life (-Xlog:gc)" },
	{ .pattern = "gc.*",
	  .unit = "ms",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 0.01,
	  .help = "pause: all of them together; pause_max: the longest (-Xlog:gc)" },
	{ .pattern = "heap.*",
	  .unit = "bytes",
	  .direction = METRIC_LOWER,
	  .class = METRIC_MEMORY,
	  .resolution = MIB,
	  .help = "used: behind the last pause; peak: the most before one; committed: of the heap then (-Xlog:gc, "
		  "whole "
		  "MiB)" },
	{ .pattern = "jvm.page.*",
	  .unit = "bytes",
	  .direction = METRIC_NEITHER,
	  .class = METRIC_MEMORY,
	  .resolution = 1,
	  .not_judged = "follows from the page size and the settings",
	  .help = "a page of the heap and of the code cache, as the JVM takes it to be (-Xlog:pagesize)" },
	{ .pattern = "cds.mapped",
	  .unit = "bytes",
	  .direction = METRIC_NEITHER,
	  .class = METRIC_MEMORY,
	  .resolution_pages = 1,
	  .help = "of the dynamic CDS archive, mapped by the broker (-Xlog:cds)" },
	{ .pattern = NULL },
};

struct adding {
	const struct measure_context *context;
	struct measures *measures;
	const char *phase;
};

static void add(const struct adding *a, const char *name, double value)
{
	measures_add(a->measures, a->context, kafka_metrics, a->phase, name, value);
}

/* The tools' clocks tell whole milliseconds, so a time a record is known to one by their number. */
static void add_time(const struct adding *a, double records_per_s, uint64_t records)
{
	bool simulated = a->context->basis == BASIS_SIMULATED;
	double ns = 1e9 / records_per_s, unit = simulated ? SIMULATED_NS_PER_INSN : 1,
	       known = NS_PER_MS / (double)records / unit;
	struct measure *m;

	add(a, simulated ? "insns_per_record" : "ns_per_record", ns / unit);
	m = &a->measures->v[a->measures->cursor - 1];
	m->resolution = fmax(m->resolution, known);
}

static int measure_producer(const struct adding *a, const char *output, struct err *err)
{
	struct producer_report r;

	if (producer_parse(output, &r, err) < 0)
		return -1;
	add_time(a, r.records_per_s, r.records);
	add(a, "records_per_s", r.records_per_s);
	add(a, "mib_per_s", r.mib_per_s);
	add(a, "latency.mean", r.latency_ms);
	add(a, "latency.p50", (double)r.p50_ms);
	add(a, "latency.p95", (double)r.p95_ms);
	add(a, "latency.p99", (double)r.p99_ms);
	add(a, "latency.p999", (double)r.p999_ms);
	add(a, "latency.max", r.latency_max_ms);
	return 0;
}

static int measure_consumer(const struct adding *a, const char *output, struct err *err)
{
	struct consumer_report r;

	if (consumer_parse(output, &r, err) < 0)
		return -1;
	add_time(a, r.fetch_records_per_s, r.records);
	add(a, "records_per_s", r.fetch_records_per_s);
	add(a, "mib_per_s", r.fetch_mib_per_s);
	add(a, "join", (double)r.join_ms);
	return 0;
}

int kafka_measure(const struct measure_context *context, const char *phase, const char *output,
		  struct measures *measures, struct err *err)
{
	const struct adding a = { context, measures, phase };

	return strcmp(phase, kafka_tests[KAFKA_PRODUCE]) == 0 ? measure_producer(&a, output, err)
							      : measure_consumer(&a, output, err);
}

static void add_kind(const struct adding *a, const char *kind, const struct look_kind *k)
{
	const struct {
		const char *name;
		double value;
	} figures[] = {
		{ "files", (double)k->files },	       { "bytes", (double)k->bytes },
		{ "allocated", (double)k->allocated }, { "resident", (double)k->resident },
		{ "max", (double)k->resident_max },    { "per_file", (double)k->resident / (double)k->files },
	};

	for (size_t i = 0; k->files && i < ARRAY_SIZE(figures); i++) {
		_cleanup_free_ char *name = xasprintf("cache.%s.%s", kind, figures[i].name);

		add(a, name, figures[i].value);
	}
}

static void add_look(const struct adding *a, const struct look_report *r)
{
	add_kind(a, "log", &r->log);
	add_kind(a, "index", &r->index);
	add_kind(a, "timeindex", &r->timeindex);
	add_kind(a, "other", &r->other);
	if (!r->threads)
		return; /* of files only */
	add(a, "maps", (double)r->maps);
	add(a, "maps.bytes", (double)r->maps_bytes);
	add(a, "maps.rss", (double)r->maps_rss);
	add(a, "threads", (double)r->threads);
	add(a, "stacks", (double)r->stacks);
	if (!r->stacks)
		return;
	add(a, "stacks.bytes", (double)r->stacks_bytes);
	add(a, "stacks.rss", (double)r->stacks_rss);
	add(a, "stacks.per_thread", (double)r->stacks_rss / (double)r->stacks);
}

static const char *text_of(const struct artifact_list *artifacts, const char *name)
{
	const struct artifact *a = artifact_find(artifacts, name);

	return a ? a->data.s ? a->data.s : "" : NULL;
}

static void add_jvm(const struct adding *a, const struct artifact_list *artifacts)
{
	const char *gc = text_of(artifacts, "gc.log"), *pages = text_of(artifacts, "pagesize.log"),
		   *cds = text_of(artifacts, "cds.log");
	struct gc_report report;
	struct jvm_pages page;
	uint64_t mapped;

	if (gc) {
		gc_parse(gc, &report);
		add(a, "gc.pauses", (double)report.pauses);
		add(a, "gc.pause", report.pause_ms);
		add(a, "gc.pause_max", report.pause_max_ms);
		if (report.pauses) {
			add(a, "heap.used", (double)report.after_mib * MIB);
			add(a, "heap.peak", (double)report.peak_mib * MIB);
			add(a, "heap.committed", (double)report.heap_mib * MIB);
		}
	}
	if (pages) {
		pagesize_parse(pages, &page);
		if (page.heap_bytes)
			add(a, "jvm.page.heap", (double)page.heap_bytes);
		if (page.code_bytes)
			add(a, "jvm.page.code", (double)page.code_bytes);
	}
	if (cds && cds_parse(cds, &mapped))
		add(a, "cds.mapped", (double)mapped);
}

int kafka_brought(const struct measure_context *context, const struct artifact_list *artifacts,
		  struct measures *measures, struct err *err)
{
	const struct adding broker = { context, measures, KAFKA_BROKER };

	for (size_t i = 0; i < artifacts->n; i++) {
		const struct artifact *artifact = &artifacts->v[i];
		_cleanup_free_ char *phase = NULL;
		struct look_report report;

		if (!ends_with(artifact->name, LOOK_SUFFIX))
			continue;
		phase = xstrndup(artifact->name, strlen(artifact->name) - strlen(LOOK_SUFFIX));
		if (look_parse(artifact->data.s ? artifact->data.s : "", &report, err) < 0)
			return err_wrap(err, "%s", artifact->name);
		add_look(&(struct adding){ context, measures, phase }, &report);
	}
	add_jvm(&broker, artifacts);
	return 0;
}

/* The broker's last words are that all its folders failed, or that it shuts down; this is why. */
char *kafka_trouble(const struct artifact_list *artifacts)
{
	static const char *const causes[] = { "No space left on device", "java.lang.OutOfMemoryError",
					      "Input/output error", "Read-only file system" };
	const char *log = text_of(artifacts, BROKER_LOG);

	for (size_t i = 0; log && i < ARRAY_SIZE(causes); i++) {
		const char *at = strstr(log, causes[i]), *line = at ? line_begin(log, at) : NULL;

		if (line)
			return xasprintf("its log: %.*s", (int)strcspn(line, "\n"), line);
	}
	return NULL;
}
