/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Child processes from argv arrays; never a shell. */
#ifndef GRANULE_BASE_PROC_H
#define GRANULE_BASE_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Run @argv (found on PATH), standard input from /dev/null, both outputs captured together, at most @cap bytes kept.
 * Returns the exit status (128 + signal if it was killed), -1 with @err if it could not start or passed @deadline_ns
 * (it is killed then). @ret_output is owned by the caller, set whenever the child ran. */
int proc_capture(char *const argv[], uint64_t deadline_ns, size_t cap, char **ret_output, struct err *err);
/* Start @argv in a process group of its own, output to @out_fd (-1: inherited); returns the pid or -1. */
pid_t proc_spawn(char *const argv[], int out_fd, struct err *err);
/* The absolute path of program @name on PATH, or NULL; owned by the caller. */
char *proc_find(const char *name);
/* The start time of @pid in clock ticks since boot (/proc/PID/stat field 22), 0 if there is no such process: with the
 * pid it names a process for good. */
uint64_t proc_start_time(pid_t pid);

#endif
