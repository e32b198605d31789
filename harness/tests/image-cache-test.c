// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel's way into the cache and out of it, with a builder that writes a page of text in place of make: no network, no
 * compiler, no root. What happens when builds die, files rot and two granules want the same kernel. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/tool.h"
#include "tests/kernel-fake.h"

static char *top, *cache, *recipes, *journal; /* of one test */

/* What the builder shall do besides building. */
static enum { WELL, DIE, FAIL, SLOW, WRONG_PAGES, BAD_TARBALL } behaviour;
static const char *version = "6.12.1-1", *compiler = "cc 1.0";
static struct text said; /* what progress was told */

static void hear(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)fraction;
	(void)eta_s;
	text_add(&said, "%s\n", what);
}

static bool heard(const char *what)
{
	return said.s && strstr(said.s, what);
}

/* Steps are counted in a file, so that those of child processes count too. */
static void note(const char *step)
{
	_cleanup_free_ char *line = xasprintf("%s\n", step);

	assert_int_equal(file_append(journal, line, strlen(line), NULL), 0);
}

static unsigned noted(const char *step)
{
	_cleanup_free_ char *data = NULL;
	unsigned n = 0;

	if (file_read(journal, 1 << 20, &data, NULL, NULL) < 0)
		return 0;
	for (const char *p = data; (p = strstr(p, step)); p++)
		n++;
	return n;
}

static int fake_toolchain(char **ret_cross, char **ret_compiler, struct err *err)
{
	(void)err;
	*ret_cross = xstrdup("");
	*ret_compiler = xstrdup(compiler);
	return 0;
}

static int fake_fetch(const char *cache_path, const char *package, const char *suite, image_progress *progress,
		      void *ctx, struct kernel_source *ret_source, struct err *err)
{
	_cleanup_free_ char *dir = xasprintf("%s/sources/%s/%s", cache_path, suite, package), *json = NULL,
			    *record = NULL;
	char hex[SHA256_HEX_SIZE];

	note("fetch");
	progress(ctx, "fetching", -1, -1);
	sha256_bytes(version, strlen(version), hex);
	json = xasprintf("{\"version\": \"%s\", \"deb_sha256\": \"%s\", \"tarball_sha256\": \"%s\"}", version, hex,
			 hex);
	record = path_join(dir, "source.json");
	ret_source->tarball = path_join(dir, "source.tar.xz");
	if (make_dirs(dir, err) < 0 || file_write_atomic(record, json, strlen(json), err) < 0 ||
	    file_write_atomic(ret_source->tarball, "x", 1, err) < 0)
		return -1;
	free(ret_source->tarball);
	return source_lookup(cache_path, package, suite, ret_source, err) == 1 ? 0 : -1;
}

static int fake_extract(const struct kernel_source *source, const char *tree, const struct source_patch *patches,
			size_t n_patches, image_progress *progress, void *ctx, struct err *err)
{
	(void)patches;
	(void)n_patches;
	(void)progress;
	(void)ctx;
	if (path_is_dir(tree))
		return 0;
	if (behaviour == BAD_TARBALL) { /* as source_extract() does */
		behaviour = WELL;
		unlink(source->tarball);
		return err_set(err, ERR_HOST, "%s: its sha256 is another", source->tarball);
	}
	note("extract");
	return make_dirs(tree, err);
}

static int fake_resolve(const struct recipe *r, const char *tree, const char *obj, char **ret_config, struct err *err)
{
	(void)err;
	assert_true(path_is_dir(tree) && path_is_dir(obj));
	note("resolve");
	*ret_config = recipe_config(r, r->n_configs);
	return 0;
}

static int fake_compile(const struct recipe *r, const char *name, const char *tree, const char *obj, const char *log,
			unsigned expected_steps, image_progress *progress, void *ctx, unsigned *ret_steps,
			struct err *err)
{
	_cleanup_free_ char *half = path_join(obj, "half-way.o");

	(void)name;
	(void)tree;
	(void)progress;
	(void)ctx;
	(void)expected_steps;
	note("compile");
	if (file_write_atomic(log, "log\n", 4, err) < 0 || file_write_atomic(half, "x", 1, err) < 0)
		return -1;
	if (behaviour == DIE)
		raise(SIGKILL);
	if (behaviour == FAIL)
		return err_set(err, ERR_HOST, "make: exit status 2; the log is %s", log);
	if (behaviour == SLOW)
		usleep(500000);
	*ret_steps = 7;
	return write_image(obj, behaviour == WRONG_PAGES ? 4096 : r->spec->page_bytes, err);
}

