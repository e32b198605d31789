// SPDX-License-Identifier: GPL-2.0-or-later
/* Talks to libguestfs. Knows no package and no cache entry. */
#include "image/rootfs-guestfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <guestfs.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"

#define MKFS "mkfs.erofs"
#define TREE_DISK "/dev/sda"
#define IMAGE_DISK "/dev/sdb"
#define EPOCH "1577836800" /* 2020-01-01, the guests' date */
#define ROOTFS_UUID "6772616e-756c-4e00-8000-726f6f746673"
#define CHECK_DIR "/granule-check" /* in the tree, once its image is written */
#define MIB (UINT64_C(1) << 20)
#define EROFS_SUPER 1024 /* struct erofs_super_block of fs/erofs/erofs_fs.h: */
#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_BLKSZBITS 12
#define EROFS_BLOCKS 36

/* One appliance. */
struct appliance {
	guestfs_h *g;
	const char *name; /* borrowed, for progress */
	image_progress *progress;
	void *ctx;
	const char *doing;
};

static void appliance_close(struct appliance *a)
{
	if (a->g)
		guestfs_close(a->g);
}

static int fail(const struct appliance *a, const char *what, struct err *err)
{
	const char *why = guestfs_last_error(a->g);

	return err_set(err, ERR_HOST, "libguestfs: %s: %s", what, why ? why : "unknown error");
}

static void say(const struct appliance *a, const char *what, double fraction)
{
	_cleanup_free_ char *line = xasprintf("rootfs %s: %s", a->name, what);

	a->progress(a->ctx, line, fraction, -1);
}

static void on_progress(guestfs_h *g, void *opaque, uint64_t event, int handle, int flags, const char *buf, size_t len,
			const uint64_t *array, size_t array_len)
{
	const struct appliance *a = opaque;

	(void)g, (void)event, (void)handle, (void)flags, (void)buf, (void)len;
	/* procedure, serial, position, total */
	if (array_len >= 4 && array[3] && a->doing)
		say(a, a->doing, (double)array[2] / (double)array[3]);
}

/* The folder of libguestfs's own supermin.d in its search path; NULL: it has a fixed appliance, or none. */
static char *find_supermin(guestfs_h *g)
{
	_cleanup_free_ char *path = xstrdup(guestfs_get_path(g));
	char *save = NULL;

	for (char *dir = strtok_r(path, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		_cleanup_free_ char *supermin = path_join(dir, "supermin.d");

		if (path_is_dir(supermin))
			return steal_ptr(supermin);
	}
	return NULL;
}

/* The appliance is made of the packages that the files of supermin.d name (supermin(1)); one more file adds
 * mkfs.erofs, as Debian's libguestfs-xfs adds XFS. */
static int extend(guestfs_h *g, const char *cache, struct err *err)
{
	static const char more[] = "erofs-utils\n";
	_cleanup_free_ char *from = find_supermin(g), *top = path_join(cache, "appliance"),
			    *to = path_join(top, "supermin.d"), *ours = path_join(to, "zz-granule-packages"),
			    *pattern = NULL;
	_cleanup_(globfree) glob_t found = { 0 };

	if (!from)
		return 0;
	pattern = path_join(from, "*");
	/* what is there stays as it is: supermin makes the appliance again for a newer file */
	if (make_dirs(to, err) < 0 || (!path_exists(ours) && file_write_atomic(ours, more, strlen(more), err) < 0))
		return -1;
	if (glob(pattern, 0, NULL, &found) != 0)
		return err_set(err, ERR_HOST, "%s is empty: reinstall libguestfs", from);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		_cleanup_free_ char *link = path_join(to, strrchr(found.gl_pathv[i], '/') + 1);

		if (symlink(found.gl_pathv[i], link) < 0 && errno != EEXIST)
			return err_set_errno(err, ERR_HOST, "%s", link);
	}
	if (guestfs_set_path(g, top) < 0 || guestfs_set_cachedir(g, top) < 0)
		return err_set(err, ERR_HOST, "libguestfs: %s", guestfs_last_error(g));
	return 0;
}

