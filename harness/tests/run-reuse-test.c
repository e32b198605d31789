// SPDX-License-Identifier: GPL-2.0-or-later
/* Results taken from the cache: what the key holds, what is kept, what a damaged or poisoned entry can do. On the guest
 * that is not there; sealed-guest-test.c has the same with a real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include <zstd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "guest/emulator.h"
#include "run/boot-cache.h"
#include "run/repeat.h"
#include "run/reuse.h"
#include "tests/pipeline.h"

struct fixture {
	char *dir, *cache, *matrix;
};

static char *write_matrix(const char *dir, const char *workloads)
{
	_cleanup_free_ char *text = xasprintf("matrix: test\nguest: { memory: 256MiB }\nkernels:\n"
					      "  4k: { image: Image-4k }\n  64k: { image: Image-64k }\n"
					      "folios:\n  off: { thp: never }\nworkloads:\n%s"
					      "trials: { seeds: 3, warmups: 1, samples: 2 }\n",
					      workloads);

	return scratch_write(dir, "m.yaml", text, strlen(text));
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = scratch_make();
	f->cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", f->cache, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("GRANULE_FAKE_REUSE", "1", 1);
	setenv("CI", "1", 1);
	free(scratch_image(f->dir, "Image-4k", 4096));
	free(scratch_image(f->dir, "Image-64k", 65536));
	f->matrix = write_matrix(f->dir, "  w: { null: { } }\n");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->cache);
	free(f->matrix);
	free(f);
	return 0;
}

/* Run the fixture's matrix into NAME with @option (or NULL); returns the run directory, owned by the caller. */
static char *run_into(const struct fixture *f, const char *name, const char *option, const char *expect)
{
	char *run = path_join(f->dir, name);
	_cleanup_free_ char *out = NULL;
	int code = GRANULE(&out, "run", f->matrix, "-o", run, option);

	if (code || (expect && !strstr(out, expect)) || (!expect && strstr(out, "taken from the cache")))
		fail_msg("exit code %d, not '%s' in\n%s", code, expect ? expect : "(nothing taken)", out);
	return run;
}

static struct boot_result read_boot(const char *dir, const char *cell, unsigned int boot)
{
	_cleanup_(run_free_p) struct run *run = NULL;
	struct boot_result result;

	assert_int_equal(run_open(dir, &run, NULL), 0);
	assert_int_equal(boot_read(run, run_find_cell(run, cell), boot, &result, NULL), 0);
	return result;
}

/* The key under which a reused boot was found. */
static char *key_of(const char *dir, const char *cell, unsigned int boot)
{
	struct boot_result result = read_boot(dir, cell, boot);
	_cleanup_free_ char *path = path_join(result.dir, "done.json");
	json_t *done = json_load_file(path, 0, NULL);
	char *key = xstrdup(json_string_value(json_object_get(json_object_get(done, "reused"), "key")));

	assert_true(result.reused);
	assert_non_null(key);
	json_decref(done);
	boot_result_free(&result);
	return key;
}

static char *entry_of(const struct fixture *f, const char *key)
{
	return xasprintf("%s/results/%.2s/%s", f->cache, key, key);
}

/* Under @key the files of @other's entry, sound in every digest. */
static void poison(const struct fixture *f, const char *key, const char *other)
{
	struct cached_boot entry;
	json_t *inputs = json_object();

	assert_int_equal(boot_cache_get(f->cache, other, &entry), 1);
	assert_int_equal(boot_cache_put(f->cache, key, inputs, &entry, NULL), 0);
	cached_boot_free(&entry);
	json_decref(inputs);
}

