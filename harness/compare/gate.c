// SPDX-License-Identifier: GPL-2.0-or-later
/* Gates on comparisons. Reads no stream: compare.c has made the numbers. */
#include "compare/gate.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "compare/judge.h"

const char *const gate_limit_names[] = { "worse_by", "longer_by", "changed_by", NULL };
const char *const gate_result_names[] = { "passed", "not judged", "unclear", "failed", NULL };

static void gate_clear(struct gate *g)
{
	free(g->metric);
	free(g->along);
	free(g->from);
	free(g->why);
	free(g->reason);
	json_decref(g->labels);
}

void gating_free(struct gating *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n_gates; i++)
		gate_clear(&g->gates[i]);
	for (size_t i = 0; i < g->n_checks; i++)
		free(g->checks[i].reason);
	for (size_t i = 0; i < g->n_comparisons; i++)
		comparison_free(g->comparisons[i]);
	free(g->gates);
	free(g->checks);
	free(g->comparisons);
	free(g->run_dir);
	free(g->base_dir);
	free(g);
}

/* ---- From run.json */

static char *member_dup(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? xstrdup(s) : NULL;
}

static bool percent_value(const json_t *v, double *ret)
{
	const char *s = json_string_value(v);
	char *end;

	if (!s)
		return false;
	*ret = strtod(s, &end) / 100;
	return end != s && !strcmp(end, "%") && *ret >= 0 && isfinite(*ret);
}

static int gate_read(const json_t *o, size_t number, struct gate *g, struct err *err)
{
	static const char *const axes[] = { "kernels", "folios", "workloads", "storages", "limit" };
	size_t n_limits = 0;

	*g = (struct gate){
		.metric = member_dup(o, "metric"),
		.along = member_dup(o, "along"),
		.from = member_dup(o, "from"),
		.why = member_dup(o, "why"),
		.labels = json_object(),
		.allow_unclear = json_is_true(json_object_get(o, "allow_unclear")),
	};
	for (int i = 0; gate_limit_names[i]; i++)
		if (percent_value(json_object_get(o, gate_limit_names[i]), &g->by)) {
			g->limit = (enum gate_limit)i;
			n_limits++;
		}
	for (size_t i = 0; i < ARRAY_SIZE(axes); i++)
		if (json_is_array(json_object_get(o, axes[i])))
			json_object_set(g->labels, axes[i], json_object_get(o, axes[i]));
	if (!g->metric || n_limits != 1)
		return err_set(err, ERR_CONFIG, "gate %zu of run.json has no metric or not one limit", number);
	return 0;
}

