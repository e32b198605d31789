// SPDX-License-Identifier: GPL-2.0-or-later
/* apt does the network and the trust, dpkg-deb the archive. Knows no kernel. */
#include "image/apt.h"

#include <ctype.h>
#include <glob.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/source.h"
#include "image/tool.h"

#define DEFAULT_KEYRING "/usr/share/keyrings/debian-archive-keyring.gpg"
#define NO_LIMIT_NS (now_ns() + 60 * NSEC_PER_SEC)

const char *const apt_tools[] = { "apt-get", "apt-cache", "dpkg-deb", "env", NULL };

char *apt_host_suite(void)
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
	_cleanup_free_ char *codename = apt_host_suite();

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
		       "no mirror for suite '%s' found in /etc/apt/sources.list and sources.list.d: kernel "
		       "sources, kernel packages and the guest's shell come from the mirror that this machine uses; "
		       "give an Image by "
		       "path (image:), or a shell with --busybox, otherwise",
		       codename);
}

int apt_prepare(const char *cache, const char *suite, const char *arch, char **ret_conf, struct err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/apt/%s%s%s", cache, suite, arch ? "-" : "", arch ? arch : "");
	_cleanup_free_ char *conf = path_join(dir, "apt.conf");
	_cleanup_free_ char *lists = path_join(dir, "state/lists/partial"),
			    *debs = path_join(dir, "cache/archives/partial");
	_cleanup_free_ char *status = path_join(dir, "status"), *sources = path_join(dir, "sources.list");
	_cleanup_free_ char *uri = NULL, *keyring = NULL, *line = NULL, *text = NULL, *foreign = NULL;

	if (find_mirror(&uri, &keyring, err) < 0 || make_dirs(lists, err) < 0 || make_dirs(debs, err) < 0)
		return -1;
	foreign = arch ? xasprintf("APT::Architecture \"%s\";\nAPT::Architectures { \"%s\"; };\n", arch, arch)
		       : xstrdup("");
	line = xasprintf("deb [signed-by=%s] %s %s main\n", keyring ? keyring : DEFAULT_KEYRING, uri, suite);
	text = xasprintf("Dir::Etc::sourcelist \"%s\";\n"
			 "Dir::Etc::sourceparts \"/dev/null\";\n"
			 "Dir::Etc::preferences \"/dev/null\";\n"
			 "Dir::Etc::preferencesparts \"/dev/null\";\n"
			 "Dir::State \"%s/state\";\n"
			 "Dir::State::status \"%s\";\n"
			 "Dir::Cache \"%s/cache\";\n"
			 "Acquire::Languages \"none\";\n"
			 "Acquire::Retries \"3\";\n"
			 "APT::Sandbox::User \"root\";\n" /* _apt cannot write into a user's cache */
			 "%s",
			 sources, dir, status, dir, foreign);
	if (file_write_atomic(sources, line, strlen(line), err) < 0 || file_write_atomic(status, "", 0, err) < 0 ||
	    file_write_atomic(conf, text, strlen(text), err) < 0)
		return -1;
	*ret_conf = steal_ptr(conf);
	return 0;
}

char *apt_field(const char *text, const char *name)
{
	_cleanup_free_ char *key = xasprintf("\n%s: ", name);
	const char *p = strstr(text, key);

	return p ? xstrndup(p + strlen(key), strcspn(p + strlen(key), "\n")) : NULL;
}

int apt_update(const char *conf, const char *suite, const char *log, struct err *err)
{
	const char *argv[] = { "apt-get", "-q", "-c", conf, "-o", "APT::Update::Error-Mode=any", "update", NULL };

	if (tool_run(argv, log, NULL, NULL, err) == 0)
		return 0;
	if (strstr(err->msg, "does not have a Release file"))
		return err_set(err, ERR_CONFIG, "this machine's mirror has no suite %s (log: %s)", suite, log);
	return err_wrap(err, "reading the package index of %s", suite);
}

