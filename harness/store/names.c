// SPDX-License-Identifier: GPL-2.0-or-later
/* The words of the run directory's enums, in the order of the enums. */
#include "store/store.h"

const char *const metric_direction_names[] = { "neither", "higher", "lower", NULL };
const char *const metric_class_names[] = { "count", "memory", "time", NULL };
const char *const basis_names[] = { "hardware", "simulated", "emulated", NULL };
const char *const outcome_names[] = {
	[OUTCOME_OK] = "ok",
	[OUTCOME_WORKLOAD_FAILED] = "workload-failed",
	[OUTCOME_SETTINGS_FAILED] = "settings-failed",
	[OUTCOME_GUEST_CRASHED] = "guest-crashed",
	[OUTCOME_BOOT_FAILED] = "boot-failed",
	[OUTCOME_TIMEOUT] = "timeout",
	[OUTCOME_HOST_FAILED] = "host-failed",
	[OUTCOME_UNSUPPORTED] = "unsupported",
	[OUTCOME_SKIPPED] = "skipped",
	[OUTCOME_NOT_RUN] = "not-run",
	[OUTCOME_INCOMPLETE] = "incomplete",
	NULL,
};
