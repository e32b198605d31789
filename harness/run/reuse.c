// SPDX-License-Identifier: GPL-2.0-or-later
/* What a boot is a function of, and attempts made of boots that ran before. Boots nothing and reads no stream. */
#include "run/reuse.h"

#include <string.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "guest/domain.h"
#include "guest/emulator.h"
#include "guest/life.h"
#include "guest/programs.h"
#include "run/boot-cache.h"
#include "store/artifact.h"

/* Goes up when the same inputs mean something else than before, and nothing below says so. */
#define KEY_SCHEMA 1
/* Writing an attempt takes milliseconds. */
#define CLAIM_S 60

/* Files of an attempt that an entry holds, in the order in which they are written: done.json last. */
static const char *const kept[] = { "host.json", "domain.xml", "console.log", "stream", "done.json" };

struct reuse {
	struct emulator emulator;
	char *cache, *guest, *connect, *qemu_version; /* owned */
	bool fresh;
	size_t n_kept;
};

int reuse_open(const struct reuse_options *o, struct reuse **ret_reuse, struct err *err)
{
	_cleanup_free_ char *boot = granule_program_path("granule-boot");
	struct reuse *r = xcalloc(1, sizeof(*r));
	/* the fake guest is a part of granule-boot */
	int rc = o->fake ? emulator_read(boot, NULL, NULL, &r->emulator, err)
			 : emulator_read(o->qemu, o->qemu_version, boot, &r->emulator, err);

	if (rc < 0) {
		free(r);
		return -1;
	}
	r->cache = cache_dir();
	r->guest = o->fake ? xasprintf("fake %s", o->fake) : xstrdup("qemu");
	r->connect = xstrdup(o->connect ? o->connect : "embedded");
	r->qemu_version = xstrdup(o->fake ? NULL : o->qemu_version);
	r->fresh = o->fresh;
	*ret_reuse = r;
	return 0;
}

void reuse_close(struct reuse *r)
{
	uint64_t bytes;

	if (!r)
		return;
	if (r->n_kept)
		boot_cache_trim(r->cache, 0, BOOT_CACHE_SIZE_MAX, false, &bytes);
	emulator_free(&r->emulator);
	free(r->cache);
	free(r->guest);
	free(r->connect);
	free(r->qemu_version);
	free(r);
}

/* ---- The key */

/* What life.c asks libvirt for, with our names in the place of this host's paths. */
static void domain_digest(const struct cell_record *cell, unsigned int boot, char ret_hex[SHA256_HEX_SIZE])
{
	struct life life = { .options.boot = boot,
			     .cell = *cell,
			     .name = "guest",
			     .initramfs_path = (char *)"initramfs",
			     .stream_path = (char *)"stream",
			     .console_path = (char *)"console" };
	_cleanup_free_ char *xml = NULL;
	struct domain domain;

	life_domain(&life, "qemu", NULL, &domain);
	domain.kernel = "kernel";
	xml = domain_xml(&domain);
	sha256_bytes(xml, strlen(xml), ret_hex);
}

/* The archive's layout and all that is in it, without reading a program. */
static bool initramfs_inputs(const struct cell_record *cell, char ret_hex[SHA256_HEX_SIZE])
{
	_cleanup_free_ struct initramfs_entry *entries = xcalloc(cell->n_programs + 1, sizeof(*entries));
	size_t n = life_entries(cell, cell->job, entries);
	bool init = false;

	for (size_t i = 0; i < cell->n_programs; i++) {
		init |= !strcmp(entries[i].path, "init");
		entries[i].host_path = NULL;
		entries[i].data = cell->programs[i].sha256;
		entries[i].len = strlen(cell->programs[i].sha256);
	}
	/* an old plan leaves the agent to granule-boot: whichever is there then */
	return init && initramfs_digest(entries, n, ret_hex, NULL) == 0;
}

bool reuse_key(const struct reuse *r, const struct cell_record *cell, unsigned int boot, char ret_key[SHA256_HEX_SIZE],
	       json_t **ret_inputs)
{
	char domain[SHA256_HEX_SIZE], initramfs[SHA256_HEX_SIZE];
	_cleanup_free_ char *text = NULL;
	json_t *inputs;

	if (cell->skip || cell->basis != BASIS_SIMULATED || !initramfs_inputs(cell, initramfs))
		return false;
	domain_digest(cell, boot, domain);
	inputs = json_pack("{si,ss,ss,ss,ss,ss,ss}", "schema", KEY_SCHEMA, "guest", r->guest, "emulator",
			   r->emulator.sha256, "libvirt", r->connect, "domain", domain, "kernel", cell->kernel_sha256,
			   "initramfs", initramfs);
	text = inputs ? json_dumps(inputs, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (!text) {
		json_decref(inputs);
		return false;
	}
	sha256_bytes(text, strlen(text), ret_key);
	*ret_inputs = inputs;
	return true;
}

/* ---- Taking */

/* done.json of the boot that ran, and where it was taken from. */
static char *done_reused(const struct cached_file *done, const char *key)
{
	json_t *o = json_loadb(done->data, done->len, JSON_REJECT_DUPLICATES, NULL);
	char *text = NULL;

	if (json_is_object(o)) {
		json_object_set_new(o, "reused", json_pack("{ss,sI}", "key", key, "time_s", (json_int_t)time(NULL)));
		text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);
	}
	json_decref(o);
	return text;
}

