// SPDX-License-Identifier: GPL-2.0-or-later
/* Fetched once, verified on each use. apt does the network and the trust, readelf reads what a program needs. Knows no
 * guest. */
#include "image/mkfs.h"

#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/apt.h"
#include "image/cache.h"
#include "image/tool.h"

/* One suite for all hosts: figures of two hosts must not differ by what their mkfs chooses. */
#define SUITE "trixie"
#define ARCH "arm64"
#define LIST "list"
#define FORMAT "granule mkfs 1\n"
#define FILE_MAX (64u << 20)
#define LIBRARIES_MAX 64
#define READELF_NS (30 * NSEC_PER_SEC)

static const struct maker {
	const char *fs, *program, *packages[12]; /* the first one has the program */
} makers[] = {
	{ "ext4", "mke2fs", { "e2fsprogs", "libext2fs2t64", "libcom-err2", "libblkid1", "libuuid1", "libc6", NULL } },
	{ "xfs", "mkfs.xfs", { "xfsprogs", "libblkid1", "libuuid1", "libinih1", "liburcu8t64", "libc6", NULL } },
	{ "btrfs",
	  "mkfs.btrfs",
	  { "btrfs-progs", "libblkid1", "libuuid1", "libudev1", "libcap2", "zlib1g", "liblzo2-2", "libzstd1",
	    "libgcc-s1", "libc6", NULL } },
};

static const struct maker *find_maker(const char *fs)
{
	for (size_t i = 0; i < ARRAY_SIZE(makers); i++)
		if (!strcmp(makers[i].fs, fs))
			return &makers[i];
	return NULL;
}

const char *mkfs_program(const char *fs)
{
	const struct maker *m = find_maker(fs);

	return m ? m->program : NULL;
}

void mkfs_free(struct mkfs *mkfs)
{
	if (!mkfs)
		return;
	for (size_t i = 0; i < mkfs->n; i++) {
		free(mkfs->files[i].name);
		free(mkfs->files[i].path);
	}
	free(mkfs->files);
	free(mkfs->packages);
	free(mkfs);
}

static void mkfs_free_p(struct mkfs **mkfs)
{
	mkfs_free(*mkfs);
}

/* ---- What a program needs */

/* The libraries that the ELF file at @path names, one a line; owned by the caller, NULL with @err. */
static char *needed(const char *path, struct err *err)
{
	const char *argv[] = { "readelf", "-d", "-W", path, NULL };
	_cleanup_free_ char *out = NULL;
	struct text names = { 0 };
	char *save = NULL;
	int rc = proc_capture((char *const *)argv, now_ns() + READELF_NS, 1 << 20, &out, err);

	if (rc != 0) {
		if (rc > 0)
			err_set(err, ERR_HOST, "%s: readelf cannot read it", path);
		return NULL;
	}
	text_add(&names, "%s", "");
	for (char *line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *open = strstr(line, "(NEEDED)") ? strchr(line, '[') : NULL;

		if (open)
			text_add(&names, "%.*s\n", (int)strcspn(open + 1, "]"), open + 1);
	}
	return text_steal(&names);
}

/* Where @root holds @name; its real path, owned by the caller, or NULL. Never a file outside of @root. */
static char *find_below(const char *root, const char *name)
{
	static const char *const dirs[] = {
		"usr/lib/aarch64-linux-gnu", "lib/aarch64-linux-gnu", "usr/lib", "lib", "usr/sbin", "sbin", "usr/bin"
	};
	_cleanup_free_ char *real_root = realpath(root, NULL);

	for (size_t i = 0; real_root && i < ARRAY_SIZE(dirs); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s/%s", real_root, dirs[i], name);
		char *real = realpath(path, NULL);

		if (real && starts_with(real, real_root) && real[strlen(real_root)] == '/')
			return real;
		free(real);
	}
	return NULL;
}

static int copy_file(const char *from, const char *to, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	if (file_read(from, FILE_MAX, &data, &len, err) < 0 || file_write(to, data, len, err) < 0)
		return -1;
	return chmod(to, 0755) < 0 ? err_set_errno(err, ERR_HOST, "%s", to) : 0;
}

/* @name into @dir, unless it is there, and then what it needs. @left: how many more there may be. */
static int gather(const char *root, const char *name, const char *for_whom, const char *dir, unsigned *left,
		  struct err *err)
{
	_cleanup_free_ char *to = path_join(dir, name), *from = NULL, *names = NULL;
	char *save = NULL;

