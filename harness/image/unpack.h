/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernels and modules are compressed with, undone in memory by libarchive; never more than a cap, so that a small file
 * cannot fill the host. */
#ifndef GRANULE_IMAGE_UNPACK_H
#define GRANULE_IMAGE_UNPACK_H

#include <stddef.h>

#include "base/err.h"

/* @data, of at most @cap bytes once it is unpacked: gzip, xz, zstd and lz4 are known by their first bytes, anything else
 * is itself. @ret_data is owned by the caller and NUL-terminated. @what: for messages.
 * ERR_HOST: damaged, or larger than @cap. */
int unpack_bytes(const char *what, const void *data, size_t len, size_t cap, char **ret_data, size_t *ret_len,
		 struct err *err);
/* The same of a file. */
int unpack_file(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err);

/* The arm64 Image of a distribution's vmlinuz: an Image, one that is compressed as a whole, or the payload of an EFI zboot
 * image (drivers/firmware/efi/libstub/zboot-header.S). Whether it is one is header.h's question. */
int unpack_kernel(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err);

#endif
