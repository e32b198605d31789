// SPDX-License-Identifier: GPL-2.0-or-later
/* Folio profiles in real guests: that a setting does what it says, by the kernel's own counters. Each test has the arm
 * that must not move beside the one that must. Needs QEMU and kernels in the cache; skips with the reason where they are
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "base/clock.h"
#include "base/proc.h"
#include "store/store.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"
#define KERNEL_64K "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K } }\n"
#define KERNEL_4K "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 4K } }\n"
#define KERNEL_7_2 "kernels: { k: { source: linux-source-7.2, suite: trixie-backports, pages: 4K } }\n"
#define GUEST "guest: { memory: 1GiB, accel: simulated }\n"

/* Run the matrix @text; its directory, owned by the caller. Skips where a kernel is not built. */
static char *run_matrix(const struct guest_fixture *f, const char *name, const char *text, int want_rc)
{
	_cleanup_free_ char *file = xasprintf("%s.yaml", name), *matrix = NULL, *out = NULL, *plan = NULL;
	char *run = path_join(f->dir, name);
	int rc;

	matrix = scratch_write(f->dir, file, text, strlen(text));
	assert_int_equal(GRANULE(&plan, "list", matrix), 0);
	if (!strstr(plan, " 0 kernels to build")) {
		printf("skipped: a kernel of %s is not built\n", name);
		free(run);
		return NULL;
	}
	rc = GRANULE(&out, "run", matrix, "-o", run, "-j", "1");
	if (rc != want_rc)
		fail_msg("exit code %d, not %d: %s", rc, want_rc, out);
	return run;
}

static void read_boot(const char *dir, const char *cell, struct boot_result *boot)
{
	struct err err = ERR_INIT;
	struct run *run;

	if (run_open(dir, &run, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(run_find_cell(run, cell));
	if (boot_read(run, run_find_cell(run, cell), 1, boot, &err) < 0)
		fail_msg("%s", err.msg);
	run_free(run);
}

/* What file @i of a FILE or FILES record is called and holds; false behind the last. */
static bool file_at(const struct wire_record *r, unsigned int i, char path[512], const struct wire_field **content)
{
	char folder[256], name[128];

	if (r->type == WIRE_FILE && r->n_fields == 6 && i == 0) {
		*content = &r->fields[5];
		return wire_text(r, 4, path, 512);
	}
	if (r->type != WIRE_FILES || 6 + 2 * i >= r->n_fields)
		return false;
	snprintf(path, 512, "%s/%s", wire_text(r, 4, folder, sizeof(folder)),
		 wire_text(r, 5 + 2 * i, name, sizeof(name)));
	*content = &r->fields[6 + 2 * i];
	return true;
}

/* The sum of the numbers in all files that end with @path, of the snapshots of sample 0 called @when. */
static uint64_t counter(const struct boot_result *boot, const char *path, const char *when)
{
	const struct wire_field *content;
	struct wire_record r;
	char name[512];
	uint64_t sum = 0;
	bool any = false;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(boot->stream, boot->stream_len, &offset, n, &r) == WIRE_OK; n++) {
		if ((r.type != WIRE_FILE && r.type != WIRE_FILES) || !wire_is(&r, 1, "sample") ||
		    !wire_is(&r, 2, "0") || !wire_is(&r, 3, when))
			continue;
		for (unsigned int i = 0; file_at(&r, i, name, &content); i++) {
			_cleanup_free_ char *text = xstrndup(content->data, content->len);

			if (!ends_with(name, path))
				continue;
			sum += strtoull(text, NULL, 10);
			any = true;
		}
	}
	if (!any)
		fail_msg("no file %s in a snapshot called %s", path, when);
	return sum;
}

static uint64_t moved(const struct boot_result *boot, const char *path)
{
	return counter(boot, path, "after") - counter(boot, path, "before");
}

/* What the last setting called @path was found to be; owned by the caller. */
static char *effective(const struct boot_result *boot, const char *path)
{
	char name[256], value[256], *found = NULL;
	struct wire_record r;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(boot->stream, boot->stream_len, &offset, n, &r) == WIRE_OK; n++) {
		if (r.type != WIRE_SETTING || strcmp(wire_text(&r, 0, name, sizeof(name)), path) != 0)
			continue;
		free(found);
		found = xstrdup(wire_text(&r, 2, value, sizeof(value)));
	}
	if (!found)
		fail_msg("no setting %s", path);
	return found;
}

#define REQUIRE(run)                                                                                                   \
	do {                                                                                                           \
		if (!(run))                                                                                            \
			skip();                                                                                        \
	} while (0)

/* A sample that sleeps for 20 s of guest time, twice the pause that khugepaged makes by default. Caught: its sleep not
 * set, or set before pages_to_scan, or behind `enabled`. That the counter can move is what the other arms show. At 4K: at
 * 64K no mapping of the program holds a PMD's 512M, khugepaged has nothing to look at, and its counters never move. */
