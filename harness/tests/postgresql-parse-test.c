// SPDX-License-Identifier: GPL-2.0-or-later
/* What pgbench and the servers of PostgreSQL 15, 17 and 18 printed (workloads/postgresql/outputs, record.sh made them), and what must
 * be refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "workloads/pattern.h"
#include "workloads/postgresql/observed.h"
#include "workloads/postgresql/pgbench.h"
#include "workloads/postgresql/theory.h"

static char *output(const char *version, const char *name)
{
	_cleanup_free_ char *path = xasprintf("workloads/postgresql/outputs/%s/%s", version, name);
	char *text = NULL;

	if (file_read(path, 1 << 20, &text, NULL, NULL) < 0)
		fail_msg("cannot read %s", path);
	return text;
}

/* As the files say it; NAN where they say nothing. */
static const struct {
	const char *version, *name;
	struct pgbench_report want;
} summaries[] = {
	{ "15", "select-only.txt", { 2, 4000, 4000, 0, 0, 0, 16625.933130, 0.120, NAN, 8.268, NAN, NAN } },
	{ "15", "simple-update.txt", { 2, 2000, 2000, 0, 0, 0, 931.465125, 2.147, NAN, 6.170, NAN, NAN } },
	{ "15", "tpcb-like.txt", { 2, 3021, 0, 0, 0, 0, 503.861941, 3.968, 3.717, 5.427, NAN, NAN } },
	{ "15", "rate.txt", { 2, 718, 0, 0, 1247, 422, 719.303378, 3.655, 2.956, 4.533, 1.022, 5.029 } },
	{ "15", "custom.txt", { 2, 600, 600, 0, 0, 0, 16047.929817, 0.125, NAN, 7.599, NAN, NAN } },
	{ "17", "select-only.txt", { 2, 4000, 4000, 0, 0, 0, 24776.699991, 0.081, NAN, 5.134, NAN, NAN } },
	{ "17", "simple-update.txt", { 2, 2000, 2000, 0, 0, 0, 511.645696, 3.909, NAN, 4.189, NAN, NAN } },
	{ "17", "tpcb-like.txt", { 2, 4633, 0, 0, 0, 0, 771.523859, 2.589, 2.864, 3.607, NAN, NAN } },
	{ "17", "rate.txt", { 2, 550, 0, 0, 1404, 355, 552.749375, 4.479, 4.098, 12.964, 1.046, 3.600 } },
	{ "17", "custom.txt", { 2, 600, 600, 0, 0, 0, 11740.534194, 0.170, NAN, 5.439, NAN, NAN } },
	{ "18", "select-only.txt", { 2, 4000, 4000, 0, 0, 0, 31566.154769, 0.063, NAN, 6.805, NAN, NAN } },
	{ "18", "simple-update.txt", { 2, 2000, 2000, 0, 0, 0, 535.810779, 3.733, NAN, 14.673, NAN, NAN } },
	{ "18", "tpcb-like.txt", { 2, 3582, 0, 0, 0, 0, 597.198668, 3.347, 3.422, 4.713, NAN, NAN } },
	{ "18", "rate.txt", { 2, 621, 0, 0, 1342, 451, 624.904403, 4.165, 3.498, 9.967, 1.117, 24.375 } },
	{ "18", "custom.txt", { 2, 600, 600, 0, 0, 0, 10818.998161, 0.185, NAN, 6.522, NAN, NAN } },
};

static void assert_decimal(double got, double want)
{
	if (!(got == want) && !(isnan(got) && isnan(want)))
		fail_msg("%f, not %f", got, want);
}

