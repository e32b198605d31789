// SPDX-License-Identifier: GPL-2.0-or-later
/* Pairs cells, loads their boots, judges their metrics. Prints nothing, and reads a boot once. */
#include "compare/compare.h"

#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "compare/definition.h"
#include "compare/floor.h"
#include "compare/judge.h"
#include "compare/pairing.h"
#include "compare/unseen.h"
#include "stat/counts.h"
#include "stat/stat.h"
#include "workloads/workload.h"

static void row_free(struct row *row)
{
	free(row->name);
	free(row->reason);
	for (size_t i = 0; i < row->n_origins; i++)
		free(row->origins[i].function);
	free(row->origins);
	free(row->base.values);
	free(row->other.values);
}

void comparison_free(struct comparison *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_pairs; i++) {
		for (size_t k = 0; k < c->pairs[i].n_rows; k++)
			row_free(&c->pairs[i].rows[k]);
		free(c->pairs[i].rows);
		free(c->pairs[i].name);
	}
	free(c->pairs);
	for (size_t i = 0; i < c->n_differences; i++) {
		free(c->differences[i].path);
		free(c->differences[i].base);
		free(c->differences[i].other);
	}
	free(c->differences);
	free(c->unseen);
	for (size_t i = 0; i < c->n_troubles; i++) {
		free(c->troubles[i].cell);
		free(c->troubles[i].reason);
	}
	free(c->troubles);
	for (size_t i = 0; i < c->n_arms; i++) {
		free(c->arms[i].base_label);
		free(c->arms[i].other_label);
	}
	free(c->arms);
	free(c->kernels);
	free(c->base_dir);
	free(c->other_dir);
	free(c->axis);
	free(c->qemu);
	free(c);
}

static void fill_side(struct side *side, const struct cell_data *data, const char *name, size_t hint,
		      double *resolution)
{
	side->values = xcalloc(data->n_boots + 1, sizeof(*side->values));
	for (size_t i = 0; i < data->n_boots; i++) {
		const struct measure *m = boot_measure_find(&data->boots[i], name, hint);

		if (!m)
			continue;
		side->values[side->n_boots++] = measure_median(m);
		side->n_samples = m->n_values > side->n_samples ? m->n_values : side->n_samples;
		*resolution = m->resolution > *resolution ? m->resolution : *resolution;
	}
	side->present = side->n_boots > 0;
	side->median = stat_median(side->values, side->n_boots);
	side->min = stat_min(side->values, side->n_boots);
	side->max = stat_max(side->values, side->n_boots);
}

static bool side_is_zero(const struct side *side)
{
	return !side->present || (side->min == 0 && side->max == 0);
}

/* Is "X_per_op" also there as "X_per_mib"? */
static bool has_per_mib(const struct cell_data *data, const char *name)
{
	const struct boot_data *first = cell_first_measured(data);
	_cleanup_free_ char *sibling = NULL;

	if (!first || !ends_with(name, "_per_op"))
		return false;
	sibling = xasprintf("%.*s_per_mib", (int)(strlen(name) - strlen("_per_op")), name);
	return measures_find(&first->measures, sibling) != NULL;
}

/* Does the row stand in the short table, and does it decide? Its sides are set. */
static void set_place(struct row *row, const struct cell_record *cell, bool asked_for)
{
	/* a counter that stayed at zero on both sides has nothing to say unless it was asked for */
	bool zero = side_is_zero(&row->base) && side_is_zero(&row->other);

	row->primary = workload_primary(cell->workload, row->name);
	row->counts = asked_for || (row->primary && !zero);
	row->shown = row->counts || (row->metric->primary && !zero);
}

/* What a pair's rows are made of. */
struct sources {
	const struct cell_data *base, *other;
	const struct floor_cell *base_floors, *other_floors; /* or NULL */
	struct pair_facts facts;
};

