/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers for people: three or four digits that mean something. */
#ifndef GRANULE_REPORT_NUMBER_H
#define GRANULE_REPORT_NUMBER_H

#include "compare/compare.h"

#define NUMBER_SIZE 48

/* 8912896 bytes -> "8.50 MiB"; 6697.4 -> "6697"; 1234567 -> "1.235M"; 0.0039 -> "0.0039". @buf >= NUMBER_SIZE. */
const char *number_text(double value, const char *unit, char *buf);
/* 0.059 -> "+5.90%"; -0.681 -> "-68.1%"; 15.4 -> "x16.4"; -0.996 -> "1/250". */
const char *change_text(double change, char *buf);
/* "+5.90% [+5.80 +6.01]", "x16.4 [x16.1 x16.8]", "+5.90%", "" for none. */
const char *row_change_text(const struct row *row, char *buf);

/* The course of @n values at the times @t (rising), for a person, in ASCII that survives a mail: the most of each of at most
 * @width stretches of time, least to most in eight steps "_.:-=+*#"; a blank: nothing was read in it. @buf > @width bytes. */
const char *course_text(const double *t, const double *v, size_t n, size_t width, char *buf);

#endif
