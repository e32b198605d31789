// SPDX-License-Identifier: GPL-2.0-or-later
/* Folio profiles as steps of a job. Decides from page size and release alone; what only the guest can tell is read back
 * by the agent. */
#include "matrix/folio.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/knobs.h"

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

static char *unsupported_ptes(const struct folio_knob *knob, uint64_t v, uint64_t page_bytes)
{
	char page[24];

	if (v < page_bytes / 8)
		return NULL;
	return xasprintf("%s is at most %llu at %s base pages, one less than a PMD has entries", knob->key,
			 (unsigned long long)page_bytes / 8 - 1, size_format(page_bytes, page));
}

static char *unsupported_bytes(const char *key, uint64_t v, uint64_t first, uint64_t last, uint64_t page_bytes)
{
	char size[24], page[24], least[24], most[24];

	if (v >= first && v <= last && !(v & (v - 1)))
		return NULL;
	return xasprintf("%s: %s does not exist at %s base pages; it is a power of two from %s to %s", key,
			 size_format(v, size), size_format(page_bytes, page), size_format(first, least),
			 size_format(last, most));
}

static void domain_sizes(enum knob_domain domain, uint64_t page_bytes, uint64_t *first, uint64_t *last)
{
	(domain == DOMAIN_SHMEM ? folio_shmem_sizes : folio_anon_sizes)(page_bytes, first, last);
}

/* Does @folio say anything of this knob? */
static bool given(const struct option_def *option, const struct folio_profile *folio)
{
	const void *field = (const char *)folio + option->offset;

	switch (option->type) {
	case OPT_ENUM:
		return *(const int *)field >= 0;
	case OPT_MAYBE_U64:
		return ((const struct maybe_u64 *)field)->given;
	case OPT_SIZE_MAP:
		return ((const struct size_map *)field)->n > 0;
	default:
		return *(const uint64_t *)field > 0;
	}
}

static char *unsupported_value(const struct folio_knob *knob, const struct folio_profile *folio, uint64_t page_bytes)
{
	const void *field = (const char *)folio + knob_option(knob)->offset;
	uint64_t first, last;

	switch (knob->domain) {
	case DOMAIN_ANON:
	case DOMAIN_SHMEM:
		domain_sizes(knob->domain, page_bytes, &first, &last);
		return unsupported_sizes(field, knob->domain == DOMAIN_ANON ? "mTHP" : "shmem", page_bytes, first,
					 last);
	case DOMAIN_PTES:
		return unsupported_ptes(knob, ((const struct maybe_u64 *)field)->v, page_bytes);
	case DOMAIN_PTE_MAP:
		return unsupported_bytes(knob->key, *(const uint64_t *)field, page_bytes, folio_pmd_bytes(page_bytes),
					 page_bytes);
	case DOMAIN_OPTION:
		break;
	}
	return NULL;
}

char *folio_unsupported(const struct folio_profile *folio, uint64_t page_bytes, struct kernel_version version)
{
	for (const struct folio_knob *k = folio_knobs; k->key; k++) {
		char *why = NULL;

		if (!given(knob_option(k), folio))
			continue;
		if (k->since.major && older(version, k->since.major, k->since.minor))
			return xasprintf("kernel %u.%u has no %s%s (it came with %u.%u)", version.major, version.minor,
					 k->key, k->kind == KNOB_WORD || k->kind == KNOB_WORD_SIZES ? "=" : "",
					 k->since.major, k->since.minor);
		if (page_bytes)
			why = unsupported_value(k, folio, page_bytes);
		if (why)
			return why;
	}
	/* the largest free block is a PMD at 64K and 16K, two PMDs at 4K (MAX_PAGE_ORDER 13, 11, 10) */
	if (folio->state == STATE_FRAGMENTED && page_bytes)
		return unsupported_bytes("fragment_size", folio_fragment_bytes(folio), 2 * page_bytes,
					 page_bytes == 4096 ? page_bytes << 10 : folio_pmd_bytes(page_bytes),
					 page_bytes);
	return NULL;
}

uint64_t folio_fragment_bytes(const struct folio_profile *folio)
{
	return folio->fragment_bytes ? folio->fragment_bytes : 2 << 20;
}

/* "64K:always;2M:inherit" */
static char *sizes_word(const struct option_def *option, const struct size_map *map)
{
	struct text t = { 0 };
	char size[24];

	for (size_t i = 0; i < map->n; i++)
		text_add(&t, "%s%s:%s", i ? ";" : "", size_format(map->v[i].size_bytes, size),
			 option->choices[map->v[i].choice]);
	return text_steal(&t);
}

char *folio_command_line(const struct folio_profile *folio)
{
	struct text t = { 0 };

	for (const struct folio_knob *k = folio_knobs; k->key; k++) {
		const struct option_def *o = knob_option(k);
		const void *field = (const char *)folio + o->offset;
		_cleanup_free_ char *sizes = NULL;

		if ((k->kind != KNOB_WORD && k->kind != KNOB_WORD_SIZES) || !given(o, folio))
			continue;
		if (k->kind == KNOB_WORD_SIZES)
			sizes = sizes_word(o, field);
		text_add(&t, "%s%s=%s", t.len ? " " : "", k->name, sizes ? sizes : o->choices[*(const int *)field]);
	}
	return t.len ? text_steal(&t) : NULL;
}

