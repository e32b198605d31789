/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One attempt at one boot: the files of its directory, in the order in which they come to be. Knows no libvirt; the
 * fake guest lives the same life. */
#ifndef GRANULE_GUEST_LIFE_H
#define GRANULE_GUEST_LIFE_H

#include <stdint.h>

#include "guest/domain.h"
#include "guest/usage.h"
#include "image/initramfs.h"
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
	STOP_UNSEEN,		/* its granule-boot was killed; who adopted it cannot say how it ended */
	STOP_HOST_ERROR,	/* this host's fault, worth another try */
};
extern const char *const stop_names[];

/* What the command line asks for. */
struct life_options {
	const char *run, *cell; /* borrowed, as all */
	unsigned int boot;
	unsigned int attempt; /* the one to claim, or 0: the next; with @adopt the one to finish */
	int slot;	      /* or SLOT_ANY */
	const char *connect;  /* NULL: embedded driver */
	bool console, shell, fake, adopt;
	bool count;	      /* instructions by address, into `count`: harness/plugin/count.c */
	bool gdb;	      /* wait for a debugger at the first instruction, on the socket RUN/LIFE_GDB_SOCKET */
	unsigned int jobs;    /* guests at a time at most, for host.json; 0: not known */
	const char *fake_how; /* fake.h */
	const char *busybox;  /* NULL: guest_program_path("busybox") */
};

#define LIFE_GDB_SOCKET "gdb"

struct life {
	struct life_options options;
	struct cell_record cell; /* owned */
	char *dir;		 /* owned: the attempt's directory, absolute; NULL before the claim */
	unsigned int attempt;
	char *stream_path, *console_path, *initramfs_path; /* owned */
	struct domain_disk *disks;			   /* owned, with their paths: of cell.disks */
	char *plugin;					   /* owned: -plugin's value; NULL: none */
	char *job;					   /* owned: /job of this guest */
	char *command_line, *gdb_path;			   /* owned; NULL without options.gdb */
	char initramfs_sha256[SHA256_HEX_SIZE];
	char name[24]; /* of the domain: no two attempts share it */
	/* seconds of wall time; below 0: it did not come to that */
	double claim_s, initramfs_s, start_s, hello_s, stop_s;
	uint64_t begin_ns, start_ns; /* of the attempt; of the guest */
	struct usage usage;
};

/* What host.json says of this host beside the cell. */
struct life_host {
	const char *qemu, *qemu_version, *libvirt_version, *connect, *root, *root_reason; /* borrowed; may be NULL */
	int slot;
};

/* The host's deadlines for a guest of the cell's basis, in seconds; that of the hello is never the later one. */
uint64_t life_timeout_s(const struct cell_record *cell);
uint64_t life_hello_timeout_s(const struct cell_record *cell);

/* Is a person there, so that the guest is not sealed and no deadline ends it? */
static inline bool life_attended(const struct life *life)
{
	return life->options.shell || life->options.gdb;
}

/* Read the cell and claim an attempt, or adopt one. ERR_CONFIG: no such run or cell, a skipped cell. -2: another process
 * is at it. */
int life_open(const struct life_options *options, struct life *ret_life, struct err *err);
/* Check kernel and programs against the record's digests, write `job` and the initramfs. ERR_HOST: a file is gone or
 * is not what was planned. */
int life_files(struct life *life, struct err *err);
/* What a sealed guest of @cell finds in its initramfs: the programs, then @job. @ret_entries has room for n_programs + 1
 * of them, borrowed from both; returns how many. */
size_t life_entries(const struct cell_record *cell, const char *job, struct initramfs_entry *ret_entries);
/* Fill in the domain of this life (with options.count also life->plugin); everything in it is borrowed from @life. */
void life_domain(struct life *life, const char *qemu, const char *qemu_version, struct domain *ret_domain);
/* host.json, before the guest starts. */
int life_write_host(const struct life *life, const struct life_host *host, struct err *err);
/* guest.json: from here on the guest in @pid, which has not run yet, can be adopted. 0: its process is not known. */
int life_write_guest(const struct life *life, pid_t pid, struct err *err);
/* A moment of CLOCK_REALTIME on the monotonic clock. */
uint64_t life_since(double realtime_s);
/* done.json, the last file of all: what it names is on the disk. Removes the initramfs, which can be made again. */
int life_write_done(struct life *life, enum stop stop, const char *message, struct err *err);
void life_close(struct life *life);

#endif
