// SPDX-License-Identifier: GPL-2.0-or-later
/* Kernel sources: apt.c brings the package, tar unpacks what is in it; what is kept between runs is one record a
 * source. Knows nothing of configurations and builds. */
#include "image/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/apt.h"
#include "image/cache.h"
#include "image/git.h"
#include "image/layout.h"
#include "image/tool.h"

#define PACKAGE_PREFIX "linux-source-"
#define GIT_MTIME_S 1577836800 /* 2020: before any object tree */

void kernel_source_clear(struct kernel_source *source)
{
	free(source->package);
	free(source->suite);
	free(source->version);
	free(source->tarball);
	free(source->git_dir);
	free(source->commit);
	free(source->tree);
	free(source->linux_version);
	*source = (struct kernel_source){ 0 };
}

const char *source_kernel_version(const char *package)
{
	const char *v = package + strlen(PACKAGE_PREFIX);

	if (!starts_with(package, PACKAGE_PREFIX) || !isdigit((unsigned char)*v) || v[strspn(v, "0123456789.")] != '\0')
		return NULL;
	return v;
}

static char *source_dir(const char *cache, const char *package, const char *suite)
{
	return xasprintf("%s/sources/%s/%s", cache, suite, package);
}

int source_lookup(const char *cache, const char *package, const char *suite, struct kernel_source *ret_source,
		  struct err *err)
{
	_cleanup_free_ char *dir = source_dir(cache, package, suite), *path = path_join(dir, "source.json"),
			    *data = NULL;
	_cleanup_(kernel_source_clear) struct kernel_source s = { 0 };
	const char *version;
	json_t *o;
	int found;

	if (!path_exists(path))
		return 0;
	if (file_read(path, 65536, &data, NULL, err) < 0)
		return -1;
	o = json_loads(data, 0, NULL);
	version = json_string_value(json_object_get(o, "version"));
	found = version && meta_hex(o, "deb_sha256", s.deb_sha256) && meta_hex(o, "tarball_sha256", s.tarball_sha256);
	s.version = xstrdup(version);
	json_decref(o);
	if (!found)
		return 0; /* an unreadable record is fetched anew */
	s.package = xstrdup(package);
	s.suite = xstrdup(suite);
	s.tarball = path_join(dir, "source.tar.xz");
	*ret_source = s;
	s = (struct kernel_source){ 0 };
	return 1;
}

static int source_record(const struct kernel_source *s, const char *dir, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, "source.json"), *text = NULL;
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "package", s->package, "suite", s->suite, "version",
			      s->version, "deb_sha256", s->deb_sha256, "tarball_sha256", s->tarball_sha256);

	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	return file_write_atomic(path, text, strlen(text), err);
}

/* Download the package into @work, and put its tarball at s->tarball. */
static int fetch_tarball(const char *conf, const char *work, const char *log, struct kernel_source *s, struct err *err)
{
	_cleanup_free_ char *inside = xasprintf("%s/usr/src/%s.tar.xz", work, s->package);

	if (apt_unpack(conf, s->package, s->version, s->deb_sha256, work, log, err) < 0)
		return -1;
	if (sha256_file(inside, s->tarball_sha256, err) < 0)
		return err_wrap(err, "%s %s", s->package, s->version);
	utimensat(AT_FDCWD, inside, NULL, 0); /* its time is its last use, not Debian's */
	if (rename(inside, s->tarball) < 0)
		return err_set_errno(err, ERR_HOST, "%s", s->tarball);
	return 0;
}

