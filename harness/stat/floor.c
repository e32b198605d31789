// SPDX-License-Identifier: GPL-2.0-or-later
#include "stat/floor.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

#include "stat/stat.h"

double stat_floor(const double *means, size_t n, double coverage, double confidence)
{
	double freedom = (double)n - 1, z, q;

	if (n < 2)
		return NAN;
	z = gsl_cdf_ugaussian_Pinv((1 + coverage) / 2);
	q = gsl_cdf_chisq_Pinv(1 - confidence, freedom);
	return fmax(z * M_SQRT2 * stat_deviation(means, n) * sqrt(freedom / q),
		    stat_max(means, n) - stat_min(means, n));
}
