// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest seen from outside: a pid, two files, deadlines. Cannot say how a process ended that is not its child. */
#include "guest/attend.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "guest/watch.h"

#define END_WAIT_MS 10000

/* By its descriptor, so that it can be nobody else. */
static void end_process(int fd)
{
	struct pollfd gone = { .fd = fd, .events = POLLIN };

	syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	poll(&gone, 1, END_WAIT_MS);
}

static enum stop wait_for_end(struct watch *watch, struct usage *usage, int fd, int signal_fd, char *message,
			      size_t size)
{
	enum stop stop = STOP_POWEROFF;

	for (;;) {
		struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = signal_fd, .events = POLLIN } };

		poll(fds, 2, watch_pause_ms(watch));
		usage_look(usage, now_ns());
		if (fds[0].revents)
			return STOP_POWEROFF;
		if (fds[1].revents) {
			end_process(fd);
			return STOP_INTERRUPTED;
		}
		if (watch_poll(watch, now_ns(), &stop)) {
			end_process(fd);
			snprintf(message, size, "%s", watch->message);
			return stop;
		}
	}
}

enum stop attend_process(struct life *life, pid_t pid, int signal_fd, char *message, size_t size)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct watch watch;
	enum stop stop;

	watch_init(&watch, life);
	usage_init(&life->usage, pid, now_ns());
	/* gone already */
	stop = fd < 0 ? STOP_POWEROFF : wait_for_end(&watch, &life->usage, fd, signal_fd, message, size);
	if (watch.hello)
		life->hello_s = watch.hello_s;
	life->stop_s = (double)(now_ns() - life->start_ns) / (double)NSEC_PER_SEC;
	return stop;
}

static bool has_text(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size > 0;
}

bool guest_spoke(const char *dir)
{
	_cleanup_free_ char *console = path_join(dir, "console.log"), *stream = path_join(dir, "stream");

	return has_text(console) || has_text(stream);
}

enum stop attend_orphan(struct life *life, int signal_fd, char *message, size_t size)
{
	struct attempt_guest guest;
	enum stop stop;

	if (!attempt_guest_read(life->dir, &guest))
		return STOP_UNSEEN;
	if (!guest_spoke(life->dir)) {
		_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, guest.pid, 0);

		/* the descriptor first: now it is this process or none */
		if (fd >= 0 && attempt_guest_read(life->dir, &guest))
			end_process(fd);
		return STOP_UNSEEN;
	}
	life->start_ns = life_since(guest.started_s);
	stop = attend_process(life, guest.pid, signal_fd, message, size);
	return stop == STOP_POWEROFF ? STOP_UNSEEN : stop;
}
