// SPDX-License-Identifier: GPL-2.0-or-later
/* Repeats, adds up, pairs. Judges nothing: what a change means is compare/'s. */
#include "explain/explain.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "explain/counts.h"
#include "explain/symbols.h"
#include "run/repeat.h"
#include "wire/wire.h"

/* The kernel's half of the address space: bit 55 selects TTBR1 (Arm ARM D8.2). */
#define IS_KERNEL(address) ((address) >> 55 & 1)
/* The fixmap begins above this with 48 bits of address (arch/arm64/include/asm/memory.h, 6.1 to 7.2). What runs there is the
 * trampoline through which the kernel is entered while user space has no mapping of it (UNMAP_KERNEL_AT_EL0). */
#define FIXMAP_LEAST UINT64_C(0xfffffbff00000000)
static const char trampoline[] = "(entry trampoline)";

/* One phase of one side while it is added up: sums over samples of counts / operations. */
struct tally {
	char *phase; /* owned */
	double metric, kernel, user, other;
	double *functions; /* owned: by place in the symbols; behind them the trampoline */
	size_t n_samples;
	bool whole;
};

struct side {
	const struct cell_record *cell;
	struct symbols symbols;
	struct tally *tallies; /* owned */
	size_t n_tallies;
};

static void side_free(struct side *s)
{
	for (size_t i = 0; i < s->n_tallies; i++) {
		free(s->tallies[i].phase);
		free(s->tallies[i].functions);
	}
	free(s->tallies);
	symbols_free(&s->symbols);
}

static struct tally *tally_of(struct side *s, const char *phase)
{
	struct tally *t;

	for (size_t i = 0; i < s->n_tallies; i++)
		if (!strcmp(s->tallies[i].phase, phase))
			return &s->tallies[i];
	t = VEC_PUSH(s->tallies, s->n_tallies);
	t->phase = xstrdup(phase);
	t->functions = xcalloc(s->symbols.n + 1, sizeof(*t->functions));
	return t;
}

static void add_counts(struct side *s, struct tally *t, const struct sample_counts *counts, uint64_t shift,
		       double operations)
{
	for (size_t i = 0; i < counts->n; i++) {
		double n = (double)counts->v[i].n / operations;
		size_t at;

		if (!IS_KERNEL(counts->v[i].address)) {
			t->user += n;
			continue;
		}
		at = symbols_find(&s->symbols, counts->v[i].address - shift);
		if (at == SIZE_MAX && counts->v[i].address >= FIXMAP_LEAST)
			at = s->symbols.n;
		if (at == SIZE_MAX) {
			t->other += n;
			continue;
		}
		t->functions[at] += n;
		t->kernel += n;
	}
}

/* "elapsed_ns 1234" of a program's output; 0 if it says nothing of the kind. */
static double output_number(const char *output, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = output; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ' ')
			return strtod(line + len, NULL);
	}
	return 0;
}

/* What the sample's EXEC record says: the time that the program measured, else that of its whole execution; its operations,
 * else one. */
static int add_sample(struct side *s, const struct wire_record *record, const struct sample_counts *counts,
		      uint64_t shift)
{
	char phase[160], number[32];
	_cleanup_free_ char *output = xstrndup(record->n_fields > 12 ? record->fields[12].data : "",
					       record->n_fields > 12 ? record->fields[12].len : 0);
	double elapsed = output_number(output, "elapsed_ns"), operations = output_number(output, "operations");
	struct tally *t = tally_of(s, wire_text(record, 0, phase, sizeof(phase)));

	if (!elapsed || !counts->work) {
		double begin = strtod(wire_text(record, 3, number, sizeof(number)), NULL);

		elapsed = strtod(wire_text(record, 4, number, sizeof(number)), NULL) - begin;
	}
	if (!(operations >= 1))
		operations = 1;
	t->metric += elapsed / SIMULATED_NS_PER_INSN / operations;
	t->whole |= !counts->work;
	t->n_samples++;
	add_counts(s, t, counts, shift, operations);
	return 0;
}