struct steps {
	struct folio_step *v;
	size_t n;
};

static void add(struct steps *s, const char *verb, const char *path, const char *value, bool must)
{
	*VEC_PUSH(s->v, s->n) = (struct folio_step){ verb, xstrdup(path), value ? xstrdup(value) : NULL, NULL, must };
}

static char *size_path(uint64_t size_bytes, const char *file)
{
	return xasprintf(THP "hugepages-%llukB/%s", (unsigned long long)size_bytes / 1024, file);
}

static const char *choice_text(const struct folio_knob *knob, const struct option_def *option, int choice)
{
	return knob->values ? knob->values[choice] : option->choices[choice];
}

static char *value_text(const struct folio_knob *knob, const struct folio_profile *folio)
{
	const struct option_def *o = knob_option(knob);
	const void *field = (const char *)folio + o->offset;

	if (o->type == OPT_ENUM)
		return xstrdup(choice_text(knob, o, *(const int *)field));
	if (o->type == OPT_MAYBE_U64)
		return xasprintf("%llu", (unsigned long long)((const struct maybe_u64 *)field)->v);
	return xasprintf("%llu", (unsigned long long)*(const uint64_t *)field);
}

static const struct size_choice *find_size(const struct size_map *map, uint64_t size_bytes)
{
	for (size_t i = 0; i < map->n; i++)
		if (map->v[i].size_bytes == size_bytes)
			return &map->v[i];
	return NULL;
}

/* What a word of the command line should have brought about. Sizes that it does not name are never (mm/huge_memory.c,
 * setup_thp_anon(): anon_orders_configured). */
static void add_check(struct steps *s, const struct folio_knob *k, const struct folio_profile *folio,
		      uint64_t page_bytes)
{
	const struct option_def *o = knob_option(k);
	const struct size_map *map = (const void *)((const char *)folio + o->offset);
	uint64_t first, last;

	if (k->kind == KNOB_WORD && k->shows) {
		_cleanup_free_ char *value = value_text(k, folio);

		add(s, "check", k->shows, value, true);
		return;
	}
	if (k->kind == KNOB_WORD)
		return; /* add_tmpfs() */
	domain_sizes(k->domain, page_bytes, &first, &last);
	for (uint64_t size = first; size <= last; size <<= 1) {
		const struct size_choice *c = find_size(map, size);
		_cleanup_free_ char *path = size_path(size, k->shows);

		add(s, "check", path, c ? o->choices[c->choice] : "never", true);
	}
}

/* Every value that the option table knows and one that it does not. */
static char *probe_values(const struct folio_knob *k, uint64_t page_bytes)
{
	const struct option_def *o = knob_option(k);
	uint64_t most = k->domain == DOMAIN_PTES ? page_bytes / 8 - 1 : o->max;
	struct text t = { 0 };

	if (o->type != OPT_MAYBE_U64)
		for (int i = 0; o->choices[i]; i++)
			text_add(&t, "%s%s", i ? " " : "", choice_text(k, o, i));
	else
		text_add(&t, "0 1 %llu %llu", (unsigned long long)most, (unsigned long long)most + 1);
	return text_steal(&t);
}

/* The verb of mounts: what is given to each, and what each must then show. "-": nothing, whatever it shows. */
static void add_tmpfs(struct steps *s, const struct folio_profile *folio)
{
	const struct folio_knob *k = folio_knobs, *word = NULL, *mount = NULL;
	_cleanup_free_ char *value = NULL;

	for (; k->key; k++)
		if (k->kind == KNOB_WORD && !k->shows && given(knob_option(k), folio))
			word = k;
		else if (k->kind == KNOB_MOUNT && given(knob_option(k), folio))
			mount = k;
	if (mount || word)
		value = value_text(mount ? mount : word, folio);
	add(s, "tmpfs", mount ? value : "-", value ? value : "-", true);
	for (k = folio_knobs; folio->probe > 0 && k->key; k++)
		if (k->kind == KNOB_MOUNT)
			s->v[s->n - 1].more = probe_values(k, 0);
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
static void add_khugepaged_off(struct steps *s)
{
	add(s, "set", THP "khugepaged/pages_to_scan", "1", false);
	add(s, "set", THP "khugepaged/scan_sleep_millisecs", "4294967295", false);
}

static void add_sizes(struct steps *s, const struct folio_knob *k, const struct folio_profile *folio)
{
	const struct option_def *o = knob_option(k);
	const struct size_map *map = (const void *)((const char *)folio + o->offset);

	for (size_t i = 0; i < map->n; i++) {
		_cleanup_free_ char *path = size_path(map->v[i].size_bytes, k->name);

		add(s, "set", path, o->choices[map->v[i].choice], true);
	}
}

static void add_files(struct steps *s, const struct folio_profile *folio)
{
	if (folio->fault_around_bytes)
		add(s, "mount", "/sys/kernel/debug", "debugfs", true);
	for (const struct folio_knob *k = folio_knobs; k->key; k++) {
		_cleanup_free_ char *value = NULL;

		if (!given(knob_option(k), folio) || k->late)
			continue;
		if (k->kind == KNOB_SIZES)
			add_sizes(s, k, folio);
		if (k->kind != KNOB_FILE)
			continue;
		value = value_text(k, folio);
		add(s, "set", k->name, value, true);
	}
}

static bool was_set(const struct steps *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i].verb, "set") && !strcmp(s->v[i].path, path))
			return true;
	return false;
}

