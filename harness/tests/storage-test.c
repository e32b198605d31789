// SPDX-License-Identifier: GPL-2.0-or-later
/* Storage profiles without a guest: cells, what a kernel cannot do, the job, what mkfs is gathered from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "run/storage.h"
#include "tests/pipeline.h"
#include "workloads/workload.h"

#define HEAD                                                                                                           \
	"matrix: m\nkernels: { k: { image: I } }\nfolios: { f: {}, huge: { tmpfs_huge: always }, ra: { "               \
	"read_ahead_kb: 1 } }\n"                                                                                       \
	"workloads: { a: { null: }, b: { null: } }\n"

static struct matrix *parsed(const char *storages)
{
	_cleanup_free_ char *text = xasprintf(HEAD "%s", storages);
	struct err err = ERR_INIT;
	struct matrix *m = NULL;

	if (matrix_parse(text, "m.yaml", &m, &err) < 0)
		fail_msg("%s", err.msg);
	return m;
}

/* The axis lies between workloads and limits, in ids too. Caught: the two swapped, a rule that selects by the wrong
 * axis. */
static void axis(void **state)
{
	static const char *const expected[] = { "k.f.a.mem.none", "k.f.a.mem.1g", "k.f.a.disk.none", "k.f.a.disk.1g",
						"k.f.b.mem.none", "k.f.b.mem.1g", "k.f.b.disk.none", "k.f.b.disk.1g" };
	struct matrix *m = parsed("storages: { mem: { where: tmpfs }, disk: { where: loop, fs: ext4 } }\n"
				  "limit: [none, 1GiB]\nskip: [ { storages: disk, workloads: b, why: slow } ]\n");
	struct cell *v;
	size_t n;

	(void)state;
	matrix_expand(m, &v, &n);
	assert_int_equal(n, 3 * ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(v[i].id, expected[i]);
		assert_ptr_equal(v[i].storage, &m->storages[i / 2 % 2]);
		assert_ptr_equal(v[i].limit, &m->limits[i % 2]);
		assert_true(!v[i].skip == (i < 6));
	}
	cells_free(v, n);
	matrix_free(m);
	m = parsed("storages: { mem: { where: tmpfs } }\n");
	matrix_expand(m, &v, &n);
	assert_string_equal(v[0].id, "k.f.a.mem");
	cells_free(v, n);
	matrix_free(m);
}

static void expect_why(const char *storage, size_t folio, uint64_t page_bytes, unsigned major, unsigned minor,
		       const char *expected)
{
	_cleanup_free_ char *text = xasprintf("storages: { s: { %s } }\n", storage), *why = NULL;
	struct matrix *m = parsed(text);

	why = storage_unsupported(&m->storages[0], &m->folios[folio], page_bytes,
				  (struct kernel_version){ major, minor });
	if (strcmp(why ? why : "", expected ? expected : ""))
		fail_msg("%s: '%s', not '%s'", storage, why ? why : "", expected ? expected : "");
	matrix_free(m);
}

static void unsupported(void **state)
{
	(void)state;
	expect_why("where: loop, fs: xfs, block_size: 16K", 0, 4096, 6, 1,
		   "xfs of kernel 6.1 does not mount blocks of 16K at 4K base pages (since 6.12)");
	expect_why("where: loop, fs: xfs, block_size: 16K", 0, 4096, 6, 12, NULL);
	expect_why("where: loop, fs: xfs, block_size: 16K", 0, 16384, 6, 1, NULL);
	expect_why("where: loop, fs: xfs, block_size: 16K", 0, 4096, 0, 0, NULL); /* the guest will say */
	expect_why("where: loop, fs: ext4, block_size: 16K", 0, 4096, 6, 12,
		   "ext4 of kernel 6.12 does not mount blocks of 16K at 4K base pages (since 6.19)");
	expect_why("where: loop, fs: ext4, block_size: 16K", 0, 4096, 7, 2, NULL);
	expect_why("where: loop, fs: btrfs, block_size: 64K", 0, 16384, 7, 2,
		   "btrfs does not mount blocks of 64K at 16K base pages");
	expect_why("where: loop, fs: ext4", 1, 4096, 7, 2,
		   "folio profile 'huge' sets tmpfs_huge, and with storage profile 's' the workload has no tmpfs");
	expect_why("where: tmpfs", 1, 4096, 7, 2, NULL);
	expect_why("where: loop, fs: ext4, read_ahead_kb: 512", 2, 4096, 7, 2,
		   "folio profile 'ra' and storage profile 's' both set read_ahead_kb");
}