static void khugepaged_is_quiet(void **state)
{
	static const struct {
		const char *cell;
		bool moves;
	} cases[] = { { "k.quiet.sleeps", false }, { "k.default-rate.sleeps", true }, { "k.fast.sleeps", true } };
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL;

	REQUIRE_GUESTS(f);
	run = run_matrix(f, "khugepaged",
			 "matrix: khugepaged\n" GUEST KERNEL_4K "folios:\n"
			 "  quiet: { thp: always }\n"
			 "  default-rate: { thp: always, khugepaged: yes }\n"
			 "  fast: { thp: always, khugepaged: yes, pages_to_scan: 100000, scan_sleep_millisecs: 100 }\n"
			 "workloads: { sleeps: { null: { touch: 16M, fail: hang } } }\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1 }\n",
			 4);
	REQUIRE(run);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct boot_result boot;
		uint64_t scans, collapsed;

		read_boot(run, cases[i].cell, &boot);
		scans = moved(&boot, THP "khugepaged/full_scans");
		collapsed = moved(&boot, THP "khugepaged/pages_collapsed");
		print_message("%s: full_scans +%llu, pages_collapsed +%llu in 20 s\n", cases[i].cell,
			      (unsigned long long)scans, (unsigned long long)collapsed);
		assert_true(cases[i].moves ? scans > 0 : scans == 0);
		assert_true(cases[i].moves || collapsed == 0);
		boot_result_free(&boot);
	}
}

/* The option reaches the mount that the workload works on, and the kernel then makes large folios for its files. At 4K: the
 * test faults a mapping in, and a file's folio must lie in the mapping as it lies in the file. Mappings of a tmpfs are placed
 * on a PMD's boundary where they are as large as a PMD (mm/shmem.c, shmem_get_unmapped_area()), which 128M at 64K is not. */
static void tmpfs_huge_reaches_the_mount(void **state)
{
	struct guest_fixture *f = *state;
	struct boot_result always, never;
	_cleanup_free_ char *run = NULL, *on = NULL, *off = NULL;

	REQUIRE_GUESTS(f);
	run = run_matrix(f, "tmpfs",
			 "matrix: tmpfs\n" GUEST KERNEL_7_2
			 "folios: { always: { tmpfs_huge: always }, never: { tmpfs_huge: never } }\n"
			 "workloads: { file: { will-it-scale: { tests: [page_fault3], bytes: 128MiB } } }\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1 }\n",
			 0);
	REQUIRE(run);
	read_boot(run, "k.always.file", &always);
	read_boot(run, "k.never.file", &never);
	on = effective(&always, "mount/tmp/huge");
	off = effective(&never, "mount/tmp/huge");
	assert_string_equal(on, "always");
	assert_string_equal(off, "never");
	print_message("shmem_alloc of all sizes: +%llu with always, +%llu with never\n",
		      (unsigned long long)moved(&always, "/stats/shmem_alloc"),
		      (unsigned long long)moved(&never, "/stats/shmem_alloc"));
	assert_true(moved(&always, "/stats/shmem_alloc") > 0);
	assert_int_equal(moved(&never, "/stats/shmem_alloc"), 0);
	boot_result_free(&always);
	boot_result_free(&never);
}

/* The words reach the kernel, what they do not name is never, and a profile that asks what this kernel lacks is
 * unsupported by the guest's own word. */
static void words_and_absent_files(void **state)
{
	struct guest_fixture *f = *state;
	struct boot_result words, lacks;
	_cleanup_free_ char *run = NULL, *two = NULL, *pmd = NULL, *thp = NULL;

	REQUIRE_GUESTS(f);
	run = run_matrix(f, "words",
			 "matrix: words\n" GUEST KERNEL_64K "folios:\n"
			 "  words: { transparent_hugepage: never, thp_anon: { 2M: always } }\n"
			 "  lacks: { read_ahead_kb: 256 }\n"
			 "workloads: { nothing: { null: { hold: no } } }\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1 }\n",
			 4);
	REQUIRE(run);
	read_boot(run, "k.words.nothing", &words);
	assert_int_equal(words.outcome, OUTCOME_OK);
	two = effective(&words, THP "hugepages-2048kB/enabled");
	pmd = effective(&words, THP "hugepages-524288kB/enabled");
	thp = effective(&words, THP "enabled");
	assert_string_equal(two, "always");
	assert_string_equal(pmd, "never"); /* inherit without the word */
	assert_string_equal(thp, "never"); /* madvise without the word */
	read_boot(run, "k.lacks.nothing", &lacks);
	assert_int_equal(lacks.outcome, OUTCOME_UNSUPPORTED);
	assert_non_null(strstr(lacks.reason, "read_ahead_kb"));
	boot_result_free(&words);
	boot_result_free(&lacks);
}

