// SPDX-License-Identifier: GPL-2.0-or-later
/* One line of cells.jsonl to and from a struct. Knows no file. Reading checks everything that later becomes a path or
 * a divisor, because a run directory may come from another machine. */
#include "store/internal.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

enum field_type { FIELD_STRING, FIELD_U64, FIELD_BOOL, FIELD_REAL };

/* One table drives writing and reading. @needed: a runnable cell must have it. */
static const struct field {
	const char *key;
	enum field_type type;
	size_t offset;
	bool needed;
	uint64_t min, max; /* of numbers in a runnable cell; max 0: none */
	bool adaptive;	   /* only in the line of a cell that is */
} fields[] = {
#define STRING(name, needed)                                                                                           \
	{                                                                                                              \
#name, FIELD_STRING, offsetof(struct cell_record, name), needed, 0, 0, false                           \
	}
#define NUMBER(name, min, max)                                                                                         \
	{                                                                                                              \
#name, FIELD_U64, offsetof(struct cell_record, name), true, min, max, false                            \
	}
	STRING(id, true),
	STRING(skip, false),
	STRING(kernel_path, true),
	STRING(kernel_sha256, true),
	STRING(kernel_release, true),
	STRING(system_map, false),
	STRING(basis_reason, false),
	STRING(cpu_model, true),
	STRING(command_line, true),
	STRING(job, true),
	STRING(workload, true),
	NUMBER(page_bytes, 4096, 65536),
	NUMBER(cpus, 1, 4096),
	NUMBER(memory_bytes, 1 << 20, 0),
	NUMBER(timeout_s, 0, 0),
	NUMBER(boots, 1, 100000),
	{ "work_bytes", FIELD_U64, offsetof(struct cell_record, work_bytes), false, 0, 0, false },
	{ "boots_most", FIELD_U64, offsetof(struct cell_record, boots_most), false, 0, 100000, true },
	{ "half_width", FIELD_REAL, offsetof(struct cell_record, half_width), false, 0, 0, true },
	STRING(until_metric, false),
	{ "asks_folios", FIELD_BOOL, offsetof(struct cell_record, asks_folios), false, 0, 0, false },
};

bool cell_id_valid(const char *id)
{
	size_t len = strlen(id);

	return len >= 1 && len <= 200 && id[0] != '.' &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static json_t *field_json(const struct cell_record *cell, const struct field *f)
{
	const char *base = (const char *)cell + f->offset;

	if (f->adaptive && !cell->boots_most)
		return NULL;
	switch (f->type) {
	case FIELD_STRING:
		return *(char *const *)(const void *)base ? json_string(*(char *const *)(const void *)base) : NULL;
	case FIELD_U64:
		return json_integer((json_int_t) * (const uint64_t *)(const void *)base);
	case FIELD_REAL:
		return json_real(*(const double *)(const void *)base);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)(const void *)base);
	}
	return NULL;
}

char *cell_record_format(const struct cell_record *cell)
{
	json_t *o = json_object(), *axes = json_array(), *programs = json_array(), *disks = json_array();
	char *line;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *value = field_json(cell, &fields[i]);

		if (value)
			json_object_set_new(o, fields[i].key, value);
	}
	for (size_t i = 0; i < cell->n_axes; i++)
		json_array_append_new(axes,
				      json_pack("{ss,ss}", "axis", cell->axes[i].axis, "label", cell->axes[i].label));
	json_object_set_new(o, "axes", axes);
	for (size_t i = 0; i < cell->n_programs; i++) {
		const struct cell_program *p = &cell->programs[i];

		json_array_append_new(programs, json_pack("{ss,ss,ss}", "guest_path", p->guest_path, "host_path",
							  p->host_path, "sha256", p->sha256));
	}
	json_object_set_new(o, "programs", programs);
	for (size_t i = 0; i < cell->n_disks; i++)
		json_array_append_new(disks,
				      json_pack("{ss,sI,ss}", "name", cell->disks[i].name, "bytes",
						(json_int_t)cell->disks[i].bytes, "cache", cell->disks[i].cache));
	if (cell->n_disks)
		json_object_set(o, "disks", disks);
	json_decref(disks);
	json_object_set_new(o, "basis", json_string(basis_names[cell->basis]));
	if (cell->definition)
		json_object_set(o, "definition", cell->definition);
	line = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	if (!line) {
		fprintf(stderr, "granule: cell %s is not UTF-8\n", cell->id);
		abort();
	}
	return line;
}

