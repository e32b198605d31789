// SPDX-License-Identifier: GPL-2.0-or-later
/* Errors by value. Knows no file, no log, no program. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->msg, ERR_MSG_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

int err_set_errno(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	int saved = errno;
	size_t len;
	va_list ap;

	if (!err)
		return -1;
	err->kind = kind;
	va_start(ap, fmt);
	vsnprintf(err->msg, ERR_MSG_SIZE, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, ERR_MSG_SIZE - len, ": %s", strerror(saved));
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char context[ERR_MSG_SIZE];
	size_t len, keep;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context) - 2, fmt, ap);
	va_end(ap);
	strcat(context, ": ");
	len = strlen(context);
	keep = strlen(err->msg);
	if (len + keep >= ERR_MSG_SIZE)
		keep = ERR_MSG_SIZE - len - 1;
	memmove(err->msg + len, err->msg, keep);
	err->msg[len + keep] = '\0';
	memcpy(err->msg, context, len);
	return -1;
}

int err_exit_code(const struct err *err)
{
	switch (err->kind) {
	case ERR_NONE:
		return 0;
	case ERR_CONFIG:
		return 2;
	case ERR_HOST:
	case ERR_BUILD:
		return 3;
	case ERR_GUEST:
		return 4;
	case ERR_INTERRUPTED:
		return 130;
	}
	return 3;
}