static int write_part(const char *dir, const char *name, const char *data, size_t len, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name);

	return file_write(path, data, len, err);
}

/* Nothing is forced to the disk, which would take longer than all else: what a crash of this host tears is incomplete
 * for every reader, and owed again. */
static int write_attempt(const struct run *run, const struct cell_record *cell, unsigned int boot, unsigned int number,
			 const char *key, const struct cached_boot *entry, struct err *err)
{
	_cleanup_free_ char *dir = NULL, *done = done_reused(cached_boot_file(entry, "done.json"), key);
	unsigned int attempt;

	if (!done)
		return 0;
	/* a number that another process took meanwhile is a failure too: granule-boot knows what to do about it */
	if (attempt_claim(run->dir, cell->id, boot, number, (uint64_t)time(NULL) + CLAIM_S, &dir, &attempt, err) < 0 ||
	    write_part(dir, "job", cell->job, strlen(cell->job), err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(kept) - 1; i++) {
		const struct cached_file *f = cached_boot_file(entry, kept[i]);

		if (f && write_part(dir, kept[i], f->data, f->len, err) < 0)
			return -1;
		if (f && !strcmp(kept[i], "stream") && artifacts_write(dir, cell->job, f->data, f->len, err) < 0)
			return -1;
	}
	return write_part(dir, "done.json", done, strlen(done), err) < 0 ? -1 : 1;
}

int reuse_take(struct reuse *r, const struct run *run, const struct cell_record *cell, unsigned int boot,
	       unsigned int number, struct err *err)
{
	struct cached_boot entry;
	char key[SHA256_HEX_SIZE];
	json_t *inputs = NULL;
	int rc = 0;

	/* the cache has streams, no counts */
	if (r->fresh || cell_is_counted(cell) || !reuse_key(r, cell, boot, key, &inputs))
		return 0;
	json_decref(inputs);
	if (!boot_cache_get(r->cache, key, &entry))
		return 0;
	if (cached_boot_file(&entry, "stream") && cached_boot_file(&entry, "done.json"))
		rc = write_attempt(run, cell, boot, number, key, &entry, err);
	cached_boot_free(&entry);
	return rc;
}

/* ---- Keeping */

/* Was it this emulator that made the boot? host.json says which QEMU granule-boot found. */
static bool made_here(const struct reuse *r, const json_t *host)
{
	const char *guest = json_string_value(json_object_get(host, "guest"));
	const char *version = json_string_value(json_object_get(host, "qemu_version"));

	if (!r->qemu_version)
		return guest && !strcmp(guest, "fake");
	return guest && !strcmp(guest, "qemu") && json_is_true(json_object_get(host, "sealed")) && version &&
	       !strcmp(version, r->qemu_version) && emulator_unchanged(&r->emulator);
}

static int keep_files(struct reuse *r, const char *key, json_t *inputs, const struct boot_result *result,
		      struct err *err)
{
	char *data[ARRAY_SIZE(kept)] = { NULL };
	struct cached_boot entry = { 0 };
	json_t *host = NULL;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		_cleanup_free_ char *path = path_join(result->dir, kept[i]);
		struct cached_file *f = &entry.files[entry.n_files];

		if (!strcmp(kept[i], "stream"))
			*f = (struct cached_file){ .name = kept[i], .data = result->stream, .len = result->stream_len };
		else if (file_read(path, CONSOLE_SIZE_MAX, &data[i], &f->len, NULL) == 0)
			*f = (struct cached_file){ .name = kept[i], .data = data[i], .len = f->len };
		entry.n_files += f->name != NULL;
		if (data[i] && !strcmp(kept[i], "host.json"))
			host = json_loads(data[i], JSON_REJECT_DUPLICATES, NULL);
	}
	if (made_here(r, host) && cached_boot_file(&entry, "done.json")) {
		rc = boot_cache_put(r->cache, key, inputs, &entry, err);
		r->n_kept += rc == 0;
	}
	json_decref(host);
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		free(data[i]);
	return rc;
}

/* 1: the cache has these bytes already. 0: it has none. -1: it had others. */
static int known_bytes(const struct reuse *r, const char *key, const struct cell_record *cell, unsigned int boot,
		       const struct boot_result *result, struct err *err)
{
	const struct cached_file *stream;
	struct cached_boot entry;
	bool same;

	if (!boot_cache_get(r->cache, key, &entry))
		return 0;
	stream = cached_boot_file(&entry, "stream");
	same = stream && !strcmp(stream->sha256, result->sha256);
	cached_boot_free(&entry);
	if (same)
		return 1;
	boot_cache_drop(r->cache, key);
	return err_set(
		err, ERR_GUEST,
		"cell %s boot %u: the same inputs gave other bytes than the boot in the cache, which is removed; "
		"`granule verify` tells which cells do not repeat",
		cell->id, boot);
}

int reuse_keep(struct reuse *r, const struct cell_record *cell, unsigned int boot, const struct boot_result *result,
	       struct err *err)
{
	char key[SHA256_HEX_SIZE];
	json_t *inputs = NULL;
	int rc;

	if (result->outcome != OUTCOME_OK || result->reused || !result->stream ||
	    !reuse_key(r, cell, boot, key, &inputs))
		return 0;
	rc = known_bytes(r, key, cell, boot, result, err);
	if (rc == 0)
		rc = keep_files(r, key, inputs, result, err);
	json_decref(inputs);
	return rc < 0 ? -1 : 0;
}
