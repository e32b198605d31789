// SPDX-License-Identifier: GPL-2.0-or-later
/* Roots for libvirt's embedded driver: where they are, who owns one, what its last owner left behind. Knows libvirt's
 * layout below a root (etc/qemu.conf, run/qemu/NAME.pid, lib/qemu/domain-*), but does not call it. */
#include "guest/slot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/text.h"
#include "guest/attend.h"

#define ROOT_DIGITS 5 /* "/1023" */
#define LEFTOVER_WAIT_MS 10000

char *slot_base(const char *cache, char **ret_reason)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *base = path_join(cache, "virt");
	char hex[SHA256_HEX_SIZE];
	char *other = NULL;

	*ret_reason = NULL;
	if (strlen(base) + ROOT_DIGITS <= SLOT_ROOT_MAX)
		return steal_ptr(base);
	/* One base per cache, so that two caches do not share slots. */
	sha256_bytes(cache, strlen(cache), hex);
	if (run && run[0] == '/' && access(run, W_OK) == 0)
		other = xasprintf("%s/granule-%.8s", run, hex);
	if (!other || strlen(other) + ROOT_DIGITS > SLOT_ROOT_MAX) {
		free(other);
		other = xasprintf("/tmp/granule-%u-%.8s", (unsigned int)getuid(), hex);
	}
	*ret_reason = xasprintf("libvirt's roots are in %s: below %s the path of a unix socket would pass 107 bytes",
				other, base);
	return other;
}

/* In /tmp anybody may have made the folder before us. */
static int base_make(const char *base, bool private, struct err *err)
{
	struct stat st;

	if (!private)
		return make_dirs(base, err);
	if (mkdir(base, 0700) < 0 && errno != EEXIST)
		return err_set_errno(err, ERR_HOST, "cannot make directory %s", base);
	if (lstat(base, &st) < 0)
		return err_set_errno(err, ERR_HOST, "%s", base);
	if (!S_ISDIR(st.st_mode) || st.st_uid != getuid() || (st.st_mode & 022))
		return err_set(err, ERR_HOST,
			       "%s: not a directory of this user alone; remove it, or set GRANULE_CACHE "
			       "to a shorter path",
			       base);
	return 0;
}

/* No virtlogd (stdio_handler); files keep their owners and labels (the rest: lab.md). The firmware and swtpm
 * settings have no part in a guest that boots a kernel directly. */
static int write_conf(const char *root, struct err *err)
{
	_cleanup_free_ char *dir = path_join(root, "etc");
	_cleanup_free_ char *path = path_join(dir, "qemu.conf");
	_cleanup_free_ char *old = NULL;
	_cleanup_free_ char *conf = xasprintf("stdio_handler = \"file\"\n"
					      "user = \"+%u\"\n"
					      "group = \"+%u\"\n"
					      "security_driver = \"none\"\n"
					      "dynamic_ownership = 0\n"
					      "remember_owner = 0\n"
					      "namespaces = []\n"
					      "cgroup_controllers = []\n",
					      (unsigned int)geteuid(), (unsigned int)getegid());

	if (make_dirs(dir, err) < 0)
		return -1;
	if (file_read(path, 65536, &old, NULL, NULL) == 0 && strcmp(old, conf) == 0)
		return 0;
	return file_write_atomic(path, conf, strlen(conf), err);
}

/* A chroot or container that shares our /proc has paths of its own, which may read like ours. A process that hides its root is
 * judged by its path. */
static bool sees_our_files(pid_t pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/root/", (int)pid);
	struct stat theirs, ours;

	if (stat(path, &theirs) < 0 || stat("/", &ours) < 0)
		return true;
	return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

/* The command line of @pid if it is a QEMU that libvirt started in @root: it names the monitor's socket there, of a
 * domain or of one that is asked what it can do. NULL: it is not. */
static char *qemu_command(pid_t pid, const char *root, size_t *ret_len)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	_cleanup_free_ char *mark = xasprintf("%s/lib/qemu/", root);
	_cleanup_free_ char *cmdline = NULL;

	if (file_read(path, 1 << 20, &cmdline, ret_len, NULL) < 0 || !memmem(cmdline, *ret_len, mark, strlen(mark)))
		return NULL;
	return sees_our_files(pid) ? steal_ptr(cmdline) : NULL;
}

/* Does the run of this guest's attempt want it still? Its initramfs is in the attempt's directory. One that is past
 * its deadline, or was never let run, is nobody's. */
static bool is_wanted(pid_t pid, const char *cmdline, size_t len)
{
	static const char option[] = "-initrd";
	const char *at = memmem(cmdline, len, option, sizeof(option));
	_cleanup_free_ char *dir = at ? xstrdup(at + sizeof(option)) : NULL;
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct attempt_guest guest;

	if (!slash)
		return false;
	*slash = '\0';
	return attempt_guest_read(dir, &guest) && guest.pid == pid && (uint64_t)time(NULL) < guest.deadline_s &&
	       guest_spoke(dir);
}