/* One metric of a pair: both sides, the boots whose seeds both have, the verdict. */
static void add_row(struct comparison *c, struct pair *pair, const struct sources *of, const struct measure *m,
		    size_t hint)
{
	const struct cell_data *base = of->base, *other = of->other;
	size_t most = base->n_boots < other->n_boots ? base->n_boots : other->n_boots, n = 0;
	_cleanup_free_ double *a = xcalloc(most + 1, sizeof(*a)), *b = xcalloc(most + 1, sizeof(*b));
	_cleanup_free_ char *refusal = NULL;
	struct row *row;
	bool per_mib, timed;

	if (!metric_wanted(c->options.metric, m->name))
		return;
	row = VEC_PUSH(pair->rows, pair->n_rows);
	row->name = xstrdup(m->name);
	row->metric = m->metric;
	fill_side(&row->base, base, m->name, hint, &row->resolution);
	fill_side(&row->other, other, m->name, hint, &row->resolution);
	for (size_t i = 0; i < most; i++) {
		const struct measure *x = boot_measure_find(&base->boots[i], m->name, hint);
		const struct measure *y = boot_measure_find(&other->boots[i], m->name, hint);

		if (x && y) {
			a[n] = measure_median(x);
			b[n++] = measure_median(y);
		}
	}
	per_mib = base->cell->page_bytes != other->cell->page_bytes && has_per_mib(base, m->name);
	refusal = floor_apply(of->base_floors, of->other_floors, row);
	timed = refusal != NULL;
	if (!timed)
		refusal = refuse(&of->facts, m->name, m->metric, per_mib);
	row->refused = !timed && m->metric->direction == METRIC_NEITHER
			       ? refused_either_way(&of->facts, m->name, m->metric, per_mib)
			       : refusal != NULL;
	set_place(row, base->cell, c->options.metric);
	judge(row, a, b, n, base->cell->basis, refusal, &c->options);
}

/* Only now is known how many claims are made together. */
static void correct_rows(struct comparison *c, struct pair *pair)
{
	for (size_t i = 0; i < pair->n_rows; i++)
		pair->n_corrected += pair->rows[i].counts && !pair->rows[i].refused && pair->rows[i].n_pairs;
	for (size_t i = 0; i < pair->n_rows; i++) {
		struct row *row = &pair->rows[i];

		if (!row->counts)
			continue;
		if (!row->refused)
			judge_corrected(row, pair->n_corrected, &c->options);
		c->by_verdict[row->verdict]++;
	}
}

/* The base's metrics in order, then those that only the other side has. */
static void add_rows(struct comparison *c, struct pair *pair, const struct sources *of)
{
	const struct boot_data *first = cell_first_measured(of->base), *second = cell_first_measured(of->other);

	for (size_t i = 0; first && i < first->measures.n; i++)
		add_row(c, pair, of, &first->measures.v[i], i);
	for (size_t i = 0; second && i < second->measures.n; i++)
		if (!first || !boot_measure_find(first, second->measures.v[i].name, i))
			add_row(c, pair, of, &second->measures.v[i], i);
}

/* Seeds that both have; on hardware, where seeds pair nothing, the boots of the side with fewer. */
static size_t pairs_measured(const struct cell_data *base, const struct cell_data *other)
{
	size_t n = 0, a = 0, b = 0;

	for (size_t i = 0; i < base->n_boots && i < other->n_boots; i++)
		n += base->boots[i].measured && other->boots[i].measured;
	if (base->cell->basis != BASIS_HARDWARE)
		return n;
	for (size_t i = 0; i < base->n_boots; i++)
		a += base->boots[i].measured;
	for (size_t i = 0; i < other->n_boots; i++)
		b += other->boots[i].measured;
	return a < b ? a : b;
}

static void count_seeds(struct comparison *c, struct pair *pair, const struct cell_data *base,
			const struct cell_data *other)
{
	pair->n_pairs = pairs_measured(base, other);
	/* what a boot read once or only held has one value; the samples are the most that any metric has */
	for (size_t i = 0; i < pair->n_rows; i++) {
		const struct row *row = &pair->rows[i];

		pair->n_samples = row->base.n_samples > pair->n_samples ? row->base.n_samples : pair->n_samples;
		pair->n_samples = row->other.n_samples > pair->n_samples ? row->other.n_samples : pair->n_samples;
	}
	if (!pair->n_pairs)
		return;
	if (!c->most_seeds || pair->n_pairs < c->least_seeds)
		c->least_seeds = pair->n_pairs;
	if (!c->most_samples || pair->n_samples < c->least_samples)
		c->least_samples = pair->n_samples;
	c->most_seeds = pair->n_pairs > c->most_seeds ? pair->n_pairs : c->most_seeds;
	c->most_samples = pair->n_samples > c->most_samples ? pair->n_samples : c->most_samples;
}

