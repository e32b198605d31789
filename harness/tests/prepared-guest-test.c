// SPDX-License-Identifier: GPL-2.0-or-later
/* What one guest prepared is read by guests of two base pages, byte for byte, and they repeat. Null's program checks
 * contents, owner, mode and a link: a byte that differs fails the boot. Needs QEMU and the kernels of
 * matrices/smoke.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"

static char *run_into(const struct guest_fixture *f, const char *name, const char *trials)
{
	_cleanup_free_ char *text = xasprintf("matrix: m\nguest: { memory: 512MiB, accel: simulated }\nkernels:\n"
					      "  4k: { source: linux-source-6.12, suite: trixie, pages: 4K }\n"
					      "  64k: { source: linux-source-6.12, suite: trixie, pages: 64K }\n"
					      "folios: { off: { thp: never } }\n"
					      "workloads: { w: { null: { prepared: 3000001 } } }\n"
					      "trials: { seeds: 1, samples: 1%s }\n",
					      trials);
	_cleanup_free_ char *file = xasprintf("%s.yaml", name), *out = NULL,
			    *matrix = scratch_write(f->dir, file, text, strlen(text));
	char *run = path_join(f->dir, name);
	int code = GRANULE(&out, "run", "--fresh", "-j", "1", "-o", run, matrix);

	if (code || !strstr(out, "2 boots, 2 ok"))
		fail_msg("exit code %d: %s", code, out);
	return run;
}

static void read_at_two_base_pages(void **state)
{
	const struct guest_fixture *f = *state;
	_cleanup_free_ char *one = NULL, *two = NULL, *each = NULL, *a = NULL, *b = NULL;

	REQUIRE_GUESTS(f);
	one = run_into(f, "one", "");
	two = run_into(f, "two", "");
	each = run_into(f, "each", ", prepare: each");
	a = run_digest(one);
	b = run_digest(two);
	assert_string_equal(a, b);
	free(b);
	/* another guest, another stream: so the comparison can fail */
	b = run_digest(each);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_at_two_base_pages),
	};

	return cmocka_run_group_tests_name("prepared-guest", tests, guest_setup, guest_teardown);
}
