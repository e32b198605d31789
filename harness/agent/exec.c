// SPDX-License-Identifier: GPL-2.0-or-later
/* One program: started in its cgroup, waited for by signalfd, its output drained, its descendants gone afterwards. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

static char output[OUTPUT_MAX];
static int child_signals = -1, dev_null = -1;

struct watch {
	pid_t pid;
	int pipe;
	bool hold, stopped, ended;
	int wait_status;
	struct exec_result *result;
};

/* The last, in a fake guest only, is where its programs find a console. */
static char fake_console[64];
static const char *child_env[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "LC_ALL=C", NULL, NULL };
static const char *inside_env[] = { "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LC_ALL=C", NULL, NULL, NULL };

void exec_prepare(struct agent *agent)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	child_signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	dev_null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (agent->fake) {
		snprintf(fake_console, sizeof(fake_console), "GRANULE_CONSOLE=/proc/%d/fd/2", (int)getpid());
		child_env[3] = fake_console;
	}
	if (child_signals < 0 || dev_null < 0)
		agent_fail(agent, "cannot make a signalfd or open /dev/null: %s", strerror(errno));
}

/* The real clock: also a fake guest's programs must come to an end. */
uint64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void child_main(const struct agent *agent, char *const argv[], int out) __attribute__((noreturn));
static void child_main(const struct agent *agent, char *const argv[], int out)
{
	char path[PATH_SIZE];
	const char *const *env = child_env, *program = agent_path(agent, argv[0], path), *trouble;
	sigset_t none;
	int fd;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(dev_null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (!agent->fake && write(fd, "0", 1) < 0)
			dprintf(STDERR_FILENO, "oom_score_adj: %s\n", strerror(errno));
		close(fd);
	}
	trouble = identity_enter(agent);
	if (trouble) {
		dprintf(STDERR_FILENO, "cannot %s for %s: %s\n", trouble, argv[0], strerror(errno));
		_exit(127);
	}
	if (agent->as.inside && !agent->fake) {
		inside_env[2] = agent->as.home;
		inside_env[3] = agent->as.user;
		env = inside_env;
	}
	execve(program, argv, (char *const *)env);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* In its cgroup from its first page on: a move by cgroup.procs would wait for a grace period and leave the pages of
 * the copy with process 1. */
pid_t fork_into(struct agent *agent, const char *phase)
{
	char path[PATH_SIZE * 2];
	struct clone_args args = { .exit_signal = SIGCHLD };
	int cgroup;
	pid_t pid;

	if (!agent->cgroups)
		return fork();
	snprintf(path, sizeof(path), CGROUP_ROOT "/%s", phase);
	cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		agent_fail(agent, "cannot open the cgroup %s: %s", path, strerror(errno));
	args.flags = CLONE_INTO_CGROUP;
	args.cgroup = (uint64_t)cgroup;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid != 0)
		close(cgroup);
	return pid;
}

pid_t spawn_into(struct agent *agent, const char *cgroup, char *const argv[], int out)
{
	pid_t pid = fork_into(agent, cgroup);

	if (pid == 0)
		child_main(agent, argv, out);
	if (pid < 0)
		agent_fail(agent, "cannot start %s: %s", argv[0], strerror(errno));
	return pid;
}

static void drain(struct watch *watch)
{
	static char rest[4096];
	struct exec_result *result = watch->result;

	while (watch->pipe >= 0) {
		size_t room = sizeof(output) - result->output_len;
		ssize_t n = read(watch->pipe, room ? output + result->output_len : rest, room ? room : sizeof(rest));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		if (n == 0) {
			close(watch->pipe);
			watch->pipe = -1;
			return;
		}
		result->output_total += (size_t)n;
		if (room)
			result->output_len += (size_t)n;
	}
}

/* Everybody who changed state; orphans are process 1's to bury. */
static void reap(struct watch *watch, int options)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, options, &usage)) > 0 || (pid < 0 && errno == EINTR)) {
		if (pid < 0)
			continue;
		service_reaped(pid, status, &usage);
		if (pid != watch->pid)
			continue;
		if (WIFSTOPPED(status)) {
			watch->stopped = true;
			continue;
		}
		watch->ended = true;
		watch->wait_status = status;
		watch->result->usage = usage;
	}
}

void reap_services(struct agent *agent)
{
	struct exec_result result;
	struct signalfd_siginfo info;
	struct watch nobody = { .pid = -1, .pipe = -1, .result = &result };

	(void)agent;
	while (read(child_signals, &info, sizeof(info)) > 0)
		;
	reap(&nobody, WNOHANG);
}

/* Everybody in it, until nobody is left; whoever is process 1's to bury is buried on the way. */
void kill_cgroup(struct agent *agent, const char *name)
{
	char path[PATH_SIZE], pids[32768], *p, *end;
	long n;

	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/cgroup.procs", name);
	while (read_small(path, pids, sizeof(pids)) > 0) {
		struct timespec moment = { 0, 1000000 };

		for (p = pids; (n = strtol(p, &end, 10)) > 0 && end > p; p = end)
			kill((pid_t)n, SIGKILL);
		reap_services(agent);
		nanosleep(&moment, NULL);
	}
}

/* Nobody is left of the program when this returns. In a guest that is everybody but process 1. Not by cgroup.kill: in 6.12
 * cgroup_css_set_fork() notes kill_seq before it knows the target of CLONE_INTO_CGROUP, so it is the parent's, and whatever
 * is started in a cgroup that was killed once is killed too. */
