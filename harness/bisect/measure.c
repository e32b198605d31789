// SPDX-License-Identifier: GPL-2.0-or-later
/* One commit: plan, build, run, gates. Knows nothing of the order of commits. */
#include "bisect/measure.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/report.h"
#include "run/prepared.h"
#include "run/records.h"

void bench_clear(struct bench *b)
{
	run_free(b->base);
	b->base = NULL;
}

/* ---- The kernel, and what it is compared with */

static struct kernel_spec *find_kernel(struct matrix *m, const char *label, const char *tree, struct err *err)
{
	_cleanup_(text_free) struct text names = { 0 };
	struct kernel_spec *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < m->n_kernels; i++) {
		struct kernel_spec *k = &m->kernels[i];
		bool fits = label ? !strcmp(k->label, label) : tree || k->git;

		text_add(&names, "%s%s", i ? ", " : "", k->label);
		found = fits ? k : found;
		n += fits;
	}
	if (n == 1)
		return found;
	if (label)
		err_set(err, ERR_CONFIG, "--kernel: %s has no kernel '%s'; it has %s", m->path, label, names.s);
	else if (n)
		err_set(err, ERR_CONFIG,
			"%s: which kernel is to be bisected? name it, as in `--kernel %s`; there are %s", m->path,
			found->label, names.s);
	else
		err_set(err, ERR_CONFIG,
			"%s: no kernel has `git:`; name one and a git tree of Linux, as in `--kernel %s --tree PATH`",
			m->path, m->kernels[0].label);
	return NULL;
}

int bench_kernel(struct matrix *matrix, const char *label, const char *tree, struct kernel_spec **ret, struct err *err)
{
	struct kernel_spec *k = find_kernel(matrix, label, tree, err);

	if (!k)
		return -1;
	if (!k->git && !tree)
		return err_set(
			err, ERR_CONFIG,
			"%s:%d: kernel '%s' is not of a git tree; name one to take its commits from: `--tree PATH`",
			matrix->path, k->line, k->label);
	if (k->package || k->image)
		return err_set(err, ERR_CONFIG,
			       "%s:%d: kernel '%s' is not built here, so no commit can take its place; bisect one of "
			       "`source` or `git`",
			       matrix->path, k->line, k->label);
	if (tree) {
		free(k->source);
		free(k->suite);
		k->source = k->suite = NULL;
		free(k->git);
		k->git = path_absolute(tree);
	}
	*ret = k;
	return 0;
}

static bool names_kernel(const json_t *gate, const char *label)
{
	const json_t *labels = json_object_get(gate, "kernels");

	for (size_t i = 0; i < json_array_size(labels); i++)
		if (text_equal(json_string_value(json_array_get(labels, i)), label))
			return true;
	return !json_array_size(labels);
}

/* The label that @gate compares kernels with, or NULL where it does not. */
static const char *base_kernel(const struct bench *b, const json_t *gate)
{
	const char *along = json_string_value(json_object_get(gate, "along"));
	const char *from = json_string_value(json_object_get(gate, "from"));

	if (!along || strcmp(along, "kernels") != 0)
		return NULL;
	return from ? from : b->matrix->kernels[0].label;
}

static void drop_gates(struct bench *b)
{
	for (size_t i = json_array_size(b->gates); i-- > 0;) {
		const json_t *gate = json_array_get(b->gates, i);
		const char *from = base_kernel(b, gate);

		if (!names_kernel(gate, b->kernel->label) || (from && !strcmp(from, b->kernel->label)))
			json_array_remove(b->gates, i);
	}
}

static bool is_needed(const struct bench *b, const struct kernel_spec *k)
{
	for (size_t i = 0; i < json_array_size(b->gates); i++)
		if (text_equal(base_kernel(b, json_array_get(b->gates, i)), k->label))
			return true;
	return k == b->kernel;
}

static void free_kernel(struct kernel_spec *k)
{
	options_free(kernel_options, k);
	free(k->label);
}

/* Those that are needed move to the front in their order, the others go. */
static void drop_kernels(struct bench *b)
{
	struct matrix *m = b->matrix;
	_cleanup_free_ bool *needed = xcalloc(m->n_kernels, sizeof(*needed));
	_cleanup_free_ char *label = xstrdup(b->kernel->label);
	size_t kept = 0;

	for (size_t i = 0; i < m->n_kernels; i++)
		needed[i] = is_needed(b, &m->kernels[i]);
	for (size_t i = 0; i < m->n_kernels; i++) {
		struct kernel_spec spec = m->kernels[i];

		if (!needed[i])
			continue;
		memmove(&m->kernels[kept + 1], &m->kernels[kept], (i - kept) * sizeof(spec));
		m->kernels[kept++] = spec;
	}
	for (size_t i = 0; i < kept; i++)
		if (!strcmp(m->kernels[i].label, label))
			b->kernel = &m->kernels[i];
	for (size_t i = kept; i < m->n_kernels; i++)
		free_kernel(&m->kernels[i]);
	m->n_kernels = kept;
}