static int read_field(const json_t *o, const struct field *f, bool runnable, struct cell_record *cell, struct err *err)
{
	const json_t *value = json_object_get(o, f->key);
	char *base = (char *)cell + f->offset;
	uint64_t number;

	if (!value || json_is_null(value)) {
		if (f->needed && runnable)
			return err_set(err, ERR_CONFIG, "\"%s\" is missing", f->key);
		return 0;
	}
	switch (f->type) {
	case FIELD_STRING:
		if (!json_is_string(value))
			return err_set(err, ERR_CONFIG, "\"%s\" is not a string", f->key);
		*(char **)(void *)base = xstrdup(json_string_value(value));
		return 0;
	case FIELD_BOOL:
		*(bool *)(void *)base = json_is_true(value);
		return 0;
	case FIELD_REAL:
		if (!json_is_number(value))
			return err_set(err, ERR_CONFIG, "\"%s\" is not a number", f->key);
		*(double *)(void *)base = json_number_value(value);
		return 0;
	case FIELD_U64:
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return err_set(err, ERR_CONFIG, "\"%s\" is not a whole number", f->key);
		number = (uint64_t)json_integer_value(value);
		if (runnable && (number < f->min || (f->max && number > f->max)))
			return err_set(err, ERR_CONFIG, "\"%s\": %llu is out of bounds", f->key,
				       (unsigned long long)number);
		*(uint64_t *)(void *)base = number;
		return 0;
	}
	return 0;
}

static int read_axes(const json_t *o, struct cell_record *cell, struct err *err)
{
	const json_t *axes = json_object_get(o, "axes"), *item;
	size_t i;

	json_array_foreach(axes, i, item)
	{
		const char *axis = json_string_value(json_object_get(item, "axis"));
		const char *label = json_string_value(json_object_get(item, "label"));
		struct axis_label *a;

		if (!axis || !label)
			return err_set(err, ERR_CONFIG, "\"axes\": an entry needs \"axis\" and \"label\"");
		a = VEC_PUSH(cell->axes, cell->n_axes);
		a->axis = xstrdup(axis);
		a->label = xstrdup(label);
	}
	return 0;
}

static int read_programs(const json_t *o, struct cell_record *cell, struct err *err)
{
	const json_t *programs = json_object_get(o, "programs"), *item;
	size_t i;

	json_array_foreach(programs, i, item)
	{
		const char *guest = json_string_value(json_object_get(item, "guest_path"));
		const char *host = json_string_value(json_object_get(item, "host_path"));
		const char *sha256 = json_string_value(json_object_get(item, "sha256"));
		struct cell_program *p;

		if (!guest || !host || !sha256 || strlen(sha256) != SHA256_HEX_SIZE - 1)
			return err_set(err, ERR_CONFIG,
				       "\"programs\": an entry needs \"guest_path\", \"host_path\" and \"sha256\"");
		p = VEC_PUSH(cell->programs, cell->n_programs);
		p->guest_path = xstrdup(guest);
		p->host_path = xstrdup(host);
		memcpy(p->sha256, sha256, SHA256_HEX_SIZE);
	}
	return 0;
}

