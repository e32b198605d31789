// SPDX-License-Identifier: GPL-2.0-or-later
/* Repeats, adds up, pairs. Judges nothing: what a change means is compare/'s. */
#include "explain/explain.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "explain/inlines.h"
#include "explain/rootcode.h"
#include "explain/symbols.h"
#include "explain/usercode.h"
#include "run/repeat.h"
#include "store/counts.h"
#include "wire/code.h"
#include "wire/job.h"
#include "wire/wire.h"
#include "workloads/workload.h"

/* The fixmap begins above this with 48 bits of address (arch/arm64/include/asm/memory.h, 6.1 to 7.2). What runs there is the
 * trampoline through which the kernel is entered while user space has no mapping of it (UNMAP_KERNEL_AT_EL0). */
#define FIXMAP_LEAST UINT64_C(0xfffffbff00000000)
static const char trampoline[] = "(entry trampoline)";

/* One phase of one side while it is added up: sums over samples of counts / operations. */
struct tally {
	char *phase; /* owned */
	double metric, kernel, user, other;
	double *functions;	       /* owned: by place in the symbols; behind them the trampoline */
	double *user_functions;	       /* owned: by user_place() */
	struct function_cost *inlined; /* owned: one for each address and sample */
	size_t n_inlined;
	double *callers; /* owned: calls of side.callee, by place of the caller, as functions */
	size_t program;	 /* that the phase runs; SIZE_MAX: none is known */
	size_t n_samples;
	bool whole;
};

struct side {
	const struct cell_record *cell;
	const char *callee; /* whose callers are wanted, or NULL */
	struct symbols symbols;
	struct usercode usercode;
	struct inlines *inlines; /* owned; NULL: not wanted */
	struct tally *tallies;	 /* owned */
	size_t n_tallies;
};

static void functions_free(struct function_cost *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		free(v[i].program);
	}
	free(v);
}

static void side_free(struct side *s)
{
	inlines_free(s->inlines);
	for (size_t i = 0; i < s->n_tallies; i++) {
		free(s->tallies[i].phase);
		free(s->tallies[i].functions);
		free(s->tallies[i].user_functions);
		free(s->tallies[i].callers);
		functions_free(s->tallies[i].inlined, s->tallies[i].n_inlined);
	}
	free(s->tallies);
	usercode_free(&s->usercode);
	symbols_free(&s->symbols);
}

/* Each program's functions, its code without a name, then the next program; last the code of none. */
static size_t user_place(const struct side *s, size_t program, size_t symbol)
{
	size_t at = 0;

	for (size_t i = 0; i < s->usercode.n && i < program; i++)
		at += s->usercode.v[i].n + 1;
	if (program >= s->usercode.n)
		return at;
	return at + (symbol < s->usercode.v[program].n ? symbol : s->usercode.v[program].n);
}

/* What the job runs in @phase: "exec PHASE sample INDEX TIMEOUT_S ARGV...". */
static size_t phase_program(const struct side *s, const char *phase)
{
	_cleanup_free_ char *prefix = xasprintf("exec\t%s\tsample\t", phase), *path = NULL;
	const char *at = s->cell->job ? strstr(s->cell->job, prefix) : NULL;

	for (int word = 0; at && word < 2; word++)
		at = strchr(at + (word ? 1 : strlen(prefix)), '\t');
	if (!at)
		return SIZE_MAX;
	path = xstrndup(at + 1, strcspn(at + 1, "\t\n"));
	return usercode_by_path(&s->usercode, path);
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
	t->callers = xcalloc(s->symbols.n + 1, sizeof(*t->callers));
	t->user_functions = xcalloc(user_place(s, SIZE_MAX, 0) + 1, sizeof(*t->user_functions));
	t->program = phase_program(s, phase);
	return t;
}

static void add_user(const struct side *s, struct tally *t, const struct count *count, double n)
{
	size_t symbol, program = usercode_find(&s->usercode, count->address, count->digest, t->program, &symbol);

	t->user_functions[user_place(s, program, symbol)] += n;
	t->user += n;
}

