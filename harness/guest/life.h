/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One attempt at one boot: the files of its directory, in the order in which they come to be. Knows no libvirt; the
 * fake guest lives the same life. */
#ifndef GRANULE_GUEST_LIFE_H
#define GRANULE_GUEST_LIFE_H

#include <stdint.h>

#include "guest/domain.h"
#include "store/store.h"

/* How a guest's life ended: "stop" in done.json. store/ derives outcomes from it and from what the guest wrote. */
enum stop {
	STOP_POWEROFF,		/* by itself; the stream says the rest */
	STOP_TIMEOUT,		/* the host's deadline */
	STOP_NO_HELLO,		/* no first record in time */
	STOP_STREAM_TOO_LARGE,	/* over STREAM_SIZE_MAX */
	STOP_CONSOLE_TOO_LARGE, /* over CONSOLE_SIZE_MAX */
	STOP_CRASHED,		/* QEMU is gone */
	STOP_INTERRUPTED,	/* SIGINT, SIGTERM, SIGHUP */
	STOP_HOST_ERROR,	/* this host's fault, worth another try */
};
extern const char *const stop_names[];

/* What the command line asks for. */
struct life_options {
	const char *run, *cell; /* borrowed, as all */
	unsigned int boot;
	int slot;	     /* or SLOT_ANY */
	const char *connect; /* NULL: embedded driver */
	bool console, shell, fake;
	const char *fake_how; /* fake.h */
	const char *busybox;  /* NULL: guest_program_path("busybox") */
};

struct life {
	struct life_options options;
	struct cell_record cell; /* owned */
	char *dir;		 /* owned: the attempt's directory, absolute; NULL before the claim */
	unsigned int attempt;
	char *stream_path, *console_path, *initramfs_path; /* owned */
	char *job;					   /* owned: /job of this guest */
	char initramfs_sha256[SHA256_HEX_SIZE];
	char name[24]; /* of the domain: no two attempts share it */
	/* seconds of wall time; below 0: it did not come to that */
	double claim_s, initramfs_s, start_s, hello_s, stop_s;
	uint64_t begin_ns, start_ns; /* of this process's work; of the guest */
};

/* What host.json says of this host beside the cell. */
struct life_host {
	const char *qemu, *qemu_version, *libvirt_version, *connect, *root, *root_reason; /* borrowed; may be NULL */
	int slot;
};

/* The host's deadlines for a guest of @basis, in seconds. */
uint64_t life_timeout_s(const struct cell_record *cell);
uint64_t life_hello_timeout_s(const struct cell_record *cell);

/* Read the cell and claim an attempt. ERR_CONFIG: no such run or cell, a skipped cell. */
int life_open(const struct life_options *options, struct life *ret_life, struct err *err);
/* Check kernel and programs against the record's digests, write `job` and the initramfs. ERR_HOST: a file is gone or
 * is not what was planned. */
int life_files(struct life *life, struct err *err);
/* Fill in the domain of this life; everything in it is borrowed from @life. */
void life_domain(const struct life *life, const char *qemu, struct domain *ret_domain);
/* host.json, before the guest starts. */
int life_write_host(const struct life *life, const struct life_host *host, struct err *err);
/* done.json, the last file of all: what it names is on the disk. Removes the initramfs, which can be made again. */
int life_write_done(struct life *life, enum stop stop, const char *message, struct err *err);
void life_close(struct life *life);

#endif
