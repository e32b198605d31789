// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/usercode.h"

#include <gelf.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "wire/code.h"

#define PROGRAM_SIZE_MAX ((size_t)1 << 30)

static void elf_end_p(Elf **elf)
{
	elf_end(*elf);
}

/* ---- Pieces of what is executed */

/* A page of a file holds what the file has there, whatever the segment's length; behind the file's end are zeros. */
static void add_pieces(struct usercode *map, size_t program, const GElf_Phdr *p, const char *data, size_t len)
{
	uint64_t begin = p->p_offset & ~(uint64_t)(CODE_PIECE - 1), end = p->p_offset + p->p_filesz;

	for (uint64_t at = begin; at < end && at < len; at += CODE_PIECE) {
		unsigned char piece[CODE_PIECE] = { 0 };

		memcpy(piece, data + at, len - at < CODE_PIECE ? len - at : CODE_PIECE);
		*VEC_PUSH(map->pieces, map->n_pieces) = (struct code_piece){
			.digest = code_digest(piece),
			.address = p->p_vaddr - p->p_offset + at,
			.program = program,
		};
	}
}

static int add_segments(struct usercode *map, size_t program, Elf *elf, const char *data, size_t len, struct err *err)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return err_set(err, ERR_HOST, "%s", elf_errmsg(-1));
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (gelf_getphdr(elf, (int)i, &p) && p.p_type == PT_LOAD && p.p_flags & PF_X && p.p_offset < len)
			add_pieces(map, program, &p, data, len);
	}
	return 0;
}

static int by_digest(const void *a, const void *b)
{
	const struct code_piece *x = a, *y = b;

	if (x->digest != y->digest)
		return (x->digest > y->digest) - (x->digest < y->digest);
	if (x->program != y->program)
		return (x->program > y->program) - (x->program < y->program);
	return (x->address > y->address) - (x->address < y->address);
}

/* ---- Symbols */

static int by_address(const void *a, const void *b)
{
	const struct user_symbol *x = a, *y = b;

	if (x->address != y->address)
		return (x->address > y->address) - (x->address < y->address);
	/* The last of one address counts: the one that covers more, then the name with the fewest '_' in front
	 * ("___pthread_mutex_lock", "pthread_mutex_lock"). */
	if (x->size != y->size)
		return (x->size > y->size) - (x->size < y->size);
	return strcmp(x->name, y->name);
}

static void take_table(struct user_program *program, Elf *elf, Elf_Scn *section, const GElf_Shdr *head)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t n = data && head->sh_entsize ? head->sh_size / head->sh_entsize : 0;

	for (size_t i = 0; i < n; i++) {
		const char *name;
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC ||
		    symbol.st_shndx == SHN_UNDEF || !symbol.st_value)
			continue;
		name = elf_strptr(elf, head->sh_link, symbol.st_name);
		if (name && *name)
			*VEC_PUSH(program->v, program->n) = (struct user_symbol){ .address = symbol.st_value,
										  .size = symbol.st_size,
										  .name = xstrdup(name) };
	}
}

static void take_symbols(struct user_program *program, Elf *elf, GElf_Word type)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		GElf_Shdr head;

		if (gelf_getshdr(section, &head) && head.sh_type == type)
			take_table(program, elf, section, &head);
	}
}

/* The GNU build id among the notes of @data, NULL if there is none; borrowed. */
static const char *id_of_notes(Elf_Data *data, size_t *ret_len)
{
	size_t at = 0, next, name_at, desc_at;
	GElf_Nhdr note;

	while (data && (next = gelf_getnote(data, at, &note, &name_at, &desc_at)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    !memcmp(bytes + name_at, "GNU", sizeof("GNU"))) {
			*ret_len = note.n_descsz;
			return bytes + desc_at;
		}
		at = next;
	}
	return NULL;
}

static const char *build_id(Elf *elf, size_t *ret_len)
{
	Elf_Scn *section = NULL;

	while ((section = elf_nextscn(elf, section))) {
		const char *id;
		GElf_Shdr head;

		if (gelf_getshdr(section, &head) && head.sh_type == SHT_NOTE &&
		    (id = id_of_notes(elf_getdata(section, NULL), ret_len)))
			return id;
	}
	return NULL;
}

