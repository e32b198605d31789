/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host's processors gave a guest: a guest that was late for want of them has said nothing about itself. */
#ifndef GRANULE_GUEST_USAGE_H
#define GRANULE_GUEST_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct usage {
	pid_t pid;	  /* of QEMU; 0: unknown, nothing is measured */
	double cpu_s;	  /* its processor time so far, all threads */
	double starved_s; /* seconds in which it was runnable and did not run, or was stopped */
	/* the last look */
	uint64_t looked_ns;
	double waited_s;
	bool stopped;
};

void usage_init(struct usage *usage, pid_t pid, uint64_t now);
/* Look, if the last look is a while ago. An idle guest is not starved: it waits for no processor. */
void usage_look(struct usage *usage, uint64_t now);

#endif