static void kill_all(struct agent *agent, struct watch *watch)
{
	/* beside services it is those of the phase's cgroup */
	if (services_any()) {
		if (!agent->cgroups || !watch->ended)
			kill(agent->cgroups ? watch->pid : -watch->pid, SIGKILL);
		for (struct timespec moment = { 0, 1000000 }; !watch->ended; nanosleep(&moment, NULL))
			reap(watch, WNOHANG);
		if (agent->cgroups)
			kill_cgroup(agent, agent->phase);
		return;
	}
	/* No child at all: the usual case, and nothing to do. */
	if (watch->ended && waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
		return;
	kill(getpid() == 1 ? -1 : -watch->pid, SIGKILL);
	reap(watch, 0);
}

static void set_status(struct watch *watch, bool timed_out)
{
	struct exec_result *result = watch->result;
	int status = watch->wait_status;

	if (watch->hold && watch->stopped && !timed_out) {
		strcpy(result->status, "held");
		result->ok = true;
	} else if (timed_out) {
		strcpy(result->status, "timeout");
	} else if (WIFSIGNALED(status)) {
		snprintf(result->status, sizeof(result->status), "signal %d", WTERMSIG(status));
	} else {
		snprintf(result->status, sizeof(result->status), "exit %d", WEXITSTATUS(status));
		result->ok = !watch->hold && WEXITSTATUS(status) == 0;
		result->unsupported = WEXITSTATUS(status) == EXIT_UNSUPPORTED;
	}
}

void exec_program(struct agent *agent, char *const argv[], uint64_t timeout_s,
		  void (*at_hold)(struct agent *agent, pid_t pid), struct ticker *ticker, struct exec_result *result)
{
	struct watch watch = { .hold = at_hold, .result = result };
	struct signalfd_siginfo info;
	uint64_t deadline = real_ns() + timeout_s * UINT64_C(1000000000);
	bool timed_out = false;
	int fds[2];

	memset(result, 0, sizeof(*result));
	result->output = output;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		agent_fail(agent, "cannot make a pipe: %s", strerror(errno));
	fcntl(fds[1], F_SETFL, 0); /* the program's end blocks */
	watch.pipe = fds[0];

	result->begin_ns = agent_now(agent);
	watch.pid = spawn_into(agent, agent->phase, argv, fds[1]);
	close(fds[1]);
	while (!watch.ended && !(watch.stopped && watch.hold) && !timed_out && !services_down()) {
		struct pollfd polls[] = { { child_signals, POLLIN, 0 }, { watch.pipe, POLLIN, 0 } };
		uint64_t until = ticker && ticker->next_ns < deadline ? ticker->next_ns : deadline;
		uint64_t now = real_ns(), left = until > now ? until - now : 0;
		struct timespec wait = { (time_t)(left / 1000000000), (long)(left % 1000000000) };

		ppoll(polls, 2, &wait, NULL);
		now = real_ns();
		if (ticker && now >= ticker->next_ns)
			ticker->run(agent, ticker);
		if (polls[1].revents)
			drain(&watch);
		while (read(child_signals, &info, sizeof(info)) > 0)
			;
		reap(&watch, WNOHANG | WUNTRACED);
		/* of a program that ended, or waits to be held, at the same moment that is what counts */
		timed_out = now >= deadline && !watch.ended && !(watch.stopped && watch.hold);
	}
	result->end_ns = agent_now(agent);
	if (watch.stopped && watch.hold)
		at_hold(agent, watch.pid);
	kill_all(agent, &watch);
	drain(&watch);
	if (watch.pipe >= 0)
		close(watch.pipe);
	set_status(&watch, timed_out);
	if (agent->fake)
		memset(&result->usage, 0, sizeof(result->usage));
}

/* The first word of /proc/consoles: "ttyAMA0              -W- (EC   a)  204:64". */
static int open_console_tty(void)
{
	char text[256], path[sizeof(text) + 8];
	int fd = -1;

	if (read_small("/proc/consoles", text, sizeof(text)) > 0) {
		text[strcspn(text, " \n")] = '\0';
		snprintf(path, sizeof(path), "/dev/%s", text);
		fd = open(path, O_RDWR);
	}
	return fd >= 0 ? fd : open("/dev/console", O_RDWR);
}

/* With the console as its terminal, or without any. */
static void run_busybox(const char *path, const char *const argv[], bool console)
{
	static const char *const env[] = { "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/", "TERM=vt102",
					   "PS1=(granule) \\w # ", NULL };
	pid_t pid = fork();

	if (pid == 0) {
		sigset_t none;
		int fd;

		setsid();
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		/* /dev/console is nobody's controlling terminal (tty_open() of 5:1); the device behind it is */
		fd = console ? open_console_tty() : dev_null;
		if (fd >= 0) {
			if (console)
				ioctl(fd, TIOCSCTTY, 1);
			dup2(fd, STDIN_FILENO);
			dup2(fd, STDOUT_FILENO);
			dup2(fd, STDERR_FILENO);
		}
		execve(path, (char *const *)argv, (char *const *)env);
		console_say("cannot run %s: %s", path, strerror(errno));
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void shell_step(struct agent *agent)
{
	static const char *const install[] = { "busybox", "--install", "-s", "/bin", NULL };
	static const char *const shell[] = { "-sh", NULL };

	if (agent->fake)
		return;
	run_busybox("/bin/busybox", install, false);
	run_busybox("/bin/sh", shell, true);
}
