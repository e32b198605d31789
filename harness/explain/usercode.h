/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs of a cell: which of them an instruction of user space belongs to, and which of its functions. A piece of
 * 4 KiB is known by its bytes (wire/code.h), so neither load addresses nor ASLR matter. Symbols are the ELF file's own,
 * or those of FILE.sym beside it with the same build id, where `make` leaves them. */
#ifndef GRANULE_EXPLAIN_USERCODE_H
#define GRANULE_EXPLAIN_USERCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct user_symbol {
	uint64_t address, size; /* as linked; size 0: to the next one */
	char *name;		/* owned */
};

struct user_program {
	char *name, *guest_path; /* owned: "page_fault1_processes", "bin/page_fault1_processes" */
	bool fixed;		 /* runs where it was linked (ET_EXEC) */
	struct user_symbol *v;	 /* owned: functions, by address */
	size_t n;
};

struct code_piece {
	uint64_t digest, address; /* as linked */
	size_t program;
};

struct usercode {
	struct user_program *v; /* owned */
	size_t n;
	struct code_piece *pieces; /* owned: by digest, program, address */
	size_t n_pieces;
};

/* Add the ELF file @path, which the guest has at @guest_path; another file (a script) has no code and adds nothing.
 * ERR_HOST: it cannot be read or is damaged. */
int usercode_add(struct usercode *map, const char *guest_path, const char *path, struct err *err);
void usercode_free(struct usercode *map);

/* The program of the code at @address in a piece of @digest, SIZE_MAX if it is none of them. Of several with the same
 * bytes @preferred, else the first. *ret_symbol: the place of its function, SIZE_MAX: it has no name. */
size_t usercode_find(const struct usercode *map, uint64_t address, uint64_t digest, size_t preferred,
		     size_t *ret_symbol);
/* The place of the program at @guest_path in the guest (with or without its first '/'), SIZE_MAX if there is none. */
size_t usercode_by_path(const struct usercode *map, const char *guest_path);

#endif