int bench_prepare(struct bench *b, struct err *err)
{
	drop_gates(b);
	if (!json_array_size(b->gates))
		return err_set(
			err, ERR_CONFIG,
			"%s: no gate looks at kernel '%s'; add one, or say on the command line what is bad: `--metric "
			"page_fault1.insns_per_op --longer-by 1%%`",
			b->matrix->path, b->kernel->label);
	drop_kernels(b);
	return 0;
}

/* ---- One commit's run */

static char *first_line(const char *text)
{
	return xstrndup(text, strcspn(text, "\n"));
}

/* What a build says, in one line: the compiler's first error too, where there is one below. */
static char *build_reason(const char *text)
{
	_cleanup_free_ char *first = first_line(text), *error = NULL;
	const char *at = strstr(text + strlen(first), "error:"), *line = at ? line_begin(text, at) : NULL;

	error = line ? first_line(line + strspn(line, " ")) : NULL;
	return error ? xasprintf("%s: %s", first, error) : steal_ptr(first);
}

static json_t *run_header(const struct bench *b, const char *commit)
{
	json_t *o = json_deep_copy(b->header);

	json_object_set_new(o, "bisect", json_string(commit));
	json_object_set(o, "gates", b->gates);
	return o;
}

/* 1, 0 with the reason where it is the commit's fault, -1. What is wrong with the command line shows at the good end
 * already. */
static int make_run(struct bench *b, const char *commit, const char *dir, struct run **ret, char **ret_reason,
		    struct err *err)
{
	_cleanup_(plan_free_p) struct plan *plan = NULL;
	struct err why = ERR_INIT;
	json_t *header;
	int rc;

	free(b->kernel->commit);
	b->kernel->commit = xstrdup(commit);
	if (plan_make(b->matrix, b->caps, b->only, &plan, &why) < 0 ||
	    plan_build(plan, b->progress, b->progress_ctx, &why) < 0) {
		if (why.kind != ERR_BUILD && (why.kind != ERR_CONFIG || !strcmp(commit, b->good)))
			return err_set(err, why.kind, "%s", why.msg);
		*ret_reason = build_reason(why.msg);
		return 0;
	}
	if (!plan->n_runnable) {
		*ret_reason = xasprintf("no cell can run: %s", plan->n_cells ? plan->cells[0].skip : "there is none");
		return 0;
	}
	header = run_header(b, commit);
	/* every commit begins with what the good end has prepared */
	plan->prepared_from = strcmp(commit, b->good) ? b->base : NULL;
	rc = prepared_ensure(plan, &b->schedule, header, b->progress, b->progress_ctx, err);
	if (rc == 0)
		rc = plan_create_run(plan, dir, header, ret, err);
	json_decref(header);
	return rc < 0 ? -1 : 1;
}

static bool says_of_kernel(enum outcome outcome)
{
	return outcome == OUTCOME_WORKLOAD_FAILED || outcome == OUTCOME_SETTINGS_FAILED ||
	       outcome == OUTCOME_GUEST_CRASHED || outcome == OUTCOME_BOOT_FAILED || outcome == OUTCOME_TIMEOUT ||
	       outcome == OUTCOME_NOT_RUN;
}

/* The first boot that is neither ok nor a known gap: 1 with the reason; 0 all are fine; -1 where it says nothing of
 * the kernel. */
static int find_failure(const struct run *run, char **ret_reason, struct err *err)
{
	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell_record *cell = &run->cells[i];
		size_t boots = cell_boots(run, cell);

		for (unsigned boot = 1; boot <= boots; boot++) {
			_cleanup_(boot_result_free) struct boot_result r = { 0 };
			_cleanup_free_ char *line = NULL;

			if (boot_read(run, cell, boot, &r, err) < 0)
				return -1;
			if (r.outcome == OUTCOME_OK || r.outcome == OUTCOME_UNSUPPORTED)
				continue;
			line = first_line(r.reason ? r.reason : "no reason given");
			if (!says_of_kernel(r.outcome))
				return err_set(err, ERR_HOST, "%s boot %u: %s: %s; --resume tries it again", cell->id,
					       boot, outcome_names[r.outcome], line);
			*ret_reason = xasprintf("%s boot %u: %s: %s", cell->id, boot, outcome_names[r.outcome], line);
			return 1;
		}
	}
	return 0;
}