static void every_version_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(summaries); i++) {
		const struct pgbench_report *want = &summaries[i].want;
		_cleanup_free_ char *text = output(summaries[i].version, summaries[i].name);
		struct pgbench_report got;
		struct err err = ERR_INIT;

		if (pgbench_parse(text, &got, &err) < 0)
			fail_msg("%s/%s: %s", summaries[i].version, summaries[i].name, err.msg);
		assert_int_equal(got.clients, want->clients);
		assert_int_equal(got.transactions, want->transactions);
		assert_int_equal(got.asked, want->asked);
		assert_int_equal(got.failed, want->failed);
		assert_int_equal(got.skipped, want->skipped);
		assert_int_equal(got.late, want->late);
		assert_decimal(got.tps, want->tps);
		assert_decimal(got.latency_ms, want->latency_ms);
		assert_decimal(got.deviation_ms, want->deviation_ms);
		assert_decimal(got.connection_ms, want->connection_ms);
		assert_decimal(got.lag_ms, want->lag_ms);
		assert_decimal(got.lag_max_ms, want->lag_max_ms);
	}
}

static void assert_refused(const char *text, const char *sentence)
{
	struct pgbench_report report;
	struct err err = ERR_INIT;

	assert_int_equal(pgbench_parse(text, &report, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	if (!strstr(err.msg, sentence))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, sentence);
}

/* @text with the first @old replaced; owned by the caller. */
static char *with(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

static void what_is_no_summary_is_refused(void **state)
{
	static const struct {
		const char *old, *new, *sentence;
	} changes[] = {
		{ "tps = ", "tps: ", "no line \"tps = ~" },
		{ "tps = 535.810779", "tps = -1", "\"tps = -1 (without initial connection time)\" is not \"tps = ~" },
		{ "tps = 535.810779", "tps = nan", "is not \"tps = ~" },
		{ "tps = 535.810779", "tps = 0.000000", "did no transaction" },
		{ "2000/2000", "1999/2000", "asked for 2000 transactions, did 1999, and 0 failed" },
		{ "2000/2000", "2000/", "is not \"number of transactions actually processed: #" },
		{ "2000/2000", "1234567890123456789/2000", "is not \"number of transactions actually processed: #" },
		{ "average = 3.733 ms", "average = 3.733 s", "is not \"latency average = ~ ms\"" },
		{ "latency average", "number of clients: 2\nlatency average", "two lines \"number of clients: #\"" },
	};
	_cleanup_free_ char *good = output("18", "simple-update.txt");

	(void)state;
	assert_refused("", "no line \"number of clients: #\"");
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		_cleanup_free_ char *bad = with(good, changes[i].old, changes[i].new);

		assert_refused(bad, changes[i].sentence);
	}
}

static void an_aborted_run_says_why(void **state)
{
	static const char *const versions[] = { "15", "17", "18" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_free_ char *text = output(versions[i], "aborted.txt");

		assert_refused(text, "aborted in command 0 query 0: ERROR:  division by zero");
	}
}

/* What a few lines of another language made of the same files. */
static const struct {
	const char *version;
	size_t n_checkpoints, n_inside, rate_done, rate_skipped;
	double sum_ms, max_ms;
	struct checkpoint first;
} logs[] = {
	{ "15", 3, 378, 718, 1247, 4280.662, 32.060, { 1795596810.970, 1795596814.176, 10136, 2.833, 0.334, 3.206 } },
	{ "17", 3, 37, 550, 1404, 7642.999, 28.016, { 1795596823.304, 1795596825.285, 10144, 1.790, 0.165, 1.981 } },
	{ "18", 5, 151, 621, 1342, 7008.191, 45.255, { 1795596836.836, 1795596837.804, 5579, 0.105, 0.810, 0.968 } },
};

static void assert_checkpoint(const struct checkpoint *got, const struct checkpoint *want)
{
	assert_decimal(got->begin_s, want->begin_s);
	assert_decimal(got->end_s, want->end_s);
	assert_int_equal(got->buffers, want->buffers);
	assert_decimal(got->write_s, want->write_s);
	assert_decimal(got->sync_s, want->sync_s);
	assert_decimal(got->total_s, want->total_s);
}

static void logs_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
		_cleanup_free_ char *text = output(logs[i].version, "simple-update.log");
		_cleanup_free_ char *rate = output(logs[i].version, "rate.log");
		_cleanup_free_ char *server_text = output(logs[i].version, "server.log");
		_cleanup_(server_log_free) struct server_log server = { 0 };
		_cleanup_(transaction_log_free) struct transaction_log log = { 0 }, late = { 0 };
		double sum = 0, max = 0;
		size_t inside = 0;

		assert_int_equal(transaction_log_parse(text, &log, NULL), 0);
		assert_int_equal(transaction_log_parse(rate, &late, NULL), 0);
		server_log_parse(server_text, &server);
		assert_int_equal(server.n_checkpoints, logs[i].n_checkpoints);
		assert_checkpoint(&server.checkpoints[0], &logs[i].first);
		assert_null(server.trouble);
		assert_int_equal(log.n, 2000);
		for (size_t k = 0; k < log.n; k++) {
			sum += log.v[k].ms;
			max = fmax(max, log.v[k].ms);
			inside += in_checkpoint(&server, &log.v[k]);
		}
		assert_true(fabs(sum - logs[i].sum_ms) < 0.01);
		assert_decimal(max, logs[i].max_ms);
		assert_int_equal(inside, logs[i].n_inside);
		assert_int_equal(late.n, logs[i].rate_done);
		assert_int_equal(late.skipped, logs[i].rate_skipped);
	}
}

