// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's pure parts: what a knob shows, when two values are equal, globs, which lines are steps. The agent is no
 * part of the archive, so its sources are taken in here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/disk.c"
#include "agent/emit.c"
#include "agent/exec.c"
#include "agent/folios.c"
#include "agent/fragment.c"
#include "agent/init.c"
#include "agent/keep.c"
#include "agent/pmu.c"
#include "agent/root.c"
#include "agent/service.c"
#include "agent/settings.c"
#include "agent/series.c"
#include "agent/snapshot.c"
#include "agent/steps.c"
#include "agent/storage.c"

static void values(void **state)
{
	static const struct {
		const char *content, *value;
	} cases[] = {
		{ "always madvise [never]\n", "never" },
		{ "always defer [defer+madvise] madvise never\n", "defer+madvise" },
		{ "[always] inherit madvise never\n", "always" },
		{ "65536\n", "65536" },
		{ "  two words \n\n", "two words" },
		{ "", "" },
		{ "\n", "" },
		{ "[", "[" },
		{ "a ] b [ c", "a ] b [ c" },
		{ "[ spaced ]", "spaced" },
		{ "[]", "" },
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setting_value(cases[i].content, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].value);
	}
	setting_value("a very long value", buf, 7);
	assert_string_equal(buf, "a very");
}

static void equality(void **state)
{
	(void)state;
	assert_true(setting_equal("never", "never"));
	assert_false(setting_equal("never", "always"));
	assert_true(setting_equal("0", "0"));
	assert_true(setting_equal("010", "10"));
	assert_false(setting_equal("1", "2"));
	assert_false(setting_equal("1", "1 2"));
	assert_false(setting_equal("4K", "4"));
	assert_false(setting_equal("", "0"));
	assert_false(setting_equal("99999999999999999999", "99999999999999999998"));
}

struct found {
	char text[4096];
};

static void found_one(void *arg, const char *path)
{
	struct found *f = arg;

	strcat(strcat(f->text, path), "\n");
}

static void globs(void **state)
{
	static const char *const made[] = { "a/hugepages-2048kB/stats/swpout", "a/hugepages-64kB/stats/split",
					    "a/hugepages-64kB/stats/swpout", "a/hugepages-64kB/enabled",
					    "a/.hugepages-1kB/stats/swpout" };
	char dir[] = "/tmp/agent-glob.XXXXXX", path[256], pattern[256], want[1024];
	struct found f = { "" };

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, made[i]);
		make_file(path);
	}
	snprintf(pattern, sizeof(pattern), "%s/a/hugepages-*kB/stats/s*t", dir);
	assert_int_equal(glob_walk(pattern, found_one, &f), 3);
	snprintf(want, sizeof(want), "%s/%s\n%s/%s\n%s/%s\n", dir, made[0], dir, made[1], dir, made[2]);
	assert_string_equal(f.text, want);
	f.text[0] = '\0';
	snprintf(pattern, sizeof(pattern), "%s/a/huge*/nothing/*", dir);
	assert_int_equal(glob_walk(pattern, found_one, &f), 0);
	snprintf(pattern, sizeof(pattern), "%s/a/*/enabled", dir);
	assert_int_equal(glob_walk(pattern, found_one, &f), 1);
	snprintf(pattern, sizeof(pattern), "rm -r %s", dir);
	assert_int_equal(system(pattern), 0);
}

static const char *check(const char *text)
{
	static char line[4096];
	char *words[JOB_WORDS_MAX];

	snprintf(line, sizeof(line), "%s", text);
	return step_check(words, job_split(line, words));
}

static void steps(void **state)
{
	static const char *const good[] = {
		"expect\tpage_size\t65536",
		"mount\ttmpfs\t/tmp\thuge=always",
		"set\t/sys/x\tnever\tmust",
		"set\t/sys/x\t\tmay",
		"check\t/sys/x\tnever",
		"probe\t/sys/x\t0 1 2",
		"tmpfs\talways\talways",
		"limit\tmax",
		"limit\t201326592",
		"fragment\t2097152\t90",
		"disk\tstorage\tnull_blk\t536870912\tirqmode=2\tcompletion_nsec=80000",
		"disk\tswap\tzram\t268435456",
		"make\t600\t/mkfs/ld.so\t/mkfs/mke2fs\t/dev/storage",
		"attach\text4\tstorage\t/storage\t-\t4096",
		"bind\t/storage\t/tmp",
		"swapon\tswap\t268435456",
		"watch\t/disk/storage/stat",
		"watch\t/proc/vmstat",
		"watch\t/sys/*/stats/*",
		"idle",
		"exec\tpage_fault1_threads-2\tsample\t0\t600\t/bin/x\t--tasks\t2",
		"shell",
	};
	static const char *const bad[] = {
		"",
		"reboot",
		"expect\tpage_size",
		"expect\trelease\t6",
		"expect\tpage_size\t64K",
		"set\tsys/x\tnever\tmust",
		"set\t/sys/x\tnever\tperhaps",
		"set\t/sys/x\tnever\tbracket",
		"check\tsys/x\tnever",
		"probe\t/sys/x",
		"tmpfs\talways",
		"limit\t192M",
		"fragment\t2M\t90",
		"disk\tstorage\tfloppy\t536870912",
		"disk\t../storage\tbrd\t536870912",
		"disk\tstorage\tbrd\t512M",
		"disk\tstorage\tnull_blk\t536870912\tirqmode",
		"disk\tstorage\tnull_blk\t536870912\t../power=1",
		"make\t600\tmke2fs",
		"make\tlong\t/mkfs/mke2fs",
		"attach\text4\tstorage\tstorage\t-\t4096",
		"attach\text4\tsto/rage\t/storage\t-\t4096",
		"bind\tstorage\t/tmp",
		"swapon\tswap",
		"swapon\tswap\tall",
		"fragment\t2097152",
		"set\t/sys/x\tnever",
		"set\t/sys/../etc/x\tnever\tmust",
		"watch\tproc",
		"idle\tnow",
		"exec\tx\tsample\t0\t600",
		"exec\tx/y\tsample\t0\t600\t/bin/x",
		"exec\tcgroup.procs\tsample\t0\t600\t/bin/x",
		"exec\t\tsample\t0\t600\t/bin/x",
		"exec\tx\tnothing\t0\t600\t/bin/x",
		"exec\tx\tsample\t-1\t600\t/bin/x",
		"exec\tx\tsample\t0\t9999999999\t/bin/x",
		"exec\tx\tsample\t0\t600\tbin/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (check(good[i]))
			fail_msg("%s: %s", good[i], check(good[i]));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!check(bad[i]))
			fail_msg("%s is taken for a step", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(equality),
		cmocka_unit_test(globs),
		cmocka_unit_test(steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
