// SPDX-License-Identifier: GPL-2.0-or-later
/* The folio walker in real guests, at 4K and 64K: a program of known layout is held, and what the agent found by its
 * page tables must be that layout, and what the kernel counts by itself (nr_anon, nr_anon_partially_mapped). Skips with
 * the reason where guests cannot run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/guest-boot.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

#define STATS "/sys/kernel/mm/transparent_hugepage/hugepages-%ukB/stats/"

/* @block_pages: pages of a block that the MMU joins. */
static const struct layout {
	const char *id;
	unsigned int page_kib, folio_kib, block_pages;
	unsigned int aligned, unaligned, partial, single, file_pages;
} layouts[] = {
	{ "4k-64k", 4, 64, 16, 8, 4, 2, 21, 3 },
	/* a folio that is smaller than a block is in none */
	{ "4k-32k", 4, 32, 16, 8, 4, 2, 21, 3 },
	{ "4k-256k", 4, 256, 16, 6, 4, 2, 21, 3 },
	{ "64k-2m", 64, 2048, 32, 8, 4, 2, 21, 3 },
	{ "64k-512k", 64, 512, 32, 8, 4, 2, 21, 3 },
};

struct fixture {
	char *dir, *run, *kernels[2], *why_not; /* owned */
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct boot_cell cells[ARRAY_SIZE(layouts)] = { 0 };
	char *sets[ARRAY_SIZE(layouts)];

	*state = f;
	f->dir = scratch_make();
	f->kernels[0] = guest_kernel(4096, &f->why_not);
	if (!f->why_not)
		f->kernels[1] = guest_kernel(65536, &f->why_not);
	f->run = path_join(f->dir, "run");
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const struct layout *l = &layouts[i];

		sets[i] = xasprintf("set\t/sys/kernel/mm/transparent_hugepage/hugepages-%ukB/enabled\tmadvise\tmust\n"
				    "look\t" STATS "nr_anon\nlook\t" STATS "nr_anon_partially_mapped\n"
				    "exec\tlayout\thold\t0\t1000\t/bin/layout\t%u\t%u\t%u\t%u\t%u\t%u\n",
				    l->folio_kib, l->folio_kib, l->folio_kib, l->folio_kib * 1024, l->aligned,
				    l->unaligned, l->partial, l->single, l->file_pages);
		cells[i] = (struct boot_cell){ .id = l->id,
					       .kernel = f->kernels[l->page_kib == 64],
					       .page_bytes = l->page_kib * 1024,
					       .set = sets[i] };
	}
	boot_run_make(f->run, cells, ARRAY_SIZE(layouts));
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		free(sets[i]);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	free(f->run);
	free(f->kernels[0]);
	free(f->kernels[1]);
	free(f->why_not);
	free(f);
	return 0;
}

/* The content of the file that ends with @path at hold; owned by the caller. */
static char *held_file(const struct boot_result *boot, const char *path)
{
	struct wire_record r;
	char folder[256], name[512];
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(boot->stream, boot->stream_len, &offset, n, &r) == WIRE_OK; n++) {
		if ((r.type != WIRE_FILE && r.type != WIRE_FILES) || !wire_is(&r, 3, "hold"))
			continue;
		wire_text(&r, 4, folder, sizeof(folder));
		if (r.type == WIRE_FILE && r.n_fields == 6 && ends_with(folder, path))
			return xstrndup(r.fields[5].data, r.fields[5].len);
		for (unsigned int i = 5; r.type == WIRE_FILES && i + 1 < r.n_fields; i += 2) {
			snprintf(name, sizeof(name), "%s/%.*s", folder, (int)r.fields[i].len, r.fields[i].data);
			if (ends_with(name, path))
				return xstrndup(r.fields[i + 1].data, r.fields[i + 1].len);
		}
	}
	fail_msg("no file %s at hold", path);
	return NULL;
}

