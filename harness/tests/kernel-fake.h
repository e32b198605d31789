/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a fake builder leaves in place of make. */
#ifndef GRANULE_TESTS_KERNEL_FAKE_H
#define GRANULE_TESTS_KERNEL_FAKE_H

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

/* An arm64 Image of 1 KiB and a System.map in the object tree @obj. */
static inline int write_image(const char *obj, uint64_t page_bytes, struct err *err)
{
	_cleanup_free_ char *dir = path_join(obj, "arch/arm64/boot"), *path = path_join(dir, "Image"),
			    *map = path_join(obj, "System.map");
	unsigned char data[1024] = { 0 };

	data[24] = page_bytes == 65536 ? 0x0e : 0x0a;
	memcpy(data + 56, "ARM\x64", 4);
	strcpy((char *)data + 256, "Linux version 6.12.1-granule (granule@granule)");
	return make_dirs(dir, err) < 0 || file_write_atomic(path, data, sizeof(data), err) < 0 ||
			       file_write_atomic(map, "map\n", 4, err) < 0
		       ? -1
		       : 0;
}

#endif
