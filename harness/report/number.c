// SPDX-License-Identifier: GPL-2.0-or-later
/* Formats one number. */
#include "report/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

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

/* From ten-fold up and from a hundredth down a factor says more than per cent. */
static bool as_factor(double change)
{
	return change >= 9 || (change <= -0.9 && change > -1);
}

static int decimals(double percent)
{
	return fabs(percent) < 9.995 ? 2 : fabs(percent) < 99.95 ? 1 : 0;
}

static const char *one_change(double change, bool factor, int digits, const char *percent, char *buf)
{
	if (factor)
		snprintf(buf, NUMBER_SIZE, change < 0 ? "1/%.3g" : "x%.3g", change < 0 ? 1 / (1 + change) : 1 + change);
	else if (change == 0)
		snprintf(buf, NUMBER_SIZE, "0%s", percent);
	else
		snprintf(buf, NUMBER_SIZE, "%+.*f%s", digits, 100 * change, percent);
	return buf;
}

const char *change_text(double change, char *buf)
{
	return one_change(change, as_factor(change), decimals(100 * change), "%", buf);
}

const char *row_change_text(const struct row *row, char *buf)
{
	bool factor = as_factor(row->change);
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
	one_change(row->change, factor, digits, "%", middle);
	one_change(row->low, factor, digits, "", low);
	one_change(row->high, factor, digits, "", high);
	snprintf(buf, NUMBER_SIZE, "%.15s [%.14s %.14s]", middle, low, high);
	return buf;
}
