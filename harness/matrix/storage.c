// SPDX-License-Identifier: GPL-2.0-or-later
/* Storage profiles: their keys, what one key says of another, and what a kernel cannot do. What they are in a guest is
 * run/storage.c's. */
#include "matrix/storage.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/sections.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define SIZE_DEFAULT (512 * MIB)
#define SWAP_DEFAULT (256 * MIB)
#define BLOCK_DEFAULT (4 * KIB)

/* in the order of their enums */
const char *const storage_where_names[] = { "tmpfs", "loop", "brd", "null_blk", "virtio", NULL };
const char *const storage_fs_names[] = { "raw", "ext4", "xfs", "btrfs", NULL };
const char *const storage_swap_names[] = { "null_blk", "zram", "virtio", NULL };
const char *const storage_scheduler_names[] = { "none", "mq-deadline", NULL };
const char *const storage_cache_names[] = { "writeback", "none", "writethrough", "directsync", "unsafe", NULL };
const char *const storage_zram_names[] = { "lzo", "lzo-rle", "lz4", "zstd", NULL };
const char *const storage_zswap_names[] = { "lzo", "lz4", "zstd", NULL };
static const char *const switch_names[] = { "no", "yes", NULL };
static const char *const sector_names[] = { "512", "4K", NULL };
static const char *const block_names[] = { "1K", "2K", "4K", "8K", "16K", "32K", "64K", NULL };

#define ENUM(name, field, names, text)                                                                                 \
	{                                                                                                              \
		.key = name, .type = OPT_ENUM, .offset = offsetof(struct storage_profile, field), .choices = names,    \
		.help = text                                                                                           \
	}
#define SIZE(name, field, least, most, names, text)                                                                    \
	{                                                                                                              \
		.key = name, .type = OPT_SIZE, .offset = offsetof(struct storage_profile, field), .min = least,        \
		.max = most, .choices = names, .help = text                                                            \
	}
#define NUMBER(name, kind, field, least, most, text)                                                                   \
	{                                                                                                              \
		.key = name, .type = kind, .offset = offsetof(struct storage_profile, field), .min = least,            \
		.max = most, .help = text                                                                              \
	}

const struct option_def storage_options[] = {
	ENUM("where", where, storage_where_names,
	     "What holds the workload's files. tmpfs; loop (a file of a tmpfs); brd; null_blk (memory-backed, with a "
	     "latency in guest time); virtio: a raw file on the host, which makes the cell unsealed. Not given: /tmp "
	     "stays a tmpfs."),
	SIZE("size", bytes, 16 * MIB, 1024 * GIB, NULL, "Of that device, whole MiB; 512M if not given."),
	ENUM("fs", fs, storage_fs_names,
	     "The file system, made in the guest with fixed identities by Debian's mkfs; needed with every `where` but "
	     "tmpfs. raw: none, for workloads that use /dev/storage."),
	SIZE("block_size", block_bytes, 0, 0, block_names,
	     "Of the file system (btrfs: its sectors); 4K if not given. More than a base page: XFS since 6.12, ext4 "
	     "since "
	     "6.19."),
	{ .key = "mount",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct storage_profile, mount),
	  .max = 16,
	  .help = "Mount options, [noatime, nobarrier]. What the kernel then shows is stored." },
	NUMBER("read_ahead_kb", OPT_MAYBE_U64, read_ahead_kb, 0, UINT32_MAX,
	       "Readahead of this file system's device in KiB."),
	ENUM("scheduler", scheduler, storage_scheduler_names, "The device's I/O scheduler."),
	SIZE("sector_size", sector_bytes, 0, 0, sector_names,
	     "Logical block size of a null_blk or loop device; 512 if not given."),
	NUMBER("latency_us", OPT_MAYBE_U64, latency_us, 0, 1000000,
	       "null_blk: a request completes this long after it was submitted, in guest time. Not given: at once, in "
	       "the "
	       "submitter's context."),
	NUMBER("mbps", OPT_U64, mbps, 1, 1000000, "null_blk: at most so many MB a second."),
	ENUM("discard", discard, switch_names,
	     "yes: the device discards and the file system is mounted with discard. What a null_blk device then holds "
	     "is "
	     "not known, since it gives pages back."),
	ENUM("cache", cache, storage_cache_names, "virtio: QEMU's cache mode; writeback if not given."),
	ENUM("swap", swap, storage_swap_names,
	     "A swap device: null_blk (latency_us and mbps hold for it too), zram, virtio."),
	SIZE("swap_size", swap_bytes, 16 * MIB, 1024 * GIB, NULL, "Of that device, whole MiB; 256M if not given."),
	ENUM("zram_algorithm", zram_algorithm, storage_zram_names, "zram's comp_algorithm."),
	ENUM("zswap", zswap, switch_names, "yes: zswap before the swap device. no: off."),
	ENUM("zswap_compressor", zswap_compressor, storage_zswap_names, "zswap's compressor."),
	NUMBER("zswap_max_pool_percent", OPT_U64, zswap_max_pool_percent, 1, 100,
	       "zswap's max_pool_percent, of the guest's memory."),
	OPTIONS_END,
};

