// SPDX-License-Identifier: GPL-2.0-or-later
/* Every bad-matrices/NAME.yaml must be refused with exactly NAME.expected. REGENERATE=1 writes those files: review the
 * diff, each message is a sentence that a user must be able to act on. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/text.h"
#include "tests/matrix-registry.h"

#define FOLDER "bad-matrices"
#define CASES_MIN 45

static void refused(void **state)
{
	const char *name = *state;
	_cleanup_free_ char *yaml = xasprintf("%s.yaml", name), *expected_path = xasprintf("%s.expected", name);
	_cleanup_free_ char *message = NULL, *expected = NULL;
	struct matrix *matrix = NULL;
	struct err err = ERR_INIT, io = ERR_INIT;

	assert_int_equal(matrix_load(yaml, &matrix, &err), -1);
	assert_null(matrix);
	assert_int_equal(err.kind, ERR_CONFIG);
	message = xasprintf("%s\n", err.msg);
	if (getenv("REGENERATE"))
		assert_int_equal(file_write_atomic(expected_path, message, strlen(message), &io), 0);
	if (file_read(expected_path, 8192, &expected, NULL, &io) < 0)
		fail_msg("%s (REGENERATE=1 writes it)", io.msg);
	assert_string_equal(message, expected);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct CMUnitTest *)a)->name, ((const struct CMUnitTest *)b)->name);
}

/* The folder beside this source file, wherever the test is run from. */
static DIR *open_folder(void)
{
	_cleanup_free_ char *dir = xstrdup(__FILE__);
	char *slash = strrchr(dir, '/');

	if (slash)
		*slash = '\0';
	if ((slash && chdir(dir) < 0) || chdir(FOLDER) < 0)
		return NULL;
	return opendir(".");
}

int main(void)
{
	struct CMUnitTest *tests = NULL;
	const struct dirent *entry;
	size_t n = 0;
	DIR *dir = open_folder();
	int r;

	if (!dir) {
		perror("matrix-bad-test: " FOLDER ", run from the top of the tree");
		return 1;
	}
	while ((entry = readdir(dir))) {
		struct CMUnitTest *t;

		if (!ends_with(entry->d_name, ".yaml"))
			continue;
		t = VEC_PUSH(tests, n);
		t->name = xstrndup(entry->d_name, strlen(entry->d_name) - 5);
		t->test_func = refused;
		t->initial_state = (void *)(uintptr_t)t->name;
	}
	closedir(dir);
	if (n < CASES_MIN) {
		fprintf(stderr, "matrix-bad-test: only %zu bad matrices found\n", n);
		return 1;
	}
	qsort(tests, n, sizeof(*tests), by_name);
	r = _cmocka_run_group_tests("matrix-bad", tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)tests[i].name);
	free(tests);
	return r;
}
