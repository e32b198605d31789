/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run directories with numbers to compare, built in a temporary folder. */
#ifndef GRANULE_TESTS_SCENARIOS_PAIRS_H
#define GRANULE_TESTS_SCENARIOS_PAIRS_H

#include "tests/scenarios/build.h"

static const char wis_pattern[] = "tasks 1\noperations %llu\nop_bytes %llu\nbytes %llu\nelapsed_ns %llu\nminflt "
				  "%llu\nmajflt 0\nnvcsw 0\nnivcsw 0\n"
				  "task 0 %llu\n";

/* One cell's boots: 128 MiB of page faults, @insns instructions an operation with @spread between boots. */
struct numbers {
	unsigned long long page, insns, spread, folio_allocs, peak;
	unsigned int boots;
	const char *const *pmu; /* of each boot: struct story's */
};

UNUSED static struct cell_record numbers_cell(const char *kernel, const char *folio, const struct numbers *n)
{
	struct cell_record c = cell_build(kernel, folio, "faults", n->page);

	free(c.workload);
	c.workload = xstrdup("will-it-scale");
	c.boots = n->boots;
	c.work_bytes = 128 << 20;
	c.asks_folios = strcmp(folio, "off") != 0;
	return c;
}

UNUSED static void numbers_boot(const char *dir, const struct cell_record *cell, const struct numbers *n,
				unsigned int boot)
{
	unsigned long long bytes = 128 << 20, ops = bytes / n->page;
	unsigned long long ns = 2 * (n->insns + n->spread * (boot % 3)) * ops;
	_cleanup_free_ char *output = xasprintf(wis_pattern, ops, n->page, bytes, ns, ops, ops);
	_cleanup_free_ char *page = xasprintf("%llu", n->page);
	const struct story story = { .page_size = page,
				     .workload = "page_fault1",
				     .output = output,
				     .faults = ops,
				     .folio_allocs = n->folio_allocs,
				     .peak = n->peak,
				     .pmu = n->pmu,
				     .vmpte_kib = n->page / 1024 * (n->page == 4096 ? 66 : 2) };
	struct stream s = story_stream(&story);

	free(attempt_build(dir, cell->id, boot, 1, &s, "[    0.000000] Booting Linux\r\n",
			   "{\"stop\":\"poweroff\",\"wall_s\":0.84}"));
	text_free(&s.bytes);
}

UNUSED static void numbers_boots(const char *dir, const struct cell_record *cell, const struct numbers *n)
{
	for (unsigned int boot = 1; boot <= n->boots; boot++)
		numbers_boot(dir, cell, n, boot);
}

/* Copy @text with every @from replaced; owned by the caller. */
UNUSED static char *replaced(const char *text, const char *from, const char *to)
{
	struct text out = { 0 };
	const char *hit;

	for (; *from && (hit = strstr(text, from)); text = hit + strlen(from))
		text_add(&out, "%.*s%s", (int)(hit - text), text, to);
	text_add(&out, "%s", text);
	return text_steal(&out);
}

/* Compare with harness/tests/scenarios/golden/@name, or write it under REGENERATE=1. 0 if they are equal. */
UNUSED static int golden(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("harness/tests/scenarios/golden/%s", name), *is = NULL;
	struct err err = ERR_INIT;

	if (getenv("REGENERATE")) {
		must(make_dirs("harness/tests/scenarios/golden", &err), &err);
		must(file_write_atomic(path, text, strlen(text), &err), &err);
		return 0;
	}
	must(file_read(path, 1 << 20, &is, NULL, &err), &err);
	if (!strcmp(is, text))
		return 0;
	fprintf(stderr, "%s differs; REGENERATE=1 writes it anew. It would be:\n%s", path, text);
	return -1;
}

#endif
