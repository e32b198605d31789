/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A commit of the user's git tree as a kernel source. The repository is read only: no index, no working tree, no reference
 * and no object of it is written, and what is not committed does not count. */
#ifndef GRANULE_IMAGE_GIT_H
#define GRANULE_IMAGE_GIT_H

#include "base/err.h"
#include "image/source.h"

/* Resolve @commit (NULL: HEAD) of the repository, worktree or bare repository at @path: fills in the git fields of
 * @ret_source, and the version of Linux from the commit's top Makefile. Milliseconds.
 * ERR_CONFIG, with "git: " or "commit: " first: no such thing, or no Linux. ERR_HOST: git is missing. */
int git_lookup(const char *path, const char *commit, struct kernel_source *ret_source, struct err *err);

/* Write @source's files into the empty folder @tree. They all get the time @mtime_s: that of the checkout says nothing. */
int git_checkout(const struct kernel_source *source, const char *tree, long mtime_s, const char *log, struct err *err);

/* Whether the repository has the git tree @tree (a sha). */
bool git_has_tree(const struct kernel_source *source, const char *tree);

/* Give the current time to those files of @tree that the git trees @from and @source->tree have differently.
 */
int git_touch_changed(const struct kernel_source *source, const char *from, const char *tree, struct err *err);

#endif