static void a_cut_log_is_refused(void **state)
{
	static const char *const bad[] = { "0 1 2042 0 1795596514 942987\n1 1 21", "0 1 2042 0 1795596514 942987",
					   "0 1 2042 0\n", "0 1 -5 0 1795596514 942987\n", "hello\n" };
	struct transaction_log log;
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(transaction_log_parse(bad[i], &log, &err), -1);
		assert_non_null(strstr(err.msg, "of pgbench's log is cut or none of its"));
	}
	assert_int_equal(transaction_log_parse("", &log, &err), 0);
	assert_int_equal(log.n, 0);
}

static void a_server_that_died_says_of_what(void **state)
{
	static const char text[] =
		"1577836801.120 [61] LOG:  starting PostgreSQL 17.12\n"
		"1577836801.125 [64] FATAL:  the database system is starting up\n"
		"1577836801.130 [61] FATAL:  could not map anonymous shared memory: Cannot allocate memory\n"
		"1577836801.130 [61] HINT:  This error usually means that ...\n"
		"1577836801.140 [61] PANIC:  later\n"
		"1577836801.150 [61] LOG:  checkpoint complete: wrote 1 buffers (0.1%); write=0.1 s, sync=0.1 s, "
		"total=0.2 s; x\n";
	_cleanup_(server_log_free) struct server_log log = { 0 };

	(void)state;
	server_log_parse(text, &log);
	assert_string_equal(log.trouble, "FATAL:  could not map anonymous shared memory: Cannot allocate memory");
	assert_int_equal(log.n_checkpoints, 0); /* one that nobody saw begin has no length */
}

