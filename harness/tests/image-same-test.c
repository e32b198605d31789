// SPDX-License-Identifier: GPL-2.0-or-later
/* full is micro in mm/ and arch/: the comparison on texts and on a small tree, configurations that include others, and the
 * .configs of kernels that are in this machine's cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/kconfig.h"
#include "image/recipe.h"
#include "image/same.h"
#include "tests/pipeline.h"

#define MICRO                                                                                                          \
	"CONFIG_SWAP=y\n# CONFIG_ZSWAP is not set\n# CONFIG_NET is not set\nCONFIG_HZ=250\n# CONFIG_KSM is not set\n"
#define FULL                                                                                                           \
	"CONFIG_SWAP=y\nCONFIG_ZSWAP=y\nCONFIG_NET=y\nCONFIG_INET=y\nCONFIG_HZ=250\n# CONFIG_KSM is not set\n"         \
	"CONFIG_ZSMALLOC_CHAIN_SIZE=8\n"

static char *top;

static int setup(void **state)
{
	(void)state;
	top = scratch_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(top);
	return 0;
}

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(top, name), *dir = xstrdup(path);

	*strrchr(dir, '/') = '\0';
	assert_int_equal(make_dirs(dir, NULL), 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

/* A tree as a kernel's: what defines, what tests, and what must not count. */
static void put_tree(void)
{
	put("mm/Kconfig", "menuconfig SWAP\n\tbool\nconfig ZSWAP\n\tbool \"x\"\nconfig KSM\n");
	put("mm/zswap/zsmalloc.c", "#if CONFIG_ZSMALLOC_CHAIN_SIZE > 4\n#endif\n");
	put("arch/arm64/Kconfig", "config HZ\n\tint\n");
	put("arch/arm64/boot/dts/a.dts", "CONFIG_NET\n");
	put("arch/Kconfig", "config STACKPROTECTOR\n");
	put("net/core.c", "CONFIG_NET CONFIG_INET\n");
}

static void differences(void **state)
{
	_cleanup_(kconfig_differences_clear) struct kconfig_differences d = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kconfig_differ(MICRO, FULL, "# why\nCONFIG_ZSWAP\nCONFIG_NOT_IN_THIS_ONE\n", "l", &d, &err),
			 0);
	assert_int_equal(d.n, 4);
	assert_string_equal(d.v[0].name, "CONFIG_INET");
	assert_string_equal(d.v[0].base, "n");
	assert_string_equal(d.v[0].here, "y");
	assert_string_equal(d.v[2].name, "CONFIG_ZSMALLOC_CHAIN_SIZE");
	assert_string_equal(d.v[3].name, "CONFIG_ZSWAP");
	assert_true(d.v[3].allowed && !d.v[2].allowed);
	/* a name within a longer one is not it */
	kconfig_mention(&d, "a.c", "CONFIG_INET_DIAG CONFIG_NE CONFIG_ZSWAP_X XCONFIG_", false);
	kconfig_mention(&d, "Kconfig", "config NETX\n# CONFIG_NET\n", true);
	for (size_t i = 0; i < d.n; i++)
		assert_null(d.v[i].place);
	kconfig_mention(&d, "a.c", "#ifdef CONFIG_NET\n", false);
	kconfig_mention(&d, "b.c", "#ifdef CONFIG_NET\n", false);
	assert_string_equal(d.v[1].place, "a.c");
}

static void stale_line(void **state)
{
	struct kconfig_differences d = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kconfig_differ(MICRO, FULL, "CONFIG_KSM\nCONFIG_ZSWAP\n", "differs-full.list", &d, &err), -1);
	assert_string_equal(err.msg, "differs-full.list names what does not differ:\n  CONFIG_KSM");
}

static void same_in_tree(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	put_tree();
	if (same_check(top, MICRO, FULL, "CONFIG_ZSWAP\nCONFIG_ZSMALLOC_CHAIN_SIZE\n", "l", &err) < 0)
		fail_msg("%s", err.msg);
}

