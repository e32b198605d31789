// SPDX-License-Identifier: GPL-2.0-or-later
/* The choice of a basis with hosts made up; the probing itself with emulators made of shell scripts, and with this host's
 * QEMU where there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "guest/probe.h"
#include "tests/pipeline.h"

static struct host_caps host(bool kvm)
{
	return (struct host_caps){ .qemu = (char *)"/usr/bin/qemu-system-aarch64",
				   .kvm = kvm,
				   .kvm_reason = kvm ? NULL : (char *)"no KVM",
				   .cpus = 8,
				   .memory_bytes = UINT64_C(16) << 30 };
}

/* @basis -1: refused, and @text is in the error; else @text is the reason. */
static void choose(bool kvm, enum accel accel, uint64_t cpus, const char *unsealed, int basis, const char *text)
{
	struct host_caps caps = host(kvm);
	_cleanup_free_ char *reason = NULL;
	enum basis got = BASIS_HARDWARE;
	struct err err = ERR_INIT;
	int rc = basis_choose(&caps, accel, cpus, unsealed, &got, &reason, &err);

	if (basis < 0) {
		assert_int_equal(rc, -1);
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_string_equal(err.msg, text);
		return;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(got, basis);
	assert_string_equal(reason, text);
}

static void auto_takes_the_best(void **state)
{
	(void)state;
	choose(true, ACCEL_AUTO, 1, NULL, BASIS_HARDWARE, "an arm64 guest starts under KVM");
	choose(true, ACCEL_AUTO, 4, "host storage", BASIS_HARDWARE, "an arm64 guest starts under KVM");
	choose(false, ACCEL_AUTO, 1, NULL, BASIS_SIMULATED,
	       "no KVM; one vCPU and a sealed cell: the instruction clock");
	choose(false, ACCEL_AUTO, 2, NULL, BASIS_EMULATED,
	       "no KVM; 2 vCPUs share one instruction clock, which says nothing about their speed");
	choose(false, ACCEL_AUTO, 1, "its disk is on the host", BASIS_EMULATED,
	       "no KVM; the cell cannot be sealed: its disk is on the host");
}

static void what_is_asked_for_is_had_or_refused(void **state)
{
	(void)state;
	choose(true, ACCEL_KVM, 2, NULL, BASIS_HARDWARE, "accel: kvm is asked for");
	choose(false, ACCEL_KVM, 1, NULL, -1, "accel: kvm: no KVM; try accel: auto");
	choose(true, ACCEL_SIMULATED, 1, NULL, BASIS_SIMULATED, "accel: simulated is asked for");
	choose(false, ACCEL_SIMULATED, 2, NULL, -1,
	       "accel: simulated: 2 vCPUs share one instruction clock, which says nothing about their speed; "
	       "try accel: emulated");
	choose(false, ACCEL_SIMULATED, 1, "its disk is on the host", -1,
	       "accel: simulated: the cell cannot be sealed: its disk is on the host; try accel: emulated");
	choose(true, ACCEL_EMULATED, 4, NULL, BASIS_EMULATED, "accel: emulated is asked for");
}

static char *script(const char *dir, const char *text)
{
	char *path = scratch_write(dir, "qemu-system-aarch64", text, strlen(text));

	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

static void emulators_that_fail(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *good = NULL, *bad = NULL, *version = NULL, *reason = NULL;

	(void)state;
	good = script(dir, "#!/bin/sh\n[ $1 = --version ] && echo 'QEMU emulator version 9.9 (Test 1)' && echo more\n"
			   "exit 0\n");
	version = qemu_version(good);
	assert_string_equal(version, "9.9 (Test 1)");
	assert_true(probe_start(good, "kvm", "host", &reason));
	assert_null(reason);
	bad = script(dir, "#!/bin/sh\necho 'qemu-system-aarch64: failed to initialize kvm: Permission denied' >&2\n"
			  "exit 1\n");
	assert_null(qemu_version(bad));
	assert_false(probe_start(bad, "kvm", "host", &reason));
	assert_string_equal(reason, "no arm64 guest starts under KVM here (failed to initialize kvm: Permission "
				    "denied)");
	scratch_remove(dir);
}

static void no_emulator(void **state)
{
	_cleanup_free_ char *path = xstrdup(getenv("PATH"));
	struct host_caps caps;
	struct err err = ERR_INIT;

	(void)state;
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(host_probe(&caps, &err), 0);
	setenv("PATH", path, 1);
	assert_null(caps.qemu);
	assert_false(caps.kvm);
	assert_string_equal(caps.kvm_reason, "qemu-system-aarch64 is not on PATH");
	assert_true(caps.cpus >= 1 && caps.memory_bytes > 0);
	host_caps_free(&caps);
}

/* The four instructions power a guest off. */
static void this_host(void **state)
{
	_cleanup_free_ char *qemu = proc_find("qemu-system-aarch64"), *reason = NULL;
	struct host_caps caps;
	struct err err = ERR_INIT;

	(void)state;
	if (!qemu) {
		printf("skipped: qemu-system-aarch64 is not on PATH\n");
		skip();
	}
	if (!probe_start(qemu, "tcg", "neoverse-n1", &reason))
		fail_msg("%s", reason);
	assert_false(probe_start(qemu, "tcg", "no-such-cpu", &reason));
	assert_non_null(strstr(reason, "no-such-cpu"));
	assert_int_equal(host_probe(&caps, &err), 0);
	assert_non_null(caps.qemu_version);
	assert_true(caps.kvm == !caps.kvm_reason);
	host_caps_free(&caps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(auto_takes_the_best), cmocka_unit_test(what_is_asked_for_is_had_or_refused),
		cmocka_unit_test(emulators_that_fail), cmocka_unit_test(no_emulator),
		cmocka_unit_test(this_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