/* Of what the symbol at place @at has at @address an inlined function's part; false if there is none. */
static bool add_inlined(const struct side *s, struct tally *t, uint64_t address, size_t at, double n)
{
	const char *name = s->inlines ? inlines_find(s->inlines, address) : NULL;

	if (!name)
		return false;
	*VEC_PUSH(t->inlined, t->n_inlined) =
		(struct function_cost){ .name = xasprintf("%s (in %s)", name, s->symbols.v[at].name), .base = n };
	return true;
}

static void add_counts(struct side *s, struct tally *t, const struct sample_counts *counts, uint64_t shift,
		       double operations)
{
	for (size_t i = 0; i < counts->n; i++) {
		double n = (double)counts->v[i].n / operations;
		size_t at;

		if (!code_is_kernel(counts->v[i].address)) {
			add_user(s, t, &counts->v[i], n);
			continue;
		}
		at = symbols_find(&s->symbols, counts->v[i].address - shift);
		if (at == SIZE_MAX && counts->v[i].address >= FIXMAP_LEAST)
			at = s->symbols.n;
		if (at == SIZE_MAX) {
			t->other += n;
			continue;
		}
		if (at == s->symbols.n || !add_inlined(s, t, counts->v[i].address - shift, at, n))
			t->functions[at] += n;
		t->kernel += n;
	}
}

/* A branch to the first instruction of the function that was asked for is a call of it, or a jump that stands for one
 * (a tail call); from within itself it is a loop. */