static void add_kernels(struct comparison *c, size_t arm, const struct cell_record *base,
			const struct cell_record *other)
{
	const char *base_label = cell_label(base, "kernels"), *other_label = cell_label(other, "kernels");
	struct kernel_fact fact = {
		.arm = arm,
		.base_label = base_label ? base_label : "",
		.other_label = other_label ? other_label : "",
		.base_release = base->kernel_release,
		.other_release = other->kernel_release,
		.base_page_bytes = base->page_bytes,
		.other_page_bytes = other->page_bytes,
	};

	for (size_t i = 0; i < c->n_kernels; i++) {
		const struct kernel_fact *k = &c->kernels[i];

		if (k->arm == arm && !strcmp(k->base_label, fact.base_label) &&
		    !strcmp(k->other_label, fact.other_label) && text_equal(k->base_release, fact.base_release) &&
		    text_equal(k->other_release, fact.other_release))
			return;
	}
	*VEC_PUSH(c->kernels, c->n_kernels) = fact;
}

static void take_qemu(struct comparison *c, const struct cell_data *data)
{
	const json_t *version = json_object_get(data->host, "qemu_version");

	if (!json_is_string(version))
		version = json_object_get(json_object_get(data->host, "qemu"), "version");
	if (!c->qemu && json_is_string(version))
		c->qemu = xstrdup(json_string_value(version));
}

/* A kernel that crashes one boot in three has nothing to show in its numbers, for those are of the other two. */
static void count_failures(struct pair *pair, const struct cell_data *base, const struct cell_data *other)
{
	const struct cell_data *const sides[] = { base, other };

	for (size_t side = 0; side < ARRAY_SIZE(sides); side++)
		for (size_t i = 0; i < sides[side]->n_boots; i++) {
			const struct boot_data *b = &sides[side]->boots[i];

			if (outcome_owed(b->outcome) || b->outcome == OUTCOME_UNSUPPORTED)
				continue;
			pair->n_ended[side]++;
			pair->n_failed[side] += !b->measured;
		}
	pair->failed_p = stat_fisher(pair->n_failed[0], pair->n_ended[0], pair->n_failed[1], pair->n_ended[1]);
}

static void compare_pair(struct comparison *c, const char *name, size_t arm, const struct cell_data *base,
			 const struct cell_data *other)
{
	struct sources of = {
		.base = base,
		.other = other,
		.base_floors = floors_cell(c->options.floors, base->cell),
		.other_floors = floors_cell(c->options.floors, other->cell),
		.facts = { .base = base->cell,
			   .other = other->cell,
			   .base_inert = base->inert,
			   .other_inert = other->inert },
	};
	struct pair *pair = VEC_PUSH(c->pairs, c->n_pairs);

	*pair = (struct pair){ .name = xstrdup(name), .arm = arm, .base = base->cell, .other = other->cell };
	definition_compare(base, other, c->axis, arm, c, &of.facts);
	add_rows(c, pair, &of);
	correct_rows(c, pair);
	count_seeds(c, pair, base, other);
	count_failures(pair, base, other);
	add_kernels(c, arm, base->cell, other->cell);
	c->basis_seen[base->cell->basis] = c->basis_seen[other->cell->basis] = true;
	take_qemu(c, base);
}

static void add_trouble(struct comparison *c, const char *cell, const char *arm, unsigned int boot,
			enum outcome outcome, const char *reason)
{
	*VEC_PUSH(c->troubles, c->n_troubles) = (struct trouble){
		.cell = xstrdup(cell),
		.arm = arm,
		.boot = boot,
		.outcome = outcome,
		.reason = xstrdup(reason ? reason : ""),
		.failed = outcome != OUTCOME_OK && outcome != OUTCOME_SKIPPED && outcome != OUTCOME_UNSUPPORTED,
	};
}

static void add_missing(struct comparison *c, const char *cell, const char *arm, const char *other)
{
	_cleanup_free_ char *reason = c->axis ? xasprintf("there is no such cell at %s", other)
					      : xstrdup("there is no such cell in the other run");

	add_trouble(c, cell, arm, 0, OUTCOME_OK, reason);
}

