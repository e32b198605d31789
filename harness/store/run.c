// SPDX-License-Identifier: GPL-2.0-or-later
/* run.json, cells.jsonl, metrics.jsonl, matrix.yaml: written once, read many times. Knows no boot. */
#include "store/internal.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/measure.h"
#include "workloads/workload.h"

int json_file_read(const char *path, json_t **ret, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	json_error_t why;
	size_t len;
	json_t *o;

	if (!path_exists(path))
		return 0;
	if (file_read(path, JSON_SIZE_MAX, &data, &len, err) < 0)
		return -1;
	o = json_loadb(data, len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(o)) {
		if (o)
			err_set(err, ERR_CONFIG, "%s: not a JSON object", path);
		else
			err_set(err, ERR_CONFIG, "%s:%d:%d: %s", path, why.line, why.column, why.text);
		json_decref(o);
		return -1;
	}
	*ret = o;
	return 1;
}

/* Nothing in it but what a run_create() that was killed before run.json may have left. */
static bool dir_is_usable(const char *path)
{
	static const char *const parts[] = { ".", "..", "cells", "cells.jsonl", "metrics.jsonl", "matrix.yaml" };
	DIR *d = opendir(path);
	struct dirent *e;
	bool usable = true;

	if (!d)
		return false;
	while (usable && (e = readdir(d))) {
		usable = strstr(e->d_name, ".tmp.") != NULL;
		for (size_t i = 0; !usable && i < ARRAY_SIZE(parts); i++)
			usable = !strcmp(e->d_name, parts[i]);
	}
	closedir(d);
	return usable;
}

static int write_part(const char *dir, const char *name, const char *text, size_t len, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name);

	return file_write_atomic(path, text, len, err);
}

static void add_metrics(struct text *out, const char *workload, const struct metric *table)
{
	for (const struct metric *m = table; m->pattern; m++) {
		json_t *o = json_pack("{sb,ss,ss,ss,sb,sb,sf,sf,sf,ss}", "generic", !workload, "pattern", m->pattern,
				      "unit", m->unit, "direction", metric_direction_names[m->direction], "per_page",
				      m->per_page, "primary", m->primary, "resolution", m->resolution,
				      "resolution_pages", m->resolution_pages, "resolution_pages_per_cpu",
				      m->resolution_pages_per_cpu, "help", m->help ? m->help : "");
		char *line;

		json_object_set_new(o, "class", json_string(metric_class_names[m->class]));
		if (m->timed)
			json_object_set_new(o, "timed", json_string(m->timed));
		if (workload)
			json_object_set_new(o, "workload", json_string(workload));
		line = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(10));
		text_add(out, "%s\n", line);
		free(line);
		json_decref(o);
	}
}

/* The dictionary: the generic metrics, then those of each workload that a cell names. */
static char *format_metrics(const struct cell_record *cells, size_t n_cells)
{
	struct text out = { 0 };

	add_metrics(&out, NULL, generic_metrics);
	for (size_t w = 0; workloads[w]; w++) {
		for (size_t i = 0; i < n_cells; i++) {
			if (cells[i].workload && !strcmp(cells[i].workload, workloads[w]->name)) {
				if (workloads[w]->metrics)
					add_metrics(&out, workloads[w]->name, workloads[w]->metrics);
				break;
			}
		}
	}
	return text_steal(&out);
}

static const char *kernel_label(const struct cell_record *cell)
{
	for (size_t i = 0; i < cell->n_axes; i++)
		if (!strcmp(cell->axes[i].axis, "kernels"))
			return cell->axes[i].label;
	return NULL;
}

/* {label: {release, page_bytes, sha256}} of the kernels that cells run on. */
static json_t *kernels_json(const struct cell_record *cells, size_t n_cells)
{
	json_t *o = json_object();

	for (size_t i = 0; i < n_cells; i++) {
		const char *label = kernel_label(&cells[i]);

		if (!label || cells[i].skip || json_object_get(o, label))
			continue;
		json_object_set_new(o, label,
				    json_pack("{ss,sI,ss}", "release", cells[i].kernel_release, "page_bytes",
					      (json_int_t)cells[i].page_bytes, "sha256", cells[i].kernel_sha256));
	}
	return o;
}

