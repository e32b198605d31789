// SPDX-License-Identifier: GPL-2.0-or-later
/* What is read of a host, from a sysfs made up. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "guest/provenance.h"
#include "tests/pipeline.h"

static void put(const char *root, const char *path, const char *text)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", root, path), *dir = xasprintf("%s%s/..", root, path);

	*strrchr(dir, '/') = '\0';
	*strrchr(dir, '/') = '\0';
	assert_int_equal(make_dirs(dir, NULL), 0);
	free(scratch_write(dir, strrchr(path, '/') + 1, text, strlen(text)));
}

static void assert_value(const json_t *o, const char *key, const char *expected)
{
	assert_string_equal(json_string_value(json_object_get(o, key)), expected);
}

/* Caught: the first policy for the chosen one, the first CPU for all, a newline kept. */
static void a_host(void **state)
{
	char *root = scratch_make();
	json_t *o;

	(void)state;
	put(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	put(root, "/sys/devices/system/cpu/smt/control", "off\n");
	put(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
	put(root, "/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
	    sysconf(_SC_NPROCESSORS_CONF) > 1 ? "powersave\n" : "");
	o = provenance_read(root, 3);
	assert_value(o, "backing", "preallocated, thp madvise");
	assert_value(o, "smt", "off");
	assert_value(o, "governor", sysconf(_SC_NPROCESSORS_CONF) > 1 ? "performance+powersave" : "performance");
	assert_int_equal(json_integer_value(json_object_get(o, "jobs")), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "page_bytes")), sysconf(_SC_PAGESIZE));
	json_decref(o);
	scratch_remove(root);
}

/* Caught: a missing file that is an error, a list of all CPUs where "all" is meant, ranges that end too early. */
static void nothing_there(void **state)
{
	cpu_set_t before, one;
	json_t *o = provenance_read("/nowhere", 0);

	(void)state;
	assert_value(o, "backing", "preallocated, no thp");
	assert_value(o, "smt", "none");
	assert_value(o, "governor", "none");
	json_decref(o);
	if (sched_getaffinity(0, sizeof(before), &before) < 0 || CPU_COUNT(&before) < 2)
		return;
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &one);
	if (CPU_ISSET(0, &one) && sched_setaffinity(0, sizeof(one), &one) == 0) {
		o = provenance_read("/nowhere", 0);
		assert_value(o, "pinning", "0");
		json_decref(o);
	}
	sched_setaffinity(0, sizeof(before), &before);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_host), cmocka_unit_test(nothing_there) };

	return cmocka_run_group_tests_name("guest-provenance", tests, NULL, NULL);
}