static void add_boots(struct comparison *c, const char *arm, const struct cell_data *data)
{
	c->n_reused += data->n_reused;
	for (unsigned int i = 0; i < data->n_boots; i++)
		if (!data->boots[i].measured)
			add_trouble(c, data->cell->id, arm, i + 1, data->boots[i].outcome, data->boots[i].reason);
}

struct cell_list {
	struct loader_cell *v; /* owned */
	size_t n;
};

static void cell_list_free(struct cell_list *cells)
{
	free(cells->v);
}

/* The cells that compare_group() asks for, in that order. */
static void add_cells(struct cell_list *cells, const struct cell_group *group)
{
	if (group->base)
		*VEC_PUSH(cells->v, cells->n) = (struct loader_cell){ group->base_run, group->base };
	for (size_t i = 0; i < group->n_others; i++)
		if (group->others[i] && !group->others[i]->skip)
			*VEC_PUSH(cells->v, cells->n) = (struct loader_cell){ group->other_run, group->others[i] };
}

/* One base cell with all its partners: each is loaded once and freed before the next group. */
static int compare_group(struct comparison *c, const struct cell_group *group, struct loader *loader, struct err *err)
{
	struct cell_data base = { 0 };
	int rc = 0;

	if (group->base) {
		if (loader_next(loader, &base, err) < 0)
			return -1;
		if (group->base->skip)
			add_trouble(c, group->base->id, c->arms[0].base_label, 0, OUTCOME_SKIPPED, group->base->skip);
		else
			add_boots(c, c->arms[0].base_label, &base);
	}
	for (size_t arm = 0; rc == 0 && arm < group->n_others; arm++) {
		const struct cell_record *cell = group->others[arm];
		const char *label = c->arms[arm].other_label;
		struct cell_data other;

		if (!cell) {
			if (group->base && !group->base->skip)
				add_missing(c, group->base->id, c->arms[0].base_label, label);
			continue;
		}
		if (!group->base)
			add_missing(c, cell->id, label, c->arms[0].base_label);
		if (cell->skip) {
			add_trouble(c, cell->id, label, 0, OUTCOME_SKIPPED, cell->skip);
			continue;
		}
		rc = loader_next(loader, &other, err);
		if (rc < 0)
			break;
		add_boots(c, label, &other);
		if (group->base && !group->base->skip)
			compare_pair(c, group->name, arm, &base, &other);
		cell_data_free(&other);
	}
	cell_data_free(&base);
	return rc;
}

static bool group_wanted(const struct cell_group *group, const char *glob)
{
	if (!glob || fnmatch(glob, group->name, 0) == 0 || (group->base && fnmatch(glob, group->base->id, 0) == 0))
		return true;
	for (size_t i = 0; i < group->n_others; i++)
		if (group->others[i] && fnmatch(glob, group->others[i]->id, 0) == 0)
			return true;
	return false;
}

/* Stable: within an arm the plan's order stays. */
static void sort_by_arm(struct comparison *c)
{
	struct pair *sorted = xcalloc(c->n_pairs + 1, sizeof(*sorted));
	size_t n = 0;

	for (size_t arm = 0; arm < c->n_arms; arm++)
		for (size_t i = 0; i < c->n_pairs; i++)
			if (c->pairs[i].arm == arm)
				sorted[n++] = c->pairs[i];
	free(c->pairs);
	c->pairs = sorted;
}

int compare_runs(const struct run *base, const struct run *other, const struct compare_options *options,
		 struct comparison **ret, struct err *err)
{
	_cleanup_(comparison_free_p) struct comparison *c = xcalloc(1, sizeof(*c));
	_cleanup_(pairing_free) struct pairing pairing = { 0 };
	_cleanup_(cell_list_free) struct cell_list cells = { 0 };
	_cleanup_(loader_free_p) struct loader *loader = NULL;
	size_t n = 0;

