/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that diff and report share. */
#ifndef GRANULE_CLI_COMPARE_H
#define GRANULE_CLI_COMPARE_H

#include "cli/cli.h"
#include "compare/compare.h"

/* What to compare and what counts. The parser is a child of the command's: ARGP_KEY_INIT sets state->child_inputs. */
struct cli_compare {
	struct compare_options options;
	const char *floor; /* of a calibration, for cli_floors() */
};
extern const struct argp cli_compare_argp;

#endif
