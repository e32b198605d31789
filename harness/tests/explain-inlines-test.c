// SPDX-License-Identifier: GPL-2.0-or-later
/* Inlined functions by debug information, of an arm64 program that stands for a vmlinux. Each test names the mutation
 * that it is there to catch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <gelf.h>

#include "base/fs.h"
#include "base/mem.h"
#include "explain/inlines.h"
#include "explain/usercode.h"
#include "guest/programs.h"
#include "tests/pipeline.h"

struct fixture {
	char *dir, *program, *image; /* owned; the image: the program as objcopy -O binary would put it */
};

/* Its first loaded segment as it lies in memory. */
static char *make_image(const char *dir, const char *program)
{
	_cleanup_free_ char *data = NULL;
	size_t len, n = 0;
	char *image = NULL;
	GElf_Phdr p;
	Elf *elf;

	assert_int_equal(file_read(program, 1 << 26, &data, &len, NULL), 0);
	elf_version(EV_CURRENT);
	elf = elf_memory(data, len);
	assert_non_null(elf);
	elf_getphdrnum(elf, &n);
	for (size_t i = 0; i < n && !image; i++)
		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD)
			image = scratch_write(dir, "Image", data + p.p_offset, p.p_filesz);
	elf_end(elf);
	assert_non_null(image);
	return image;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->dir = scratch_make();
	f->program = guest_program_path("../tests/dwarf/inlined");
	f->image = make_image(f->dir, f->program);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->program);
	free(f->image);
	free(f);
	return 0;
}

static struct user_symbol function(const struct usercode *u, const char *name)
{
	for (size_t i = 0; i < u->v[0].n; i++)
		if (!strcmp(u->v[0].v[i].name, name))
			return u->v[0].v[i];
	fail_msg("no %s", name);
	return (struct user_symbol){ 0 };
}

/* Caught: the outermost instead of the innermost, the symbol's own name for an inlined one's, an address off by the
 * load bias. */
static void test_names(void **state)
{
	const struct fixture *f = *state;
	_cleanup_(usercode_free) struct usercode u = { 0 };
	size_t one = 0, two = 0, own = 0;
	struct inlines *in;
	struct err err = ERR_INIT;
	struct user_symbol s;

	if (inlines_open(f->program, f->image, &in, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(usercode_add(&u, "inlined", f->program, &err), 0);
	s = function(&u, "outer");
	for (uint64_t at = s.address; at < s.address + s.size; at += 4) {
		const char *name = inlines_find(in, at);

		one += name && !strcmp(name, "add_one");
		two += name && !strcmp(name, "add_two");
		own += !name;
	}
	/* each of the two loads, adds and stores; outer multiplies and returns */
	if (one < 2 || two < 2 || own < 2 || one + two + own != s.size / 4)
		fail_msg("%zu %zu %zu", one, two, own);
	s = function(&u, "alone");
	for (uint64_t at = s.address; at < s.address + s.size; at += 4)
		assert_null(inlines_find(in, at));
	inlines_free(in);
}

/* Caught: another kernel's debug information, one without, one that is not there. */
static void test_refused(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *data = NULL, *other = NULL, *stripped = guest_program_path("null/null"), *own = NULL;
	struct err err = ERR_INIT;
	struct inlines *in;
	size_t len;

	assert_int_equal(file_read(f->image, 1 << 26, &data, &len, NULL), 0);
	data[len / 4] ^= 1;
	other = scratch_write(f->dir, "Other", data, len);
	assert_int_equal(inlines_open(f->program, other, &in, &err), -1);
	assert_non_null(strstr(err.msg, "their code differs"));
	err = (struct err)ERR_INIT;
	own = make_image(f->dir, stripped);
	assert_int_equal(inlines_open(stripped, own, &in, &err), -1);
	assert_non_null(strstr(err.msg, "no debug information"));
	err = (struct err)ERR_INIT;
	assert_int_equal(inlines_open("/nonexistent/vmlinux", f->image, &in, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
}

static void test_path(void **state)
{
	_cleanup_free_ char *tree = inlines_path("/src/linux/arch/arm64/boot/Image"), *flat = inlines_path("/k/Image");

	(void)state;
	assert_string_equal(tree, "/src/linux/vmlinux");
	assert_string_equal(flat, "/k/vmlinux");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_path),
	};

	return cmocka_run_group_tests_name("explain-inlines", tests, setup, teardown);
}
