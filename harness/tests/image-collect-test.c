// SPDX-License-Identifier: GPL-2.0-or-later
/* Making room in the image cache: by age, by size, and what stays whatever is asked for. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/collect.h"
#include "run/hold.h"
#include "tests/pipeline.h"

#define DAY_S 86400
#define MIB (1 << 20)

static char *cache;
static struct text said;

static void hear(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)fraction;
	(void)eta_s;
	text_add(&said, "[%s]", what);
}

static void report(void *ctx, const char *what, uint64_t bytes, const char *kept)
{
	(void)ctx;
	assert_true(bytes > 0);
	text_add(&said, "%s%s%s|", what, kept ? ": kept, " : "", kept ? kept : "");
}

static void put(const char *name, size_t bytes, unsigned days)
{
	_cleanup_free_ char *path = path_join(cache, name), *dir = xstrdup(path), *data = xcalloc(1, bytes + 1);
	struct timespec t[2] = { { .tv_sec = time(NULL) - (time_t)days * DAY_S } };

	t[1] = t[0];
	*strrchr(dir, '/') = '\0';
	assert_int_equal(make_dirs(dir, NULL), 0);
	assert_int_equal(file_write_atomic(path, data, bytes, NULL), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

/* A kernel of 4 MiB under a recipe of sixty-four @c, last used @days ago; its Image's path, owned by the caller. */
static char *kernel(char c, unsigned days)
{
	_cleanup_free_ char *image = path_join(cache, "build/i"), *map = path_join(cache, "build/m"),
			    *config = path_join(cache, "build/c"), *log = path_join(cache, "build/l"), *meta = NULL;
	struct timespec t[2] = { { .tv_sec = time(NULL) - (time_t)days * DAY_S } };
	char recipe[SHA256_HEX_SIZE], origin[2] = { c, '\0' };
	struct cache_new n = { .recipe = recipe,
			       .image = image,
			       .system_map = map,
			       .config = config,
			       .log = log,
			       .release = "6",
			       .origin = origin,
			       .compiler = "cc",
			       .family = "f",
			       .page_bytes = 4096 };

	memset(recipe, c, SHA256_HEX_SIZE - 1);
	recipe[SHA256_HEX_SIZE - 1] = '\0';
	put("build/i", 4 * MIB, 0);
	put("build/m", 1, 0);
	put("build/c", 1, 0);
	put("build/l", 1, 0);
	assert_int_equal(cache_store(cache, &n, NULL), 0);
	meta = xasprintf("%s/kernels/%s/meta.json", cache, recipe);
	t[1] = t[0];
	assert_int_equal(utimensat(AT_FDCWD, meta, t, 0), 0);
	return xasprintf("%s/kernels/%s/Image", cache, recipe);
}

static int setup(void **state)
{
	(void)state;
	cache = scratch_make();
	said = (struct text){ 0 };
	free(kernel('a', 40));
	free(kernel('b', 20));
	free(kernel('c', 1));
	put("objects/cccc/obj/x.o", 2 * MIB, 0);
	put("objects/cccc/object.json", 10, 1);
	put("sources/trixie/linux-source-6.12/source.tar.xz", MIB, 35);
	put("sources/trixie/linux-source-6.12/source.json", 10, 35);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	text_free(&said);
	scratch_remove(cache);
	return 0;
}