/* The mutations: each of these differs where it must not. */
static void not_same(void **state)
{
	static const struct {
		const char *from, *to, *message;
	} cases[] = {
		{ "CONFIG_HZ=250", "CONFIG_HZ=300", "CONFIG_HZ is 300 instead of 250; arch/arm64/Kconfig" },
		{ "# CONFIG_KSM is not set", "CONFIG_KSM=y", "CONFIG_KSM is y instead of n; mm/Kconfig" },
		{ "CONFIG_SWAP=y", "", "CONFIG_SWAP is n instead of y; mm/Kconfig" },
		{ "CONFIG_SWAP=y", "CONFIG_SWAP=y\nCONFIG_STACKPROTECTOR=y",
		  "CONFIG_STACKPROTECTOR is y instead of n; arch/Kconfig" },
	};

	(void)state;
	put_tree();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *at = strstr(FULL, cases[i].from);
		_cleanup_free_ char *full =
			xasprintf("%.*s%s%s", (int)(at - FULL), FULL, cases[i].to, at + strlen(cases[i].from));
		struct err err = ERR_INIT;

		assert_int_equal(same_check(top, MICRO, full, "CONFIG_ZSWAP\nCONFIG_ZSMALLOC_CHAIN_SIZE\n", "l", &err),
				 -1);
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_non_null(strstr(err.msg, cases[i].message));
		assert_null(strstr(err.msg, "CONFIG_NET"));
	}
}

static struct kernel_spec spec = {
	.source = (char *)"linux-source-6.12", .suite = (char *)"trixie", .page_bytes = 65536, .config = (char *)"full"
};

static void includes(void **state)
{
	_cleanup_(recipe_clear) struct recipe r = { 0 };
	_cleanup_free_ char *all = NULL, *base = NULL;
	struct err err = ERR_INIT;

	(void)state;
	put("micro.config", "CONFIG_A=y\n# CONFIG_B is not set\n");
	put("full.config", "# include micro.config\nCONFIG_B=y\n");
	put("pages-64k.config", "CONFIG_P=y\n");
	put("must-hold.config", "");
	put("differs-full.list", "CONFIG_B\n");
	put("absent-6.1.list", "CONFIG_X\n");
	put("absent-6.9.list", "CONFIG_Y\n");
	put("absent-6.9-full.list", "CONFIG_Z\n");
	put("absent-7.2.list", "CONFIG_W\n");
	if (recipe_load(top, &spec, "6.12", &r, &err) < 0)
		fail_msg("%s", err.msg);
	all = recipe_config(&r, 2);
	base = recipe_config(&r, 1);
	assert_string_equal(all,
			    "CONFIG_A=y\n# CONFIG_B is not set\n\n# include micro.config\nCONFIG_B=y\n\nCONFIG_P=y\n");
	assert_string_equal(base, "CONFIG_A=y\n# CONFIG_B is not set\n\nCONFIG_P=y\n");
	assert_string_equal(r.differs, "CONFIG_B\n");
	/* no list of its own: the nearest before it */
	assert_string_equal(r.absent, "CONFIG_Y\nCONFIG_Z\n");
	assert_string_equal(r.absent_name, "absent-6.9.list or absent-6.9-full.list");
	recipe_clear(&r);
	assert_int_equal(recipe_load(top, &spec, "5.15", &r, &err), 0);
	assert_string_equal(r.absent, "CONFIG_X\nCONFIG_Z\n");
	recipe_clear(&r);
	put("micro.config", "# include full.config\n");
	assert_int_equal(recipe_load(top, &spec, "6.12", &r, &err), -1);
	assert_non_null(strstr(err.msg, "does it include itself?"));
	put("micro.config", "# include ../x.config\n");
	assert_int_equal(recipe_load(top, &spec, "6.12", &r, &err), -1);
	assert_non_null(strstr(err.msg, "names no file of that folder"));
}

