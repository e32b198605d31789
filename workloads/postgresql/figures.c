// SPDX-License-Identifier: GPL-2.0-or-later
/* postgresql: the dictionary, and what a sample's report says. Trusts nothing in it, and knows no job. */
#include "postgresql.h"

#include "base/mem.h"
#include "pgbench.h"

#define LOG_CLOCK_MS 0.001 /* of a line of pgbench's log: microseconds */

#define CHECKPOINTS "checkpoints go by the clock"
#define WRITEBACK "checkpoints and writeback go by the clock"

#define LATENCY(name, why, text)                                                                                       \
	{                                                                                                              \
		.pattern = name, .unit = "ms", .direction = METRIC_LOWER, .class = METRIC_TIME,                        \
		.resolution = LOG_CLOCK_MS, why, .help = text                                                          \
	}

#define WRITTEN(name, per, amount, text)                                                                               \
	{                                                                                                              \
		.pattern = name, .unit = per, .direction = METRIC_LOWER, .class = METRIC_COUNT, .resolution = amount,  \
		.timed = WRITEBACK, .help = text                                                                       \
	}

#define MEMORY(name, want, text)                                                                                       \
	{                                                                                                              \
		.pattern = name, .unit = "bytes", .direction = want, .class = METRIC_MEMORY, .resolution_pages = 1,    \
		.help = text                                                                                           \
	}

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
	{ .pattern = "latency.p999_stall",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_TIME,
	  .resolution = 0.01,
	  .timed = CHECKPOINTS,
	  .help = "latency.p999_checkpoint / latency.p999_between, where each is of 1000 transactions at least" },
	LATENCY("latency.*_checkpoint", .timed = CHECKPOINTS,
		"of transactions that overlapped with a checkpoint of the server's log: max, and p999 of 1000 at "
		"least"),
	LATENCY("latency.*_between", .timed = CHECKPOINTS,
		"of the other transactions of a run in which some overlapped: max, and p999 of 1000 at least"),
	LATENCY("latency.*", .timed = NULL,
		"latency of transactions in a run with pgbench's log, which no sample has: p50, p95, p99, p999, max"),
	{ .pattern = "checkpoints",
	  .unit = "1",
	  .class = METRIC_COUNT,
	  .timed = CHECKPOINTS,
	  .help = "checkpoints of the server's log that overlapped with a transaction of the logged run" },

	/* of the logged run, from a checkpoint and sync before it to those behind it */
	{ .pattern = "wal.records_per_txn",
	  .unit = "1/txn",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.05,
	  .help = "WAL records of the logged run and the checkpoint behind it (pg_stat_wal)" },
	WRITTEN("wal.full_pages_per_txn", "1/txn", 0.01,
		"whole pages in WAL records, one for each page that is changed first after a checkpoint (pg_stat_wal "
		"wal_fpi)"),
	WRITTEN("wal.bytes_per_txn", "B/txn", 16, "bytes of WAL records (pg_stat_wal)"),
	WRITTEN("wal.written_per_txn", "B/txn", 16,
		"bytes written to WAL files, the last page as often as it is flushed (pg_stat_io, from 18 on)"),
	WRITTEN("data.written_per_txn", "B/txn", 16,
		"bytes of blocks written, and of files extended, by checkpoints and everyone else (pg_stat_io; 15: "
		"pg_stat_bgwriter)"),
	WRITTEN("device.written_per_txn", "B/txn", 16,
		"bytes that the device below the data wrote (/sys/block/NAME/stat)"),
	WRITTEN("device.read_per_txn", "B/txn", 16, "bytes that the device below the data read (/sys/block/NAME/stat)"),
	{ .pattern = "write_amplification",
	  .unit = "1",
	  .direction = METRIC_LOWER,
	  .class = METRIC_COUNT,
	  .resolution = 0.01,
	  .timed = WRITEBACK,
	  .help = "bytes that the device wrote / (WAL bytes + bytes of blocks written), of a run that asked for 1 MiB "
		  "at least" },

	/* at the inspection, by pg_buffercache and what the kernel says of the files (guest/buffered.c) */
	MEMORY("buffers.shared", METRIC_NEITHER, "blocks of relations in shared_buffers (pg_buffercache)"),
	MEMORY("buffers.cached", METRIC_LOWER,
	       "page cache of the files below base, global and pg_tblspc, in whole pages (cachestat)"),
	MEMORY("buffers.double", METRIC_LOWER,
	       "of buffers.shared: also in the page cache, only the blocks' own bytes (pg_buffercache, mincore, "
	       "preadv2)"),
	MEMORY("buffers.rounding", METRIC_LOWER, "of buffers.cached: behind the ends of files (cachestat)"),
	MEMORY("buffers.wal_cached", METRIC_LOWER, "page cache of pg_wal, in whole pages (cachestat)"),

	MEMORY("shared_memory", METRIC_LOWER, "the server's shared memory (pg_shmem_allocations)"),
	MEMORY("hugetlb.wasted", METRIC_LOWER, "hugetlb.reserve less the server's shared memory, if that is in it"),
	MEMORY("hugetlb.rounding", METRIC_LOWER,
	       "of hugetlb.wasted: what the server has taken and does not need (hugetlb.used + promised - shared "
	       "memory)"),
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

void pg_work(const char *output, double *ret_operations, double *ret_bytes)
{
	struct pgbench_report report;

	*ret_operations = pgbench_parse(output, &report, NULL) < 0 ? 0 : (double)report.transactions;
	*ret_bytes = 0;
}
