// SPDX-License-Identifier: GPL-2.0-or-later
/* run.json and cells.jsonl: what is written is what is read, and what cannot be read is said with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "tests/pipeline.h"
#include "tests/scenarios/build.h"

static void assert_error(const struct err *err, enum err_kind kind, const char *part)
{
	assert_int_equal(err->kind, kind);
	if (!strstr(err->msg, part))
		fail_msg("'%s' is not in '%s'", part, err->msg);
}

static struct cell_record full_cell(void)
{
	struct cell_record c = cell_build("64k", "mthp", "faults", 65536);
	struct cell_program *p = VEC_PUSH(c.programs, c.n_programs);
	struct cell_disk *d = VEC_PUSH(c.disks, c.n_disks);

	*d = (struct cell_disk){ xstrdup("storage"), 1 << 26, xstrdup("none") };

	p->guest_path = xstrdup("bin/null");
	p->host_path = xstrdup("/build/guest/null/null");
	memset(p->sha256, 'b', SHA256_HEX_SIZE - 1);
	c.system_map = xstrdup("/nowhere/System.map");
	c.asks_folios = true;
	c.boots = 3;
	return c;
}

static void assert_cells_equal(const struct cell_record *a, const struct cell_record *b)
{
	assert_string_equal(a->id, b->id);
	assert_int_equal(a->n_axes, b->n_axes);
	for (size_t i = 0; i < a->n_axes; i++) {
		assert_string_equal(a->axes[i].axis, b->axes[i].axis);
		assert_string_equal(a->axes[i].label, b->axes[i].label);
	}
	assert_string_equal(a->kernel_path, b->kernel_path);
	assert_string_equal(a->kernel_release, b->kernel_release);
	assert_string_equal(a->command_line, b->command_line);
	assert_string_equal(a->job, b->job);
	assert_string_equal(a->workload, b->workload);
	assert_int_equal(a->page_bytes, b->page_bytes);
	assert_int_equal(a->memory_bytes, b->memory_bytes);
	assert_int_equal(a->work_bytes, b->work_bytes);
	assert_int_equal(a->boots, b->boots);
	assert_int_equal(a->basis, b->basis);
	assert_int_equal(a->asks_folios, b->asks_folios);
	assert_int_equal(a->n_programs, b->n_programs);
	for (size_t i = 0; i < a->n_programs; i++)
		assert_string_equal(a->programs[i].sha256, b->programs[i].sha256);
	assert_int_equal(a->n_disks, b->n_disks);
	for (size_t i = 0; i < a->n_disks; i++) {
		assert_string_equal(a->disks[i].name, b->disks[i].name);
		assert_string_equal(a->disks[i].cache, b->disks[i].cache);
		assert_int_equal(a->disks[i].bytes, b->disks[i].bytes);
	}
	assert_true(json_equal(a->definition, b->definition));
}

/* Caught: a field that is written and not read, or the other way round; a lost order. */
static void test_round_trip(void **state)
{
	char *dir = scratch_make();
	struct cell_record cells[] = { full_cell(), cell_build("4k", "off", "faults", 4096), { 0 } };
	struct cell_record one;
	struct run *run = NULL;
	struct err err = ERR_INIT;

	(void)state;
	cells[2].id = xstrdup("16k.off.faults");
	cells[2].skip = xstrdup("this CPU has no 16K granule");
	run_build(dir, cells, 3);
	assert_int_equal(run_open(dir, &run, &err), 0);
	assert_int_equal(run->n_cells, 3);
	assert_cells_equal(&cells[0], &run->cells[0]);
	assert_cells_equal(&cells[1], &run->cells[1]);
	assert_string_equal(run->cells[2].skip, cells[2].skip);
	assert_string_equal(json_string_value(json_object_get(run->header, "schema")), "1.1");
	assert_ptr_equal(run_find_cell(run, "4k.off.faults"), &run->cells[1]);
	assert_null(run_find_cell(run, "4k.off.fault"));
	assert_int_equal(run_read_cell(dir, "64k.mthp.faults", &one, &err), 0);
	assert_cells_equal(&cells[0], &one);
	cell_record_free(&one);
	assert_int_equal(run_read_cell(dir, "64k.mthp", &one, &err), -1);
	assert_error(&err, ERR_CONFIG, "there is no cell '64k.mthp'");
	run_free(run);
	for (size_t i = 0; i < 3; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
}

/* Caught: a run made over another one; a half-made one that blocks its own repetition. */
static void test_create_refuses(void **state)
{
	char *dir = scratch_make();
	struct cell_record cell = cell_build("4k", "off", "null", 4096), evil = cell_build("4k", "off", "x", 4096);
	struct err err = ERR_INIT;
	_cleanup_free_ char *run_json = path_join(dir, "run.json");

	(void)state;
	free(evil.id);
	evil.id = xstrdup("../escape");
	assert_int_equal(run_create(dir, NULL, NULL, &evil, 1, &err), -1);
	assert_error(&err, ERR_CONFIG, "'../escape' cannot be a directory's name");
	put_text(dir, "cells.jsonl.tmp.17", "{");
	put_text(dir, "cells.jsonl", "{");
	run_build(dir, &cell, 1);
	assert_int_equal(run_create(dir, NULL, NULL, &cell, 1, &err), -1);
	assert_error(&err, ERR_CONFIG, "exists and is not an empty directory");
	unlink(run_json);
	put_text(dir, "thesis.tex", "mine");
	assert_int_equal(run_create(dir, NULL, NULL, &cell, 1, &err), -1);
	cell_record_free(&cell);
	cell_record_free(&evil);
	scratch_remove(dir);
}

/* Caught: each check on a line, and line numbers. */
static void test_damaged(void **state)
{
	static const struct {
		const char *name, *text, *error;
	} table[] = {
		{ "run.json", NULL, "there is no run.json" },
		{ "run.json", "{\"schema\": \"2.0\"}", "schema 2.0 is newer than this granule reads (1.x)" },
		{ "run.json", "{\"schema\": \"one\"}", "\"schema\" is missing or not MAJOR.MINOR" },
		{ "run.json", "{", "run.json:1:" },
		{ "run.json", "[]", "not a JSON object" },
		{ "cells.jsonl", "{\"id\":\"a\",\"skip\":\"b\"}\n{\"id\"\n", "cells.jsonl:2: damaged line" },
		{ "cells.jsonl", "{\"id\":\"a\",\"skip\":\"b\"}", "cells.jsonl:1: damaged line: it has no end" },
		{ "cells.jsonl", "{\"id\":\"a/b\",\"skip\":\"b\"}\n", "\"id\" is missing or cannot be" },
		{ "cells.jsonl", "{\"id\":\"..\",\"skip\":\"b\"}\n", "\"id\" is missing or cannot be" },
		{ "cells.jsonl", "{\"id\":\"a\"}\n", "\"kernel_path\" is missing" },
		{ "cells.jsonl", "{\"id\":\"a\",\"skip\":\"b\"}\n{\"id\":\"a\",\"skip\":\"b\"}\n",
		  "cell 'a' is there twice" },
		{ "cells.jsonl", "{\"id\":\"a\",\"skip\":\"b\",\"boots\":-1}\n", "\"boots\" is not a whole number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char *dir = scratch_make();
		struct cell_record cell = cell_build("4k", "off", "null", 4096);
		_cleanup_free_ char *path = path_join(dir, table[i].name);
		struct run *run = NULL;
		struct err err = ERR_INIT;

		run_build(dir, &cell, 1);
		if (table[i].text)
			put_text(dir, table[i].name, table[i].text);
		else
			unlink(path);
		assert_int_equal(run_open(dir, &run, &err), -1);
		assert_error(&err, ERR_CONFIG, table[i].error);
		assert_null(run);
		cell_record_free(&cell);
		scratch_remove(dir);
	}
}

/* A minor version from the future and unknown fields are read. */
static void test_tolerates(void **state)
{
	char *dir = scratch_make();
	struct cell_record cell = cell_build("4k", "off", "null", 4096);
	struct run *run = NULL;
	struct err err = ERR_INIT;

	(void)state;
	run_build(dir, &cell, 1);
	put_text(dir, "run.json", "{\"schema\":\"1.99\",\"novelty\":[1]}");
	put_text(dir, "cells.jsonl", "{\"id\":\"a\",\"skip\":\"b\",\"novelty\":{}}\n");
	assert_int_equal(run_open(dir, &run, &err), 0);
	run_free(run);
	assert_int_equal(run_open("/nowhere/at/all", &run, &err), -1);
	assert_error(&err, ERR_CONFIG, "/nowhere/at/all: no such run");
	cell_record_free(&cell);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_create_refuses),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_tolerates),
	};

	return cmocka_run_group_tests_name("store-run", tests, NULL, NULL);
}