int source_fetch(const char *cache, const char *package, const char *suite, image_progress *progress, void *ctx,
		 struct kernel_source *ret_source, struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source s = { .package = xstrdup(package),
								  .suite = xstrdup(suite) };
	_cleanup_(kernel_source_clear) struct kernel_source old = { 0 };
	_cleanup_free_ char *missing = tools_missing(apt_tools), *conf = NULL, *dir = source_dir(cache, package, suite);
	_cleanup_free_ char *work = path_join(dir, "fetch.tmp"), *log = path_join(dir, "fetch.log"), *what = NULL;
	struct err quiet;
	int rc;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (kernel sources come by apt)", missing);
	/* A new work directory each time: what a killed fetch left is not trusted. */
	if (remove_tree(work, err) < 0 || make_dirs(work, err) < 0 || apt_prepare(cache, suite, NULL, &conf, err) < 0)
		return -1;
	unlink(log);
	what = xasprintf("%s: asking for the newest version in %s", package, suite);
	progress(ctx, what, -1, -1);
	if (apt_update(conf, suite, log, err ? err : &quiet) < 0 ||
	    apt_candidate(conf, suite, package, &s.version, s.deb_sha256, err) < 0)
		return -1;
	s.tarball = path_join(dir, "source.tar.xz");
	if (source_lookup(cache, package, suite, &old, NULL) == 1 && strcmp(old.deb_sha256, s.deb_sha256) == 0 &&
	    path_exists(s.tarball)) {
		memcpy(s.tarball_sha256, old.tarball_sha256, SHA256_HEX_SIZE);
	} else {
		free(what);
		what = xasprintf("%s %s: fetching from %s", package, s.version, suite);
		progress(ctx, what, -1, -1);
		if (fetch_tarball(conf, work, log, &s, err) < 0 || source_record(&s, dir, err) < 0)
			return -1;
	}
	rc = remove_tree(work, err);
	*ret_source = s;
	s = (struct kernel_source){ 0 };
	return rc;
}

static int unpack_tarball(const struct kernel_source *source, const char *tmp, const char *log, struct err *err)
{
	static const char *const tools[] = { "tar", "xz", NULL };
	const char *argv[] = { "tar", "-x", "-I", "xz -T0",	   "--strip-components=1",
			       "-C",  tmp,  "-f", source->tarball, NULL };
	_cleanup_free_ char *missing = tools_missing(tools);

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (kernel sources are .tar.xz)", missing);
	utimensat(AT_FDCWD, source->tarball, NULL, 0);
	if (sha256_expect(source->tarball, source->tarball_sha256, err) < 0) {
		unlink(source->tarball); /* so it is fetched again */
		return -1;
	}
	return tool_run(argv, log, NULL, NULL, err) < 0 ? err_wrap(err, "unpacking %s", source->tarball) : 0;
}

static int apply_patch(const struct source_patch *patch, const char *tmp, const char *log, struct err *err)
{
	const char *argv[] = { "patch", "-p1", "--batch", "--forward", "--fuzz=0", "-d", tmp, "-i", patch->path, NULL };
	struct err why = ERR_INIT;

	if (patch->edits)
		return layout_apply(patch->edits, tmp, err);
	if (sha256_expect(patch->path, patch->sha256, &why) == 0 && tool_run(argv, log, NULL, NULL, &why) == 0)
		return 0;
	/* the user's own patch is the user's to mend */
	return err_set(err, patch->asked && why.kind == ERR_HOST ? ERR_CONFIG : why.kind, "%s%s: does not apply: %s",
		       patch->asked ? "patches: " : "", patch->path, why.msg);
}

char *source_stamp(const char *tree)
{
	return xasprintf("%s.stamp", tree);
}

int source_extract(const struct kernel_source *source, const char *tree, const struct source_patch *patches,
		   size_t n_patches, image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.tmp", tree), *log = xasprintf("%s.log", tree), *what = NULL,
			    *stamp = source_stamp(tree);
	int rc;

	if (path_is_dir(tree))
		return 0;
	what = xasprintf("%s %s: unpacking", source->package ? source->package : "git", source->version);
	progress(ctx, what, -1, -1);
	unlink(log);
	if (remove_tree(tmp, err) < 0 || make_dirs(tmp, err) < 0)
		return -1;
	rc = source->git_dir ? git_checkout(source, tmp, GIT_MTIME_S, log, err) : unpack_tarball(source, tmp, log, err);
	if (rc == 0)
		rc = file_write_atomic(stamp, "", 0, err);
	for (size_t i = 0; rc == 0 && i < n_patches; i++)
		rc = apply_patch(&patches[i], tmp, log, err);
	if (rc < 0)
		return -1;
	if (rename(tmp, tree) < 0)
		return err_set_errno(err, ERR_HOST, "%s", tree);
	unlink(log);
	return 0;
}
