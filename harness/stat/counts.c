// SPDX-License-Identifier: GPL-2.0-or-later
/* Counts, conditional on their totals. */
#include "stat/counts.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>

/* What is as likely to the last digits but one counts as no likelier. */
#define SLACK (1 + 1e-7)

static double binomial_two_sided(unsigned int k, unsigned int n, double p)
{
	double seen = gsl_ran_binomial_pdf(k, p, n) * SLACK, sum = 0;

	for (unsigned int i = 0; i <= n; i++) {
		double here = gsl_ran_binomial_pdf(i, p, n);

		sum += here <= seen ? here : 0;
	}
	return fmin(1, sum);
}

/* Halving, for gsl_cdf_beta_Pinv() of GSL 2.7 gives up at some arguments where rates are near 5% of 10,000 and aborts
 * the program. */
static double beta_quantile(double p, double a, double b)
{
	double low = 0, high = 1;

	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		*(gsl_cdf_beta_P(middle, a, b) < p ? &low : &high) = middle;
	}
	return (low + high) / 2;
}

double stat_share_bound(uint64_t events, uint64_t of, double confidence)
{
	return events >= of ? 1 : beta_quantile(confidence, (double)events + 1, (double)(of - events));
}

/* Of a share @q of events to a ratio of rates. */
static double ratio_of(double q, double base_exposure, double other_exposure)
{
	return q >= 1 ? INFINITY : q / (1 - q) * base_exposure / other_exposure;
}

struct stat_counts stat_counts(uint64_t base, double base_exposure, uint64_t other, double other_exposure,
			       double confidence)
{
	uint64_t all = base + other;
	double k = (double)other, rest = (double)base, tail = (1 - confidence) / 2;
	double share = other_exposure / (base_exposure + other_exposure);
	struct stat_counts r = { .ratio = NAN, .low = 0, .high = INFINITY, .p = 1 };

	if (!all)
		return r;
	r.ratio = ratio_of(k / (double)all, base_exposure, other_exposure);
	r.p = binomial_two_sided((unsigned int)other, (unsigned int)all, share);
	if (other)
		r.low = ratio_of(beta_quantile(tail, k, rest + 1), base_exposure, other_exposure);
	if (base)
		r.high = ratio_of(beta_quantile(1 - tail, k + 1, rest), base_exposure, other_exposure);
	return r;
}

double stat_fisher(uint64_t base, uint64_t n, uint64_t other, uint64_t m)
{
	unsigned int drawn = (unsigned int)(base + other), ones = (unsigned int)n, twos = (unsigned int)m;
	double seen = gsl_ran_hypergeometric_pdf((unsigned int)base, ones, twos, drawn) * SLACK, sum = 0;

	for (unsigned int i = 0; i <= drawn && i <= ones; i++) {
		double here = gsl_ran_hypergeometric_pdf(i, ones, twos, drawn);

		sum += here <= seen ? here : 0;
	}
	return fmin(1, sum);
}
