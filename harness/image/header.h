/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an arm64 Image says about itself: Documentation/arch/arm64/booting.rst, "Call the kernel image". */
#ifndef GRANULE_IMAGE_HEADER_H
#define GRANULE_IMAGE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct kernel_header {
	uint64_t page_bytes; /* 4096, 16384 or 65536 */
	char *release;	     /* owned: uname -r, from the "Linux version" banner */
	char *compiler;	     /* owned: compiler and linker as the banner names them; NULL if it does not */
};

void kernel_header_clear(struct kernel_header *header);

/* Read the Image at @path. Anything that is no little-endian arm64 Image (an x86 kernel, a compressed Image, a vmlinux) is ERR_CONFIG
 * and says what it is and what to give instead. */
int kernel_header_read(const char *path, struct kernel_header *ret_header, struct err *err);

/* The same on bytes: @path is for messages only. */
int kernel_header_parse(const char *path, const void *data, size_t len, struct kernel_header *ret_header,
			struct err *err);

#endif
