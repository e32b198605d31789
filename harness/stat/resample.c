// SPDX-License-Identifier: GPL-2.0-or-later
/* Drawing samples from samples. */
#include "stat/resample.h"

#include <gsl/gsl_rng.h>
#include <math.h>

#include "base/mem.h"

static double drawn_median(gsl_rng *rng, const double *v, size_t n, double *room)
{
	for (size_t i = 0; i < n; i++)
		room[i] = v[gsl_rng_uniform_int(rng, n)];
	return stat_median(room, n);
}

static struct stat_interval bootstrap(const double *base, size_t n, const double *other, size_t m, double confidence)
{
	_cleanup_free_ double *seen = xcalloc(STAT_RESAMPLES, sizeof(*seen));
	_cleanup_free_ double *room = xcalloc((n > m ? n : m) + 1, sizeof(*room));
	struct stat_interval r = { .mean = stat_median(other, m) - (base ? stat_median(base, n) : 0),
				   .low = NAN,
				   .high = NAN,
				   .deviation = NAN,
				   .n = m,
				   .known = m >= 2 && (!base || n >= 2) };
	gsl_rng *rng;

	if (!r.known)
		return r;
	rng = gsl_rng_alloc(gsl_rng_taus2);
	gsl_rng_set(rng, STAT_SEED);
	for (size_t i = 0; i < STAT_RESAMPLES; i++) {
		seen[i] = drawn_median(rng, other, m, room);
		if (base)
			seen[i] -= drawn_median(rng, base, n, room);
	}
	gsl_rng_free(rng);
	r.low = stat_quantile(seen, STAT_RESAMPLES, (1 - confidence) / 2);
	r.high = stat_quantile(seen, STAT_RESAMPLES, (1 + confidence) / 2);
	r.deviation = stat_deviation(seen, STAT_RESAMPLES);
	return r;
}

struct stat_interval stat_bootstrap_one(const double *v, size_t n, double confidence)
{
	return bootstrap(NULL, 0, v, n, confidence);
}

struct stat_interval stat_bootstrap_two(const double *base, size_t n, const double *other, size_t m, double confidence)
{
	return bootstrap(base, n, other, m, confidence);
}
