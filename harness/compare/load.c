// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads boots and keeps numbers. Compares nothing. */
#include "compare/load.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "wire/wire.h"

json_t *stream_knobs(const char *stream, size_t len)
{
	json_t *knobs = json_object();
	struct wire_record record;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(stream, len, &offset, n, &record) == WIRE_OK; n++) {
		char path[256], effective[256];
		_cleanup_free_ char *key = NULL, *value = NULL;

		if (record.type != WIRE_SETTING)
			continue;
		wire_text(&record, 0, path, sizeof(path));
		wire_text(&record,
			  wire_is(&record, 3, "ok") || wire_is(&record, 3, "differs") ||
					  wire_is(&record, 3, "inherited")
				  ? 2
				  : 3,
			  effective, sizeof(effective));
		key = text_visible(path, strlen(path));
		value = text_visible(effective, strlen(effective));
		json_object_set_new(knobs, key, json_string(value));
	}
	return knobs;
}

static json_t *read_host(const char *attempt_dir)
{
	_cleanup_free_ char *path = path_join(attempt_dir, "host.json");
	json_error_t why;

	return json_load_file(path, JSON_REJECT_DUPLICATES, &why);
}

static void add_value(json_t *all, const char *key, json_t *value)
{
	json_t *had = json_object_get(all, key), *list;

	if (!had || json_equal(had, value)) {
		json_object_set(all, key, value);
		return;
	}
	list = json_is_array(had) ? json_incref(had) : json_pack("[O]", had);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			value = NULL;
	if (value)
		json_array_append(list, value);
	json_object_set_new(all, key, list);
}

/* A boot without a value has another than those with one. */
static void add_hardware(struct cell_data *data, const char *attempt_dir)
{
	json_t *host = read_host(attempt_dir), *of = json_object_get(host, "hardware"), *value;
	bool first = !data->hardware;
	const char *key;

	if (first)
		data->hardware = json_object();
	json_object_foreach(of, key, value)
	{
		if (!first && !json_object_get(data->hardware, key))
			json_object_set_new(data->hardware, key, json_null());
		add_value(data->hardware, key, value);
	}
	json_object_foreach(data->hardware, key, value) if (!json_object_get(of, key))
		add_value(data->hardware, key, json_null());
	json_decref(host);
}

/* One boot; @detailed: also the knobs and the host behind it. Touches nothing of other boots. */
static int load_boot(const struct run *run, struct cell_data *data, unsigned int boot, bool detailed, struct err *err)
{
	struct boot_data *b = &data->boots[boot - 1];
	struct boot_result result;
	struct err why = ERR_INIT;

	if (boot_read(run, data->cell, boot, &result, err) < 0)
		return -1;
	b->outcome = result.outcome;
	b->reused = result.reused;
	b->reason = steal_ptr(result.reason);
	if (b->outcome == OUTCOME_OK) {
		if (boot_measure(data->cell, &result, &b->measures, &why) < 0) {
			b->outcome = OUTCOME_WORKLOAD_FAILED;
			b->reason = xstrdup(why.msg);
		} else {
			b->measured = true;
		}
	}
	if (b->measured && detailed) {
		data->knobs = stream_knobs(result.stream, result.stream_len);
		data->host = read_host(result.dir);
	}
	if (b->measured && data->cell->basis == BASIS_HARDWARE)
		b->dir = xstrdup(result.dir);
	boot_result_free(&result);
	return 0;
}

/* ---- Side by side: reading a boot is most of what a comparison costs, and boots have nothing to do with each other */

#define THREADS_MOST 8
#define BOOTS_EACH 3 /* fewer are read sooner than a thread is made */

struct loading {
	const struct run *run;
	struct cell_data *data;
	size_t first, step; /* boots first, first + step, ... */
	int rc;
	struct err err;
};

static void *load_some(void *arg)
{
	struct loading *l = arg;

	for (size_t boot = l->first; l->rc == 0 && boot <= l->data->n_boots; boot += l->step)
		l->rc = load_boot(l->run, l->data, (unsigned int)boot, false, &l->err);
	return NULL;
}

/* From boot @first on, none of which is looked at for details. */
static int load_rest(const struct run *run, struct cell_data *data, size_t first, struct err *err)
{
	size_t left = data->n_boots + 1 - first, n = (size_t)sysconf(_SC_NPROCESSORS_ONLN), started = 1;
	struct loading all[THREADS_MOST] = { 0 };
	pthread_t threads[THREADS_MOST];
	int rc = 0;

	n = n < THREADS_MOST ? n : THREADS_MOST;
	n = n < left / BOOTS_EACH ? n : left / BOOTS_EACH;
	n = n ? n : 1;
	for (size_t i = 0; i < n; i++)
		all[i] = (struct loading){ .run = run, .data = data, .first = first + i, .step = n, .err = ERR_INIT };
	for (; started < n; started++)
		if (pthread_create(&threads[started], NULL, load_some, &all[started]))
			break;
	load_some(&all[0]);
	/* what no thread was to be had for */
	for (size_t i = started; i < n; i++)
		load_some(&all[i]);
	for (size_t i = 1; i < started; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = all[i].rc;
		if (rc < 0)
			*err = all[i].err;
	}
	return rc;
}

/* What all boots together say. */
static void sum_up(struct cell_data *data)
{
	bool moved = false, measured = false;

	for (size_t i = 0; i < data->n_boots; i++) {
		struct boot_data *b = &data->boots[i];

		data->n_reused += b->reused;
		measured |= b->measured;
		moved |= b->measured && b->measures.folios_moved;
		if (b->dir)
			add_hardware(data, b->dir);
	}
	data->inert = measured && data->cell->asks_folios && !moved;
}

int cell_load(const struct run *run, const struct cell_record *cell, struct cell_data *ret, struct err *err)
{
	struct cell_data data = { .cell = cell, .n_boots = cell_boots(run, cell) };
	size_t boot = 1;
	int rc = 0;

	data.boots = xcalloc(data.n_boots + 1, sizeof(*data.boots));
	for (; rc == 0 && boot <= data.n_boots && !data.knobs; boot++)
		rc = load_boot(run, &data, (unsigned int)boot, true, err);
	if (rc == 0 && boot <= data.n_boots)
		rc = load_rest(run, &data, boot, err);
	if (rc < 0) {
		cell_data_free(&data);
		return -1;
	}
	sum_up(&data);
	*ret = data;
	return 0;
}

void cell_data_free(struct cell_data *data)
{
	for (size_t i = 0; i < data->n_boots; i++) {
		free(data->boots[i].reason);
		free(data->boots[i].dir);
		measures_free(&data->boots[i].measures);
	}
	free(data->boots);
	json_decref(data->host);
	json_decref(data->hardware);
	json_decref(data->knobs);
	*data = (struct cell_data){ 0 };
}
