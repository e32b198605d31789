// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

pid_t proc_spawn(char *const argv[], int out_fd, struct err *err)
{
	int report[2];
	int code = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_HOST, "pipe");
	pid = fork();
	if (pid < 0) {
		close(report[0]);
		close(report[1]);
		return err_set_errno(err, ERR_HOST, "fork");
	}
	if (pid == 0) {
		sigset_t none;
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (null >= 0)
			dup2(null, STDIN_FILENO);
		if (out_fd >= 0) {
			dup2(out_fd, STDOUT_FILENO);
			dup2(out_fd, STDERR_FILENO);
		}
		execvp(argv[0], argv);
		code = errno;
		if (write(report[1], &code, sizeof(code)) < 0)
			_exit(127);
		_exit(127);
	}
	setpgid(pid, pid);
	close(report[1]);
	while (read(report[0], &code, sizeof(code)) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (code) {
		waitpid(pid, NULL, 0);
		errno = code;
		return err_set_errno(err, ERR_HOST, "cannot start %s", argv[0]);
	}
	return pid;
}

int proc_capture(char *const argv[], uint64_t deadline_ns, size_t cap, char **ret_output, struct err *err)
{
	struct text out = { 0 };
	int pipefd[2], status = 0;
	bool late = false;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return err_set_errno(err, ERR_HOST, "pipe");
	pid = proc_spawn(argv, pipefd[1], err);
	close(pipefd[1]);
	if (pid < 0) {
		close(pipefd[0]);
		return -1;
	}
	for (;;) {
		struct pollfd p = { .fd = pipefd[0], .events = POLLIN };
		uint64_t now = now_ns();
		char buf[4096];
		ssize_t n;
		int ready;

		if (now >= deadline_ns) {
			late = true;
			break;
		}
		ready = poll(&p, 1, (int)((deadline_ns - now) / NSEC_PER_MSEC % 1000000) + 1);
		if (ready <= 0)
			continue;
		n = read(pipefd[0], buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (out.len < cap)
			text_add_bytes(&out, buf, (size_t)n < cap - out.len ? (size_t)n : cap - out.len);
	}
	close(pipefd[0]);
	if (late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ret_output)
		*ret_output = text_steal(&out);
	else
		text_free(&out);
	if (late)
		return err_set(err, ERR_HOST, "%s: did not finish in time", argv[0]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

char *proc_find(const char *name)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *copy = xstrdup(path ? path : "/usr/local/bin:/usr/bin:/bin");

	if (strchr(name, '/'))
		return access(name, X_OK) == 0 ? path_absolute(name) : NULL;
	for (char *save = NULL, *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		_cleanup_free_ char *full = path_join(dir, name);

		if (access(full, X_OK) == 0)
			return steal_ptr(full);
	}
	return NULL;
}

uint64_t proc_start_time(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)pid);
	_cleanup_free_ char *data = NULL;
	unsigned long long start = 0;
	char *p;

	if (file_read(path, 65536, &data, NULL, NULL) < 0)
		return 0;
	p = strrchr(data, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			 &start) != 1)
		return 0;
	return start;
}
