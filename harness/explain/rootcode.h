/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs and libraries in a root file system's image, for usercode.h: what its services run. */
#ifndef GRANULE_EXPLAIN_ROOTCODE_H
#define GRANULE_EXPLAIN_ROOTCODE_H

#include "base/err.h"
#include "explain/usercode.h"

/* Add every ELF file of the EROFS image @image by its path in it. fsck.erofs unpacks it to a scratch folder, which is
 * removed. Debian's files are stripped: they have the functions that they export. ERR_HOST: it cannot be read. */
int rootcode_add(struct usercode *map, const char *image, struct err *err);

#endif
