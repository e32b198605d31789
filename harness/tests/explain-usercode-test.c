// SPDX-License-Identifier: GPL-2.0-or-later
/* From the bytes of user code to a program and its function, by granule's own guest programs. Each test names the
 * mutation that it is there to catch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "explain/rootcode.h"
#include "explain/usercode.h"
#include "guest/programs.h"
#include "image/tool.h"
#include "tests/pipeline.h"
#include "wire/code.h"

static char *built(const char *name)
{
	_cleanup_free_ char *file = xasprintf("will-it-scale/%s", name);

	return guest_program_path(file);
}

static void add(struct usercode *u, const char *guest_path, const char *path)
{
	struct err err = ERR_INIT;

	if (usercode_add(u, guest_path, path, &err) < 0)
		fail_msg("%s", err.msg);
}

static const struct user_symbol *symbol_of(const struct usercode *u, size_t program, const char *name)
{
	for (size_t i = 0; i < u->v[program].n; i++)
		if (!strcmp(u->v[program].v[i].name, name))
			return &u->v[program].v[i];
	fail_msg("no symbol %s", name);
	return NULL;
}

/* The digest that the plugin would see around @address of the file. */
static uint64_t digest_at(const struct usercode *u, size_t program, uint64_t address)
{
	for (size_t i = 0; i < u->n_pieces; i++)
		if (u->pieces[i].program == program && u->pieces[i].address == (address & ~(uint64_t)(CODE_PIECE - 1)))
			return u->pieces[i].digest;
	fail_msg("no piece");
	return 0;
}

/* Caught: the next function instead of the last, a function beyond its end, a piece at another address, symbols that
 * are not looked for beside the stripped program. */
static void test_functions(void **state)
{
	_cleanup_free_ char *path = built("page_fault1_processes");
	_cleanup_(usercode_free) struct usercode u = { 0 };
	const struct user_symbol *testcase;
	uint64_t digest;
	size_t symbol;

	(void)state;
	add(&u, "bin/page_fault1_processes", path);
	assert_string_equal(u.v[0].name, "page_fault1_processes");
	assert_true(u.v[0].fixed);
	testcase = symbol_of(&u, 0, "testcase");
	assert_true(testcase->size > 16);
	digest = digest_at(&u, 0, testcase->address);
	assert_int_equal(usercode_find(&u, testcase->address, digest, SIZE_MAX, &symbol), 0);
	assert_string_equal(u.v[0].v[symbol].name, "testcase");
	digest = digest_at(&u, 0, testcase->address + testcase->size - 4);
	assert_int_equal(usercode_find(&u, testcase->address + testcase->size - 4, digest, SIZE_MAX, &symbol), 0);
	assert_string_equal(u.v[0].v[symbol].name, "testcase");
	/* linked at a fixed address: the same bytes elsewhere are not it */
	assert_int_equal(usercode_find(&u, testcase->address + 16 * CODE_PIECE, digest, SIZE_MAX, &symbol), SIZE_MAX);
	assert_int_equal(usercode_find(&u, testcase->address, digest + 1, SIZE_MAX, &symbol), SIZE_MAX);
	assert_int_equal(symbol, SIZE_MAX);
	assert_int_equal(usercode_by_path(&u, "/bin/page_fault1_processes"), 0);
	assert_int_equal(usercode_by_path(&u, "/bin/other"), SIZE_MAX);
}

/* Two programs of the same bytes: the one that the phase runs. Caught: always the first, always the last. */
static void test_preferred(void **state)
{
	_cleanup_free_ char *path = built("page_fault1_processes");
	_cleanup_(usercode_free) struct usercode u = { 0 };
	uint64_t address, digest;
	size_t symbol;

	(void)state;
	add(&u, "bin/a", path);
	add(&u, "bin/b", path);
	address = symbol_of(&u, 0, "testcase")->address;
	digest = digest_at(&u, 0, address);
	assert_int_equal(usercode_find(&u, address, digest, 1, &symbol), 1);
	assert_int_equal(usercode_find(&u, address, digest, 0, &symbol), 0);
	assert_int_equal(usercode_find(&u, address, digest, SIZE_MAX, &symbol), 0);
}

