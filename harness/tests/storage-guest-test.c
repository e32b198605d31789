// SPDX-License-Identifier: GPL-2.0-or-later
/* Storage profiles in real guests: what they hold is known and nobody's but theirs, they keep a cell sealed or say
 * that they do not, swap moves the counters of large folios. Needs the full kernels of matrices/storage.yaml and the
 * programs that make its file systems in the cache (`granule images build matrices/storage.yaml` puts them there); what is not
 * there is skipped with the reason. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/mkfs.h"
#include "store/store.h"
#include "tests/pipeline.h"

#define MIB 1048576.0
#define GUEST "guest: { memory: 1GiB, accel: simulated, timeout: 300 }\n"
#define KERNEL(pages) "kernels: { k: { source: linux-source-6.12, suite: trixie, config: full, pages: " pages " } }\n"
#define ONCE "trials: { seeds: 1, warmups: 0, samples: 1 }\n"

/* Is there a full kernel of @page_bytes and the program of @fs (NULL: none is needed)? */
static bool can_run(const struct guest_fixture *f, uint64_t page_bytes, const char *fs)
{
	_cleanup_free_ char *why_not = NULL, *kernel = NULL;
	struct mkfs *mkfs = NULL;

	if (f->why_not)
		return false;
	kernel = guest_kernel_of("full", page_bytes, &why_not);
	if (!kernel)
		return false;
	if (fs && mkfs_lookup(NULL, fs, &mkfs, NULL) != 1) {
		printf("skipped: %s is not in the cache\n", mkfs_program(fs));
		return false;
	}
	mkfs_free(mkfs);
	return true;
}

/* Run it; the run directory, owned by the caller. */
static char *run_matrix(const struct guest_fixture *f, const char *name, const char *text, int expected)
{
	_cleanup_free_ char *file = xasprintf("%s.yaml", name),
			    *matrix = scratch_write(f->dir, file, text, strlen(text));
	_cleanup_free_ char *out = NULL;
	char *run = path_join(f->dir, name);

	if (GRANULE(&out, "run", "--fresh", "-j", "1", "-o", run, matrix) != expected)
		fail_msg("%s", out);
	return run;
}

struct booted {
	struct run *run;
	struct boot_result result;
	struct measures measures;
};

static void booted_open(const char *dir, const char *cell, struct booted *b)
{
	struct err err = ERR_INIT;
	const struct cell_record *record;

	*b = (struct booted){ 0 };
	if (run_open(dir, &b->run, &err) < 0)
		fail_msg("%s", err.msg);
	record = run_find_cell(b->run, cell);
	assert_non_null(record);
	if (boot_read(b->run, record, 1, &b->result, &err) < 0)
		fail_msg("%s", err.msg);
	if (b->result.outcome == OUTCOME_OK && boot_measure(record, &b->result, &b->measures, &err) < 0)
		fail_msg("%s", err.msg);
}

static void booted_close(struct booted *b)
{
	measures_free(&b->measures);
	boot_result_free(&b->result);
	run_free(b->run);
}

static double value_in(const char *dir, const char *cell, const char *metric)
{
	const struct measure *m;
	struct booted b;
	double v;

	booted_open(dir, cell, &b);
	m = measures_find(&b.measures, metric);
	if (!m)
		fail_msg("%s has no %s", cell, metric);
	v = m->values[0];
	booted_close(&b);
	return v;
}

/* Devices of known sizes. Caught: a device that takes its pages while a workload runs (memory.unaccounted, or
 * memory.own where they are charged), one that is not whole at the start, its memory left in the idle guest's or in
 * the workload's. */
