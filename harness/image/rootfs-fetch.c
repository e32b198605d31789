// SPDX-License-Identifier: GPL-2.0-or-later
/* Packages of a root file system: apt says which, mmdebstrap unpacks them. No root and no foreign binfmt: nothing of
 * arm64 runs here, so no maintainer script does. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/apt.h"
#include "image/rootfs.h"
#include "image/tool.h"

#define GUEST_ARCH "arm64"
#define OUTPUT_MAX_BYTES (16u << 20)
#define DEADLINE_NS (now_ns() + 120 * NSEC_PER_SEC)
#define EPOCH_VAR "SOURCE_DATE_EPOCH=1577836800"

static const char *const tools[] = {
	"apt-get", "apt-cache", "apt-config", "mmdebstrap", "fakeroot", "env", "tar", NULL
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cache_package *)a)->name, ((const struct cache_package *)b)->name);
}

void rootfs_parse_simulation(const char *output, struct cache_package **ret_packages, size_t *ret_n)
{
	struct cache_package *packages = NULL;
	size_t n = 0;

	for (const char *line = output; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *name = line + strlen("Inst "), *version;
		size_t name_len, version_len;
		struct cache_package *p;

		if (!starts_with(line, "Inst "))
			continue;
		name_len = strcspn(name, " :\n"); /* "NAME:arm64" where arm64 is foreign */
		version = name + strcspn(name, "(\n");
		if (*version != '(')
			continue;
		version++;
		version_len = strcspn(version, " )\n");
		p = VEC_PUSH(packages, n);
		p->name = xstrndup(name, name_len);
		p->version = xstrndup(version, version_len);
	}
	if (n)
		qsort(packages, n, sizeof(*packages), by_name);
	*ret_packages = packages;
	*ret_n = n;
}

bool rootfs_parse_show(const char *output, struct cache_package *packages, size_t n, const char **ret_missing)
{
	for (const char *p = output; *p;) {
		const char *end = strstr(p, "\n\n");
		_cleanup_free_ char *paragraph = xasprintf("\n%.*s", (int)(end ? end - p : (ptrdiff_t)strlen(p)), p);
		_cleanup_free_ char *name = apt_field(paragraph, "Package"), *version = apt_field(paragraph, "Version"),
				    *sha256 = apt_field(paragraph, "SHA256");

		for (size_t i = 0; name && version && sha256 && i < n; i++)
			if (!strcmp(packages[i].name, name) && !strcmp(packages[i].version, version) &&
			    strlen(sha256) == SHA256_HEX_SIZE - 1)
				memcpy(packages[i].sha256, sha256, SHA256_HEX_SIZE);
		p = end ? end + 2 : p + strlen(p);
	}
	for (size_t i = 0; i < n; i++)
		if (!packages[i].sha256[0]) {
			*ret_missing = packages[i].name;
			return false;
		}
	return true;
}

/* apt-get's own sentences, without its chatter: "E: Unable to locate package postgresql-99". */
static char *complaints(const char *output)
{
	struct text text = { 0 };

	for (const char *line = output; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (starts_with(line, "E: "))
			text_add(&text, "%s%.*s", text.len ? "; " : "", (int)strcspn(line + 3, "\n"), line + 3);
	return text_steal(&text);
}

static int simulate(const char *conf, const struct rootfs_recipe *r, struct cache_package **ret_packages, size_t *ret_n,
		    struct err *err)
{
	_cleanup_free_ const char **argv = NULL;
	_cleanup_free_ char *out = NULL, *why = NULL;
	static const char *const begin[] = { "apt-get", "-q", "-s", "-o", "APT::Install-Recommends=false", "-c" };
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		*VEC_PUSH(argv, n) = begin[i];
	*VEC_PUSH(argv, n) = conf;
	*VEC_PUSH(argv, n) = "install";
	for (size_t i = 0; i < r->packages.n; i++)
		*VEC_PUSH(argv, n) = r->packages.v[i];
	*VEC_PUSH(argv, n) = NULL;
	rc = proc_capture((char *const *)argv, DEADLINE_NS, OUTPUT_MAX_BYTES, &out, err);
	if (rc < 0)
		return -1;
	why = complaints(out);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "packages of rootfs %s in suite %s: %s", r->name, r->suite,
			       *why ? why : "apt-get cannot install them together");
	rootfs_parse_simulation(out, ret_packages, ret_n);
	return 0;
}

