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
static void add_hardware(struct cell_data *data, const json_t *host)
{
	json_t *of = json_object_get(host, "hardware"), *value;
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
}

static void take_details(struct cell_data *data, const struct boot_result *result)
{
	data->knobs = stream_knobs(result->stream ? result->stream : "", result->stream_len);
	data->host = read_host(result->dir);
}

/* One boot; of the first also the knobs and the host behind it. Touches nothing of other boots. */
static int load_boot(const struct run *run, struct cell_data *data, unsigned int boot, struct err *err)
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
	if (b->measured && boot == 1)
		take_details(data, &result);
	if (b->measured && data->cell->basis == BASIS_HARDWARE)
		b->host = read_host(result.dir);
	boot_result_free(&result);
	return 0;
}

/* Of a cell whose first boot was not measured: the first that was is read again, for its knobs and host. */
static int load_details(const struct run *run, struct cell_data *data, struct err *err)
{
	for (size_t i = 0; !data->knobs && i < data->n_boots; i++) {
		struct boot_result result;

		if (!data->boots[i].measured)
			continue;
		if (boot_read(run, data->cell, (unsigned int)i + 1, &result, err) < 0)
			return -1;
		if (result.dir)
			take_details(data, &result);
		boot_result_free(&result);
	}
	return 0;
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
		if (b->measured && data->cell->basis == BASIS_HARDWARE)
			add_hardware(data, b->host);
	}
	data->inert = measured && data->cell->asks_folios && !moved;
}

void cell_data_free(struct cell_data *data)
{
	for (size_t i = 0; i < data->n_boots; i++) {
		free(data->boots[i].reason);
		json_decref(data->boots[i].host);
		measures_free(&data->boots[i].measures);
	}
	free(data->boots);
	json_decref(data->host);
	json_decref(data->hardware);
	json_decref(data->knobs);
	*data = (struct cell_data){ 0 };
}

const struct boot_data *cell_first_measured(const struct cell_data *data)
{
	for (size_t i = 0; i < data->n_boots; i++)
		if (data->boots[i].measured)
			return &data->boots[i];
	return NULL;
}

const struct measure *boot_measure_find(const struct boot_data *boot, const char *name, size_t hint)
{
	if (!boot->measured)
		return NULL;
	if (hint < boot->measures.n && !strcmp(boot->measures.v[hint].name, name))
		return &boot->measures.v[hint];
	return measures_find(&boot->measures, name);
}

/* ---- Side by side: reading boots is most of what a comparison costs, and boots have nothing to do with each other.
 * Threads read ahead; who asks for a cell that is not ready reads with them. */

#define THREADS_MOST 8
#define BOOTS_EACH 3  /* fewer are read sooner than a thread is made */
#define CELLS_AHEAD 2 /* for each thread */

struct slot {
	struct cell_data data;
	bool open;
	size_t begun, ended; /* boots */
	size_t failed;	     /* the first boot that cannot be read; 0: none */
	struct err err;	     /* its */
};

struct loader {
	const struct loader_cell *cells; /* borrowed */
	size_t n;
	struct slot *slots; /* owned: a ring, of the cells from @taken on */
	size_t n_slots;
	size_t taken, at; /* cells; @at: whose boots are being begun */
	bool stop;
	pthread_mutex_t lock; /* of all that changes here */
	pthread_cond_t work, ready;
	pthread_t threads[THREADS_MOST];
	size_t n_threads;
};

static void slot_open(struct slot *s, const struct loader_cell *cell)
{
	*s = (struct slot){ .open = true, .err = ERR_INIT };
	s->data.cell = cell->cell;
	s->data.n_boots = cell_boots(cell->run, cell->cell);
	s->data.boots = xcalloc(s->data.n_boots + 1, sizeof(*s->data.boots));
}

