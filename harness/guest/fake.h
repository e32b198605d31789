/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest that is not there: writes the stream and the console that a real one would have written for a job of the
 * `null` workload, in milliseconds, without QEMU. Its numbers are a deterministic function of cell, seed and job and
 * mean nothing; host.json says "guest": "fake". */
#ifndef GRANULE_GUEST_FAKE_H
#define GRANULE_GUEST_FAKE_H

#include "guest/life.h"

/* What goes wrong: "ok", "oops" (on the console, mid-sample, the job passes), "torn" (dies in a record), "damaged" (a
 * flipped bit), "no-hello", "crash", "wrong-page-size", "timeout", "host-error", "sleep" (runs until a signal comes), and those of
 * fake-process.h. */
extern const char *const fake_hows[];

/* Live @life's guest. Returns how it ended, with a sentence in @message (@size bytes) where there is one to say;
 * @signal_fd: a signalfd that "sleep" waits for. */
enum stop fake_run(struct life *life, int signal_fd, char *message, size_t size);

#endif
