// SPDX-License-Identifier: GPL-2.0-or-later
/* The child that plays QEMU: it waits until guest.json names it, writes what it was given, and ends. Knows no record. */
#include "guest/fake-process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "guest/attend.h"

#define PIECES 10
#define PIECE_NS 10000000

bool fake_has_process(const char *how)
{
	return strcmp(how, "slow") == 0 || strcmp(how, "stall") == 0 || strcmp(how, "stall-once") == 0;
}

static bool stalls(const struct life *life)
{
	const char *how = life->options.fake_how;

	return strcmp(how, "stall") == 0 || (strcmp(how, "stall-once") == 0 && life->attempt == 1);
}

/* Nothing of granule-boot's stays open in the child but @fd: who reads its outputs waits for their end. */
static void let_go(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(fd, 3);
	close_range(4, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
}

static void put(int fd, const char *data, size_t len)
{
	if (write(fd, data, len) != (ssize_t)len)
		_exit(1);
}

static void play(const struct life *life, const struct text *stream, const struct text *console)
{
	int out = open(life->stream_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int log = open(life->console_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const struct timespec pause = { .tv_nsec = PIECE_NS };
	char go;

	/* the end of file says that granule-boot was killed before it let the guest run */
	if (read(3, &go, 1) != 1)
		_exit(1);
	put(log, console->s, console->len / 2);
	if (stalls(life))
		raise(SIGSTOP);
	for (size_t i = 0; i < PIECES; i++) {
		size_t from = stream->len * i / PIECES, to = stream->len * (i + 1) / PIECES;

		nanosleep(&pause, NULL);
		put(out, stream->s + from, to - from);
	}
	put(log, console->s + console->len / 2, console->len - console->len / 2);
	_exit(0);
}

enum stop fake_process(struct life *life, const struct text *stream, const struct text *console, int signal_fd,
		       char *message, size_t size)
{
	struct err err = ERR_INIT;
	enum stop stop;
	int go[2], status = 0;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		snprintf(message, size, "a fake guest: %s", strerror(errno));
		return STOP_HOST_ERROR;
	}
	if (pid == 0) {
		let_go(go[0]);
		play(life, stream, console);
	}
	close(go[0]);
	if (life_write_guest(life, pid, &err) < 0 || write(go[1], "g", 1) != 1)
		kill(pid, SIGKILL);
	close(go[1]);
	stop = attend_process(life, pid, signal_fd, message, size);
	waitpid(pid, &status, 0);
	if (stop != STOP_POWEROFF || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return stop;
	snprintf(message, size, "the fake guest is gone%s%s", err.kind == ERR_NONE ? "" : ": ", err.msg);
	return STOP_HOST_ERROR;
}
