/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finished boots by the digest of their inputs, in the cache: CACHE/results/KK/KEY, KK being KEY's first two digits.
 * An entry is one file, written whole by rename after fsync, so that runs side by side need no lock: a zstd frame
 * (`zstdcat` shows it) of
 *
 *   {"schema":1,"key":KEY,"inputs":{...},"files":[{"name":NAME,"bytes":N,"sha256":HEX},...]}\n
 *   the files' bytes, one behind the other
 *
 * Its digests are checked whenever it is read; an entry that is not what was put there is removed. Its time is that of
 * its last use. What the files mean: reuse.c. */
#ifndef GRANULE_RUN_BOOT_CACHE_H
#define GRANULE_RUN_BOOT_CACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/sha256.h"

#define BOOT_CACHE_FILES_MAX 8
/* Of an entry's files together. What is larger is not kept: it is a boot of hours, or a flood. */
#define BOOT_CACHE_ENTRY_MAX (UINT64_C(64) << 20)
/* Of all entries, compressed: about 100,000 boots of a micro workload. The longest unused go first. */
#define BOOT_CACHE_SIZE_MAX (UINT64_C(2) << 30)

struct cached_file {
	const char *name; /* borrowed, of boot_cache_get() from the entry */
	const char *data; /* the same */
	size_t len;
	char sha256[SHA256_HEX_SIZE]; /* set by boot_cache_get() */
};

struct cached_boot {
	struct cached_file files[BOOT_CACHE_FILES_MAX];
	size_t n_files;
	char *buffer; /* owned: of boot_cache_get() */
	json_t *head; /* the same */
};

/* 1: found and whole; 0: there is none (any more). Counts as a use. */
int boot_cache_get(const char *cache, const char *key, struct cached_boot *ret);
void cached_boot_free(struct cached_boot *boot);
/* NULL if there is none. */
const struct cached_file *cached_boot_file(const struct cached_boot *boot, const char *name);

/* @inputs: what @key is the digest of, for people; borrowed. Replaces an entry that is there. 0 also where it is too
 * large to be kept. ERR_HOST: it cannot be written. */
int boot_cache_put(const char *cache, const char *key, json_t *inputs, const struct cached_boot *boot, struct err *err);
void boot_cache_drop(const char *cache, const char *key);

/* Remove entries last used before @since, then the longest unused ones until all take at most @max_bytes. @dry_run:
 * only say how many that would be. Returns how many, and their @ret_bytes. */
size_t boot_cache_trim(const char *cache, time_t since, uint64_t max_bytes, bool dry_run, uint64_t *ret_bytes);
void boot_cache_usage(const char *cache, size_t *ret_n, uint64_t *ret_bytes);

#endif
