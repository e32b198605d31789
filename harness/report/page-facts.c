// SPDX-License-Identifier: GPL-2.0-or-later
/* What a page shows beside numbers, and no comparison keeps: settings as read back, consoles of failed boots. */
#include <string.h>

#include "base/mem.h"
#include "report/page.h"
#include "report/show.h"
#include "wire/wire.h"

/* The settings of @stream as columns; owned by the caller. */
static json_t *settings_of(const char *stream, size_t len)
{
	static const char *const keys[] = { "path", "requested", "effective", "status" };
	json_t *set = json_object();
	struct wire_record record;
	size_t offset = 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set_new(set, keys[i], json_array());
	for (uint32_t n = 0; wire_next(stream, len, &offset, n, &record) == WIRE_OK; n++) {
		/* the first program runs when all of them are written */
		if (record.type == WIRE_EXEC)
			break;
		if (record.type != WIRE_SETTING)
			continue;
		for (unsigned int i = 0; i < ARRAY_SIZE(keys); i++) {
			_cleanup_free_ char *value = record_text(&record, i);

			json_array_append_new(json_object_get(set, keys[i]), json_string(value));
		}
	}
	return set;
}

/* The first boot of @cell that has settings, ok or not: what did not take is what one looks for. */
static int read_settings(const struct run *run, const struct cell_record *cell, json_t **ret, struct err *err)
{
	size_t boots = cell_boots(run, cell);

	*ret = NULL;
	for (unsigned int boot = 1; boot <= boots; boot++) {
		struct boot_result r;

		if (boot_read(run, cell, boot, &r, err) < 0)
			return -1;
		if (r.stream)
			*ret = settings_of(r.stream, r.stream_len);
		boot_result_free(&r);
		if (*ret && json_array_size(json_object_get(*ret, "path")))
			return 0;
		json_decref(*ret);
		*ret = NULL;
	}
	return 0;
}

int page_settings(const struct page_input *in, json_t **ret, struct err *err)
{
	json_t *sets = json_array(), *of = json_array(), *numbers = json_object();
	int rc = 0;

	for (size_t r = 0; rc == 0 && r < in->n_runs; r++) {
		json_t *cells = json_object();

		json_array_append_new(of, cells);
		for (size_t i = 0; rc == 0 && i < in->runs[r]->n_cells; i++) {
			const struct cell_record *cell = &in->runs[r]->cells[i];
			char *key;
			json_t *set;

			rc = read_settings(in->runs[r], cell, &set, err);
			if (rc < 0 || !set)
				continue;
			key = json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS);
			if (!json_object_get(numbers, key)) {
				json_object_set_new(numbers, key, json_integer((json_int_t)json_array_size(sets)));
				json_array_append(sets, set);
			}
			json_object_set(cells, cell->id, json_object_get(numbers, key));
			json_decref(set);
			free(key);
		}
	}
	json_decref(numbers);
	*ret = json_pack("{so,so}", "sets", sets, "of", of);
	if (rc == 0)
		return 0;
	json_decref(*ret);
	*ret = NULL;
	return -1;
}

static int add_console(const struct run *run, size_t nr, const struct trouble *t, json_t *list, struct err *err)
{
	const struct cell_record *cell = run_find_cell(run, t->cell);
	struct shown_boot shown;

	if (!cell)
		return 0;
	if (shown_boot_load(run, cell, t->boot, &shown, err) < 0)
		return -1;
	if (shown.crash || (shown.tail && *shown.tail))
		json_array_append_new(
			list, json_pack("{sI,ss,sI,ss,ss,sI,ss,ss}", "run", (json_int_t)nr, "cell", t->cell, "boot",
					(json_int_t)t->boot, "outcome", outcome_names[t->outcome], "reason", t->reason,
					"attempt", (json_int_t)shown.result.attempt, "crash",
					shown.crash ? shown.crash : "", "tail", shown.tail ? shown.tail : ""));
	shown_boot_free(&shown);
	return 0;
}

/* Which run a boot that failed is of: troubles name a side by its label, or by its directory. */
static size_t run_of(const struct page_input *in, size_t comparison, const struct trouble *t)
{
	size_t last = in->n_runs > 1 ? comparison + 1 : 0;

	return last < in->n_runs && !strcmp(t->arm, in->runs[last]->dir) ? last : 0;
}

int page_consoles(const struct page_input *in, json_t **ret, struct err *err)
{
	json_t *list = json_array();

	for (size_t c = 0; c < in->n_comparisons; c++) {
		const struct comparison *comparison = in->comparisons[c];

		for (size_t i = 0; i < comparison->n_troubles && json_array_size(list) < PAGE_CONSOLES; i++) {
			const struct trouble *t = &comparison->troubles[i];
			size_t run = run_of(in, c, t);

			/* each comparison of a trend tells of the first run's boots again */
			if (!t->boot || !t->failed || (c && run == 0))
				continue;
			if (add_console(in->runs[run], run, t, list, err) == 0)
				continue;
			json_decref(list);
			return -1;
		}
	}
	*ret = list;
	return 0;
}
