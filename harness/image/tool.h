/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Long-running tools (make, tar, apt-get): output to a log line by line, ended with the whole process group when granule is
 * interrupted, and gone by themselves (SIGPIPE) when granule is killed. */
#ifndef GRANULE_IMAGE_TOOL_H
#define GRANULE_IMAGE_TOOL_H

#include <stdbool.h>

#include "base/err.h"

/* Called for every line of output (without its newline), and with NULL about twice a second. */
typedef void tool_line(void *ctx, const char *line);

/* A line of granule-image: "progress\tFRACTION\tWHAT". @ret_what points into it. False: another line, or none. */
bool tool_progress(const char *line, double *ret_fraction, const char **ret_what);

/* Run @argv (found on PATH, no shell). Output goes to @log (appended; NULL: nowhere) and to @line (NULL: nobody).
 * Returns 0 when it exits with 0. Else -1: ERR_HOST with the exit status, the output's lines that speak of an error, its
 * last lines and the log's path; ERR_INTERRUPTED on SIGINT, SIGTERM or SIGHUP, which are taken over while it runs. */
int tool_run(const char *const argv[], const char *log, tool_line *line, void *ctx, struct err *err);

/* The names of @tools (NULL-terminated) that are not on PATH, as "flex, bison"; NULL if all are. Owned by the caller. */
char *tools_missing(const char *const *tools);

#endif