static void patterns(void **state)
{
	static const struct {
		const char *text, *line;
		bool matches;
	} cases[] = {
		{ "a # b", "a 12 b", true },
		{ "a # b", "a 12 bc", false },
		{ "a # b", "a x b", false },
		{ "# ~", "3 4.5", true },
		{ "# ~", "3 .5", false },
		{ "~", "1.", true },
		{ "~", "1.5.2", false },
		{ "a*b", "axxb", true },
		{ "a*b", "axx", false },
		{ "a*", "a", true },
		{ "*; x=~ s*", "z; x=1 s, y", true },
		{ "#", "1234567890123456789", false },
		{ "", "", true },
		{ "", "x", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pattern pattern = { cases[i].text, { 0 } };

		if (pattern_read(&pattern, cases[i].line, NULL) != cases[i].matches)
			fail_msg("\"%s\" and \"%s\"", cases[i].text, cases[i].line);
	}
}

/* What a few lines of another language made of the same files. 15 writes 8 KiB blocks by three counters, 17 by another view, 18 counts
 * bytes. */
static const struct {
	const char *version;
	struct io_counts want;
	double shared_memory, shared, cached, behind, both;
} observed[] = {
	{ "15", { 7812, 297, 2821385, NAN, 3235840, NAN, NAN }, 149078016, 97484800, 111869952, 37840, 97099776 },
	{ "17", { 7837, 268, 2594865, NAN, 2908160, NAN, NAN }, 149454848, 96403456, 110596096, 44092, 95895552 },
	{ "18", { 8159, 269, 2658542, 19054592, 2433024, NAN, NAN }, 155811840, 98009088, 111394816, 40160, 97730560 },
};

static void assert_io(const struct io_counts *got, const struct io_counts *want)
{
	assert_decimal(got->wal_records, want->wal_records);
	assert_decimal(got->wal_full_pages, want->wal_full_pages);
	assert_decimal(got->wal_bytes, want->wal_bytes);
	assert_decimal(got->wal_written, want->wal_written);
	assert_decimal(got->data_written, want->data_written);
	assert_decimal(got->device_read, want->device_read);
	assert_decimal(got->device_written, want->device_written);
}

/* Caught: a version's counters taken for another's, blocks for bytes, calls for blocks, one half of what is written, temporary files
 * or WAL among the data. */
static void every_version_is_observed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(observed); i++) {
		_cleanup_free_ char *io_text = output(observed[i].version, "observed.io");
		_cleanup_free_ char *settings = output(observed[i].version, "server.settings");
		_cleanup_free_ char *buffers = output(observed[i].version, "observed.buffers");
		struct buffered buffered;
		struct io_counts io;
		char text[64];

		assert_int_equal(io_counts_parse(io_text, 8192, &io, NULL), 0);
		assert_io(&io, &observed[i].want);
		assert_true(pg_setting_number(settings, "shared_memory_bytes") == observed[i].shared_memory);
		assert_true(pg_setting(settings, "server_version_num", text, sizeof(text)));
		assert_int_equal(strncmp(text, observed[i].version, 2), 0);
		assert_true(pg_setting_number(settings, "shared_buffers") == 16384);
		assert_true(pg_setting_number(settings, "work_mem") == 8192);
		assert_true(isnan(pg_setting_number(settings, "log_line_prefix")));
		assert_false(pg_setting(settings, "shared_buffer", text, sizeof(text)));
		assert_int_equal(buffered_parse(buffers, &buffered, NULL), 0);
		assert_true(buffered.shared == observed[i].shared && buffered.cached == observed[i].cached);
		assert_true(buffered.behind == observed[i].behind && buffered.both == observed[i].both);
	}
}

/* Documentation/block/stat.rst. Caught: requests for sectors, sectors for bytes, read for written. */
static void the_device_is_read(void **state)
{
	static const char text[] =
		"before\npg_stat_wal.wal_records 5\npg_stat_wal.wal_fpi 1\npg_stat_wal.wal_bytes 100\n"
		"pg_stat_io.client-backend.relation.normal.writes 3\ndevice 10 0 80 1 20 0 160 1 0 0 0\n"
		"after\npg_stat_wal.wal_records 7\npg_stat_wal.wal_fpi 1\npg_stat_wal.wal_bytes 400\n"
		"pg_stat_io.checkpointer.relation.normal.writes 4\n"
		"pg_stat_io.client-backend.relation.normal.writes 5\n"
		"pg_stat_io.client-backend.relation.bulkwrite.extends 1\n"
		"pg_stat_io.client-backend.temp-relation.normal.writes 50\n"
		"pg_stat_io.client-backend.relation.normal.reads 70\ndevice 11 0 88 1 25 0 1160 1 0 0 0\n";
	const struct io_counts want = { 2, 0, 300, NAN, 7 * 4096, 8 * 512, 1000 * 512 };
	struct io_counts io;

	(void)state;
	assert_int_equal(io_counts_parse(text, 4096, &io, NULL), 0);
	assert_io(&io, &want);
}