static void memory_is_the_devices(void **state)
{
	static const struct {
		const char *cell;
		double disk;
	} cases[] = {
		{ "k.default.w.none", 0 },	    { "k.default.w.small", 64 * MIB },
		{ "k.default.w.large", 192 * MIB }, { "k.default.w.loop", 128 * MIB },
		{ "k.default.w.brd", 64 * MIB },
	};
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL, *verified = NULL;
	double idle, own;

	if (!can_run(f, 65536, "ext4"))
		skip();
	run = run_matrix(
		f, "memory",
		"matrix: memory\nguest: { memory: 3GiB, accel: simulated, timeout: 300 }\n" KERNEL(
			"64K") "trials: { seeds: 1, warmups: 1, samples: 1 }\nstorages:\n"
			       "  none: { where: tmpfs, size: 64MiB }\n"
			       "  small: { where: null_blk, fs: ext4, size: 64MiB, latency_us: 80 }\n"
			       "  large: { where: null_blk, fs: ext4, size: 192MiB }\n"
			       "  loop: { where: loop, fs: ext4, size: 128MiB }\n"
			       "  brd: { where: brd, fs: ext4, size: 64MiB }\n"
			       "workloads: { w: { will-it-scale: { tests: [write1, page_fault1], bytes: 128MiB } } }\n",
		0);
	idle = value_in(run, cases[0].cell, "guest.memory.idle_used");
	own = value_in(run, cases[0].cell, "page_fault1.memory.own");
	for (size_t i = 1; i < ARRAY_SIZE(cases); i++) {
		const char *cell = cases[i].cell;
		double own_here = value_in(run, cell, "page_fault1.memory.own"),
		       idle_here = value_in(run, cell, "guest.memory.idle_used"),
		       lost = value_in(run, cell, "write1.memory.unaccounted");

		print_message("%s: idle_used %+.1f MiB, own %+.2f MiB, unaccounted %+.2f MiB\n", cell,
			      (idle_here - idle) / MIB, (own_here - own) / MIB, lost / MIB);
		/* what a loop device's tmpfs holds beside the file is its root folder's, no page */
		assert_true(value_in(run, cell, "guest.memory.disks") == cases[i].disk);
		assert_true(fabs(idle_here - idle) < 24 * MIB);
		assert_true(fabs(own_here - own) < 4 * MIB);
		assert_true(fabs(lost) < 1 * MIB);
	}
	/* on null_blk, loop and brd the cell is sealed */
	if (GRANULE(&verified, "verify", run) != 0)
		fail_msg("%s", verified);
	assert_non_null(strstr(verified, "5 of 5 boots gave the same bytes again"));
}

/* Each file system, on two devices, twice. */
static void file_systems_are_sealed(void **state)
{
	static const char *const made[] = { "ext4", "xfs", "btrfs" };
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL, *verified = NULL, *shown = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(made); i++)
		if (!can_run(f, 65536, made[i]))
			skip();
	run = run_matrix(f, "sealed",
			 "matrix: sealed\n" GUEST KERNEL("64K") ONCE
			 "storages:\n"
			 "  xfs: { where: null_blk, fs: xfs, size: 320MiB, latency_us: 80, mount: noatime, "
			 "read_ahead_kb: 1024 }\n"
			 "  btrfs: { where: loop, fs: btrfs, size: 256MiB, read_ahead_kb: 512 }\n"
			 "  small: { where: loop, fs: xfs, size: 320MiB, block_size: 16K }\n"
			 "workloads: { w: { will-it-scale: { tests: [write1], bytes: 128MiB } } }\n",
			 0);
	if (GRANULE(&verified, "verify", run) != 0)
		fail_msg("%s", verified);
	assert_non_null(strstr(verified, "3 of 3 boots gave the same bytes again"));
	if (GRANULE(&shown, "show", run, "k.default.w.xfs") != 0)
		fail_msg("%s", shown);
	assert_non_null(strstr(shown, "noatime"));
	assert_true(value_in(run, "k.default.w.xfs", "guest.memory.disks") == 320 * MIB);
}

/* A disk on the host: a cell that says so, is never judged, and leaves no disk behind. */
static void host_disk_is_not_sealed(void **state)
{
#define HOST(accel)                                                                                                    \
	"matrix: host\nguest: { memory: 1GiB, accel: " accel ", timeout: 300 }\n" KERNEL("64K") ONCE                   \
		"storages: { vd: { where: virtio, fs: ext4, size: 64MiB, swap: virtio } }\n"                           \
		"workloads: { w: { will-it-scale: { tests: [write1], bytes: 128MiB } } }\n"
	static const char bad[] = HOST("simulated");
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL, *refused = NULL, *path = NULL, *out = NULL, *diff = NULL, *disk = NULL;
	struct booted b;
	enum basis basis;

	if (!can_run(f, 65536, "ext4"))
		skip();
	path = scratch_write(f->dir, "bad.yaml", bad, strlen(bad));
	refused = path_join(f->dir, "refused");
	assert_int_equal(GRANULE(&out, "run", "-o", refused, path), 2);
	if (!strstr(out, "the cell cannot be sealed: storage profile 'vd' is on a disk of the host"))
		fail_msg("%s", out);
	run = run_matrix(f, "host", HOST("auto"), 0);
	booted_open(run, "k.default.w.vd", &b);
	assert_int_equal(b.result.outcome, OUTCOME_OK);
	basis = run_find_cell(b.run, "k.default.w.vd")->basis;
	assert_int_not_equal(basis, BASIS_SIMULATED);
	disk = path_join(b.result.dir, "storage.disk");
	assert_false(path_exists(disk));
	booted_close(&b);
	assert_true(value_in(run, "k.default.w.vd", "guest.memory.idle_used") < 128 * MIB);
	/* itself against itself: shown */
	GRANULE(&diff, "diff", run, run);
	if (basis == BASIS_EMULATED && !strstr(diff, "emulated: the host's clock says nothing"))
		fail_msg("%s", diff);
}

