/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree of a root file system, as a tar: from what mmdebstrap unpacked to what a recipe asks for. Users, files and
 * what is left out are settled here, and every program is looked at; libarchive reads and writes. */
#ifndef GRANULE_IMAGE_ROOTFS_TAR_H
#define GRANULE_IMAGE_ROOTFS_TAR_H

#include "base/err.h"
#include "matrix/rootfs.h"

struct rootfs_tree {
	uint64_t files, bytes;	   /* what is in it */
	uint64_t dropped_bytes;	   /* of regular files that a rule left out */
	struct string_list narrow; /* owned: programs that the recipe lets be unaligned: "/path (4K)" */
};

void rootfs_tree_clear(struct rootfs_tree *tree);

/* Read the tar @from, write the tar @to. Left out besides: device nodes (the guest has devtmpfs) and what mmdebstrap
 * copied from this host (resolv.conf, hostname, apt's sources). /etc/passwd and /etc/group are base-passwd's masters
 * and the users. Errors: CONFIG (programs that are not arm64, or that a 64K kernel could not map: an ELF segment
 * aligned to less, or whose program headers lie behind the first 64 KiB; a `from` that cannot be read), HOST (a
 * damaged tar, disk). All offenders are named, up to 20. */
int rootfs_tar_make(const char *from, const char *to, const struct rootfs_recipe *recipe, struct rootfs_tree *ret_tree,
		    struct err *err);

enum elf_verdict {
	ELF_NONE,    /* no ELF, or an object that nobody maps */
	ELF_FITS,    /* arm64, every PT_LOAD aligned to 64K at least */
	ELF_FOREIGN, /* of another machine or word size */
	ELF_NARROW,  /* a PT_LOAD aligned to less: load_elf_binary() and ld.so refuse it on larger pages */
	ELF_UNKNOWN, /* its program headers are not in the bytes given */
};
/* @data: the first bytes of a file (elf(5)). @ret_align, of ELF_NARROW: the least alignment. */
enum elf_verdict elf_look(const void *data, size_t len, uint64_t *ret_align);

#endif
