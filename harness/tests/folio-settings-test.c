// SPDX-License-Identifier: GPL-2.0-or-later
/* Folio profiles: sizes by base page (the table of the kernel's transhuge.rst), the files and their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "matrix/folio.h"
#include "tests/matrix-registry.h"

#define K UINT64_C(1024)
#define M (K * 1024)

static const struct kernel_version v6_1 = { 6, 1 }, v6_12 = { 6, 12 }, v7_2 = { 7, 2 }, unknown = { 0, 0 };

/* A matrix with the profile @folio; the profile is its first. */
static struct matrix *with_folio(const char *folio)
{
	_cleanup_free_ char *text = xasprintf("matrix: m\nkernels: { i: { image: /Image } }\nfolios: { f: %s }\n"
					      "workloads: { w: { null: } }\n",
					      folio);
	struct matrix *m = NULL;
	struct err err = ERR_INIT;

	if (matrix_parse(text, "m.yaml", &m, &err) < 0)
		fail_msg("%s", err.msg);
	return m;
}

static void assert_unsupported(const char *folio, uint64_t page_bytes, struct kernel_version version,
			       const char *expected)
{
	struct matrix *m = with_folio(folio);
	_cleanup_free_ char *why = folio_unsupported(&m->folios[0], page_bytes, version);

	if (!why != !expected || (why && expected && strcmp(why, expected)))
		fail_msg("%s at %llu: %s, expected %s", folio, (unsigned long long)page_bytes, why ? why : "supported",
			 expected ? expected : "supported");
	matrix_free(m);
}

static void versions(void **state)
{
	struct kernel_version v = { 0 };

	(void)state;
	assert_true(kernel_version_parse("6.12.86+deb13", &v));
	assert_int_equal(v.major, 6);
	assert_int_equal(v.minor, 12);
	assert_true(kernel_version_parse("7.2-granule", &v));
	assert_int_equal(v.major, 7);
	assert_int_equal(v.minor, 2);
	assert_false(kernel_version_parse("", &v));
	assert_false(kernel_version_parse("6", &v));
	assert_false(kernel_version_parse("6-12", &v));
	assert_false(kernel_version_parse("v6.12", &v));
	assert_false(kernel_version_parse("6.", &v));
	assert_false(kernel_version_parse("99999999999.1", &v));
	assert_int_equal(v.major, 7);
}

static void sizes(void **state)
{
	static const struct {
		uint64_t page, pmd, anon_first, shmem_first, shmem_last;
	} table[] = {
		{ 4 * K, 2 * M, 16 * K, 8 * K, 2 * M },
		{ 16 * K, 32 * M, 64 * K, 32 * K, 32 * M },
		{ 64 * K, 512 * M, 256 * K, 128 * K, 128 * M },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		uint64_t first, last;

		assert_int_equal(folio_pmd_bytes(table[i].page), table[i].pmd);
		folio_anon_sizes(table[i].page, &first, &last);
		assert_int_equal(first, table[i].anon_first);
		assert_int_equal(last, table[i].pmd);
		folio_shmem_sizes(table[i].page, &first, &last);
		assert_int_equal(first, table[i].shmem_first);
		assert_int_equal(last, table[i].shmem_last);
	}
}

static void unsupported(void **state)
{
	const char *at_64k = "mTHP size 16K does not exist at 64K base pages; sizes there: 256K 512K ... 512M";

	(void)state;
	assert_unsupported("{ anon: { 16K: always } }", 64 * K, v6_12, at_64k);
	assert_unsupported("{ anon: { 16K: always } }", 64 * K, unknown, at_64k);
	assert_unsupported("{ anon: { 16K: always } }", 4 * K, v6_12, NULL);
	assert_unsupported("{ anon: { 16K: always } }", 0, v6_12, NULL);
	/* both ends */
	assert_unsupported("{ anon: { 256K: always, 512M: inherit } }", 64 * K, v7_2, NULL);
	assert_unsupported("{ anon: { 2M: always } }", 4 * K, v6_12, NULL);
	assert_unsupported("{ anon: { 2M: always } }", 16 * K, v6_12, NULL);
	assert_unsupported("{ anon: { 4M: always } }", 4 * K, v6_12,
			   "mTHP size 4M does not exist at 4K base pages; sizes there: 16K 32K ... 2M");
	assert_unsupported("{ anon: { 64M: never } }", 16 * K, v6_12,
			   "mTHP size 64M does not exist at 16K base pages; sizes there: 64K 128K ... 32M");
	/* order 1: shmem only */
	assert_unsupported("{ shmem_sizes: { 8K: always } }", 4 * K, v6_12, NULL);
	assert_unsupported("{ shmem_sizes: { 8K: always } }", 16 * K, v6_12,
			   "shmem size 8K does not exist at 16K base pages; sizes there: 32K 64K ... 32M");
	assert_unsupported("{ shmem_sizes: { 128M: always } }", 64 * K, v7_2, NULL);
	/* by release */
	assert_unsupported("{ anon: { 64K: always } }", 4 * K, v6_1, "kernel 6.1 has no anon (it came with 6.8)");
	assert_unsupported("{ shmem_sizes: { 64K: always } }", 4 * K, (struct kernel_version){ 6, 8 },
			   "kernel 6.8 has no shmem_sizes (it came with 6.11)");
	assert_unsupported("{ thp: always, shmem: always }", 4 * K, v6_1, NULL);
}

