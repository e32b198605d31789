// SPDX-License-Identifier: GPL-2.0-or-later
/* granule-boot: one guest's life, from a cell of a run directory to done.json. A crash of libvirt costs one boot.
 * Exit codes: 0 the guest's life was recorded, whatever came of it; 2 usage; 3 this host failed; 4 another process is at
 * this boot; 130 interrupted. */
#include <argp.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "guest/attend.h"
#include "guest/domain.h"
#include "guest/emulator.h"
#include "guest/fake.h"
#include "guest/life.h"
#include "guest/probe.h"
#include "guest/programs.h"
#include "guest/slot.h"
#include "guest/terminal.h"
#include "guest/virt.h"
#include "guest/watch.h"

#define EXIT_USAGE 2
#define EXIT_HOST 3
#define EXIT_INTERRUPTED 130

struct boot_args {
	struct life_options life;
	bool check;
	int n;
};

/* What a life on QEMU needs beside its files. */
struct machine {
	struct life *life; /* borrowed */
	struct slot slot;
	struct virt *virt;
	struct watch watch;
	struct terminal terminal;
	char *qemu, *qemu_version, *libvirt_version; /* owned */
	int signal_fd;				     /* borrowed */
	off_t console_offset;
};

/* ---- Arguments */

enum {
	KEY_ATTEMPT = 256,
	KEY_ADOPT,
	KEY_SLOT,
	KEY_CONNECT,
	KEY_CONSOLE,
	KEY_SHELL,
	KEY_BUSYBOX,
	KEY_GDB,
	KEY_CHECK,
	KEY_COUNT,
	KEY_JOBS,
	KEY_FAKE
};

static const struct argp_option argp_options[] = {
	{ "attempt", KEY_ATTEMPT, "N", 0, "This attempt and no other (default: the next, once nobody is at the boot)",
	  0 },
	{ "adopt", KEY_ADOPT, "N", 0, "Finish attempt N, whose granule-boot was killed, and start nothing", 0 },
	{ "slot", KEY_SLOT, "N", 0, "Use libvirt root number N (default: the first free one)", 0 },
	{ "connect", KEY_CONNECT, "URI", 0, "Use this local libvirt instead of the embedded driver: qemu:///session",
	  0 },
	{ "console", KEY_CONSOLE, NULL, 0, "Copy the guest's console to standard output", 0 },
	{ "shell", KEY_SHELL, NULL, 0, "End the job with a shell on this terminal (not sealed); Ctrl-] ends the guest",
	  0 },
	{ "busybox", KEY_BUSYBOX, "FILE", 0, "The static arm64 busybox for --shell", 0 },
	{ "count", KEY_COUNT, NULL, 0, "Count the samples' instructions by address into the attempt's file `count`",
	  0 },
	{ "jobs", KEY_JOBS, "N", 0, "At most N guests run here at a time: for host.json", 0 },
	{ "gdb", KEY_GDB, NULL, 0, "Wait for a debugger on the socket RUN/" LIFE_GDB_SOCKET ", KASLR off (not sealed)",
	  0 },
	{ "check", KEY_CHECK, NULL, 0, "Say whether libvirt works for this user, and exit", 0 },
	{ "fake", KEY_FAKE, "HOW", OPTION_ARG_OPTIONAL | OPTION_HIDDEN, "No QEMU: for tests of granule itself", 0 },
	{ 0 },
};

static int parse_slot(const char *arg)
{
	char *end;
	long n = strtol(arg, &end, 10);

	return *arg && !*end && n >= 0 && n < SLOTS_MAX ? (int)n : -2;
}

static bool known_fake(const char *how)
{
	for (const char *const *p = fake_hows; *p; p++)
		if (strcmp(*p, how) == 0)
			return true;
	return false;
}

/* GRANULE_FAKE=1 makes granule itself use --fake; another value says how it fails. */
static const char *fake_from_environment(void)
{
	const char *how = getenv("GRANULE_FAKE");

	return how && *how && strcmp(how, "1") != 0 ? how : "ok";
}