/* The rest: a default that differs between two kernels is a difference between two cells. The files of a size are only
 * asked for by name, or when everything is probed: there are up to thirty, and their defaults are the same everywhere. */
static void add_rest(struct steps *s, const struct folio_profile *folio, uint64_t page_bytes)
{
	bool probe = folio->probe > 0;

	for (const struct folio_knob *k = folio_knobs; k->key; k++) {
		uint64_t first = 0, last = 0;
		_cleanup_free_ char *values = NULL;

		if ((k->late && !probe) || (k->kind != KNOB_FILE && (k->kind != KNOB_SIZES || !probe)))
			continue;
		if (k->kind == KNOB_SIZES)
			domain_sizes(k->domain, page_bytes, &first, &last);
		if (probe && !k->late && knob_option(k)->type != OPT_SIZE)
			values = probe_values(k, page_bytes);
		for (uint64_t size = first; size <= last; size = size ? size << 1 : 1) {
			_cleanup_free_ char *path = size ? size_path(size, k->name) : xstrdup(k->name);

			if (!was_set(s, path))
				add(s, "knob", path, NULL, false);
			if (values)
				add(s, "probe", path, values, false);
		}
	}
}

static void add_fragment(struct steps *s, const struct folio_profile *folio)
{
	uint64_t percent = folio->fragment_percent ? folio->fragment_percent : FOLIO_FRAGMENT_PERCENT;
	char bytes[24], number[24];

	if (folio->state != STATE_FRAGMENTED)
		return;
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)folio_fragment_bytes(folio));
	snprintf(number, sizeof(number), "%llu", (unsigned long long)percent);
	add(s, "fragment", bytes, number, true);
}

void folio_steps(const struct folio_profile *folio, uint64_t page_bytes, struct folio_step **ret_steps, size_t *ret_n)
{
	uint64_t min_free = folio->min_free_kbytes ? folio->min_free_kbytes : FOLIO_MIN_FREE_KBYTES;
	struct steps s = { 0 };
	char number[24];

	for (const struct folio_knob *k = folio_knobs; k->key; k++)
		if ((k->kind == KNOB_WORD || k->kind == KNOB_WORD_SIZES) && given(knob_option(k), folio))
			add_check(&s, k, folio, page_bytes);
	if (!folio->khugepaged)
		add_khugepaged_off(&s);
	add_files(&s, folio);
	add_rest(&s, folio, page_bytes);
	add_tmpfs(&s, folio);
	/* last: every write above to a file that starts or stops khugepaged may have raised it */
	snprintf(number, sizeof(number), "%llu", (unsigned long long)min_free);
	add(&s, "set", "/proc/sys/vm/min_free_kbytes", number, true);
	add_fragment(&s, folio);
	*ret_steps = s.v;
	*ret_n = s.n;
}

void folio_steps_free(struct folio_step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(steps[i].path);
		free(steps[i].value);
		free(steps[i].more);
	}
	free(steps);
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

/* A file that is written stands above the word of the command line. */
static int written_or(int written, int word)
{
	return written >= 0 ? written : word;
}

bool folio_asks(const struct folio_profile *folio)
{
	int thp = written_or(folio->thp, folio->transparent_hugepage);
	int shmem = written_or(folio->shmem, folio->transparent_hugepage_shmem);
	int huge = written_or(folio->tmpfs_huge, folio->transparent_hugepage_tmpfs);
	bool shmem_off = shmem == SHMEM_NEVER || shmem == SHMEM_DENY;

	if (thp == THP_ALWAYS || thp == THP_MADVISE)
		return true;
	if ((shmem >= 0 && !shmem_off) || (huge >= 0 && huge != HUGE_NEVER))
		return true;
	if (sizes_ask("anon", &folio->anon, thp == THP_NEVER) ||
	    sizes_ask("thp_anon", &folio->thp_anon, thp == THP_NEVER))
		return true;
	/* deny also overrules every size (mm/shmem.c, shmem_allowable_huge_orders()) */
	return shmem != SHMEM_DENY && (sizes_ask("shmem_sizes", &folio->shmem_sizes, shmem_off) ||
				       sizes_ask("thp_shmem", &folio->thp_shmem, shmem_off));
}
