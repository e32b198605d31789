/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Root file systems: from a recipe (matrix/rootfs.h) to a read-only EROFS image in the cache, without partitions:
 *
 *   rootfs/DIGEST/          image, meta.json, build.log; appears whole, by rename after fsync. DIGEST is over the
 *                           recipe, the exact packages and jars with their digests, and the program that wrote the image
 *   rootfs/inputs/DIGEST    one line: the entry that a recipe (DIGEST is over its canonical form) led to last
 *   rootfs/appliance/       libguestfs's, with the one tool more that it needs: rootfs-guestfs.c
 *   rootfs/maven/           what Maven has fetched
 *   rootfs/{lock,apt,build} as those of the cache, and apart from them: a kernel builds for half an hour, and nobody
 *                           who wants a root file system should wait for that
 *
 * Equal digests give equal images, byte for byte: one time for all files, a fixed UUID, names in order. Links no
 * libguestfs: only the program granule-image does. */
#ifndef GRANULE_IMAGE_ROOTFS_H
#define GRANULE_IMAGE_ROOTFS_H

#include "image/cache.h"
#include "image/rootfs-tar.h"

#define ROOTFS_DIR "rootfs" /* in the cache */

struct rootfs_entry {
	char digest[SHA256_HEX_SIZE];
	char *dir, *path;	   /* owned: the entry's folder, its image */
	char *name, *suite, *tool; /* owned: of the recipe; "mkfs.erofs 1.5". name is "" of a damaged entry */
	char image_sha256[SHA256_HEX_SIZE];
	uint64_t image_bytes, files, tree_bytes; /* the image; what is in it */
	struct cache_package *packages;		 /* owned; a jar is one too: GROUP:ARTIFACT */
	size_t n_packages;
	uint64_t bytes; /* on disk */
	time_t used;	/* last use */
};

void rootfs_entry_clear(struct rootfs_entry *entry);
void rootfs_entries_free(struct rootfs_entry *entries, size_t n);

/* Read the entry @digest; with @hash compare its image with the digest taken when it was made. As cache_open(). */
enum cache_state rootfs_open(const char *cache, const char *digest, bool hash, struct rootfs_entry *ret_entry,
			     struct err *err);
/* Every entry, newest use last. Does not hash. */
int rootfs_list(const char *cache, struct rootfs_entry **ret_entries, size_t *ret_n, struct err *err);
void rootfs_touch(const struct rootfs_entry *entry);
/* "postgresql, trixie, 109 packages"; owned by the caller. */
char *rootfs_describe(const struct rootfs_entry *entry);

/* What the image step gets, and what it finds out. */
struct rootfs_making {
	const char *cache, *tar, *image,
		*work; /* borrowed: rootfs/ of the cache; @image is to be written, @work an empty folder */
	const struct rootfs_recipe *recipe; /* borrowed */
	uint64_t tree_bytes, files;
	image_progress *progress;
	void *ctx;
};

/* A file that Maven brought. */
struct rootfs_jar {
	struct cache_package package; /* owned: GROUP:ARTIFACT, and the digest of the file */
	char *target, *from;	      /* owned: its paths, in the root and on this host */
};
void rootfs_jars_free(struct rootfs_jar *jars, size_t n);

/* The steps, a table, so that tests put others in their place. */
struct rootfs_maker {
	/* The exact packages that @recipe's names come to today, with what they depend on, in order of name. Owned by
	 * the caller. Errors: CONFIG (no such suite or package), HOST (network, missing tools). */
	int (*resolve)(const char *cache, const struct rootfs_recipe *recipe, const char *log,
		       struct cache_package **ret_packages, size_t *ret_n, struct err *err);
	/* The jars of @recipe's Maven projects, in order of their names, copied somewhere into the folder @work. Called
	 * where there are such projects. Errors: HOST (network, no Maven, a project that Maven does not take). */
	int (*jars)(const char *cache, const struct rootfs_recipe *recipe, const char *work, const char *log,
		    struct rootfs_jar **ret_jars, size_t *ret_n, struct err *err);
	/* Fetch and unpack these into the tar @tar; apt checks signatures and digests. */
	int (*fetch)(const char *cache, const struct rootfs_recipe *recipe, const struct cache_package *packages,
		     size_t n_packages, const char *tar, const char *log, struct err *err);
	/* The program that writes images, with its version; owned by the caller. */
	int (*tool)(char **ret_tool, struct err *err);
	/* A tar into an image, checked. */
	int (*image)(const struct rootfs_making *making, struct err *err);
};

/* apt and mmdebstrap for the first two; rootfs-fetch.c. */
int rootfs_resolve_apt(const char *cache, const struct rootfs_recipe *recipe, const char *log,
		       struct cache_package **ret_packages, size_t *ret_n, struct err *err);
int rootfs_fetch_mmdebstrap(const char *cache, const struct rootfs_recipe *recipe, const struct cache_package *packages,
			    size_t n_packages, const char *tar, const char *log, struct err *err);
/* Maven for the jars; rootfs-maven.c. */
int rootfs_jars_maven(const char *cache, const struct rootfs_recipe *recipe, const char *work, const char *log,
		      struct rootfs_jar **ret_jars, size_t *ret_n, struct err *err);
/* "org/apache/kafka/kafka-clients/4.1.0/kafka-clients-4.1.0.jar", a path in a repository, that is to lie in @folder;
 * all but `from` and the digest. False: it is none. Pure. */
bool rootfs_parse_jar(const char *path, const char *folder, struct rootfs_jar *ret);
/* Lines of `apt-get -s install`: "Inst NAME (VERSION ...". Into names and versions; in order of name. Pure. */
void rootfs_parse_simulation(const char *output, struct cache_package **ret_packages, size_t *ret_n);
/* Paragraphs of `apt-cache show`: the SHA256 of each of @packages; false, with its name, where one has none. Pure. */
bool rootfs_parse_show(const char *output, struct cache_package *packages, size_t n, const char **ret_missing);

/* Where the recipe @what is: a path, or the name of a workload with one (workloads/NAME/rootfs.yaml). Owned by the
 * caller. */
char *rootfs_recipe_path(const char *what);

/* What the cache has for @recipe, whatever the suite has become since: 1 with @ret_entry, 0 nothing, -1 on error. No
 * network. */
int rootfs_lookup(const char *cache, const struct rootfs_recipe *recipe, struct rootfs_entry *ret_entry,
		  struct err *err);
/* The same, made where it is not there. @refresh: ask for newer packages even if it is. */
int rootfs_ensure(const char *cache, const struct rootfs_maker *maker, const struct rootfs_recipe *recipe, bool refresh,
		  image_progress *progress, void *ctx, struct rootfs_entry *ret_entry, struct err *err);

#endif
