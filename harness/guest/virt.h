/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One guest under libvirt. virt.c is the only file that calls libvirt; it is linked into granule-boot alone. One
 * connection and one guest per process; functions are called from one thread. */
#ifndef GRANULE_GUEST_VIRT_H
#define GRANULE_GUEST_VIRT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct virt;

enum virt_stop {
	VIRT_RUNNING,
	VIRT_POWEROFF,	/* the guest powered off or rebooted */
	VIRT_DESTROYED, /* by virt_destroy(), or by somebody else through libvirt */
	VIRT_CRASHED,	/* QEMU is gone without either */
};

/* Is @uri one that granule-boot can use? Kernel and stream are files of this host, so a remote one is not.
 * ERR_CONFIG with the sentence. */
int virt_check_uri(const char *uri, struct err *err);

/* Connect and start the event loop's thread. @root: of a slot, for the embedded driver; or NULL and @uri.
 * This process becomes a subreaper with the embedded driver: QEMU is a daemon, and libvirt polls until somebody reaps
 * it. */
int virt_open(const char *root, const char *uri, struct virt **ret_virt, struct err *err);
/* Destroy the guest if it still runs, disconnect, stop the thread. virt_close(NULL) is fine. */
void virt_close(struct virt *virt);

/* "9.0.0" of the library; owned by the caller. */
char *virt_version(const struct virt *virt);
/* A descriptor that becomes readable when the guest has stopped; borrowed. */
int virt_stop_fd(const struct virt *virt);

/* Start the domain of @xml, whose name is @name: QEMU is there, the guest does not run yet. ERR_HOST with libvirt's
 * words. */
int virt_start(struct virt *virt, const char *name, const char *xml, struct err *err);
/* QEMU's pid, 0 if it is not known: with the embedded driver only. */
pid_t virt_pid(const struct virt *virt);
/* Let the guest run. */
int virt_resume(struct virt *virt, struct err *err);
/* The pty of the guest's console, owned by the caller. */
int virt_console(struct virt *virt, char **ret_path, struct err *err);
/* What became of the guest so far. @ret_detail: "signal 11", "exit 1", or "" (borrowed from @virt); may be NULL. */
enum virt_stop virt_state(struct virt *virt, const char **ret_detail);
/* Has QEMU's own process been reaped? Then the guest is over whatever libvirt still does about it (embedded driver). */
bool virt_gone(const struct virt *virt);
/* End the guest at once; returns when it is gone. Fine when it has stopped already. */
int virt_destroy(struct virt *virt, struct err *err);

#endif
