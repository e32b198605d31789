// SPDX-License-Identifier: GPL-2.0-or-later
/* What this host can start, by starting it. Knows no libvirt and keeps nothing. */
#include "guest/probe.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "matrix/matrix.h"

#define QEMU_PROGRAM "qemu-system-aarch64"
#define PROBE_DEADLINE_NS (5 * NSEC_PER_SEC)
#define OUTPUT_MAX 8192

char *qemu_version(const char *qemu)
{
	static const char mark[] = "version ";
	char *argv[] = { (char *)qemu, (char *)"--version", NULL };
	_cleanup_free_ char *out = NULL;
	const char *version;

	if (proc_capture(argv, now_ns() + PROBE_DEADLINE_NS, OUTPUT_MAX, &out, NULL) != 0)
		return NULL;
	version = strstr(out, mark);
	if (!version)
		return NULL;
	version += strlen(mark);
	return xstrndup(version, strcspn(version, "\n"));
}

static const char *accel_text(const char *accel)
{
	return strcmp(accel, "kvm") == 0 ? "KVM" : accel;
}

/* The line of QEMU's output that says why, without its own name before it. */
static char *why_not(const char *accel, const char *out, int status)
{
	const char *begin = strstr(out, "aarch64: ");
	_cleanup_free_ char *line = NULL;

	begin = begin ? begin + strlen("aarch64: ") : out;
	line = xstrndup(begin, strcspn(begin, "\n"));
	if (*line)
		return xasprintf("no arm64 guest starts under %s here (%s)", accel_text(accel), line);
	return xasprintf("no arm64 guest starts under %s here (QEMU ended with %d)", accel_text(accel), status);
}

/* A guest of four instructions: PSCI SYSTEM_OFF (Arm DEN 0022, function 0x84000008) by HVC, then b . for good. QEMU
 * ends with 0 only if the CPU could be made and has run. Returns a descriptor that a child inherits. */
static int probe_kernel(void)
{
	static const uint32_t code[] = { 0x52800100 /* movz w0, #8 */, 0x72b08000 /* movk w0, #0x8400, lsl #16 */,
					 0xd4000002 /* hvc #0 */, 0x14000000 /* b . */ };
	unsigned char bytes[sizeof(code)];
	int fd = memfd_create("granule-probe", 0);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(code[i / 4] >> (i % 4 * 8));
	if (fd >= 0 && write(fd, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes)) {
		close(fd);
		return -1;
	}
	return fd;
}

bool probe_start(const char *qemu, const char *accel, const char *cpu, char **ret_reason)
{
	_cleanup_close_ int fd = probe_kernel();
	_cleanup_free_ char *kernel = xasprintf("/proc/self/fd/%d", fd);
	const char *argv[] = {
		qemu,	   "-accel", accel,	    "-machine",	       "virt,gic-version=3", "-cpu", cpu,
		"-m",	   "64M",    "-nodefaults", "-no-user-config", "-display",	     "none", "-no-reboot",
		"-kernel", kernel,   NULL
	};
	_cleanup_free_ char *out = NULL;
	struct err err = ERR_INIT;
	int status = proc_capture((char *const *)argv, now_ns() + PROBE_DEADLINE_NS, OUTPUT_MAX, &out, &err);

	if (status == 0)
		return true;
	*ret_reason = status < 0 ? xasprintf("no arm64 guest starts under %s here (%s)", accel_text(accel), err.msg)
				 : why_not(accel, out, status);
	return false;
}

/* MemAvailable: what guests may take without making the host swap. */
static uint64_t memory_available(void)
{
	static const char key[] = "MemAvailable:";
	_cleanup_free_ char *text = NULL;
	const char *line;

	if (file_read("/proc/meminfo", 65536, &text, NULL, NULL) < 0)
		return 0;
	line = strstr(text, key);
	return line ? strtoull(line + strlen(key), NULL, 10) << 10 : 0;
}

int host_probe(struct host_caps *ret, struct err *err)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	*ret = (struct host_caps){ .memory_bytes = memory_available() };
	if (cpus < 1 || !ret->memory_bytes)
		return err_set(err, ERR_HOST, "cannot read this host's processors and memory (is /proc mounted?)");
	ret->cpus = (uint64_t)cpus;
	ret->qemu = proc_find(QEMU_PROGRAM);
	if (!ret->qemu) {
		ret->kvm_reason = xstrdup(QEMU_PROGRAM " is not on PATH");
		return 0;
	}
	ret->qemu_version = qemu_version(ret->qemu);
	if (!ret->qemu_version)
		ret->qemu_version = xstrdup("unknown");
	ret->kvm = probe_start(ret->qemu, "kvm", "host", &ret->kvm_reason);
	return 0;
}

void host_caps_free(struct host_caps *caps)
{
	free(caps->qemu);
	free(caps->qemu_version);
	free(caps->kvm_reason);
	*caps = (struct host_caps){ 0 };
}

/* Why the instruction clock cannot be had, or NULL. Owned by the caller. */
static char *why_not_simulated(uint64_t cpus, const char *unsealed)
{
	if (cpus != 1)
		return xasprintf("%" PRIu64 " vCPUs share one instruction clock, which says nothing about their speed",
				 cpus);
	return unsealed ? xasprintf("the cell cannot be sealed: %s", unsealed) : NULL;
}

static int choose_auto(const struct host_caps *caps, uint64_t cpus, const char *unsealed, enum basis *ret_basis,
		       char **ret_reason)
{
	_cleanup_free_ char *why_not = why_not_simulated(cpus, unsealed);
	const char *no_kvm = caps->kvm_reason ? caps->kvm_reason : "no KVM here";

	if (caps->kvm) {
		*ret_basis = BASIS_HARDWARE;
		*ret_reason = xstrdup("an arm64 guest starts under KVM");
	} else if (!why_not) {
		*ret_basis = BASIS_SIMULATED;
		*ret_reason = xasprintf("%s; one vCPU and a sealed cell: the instruction clock", no_kvm);
	} else {
		*ret_basis = BASIS_EMULATED;
		*ret_reason = xasprintf("%s; %s", no_kvm, why_not);
	}
	return 0;
}

int basis_choose(const struct host_caps *caps, enum accel accel, uint64_t cpus, const char *unsealed,
		 enum basis *ret_basis, char **ret_reason, struct err *err)
{
	_cleanup_free_ char *why_not = why_not_simulated(cpus, unsealed);

	switch (accel) {
	case ACCEL_AUTO:
		return choose_auto(caps, cpus, unsealed, ret_basis, ret_reason);
	case ACCEL_KVM:
		if (!caps->kvm)
			return err_set(err, ERR_CONFIG, "accel: kvm: %s; try accel: auto",
				       caps->kvm_reason ? caps->kvm_reason : "no KVM here");
		*ret_basis = BASIS_HARDWARE;
		break;
	case ACCEL_SIMULATED:
		if (why_not)
			return err_set(err, ERR_CONFIG, "accel: simulated: %s; try accel: emulated", why_not);
		*ret_basis = BASIS_SIMULATED;
		break;
	case ACCEL_EMULATED:
		*ret_basis = BASIS_EMULATED;
		break;
	}
	*ret_reason = xasprintf("accel: %s is asked for", accel_names[accel]);
	return 0;
}

const char *cpu_model(enum basis basis, uint64_t page_bytes, struct kernel_version version)
{
	(void)page_bytes;
	(void)version;
	/* neoverse-n1 has all three granules and no pointer authentication, which makes TCG three times slower. */
	return basis == BASIS_HARDWARE ? "host" : "neoverse-n1";
}