static char *format_header(const json_t *header, const struct cell_record *cells, size_t n_cells)
{
	json_t *o = header ? json_deep_copy(header) : json_object();
	char schema[32], created[32];
	time_t now = time(NULL);
	struct tm tm;
	char *text;

	snprintf(schema, sizeof(schema), "%d.%d", STORE_SCHEMA_MAJOR, STORE_SCHEMA_MINOR);
	json_object_set_new(o, "schema", json_string(schema));
	if (!json_object_get(o, "creator"))
		json_object_set_new(o, "creator", json_string("granule"));
	if (!json_object_get(o, "created")) {
		gmtime_r(&now, &tm);
		strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &tm);
		json_object_set_new(o, "created", json_string(created));
	}
	if (!json_object_get(o, "kernels"))
		json_object_set_new(o, "kernels", kernels_json(cells, n_cells));
	text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	json_decref(o);
	return text;
}

static int check_cells(const struct cell_record *cells, size_t n_cells, struct err *err)
{
	for (size_t i = 0; i < n_cells; i++)
		if (!cells[i].id || !cell_id_valid(cells[i].id))
			return err_set(err, ERR_CONFIG, "cell id '%s' cannot be a directory's name",
				       cells[i].id ? cells[i].id : "");
	return 0;
}

int run_create(const char *dir, const char *matrix_text, json_t *header, const struct cell_record *cells,
	       size_t n_cells, struct err *err)
{
	_cleanup_free_ char *metrics = NULL, *run = NULL, *cells_dir = path_join(dir, "cells");
	_cleanup_free_ char *lines = NULL;
	struct text text = { 0 };

	if (check_cells(cells, n_cells, err) < 0)
		return -1;
	if (path_exists(dir) && !(path_is_dir(dir) && dir_is_usable(dir)))
		return err_set(err, ERR_CONFIG, "%s: exists and is not an empty directory", dir);
	if (make_dirs(cells_dir, err) < 0)
		return -1;
	if (matrix_text && write_part(dir, "matrix.yaml", matrix_text, strlen(matrix_text), err) < 0)
		return -1;
	for (size_t i = 0; i < n_cells; i++) {
		_cleanup_free_ char *line = cell_record_format(&cells[i]);
		size_t len = strlen(line);

		line[len] = '\n';
		text_add_bytes(&text, line, len + 1);
	}
	lines = text_steal(&text);
	metrics = format_metrics(cells, n_cells);
	run = format_header(header, cells, n_cells);
	if (write_part(dir, "cells.jsonl", lines, strlen(lines), err) < 0 ||
	    write_part(dir, "metrics.jsonl", metrics, strlen(metrics), err) < 0)
		return -1;
	return write_part(dir, "run.json", run, strlen(run), err);
}

static int check_schema(const char *path, const json_t *header, struct err *err)
{
	const char *schema = json_string_value(json_object_get(header, "schema"));
	int major, minor;

	if (!schema || sscanf(schema, "%d.%d", &major, &minor) != 2 || major < 0)
		return err_set(err, ERR_CONFIG, "%s: \"schema\" is missing or not MAJOR.MINOR", path);
	if (major > STORE_SCHEMA_MAJOR)
		return err_set(err, ERR_CONFIG,
			       "%s: schema %s is newer than this granule reads (%d.x); use a newer one", path, schema,
			       STORE_SCHEMA_MAJOR);
	return 0;
}

static int read_header(const char *dir, json_t **ret, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "run.json");
	json_t *header = NULL;
	int found;

	if (!path_is_dir(dir))
		return err_set(err, ERR_CONFIG, "%s: no such run", dir);
	found = json_file_read(path, &header, err);
	if (found < 0)
		return -1;
	if (found == 0)
		return err_set(err, ERR_CONFIG, "%s: no such run (there is no run.json in it)", dir);
	if (check_schema(path, header, err) < 0) {
		json_decref(header);
		return -1;
	}
	*ret = header;
	return 0;
}

