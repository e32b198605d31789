// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's shell in the cache: fetched once, used without the network, fetched again when it is damaged. What fetches
 * is a function that writes a line; no apt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "image/busybox.h"

static unsigned fetches;
static bool offline;

static int fake_fetch(const char *cache, const char *path, const char *work, struct err *err)
{
	(void)cache;
	assert_true(path_is_dir(work));
	if (offline)
		return err_set(err, ERR_HOST, "no network");
	fetches++;
	return file_write_atomic(path, "busybox", 7, err);
}

static void fetched_once_and_verified(void **state)
{
	char dir[] = "/tmp/image-busybox.XXXXXX";
	_cleanup_free_ char *one = NULL, *two = NULL, *three = NULL, *four = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	offline = true;
	assert_int_equal(busybox_ensure_in(dir, fake_fetch, NULL, NULL, &one, &err), -1);
	assert_string_equal(err.msg, "the guest's shell: no network");
	offline = false;
	assert_int_equal(busybox_ensure_in(dir, fake_fetch, NULL, NULL, &one, &err), 0);
	assert_int_equal(fetches, 1);
	offline = true;
	assert_int_equal(busybox_ensure_in(dir, fake_fetch, NULL, NULL, &two, &err), 0);
	assert_string_equal(one, two);
	assert_int_equal(file_write_atomic(one, "bosybux", 7, NULL), 0);
	assert_int_equal(busybox_ensure_in(dir, fake_fetch, NULL, NULL, &three, &err), -1);
	offline = false;
	assert_int_equal(busybox_ensure_in(dir, fake_fetch, NULL, NULL, &four, &err), 0);
	assert_int_equal(fetches, 2);
	remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(fetched_once_and_verified) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
