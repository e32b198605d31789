// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads recipes and digests them. Builds nothing. */
#include "image/recipe.h"

#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"

/* Bump when the way a kernel is built changes without any of the digested texts changing. */
#define RECIPE_SCHEMA "granule-recipe-1"
#define CROSS "aarch64-linux-gnu-"
#define TEXT_CAP (1 << 20)

/* LOCALVERSION is given, though empty: else a git repository around the cache would add a "+" to the release. */
const char *const recipe_make_vars[] = {
	"ARCH=arm64",
	"KBUILD_BUILD_TIMESTAMP=2020-01-01 00:00:00 UTC",
	"KBUILD_BUILD_USER=granule",
	"KBUILD_BUILD_HOST=granule",
	"KBUILD_BUILD_VERSION=1",
	"SOURCE_DATE_EPOCH=1577836800",
	"LOCALVERSION=",
	NULL,
};

void recipe_clear(struct recipe *recipe)
{
	free(recipe->config_name);
	free(recipe->config);
	free(recipe->pages);
	free(recipe->must);
	free(recipe->absent);
	free(recipe->absent_name);
	for (size_t i = 0; i < recipe->n_patches; i++)
		free(recipe->patches[i]);
	free(recipe->patches);
	free(recipe->cross);
	free(recipe->compiler);
	*recipe = (struct recipe){ 0 };
}

char *recipe_dir(void)
{
	static const char *const beside[] = { "../images/kernels", "../share/granule/images/kernels",
					      "../../images/kernels" };
	const char *images = getenv("GRANULE_IMAGES");
	char exe[PATH_MAX], *slash;
	ssize_t n;

	if (images && *images)
		return path_join(images, "kernels");
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *dir = path_join(exe, beside[i]);

		if (path_is_dir(dir))
			return realpath(dir, NULL);
	}
	return NULL;
}

static int first_line(const char *program, char **ret_line, struct err *err)
{
	char *argv[] = { (char *)program, (char *)"--version", NULL };
	_cleanup_free_ char *out = NULL;
	int rc = proc_capture(argv, now_ns() + 30 * NSEC_PER_SEC, 65536, &out, err);

	if (rc < 0)
		return -1;
	if (rc != 0)
		return err_set(err, ERR_HOST, "%s --version: exit status %d", program, rc);
	*ret_line = xstrndup(out, strcspn(out, "\n"));
	return 0;
}

int recipe_toolchain_host(char **ret_cross, char **ret_compiler, struct err *err)
{
	_cleanup_free_ char *found = proc_find(CROSS "gcc"), *cc = NULL, *ld = NULL;
	const char *cross = found ? CROSS : "";
	struct utsname u;

	uname(&u);
	if (!found && strcmp(u.machine, "aarch64") != 0)
		return err_set(err, ERR_HOST,
			       "missing: " CROSS "gcc, the compiler for arm64 kernels; `make deps` installs it "
			       "(Debian's package gcc-aarch64-linux-gnu)");
	if (first_line(found ? CROSS "gcc" : "gcc", &cc, err) < 0 ||
	    first_line(found ? CROSS "ld" : "ld", &ld, err) < 0)
		return -1;
	*ret_cross = xstrdup(cross);
	*ret_compiler = xasprintf("%s, %s", cc, ld);
	return 0;
}

static int read_text(const char *dir, const char *name, char **ret_text, struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name);

	return file_read(path, TEXT_CAP, ret_text, NULL, err);
}

/* The configurations there are, for an error: "micro, full". */
static char *config_names(const char *dir)
{
	_cleanup_free_ char *pattern = path_join(dir, "*.config");
	_cleanup_(globfree) glob_t g = { 0 };
	struct text out = { 0 };

	if (glob(pattern, 0, NULL, &g) != 0)
		return text_steal(&out);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *name = strrchr(g.gl_pathv[i], '/') + 1;

		if (!starts_with(name, "pages-") && !starts_with(name, "must-"))
			text_add(&out, "%s%.*s", out.len ? ", " : "", (int)strcspn(name, "."), name);
	}
	return text_steal(&out);
}

static int load_patches(const char *dir, struct recipe *r, struct err *err)
{
	_cleanup_free_ char *pattern = xasprintf("%s/patches/%s/*.patch", dir, r->version);
	_cleanup_(text_free) struct text all = { 0 };
	_cleanup_(globfree) glob_t g = { 0 };

	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			char hex[SHA256_HEX_SIZE];

			if (sha256_file(g.gl_pathv[i], hex, err) < 0)
				return -1;
			text_add(&all, "%s\n", hex);
			*VEC_PUSH(r->patches, r->n_patches) = xstrdup(g.gl_pathv[i]);
		}
	}
	sha256_bytes(all.s ? all.s : "", all.len, r->patches_sha256);
	return 0;
}