#define BIT(n) (1u << (n))
#define DEVICES (BIT(WHERE_LOOP) | BIT(WHERE_BRD) | BIT(WHERE_NULL_BLK) | BIT(WHERE_VIRTIO))

/* What a key needs: `where`, `fs` or `swap` in one of these sets. */
static const struct need {
	const char *key;
	unsigned where, fs, swap; /* bits; any of them will do */
	const char *what;
} needs[] = {
	{ "size", DEVICES | BIT(WHERE_TMPFS), 0, 0, "'where'" },
	{ "fs", DEVICES, 0, 0, "'where: loop', 'brd', 'null_blk' or 'virtio'" },
	{ "block_size", 0, BIT(FS_EXT4) | BIT(FS_XFS) | BIT(FS_BTRFS), 0, "'fs: ext4', 'xfs' or 'btrfs'" },
	{ "mount", BIT(WHERE_TMPFS), BIT(FS_EXT4) | BIT(FS_XFS) | BIT(FS_BTRFS), 0, "a file system" },
	{ "read_ahead_kb", DEVICES, 0, 0, "'where: loop', 'brd', 'null_blk' or 'virtio'" },
	/* brd has no request queue to schedule (it takes bios) */
	{ "scheduler", BIT(WHERE_LOOP) | BIT(WHERE_NULL_BLK) | BIT(WHERE_VIRTIO), 0, 0,
	  "'where: loop', 'null_blk' or 'virtio'" },
	{ "sector_size", BIT(WHERE_LOOP) | BIT(WHERE_NULL_BLK), 0, 0, "'where: loop' or 'null_blk'" },
	{ "latency_us", BIT(WHERE_NULL_BLK), 0, BIT(SWAP_NULL_BLK), "'where: null_blk' or 'swap: null_blk'" },
	{ "mbps", BIT(WHERE_NULL_BLK), 0, BIT(SWAP_NULL_BLK), "'where: null_blk' or 'swap: null_blk'" },
	{ "discard", BIT(WHERE_NULL_BLK) | BIT(WHERE_VIRTIO), 0, 0, "'where: null_blk' or 'virtio'" },
	{ "cache", BIT(WHERE_VIRTIO), 0, BIT(SWAP_VIRTIO), "'where: virtio' or 'swap: virtio'" },
	{ "swap_size", 0, 0, ~0u, "'swap'" },
	{ "zram_algorithm", 0, 0, BIT(SWAP_ZRAM), "'swap: zram'" },
	{ "zswap", 0, 0, BIT(SWAP_NULL_BLK) | BIT(SWAP_VIRTIO), "'swap: null_blk' or 'virtio'" },
	{ "zswap_compressor", 0, 0, BIT(SWAP_NULL_BLK) | BIT(SWAP_VIRTIO), "'swap: null_blk' or 'virtio'" },
	{ "zswap_max_pool_percent", 0, 0, BIT(SWAP_NULL_BLK) | BIT(SWAP_VIRTIO), "'swap: null_blk' or 'virtio'" },
};

static bool in(unsigned set, int choice)
{
	return choice >= 0 && (set & BIT(choice));
}