/* What mm/ and arch/ test begins so; the build reads the tree itself, but a cached kernel has its .config only. */
static const char *const prefixes[] = {
	"ARCH_",       "ARM64_", "CMA",	    "COMPACTION", "CPUSETS",   "DEBUG_",   "HAVE_", "HUGETLB",	    "HZ",
	"KSM",	       "LRU_",	 "MEMCG",   "MEMORY_",	  "MIGRATION", "MITIGATE", "MMU_",  "NR_CPUS",	    "NUMA",
	"PAGE_",       "PERF_",	 "PREEMPT", "PSI",	  "PTE_",      "RANDOM",   "READ_", "RODATA",	    "SHMEM",
	"SHUFFLE",     "SLAB",	 "SLUB",    "SPARSEMEM",  "SPLIT_",    "STACK",	   "SWAP",  "TRANSPARENT_", "UNMAP_",
	"USERFAULTFD", "VM_",	 "VMAP_",   "ZONE_",	  "ZSWAP",
};

static bool of_mm(const char *name)
{
	/* the network's own pages: full has a network, and 7.2's mm/ does not test for it */
	if (!strcmp(name, "CONFIG_PAGE_POOL"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (starts_with(name + strlen("CONFIG_"), prefixes[i]))
			return true;
	return false;
}

static void compare_cached(const struct cache_entry *micro, const struct cache_entry *full)
{
	_cleanup_(kconfig_differences_clear) struct kconfig_differences d = { 0 };
	_cleanup_free_ char *a = path_join(micro->dir, "config"), *b = path_join(full->dir, "config"), *x = NULL,
			    *y = NULL, *allowed = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(file_read(a, 4 << 20, &x, NULL, &err), 0);
	assert_int_equal(file_read(b, 4 << 20, &y, NULL, &err), 0);
	assert_int_equal(file_read("images/kernels/differs-full.list", 1 << 20, &allowed, NULL, &err), 0);
	if (kconfig_differ(x, y, allowed, "differs-full.list", &d, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(d.n > 50); /* they are not one file */
	for (size_t i = 0; i < d.n; i++)
		if (!d.v[i].allowed && of_mm(d.v[i].name))
			fail_msg("%s, %s: %s is %s instead of %s", micro->origin, full->origin, d.v[i].name,
				 d.v[i].here, d.v[i].base);
	print_message("compared: %s\n", full->origin);
}

/* "linux-source-6.12 6.12.117-1, micro, 64K" and the same with full: of one source, with the same patches, options and layout. */
static bool of_one_source(const struct cache_entry *micro, const struct cache_entry *full)
{
	static const char word[] = ", micro, ";
	const char *at = micro->origin ? strstr(micro->origin, word) : NULL;
	_cleanup_free_ char *same =
		at ? xasprintf("%.*s, full, %s", (int)(at - micro->origin), micro->origin, at + strlen(word)) : NULL;

	return same && full->origin && !strcmp(same, full->origin);
}

/* How many pairs of micro and full there were. */
static size_t compare_all(const char *cache)
{
	struct cache_entry *e = NULL;
	size_t n = 0, compared = 0;

	assert_int_equal(cache_list(cache, &e, &n, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			if (!e[i].release[0] || !e[j].release[0] || strcmp(e[i].release, e[j].release) != 0 ||
			    !of_one_source(&e[i], &e[j]))
				continue;
			compare_cached(&e[i], &e[j]);
			compared++;
		}
	}
	cache_entries_free(e, n);
	return compared;
}

static void cached_kernels(void **state)
{
	char *cache = cache_dir();
	size_t compared = compare_all(cache);

	(void)state;
	if (!compared)
		print_message("no micro and full kernel of one source and base page in %s\n", cache);
	free(cache); /* skip() leaves by longjmp */
	if (!compared)
		skip();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(differences), TEST(stale_line), TEST(same_in_tree),
		TEST(not_same),	   TEST(includes),   cmocka_unit_test(cached_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
