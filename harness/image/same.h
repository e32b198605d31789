/* SPDX-License-Identifier: GPL-2.0-or-later */
/* That one configuration is another in all that touches mm/ and arch/: a figure of a full kernel must be a micro kernel's. */
#ifndef GRANULE_IMAGE_SAME_H
#define GRANULE_IMAGE_SAME_H

#include "base/err.h"

/* Compare the resolved @config with @base, which what it includes resolved to. An option that the Kconfig files of mm/,
 * arch/arm64/ or arch/Kconfig in @tree define, or that a file there tests, must have one value in both, unless @allowed
 * (one a line; @allowed_name for messages) names it. ERR_CONFIG names each that does not, and a place; or each line of
 * @allowed whose option exists and has one value. */
int same_check(const char *tree, const char *base, const char *config, const char *allowed, const char *allowed_name,
	       struct err *err);

#endif