	if (path_exists(to))
		return 0;
	from = strchr(name, '/') ? NULL : find_below(root, name);
	if (!from)
		return err_set(err, ERR_HOST, "%s is needed by %s and is in none of its packages", name, for_whom);
	if ((*left)-- == 0)
		return err_set(err, ERR_HOST, "%s needs more than %d libraries", for_whom, LIBRARIES_MAX);
	names = needed(from, err);
	if (!names || copy_file(from, to, err) < 0)
		return -1;
	for (char *one = strtok_r(names, "\n", &save); one; one = strtok_r(NULL, "\n", &save))
		if (gather(root, one, name, dir, left, err) < 0)
			return -1;
	return 0;
}

int mkfs_gather(const char *root, const char *program, const char *dir, struct err *err)
{
	unsigned left = LIBRARIES_MAX;

	if (gather(root, program, "the guest", dir, &left, err) < 0)
		return -1;
	return gather(root, MKFS_LOADER, program, dir, &left, err);
}

/* ---- The cache's folder of one program: LIST holds a line a package, a line a file */

static char *folder_of(const char *cache, const struct maker *m)
{
	return xasprintf("%s/tools/mkfs-%s", cache, m->fs);
}

static int write_list(const char *dir, const char *const *names, size_t n, const char *packages, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, LIST), *s = NULL;
	struct text text = { 0 };
	int rc = 0;

	text_add(&text, FORMAT "%s\n", packages);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		_cleanup_free_ char *file = path_join(dir, names[i]);
		char hex[SHA256_HEX_SIZE];

		rc = sha256_file(file, hex, err);
		if (rc == 0)
			text_add(&text, "%s %s\n", hex, names[i]);
	}
	s = text_steal(&text);
	return rc < 0 ? -1 : file_write_atomic(path, s, strlen(s), err);
}

static bool take_line(struct mkfs *mkfs, const char *dir, const char *line)
{
	size_t len = SHA256_HEX_SIZE - 1;
	struct mkfs_file *f;
	char hex[SHA256_HEX_SIZE];

	if (strlen(line) < len + 2 || line[len] != ' ' || strchr(line + len + 1, '/'))
		return false;
	f = VEC_PUSH(mkfs->files, mkfs->n);
	f->name = xstrdup(line + len + 1);
	f->path = path_join(dir, f->name);
	snprintf(f->sha256, sizeof(f->sha256), "%.*s", (int)len, line);
	return sha256_file(f->path, hex, NULL) == 0 && !strcmp(hex, f->sha256);
}

/* NULL: not there, or not what was put there. */
static struct mkfs *read_folder(const char *cache, const struct maker *m)
{
	_cleanup_(mkfs_free_p) struct mkfs *mkfs = xcalloc(1, sizeof(*mkfs));
	_cleanup_free_ char *dir = folder_of(cache, m), *path = path_join(dir, LIST), *text = NULL, *files = NULL;
	char *save = NULL;

	if (file_read(path, 1 << 20, &text, NULL, NULL) < 0 || !starts_with(text, FORMAT))
		return NULL;
	files = xstrdup(strchrnul(text + strlen(FORMAT), '\n'));
	mkfs->packages = xstrdup(strtok_r(text + strlen(FORMAT), "\n", &save));
	for (char *line = strtok_r(NULL, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!take_line(mkfs, dir, line))
			return NULL;
	sha256_bytes(files, strlen(files), mkfs->sha256);
	utimensat(AT_FDCWD, dir, NULL, 0); /* used now */
	return mkfs->packages && mkfs->n ? steal_ptr(mkfs) : NULL;
}

static int known(const char *fs, const struct maker **ret, struct err *err)
{
	*ret = find_maker(fs);
	return *ret ? 0 : err_set(err, ERR_CONFIG, "granule has no program that makes %s", fs);
}

int mkfs_lookup(const char *cache, const char *fs, struct mkfs **ret_mkfs, struct err *err)
{
	_cleanup_free_ char *usual = cache ? NULL : cache_dir();
	const struct maker *m;

	if (known(fs, &m, err) < 0)
		return -1;
	*ret_mkfs = read_folder(cache ? cache : usual, m);
	return *ret_mkfs ? 1 : 0;
}

/* ---- Fetching */

static int unpack_packages(const char *cache, const struct maker *m, const char *work, struct text *packages,
			   struct err *err)
{
	_cleanup_free_ char *conf = NULL, *log = xasprintf("%s.log", work), *root = path_join(work, "root");