static void what_is_no_observation_is_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} ios[] = {
		{ "", "before or of after the run are missing" },
		{ "before\npg_stat_wal.wal_records 1\n", "before or of after the run are missing" },
		{ "before\nafter\npg_stat_wal.wal_records 1\n", "no full pages" },
		{ "before\npg_stat_wal.wal_records 5\nafter\npg_stat_wal.wal_records 1\n", "went back from 5 to 1" },
	}, buffers[] = {
		{ "", "no 'shared'" },
		{ "shared 8\nunmatched 8\nfiles 8\ncached 8\nbehind 0\nboth 0\nwal_cached 0\n", "8 belong to no file" },
		{ "shared 8\nunmatched 0\nfiles 9\ncached 9\nbehind 0\nboth 9\nwal_cached 0\n", "9 bytes in both, 8" },
		{ "shared 9\nunmatched 0\nfiles 8\ncached 8\nbehind 0\nboth 9\nwal_cached 0\n", "9 bytes in both, 9" },
		{ "shared 1\nunmatched 0\nfiles 8\ncached 16\nbehind 7\nboth 1\nwal_cached 0\n", "of files of 8" },
	};
	struct buffered buffered;
	struct io_counts io;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ios); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(io_counts_parse(ios[i].text, 8192, &io, &err), -1);
		if (!strstr(err.msg, ios[i].sentence))
			fail_msg("%s", err.msg);
	}
	for (size_t i = 0; i < ARRAY_SIZE(buffers); i++) {
		struct err err = ERR_INIT;

		assert_int_equal(buffered_parse(buffers[i].text, &buffered, &err), -1);
		if (!strstr(err.msg, buffers[i].sentence))
			fail_msg("%s", err.msg);
	}
	assert_int_equal(buffered_parse("in_memory 1\n", &buffered, NULL), 0);
	assert_true(buffered.in_memory);
}

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)

/* Caught: a table's size that is no page, a part of a table that is none, processes that share tables; a crossover that is none. */
static void the_arithmetic_of_pages(void **state)
{
	static const struct {
		uint64_t small, large, at;
	} crossovers[] = { { 4 * KIB, 64 * KIB, 32 * MIB },
			   { 16 * KIB, 64 * KIB, 128 * MIB },
			   { 4 * KIB, 16 * KIB, 8 * MIB } };

	(void)state;
	assert_int_equal(table_reach(4 * KIB), 2 * MIB);
	assert_int_equal(table_reach(16 * KIB), 32 * MIB);
	assert_int_equal(table_reach(64 * KIB), 512 * MIB);
	assert_int_equal(table_bytes(4 * KIB, 128 * MIB, 1), 256 * KIB);
	assert_int_equal(table_bytes(64 * KIB, 128 * MIB, 1), 64 * KIB);
	assert_int_equal(table_bytes(64 * KIB, 1, 10), 640 * KIB);
	assert_int_equal(table_bytes(16 * KIB, 33 * MIB, 2), 64 * KIB);
	assert_int_equal(table_bytes(4 * KIB, 0, 5), 0);
	for (size_t i = 0; i < ARRAY_SIZE(crossovers); i++) {
		const uint64_t small = crossovers[i].small, large = crossovers[i].large, at = crossovers[i].at;

		assert_int_equal(table_crossover(small, large), at);
		assert_true(table_bytes(small, at, 3) <= table_bytes(large, at, 3));
		for (uint64_t more = 1; more <= 4096 * MIB; more *= 2)
			assert_true(table_bytes(small, at + more, 3) > table_bytes(large, at + more, 3));
	}
	assert_int_equal(file_rounding(4 * KIB, 8 * KIB), 0);
	assert_int_equal(file_rounding(16 * KIB, 8 * KIB), 8 * KIB);
	assert_int_equal(file_rounding(64 * KIB, 8 * KIB), 56 * KIB);
	assert_int_equal(file_rounding(64 * KIB, 64 * KIB + 1), 64 * KIB - 1);
	assert_int_equal(file_rounding(64 * KIB, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(every_version_is_read),
		cmocka_unit_test(what_is_no_summary_is_refused),
		cmocka_unit_test(an_aborted_run_says_why),
		cmocka_unit_test(logs_are_read),
		cmocka_unit_test(a_cut_log_is_refused),
		cmocka_unit_test(a_server_that_died_says_of_what),
		cmocka_unit_test(every_version_is_observed),
		cmocka_unit_test(the_device_is_read),
		cmocka_unit_test(what_is_no_observation_is_refused),
		cmocka_unit_test(the_arithmetic_of_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
