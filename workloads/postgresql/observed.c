// SPDX-License-Identifier: GPL-2.0-or-later
/* Counters by tables of their names: a version that counts otherwise is a line more. */
#include "observed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "store/span.h"

#define SECTOR_BYTES 512
#define NAME_MAX_BYTES 200
#define ALTERNATIVES_MAX 3

/* Where a number comes from: the sum of the counters that match one of the globs, by @scale (0: the server's block). */
struct source {
	const char *globs[3];
	double scale;
};

/* Of the alternatives the first that this server has counts. */
static const struct quantity {
	const char *what;
	size_t at; /* in struct io_counts */
	bool always;
	struct source sources[ALTERNATIVES_MAX];
} quantities[] = {
	{ "WAL records", offsetof(struct io_counts, wal_records), true, { { { "pg_stat_wal.wal_records" }, 1 } } },
	{ "full pages", offsetof(struct io_counts, wal_full_pages), true, { { { "pg_stat_wal.wal_fpi" }, 1 } } },
	{ "WAL bytes", offsetof(struct io_counts, wal_bytes), true, { { { "pg_stat_wal.wal_bytes" }, 1 } } },
	{ "WAL written",
	  offsetof(struct io_counts, wal_written),
	  false,
	  { { { "pg_stat_io.*.wal.normal.write_bytes" }, 1 } } },
	{ "data written",
	  offsetof(struct io_counts, data_written),
	  true,
	  { /* 18 counts calls as writes and extends, and bytes beside them */
	    { { "pg_stat_io.*.relation.*.write_bytes", "pg_stat_io.*.relation.*.extend_bytes" }, 1 },
	    /* 16 and 17 count blocks */
	    { { "pg_stat_io.*.relation.*.writes", "pg_stat_io.*.relation.*.extends" }, 0 },
	    /* 15; what backends extend files by is in buffers_backend */
	    { { "pg_stat_bgwriter.buffers_checkpoint", "pg_stat_bgwriter.buffers_clean",
		"pg_stat_bgwriter.buffers_backend" },
	      0 } } },
	/* the 3rd and 7th number of the device's stat (Documentation/block/stat.rst) */
	{ "device read", offsetof(struct io_counts, device_read), false, { { { "device.2" }, SECTOR_BYTES } } },
	{ "device written", offsetof(struct io_counts, device_written), false, { { { "device.6" }, SECTOR_BYTES } } },
};

/* Sums of one half, by quantity and alternative; NAN: no counter matched. */
struct half {
	double sums[ARRAY_SIZE(quantities)][ALTERNATIVES_MAX];
	bool seen;
};

static void take_counter(struct half *half, const char *name, double value)
{
	for (size_t q = 0; q < ARRAY_SIZE(quantities); q++) {
		for (size_t a = 0; a < ALTERNATIVES_MAX; a++) {
			const struct source *s = &quantities[q].sources[a];
			double *sum = &half->sums[q][a];

			for (size_t g = 0; g < ARRAY_SIZE(s->globs) && s->globs[g]; g++)
				if (glob_match(s->globs[g], name))
					*sum = (isnan(*sum) ? 0 : *sum) + value;
		}
	}
}

/* "device 5 1 8 99 ...": each number a counter, device.0 and so on. */
static void take_device(struct half *half, struct span numbers)
{
	struct span word;
	double v;

	for (unsigned int i = 0; span_next_word(&numbers, &word) && span_number(word, &v); i++) {
		char name[32];

		snprintf(name, sizeof(name), "device.%u", i);
		take_counter(half, name, v);
	}
}

static void take_line(struct half *half, struct span line)
{
	char name[NAME_MAX_BYTES];
	struct span key;
	double v;

	if (!span_next_word(&line, &key) || key.len >= sizeof(name))
		return;
	memcpy(name, key.s, key.len);
	name[key.len] = '\0';
	if (!strcmp(name, "device"))
		take_device(half, line);
	else if (span_number(line, &v))
		take_counter(half, name, v);
}

