// SPDX-License-Identifier: GPL-2.0-or-later
/* What a storage profile is in a guest. Knows the drivers' names of things; the agent does the steps (wire/job.h). */
#include "run/storage.h"

#include <inttypes.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "wire/job.h"
#include "workloads/workload.h"

#define CONFIG_MAX (16u << 20)
#define MAKE_TIMEOUT "600"
#define DEV "/dev/" JOB_STORAGE_DISK
#define DISK "/disk/"
/* One identity for all: that of a file system is no part of what is compared. */
#define UUID "6772616e-756c-4567-8001-000000000001"
#define HASH_SEED "6772616e-756c-4567-8002-000000000002"
#define DEVICE_UUID "6772616e-756c-4567-8003-000000000003"

static char *number(uint64_t n)
{
	return xasprintf("%" PRIu64, n);
}

/* ---- devices */

/* Documentation/block/null_blk.rst. irqmode 2 completes by a timer, 0 in the submitter's context. */
static void add_null_blk(const struct storage_profile *s, const char *name, uint64_t bytes, bool discard,
			 struct text *job)
{
	text_add(job, "disk\t%s\tnull_blk\t%" PRIu64 "\tsubmit_queues=1\tblocksize=%" PRIu64, name, bytes,
		 s->sector_bytes ? s->sector_bytes : 512);
	if (s->latency_us.given)
		text_add(job, "\tirqmode=2\tcompletion_nsec=%" PRIu64, s->latency_us.v * 1000);
	else
		text_add(job, "\tirqmode=0");
	if (s->mbps)
		text_add(job, "\tmbps=%" PRIu64, s->mbps);
	text_add(job, "%s\n", discard ? "\tdiscard=1" : "");
}

static void add_device(const struct storage_profile *s, struct text *job)
{
	const char *kind = storage_where_names[s->where];

	if (s->where == WHERE_NULL_BLK) {
		add_null_blk(s, JOB_STORAGE_DISK, s->bytes, s->discard == 1, job);
		return;
	}
	text_add(job, "disk\t" JOB_STORAGE_DISK "\t%s\t%" PRIu64, kind, s->bytes);
	if (s->where == WHERE_LOOP)
		text_add(job, "\tblocksize=%" PRIu64, s->sector_bytes ? s->sector_bytes : 512);
	text_add(job, "\n");
}

/* What the profile does not say is read, so that it is known. */
static void add_queue(const struct storage_profile *s, const char *name, bool btrfs, struct text *job)
{
	static const char *const facts[] = { "logical_block_size", "physical_block_size", "rotational", "write_cache",
					     "discard_max_bytes",  "max_sectors_kb",	  "nr_requests" };
	bool files = !strcmp(name, JOB_STORAGE_DISK), given = files && s->read_ahead_kb.given && !btrfs;
	_cleanup_free_ char *path = xasprintf(DISK "%s/queue/read_ahead_kb", name), *kb = number(s->read_ahead_kb.v);
	_cleanup_free_ char *scheduler = xasprintf(DISK "%s/queue/scheduler", name);

	if (files && s->scheduler >= 0)
		job_line(job, "set", scheduler, storage_scheduler_names[s->scheduler], "must", NULL);
	else
		job_line(job, "knob", scheduler, NULL);
	if (given)
		job_line(job, "set", path, kb, "must", NULL);
	else
		job_line(job, "knob", path, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
		_cleanup_free_ char *fact = xasprintf(DISK "%s/queue/%s", name, facts[i]);

		job_line(job, "knob", fact, NULL);
	}
}

/* ---- file systems. Nothing is discarded, since a device in memory would give its pages back; nothing is left for
 * later, since that would go on while a workload runs; the identities are fixed. */

static void add_make(const struct storage_profile *s, struct text *job)
{
	const char *program = mkfs_program(storage_fs_names[s->fs]);
	_cleanup_free_ char *path = xasprintf("/" MKFS_DIR "/%s", program), *block = number(s->block_bytes);
	_cleanup_free_ char *size = xasprintf("size=%" PRIu64, s->block_bytes);

	text_add(job, "make\t" MAKE_TIMEOUT "\t/" MKFS_DIR "/" MKFS_LOADER "\t--library-path\t/" MKFS_DIR "\t");
	switch (s->fs) {
	case FS_EXT4:
		job_line(job, path, "-q", "-F", "-t", "ext4", "-b", block, "-U", UUID, "-E",
			 "hash_seed=" HASH_SEED ",nodiscard,lazy_itable_init=0,lazy_journal_init=0", DEV, NULL);
		break;
	case FS_XFS:
		job_line(job, path, "-q", "-f", "-K", "-b", size, "-m", "uuid=" UUID, DEV, NULL);
		break;
	default:
		job_line(job, path, "-q", "-f", "-K", "-U", UUID, "--device-uuid", DEVICE_UUID, "-s", block, DEV, NULL);
	}
}

