/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A debugger at a cell's kernel: the files that gdb needs in a scratch run directory, and the two processes. */
#ifndef GRANULE_RUN_DEBUG_H
#define GRANULE_RUN_DEBUG_H

#include <sys/types.h>

#include "store/store.h"

struct debug {
	char *script;  /* owned: RUN/gdb.commands: symbols, target, and on to the kernel's entry */
	char *symbols; /* owned: the vmlinux, or an ELF file made from System.map; NULL: there are none */
	char *socket;  /* owned: where QEMU's gdb server listens once granule-boot --gdb runs */
};

/* Write what gdb needs to debug @cell into @run_dir. @vmlinux: the user's, or NULL: the one of the tree that a kernel by
 * path lies in, else a file made from the cell's System.map. ERR_CONFIG: no such vmlinux, no System.map by its looks. */
int debug_prepare(const char *run_dir, const struct cell_record *cell, const char *vmlinux, struct debug *ret,
		  struct err *err);
void debug_free(struct debug *debug);

/* gdb-multiarch, or a gdb on an arm64 host; NULL: neither is on PATH. Owned by the caller. */
char *debug_find_gdb(void);

/* With granule-boot (@boot_argv) in the background, run @gdb on this terminal, then end the guest. Returns
 * granule-boot's exit code, -1 with ERR_HOST if the guest does not come up. */
int debug_session(const struct debug *debug, char *const boot_argv[], const char *gdb, struct err *err);

#endif