/* What a user can do about a launch that failed in both ways. */
static const char *advice(void)
{
	_cleanup_(globfree) glob_t kernels = { 0 };

	if (glob("/boot/vmlinuz-*", 0, NULL, &kernels) != 0)
		return "its appliance needs a kernel of this host: install linux-image-amd64 (on arm64 "
		       "linux-image-arm64)";
	for (size_t i = 0; i < kernels.gl_pathc; i++)
		if (access(kernels.gl_pathv[i], R_OK) == 0)
			return "LIBGUESTFS_DEBUG=1 shows more, and so does libguestfs-test-tool";
	return "you may not read any of the kernels in /boot, and its appliance needs one: chmod a+r, or "
	       "dpkg-statoverride";
}

/* Add what this appliance works on; again for each try, since a failed launch leaves a handle without drives. */
typedef int add_drives(guestfs_h *g, const void *arg);

static int try_launch(struct appliance *a, const char *cache, bool tcg, add_drives *add, const void *arg,
		      struct err *err)
{
	a->g = guestfs_create();
	if (!a->g)
		return err_set_errno(err, ERR_HOST, "libguestfs");
	guestfs_set_error_handler(a->g, NULL, NULL); /* errors are read, not printed */
	if (guestfs_set_backend(a->g, "direct") < 0 || (tcg && guestfs_set_backend_setting(a->g, "force_tcg", "1") < 0))
		return fail(a, "its settings", err);
	if (extend(a->g, cache, err) < 0)
		return -1;
	guestfs_set_event_callback(a->g, on_progress, GUESTFS_EVENT_PROGRESS, 0, a);
	if (add(a->g, arg) < 0)
		return fail(a, "its disks", err);
	return guestfs_launch(a->g) < 0 ? fail(a, "it does not start", err) : 0;
}

static int launch(struct appliance *a, const char *cache, add_drives *add, const void *arg, struct err *err)
{
	bool kvm = access("/dev/kvm", R_OK | W_OK) == 0;

	say(a, kvm ? "starting libguestfs" : "starting libguestfs with TCG: this host has no usable KVM", -1);
	if (try_launch(a, cache, !kvm, add, arg, NULL) == 0)
		return 0;
	appliance_close(a);
	a->g = NULL;
	if (kvm)
		say(a, "libguestfs did not start with KVM; with TCG, which is slower", -1);
	if (try_launch(a, cache, true, add, arg, err) == 0)
		return 0;
	return err_wrap(err, "%s", advice());
}

/* A command of the appliance itself, not of what is mounted in it: libguestfs has no call for EROFS. */
static int appliance_command(struct appliance *a, const char *const argv[], struct err *err)
{
	char *out = guestfs_debug(a->g, "sh", (char *const *)argv);

	if (!out)
		return fail(a, argv[0], err);
	free(out);
	return 0;
}

/* ---- The image */

static int add_image_drives(guestfs_h *g, const void *arg)
{
	const struct rootfs_making *m = arg;
	_cleanup_free_ char *tree = path_join(m->work, "tree");
	/* small files take a block, folders too */
	uint64_t tree_bytes = m->tree_bytes * 5 / 4 + m->files * 8192 + 256 * MIB;

	if (guestfs_disk_create(g, tree, "raw", (int64_t)tree_bytes, -1) < 0 ||
	    guestfs_disk_create(g, m->image, "raw", (int64_t)(m->tree_bytes + m->files * 8192 + 64 * MIB), -1) < 0 ||
	    guestfs_add_drive_opts(g, tree, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw", GUESTFS_ADD_DRIVE_OPTS_CACHEMODE,
				   "unsafe", -1) < 0)
		return -1;
	return guestfs_add_drive_opts(g, m->image, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw",
				      GUESTFS_ADD_DRIVE_OPTS_CACHEMODE, "unsafe", -1);
}

/* A scratch file system with the tree (no journal: it never sees a second mount), at / of libguestfs and /sysroot of
 * the appliance. */
static int unpack(struct appliance *a, const struct rootfs_making *m, struct err *err)
{
	a->doing = "copying the tree into the appliance";
	if (guestfs_mkfs(a->g, "ext2", TREE_DISK) < 0 || guestfs_mount_options(a->g, "noatime", TREE_DISK, "/") < 0 ||
	    guestfs_tar_in(a->g, m->tar, "/") < 0)
		return fail(a, a->doing, err);
	/* mke2fs made it, and nobody's tree has it */
	if (guestfs_rm_rf(a->g, "/lost+found") < 0)
		return fail(a, "/lost+found", err);
	return 0;
}

