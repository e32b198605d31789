/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sealed guest's bytes are a function of its inputs, so a boot whose like has run is taken from the cache. The key is
 * the digest of all of them:
 *
 *   the domain as QEMU is asked for it (CPU, memory, devices, clock, seed, command line), without names and host paths
 *   the kernel, by its sha256
 *   the initramfs, as initramfs.c writes it, each program's sha256 in the place of its bytes
 *   the emulator: QEMU, the libraries that it loads, libvirt (guest/emulator.h)
 *
 * Only what was sealed, on the simulated basis, and ended ok is kept. `verify` and `repro` have no part in this: they
 * boot. A fake guest's boots have keys of their own. */
#ifndef GRANULE_RUN_REUSE_H
#define GRANULE_RUN_REUSE_H

#include "store/store.h"

struct reuse;

struct reuse_options {
	const char *qemu, *qemu_version; /* borrowed; NULL with a fake guest */
	const char *connect;		 /* a libvirt URI, NULL: the embedded driver */
	const char *fake;		 /* how a fake guest behaves, NULL: a real one */
	bool fresh;			 /* take nothing from the cache; what was booted is kept all the same */
};

/* ERR_HOST: the emulator cannot be named, so nothing can be reused. */
int reuse_open(const struct reuse_options *options, struct reuse **ret_reuse, struct err *err);
/* Also brings the cache back below its size. reuse_close(NULL) is fine. */
void reuse_close(struct reuse *reuse);

/* Take boot @boot of @cell from the cache: 1 with attempt @number in the run directory, which reads as the boot that ran
 * did (done.json names the key); 0: it has to be booted. ERR_HOST: the attempt could not be written. */
int reuse_take(struct reuse *reuse, const struct run *run, const struct cell_record *cell, unsigned int boot,
	       unsigned int number, struct err *err);
/* Keep what a guest gave; @result is what reading says of it. 0 also when it is not of the kind that is kept. ERR_HOST:
 * the cache cannot be written. ERR_GUEST: the same inputs gave other bytes before; then neither is kept. */
int reuse_keep(struct reuse *reuse, const struct cell_record *cell, unsigned int boot, const struct boot_result *result,
	       struct err *err);

/* The key of a boot, and what it is the digest of; false if it is not one that can be reused. For tests too. */
bool reuse_key(const struct reuse *reuse, const struct cell_record *cell, unsigned int boot,
	       char ret_key[SHA256_HEX_SIZE], json_t **ret_inputs);

#endif
