/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The image cache. Content-addressed, safe against crashes and concurrent runs:
 *
 *   lock                         flock()ed by whoever fetches, builds or collects; readers do not take it
 *   kernels/RECIPE/              Image, System.map, config, build.log, meta.json; appears whole, by rename after fsync.
 *                                Of a kernel from packages: these too, NAME.deb; System.map and config where they hold one
 *   inputs/DIGEST                one line: the RECIPE that these inputs (recipe_inputs_digest) resolve to
 *   sources/SUITE/PACKAGE/       source.json, source.tar.xz
 *   objects/RECIPE/              object trees that patched variants start from: objects.h
 *   apt/SUITE[-ARCH]/            apt's private state
 *   modules/ARCHIVE/RELEASE/     the modules that guests load before they can speak: modules.h
 *   results/KK/KEY               finished boots: run/boot-cache.h
 *   prepared/KEY                 what workloads prepare: run/prepared.h
 *   tools/                       busybox-arm64 and its digest: busybox.h
 *   programs/                    guest programs built from C files of the user's, and their digests: program.h
 *   build/                       unpacked sources (tree-*), object trees (obj-*), entries being made (new-*): all can go */
#ifndef GRANULE_IMAGE_CACHE_H
#define GRANULE_IMAGE_CACHE_H

#include <stdbool.h>
#include <time.h>

#include "base/err.h"
#include "image/image.h"
#include "image/recipe.h"

/* One of the packages that a kernel came out of; its file is NAME.deb of the entry. */
struct cache_package {
	char *name, *version;	      /* owned */
	char sha256[SHA256_HEX_SIZE]; /* as the archive's signed index has it */
};

/* Of a meta.json: false where it is not what was written. What is owned is the caller's either way. */
bool meta_string(const json_t *o, const char *key, char **ret);
bool meta_hex(const json_t *o, const char *key, char ret_hex[SHA256_HEX_SIZE]);
bool meta_packages(const json_t *list, struct cache_package **ret_packages, size_t *ret_n);
void cache_packages_free(struct cache_package *packages, size_t n);

/* Lines of a kernel's meta.json. */
struct cache_entry {
	char recipe[SHA256_HEX_SIZE];
	char *dir;			   /* owned */
	char *release, *origin, *compiler; /* owned */
	char *family;			   /* owned: package and configuration, for estimates */
	uint64_t page_bytes;
	unsigned steps; /* lines of make output of the build */
	unsigned build_s;
	char image_sha256[SHA256_HEX_SIZE];
	char map_sha256[SHA256_HEX_SIZE], config_sha256[SHA256_HEX_SIZE]; /* "": there is none */
	struct cache_package *packages;					  /* owned; none of a kernel that was built */
	size_t n_packages;
	uint64_t bytes; /* on disk */
	time_t used;	/* last use */
};

void cache_entry_clear(struct cache_entry *entry);
void cache_entries_free(struct cache_entry *entries, size_t n);

enum cache_state {
	CACHE_ABSENT = 0,
	CACHE_INTACT = 1,
	CACHE_CORRUPT = 2, /* something is there, and is not what was put there; @err says what (ERR_HOST) */
};

/* Read @recipe's entry and compare its files, but for the packages, with the digests taken when they were made. */
enum cache_state cache_open(const char *cache, const char *recipe, struct cache_entry *ret_entry, struct err *err);
/* The same of its packages, which are needed only to unpack more modules: 0, or -1 with ERR_HOST. */
int cache_check_packages(const struct cache_entry *entry, struct err *err);
/* The kernel of an intact entry, without modules; owned by the caller. */
struct kernel_image *cache_image(const struct cache_entry *entry);
/* Mark as used now, for gc; the time is that of meta.json. */
void cache_touch(const struct cache_entry *entry);
/* Every entry, newest use last; a damaged one has an empty .release. Does not hash. */
int cache_list(const char *cache, struct cache_entry **ret_entries, size_t *ret_n, struct err *err);

/* The recipe that @inputs (a digest) led to, into @ret_recipe: false if not known. */
bool cache_recall(const char *cache, const char *inputs, char ret_recipe[SHA256_HEX_SIZE]);
int cache_remember(const char *cache, const char *inputs, const char *recipe, struct err *err);

/* What cache_store() takes: the files are moved, so they must be on the cache's file system. */
struct cache_new {
	const char *recipe, *image, *system_map, *config, *log; /* borrowed; paths but for the digest; map and config
								   may be NULL */
	const char *release, *origin, *compiler, *family;	/* borrowed */
	uint64_t page_bytes;
	unsigned steps, build_s;
	const struct cache_package *packages; /* borrowed */
	size_t n_packages;
	const char *debs; /* borrowed: the folder of their NAME.deb, moved too */
};

/* Make an entry, replacing a damaged one. Needs the lock. */
int cache_store(const char *cache, const struct cache_new *n, struct err *err);

/* Take the cache's lock; while somebody else has it, @progress says who. Returns a descriptor to close, -1 on error;
 * ERR_INTERRUPTED if a signal came while waiting. */
int cache_lock(const char *cache, image_progress *progress, void *ctx, struct err *err);
/* Is the file at @path what cache_record_file() saw? Marks it as used now. */
bool cache_file_intact(const char *path);
/* Note the digest of @path in @path.sha256. */
int cache_record_file(const char *path, struct err *err);
/* Remove what builds that died left under build/; with @trees the unpacked sources too. Needs the lock. */
int cache_sweep(const char *cache, bool trees, struct err *err);

/* The bytes under @path. */
uint64_t cache_bytes(const char *path);

#endif