/* The next boot to read, if there is one within reach; the lock is held. */
static struct slot *begin_boot(struct loader *l, const struct run **ret_run, unsigned int *ret_boot)
{
	for (; !l->stop && l->at < l->n && l->at < l->taken + l->n_slots; l->at++) {
		struct slot *s = &l->slots[l->at % l->n_slots];

		if (!s->open)
			slot_open(s, &l->cells[l->at]);
		if (s->begun == s->data.n_boots)
			continue;
		*ret_run = l->cells[l->at].run;
		*ret_boot = (unsigned int)++s->begun;
		return s;
	}
	return NULL;
}

/* Read one boot; false: there is none to be begun. The lock is held, but not while reading. */
static bool read_one(struct loader *l)
{
	struct err err = ERR_INIT;
	const struct run *run;
	unsigned int boot;
	struct slot *s = begin_boot(l, &run, &boot);
	int rc;

	if (!s)
		return false;
	pthread_mutex_unlock(&l->lock);
	rc = load_boot(run, &s->data, boot, &err);
	pthread_mutex_lock(&l->lock);
	if (rc < 0 && (!s->failed || boot < s->failed)) {
		s->failed = boot;
		s->err = err;
	}
	if (++s->ended == s->data.n_boots)
		pthread_cond_signal(&l->ready);
	return true;
}

static void *read_ahead(void *arg)
{
	struct loader *l = arg;

	pthread_mutex_lock(&l->lock);
	while (!l->stop)
		if (!read_one(l) && !l->stop)
			pthread_cond_wait(&l->work, &l->lock);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

struct loader *loader_start(const struct loader_cell *cells, size_t n)
{
	size_t most = (size_t)sysconf(_SC_NPROCESSORS_ONLN), boots = 0;
	struct loader *l = xcalloc(1, sizeof(*l));

	for (size_t i = 0; i < n; i++)
		boots += cells[i].cell->boots;
	most = most < THREADS_MOST ? most : THREADS_MOST;
	most = most < boots / BOOTS_EACH ? most : boots / BOOTS_EACH;
	most = most ? most : 1;
	l->cells = cells;
	l->n = n;
	l->n_slots = CELLS_AHEAD * most;
	l->slots = xcalloc(l->n_slots, sizeof(*l->slots));
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->work, NULL);
	pthread_cond_init(&l->ready, NULL);
	/* who asks is one of them */
	for (; l->n_threads + 1 < most; l->n_threads++)
		if (pthread_create(&l->threads[l->n_threads], NULL, read_ahead, l))
			break;
	return l;
}

int loader_next(struct loader *l, struct cell_data *ret, struct err *err)
{
	const struct run *run = l->cells[l->taken].run;
	struct slot *s = &l->slots[l->taken % l->n_slots], got;
	int rc = 0;

	pthread_mutex_lock(&l->lock);
	while (!s->open || s->ended < s->data.n_boots)
		if (!read_one(l) && (!s->open || s->ended < s->data.n_boots))
			pthread_cond_wait(&l->ready, &l->lock);
	got = *s;
	*s = (struct slot){ 0 };
	l->at = l->at > l->taken ? l->at : l->taken + 1;
	l->taken++;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	if (got.failed) {
		*err = got.err;
		rc = -1;
	}
	if (rc == 0)
		rc = load_details(run, &got.data, err);
	if (rc < 0) {
		cell_data_free(&got.data);
		return -1;
	}
	sum_up(&got.data);
	*ret = got.data;
	return 0;
}

void loader_free(struct loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	for (size_t i = 0; i < l->n_threads; i++)
		pthread_join(l->threads[i], NULL);
	for (size_t i = 0; i < l->n_slots; i++)
		cell_data_free(&l->slots[i].data);
	pthread_cond_destroy(&l->ready);
	pthread_cond_destroy(&l->work);
	pthread_mutex_destroy(&l->lock);
	free(l->slots);
	free(l);
}

int cell_load(const struct run *run, const struct cell_record *cell, struct cell_data *ret, struct err *err)
{
	const struct loader_cell one = { run, cell };
	_cleanup_(loader_free_p) struct loader *l = loader_start(&one, 1);

	return loader_next(l, ret, err);
}
