// SPDX-License-Identifier: GPL-2.0-or-later
/* Jars of a root file system: Maven, with this host's configuration, says which and fetches them. It keeps what it
 * fetched in the cache and compares checksums; what is taken is all that the project needs at run time. */
#include <ftw.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/rootfs.h"
#include "image/tool.h"

/* Its version is pinned, for it decides where files go. */
#define COPY "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
#define FOLDERS_OPEN 16

static const char *const tools[] = { "mvn", NULL };

void rootfs_jars_free(struct rootfs_jar *jars, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(jars[i].package.name);
		free(jars[i].package.version);
		free(jars[i].target);
		free(jars[i].from);
	}
	free(jars);
}

bool rootfs_parse_jar(const char *path, const char *folder, struct rootfs_jar *ret)
{
	_cleanup_free_ char *group = xstrdup(path);
	char *parts[3]; /* artifact, version, file */

	for (size_t i = ARRAY_SIZE(parts); i-- > 0;) {
		parts[i] = strrchr(group, '/');
		if (!parts[i] || !parts[i][1])
			return false;
		*parts[i]++ = '\0';
	}
	if (!*group || !ends_with(parts[2], ".jar"))
		return false;
	for (char *c = group; *c; c++)
		*c = *c == '/' ? '.' : *c;
	ret->package.name = xasprintf("%s:%s", group, parts[0]);
	ret->package.version = xstrdup(parts[1]);
	ret->target = xasprintf("%s/%s", folder, parts[2]);
	return true;
}

static struct string_list *found; /* nftw() has no context */

static int take_jar(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)at;
	if (type == FTW_F && ends_with(path, ".jar"))
		*VEC_PUSH(found->v, found->n) = xstrdup(path);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All that lies in @copied, a folder in the layout of a repository. */
static int collect(const char *copied, const char *folder, struct rootfs_jar **jars, size_t *n, struct err *err)
{
	struct string_list paths = { 0 };
	int rc = 0;

	found = &paths;
	nftw(copied, take_jar, FOLDERS_OPEN, FTW_PHYS);
	if (paths.n)
		qsort(paths.v, paths.n, sizeof(*paths.v), by_name);
	for (size_t i = 0; i < paths.n; i++) {
		struct rootfs_jar jar = { 0 };

		if (rc == 0 && rootfs_parse_jar(paths.v[i] + strlen(copied) + 1, folder, &jar)) {
			jar.from = xstrdup(paths.v[i]);
			rc = sha256_file(jar.from, jar.package.sha256, err);
			*VEC_PUSH(*jars, *n) = jar;
		}
		free(paths.v[i]);
	}
	free(paths.v);
	return rc;
}

static int resolve_one(const struct rootfs_maven *maven, const char *repository, const char *copied, const char *log,
		       struct err *err)
{
	_cleanup_free_ char *local = xasprintf("-Dmaven.repo.local=%s", repository),
			    *out = xasprintf("-DoutputDirectory=%s", copied);
	/* -C: a checksum that does not match, or is missing, is the end */
	const char *argv[] = { "mvn",
			       "-B",
			       "-q",
			       "-ntp",
			       "-C",
			       "-Dstyle.color=never",
			       local,
			       "-f",
			       maven->pom,
			       COPY,
			       "-DincludeScope=runtime",
			       "-Dmdep.useRepositoryLayout=true",
			       out,
			       NULL };

	return tool_run(argv, log, NULL, NULL, err) < 0 ? err_wrap(err, "maven '%s'", maven->folder) : 0;
}

int rootfs_jars_maven(const char *cache, const struct rootfs_recipe *r, const char *work, const char *log,
		      struct rootfs_jar **ret_jars, size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *missing = tools_missing(tools), *repository = path_join(cache, "maven");
	struct rootfs_jar *jars = NULL;
	size_t n = 0;
	int rc = 0;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s, needed for the jars of rootfs %s; `make deps` installs it",
			       missing, r->name);
	for (size_t i = 0; rc == 0 && i < r->n_mavens; i++) {
		const size_t before = n;
		_cleanup_free_ char *copied = xasprintf("%s/maven-%zu", work, i);

		rc = resolve_one(&r->mavens[i], repository, copied, log, err);
		if (rc == 0)
			rc = collect(copied, r->mavens[i].folder, &jars, &n, err);
		if (rc == 0 && n == before)
			rc = err_set(err, ERR_CONFIG, "maven '%s': %s has no dependencies at run time",
				     r->mavens[i].folder, r->mavens[i].pom);
	}
	if (rc < 0) {
		rootfs_jars_free(jars, n);
		return -1;
	}
	*ret_jars = jars;
	*ret_n = n;
	return 0;
}