static void add_calls(const struct side *s, struct tally *t, const struct sample_counts *counts, uint64_t shift,
		      double operations)
{
	for (size_t i = 0; s->callee && i < counts->n_branches; i++) {
		const struct branch *b = &counts->branches[i];
		size_t to = symbols_find(&s->symbols, b->target - shift), from;

		if (to == SIZE_MAX || s->symbols.v[to].address != b->target - shift ||
		    strcmp(s->symbols.v[to].name, s->callee) != 0)
			continue;
		from = symbols_find(&s->symbols, b->site - shift);
		if (from != to)
			t->callers[from == SIZE_MAX ? s->symbols.n : from] += (double)b->n / operations;
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
	const struct workload *workload = s->cell->workload ? workload_find(s->cell->workload) : NULL;
	double elapsed = output_number(output, "elapsed_ns"), operations = 0, bytes;
	struct tally *t = tally_of(s, wire_text(record, 0, phase, sizeof(phase)));

	if (!elapsed || !counts->work) {
		double begin = strtod(wire_text(record, 3, number, sizeof(number)), NULL);

		elapsed = strtod(wire_text(record, 4, number, sizeof(number)), NULL) - begin;
	}
	if (workload)
		workload_work(workload, output, &operations, &bytes);
	if (!(operations >= 1))
		operations = 1;
	t->metric += elapsed / SIMULATED_NS_PER_INSN / operations;
	t->whole |= !counts->work;
	t->n_samples++;
	add_counts(s, t, counts, shift, operations);
	add_calls(s, t, counts, shift, operations);
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

/* Where the counts of a recorded boot are kept, in the attempt's directory. */
#define KEPT "count.zst"

static char *kept_path(const struct boot_result *recorded)
{
	return path_join(recorded->dir, KEPT);
}

/* Read what the repeated boot left, and keep it beside the boot that it repeats, where that can be written. */
static int add_repeated(struct side *s, const struct explain_side *e, const char *dir, unsigned int boot,
			struct err *err)
{
	_cleanup_(run_free_p) struct run *again = NULL;
	struct boot_result result = { 0 }, recorded = { 0 };
	struct counts counts = { 0 };
	int rc = -1;

	if (run_open(dir, &again, err) < 0)
		return -1;
	if (boot_read(again, run_find_cell(again, s->cell->id), boot, &result, err) == 0 &&
	    boot_read(e->run, e->cell, boot, &recorded, err) == 0) {
		_cleanup_free_ char *path = path_join(result.dir ? result.dir : dir, "count");
		_cleanup_free_ char *kept = recorded.dir ? kept_path(&recorded) : NULL;

		if (counts_load(path, &counts, err) == 0)
			rc = add_boot(s, &result, &counts, err);
		if (rc == 0 && kept && access(recorded.dir, W_OK) == 0)
			rc = counts_keep(path, kept, err);
	}
	counts_free(&counts);
	boot_result_free(&result);
	boot_result_free(&recorded);
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
	if (boot < 1 || boot > cell_boots(e->run, e->cell))
		return err_set(err, ERR_CONFIG, "it has boots 1 to %zu", cell_boots(e->run, e->cell));
	if (boot_outcome(e->run, e->cell, boot) != OUTCOME_OK)
		return err_set(err, ERR_CONFIG, "boot %u is not ok", boot);
	return 0;
}

/* A program that was built anew since the run is not what ran. Kernel modules are no user code. */
static int load_programs(struct side *s, struct err *err)
{
	for (size_t i = 0; i < s->cell->n_programs; i++) {
		const struct cell_program *p = &s->cell->programs[i];
		char now[SHA256_HEX_SIZE];
		int rc;

		if (ends_with(p->guest_path, ".ko") || sha256_file(p->host_path, now, NULL) < 0 ||
		    strcmp(now, p->sha256) != 0)
			continue;
		rc = !strcmp(p->guest_path, &JOB_ROOT_IMAGE[1])
			     ? rootcode_add(&s->usercode, p->host_path, err)
			     : usercode_add(&s->usercode, p->guest_path, p->host_path, err);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int load_side(const struct explain_side *e, unsigned int boot, struct side *ret, struct err *err)
{
	ret->cell = e->cell;
	if (check_side(e, boot, err) < 0 || symbols_load(e->cell->system_map, &ret->symbols, err) < 0 ||
	    load_programs(ret, err) < 0)
		return err_wrap(err, "%s", e->cell->id);
	return 0;
}

static int count_side(const struct explain_side *e, unsigned int boot, const struct schedule_options *options,
		      struct side *ret, struct err *err)
{
	struct repeat one = { .cell = e->cell, .boot = boot };
	struct schedule_options counted = *options;
	_cleanup_free_ char *dir = NULL;
	int rc = -1;

	counted.count = true;
	if (repeat_run(e->run, &one, 1, &counted, &dir, err) < 0)
		return err_wrap(err, "%s", e->cell->id);
	if (one.identical)
		rc = add_repeated(ret, e, dir, boot, err);
	else
		err_set(err, ERR_GUEST, "boot %u is not what was recorded any more: %s", boot, one.difference);
	free(one.difference);
	remove_tree(dir, NULL);
	return rc < 0 ? err_wrap(err, "%s", e->cell->id) : 0;
}

/* Has some attempt at @boot counts beside it? Without reading any: diff asks this of every boot. */
static bool is_kept(const struct explain_side *e, unsigned int boot)
{
	_cleanup_free_ unsigned int *attempts = NULL;
	bool kept = false;
	size_t n = 0;

	if (attempt_list(e->run, e->cell->id, boot, &attempts, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n && !kept; i++) {
		_cleanup_free_ char *path =
			xasprintf("%s/cells/%s/%u/%u/" KEPT, e->run->dir, e->cell->id, boot, attempts[i]);

		kept = path_exists(path);
	}
	return kept;
}

/* The same from what an earlier count_side() kept. */
static int recall_side(const struct explain_side *e, unsigned int boot, struct side *ret, struct err *err)
{
	struct boot_result recorded = { 0 };
	struct counts counts = { 0 };
	int rc = boot_read(e->run, e->cell, boot, &recorded, err);

	if (rc == 0) {
		_cleanup_free_ char *path = kept_path(&recorded);

		rc = counts_load_kept(path, &counts, err);
	}
	if (rc == 0)
		rc = add_boot(ret, &recorded, &counts, err);
	counts_free(&counts);
	boot_result_free(&recorded);
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

static int same_function(const struct function_cost *a, const struct function_cost *b)
{
	int order = a->program && b->program ? strcmp(a->program, b->program) : 0;

	return order ? order : strcmp(a->name, b->name);
}

static int by_name(const void *a, const void *b)
{
	return same_function(a, b);
}

static int by_change(const void *a, const void *b)
{
	const struct function_cost *x = a, *y = b;
	double dx = fabs(x->other - x->base), dy = fabs(y->other - y->base);

	if (dx != dy)
		return (dx < dy) - (dx > dy);
	dx = x->base + x->other;
	dy = y->base + y->other;
	return dx != dy ? (dx < dy) - (dx > dy) : same_function(x, y);
}

static void add_cost(struct function_cost **v, size_t *n, const char *program, const char *name, double cost,
		     bool other)
{
	if (cost > 0)
		*VEC_PUSH(*v, *n) = (struct function_cost){ .name = xstrdup(name),
							    .program = xstrdup(program),
							    .base = other ? 0 : cost,
							    .other = other ? cost : 0 };
}

static void add_functions(struct phase_cost *p, const struct side *s, const struct tally *t, bool other)
{
	for (size_t i = 0; i <= s->symbols.n; i++)
		add_cost(&p->functions, &p->n_functions, NULL, i < s->symbols.n ? s->symbols.v[i].name : trampoline,
			 t->functions[i] / (double)t->n_samples, other);
	for (size_t i = 0; i < t->n_inlined; i++)
		add_cost(&p->functions, &p->n_functions, NULL, t->inlined[i].name,
			 t->inlined[i].base / (double)t->n_samples, other);
}

static void add_callers(struct phase_cost *p, const struct side *s, const struct tally *t, bool other)
{
	for (size_t i = 0; i <= s->symbols.n; i++)
		add_cost(&p->callers, &p->n_callers, NULL,
			 i < s->symbols.n ? s->symbols.v[i].name : "(outside of System.map)",
			 t->callers[i] / (double)t->n_samples, other);
}

static void add_user_functions(struct phase_cost *p, const struct side *s, const struct tally *t, bool other)
{
	size_t at = 0;

	for (size_t i = 0; i < s->usercode.n; i++) {
		const struct user_program *program = &s->usercode.v[i];

		for (size_t k = 0; k <= program->n; k++)
			add_cost(&p->user, &p->n_user, program->name,
				 k < program->n ? program->v[k].name : FUNCTION_UNNAMED,
				 t->user_functions[at++] / (double)t->n_samples, other);
	}
	add_cost(&p->user, &p->n_user, PROGRAM_UNKNOWN, FUNCTION_UNNAMED, t->user_functions[at] / (double)t->n_samples,
		 other);
}

/* Functions of one name are one line: static ones of several files, and the two sides. */
static void merge_functions(struct function_cost *v, size_t *n_v)
{
	size_t n = 0;

	if (!*n_v)
		return;
	qsort(v, *n_v, sizeof(*v), by_name);
	for (size_t i = 0; i < *n_v; i++) {
		if (n && !same_function(&v[n - 1], &v[i])) {
			v[n - 1].base += v[i].base;
			v[n - 1].other += v[i].other;
			free(v[i].name);
			free(v[i].program);
		} else {
			v[n++] = v[i];
		}
	}
	*n_v = n;
	qsort(v, n, sizeof(*v), by_change);
}

static void add_programs(struct phase_cost *p)
{
	for (size_t i = 0; i < p->n_user; i++)
		*VEC_PUSH(p->programs, p->n_programs) = (struct function_cost){ .name = xstrdup(p->user[i].program),
										.program = xstrdup(p->user[i].program),
										.base = p->user[i].base,
										.other = p->user[i].other };
	merge_functions(p->programs, &p->n_programs);
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
			add_user_functions(p, base, a, false);
			add_user_functions(p, other, b, true);
			add_callers(p, base, a, false);
			add_callers(p, other, b, true);
			merge_functions(p->callers, &p->n_callers);
			merge_functions(p->functions, &p->n_functions);
			merge_functions(p->user, &p->n_user);
			add_programs(p);
		}
	}
}

struct explanation *explanation_new(const struct explain_side *base, const struct explain_side *other,
				    unsigned int boot)
{
	struct explanation *e = xcalloc(1, sizeof(*e));

	*e = (struct explanation){ .base_dir = xstrdup(base->run->dir),
				   .other_dir = xstrdup(other->run->dir),
				   .base = base->cell,
				   .other = other->cell,
				   .boot = boot };
	return e;
}

static int check_callee(const struct side *a, const struct side *b, const char *callee, struct err *err)
{
	const struct symbols *const kernels[] = { &a->symbols, &b->symbols };

	for (size_t k = 0; k < ARRAY_SIZE(kernels); k++)
		for (size_t i = 0; i < kernels[k]->n; i++)
			if (!strcmp(kernels[k]->v[i].name, callee))
				return 0;
	return err_set(err, ERR_CONFIG,
		       "neither kernel has a function '%s' (System.map); one that is inlined has its callers' name",
		       callee);
}

static int open_inlines(struct side *s, struct err *err)
{
	_cleanup_free_ char *path = inlines_path(s->cell->kernel_path);

	return inlines_open(path, s->cell->kernel_path, &s->inlines, err) < 0 ? err_wrap(err, "%s", s->cell->id) : 0;
}

int explain(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
	    const struct explain_wants *wants, const struct schedule_options *options, struct explanation **ret,
	    struct err *err)
{
	_cleanup_(side_free) struct side a = { .callee = wants->callee }, b = { .callee = wants->callee };

	if (load_side(base, boot, &a, err) < 0 || load_side(other, boot, &b, err) < 0 ||
	    (wants->callee && check_callee(&a, &b, wants->callee, err) < 0) ||
	    (wants->inlines && (open_inlines(&a, err) < 0 || open_inlines(&b, err) < 0)) ||
	    count_side(base, boot, options, &a, err) < 0 || count_side(other, boot, options, &b, err) < 0)
		return -1;
	*ret = explanation_new(base, other, boot);
	(*ret)->callee = wants->callee;
	pair_phases(*ret, &a, &b);
	return 0;
}

static int recall_or_count(const struct explain_side *e, unsigned int boot, const struct schedule_options *options,
			   struct side *ret, struct err *err)
{
	if (load_side(e, boot, ret, err) < 0)
		return -1;
	return is_kept(e, boot) ? recall_side(e, boot, ret, err) : count_side(e, boot, options, ret, err);
}

int explain_kept(const struct explain_side *base, const struct explain_side *other, unsigned int boot,
		 const struct schedule_options *options, struct explanation **ret, struct err *err)
{
	_cleanup_(side_free) struct side a = { 0 }, b = { 0 };

	if (!options && (!is_kept(base, boot) || !is_kept(other, boot)))
		return 1;
	if (recall_or_count(base, boot, options, &a, err) < 0 || recall_or_count(other, boot, options, &b, err) < 0)
		return -1;
	*ret = explanation_new(base, other, boot);
	pair_phases(*ret, &a, &b);
	return 0;
}

void explanation_free(struct explanation *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->n_phases; i++) {
		functions_free(e->phases[i].functions, e->phases[i].n_functions);
		functions_free(e->phases[i].user, e->phases[i].n_user);
		functions_free(e->phases[i].programs, e->phases[i].n_programs);
		functions_free(e->phases[i].callers, e->phases[i].n_callers);
		free(e->phases[i].phase);
	}
	free(e->phases);
	free(e->base_dir);
	free(e->other_dir);
	free(e);
}