static int find_digests(const char *conf, struct cache_package *packages, size_t n_packages, struct err *err)
{
	_cleanup_free_ const char **argv = NULL;
	_cleanup_free_ char *out = NULL;
	static const char *const begin[] = { "apt-cache", "show", "--no-all-versions", "-c" };
	char **pins = xcalloc(n_packages, sizeof(*pins));
	const char *missing = NULL;
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		*VEC_PUSH(argv, n) = begin[i];
	*VEC_PUSH(argv, n) = conf;
	for (size_t i = 0; i < n_packages; i++) {
		pins[i] = xasprintf("%s=%s", packages[i].name, packages[i].version);
		*VEC_PUSH(argv, n) = pins[i];
	}
	*VEC_PUSH(argv, n) = NULL;
	rc = proc_capture((char *const *)argv, DEADLINE_NS, OUTPUT_MAX_BYTES, &out, err);
	for (size_t i = 0; i < n_packages; i++)
		free(pins[i]);
	free(pins);
	if (rc < 0)
		return -1;
	if (!rootfs_parse_show(out ? out : "", packages, n_packages, &missing))
		return err_set(err, ERR_HOST, "the package index has no digest of %s", missing);
	return 0;
}

int rootfs_resolve_apt(const char *cache, const struct rootfs_recipe *r, const char *log,
		       struct cache_package **ret_packages, size_t *ret_n, struct err *err)
{
	_cleanup_free_ char *missing = tools_missing(tools), *conf = NULL;
	struct cache_package *packages = NULL;
	size_t n = 0;

	if (missing)
		return err_set(err, ERR_HOST, "missing: %s, needed for root file systems; `make deps` installs them",
			       missing);
	if (apt_prepare(cache, r->suite, GUEST_ARCH, &conf, err) < 0 || apt_update(conf, r->suite, log, err) < 0 ||
	    simulate(conf, r, &packages, &n, err) < 0)
		return -1;
	if (find_digests(conf, packages, n, err) < 0) {
		cache_packages_free(packages, n);
		return -1;
	}
	*ret_packages = packages;
	*ret_n = n;
	return 0;
}

/* Every package is named with its version, so that what comes is what was resolved, or nothing. */
static char *include_option(const struct cache_package *packages, size_t n)
{
	struct text text = { 0 };

	text_add(&text, "--include=");
	for (size_t i = 0; i < n; i++)
		text_add(&text, "%s%s=%s", i ? "," : "", packages[i].name, packages[i].version);
	return text_steal(&text);
}

static void take_word(void *ctx, const char *line)
{
	char **value = ctx;

	if (!line || !*line || strspn(line, "abcdefghijklmnopqrstuvwxyz01") != strlen(line))
		return;
	free(*value);
	*value = xstrdup(line);
}

/* mmdebstrap starts from no configuration of apt's, and this machine's may say that its mirror is one of the past. Owned by
 * the caller; NULL: error. */
static char *valid_until_option(struct err *err)
{
	static const char *const argv[] = { "apt-config", "dump", "--format=%v%n", "Acquire::Check-Valid-Until", NULL };
	_cleanup_free_ char *value = NULL;

	if (tool_run(argv, NULL, take_word, &value, err) < 0)
		return NULL;
	return xasprintf("--aptopt=Acquire::Check-Valid-Until \"%s\"", value ? value : "true");
}

int rootfs_fetch_mmdebstrap(const char *cache, const struct rootfs_recipe *r, const struct cache_package *packages,
			    size_t n_packages, const char *tar, const char *log, struct err *err)
{
	_cleanup_free_ char *include = include_option(packages, n_packages), *valid_until = valid_until_option(err);
	/* the machine's mirror, as apt_prepare() wrote it down */
	_cleanup_free_ char *sources = xasprintf("%s/apt/%s-" GUEST_ARCH "/sources.list", cache, r->suite);
	/* nothing is run in the tree, so it needs no chroot, and no user namespace: only who owns what must be kept,
	 * which fakeroot does for a plain user */
	const char *argv[] = { "env",
			       EPOCH_VAR,
			       "LC_ALL=C",
			       geteuid() == 0 ? "env" : "fakeroot",
			       "mmdebstrap",
			       "--mode=chrootless",
			       "--variant=extract",
			       "--architectures=" GUEST_ARCH,
			       "--format=tar",
			       "--aptopt=APT::Install-Recommends \"false\"",
			       valid_until,
			       include,
			       r->suite,
			       tar,
			       sources,
			       NULL };

	if (!valid_until)
		return -1;
	return tool_run(argv, log, NULL, NULL, err) < 0 ? err_wrap(err, "rootfs %s", r->name) : 0;
}
