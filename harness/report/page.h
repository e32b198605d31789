/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report as a page: its data as one JSON text (results/README.md, "granule report --format json"), and the file that holds
 * them, the scripts and the styles. The page itself is written in harness/report/page/. */
#ifndef GRANULE_REPORT_PAGE_H
#define GRANULE_REPORT_PAGE_H

#include "base/text.h"
#include "compare/compare.h"

struct page_input {
	const struct run *const *runs; /* in the order in which they were named */
	size_t n_runs;
	/* One run: itself alone or along an axis. More: each behind the first against the first. */
	struct comparison *const *comparisons;
	size_t n_comparisons;
	json_t *const *explanations; /* of granule explain --format json, as they were read */
	size_t n_explanations;
};

/* Also reads boots again, for what no comparison keeps: settings as they were read back, the consoles of failed boots.
 * ERR_HOST: the disk. @ret is owned by the caller. */
int page_json(const struct page_input *input, char **ret, struct err *err);

/* The page that tools/page made: beside the program, or where `make install` puts it. ERR_CONFIG with what makes it,
 * where there is none. Owned by the caller. */
int page_template(char **ret, struct err *err);
/* @template with @json in it, compressed and in base64: nothing in it can end a script. Owned by the caller. */
int page_fill(const char *template, const char *json, struct text *ret, struct err *err);

/* ---- page-facts.c ---- */
/* {"sets":[{path[],requested[],effective[],status[]}], "of":[{CELL: index of its set}] by run} */
int page_settings(const struct page_input *input, json_t **ret, struct err *err);
/* [{run, cell, boot, outcome, reason, attempt, crash, tail}], at most PAGE_CONSOLES of them. */
#define PAGE_CONSOLES 60
int page_consoles(const struct page_input *input, json_t **ret, struct err *err);

#endif
