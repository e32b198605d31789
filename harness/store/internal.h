/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of this room share and nobody else sees. */
#ifndef GRANULE_STORE_INTERNAL_H
#define GRANULE_STORE_INTERNAL_H

#include "store/store.h"

/* The longest line of cells.jsonl that is read, and the largest of the small JSON files. */
#define LINE_SIZE_MAX ((size_t)4 << 20)
#define JSON_SIZE_MAX ((size_t)1 << 20)

/* An id becomes a directory's name: letters, digits, '.', '_', '-', no leading dot, at most 200 bytes. */
bool cell_id_valid(const char *id);
/* One line of cells.jsonl, keys sorted, without its newline; owned by the caller. */
char *cell_record_format(const struct cell_record *cell);
/* The reverse. The error is a sentence without a file name. @cell is zeroed first and empty on failure. */
int cell_record_parse(const char *line, size_t len, struct cell_record *cell, struct err *err);

/* DIR/cells/CELL/BOOT, owned by the caller. */
char *boot_dir(const char *run_dir, const char *cell, unsigned int boot);
/* A JSON object from a file of at most JSON_SIZE_MAX bytes. Returns 1, 0 when there is no such file, -1 on error. */
int json_file_read(const char *path, json_t **ret, struct err *err);

#endif
