/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256 (nettle) as lower-case hexadecimal. */
#ifndef GRANULE_BASE_SHA256_H
#define GRANULE_BASE_SHA256_H

#include <stddef.h>

#include "base/err.h"

#define SHA256_HEX_SIZE 65 /* with its NUL */

void sha256_bytes(const void *data, size_t len, char ret_hex[SHA256_HEX_SIZE]);
int sha256_file(const char *path, char ret_hex[SHA256_HEX_SIZE], struct err *err);

#endif