int bench_boot(struct bench *b, const char *commit, struct run **ret_run, char **ret_reason, struct err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/runs/%.12s", b->dir, commit), *header = path_join(dir, "run.json");
	_cleanup_(run_free_p) struct run *run = NULL;
	struct schedule_result result;
	int rc;

	if (path_exists(header)) {
		if (run_open(dir, &run, err) < 0)
			return -1;
	} else {
		if (remove_tree(dir, err) < 0)
			return -1;
		rc = make_run(b, commit, dir, &run, ret_reason, err);
		if (rc <= 0)
			return rc;
	}
	if (schedule_run(run, &b->schedule, &result, err) < 0)
		return -1;
	rc = find_failure(run, ret_reason, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	*ret_run = steal_ptr(run);
	return 1;
}

/* ---- Its verdict */

static char *check_sentence(const struct gate_check *c)
{
	_cleanup_free_ char *where = gate_check_where(c), *words = gate_check_words(c);

	return xasprintf("%s %s: %s", where, c->row->name, words);
}

static const struct gate_check *first_check(const struct gating *g, enum gate_result result)
{
	for (size_t i = 0; i < g->n_checks; i++)
		if (g->checks[i].result == result && (result == GATE_FAILED || !g->checks[i].gate->allow_unclear))
			return &g->checks[i];
	return NULL;
}

static enum bisect_verdict judge(const struct gating *g, char **ret_reason)
{
	const struct gate_check *failed = first_check(g, GATE_FAILED), *shown;

	for (size_t i = 0; !failed && i < g->n_gates; i++) {
		const struct gate *gate = &g->gates[i];
		_cleanup_free_ char *what = gate_describe(gate);
		bool open = gate->result == GATE_UNCLEAR || gate->result == GATE_NOT_JUDGED;

		if (gate->reason) {
			*ret_reason = xasprintf("the gate on %s: %s", what, gate->reason);
			return BISECT_SKIP;
		}
		if (!open || gate->allow_unclear)
			continue;
		shown = first_check(g, gate->result);
		if (shown) {
			_cleanup_free_ char *sentence = check_sentence(shown);

			*ret_reason = xasprintf("%s: %s", gate_result_names[gate->result], sentence);
		} else {
			*ret_reason = xasprintf("%s: %s", what, gate_result_names[gate->result]);
		}
		return BISECT_SKIP;
	}
	shown = failed ? failed : first_check(g, GATE_PASSED);
	*ret_reason = shown ? check_sentence(shown) : xstrdup("all gates pass");
	return failed ? BISECT_BAD : BISECT_GOOD;
}

/* A gate that selects nothing is a slip of the pen, and shows at the first run. */
static int check_selection(const struct gating *g, struct err *err)
{
	for (size_t i = 0; i < g->n_gates; i++) {
		_cleanup_free_ char *what = gate_describe(&g->gates[i]);

		if (g->gates[i].reason)
			return err_set(err, ERR_CONFIG, "the gate %s: %s", what, g->gates[i].reason);
	}
	return 0;
}

/* The good end's run: what everything is held against. */
static int need_base(struct bench *b, struct err *err)
{
	_cleanup_free_ char *reason = NULL;
	int rc = b->base ? 1 : bench_boot(b, b->good, &b->base, &reason, err);

	return rc > 0 ? 0 : rc < 0 ? -1 : err_set(err, ERR_GUEST, "the good end, %.12s: %s", b->good, reason);
}

int bench_measure(struct bench *b, const char *commit, enum bisect_verdict *ret_verdict, char **ret_reason,
		  struct err *err)
{
	_cleanup_(gating_free_p) struct gating *gating = NULL;
	_cleanup_(run_free_p) struct run *run = NULL;
	bool is_base = !strcmp(commit, b->good);
	int rc;

	/* first: the others begin with what it has prepared */
	if (!is_base && need_base(b, err) < 0)
		return -1;
	rc = is_base && b->base ? 1 : bench_boot(b, commit, is_base ? &b->base : &run, ret_reason, err);
	if (rc < 0)
		return -1;
	if (rc == 0) {
		*ret_verdict = BISECT_SKIP;
		return 0;
	}
	if (gating_make(is_base ? b->base : run, b->base, b->gates, NULL, &gating, err) < 0 ||
	    (is_base && check_selection(gating, err) < 0))
		return -1;
	*ret_verdict = judge(gating, ret_reason);
	return 0;
}

int bench_step(const struct bench *b, const struct run *base, const struct run *other, struct gating **ret,
	       struct err *err)
{
	json_t *gates = json_deep_copy(b->gates);
	int rc;

	for (size_t i = 0; i < json_array_size(gates); i++) {
		json_object_del(json_array_get(gates, i), "along");
		json_object_del(json_array_get(gates, i), "from");
	}
	rc = gating_make(other, base, gates, NULL, ret, err);
	json_decref(gates);
	return rc;
}
