// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of Debian's packages are one kernel. Up to 6.18 linux-image-VERSION holds all of it; from 6.19 on it only needs
 * linux-base-VERSION, linux-binary-VERSION and linux-modules-VERSION. Either way, what a kernel package needs in exactly one
 * version is a part of it, and nothing else is. */
#include <ctype.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/apt.h"
#include "image/package.h"
#include "image/tool.h"

#define ARCH "arm64"
#define PACKAGES_MAX 16
#define PACKED_MAX (UINT64_C(1) << 30)
#define UNPACKED_MAX (UINT64_C(4) << 30)
#define QUERY_NS (60 * NSEC_PER_SEC)

/* What is to be asked for: names and versions as a package depends on them; the first has no version. */
struct queue {
	struct cache_package *v; /* owned */
	size_t n;
};

static void queue_clear(struct queue *q)
{
	cache_packages_free(q->v, q->n);
}

/* Named after a release, "-6.12.": not a metapackage, whose name stays when its kernel changes. */
static bool is_versioned(const char *name)
{
	for (const char *p = name; (p = strchr(p, '-'));) {
		size_t digits = strspn(++p, "0123456789");

		if (digits && p[digits] == '.')
			return true;
	}
	return false;
}

static bool is_name(const char *s)
{
	return starts_with(s, "linux-") && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == strlen(s);
}

/* "NAME (= VERSION)" of @clause into @q, unless it is something else or there already. */
static void queue_add(struct queue *q, const char *clause, size_t len)
{
	_cleanup_free_ char *s = xstrndup(clause, len), *name = NULL, *version = NULL;
	const char *open = strstr(s, "(= "), *from = s + strspn(s, " ");

	if (!open || strchr(s, '|'))
		return;
	name = xstrndup(from, strcspn(from, " :("));
	version = xstrndup(open + 3, strcspn(open + 3, " )"));
	if (!is_name(name) || !*version)
		return;
	for (size_t i = 0; i < q->n; i++)
		if (!strcmp(q->v[i].name, name))
			return;
	struct cache_package *p = VEC_PUSH(q->v, q->n);

	p->name = steal_ptr(name);
	p->version = steal_ptr(version);
}

static void queue_add_depends(struct queue *q, const char *depends)
{
	for (const char *p = depends; p && *p;) {
		size_t len = strcspn(p, ",");

		queue_add(q, p, len);
		p += len + (p[len] == ',');
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cache_package *)a)->name, ((const struct cache_package *)b)->name);
}

/* A suite that lacks @package: say which it has that is nearest. */
static int no_such_package(const char *conf, const char *package, const char *suite, struct err *err)
{
	const char *argv[] = { "apt-cache", "-c", conf, "pkgnames", "linux-image-", NULL };
	_cleanup_free_ char *out = NULL;
	_cleanup_free_ const char **names = NULL;
	const char *near = NULL;
	char *save = NULL;
	size_t n = 0;

	if (proc_capture((char *const *)argv, now_ns() + QUERY_NS, 1 << 20, &out, NULL) == 0) {
		for (char *name = strtok_r(out, "\n", &save); name; name = strtok_r(NULL, "\n", &save))
			if (!ends_with(name, "-dbg"))
				*VEC_PUSH(names, n) = name;
		near = nearest_name(package, names, n);
	}
	return err_set(err, ERR_CONFIG, "suite %s has no package %s for " ARCH "%s%s%s", suite, package,
		       near ? "; did you mean '" : "", near ? near : "",
		       near ? "'?" : "; its kernels are linux-image-arm64 and the like");
}

/* Follow what @q holds to its end: @ret_bytes, and into @ret those that are named after a release. */
static int follow(const char *conf, const char *suite, struct queue *q, struct queue *ret, uint64_t *ret_bytes,
		  struct err *err)
{
	for (size_t i = 0; i < q->n; i++) {
		_cleanup_(apt_package_clear) struct apt_package info = { 0 };
		struct cache_package *p;

		if (q->n > PACKAGES_MAX)
			return err_set(err, ERR_CONFIG, "%s needs more than %d packages in their own versions",
				       q->v[0].name, PACKAGES_MAX);
		if (apt_show(conf, suite, q->v[i].name, q->v[i].version, &info, err) < 0)
			return i ? err_wrap(err, "%s needs %s", q->v[0].name, q->v[i].name)
				 : no_such_package(conf, q->v[0].name, suite, err);
		queue_add_depends(q, info.depends);
		if (!is_versioned(q->v[i].name))
			continue;
		if (info.bytes > PACKED_MAX || info.unpacked_bytes > UNPACKED_MAX)
			return err_set(err, ERR_CONFIG,
				       "%s %s: the index says that it takes %llu MiB unpacked, which no kernel does",
				       q->v[i].name, info.version, (unsigned long long)info.unpacked_bytes >> 20);
		p = VEC_PUSH(ret->v, ret->n);
		p->name = xstrdup(q->v[i].name);
		p->version = steal_ptr(info.version);
		memcpy(p->sha256, info.sha256, sizeof(p->sha256));
		*ret_bytes += info.bytes + info.unpacked_bytes;
	}
	return 0;
}

static int resolve(const char *cache, const char *package, const char *suite, const char *log,
		   struct cache_package **ret_packages, size_t *ret_n, uint64_t *ret_bytes, struct err *err)
{
	_cleanup_(queue_clear) struct queue q = { 0 }, found = { 0 };
	_cleanup_free_ char *missing = tools_missing(apt_tools), *conf = NULL;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (kernel packages come by apt)", missing);
	if (apt_prepare(cache, suite, ARCH, &conf, err) < 0 || apt_update(conf, suite, log, err) < 0)
		return -1;
	VEC_PUSH(q.v, q.n)->name = xstrdup(package);
	*ret_bytes = 0;
	if (follow(conf, suite, &q, &found, ret_bytes, err) < 0)
		return -1;
	if (!found.n)
		return err_set(err, ERR_CONFIG,
			       "%s of %s needs no kernel: no package named after a release in what it "
			       "depends on",
			       package, suite);
	qsort(found.v, found.n, sizeof(*found.v), by_name);
	*ret_packages = steal_ptr(found.v);
	*ret_n = found.n;
	found.n = 0;
	return 0;
}

static int download(const char *cache, const char *suite, const struct cache_package *package, const char *path,
		    const char *work, const char *log, struct err *err)
{
	_cleanup_free_ char *conf = NULL, *deb = NULL;

	if (apt_prepare(cache, suite, ARCH, &conf, err) < 0 ||
	    apt_download(conf, package->name, package->version, package->sha256, work, log, &deb, err) < 0)
		return -1;
	if (rename(deb, path) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

const struct package_archive package_archive_apt = { resolve, download };
