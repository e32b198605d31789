/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes a running guest of a domain on this host, by what it is now: QEMU, every library that it loads, libvirt.
 * A guest's bytes depend on it as they do on the kernel. No libvirt is called. */
#ifndef GRANULE_GUEST_EMULATOR_H
#define GRANULE_GUEST_EMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/sha256.h"

struct emulator {
	struct emulator_file {
		char *path; /* owned */
		off_t size;
		struct timespec mtime;
	} * files; /* owned: the program itself, its libraries, libvirt's of granule-boot */
	size_t n_files;
	char sha256[SHA256_HEX_SIZE]; /* of all this: the program by its bytes, libraries by path, size and time */
};

/* @program: the emulator, @version what it says of itself. @boot: granule-boot, for the libvirt that it loads; NULL
 * where no libvirt is in play. ERR_HOST: a file cannot be read, or @program is a script, and what that would run is
 * unknown. */
int emulator_read(const char *program, const char *version, const char *boot, struct emulator *ret, struct err *err);
/* What @program says of its version (probe.h), remembered in @dir for as long as it is the same file: asking takes longer
 * than all else before a start. Of a script nothing is remembered. Owned by the caller, NULL if it does not say. */
char *emulator_version(const char *program, const char *dir);
/* Are all files still the ones that were read? An upgrade while a run goes on makes them others. */
bool emulator_unchanged(const struct emulator *emulator);
void emulator_free(struct emulator *emulator);

#endif
