// SPDX-License-Identifier: GPL-2.0-or-later
/* Folio profiles as files of sysfs. Decides from page size and release alone; what only the guest can tell is read back
 * by the agent. */
#include "matrix/folio.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

bool kernel_version_parse(const char *release, struct kernel_version *ret)
{
	struct kernel_version v = { 0 };
	unsigned int *part[] = { &v.major, &v.minor };

	for (size_t i = 0; i < ARRAY_SIZE(part); i++) {
		if (!isdigit((unsigned char)*release))
			return false;
		for (; isdigit((unsigned char)*release); release++)
			if (__builtin_mul_overflow(*part[i], 10u, part[i]) ||
			    __builtin_add_overflow(*part[i], (unsigned int)(*release - '0'), part[i]))
				return false;
		if (i == 0 && *release++ != '.')
			return false;
	}
	*ret = v;
	return true;
}

/* A PMD maps one page of page table entries of 8 bytes: page_bytes / 8 pages. */
uint64_t folio_pmd_bytes(uint64_t page_bytes)
{
	return page_bytes * (page_bytes / 8);
}

void folio_anon_sizes(uint64_t page_bytes, uint64_t *ret_first, uint64_t *ret_last)
{
	*ret_first = page_bytes << 2;
	*ret_last = folio_pmd_bytes(page_bytes);
}

void folio_shmem_sizes(uint64_t page_bytes, uint64_t *ret_first, uint64_t *ret_last)
{
	uint64_t pmd = folio_pmd_bytes(page_bytes), cap = page_bytes << 11;

	*ret_first = page_bytes << 1;
	*ret_last = pmd < cap ? pmd : cap;
}

static bool older(struct kernel_version v, unsigned int major, unsigned int minor)
{
	return v.major && (v.major < major || (v.major == major && v.minor < minor));
}

static char *unsupported_sizes(const struct size_map *map, const char *what, uint64_t page_bytes, uint64_t first,
			       uint64_t last)
{
	char size[24], page[24], one[24], two[24], end[24];

	for (size_t i = 0; i < map->n; i++) {
		if (map->v[i].size_bytes >= first && map->v[i].size_bytes <= last)
			continue;
		return xasprintf("%s size %s does not exist at %s base pages; sizes there: %s %s ... %s", what,
				 size_format(map->v[i].size_bytes, size), size_format(page_bytes, page),
				 size_format(first, one), size_format(first << 1, two), size_format(last, end));
	}
	return NULL;
}

/* hugepages-N came with 6.8 for anonymous memory ("mm: thp: introduce multi-size THP sysfs interface"), with
 * 6.11 for shmem. */
char *folio_unsupported(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version)
{
	uint64_t first, last;
	char *why = NULL;

	if (folio->anon.n && older(version, 6, 8))
		return xasprintf("kernel %u.%u has no anonymous folios smaller than a PMD (mTHP sizes came with 6.8)",
				 version.major, version.minor);
	if (folio->shmem_sizes.n && older(version, 6, 11))
		return xasprintf("kernel %u.%u has no shmem sizes (they came with 6.11)", version.major, version.minor);
	if (!page_bytes)
		return NULL;
	folio_anon_sizes(page_bytes, &first, &last);
	why = unsupported_sizes(&folio->anon, "mTHP", page_bytes, first, last);
	if (why)
		return why;
	folio_shmem_sizes(page_bytes, &first, &last);
	return unsupported_sizes(&folio->shmem_sizes, "shmem", page_bytes, first, last);
}

struct settings {
	struct folio_setting *v;
	size_t n;
};

static void add(struct settings *s, bool must, const char *value, const char *path)
{
	*VEC_PUSH(s->v, s->n) = (struct folio_setting){ xstrdup(path), xstrdup(value), must };
}

static void add_choice(struct settings *s, const char *key, int choice, const char *path)
{
	const struct option_def *o = folio_options;

	if (choice < 0)
		return;
	while (strcmp(o->key, key))
		o++;
	add(s, true, o->choices[choice], path);
}

