/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recipe of a root file system: YAML like a matrix, with the same option tables and the same errors. A workload's
 * lies beside it (workloads/NAME/rootfs.yaml) and stands on layers (images/rootfs/LAYER.yaml). Pure: it reads the
 * files it is given, and says what an image is to hold, not how it comes about. */
#ifndef GRANULE_MATRIX_ROOTFS_H
#define GRANULE_MATRIX_ROOTFS_H

#include <jansson.h>

#include "base/err.h"
#include "matrix/option.h"

#define ROOTFS_LAYERS_MAX 16 /* all that one recipe stands on */

struct rootfs_user {
	char *name;   /* owned */
	uint64_t uid; /* of the group with its name, too */
	char *home;   /* owned: made, and owned by the user, unless a package brings it */
};

struct rootfs_file {
	char *path; /* owned: absolute, in the root */
	struct string_list lines;
	char *from;	 /* owned: absolute path of the file it is a copy of, or NULL */
	char *owner;	 /* owned: "root" or one of the users */
	bool executable; /* 0755 instead of 0644 */
};

struct rootfs_maven {
	char *folder; /* owned: absolute, in the root; the jars lie in it as ARTIFACT-VERSION.jar */
	char *pom;    /* owned: absolute path of the project on this host */
};

enum rootfs_compress { ROOTFS_PLAIN, ROOTFS_LZ4 };

struct rootfs_recipe {
	char *name;  /* owned */
	char *suite; /* owned: the Debian suite of all packages */
	struct string_list layers, packages;
	struct string_list drop, keep; /* globs of absolute paths; '*' also matches '/'. What keep matches stays */
	struct string_list needs;      /* files that must be there */
	struct string_list unaligned;  /* globs: programs that need not be loadable on 64K pages */
	int compress;		       /* enum rootfs_compress; -1: not said */
	struct rootfs_user *users;     /* owned */
	size_t n_users;
	struct rootfs_file *files; /* owned */
	size_t n_files;
	struct rootfs_maven *mavens; /* owned */
	size_t n_mavens;
};

/* Read @path and, from the folder @layers, what it stands on; a layer's lists come first, and what the recipe says of a
 * suite, user or file replaces what a layer says of it. ERR_CONFIG with FILE:LINE:COL, the line and a caret. */
int rootfs_recipe_load(const char *path, const char *layers, struct rootfs_recipe *ret_recipe, struct err *err);
void rootfs_recipe_clear(struct rootfs_recipe *recipe);
/* All of it but where files lie on this host, in canonical form; owned by the caller. */
json_t *rootfs_recipe_json(const struct rootfs_recipe *recipe);
/* The help of all keys; owned by the caller. */
char *rootfs_recipe_help(void);

#endif