static void expect_lacks(const char *storage, const char *config, const char *module, const char *expected)
{
	_cleanup_free_ char *text = xasprintf("storages: { s: { %s } }\n", storage), *why = NULL;
	struct kernel_module loaded = { .name = (char *)(uintptr_t)module };
	struct matrix *m = parsed(text);

	why = storage_lacks_in(&m->storages[0], config, &loaded, module ? 1 : 0);
	if (strcmp(why ? why : "", expected ? expected : ""))
		fail_msg("%s: '%s', not '%s'", storage, why ? why : "", expected ? expected : "");
	matrix_free(m);
}

/* Caught: CONFIG_EXT4_FS taken for CONFIG_EXT4_FS_SECURITY, "is not set" for set, a module for a driver. */
static void drivers(void **state)
{
	static const char config[] =
		"#\n# CONFIG_XFS_FS is not set\nCONFIG_BLK_DEV_LOOP=y\nCONFIG_EXT4_FS_SECURITY=y\n"
		"CONFIG_BTRFS_FS=m\nCONFIG_BLK_DEV_NULL_BLK=m\nCONFIG_CONFIGFS_FS=y\nCONFIG_SWAP=y\n"
		"CONFIG_ZRAM=y\n";

	(void)state;
	expect_lacks("where: tmpfs", config, NULL, NULL);
	expect_lacks("where: loop, fs: raw", config, NULL, NULL);
	expect_lacks("where: loop, fs: xfs", config, NULL, "this kernel has no xfs (CONFIG_XFS_FS is not set)");
	expect_lacks("where: loop, fs: ext4", config, NULL, "this kernel has no ext4 (CONFIG_EXT4_FS is not set)");
	expect_lacks("where: loop, fs: btrfs", config, NULL,
		     "btrfs is a module of this kernel that is not loaded: name it in the kernel's 'load'");
	expect_lacks("where: loop, fs: btrfs", config, "07-btrfs.ko", NULL);
	expect_lacks("where: null_blk, fs: raw", config, "00-null_blk.ko", NULL);
	expect_lacks("where: null_blk, fs: raw", config, "00-null-blk.ko", NULL);
	expect_lacks("where: virtio, fs: raw", config, NULL,
		     "this kernel has no virtio_blk (CONFIG_VIRTIO_BLK is not set)");
	expect_lacks("swap: zram", config, NULL, NULL);
	expect_lacks("swap: zram", "CONFIG_ZRAM=y\n", NULL, "this kernel has no zram (CONFIG_ZRAM is not set)");
	expect_lacks("swap: zram", "\nCONFIG_ZRAM=y\n", NULL, "this kernel has no swap (CONFIG_SWAP is not set)");
	expect_lacks("swap: null_blk, zswap: yes", config, "00-null_blk.ko",
		     "this kernel has no zswap (CONFIG_ZSWAP is not set)");
}

static char *job_of(const char *storage, bool after)
{
	_cleanup_free_ char *text = xasprintf("storages: { s: { %s } }\n", storage);
	struct matrix *m = parsed(text);
	struct text job = { 0 };

	(after ? storage_steps_after : storage_steps_before)(&m->storages[0], &job);
	matrix_free(m);
	return job.len ? text_steal(&job) : xstrdup("");
}

static void expect_lines(const char *storage, const char *const *lines)
{
	_cleanup_free_ char *job = job_of(storage, false);
	const char *at = job;

	for (; *lines; lines++) {
		const char *found = strstr(at, *lines);

		if (!found || (found > job && found[-1] != '\n'))
			fail_msg("%s: no line '%s' from here on:\n%s", storage, *lines, at);
		at = found + strlen(*lines);
	}
}

/* In this order: the device, its file system, its mount, swap. Caught: mkfs that discards what was allocated or leaves
 * inode tables for later, one without its fixed identities, latency in another unit, readahead of btrfs set on the
 * disk's. */
