/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files in /tmp for tests, one a task: nameless, of @size bytes; @fill: every page of them in the page cache, so that all
 * operations of a test are alike however few they are. To be called from testcase_prepare(). */
#ifndef GRANULE_WILL_IT_SCALE_TMPFILE_H
#define GRANULE_WILL_IT_SCALE_TMPFILE_H

#include <stdbool.h>
#include <stddef.h>

/* @nr_tasks descriptors, for as long as the program lives; aborts if they cannot be had. */
int *tmpfiles_make(unsigned long nr_tasks, size_t size, bool fill);

#endif
