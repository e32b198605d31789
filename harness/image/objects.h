/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Object trees of kernels that were built, kept so that a patched variant compiles only what differs:
 *
 *   CACHE/objects/RECIPE/   the first 16 digits of the recipe's digest: obj/, the tree as make left it, and object.json
 *
 * Only kernels without `patches:` and `layout:` are kept, so that no variant stands on a variant. A kept tree is never
 * built in: a variant gets a copy. All of it can go at any time. */
#ifndef GRANULE_IMAGE_OBJECTS_H
#define GRANULE_IMAGE_OBJECTS_H

#include <stdbool.h>

#include "base/err.h"
#include "image/image.h"
#include "image/recipe.h"
#include "image/source.h"

/* At most so much is kept, and never more than a quarter of what is free on the disk. */
#define OBJECTS_BYTES_MAX (UINT64_C(2) << 30)

/* A kept object tree that @recipe can be built from: the same but for the source's patches, or for the commit of one git
 * repository. */
struct object_parent {
	char *dir;		    /* owned: CACHE/objects/RECIPE */
	char *name;		    /* owned: for people, what was built there */
	char *source;		    /* owned: what identifies its source; a git tree's sha or a tarball's sha256 */
	char *tree_path, *obj_path; /* owned: where it was built */
};

void object_parent_clear(struct object_parent *parent);

/* Whether @parent was built from the very @source. */
bool object_same(const struct object_parent *parent, const struct kernel_source *source);

/* The newest such, or false. */
bool objects_find(const char *cache, const struct recipe *recipe, const struct kernel_source *source,
		  struct object_parent *ret_parent);

/* Copy @parent's object tree to @obj, which is not there, for a build of @tree: the paths in its command lines become these,
 * and whatever of @tree is not as in the parent's source gets the current time, so that make sees it. */
int objects_adopt(const struct object_parent *parent, const struct kernel_source *source, bool patched,
		  const char *tree, const char *obj, struct err *err);

/* Keep @obj, with which @recipe was built from @tree, and drop the longest unused above the bound. On return @obj is gone. */
int objects_keep(const char *cache, const char *digest, const struct recipe *recipe, const struct kernel_source *source,
		 const char *name, const char *tree, const char *obj, struct err *err);

#endif