/* What a mount refuses is told with its words. */
static void refused_mount(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL;
	struct booted b;

	if (!can_run(f, 65536, "ext4"))
		skip();
	run = run_matrix(f, "refused-mount",
			 "matrix: refused\n" GUEST KERNEL("64K") ONCE
			 "storages: { s: { where: loop, fs: ext4, size: 64MiB, mount: no_such_thing } }\n"
			 "workloads: { w: { null: {} } }\n",
			 4);
	booted_open(run, "k.default.w.s", &b);
	assert_int_equal(b.result.outcome, OUTCOME_SETTINGS_FAILED);
	if (!strstr(b.result.reason,
		    "cannot mount ext4 with blocks of 4096 bytes and options no_such_thing: Invalid argument"))
		fail_msg("%s", b.result.reason);
	booted_close(&b);
}

/* A workload that is larger than its limit swaps. At 4K a folio of 64K goes out whole and is counted
 * (CONFIG_THP_SWAP); at 64K there is no such option and large folios are split. */
static void large_folios_swap(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL;
	static const char *const cells[] = { "k.f.w.zram.96m", "k.f.w.disk.96m" };

	if (!can_run(f, 4096, NULL))
		skip();
	run = run_matrix(
		f, "thp-swap",
		"matrix: swap\n" GUEST KERNEL("4K") ONCE
		"folios: { f: { thp: never, anon: { 64K: always } } }\n"
		"storages: { zram: { swap: zram }, disk: { swap: null_blk, latency_us: 20 } }\nlimit: [96MiB]\n"
		"workloads: { w: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } } }\n",
		0);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		double out = value_in(run, cells[i], "page_fault1.folio.64K.swpout_per_mib"),
		       pages = value_in(run, cells[i], "page_fault1.vm.pswpout_per_mib"),
		       swap = value_in(run, cells[i], "page_fault1.memory.swap");

		print_message("%s: swpout %.2f, pswpout %.1f a MiB, swap %.1f MiB, unaccounted %.2f MiB\n", cells[i],
			      out, pages, swap / MIB, value_in(run, cells[i], "page_fault1.memory.unaccounted") / MIB);
		assert_true(out > 1);
		assert_true(pages >= 16 * out); /* a folio is 16 pages */
		/* 128 MiB that are mapped, of which 96 may stay */
		assert_true(swap > 24 * MIB && swap < 64 * MIB);
		assert_true(value_in(run, cells[i], "page_fault1.memory.own") < 97 * MIB);
	}
	assert_true(value_in(run, cells[1], "page_fault1.disk.swap.written_per_mib") > 0);
}

static void large_folios_split_at_64k(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL;
	static const char cell[] = "k.f.w.disk.96m";

	if (!can_run(f, 65536, NULL))
		skip();
	run = run_matrix(f, "thp-split",
			 "matrix: swap\n" GUEST KERNEL("64K") ONCE
			 "folios: { f: { thp: never, anon: { 2M: always } } }\n"
			 "storages: { disk: { swap: null_blk } }\nlimit: [96MiB]\n"
			 "workloads: { w: { will-it-scale: { tests: [page_fault1], bytes: 128MiB } } }\n",
			 0);
	print_message("64K: swpout %.2f, fallback %.2f, pswpout %.1f a MiB\n",
		      value_in(run, cell, "page_fault1.folio.2M.swpout_per_mib"),
		      value_in(run, cell, "page_fault1.folio.2M.swpout_fallback_per_mib"),
		      value_in(run, cell, "page_fault1.vm.pswpout_per_mib"));
	assert_true(value_in(run, cell, "page_fault1.vm.pswpout_per_mib") > 1);
	assert_true(value_in(run, cell, "page_fault1.folio.2M.swpout_per_mib") == 0);
}

/* XFS of 6.12 has blocks above a base page: the plan lets them through, and the mount shows them. */
static void large_blocks(void **state)
{
	struct guest_fixture *f = *state;
	_cleanup_free_ char *run = NULL;
	struct booted b;

	if (!can_run(f, 4096, "xfs"))
		skip();
	run = run_matrix(f, "large-blocks",
			 "matrix: blocks\n" GUEST KERNEL("4K") ONCE
			 "storages: { s: { where: null_blk, fs: xfs, size: 320MiB, block_size: 16K } }\n"
			 "workloads: { w: { will-it-scale: { tests: [write1], bytes: 128MiB } } }\n",
			 0);
	booted_open(run, "k.default.w.s", &b);
	assert_int_equal(b.result.outcome, OUTCOME_OK);
	booted_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_the_devices),
		cmocka_unit_test(file_systems_are_sealed),
		cmocka_unit_test(host_disk_is_not_sealed),
		cmocka_unit_test(refused_mount),
		cmocka_unit_test(large_folios_swap),
		cmocka_unit_test(large_folios_split_at_64k),
		cmocka_unit_test(large_blocks),
	};

	return cmocka_run_group_tests_name("storage-guest", tests, guest_setup, guest_teardown);
}
