// SPDX-License-Identifier: GPL-2.0-or-later
/* What the CPUs' event counters say of a sample: FILE agent/pmu before and after it (wire/wire.h), which holds whatever ran
 * in the guest from there to here: the program, its start and its end, its servers, interrupts, the agent. */
#include "store/reader.h"

#include <stdio.h>
#include <string.h>

#define FILE_NAME "agent/pmu"
#define LINES_MAX 64

struct line {
	struct span event, half;
	double value, enabled, running;
};

static bool next_line(struct span *text, struct line *ret)
{
	struct span line, words[5], rest;

	if (!span_next_line(text, &line))
		return false;
	for (int i = 0; i < 5; i++)
		if (!span_next_word(&line, &words[i]))
			return false;
	ret->event = words[0];
	ret->half = words[1];
	return !span_next_word(&line, &rest) && span_number(words[2], &ret->value) &&
	       span_number(words[3], &ret->enabled) && span_number(words[4], &ret->running);
}

/* "inst_retired", "user" -> "pmu.insns_user"; false: a name that is none. */
static bool measure_name(const struct line *line, char buf[SUFFIX_SIZE])
{
	static const struct {
		const char *event, *name;
	} names[] = { { "inst_retired", "insns" }, { "cpu_cycles", "cycles" } };
	char event[48];

	if (line->event.len >= sizeof(event) || (!span_is(line->half, "user") && !span_is(line->half, "kernel")))
		return false;
	snprintf(event, sizeof(event), "%.*s", (int)line->event.len, line->event.s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(event, names[i].event))
			strcpy(event, names[i].name);
	snprintf(buf, SUFFIX_SIZE, "pmu.%s_%.*s", event, (int)line->half.len, line->half.s);
	return name_safe(event);
}

/* A guest that had the counters for a part of the time only does not know the rest: no value, but how large that part
 * was. */
void pmu_measure(struct reader *r)
{
	const struct step *s = &r->step;
	const struct file *first = file_find(s->files, s->n_files, FILE_NAME, false);
	const struct file *last = file_find(s->files, s->n_files, FILE_NAME, true);
	double insns = 0, cycles = 0, counted = 1;
	struct line before, after;
	struct span old, now;

	if (!first || !last)
		return;
	old = first->content;
	now = last->content;
	for (int i = 0; i < LINES_MAX && next_line(&old, &before) && next_line(&now, &after); i++) {
		double enabled = after.enabled - before.enabled, running = after.running - before.running;
		char name[SUFFIX_SIZE];

		if (!span_equal(before.event, after.event) || !span_equal(before.half, after.half) ||
		    after.value < before.value || enabled <= 0 || !measure_name(&after, name))
			break;
		if (running < enabled) {
			counted = running / enabled;
			continue;
		}
		reader_count(r, name, after.value - before.value);
		if (span_is(after.event, "inst_retired"))
			insns += after.value - before.value;
		if (span_is(after.event, "cpu_cycles"))
			cycles += after.value - before.value;
	}
	reader_add(r, s->phase, "pmu.counted", counted);
	if (insns > 0 && cycles > 0)
		reader_add(r, s->phase, "pmu.insns_per_cycle", insns / cycles);
}