/* -2: it is wanted. */
static int end_process(pid_t pid, const char *root, struct err *err)
{
	/* A descriptor first, then the check: the pid cannot be somebody else's in between. */
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	size_t len;
	_cleanup_free_ char *cmdline = fd < 0 ? NULL : qemu_command(pid, root, &len);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (!cmdline)
		return 0;
	if (is_wanted(pid, cmdline, len)) {
		err_set(err, ERR_HOST, "%s: a guest still runs in it that its run may come back for", root);
		return -2;
	}
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_set_errno(err, ERR_HOST, "cannot end the leftover guest %d of %s", (int)pid, root);
	if (poll(&p, 1, LEFTOVER_WAIT_MS) == 0)
		return err_set(err, ERR_HOST, "the leftover guest %d of %s does not end", (int)pid, root);
	return 0;
}

/* Remove what @is_old says of the entries of ROOT/@sub. */
static void sweep(const char *root, const char *sub, bool (*is_old)(const char *name))
{
	_cleanup_free_ char *path = path_join(root, sub);
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *entry = path_join(path, e->d_name);

		if (is_old(e->d_name))
			remove_tree(entry, NULL);
	}
	if (dir)
		closedir(dir);
}

static bool is_state(const char *name)
{
	return strcmp(name, "driver.pid") != 0 && (ends_with(name, ".pid") || ends_with(name, ".xml"));
}

static bool is_domain(const char *name)
{
	return starts_with(name, "domain-") || starts_with(name, "qmp-");
}

static bool is_log(const char *name)
{
	return ends_with(name, ".log");
}

/* End every QEMU of the pid files in ROOT/run/qemu, then forget the domains: libvirt would else try to reconnect. An
 * owner that is in a hurry leaves its dead domain to this too, and libvirt never removes a log. -2: one is wanted. */
static int end_leftovers(const char *root, struct err *err)
{
	_cleanup_free_ char *run = path_join(root, "run/qemu");
	DIR *dir = opendir(run);
	struct dirent *e;
	int rc = 0;

	while (dir && rc == 0 && (e = readdir(dir))) {
		_cleanup_free_ char *path = path_join(run, e->d_name);
		_cleanup_free_ char *text = NULL;

		if (is_state(e->d_name) && ends_with(path, ".pid") && file_read(path, 64, &text, NULL, NULL) == 0 &&
		    atoi(text) > 1)
			rc = end_process(atoi(text), root, err);
	}
	if (dir)
		closedir(dir);
	if (rc < 0)
		return rc;
	sweep(root, "run/qemu", is_state);
	sweep(root, "lib/qemu", is_domain);
	sweep(root, "log/qemu", is_log);
	return 0;
}

/* -2: held by another process, or by a guest that is wanted. */
static int try_slot(const char *base, int number, struct slot *slot, struct err *err)
{
	_cleanup_free_ char *lock_path = xasprintf("%s/%d.lock", base, number);
	_cleanup_free_ char *root = xasprintf("%s/%d", base, number);
	_cleanup_close_ int lock = lock_file(lock_path, false, err);

	int rc;

	if (lock < 0)
		return lock;
	rc = write_conf(root, err);
	if (rc == 0)
		rc = end_leftovers(root, err);
	if (rc < 0)
		return rc;
	slot->number = number;
	slot->lock = lock;
	lock = -1;
	slot->root = steal_ptr(root);
	return 0;
}

int slot_open(int number, struct slot *ret_slot, struct err *err)
{
	int first = number == SLOT_ANY ? 0 : number, last = number == SLOT_ANY ? SLOTS_MAX - 1 : number, rc = -2;
	_cleanup_free_ char *cache = cache_dir();
	_cleanup_free_ char *reason = NULL;
	_cleanup_free_ char *base = slot_base(cache, &reason);
	struct err why = ERR_INIT;

	if (base_make(base, reason != NULL, err) < 0)
		return -1;
	for (int i = first; i <= last && rc == -2; i++)
		rc = try_slot(base, i, ret_slot, &why);
	if (rc < 0) {
		err_set(err, ERR_HOST, "%s", why.msg);
		return err_wrap(err, "slot");
	}
	ret_slot->reason = steal_ptr(reason);
	return 0;
}

void slot_close(struct slot *slot)
{
	if (slot->root && slot->lock >= 0)
		close(slot->lock);
	free(slot->root);
	free(slot->reason);
	*slot = (struct slot){ .lock = -1 };
}

/* End @pid if it is a QEMU of a root below @base whose owner is dead. */
static void sweep_process(const char *base, pid_t pid)
{
	_cleanup_free_ char *below = xasprintf("%s/", base), *lock_path = NULL, *root = NULL;
	size_t len;
	_cleanup_free_ char *cmdline = qemu_command(pid, "", &len);
	const char *at = cmdline ? memmem(cmdline, len, below, strlen(below)) : NULL;
	_cleanup_close_ int lock = -1;
	int number = -1, used = 0;

	if (!at || sscanf(at + strlen(below), "%d/lib/qemu/%n", &number, &used) != 1 || !used || number < 0)
		return;
	root = xasprintf("%s/%d", base, number);
	lock_path = xasprintf("%s.lock", root);
	lock = lock_file(lock_path, false, NULL);
	if (lock >= 0)
		end_process(pid, root, NULL);
}

void slots_sweep(void)
{
	_cleanup_free_ char *cache = cache_dir(), *reason = NULL;
	_cleanup_free_ char *base = slot_base(cache, &reason);
	DIR *proc = opendir("/proc");
	struct dirent *e;

	while (proc && (e = readdir(proc)))
		if (atoi(e->d_name) > 1)
			sweep_process(base, atoi(e->d_name));
	if (proc)
		closedir(proc);
}
