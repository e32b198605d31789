// SPDX-License-Identifier: GPL-2.0-or-later
/* All calls of libvirt. Knows domains by name and XML; knows no run, no cell, no stream.
 *
 * Two threads beside the caller's: libvirt's event loop, and one that waits for QEMU's own process (embedded driver
 * only). libvirt takes the monitor's end of file as the sign that the guest is gone and then polls kill(pid, 0) until
 * QEMU's zombie is reaped, which takes process 1 seconds in some containers. */
#include "guest/virt.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define PID_POLL_NS (4 * NSEC_PER_MSEC)
#define PROBES_MAX 16
#define QUIT_POLL_MS 100

struct virt {
	virConnect *conn;
	virDomain *domain; /* NULL before virt_start() */
	char *root;	   /* owned; NULL: not the embedded driver */
	char *name;	   /* owned: of the domain */
	int stop_fd;	   /* eventfd */
	int callback, quit_timer;
	pthread_t loop, reaper;
	bool looping, reaping;
	atomic_bool quit;	/* the loop ends, the reaper no longer looks for a pid */
	atomic_int stop;	/* enum virt_stop */
	atomic_int wait_status; /* of QEMU's process */
	atomic_bool reaped;
	char detail[64];
};

/* libvirt would print each error on standard error; we take them from virGetLastError() instead. */
static void ignore_error(void *opaque, virError *error)
{
	(void)opaque;
	(void)error;
}

/* Where QEMU itself gave the reason, its sentence is at the end, behind a time stamp and its name. */
static int virt_error(struct err *err, enum err_kind kind, const char *what)
{
	static const char qemu[] = "qemu-system-aarch64: ";
	const virError *last = virGetLastError();
	const char *message = last && last->message ? last->message : "no reason given";
	const char *words = strstr(message, qemu);

	if (words)
		return err_set(err, kind, "%s: QEMU: %s", what, words + strlen(qemu));
	return err_set(err, kind, "%s: libvirt: %s", what, message);
}

int virt_check_uri(const char *uri, struct err *err)
{
	const char *colon = strstr(uri, "://"), *plus = colon ? memchr(uri, '+', (size_t)(colon - uri)) : NULL;

	if (!colon || !starts_with(uri, "qemu"))
		return err_set(err, ERR_CONFIG,
			       "'%s': not a libvirt URI of QEMU; try qemu:///system or qemu:///session", uri);
	if (colon[3] != '/' || (plus && !starts_with(plus, "+unix://")))
		return err_set(err, ERR_CONFIG,
			       "'%s' is on another host; kernel and stream are files of this one, so only local URIs "
			       "such as qemu:///system work",
			       uri);
	if (starts_with(colon + 3, "/embed"))
		return err_set(err, ERR_CONFIG, "'%s': the embedded driver is the default; choose its root with --slot",
			       uri);
	return 0;
}

/* ---- A user that need not exist
 *
 * As root libvirt looks up the user that it was built to run QEMU as ("libvirt-qemu" on Debian) before it reads
 * qemu.conf, where we say that it is our own, and gives up if there is none. On Debian 12 only the package of the
 * daemon makes that user (virQEMUDriverConfigNew(), libvirt 9.0). So these two stand before the C library's in this
 * program, and answer with ourselves where it knows no such name. */

static bool is_qemu_user(const char *name)
{
	return strcmp(name, "libvirt-qemu") == 0 || strcmp(name, "qemu") == 0 || strcmp(name, "kvm") == 0;
}

int getpwnam_r(const char *name, struct passwd *pwd, char *buf, size_t size, struct passwd **result)
{
	__typeof__(&getpwnam_r) next = (__typeof__(&getpwnam_r))dlsym(RTLD_NEXT, "getpwnam_r");
	int rc = next ? next(name, pwd, buf, size, result) : ENOSYS;

	if (*result || !is_qemu_user(name) || rc == ERANGE)
		return rc;
	return getpwuid_r(geteuid(), pwd, buf, size, result);
}

int getgrnam_r(const char *name, struct group *grp, char *buf, size_t size, struct group **result)
{
	__typeof__(&getgrnam_r) next = (__typeof__(&getgrnam_r))dlsym(RTLD_NEXT, "getgrnam_r");
	int rc = next ? next(name, grp, buf, size, result) : ENOSYS;

	if (*result || !is_qemu_user(name) || rc == ERANGE)
		return rc;
	return getgrgid_r(getegid(), grp, buf, size, result);
}

/* ---- The event loop */

static void *loop_main(void *arg)
{
	struct virt *v = arg;

	while (!atomic_load(&v->quit))
		if (virEventRunDefaultImpl() < 0)
			break;
	return NULL;
}