static void second_run_boots_nothing(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL);
	_cleanup_free_ char *second = run_into(f, "second", NULL, "6 of 6 boots taken from the cache");
	_cleanup_free_ char *fresh = run_into(f, "fresh", "--fresh", NULL);
	_cleanup_free_ char *a = run_digest(first), *b = run_digest(second), *c = run_digest(fresh);
	_cleanup_free_ char *shown = NULL, *diff = NULL, *list = NULL;
	struct boot_result was = read_boot(first, "4k.off.w", 2), is = read_boot(second, "4k.off.w", 2);

	assert_string_equal(a, b);
	assert_string_equal(a, c);
	assert_false(was.reused);
	assert_true(is.reused);
	assert_true(is.wall_s == was.wall_s);
	boot_result_free(&was);
	boot_result_free(&is);
	assert_int_equal(GRANULE(&shown, "show", second), 0);
	assert_non_null(strstr(shown, "6 of 6 boots ok, 6 from the result cache"));
	GRANULE(&diff, "diff", second, "--along", "kernels");
	assert_non_null(strstr(diff, "6 boots from the result cache"));
	assert_int_equal(GRANULE(&list, "images", "list"), 0);
	assert_non_null(strstr(list, "results of 6 boots"));
}

/* The cache has streams and no counts: a counted cell boots each time, and what it says is kept like another's. */
static void counted_boots_are_not_taken(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(file_read(f->matrix, 65536, &text, NULL, &err), 0);
	*strstr(text, "trials:") = '\0';
	{
		_cleanup_free_ char *counted = xasprintf("%strials: { seeds: 3, count: yes }\n", text);

		assert_int_equal(file_write(f->matrix, counted, strlen(counted), &err), 0);
	}
	free(run_into(f, "first", NULL, NULL));
	free(run_into(f, "second", NULL, NULL));
}

static void one_changed_kernel_boots_alone(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL), *second = NULL, *image = NULL;
	char bytes[4096];
	struct boot_result reused, booted;
	FILE *file;

	image = path_join(f->dir, "Image-64k");
	file = fopen(image, "r+");
	assert_non_null(file);
	assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	bytes[2000] ^= 1;
	rewind(file);
	assert_int_equal(fwrite(bytes, 1, sizeof(bytes), file), sizeof(bytes));
	fclose(file);
	second = run_into(f, "second", NULL, "3 of 6 boots taken from the cache");
	reused = read_boot(second, "4k.off.w", 1);
	booted = read_boot(second, "64k.off.w", 1);
	assert_true(reused.reused);
	assert_false(booted.reused);
	boot_result_free(&reused);
	boot_result_free(&booted);
}

/* The proof that verify boots: a run that believed a poisoned entry does not pass, whatever the caller's options say. */
static void verify_is_not_satisfied(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL);
	_cleanup_free_ char *second = run_into(f, "second", NULL, "6 of 6");
	_cleanup_free_ char *one = key_of(second, "4k.off.w", 1), *two = key_of(second, "4k.off.w", 2);
	_cleanup_free_ char *third = NULL, *out = NULL, *kept = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	const struct reuse_options options = { .fake = "1" };
	struct schedule_options schedule = {
		.jobs = 1, .memory_bytes = 1 << 30, .cpus = 2, .fake = "1", .quiet = true
	};
	struct repeat *repeats;
	size_t n;

	poison(f, one, two);
	third = run_into(f, "third", NULL, "6 of 6");
	assert_int_equal(GRANULE(&out, "verify", third), 1);
	assert_non_null(strstr(out, "4k.off.w boot 1 differs"));
	assert_non_null(strstr(out, "5 of 6 boots gave the same bytes again"));

	assert_int_equal(run_open(third, &run, NULL), 0);
	assert_int_equal(repeat_choose(run, 0, &repeats, &n, NULL), 0);
	assert_int_equal(reuse_open(&options, &schedule.reuse, NULL), 0);
	assert_int_equal(repeat_run(run, repeats, n, &schedule, &kept, NULL), 0);
	assert_false(repeats[0].identical);
	assert_non_null(kept);
	remove_tree(kept, NULL);
	reuse_close(schedule.reuse);
	repeats_free(repeats, n);
}

