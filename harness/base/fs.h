/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: whole reads with a cap, writes that are whole or absent, locks. Errors are ERR_HOST and name the path. */
#ifndef GRANULE_BASE_FS_H
#define GRANULE_BASE_FS_H

#include <fts.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Read a file of at most @cap bytes; NUL-terminated, owned by the caller. Larger is an error. */
int file_read(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err);
/* Write PATH.tmp.PID, fsync, rename to @path, fsync the directory. A crash leaves the old file or the new one. */
int file_write_atomic(const char *path, const void *data, size_t len, struct err *err);
/* The same for readers, but nothing is forced to the disk: a crash of the host may tear it. */
int file_write(const char *path, const void *data, size_t len, struct err *err);
/* Add whole lines at the end in one write, then fsync. */
int file_append(const char *path, const void *data, size_t len, struct err *err);
int fsync_dir(const char *path, struct err *err);
/* mkdir -p */
int make_dirs(const char *path, struct err *err);
/* An empty directory below $TMPDIR (/tmp) of the caller's, who removes it; its path owned by the caller, NULL: error. */
char *scratch_dir(struct err *err);
/* rm -rf, without following links or crossing out of @path; absent is fine. */
int remove_tree(const char *path, struct err *err);
/* For _cleanup_. */
void fts_end(FTS **fts);
bool path_exists(const char *path);
bool path_is_dir(const char *path);
/* @dir "/" @name, owned by the caller. */
char *path_join(const char *dir, const char *name);
/* The absolute form of @path against the working directory; the file need not exist. */
char *path_absolute(const char *path);
/* Open @path (made if absent) and flock it exclusively. @wait false: -2 when somebody else holds it.
 * The lock lives as long as the descriptor that is returned. */
int lock_file(const char *path, bool wait, struct err *err);
/* Free bytes for this user on the file system of @path; 0 if unknown. */
uint64_t disk_free_bytes(const char *path);
/* $GRANULE_CACHE, else $XDG_CACHE_HOME/granule, else ~/.cache/granule; owned by the caller. */
char *cache_dir(void);

#endif
