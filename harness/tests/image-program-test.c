// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs from C files of the user's: built once, the same from any folder, again when anything that goes in changes, and
 * the compiler's complaint where they do not build. Needs the arm64 compiler, no guest. The C files here are ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "guest/programs.h"
#include "image/cache.h"
#include "image/program.h"
#include "image/recipe.h"
#include "tests/pipeline.h"

/* The contract of upstream, as its files meet it: no header of ours, an endless loop, an assertion. */
static const char test_source[] = "#include <assert.h>\n#include \"step.h\"\n"
				  "char *testcase_description = \"adds\";\n"
				  "void testcase(unsigned long long *iterations, unsigned long nr)\n"
				  "{\n\twhile (1) {\n\t\tassert(STEP);\n\t\t*iterations += STEP;\n\t}\n}\n";

struct fixture {
	char *dir, *cache, *object; /* owned */
	char *why_not;		    /* owned */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cross = NULL, *compiler = NULL;
	struct err err = ERR_INIT;

	f->dir = scratch_make();
	f->cache = path_join(f->dir, "cache");
	f->object = guest_program_path("will-it-scale/runner_processes.o");
	if (recipe_toolchain_host(&cross, &compiler, &err) < 0)
		f->why_not = xstrdup(err.msg);
	if (f->why_not)
		printf("skipped: %s\n", f->why_not);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->cache);
	free(f->object);
	free(f->why_not);
	free(f);
	return 0;
}

#define REQUIRE_COMPILER(f)                                                                                            \
	do {                                                                                                           \
		if ((f)->why_not)                                                                                      \
			skip();                                                                                        \
	} while (0)

/* @folder/adds.c and the header that it includes; returns the path of the first. */
static char *write_source(const struct fixture *f, const char *folder, const char *text, const char *step)
{
	_cleanup_free_ char *dir = path_join(f->dir, folder), *header = NULL;

	assert_int_equal(make_dirs(dir, NULL), 0);
	header = scratch_write(dir, "step.h", step, strlen(step));
	return scratch_write(dir, "adds.c", text, strlen(text));
}

static char *ensure(const struct fixture *f, const char *source)
{
	struct err err = ERR_INIT;
	char *path = NULL;

	if (program_ensure_in(f->cache, source, f->object, &path, &err) < 0)
		fail_msg("%s", err.msg);
	return path;
}

static void built_once(void **state)
{
	struct fixture *f = *state;
	struct stat first, second;

	REQUIRE_COMPILER(f);
	_cleanup_free_ char *source = write_source(f, "a", test_source, "#define STEP 1\n");
	_cleanup_free_ char *one = ensure(f, source), *two = NULL, *elf = NULL;

	assert_int_equal(stat(one, &first), 0);
	two = ensure(f, source);
	assert_string_equal(one, two);
	assert_int_equal(stat(two, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	assert_int_equal(access(one, X_OK), 0);
	assert_int_equal(file_read(one, 64 << 20, &elf, NULL, NULL), 0);
	assert_memory_equal(elf, "\177ELF\2\1", 6);
	assert_int_equal((unsigned char)elf[18], 183); /* EM_AARCH64 */
}

/* assert() has the file's name in it, and must not have the folder's. */
static void same_bytes_from_any_folder(void **state)
{
	struct fixture *f = *state;

	REQUIRE_COMPILER(f);
	_cleanup_free_ char *a = write_source(f, "a", test_source, "#define STEP 1\n");
	_cleanup_free_ char *b = write_source(f, "elsewhere", test_source, "#define STEP 1\n");
	_cleanup_free_ char *first = ensure(f, a), *second = NULL;

	second = ensure(f, b);
	assert_string_equal(first, second);
}

static void a_header_counts(void **state)
{
	struct fixture *f = *state;

	REQUIRE_COMPILER(f);
	_cleanup_free_ char *a = write_source(f, "a", test_source, "#define STEP 1\n");
	_cleanup_free_ char *first = ensure(f, a), *again = NULL, *second = NULL;

	again = write_source(f, "a", test_source, "#define STEP 2\n");
	second = ensure(f, again);
	assert_string_not_equal(first, second);
}

static void a_damaged_one_is_built_again(void **state)
{
	struct fixture *f = *state;

	REQUIRE_COMPILER(f);
	_cleanup_free_ char *a = write_source(f, "a", test_source, "#define STEP 1\n");
	_cleanup_free_ char *path = ensure(f, a), *again = NULL;
	char before[SHA256_HEX_SIZE], after[SHA256_HEX_SIZE];

	assert_int_equal(sha256_file(path, before, NULL), 0);
	assert_int_equal(truncate(path, 1000), 0);
	assert_false(cache_file_intact(path));
	again = ensure(f, a);
	assert_string_equal(path, again);
	assert_int_equal(sha256_file(path, after, NULL), 0);
	assert_string_equal(before, after);
}

static void complaints(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "#include <no/such.h>\n", "no/such.h" },
		{ "void testcase(void)\n{\n\tundeclared = 1;\n}\n", ".c:3:" },
		{ "int nothing;\n", "undefined reference to `testcase'" }, /* the linker's */
	};
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	char *path = NULL;

	REQUIRE_COMPILER(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *source = write_source(f, "bad", cases[i].text, "");

		err = ERR_INIT;
		assert_int_equal(program_ensure_in(f->cache, source, f->object, &path, &err), -1);
		assert_int_equal(err.kind, ERR_CONFIG);
		if (!strstr(err.msg, cases[i].sentence) || !strstr(err.msg, "bad/adds.c does not build with"))
			fail_msg("no \"%s\" in: %s", cases[i].sentence, err.msg);
	}
	err = ERR_INIT;
	assert_int_equal(program_ensure_in(f->cache, "/no/such/test.c", f->object, &path, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "/no/such/test.c: no such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_once),	   cmocka_unit_test(same_bytes_from_any_folder),
		cmocka_unit_test(a_header_counts), cmocka_unit_test(a_damaged_one_is_built_again),
		cmocka_unit_test(complaints),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
