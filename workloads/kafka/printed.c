// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines to numbers. Each program's line is one pattern. */
#include "workloads/kafka/printed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "workloads/pattern.h"

/* The next line of *@text, without its newline, owned by the caller; NULL at the end. *@ret_whole: it had a newline. */
static char *take_line(const char **text, bool *ret_whole)
{
	size_t len = strcspn(*text, "\n");
	char *line;

	if (!**text)
		return NULL;
	line = xstrndup(*text, len);
	*ret_whole = (*text)[len] == '\n';
	*text += len + *ret_whole;
	return line;
}

/* The last line that matches goes to @ret; how many did. */
static unsigned int read_last(const struct pattern *pattern, const char *text, void *ret)
{
	unsigned int n = 0;
	bool whole;

	for (char *line; (line = take_line(&text, &whole)); free(line))
		n += pattern_read(pattern, line, ret);
	return n;
}

/* What a Java program says went wrong, the first of it. */
static int no_summary(const char *program, const char *output, struct err *err)
{
	static const char *const marks[] = { "Exception", "ERROR", "Error", "WARNING" };
	const char *first = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		const char *at = strstr(output, marks[i]);

		first = at && (!first || at < first) ? at : first;
	}
	if (first)
		first = line_begin(output, first);
	return err_set(err, ERR_GUEST, "%s printed no summary%s%.*s", program, first ? ": " : "",
		       first ? (int)strcspn(first, "\n") : 0, first ? first : "");
}

#define PRODUCER_AT(member) PATTERN_AT(struct producer_report, member)
static const struct pattern producer_line = {
	"# records sent, ~ records/sec (~ MB/sec), ~ ms avg latency, ~ ms max latency, # ms 50th, # ms 95th, # ms "
	"99th, "
	"# ms 99.9th.",
	{ PRODUCER_AT(records), PRODUCER_AT(records_per_s), PRODUCER_AT(mib_per_s), PRODUCER_AT(latency_ms),
	  PRODUCER_AT(latency_max_ms), PRODUCER_AT(p50_ms), PRODUCER_AT(p95_ms), PRODUCER_AT(p99_ms),
	  PRODUCER_AT(p999_ms) },
};

int producer_parse(const char *output, struct producer_report *ret, struct err *err)
{
	struct producer_report report;

	if (!read_last(&producer_line, output, &report))
		return no_summary("ProducerPerformance", output, err);
	if (!report.records || !(report.records_per_s > 0))
		return err_set(err, ERR_GUEST, "ProducerPerformance sent no record");
	*ret = report;
	return 0;
}

#define CONSUMER_AT(member) PATTERN_AT(struct consumer_report, member)
static const struct pattern consumer_line = {
	"#-#-# #:#:#:#, *, ~, ~, #, ~, #, #, ~, ~",
	{ PATTERN_SKIP, PATTERN_SKIP, PATTERN_SKIP, PATTERN_SKIP, PATTERN_SKIP, PATTERN_SKIP, PATTERN_SKIP,
	  CONSUMER_AT(mib), CONSUMER_AT(mib_per_s), CONSUMER_AT(records), CONSUMER_AT(records_per_s),
	  CONSUMER_AT(join_ms), CONSUMER_AT(fetch_ms), CONSUMER_AT(fetch_mib_per_s), CONSUMER_AT(fetch_records_per_s) },
};

int consumer_parse(const char *output, struct consumer_report *ret, struct err *err)
{
	struct consumer_report report;

	if (!read_last(&consumer_line, output, &report))
		return no_summary("ConsumerPerformance", output, err);
	if (!report.records || !report.fetch_ms)
		return err_set(err, ERR_GUEST,
			       "ConsumerPerformance fetched nothing in a time that can be measured (1 ms)");
	*ret = report;
	return 0;
}

/* "[12.345s][info][gc] GC(3) Pause Young (Normal) (G1 Evacuation Pause) 150M->8M(256M) 12.345ms": what stands between differs
 * between collectors, these numbers do not. */
struct gc_line {
	uint64_t before_mib, after_mib, heap_mib;
	double ms;
};
#define GC_AT(member) PATTERN_AT(struct gc_line, member)
static const struct pattern gc_numbers = { "#M->#M(#M) ~ms",
					   { GC_AT(before_mib), GC_AT(after_mib), GC_AT(heap_mib), GC_AT(ms) } };

static bool gc_read(const char *line, struct gc_line *ret)
{
	const char *numbers = strstr(line, "M->");

	if (!numbers || !strstr(line, "] GC(") || !strstr(line, ") Pause "))
		return false;
	while (numbers > line && numbers[-1] != ' ')
		numbers--;
	return pattern_read(&gc_numbers, numbers, ret);
}

