/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A slot: one libvirt root that one process at a time owns. Roots are kept, because the first start in a new one
 * takes two seconds more (libvirt asks QEMU what it can do). No libvirt here. */
#ifndef GRANULE_GUEST_SLOT_H
#define GRANULE_GUEST_SLOT_H

#include "base/err.h"

#define SLOT_ANY (-1)
#define SLOTS_MAX 1024
/* ROOT/lib/qemu/domain-ID-NAME/monitor.sock must fit in sun_path (108 bytes with its NUL). ID has 5 digits at most
 * before roots are long gone, NAME is ours: "g" and 16 hexadecimal digits. */
#define SLOT_ROOT_MAX 54

struct slot {
	int number;
	int lock;     /* owned descriptor: while it is open the slot is ours */
	char *root;   /* owned: absolute, at most SLOT_ROOT_MAX bytes */
	char *reason; /* owned: why the root is not in the cache, one sentence; NULL if it is */
};

/* Lock slot @number, or with SLOT_ANY the first free one, make its root with a qemu.conf that works for this user and
 * changes no file's owner, and end what a killed predecessor left running in it: holding the lock proves that its
 * owner is dead. A slot whose guest can still be adopted (guest.json of its attempt, its deadline not past) is not
 * free. ERR_HOST: no cache, held by another process or by such a guest. */
int slot_open(int number, struct slot *ret_slot, struct err *err);
void slot_close(struct slot *slot);

/* End every such leftover in slots that nobody owns. For starts and ends of runs: what is left over is seldom in the slot
 * that is taken next. */
void slots_sweep(void);

/* The folder of the roots: CACHE/virt, or a shorter one with the reason in @ret_reason. Owned by the caller. */
char *slot_base(const char *cache, char **ret_reason);

#endif
