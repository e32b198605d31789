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
#include "image/layout.h"

/* Bump when the way a kernel is built changes without any of the digested texts changing. */
#define RECIPE_SCHEMA "granule-recipe-1"
#define CROSS "aarch64-linux-gnu-"
#define TEXT_CAP (1 << 20)
#define INCLUDES_MAX 8 /* texts of one configuration: also what ends a circle */

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
	free(recipe->version);
	free(recipe->config_name);
	for (size_t i = 0; i < recipe->n_configs; i++) {
		free(recipe->configs[i].name);
		free(recipe->configs[i].text);
	}
	free(recipe->configs);
	free(recipe->pages);
	free(recipe->set);
	free(recipe->must);
	free(recipe->differs);
	free(recipe->differs_name);
	free(recipe->absent);
	free(recipe->absent_name);
	for (size_t i = 0; i < recipe->n_patches; i++) {
		free(recipe->patches[i].path);
		free(recipe->patches[i].edits);
	}
	free(recipe->patches);
	free(recipe->cross);
	free(recipe->compiler);
	*recipe = (struct recipe){ 0 };
}

char *share_dir(const char *below)
{
	static const char *const beside[] = { "..", "../share/granule", "../..", "../../share/granule", "../../.." };
	const char *images = getenv("GRANULE_IMAGES");
	char exe[PATH_MAX], *slash;
	ssize_t n;

	if (images && *images && starts_with(below, "images/"))
		return path_join(images, below + strlen("images/"));
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n <= 0)
		return NULL;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(beside); i++) {
		_cleanup_free_ char *top = path_join(exe, beside[i]), *dir = path_join(top, below);

		if (path_is_dir(dir))
			return realpath(dir, NULL);
	}
	return NULL;
}

char *recipe_dir(void)
{
	return share_dir("images/kernels");
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

/* @name and before it whatever it includes: lines "# include NAME.config", wherever in it they stand. */
static int load_config(const char *dir, const char *name, struct recipe *r, unsigned depth, struct err *err)
{
	static const char include[] = "# include ";
	_cleanup_free_ char *text = NULL;
	struct recipe_text *t;

	if (depth >= INCLUDES_MAX)
		return err_set(err, ERR_CONFIG, "%s/%s: included %d deep; does it include itself?", dir, name, depth);
	if (read_text(dir, name, &text, err) < 0)
		return -1;
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		_cleanup_free_ char *other = NULL;

		if (!starts_with(line, include))
			continue;
		other = xstrndup(line + strlen(include), strcspn(line, "\n") - strlen(include));
		if (strchr(other, '/') || !ends_with(other, ".config"))
			return err_set(err, ERR_CONFIG, "%s/%s: '# include %s' names no file of that folder", dir, name,
				       other);
		if (load_config(dir, other, r, depth + 1, err) < 0)
			return err_wrap(err, "%s", name);
	}
	t = VEC_PUSH(r->configs, r->n_configs);
	t->name = xstrdup(name);
	t->text = steal_ptr(text);
	return 0;
}

/* differs-full.list: that it exists asks for the comparison with what full.config includes. */
static int load_differs(const char *dir, const char *config, struct recipe *r, struct err *err)
{
	_cleanup_free_ char *name = xasprintf("differs-%s.list", config), *path = path_join(dir, name);

	if (!path_exists(path))
		return 0;
	if (r->n_configs < 2)
		return err_set(err, ERR_CONFIG, "%s: %s includes nothing that it could be compared with", path,
			       r->config_name);
	if (read_text(dir, name, &r->differs, err) < 0)
		return -1;
	r->differs_name = steal_ptr(name);
	return 0;
}

char *recipe_config(const struct recipe *recipe, size_t n_configs)
{
	struct text out = { 0 };

	for (size_t i = 0; i < n_configs; i++)
		text_add(&out, "%s\n", recipe->configs[i].text);
	text_add(&out, "%s%s%s", recipe->pages, *recipe->set ? "\n" : "", recipe->set);
	return text_steal(&out);
}