	c->options = *options;
	c->base_dir = xstrdup(base->dir);
	c->other_dir = other ? xstrdup(other->dir) : NULL;
	c->axis = xstrdup(options->along);
	if (pairing_make(base, other, options->along, options->from, options->to, &pairing, err) < 0)
		return -1;
	for (size_t i = 0; i < pairing.n_others; i++) {
		struct arm *arm = VEC_PUSH(c->arms, c->n_arms);

		arm->base_label = xstrdup(pairing.base_label);
		arm->other_label = xstrdup(pairing.other_labels[i]);
	}
	for (size_t i = 0; i < pairing.n_groups; i++)
		if (group_wanted(&pairing.groups[i], options->cell))
			add_cells(&cells, &pairing.groups[i]);
	loader = loader_start(cells.v, cells.n);
	for (size_t i = 0; i < pairing.n_groups; i++) {
		if (!group_wanted(&pairing.groups[i], options->cell))
			continue;
		n++;
		if (compare_group(c, &pairing.groups[i], loader, err) < 0)
			return -1;
	}
	if (!n)
		return err_set(err, ERR_CONFIG, "no cell matches --cell '%s'", options->cell ? options->cell : "*");
	sort_by_arm(c);
	differences_sort(c);
	unseen_find(c);
	*ret = steal_ptr(c);
	return 0;
}

/* What a run says by itself: no other side, no change, no verdict. */
static void add_lone_pair(struct comparison *c, const struct cell_data *data)
{
	const struct boot_data *first = cell_first_measured(data);
	const struct cell_data none = { .cell = data->cell };
	struct pair *pair = VEC_PUSH(c->pairs, c->n_pairs);

	*pair = (struct pair){ .name = xstrdup(data->cell->id), .base = data->cell };
	for (size_t i = 0; first && i < first->measures.n; i++) {
		const struct measure *m = &first->measures.v[i];
		struct row *row;

		if (!metric_wanted(c->options.metric, m->name))
			continue;
		row = VEC_PUSH(pair->rows, pair->n_rows);
		row->name = xstrdup(m->name);
		row->metric = m->metric;
		row->verdict = VERDICT_NOT_JUDGED;
		fill_side(&row->base, data, m->name, i, &row->resolution);
		fill_side(&row->other, &none, m->name, i, &row->resolution);
		set_place(row, data->cell, c->options.metric);
	}
	count_seeds(c, pair, data, data);
	c->basis_seen[data->cell->basis] = true;
	take_qemu(c, data);
}

static bool lone_wanted(const struct cell_record *cell, const struct compare_options *options)
{
	return !options->cell || fnmatch(options->cell, cell->id, 0) == 0;
}

int compare_alone(const struct run *run, const struct compare_options *options, struct comparison **ret,
		  struct err *err)
{
	_cleanup_(comparison_free_p) struct comparison *c = xcalloc(1, sizeof(*c));
	_cleanup_(cell_list_free) struct cell_list cells = { 0 };
	_cleanup_(loader_free_p) struct loader *loader = NULL;
	size_t n = 0;

	c->options = *options;
	c->base_dir = xstrdup(run->dir);
	for (size_t i = 0; i < run->n_cells; i++)
		if (lone_wanted(&run->cells[i], options) && !run->cells[i].skip)
			*VEC_PUSH(cells.v, cells.n) = (struct loader_cell){ run, &run->cells[i] };
	loader = loader_start(cells.v, cells.n);
	for (size_t i = 0; i < run->n_cells; i++) {
		const struct cell_record *cell = &run->cells[i];
		struct cell_data data;

		if (!lone_wanted(cell, options))
			continue;
		n++;
		if (cell->skip) {
			add_trouble(c, cell->id, c->base_dir, 0, OUTCOME_SKIPPED, cell->skip);
			continue;
		}
		if (loader_next(loader, &data, err) < 0)
			return -1;
		add_boots(c, c->base_dir, &data);
		add_lone_pair(c, &data);
		cell_data_free(&data);
	}
	if (!n)
		return err_set(err, ERR_CONFIG, "no cell matches --cell '%s'", options->cell ? options->cell : "*");
	*ret = steal_ptr(c);
	return 0;
}

bool comparison_failed(const struct comparison *c)
{
	for (size_t i = 0; i < c->n_troubles; i++)
		if (c->troubles[i].failed)
			return true;
	return false;
}

bool comparison_unclear(const struct comparison *c)
{
	return c->by_verdict[VERDICT_UNCLEAR] > 0;
}
