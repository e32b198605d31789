// SPDX-License-Identifier: GPL-2.0-or-later
/* What a guest's worst program does, for failures-guest-test.c. Runs as root in a guest that is thrown away; refuses to run
 * anywhere else. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define USER_PC 32 /* of struct user_pt_regs: x0..x30, sp, pc, pstate */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Process 1 is this guest's agent, or we are not in a guest. */
static void must_be_guest(void)
{
	char name[32] = "";
	int fd = open("/proc/1/comm", O_RDONLY);

	if (fd < 0 || read(fd, name, sizeof(name) - 1) < 0 || strcmp(name, "init\n") != 0 || access("/job", F_OK) < 0) {
		fputs("misbehave: this is no guest of granule\n", stderr);
		exit(2);
	}
	close(fd);
}

static void seize_init(void)
{
	if (ptrace(PTRACE_ATTACH, 1, 0, 0) < 0)
		die("ptrace");
	waitpid(1, NULL, __WALL);
}

/* A process 1 that jumps to nowhere dies, and the kernel with it. */
static void kill_init(void)
{
	unsigned long regs[34];
	struct iovec v = { regs, sizeof(regs) };

	seize_init();
	if (ptrace(PTRACE_GETREGSET, 1, (void *)1 /* NT_PRSTATUS */, &v) < 0)
		die("getregset");
	regs[USER_PC] = 8;
	if (ptrace(PTRACE_SETREGSET, 1, (void *)1, &v) < 0)
		die("setregset");
	ptrace(PTRACE_DETACH, 1, 0, 0);
	pause();
}

/* Nobody drives this guest any more, and nothing will ever happen in it. */
static void stop_init(void)
{
	seize_init();
	for (;;)
		pause();
}

static void flood_console(void)
{
	static char line[1024];
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY);

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	while (fd >= 0 && write(fd, line, sizeof(line)) > 0)
		;
	die("/dev/console");
}

/* The agent's own descriptor of the port: the port opens once only. */
static int steal_port(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1, 0);
	DIR *d = opendir("/proc/1/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[300], target[64] = "";

		snprintf(path, sizeof(path), "/proc/1/fd/%s", e->d_name);
		if (readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "/vport"))
			return (int)syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
	}
	die("no port");
	return -1;
}

static void flood_stream(void)
{
	static char noise[1 << 20];
	int fd = steal_port();

	memset(noise, 'x', sizeof(noise));
	while (write(fd, noise, sizeof(noise)) > 0)
		;
	die("port");
}

static void garble_stream(void)
{
	if (write(steal_port(), "GRN1 but not really a record", 28) != 28)
		die("port");
}

static void hog(unsigned long bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	memset(p, 1, bytes);
}

/* More memory than the guest has. */
static void hog_guest(void)
{
	hog(1ul << 40);
}

/* More than its cgroup may have. */
static void hog_cgroup(void)
{
	int fd = open("/sys/fs/cgroup/null/memory.max", O_WRONLY);

	if (fd < 0 || write(fd, "16777216", 8) < 0)
		die("memory.max");
	hog(64ul << 20);
}

/* A child is killed, and its parent thinks nothing of it. */
static void hog_in_child(void)
{
	if (fork() == 0)
		hog_cgroup();
	wait(NULL);
}

static const struct {
	const char *name;
	void (*run)(void);
} ways[] = {
	{ "kill-init", kill_init },	    { "stop-init", stop_init },	      { "flood-console", flood_console },
	{ "flood-stream", flood_stream },   { "hog-guest", hog_guest },	      { "hog-cgroup", hog_cgroup },
	{ "garble-stream", garble_stream }, { "hog-in-child", hog_in_child },
};

int main(int argc, char **argv)
{
	must_be_guest();
	for (size_t i = 0; argc == 2 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(argv[1], ways[i].name) == 0) {
			ways[i].run();
			return 0;
		}
	}
	fprintf(stderr, "misbehave: how?\n");
	return 2;
}
