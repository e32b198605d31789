// SPDX-License-Identifier: GPL-2.0-or-later
/* Reports of rados bench, answers of admin sockets. */
#include "workloads/ceph/answers.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void json_drop(json_t **json)
{
	json_decref(*json);
}

/* The JSON at the beginning of @text. */
static json_t *read_json(const char *text, const char *what, struct err *err)
{
	json_error_t error;
	json_t *json = json_loads(text, JSON_DISABLE_EOF_CHECK, &error);

	if (!json)
		err_set(err, ERR_GUEST, "%s: no JSON: %s: %.100s", what, error.text, text);
	return json;
}

/* A number, or a string that is one: rados bench's are all strings. NAN: neither. */
static double number_of(const json_t *json)
{
	const char *s = json_string_value(json);
	char *end;
	double v;

	if (json_is_number(json))
		return json_number_value(json);
	if (!s || !*s)
		return NAN;
	v = strtod(s, &end);
	return *end ? NAN : v;
}

/* ---- rados bench */

static const struct bench_field {
	const char *write, *read; /* its names in the two kinds of run; NULL: not there */
	size_t offset;
} bench_fields[] = {
	{ "total_writes_made", "total_reads_made", offsetof(struct bench_report, operations) },
	{ "write_size", "read_size", offsetof(struct bench_report, op_bytes) },
	{ "total_time_run", "total_time_run", offsetof(struct bench_report, seconds) },
	{ "average_iops", "average_iops", offsetof(struct bench_report, iops) },
	{ "bandwidth", "bandwidth", offsetof(struct bench_report, mib_per_s) },
	{ "average_latency", "average_latency", offsetof(struct bench_report, latency_avg_s) },
	{ "min_latency", "min_latency", offsetof(struct bench_report, latency_min_s) },
	{ "max_latency", "max_latency", offsetof(struct bench_report, latency_max_s) },
	{ "stddev_latency", NULL, offsetof(struct bench_report, latency_stddev_s) },
};

static int take_fields(const json_t *json, struct bench_report *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(bench_fields); i++) {
		const struct bench_field *f = &bench_fields[i];
		const char *name = ret->write ? f->write : f->read;
		double v = name ? number_of(json_object_get(json, name)) : NAN;

		if (name && !isfinite(v))
			return err_set(err, ERR_GUEST, "rados bench's report has no number %s", name);
		memcpy((char *)ret + f->offset, &v, sizeof(v));
	}
	return 0;
}

/* Before it come lines of other shapes ("hints = 1"), in it are newlines. */
int bench_parse(const char *output, struct bench_report *ret, struct err *err)
{
	const char *begin = *output == '{' ? output : strstr(output, "\n{");
	_cleanup_(json_drop) json_t *json = NULL;
	struct bench_report report = { 0 };

	if (!begin)
		return err_set(err, ERR_GUEST, "rados bench printed no report: %.200s", output);
	json = read_json(begin, "rados bench", err);
	if (!json)
		return -1;
	report.write = json_object_get(json, "total_writes_made") != NULL;
	if (take_fields(json, &report, err) < 0)
		return -1;
	if (!(report.operations > 0) || !(report.seconds > 0))
		return err_set(err, ERR_GUEST, "rados bench did nothing");
	*ret = report;
	return 0;
}

/* ---- tcmalloc */

#define HEAP_AT(member) offsetof(struct heap_stats, member)

/* "MALLOC: +      1654784 (    1.6 MiB) Bytes released to OS (aka unmapped)": the number and what stands behind it and
 * the size for people. */
static const struct heap_line {
	const char *words;
	size_t offset;
} heap_lines[] = {
	{ "Bytes in use by application", HEAP_AT(in_use) },
	{ "Bytes in page heap freelist", HEAP_AT(page_heap_free) },
	{ "Bytes in central cache freelist", HEAP_AT(central_free) },
	{ "Bytes in transfer cache freelist", HEAP_AT(transfer_free) },
	{ "Bytes in thread cache freelists", HEAP_AT(thread_free) },
	{ "Bytes in malloc metadata", HEAP_AT(metadata) },
	{ "Actual memory used (physical + swap)", HEAP_AT(used) },
	{ "Bytes released to OS (aka unmapped)", HEAP_AT(unmapped) },
	{ "Tcmalloc page size", HEAP_AT(page) },
};

/* The line's number, and *ret_words behind it; false: it is none of the table's. */
static bool heap_number(const char *line, uint64_t *ret, const char **ret_words)
{
	static const char mark[] = "MALLOC:";
	char *end;

	if (strncmp(line, mark, strlen(mark)) != 0)
		return false;
	line += strlen(mark);
	line += strspn(line, " +=");
	*ret = strtoull(line, &end, 10);
	if (end == line)
		return false;
	line = end + strspn(end, " ");
	if (*line == '(') {
		line = strchr(line, ')');
		if (!line)
			return false;
		line++;
	}
	*ret_words = line + strspn(line, " ");
	return true;
}

