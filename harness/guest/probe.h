/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this host can start, found by starting something, never by a file being there. No libvirt: `granule` uses it. */
#ifndef GRANULE_GUEST_PROBE_H
#define GRANULE_GUEST_PROBE_H

#include "matrix/folio.h"
#include "store/metric.h"

struct host_caps {
	char *qemu;		     /* owned: path of qemu-system-aarch64, NULL: none */
	char *qemu_version;	     /* owned: "7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)" */
	bool kvm;		     /* an arm64 guest starts under KVM */
	char *kvm_reason;	     /* owned: why not, one sentence; or NULL */
	uint64_t cpus, memory_bytes; /* of the host: online, MemAvailable */
};

/* Start what must be started to know (a second at most). ERR_HOST only if the host cannot be read at all; a missing
 * QEMU is caps->qemu == NULL. */
int host_probe(struct host_caps *ret_caps, struct err *err);
/* "7.2.22 (Debian ...)" of the emulator at @qemu, NULL if it does not say. Owned by the caller. */
char *qemu_version(const char *qemu);
void host_caps_free(struct host_caps *caps);
/* Does a guest of four instructions start and power off under @accel ("kvm", "tcg") with CPU model @cpu? *ret_reason is
 * set, and owned by the caller, when it does not. */
bool probe_start(const char *qemu, const char *accel, const char *cpu, char **ret_reason);

/* The basis for @accel on this host and why (one sentence, owned by the caller). @unsealed: why the cell cannot be
 * sealed, or NULL. ERR_CONFIG when @accel asks for what cannot be had (kvm here; simulated with 2 vCPUs). */
int basis_choose(const struct host_caps *caps, enum accel accel, uint64_t cpus, const char *unsealed,
		 enum basis *ret_basis, char **ret_reason, struct err *err);

/* The CPU model for a basis, base page and kernel version: "host" on hardware, "neoverse-n1" else (all three granules,
 * no pointer authentication). */
const char *cpu_model(enum basis basis, uint64_t page_bytes, struct kernel_version version);

#endif