/* Each row of the table at the last release without it and the first with it; and what a base page does not have. Caught: a
 * row without its release, a domain that is not looked at. */
static void unsupported_knobs(void **state)
{
	static const struct {
		const char *folio;
		struct kernel_version last_without;
		const char *expected;
	} since[] = {
		{ "{ thp_anon: { 2M: always } }", { 6, 11 }, "kernel 6.11 has no thp_anon= (it came with 6.12)" },
		{ "{ thp_shmem: { 2M: always } }", { 6, 12 }, "kernel 6.12 has no thp_shmem= (it came with 6.13)" },
		{ "{ transparent_hugepage_shmem: force }",
		  { 6, 12 },
		  "kernel 6.12 has no transparent_hugepage_shmem= (it came with 6.13)" },
		{ "{ transparent_hugepage_tmpfs: always }",
		  { 6, 13 },
		  "kernel 6.13 has no transparent_hugepage_tmpfs= (it came with 6.14)" },
		{ "{ shrink_underused: yes }", { 6, 11 }, "kernel 6.11 has no shrink_underused (it came with 6.12)" },
		{ "{ defrag_mode: yes }", { 6, 14 }, "kernel 6.14 has no defrag_mode (it came with 6.15)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(since); i++) {
		struct kernel_version v = since[i].last_without;

		assert_unsupported(since[i].folio, 4 * K, v, since[i].expected);
		v.minor++;
		assert_unsupported(since[i].folio, 4 * K, v, NULL);
		assert_unsupported(since[i].folio, 4 * K, unknown, NULL);
	}
	assert_unsupported("{ tmpfs_huge: always, use_zero_page: no, max_ptes_none: 0, swappiness: 0 }", 4 * K, v6_1,
			   NULL);
	assert_unsupported("{ max_ptes_none: 511 }", 4 * K, v6_1, NULL);
	assert_unsupported("{ max_ptes_none: 512 }", 4 * K, v6_1,
			   "max_ptes_none is at most 511 at 4K base pages, one less than a PMD has entries");
	assert_unsupported("{ max_ptes_shared: 8191 }", 64 * K, v7_2, NULL);
	assert_unsupported("{ thp_anon: { 16K: always } }", 64 * K, v6_12,
			   "mTHP size 16K does not exist at 64K base pages; sizes there: 256K 512K ... 512M");
	assert_unsupported("{ fault_around_bytes: 16K }", 64 * K, v6_12,
			   "fault_around_bytes: 16K does not exist at 64K base pages; it is a power of two from 64K to "
			   "512M");
	assert_unsupported("{ state: fragmented }", 64 * K, v6_1, NULL);
	assert_unsupported(
		"{ state: fragmented, fragment_size: 64K }", 64 * K, v6_1,
		"fragment_size: 64K does not exist at 64K base pages; it is a power of two from 128K to 512M");
	assert_unsupported("{ state: fragmented, fragment_size: 4M }", 4 * K, v6_1, NULL);
	assert_unsupported("{ state: fragmented, fragment_size: 8M }", 4 * K, v6_1,
			   "fragment_size: 8M does not exist at 4K base pages; it is a power of two from 8K to 4M");
}

static char *command_line_of(const char *folio)
{
	struct matrix *m = with_folio(folio);
	char *words = folio_command_line(&m->folios[0]);

	matrix_free(m);
	return words;
}

static void command_lines(void **state)
{
	_cleanup_free_ char *none = command_line_of("{ thp: always, tmpfs_huge: always }");
	_cleanup_free_ char *all =
		command_line_of("{ transparent_hugepage_tmpfs: within_size, thp_shmem: { 64K: advise }, "
				"transparent_hugepage_shmem: deny, transparent_hugepage: never, "
				"thp_anon: { 2M: inherit, 64K: always } }");

	(void)state;
	assert_null(none);
	assert_string_equal(all, "transparent_hugepage=never thp_anon=64K:always;2M:inherit "
				 "transparent_hugepage_shmem=deny thp_shmem=64K:advise "
				 "transparent_hugepage_tmpfs=within_size");
}

/* "PATH=VALUE" a line, with the sysfs prefix cut; "?" before what may be absent. */
static char *settings_of(const char *folio)
{
	const char *prefix = "/sys/kernel/mm/transparent_hugepage/";
	struct matrix *m = with_folio(folio);
	struct folio_step *v;
	struct text t = { 0 };
	size_t n;

	folio_steps(&m->folios[0], 64 * K, &v, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].verb, "knob") != 0 && strcmp(v[i].verb, "probe") != 0)
			text_add(&t, "%s%s%s%s=%s\n", strcmp(v[i].verb, "set") ? v[i].verb : "",
				 strcmp(v[i].verb, "set") ? " " : "", v[i].must ? "" : "?",
				 v[i].path + (starts_with(v[i].path, prefix) ? strlen(prefix) : 0), v[i].value);
	folio_steps_free(v, n);
	matrix_free(m);
	return text_steal(&t);
}

