// SPDX-License-Identifier: GPL-2.0-or-later
/* Fetches and unpacks kernel sources. apt does the network and the trust, tar and dpkg-deb the archives; what is kept
 * between runs is one record a source. Knows nothing of configurations and builds. */
#include "image/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/tool.h"

#define PACKAGE_PREFIX "linux-source-"
#define DEFAULT_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define NO_LIMIT_NS (now_ns() + 60 * NSEC_PER_SEC)

void kernel_source_clear(struct kernel_source *source)
{
	free(source->package);
	free(source->suite);
	free(source->version);
	free(source->tarball);
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

static bool get_sha256(const json_t *o, const char *key, char ret_hex[SHA256_HEX_SIZE])
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) != SHA256_HEX_SIZE - 1)
		return false;
	memcpy(ret_hex, s, SHA256_HEX_SIZE);
	return true;
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
	found = version && get_sha256(o, "deb_sha256", s.deb_sha256) &&
		get_sha256(o, "tarball_sha256", s.tarball_sha256);
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

/* VERSION_CODENAME of this host. */
static char *host_codename(void)
{
	_cleanup_free_ char *data = NULL;
	const char *p;

	if (file_read("/etc/os-release", 65536, &data, NULL, NULL) < 0)
		return xstrdup("");
	p = starts_with(data, "VERSION_CODENAME=") ? data : strstr(data, "\nVERSION_CODENAME=");
	if (!p)
		return xstrdup("");
	p = strchr(p, '=') + 1;
	p += *p == '"';
	return xstrndup(p, strcspn(p, "\"\n"));
}

/* Debian's own file first: another repository may carry the same suite name. */
static int find_mirror(char **ret_uri, char **ret_keyring, struct err *err)
{
	static const char *const patterns[] = { "/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list",
						"/etc/apt/sources.list.d/*.sources", "/etc/apt/sources.list.d/*.list" };
	_cleanup_free_ char *codename = host_codename();

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		glob_t g = { 0 };
		bool found = false;

		if (glob(patterns[i], 0, NULL, &g) == 0) {
			for (size_t j = 0; j < g.gl_pathc && !found; j++) {
				_cleanup_free_ char *text = NULL;

				if (file_read(g.gl_pathv[j], 1 << 20, &text, NULL, NULL) == 0)
					found = source_mirror_parse(text, ends_with(g.gl_pathv[j], ".sources"),
								    codename, ret_uri, ret_keyring);
			}
		}
		globfree(&g);
		if (found)
			return 0;
	}
	return err_set(err, ERR_HOST,
		       "no mirror for suite '%s' found in /etc/apt/sources.list and sources.list.d: kernel sources "
		       "come from the mirror that this machine uses; give an Image by path otherwise",
		       codename);
}

/* apt's private directory for @suite, with its configuration in @ret_conf. */
static int apt_prepare(const char *cache, const char *suite, char **ret_conf, struct err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/apt/%s", cache, suite), *conf = path_join(dir, "apt.conf");
	_cleanup_free_ char *lists = path_join(dir, "state/lists/partial"),
			    *debs = path_join(dir, "cache/archives/partial");
	_cleanup_free_ char *status = path_join(dir, "status"), *sources = path_join(dir, "sources.list");
	_cleanup_free_ char *uri = NULL, *keyring = NULL, *line = NULL, *text = NULL;

	if (find_mirror(&uri, &keyring, err) < 0 || make_dirs(lists, err) < 0 || make_dirs(debs, err) < 0)
		return -1;
	line = xasprintf("deb [signed-by=%s] %s %s main\n", keyring ? keyring : DEFAULT_KEYRING, uri, suite);
	text = xasprintf("Dir::Etc::sourcelist \"%s\";\n"
			 "Dir::Etc::sourceparts \"-\";\n"
			 "Dir::Etc::preferences \"-\";\n"
			 "Dir::Etc::preferencesparts \"-\";\n"
			 "Dir::State \"%s/state\";\n"
			 "Dir::State::status \"%s\";\n"
			 "Dir::Cache \"%s/cache\";\n"
			 "Acquire::Languages \"none\";\n"
			 "Acquire::Retries \"3\";\n"
			 "APT::Sandbox::User \"root\";\n", /* _apt cannot write into a user's cache */
			 sources, dir, status, dir);
	if (file_write_atomic(sources, line, strlen(line), err) < 0 || file_write_atomic(status, "", 0, err) < 0 ||
	    file_write_atomic(conf, text, strlen(text), err) < 0)
		return -1;
	*ret_conf = steal_ptr(conf);
	return 0;
}

