// SPDX-License-Identifier: GPL-2.0-or-later
/* A job's line, split into words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "wire/job.h"

static void words(void **state)
{
	char line[] = "set\t/sys/kernel/mm/transparent_hugepage/enabled\tnever\tmust";
	char *w[JOB_WORDS_MAX];

	(void)state;
	assert_int_equal(job_split(line, w), 4);
	assert_string_equal(w[0], "set");
	assert_string_equal(w[1], "/sys/kernel/mm/transparent_hugepage/enabled");
	assert_string_equal(w[2], "never");
	assert_string_equal(w[3], "must");
}

static void empty_words_and_spaces(void **state)
{
	char nothing[] = "", empty[] = "a\t\tb\t", spaces[] = "set\t/p\tdefer madvise\tmust";
	char *w[JOB_WORDS_MAX];

	(void)state;
	assert_int_equal(job_split(nothing, w), 1);
	assert_string_equal(w[0], "");
	assert_int_equal(job_split(empty, w), 4);
	assert_string_equal(w[1], "");
	assert_string_equal(w[3], "");
	assert_int_equal(job_split(spaces, w), 4);
	assert_string_equal(w[2], "defer madvise");
}

static void too_many(void **state)
{
	char line[2 * JOB_WORDS_MAX + 2], *w[JOB_WORDS_MAX];

	(void)state;
	memset(line, '\t', sizeof(line));
	line[JOB_WORDS_MAX - 1] = '\0';
	assert_int_equal(job_split(line, w), JOB_WORDS_MAX);
	memset(line, '\t', sizeof(line));
	line[JOB_WORDS_MAX] = '\0';
	assert_int_equal(job_split(line, w), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		cmocka_unit_test(empty_words_and_spaces),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
