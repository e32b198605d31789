/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's names for a debugger that has no vmlinux: an ELF file without contents, made from System.map. */
#ifndef GRANULE_IMAGE_SYMBOLS_H
#define GRANULE_IMAGE_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Where QEMU's virt machine puts the Image at @path and jumps to, MMU off. ERR_CONFIG: no arm64 Image. */
int image_entry(const char *path, uint64_t *ret_entry, struct err *err);

/* Write @elf_path with the symbols of the System.map at @map_path: each at its link address (right for a kernel that was
 * started with nokaslr), and functions once more as _phys_NAME where they lie before the MMU is on, _text being at
 * @entry. ERR_CONFIG names the line that is none of a System.map. */
int symbols_write(const char *map_path, uint64_t entry, const char *elf_path, struct err *err);

#endif
