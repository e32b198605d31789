// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs one tool at a time. Knows no make and no apt. */
#include "image/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/image.h"

#define TAIL_LINES 12
#define ERROR_LINES 8
#define LINE_CAP 4096
#define KILL_AFTER_NS (5 * NSEC_PER_SEC)

struct tool {
	int log; /* -1: none */
	tool_line *line;
	void *ctx;
	char buf[LINE_CAP];
	size_t used;
	char *tail[TAIL_LINES]; /* owned; a ring */
	size_t n_lines;
	char *errors[ERROR_LINES]; /* owned: the first lines that speak of an error */
	size_t n_errors;
};

static void tool_clear(struct tool *t)
{
	for (size_t i = 0; i < TAIL_LINES; i++)
		free(t->tail[i]);
	for (size_t i = 0; i < t->n_errors; i++)
		free(t->errors[i]);
	if (t->log >= 0)
		close(t->log);
}

static void end_line(struct tool *t)
{
	char **slot = &t->tail[t->n_lines++ % TAIL_LINES];

	t->buf[t->used] = '\0';
	t->used = 0;
	free(*slot);
	*slot = xstrdup(t->buf);
	if (t->n_errors < ERROR_LINES && (strstr(t->buf, "error:") || strstr(t->buf, "E: ") || strstr(t->buf, "*** ")))
		t->errors[t->n_errors++] = xstrdup(t->buf);
	if (t->line)
		t->line(t->ctx, t->buf);
}

static void take_output(struct tool *t, const char *data, size_t len)
{
	/* A full disk under the log is found by the tool too, and said by it. */
	for (size_t done = 0; t->log >= 0 && done < len;) {
		ssize_t n = write(t->log, data + done, len - done);

		if (n <= 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n')
			end_line(t);
		else if (t->used < LINE_CAP - 1)
			t->buf[t->used++] = data[i];
	}
}

/* Read until the tool closes its output; a signal ends its group first. Returns the signal or 0. */
static int pump(struct tool *t, pid_t pid, int out, int sig_fd)
{
	uint64_t kill_at = UINT64_MAX;
	int caught = 0;

	for (;;) {
		struct pollfd p[2] = { { .fd = out, .events = POLLIN }, { .fd = sig_fd, .events = POLLIN } };
		char data[16384];
		ssize_t n;

		if (poll(p, 2, 500) < 0 && errno != EINTR)
			break;
		if (p[1].revents & POLLIN) {
			struct signalfd_siginfo si;

			if (read(sig_fd, &si, sizeof(si)) == sizeof(si) && !caught) {
				caught = (int)si.ssi_signo;
				kill(-pid, SIGTERM);
				kill_at = now_ns() + KILL_AFTER_NS;
			}
		}
		if (now_ns() > kill_at)
			kill(-pid, SIGKILL);
		if (t->line)
			t->line(t->ctx, NULL);
		if (!(p[0].revents & (POLLIN | POLLHUP)))
			continue;
		n = read(out, data, sizeof(data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		take_output(t, data, (size_t)n);
	}
	if (t->used)
		end_line(t);
	return caught;
}

static int fail(const struct tool *t, const char *name, int status, const char *log, struct err *err)
{
	_cleanup_(text_free) struct text out = { 0 };
	size_t first = t->n_lines > TAIL_LINES ? t->n_lines - TAIL_LINES : 0;

	if (WIFSIGNALED(status))
		text_add(&out, "%s: killed by signal %d", name, WTERMSIG(status));
	else
		text_add(&out, "%s: exit status %d", name, WEXITSTATUS(status));
	if (log)
		text_add(&out, "; the log is %s", log);
	for (size_t i = 0; t->n_lines > TAIL_LINES && i < t->n_errors; i++)
		text_add(&out, "\n  %.200s", t->errors[i]);
	if (t->n_errors && t->n_lines > TAIL_LINES)
		text_add(&out, "\n  ...");
	for (size_t i = first; i < t->n_lines; i++)
		text_add(&out, "\n  %.200s", t->tail[i % TAIL_LINES]);
	return err_set(err, ERR_HOST, "%s", out.s);
}

/* The tool's own name, for messages: behind "env -i A=B" and the like. */
static const char *tool_name(const char *const argv[])
{
	size_t i = 0;

	if (strcmp(argv[0], "env") == 0) {
		for (i = 1; argv[i] && (argv[i][0] == '-' || strchr(argv[i], '=')); i++)
			;
	}
	return argv[i] ? argv[i] : argv[0];
}

int tool_run(const char *const argv[], const char *log, tool_line *line, void *ctx, struct err *err)
{
	_cleanup_(tool_clear) struct tool t = { .log = -1, .line = line, .ctx = ctx };
	_cleanup_close_ int out = -1, sig_fd = -1;
	int pipefd[2], status = 0, caught;
	sigset_t take, before;
	pid_t pid;

	if (log) {
		t.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (t.log < 0)
			return err_set_errno(err, ERR_HOST, "%s", log);
	}
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_HOST, "pipe");
	out = pipefd[0];
	sigemptyset(&take);
	sigaddset(&take, SIGINT);
	sigaddset(&take, SIGTERM);
	sigaddset(&take, SIGHUP);
	sigprocmask(SIG_BLOCK, &take, &before);
	sig_fd = signalfd(-1, &take, SFD_CLOEXEC);
	pid = proc_spawn((char *const *)argv, pipefd[1], err);
	close(pipefd[1]);
	if (pid < 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		return -1;
	}
	caught = pump(&t, pid, out, sig_fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (caught)
		kill(-pid, SIGKILL); /* what is left of the group */
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (caught)
		return err_set(err, ERR_INTERRUPTED, "%s: interrupted", tool_name(argv));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : fail(&t, tool_name(argv), status, log, err);
}

void no_progress(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)what;
	(void)fraction;
	(void)eta_s;
}

bool tool_progress(const char *line, double *ret_fraction, const char **ret_what)
{
	static const char verb[] = "progress\t";
	char *end;

	if (!line || !starts_with(line, verb))
		return false;
	*ret_fraction = strtod(line + strlen(verb), &end);
	*ret_what = end + 1;
	return *end == '\t';
}

char *tools_missing(const char *const *tools)
{
	struct text out = { 0 };

	for (; *tools; tools++) {
		_cleanup_free_ char *path = proc_find(*tools);

		if (!path)
			text_add(&out, "%s%s", out.len ? ", " : "", *tools);
	}
	return out.len ? text_steal(&out) : NULL;
}