static unsigned int parse_count(struct argp_state *state, const char *arg, const char *of)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*end || n < 1 || n > 1000000)
		argp_error(state, "'%s' is not the number of %s; they count from 1", arg, of);
	return (unsigned int)n;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct boot_args *args = state->input;
	struct err err = ERR_INIT;

	switch (key) {
	case KEY_ADOPT:
		args->life.adopt = true;
		args->life.attempt = parse_count(state, arg, "an attempt");
		return 0;
	case KEY_ATTEMPT:
		args->life.attempt = parse_count(state, arg, "an attempt");
		return 0;
	case KEY_SLOT:
		args->life.slot = parse_slot(arg);
		if (args->life.slot < 0)
			argp_error(state, "--slot: '%s' is not a number from 0 to %d", arg, SLOTS_MAX - 1);
		return 0;
	case KEY_CONNECT:
		if (virt_check_uri(arg, &err) < 0)
			argp_error(state, "--connect: %s", err.msg);
		args->life.connect = arg;
		return 0;
	case KEY_CONSOLE:
		args->life.console = true;
		return 0;
	case KEY_SHELL:
		args->life.shell = true;
		return 0;
	case KEY_BUSYBOX:
		args->life.busybox = arg;
		return 0;
	case KEY_COUNT:
		args->life.count = true;
		return 0;
	case KEY_JOBS:
		args->life.jobs = parse_count(state, arg, "guests at a time");
		return 0;
	case KEY_GDB:
		args->life.gdb = true;
		return 0;
	case KEY_CHECK:
		args->check = true;
		return 0;
	case KEY_FAKE:
		args->life.fake = true;
		args->life.fake_how = arg ? arg : fake_from_environment();
		if (!known_fake(args->life.fake_how))
			argp_error(state, "--fake: '%s' is no way to fail", args->life.fake_how);
		return 0;
	case ARGP_KEY_ARG:
		if (args->n == 0)
			args->life.run = arg;
		else if (args->n == 1)
			args->life.cell = arg;
		else if (args->n == 2)
			args->life.boot = parse_count(state, arg, "a boot");
		else
			argp_error(state, "too many arguments");
		args->n++;
		return 0;
	case ARGP_KEY_END:
		if (!args->check && args->n < 3)
			argp_error(state, "RUN, CELL and BOOT are needed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	argp_options,
	parse_option,
	"RUN CELL BOOT",
	"One guest's life: boot CELL of the run directory RUN with seed BOOT, and record it in "
	"RUN/cells/CELL/BOOT/ATTEMPT.\vExit codes: 0 recorded, whatever came of the guest; 2 usage; 3 this host "
	"failed; "
	"4 another process is at this boot; 130 interrupted.",
	NULL,
	NULL,
	NULL,
};

/* ---- One life */

/* Signals arrive in signal_fd, for every thread. */
static int catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* `ulimit -f` is an error of a write, with a sentence */
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool signal_came(int signal_fd)
{
	struct pollfd p = { .fd = signal_fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static int open_machine(struct machine *m, struct err *err)
{
	const struct life_options *options = &m->life->options;

	m->qemu = proc_find("qemu-system-aarch64");
	if (!m->qemu)
		return err_set(err, ERR_HOST, "qemu-system-aarch64 is not on PATH; install qemu-system-arm");
	if (!options->connect && slot_open(options->slot, &m->slot, err) < 0)
		return -1;
	m->qemu_version = m->slot.root ? emulator_version(m->qemu, m->slot.root) : qemu_version(m->qemu);
	if (virt_open(m->slot.root, options->connect, &m->virt, err) < 0)
		return -1;
	m->libvirt_version = virt_version(m->virt);
	return 0;
}

static int write_host(const struct machine *m, struct err *err)
{
	const struct life_host host = { .qemu = m->qemu,
					.qemu_version = m->qemu_version,
					.libvirt_version = m->libvirt_version,
					.connect =
						m->life->options.connect ? m->life->options.connect : "qemu:///embed",
					.root = m->slot.root,
					.root_reason = m->slot.reason,
					.slot = m->slot.number };

	return life_write_host(m->life, &host, err);
}

/* Who may write the files: with the embedded driver QEMU is ours; a daemon's has its own user, and libvirt hands it
 * the files that are there. */
static int start_guest(struct machine *m, struct err *err)
{
	_cleanup_free_ char *path = path_join(m->life->dir, "domain.xml");
	_cleanup_free_ char *xml = NULL, *pty = NULL;
	uint64_t begin = now_ns();
	struct domain domain;

	life_domain(m->life, m->qemu, m->qemu_version, &domain);
	xml = domain_xml(&domain);
	if (file_write(path, xml, strlen(xml), err) < 0)
		return -1;
	/* it runs once it is written down where it runs: a guest that has done anything can be adopted */
	if (virt_start(m->virt, m->life->name, xml, err) < 0 || life_write_guest(m->life, virt_pid(m->virt), err) < 0)
		return -1;
	m->life->start_ns = now_ns();
	usage_init(&m->life->usage, virt_pid(m->virt), m->life->start_ns);
	/* a debugger says when */
	if (!m->life->options.gdb && virt_resume(m->virt, err) < 0)
		return -1;
	m->life->start_s = (double)(m->life->start_ns - begin) / (double)NSEC_PER_SEC;
	watch_init(&m->watch, m->life);
	if (!m->life->options.shell)
		return 0;
	if (virt_console(m->virt, &pty, err) < 0)
		return -1;
	return terminal_open(pty, m->life->console_path, &m->terminal, err);
}

/* What QEMU's end says, once it is there. */
static bool guest_stopped(struct machine *m, enum stop *ret_stop, char *message, size_t size)
{
	const char *detail;
	bool killed;

	switch (virt_state(m->virt, &detail)) {
	case VIRT_RUNNING:
		return false;
	case VIRT_POWEROFF:
		*ret_stop = STOP_POWEROFF;
		return true;
	case VIRT_DESTROYED:
		*ret_stop = STOP_HOST_ERROR;
		snprintf(message, size, "somebody else ended the guest");
		return true;
	case VIRT_CRASHED:
		/* kill -9, by hand or for want of memory, is not the guest's doing */
		killed = strcmp(detail, "signal 9") == 0;
		*ret_stop = killed ? STOP_HOST_ERROR : STOP_CRASHED;
		snprintf(message, size, "QEMU is gone%s%s%s", *detail ? ": " : "", detail,
			 killed ? ": somebody killed it, or this host's kernel for want of memory (see dmesg)" : "");
		return true;
	}
	return false;
}

/* Until the guest has stopped or must. */
static enum stop attend(struct machine *m, char *message, size_t size)
{
	enum stop stop = STOP_POWEROFF;

	for (;;) {
		struct pollfd fds[] = { { .fd = virt_stop_fd(m->virt), .events = POLLIN },
					{ .fd = m->signal_fd, .events = POLLIN },
					{ .fd = m->terminal.pty, .events = POLLIN },
					{ .fd = m->terminal.pty >= 0 ? STDIN_FILENO : -1, .events = POLLIN } };

		poll(fds, 4, watch_pause_ms(&m->watch));
		usage_look(&m->life->usage, now_ns());
		if (m->life->options.console)
			console_follow(m->life->console_path, &m->console_offset);
		if (m->terminal.pty >= 0 && !terminal_relay(&m->terminal)) {
			snprintf(message, size, "left with Ctrl-]");
			return STOP_INTERRUPTED;
		}
		if (signal_came(m->signal_fd))
			return STOP_INTERRUPTED;
		if (watch_poll(&m->watch, now_ns(), &stop)) {
			snprintf(message, size, "%s", m->watch.message);
			return stop;
		}
		if (guest_stopped(m, &stop, message, size))
			return stop;
	}
}

/* From nothing to a stopped guest; -1: this host failed. */
static int live(struct machine *m, enum stop *ret_stop, char *message, size_t size, struct err *err)
{
	uint64_t stopped;

	if (open_machine(m, err) < 0 || life_files(m->life, err) < 0 || write_host(m, err) < 0)
		return -1;
	if (signal_came(m->signal_fd)) {
		*ret_stop = STOP_INTERRUPTED;
		return 0;
	}
	if (start_guest(m, err) < 0)
		return -1;
	*ret_stop = attend(m, message, size);
	stopped = now_ns();
	if (m->watch.hello)
		m->life->hello_s = m->watch.hello_s;
	m->life->stop_s = (double)(stopped - m->life->start_ns) / (double)NSEC_PER_SEC;
	return virt_gone(m->virt) ? 0 : virt_destroy(m->virt, err);
}

static void close_machine(struct machine *m)
{
	if (m->terminal.pty >= 0)
		terminal_close(&m->terminal);
	virt_close(m->virt);
	slot_close(&m->slot);
	free(m->qemu);
	free(m->qemu_version);
	free(m->libvirt_version);
}

static int run_qemu(struct life *life, int signal_fd, enum stop *ret_stop, char *message, size_t size, struct err *err)
{
	struct machine m = { .life = life, .slot.lock = -1, .terminal.pty = -1, .signal_fd = signal_fd };
	int rc = live(&m, ret_stop, message, size, err);

	if (life->options.console)
		console_follow(life->console_path, &m.console_offset);
	/* libvirt needs 0.2 s more to see that QEMU is gone; the slot, ours until this process ends, is swept by its
	 * next owner */
	if (m.terminal.pty >= 0)
		terminal_close(&m.terminal);
	if (!m.virt || !virt_gone(m.virt))
		close_machine(&m);
	return rc;
}

static int run_fake(struct life *life, int signal_fd, enum stop *ret_stop, char *message, size_t size, struct err *err)
{
	const struct life_host host = { 0 };

	if (life_files(life, err) < 0 || life_write_host(life, &host, err) < 0)
		return -1;
	life->start_ns = now_ns();
	*ret_stop = fake_run(life, signal_fd, message, size);
	life->stop_s = (double)(now_ns() - life->start_ns) / (double)NSEC_PER_SEC;
	return 0;
}

static int complain(const struct err *err)
{
	fprintf(stderr, "granule-boot: %s\n", err->msg);
	return err_exit_code(err);
}

static int run_guest(struct life *life, int signal_fd, enum stop *ret_stop, char *message, size_t size, struct err *err)
{
	if (life->options.adopt) {
		*ret_stop = attend_orphan(life, signal_fd, message, size);
		return 0;
	}
	return life->options.fake ? run_fake(life, signal_fd, ret_stop, message, size, err)
				  : run_qemu(life, signal_fd, ret_stop, message, size, err);
}

static int boot(const struct life_options *options)
{
	enum stop stop = STOP_HOST_ERROR;
	struct err err = ERR_INIT, ignored = ERR_INIT;
	int signal_fd = catch_signals(), rc;
	char message[512] = "";
	struct life life;

	rc = life_open(options, &life, &err);
	if (rc < 0) {
		life_close(&life);
		if (rc == -1)
			return complain(&err);
		/* who asks for an attempt by its number knows that others may have it */
		if (!options->attempt)
			complain(&err);
		return BOOT_EXIT_TAKEN;
	}
	rc = run_guest(&life, signal_fd, &stop, message, sizeof(message), &err);
	if (rc < 0)
		stop = STOP_HOST_ERROR;
	if (life_write_done(&life, stop, rc < 0 ? err.msg : message, rc < 0 ? &ignored : &err) < 0 && rc == 0)
		rc = -1;
	if (rc < 0)
		err_wrap(&err, "cell %s boot %u", options->cell, options->boot);
	else if (stop == STOP_HOST_ERROR)
		rc = err_set(&err, ERR_HOST, "cell %s boot %u: %s", options->cell, options->boot, message);
	life_close(&life);
	if (rc < 0)
		return complain(&err);
	/* leaving a shell or a debugger is no interruption */
	return stop == STOP_INTERRUPTED && !options->shell && !options->gdb ? EXIT_INTERRUPTED : 0;
}

/* One line on standard output: what works, or why it does not. */
static int check(const struct life_options *options)
{
	struct life life = { .options = *options };
	struct machine m = { .life = &life, .slot.lock = -1, .terminal.pty = -1, .signal_fd = -1 };
	struct err err = ERR_INIT;
	int rc = open_machine(&m, &err);

	if (rc < 0)
		printf("%s\n", err.msg);
	else
		printf("libvirt %s, %s%s%s\n", m.libvirt_version,
		       options->connect ? options->connect : "embedded driver", m.slot.root ? ", roots in " : "",
		       m.slot.root ? m.slot.root : "");
	close_machine(&m);
	return rc < 0 ? EXIT_HOST : 0;
}

int main(int argc, char **argv)
{
	struct boot_args args = { .life = { .slot = SLOT_ANY } };
	int code;

	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.check)
		return check(&args.life);
	code = boot(&args.life);
	fflush(NULL);
	_exit(code); /* libvirt's threads may still be at work */
}