/* Does nothing; that it fires gets the loop out of its poll(). */
static void on_quit_timer(int timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

static int on_lifecycle(virConnect *conn, virDomain *domain, int event, int detail, void *opaque)
{
	struct virt *v = opaque;
	enum virt_stop stop = VIRT_CRASHED;

	(void)conn;
	if (event != VIR_DOMAIN_EVENT_STOPPED || strcmp(virDomainGetName(domain), v->name ? v->name : "") != 0)
		return 0;
	if (detail == VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
		stop = VIRT_POWEROFF;
	else if (detail == VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
		stop = VIRT_DESTROYED;
	atomic_store(&v->stop, stop);
	eventfd_write(v->stop_fd, 1);
	return 0;
}

/* ---- The reaper
 *
 * Its thread allocates nothing: it works while libvirt forks, and a child of a fork that meets a locked allocator stays
 * there for good (glibc takes care of its own, the address sanitizer's does not). */

struct reaper_paths {
	char pid[128], lib[128]; /* of the domain's pid file; of the folder in which probes live */
};

/* The pid in @path, 0 if there is none. */
static pid_t read_pid(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return (pid_t)atoi(text);
}

static void remember(pid_t probes[PROBES_MAX], pid_t pid)
{
	for (size_t k = 0; k < PROBES_MAX; k++)
		if (probes[k] == pid)
			return;
	for (size_t k = 0; k < PROBES_MAX; k++) {
		if (!probes[k]) {
			probes[k] = pid;
			return;
		}
	}
}

/* The pids in LIB/qmp-XXXXXX/qmp.pid. readdir() would do, but opendir() allocates. */
static void find_probes(const char *lib, pid_t probes[PROBES_MAX])
{
	_cleanup_close_ int fd = open(lib, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_Alignas(struct dirent64) char buf[4096], path[256];
	ssize_t n;

	while (fd >= 0 && (n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n; at += ((struct dirent64 *)(buf + at))->d_reclen) {
			const struct dirent64 *e = (struct dirent64 *)(buf + at);
			pid_t pid;

			if (strncmp(e->d_name, "qmp-", 4) != 0 || strlen(e->d_name) > 64)
				continue;
			snprintf(path, sizeof(path), "%.127s/%.64s/qmp.pid", lib, e->d_name);
			pid = read_pid(path);
			if (pid > 1)
				remember(probes, pid);
		}
	}
}

/* In a new root libvirt starts QEMU to ask what it can do; those daemons become our children too, and libvirt waits
 * 20 s for each that nobody reaps. QEMU removes its pid file when it leaves, so pids are remembered. */
static void reap_probes(const char *lib, pid_t probes[PROBES_MAX])
{
	find_probes(lib, probes);
	for (size_t k = 0; k < PROBES_MAX; k++)
		if (probes[k] && waitpid(probes[k], NULL, WNOHANG) == probes[k])
			probes[k] = 0;
}

/* Reap @pid once it ends. False: told to quit, or somebody else did it. */
static bool reap(struct virt *v, pid_t pid, int *ret_status)
{
	const struct timespec pause = { .tv_nsec = PID_POLL_NS };
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd gone = { .fd = fd, .events = POLLIN };

	while (poll(&gone, 1, QUIT_POLL_MS) == 0)
		if (atomic_load(&v->quit))
			return false;
	/* Not our child for as long as libvirt's own child, which made it a daemon, is there. */
	while (waitpid(pid, ret_status, 0) != pid) {
		if (kill(pid, 0) < 0 || atomic_load(&v->quit))
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Waits for pids from libvirt's files only, never for any child: libvirt has children of its own. */
static void *reaper_main(void *arg)
{
	const struct timespec pause = { .tv_nsec = PID_POLL_NS };
	pid_t probes[PROBES_MAX] = { 0 };
	struct reaper_paths paths;
	struct virt *v = arg;
	int status = 0;
	pid_t pid;

	snprintf(paths.pid, sizeof(paths.pid), "%.80s/run/qemu/%.30s.pid", v->root, v->name);
	snprintf(paths.lib, sizeof(paths.lib), "%.80s/lib/qemu", v->root);
	while ((pid = read_pid(paths.pid)) <= 1) {
		if (atomic_load(&v->quit))
			return NULL;
		reap_probes(paths.lib, probes);
		nanosleep(&pause, NULL);
	}
	if (!reap(v, pid, &status))
		return NULL;
	atomic_store(&v->wait_status, status);
	atomic_store(&v->reaped, true);
	eventfd_write(v->stop_fd, 1);
	return NULL;
}

/* ---- Opening and closing */

static int event_init(struct virt *v, struct err *err)
{
	sigset_t all, old;
	int rc;

	if (virEventRegisterDefaultImpl() < 0)
		return virt_error(err, ERR_HOST, "event loop");
	v->quit_timer = virEventAddTimeout(-1, on_quit_timer, NULL, NULL);
	if (v->quit_timer < 0)
		return virt_error(err, ERR_HOST, "event loop");
	/* Signals are the caller's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&v->loop, NULL, loop_main, v);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return err_set(err, ERR_HOST, "event loop: %s", strerror(rc));
	v->looping = true;
	return 0;
}

static int connect_to(struct virt *v, const char *uri, struct err *err)
{
	v->conn = virConnectOpen(uri);
	if (!v->conn)
		return virt_error(err, ERR_HOST, uri);
	v->callback = virConnectDomainEventRegisterAny(v->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						       VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), v, NULL);
	if (v->callback < 0)
		return virt_error(err, ERR_HOST, uri);
	return 0;
}

int virt_open(const char *root, const char *uri, struct virt **ret_virt, struct err *err)
{
	_cleanup_free_ char *embedded = root ? xasprintf("qemu:///embed?root=%s", root) : NULL;
	struct virt *v = xcalloc(1, sizeof(*v));

	v->callback = v->quit_timer = -1;
	v->root = xstrdup(root);
	v->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* What libvirt wants to log is in its errors; a full log is LIBVIRT_DEBUG=1 away. */
	setenv("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null", 0);
	virSetErrorFunc(NULL, ignore_error);
	if (virInitialize() < 0) {
		virt_error(err, ERR_HOST, "start");
		virt_close(v);
		return -1;
	}
	if (root)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (event_init(v, err) < 0 || connect_to(v, root ? embedded : uri, err) < 0) {
		virt_close(v);
		return -1;
	}
	*ret_virt = v;
	return 0;
}

void virt_close(struct virt *v)
{
	if (!v)
		return;
	if (v->domain) {
		virt_destroy(v, NULL);
		virDomainFree(v->domain);
	}
	if (v->callback >= 0)
		virConnectDomainEventDeregisterAny(v->conn, v->callback);
	if (v->conn)
		virConnectClose(v->conn);
	atomic_store(&v->quit, true);
	if (v->reaping)
		pthread_join(v->reaper, NULL);
	if (v->looping) {
		virEventUpdateTimeout(v->quit_timer, 0);
		pthread_join(v->loop, NULL);
	}
	if (v->stop_fd >= 0)
		close(v->stop_fd);
	free(v->root);
	free(v->name);
	free(v);
}

char *virt_version(const struct virt *v)
{
	unsigned long version = 0;

	(void)v;
	virGetVersion(&version, NULL, NULL);
	return xasprintf("%lu.%lu.%lu", version / 1000000, version / 1000 % 1000, version % 1000);
}

int virt_stop_fd(const struct virt *v)
{
	return v->stop_fd;
}

/* ---- The guest */

int virt_start(struct virt *v, const char *name, const char *xml, struct err *err)
{
	free(v->name);
	v->name = xstrdup(name);
	if (v->root) {
		sigset_t all, old;

		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		v->reaping = pthread_create(&v->reaper, NULL, reaper_main, v) == 0;
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	v->domain = virDomainCreateXML(v->conn, xml, VIR_DOMAIN_START_PAUSED);
	if (!v->domain)
		return virt_error(err, ERR_HOST, "cannot start the guest");
	return 0;
}

pid_t virt_pid(const struct virt *v)
{
	char path[128];

	if (!v->root)
		return 0;
	snprintf(path, sizeof(path), "%.80s/run/qemu/%.30s.pid", v->root, v->name);
	return read_pid(path);
}

int virt_resume(struct virt *v, struct err *err)
{
	if (virDomainResume(v->domain) < 0 && virt_state(v, NULL) == VIRT_RUNNING)
		return virt_error(err, ERR_HOST, "cannot start the guest");
	return 0;
}

int virt_console(struct virt *v, char **ret_path, struct err *err)
{
	char *xml = virDomainGetXMLDesc(v->domain, 0);
	char *serial = xml ? strstr(xml, "<serial type='pty'") : NULL;
	char *path = serial ? strstr(serial, "<source path='") : NULL;

	if (!path) {
		free(xml);
		return err_set(err, ERR_HOST, "the guest has no console to talk to");
	}
	path += strlen("<source path='");
	*ret_path = xstrndup(path, strcspn(path, "'"));
	free(xml);
	return 0;
}

enum virt_stop virt_state(struct virt *v, const char **ret_detail)
{
	enum virt_stop stop = (enum virt_stop)atomic_load(&v->stop);
	bool reaped = atomic_load(&v->reaped);
	int status = atomic_load(&v->wait_status);

	v->detail[0] = '\0';
	if (reaped && WIFSIGNALED(status))
		snprintf(v->detail, sizeof(v->detail), "signal %d", WTERMSIG(status));
	else if (reaped && WEXITSTATUS(status))
		snprintf(v->detail, sizeof(v->detail), "exit %d", WEXITSTATUS(status));
	if (ret_detail)
		*ret_detail = v->detail;
	/* QEMU's own end is as good as libvirt's word for it, which comes 0.2 s later */
	if (stop == VIRT_RUNNING && reaped)
		return v->detail[0] ? VIRT_CRASHED : VIRT_POWEROFF;
	return stop;
}

bool virt_gone(const struct virt *v)
{
	return atomic_load(&v->reaped);
}

int virt_destroy(struct virt *v, struct err *err)
{
	if (!v->domain || atomic_load(&v->stop) != VIRT_RUNNING)
		return 0;
	if (virDomainDestroy(v->domain) < 0 && virDomainIsActive(v->domain) != 0)
		return virt_error(err, ERR_HOST, "cannot end the guest");
	if (atomic_load(&v->stop) == VIRT_RUNNING)
		atomic_store(&v->stop, VIRT_DESTROYED);
	return 0;
}
