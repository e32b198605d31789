// SPDX-License-Identifier: GPL-2.0-or-later
/* What is prepared once: found again, made again where it is damaged, said to be missing where its guest fails, and the
 * same for every kernel of a matrix. On the guest that is not there; prepared-guest-test.c has the same with real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "run/prepared.h"
#include "store/artifact.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

static char *write_matrix(const char *dir, const char *name, const char *workload, const char *trials)
{
	_cleanup_free_ char *text = xasprintf("matrix: test\nguest: { memory: 256MiB }\nkernels:\n"
					      "  4k: { image: Image-4k }\n  64k: { image: Image-64k }\n"
					      "folios:\n  off: { thp: never }\nworkloads:\n  w: { null: { %s } }\n"
					      "trials: { seeds: 1, samples: 1%s }\n",
					      workload, trials);

	return scratch_write(dir, name, text, strlen(text));
}

static char *run_into(const char *dir, const char *name, const char *matrix, int want, char **ret_out)
{
	char *run = path_join(dir, name);
	_cleanup_free_ char *out = NULL;
	int code = GRANULE(&out, "run", "--fresh", "-o", run, matrix);

	if (code != want)
		fail_msg("exit code %d, not %d: %s", code, want, out);
	if (ret_out)
		*ret_out = steal_ptr(out);
	return run;
}

static struct run *open_run(const char *dir)
{
	struct err err = ERR_INIT;
	struct run *run;

	if (run_open(dir, &run, &err) < 0)
		fail_msg("%s", err.msg);
	return run;
}

static const char *layer_of(const struct cell_record *cell)
{
	for (size_t i = 0; i < cell->n_programs; i++)
		if (!strcmp(cell->programs[i].guest_path, "data.layer"))
			return cell->programs[i].host_path;
	return NULL;
}

static bool in_job(const struct cell_record *cell, const char *line)
{
	return strstr(cell->job, line) != NULL;
}

static void once_for_all_kernels(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "m.yaml", "prepared: 1MiB", ""), *first = NULL,
			    *again = NULL, *out = NULL, *a = NULL, *b = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;

	a = run_into(f->dir, "a", matrix, 0, &first);
	assert_non_null(strstr(first, "preparing null data on"));
	run = open_run(a);
	assert_int_equal(run->n_cells, 2);
	assert_non_null(layer_of(&run->cells[0]));
	assert_string_equal(layer_of(&run->cells[0]), layer_of(&run->cells[1]));
	for (size_t i = 0; i < 2; i++) {
		assert_true(in_job(&run->cells[i], "\nunpack\t/data.layer\t/tmp/prepared\n"));
		assert_false(in_job(&run->cells[i], "\nkeep\t"));
		assert_non_null(json_string_value(
			json_object_get(json_object_get(run->cells[i].definition, "prepared"), "data")));
	}
	/* found again; the guests that prepared left nothing */
	b = run_into(f->dir, "b", matrix, 0, &again);
	assert_null(strstr(again, "preparing"));
	assert_int_equal(GRANULE(&out, "images", "list"), 0);
	assert_non_null(strstr(out, "null data"));
}

static void nothing_to_prepare(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "n.yaml", "", ""), *dir = NULL, *out = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;

	dir = run_into(f->dir, "n", matrix, 0, &out);
	run = open_run(dir);
	assert_null(strstr(out, "preparing"));
	assert_null(layer_of(&run->cells[0]));
	assert_null(json_object_get(run->cells[0].definition, "prepared"));
}

static void each_boot_by_itself(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "e.yaml", "prepared: 2MiB", ", prepare: each"), *dir = NULL,
			    *out = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;

	dir = run_into(f->dir, "e", matrix, 0, &out);
	run = open_run(dir);
	assert_null(strstr(out, "preparing"));
	assert_null(layer_of(&run->cells[0]));
	assert_true(in_job(&run->cells[0], "\nexec\tprepare\tprepare\t0\t20\t/bin/null\t--write\t2097152\n"));
	assert_false(in_job(&run->cells[0], "\nkeep\t"));
	assert_false(in_job(&run->cells[0], "\nunpack\t"));
}