static int guest_shift(const struct side *s, const char *stream, size_t len, uint64_t *ret_shift, struct err *err)
{
	char key[64], value[160];
	struct wire_record record;
	size_t offset = 0;

	if (wire_next(stream, len, &offset, 0, &record) != WIRE_OK || record.type != WIRE_HELLO)
		return err_set(err, ERR_GUEST, "the stream does not begin with a hello");
	for (unsigned int i = 0; i + 1 < record.n_fields; i += 2)
		if (!strcmp(wire_text(&record, i, key, sizeof(key)), "kallsyms"))
			return symbols_shift(&s->symbols, wire_text(&record, i + 1, value, sizeof(value)), ret_shift,
					     err);
	return err_set(err, ERR_GUEST, "the guest did not say where its kernel is; plan a new run");
}

/* The n-th sample of the stream is the n-th of the plugin's. */
static int add_boot(struct side *s, const struct boot_result *boot, const struct counts *counts, struct err *err)
{
	struct wire_record record;
	size_t offset = 0, n = 0;
	uint64_t shift;

	if (guest_shift(s, boot->stream, boot->stream_len, &shift, err) < 0)
		return -1;
	for (uint32_t seq = 0; wire_next(boot->stream, boot->stream_len, &offset, seq, &record) == WIRE_OK; seq++) {
		if (record.type != WIRE_EXEC || !wire_is(&record, 1, "sample"))
			continue;
		if (n == counts->n)
			break;
		add_sample(s, &record, &counts->samples[n++], shift);
	}
	if (!n || n != counts->n)
		return err_set(err, ERR_GUEST, "the plugin saw %zu samples, the stream has %zu", counts->n, n);
	return 0;
}

/* Read what the repeated boot left. */
static int add_repeated(struct side *s, const char *dir, unsigned int boot, struct err *err)
{
	_cleanup_(run_free_p) struct run *again = NULL;
	struct boot_result result = { 0 };
	struct counts counts = { 0 };
	int rc = -1;

	if (run_open(dir, &again, err) < 0)
		return -1;
	if (boot_read(again, run_find_cell(again, s->cell->id), boot, &result, err) == 0) {
		_cleanup_free_ char *path = path_join(result.dir ? result.dir : dir, "count");

		if (counts_load(path, &counts, err) == 0)
			rc = add_boot(s, &result, &counts, err);
	}
	counts_free(&counts);
	boot_result_free(&result);
	return rc;
}

static int check_side(const struct explain_side *e, unsigned int boot, struct err *err)
{
	if (e->cell->skip)
		return err_set(err, ERR_CONFIG, "it was skipped: %s", e->cell->skip);
	if (e->cell->basis != BASIS_SIMULATED)
		return err_set(err, ERR_CONFIG,
			       "it ran on the basis %s; only a sealed boot can be repeated and counted",
			       basis_names[e->cell->basis]);
	if (!e->cell->system_map || !path_exists(e->cell->system_map))
		return err_set(err, ERR_CONFIG, "its kernel has no System.map");
	if (boot < 1 || boot > e->cell->boots)
		return err_set(err, ERR_CONFIG, "it has boots 1 to %llu", (unsigned long long)e->cell->boots);
	if (boot_outcome(e->run, e->cell, boot) != OUTCOME_OK)
		return err_set(err, ERR_CONFIG, "boot %u is not ok", boot);
	return 0;
}

static int count_side(const struct explain_side *e, unsigned int boot, const struct schedule_options *options,
		      struct side *ret, struct err *err)
{
	struct repeat one = { .cell = e->cell, .boot = boot };
	struct schedule_options counted = *options;
	_cleanup_free_ char *dir = NULL;
	int rc = -1;

	ret->cell = e->cell;
	counted.count = true;
	if (check_side(e, boot, err) < 0 || symbols_load(e->cell->system_map, &ret->symbols, err) < 0 ||
	    repeat_run(e->run, &one, 1, &counted, &dir, err) < 0)
		return err_wrap(err, "%s", e->cell->id);
	if (one.identical)
		rc = add_repeated(ret, dir, boot, err);
	else
		err_set(err, ERR_GUEST, "boot %u is not what was recorded any more: %s", boot, one.difference);
	free(one.difference);
	remove_tree(dir, NULL);
	return rc < 0 ? err_wrap(err, "%s", e->cell->id) : 0;
}