/* Caught: symbols of another build taken for the program's. */
static void test_wrong_symbols(void **state)
{
	_cleanup_free_ char *one = built("page_fault1_processes"), *two = built("getppid1_processes"), *data = NULL;
	_cleanup_free_ char *beside = xasprintf("%s.sym", two), *program = NULL, *symbols = NULL;
	_cleanup_(usercode_free) struct usercode u = { 0 };
	char *dir = scratch_make();
	uint64_t address, digest;
	size_t len, symbol;

	(void)state;
	assert_int_equal(file_read(one, 1 << 24, &data, &len, NULL), 0);
	program = scratch_write(dir, "program", data, len);
	free(data);
	assert_int_equal(file_read(beside, 1 << 24, &data, &len, NULL), 0);
	symbols = scratch_write(dir, "program.sym", data, len);
	add(&u, "bin/program", program);
	scratch_remove(dir);
	assert_int_equal(u.v[0].n, 0);
	/* it is still the program */
	add(&u, "bin/same", one);
	address = symbol_of(&u, 1, "testcase")->address;
	digest = digest_at(&u, 0, address);
	assert_int_equal(usercode_find(&u, address, digest, 0, &symbol), 0);
	assert_int_equal(symbol, SIZE_MAX);
}

static void test_no_elf(void **state)
{
	_cleanup_(usercode_free) struct usercode u = { 0 };
	char *dir = scratch_make();
	_cleanup_free_ char *script = scratch_write(dir, "script", "#!/bin/sh\n", 10);
	_cleanup_free_ char *nothing = path_join(dir, "nothing");
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(usercode_add(&u, "bin/script", script, &err), 0);
	assert_int_equal(u.n, 0);
	assert_int_equal(usercode_add(&u, "bin/nothing", nothing, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	scratch_remove(dir);
}

/* Caught: files that are not found by their path in the image, files that are no programs taken for some, a scratch folder
 * that stays. */
static void test_root(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *program = built("page_fault1_processes"), *tree = path_join(dir, "tree"),
			    *bin = path_join(tree, "usr/bin"), *server = path_join(bin, "server"),
			    *script = path_join(bin, "script"), *image = path_join(dir, "image"),
			    *tmp = path_join(dir, "tmp"), *data = NULL;
	const char *mkfs[] = { "mkfs.erofs", image, tree, NULL };
	_cleanup_(usercode_free) struct usercode u = { 0 };
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(make_dirs(bin, &err), 0);
	assert_int_equal(make_dirs(tmp, &err), 0);
	assert_int_equal(file_read(program, 64 << 20, &data, &len, &err), 0);
	assert_int_equal(file_write(server, data, len, &err), 0);
	assert_int_equal(file_write(script, "#!/bin/sh\n", 10, &err), 0);
	if (tool_run(mkfs, NULL, NULL, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	setenv("TMPDIR", tmp, 1);
	if (rootcode_add(&u, image, &err) < 0)
		fail_msg("%s", err.msg);
	unsetenv("TMPDIR");
	assert_int_equal(rmdir(tmp), 0);
	assert_int_equal(u.n, 1);
	assert_int_equal(usercode_by_path(&u, "/usr/bin/server"), 0);
	assert_string_equal(u.v[0].name, "server");
	/* no image */
	assert_int_equal(rootcode_add(&u, script, &err), -1);
	assert_non_null(strstr(err.msg, "fsck.erofs"));
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_functions),     cmocka_unit_test(test_preferred),
		cmocka_unit_test(test_wrong_symbols), cmocka_unit_test(test_no_elf),
		cmocka_unit_test(test_root),
	};

	return cmocka_run_group_tests_name("explain-usercode", tests, NULL, NULL);
}