/* The value of "Field: " in the first paragraph of @text; owned by the caller, NULL if absent. */
static char *field(const char *text, const char *name)
{
	_cleanup_free_ char *key = xasprintf("\n%s: ", name);
	const char *p = strstr(text, key);

	return p ? xstrndup(p + strlen(key), strcspn(p + strlen(key), "\n")) : NULL;
}

/* Version and SHA256 of the newest @package, from the signed index that apt-get update has verified. */
static int apt_candidate(const char *conf, struct kernel_source *s, struct err *err)
{
	const char *argv[] = { "apt-cache", "-c", conf, "show", "--no-all-versions", s->package, NULL };
	_cleanup_free_ char *out = NULL, *text = NULL, *sha = NULL;
	int rc = proc_capture((char *const *)argv, NO_LIMIT_NS, 1 << 20, &out, err);

	if (rc < 0)
		return -1;
	text = xasprintf("\n%s", out ? out : "");
	s->version = field(text, "Version");
	sha = field(text, "SHA256");
	if (rc != 0 || !s->version || !sha || strlen(sha) != SHA256_HEX_SIZE - 1)
		return err_set(err, ERR_CONFIG,
			       "suite %s has no package %s; `apt-cache search linux-source` shows what the "
			       "suites of this machine have",
			       s->suite, s->package);
	memcpy(s->deb_sha256, sha, SHA256_HEX_SIZE);
	return 0;
}

static int sha256_expect(const char *path, const char *hex, struct err *err)
{
	char got[SHA256_HEX_SIZE];

	if (sha256_file(path, got, err) < 0)
		return -1;
	if (strcmp(got, hex) != 0)
		return err_set(err, ERR_HOST, "%s: its sha256 is %s, the index says %s", path, got, hex);
	return 0;
}

/* The one file that @pattern matches. */
static char *glob_one(const char *pattern)
{
	_cleanup_(globfree) glob_t g = { 0 };

	return glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc == 1 ? xstrdup(g.gl_pathv[0]) : NULL;
}

/* Download the package into @work, check it, and put its tarball at s->tarball. */
static int fetch_tarball(const char *conf, const char *work, const char *log, struct kernel_source *s, struct err *err)
{
	_cleanup_free_ char *chdir_arg = xasprintf("--chdir=%s", work),
			    *what = xasprintf("%s=%s", s->package, s->version);
	_cleanup_free_ char *pattern = xasprintf("%s/*.deb", work), *deb = NULL, *inside = NULL, *tarball = NULL;
	const char *get[] = { "env", chdir_arg, "apt-get", "-q", "-c", conf, "download", what, NULL };

	if (tool_run(get, log, NULL, NULL, err) < 0)
		return err_wrap(err, "%s", what);
	deb = glob_one(pattern);
	if (!deb)
		return err_set(err, ERR_HOST, "%s: apt-get downloaded no package into %s", what, work);
	if (sha256_expect(deb, s->deb_sha256, err) < 0)
		return -1;
	const char *extract[] = { "dpkg-deb", "--extract", deb, work, NULL };

	if (tool_run(extract, log, NULL, NULL, err) < 0)
		return err_wrap(err, "%s", deb);
	inside = xasprintf("%s/usr/src/%s.tar.xz", work, s->package);
	if (sha256_file(inside, s->tarball_sha256, err) < 0)
		return err_wrap(err, "%s", what);
	utimensat(AT_FDCWD, inside, NULL, 0); /* its time is its last use, not Debian's */
	if (rename(inside, s->tarball) < 0)
		return err_set_errno(err, ERR_HOST, "%s", s->tarball);
	return 0;
}

