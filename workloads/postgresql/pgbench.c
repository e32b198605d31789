// SPDX-License-Identifier: GPL-2.0-or-later
/* pgbench's summary and its log of transactions. */
#include "pgbench.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "workloads/pattern.h"

#define LINE_MAX_BYTES 4096

#define AT(member) PATTERN_AT(struct pgbench_report, member)

enum line_kind { LINE_ALWAYS, LINE_SOMETIMES, LINE_OR_ABOVE /* another shape of the line above */ };

static const struct summary_line {
	struct pattern pattern;
	enum line_kind kind;
} summary_lines[] = {
	{ { "number of clients: #", { AT(clients) } }, LINE_ALWAYS },
	{ { "number of transactions actually processed: #/#", { AT(transactions), AT(asked) } }, LINE_ALWAYS },
	{ { "number of transactions actually processed: #", { AT(transactions) } }, LINE_OR_ABOVE },
	{ { "number of failed transactions: # (~%)", { AT(failed) } }, LINE_ALWAYS },
	{ { "number of transactions skipped: # (~%)", { AT(skipped) } }, LINE_SOMETIMES },
	{ { "number of transactions above the ~ ms latency limit: #/# (~%)", { PATTERN_SKIP, AT(late) } },
	  LINE_SOMETIMES },
	{ { "latency average = ~ ms", { AT(latency_ms) } }, LINE_ALWAYS },
	{ { "latency stddev = ~ ms", { AT(deviation_ms) } }, LINE_SOMETIMES },
	{ { "initial connection time = ~ ms", { AT(connection_ms) } }, LINE_SOMETIMES },
	{ { "rate limit schedule lag: avg ~ (max ~) ms", { AT(lag_ms), AT(lag_max_ms) } }, LINE_SOMETIMES },
	{ { "tps = ~ (without initial connection time)", { AT(tps) } }, LINE_ALWAYS },
};

/* The next line of *@text, without its newline, in @line; false at the end. What is too long is cut, and matches nothing. */
static bool next_line(const char **text, char line[LINE_MAX_BYTES])
{
	size_t len = strcspn(*text, "\n"), kept = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES - 1;

	if (!**text)
		return false;
	memcpy(line, *text, kept);
	line[kept] = '\0';
	*text += len + ((*text)[len] == '\n');
	return true;
}

/* The index of the pattern that @line matches, of which it has the beginning only (*@ret_bad), or none: the number of patterns. */
static size_t read_line(const char *line, struct pgbench_report *report, bool *ret_bad)
{
	size_t n = ARRAY_SIZE(summary_lines), begins = n;

	*ret_bad = false;
	for (size_t i = 0; i < n; i++) {
		if (!pattern_begins(&summary_lines[i].pattern, line))
			continue;
		if (pattern_read(&summary_lines[i].pattern, line, report))
			return summary_lines[i].kind == LINE_OR_ABOVE ? i - 1 : i;
		begins = i;
	}
	*ret_bad = begins < n;
	return begins;
}

/* The first complaint is the cause; the last one only says that it gave up. */
static int aborted(const char *output, struct err *err)
{
	static const char mark[] = "pgbench: error: ";
	const char *first = strstr(output, mark);

	return err_set(err, ERR_GUEST, "pgbench gave up: %.*s", first ? (int)strcspn(first, "\n") : 0,
		       first ? first : "");
}

static int check_report(const struct pgbench_report *r, const bool *seen, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(summary_lines); i++)
		if (summary_lines[i].kind == LINE_ALWAYS && !seen[i])
			return err_set(err, ERR_GUEST, "pgbench's output has no line \"%s\"",
				       summary_lines[i].pattern.text);
	if (r->asked && r->transactions + r->failed + r->skipped != r->asked)
		return err_set(err, ERR_GUEST,
			       "pgbench was asked for %" PRIu64 " transactions, did %" PRIu64 ", and %" PRIu64
			       " failed: the rest is missing",
			       r->asked, r->transactions, r->failed);
	if (!r->transactions || !(r->tps > 0))
		return err_set(err, ERR_GUEST, "pgbench did no transaction");
	return 0;
}

int pgbench_parse(const char *output, struct pgbench_report *ret, struct err *err)
{
	bool seen[ARRAY_SIZE(summary_lines)] = { false }, bad;
	const char *rest = output;
	char line[LINE_MAX_BYTES];

	*ret = (struct pgbench_report){ .tps = NAN,
					.latency_ms = NAN,
					.deviation_ms = NAN,
					.connection_ms = NAN,
					.lag_ms = NAN,
					.lag_max_ms = NAN };
	if (strstr(output, "Run was aborted"))
		return aborted(output, err);
	while (next_line(&rest, line)) {
		size_t i = read_line(line, ret, &bad);

		if (i == ARRAY_SIZE(summary_lines))
			continue;
		if (bad)
			return err_set(err, ERR_GUEST, "pgbench's line \"%.100s\" is not \"%s\"", line,
				       summary_lines[i].pattern.text);
		if (seen[i])
			return err_set(err, ERR_GUEST, "pgbench's output has two lines \"%s\"",
				       summary_lines[i].pattern.text);
		seen[i] = true;
	}
	return check_report(ret, seen, err);
}

/* ---- The log */

struct log_line {
	uint64_t seconds, microseconds, latency_us;
};

#define LOG_AT(member) PATTERN_AT(struct log_line, member)

/* client, number, latency or a word, script, time, [lag], [tries]: what is behind the time depends on the options. */
static const struct log_shape {
	struct pattern pattern;
	enum { LOG_DONE, LOG_SKIPPED, LOG_FAILED } what;
} log_shapes[] = {
	{ { "# # # # # #", { 0, 0, LOG_AT(latency_us), 0, LOG_AT(seconds), LOG_AT(microseconds) } }, LOG_DONE },
	{ { "# # # # # # #", { 0, 0, LOG_AT(latency_us), 0, LOG_AT(seconds), LOG_AT(microseconds) } }, LOG_DONE },
	{ { "# # skipped # # # #", { 0 } }, LOG_SKIPPED },
	{ { "# # failed *", { 0 } }, LOG_FAILED },
};

static bool take_transaction(const char *line, struct transaction_log *log)
{
	struct log_line l = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(log_shapes); i++) {
		if (!pattern_read(&log_shapes[i].pattern, line, &l))
			continue;
		log->skipped += log_shapes[i].what == LOG_SKIPPED;
		log->failed += log_shapes[i].what == LOG_FAILED;
		if (log_shapes[i].what == LOG_DONE)
			*VEC_PUSH(log->v, log->n) = (struct transaction){
				.end_s = (double)l.seconds + (double)l.microseconds / 1e6,
				.ms = (double)l.latency_us / 1e3,
			};
		return true;
	}
	return false;
}

int transaction_log_parse(const char *text, struct transaction_log *ret, struct err *err)
{
	struct transaction_log log = { 0 };
	const char *rest = text;
	char line[LINE_MAX_BYTES];
	size_t number = 0;

	while (next_line(&rest, line)) {
		number++;
		if (take_transaction(line, &log) && rest[-1] == '\n')
			continue;
		transaction_log_free(&log);
		return err_set(err, ERR_GUEST, "line %zu of pgbench's log is cut or none of its: \"%.100s\"", number,
			       line);
	}
	*ret = log;
	return 0;
}

void transaction_log_free(struct transaction_log *log)
{
	free(log->v);
	*log = (struct transaction_log){ 0 };
}
