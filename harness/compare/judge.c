// SPDX-License-Identifier: GPL-2.0-or-later
/* Changes and verdicts. Knows no run, no cell, no file. */
#include "compare/judge.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
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

	return xasprintf("below resolution (%s)", amount);
}

/* The direction is sure, the amount is not. */
static char *resolution_note(const struct row *row)
{
	_cleanup_free_ char *amount = resolution_amount(row);

	return xasprintf("the amount is known to within %s only", amount);
}

static void judge_unclear(struct row *row, const struct change *c, double change, double r, size_t n,
			  const struct compare_options *options)
{
	/* what half width would settle it: leave 0 out, or stay inside the effect */
	double half = fabs(change) >= options->effect ? fabs(change) - r : options->effect - fabs(change) - r;
	double deviation = c->logs ? c->d.deviation : c->d.deviation / c->scale;
	size_t needed = stat_pairs_needed(deviation, half, options->confidence, SEEDS_MOST);

	row->more_seeds = needed > n ? needed - n : 0;
	if (row->more_seeds)
		set_verdict(row, VERDICT_UNCLEAR,
			    xasprintf("about %zu more seed%s", row->more_seeds, row->more_seeds == 1 ? "" : "s"));
	else if (half <= 0)
		set_verdict(row, VERDICT_UNCLEAR, xstrdup("too close to its resolution for any number of seeds"));
	else
		set_verdict(row, VERDICT_UNCLEAR,
			    needed ? xstrdup("1 more seed") : xasprintf("more than %d seeds", SEEDS_MOST));
	if (!row->more_seeds && needed)
		row->more_seeds = 1;
}

static void judge_interval(struct row *row, const struct change *c, size_t n, enum basis basis,
			   const struct compare_options *options)
{
	double e = options->effect, change = relative(c, c->d.mean);
	double base = fabs(row->base.median), r = row->resolution / (base > 0 ? base : c->scale);
	double low = relative(c, c->d.low) - r, high = relative(c, c->d.high) + r;

	if (row->has_change && low >= -e && high <= e)
		set_verdict(row, VERDICT_SAME, NULL);
	else if (fabs(change) <= (r < e ? r : r + e))
		set_verdict(row, VERDICT_NOT_JUDGED, resolution_text(row));
	else if ((low > 0 || high < 0) && (fabs(change) >= e || !row->has_change))
		set_verdict(row, which_way(row->metric, basis, change),
			    r > fabs(change) / 4 ? resolution_note(row) : NULL);
	else
		judge_unclear(row, c, change, r, n, options);
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

void judge_interval_at(const struct row *row, double confidence, double *ret_low, double *ret_high)
{
	const struct stat_interval *d = &row->taken.d;
	double half = d->n < 2	     ? NAN
		      : d->deviation ? stat_t(confidence, (double)(d->n - 1)) * d->deviation / sqrt((double)d->n)
				     : 0;

	*ret_low = relative(&row->taken, d->mean - half);
	*ret_high = relative(&row->taken, d->mean + half);
}

void judge(struct row *row, const double *base, const double *other, size_t n, enum basis basis, const char *refusal,
	   const struct compare_options *options)
{
	struct change c;
	bool exact;

	row->n_pairs = n;
	if (n == 0) {
		const char *why = !row->other.present  ? "only on the base's side"
				  : !row->base.present ? "only on the other side"
						       : "no seed has it on both sides";

		set_verdict(row, VERDICT_NOT_JUDGED, xstrdup(refusal ? refusal : why));
		return;
	}
	c = find_change(base, other, n, options->confidence);
	row->taken = c;
	exact = all_same(base, other, n);
	row->exact = exact && (n > 1 || row->metric->class != METRIC_TIME || basis == BASIS_SIMULATED);
	row->has_change = exact || c.logs || stat_mean(base, n) != 0;
	if (row->has_change) {
		row->change = exact ? 0 : relative(&c, c.d.mean);
		row->has_interval = c.d.known;
		row->low = exact ? 0 : relative(&c, c.d.low);
		row->high = exact ? 0 : relative(&c, c.d.high);
	}
	if (refusal)
		set_verdict(row, VERDICT_NOT_JUDGED, xstrdup(refusal));
	else if (row->exact)
		set_verdict(row, VERDICT_SAME, NULL);
	else if (n == 1)
		judge_one_seed(row, base, other);
	else
		judge_interval(row, &c, n, basis, options);
}
