/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attends a guest by its process alone: one that somebody else started, or one that is not there. No libvirt. */
#ifndef GRANULE_GUEST_ATTEND_H
#define GRANULE_GUEST_ATTEND_H

#include "guest/life.h"

/* Until process @pid is gone or must be ended (its files' caps, its deadlines, a signal in @signal_fd); whoever must go
 * is gone when this returns. Fills in what the life says of hello, end and use of the processor. STOP_POWEROFF: it went
 * by itself, how is not known here. */
enum stop attend_process(struct life *life, pid_t pid, int signal_fd, char *message, size_t size);

/* Finish the attempt that a dead granule-boot left: wait for its guest if that lives, and say how it ended. A guest that
 * never came to its first word on the console may have been left before it was let run, and is ended. */
enum stop attend_orphan(struct life *life, int signal_fd, char *message, size_t size);

/* Is there anything on the console or in the stream of the attempt in @dir? */
bool guest_spoke(const char *dir);

#endif