static void settings(void **state)
{
	_cleanup_free_ char *nothing = settings_of("{}");
	_cleanup_free_ char *asked = settings_of("{ khugepaged: yes, min_free_kbytes: 2048 }");
	_cleanup_free_ char *all =
		settings_of("{ min_free_kbytes: 4096, thp: always, shmem: within_size, defrag: defer+madvise, "
			    "shmem_sizes: { 2M: advise, 128K: inherit }, anon: { 512M: inherit, 2M: always } }");

	(void)state;
	assert_string_equal(nothing, "?khugepaged/pages_to_scan=1\n"
				     "?khugepaged/scan_sleep_millisecs=4294967295\n"
				     "tmpfs -=-\n"
				     "/proc/sys/vm/min_free_kbytes=65536\n");
	assert_string_equal(asked, "tmpfs -=-\n/proc/sys/vm/min_free_kbytes=2048\n");
	assert_string_equal(all, "?khugepaged/pages_to_scan=1\n"
				 "?khugepaged/scan_sleep_millisecs=4294967295\n"
				 "defrag=defer+madvise\n"
				 "hugepages-2048kB/enabled=always\n"
				 "hugepages-524288kB/enabled=inherit\n"
				 "hugepages-128kB/shmem_enabled=inherit\n"
				 "hugepages-2048kB/shmem_enabled=advise\n"
				 "shmem_enabled=within_size\n"
				 "enabled=always\n"
				 "tmpfs -=-\n"
				 "/proc/sys/vm/min_free_kbytes=4096\n");
}

/* Every kind of step, in order: what the command line did is checked first; khugepaged's rate before its sleep; then all
 * else; min_free_kbytes behind whatever may raise it, and only then is memory broken up. */
