// SPDX-License-Identifier: GPL-2.0-or-later
/* The plugin for QEMU 9.1 and newer. */
#define PLUGIN_API 3
#include "tests/plugin-count.h"