static char *mount_options(const struct storage_profile *s)
{
	struct text t = { 0 };

	for (size_t i = 0; i < s->mount.n; i++)
		text_add(&t, "%s%s", t.len ? "," : "", s->mount.v[i]);
	if (s->discard == 1)
		text_add(&t, "%sdiscard", t.len ? "," : "");
	return t.len ? text_steal(&t) : xstrdup("-");
}

static void add_file_system(const struct storage_profile *s, struct text *job)
{
	/* btrfs has a backing device of its own (super_setup_bdi_name() in fs/btrfs/disk-io.c), ext4 and XFS the
	 * disk's */
	static const char bdi[] = "/sys/class/bdi/btrfs-*/read_ahead_kb";
	_cleanup_free_ char *options = mount_options(s), *block = number(s->block_bytes),
			    *kb = number(s->read_ahead_kb.v);

	add_make(s, job);
	job_line(job, "attach", storage_fs_names[s->fs], JOB_STORAGE_DISK, JOB_STORAGE_DIR, options, block, NULL);
	if (s->fs == FS_BTRFS && s->read_ahead_kb.given)
		job_line(job, "set", bdi, kb, "must", NULL);
	else if (s->fs == FS_BTRFS)
		job_line(job, "knob", bdi, NULL);
	job_line(job, "bind", JOB_STORAGE_DIR, "/tmp", NULL);
}

/* ---- swap */

static void add_zswap(const struct storage_profile *s, struct text *job)
{
#define ZSWAP "/sys/module/zswap/parameters/"
	_cleanup_free_ char *percent = number(s->zswap_max_pool_percent);

	if (s->zswap_compressor >= 0)
		job_line(job, "set", ZSWAP "compressor", storage_zswap_names[s->zswap_compressor], "must", NULL);
	else
		job_line(job, "knob", ZSWAP "compressor", NULL);
	if (s->zswap_max_pool_percent)
		job_line(job, "set", ZSWAP "max_pool_percent", percent, "must", NULL);
	else
		job_line(job, "knob", ZSWAP "max_pool_percent", NULL);
	job_line(job, "knob", ZSWAP "zpool", NULL);
	if (s->zswap >= 0)
		job_line(job, "set", ZSWAP "enabled", s->zswap ? "Y" : "N", s->zswap ? "must" : "may", NULL);
	else
		job_line(job, "knob", ZSWAP "enabled", NULL);
}

static void add_swap(const struct storage_profile *s, struct text *job)
{
	_cleanup_free_ char *bytes = number(s->swap_bytes);

	if (s->swap == SWAP_NULL_BLK) {
		add_null_blk(s, JOB_SWAP_DISK, s->swap_bytes, false, job);
	} else {
		text_add(job, "disk\t" JOB_SWAP_DISK "\t%s\t%s", storage_swap_names[s->swap], bytes);
		if (s->zram_algorithm >= 0)
			text_add(job, "\tcomp_algorithm=%s", storage_zram_names[s->zram_algorithm]);
		text_add(job, "\n");
	}
	add_queue(s, JOB_SWAP_DISK, false, job);
	add_zswap(s, job);
	job_line(job, "swapon", JOB_SWAP_DISK, bytes, NULL);
}

void storage_steps_before(const struct storage_profile *s, struct text *job)
{
	bool device = s->where > WHERE_TMPFS;

	if (s->where == WHERE_NULL_BLK || s->swap == SWAP_NULL_BLK)
		job_line(job, "mount", "configfs", "/sys/kernel/config", "-", NULL);
	if (device) {
		add_device(s, job);
		add_queue(s, JOB_STORAGE_DISK, s->fs == FS_BTRFS, job);
	}
	if (device && s->fs > FS_RAW)
		add_file_system(s, job);
	if (s->swap >= 0)
		add_swap(s, job);
	if (device)
		job_line(job, "watch", DISK JOB_STORAGE_DISK "/stat", NULL);
	if (s->swap >= 0)
		job_line(job, "watch", DISK JOB_SWAP_DISK "/stat", NULL);
}

void storage_steps_after(const struct storage_profile *s, struct text *job)
{
	_cleanup_free_ char *options = mount_options(s), *all = NULL;

	if (s->where != WHERE_TMPFS)
		return;
	all = xasprintf("size=%" PRIu64 "%s%s", s->bytes, strcmp(options, "-") ? "," : "",
			strcmp(options, "-") ? options : "");
	job_line(job, "mount", "tmpfs", JOB_STORAGE_DIR, all, NULL);
	job_line(job, "bind", JOB_STORAGE_DIR, "/tmp", NULL);
}

void storage_steps_preparing(uint64_t bytes, struct text *job)
{
	job_line(job, "mount", "configfs", "/sys/kernel/config", "-", NULL);
	text_add(job, "disk\t" JOB_STORAGE_DISK "\tnull_blk\t%" PRIu64 "\tsubmit_queues=1\tirqmode=0\n", bytes);
}