static int write_image(struct appliance *a, const struct rootfs_making *m, struct err *err)
{
	/* -T: one time for all files; -x-1: no extended attributes */
	const char *mkfs[] = { MKFS, "--quiet", "-x-1", "-T" EPOCH, "-U" ROOTFS_UUID, IMAGE_DISK, "/sysroot", NULL };
	const char *packed[] = { MKFS,	     "--quiet",	       "-x-1",	   "-zlz4hc",  "-C65536",
				 "-T" EPOCH, "-U" ROOTFS_UUID, IMAGE_DISK, "/sysroot", NULL };
	const char *fsck[] = { "fsck.erofs", IMAGE_DISK, NULL };

	a->doing = "writing the image";
	say(a, a->doing, -1);
	if (appliance_command(a, m->recipe->compress == ROOTFS_LZ4 ? packed : mkfs, err) < 0)
		return -1;
	a->doing = "checking the image";
	say(a, a->doing, -1);
	return appliance_command(a, fsck, err);
}

/* As a guest will see it: the kernel's EROFS mounts it, and what is needed is there. */
static int check_needs(struct appliance *a, const struct rootfs_making *m, struct err *err)
{
	_cleanup_(text_free) struct text missing = { 0 };

	if (guestfs_mkdir(a->g, CHECK_DIR) < 0 || guestfs_mount_vfs(a->g, "ro", "erofs", IMAGE_DISK, CHECK_DIR) < 0)
		return fail(a, "mounting the image", err);
	for (size_t i = 0; i < m->recipe->needs.n; i++) {
		_cleanup_free_ char *path = xasprintf(CHECK_DIR "%s", m->recipe->needs.v[i]);
		int is = guestfs_is_file_opts(a->g, path, GUESTFS_IS_FILE_OPTS_FOLLOWSYMLINKS, 1, -1);

		if (is < 0)
			return fail(a, path, err);
		if (!is)
			text_add(&missing, "%s%s", missing.len ? ", " : "", m->recipe->needs.v[i]);
	}
	if (missing.len)
		return err_set(err, ERR_CONFIG,
			       "rootfs %s needs %s, which %s not in it: is a package missing, or does a rule drop it?",
			       m->recipe->name, missing.s, strchr(missing.s, ',') ? "are" : "is");
	return 0;
}

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The disk was made larger than any image of this tree; what is behind the file system goes. */
static int cut(const char *image, struct err *err)
{
	_cleanup_close_ int fd = open(image, O_RDWR | O_CLOEXEC);
	unsigned char super[64];

	if (fd < 0 || pread(fd, super, sizeof(super), EROFS_SUPER) != (ssize_t)sizeof(super))
		return err_set_errno(err, ERR_HOST, "%s", image);
	if (le32(super) != EROFS_MAGIC || super[EROFS_BLKSZBITS] != 12)
		return err_set(err, ERR_HOST, "%s: " MKFS " wrote no EROFS of 4K blocks", image);
	if (ftruncate(fd, (off_t)le32(super + EROFS_BLOCKS) << 12) < 0)
		return err_set_errno(err, ERR_HOST, "%s", image);
	return 0;
}

static int make_image(const struct rootfs_making *m, struct err *err)
{
	_cleanup_(appliance_close) struct appliance a = { .name = m->recipe->name,
							  .progress = m->progress,
							  .ctx = m->ctx };

	if (launch(&a, m->cache, add_image_drives, m, err) < 0 || unpack(&a, m, err) < 0 ||
	    write_image(&a, m, err) < 0 || check_needs(&a, m, err) < 0)
		return -1;
	/* mkfs.erofs has synced the disk; the tree is thrown away, so nothing need be unmounted */
	if (guestfs_set_autosync(a.g, 0) < 0 || guestfs_shutdown(a.g) < 0)
		return fail(&a, "its end", err);
	return cut(m->image, err);
}

/* Twice in some twenty tries on a busy host an appliance under TCG failed where another did not ("Structure needs cleaning" of
 * its own root); a second one is made, and that is said. */
int rootfs_guestfs_image(const struct rootfs_making *m, struct err *err)
{
	struct err first = ERR_INIT;
	_cleanup_free_ char *what = NULL;

	if (make_image(m, &first) == 0)
		return 0;
	if (first.kind != ERR_HOST)
		return err_set(err, first.kind, "%s", first.msg);
	what = xasprintf("rootfs %s: %s; once more", m->recipe->name, first.msg);
	m->progress(m->ctx, what, -1, -1);
	return make_image(m, err);
}