static int add_patch(struct recipe *r, struct text *all, const char *path, bool asked, struct err *err)
{
	struct source_patch *p = VEC_PUSH(r->patches, r->n_patches);

	p->path = xstrdup(path);
	p->asked = asked;
	if (sha256_file(path, p->sha256, err) < 0)
		return -1;
	text_add(all, "%s\n", p->sha256);
	return 0;
}

/* Behind all patches. */
static void add_layout(struct recipe *r, struct text *all)
{
	struct source_patch *p;

	if (!r->spec->layout)
		return;
	p = VEC_PUSH(r->patches, r->n_patches);
	p->path = xasprintf("generated/layout-%llu", (unsigned long long)r->spec->layout);
	p->edits = layout_edits(r->spec->layout);
	sha256_bytes(p->edits, strlen(p->edits), p->sha256);
	text_add(all, "%s\n", p->sha256);
}

/* `set:` as lines of a .config. */
static char *set_text(const struct string_list *set)
{
	struct text out = { 0 };

	for (size_t i = 0; i < set->n; i++) {
		if (ends_with(set->v[i], "=n"))
			text_add(&out, "# CONFIG_%.*s is not set\n", (int)strlen(set->v[i]) - 2, set->v[i]);
		else
			text_add(&out, "CONFIG_%s\n", set->v[i]);
	}
	return text_steal(&out);
}

/* Those of images/kernels/patches are for Debian's sources; a commit is taken as it is. */
static int load_patches(const char *dir, struct recipe *r, struct err *err)
{
	_cleanup_free_ char *pattern = xasprintf("%s/patches/%s/*.patch", dir, r->version);
	_cleanup_(text_free) struct text all = { 0 };
	_cleanup_(globfree) glob_t g = { 0 };

	if (r->spec->source && glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			if (add_patch(r, &all, g.gl_pathv[i], false, err) < 0)
				return -1;
	r->n_house = r->n_patches;
	sha256_bytes(all.s ? all.s : "", all.len, r->house_sha256);
	for (size_t i = 0; i < r->spec->patches.n; i++) {
		if (add_patch(r, &all, r->spec->patches.v[i], true, err) < 0) {
			if (err)
				err->kind = ERR_CONFIG;
			return err_wrap(err, "patches");
		}
	}
	add_layout(r, &all);
	sha256_bytes(all.s ? all.s : "", all.len, r->patches_sha256);
	return 0;
}

/* The absent list for @suffix ("" or "-full") and this version: its own, else of the nearest version before it, else of
 * the nearest behind it. A new kernel lacks about what the last known one lacks. NULL if there is none. */
static char *absent_list(const char *dir, const char *suffix, const char *version)
{
	_cleanup_free_ char *pattern = path_join(dir, "absent-*.list"), *tail = xasprintf("%s.list", suffix);
	_cleanup_(globfree) glob_t g = { 0 };
	unsigned major = 0, minor = 0, m, n;
	long want, best = -1;
	char *found = NULL;
	int end;

	if (sscanf(version, "%u.%u", &major, &minor) != 2 || glob(pattern, 0, NULL, &g) != 0)
		return NULL;
	want = (long)major * 1000 + minor;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		const char *name = strrchr(g.gl_pathv[i], '/') + 1;
		long have;

		end = 0;
		if (sscanf(name, "absent-%u.%u%n", &m, &n, &end) != 2 || strcmp(name + end, tail) != 0)
			continue;
		have = (long)m * 1000 + n;
		if (best < 0 || (have <= want ? best > want || have > best : best > want && have < best)) {
			best = have;
			free(found);
			found = xstrdup(name);
		}
	}
	return found;
}

