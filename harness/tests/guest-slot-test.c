// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots: one owner each, short roots, and an end for what a killed owner left behind. No libvirt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/slot.h"
#include "tests/pipeline.h"

static int setup(void **state)
{
	char *dir = scratch_make();

	setenv("GRANULE_CACHE", dir, 1);
	*state = dir;
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(*state);
	return 0;
}

static void one_owner_each(void **state)
{
	struct slot a, b, c;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(slot_open(SLOT_ANY, &a, &err), 0);
	assert_int_equal(slot_open(SLOT_ANY, &b, &err), 0);
	assert_int_equal(a.number, 0);
	assert_int_equal(b.number, 1);
	assert_string_not_equal(a.root, b.root);
	assert_int_equal(slot_open(1, &c, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "held by another process"));
	slot_close(&a);
	assert_int_equal(slot_open(SLOT_ANY, &c, &err), 0);
	assert_int_equal(c.number, 0);
	slot_close(&b);
	slot_close(&c);
}

static void conf_is_ours(void **state)
{
	_cleanup_free_ char *conf = NULL, *path = NULL, *user = xasprintf("user = \"+%u\"", (unsigned int)geteuid());
	struct slot slot;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(slot_open(7, &slot, &err), 0);
	path = path_join(slot.root, "etc/qemu.conf");
	assert_int_equal(file_read(path, 4096, &conf, NULL, NULL), 0);
	assert_non_null(strstr(conf, user));
	assert_non_null(strstr(conf, "dynamic_ownership = 0\n"));
	assert_non_null(strstr(conf, "remember_owner = 0\n"));
	slot_close(&slot);
}

/* Long caches move the roots, and say so; two caches never share them. */
static void roots_are_short(void **state)
{
	_cleanup_free_ char *reason = NULL, *base = slot_base("/home/somebody/.cache/granule", &reason);
	static const char deep[] = "/home/somebody/with/a/very/deep/folder/for/caches/that/nobody/expected/granule";
	_cleanup_free_ char *one = NULL, *two = NULL, *three = NULL, *r1 = NULL, *r2 = NULL, *r3 = NULL;

	(void)state;
	assert_string_equal(base, "/home/somebody/.cache/granule/virt");
	assert_null(reason);
	unsetenv("XDG_RUNTIME_DIR");
	one = slot_base(deep, &r1);
	assert_true(starts_with(one, "/tmp/granule-"));
	assert_true(strlen(one) + strlen("/1023") <= SLOT_ROOT_MAX);
	assert_non_null(strstr(r1, "unix socket"));
	two = slot_base(&deep[5], &r2);
	assert_string_not_equal(one, two);
	setenv("XDG_RUNTIME_DIR", "/tmp", 1);
	three = slot_base(deep, &r3);
	assert_true(starts_with(three, "/tmp/granule-") && strcmp(three, one));
	unsetenv("XDG_RUNTIME_DIR");
}

/* In /tmp another user may have made the folder first. */
static void strangers_folder_is_refused(void **state)
{
	_cleanup_free_ char *deep = xasprintf("%s/%0100d", (char *)*state, 0), *reason = NULL, *base = NULL;
	struct slot slot;
	struct err err = ERR_INIT;

	unsetenv("XDG_RUNTIME_DIR");
	base = slot_base(deep, &reason);
	setenv("GRANULE_CACHE", deep, 1);
	assert_int_equal(mkdir(base, 0777), 0);
	assert_int_equal(chmod(base, 0777), 0);
	assert_int_equal(slot_open(SLOT_ANY, &slot, &err), -1);
	assert_non_null(strstr(err.msg, "not a directory of this user alone"));
	assert_int_equal(chmod(base, 0700), 0);
	assert_int_equal(slot_open(SLOT_ANY, &slot, &err), 0);
	assert_string_equal(slot.reason, reason);
	slot_close(&slot);
	remove_tree(base, NULL);
	setenv("GRANULE_CACHE", *state, 1);
}

/* A process whose command line looks like libvirt's QEMU of @root, or not. */
static pid_t pretend_qemu(const char *root, bool ours)
{
	_cleanup_free_ char *mark = xasprintf("%s/lib/qemu/domain-1-g/monitor.sock", ours ? root : "/elsewhere");
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "read line; exit 0", "qemu-system-aarch64", mark, NULL);
		_exit(127);
	}
	return pid;
}

static void write_pid(const char *root, const char *name, pid_t pid)
{
	_cleanup_free_ char *dir = path_join(root, "run/qemu"), *path = path_join(dir, name);
	_cleanup_free_ char *text = xasprintf("%d", (int)pid);

	assert_int_equal(make_dirs(dir, NULL), 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

static void leftovers_end(void **state)
{
	int hold[2], status;
	struct slot slot;
	struct err err = ERR_INIT;
	_cleanup_free_ char *root = NULL, *xml = NULL, *stale = NULL;
	pid_t ours, other;

	(void)state;
	assert_int_equal(pipe(hold), 0);
	dup2(hold[0], STDIN_FILENO);
	assert_int_equal(slot_open(3, &slot, &err), 0);
	root = xstrdup(slot.root);
	slot_close(&slot);
	ours = pretend_qemu(root, true);
	other = pretend_qemu(root, false);
	usleep(100000);
	write_pid(root, "g1.pid", ours);
	write_pid(root, "g2.pid", other); /* a pid that was used again */
	write_pid(root, "g3.pid", 999999999);
	xml = path_join(root, "run/qemu/g1.xml");
	assert_int_equal(file_write_atomic(xml, "<x/>", 4, NULL), 0);
	stale = path_join(root, "lib/qemu/domain-1-g");
	assert_int_equal(make_dirs(stale, NULL), 0);
	assert_int_equal(slot_open(3, &slot, &err), 0);
	assert_int_equal(waitpid(ours, &status, 0), ours);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(waitpid(other, &status, WNOHANG), 0);
	assert_false(path_exists(xml));
	assert_false(path_exists(stale));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	slot_close(&slot);
	close(hold[0]);
	close(hold[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_owner_each),  cmocka_unit_test(conf_is_ours),
		cmocka_unit_test(roots_are_short), cmocka_unit_test(strangers_folder_is_refused),
		cmocka_unit_test(leftovers_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