static void jobs(void **state)
{
	_cleanup_free_ char *tmpfs = job_of("where: tmpfs, size: 64MiB, mount: [noatime]", true);
	_cleanup_free_ char *before = job_of("where: tmpfs", false), *raw = job_of("where: null_blk, fs: raw", false);

	(void)state;
	expect_lines("where: null_blk, fs: ext4, size: 1GiB, latency_us: 80, mbps: 200, sector_size: 4K, mount: "
		     "[noatime, commit=30]",
		     (const char *const[]){
			     "mount\tconfigfs\t/sys/kernel/config\t-\n",
			     "disk\tstorage\tnull_blk\t1073741824\tsubmit_queues=1\tblocksize=4096\tirqmode=2\t"
			     "completion_nsec=80000\tmbps=200\n",
			     "knob\t/disk/storage/queue/scheduler\n",
			     "make\t600\t/mkfs/ld-linux-aarch64.so.1\t--library-path\t/mkfs\t/mkfs/"
			     "mke2fs\t-q\t-F\t-t\text4\t-b\t"
			     "4096\t-U\t6772616e-756c-4567-8001-000000000001\t-E\t"
			     "hash_seed=6772616e-756c-4567-8002-000000000002,nodiscard,lazy_itable_init=0,lazy_journal_"
			     "init=0\t"
			     "/dev/storage\n",
			     "attach\text4\tstorage\t/storage\tnoatime,commit=30\t4096\n", "bind\t/storage\t/tmp\n",
			     "watch\t/disk/storage/stat\n", NULL });
	expect_lines("where: loop, fs: xfs, block_size: 16K, read_ahead_kb: 512, scheduler: mq-deadline",
		     (const char *const[]){ "disk\tstorage\tloop\t536870912\tblocksize=512\n",
					    "set\t/disk/storage/queue/scheduler\tmq-deadline\tmust\n",
					    "set\t/disk/storage/queue/read_ahead_kb\t512\tmust\n",
					    "make\t600\t/mkfs/ld-linux-aarch64.so.1\t--library-path\t/mkfs\t/mkfs/"
					    "mkfs.xfs\t-q\t-f\t-K\t-b\t"
					    "size=16384\t-m\tuuid=6772616e-756c-4567-8001-000000000001\t/dev/storage\n",
					    "attach\txfs\tstorage\t/storage\t-\t16384\n", NULL });
	expect_lines("where: brd, fs: btrfs, read_ahead_kb: 512, swap: zram, zram_algorithm: zstd",
		     (const char *const[]){ "disk\tstorage\tbrd\t536870912\n",
					    "knob\t/disk/storage/queue/read_ahead_kb\n",
					    "attach\tbtrfs\tstorage\t/storage\t-\t4096\n",
					    "set\t/sys/class/bdi/btrfs-*/read_ahead_kb\t512\tmust\n",
					    "disk\tswap\tzram\t268435456\tcomp_algorithm=zstd\n",
					    "swapon\tswap\t268435456\n", "watch\t/disk/swap/stat\n", NULL });
	expect_lines(
		"swap: null_blk, swap_size: 64MiB, zswap: yes, zswap_compressor: zstd, zswap_max_pool_percent: 5",
		(const char *const[]){ "mount\tconfigfs\t/sys/kernel/config\t-\n",
				       "disk\tswap\tnull_blk\t67108864\tsubmit_queues=1\tblocksize=512\tirqmode=0\n",
				       "set\t/sys/module/zswap/parameters/compressor\tzstd\tmust\n",
				       "set\t/sys/module/zswap/parameters/max_pool_percent\t5\tmust\n",
				       "set\t/sys/module/zswap/parameters/enabled\tY\tmust\n",
				       "swapon\tswap\t67108864\n", NULL });
	assert_string_equal(tmpfs, "mount\ttmpfs\t/storage\tsize=67108864,noatime\nbind\t/storage\t/tmp\n");
	assert_string_equal(before, "");
	assert_null(strstr(raw, "make\t"));
	assert_null(strstr(raw, "bind\t"));
}

