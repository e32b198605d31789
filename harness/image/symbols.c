// SPDX-License-Identifier: GPL-2.0-or-later
/* System.map to an ELF file that holds nothing but names. Knows no debugger and no guest. */
#include "image/symbols.h"

#include <elf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define MAP_SIZE_MAX ((size_t)64 << 20)
/* Led by an underscore, or gdb takes phys__text for the text of an Ada package phys. */
#define PHYS_PREFIX "_phys_"
#define NAME_LEN_MAX 512 /* KSYM_NAME_LEN */
/* hw/arm/virt.c: where RAM begins; hw/arm/boot.c, load_aarch64_image(): the Image goes to its text_offset from there, or 2
 * MiB further on if the boot loader's page would be in the way. */
#define RAM_BASE UINT64_C(0x40000000)
#define LOADER_SIZE UINT64_C(4096)
#define LOADER_SKIP UINT64_C(0x200000)

enum { SECTION_NULL, SECTION_TEXT, SECTION_PHYS, SECTION_SYMTAB, SECTION_STRTAB, SECTION_NAMES, N_SECTIONS };
static const char section_names[] = "\0.text\0.phys\0.symtab\0.strtab\0.shstrtab";

struct symbol {
	uint64_t address;
	char type;  /* as nm prints it */
	char *name; /* borrowed from the map's text */
};

struct symbols {
	struct symbol *v; /* owned */
	size_t n;
	uint64_t begin, end; /* _text, _end */
};

int image_entry(const char *path, uint64_t *ret_entry, struct err *err)
{
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	unsigned char head[64];
	uint64_t offset = 0;

	if (!f)
		return err_set_errno(err, ERR_CONFIG, "%s", path);
	if (fread(head, 1, sizeof(head), f) != sizeof(head) || memcmp(head + 56, "ARM\x64", 4) != 0)
		return err_set(err, ERR_CONFIG, "%s: not an arm64 Image", path);
	for (int i = 7; i >= 0; i--)
		offset = offset << 8 | head[8 + i];
	*ret_entry = RAM_BASE + offset + (offset < LOADER_SIZE ? LOADER_SKIP : 0);
	return 0;
}

static bool is_function(const struct symbol *s)
{
	return strchr("tTwW", s->type) != NULL;
}

static bool is_global(const struct symbol *s)
{
	return s->type >= 'A' && s->type <= 'Z';
}

/* "ffff800080010000 T primary_entry", NUL-terminated; changes nothing in it. */
static bool parse_line(char *line, struct symbol *s)
{
	char *end;

	s->address = strtoull(line, &end, 16);
	if (end == line || end - line > 16 || end[0] != ' ' || !strchr("aAbBcCdDgGnNrRsStTuUvVwW", end[1]) || !end[1] ||
	    end[2] != ' ')
		return false;
	s->type = end[1];
	s->name = end + 3;
	return *s->name && strlen(s->name) < NAME_LEN_MAX && !strpbrk(s->name, " \t");
}

static int parse_map(const char *path, char *text, struct symbols *all, struct err *err)
{
	unsigned int number = 0;

	for (char *line = text, *next; *line; line = next) {
		size_t len = strcspn(line, "\n");
		struct symbol s;

		next = line + len + (line[len] == '\n');
		line[len] = '\0';
		number++;
		if (!parse_line(line, &s))
			return err_set(err, ERR_CONFIG, "%s:%u: not a line of a System.map", path, number);
		if (strcmp(s.name, "_text") == 0)
			all->begin = s.address;
		else if (strcmp(s.name, "_end") == 0)
			all->end = s.address;
		*VEC_PUSH(all->v, all->n) = s;
	}
	if (!all->begin || all->end <= all->begin)
		return err_set(err, ERR_CONFIG, "%s: _text and _end are missing: not a kernel's System.map", path);
	return 0;
}

static void add_symbol(struct text *table, struct text *strings, const struct symbol *s, const char *prefix,
		       uint64_t address, uint16_t section)
{
	Elf64_Sym sym = {
		.st_name = (Elf64_Word)strings->len,
		.st_info = ELF64_ST_INFO(is_global(s) ? STB_GLOBAL : STB_LOCAL, is_function(s) ? STT_FUNC : STT_OBJECT),
		.st_shndx = section,
		.st_value = address,
	};

	text_add_bytes(table, &sym, sizeof(sym));
	text_add(strings, "%s%s", prefix, s->name);
	text_add_bytes(strings, "", 1);
}

