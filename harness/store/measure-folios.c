// SPDX-License-Identifier: GPL-2.0-or-later
/* Folios at hold, as the agent found them by walking page tables (agent/folios of wire/wire.h). */
#include "store/reader.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define ORDER_MAX 31

enum { FOLIOS, PAGES, UNALIGNED, PARTIAL, CONTPTE, NUMBERS };

/* Of one kind, over its orders; in pages. */
struct sums {
	double pages, large, unaligned, partial, contpte;
};

static const char *const kinds[] = { "anon", "shmem", "file", "cache" };

/* "anon 4 14 222 4 2 128" behind its kind. */
static bool parse_line(struct span rest, unsigned int *ret_order, double ret[NUMBERS])
{
	struct span word;
	double order;

	if (!span_next_word(&rest, &word) || !span_number(word, &order) || !(order >= 0 && order <= ORDER_MAX))
		return false;
	*ret_order = (unsigned int)order;
	for (int i = 0; i < NUMBERS; i++)
		if (!span_next_word(&rest, &word) || !span_number(word, &ret[i]))
			return false;
	return true;
}

static void add_order(struct reader *r, const char *kind, unsigned int order, const double v[NUMBERS])
{
	char suffix[SUFFIX_SIZE];

	snprintf(suffix, sizeof(suffix), "folio.%s.order_%u", kind, order);
	reader_add(r, r->step.phase, suffix, v[FOLIOS]);
	if (!order)
		return;
	snprintf(suffix, sizeof(suffix), "folio.%s.unaligned_%u", kind, order);
	reader_add(r, r->step.phase, suffix, v[UNALIGNED]);
	snprintf(suffix, sizeof(suffix), "folio.%s.partial_%u", kind, order);
	reader_add(r, r->step.phase, suffix, v[PARTIAL]);
}

static void add_sums(struct reader *r, const char *kind, const struct sums *s)
{
	const struct {
		const char *name;
		double value;
	} metrics[] = {
		{ "mapped", s->pages * (double)r->context.page_bytes },
		{ "large_share", s->large / s->pages },
		{ "contpte_share", s->contpte / s->pages },
		{ "unaligned", s->unaligned },
		{ "partial", s->partial },
	};
	char suffix[SUFFIX_SIZE];

	for (size_t i = 0; s->pages && i < ARRAY_SIZE(metrics); i++) {
		snprintf(suffix, sizeof(suffix), "folio.%s.%s", kind, metrics[i].name);
		reader_add(r, r->step.phase, suffix, metrics[i].value);
	}
}

void state_folios(struct reader *r)
{
	const struct file *file = file_find(r->step.files, r->step.n_files, "agent/folios", true);

	for (size_t k = 0; file && k < ARRAY_SIZE(kinds); k++) {
		struct span text = file->content, line, kind;
		struct sums sums = { 0 };

		while (span_next_line(&text, &line)) {
			double v[NUMBERS];
			unsigned int order;

			if (!span_next_word(&line, &kind) || !span_is(kind, kinds[k]) || !parse_line(line, &order, v))
				continue;
			add_order(r, kinds[k], order, v);
			sums.pages += v[PAGES];
			sums.large += order ? v[PAGES] : 0;
			sums.unaligned += v[UNALIGNED];
			sums.partial += v[PARTIAL];
			sums.contpte += v[CONTPTE];
		}
		add_sums(r, kinds[k], &sums);
	}
}
