// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes and verdicts. Knows no run, no cell, no file. */
#include "compare/judge.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "stat/rank.h"
#include "stat/resample.h"
#include "stat/stat.h"

#define SEEDS_MOST 1000

const char *const verdict_names[] = { "better", "worse", "shorter", "longer", "same", "unclear", "not judged", NULL };

static void set_verdict(struct row *row, enum verdict verdict, char *reason)
{
	row->verdict = verdict;
	free(row->reason);
	row->reason = reason;
}

static enum verdict which_way(const struct metric *metric, enum basis basis, double change)
{
	bool improved = (metric->direction == METRIC_LOWER) == (change < 0);

	if (metric->class == METRIC_TIME && basis == BASIS_SIMULATED)
		return improved ? VERDICT_SHORTER : VERDICT_LONGER;
	return improved ? VERDICT_BETTER : VERDICT_WORSE;
}

static double relative(const struct change *c, double v)
{
	return c->logs ? expm1(v) : v / c->scale;
}

static struct change find_change(const double *base, const double *other, size_t n, double confidence)
{
	struct change c = { .d = stat_log_ratio(base, other, n, confidence), .logs = true, .scale = 1 };
	double mean;

	if (!isnan(c.d.mean))
		return c;
	mean = fabs(stat_mean(base, n));
	c.logs = false;
	c.d = stat_difference(base, other, n, confidence);
	c.scale = mean > 0 ? mean : 1;
	return c;
}

/* Logs, or the values themselves; owned by the caller. */
static double *side_values(const struct side *side, bool logs)
{
	double *v = xcalloc(side->n_boots + 1, sizeof(*v));

	for (size_t i = 0; i < side->n_boots; i++)
		v[i] = logs ? log(side->values[i]) : side->values[i];
	return v;
}

static struct stat_shift shift_at(const struct row *row, bool logs, double confidence)
{
	_cleanup_free_ double *base = side_values(&row->base, logs), *other = side_values(&row->other, logs);

	return stat_shift_two(base, row->base.n_boots, other, row->other.n_boots, confidence);
}

static size_t fewer_boots(const struct row *row)
{
	return row->base.n_boots < row->other.n_boots ? row->base.n_boots : row->other.n_boots;
}

static struct change find_shift(const struct row *row, double confidence)
{
	struct change c = { .logs = stat_min(row->base.values, row->base.n_boots) > 0 &&
				    stat_min(row->other.values, row->other.n_boots) > 0,
			    .by_ranks = true,
			    .scale = 1 };
	struct stat_shift shift = shift_at(row, c.logs, confidence);
	double mean = fabs(stat_mean(row->base.values, row->base.n_boots));

	if (!c.logs && mean > 0)
		c.scale = mean;
	c.d = (struct stat_interval){ .mean = shift.shift,
				      .low = shift.low,
				      .high = shift.high,
				      .deviation = NAN,
				      .n = fewer_boots(row),
				      .known = shift.known };
	return c;
}

static bool sides_same(const struct row *row)
{
	const double *a = row->base.values, *b = row->other.values;
	size_t n = row->base.n_boots, m = row->other.n_boots;

	return n > 1 && m > 1 && stat_min(a, n) == stat_max(b, m) && stat_max(a, n) == stat_min(b, m);
}

static bool all_same(const double *base, const double *other, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (base[i] != other[i])
			return false;
	return true;
}

static char *resolution_amount(const struct row *row)
{
	char text[24];

	if (!strcmp(row->metric->unit, "bytes"))
		return xstrdup(size_human(row->resolution, text));
	return xasprintf("%.3g %s", row->resolution, row->metric->unit);
}

static char *resolution_text(const struct row *row)
{
	_cleanup_free_ char *amount = resolution_amount(row);

	if (row->has_floor && row->resolution == row->floor)
		return xasprintf("within the layout floor (%s)", amount);
	return xasprintf("below resolution (%s)", amount);
}

/* The direction is sure, the amount is not. */
static char *resolution_note(const struct row *row)
{
	_cleanup_free_ char *amount = resolution_amount(row);

	return xasprintf("the amount is known to within %s only", amount);
}