/* FILE.sym counts only if it is of the very same program. */
static void take_symbols_beside(struct user_program *program, Elf *elf, const char *path)
{
	_cleanup_free_ char *beside = xasprintf("%s.sym", path), *data = NULL;
	_cleanup_(elf_end_p) Elf *other = NULL;
	size_t len, own_len = 0, other_len = 0;
	const char *own_id, *other_id;

	if (file_read(beside, PROGRAM_SIZE_MAX, &data, &len, NULL) < 0)
		return;
	other = elf_memory(data, len);
	own_id = build_id(elf, &own_len);
	other_id = other ? build_id(other, &other_len) : NULL;
	if (own_id && other_id && own_len == other_len && !memcmp(own_id, other_id, own_len))
		take_symbols(program, other, SHT_SYMTAB);
}

/* ---- Adding */

static int add_elf(struct usercode *map, const char *guest_path, const char *path, char *data, size_t len,
		   struct err *err)
{
	_cleanup_(elf_end_p) Elf *elf = NULL;
	const char *slash = strrchr(guest_path, '/');
	struct user_program *program;
	GElf_Ehdr head;

	elf_version(EV_CURRENT);
	elf = elf_memory(data, len);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &head))
		return 0;
	program = VEC_PUSH(map->v, map->n);
	*program = (struct user_program){ .name = xstrdup(slash ? slash + 1 : guest_path),
					  .guest_path = xstrdup(guest_path),
					  .fixed = head.e_type == ET_EXEC };
	take_symbols(program, elf, SHT_SYMTAB);
	if (!program->n)
		take_symbols_beside(program, elf, path);
	if (!program->n)
		take_symbols(program, elf, SHT_DYNSYM);
	if (program->n)
		qsort(program->v, program->n, sizeof(*program->v), by_address);
	if (add_segments(map, map->n - 1, elf, data, len, err) < 0)
		return -1;
	if (map->n_pieces)
		qsort(map->pieces, map->n_pieces, sizeof(*map->pieces), by_digest);
	return 0;
}

int usercode_add(struct usercode *map, const char *guest_path, const char *path, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	if (file_read(path, PROGRAM_SIZE_MAX, &data, &len, err) < 0)
		return -1;
	return add_elf(map, guest_path, path, data, len, err) < 0 ? err_wrap(err, "%s", path) : 0;
}

void usercode_free(struct usercode *map)
{
	for (size_t i = 0; i < map->n; i++) {
		for (size_t k = 0; k < map->v[i].n; k++)
			free(map->v[i].v[k].name);
		free(map->v[i].v);
		free(map->v[i].name);
		free(map->v[i].guest_path);
	}
	free(map->v);
	free(map->pieces);
	*map = (struct usercode){ 0 };
}

/* ---- Finding */

/* The last symbol at or below @address, if it reaches that far. */
static size_t find_symbol(const struct user_program *program, uint64_t address)
{
	size_t low = 0, high = program->n;
	const struct user_symbol *s;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (program->v[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return SIZE_MAX;
	s = &program->v[low - 1];
	return !s->size || address < s->address + s->size ? low - 1 : SIZE_MAX;
}

/* How well a piece explains code at @address: the program that is known to run, at the place where it must be. */
static int fit(const struct usercode *map, const struct code_piece *piece, uint64_t address, size_t preferred)
{
	bool in_place = piece->address == (address & ~(uint64_t)(CODE_PIECE - 1));

	if (map->v[piece->program].fixed && !in_place)
		return 0;
	return 1 + in_place + 2 * (piece->program == preferred);
}

size_t usercode_find(const struct usercode *map, uint64_t address, uint64_t digest, size_t preferred,
		     size_t *ret_symbol)
{
	size_t low = 0, high = map->n_pieces, best = SIZE_MAX;
	int best_fit = 0;

	*ret_symbol = SIZE_MAX;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->pieces[middle].digest < digest)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < map->n_pieces && map->pieces[low].digest == digest; low++) {
		int this_fit = fit(map, &map->pieces[low], address, preferred);

		if (this_fit > best_fit) {
			best_fit = this_fit;
			best = low;
		}
	}
	if (best == SIZE_MAX)
		return SIZE_MAX;
	*ret_symbol = find_symbol(&map->v[map->pieces[best].program],
				  map->pieces[best].address + (address & (CODE_PIECE - 1)));
	return map->pieces[best].program;
}

size_t usercode_by_path(const struct usercode *map, const char *guest_path)
{
	guest_path += *guest_path == '/';
	for (size_t i = 0; i < map->n; i++) {
		const char *own = map->v[i].guest_path;

		if (!strcmp(own + (*own == '/'), guest_path))
			return i;
	}
	return SIZE_MAX;
}
