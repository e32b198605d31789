// SPDX-License-Identifier: GPL-2.0-or-later
/* A table of options by what they buy on silicon. */
#include "compare/unseen.h"

#include <string.h>

#include "base/mem.h"

/* @word in a value of the difference @path, on either side. */
static const struct unseen {
	const char *path, *word, *sentence;
} table[] = {
	{ "kernel.set", "ARM64_CONTPTE=",
	  "ARM64_CONTPTE: contiguous entries spare TLB misses, which cost nothing here; only the instructions of their "
	  "upkeep are seen" },
	{ "kernel.set", "ARM64_TLB_RANGE=",
	  "ARM64_TLB_RANGE: one TLBI in place of many is one instruction in place of many here, whatever it costs" },
	{ "kernel.set", "ARM64_HW_AFDBM=",
	  "ARM64_HW_AFDBM: what the hardware's walker updates is no instruction; only the faults that it spares are "
	  "seen" },
	{ "kernel.patches", "",
	  "patches: an instruction counts as one, whether it is a nop, a barrier or a TLBI; what it does to TLB and "
	  "caches is not seen" },
};

static bool mentions(const struct difference *d, const struct unseen *u)
{
	return !strcmp(d->path, u->path) && (strstr(d->base, u->word) || strstr(d->other, u->word));
}

void unseen_find(struct comparison *c)
{
	for (size_t i = 0; c->basis_seen[BASIS_SIMULATED] && i < ARRAY_SIZE(table); i++) {
		size_t k = 0;

		while (k < c->n_differences && !mentions(&c->differences[k], &table[i]))
			k++;
		if (k < c->n_differences)
			*VEC_PUSH(c->unseen, c->n_unseen) = table[i].sentence;
	}
}