static unsigned long held_number(const struct boot_result *boot, const struct layout *l, const char *name)
{
	_cleanup_free_ char *path = xasprintf(STATS "%s", l->folio_kib, name), *text = held_file(boot, path);

	return strtoul(text, NULL, 10);
}

/* folios, pages, unaligned, partial, contpte of a line. */
static void numbers_of(const char *text, const char *kind, unsigned int order, unsigned long ret[5])
{
	_cleanup_free_ char *key = xasprintf("%s %u ", kind, order);
	const char *line = strstr(text, key);

	memset(ret, 0, 5 * sizeof(*ret));
	if (line && sscanf(line + strlen(key), "%lu %lu %lu %lu %lu", &ret[0], &ret[1], &ret[2], &ret[3], &ret[4]) != 5)
		fail_msg("%s", text);
}

/* The bytes per order that are told of a kind's metrics must be what was walked: store/measure-folios.c. */
static void check_metrics(const struct run *run, const struct layout *l, const struct boot_result *boot,
			  unsigned long large, unsigned int order)
{
	struct measures m = { 0 };
	struct err err = ERR_INIT;
	_cleanup_free_ char *name = xasprintf("layout.folio.anon.order_%u", order);

	if (boot_measure(run_find_cell(run, l->id), boot, &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_non_null(measures_find(&m, name));
	assert_true(measures_find(&m, name)->values[0] == (double)large);
	assert_true(measures_find(&m, "layout.folio.cache.mapped")->values[0] == l->file_pages * l->page_kib * 1024.0);
	assert_true(measures_find(&m, "layout.folio.anon.unaligned")->values[0] == l->unaligned);
	measures_free(&m);
}

/* Caught: folios counted once for each process; a head that is taken for the whole; alignment by the head's frame
 * alone; a block across two folios; a partly mapped folio's block; a walk that misses the pages of a chunk's end. */
static void layout_is_found(void **state)
{
	const struct fixture *f = *state;

	REQUIRE_GUESTS(f);
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const struct layout *l = &layouts[i];
		unsigned int pages = l->folio_kib / l->page_kib, order = (unsigned int)__builtin_ctz(pages);
		unsigned int blocks = pages / l->block_pages, large = l->aligned + l->unaligned + l->partial;
		unsigned long v[5], expected[5] = { large, large * pages - l->partial, l->unaligned, l->partial, 0 };
		_cleanup_(run_free_p) struct run *run = boot_run_open(f->run);
		_cleanup_free_ char *text = NULL, *out = NULL;
		struct boot_result boot;

		assert_int_equal(BOOT(&out, f->run, l->id, "1"), 0);
		boot_result_of(f->run, l->id, 1, &boot);
		if (boot.outcome != OUTCOME_OK)
			fail_msg("%s: %s", l->id, boot.reason);
		text = held_file(&boot, "agent/folios");
		/* a partial folio's first page is gone, and with it its first block */
		expected[4] = (l->aligned * blocks + l->partial * (blocks ? blocks - 1 : 0)) * l->block_pages;
		/* moved by a page, a folio is in no block */
		numbers_of(text, "anon", order, v);
		if (memcmp(v, expected, sizeof(v)) != 0)
			fail_msg("%s: expected anon %u %lu %lu %lu %lu %lu\n%s", l->id, order, expected[0], expected[1],
				 expected[2], expected[3], expected[4], text);
		assert_int_equal(held_number(&boot, l, "nr_anon"), v[0]);
		assert_int_equal(held_number(&boot, l, "nr_anon_partially_mapped"), v[3]);
		numbers_of(text, "anon", 0, v);
		assert_true(v[0] >= l->single && v[0] < l->single + 40);
		assert_int_equal(v[2] + v[3], 0);
		numbers_of(text, "cache", 0, v);
		assert_int_equal(v[0], l->file_pages);
		assert_int_equal(v[1], l->file_pages);
		check_metrics(run, l, &boot, large, order);
		boot_result_free(&boot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_found),
	};

	return cmocka_run_group_tests_name("folios-guest", tests, setup, teardown);
}