/* ---- Pairing */

static struct side_cost side_cost(const struct side *s, const struct tally *t)
{
	double n = (double)t->n_samples;
	struct side_cost c = { .cell = s->cell,
			       .metric = t->metric / n,
			       .kernel = t->kernel / n,
			       .user = t->user / n,
			       .other = t->other / n,
			       .n_samples = t->n_samples,
			       .whole = t->whole };

	c.rest = c.metric - c.kernel - c.user - c.other;
	return c;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct function_cost *)a)->name, ((const struct function_cost *)b)->name);
}

static int by_change(const void *a, const void *b)
{
	const struct function_cost *x = a, *y = b;
	double dx = fabs(x->other - x->base), dy = fabs(y->other - y->base);

	if (dx != dy)
		return (dx < dy) - (dx > dy);
	dx = x->base + x->other;
	dy = y->base + y->other;
	return dx != dy ? (dx < dy) - (dx > dy) : strcmp(x->name, y->name);
}

static void add_functions(struct phase_cost *p, const struct side *s, const struct tally *t, bool other)
{
	for (size_t i = 0; i <= s->symbols.n; i++) {
		double v = t->functions[i] / (double)t->n_samples;
		const char *name = i < s->symbols.n ? s->symbols.v[i].name : trampoline;

		if (v > 0)
			*VEC_PUSH(p->functions, p->n_functions) = (struct function_cost){ .name = xstrdup(name),
											  .base = other ? 0 : v,
											  .other = other ? v : 0 };
	}
}

/* Functions of one name are one line: static ones of several files, and the two sides. */
static void merge_functions(struct phase_cost *p)
{
	size_t n = 0;

	if (!p->n_functions)
		return;
	qsort(p->functions, p->n_functions, sizeof(*p->functions), by_name);
	for (size_t i = 0; i < p->n_functions; i++) {
		struct function_cost *f = &p->functions[i];

		if (n && !strcmp(p->functions[n - 1].name, f->name)) {
			p->functions[n - 1].base += f->base;
			p->functions[n - 1].other += f->other;
			free(f->name);
		} else {
			p->functions[n++] = *f;
		}
	}
	p->n_functions = n;
	qsort(p->functions, n, sizeof(*p->functions), by_change);
}

static void pair_phases(struct explanation *e, const struct side *base, const struct side *other)
{
	for (size_t i = 0; i < base->n_tallies; i++) {
		const struct tally *a = &base->tallies[i];

		for (size_t k = 0; k < other->n_tallies; k++) {
			const struct tally *b = &other->tallies[k];
			struct phase_cost *p;

			if (strcmp(a->phase, b->phase) != 0)
				continue;
			p = VEC_PUSH(e->phases, e->n_phases);
			p->phase = xstrdup(a->phase);
			p->base = side_cost(base, a);
			p->other = side_cost(other, b);
			add_functions(p, base, a, false);
			add_functions(p, other, b, true);
			merge_functions(p);
		}
	}
}

int explain(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
	    const struct schedule_options *options, struct explanation **ret, struct err *err)
{
	_cleanup_(side_free) struct side a = { 0 }, b = { 0 };
	struct explanation *e;

	if (count_side(base, boot, options, &a, err) < 0 || count_side(other, boot, options, &b, err) < 0)
		return -1;
	e = xcalloc(1, sizeof(*e));
	*e = (struct explanation){ .base_dir = xstrdup(base->run->dir),
				   .other_dir = xstrdup(other->run->dir),
				   .base = base->cell,
				   .other = other->cell,
				   .boot = boot };
	pair_phases(e, &a, &b);
	*ret = e;
	return 0;
}

void explanation_free(struct explanation *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_phases; i++) {
		for (size_t k = 0; k < e->phases[i].n_functions; k++)
			free(e->phases[i].functions[k].name);
		free(e->phases[i].functions);
		free(e->phases[i].phase);
	}
	free(e->phases);
	free(e->base_dir);
	free(e->other_dir);
	free(e);
}
