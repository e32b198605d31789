/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors by value: a kind and a sentence. No allocation, so the agent uses them too.
 *
 * A function that can fail takes `struct err *err` last and returns 0 or -1 (or a pointer or NULL). On success
 * @err is untouched. Callers add context on the way up with err_wrap(): "cell 64k.off: agent: no hello in 30 s".
 * @err may be NULL where the caller only wants to know that it failed. Libraries never print. */
#ifndef GRANULE_BASE_ERR_H
#define GRANULE_BASE_ERR_H

#include <stdarg.h>

/* How far the damage reaches. */
enum err_kind {
	ERR_NONE = 0,
	ERR_CONFIG,	 /* the user's text or command line: stop before anything boots; exit code 2 */
	ERR_HOST,	 /* this host or its images: stop the run; exit code 3 */
	ERR_GUEST,	 /* one guest: record it, go on; exit code 4 */
	ERR_INTERRUPTED, /* SIGINT or SIGTERM; exit code 130 */
	ERR_BUILD,	 /* a kernel's source does not compile, and the host is well; exit code 3 */
};

#define ERR_MSG_SIZE 4096

struct err {
	enum err_kind kind;
	char msg[ERR_MSG_SIZE]; /* NUL-terminated, cut when longer; may hold several lines */
};

#define ERR_INIT ((struct err){ .kind = ERR_NONE })

/* Set @err; returns -1 so that a caller can `return err_set(...)`. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with ": strerror(errno)" behind the sentence. */
int err_set_errno(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Put "context: " before the sentence; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The exit code of the granule programs for @err (DESIGN.md, "Diff"). */
int err_exit_code(const struct err *err);

#endif
