// SPDX-License-Identifier: GPL-2.0-or-later
/* Any bytes in the files of a run directory are refused with a sentence, or are read, shown and compared. One input is
 * many files: a line "@@ NAME" begins one, "@@ 2/NAME" one of attempt 2. Streams are repaired first (fuzz.h); what reads
 * damaged ones is stream-fuzz.c's. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/report.h"
#include "store/internal.h"
#include "tests/fuzz.h"

const char *const fuzz_corpus[] = { "harness/tests/corpus/run", NULL };
const unsigned int fuzz_rounds = 2000;

#define CELLS_MAX 3
#define BOOTS_MAX 2
#define MARK "@@ "

static const char *const run_files[] = { "run.json", "cells.jsonl", "metrics.jsonl", NULL };
static const char *const attempt_files[] = { "claim.json", "host.json", "done.json", "stream", "console.log", NULL };

static bool one_of(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(name, *list))
			return true;
	return false;
}

static void put(const char *dir, const char *name, const char *data, size_t len)
{
	_cleanup_free_ char *path = path_join(dir, name), *copy = xcalloc(len + 1, 1);
	_cleanup_fclose_ FILE *f = fopen(path, "we");

	memcpy(copy, data, len);
	if (!strcmp(name, "stream"))
		fuzz_repair_stream(copy, len);
	if (!f || fwrite(copy, 1, len, f) != len)
		abort();
}

/* The id of the first cell, which is where the attempt's files go. The reader's own parser says what it is. */
static char *first_cell(const char *cells, size_t len)
{
	const char *end = len ? memchr(cells, '\n', len) : NULL;
	struct cell_record cell;
	char *id = NULL;

	if (end && cell_record_parse(cells, (size_t)(end - cells), &cell, NULL) == 0) {
		id = xstrdup(cell.id);
		cell_record_free(&cell);
	}
	return id ? id : xstrdup("c");
}

/* The next file of the input: true and *data, *len behind it. */
static bool next_file(const char **data, size_t *len, char name[32], const char **ret, size_t *ret_len)
{
	const char *start = *data, *line, *next;

	if (*len < strlen(MARK) || memcmp(start, MARK, strlen(MARK)) != 0)
		return false;
	line = memchr(start, '\n', *len);
	if (!line)
		return false;
	snprintf(name, 32, "%.*s", (int)(line - start - 3 < 31 ? line - start - 3 : 31), start + 3);
	*ret = line + 1;
	next = memmem(line, *len - (size_t)(line - start), "\n" MARK, 1 + strlen(MARK));
	*ret_len = next ? (size_t)(next + 1 - *ret) : *len - (size_t)(*ret - start);
	*len -= (size_t)(*ret - start) + *ret_len;
	*data = *ret + *ret_len;
	return true;
}

static void lay_out(const char *dir, const char *data, size_t len)
{
	_cleanup_free_ char *id = NULL, *boot = NULL, *first = NULL, *second = NULL;
	const char *content, *rest = data;
	size_t left = len, content_len;
	char name[32];

	while (next_file(&rest, &left, name, &content, &content_len))
		if (!strcmp(name, "cells.jsonl") && !id)
			id = first_cell(content, content_len);
	boot = boot_dir(dir, id ? id : "c", 1);
	first = path_join(boot, "1");
	second = path_join(boot, "2");
	if (make_dirs(first, NULL) < 0 || make_dirs(second, NULL) < 0)
		abort();
	while (next_file(&data, &len, name, &content, &content_len)) {
		bool of_second = starts_with(name, "2/");
		const char *file = of_second ? name + 2 : name;

		if (one_of(name, run_files))
			put(dir, name, content, content_len);
		else if (one_of(file, attempt_files))
			put(of_second ? second : first, file, content, content_len);
	}
}

/* What was read writes back as a line that reads the same. */
static void check_line(const struct cell_record *cell)
{
	_cleanup_free_ char *line = cell_record_format(cell), *again = NULL;
	struct cell_record copy;

	if (cell_record_parse(line, strlen(line), &copy, NULL) < 0)
		abort();
	again = cell_record_format(&copy);
	if (strcmp(line, again) != 0)
		abort();
	cell_record_free(&copy);
}

/* An error has a sentence. */
static void check(int rc, const struct err *err)
{
	if (rc < 0 && !*err->msg)
		abort();
}

static void show(const struct run *run, const struct cell_record *cell)
{
	struct err err = ERR_INIT;
	json_t *json = NULL;
	char *text = NULL;
	bool failed;

	check(cell ? report_cell_text(run, cell, 0, false, &text, &failed, &err)
		   : report_run_text(run, false, &text, &failed, &err),
	      &err);
	check(cell ? report_cell_json(run, cell, 0, &json, &failed, &err) : report_run_json(run, &json, &failed, &err),
	      &err);
	free(text);
	json_decref(json);
}

static void diff(const struct run *run, const char *along)
{
	struct compare_options options = COMPARE_DEFAULTS;
	_cleanup_(comparison_free_p) struct comparison *c = NULL;
	struct err err = ERR_INIT;
	int rc;

	options.along = along;
	rc = compare_runs(run, along ? NULL : run, &options, &c, &err);
	check(rc, &err);
	if (rc < 0)
		return;
	free(report_diff_text(c, true, false));
	json_decref(report_diff_json(c));
}

static void use(struct run *run)
{
	run->n_cells = run->n_cells < CELLS_MAX ? run->n_cells : CELLS_MAX;
	for (size_t i = 0; i < run->n_cells; i++) {
		struct cell_record *cell = &run->cells[i];

		if (cell->boots > BOOTS_MAX)
			cell->boots = BOOTS_MAX;
		check_line(cell);
		show(run, cell);
	}
	show(run, NULL);
	diff(run, NULL);
	diff(run, "kernels");
}

/* Made anew for each input, in memory where there is such a file system. */
static char *scratch(void)
{
	const char *tmp = getenv("TMPDIR");

	return xasprintf("%s/granule-run-fuzz-%d",
			 access("/dev/shm", W_OK) == 0 ? "/dev/shm"
			 : tmp			       ? tmp
						       : "/tmp",
			 (int)getpid());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *dir = scratch();
	struct err err = ERR_INIT;
	struct cell_record cell;
	struct run *run = NULL;
	int rc;

	lay_out(dir, (const char *)data, size);
	rc = run_open(dir, &run, &err);
	check(rc, &err);
	if (rc == 0) {
		size_t n = run->n_cells; /* use() looks at the first few; all are run_free()'s */

		if (n && run_read_cell(dir, run->cells[0].id, &cell, &err) == 0)
			cell_record_free(&cell);
		use(run);
		run->n_cells = n;
		run_free(run);
	}
	remove_tree(dir, NULL);
	return 0;
}
