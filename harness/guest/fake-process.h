/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fake guest with a process of its own, as QEMU is one: it outlives a granule-boot that is killed. */
#ifndef GRANULE_GUEST_FAKE_PROCESS_H
#define GRANULE_GUEST_FAKE_PROCESS_H

#include "base/text.h"
#include "guest/life.h"

/* Is @how one of these: "slow" (the stream comes in pieces, for 0.1 s), "stall" (the process is stopped before its first
 * record, as a starved host would have it), "stall-once" (the first attempt is)? */
bool fake_has_process(const char *how);
/* Live such a guest: it writes @console and @stream. As fake_run(). */
enum stop fake_process(struct life *life, const struct text *stream, const struct text *console, int signal_fd,
		       char *message, size_t size);

#endif
