/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person's view of a guest's console: follow a file, or talk to a pty. */
#ifndef GRANULE_GUEST_TERMINAL_H
#define GRANULE_GUEST_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Copy what is new in @path since *@offset to standard output. */
void console_follow(const char *path, off_t *offset);

struct terminal {
	int pty;  /* owned descriptor, -1: none */
	int log;  /* owned descriptor of the console's log */
	bool raw; /* standard input is in raw mode */
};

/* Open the guest's @pty and put this terminal into raw mode; what the guest prints is also kept in @log_path. */
int terminal_open(const char *pty, const char *log_path, struct terminal *ret_terminal, struct err *err);
/* Move what is there in both directions, once. False: the person typed Ctrl-] or the input ended. */
bool terminal_relay(struct terminal *terminal);
/* Gives the terminal its modes back. */
void terminal_close(struct terminal *terminal);

#endif
