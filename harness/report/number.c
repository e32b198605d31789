// SPDX-License-Identifier: GPL-2.0-or-later
/* Formats one number. */
#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "stat/stat.h"

const char *number_text(double value, const char *unit, char *buf)
{
	static const char suffixes[] = "kMGT";
	int i = -1;

	if (isnan(value))
		return strcpy(buf, "-");
	if (!strcmp(unit, "bytes"))
		return size_human(value, buf);
	while (fabs(value) >= 9999.5 && i + 1 < (int)sizeof(suffixes) - 1) {
		value /= 1000;
		i++;
	}
	snprintf(buf, NUMBER_SIZE, "%.*g", fabs(value) < 1 ? 3 : 4, value);
	if (i >= 0)
		snprintf(buf + strlen(buf), 2, "%c", suffixes[i]);
	return buf;
}

const char *course_text(const double *t, const double *v, size_t n, size_t width, char *buf)
{
	static const char steps[] = "_.:-=+*#";
	double low = stat_min(v, n), high = stat_max(v, n);
	_cleanup_free_ double *most = NULL;

	width = n < width ? n : width;
	most = xcalloc(width + 1, sizeof(*most));
	for (size_t i = 0; i < width; i++)
		most[i] = NAN;
	for (size_t i = 0; i < n; i++) {
		double part = t[n - 1] > t[0] ? (t[i] - t[0]) / (t[n - 1] - t[0]) : 0;
		size_t at = (size_t)(part * (double)width);

		at = at < width ? at : width - 1;
		most[at] = isnan(most[at]) || v[i] > most[at] ? v[i] : most[at];
	}
	for (size_t i = 0; i < width; i++) {
		double part = high > low ? (most[i] - low) / (high - low) : 0;
		size_t step = isnan(most[i]) ? 0 : (size_t)(part * 8);

		buf[i] = isnan(most[i]) ? ' ' : steps[step < 7 ? step : 7];
	}
	buf[width] = '\0';
	return buf;
}

/* From ten-fold up and from a hundredth down a factor says more than per cent. */
static bool as_factor(double change)
{
	return change >= 9 || (change <= -0.9 && change > -1);
}

static int decimals(double percent)
{
	return fabs(percent) < 9.995 ? 2 : fabs(percent) < 99.95 ? 1 : 0;
}

/* @whole: of a fraction's bounds no digits behind the point, for want of room. */
static const char *one_factor(double change, bool inverse, bool whole, char *buf)
{
	if (!inverse)
		snprintf(buf, NUMBER_SIZE, "x%.3g", 1 + change);
	else if (whole)
		snprintf(buf, NUMBER_SIZE, "1/%.0f", 1 / (1 + change));
	else
		snprintf(buf, NUMBER_SIZE, "1/%.3g", 1 / (1 + change));
	return buf;
}

static const char *one_change(double change, int digits, const char *percent, char *buf)
{
	if (change == 0)
		snprintf(buf, NUMBER_SIZE, "0%s", percent);
	else if (fabs(100 * change) * pow(10, digits) < 0.5)
		snprintf(buf, NUMBER_SIZE, "%.*f%s", digits, 0.0, percent);
	else
		snprintf(buf, NUMBER_SIZE, "%+.*f%s", digits, 100 * change, percent);
	return buf;
}

const char *change_text(double change, char *buf)
{
	if (as_factor(change))
		return one_factor(change, change < 0, false, buf);
	return one_change(change, decimals(100 * change), "%", buf);
}

const char *row_change_text(const struct row *row, char *buf)
{
	char low[NUMBER_SIZE], high[NUMBER_SIZE], middle[NUMBER_SIZE];
	int digits = decimals(100 * row->change);

	if (!row->has_change)
		return strcpy(buf, "");
	if (!row->has_interval || (row->low == 0 && row->high == 0))
		return change_text(row->change, buf);
	/* a wide interval needs no decimals */
	if (decimals(100 * row->low) < digits)
		digits = decimals(100 * row->low);
	if (decimals(100 * row->high) < digits)
		digits = decimals(100 * row->high);
	if (as_factor(row->change)) {
		one_factor(row->change, row->change < 0, false, middle);
		one_factor(row->low, row->change < 0, true, low);
		one_factor(row->high, row->change < 0, true, high);
	} else {
		one_change(row->change, digits, "%", middle);
		one_change(row->low, digits, "", low);
		one_change(row->high, digits, "", high);
	}
	snprintf(buf, NUMBER_SIZE, "%.15s [%.14s %.14s]", middle, low, high);
	return buf;
}