/* "mkfs.erofs 1.5", "mkfs.erofs (erofs-utils) 1.8.6": what it says of itself first. */
int rootfs_guestfs_tool(char **ret_tool, struct err *err)
{
	const char *argv[] = { MKFS, "-V", NULL };
	_cleanup_free_ char *path = proc_find(MKFS), *out = NULL;
	const char *version;

	if (!path)
		return err_set(err, ERR_HOST, "missing: " MKFS " (package erofs-utils); `make deps` installs it");
	if (proc_capture((char *const *)argv, now_ns() + 10 * NSEC_PER_SEC, 65536, &out, err) < 0)
		return -1;
	version = strstr(out, MKFS " ");
	version = version ? strpbrk(version, "0123456789") : NULL;
	if (!version)
		return err_set(err, ERR_HOST, "%s -V does not say which version it is", path);
	*ret_tool = xasprintf(MKFS " %.*s", (int)strspn(version, "0123456789."), version);
	return 0;
}

/* ---- What is on a disk */

static int add_read_only(guestfs_h *g, const void *arg)
{
	return guestfs_add_drive_opts(g, arg, GUESTFS_ADD_DRIVE_OPTS_FORMAT, "raw", GUESTFS_ADD_DRIVE_OPTS_READONLY, 1,
				      -1);
}

static void strings_free(char ***strings)
{
	for (size_t i = 0; *strings && (*strings)[i]; i++)
		free((*strings)[i]);
	free(*strings);
}

/* TO/NAME, or TO/NAME-2, ...: the first that is free; of the guest's name only letters, digits, '.', '_' and '-' are
 * kept. */
static char *free_name(const char *to, const char *path)
{
	_cleanup_free_ char *name = xstrdup(strrchr(path, '/') + 1);

	for (char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && (c == name || !strchr("._-", *c)))
			*c = '_';
	for (unsigned int i = 1;; i++) {
		_cleanup_free_ char *file = i == 1 ? path_join(to, name) : xasprintf("%s/%s-%u", to, name, i);

		if (!path_exists(file))
			return steal_ptr(file);
	}
}

static int copy_one(struct appliance *a, const char *path, const char *to, uint64_t max_bytes, size_t *n,
		    struct err *err)
{
	_cleanup_free_ char *file = NULL;
	int64_t size;

	if (guestfs_is_file(a->g, path) != 1)
		return 0;
	size = guestfs_filesize(a->g, path);
	if (size < 0)
		return fail(a, path, err);
	file = free_name(to, path);
	if (guestfs_download_offset(a->g, path, file, size > (int64_t)max_bytes ? size - (int64_t)max_bytes : 0,
				    size > (int64_t)max_bytes ? (int64_t)max_bytes : size) < 0)
		return fail(a, path, err);
	(*n)++;
	return 0;
}

int rootfs_guestfs_copy_out(const char *cache, const char *disk, const char *const *globs, size_t n_globs,
			    const char *to, uint64_t max_bytes, image_progress *progress, void *ctx, size_t *ret_n,
			    struct err *err)
{
	_cleanup_(appliance_close) struct appliance a = { .name = "logs", .progress = progress, .ctx = ctx };
	_cleanup_(strings_free) char **found = NULL;
	_cleanup_free_ char *type = NULL, *options = NULL;

	*ret_n = 0;
	if (make_dirs(to, err) < 0 || launch(&a, cache, add_read_only, disk, err) < 0)
		return -1;
	type = guestfs_vfs_type(a.g, TREE_DISK);
	if (!type || !*type)
		return err_set(err, ERR_HOST, "%s: there is no file system on it", disk);
	/* what a crashed guest left in a journal stays there: nothing is written */
	options = xstrdup(starts_with(type, "ext") ? "ro,noload" : !strcmp(type, "xfs") ? "ro,norecovery" : "ro");
	if (guestfs_mount_options(a.g, options, TREE_DISK, "/") < 0)
		return fail(&a, disk, err);
	for (size_t i = 0; i < n_globs; i++) {
		strings_free(&found);
		found = guestfs_glob_expand(a.g, globs[i]);
		if (!found)
			return fail(&a, globs[i], err);
		for (size_t f = 0; found[f]; f++)
			if (copy_one(&a, found[f], to, max_bytes, ret_n, err) < 0)
				return -1;
	}
	return 0;
}