/* The same inputs gave other bytes than the cache has: somebody lies, so neither is kept. */
static void other_bytes_are_told(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL);
	_cleanup_free_ char *second = run_into(f, "second", NULL, "6 of 6");
	_cleanup_free_ char *one = key_of(second, "64k.off.w", 1), *two = key_of(second, "64k.off.w", 2);
	_cleanup_free_ char *entry = entry_of(f, one), *run = path_join(f->dir, "third"), *out = NULL;

	poison(f, one, two);
	assert_int_equal(GRANULE(&out, "run", f->matrix, "-o", run, "--fresh"), 0);
	assert_non_null(strstr(out, "64k.off.w boot 1: the same inputs gave other bytes"));
	assert_false(path_exists(entry));
}

/* Whatever happens to an entry's bytes, it is dropped, the boot is booted, and the run's bytes are right. */
static void damaged_entries_are_dropped(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL), *want = run_digest(first);
	_cleanup_free_ char *second = run_into(f, "second", NULL, "6 of 6");
	_cleanup_free_ char *key = key_of(second, "4k.off.w", 1), *entry = entry_of(f, key), *data = NULL;
	size_t len;

	assert_int_equal(file_read(entry, 1 << 20, &data, &len, NULL), 0);
	for (unsigned int i = 0; i < 12; i++) {
		_cleanup_free_ char *name = xasprintf("damaged-%u", i), *bad = xstrndup("", 0), *run = NULL,
				    *got = NULL;
		size_t bad_len = i % 3 == 0 ? len * i / 12 : len;

		bad = xrealloc(bad, len, 1);
		memcpy(bad, data, len);
		if (i % 3 == 1)
			bad[len * i / 12] ^= 0x10;
		if (i % 3 == 2)
			memset(bad + len * i / 12, 0, len / 12);
		assert_int_equal(file_write_atomic(entry, bad, bad_len, NULL), 0);
		run = run_into(f, name, NULL, "5 of 6 boots taken");
		got = run_digest(run);
		assert_string_equal(got, want);
	}
}

/* A frame that zstd has nothing to say against, with one byte of the console changed: the digests in it are what tells. */
static void digests_are_checked(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *first = run_into(f, "first", NULL, NULL);
	_cleanup_free_ char *second = run_into(f, "second", NULL, "6 of 6"), *third = NULL;
	_cleanup_free_ char *key = key_of(second, "4k.off.w", 1), *entry = entry_of(f, key), *data = NULL;
	static char plain[1 << 20], packed[1 << 20];
	size_t len, n;
	char *console;

	assert_int_equal(file_read(entry, 1 << 20, &data, &len, NULL), 0);
	n = ZSTD_decompress(plain, sizeof(plain), data, len);
	assert_false(ZSTD_isError(n));
	console = memmem(plain, n, "Linux version 6.12", 18);
	assert_non_null(console);
	console[0]++;
	n = ZSTD_compress(packed, sizeof(packed), plain, n, 1);
	assert_false(ZSTD_isError(n));
	assert_int_equal(file_write_atomic(entry, packed, n, NULL), 0);
	third = run_into(f, "third", NULL, "5 of 6 boots taken");
}

static void failures_are_not_kept(void **state)
{
	static const char *const hows[] = { "exit", "oops", "unsupported", "no-hello" };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		_cleanup_free_ char *workload = xasprintf("  w: { null: { fail: %s } }\n", hows[i]);
		_cleanup_free_ char *matrix = write_matrix(f->dir, workload), *list = NULL;

		for (unsigned int k = 0; k < 2; k++) {
			_cleanup_free_ char *run = xasprintf("%s/%s-%u", f->dir, hows[i], k), *out = NULL;

			assert_int_equal(GRANULE(&out, "run", matrix, "-o", run), 4);
			assert_null(strstr(out, "taken from the cache"));
		}
		assert_int_equal(GRANULE(&list, "images", "list"), 0);
		assert_non_null(strstr(list, "results of 0 boots"));
	}
}