void apt_package_clear(struct apt_package *package)
{
	free(package->version);
	free(package->depends);
	*package = (struct apt_package){ 0 };
}

/* A number of KiB or bytes; 0 if @name is absent or none. */
static uint64_t number_field(const char *text, const char *name)
{
	_cleanup_free_ char *value = apt_field(text, name);

	return value && isdigit((unsigned char)*value) ? strtoull(value, NULL, 10) : 0;
}

int apt_show(const char *conf, const char *suite, const char *package, const char *version,
	     struct apt_package *ret_package, struct err *err)
{
	_cleanup_free_ char *which = xasprintf("%s%s%s", package, version ? "=" : "", version ? version : "");
	const char *argv[] = { "apt-cache", "-c", conf, "show", "--no-all-versions", which, NULL };
	_cleanup_(apt_package_clear) struct apt_package found = { 0 };
	_cleanup_free_ char *out = NULL, *text = NULL, *sha = NULL;
	int rc = proc_capture((char *const *)argv, NO_LIMIT_NS, 1 << 20, &out, err);

	if (rc < 0)
		return -1;
	text = xasprintf("\n%s", out ? out : "");
	found.version = apt_field(text, "Version");
	found.depends = apt_field(text, "Depends");
	found.bytes = number_field(text, "Size");
	found.unpacked_bytes = number_field(text, "Installed-Size") * 1024;
	sha = apt_field(text, "SHA256");
	if (rc != 0 || !found.version || !sha || strlen(sha) != SHA256_HEX_SIZE - 1)
		return err_set(err, ERR_CONFIG,
			       "suite %s has no package %s; `apt-cache search %.*s` shows what the suites of this "
			       "machine have",
			       suite, which, (int)strcspn(package, "0123456789"), package);
	memcpy(found.sha256, sha, SHA256_HEX_SIZE);
	*ret_package = found;
	found = (struct apt_package){ 0 };
	return 0;
}

int apt_candidate(const char *conf, const char *suite, const char *package, char **ret_version,
		  char ret_sha256[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_(apt_package_clear) struct apt_package found = { 0 };

	if (apt_show(conf, suite, package, NULL, &found, err) < 0)
		return -1;
	*ret_version = steal_ptr(found.version);
	memcpy(ret_sha256, found.sha256, SHA256_HEX_SIZE);
	return 0;
}

int sha256_expect(const char *path, const char *hex, struct err *err)
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

int apt_download(const char *conf, const char *package, const char *version, const char *sha256, const char *work,
		 const char *log, char **ret_deb, struct err *err)
{
	_cleanup_free_ char *chdir_arg = xasprintf("--chdir=%s", work), *what = xasprintf("%s=%s", package, version);
	_cleanup_free_ char *pattern = xasprintf("%s/*.deb", work), *deb = NULL;
	const char *get[] = { "env", chdir_arg, "apt-get", "-q", "-c", conf, "download", what, NULL };

	if (tool_run(get, log, NULL, NULL, err) < 0)
		return err_wrap(err, "%s", what);
	deb = glob_one(pattern);
	if (!deb)
		return err_set(err, ERR_HOST, "%s: apt-get downloaded no package into %s", what, work);
	if (sha256_expect(deb, sha256, err) < 0)
		return -1;
	*ret_deb = steal_ptr(deb);
	return 0;
}

int apt_unpack(const char *conf, const char *package, const char *version, const char *sha256, const char *work,
	       const char *log, struct err *err)
{
	_cleanup_free_ char *deb = NULL;

	if (apt_download(conf, package, version, sha256, work, log, &deb, err) < 0)
		return -1;
	const char *extract[] = { "dpkg-deb", "--extract", deb, work, NULL };

	return tool_run(extract, log, NULL, NULL, err) < 0 ? err_wrap(err, "%s", deb) : 0;
}