/* Boots a side until ranks do it: the width shrinks as one over the root of their number. */
static size_t boots_needed(const struct row *row, double half, double confidence)
{
	size_t least = stat_shift_least_two(confidence), n = row->taken.d.n, needed;
	double low, high, now;

	judge_interval_at(row, confidence, &low, &high);
	now = (high - low) / 2;
	if (isnan(now))
		return least > n ? least : n + 1;
	if (now / half > 100)
		return 0;
	needed = (size_t)ceil((double)n * (now / half) * (now / half));
	return needed > SEEDS_MOST ? 0 : needed > least ? needed : least;
}

char *judge_more(const struct row *row, double half, double confidence, size_t *ret_more)
{
	const struct stat_interval *d = &row->taken.d;
	const char *noun = row->taken.by_ranks ? "boot" : "seed";
	double deviation = row->taken.logs ? d->deviation : d->deviation / row->taken.scale;
	size_t needed = row->taken.by_ranks ? boots_needed(row, half, confidence)
					    : stat_pairs_needed(deviation, half, confidence, SEEDS_MOST);

	*ret_more = needed > d->n ? needed - d->n : needed ? 1 : 0;
	if (!needed)
		return xasprintf("more than %d %ss", SEEDS_MOST, noun);
	if (needed <= d->n)
		return xasprintf("1 more %s", noun);
	return xasprintf("about %zu more %s%s", *ret_more, noun, *ret_more == 1 ? "" : "s");
}

static void judge_unclear(struct row *row, double change, double r, double confidence,
			  const struct compare_options *options)
{
	/* what half width would settle it: leave 0 out, or stay inside the effect */
	bool large = fabs(change) >= options->effect;
	double half = large ? fabs(change) - r : options->effect - fabs(change) - r;

	row->more_seeds = 0;
	if (half > 0)
		set_verdict(row, VERDICT_UNCLEAR,
			    judge_more(row, half, large ? confidence : options->confidence, &row->more_seeds));
	else
		set_verdict(row, VERDICT_UNCLEAR,
			    xasprintf("too close to its resolution for any number of %ss",
				      row->taken.by_ranks ? "boot" : "seed"));
}

/* As a share of the base. */
static double resolution_share(const struct row *row)
{
	double base = fabs(row->base.median);

	return row->resolution / (base > 0 ? base : row->taken.scale);
}

static void judge_interval(struct row *row, enum basis basis, const struct compare_options *options)
{
	const struct change *c = &row->taken;
	double e = options->effect, change = relative(c, c->d.mean), r = resolution_share(row);
	double low = relative(c, c->d.low) - r, high = relative(c, c->d.high) + r;

	if (row->has_change && low >= -e && high <= e)
		set_verdict(row, VERDICT_SAME, NULL);
	else if (fabs(change) <= (r < e ? r : r + e))
		set_verdict(row, VERDICT_NOT_JUDGED, resolution_text(row));
	else if ((low > 0 || high < 0) && (fabs(change) >= e || !row->has_change))
		set_verdict(row, which_way(row->metric, basis, change),
			    r > fabs(change) / 4 ? resolution_note(row) : NULL);
	else
		judge_unclear(row, change, r, options->confidence, options);
}

static void judge_one_seed(struct row *row, const double *base, const double *other)
{
	if (fabs(*other - *base) <= row->resolution) {
		set_verdict(row, VERDICT_NOT_JUDGED, resolution_text(row));
		return;
	}
	row->more_seeds = 1;
	set_verdict(row, VERDICT_UNCLEAR, xstrdup("1 seed; at least 1 more"));
}

/* Fewer boots than any interval takes. */
static void judge_few_boots(struct row *row, const struct compare_options *options)
{
	size_t n = row->taken.d.n, least = stat_shift_least_two(options->confidence);

	row->more_seeds = least > n ? least - n : 1;
	set_verdict(row, VERDICT_UNCLEAR,
		    xasprintf("%zu boot%s; an interval takes %zu a side", n, n == 1 ? "" : "s", least));
}

void judge_interval_at(const struct row *row, double confidence, double *ret_low, double *ret_high)
{
	const struct stat_interval *d = &row->taken.d;
	double half = d->n < 2	     ? NAN
		      : d->deviation ? stat_t(confidence, (double)(d->n - 1)) * d->deviation / sqrt((double)d->n)
				     : 0;

	if (row->taken.by_ranks) {
		struct stat_shift shift = shift_at(row, row->taken.logs, confidence);

		*ret_low = relative(&row->taken, shift.low);
		*ret_high = relative(&row->taken, shift.high);
		return;
	}
	*ret_low = relative(&row->taken, d->mean - half);
	*ret_high = relative(&row->taken, d->mean + half);
}