static void command_line(void **state)
{
	static const struct {
		const char *storage, *words;
	} cases[] = {
		{ "where: brd, fs: raw, size: 64MiB", "brd.rd_nr=1 brd.rd_size=65536" },
		{ "where: null_blk, fs: raw, latency_us: 80", "nohlt" },
		{ "swap: null_blk, mbps: 100", "nohlt" },
		{ "where: brd, fs: raw, size: 64MiB, swap: null_blk, latency_us: 0",
		  "brd.rd_nr=1 brd.rd_size=65536 nohlt" },
		{ "where: null_blk, fs: raw", NULL },
		{ "where: loop, fs: raw", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = xasprintf("storages: { s: { %s } }\n", cases[i].storage), *words = NULL;
		struct matrix *m = parsed(text);

		words = storage_command_line(&m->storages[0]);
		if (!text_equal(words, cases[i].words))
			fail_msg("%s: %s", cases[i].storage, words ? words : "nothing");
		matrix_free(m);
	}
}

/* A program of this host's stands for mkfs: it needs libraries, which lie in the root or do not. */
static void gathering(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *lib = path_join(dir, "usr/lib/aarch64-linux-gnu"), *out = path_join(dir, "out"),
			    *path = path_join(lib, "program"), *data = NULL;
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(make_dirs(lib, NULL) | make_dirs(out, NULL), 0);
	assert_int_equal(file_read("/proc/self/exe", 256u << 20, &data, &len, &err), 0);
	assert_int_equal(file_write(path, data, len, &err), 0);
	assert_int_equal(mkfs_gather(dir, "program", out, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	if (!strstr(err.msg, " is needed by program and is in none of its packages"))
		fail_msg("%s", err.msg);
	/* not a way out of the root */
	assert_int_equal(mkfs_gather(dir, "../../../etc/passwd", out, &err), -1);
	scratch_remove(dir);
}

/* Of a cache with a folder whose file is not what its list says nothing is used. */
static void damaged(void **state)
{
	static const char hex[] = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"; /* of "foo" */
	char *cache = scratch_make();
	_cleanup_free_ char *dir = path_join(cache, "tools/mkfs-xfs"), *file = path_join(dir, "mkfs.xfs"),
			    *list = path_join(dir, "list"), *text = NULL;
	struct mkfs *mkfs = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(mkfs_lookup(cache, "xfs", &mkfs, &err), 0);
	assert_int_equal(make_dirs(dir, NULL), 0);
	text = xasprintf("granule mkfs 1\nxfsprogs 6.13 abc\n%s mkfs.xfs\n", hex);
	assert_int_equal(file_write(list, text, strlen(text), NULL) | file_write(file, "foo", 3, NULL), 0);
	assert_int_equal(mkfs_lookup(cache, "xfs", &mkfs, &err), 1);
	assert_int_equal(mkfs->n, 1);
	assert_string_equal(mkfs->packages, "xfsprogs 6.13 abc");
	assert_string_equal(mkfs->files[0].name, "mkfs.xfs");
	assert_string_equal(mkfs->files[0].sha256, hex);
	mkfs_free(mkfs);
	assert_int_equal(file_write(file, "fop", 3, NULL), 0);
	assert_int_equal(mkfs_lookup(cache, "xfs", &mkfs, &err), 0);
	assert_int_equal(mkfs_lookup(cache, "ntfs", &mkfs, &err), -1);
	assert_string_equal(err.msg, "granule has no program that makes ntfs");
	scratch_remove(cache);
}

/* The whole program on guests that are none: ids, skips with their reasons, the basis, a diff along the axis. Caught: a host disk
 * that is called sealed, the profiles' difference taken for a confounder. */
static void pipeline(void **state)
{
	static const char text[] =
		"matrix: s\nguest: { memory: 512MiB, accel: emulated }\nkernels: { k: { image: Image } }\n"
		"storages:\n  mem: { where: tmpfs, size: 64MiB }\n  z: { swap: zram }\n  raw: { where: null_blk, fs: "
		"raw, "
		"size: 64MiB }\n  host: { where: virtio, fs: raw, size: 64MiB }\n"
		"workloads:\n  w: { null: {} }\n  files: { will-it-scale: { tests: [getppid1] } }\n"
		"skip: [ { workloads: files, storages: [mem, z, host], why: short } ]\n"
		"trials: { seeds: 2, warmups: 0, samples: 1 }\n";
	char *dir = scratch_make();
	_cleanup_free_ char *cache = path_join(dir, "cache"), *run = path_join(dir, "run");
	_cleanup_free_ char *matrix = scratch_write(dir, "m.yaml", text, strlen(text)), *listed = NULL, *out = NULL;
	_cleanup_free_ char *diff = NULL, *shown = NULL;

	(void)state;
	setenv("GRANULE_CACHE", cache, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("CI", "1", 1);
	free(scratch_image(dir, "Image", 65536));
	assert_int_equal(GRANULE(&listed, "list", matrix), 0);
	assert_non_null(strstr(listed, "k.default.files.raw  skipped: storage profile 'raw' is a device without a file "
				       "system, which will-it-scale does not use"));
	assert_non_null(strstr(listed, "k.default.w.raw\n"));
	if (GRANULE(&out, "run", matrix, "-o", run) != 0)
		fail_msg("%s", out);
	assert_non_null(strstr(out, "8 boots, 8 ok; 4 cells skipped"));
	assert_int_equal(GRANULE(&shown, "show", run, "k.default.w.host"), 0);
	assert_non_null(strstr(shown, "virtio"));
	GRANULE(&diff, "diff", run, "--along", "storages", "--from", "mem");
	assert_non_null(strstr(diff, "storage.where: tmpfs -> null_blk"));
	assert_null(strstr(diff, "confounded"));
	unsetenv("GRANULE_FAKE");
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(axis),	   cmocka_unit_test(unsupported),  cmocka_unit_test(drivers),
		cmocka_unit_test(jobs),	   cmocka_unit_test(command_line), cmocka_unit_test(gathering),
		cmocka_unit_test(damaged), cmocka_unit_test(pipeline),
	};

	return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