/* A disk that is full, a cache that belongs to somebody else: said once, and the run goes on. */
static void a_cache_that_cannot_be_written_is_a_warning(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *run = path_join(f->dir, "run"), *out = NULL;
	const char *again;

	assert_int_equal(make_dirs(f->cache, NULL), 0);
	free(scratch_write(f->cache, "results", "", 0));
	assert_int_equal(GRANULE(&out, "run", f->matrix, "-o", run), 0);
	assert_non_null(strstr(out, "6 boots, 6 ok"));
	again = strstr(out, "results are not kept: ");
	assert_non_null(again);
	assert_null(strstr(again + 1, "results are not kept: "));
}

static void racing_runs_agree(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *want = NULL, *whole = NULL;
	pid_t pids[4];

	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		_cleanup_free_ char *run = xasprintf("%s/race-%u", f->dir, i);

		pids[i] = granule_start((const char *const[]){ "run", f->matrix, "-o", run, NULL });
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	whole = run_into(f, "whole", NULL, "6 of 6 boots taken");
	want = run_digest(whole);
	for (unsigned int i = 0; i < ARRAY_SIZE(pids); i++) {
		_cleanup_free_ char *run = xasprintf("%s/race-%u", f->dir, i), *got = run_digest(run);

		assert_string_equal(got, want);
	}
}

/* ---- The key */

static struct cell_program programs[] = { { (char *)"init", (char *)"/a/agent", "aa" },
					  { (char *)"bin/null", (char *)"/a/null", "bb" } };

static struct cell_record sample_cell(void)
{
	return (struct cell_record){
		.id = (char *)"64k.off.w",
		.kernel_path = (char *)"/a/Image",
		.kernel_sha256 = (char *)"cc",
		.kernel_release = (char *)"6.12",
		.page_bytes = 65536,
		.cpus = 1,
		.memory_bytes = 1 << 30,
		.timeout_s = 100,
		.boots = 3,
		.basis = BASIS_SIMULATED,
		.cpu_model = (char *)"neoverse-n1",
		.command_line = (char *)"console=ttyAMA0",
		.job = (char *)"job\t1\n",
		.programs = programs,
		.n_programs = 2,
	};
}

static bool same_key(const struct reuse *r, const struct cell_record *a, unsigned int boot_a, const struct reuse *r2,
		     const struct cell_record *b, unsigned int boot_b)
{
	char key_a[SHA256_HEX_SIZE], key_b[SHA256_HEX_SIZE];
	json_t *inputs_a, *inputs_b;

	assert_true(reuse_key(r, a, boot_a, key_a, &inputs_a));
	assert_true(reuse_key(r2, b, boot_b, key_b, &inputs_b));
	json_decref(inputs_a);
	json_decref(inputs_b);
	return !strcmp(key_a, key_b);
}