/* To a stated degree, with an effect, and again the same bytes. */
static void memory_is_broken_up(void **state)
{
	struct guest_fixture *f = *state;
	struct boot_result fresh, broken;
	_cleanup_free_ char *run = NULL, *reached = NULL, *out = NULL;

	REQUIRE_GUESTS(f);
	run = run_matrix(f, "broken",
			 "matrix: broken\n" GUEST KERNEL_64K "folios:\n"
			 "  fresh: { thp: never, anon: { 2M: always } }\n"
			 "  broken: { thp: never, anon: { 2M: always }, state: fragmented }\n"
			 "  more: { state: fragmented, fragment_percent: 100 }\n"
			 "workloads: { faults: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } } }\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1 }\n",
			 4);
	REQUIRE(run);
	read_boot(run, "k.fresh.faults", &fresh);
	read_boot(run, "k.broken.faults", &broken);
	reached = effective(&broken, "fragment/2097152/percent");
	print_message("fragmented to %s%%; anon_fault_fallback +%llu, fresh +%llu\n", reached,
		      (unsigned long long)moved(&broken, "hugepages-2048kB/stats/anon_fault_fallback"),
		      (unsigned long long)moved(&fresh, "hugepages-2048kB/stats/anon_fault_fallback"));
	assert_true(strtod(reached, NULL) >= 90);
	assert_true(moved(&broken, "hugepages-2048kB/stats/anon_fault_fallback") > 0);
	assert_int_equal(moved(&fresh, "hugepages-2048kB/stats/anon_fault_fallback"), 0);
	boot_result_free(&fresh);
	boot_result_free(&broken);
	read_boot(run, "k.more.faults", &broken);
	assert_int_equal(broken.outcome, OUTCOME_SETTINGS_FAILED);
	assert_non_null(strstr(broken.reason, "of the free memory lies in smaller blocks"));
	boot_result_free(&broken);
	if (GRANULE(&out, "verify", run, "--sample", "3") != 0)
		fail_msg("%s", out);
}

static void limits_kill(void **state)
{
	struct guest_fixture *f = *state;
	struct boot_result boot;
	_cleanup_free_ char *run = NULL, *none = NULL, *some = NULL;

	REQUIRE_GUESTS(f);
	run = run_matrix(f, "limits",
			 "matrix: limits\n" GUEST KERNEL_64K "folios: { off: { thp: never } }\n"
			 "workloads: { faults: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } } }\n"
			 "limit: [none, 192MiB, 96MiB]\n"
			 "trials: { seeds: 1, warmups: 0, samples: 1 }\n",
			 4);
	REQUIRE(run);
	read_boot(run, "k.off.faults.none", &boot);
	assert_int_equal(boot.outcome, OUTCOME_OK);
	none = effective(&boot, "cgroup/memory.max");
	assert_string_equal(none, "max");
	boot_result_free(&boot);
	read_boot(run, "k.off.faults.192m", &boot);
	assert_int_equal(boot.outcome, OUTCOME_OK);
	some = effective(&boot, "cgroup/memory.max");
	assert_string_equal(some, "201326592");
	boot_result_free(&boot);
	read_boot(run, "k.off.faults.96m", &boot);
	assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
	assert_non_null(strstr(boot.reason, "(the OOM killer: its cgroup's memory.max is 100663296)"));
	boot_result_free(&boot);
}

/* The lines "## KNOB" and, behind each, the field of 6.12 at 64K. */
static char *column(const char *table)
{
	/* depends on how much memory the kernel itself takes, and so on its compiler and on QEMU's devices */
	static const char varies[] = "## min_free_kbytes";
	struct text t = { 0 };
	bool skipped = false;

	for (const char *p = table; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t len = strcspn(p, "\n");
		const char *end = p + len - 2, *bar = end;

		if (len > 3 && !strncmp(p, "## ", 3)) {
			text_add(&t, "%.*s\n", (int)len, p);
			skipped = len == strlen(varies) && !strncmp(p, varies, len);
		}
		if (skipped || len < 8 || strncmp(p, "| 6.12 |", 8) != 0)
			continue;
		while (*bar != '|')
			bar--;
		text_add(&t, "%.*s\n", (int)(end - bar), bar);
	}
	return text_steal(&t);
}

/* docs/folio-support.md says what a run of its matrix says: made again, one column of it. */
static void the_table_is_true(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *program = NULL, *run = NULL, *out = NULL, *made = NULL, *kept = NULL, *ours = NULL,
			    *theirs = NULL;
	const char *build = getenv("GRANULE_BUILD");
	struct err err = ERR_INIT;

	REQUIRE_GUESTS(f);
	program = path_join(build ? build : "build", "folio-table");
	run = path_join(f->dir, "support");
	if (GRANULE(&out, "run", "matrices/folio-support.yaml", "--only", "6_12-64k*", "-o", run, "-j", "1") == 3)
		fail_msg("%s", out);
	if (proc_capture((char *[]){ program, run, NULL }, now_ns() + 20 * NSEC_PER_SEC, 1 << 20, &made, &err) != 0 ||
	    file_read("docs/folio-support.md", 1 << 20, &kept, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	ours = column(made);
	theirs = column(kept);
	assert_non_null(strstr(ours, "## thp\n"));
	assert_string_equal(ours, theirs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(khugepaged_is_quiet),
		cmocka_unit_test(tmpfs_huge_reaches_the_mount),
		cmocka_unit_test(words_and_absent_files),
		cmocka_unit_test(memory_is_broken_up),
		cmocka_unit_test(limits_kill),
		cmocka_unit_test(the_table_is_true),
	};

	return cmocka_run_group_tests(tests, guest_setup, guest_teardown);
}
