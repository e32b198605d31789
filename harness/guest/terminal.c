// SPDX-License-Identifier: GPL-2.0-or-later
/* Consoles for people. Knows no guest. */
#include "guest/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"

#define LEAVE '\x1d' /* Ctrl-] */

static struct termios saved_modes;

static void put_all(int fd, const char *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, (size_t)len);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return;
		data += n;
		len -= n;
	}
}

void console_follow(const char *path, off_t *offset)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	while (fd >= 0 && (n = pread(fd, buf, sizeof(buf), *offset)) > 0) {
		put_all(STDOUT_FILENO, buf, n);
		*offset += n;
	}
}

int terminal_open(const char *pty, const char *log_path, struct terminal *t, struct err *err)
{
	struct termios modes;

	*t = (struct terminal){ .pty = open(pty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC),
				.log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) };
	if (t->pty < 0 || t->log < 0) {
		err_set_errno(err, ERR_HOST, "%s", t->pty < 0 ? pty : log_path);
		terminal_close(t);
		return -1;
	}
	if (tcgetattr(STDIN_FILENO, &saved_modes) == 0) {
		modes = saved_modes;
		cfmakeraw(&modes);
		modes.c_oflag |= OPOST | ONLCR; /* granule's own lines still look right */
		t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0;
	}
	return 0;
}

/* False: end of input, or Ctrl-]. */
static bool relay_input(struct terminal *t)
{
	char buf[1024];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	if (n == 0)
		return false;
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == LEAVE && t->raw) {
			put_all(t->pty, buf, i);
			return false;
		}
	}
	put_all(t->pty, buf, n);
	return true;
}

bool terminal_relay(struct terminal *t)
{
	struct pollfd fds[] = { { .fd = t->pty, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	if (poll(fds, 2, 0) <= 0)
		return true;
	if (fds[0].revents & POLLIN) {
		n = read(t->pty, buf, sizeof(buf));
		put_all(STDOUT_FILENO, buf, n);
		put_all(t->log, buf, n);
	}
	return !fds[1].revents || relay_input(t);
}

void terminal_close(struct terminal *t)
{
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_modes);
	if (t->pty >= 0)
		close(t->pty);
	if (t->log >= 0)
		close(t->log);
	*t = (struct terminal){ .pty = -1, .log = -1 };
}