/* A guest that waits for a device's timer sleeps and wakes thousands of times a second. QEMU moves its instruction
 * clock to the next timer whenever it sees the vCPU halted, also where the instructions before that are not counted
 * yet (icount_start_warp_timer() beside a vCPU that is just leaving): then the clock is off by them, by the host's
 * chance. With nohlt (arm64 has it, CONFIG_GENERIC_IDLE_POLL_SETUP) the idle loop polls, and time passes by
 * instructions only. */
char *storage_command_line(const struct storage_profile *s)
{
	bool waits = s->latency_us.given || s->mbps;
	_cleanup_free_ char *size =
		s->where == WHERE_BRD ? xasprintf("brd.rd_nr=1 brd.rd_size=%" PRIu64, s->bytes / 1024) : NULL;

	if (!waits && !size)
		return NULL;
	return xasprintf("%s%s%s", size ? size : "", size && waits ? " " : "", waits ? "nohlt" : "");
}

/* ---- what a kernel lacks */

struct driver {
	const char *option, *module;
};

static const struct driver where_drivers[][2] = {
	[WHERE_LOOP] = { { "CONFIG_BLK_DEV_LOOP", "loop" } },
	[WHERE_BRD] = { { "CONFIG_BLK_DEV_RAM", "brd" } },
	[WHERE_NULL_BLK] = { { "CONFIG_BLK_DEV_NULL_BLK", "null_blk" }, { "CONFIG_CONFIGFS_FS", "configfs" } },
	[WHERE_VIRTIO] = { { "CONFIG_VIRTIO_BLK", "virtio_blk" } },
};
static const struct driver fs_drivers[] = {
	[FS_EXT4] = { "CONFIG_EXT4_FS", "ext4" },
	[FS_XFS] = { "CONFIG_XFS_FS", "xfs" },
	[FS_BTRFS] = { "CONFIG_BTRFS_FS", "btrfs" },
};
static const struct driver swap_drivers[][2] = {
	[SWAP_NULL_BLK] = { { "CONFIG_BLK_DEV_NULL_BLK", "null_blk" }, { "CONFIG_CONFIGFS_FS", "configfs" } },
	[SWAP_ZRAM] = { { "CONFIG_ZRAM", "zram" } },
	[SWAP_VIRTIO] = { { "CONFIG_VIRTIO_BLK", "virtio_blk" } },
};
static const struct driver swap_itself = { "CONFIG_SWAP", "swap" }, zswap_itself = { "CONFIG_ZSWAP", "zswap" };

static bool is_loaded(const char *module, const struct kernel_module *modules, size_t n)
{
	_cleanup_free_ char *end = xasprintf("-%s.ko", module), *dashed = xstrdup(end);

	/* a file's name may have either */
	for (char *c = dashed + 1; *c; c++)
		if (*c == '_')
			*c = '-';
	for (size_t i = 0; i < n; i++)
		if (ends_with(modules[i].name, end) || ends_with(modules[i].name, dashed))
			return true;
	return false;
}

static char *lacks(const struct driver *d, const char *config, const struct kernel_module *modules, size_t n)
{
	_cleanup_free_ char *line = xasprintf("\n%s=", d->option);
	const char *at = strstr(config, line);
	char value = at ? at[strlen(line)] : 'n';

	if (value == 'y')
		return NULL;
	if (value != 'm')
		return xasprintf("this kernel has no %s (%s is not set)", d->module, d->option);
	if (is_loaded(d->module, modules, n))
		return NULL;
	return xasprintf("%s is a module of this kernel that is not loaded: name it in the kernel's 'load'", d->module);
}

char *storage_lacks_in(const struct storage_profile *s, const char *config, const struct kernel_module *modules,
		       size_t n_modules)
{
	const struct driver *all[8];
	size_t n = 0;

	for (size_t i = 0; s->where >= 0 && i < 2; i++)
		all[n++] = &where_drivers[s->where][i];
	if (s->fs > FS_RAW)
		all[n++] = &fs_drivers[s->fs];
	for (size_t i = 0; s->swap >= 0 && i < 2; i++)
		all[n++] = &swap_drivers[s->swap][i];
	if (s->swap >= 0)
		all[n++] = &swap_itself;
	if (s->zswap == 1)
		all[n++] = &zswap_itself;
	for (size_t i = 0; i < n; i++) {
		char *why = all[i]->option ? lacks(all[i], config, modules, n_modules) : NULL;

		if (why)
			return why;
	}
	return NULL;
}

char *storage_lacks(const struct storage_profile *s, const struct kernel_image *image)
{
	_cleanup_free_ char *config = NULL;

	if (!image->config || file_read(image->config, CONFIG_MAX, &config, NULL, NULL) < 0)
		return NULL;
	return storage_lacks_in(s, config, image->modules, image->n_modules);
}
