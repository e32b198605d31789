/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domain XML, by libxml2's writer, from a filled-in struct. Pure: golden-tested. */
#ifndef GRANULE_GUEST_DOMAIN_H
#define GRANULE_GUEST_DOMAIN_H

#include <stdbool.h>

#include "store/metric.h"

struct domain_disk {
	const char *path, *serial; /* a raw file; what the guest finds it by */
	const char *cache;	   /* QEMU's cache mode, NULL: its own */
	bool read_only;
};

struct domain {
	const char *name; /* borrowed, as all; unique per attempt */
	const char *uuid; /* NULL: libvirt's choice */
	const char *qemu; /* emulator path */
	const char *kernel, *initrd, *command_line;
	const char *cpu_model;	  /* "host": host-passthrough */
	const char *stream_path;  /* the virtio port's file */
	const char *console_path; /* the PL011's file; NULL: a pty (repro --shell) */
	const char *plugin;	  /* NULL, or the value of QEMU's -plugin: what counts without the guest's knowledge */
	const char *root_path;	  /* a root file system's image, as a read-only virtio disk; NULL: none */
	const char *gdb_path;	  /* a unix socket for QEMU's gdb server; NULL: none */
	const struct domain_disk *disks; /* virtio-blk; none in a sealed guest */
	size_t n_disks;
	uint64_t memory_bytes, cpus, seed;
	enum basis basis; /* simulated: TCG, -icount shift=1,sleep=off (on, with a pty); emulated: TCG; hardware: KVM */
};

/* Owned by the caller (free()). */
char *domain_xml(const struct domain *domain);

#endif
