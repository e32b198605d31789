// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads one boot for show. */
#include "report/show.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/artifact.h"
#include "wire/wire.h"
#include "workloads/workload.h"

#define TAIL_LINES 15

bool outcome_failed(enum outcome outcome)
{
	return outcome != OUTCOME_OK && outcome != OUTCOME_SKIPPED && outcome != OUTCOME_UNSUPPORTED;
}

char *record_text(const struct wire_record *record, unsigned int i)
{
	if (i >= record->n_fields)
		return xstrdup("");
	return text_visible(record->fields[i].data, record->fields[i].len < 1024 ? record->fields[i].len : 1024);
}

static void take_hello(struct shown_boot *shown, const struct wire_record *record)
{
	if (shown->hello)
		return;
	shown->hello = json_object();
	for (unsigned int i = 0; i + 1 < record->n_fields; i += 2) {
		_cleanup_free_ char *key = record_text(record, i), *value = record_text(record, i + 1);

		json_object_set_new(shown->hello, key, json_string(value));
	}
}

static void read_stream(struct shown_boot *shown)
{
	const struct boot_result *r = &shown->result;
	struct wire_record record;
	size_t offset = 0;

	for (uint32_t n = 0; r->stream && wire_next(r->stream, r->stream_len, &offset, n, &record) == WIRE_OK; n++) {
		if (record.type == WIRE_HELLO) {
			take_hello(shown, &record);
		} else if (record.type == WIRE_SETTING && shown->n_knobs < 4096) {
			struct knob *k = VEC_PUSH(shown->knobs, shown->n_knobs);

			k->path = record_text(&record, 0);
			k->requested = record_text(&record, 1);
			k->effective = record_text(&record, 2);
			k->status = record_text(&record, 3);
		} else if (record.type == WIRE_SERIES) {
			series_take(&shown->series, &record);
		} else if (record.type == WIRE_NOTE && shown->n_notes < 100) {
			*VEC_PUSH(shown->notes, shown->n_notes) = record_text(&record, 0);
		}
	}
}

/* Those that the workload finds in the files that came out. */
static void read_brought(struct shown_boot *shown, const struct cell_record *cell)
{
	const struct workload *workload = cell->workload ? workload_find(cell->workload) : NULL;
	_cleanup_(artifacts_free) struct artifact_list artifacts = { 0 };

	if (!workload || !workload->series || !cell->job || !shown->result.stream)
		return;
	artifacts_read(cell->job, shown->result.stream, shown->result.stream_len, &artifacts);
	workload->series(&artifacts, &shown->series);
}

static json_t *read_json(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);
	json_error_t why;

	return json_load_file(path, JSON_REJECT_DUPLICATES, &why);
}

static void read_console(struct shown_boot *shown)
{
	_cleanup_free_ char *path = path_join(shown->result.dir, "console.log"), *data = NULL;
	size_t len;
	bool oom;

	if (file_read(path, CONSOLE_SIZE_MAX, &data, &len, NULL) < 0)
		return;
	shown->crash = console_crash(data, len, &oom);
	shown->tail = console_tail(data, len, TAIL_LINES);
}

static int read_attempts(const struct run *run, const struct cell_record *cell, struct shown_boot *shown,
			 struct err *err)
{
	_cleanup_free_ unsigned int *numbers = NULL;
	size_t n;

	if (attempt_list(run, cell->id, shown->boot, &numbers, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct shown_attempt *a = VEC_PUSH(shown->attempts, shown->n_attempts);
		struct boot_result result;
		bool complete;

		if (attempt_read(run, cell, shown->boot, numbers[i], &result, &complete, err) < 0)
			return -1;
		*a = (struct shown_attempt){ numbers[i],
					     steal_ptr(result.dir),
					     result.outcome,
					     steal_ptr(result.reason),
					     numbers[i] == shown->result.attempt,
					     result.running };
		boot_result_free(&result);
	}
	return 0;
}

int shown_boot_load(const struct run *run, const struct cell_record *cell, unsigned int boot, struct shown_boot *ret,
		    struct err *err)
{
	struct shown_boot shown = { .boot = boot };
	struct err why = ERR_INIT;

	if (boot_read(run, cell, boot, &shown.result, err) < 0)
		return -1;
	shown.failed = outcome_failed(shown.result.outcome);
	if (!cell->skip && read_attempts(run, cell, &shown, err) < 0) {
		shown_boot_free(&shown);
		return -1;
	}
	if (shown.result.outcome == OUTCOME_OK) {
		shown.measured = boot_measure(cell, &shown.result, &shown.measures, &why) == 0;
		if (!shown.measured) {
			shown.measure_error = xstrdup(why.msg);
			shown.failed = true;
		}
	}
	if (shown.result.dir) {
		shown.host = read_json(shown.result.dir, "host.json");
		shown.done = read_json(shown.result.dir, "done.json");
		if (shown.failed)
			read_console(&shown);
	}
	read_stream(&shown);
	read_brought(&shown, cell);
	*ret = shown;
	return 0;
}

void shown_boot_free(struct shown_boot *shown)
{
	boot_result_free(&shown->result);
	measures_free(&shown->measures);
	free(shown->measure_error);
	for (size_t i = 0; i < shown->n_knobs; i++) {
		free(shown->knobs[i].path);
		free(shown->knobs[i].requested);
		free(shown->knobs[i].effective);
		free(shown->knobs[i].status);
	}
	free(shown->knobs);
	for (size_t i = 0; i < shown->n_notes; i++)
		free(shown->notes[i]);
	free(shown->notes);
	series_list_free(&shown->series);
	for (size_t i = 0; i < shown->n_attempts; i++) {
		free(shown->attempts[i].dir);
		free(shown->attempts[i].reason);
	}
	free(shown->attempts);
	json_decref(shown->hello);
	json_decref(shown->host);
	json_decref(shown->done);
	free(shown->crash);
	free(shown->tail);
	*shown = (struct shown_boot){ 0 };
}
