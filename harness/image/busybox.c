// SPDX-License-Identifier: GPL-2.0-or-later
/* Fetched once, verified on each use. Knows no guest. */
#include "image/busybox.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/apt.h"
#include "image/cache.h"
#include "image/tool.h"

#define PACKAGE "busybox-static"
#define GUEST_ARCH "arm64"

/* Package into @work, program to @path. */
static int fetch_package(const char *cache, const char *path, const char *work, struct err *err)
{
	_cleanup_free_ char *missing = tools_missing(apt_tools), *suite = apt_host_suite();
	_cleanup_free_ char *log = xasprintf("%s.log", work), *conf = NULL, *version = NULL;
	_cleanup_free_ char *in_bin = path_join(work, "bin/busybox"), *in_usr = path_join(work, "usr/bin/busybox");
	char sha256[SHA256_HEX_SIZE];
	const char *found;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (" PACKAGE " comes by apt)", missing);
	unlink(log);
	if (apt_prepare(cache, suite, GUEST_ARCH, &conf, err) < 0 || apt_update(conf, suite, log, err) < 0 ||
	    apt_candidate(conf, suite, PACKAGE, &version, sha256, err) < 0 ||
	    apt_unpack(conf, PACKAGE, version, sha256, work, log, err) < 0)
		return -1;
	found = path_exists(in_usr) ? in_usr : in_bin;
	if (chmod(found, 0755) < 0 || rename(found, path) < 0)
		return err_set_errno(err, ERR_HOST, "%s", found);
	unlink(log);
	return 0;
}

/* With the lock held. The record comes last: without it the program is fetched again. */
static int renew(const char *cache, busybox_fetch *fetch, const char *path, const char *record, struct err *err)
{
	_cleanup_free_ char *work = xasprintf("%s.fetch", path);
	struct err local = ERR_INIT;

	err = err ? err : &local; /* apt's own sentence is looked into on the way */
	unlink(record);
	if (remove_tree(work, err) < 0 || make_dirs(work, err) < 0 || fetch(cache, path, work, err) < 0 ||
	    remove_tree(work, err) < 0)
		return -1;
	utimensat(AT_FDCWD, path, NULL, 0); /* its time is its last use, not Debian's */
	return cache_record_file(path, err);
}

int busybox_ensure_in(const char *cache, busybox_fetch *fetch, image_progress *progress, void *ctx, char **ret_path,
		      struct err *err)
{
	_cleanup_free_ char *path = path_join(cache, "tools/busybox-" GUEST_ARCH),
			    *record = xasprintf("%s.sha256", path);
	image_progress *say = progress ? progress : no_progress;
	_cleanup_close_ int lock = -1;

	if (!cache_file_intact(path)) {
		lock = cache_lock(cache, say, ctx, err);
		if (lock < 0)
			return -1;
		if (!cache_file_intact(path)) {
			say(ctx, "the guest's shell: fetching " PACKAGE " for " GUEST_ARCH, -1, -1);
			if (renew(cache, fetch ? fetch : fetch_package, path, record, err) < 0)
				return err_wrap(err, "the guest's shell");
		}
	}
	*ret_path = steal_ptr(path);
	return 0;
}

int busybox_ensure(image_progress *progress, void *ctx, char **ret_path, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir();

	return busybox_ensure_in(cache, NULL, progress, ctx, ret_path, err);
}
