/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The logs of a guest that could not send them: its services write them to its disk where that is one of the host's,
 * so they are read from there. */
#ifndef GRANULE_GUEST_SALVAGE_H
#define GRANULE_GUEST_SALVAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Has a guest of @job its logs on a disk, and did it not come to its end record? */
bool salvage_needed(const char *job, const char *stream, size_t len);
/* Open @disk read-only, in an appliance of libguestfs (half a minute without KVM), and copy the logs that @job has into
 * @dir/artifacts. ERR_HOST: it cannot be read. */
int salvage_logs(const char *job, const char *disk, const char *dir, struct err *err);

#endif