static void steps_in_order(void **state)
{
	_cleanup_free_ char *running =
		settings_of("{ khugepaged: yes, scan_sleep_millisecs: 10, pages_to_scan: 4096, max_ptes_none: 0, "
			    "khugepaged_defrag: no, alloc_sleep_millisecs: 0, thp: always }");
	_cleanup_free_ char *words = settings_of("{ thp_anon: { 512M: inherit }, transparent_hugepage: never, "
						 "tmpfs_huge: never, transparent_hugepage_tmpfs: always }");
	_cleanup_free_ char *rest =
		settings_of("{ state: fragmented, fragment_size: 4M, demotion: yes, numa_balancing: 2, swappiness: 0, "
			    "page_cluster: 0, defrag_mode: yes, fault_around_bytes: 64K, read_ahead_kb: 256, "
			    "use_zero_page: no, shrink_underused: yes, transparent_hugepage_tmpfs: advise }");

	(void)state;
	assert_string_equal(running, "khugepaged/defrag=0\n"
				     "khugepaged/max_ptes_none=0\n"
				     "khugepaged/alloc_sleep_millisecs=0\n"
				     "khugepaged/pages_to_scan=4096\n"
				     "khugepaged/scan_sleep_millisecs=10\n"
				     "enabled=always\n"
				     "tmpfs -=-\n"
				     "/proc/sys/vm/min_free_kbytes=65536\n");
	assert_string_equal(words, "check enabled=never\n"
				   "check hugepages-256kB/enabled=never\n"
				   "check hugepages-512kB/enabled=never\n"
				   "check hugepages-1024kB/enabled=never\n"
				   "check hugepages-2048kB/enabled=never\n"
				   "check hugepages-4096kB/enabled=never\n"
				   "check hugepages-8192kB/enabled=never\n"
				   "check hugepages-16384kB/enabled=never\n"
				   "check hugepages-32768kB/enabled=never\n"
				   "check hugepages-65536kB/enabled=never\n"
				   "check hugepages-131072kB/enabled=never\n"
				   "check hugepages-262144kB/enabled=never\n"
				   "check hugepages-524288kB/enabled=inherit\n"
				   "?khugepaged/pages_to_scan=1\n"
				   "?khugepaged/scan_sleep_millisecs=4294967295\n"
				   "tmpfs never=never\n"
				   "/proc/sys/vm/min_free_kbytes=65536\n");
	assert_string_equal(rest, "?khugepaged/pages_to_scan=1\n"
				  "?khugepaged/scan_sleep_millisecs=4294967295\n"
				  "mount /sys/kernel/debug=debugfs\n"
				  "use_zero_page=0\n"
				  "shrink_underused=1\n"
				  "/proc/sys/vm/swappiness=0\n"
				  "/proc/sys/vm/page-cluster=0\n"
				  "/proc/sys/vm/defrag_mode=1\n"
				  "/proc/sys/kernel/numa_balancing=2\n"
				  "/sys/kernel/mm/numa/demotion_enabled=true\n"
				  "/sys/kernel/debug/fault_around_bytes=65536\n"
				  "/sys/class/bdi/*/read_ahead_kb=256\n"
				  "tmpfs -=advise\n"
				  "/proc/sys/vm/min_free_kbytes=65536\n"
				  "fragment 4194304=90\n");
}

static void asks(void **state)
{
	static const struct {
		const char *folio;
		bool asks;
	} table[] = {
		{ "{}", false },
		{ "{ thp: never }", false },
		{ "{ thp: always }", true },
		{ "{ thp: madvise }", true },
		{ "{ thp: never, anon: { 64K: always } }", true },
		{ "{ thp: never, anon: { 64K: madvise } }", true },
		{ "{ thp: never, anon: { 64K: inherit } }", false },
		{ "{ anon: { 64K: inherit } }", true },
		{ "{ anon: { 64K: never } }", false },
		{ "{ anon: { 64K: never, 2M: always } }", true },
		{ "{ thp: never, shmem: always }", true },
		{ "{ thp: never, shmem: force }", true },
		{ "{ shmem: never }", false },
		{ "{ shmem: deny }", false },
		{ "{ shmem: never, shmem_sizes: { 64K: advise } }", true },
		{ "{ shmem: never, shmem_sizes: { 64K: inherit } }", false },
		{ "{ shmem_sizes: { 64K: inherit } }", true },
		{ "{ shmem: deny, shmem_sizes: { 64K: always } }", false },
		{ "{ thp: never, khugepaged: yes, defrag: always }", false },
		{ "{ tmpfs_huge: within_size }", true },
		{ "{ tmpfs_huge: never }", false },
		{ "{ transparent_hugepage: always }", true },
		{ "{ transparent_hugepage: always, thp: never }", false },
		{ "{ thp_anon: { 2M: madvise } }", true },
		{ "{ thp_anon: { 2M: never } }", false },
		{ "{ transparent_hugepage_tmpfs: always }", true },
		{ "{ transparent_hugepage_tmpfs: always, tmpfs_huge: never }", false },
		{ "{ transparent_hugepage_shmem: deny }", false },
		{ "{ thp_shmem: { 2M: always } }", true },
		{ "{ state: fragmented }", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct matrix *m = with_folio(table[i].folio);

		if (folio_asks(&m->folios[0]) != table[i].asks)
			fail_msg("%s: %s", table[i].folio, table[i].asks ? "asks" : "does not ask");
		matrix_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),	 cmocka_unit_test(sizes),	   cmocka_unit_test(unsupported),
		cmocka_unit_test(settings),	 cmocka_unit_test(asks),	   cmocka_unit_test(unsupported_knobs),
		cmocka_unit_test(command_lines), cmocka_unit_test(steps_in_order),
	};

	return cmocka_run_group_tests_name("folio-settings", tests, NULL, NULL);
}