bool storage_on_host(const struct storage_profile *storage)
{
	return storage->where == WHERE_VIRTIO || storage->swap == SWAP_VIRTIO;
}

bool storage_is_made(const struct storage_profile *storage)
{
	return storage->where > WHERE_TMPFS && storage->fs > FS_RAW;
}

uint64_t storage_device_bytes(const struct storage_profile *storage)
{
	return storage && storage->where > WHERE_TMPFS && storage->fs == FS_RAW ? storage->bytes : 0;
}

static int check_needs(const struct parsing *p, const struct node *key, const struct storage_profile *s,
		       struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		const struct need *n = &needs[i];
		const struct node *at = node_key(key->next, n->key);

		if (at && !in(n->where, s->where) && !in(n->fs, s->fs) && !in(n->swap, s->swap))
			return source_error(p->src, err, at->at, "'%s' needs %s", n->key, n->what);
	}
	for (size_t i = 0; s->zswap != 1 && i < ARRAY_SIZE(needs); i++) {
		const struct node *at = starts_with(needs[i].key, "zswap_") ? node_key(key->next, needs[i].key) : NULL;

		if (at)
			return source_error(p->src, err, at->at, "'%s' needs 'zswap: yes'", needs[i].key);
	}
	return 0;
}

static int check_mount(const struct parsing *p, const struct node *map, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=.:";
	const struct node *key = node_key(map, "mount"), *item = NULL;

	if (!key)
		return 0;
	item = key->next->kind == NODE_LIST ? key->next->first : key->next;
	for (; item; item = key->next->kind == NODE_LIST ? item->next : NULL) {
		if (!*item->value || strlen(item->value) > 64 || strspn(item->value, letters) != strlen(item->value))
			return source_error(p->src, err, item->at,
					    "'mount' takes single options, such as noatime or commit=30, not %s",
					    QUOTED(item->value));
		if (starts_with(item->value, "size=") || starts_with(item->value, "huge="))
			return source_error(p->src, err, item->at,
					    "%s: a tmpfs has its size from 'size', and huge= from the folio profile",
					    QUOTED(item->value));
	}
	return 0;
}

/* What the programs that make them refuse, found before a guest is started. */
static int check_least(const struct parsing *p, const struct node *key, const struct storage_profile *s,
		       struct err *err)
{
	static const uint64_t least[] = { [FS_EXT4] = 16 * MIB, [FS_XFS] = 300 * MIB, [FS_BTRFS] = 128 * MIB };
	static const uint64_t least_block[] = { [FS_EXT4] = KIB, [FS_XFS] = KIB, [FS_BTRFS] = 4 * KIB };
	char a[24], b[24];

	if (s->fs <= FS_RAW)
		return 0;
	if (s->bytes < least[s->fs])
		return source_error(p->src, err, value_at(key->next, "size"), "%s is too small for %s: at least %s",
				    size_format(s->bytes, a), storage_fs_names[s->fs], size_format(least[s->fs], b));
	if (s->block_bytes < least_block[s->fs])
		return source_error(p->src, err, value_at(key->next, "block_size"),
				    "%s has no blocks of %s: at least %s", storage_fs_names[s->fs],
				    size_format(s->block_bytes, a), size_format(least_block[s->fs], b));
	return 0;
}

static int check_sizes(const struct parsing *p, const struct node *key, const struct storage_profile *s,
		       struct err *err)
{
	static const char *const keys[] = { "size", "swap_size" };
	const uint64_t sizes[] = { s->bytes, s->swap_bytes };
	uint64_t memory = p->matrix->guest.memory_bytes, held = 0;
	char size[24];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (sizes[i] % MIB)
			return source_error(p->src, err, value_at(key->next, keys[i]), "'%s' must be whole MiB",
					    keys[i]);
	if (s->where >= 0 && s->where != WHERE_VIRTIO)
		held += s->bytes;
	if (s->swap == SWAP_NULL_BLK)
		held += s->swap_bytes;
	if (held > memory / 2)
		return source_error(
			p->src, err, key->at,
			"storage profile '%s' holds %s of the guest's memory, more than half of its %llu MiB", s->label,
			size_format(held, size), (unsigned long long)memory / MIB);
	return check_least(p, key, s, err);
}

