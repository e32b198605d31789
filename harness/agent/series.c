// SPDX-License-Identifier: GPL-2.0-or-later
/* A series: a few counters, read at a fixed rate of guest time while a program runs. That disturbs the program, so
 * nothing of it is a sample. Rows are kept in the memory of the first snapshot, files are read into that of the second:
 * a series takes no snapshots. */
#include "agent/agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNTERS_MAX 16
#define NONE UINT64_MAX
#define RECORD_ROWS (512u << 10) /* bytes of text in one record */

static struct counter {
	char name[64], path[PATH_SIZE / 2], word[64];
} counters[COUNTERS_MAX];
static unsigned int n_counters;
static uint64_t interval_ns, length_ns;

/* One series, the last. */
static struct {
	struct ticker ticker; /* first: a ticker is one of these */
	uint64_t begin_ns, *rows;
	unsigned int n_rows, runs;
} reading;

_Static_assert((SERIES_ROWS_MAX + 1) * (COUNTERS_MAX + 1) * sizeof(uint64_t) <= SNAPSHOT_BYTES, "rows fit a snapshot");

void series_counter(struct agent *agent, const char *name, const char *path, const char *word)
{
	struct counter *c = &counters[n_counters];

	if (n_counters == COUNTERS_MAX)
		agent_fail(agent, "more than %d counters", COUNTERS_MAX);
	n_counters++;
	snprintf(c->name, sizeof(c->name), "%s", name);
	snprintf(c->path, sizeof(c->path), "%s", path);
	snprintf(c->word, sizeof(c->word), "%s", word);
}

void series_rate(uint64_t interval_ms, uint64_t seconds)
{
	interval_ns = interval_ms * 1000000;
	length_ns = seconds * UINT64_C(1000000000);
}

static uint64_t number_at(const char *p)
{
	char *end;
	uint64_t v;

	while (*p == ' ' || *p == '\t')
		p++;
	v = strtoull(p, &end, 10);
	return end == p || *p == '-' ? NONE : v;
}

static uint64_t number_behind(const char *text, const char *word)
{
	size_t len = strlen(word);

	if (strcmp(word, "-") == 0)
		return number_at(text);
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\t'))
			return number_at(line + len);
	}
	return NONE;
}

/* Counters of one file stand together in the job: it is read once. */
static void read_row(struct agent *agent, uint64_t now_ns)
{
	struct snapshot *scratch = snapshot_get(SNAPSHOT_AFTER);
	uint64_t *row = reading.rows + (size_t)reading.n_rows * (n_counters + 1);
	char path[PATH_SIZE];
	ssize_t len = -1;

	if (reading.n_rows > SERIES_ROWS_MAX)
		return;
	*row++ = now_ns - reading.begin_ns;
	for (unsigned int i = 0; i < n_counters; i++) {
		if (i == 0 || strcmp(counters[i].path, counters[i - 1].path) != 0)
			len = read_small(counted_path(agent, counters[i].path, path), scratch->buf, FILE_CUT);
		*row++ = len < 0 ? NONE : number_behind(scratch->buf, counters[i].word);
	}
	reading.n_rows++;
}

/* A tick that comes late is read late, with its own time, and does not move those after it. */
static void tick(struct agent *agent, struct ticker *ticker)
{
	uint64_t now = agent_now(agent);

	read_row(agent, now);
	while (ticker->next_ns <= now)
		ticker->next_ns += interval_ns;
	if (ticker->next_ns > reading.begin_ns + length_ns)
		ticker->next_ns = UINT64_MAX;
}

/* In a fake guest, whose clock stands still while programs run, an interval passes with each of them. */
static void fake_run(struct agent *agent, char *const argv[], uint64_t timeout_s, struct exec_result *result)
{
	exec_program(agent, argv, timeout_s, NULL, NULL, result);
	agent->fake_ns = reading.begin_ns + (reading.runs + 1) * interval_ns;
	read_row(agent, agent->fake_ns);
}

void series_run(struct agent *agent, char *const argv[], uint64_t timeout_s, struct exec_result *result)
{
	uint64_t end;

	if (!interval_ns)
		agent_fail(agent, "a series without a rate");
	reading.rows = (uint64_t *)(void *)snapshot_get(SNAPSHOT_BEFORE)->buf;
	reading.n_rows = reading.runs = 0;
	reading.begin_ns = agent_now(agent);
	end = reading.begin_ns + length_ns;
	reading.ticker = (struct ticker){ reading.begin_ns + interval_ns, tick };
	read_row(agent, reading.begin_ns);
	do {
		if (agent->fake)
			fake_run(agent, argv, timeout_s, result);
		else
			exec_program(agent, argv, timeout_s, NULL, &reading.ticker, result);
		reading.runs++;
	} while (result->ok && agent_now(agent) < end);
}

static size_t put_row(const uint64_t *row, char *buf, size_t size)
{
	size_t used = 0;

	for (unsigned int i = 0; i <= n_counters; i++) {
		const char *blank = i ? " " : "";

		used += (size_t)(row[i] == NONE ? snprintf(buf + used, size - used, "%s-", blank)
						: snprintf(buf + used, size - used, "%s%" PRIu64, blank, row[i]));
	}
	return used + (size_t)snprintf(buf + used, size - used, "\n");
}

void series_emit(struct agent *agent, const char *phase, const char *index)
{
	static char names[COUNTERS_MAX * sizeof(struct counter)];
	char interval[24], runs[24], *text = snapshot_get(SNAPSHOT_AFTER)->buf;
	size_t n_names = 0, used = 0;

	snprintf(interval, sizeof(interval), "%" PRIu64, interval_ns);
	snprintf(runs, sizeof(runs), "%u", reading.runs);
	for (unsigned int i = 0; i < n_counters; i++)
		n_names += (size_t)snprintf(names + n_names, sizeof(names) - n_names, "%s %s %s\n", counters[i].name,
					    counters[i].path, counters[i].word);
	for (unsigned int i = 0; i < reading.n_rows; i++) {
		used += put_row(reading.rows + (size_t)i * (n_counters + 1), text + used, SNAPSHOT_BYTES - used);
		if (used < RECORD_ROWS && i + 1 < reading.n_rows)
			continue;
		emit(agent, WIRE_SERIES,
		     (const struct wire_field[]){ text_field(phase),
						  text_field(index),
						  text_field(interval),
						  text_field(runs),
						  { names, n_names },
						  { text, used } },
		     6);
		used = 0;
	}
}