static void add_sizes(struct settings *s, const char *key, const struct size_map *map, const char *file)
{
	for (size_t i = 0; i < map->n; i++) {
		_cleanup_free_ char *path =
			xasprintf(THP "hugepages-%llukB/%s", (unsigned long long)map->v[i].size_bytes / 1024, file);

		add_choice(s, key, map->v[i].choice, path);
	}
}

/* khugepaged cannot be switched off while a PMD size is on: pages_to_scan refuses 0 (mm/khugepaged.c,
 * pages_to_scan_store()). It can be put to sleep. Three facts decide the values and the order:
 *
 * - Its thread starts, and scans once, when `enabled` of anything first allows a PMD size (start_stop_khugepaged()), and
 *   scans once when the first process registers with it. pages_to_scan = 1 makes such a scan one PMD range at most.
 * - Between scans it sleeps scan_sleep_millisecs. 4294967295, as an int, is negative, which msecs_to_jiffies() turns
 *   into MAX_JIFFY_OFFSET: for ever. No process that comes later wakes it, as its condition is the time.
 * - Writing scan_sleep_millisecs itself wakes it for a scan (__sleep_millisecs_store()), so it comes after pages_to_scan.
 *
 * Both come before any `enabled`. max_ptes_none stays as it is: shrink_underused reads it too. Nor is `defrag` touched.
 * These files are missing only where THP is not built in: then there is no khugepaged either. */
static void add_khugepaged_off(struct settings *s)
{
	add(s, false, "1", THP "khugepaged/pages_to_scan");
	add(s, false, "4294967295", THP "khugepaged/scan_sleep_millisecs");
}

void folio_settings(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version,
		    struct folio_setting **ret_settings, size_t *ret_n)
{
	uint64_t min_free = folio->min_free_kbytes ? folio->min_free_kbytes : FOLIO_MIN_FREE_KBYTES;
	struct settings s = { 0 };
	char number[24];

	(void)page_bytes; /* the files of a size have the same name at every base page */
	(void)version;
	if (!folio->khugepaged)
		add_khugepaged_off(&s);
	add_choice(&s, "defrag", folio->defrag, THP "defrag");
	add_sizes(&s, "anon", &folio->anon, "enabled");
	add_sizes(&s, "shmem_sizes", &folio->shmem_sizes, "shmem_enabled");
	add_choice(&s, "shmem", folio->shmem, THP "shmem_enabled");
	add_choice(&s, "thp", folio->thp, THP "enabled");
	/* last: every write above to a file that starts or stops khugepaged may have raised it */
	snprintf(number, sizeof(number), "%llu", (unsigned long long)min_free);
	add(&s, true, number, "/proc/sys/vm/min_free_kbytes");
	*ret_settings = s.v;
	*ret_n = s.n;
}

void folio_settings_free(struct folio_setting *settings, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(settings[i].path);
		free(settings[i].value);
	}
	free(settings);
}

/* A size asks unless it is never, or inherits from what is off. */
static bool sizes_ask(const char *key, const struct size_map *map, bool parent_off)
{
	const struct option_def *o = folio_options;

	while (strcmp(o->key, key))
		o++;
	for (size_t i = 0; i < map->n; i++) {
		const char *choice = o->choices[map->v[i].choice];

		if (strcmp(choice, "never") && !(parent_off && !strcmp(choice, "inherit")))
			return true;
	}
	return false;
}

bool folio_asks(const struct folio_profile *folio)
{
	bool shmem_off = folio->shmem == SHMEM_NEVER || folio->shmem == SHMEM_DENY;

	if (folio->thp == THP_ALWAYS || folio->thp == THP_MADVISE)
		return true;
	if (folio->shmem >= 0 && !shmem_off)
		return true;
	if (sizes_ask("anon", &folio->anon, folio->thp == THP_NEVER))
		return true;
	/* deny also overrules every size (mm/shmem.c, shmem_allowable_huge_orders()) */
	return folio->shmem != SHMEM_DENY && sizes_ask("shmem_sizes", &folio->shmem_sizes, shmem_off);
}