/* The bytes of a layer are not what they were: it is made again, as it was. */
static void damaged(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "d.yaml", "prepared: 3MiB", ""), *a = NULL, *b = NULL,
			    *out = NULL, *was = NULL, *is = NULL, *layer = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	struct err err = ERR_INIT;
	size_t n, m;

	a = run_into(f->dir, "d1", matrix, 0, NULL);
	run = open_run(a);
	layer = xstrdup(layer_of(&run->cells[0]));
	assert_int_equal(file_read(layer, 1 << 20, &was, &n, &err), 0);
	assert_int_equal(file_write(layer, "x", 1, &err), 0);
	b = run_into(f->dir, "d2", matrix, 0, &out);
	assert_non_null(strstr(out, "preparing"));
	assert_int_equal(file_read(layer, 1 << 20, &is, &m, &err), 0);
	assert_int_equal(n, m);
	assert_memory_equal(was, is, n);
}

/* Whoever makes another does not wait; what a killed one left behind goes. */
static void others_are_made_meanwhile(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "o.yaml", "prepared: 6MiB", ""), *a = NULL, *b = NULL,
			    *out = NULL, *cache = cache_dir(), *own = path_join(cache, PREPARED_DIR), *left = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	struct err err = ERR_INIT;
	int locks[17], n = 0;
	const char *key;

	a = run_into(f->dir, "o1", matrix, 0, NULL);
	run = open_run(a);
	key = strstr(layer_of(&run->cells[0]), PREPARED_DIR "/") + strlen(PREPARED_DIR "/");
	assert_int_equal(file_write(layer_of(&run->cells[0]), "x", 1, &err), 0);
	locks[n++] = cache_lock(own, NULL, NULL, &err);
	for (const char *d = "0123456789abcdef"; *d; d++) {
		_cleanup_free_ char *turn = xasprintf("%s/making/%c", own, *d);

		if (*d != *key)
			locks[n++] = cache_lock(turn, NULL, NULL, &err);
	}
	left = xasprintf("%s/making/%c/build/run", own, *key);
	assert_int_equal(make_dirs(left, &err), 0);
	b = run_into(f->dir, "o2", matrix, 0, &out);
	assert_non_null(strstr(out, "preparing"));
	assert_null(strstr(out, "waiting"));
	assert_false(path_exists(left));
	while (n)
		close(locks[--n]);
}

/* It stops before a run directory is made, with the guest's own words and where they are. */
static void a_guest_that_fails(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "f.yaml", "prepared: 4MiB", ""), *run = NULL, *out = NULL;
	_cleanup_free_ char *header = NULL;

	setenv("GRANULE_FAKE", "timeout", 1);
	run = run_into(f->dir, "f", matrix, 4, &out);
	setenv("GRANULE_FAKE", "1", 1);
	header = path_join(run, "run.json");
	if (path_exists(header) || !strstr(out, "f.yaml:9: workload"))
		fail_msg("%s", out);
	assert_non_null(strstr(out, "f.yaml:9: workload 'w': preparing null data on"));
	assert_non_null(strstr(out, "timeout: "));
	assert_non_null(strstr(out, "its guest's files are in "));
}