void run_free(struct run *run)
{
	if (!run)
		return;
	for (size_t i = 0; i < run->n_cells; i++)
		cell_record_free(&run->cells[i]);
	free(run->cells);
	json_decref(run->header);
	free(run->dir);
	free(run);
}

/* Call @one with each line of cells.jsonl until it returns non-zero. */
static int each_line(const char *dir, int (*one)(void *ctx, const char *line, size_t len, struct err *err), void *ctx,
		     struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "cells.jsonl");
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	unsigned int number = 0;
	size_t room = 0;
	ssize_t len;

	if (!f)
		return err_set_errno(err, ERR_CONFIG, "%s", path);
	while ((len = getline(&line, &room, f)) >= 0) {
		int rc;

		number++;
		if ((size_t)len > LINE_SIZE_MAX)
			return err_set(err, ERR_CONFIG, "%s:%u: line is longer than %zu bytes", path, number,
				       LINE_SIZE_MAX);
		if (len && line[len - 1] != '\n')
			return err_set(err, ERR_CONFIG, "%s:%u: damaged line: it has no end", path, number);
		rc = one(ctx, line, (size_t)len - 1, err);
		if (rc < 0)
			return err_wrap(err, "%s:%u", path, number);
		if (rc > 0)
			return rc;
	}
	if (ferror(f))
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

static int add_cell(void *ctx, const char *line, size_t len, struct err *err)
{
	struct run *run = ctx;
	struct cell_record *cell = VEC_PUSH(run->cells, run->n_cells);

	return cell_record_parse(line, len, cell, err);
}

static int by_id(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_duplicates(const struct run *run, struct err *err)
{
	_cleanup_free_ char **ids = xcalloc(run->n_cells + 1, sizeof(*ids));

	for (size_t i = 0; i < run->n_cells; i++)
		ids[i] = run->cells[i].id;
	qsort(ids, run->n_cells, sizeof(*ids), by_id);
	for (size_t i = 1; i < run->n_cells; i++)
		if (!strcmp(ids[i - 1], ids[i]))
			return err_set(err, ERR_CONFIG, "%s/cells.jsonl: cell '%s' is there twice", run->dir, ids[i]);
	return 0;
}

int run_open(const char *dir, struct run **ret_run, struct err *err)
{
	_cleanup_(run_free_p) struct run *run = xcalloc(1, sizeof(*run));

	run->dir = path_absolute(dir);
	if (read_header(dir, &run->header, err) < 0 || each_line(dir, add_cell, run, err) < 0 ||
	    check_duplicates(run, err) < 0)
		return -1;
	*ret_run = steal_ptr(run);
	return 0;
}

struct one_cell {
	char *key; /* "id":"ID" */
	const char *id;
	struct cell_record *cell;
};

/* A quote inside a JSON string is escaped, so the key found as plain text is a key; it may still be one of the
 * definition's, hence the comparison after parsing. */
static int match_cell(void *ctx, const char *line, size_t len, struct err *err)
{
	struct one_cell *one = ctx;

	if (!memmem(line, len, one->key, strlen(one->key)))
		return 0;
	if (cell_record_parse(line, len, one->cell, err) < 0)
		return -1;
	if (!strcmp(one->cell->id, one->id))
		return 1;
	cell_record_free(one->cell);
	return 0;
}

int run_read_cell(const char *dir, const char *id, struct cell_record *ret_cell, struct err *err)
{
	_cleanup_free_ char *key = xasprintf("\"id\":\"%s\"", id);
	struct cell_record cell = { 0 };
	struct one_cell one = { .key = key, .id = id, .cell = &cell };
	json_t *header;
	int rc;

	if (read_header(dir, &header, err) < 0)
		return -1;
	json_decref(header);
	rc = cell_id_valid(id) ? each_line(dir, match_cell, &one, err) : 0;
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(err, ERR_CONFIG, "%s: there is no cell '%s'; `granule show %s` lists them", dir, id,
			       dir);
	*ret_cell = cell;
	return 0;
}

const struct cell_record *run_find_cell(const struct run *run, const char *id)
{
	for (size_t i = 0; i < run->n_cells; i++)
		if (!strcmp(run->cells[i].id, id))
			return &run->cells[i];
	return NULL;
}