void gc_parse(const char *log, struct gc_report *ret)
{
	bool whole;

	*ret = (struct gc_report){ 0 };
	for (char *line; (line = take_line(&log, &whole)); free(line)) {
		struct gc_line gc;

		if (!gc_read(line, &gc))
			continue;
		ret->pauses++;
		ret->pause_ms += gc.ms;
		ret->pause_max_ms = fmax(ret->pause_max_ms, gc.ms);
		ret->peak_mib = gc.before_mib > ret->peak_mib ? gc.before_mib : ret->peak_mib;
		ret->after_mib = gc.after_mib;
		ret->heap_mib = gc.heap_mib;
	}
}

/* "[0.006s][info][pagesize] Heap:  min=8M max=256M base=0x00000000f0000000 page_size=4K size=256M" */
static uint64_t page_of(const char *line)
{
	static const char key[] = "page_size=";
	const char *at = strstr(line, key);
	unsigned long long n;
	char *end;

	if (!at)
		return 0;
	n = strtoull(at + strlen(key), &end, 10);
	if (n > 1u << 20)
		return 0;
	return n << (*end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0);
}

void pagesize_parse(const char *log, struct jvm_pages *ret)
{
	bool whole;

	*ret = (struct jvm_pages){ 0 };
	for (char *line; (line = take_line(&log, &whole)); free(line)) {
		if (strstr(line, "] Heap:"))
			ret->heap_bytes = page_of(line);
		else if (!ret->code_bytes && (strstr(line, "] CodeHeap '") || strstr(line, "] CodeCache:")))
			ret->code_bytes = page_of(line);
	}
}

bool cds_parse(const char *log, uint64_t *ret_bytes)
{
	static const char key[] = "Mapped dynamic region #";
	bool any = false, whole;

	*ret_bytes = 0;
	for (char *line; (line = take_line(&log, &whole)); free(line)) {
		const char *base = strstr(line, key) ? strstr(line, "base 0x") : NULL, *top = strstr(line, "top 0x");
		unsigned long long begin, end;

		if (!base || !top)
			continue;
		begin = strtoull(base + strlen("base "), NULL, 16);
		end = strtoull(top + strlen("top "), NULL, 16);
		if (end <= begin)
			continue;
		any = true;
		*ret_bytes += end - begin;
	}
	return any;
}

/* ---- look.c */

struct look_line {
	uint64_t bytes, allocated, resident;
};
#define LOOK_AT(member) PATTERN_AT(struct look_line, member)
static const struct {
	struct pattern pattern;
	size_t kind; /* offset of a struct look_kind, or LOOK_NONE */
} look_lines[] = {
#define LOOK_FILE(name)                                                                                                \
	{                                                                                                              \
		{ "file " #name " # # # *", { LOOK_AT(bytes), LOOK_AT(allocated), LOOK_AT(resident) } },               \
			offsetof(struct look_report, name)                                                             \
	}
#define LOOK_NONE SIZE_MAX
	LOOK_FILE(log),
	LOOK_FILE(index),
	LOOK_FILE(timeindex),
	LOOK_FILE(other),
	{ { "map # # *", { LOOK_AT(bytes), LOOK_AT(resident) } }, LOOK_NONE },
	{ { "stack # #", { LOOK_AT(bytes), LOOK_AT(resident) } }, LOOK_NONE },
	{ { "process #", { LOOK_AT(bytes) } }, LOOK_NONE },
};

static void add_file(struct look_kind *kind, const struct look_line *line)
{
	kind->files++;
	kind->bytes += line->bytes;
	kind->allocated += line->allocated;
	kind->resident += line->resident;
	kind->resident_max = line->resident > kind->resident_max ? line->resident : kind->resident_max;
}

static bool take_look(const char *line, struct look_report *report)
{
	for (size_t i = 0; i < ARRAY_SIZE(look_lines); i++) {
		struct look_line got = { 0 };

		if (!pattern_read(&look_lines[i].pattern, line, &got))
			continue;
		if (look_lines[i].kind != LOOK_NONE) {
			add_file((struct look_kind *)((char *)report + look_lines[i].kind), &got);
		} else if (line[0] == 'm') {
			report->maps++;
			report->maps_bytes += got.bytes;
			report->maps_rss += got.resident;
		} else if (line[0] == 's') {
			report->stacks++;
			report->stacks_bytes += got.bytes;
			report->stacks_rss += got.resident;
		} else {
			report->threads += got.bytes;
		}
		return true;
	}
	return false;
}

int look_parse(const char *text, struct look_report *ret, struct err *err)
{
	struct look_report report = { 0 };
	bool whole, ok = true;

	for (char *line; ok && (line = take_line(&text, &whole)); free(line)) {
		ok = whole && take_look(line, &report);
		if (!ok)
			err_set(err, ERR_GUEST, "look wrote %s: %.200s", whole ? "something else" : "half a line",
				line);
	}
	if (!ok)
		return -1;
	*ret = report;
	return 0;
}
