/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of this host decides how fast a guest under KVM is, beside the machine itself: goes into host.json of a boot
 * on hardware, and two that differ in it are not judged (compare/definition.c). */
#ifndef GRANULE_GUEST_PROVENANCE_H
#define GRANULE_GUEST_PROVENANCE_H

#include <jansson.h>

/* An object, owned by the caller:
 *
 *   page_bytes  the host kernel's base page: how stage 2 of the translation can map
 *   backing     "preallocated, thp always": guest memory is touched before the guest starts; the host's THP policy for it
 *               (/sys/kernel/mm/transparent_hugepage/enabled; "no thp" without it)
 *   governor    scaling_governor of all CPUs, joined by "+" where they differ; "none": the host scales no frequency
 *   smt         /sys/devices/system/cpu/smt/control; "none" without it
 *   pinning     the CPUs that this process, and so its QEMU, may run on, "0-3,6"; "all" that are online
 *   jobs        guests at a time at most, as the scheduler said (-j); 0: it did not
 *
 * @root is put before the paths of sysfs: "" but for tests. */
json_t *provenance_read(const char *root, unsigned int jobs);

#endif
