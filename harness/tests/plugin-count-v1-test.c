// SPDX-License-Identifier: GPL-2.0-or-later
/* The plugin for QEMU before 9.1. */
#define PLUGIN_API 1
#include "tests/plugin-count.h"