/* What collecting says; -1 is checked by the caller's expectation of it. */
static uint64_t collected(const struct collect *options, const char *expected)
{
	uint64_t bytes = 0;
	struct err err = ERR_INIT;

	text_free(&said);
	said = (struct text){ 0 };
	if (cache_collect(cache, options, hear, report, NULL, &bytes, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(said.s ? said.s : "", expected);
	return bytes;
}

static bool there(char c)
{
	struct cache_entry *entries;
	bool found = false;
	size_t n;

	assert_int_equal(cache_list(cache, &entries, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		found |= entries[i].recipe[0] == c;
	cache_entries_free(entries, n);
	return found;
}

static void by_age(void **state)
{
	const struct collect dry = { .older_than_s = 30 * DAY_S, .dry_run = true },
			     wet = { .older_than_s = 30 * DAY_S };
	static const char gone[] = "aaaaaaaaaaaa a|sources/trixie/linux-source-6.12/source.tar.xz|";
	_cleanup_free_ char *record = path_join(cache, "sources/trixie/linux-source-6.12/source.json");
	uint64_t would;

	(void)state;
	would = collected(&dry, gone);
	assert_true(there('a'));
	assert_true(would >= 5 * MIB);
	assert_int_equal(collected(&wet, gone), would);
	assert_true(!there('a') && there('b') && there('c'));
	/* the record of a source outlives its tarball */
	assert_true(path_exists(record));
	assert_int_equal(collected(&wet, ""), 0);
}

/* Object trees first, then the longest unused kernels, until the rest fits. */
static void by_size(void **state)
{
	struct collect options = { .bounded = true, .keep_bytes = 13 * MIB };

	(void)state;
	collected(&options, "objects of cccc|");
	assert_true(there('a'));
	options.keep_bytes = 9 * MIB;
	collected(&options, "aaaaaaaaaaaa a|");
	collected(&options, "");
	options.keep_bytes = 0;
	collected(&options, "bbbbbbbbbbbb b|cccccccccccc c|");
}

/* Without options only what nobody can use. */
static void leftovers(void **state)
{
	_cleanup_free_ char *image = kernel('d', 0);
	const struct collect options = { 0 };

	(void)state;
	put("build/tree-1/Makefile", MIB, 0);
	*strrchr(image, '/') = '\0';
	{
		_cleanup_free_ char *meta = path_join(image, "meta.json");

		assert_int_equal(truncate(meta, 3), 0);
	}
	collected(&options, "unpacked sources and unfinished builds|dddddddddddd (damaged)|");
	assert_true(there('a') && !there('d'));
}

static void held_by_a_run(void **state)
{
	_cleanup_free_ char *image = kernel('e', 99);
	const struct collect options = { .older_than_s = 90 * DAY_S };
	int a = cache_hold(image), b = cache_hold(image);

	(void)state;
	assert_true(a >= 0 && b >= 0); /* two runs may */
	collected(&options, "eeeeeeeeeeee e: kept, a run in progress uses it|");
	close(a);
	collected(&options, "eeeeeeeeeeee e: kept, a run in progress uses it|");
	close(b);
	collected(&options, "eeeeeeeeeeee e|");
	assert_int_equal(cache_hold(image), -1);
	/* a cell holds its modules by one of them */
	put("modules/x/6.12/01-a.ko", 10, 0);
	{
		_cleanup_free_ char *ko = path_join(cache, "modules/x/6.12/01-a.ko"),
				    *dir = path_join(cache, "modules/x/6.12");
		const struct timespec ago[2] = { { .tv_sec = time(NULL) - 99L * DAY_S },
						 { .tv_sec = time(NULL) - 99L * DAY_S } };

		assert_int_equal(utimensat(AT_FDCWD, dir, ago, 0), 0);
		a = cache_hold(ko);
		collected(&options, "modules/x/6.12: kept, a run in progress uses it|");
		close(a);
		collected(&options, "modules/x/6.12|");
	}
}

/* What schedule_run() does for its run. */
static void held_by_cells(void **state)
{
	_cleanup_free_ char *a = kernel('e', 99), *b = kernel('f', 99),
			    *ko = path_join(cache, "modules/x/6.12/01-a.ko");
	struct cell_program programs[] = { { .guest_path = (char *)"init", .host_path = (char *)"/sbin/init" },
					   { .guest_path = (char *)"lib/modules/granule/01-a.ko", .host_path = ko } };
	struct cell_record cells[] = { { .kernel_path = a },
				       { .kernel_path = a, .programs = programs, .n_programs = 2 },
				       { .kernel_path = b, .skip = (char *)"not wanted" } };
	_cleanup_free_ char *dir = path_join(cache, "modules/x/6.12");
	const struct timespec ago[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	const struct run run = { .cells = cells, .n_cells = 3 };
	const struct collect options = { .bounded = true, .older_than_s = 3650L * DAY_S };
	struct holds holds;

	(void)state;
	put("modules/x/6.12/01-a.ko", 10, 0);
	assert_int_equal(utimensat(AT_FDCWD, dir, ago, 0), 0);
	holds_take(&run, &holds);
	collected(&options, "objects of cccc|eeeeeeeeeeee e: kept, a run in progress uses it|ffffffffffff f|"
			    "aaaaaaaaaaaa a|bbbbbbbbbbbb b|cccccccccccc c|"
			    "modules/x/6.12: kept, a run in progress uses it|");
	holds_end(&holds);
	collected(&options, "eeeeeeeeeeee e|modules/x/6.12|");
}

static void build_in_progress(void **state)
{
	struct collect options = { .dry_run = true };
	_cleanup_free_ char *path = path_join(cache, "lock"), *waiting = NULL;
	int ready[2], status;
	char byte;
	pid_t pid;

	(void)state;
	put("build/tree-1/Makefile", MIB, 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int lock = cache_lock(cache, hear, NULL, NULL);

		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		usleep(500000);
		_exit(lock >= 0 ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	collected(&options, "unpacked sources and unfinished builds: kept, a build is in progress|");
	options.dry_run = false;
	waiting = xasprintf("[waiting: another granule (process %d) is building in %s]"
			    "unpacked sources and unfinished builds|",
			    (int)pid, cache);
	collected(&options, waiting);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_age),	     TEST(by_size),	  TEST(leftovers),
		TEST(held_by_a_run), TEST(held_by_cells), TEST(build_in_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