/* That the workload fails is a result: each boot tries for itself, and has the outcome and the files. */
static void a_workload_that_fails(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "w.yaml", "prepared: 6MiB, fail: prepare", ""), *dir = NULL,
			    *out = NULL;
	_cleanup_(boot_result_free) struct boot_result boot = { 0 };
	_cleanup_(run_free_p) struct run *run = NULL;
	struct err err = ERR_INIT;

	dir = run_into(f->dir, "w", matrix, 4, &out);
	if (!strstr(out, "/bin/null: exit 1; each boot does it itself"))
		fail_msg("%s", out);
	run = open_run(dir);
	assert_null(layer_of(&run->cells[0]));
	assert_null(json_object_get(run->cells[0].definition, "prepared"));
	assert_true(in_job(&run->cells[0], "\t/bin/null\t--write\t6291456\t--fail\texit\n"));
	assert_false(in_job(&run->cells[0], "\nkeep\t"));
	assert_false(in_job(&run->cells[0], "\nunpack\t"));
	if (boot_read(run, &run->cells[0], 1, &boot, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
	assert_non_null(strstr(boot.reason, "prepare 0: /bin/null: exit 1"));
}

static void old_ones_go(void **state)
{
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *matrix = write_matrix(f->dir, "o.yaml", "prepared: 5MiB", ""), *dir = NULL, *out = NULL,
			    *pattern = xasprintf("%s/cache/" PREPARED_DIR "/*/meta.json", f->dir);
	const struct timespec long_ago[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
	_cleanup_(globfree) glob_t g = { 0 };

	dir = run_into(f->dir, "o", matrix, 0, NULL);
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= 1);
	assert_int_equal(utimensat(AT_FDCWD, g.gl_pathv[0], long_ago, 0), 0);
	assert_int_equal(GRANULE(&out, "images", "gc", "--older-than=30d"), 0);
	assert_false(path_exists(g.gl_pathv[0]));
	for (size_t i = 1; i < g.gl_pathc; i++)
		assert_true(path_exists(g.gl_pathv[i]));
}

/* ---- What a guest sent is not trusted */

static size_t piece(char *buf, size_t size, uint32_t sequence, const char *offset, const char *content, size_t len)
{
	const struct wire_field fields[] = {
		{ "data.layer", 10 }, { offset, strlen(offset) }, { "9", 1 }, { content, len }
	};

	return wire_put(buf, size, WIRE_ARTIFACT, sequence, 0, fields, 4);
}

static void pieces(void **state)
{
	static const char job[] = "job\t1\nkeep\tdata\t/tmp\n", end[] = "xxTRAILER!!!\0\0\0";
	static const struct {
		const char *offset, *name;
		size_t cut;
		const char *wrong;
	} cases[] = {
		{ "5", "data", 0, NULL },
		{ "6", "data", 0, "data.layer: a piece is missing at byte 5" },
		{ "5", "other", 0, "the job keeps no other" },
		{ "5", "data", 6, "data.layer: its end is missing, at byte 14" },
	};
	const struct fake_fixture *f = *state;
	_cleanup_free_ char *path = path_join(f->dir, "layer");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *data = NULL;
		struct err err = ERR_INIT;
		char stream[1024];
		size_t n = piece(stream, sizeof(stream), 0, "0", "begin", 5), len;
		int rc;

		n += piece(stream + n, sizeof(stream) - n, 1, cases[i].offset, end, sizeof(end) - 1 - cases[i].cut);
		rc = artifact_kept(job, stream, n, cases[i].name, path, &err);
		if (cases[i].wrong) {
			assert_int_equal(rc, -1);
			assert_string_equal(err.msg, cases[i].wrong);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_int_equal(file_read(path, 1024, &data, &len, &err), 0);
		assert_int_equal(len, 5 + sizeof(end) - 1);
		assert_memory_equal(data, "beginxxTRAILER", 14);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_for_all_kernels),
		cmocka_unit_test(nothing_to_prepare),
		cmocka_unit_test(each_boot_by_itself),
		cmocka_unit_test(damaged),
		cmocka_unit_test(others_are_made_meanwhile),
		cmocka_unit_test(a_guest_that_fails),
		cmocka_unit_test(a_workload_that_fails),
		cmocka_unit_test(old_ones_go),
		cmocka_unit_test(pieces),
	};

	return cmocka_run_group_tests_name("run-prepared", tests, fake_setup, fake_teardown);
}
