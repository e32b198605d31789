/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest programs made from one C file of the user's and an object of granule's: a test of a will-it-scale checkout and
 * the runner. Kept in the cache as programs/DIGEST-NAME with a record of what they are; DIGEST is that of all that goes in:
 * the preprocessed source, the object, the C library, the compiler and its flags. */
#ifndef GRANULE_IMAGE_PROGRAM_H
#define GRANULE_IMAGE_PROGRAM_H

#include "base/err.h"

/* The path of @source, compiled and linked with @object, static arm64; built where the cache has none. The same source
 * gives the same bytes in any folder. @ret_path is owned by the caller.
 * Errors: CONFIG (no such file; it does not build: with what the compiler says), HOST (no compiler, disk). */
int program_ensure(const char *source, const char *object, char **ret_path, struct err *err);
/* The same with the cache's folder. For tests. */
int program_ensure_in(const char *cache, const char *source, const char *object, char **ret_path, struct err *err);

#endif