static bool is_claim(enum verdict verdict)
{
	return verdict == VERDICT_BETTER || verdict == VERDICT_WORSE || verdict == VERDICT_SHORTER ||
	       verdict == VERDICT_LONGER;
}

void judge_corrected(struct row *row, size_t family, const struct compare_options *options)
{
	double confidence = 1 - (1 - options->confidence) / (double)(family ? family : 1), r = resolution_share(row);
	/* as judge_interval() saw it: over a base of 0 a row has no change to show */
	double change = relative(&row->taken, row->taken.d.mean);

	row->corrected_low = row->corrected_high = NAN;
	if (family < 2 || !row->n_pairs)
		return;
	judge_interval_at(row, confidence, &row->corrected_low, &row->corrected_high);
	if (row->verdict == VERDICT_UNCLEAR && row->taken.d.known) {
		judge_unclear(row, change, r, confidence, options);
	} else if (is_claim(row->verdict) && !(row->corrected_low - r > 0 || row->corrected_high + r < 0)) {
		_cleanup_free_ char *more = judge_more(row, fabs(change) - r, confidence, &row->more_seeds);

		set_verdict(row, VERDICT_UNCLEAR, xasprintf("not beyond doubt among %zu metrics; %s", family, more));
	}
}

/* On hardware: how surprising, and what the same boots drawn again say. */
static void add_opinions(struct row *row, const struct compare_options *options)
{
	const struct side *a = &row->base, *b = &row->other;
	_cleanup_free_ double *base = NULL, *other = NULL;
	struct stat_interval *s = &row->bootstrap;

	row->p = stat_rank_sum(a->values, a->n_boots, b->values, b->n_boots).p;
	if (!options->resample)
		return;
	base = side_values(a, row->taken.logs);
	other = side_values(b, row->taken.logs);
	*s = stat_bootstrap_two(base, a->n_boots, other, b->n_boots, options->confidence);
	s->mean = relative(&row->taken, s->mean);
	s->low = relative(&row->taken, s->low);
	s->high = relative(&row->taken, s->high);
}

static void set_change(struct row *row, const double *base, const double *other, size_t n, enum basis basis,
		       const struct compare_options *options)
{
	bool ranks = basis == BASIS_HARDWARE, exact = ranks ? sides_same(row) : all_same(base, other, n);
	struct change c =
		ranks ? find_shift(row, options->confidence) : find_change(base, other, n, options->confidence);
	double mean = ranks ? stat_mean(row->base.values, row->base.n_boots) : stat_mean(base, n);

	row->taken = c;
	row->exact = exact && (row->metric->class != METRIC_TIME || (!ranks && (n > 1 || basis == BASIS_SIMULATED)));
	row->has_change = exact || c.logs || mean != 0;
	if (!row->has_change)
		return;
	row->change = exact ? 0 : relative(&c, c.d.mean);
	row->has_interval = c.d.known;
	row->low = exact ? 0 : relative(&c, c.d.low);
	row->high = exact ? 0 : relative(&c, c.d.high);
}

void judge(struct row *row, const double *base, const double *other, size_t n, enum basis basis, const char *refusal,
	   const struct compare_options *options)
{
	bool ranks = basis == BASIS_HARDWARE;

	if (ranks)
		n = fewer_boots(row);
	row->n_pairs = n;
	row->corrected_low = row->corrected_high = row->p = NAN;
	row->bootstrap = (struct stat_interval){ .mean = NAN, .low = NAN, .high = NAN, .deviation = NAN };
	if (n == 0) {
		const char *why = !row->other.present  ? "only on the base's side"
				  : !row->base.present ? "only on the other side"
						       : "no seed has it on both sides";

		set_verdict(row, VERDICT_NOT_JUDGED, xstrdup(refusal ? refusal : why));
		return;
	}
	set_change(row, base, other, n, basis, options);
	if (ranks && row->counts)
		add_opinions(row, options);
	if (refusal)
		set_verdict(row, VERDICT_NOT_JUDGED, xstrdup(refusal));
	else if (row->exact)
		set_verdict(row, VERDICT_SAME, NULL);
	else if (ranks && !row->taken.d.known)
		judge_few_boots(row, options);
	else if (n == 1)
		judge_one_seed(row, base, other);
	else
		judge_interval(row, basis, options);
}