int recipe_load(const char *dir, const struct kernel_spec *spec, struct recipe *ret_recipe, struct err *err)
{
	_cleanup_(recipe_clear) struct recipe r = { .spec = spec, .version = source_kernel_version(spec->source) };
	const char *config = spec->config ? spec->config : "micro";
	_cleanup_free_ char *path = xasprintf("%s/%s.config", dir, config), *absent = NULL;

	if (!r.version)
		return err_set(err, ERR_CONFIG,
			       "source: '%s' is no kernel source package: Debian calls them "
			       "linux-source-X.Y, as in linux-source-6.12",
			       spec->source);
	if (!spec->suite || !*spec->suite || spec->suite[strspn(spec->suite, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return err_set(err, ERR_CONFIG,
			       "suite: '%s' is no Debian suite (bookworm, trixie, trixie-backports, sid, ...)",
			       spec->suite ? spec->suite : "");
	if (spec->page_bytes != 4096 && spec->page_bytes != 16384 && spec->page_bytes != 65536)
		return err_set(err, ERR_CONFIG, "pages: arm64 has 4K, 16K and 64K pages");
	if (!label_valid(config) || starts_with(config, "pages-") || starts_with(config, "must-") ||
	    !path_exists(path)) {
		_cleanup_free_ char *names = config_names(dir);

		return err_set(err, ERR_CONFIG, "config: there is no '%s' in %s; there is: %s", config, dir, names);
	}
	r.config_name = xasprintf("%s.config", config);
	snprintf(r.pages_name, sizeof(r.pages_name), "pages-%uk.config", (unsigned)(spec->page_bytes >> 10) & 0xff);
	r.absent_name = xasprintf("absent-%s.list", r.version);
	absent = path_join(dir, r.absent_name);
	if (read_text(dir, r.config_name, &r.config, err) < 0 || read_text(dir, r.pages_name, &r.pages, err) < 0 ||
	    read_text(dir, "must-hold.config", &r.must, err) < 0 || load_patches(dir, &r, err) < 0)
		return -1;
	if (!path_exists(absent))
		r.absent = xstrdup("");
	else if (read_text(dir, r.absent_name, &r.absent, err) < 0)
		return -1;
	*ret_recipe = r;
	r = (struct recipe){ 0 };
	return 0;
}

/* Length before text, so that no two lists of texts read the same. */
static void digest_add(struct text *t, const char *name, const char *value)
{
	text_add(t, "%s %zu\n%s\n", name, strlen(value), value);
}

static void digest_common(struct text *t, const struct recipe *r, const struct kernel_source *source)
{
	digest_add(t, "schema", RECIPE_SCHEMA);
	digest_add(t, "package", source->package);
	digest_add(t, "version", source->version);
	digest_add(t, "tarball", source->tarball_sha256);
	digest_add(t, "patches", r->patches_sha256);
	digest_add(t, "compiler", r->compiler);
	digest_add(t, "cross", r->cross);
	for (const char *const *v = recipe_make_vars; *v; v++)
		digest_add(t, "make", *v);
}

void recipe_inputs_digest(const struct recipe *recipe, const struct kernel_source *source,
			  char ret_hex[SHA256_HEX_SIZE])
{
	_cleanup_(text_free) struct text t = { 0 };

	digest_common(&t, recipe, source);
	digest_add(&t, "config", recipe->config);
	digest_add(&t, "pages", recipe->pages);
	digest_add(&t, "must", recipe->must);
	digest_add(&t, "absent", recipe->absent);
	sha256_bytes(t.s, t.len, ret_hex);
}

void recipe_digest(const struct recipe *recipe, const struct kernel_source *source, const char *resolved,
		   char ret_hex[SHA256_HEX_SIZE])
{
	_cleanup_(text_free) struct text t = { 0 };

	digest_common(&t, recipe, source);
	digest_add(&t, "resolved", resolved);
	sha256_bytes(t.s, t.len, ret_hex);
}

char *recipe_describe(const struct kernel_spec *spec, const struct kernel_source *source)
{
	char pages[24];

	size_format(spec->page_bytes, pages);
	if (source)
		return xasprintf("%s %s, %s, %s", spec->source, source->version, spec->config ? spec->config : "micro",
				 pages);
	return xasprintf("%s (%s), %s, %s", spec->source, spec->suite, spec->config ? spec->config : "micro", pages);
}