static void read_halves(const char *text, struct half halves[2])
{
	struct span rest = { text, strlen(text) }, line;
	struct half *now = NULL;

	for (size_t h = 0; h < 2; h++)
		for (size_t q = 0; q < ARRAY_SIZE(quantities); q++)
			for (size_t a = 0; a < ALTERNATIVES_MAX; a++)
				halves[h].sums[q][a] = NAN;
	while (span_next_line(&rest, &line)) {
		if (span_is(line, "before") || span_is(line, "after"))
			(now = &halves[span_is(line, "after")])->seen = true;
		else if (now)
			take_line(now, line);
	}
}

int io_counts_parse(const char *text, double block_bytes, struct io_counts *ret, struct err *err)
{
	struct half halves[2] = { 0 };

	read_halves(text, halves);
	if (!halves[0].seen || !halves[1].seen)
		return err_set(err, ERR_GUEST, "the counters of before or of after the run are missing");
	for (size_t i = 0; i < ARRAY_SIZE(quantities); i++) {
		const struct quantity *q = &quantities[i];
		double *value = (double *)(void *)((char *)ret + q->at), before, scale;
		size_t a = 0;

		while (a < ALTERNATIVES_MAX && isnan(halves[1].sums[i][a]))
			a++;
		*value = NAN;
		if (a == ALTERNATIVES_MAX) {
			if (q->always)
				return err_set(err, ERR_GUEST, "the server's counters have no %s", q->what);
			continue;
		}
		/* of pg_stat_io a counter that is 0 is left out */
		before = isnan(halves[0].sums[i][a]) ? 0 : halves[0].sums[i][a];
		scale = q->sources[a].scale ? q->sources[a].scale : block_bytes;
		*value = (halves[1].sums[i][a] - before) * scale;
		if (*value < 0)
			return err_set(err, ERR_GUEST, "%s: the counter went back from %.0f to %.0f", q->what, before,
				       halves[1].sums[i][a]);
	}
	return 0;
}

/* ---- settings */

bool pg_setting(const char *text, const char *name, char *buf, size_t size)
{
	struct span rest = { text, strlen(text) }, line;
	size_t len = strlen(name);

	while (span_next_line(&rest, &line)) {
		const char *begin, *end;
		size_t n;

		if (line.len <= len || memcmp(line.s, name, len) != 0 || line.s[len] != '\t')
			continue;
		begin = line.s + len + 1;
		end = memchr(begin, '\t', line.len - len - 1);
		n = end ? (size_t)(end - begin) : line.len - len - 1;
		n = n < size - 1 ? n : size - 1;
		memcpy(buf, begin, n);
		buf[n] = '\0';
		return true;
	}
	return false;
}

double pg_setting_number(const char *text, const char *name)
{
	char value[64];
	double v;

	if (!pg_setting(text, name, value, sizeof(value)) || !span_number((struct span){ value, strlen(value) }, &v))
		return NAN;
	return v;
}

/* ---- double buffering */

int buffered_parse(const char *text, struct buffered *ret, struct err *err)
{
	struct span all = { text, strlen(text) };
	double unmatched, in_memory;
	const struct {
		const char *key;
		double *value;
	} keys[] = {
		{ "shared", &ret->shared },	    { "unmatched", &unmatched }, { "files", &ret->files },
		{ "cached", &ret->cached },	    { "behind", &ret->behind },	 { "both", &ret->both },
		{ "wal_cached", &ret->wal_cached },
	};

	*ret = (struct buffered){ 0 };
	ret->in_memory = span_table_value(all, "in_memory", &in_memory) && in_memory == 1;
	for (size_t i = 0; !ret->in_memory && i < ARRAY_SIZE(keys); i++)
		if (!span_table_value(all, keys[i].key, keys[i].value))
			return err_set(err, ERR_GUEST, "double buffering: there is no '%s'", keys[i].key);
	if (ret->in_memory)
		return 0;
	if (ret->shared > 0 && unmatched > ret->shared / 2)
		return err_set(err, ERR_GUEST,
			       "double buffering: of %.0f bytes in shared buffers %.0f belong to no file", ret->shared,
			       unmatched);
	if (ret->both > ret->shared || ret->both > ret->cached || ret->cached - ret->behind > ret->files)
		return err_set(err, ERR_GUEST,
			       "double buffering: %.0f bytes in both, %.0f in shared buffers, %.0f in the page cache, "
			       "of which "
			       "%.0f behind the ends of files of %.0f",
			       ret->both, ret->shared, ret->cached, ret->behind, ret->files);
	return 0;
}