static int apt_update(const char *conf, const char *suite, const char *log, struct err *err)
{
	const char *argv[] = { "apt-get", "-q", "-c", conf, "-o", "APT::Update::Error-Mode=any", "update", NULL };

	if (tool_run(argv, log, NULL, NULL, err) == 0)
		return 0;
	if (strstr(err->msg, "does not have a Release file"))
		return err_set(err, ERR_CONFIG, "this machine's mirror has no suite %s (log: %s)", suite, log);
	return err_wrap(err, "reading the package index of %s", suite);
}

int source_fetch(const char *cache, const char *package, const char *suite, image_progress *progress, void *ctx,
		 struct kernel_source *ret_source, struct err *err)
{
	static const char *const tools[] = { "apt-get", "apt-cache", "dpkg-deb", "env", NULL };
	_cleanup_(kernel_source_clear) struct kernel_source s = { .package = xstrdup(package),
								  .suite = xstrdup(suite) };
	_cleanup_(kernel_source_clear) struct kernel_source old = { 0 };
	_cleanup_free_ char *missing = tools_missing(tools), *conf = NULL, *dir = source_dir(cache, package, suite);
	_cleanup_free_ char *work = path_join(dir, "fetch.tmp"), *log = path_join(dir, "fetch.log"), *what = NULL;
	struct err quiet;
	int rc;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (kernel sources come by apt)", missing);
	/* A new work directory each time: what a killed fetch left is not trusted. */
	if (remove_tree(work, err) < 0 || make_dirs(work, err) < 0 || apt_prepare(cache, suite, &conf, err) < 0)
		return -1;
	unlink(log);
	what = xasprintf("%s: asking for the newest version in %s", package, suite);
	progress(ctx, what, -1, -1);
	if (apt_update(conf, suite, log, err ? err : &quiet) < 0 || apt_candidate(conf, &s, err) < 0)
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

int source_extract(const struct kernel_source *source, const char *tree, char *const *patches, size_t n_patches,
		   image_progress *progress, void *ctx, struct err *err)
{
	static const char *const tools[] = { "tar", "xz", NULL };
	_cleanup_free_ char *missing = tools_missing(tools), *tmp = xasprintf("%s.tmp", tree), *log = NULL,
			    *what = NULL;
	const char *argv[] = { "tar", "-x", "-I", "xz -T0",	   "--strip-components=1",
			       "-C",  tmp,  "-f", source->tarball, NULL };

	if (path_is_dir(tree))
		return 0;
	if (missing)
		return err_set(err, ERR_HOST, "missing: %s (kernel sources are .tar.xz)", missing);
	what = xasprintf("%s %s: unpacking", source->package, source->version);
	progress(ctx, what, -1, -1);
	log = xasprintf("%s.log", tree);
	unlink(log);
	utimensat(AT_FDCWD, source->tarball, NULL, 0);
	if (sha256_expect(source->tarball, source->tarball_sha256, err) < 0 || remove_tree(tmp, err) < 0 ||
	    make_dirs(tmp, err) < 0)
		return -1;
	if (tool_run(argv, log, NULL, NULL, err) < 0)
		return err_wrap(err, "unpacking %s", source->tarball);
	for (size_t i = 0; i < n_patches; i++) {
		const char *patch[] = { "patch", "-p1", "--batch", "--fuzz=0", "-d", tmp, "-i", patches[i], NULL };

		if (tool_run(patch, log, NULL, NULL, err) < 0)
			return err_wrap(err, "%s", patches[i]);
	}
	if (rename(tmp, tree) < 0)
		return err_set_errno(err, ERR_HOST, "%s", tree);
	unlink(log);
	return 0;
}
