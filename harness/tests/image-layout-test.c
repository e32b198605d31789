// SPDX-License-Identifier: GPL-2.0-or-later
/* Layout-neutral edits: the same for a number everywhere, other ones for another, and in the files that they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "image/layout.h"
#include "tests/pipeline.h"

#define NUMBERS 60

/* A kernel's digest holds these words: a change of the generator makes every calibration build anew. */
static void known_numbers(void **state)
{
	_cleanup_free_ char *pad = layout_edits(1), *order = layout_edits(2), *align = layout_edits(3);

	(void)state;
	assert_string_equal(pad, "pad mm/page_alloc.c 3176\npad fs/read_write.c 1375\n");
	assert_string_equal(order, "rotate mm/Makefile 23\nrotate fs/Makefile 3\npad arch/arm64/mm/fault.c 816\n");
	assert_string_equal(align, "align mm/Makefile 32\nalign fs/Makefile 32\npad arch/arm64/mm/fault.c 3330\n");
}

static bool begins(const char *s, const char *verb)
{
	return strncmp(s, verb, strlen(verb)) == 0;
}

/* Caught: a generator that runs in a circle, a kind that is never made, a size of nothing. */
static void numbers_differ(void **state)
{
	static const char *const kinds[] = { "pad ", "rotate ", "align " };

	(void)state;
	for (uint64_t i = 1; i <= NUMBERS; i++) {
		_cleanup_free_ char *edits = layout_edits(i);

		assert_true(begins(edits, kinds[(i - 1) % 3]));
		assert_null(strstr(edits, " 0\n"));
		for (uint64_t k = 1; k < i; k++) {
			_cleanup_free_ char *other = layout_edits(k);

			assert_string_not_equal(edits, other);
		}
	}
}

static void write_file(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name), *parent = xstrdup(path);
	struct err err = ERR_INIT;

	*strrchr(parent, '/') = '\0';
	assert_int_equal(make_dirs(parent, &err), 0);
	assert_int_equal(file_write(path, text, strlen(text), &err), 0);
}

static void check_file(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name), *got = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(file_read(path, 65536, &got, NULL, &err), 0);
	assert_string_equal(got, text);
}

static void edits_are_made(void **state)
{
	char *dir = scratch_make();
	struct err err = ERR_INIT;

	(void)state;
	write_file(dir, "mm/memory.c", "int x;\n");
	write_file(dir, "mm/Makefile", "obj-y := a.o b.o c.o\n");
	write_file(dir, "fs/Makefile", "obj-y := d.o\n");
	assert_int_equal(layout_apply("pad mm/memory.c 7\nrotate mm/Makefile 2\nalign fs/Makefile 64\n", dir, &err), 0);
	check_file(dir, "mm/memory.c",
		   "asm(\".pushsection .text\\n\\t.rept 7\\n\\tnop\\n\\t.endr\\n\\t.popsection\");\nint x;\n");
	check_file(dir, "mm/Makefile",
		   "obj-y := a.o b.o c.o\n\nobj-y := $(wordlist 3,9999,$(obj-y)) $(wordlist 1,2,$(obj-y))\n");
	check_file(dir, "fs/Makefile", "obj-y := d.o\n\nsubdir-ccflags-y += -falign-functions=64\n");
	assert_int_equal(layout_apply("pad mm/gone.c 7\n", dir, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "layout: this source has no mm/gone.c to move");
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_numbers),
		cmocka_unit_test(numbers_differ),
		cmocka_unit_test(edits_are_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