/* absent-X.Y.list, and what each configuration adds: absent-X.Y-full.list. */
static int load_absent(const char *dir, struct recipe *r, struct err *err)
{
	_cleanup_(text_free) struct text all = { 0 }, names = { 0 };

	for (size_t i = 0; i <= r->n_configs; i++) {
		_cleanup_free_ char *suffix = NULL, *name = NULL, *text = NULL;

		if (i)
			suffix = xasprintf("-%.*s", (int)strcspn(r->configs[i - 1].name, "."), r->configs[i - 1].name);
		name = absent_list(dir, suffix ? suffix : "", r->version);
		if (!name)
			continue;
		if (read_text(dir, name, &text, err) < 0)
			return -1;
		text_add(&all, "%s", text);
		text_add(&names, "%s%s", names.len ? " or " : "", name);
	}
	r->absent = text_steal(&all);
	r->absent_name = text_steal(&names);
	return 0;
}

static int check_spec(const char *dir, const struct kernel_spec *spec, const char *config, struct err *err)
{
	_cleanup_free_ char *path = xasprintf("%s/%s.config", dir, config);

	if (spec->source && (!spec->suite || !*spec->suite ||
			     spec->suite[strspn(spec->suite, "abcdefghijklmnopqrstuvwxyz0123456789-")]))
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
	return 0;
}

int recipe_load(const char *dir, const struct kernel_spec *spec, const char *version, struct recipe *ret_recipe,
		struct err *err)
{
	_cleanup_(recipe_clear) struct recipe r = { .spec = spec, .version = xstrdup(version) };
	const char *config = spec->config ? spec->config : "micro";

	if (check_spec(dir, spec, config, err) < 0)
		return -1;
	r.set = set_text(&spec->set);
	r.config_name = xasprintf("%s.config", config);
	snprintf(r.pages_name, sizeof(r.pages_name), "pages-%uk.config", (unsigned)(spec->page_bytes >> 10) & 0xff);
	if (load_config(dir, r.config_name, &r, 0, err) < 0 || load_differs(dir, config, &r, err) < 0 ||
	    read_text(dir, r.pages_name, &r.pages, err) < 0 || read_text(dir, "must-hold.config", &r.must, err) < 0 ||
	    load_absent(dir, &r, err) < 0 || load_patches(dir, &r, err) < 0)
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
	if (source->git_dir) {
		digest_add(t, "git-tree", source->tree);
	} else {
		digest_add(t, "package", source->package);
		digest_add(t, "version", source->version);
		digest_add(t, "tarball", source->tarball_sha256);
	}
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
	for (size_t i = 0; i < recipe->n_configs; i++)
		digest_add(&t, "config", recipe->configs[i].text);
	digest_add(&t, "pages", recipe->pages);
	digest_add(&t, "must", recipe->must);
	digest_add(&t, "absent", recipe->absent);
	if (recipe->differs)
		digest_add(&t, "differs", recipe->differs);
	if (*recipe->set)
		digest_add(&t, "set", recipe->set);
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

char *recipe_describe(const struct recipe *r, const struct kernel_source *source)
{
	const struct kernel_spec *spec = r->spec;
	struct text out = { 0 };
	char pages[24];

	if (spec->git)
		text_add(&out, "git %s", source->version);
	else if (source)
		text_add(&out, "%s %s", spec->source, source->version);
	else
		text_add(&out, "%s (%s)", spec->source, spec->suite);
	/* a name that says more than the sha does */
	if (spec->git && spec->commit && !starts_with(source->commit, spec->commit))
		text_add(&out, " (%s)", spec->commit);
	if (spec->patches.n)
		text_add(&out, ", %zu patch%s (%.8s)", spec->patches.n, spec->patches.n > 1 ? "es" : "",
			 r->patches_sha256);
	if (spec->layout)
		text_add(&out, ", layout %llu", (unsigned long long)spec->layout);
	for (size_t i = 0; i < spec->set.n; i++)
		text_add(&out, ", %s", spec->set.v[i]);
	text_add(&out, ", %.*s, %s", (int)strcspn(r->config_name, "."), r->config_name,
		 size_format(spec->page_bytes, pages));
	return text_steal(&out);
}
