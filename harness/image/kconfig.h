/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernel configurations as text: fragments in, a resolved .config compared with them. Pure. */
#ifndef GRANULE_IMAGE_KCONFIG_H
#define GRANULE_IMAGE_KCONFIG_H

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

#endif