static void the_key_holds_every_input(void **state)
{
	struct cell_program other_path[] = { programs[0], { (char *)"bin/other", (char *)"/a/null", "bb" } };
	struct cell_program other_bytes[] = { programs[0], { (char *)"bin/null", (char *)"/a/null", "dd" } };
	struct cell_program other_host[] = { { (char *)"init", (char *)"/b/agent", "aa" }, programs[1] };
	const struct cell_record cell = sample_cell();
	struct cell_record c[16];
	const struct reuse_options options = { .fake = "1" }, other = { .fake = "oops" };
	const struct reuse_options elsewhere = { .fake = "1", .connect = "qemu:///session" };
	struct reuse *r, *r2, *r3;
	size_t n = 0;

	(void)state;
	assert_int_equal(reuse_open(&options, &r, NULL), 0);
	assert_int_equal(reuse_open(&other, &r2, NULL), 0);
	assert_int_equal(reuse_open(&elsewhere, &r3, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = cell;
	c[n++].kernel_sha256 = (char *)"c0";
	c[n++].command_line = (char *)"console=ttyAMA0 transparent_hugepage=never";
	c[n++].cpu_model = (char *)"cortex-a76";
	c[n++].memory_bytes = 2u << 30;
	c[n++].cpus = 2;
	c[n++].job = (char *)"job\t1\nidle\n";
	c[n++].programs = other_path;
	c[n++].programs = other_bytes;
	c[n++].n_programs = 1;
	for (size_t i = 0; i < n; i++)
		if (same_key(r, &cell, 1, r, &c[i], 1))
			fail_msg("input %zu is not in the key", i);
	assert_false(same_key(r, &cell, 1, r, &cell, 2));
	assert_false(same_key(r, &cell, 1, r2, &cell, 1));
	assert_false(same_key(r, &cell, 1, r3, &cell, 1));

	/* what the guest cannot see is not in it */
	for (size_t i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = cell;
	n = 0;
	c[n++].id = (char *)"mine.off.w";
	c[n++].kernel_path = (char *)"/b/Image";
	c[n++].kernel_release = (char *)"7.2";
	c[n++].timeout_s = 7;
	c[n++].boots = 9;
	c[n++].programs = other_host;
	for (size_t i = 0; i < n; i++)
		if (!same_key(r, &cell, 1, r, &c[i], 1))
			fail_msg("%zu is in the key and no input", i);
	reuse_close(r);
	reuse_close(r2);
	reuse_close(r3);
}

static void only_sealed_boots_have_a_key(void **state)
{
	const struct reuse_options options = { .fake = "1" };
	struct cell_record cell = sample_cell();
	char key[SHA256_HEX_SIZE];
	json_t *inputs;
	struct reuse *r;

	(void)state;
	assert_int_equal(reuse_open(&options, &r, NULL), 0);
	cell.basis = BASIS_EMULATED;
	assert_false(reuse_key(r, &cell, 1, key, &inputs));
	cell.basis = BASIS_HARDWARE;
	assert_false(reuse_key(r, &cell, 1, key, &inputs));
	cell = sample_cell();
	/* no agent in the plan: whichever is there when it boots */
	cell.programs++;
	cell.n_programs--;
	assert_false(reuse_key(r, &cell, 1, key, &inputs));
	reuse_close(r);
}

static void an_emulator_is_its_files(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *script = scratch_write(f->dir, "qemu", "#!/bin/sh\n", 10), *bytes = NULL, *program = NULL;
	struct emulator e, again, newer;
	struct err err = ERR_INIT;
	size_t len;

	assert_int_equal(emulator_read(script, "7.2", NULL, &e, &err), -1);
	assert_non_null(strstr(err.msg, "is a script"));
	assert_int_equal(file_read("/bin/true", 1 << 24, &bytes, &len, NULL), 0);
	program = scratch_write(f->dir, "program", bytes, len);
	assert_int_equal(chmod(program, 0755), 0);
	assert_int_equal(emulator_read(program, "7.2", NULL, &e, NULL), 0);
	assert_int_equal(emulator_read(program, "7.2", NULL, &again, NULL), 0);
	assert_int_equal(emulator_read(program, "7.3", NULL, &newer, NULL), 0);
	assert_string_equal(e.sha256, again.sha256);
	assert_string_not_equal(e.sha256, newer.sha256);
	/* the program, libc, the loader */
	assert_true(e.n_files >= 3);
	assert_true(emulator_unchanged(&e));
	assert_int_equal(utimensat(AT_FDCWD, program, (const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
	assert_false(emulator_unchanged(&e));
	emulator_free(&e);
	emulator_free(&again);
	emulator_free(&newer);
}

/* Remembered for as long as the file is the same; never of a script, which may run another emulator tomorrow. */
static void a_version_is_remembered(void **state)
{
	const struct fixture *f = *state;
	const char text[] = "#!/bin/sh\necho 'QEMU emulator version 9.9 (Test 1)'\n";
	_cleanup_free_ char *script = scratch_write(f->dir, "qemu", text, strlen(text)), *bytes = NULL, *program = NULL;
	_cleanup_free_ char *said = NULL, *remembered = path_join(f->dir, "qemu-version"), *record = NULL;
	_cleanup_free_ char *again = NULL, *newer = NULL, *file = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(chmod(script, 0755), 0);
	said = emulator_version(script, f->dir);
	assert_string_equal(said, "9.9 (Test 1)");
	assert_false(path_exists(remembered));

	/* a program that says nothing: what is known of it can only come from the file */
	assert_int_equal(file_read("/bin/true", 1 << 24, &bytes, &len, NULL), 0);
	program = scratch_write(f->dir, "program", bytes, len);
	assert_int_equal(chmod(program, 0755), 0);
	assert_int_equal(stat(program, &st), 0);
	record = xasprintf("%s %lld %lld.%09ld\n8.8", program, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
			   st.st_mtim.tv_nsec);
	file = scratch_write(f->dir, "qemu-version", record, strlen(record));
	again = emulator_version(program, f->dir);
	assert_string_equal(again, "8.8");
	assert_int_equal(utimensat(AT_FDCWD, program, (const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0), 0);
	newer = emulator_version(program, f->dir);
	assert_true(!newer || strcmp(newer, "8.8"));
}

static void the_longest_unused_go_first(void **state)
{
	const struct fixture *f = *state;
	char keys[4][SHA256_HEX_SIZE];
	json_t *inputs = json_object();
	uint64_t bytes;
	size_t n;

	for (unsigned int i = 0; i < 4; i++) {
		const struct timespec used[2] = { { 1000 + i, 0 }, { 1000 + i, 0 } };
		struct cached_boot boot = { .files = { { .name = "stream", .data = "abc", .len = 3 } }, .n_files = 1 };
		_cleanup_free_ char *path = NULL;

		sha256_bytes(&i, sizeof(i), keys[i]);
		assert_int_equal(boot_cache_put(f->cache, keys[i], inputs, &boot, NULL), 0);
		path = entry_of(f, keys[i]);
		assert_int_equal(utimensat(AT_FDCWD, path, used, 0), 0);
	}
	boot_cache_usage(f->cache, &n, &bytes);
	assert_int_equal(n, 4);
	assert_int_equal(boot_cache_trim(f->cache, 0, bytes, false, &bytes), 0);
	assert_int_equal(boot_cache_trim(f->cache, 1001, UINT64_MAX, true, &bytes), 1);
	assert_int_equal(boot_cache_trim(f->cache, 1001, UINT64_MAX, false, &bytes), 1);
	boot_cache_usage(f->cache, &n, &bytes);
	assert_int_equal(boot_cache_trim(f->cache, 0, bytes * 2 / 3, false, &bytes), 1);
	for (unsigned int i = 0; i < 4; i++) {
		_cleanup_free_ char *path = entry_of(f, keys[i]);

		assert_int_equal(path_exists(path), i >= 2);
	}
	json_decref(inputs);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(second_run_boots_nothing),
		TEST(counted_boots_are_not_taken),
		TEST(one_changed_kernel_boots_alone),
		TEST(verify_is_not_satisfied),
		TEST(other_bytes_are_told),
		TEST(damaged_entries_are_dropped),
		TEST(digests_are_checked),
		TEST(failures_are_not_kept),
		TEST(a_cache_that_cannot_be_written_is_a_warning),
		TEST(racing_runs_agree),
		TEST(the_key_holds_every_input),
		TEST(only_sealed_boots_have_a_key),
		TEST(an_emulator_is_its_files),
		TEST(a_version_is_remembered),
		TEST(the_longest_unused_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
