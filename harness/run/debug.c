// SPDX-License-Identifier: GPL-2.0-or-later
/* Knows gdb's commands and where QEMU puts a kernel; the guest itself is granule-boot's. */
#include "run/debug.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/life.h"
#include "image/symbols.h"

#define SOCKET_WAIT_S 60

/* TREE/vmlinux of a kernel that is TREE/arch/arm64/boot/Image. */
static char *tree_vmlinux(const char *image)
{
	static const char tail[] = "arch/arm64/boot/Image";
	char *path;

	if (!ends_with(image, tail))
		return NULL;
	path = xasprintf("%.*svmlinux", (int)(strlen(image) - strlen(tail)), image);
	if (path_exists(path))
		return path;
	free(path);
	return NULL;
}

static int find_symbols(const char *run_dir, const struct cell_record *cell, const char *vmlinux, uint64_t entry,
			char **ret, struct err *err)
{
	_cleanup_free_ char *made = path_join(run_dir, "kernel.elf");

	if (vmlinux && !path_exists(vmlinux))
		return err_set(err, ERR_CONFIG, "%s: there is no such vmlinux", vmlinux);
	*ret = vmlinux ? path_absolute(vmlinux) : tree_vmlinux(cell->kernel_path);
	if (*ret || !cell->system_map || !path_exists(cell->system_map))
		return 0;
	if (symbols_write(cell->system_map, entry, made, err) < 0)
		return -1;
	*ret = steal_ptr(made);
	return 0;
}

int debug_prepare(const char *run_dir, const struct cell_record *cell, const char *vmlinux, struct debug *ret,
		  struct err *err)
{
	_cleanup_free_ char *dir = path_absolute(run_dir);
	struct debug debug = { .script = path_join(dir, "gdb.commands"), .socket = path_join(dir, LIFE_GDB_SOCKET) };
	struct text text = { 0 };
	uint64_t entry;
	int rc = -1;

	if (image_entry(cell->kernel_path, &entry, err) == 0 &&
	    find_symbols(dir, cell, vmlinux, entry, &debug.symbols, err) == 0) {
		text_add(&text, "set architecture aarch64\n");
		if (debug.symbols)
			text_add(&text, "file %s\n", debug.symbols);
		/* by its physical address: the MMU is off there. A hardware breakpoint needs no memory to be written */
		text_add(&text, "target remote %s\nthbreak *%#llx\ncontinue\n", debug.socket,
			 (unsigned long long)entry);
		rc = file_write_atomic(debug.script, text.s, text.len, err);
	}
	text_free(&text);
	if (rc < 0)
		debug_free(&debug);
	else
		*ret = debug;
	return rc;
}

void debug_free(struct debug *debug)
{
	free(debug->script);
	free(debug->symbols);
	free(debug->socket);
	*debug = (struct debug){ 0 };
}

char *debug_find_gdb(void)
{
	char *gdb = proc_find("gdb-multiarch");
	struct utsname uts;

	if (!gdb && uname(&uts) == 0 && strcmp(uts.machine, "aarch64") == 0)
		gdb = proc_find("gdb");
	return gdb;
}

/* Until QEMU listens; false: granule-boot ended before that, or time is up. */
static bool wait_for_socket(const char *path, pid_t boot)
{
	const struct timespec pause = { .tv_nsec = 20 * NSEC_PER_MSEC };
	uint64_t deadline = now_ns() + SOCKET_WAIT_S * NSEC_PER_SEC;
	siginfo_t gone = { 0 };

	while (!path_exists(path)) {
		if (now_ns() > deadline)
			return false;
		if (waitid(P_PID, (id_t)boot, &gone, WEXITED | WNOHANG | WNOWAIT) == 0 && gone.si_pid == boot)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Ctrl-C is gdb's. */
static void run_gdb(const char *gdb, const char *script)
{
	void (*before)(int) = signal(SIGINT, SIG_IGN);
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		execl(gdb, gdb, "-q", "-x", script, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	signal(SIGINT, before);
}

int debug_session(const struct debug *debug, char *const boot_argv[], const char *gdb, struct err *err)
{
	pid_t boot = proc_spawn(boot_argv, -1, err);
	bool up;
	int status;

	if (boot < 0)
		return -1;
	up = wait_for_socket(debug->socket, boot);
	if (up)
		run_gdb(gdb, debug->script);
	kill(boot, SIGTERM);
	waitpid(boot, &status, 0);
	if (!up)
		return err_set(err, ERR_HOST, "the guest does not come up: %s is not there", debug->socket);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