static int gates_read(struct gating *gating, const json_t *gates, struct err *err)
{
	for (size_t i = 0; i < json_array_size(gates); i++) {
		struct gate *g = VEC_PUSH(gating->gates, gating->n_gates);

		if (gate_read(json_array_get(gates, i), i + 1, g, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- One metric of one pair */

/* Why the limit does not fit the metric, or NULL. */
static const char *limit_misfit(const struct gate *g, const struct row *row, enum basis basis)
{
	bool clock = row->metric->class == METRIC_TIME && basis == BASIS_SIMULATED;

	if (g->limit == LIMIT_CHANGED)
		return NULL;
	if (row->metric->direction == METRIC_NEITHER)
		return "neither way is better: use changed_by";
	if (g->limit == LIMIT_WORSE && clock)
		return "the instruction clock knows longer, not worse: use longer_by";
	if (g->limit == LIMIT_LONGER && !clock)
		return "no time on the instruction clock: use worse_by";
	return NULL;
}

/* How far @low..@high lies in the forbidden direction. changed_by takes the end that is farther out and the one that is
 * nearer, on whichever side the interval lies. */
static void forbidden(const struct gate *g, const struct row *row, double low, double high, double *ret_least,
		      double *ret_most)
{
	bool down = g->limit != LIMIT_CHANGED && row->metric->direction == METRIC_HIGHER;

	if (g->limit == LIMIT_CHANGED) {
		*ret_most = fmax(fabs(low), fabs(high));
		*ret_least = low > 0 ? low : high < 0 ? -high : 0;
	} else {
		*ret_least = down ? -high : low;
		*ret_most = down ? -low : high;
	}
}

static char *seeds_text(const struct gate *g, const struct row *row, double r, double confidence)
{
	const char *noun = row->taken.by_ranks ? "boot" : "seed";
	double half = fabs(fabs(row->change) - g->by) - r;
	size_t more;

	if (half > 0)
		return judge_more(row, half, confidence, &more);
	if (fabs(fabs(row->change) - g->by) > 0 && r > 0)
		return xasprintf("nearer to the limit than its resolution: no number of %ss would tell", noun);
	return xasprintf("too close to the limit for any number of %ss", noun);
}

/* Nothing to divide by: what the verdict says of the direction has to do. */
static void check_from_zero(struct gate_check *c)
{
	enum verdict v = c->row->verdict;
	bool moved = v == VERDICT_WORSE || v == VERDICT_LONGER ||
		     (c->gate->limit == LIMIT_CHANGED && (v == VERDICT_BETTER || v == VERDICT_SHORTER));

	c->result = moved ? GATE_FAILED : v == VERDICT_UNCLEAR ? GATE_UNCLEAR : GATE_PASSED;
	if (c->result != GATE_PASSED)
		c->reason = xstrdup("the base is 0: any amount is beyond the limit");
}

static void check_row(struct gate_check *c, double corrected)
{
	const struct row *row = c->row;
	double base = fabs(row->base.median), r = base > 0 ? row->resolution / base : 0;
	double low, high, least, most;

	if (!row->has_change) {
		check_from_zero(c);
		return;
	}
	judge_interval_at(row, STAT_CONFIDENCE, &low, &high);
	if (row->exact)
		low = high = r = 0; /* equal to the last bit: no resolution hides anything, judge.h */
	c->low = low - r;
	c->high = high + r;
	if (isnan(low)) {
		c->result = GATE_UNCLEAR;
		c->reason = row->taken.by_ranks ? seeds_text(c->gate, row, r, corrected)
						: xstrdup("1 seed; at least 1 more");
		return;
	}
	forbidden(c->gate, row, low - r, high + r, &least, &most);
	if (most <= c->gate->by) {
		c->result = GATE_PASSED;
		return;
	}
	judge_interval_at(row, corrected, &low, &high);
	c->low = low - r;
	c->high = high + r;
	forbidden(c->gate, row, low - r, high + r, &least, &most);
	c->result = least > c->gate->by ? GATE_FAILED : GATE_UNCLEAR;
	if (c->result == GATE_UNCLEAR)
		c->reason = seeds_text(c->gate, row, r, corrected);
}

static void check_refusal(struct gate_check *c)
{
	const struct row *row = c->row;
	const char *misfit = limit_misfit(c->gate, row, c->pair->base->basis);

	c->low = c->high = NAN;
	if (row->refused || !row->n_pairs)
		c->reason = xstrdup(row->reason);
	else if (misfit)
		c->reason = xstrdup(misfit);
	c->result = c->reason ? GATE_NOT_JUDGED : GATE_PASSED;
}

/* ---- All of them */

static bool label_selected(const struct gate *g, const struct cell_record *cell)
{
	for (size_t i = 0; i < cell->n_axes; i++) {
		const json_t *labels = json_object_get(g->labels, cell->axes[i].axis);
		bool found = !labels;

		for (size_t k = 0; k < json_array_size(labels); k++)
			found |= text_equal(json_string_value(json_array_get(labels, k)), cell->axes[i].label);
		if (!found)
			return false;
	}
	return true;
}

static void select_checks(struct gating *gating, const struct gate *g, const struct comparison *c)
{
	for (size_t i = 0; i < c->n_pairs; i++) {
		if (!label_selected(g, c->pairs[i].other))
			continue;
		for (size_t k = 0; k < c->pairs[i].n_rows; k++) {
			struct gate_check *check;

			if (!metric_wanted(g->metric, c->pairs[i].rows[k].name))
				continue;
			check = VEC_PUSH(gating->checks, gating->n_checks);
			*check = (struct gate_check){ .gate = g,
						      .pair = &c->pairs[i],
						      .row = &c->pairs[i].rows[k],
						      .arm = &c->arms[c->pairs[i].arm] };
			check_refusal(check);
			gating->n_judged += check->result != GATE_NOT_JUDGED;
		}
	}
}

/* One comparison serves all gates with the same axis and base. */
static int comparison_for(struct gating *gating, const struct gate *g, const struct run *run, const struct run *base,
			  const struct floors *floors, const struct comparison **ret, struct err *err)
{
	struct compare_options options = COMPARE_DEFAULTS;
	struct comparison *c;
	int rc;

	for (size_t i = 0; i < gating->n_comparisons; i++) {
		const struct compare_options *o = &gating->comparisons[i]->options;

		if (text_equal(o->along, g->along) && text_equal(o->from, g->from)) {
			*ret = gating->comparisons[i];
			return 0;
		}
	}
	if (!g->along && !base)
		return err_set(err, ERR_CONFIG,
			       "%s: the gate on %s compares with a baseline run: name it, `--against RUN`", run->dir,
			       g->metric);
	options.along = g->along;
	options.from = g->from;
	options.floors = floors;
	rc = g->along ? compare_runs(run, NULL, &options, &c, err) : compare_runs(base, run, &options, &c, err);
	if (rc < 0)
		return -1;
	*VEC_PUSH(gating->comparisons, gating->n_comparisons) = c;
	*ret = c;
	return 0;
}

/* The worst decides; what cannot be judged matters only where nothing was. */
static void settle_gate(struct gate *g)
{
	if (!g->by_result[GATE_PASSED] && !g->by_result[GATE_NOT_JUDGED] && !g->by_result[GATE_UNCLEAR] &&
	    !g->by_result[GATE_FAILED]) {
		g->result = GATE_FAILED;
		g->reason = xstrdup("it selects no metric of any pair of cells, so it could never fail");
	} else if (g->by_result[GATE_FAILED]) {
		g->result = GATE_FAILED;
	} else if (g->by_result[GATE_UNCLEAR]) {
		g->result = GATE_UNCLEAR;
	} else {
		g->result = g->by_result[GATE_PASSED] ? GATE_PASSED : GATE_NOT_JUDGED;
	}
}

int gating_make(const struct run *run, const struct run *base, const json_t *gates, const struct floors *floors,
		struct gating **ret, struct err *err)
{
	_cleanup_(gating_free_p) struct gating *gating = xcalloc(1, sizeof(*gating));
	double corrected;

	gating->run_dir = xstrdup(run->dir);
	gating->base_dir = base ? xstrdup(base->dir) : NULL;
	if (!gates)
		gates = json_object_get(run->header, "gates");
	if (gates_read(gating, gates, err) < 0)
		return -1;
	if (!gating->n_gates)
		return err_set(err, ERR_CONFIG,
			       "%s: its matrix has no gates; add a section `gates`, or name a matrix that has: "
			       "`--gates MATRIX`",
			       run->dir);
	for (size_t i = 0; i < gating->n_gates; i++) {
		const struct comparison *c = NULL;

		if (comparison_for(gating, &gating->gates[i], run, base, floors, &c, err) < 0)
			return err_wrap(err, "gate %zu", i + 1);
		select_checks(gating, &gating->gates[i], c);
	}
	corrected = 1 - (1 - STAT_CONFIDENCE) / (double)(gating->n_judged ? gating->n_judged : 1);
	for (size_t i = 0; i < gating->n_checks; i++) {
		struct gate_check *check = &gating->checks[i];

		if (check->result != GATE_NOT_JUDGED)
			check_row(check, corrected);
		gating->gates[check->gate - gating->gates].by_result[check->result]++;
	}
	for (size_t i = 0; i < gating->n_gates; i++)
		settle_gate(&gating->gates[i]);
	*ret = steal_ptr(gating);
	return 0;
}

bool gates_need_baseline(const json_t *gates)
{
	for (size_t i = 0; i < json_array_size(gates); i++)
		if (!json_object_get(json_array_get(gates, i), "along"))
			return true;
	return false;
}

int gating_exit_code(const struct gating *gating)
{
	bool failed = false, unclear = false, cells = false;

	for (size_t i = 0; i < gating->n_gates; i++) {
		const struct gate *g = &gating->gates[i];

		failed |= g->result == GATE_FAILED;
		unclear |= !g->allow_unclear && (g->result == GATE_UNCLEAR || g->result == GATE_NOT_JUDGED);
	}
	for (size_t i = 0; i < gating->n_comparisons; i++)
		cells |= comparison_failed(gating->comparisons[i]);
	return failed ? 1 : cells ? 4 : unclear ? 5 : 0;
}

char *gate_describe(const struct gate *g)
{
	return xasprintf("%s %s %.10g%%, %s%s%s%s", g->metric, gate_limit_names[g->limit], g->by * 100,
			 g->along ? "along " : "against the baseline", g->along ? g->along : "",
			 g->from ? " from " : "", g->from ? g->from : "");
}