int heap_parse(const char *text, struct heap_stats *ret, struct err *err)
{
	bool seen[ARRAY_SIZE(heap_lines)] = { false };
	struct heap_stats stats = { .there = !strstr(text, "not using tcmalloc") };
	const char *words;
	uint64_t v;

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (!heap_number(line, &v, &words))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(heap_lines); i++) {
			size_t len = strlen(heap_lines[i].words);

			if (strncmp(words, heap_lines[i].words, len) != 0 || (words[len] && words[len] != '\n'))
				continue;
			memcpy((char *)&stats + heap_lines[i].offset, &v, sizeof(v));
			seen[i] = true;
		}
	}
	for (size_t i = 0; stats.there && i < ARRAY_SIZE(heap_lines); i++)
		if (!seen[i])
			return err_set(err, ERR_GUEST, "heap stats have no \"%s\": %.100s", heap_lines[i].words, text);
	*ret = stats;
	return 0;
}

/* ---- mempools */

static bool take_pool(const json_t *json, uint64_t *ret_items, uint64_t *ret_bytes)
{
	const json_t *items = json_object_get(json, "items"), *bytes = json_object_get(json, "bytes");

	if (!json_is_integer(items) || !json_is_integer(bytes))
		return false;
	/* shards are summed while they change: a pool may be below zero for a moment */
	*ret_items = json_integer_value(items) > 0 ? (uint64_t)json_integer_value(items) : 0;
	*ret_bytes = json_integer_value(bytes) > 0 ? (uint64_t)json_integer_value(bytes) : 0;
	return true;
}

int mempools_parse(const char *text, struct mempools *ret, struct err *err)
{
	_cleanup_(json_drop) json_t *json = read_json(text, "dump_mempools", err);
	struct mempools pools = { 0 };
	const json_t *mempool, *pool;
	json_t *by_pool;
	const char *name;

	if (!json)
		return -1;
	mempool = json_object_get(json, "mempool");
	by_pool = json_object_get(mempool, "by_pool");
	if (!json_is_object(by_pool) || !take_pool(json_object_get(mempool, "total"), &pools.items, &pools.bytes))
		return err_set(err, ERR_GUEST, "dump_mempools has no mempool.by_pool or no mempool.total");
	json_object_foreach(by_pool, name, pool)
	{
		struct mempool *p = VEC_PUSH(pools.v, pools.n);

		if (strlen(name) >= sizeof(p->name) || !take_pool(pool, &p->items, &p->bytes)) {
			mempools_free(&pools);
			return err_set(err, ERR_GUEST, "dump_mempools: pool %.80s is damaged", name);
		}
		strcpy(p->name, name);
	}
	*ret = pools;
	return 0;
}

void mempools_free(struct mempools *mempools)
{
	free(mempools->v);
	*mempools = (struct mempools){ 0 };
}

/* ---- The cache's target */

static const struct {
	const char *name;
	size_t offset;
} pricache_fields[] = {
	{ "target_bytes", offsetof(struct pricache, target) },
	{ "mapped_bytes", offsetof(struct pricache, mapped) },
	{ "unmapped_bytes", offsetof(struct pricache, unmapped) },
	{ "heap_bytes", offsetof(struct pricache, heap) },
	{ "cache_bytes", offsetof(struct pricache, cache) },
};

int pricache_parse(const char *text, struct pricache *ret, struct err *err)
{
	_cleanup_(json_drop) json_t *json = read_json(text, "perf dump", err);
	struct pricache cache = { 0 };
	const json_t *logger;

	if (!json)
		return -1;
	logger = json_object_get(json, "bluestore-pricache");
	cache.there = logger != NULL;
	for (size_t i = 0; logger && i < ARRAY_SIZE(pricache_fields); i++) {
		double v = number_of(json_object_get(logger, pricache_fields[i].name));

		if (!isfinite(v))
			return err_set(err, ERR_GUEST, "perf dump has no bluestore-pricache.%s",
				       pricache_fields[i].name);
		memcpy((char *)&cache + pricache_fields[i].offset, &v, sizeof(v));
	}
	*ret = cache;
	return 0;
}

/* ---- A file of answers */

/* Is there a heading at @line, "== LABEL NS"? Its parts are cut out in place; *ret_text is behind it. */
static bool heading(char *line, struct reading *ret)
{
	char *label, *number, *end;

	if (strncmp(line, "== ", 3) != 0)
		return false;
	label = line + 3;
	number = label + strcspn(label, " \n");
	if (number == label || *number != ' ')
		return false;
	ret->ns = strtoull(number + 1, &end, 10);
	if (end == number + 1 || *end != '\n')
		return false;
	*number = '\0';
	ret->label = label;
	ret->text = end + 1;
	return true;
}

/* The next line that begins with "== ", from @p on; NULL: there is none. */
static char *find_heading(char *p)
{
	while (p && strncmp(p, "== ", 3) != 0) {
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return p;
}

bool reading_next(char **text, struct reading *ret)
{
	char *at = *text;
	bool found = false;

	while (!found && (at = find_heading(at))) {
		found = heading(at, ret);
		at = found ? (char *)(uintptr_t)ret->text : strchr(at, '\n');
	}
	if (!found)
		return false;
	at = find_heading(at);
	*text = at;
	if (at == ret->text) /* it has none */
		ret->text = "";
	else if (at)
		at[-1] = '\0';
	return true;
}