static int check_storage(const struct parsing *p, const struct node *key, struct storage_profile *s, struct err *err)
{
	if (s->where < 0 && s->swap < 0)
		return source_error(p->src, err, key->at,
				    "storage profile '%s' holds nothing: add 'where', 'swap' or both", s->label);
	if (check_needs(p, key, s, err) < 0)
		return -1;
	if (s->where > WHERE_TMPFS && s->fs < 0)
		return source_error(p->src, err, key->at,
				    "storage profile '%s': 'fs' is missing: ext4, xfs, btrfs, or raw for none",
				    s->label);
	if (s->where >= 0 && !s->bytes)
		s->bytes = SIZE_DEFAULT;
	if (s->swap >= 0 && !s->swap_bytes)
		s->swap_bytes = SWAP_DEFAULT;
	if (s->fs > FS_RAW && !s->block_bytes)
		s->block_bytes = BLOCK_DEFAULT;
	if (check_mount(p, key->next, err) < 0)
		return -1;
	return check_sizes(p, key, s, err);
}

int parse_storages(struct parsing *p, const struct section *section, const struct node *unused,
		   const struct node *value, struct err *err)
{
	struct matrix *m = p->matrix;

	(void)unused;
	if (!value)
		return 0;
	NODE_EACH_KEY(key, value)
	{
		_cleanup_free_ char *what = xasprintf("storage profile %s", QUOTED(key->value));
		struct storage_profile *s;

		if (check_label(p, key, err) < 0)
			return -1;
		s = VEC_PUSH(m->storages, m->n_storages);
		s->label = xstrdup(key->value);
		s->line = (int)key->at.line;
		if (options_parse(p->src, node_empty(key->next) ? NULL : key->next, what, key->at, section->options, s,
				  err) < 0 ||
		    check_storage(p, key, s, err) < 0)
			return -1;
	}
	return 0;
}

/* Blocks above a base page: XFS by Documentation/filesystems and fs/xfs/xfs_super.c (xfs_fs_fill_super()), ext4 by
 * fs/ext4/super.c (ext4_load_super()); what they lack is refused at mount. btrfs: in no kernel without an experimental
 * option. */
static const struct {
	int fs;
	struct kernel_version since; /* 0.0: never */
} large_blocks[] = {
	{ FS_EXT4, { 6, 19 } },
	{ FS_XFS, { 6, 12 } },
	{ FS_BTRFS, { 0, 0 } },
};

static bool older(struct kernel_version v, struct kernel_version than)
{
	return v.major && (!than.major || v.major < than.major || (v.major == than.major && v.minor < than.minor));
}

static char *unsupported_block(const struct storage_profile *s, uint64_t page_bytes, struct kernel_version version)
{
	char block[24], page[24];

	if (!page_bytes || s->fs <= FS_RAW || s->block_bytes <= page_bytes)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(large_blocks); i++) {
		const struct kernel_version since = large_blocks[i].since;

		if (large_blocks[i].fs != s->fs || !older(version, since))
			continue;
		size_format(s->block_bytes, block);
		size_format(page_bytes, page);
		if (!since.major)
			return xasprintf("%s does not mount blocks of %s at %s base pages", storage_fs_names[s->fs],
					 block, page);
		return xasprintf("%s of kernel %u.%u does not mount blocks of %s at %s base pages (since %u.%u)",
				 storage_fs_names[s->fs], version.major, version.minor, block, page, since.major,
				 since.minor);
	}
	return NULL;
}

char *storage_unsupported(const struct storage_profile *s, const struct folio_profile *folio, uint64_t page_bytes,
			  struct kernel_version version)
{
	if (folio->read_ahead_kb.given && s->read_ahead_kb.given)
		return xasprintf("folio profile '%s' and storage profile '%s' both set read_ahead_kb", folio->label,
				 s->label);
	if (folio->tmpfs_huge >= 0 && s->where > WHERE_TMPFS)
		return xasprintf(
			"folio profile '%s' sets tmpfs_huge, and with storage profile '%s' the workload has no "
			"tmpfs",
			folio->label, s->label);
	return unsupported_block(s, page_bytes, version);
}
