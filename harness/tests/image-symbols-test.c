// SPDX-License-Identifier: GPL-2.0-or-later
/* System.map to an ELF file of names, and where QEMU puts an Image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "image/symbols.h"
#include "tests/pipeline.h"

#define ENTRY UINT64_C(0x40200000)

static const char map[] = "0000000000000000 A _kernel_flags_le_hi32\n"
			  "ffff800080000000 t _head\n"
			  "ffff800080000000 T _text\n"
			  "ffff800080010000 T start_kernel\n"
			  "ffff800080010400 t helper\n"
			  "ffff800080020000 D jiffies\n"
			  "ffff800080030000 B _end\n";

static const Elf64_Sym *find(const char *elf, const char *name, uint16_t *ret_section)
{
	const Elf64_Ehdr *head = (const void *)elf;
	const Elf64_Shdr *sections = (const void *)(elf + head->e_shoff);

	for (unsigned int k = 0; k < head->e_shnum; k++) {
		const Elf64_Sym *sym = (const void *)(elf + sections[k].sh_offset);
		const char *strings = elf + sections[sections[k].sh_link].sh_offset;

		if (sections[k].sh_type != SHT_SYMTAB)
			continue;
		for (size_t i = 0; i < sections[k].sh_size / sizeof(*sym); i++) {
			/* local ones end where sh_info says, or a linker would not have it */
			assert_int_equal(ELF64_ST_BIND(sym[i].st_info) == STB_LOCAL, i < sections[k].sh_info);
			if (strcmp(strings + sym[i].st_name, name) == 0) {
				*ret_section = sym[i].st_shndx;
				return &sym[i];
			}
		}
	}
	return NULL;
}

static void names_have_their_addresses(void **state)
{
	static const struct {
		const char *name;
		uint64_t address; /* 0: not there */
		const char *section;
	} want[] = {
		{ "start_kernel", 0xffff800080010000, ".text" },
		{ "_phys_start_kernel", ENTRY + 0x10000, ".phys" },
		{ "helper", 0xffff800080010400, ".text" },
		{ "_phys__text", ENTRY, ".phys" },
		{ "jiffies", 0xffff800080020000, ".text" },
		{ "_phys_jiffies", 0, NULL },
		{ "_kernel_flags_le_hi32", 0, NULL },
	};
	char *dir = scratch_make();
	_cleanup_free_ char *path = scratch_write(dir, "System.map", map, strlen(map)), *out = path_join(dir, "elf");
	_cleanup_free_ char *elf = NULL;
	struct err err = ERR_INIT;

	(void)state;
	if (symbols_write(path, ENTRY, out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(file_read(out, 1 << 20, &elf, NULL, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const Elf64_Ehdr *head = (const void *)elf;
		const Elf64_Shdr *sections = (const void *)(elf + head->e_shoff);
		uint16_t section;
		const Elf64_Sym *sym = find(elf, want[i].name, &section);

		if (!sym != !want[i].address)
			fail_msg("%s", want[i].name);
		if (!sym)
			continue;
		assert_int_equal(sym->st_value, want[i].address);
		assert_string_equal(elf + sections[head->e_shstrndx].sh_offset + sections[section].sh_name,
				    want[i].section);
	}
	scratch_remove(dir);
}

static void refuses(const char *text, const char *why)
{
	char *dir = scratch_make();
	_cleanup_free_ char *path = scratch_write(dir, "System.map", text, strlen(text)), *out = path_join(dir, "elf");
	struct err err = ERR_INIT;

	assert_int_equal(symbols_write(path, ENTRY, out, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	if (!strstr(err.msg, why))
		fail_msg("'%s' does not say '%s'", err.msg, why);
	assert_false(path_exists(out));
	scratch_remove(dir);
}

static void what_is_no_map(void **state)
{
	(void)state;
	refuses("", "_text and _end are missing");
	refuses("ffff800080000000 T _text\n", "_text and _end are missing");
	refuses("ffff800080000000 T _text\nffff800080000000 T _end\n", "_text and _end are missing");
	refuses("ffff800080000000 T _text\nno line\n", ":2: not a line");
	refuses("ffff8000800000000 T _text\n", ":1: not a line");
	refuses("ffff800080000000 ! _text\n", ":1: not a line");
	refuses("ffff800080000000 T \n", ":1: not a line");
	refuses("ffff800080000000", ":1: not a line");
}

/* text_offset 0, as kernels since 5.8 have it, is behind the boot loader's page; an older one is where it says. */
static void where_an_image_is_entered(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *path = scratch_image(dir, "Image", 65536), *old = NULL, *text = NULL, *image = NULL;
	struct err err = ERR_INIT;
	uint64_t entry;
	size_t len;

	(void)state;
	assert_int_equal(image_entry(path, &entry, &err), 0);
	assert_int_equal(entry, 0x40200000);
	assert_int_equal(file_read(path, 1 << 20, &image, &len, NULL), 0);
	image[10] = 8;
	old = scratch_write(dir, "Old", image, len);
	assert_int_equal(image_entry(old, &entry, &err), 0);
	assert_int_equal(entry, 0x40080000);
	text = scratch_write(dir, "text", "no Image\n", 9);
	assert_int_equal(image_entry(text, &entry, &err), -1);
	assert_non_null(strstr(err.msg, "not an arm64 Image"));
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_their_addresses),
		cmocka_unit_test(what_is_no_map),
		cmocka_unit_test(where_an_image_is_entered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
