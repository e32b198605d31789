/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches a guest's two files grow and its deadlines pass. Trusts nothing in them. */
#ifndef GRANULE_GUEST_WATCH_H
#define GRANULE_GUEST_WATCH_H

#include "guest/life.h"

struct watch {
	const struct life *life; /* borrowed */
	uint64_t hello_deadline_ns, deadline_ns;
	bool hello;
	double hello_s;	   /* since the guest's start; set with @hello */
	char message[512]; /* for done.json, once watch_poll() has said that the guest must end */
};

/* Deadlines count from life->start_ns. A person at a shell or in a debugger has no deadline. */
void watch_init(struct watch *watch, const struct life *life);
/* Look once. True: the guest must be ended, *ret_stop and the message say why. */
bool watch_poll(struct watch *watch, uint64_t now, enum stop *ret_stop);
/* When to look again, in ms: often until the hello, which is timed. */
int watch_pause_ms(const struct watch *watch);

#endif