/* Local symbols come first, as ELF wants it; returns the number of those. What is outside of the kernel (absolute values, per-CPU
 * offsets) is no address. */
static size_t add_symbols(const struct symbols *all, uint64_t entry, struct text *table, struct text *strings)
{
	static const Elf64_Sym none;
	size_t locals = 0;

	text_add_bytes(table, &none, sizeof(none));
	text_add_bytes(strings, "", 1);
	for (int global = 0; global < 2; global++) {
		for (size_t i = 0; i < all->n; i++) {
			const struct symbol *s = &all->v[i];

			if (is_global(s) != global || s->address < all->begin || s->address > all->end)
				continue;
			add_symbol(table, strings, s, "", s->address, SECTION_TEXT);
			if (is_function(s))
				add_symbol(table, strings, s, PHYS_PREFIX, s->address - all->begin + entry,
					   SECTION_PHYS);
		}
		if (!global)
			locals = table->len / sizeof(none);
	}
	return locals;
}

static Elf64_Word section_name(const char *name)
{
	const char *at = memmem(section_names, sizeof(section_names), name, strlen(name) + 1);

	return (Elf64_Word)(at - section_names);
}

/* Head, sections, symbols, strings; text sections have addresses and no bytes. */
static void lay_out(const struct symbols *all, uint64_t entry, struct text *elf)
{
	struct text table = { 0 }, strings = { 0 };
	size_t locals = add_symbols(all, entry, &table, &strings);
	const uint64_t size = all->end - all->begin, at = sizeof(Elf64_Ehdr) + N_SECTIONS * sizeof(Elf64_Shdr);
	const Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_AARCH64,
		.e_version = EV_CURRENT,
		.e_entry = entry,
		.e_shoff = sizeof(head),
		.e_ehsize = sizeof(head),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = N_SECTIONS,
		.e_shstrndx = SECTION_NAMES,
	};
	const Elf64_Shdr sections[N_SECTIONS] = {
		[SECTION_TEXT] = { .sh_name = section_name(".text"),
				   .sh_type = SHT_NOBITS,
				   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_addr = all->begin,
				   .sh_offset = at,
				   .sh_size = size },
		[SECTION_PHYS] = { .sh_name = section_name(".phys"),
				   .sh_type = SHT_NOBITS,
				   .sh_flags = SHF_ALLOC | SHF_EXECINSTR,
				   .sh_addr = entry,
				   .sh_offset = at,
				   .sh_size = size },
		[SECTION_SYMTAB] = { .sh_name = section_name(".symtab"),
				     .sh_type = SHT_SYMTAB,
				     .sh_offset = at,
				     .sh_size = table.len,
				     .sh_link = SECTION_STRTAB,
				     .sh_info = (Elf64_Word)locals,
				     .sh_addralign = 8,
				     .sh_entsize = sizeof(Elf64_Sym) },
		[SECTION_STRTAB] = { .sh_name = section_name(".strtab"),
				     .sh_type = SHT_STRTAB,
				     .sh_offset = at + table.len,
				     .sh_size = strings.len },
		[SECTION_NAMES] = { .sh_name = section_name(".shstrtab"),
				    .sh_type = SHT_STRTAB,
				    .sh_offset = at + table.len + strings.len,
				    .sh_size = sizeof(section_names) },
	};

	text_add_bytes(elf, &head, sizeof(head));
	text_add_bytes(elf, sections, sizeof(sections));
	text_add_bytes(elf, table.s, table.len);
	text_add_bytes(elf, strings.s, strings.len);
	text_add_bytes(elf, section_names, sizeof(section_names));
	text_free(&table);
	text_free(&strings);
}

int symbols_write(const char *map_path, uint64_t entry, const char *elf_path, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct symbols all = { 0 };
	struct text elf = { 0 };
	int rc;

	if (file_read(map_path, MAP_SIZE_MAX, &text, NULL, err) < 0)
		return -1;
	rc = parse_map(map_path, text, &all, err);
	if (rc == 0) {
		lay_out(&all, entry, &elf);
		rc = file_write_atomic(elf_path, elf.s, elf.len, err);
	}
	text_free(&elf);
	free(all.v);
	return rc;
}