	if (apt_prepare(cache, SUITE, ARCH, &conf, err) < 0 || apt_update(conf, SUITE, log, err) < 0)
		return -1;
	for (const char *const *p = m->packages; *p; p++) {
		_cleanup_free_ char *debs = xasprintf("%s/%s", work, *p), *version = NULL, *deb = NULL;
		char sha256[SHA256_HEX_SIZE];

		if (apt_candidate(conf, SUITE, *p, &version, sha256, err) < 0 || make_dirs(debs, err) < 0 ||
		    make_dirs(root, err) < 0 || apt_download(conf, *p, version, sha256, debs, log, &deb, err) < 0)
			return -1;
		const char *extract[] = { "dpkg-deb", "--extract", deb, root, NULL };

		if (tool_run(extract, log, NULL, NULL, err) < 0)
			return err_wrap(err, "%s", deb);
		text_add(packages, "%s%s %s %s", packages->len ? ", " : "", *p, version, sha256);
	}
	unlink(log);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* With the lock held. The list comes last: without it everything is fetched again. */
static int renew(const char *cache, const struct maker *m, const char *work, struct err *err)
{
	_cleanup_free_ char *dir = folder_of(cache, m), *root = path_join(work, "root"), *packages = NULL;
	_cleanup_free_ const char **names = NULL;
	struct text text = { 0 };
	size_t n = 0;
	int rc;

	rc = remove_tree(work, err) < 0 || make_dirs(work, err) < 0 || remove_tree(dir, err) < 0 ||
			     make_dirs(dir, err) < 0
		     ? -1
		     : unpack_packages(cache, m, work, &text, err);
	packages = text.len ? text_steal(&text) : xstrdup("");
	if (rc < 0 || mkfs_gather(root, m->program, dir, err) < 0)
		return -1;
	_cleanup_(globfree) glob_t g = { 0 };
	_cleanup_free_ char *all = path_join(dir, "*");

	if (glob(all, 0, NULL, &g) != 0)
		return err_set(err, ERR_HOST, "%s: nothing was put there", dir);
	for (size_t i = 0; i < g.gl_pathc; i++)
		*VEC_PUSH(names, n) = strrchr(g.gl_pathv[i], '/') + 1;
	qsort(names, n, sizeof(*names), by_name);
	return write_list(dir, names, n, packages, err);
}

int mkfs_ensure(const char *cache, const char *fs, image_progress *progress, void *ctx, struct mkfs **ret_mkfs,
		struct err *err)
{
	static const char *const readelf[] = { "readelf", NULL };
	_cleanup_free_ char *usual = cache ? NULL : cache_dir(), *missing = NULL, *missing_too = NULL, *work = NULL;
	image_progress *say = progress ? progress : no_progress;
	_cleanup_close_ int lock = -1;
	struct err local = ERR_INIT;
	const struct maker *m;
	int rc;

	err = err ? err : &local; /* apt's own sentence is looked into on the way */
	cache = cache ? cache : usual;
	rc = mkfs_lookup(cache, fs, ret_mkfs, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	m = find_maker(fs);
	missing = tools_missing(apt_tools);
	missing_too = tools_missing(readelf);
	if (missing || missing_too)
		return err_set(err, ERR_HOST, "missing: %s (%s for guests comes by apt)",
			       missing ? missing : missing_too, m->program);
	lock = cache_lock(cache, say, ctx, err);
	if (lock < 0)
		return -1;
	*ret_mkfs = read_folder(cache, m);
	if (!*ret_mkfs) {
		_cleanup_free_ char *what =
			xasprintf("%s for guests: fetching %s of " SUITE, m->program, m->packages[0]);

		say(ctx, what, -1, -1);
		work = xasprintf("%s/build/mkfs-%s", cache, fs);
		rc = renew(cache, m, work, err);
		remove_tree(work, NULL);
		if (rc < 0)
			return err_wrap(err, "%s for guests", m->program);
		*ret_mkfs = read_folder(cache, m);
	}
	return *ret_mkfs ? 0 : err_set(err, ERR_HOST, "%s for guests: what was fetched is not there", m->program);
}