/* Names become parts of paths and of a domain's description. */
static int read_disks(const json_t *o, struct cell_record *cell, struct err *err)
{
	const json_t *disks = json_object_get(o, "disks"), *item;
	size_t i;

	json_array_foreach(disks, i, item)
	{
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *cache = json_string_value(json_object_get(item, "cache"));
		json_int_t bytes = json_integer_value(json_object_get(item, "bytes"));
		struct cell_disk *d;

		if (!name || !label_valid(name) || strlen(name) > 20 || !cache || bytes <= 0 || i >= 4)
			return err_set(err, ERR_CONFIG,
				       "\"disks\": an entry needs \"name\", \"bytes\" and \"cache\"; at most 4");
		d = VEC_PUSH(cell->disks, cell->n_disks);
		d->name = xstrdup(name);
		d->bytes = (uint64_t)bytes;
		d->cache = xstrdup(cache);
	}
	return 0;
}

static int read_basis(const json_t *o, bool runnable, struct cell_record *cell, struct err *err)
{
	const char *basis = json_string_value(json_object_get(o, "basis"));

	for (int i = 0; basis && basis_names[i]; i++) {
		if (!strcmp(basis, basis_names[i])) {
			cell->basis = (enum basis)i;
			return 0;
		}
	}
	if (runnable)
		return err_set(err, ERR_CONFIG, "\"basis\" is not one of hardware, simulated, emulated");
	return 0;
}

static int read_record(const json_t *o, struct cell_record *cell, struct err *err)
{
	bool runnable = !json_is_string(json_object_get(o, "skip"));
	json_t *definition = json_object_get(o, "definition");

	if (!json_is_object(o))
		return err_set(err, ERR_CONFIG, "not a JSON object");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (read_field(o, &fields[i], runnable, cell, err) < 0)
			return -1;
	if (!cell->id || !cell_id_valid(cell->id))
		return err_set(err, ERR_CONFIG, "\"id\" is missing or cannot be a directory's name");
	if (runnable && cell->boots_most && (cell->boots_most < cell->boots || !(cell->half_width > 0)))
		return err_set(err, ERR_CONFIG, "\"boots_most\" is below \"boots\", or \"half_width\" is not above 0");
	if (runnable && (cell->page_bytes & (cell->page_bytes - 1)))
		return err_set(err, ERR_CONFIG, "\"page_bytes\" is not a power of two");
	if (json_is_object(definition))
		cell->definition = json_incref(definition);
	if (read_basis(o, runnable, cell, err) < 0 || read_axes(o, cell, err) < 0)
		return -1;
	if (read_disks(o, cell, err) < 0)
		return -1;
	return read_programs(o, cell, err);
}

int cell_record_parse(const char *line, size_t len, struct cell_record *cell, struct err *err)
{
	json_error_t why;
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	int rc;

	*cell = (struct cell_record){ 0 };
	if (!o)
		return err_set(err, ERR_CONFIG, "damaged line: %s at column %d", why.text, why.column);
	rc = read_record(o, cell, err);
	json_decref(o);
	if (rc < 0)
		cell_record_free(cell);
	return rc;
}

void cell_record_free(struct cell_record *cell)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].type == FIELD_STRING)
			free(*(char **)(void *)((char *)cell + fields[i].offset));
	for (size_t i = 0; i < cell->n_axes; i++) {
		free(cell->axes[i].axis);
		free(cell->axes[i].label);
	}
	free(cell->axes);
	for (size_t i = 0; i < cell->n_programs; i++) {
		free(cell->programs[i].guest_path);
		free(cell->programs[i].host_path);
	}
	free(cell->programs);
	for (size_t i = 0; i < cell->n_disks; i++) {
		free(cell->disks[i].name);
		free(cell->disks[i].cache);
	}
	free(cell->disks);
	json_decref(cell->definition);
	*cell = (struct cell_record){ 0 };
}

const char *cell_label(const struct cell_record *cell, const char *axis)
{
	for (size_t i = 0; i < cell->n_axes; i++)
		if (!strcmp(cell->axes[i].axis, axis))
			return cell->axes[i].label;
	return NULL;
}

bool cell_is_counted(const struct cell_record *cell)
{
	const json_t *count = json_object_get(json_object_get(cell->definition, "trials"), "count");

	return cell->basis == BASIS_SIMULATED && json_is_string(count) && !strcmp(json_string_value(count), "yes");
}
