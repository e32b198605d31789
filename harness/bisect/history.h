/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The history between two commits, halved by `git bisect` in a bare repository of granule's own, which borrows the
 * objects of the user's (objects/info/alternates). Of the user's repository nothing is written: no ref, no index, no
 * working tree. */
#ifndef GRANULE_BISECT_HISTORY_H
#define GRANULE_BISECT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum bisect_verdict { BISECT_GOOD, BISECT_BAD, BISECT_SKIP };
extern const char *const bisect_verdict_names[]; /* "good", "bad", "skip", NULL: git's words */

enum history_state {
	HISTORY_TEST,	 /* .next is to be tested */
	HISTORY_FOUND,	 /* .candidates has the first bad commit */
	HISTORY_SKIPPED, /* only skipped commits are left: .candidates has them and the one that is bad behind them */
};

struct history {
	char *dir; /* owned: the bare repository */
	enum history_state state;
	char *next;			   /* owned: full sha, or NULL */
	unsigned commits_left, steps_left; /* after .next, as git counts; steps are about */
	char **candidates;		   /* owned: full shas */
	size_t n_candidates;
};

/* Make the repository @dir (anew if it is there) on the objects of @tree's, and begin between @good and @bad, full
 * shas. ERR_CONFIG where git says that no bisection is possible. */
int history_begin(const char *dir, const char *tree, const char *good, const char *bad, struct history *ret,
		  struct err *err);
/* Tell git what @commit is; the state moves on. ERR_CONFIG: git finds that it cannot go on (a merge base that is
 * bad). */
int history_mark(struct history *h, const char *commit, enum bisect_verdict verdict, struct err *err);
/* `git bisect log`: what repeats all this elsewhere by `git bisect replay`. Owned by the caller. */
int history_log(const struct history *h, char **ret_log, struct err *err);
/* "mm: do less", "A U Thor <a@b>", both owned by the caller. */
int history_describe(const struct history *h, const char *commit, char **ret_subject, char **ret_author,
		     struct err *err);
/* Its first parent, or NULL where it has none; owned by the caller. */
int history_parent(const struct history *h, const char *commit, char **ret_parent, struct err *err);
void history_clear(struct history *h);

#endif