static const struct kernel_builder fake_builder = { fake_toolchain, fake_fetch, fake_extract, fake_resolve,
						    fake_compile };

static struct kernel_spec spec_64k = {
	.label = (char *)"64k",
	.source = (char *)"linux-source-6.12",
	.suite = (char *)"trixie",
	.page_bytes = 65536,
	.config = (char *)"micro",
};

static int ensure(bool refresh, struct kernel_image **ret_image, struct err *err)
{
	struct kernel_env env = { cache, recipes, &fake_builder, refresh, false };

	text_free(&said);
	said = (struct text){ 0 };
	return kernel_ensure_in(&env, &spec_64k, hear, NULL, ret_image, err);
}

static int lookup(struct kernel_image **ret_image, struct err *err)
{
	struct kernel_env env = { cache, recipes, &fake_builder, false, false };

	return kernel_lookup_in(&env, &spec_64k, ret_image, err);
}

/* ensure() that must work; returns the Image's path, owned by the caller. */
static char *ensured(bool refresh)
{
	struct kernel_image *image;
	struct err err = ERR_INIT;
	char *path;

	if (ensure(refresh, &image, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(image->page_bytes, 65536);
	assert_string_equal(image->release, "6.12.1-granule");
	path = xstrdup(image->path);
	kernel_image_free(image);
	return path;
}

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(recipes, name);

	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

static int setup(void **state)
{
	char dir[] = "/tmp/granule-cache-test-XXXXXX";

	(void)state;
	top = xstrdup(mkdtemp(dir));
	cache = path_join(top, "cache");
	recipes = path_join(top, "kernels");
	journal = path_join(top, "journal");
	assert_int_equal(make_dirs(recipes, NULL), 0);
	put("micro.config", "CONFIG_SWAP=y\n");
	put("pages-64k.config", "CONFIG_ARM64_64K_PAGES=y\n");
	put("must-hold.config", "CONFIG_SWAP=y\n");
	behaviour = WELL;
	version = "6.12.1-1";
	compiler = "cc 1.0";
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(top, NULL);
	free(top);
	free(cache);
	free(recipes);
	free(journal);
	text_free(&said);
	said = (struct text){ 0 };
	return 0;
}

static void built_once(void **state)
{
	_cleanup_free_ char *first = NULL, *again = NULL, *build = path_join(cache, "build");
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lookup(&image, &err), 0);
	assert_string_equal(image->release, "6.12");
	assert_string_equal(image->origin, "linux-source-6.12 (trixie), micro, 64K");
	kernel_image_free(image);
	first = ensured(false);
	again = ensured(false);
	assert_string_equal(first, again);
	assert_int_equal(noted("fetch"), 1);
	assert_int_equal(noted("compile"), 1);
	assert_int_equal(noted("resolve"), 1);
	assert_int_equal(lookup(&image, &err), 1);
	assert_string_equal(image->path, first);
	assert_string_equal(image->origin, "linux-source-6.12 6.12.1-1, micro, 64K");
	assert_int_equal(strlen(image->recipe), 64);
	assert_true(path_exists(image->system_map) && path_exists(image->config));
	kernel_image_free(image);
	/* The object tree goes, the unpacked source stays for the next page size. */
	assert_int_equal(cache_sweep(cache, false, NULL), 0);
	assert_true(path_is_dir(build));
}

/* Each of these is part of the recipe, so each must lead to a build. */
static void inputs_matter(void **state)
{
	_cleanup_free_ char *a = ensured(false), *b = NULL, *c = NULL, *d = NULL;

	(void)state;
	put("micro.config", "CONFIG_SWAP=y\nCONFIG_KSM=y\n");
	b = ensured(false);
	assert_string_not_equal(a, b);
	compiler = "cc 2.0";
	c = ensured(false);
	assert_string_not_equal(b, c);
	/* A new version in the archive is used when asked for, and only then. */
	version = "6.12.2-1";
	d = ensured(false);
	assert_string_equal(c, d);
	free(d);
	d = ensured(true);
	assert_string_not_equal(c, d);
	assert_int_equal(noted("compile"), 4);
	assert_int_equal(noted("fetch"), 2);
}

/* Texts that differ but resolve to one .config are one kernel: nothing is compiled for the second. */
static void same_resolved(void **state)
{
	_cleanup_free_ char *a = ensured(false), *b = NULL;

	(void)state;
	put("must-hold.config", "CONFIG_SWAP=y\nCONFIG_ARM64_64K_PAGES=y\n");
	b = ensured(false);
	assert_string_equal(a, b);
	assert_int_equal(noted("resolve"), 2);
	assert_int_equal(noted("compile"), 1);
}

static void corruption_found(void **state)
{
	_cleanup_free_ char *path = ensured(false), *again = NULL;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(pwrite(fd, "!", 1, 700), 1);
	assert_int_equal(lookup(&image, &err), 0);
	assert_non_null(strstr(image->origin, "damaged"));
	kernel_image_free(image);
	again = ensured(false);
	assert_true(heard("/Image: damaged: its sha256 is not the one it had when it was built; building it again"));
	assert_string_equal(path, again);
	assert_int_equal(noted("compile"), 2);
	assert_int_equal(lookup(&image, &err), 1);
	kernel_image_free(image);
}

static void damaged_tarball(void **state)
{
	_cleanup_free_ char *path = NULL;

	(void)state;
	behaviour = BAD_TARBALL;
	path = ensured(false);
	assert_true(path_exists(path));
	assert_true(heard("source.tar.xz: its sha256 is another; fetching it again"));
	assert_int_equal(noted("fetch"), 2);
	assert_int_equal(noted("compile"), 1);
}

/* What leads to an entry is damaged: the index of inputs, a folder that is a file. */
static void damaged_index(void **state)
{
	_cleanup_free_ char *path = ensured(false), *inputs = path_join(cache, "inputs/*"), *dir = NULL, *again = NULL;
	_cleanup_(globfree) glob_t g = { 0 };

	(void)state;
	assert_int_equal(glob(inputs, 0, NULL, &g), 0);
	assert_int_equal(g.gl_pathc, 1);
	assert_int_equal(file_write_atomic(g.gl_pathv[0], "nonsense\n", 9, NULL), 0);
	again = ensured(false);
	assert_string_equal(path, again);
	assert_int_equal(noted("compile"), 1); /* resolving found it */
	dir = xstrdup(path);
	*strrchr(dir, '/') = '\0';
	assert_int_equal(remove_tree(dir, NULL), 0);
	assert_int_equal(file_write_atomic(dir, "x", 1, NULL), 0);
	free(again);
	again = ensured(false);
	assert_true(path_exists(again));
	assert_int_equal(noted("compile"), 2);
}

static void lost_files(void **state)
{
	static const char *const names[] = { "Image", "System.map", "config", "meta.json" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *path = ensured(false), *victim = NULL, *again = NULL;

		*strrchr(path, '/') = '\0';
		victim = path_join(path, names[i]);
		assert_int_equal(truncate(victim, 1), 0);
		again = ensured(false);
		assert_int_equal(noted("compile"), i + 2);
	}
}

/* A granule that dies half-way: no entry, and the next one clears its object tree away and starts afresh. */
static void killed_build(void **state)
{
	_cleanup_free_ char *path = NULL, *pattern = path_join(cache, "build");
	struct cache_entry *entries;
	size_t n;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		behaviour = DIE;
		ensure(false, NULL, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(cache_list(cache, &entries, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_true(cache_bytes(pattern) > 0);
	path = ensured(false);
	assert_true(path_exists(path));
	assert_int_equal(noted("compile"), 2);
	assert_int_equal(noted("extract"), 1); /* the whole tree was still good */
	{
		_cleanup_free_ char *obj = xasprintf("%s/build/obj-6.12-64-%d", cache, (int)pid);

		assert_false(path_exists(obj));
	}
}

static void failed_build(void **state)
{
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	behaviour = FAIL;
	assert_int_equal(ensure(false, &image, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_true(starts_with(err.msg, "kernels.64k: make: exit status 2; the log is "));
	assert_true(path_exists(strstr(err.msg, "/tmp/"))); /* the log is where the message says */
	behaviour = WRONG_PAGES;
	assert_int_equal(ensure(false, &image, &err), -1);
	assert_non_null(strstr(err.msg, "built for the wrong page size"));
}

/* Two at once: one waits, says so, and uses what the other built. */
static void two_at_once(void **state)
{
	_cleanup_free_ char *path = NULL;
	int status;
	pid_t pid;

	(void)state;
	behaviour = SLOW;
	pid = fork();
	if (pid == 0) {
		struct kernel_image *image;

		_exit(ensure(false, &image, NULL) == 0 ? 0 : 1);
	}
	while (!noted("compile"))
		usleep(2000);
	path = ensured(false);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(noted("compile"), 1);
	assert_int_equal(noted("resolve"), 1);
	{
		_cleanup_free_ char *waiting =
			xasprintf("waiting: another granule (process %d) is building in", (int)pid);

		assert_true(heard(waiting));
	}
}

static void bad_specs(void **state)
{
	struct kernel_env env = { cache, recipes, &fake_builder, false, false };
	const struct {
		struct kernel_spec spec;
		const char *message;
	} cases[] = {
		{ { .source = (char *)"linux-image-arm64", .suite = (char *)"trixie", .page_bytes = 4096 },
		  "source: 'linux-image-arm64' is no kernel source package: Debian calls them linux-source-X.Y, as in "
		  "linux-source-6.12" },
		{ { .source = (char *)"linux-source-6.12", .suite = (char *)"../etc", .page_bytes = 4096 },
		  "suite: '../etc' is no Debian suite (bookworm, trixie, trixie-backports, sid, ...)" },
		{ { .source = (char *)"linux-source-6.12", .suite = (char *)"trixie", .page_bytes = 8192 },
		  "pages: arm64 has 4K, 16K and 64K pages" },
		{ { .image = (char *)"/nonexistent/Image" }, "/nonexistent/Image: No such file or directory" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kernel_image *image;
		struct err err = ERR_INIT;

		assert_int_equal(kernel_lookup_in(&env, &cases[i].spec, &image, &err), -1);
		assert_int_equal(err.kind, ERR_CONFIG);
		assert_string_equal(err.msg, cases[i].message);
	}
}

static void by_path(void **state)
{
	_cleanup_free_ char *path = ensured(false), *message = NULL;
	struct kernel_env env = { cache, recipes, &fake_builder, false, false };
	struct kernel_spec spec = { .label = (char *)"mine", .image = path };
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kernel_lookup_in(&env, &spec, &image, &err), 1);
	assert_int_equal(image->page_bytes, 65536);
	assert_string_equal(image->recipe, "");
	assert_non_null(strstr(image->system_map, "/System.map"));
	kernel_image_free(image);
	spec.page_bytes = 4096;
	assert_int_equal(kernel_lookup_in(&env, &spec, &image, &err), -1);
	message = xasprintf("kernels.mine: %s: built for 64K pages, but `pages: 4K` is asked for", path);
	assert_string_equal(err.msg, message);
}

/* The tail of the output is in the error; a signal ends the whole group, at once. */
static void tools(void **state)
{
	const char *failing[] = { "env", "-i", "sh", "-c", "echo one; echo x.c:1: error: two >&2; exit 3", NULL };
	const char *endless[] = { "sh", "-c", "sleep 100 & sleep 100", NULL };
	_cleanup_free_ char *log = path_join(top, "tool.log"), *text = NULL;
	struct err err = ERR_INIT;
	uint64_t begin;
	pid_t pid;

	(void)state;
	assert_int_equal(tool_run(failing, log, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_true(starts_with(err.msg, "sh: exit status 3; the log is "));
	assert_non_null(strstr(err.msg, "\n  x.c:1: error: two"));
	assert_int_equal(file_read(log, 4096, &text, NULL, NULL), 0);
	assert_string_equal(text, "one\nx.c:1: error: two\n");
	pid = fork();
	if (pid == 0) {
		usleep(200000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	begin = now_ns();
	assert_int_equal(tool_run(endless, NULL, NULL, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
	assert_true(now_ns() - begin < 4 * NSEC_PER_SEC);
	waitpid(pid, NULL, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(built_once),      TEST(inputs_matter), TEST(same_resolved), TEST(corruption_found),
		TEST(damaged_tarball), TEST(damaged_index), TEST(lost_files),	 TEST(killed_build),
		TEST(failed_build),    TEST(two_at_once),   TEST(bad_specs),	 TEST(by_path),
		TEST(tools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
