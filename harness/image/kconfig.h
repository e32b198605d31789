/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel configurations as text: fragments in, a resolved .config compared with them. Pure. */
#ifndef GRANULE_IMAGE_KCONFIG_H
#define GRANULE_IMAGE_KCONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* One of the texts that a resolved .config must agree with. */
struct kconfig_text {
	const char *name; /* borrowed: "micro.config", for messages */
	const char *text; /* borrowed: lines CONFIG_X=V and "# CONFIG_X is not set"; other comments are skipped */
};

/* Compare @resolved (a .config) with @wants. A later text overrides an earlier one on the same option.
 * @absent (may be NULL): options, one a line, that this version does not have: a want of them is void, and one that does
 * exist in @resolved is a stale line.
 * ERR_CONFIG names every difference, a line each. */
int kconfig_check(const char *resolved, const struct kconfig_text *wants, size_t n_wants, const char *absent,
		  const char *absent_name, struct err *err);

/* An option that resolved to two values. */
struct kconfig_difference {
	char *name;	   /* owned: CONFIG_X */
	char *base, *here; /* owned: the values; "n" where it is not set or does not exist */
	char *place;	   /* owned: the first place found that defines or tests it, "mm/memory.c"; NULL: none yet */
	bool allowed;	   /* the list of differences names it */
};

struct kconfig_differences {
	struct kconfig_difference *v; /* owned, sorted by name */
	size_t n;
};

void kconfig_differences_clear(struct kconfig_differences *d);

/* What differs between two .configs. @allowed: options, one a line, that may; a line that names an option which either of
 * them has and which does not differ is ERR_CONFIG. */
int kconfig_differ(const char *base, const char *here, const char *allowed, const char *allowed_name,
		   struct kconfig_differences *ret_differences, struct err *err);

/* Fill in .place of those that @text, the file @place, mentions: a Kconfig file (@defines) where it defines X ("config X"),
 * any other where it says CONFIG_X. */
void kconfig_mention(struct kconfig_differences *d, const char *place, const char *text, bool defines);

#endif
