// SPDX-License-Identifier: GPL-2.0-or-later
/* Kernels from git trees and with patches: a repository of three files and a builder that compiles nothing. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/build.h"
#include "image/git.h"
#include "matrix/matrix.h"
#include "tests/git.h"
#include "tests/kernel-fake.h"
#include "tests/pipeline.h"

static char *top, *cache, *recipes, *repo;
static struct text seen;  /* mm/memory.c of every tree that was compiled */
static struct text made;  /* what was compiled, "| " before each kernel */
static bool fail_adopted; /* the next build that finds objects fails */

static void put_in(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name), *folder = xstrdup(path);

	*strrchr(folder, '/') = '\0';
	assert_int_equal(make_dirs(folder, NULL), 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

static void commit_all(const char *message)
{
	GIT_DO(repo, "add", "-A");
	GIT_DO(repo, "commit", "-q", "-m", message);
}

static int fake_toolchain(char **ret_cross, char **ret_compiler, struct err *err)
{
	(void)err;
	*ret_cross = xstrdup("");
	*ret_compiler = xstrdup("cc 1.0");
	return 0;
}

static int fake_resolve(const struct recipe *r, const char *tree, const char *obj, char **ret_config, struct err *err)
{
	(void)tree;
	(void)obj;
	(void)err;
	*ret_config = recipe_config(r, r->n_configs);
	return 0;
}

/* What make does: an object for each source file, made again when the source is newer or the command line is another. */
static void make_one(const char *tree, const char *obj, const char *name)
{
	_cleanup_free_ char *source = xasprintf("%s/mm/%s.c", tree, name), *object = xasprintf("%s/mm/%s.o", obj, name),
			    *dot = xasprintf("mm/.%s.o.cmd", name), *cmd = path_join(obj, dot), *text = NULL,
			    *had = NULL, *line = xasprintf("cc -map=%s -map=%s -o %s %s\n", tree, obj, object, source);
	struct stat from, to;

	assert_int_equal(file_read(source, 4096, &text, NULL, NULL), 0);
	if (stat(object, &to) == 0 && stat(source, &from) == 0 && file_read(cmd, 4096, &had, NULL, NULL) == 0 &&
	    strcmp(had, line) == 0 &&
	    (from.st_mtim.tv_sec < to.st_mtim.tv_sec ||
	     (from.st_mtim.tv_sec == to.st_mtim.tv_sec && from.st_mtim.tv_nsec <= to.st_mtim.tv_nsec)))
		return;
	text[strcspn(text, "\n")] = '\0';
	text_add(&made, "%s=%s ", name, text);
	put_in(obj, strstr(object, "mm/"), text);
	put_in(obj, dot, line);
}

static int fake_compile(const struct recipe *r, const char *name, const char *tree, const char *obj, const char *log,
			unsigned expected_steps, image_progress *progress, void *ctx, unsigned *ret_steps,
			struct err *err)
{
	_cleanup_free_ char *path = path_join(tree, "mm/memory.c"), *text = NULL,
			    *object = path_join(obj, "mm/memory.o");

	(void)name;
	(void)expected_steps;
	(void)progress;
	(void)ctx;
	if (fail_adopted && path_exists(object)) {
		fail_adopted = false;
		return err_set(err, ERR_HOST, "make: exit status 2");
	}
	assert_int_equal(file_read(path, 4096, &text, NULL, NULL), 0);
	text_add(&seen, "[%s]", text);
	text_add(&made, "| ");
	make_one(tree, obj, "memory");
	make_one(tree, obj, "slub");
	*ret_steps = 1;
	return file_write_atomic(log, "", 0, err) < 0 ? -1 : write_image(obj, r->spec->page_bytes, err);
}

static const struct kernel_builder builder = { fake_toolchain, NULL, source_extract, fake_resolve, fake_compile };

static int setup(void **state)
{
	(void)state;
	top = scratch_make();
	cache = path_join(top, "cache");
	recipes = path_join(top, "kernels");
	repo = path_join(top, "linux");
	put_in(recipes, "micro.config", "CONFIG_SWAP=y\n");
	put_in(recipes, "pages-64k.config", "CONFIG_ARM64_64K_PAGES=y\n");
	put_in(recipes, "must-hold.config", "");
	put_in(repo, "Makefile", "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n");
	put_in(repo, "mm/memory.c", "one\n");
	put_in(repo, "mm/slub.c", "two\n");
	GIT_DO(repo, "init", "-q", "-b", "main");
	commit_all("first");
	GIT_DO(repo, "tag", "v6.12");
	put_in(repo, "mm/memory.c", "three\n");
	commit_all("second");
	seen = made = (struct text){ 0 };
	fail_adopted = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	text_free(&seen);
	text_free(&made);
	scratch_remove(top);
	free(cache);
	free(recipes);
	free(repo);
	return 0;
}

static struct kernel_spec spec_of(const char *commit)
{
	return (struct kernel_spec){ .label = (char *)"mine",
				     .git = repo,
				     .commit = (char *)commit,
				     .page_bytes = 65536,
				     .config = (char *)"micro" };
}

/* Build @spec; the Image is owned by the caller. Look it up again and compare. */
static struct kernel_image *ensured(const struct kernel_spec *spec)
{
	struct kernel_env env = { cache, recipes, &builder, false, false };
	struct kernel_image *image, *again;
	struct err err = ERR_INIT;

	if (kernel_ensure_in(&env, spec, NULL, NULL, &image, &err) < 0)
		fail_msg("%s", err.msg);
	if (kernel_lookup_in(&env, spec, &again, &err) != 1)
		fail_msg("not found after it was built: %s", err.msg);
	assert_string_equal(image->origin, again->origin);
	assert_string_equal(image->recipe, again->recipe);
	kernel_image_free(again);
	return image;
}

static void refuse(const struct kernel_spec *spec, enum err_kind kind, const char *message)
{
	struct kernel_env env = { cache, recipes, &builder, false, false };
	_cleanup_free_ char *wanted = xasprintf("kernels.mine: %s", message);
	struct kernel_image *image;
	struct err err = ERR_INIT;

	assert_int_equal(kernel_ensure_in(&env, spec, NULL, NULL, &image, &err), -1);
	assert_int_equal(err.kind, kind);
	if (!starts_with(err.msg, wanted))
		fail_msg("%s\nis not: %s", err.msg, wanted);
}

static void commits(void **state)
{
	struct kernel_spec tag = spec_of("v6.12"), head = spec_of(NULL), sha;
	struct kernel_image *a = ensured(&tag), *b = ensured(&head), *c;
	_cleanup_free_ char *out = GIT(repo, "rev-parse", "HEAD"), *origin = NULL;

	(void)state;
	assert_string_equal(seen.s, "[one\n][three\n]");
	assert_string_not_equal(a->recipe, b->recipe);
	out[strcspn(out, "\n")] = '\0';
	assert_string_equal(b->commit, out);
	assert_int_equal(strlen(b->tree), 40);
	origin = xasprintf("git %.12s, micro, 64K", out);
	assert_string_equal(b->origin, origin);
	assert_non_null(strstr(a->origin, " (v6.12), micro, 64K"));
	/* one kernel under two names is built once */
	sha = spec_of(out);
	c = ensured(&sha);
	assert_string_equal(c->recipe, b->recipe);
	assert_string_equal(seen.s, "[one\n][three\n]");
	kernel_image_free(a);
	kernel_image_free(b);
	kernel_image_free(c);
}

/* Nothing in the repository or in its folder is touched, and what is not committed does not count. */
static void not_touched(void **state)
{
	struct kernel_spec head = spec_of(NULL);
	_cleanup_free_ char *find = NULL, *again = NULL, *path = path_join(repo, "mm/memory.c");
	char *argv[] = { (char *)"find", repo, (char *)"-printf", (char *)"%p %T@ %C@ %s\\n", NULL };
	struct kernel_image *image;

	(void)state;
	put_in(repo, "mm/memory.c", "dirty\n");
	put_in(repo, "untracked", "x");
	GIT_DO(repo, "config", "core.sparseCheckout", "true");
	assert_int_equal(proc_capture(argv, now_ns() + NSEC_PER_SEC * 30, 1 << 20, &find, NULL), 0);
	setenv("GIT_DIR", "/nonexistent", 1); /* as in a hook */
	image = ensured(&head);
	unsetenv("GIT_DIR");
	assert_string_equal(seen.s, "[three\n]");
	assert_int_equal(proc_capture(argv, now_ns() + NSEC_PER_SEC * 30, 1 << 20, &again, NULL), 0);
	assert_string_equal(find, again);
	kernel_image_free(image);
}

static void bare_and_shallow(void **state)
{
	_cleanup_free_ char *bare = path_join(top, "bare.git"), *shallow = path_join(top, "shallow"),
			    *linked = path_join(top, "linked"), *url = xasprintf("file://%s", repo);
	char *const where[] = { bare, shallow, linked };

	(void)state;
	GIT_DO(top, "clone", "-q", "--bare", url, bare);
	GIT_DO(top, "clone", "-q", "--depth=1", url, shallow);
	GIT_DO(repo, "worktree", "add", "-q", "--detach", linked, "main");
	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		struct kernel_spec spec = spec_of(NULL);
		struct kernel_image *image;

		spec.git = where[i];
		image = ensured(&spec);
		/* one commit, wherever it lies */
		assert_string_equal(seen.s, "[three\n]");
		kernel_image_free(image);
	}
}

static void bad_trees(void **state)
{
	struct kernel_spec spec = spec_of(NULL);
	_cleanup_free_ char *none = path_join(top, "none"), *mm = path_join(repo, "mm"),
			    *empty = path_join(top, "empty"), *other = path_join(top, "other"), *message = NULL;

	(void)state;
	spec.git = none;
	message = xasprintf("git: %s: No such file or directory", none);
	refuse(&spec, ERR_CONFIG, message);
	free(message);
	spec.git = recipes;
	message = xasprintf("git: %s is no git tree: fatal: not a git repository", recipes);
	refuse(&spec, ERR_CONFIG, message);
	free(message);
	spec.git = mm;
	message = xasprintf("git: %s is no git tree, it lies within one (as mm/)", mm);
	refuse(&spec, ERR_CONFIG, message);
	free(message);
	spec = spec_of("v9.99");
	message = xasprintf("commit: %s has no commit 'v9.99'", repo);
	refuse(&spec, ERR_CONFIG, message);
	spec = spec_of("HEAD:Makefile");
	refuse(&spec, ERR_CONFIG, "commit: ");
	spec = spec_of("v6.12..main");
	refuse(&spec, ERR_CONFIG, "commit: ");
	make_dirs(empty, NULL);
	GIT_DO(empty, "init", "-q");
	spec = spec_of(NULL);
	spec.git = empty;
	free(message);
	message = xasprintf("git: %s has no commit yet, so no HEAD", empty);
	refuse(&spec, ERR_CONFIG, message);
	put_in(repo, "Makefile", "all:\n");
	commit_all("no Linux");
	spec = spec_of(NULL);
	free(message);
	message = xasprintf("git: %s at ", repo);
	refuse(&spec, ERR_CONFIG, message);
	(void)other;
}

static const char patch_good[] = "--- a/mm/memory.c\n+++ b/mm/memory.c\n@@ -1 +1 @@\n-three\n+four\n";
static const char patch_more[] = "--- a/mm/memory.c\n+++ b/mm/memory.c\n@@ -1 +1 @@\n-four\n+five\n";

static void patched(void **state)
{
	_cleanup_free_ char *a = path_join(top, "a.patch"), *b = path_join(top, "b.patch"), *line = NULL;
	char *list[] = { a, b }, *reversed[] = { b, a };
	struct kernel_spec spec = spec_of(NULL);
	struct kernel_image *plain = ensured(&spec), *both, *one;
	char hex[SHA256_HEX_SIZE];

	(void)state;
	put_in(top, "a.patch", patch_good);
	put_in(top, "b.patch", patch_more);
	spec.patches = (struct string_list){ list, 2 };
	both = ensured(&spec);
	assert_string_equal(seen.s, "[three\n][five\n]");
	assert_string_equal(both->commit, plain->commit);
	assert_string_not_equal(both->recipe, plain->recipe);
	sha256_bytes(patch_good, strlen(patch_good), hex);
	line = xasprintf("a.patch %s", hex);
	assert_int_equal(both->patches.n, 2);
	assert_string_equal(both->patches.v[0], line);
	assert_non_null(strstr(both->origin, ", 2 patches ("));
	/* one of them is another kernel, and what is in it counts, not its name */
	spec.patches.n = 1;
	one = ensured(&spec);
	assert_string_not_equal(one->recipe, both->recipe);
	assert_string_equal(seen.s, "[three\n][five\n][four\n]");
	put_in(top, "a.patch", "--- a/mm/memory.c\n+++ b/mm/memory.c\n@@ -1 +1 @@\n-three\n+six\n");
	kernel_image_free(one);
	one = ensured(&spec);
	assert_string_equal(seen.s, "[three\n][five\n][four\n][six\n]");
	/* b changes what a has yet to write */
	spec.patches = (struct string_list){ reversed, 2 };
	free(line);
	line = xasprintf("patches: %s: does not apply: patch: exit status 1; the log is ", b);
	refuse(&spec, ERR_CONFIG, line);
	kernel_image_free(plain);
	kernel_image_free(both);
	kernel_image_free(one);
}

static void hunk_in_message(void **state)
{
	_cleanup_free_ char *b = path_join(top, "b.patch");
	char *list[] = { b };
	struct kernel_spec spec = spec_of(NULL);
	struct kernel_env env = { cache, recipes, &builder, false, false };
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	put_in(top, "b.patch", patch_more);
	spec.patches = (struct string_list){ list, 1 };
	assert_int_equal(kernel_ensure_in(&env, &spec, NULL, NULL, &image, &err), -1);
	assert_non_null(strstr(err.msg, "\n  patching file mm/memory.c\n  Hunk #1 FAILED at 1."));
	assert_int_equal(remove(b), 0);
	refuse(&spec, ERR_CONFIG, "patches: ");
}

/* A variant compiles what its patches and commits change, and nothing else; its parent's objects stay as they were. */
static void variants(void **state)
{
	_cleanup_free_ char *a = path_join(top, "a.patch"), *kept = NULL;
	char *list[] = { a };
	struct kernel_spec head = spec_of(NULL), tag = spec_of("v6.12"), patched_head = spec_of(NULL);
	struct kernel_image *base, *variant, *other;

	(void)state;
	put_in(top, "a.patch", patch_good);
	patched_head.patches = (struct string_list){ list, 1 };
	base = ensured(&head);
	assert_string_equal(made.s, "| memory=three slub=two ");
	variant = ensured(&patched_head);
	assert_string_equal(made.s, "| memory=three slub=two | memory=four ");
	/* the commit before it differs in one file as well */
	other = ensured(&tag);
	assert_string_equal(made.s, "| memory=three slub=two | memory=four | memory=one ");
	/* the patch is another: from the unpatched tree again, which no variant wrote into */
	put_in(top, "a.patch", "--- a/mm/slub.c\n+++ b/mm/slub.c\n@@ -1 +1 @@\n-two\n+six\n");
	kernel_image_free(variant);
	variant = ensured(&patched_head);
	assert_non_null(strstr(made.s, "| memory=one | "));
	assert_true(ends_with(made.s, "slub=six "));
	assert_null(strstr(made.s, "memory=five"));
	kept = xasprintf("%s/objects/%.16s/obj/mm/memory.o", cache, base->recipe);
	assert_true(path_exists(kept));
	kernel_image_free(base);
	kernel_image_free(variant);
	kernel_image_free(other);
}

static void forget(const char *what)
{
	_cleanup_free_ char *path = path_join(cache, what);

	assert_int_equal(remove_tree(path, NULL), 0);
}

/* Move @from/@pattern, what it matches, into @to. */
static void move_matching(const char *from, const char *pattern, const char *to)
{
	_cleanup_free_ char *all = path_join(from, pattern);
	_cleanup_(globfree) glob_t g = { 0 };

	assert_int_equal(make_dirs(to, NULL), 0);
	assert_int_equal(glob(all, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		_cleanup_free_ char *there = path_join(to, strrchr(g.gl_pathv[i], '/') + 1);

		assert_int_equal(rename(g.gl_pathv[i], there), 0);
	}
}

/* A tree that was patched before its parent was compiled has files older than the parent's objects: they count as new. */
static void patched_before_parent(void **state)
{
	_cleanup_free_ char *a = path_join(top, "a.patch"), *build = path_join(cache, "build"),
			    *aside = path_join(top, "aside"), *objects = path_join(cache, "objects");
	char *list[] = { a };
	struct kernel_spec head = spec_of(NULL), patched_head = spec_of(NULL);

	(void)state;
	put_in(top, "a.patch", patch_good);
	patched_head.patches = (struct string_list){ list, 1 };
	kernel_image_free(ensured(&patched_head));
	assert_string_equal(made.s, "| memory=four slub=two ");
	/* without its parent it was built from nothing, and is no parent itself */
	assert_false(path_exists(objects));
	move_matching(build, "tree-*", aside);
	kernel_image_free(ensured(&head));
	move_matching(aside, "tree-*", build);
	forget("kernels");
	kernel_image_free(ensured(&patched_head));
	assert_string_equal(made.s, "| memory=four slub=two | memory=three slub=two | memory=four ");
}

/* Objects that do not do are no error: the variant is built from nothing. */
static void adopted_fails(void **state)
{
	_cleanup_free_ char *a = path_join(top, "a.patch");
	char *list[] = { a };
	struct kernel_spec head = spec_of(NULL), patched_head = spec_of(NULL);
	struct kernel_image *image = ensured(&head);

	(void)state;
	kernel_image_free(image);
	put_in(top, "a.patch", patch_good);
	patched_head.patches = (struct string_list){ list, 1 };
	fail_adopted = true;
	image = ensured(&patched_head);
	assert_false(fail_adopted);
	assert_string_equal(made.s, "| memory=three slub=two | memory=four slub=two ");
	kernel_image_free(image);
}

/* Errors that only the disk knows point into the matrix. */
static void caret(void **state)
{
	_cleanup_free_ char *text = xasprintf("matrix: m\nkernels:\n  mine: { git: %s, commit: v9, pages: 64K }\n"
					      "workloads: { w: { \"null\": {} } }\n",
					      repo);
	struct kernel_env env = { cache, recipes, &builder, false, false };
	struct matrix *m = NULL;
	struct kernel_image *image;
	struct err err = ERR_INIT;

	(void)state;
	if (matrix_parse(text, "m.yaml", &m, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(kernel_lookup_in(&env, &m->kernels[0], &image, &err), -1);
	assert_int_equal(matrix_kernel_error(m, &m->kernels[0], &err), -1);
	assert_true(starts_with(err.msg, "m.yaml:3:"));
	assert_non_null(strstr(err.msg, ": kernels.mine: commit: "));
	assert_non_null(strstr(err.msg, "has no commit 'v9'\n"));
	assert_true(ends_with(err.msg, "^"));
	/* what is in no key keeps its line */
	err_set(&err, ERR_HOST, "kernels.mine: disk");
	matrix_kernel_error(m, &m->kernels[0], &err);
	assert_string_equal(err.msg, "m.yaml:3: kernels.mine: disk");
	matrix_free(m);
}

static void nothing(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)fraction;
	(void)eta_s;
	text_add(ctx, "%s\n", what);
}

/* "begin LABEL" and "end LABEL" of every build, from whichever process. */
static char *journal(void)
{
	_cleanup_free_ char *path = path_join(top, "journal");
	char *text = NULL;

	file_read(path, 1 << 20, &text, NULL, NULL);
	return text ? text : xstrdup("");
}

static void note(const char *what, const struct recipe *r)
{
	_cleanup_free_ char *path = path_join(top, "journal"), *line = xasprintf("%s %s|", what, r->spec->label);

	assert_int_equal(file_append(path, line, strlen(line), NULL), 0);
}

static int slow_compile(const struct recipe *r, const char *name, const char *tree, const char *obj, const char *log,
			unsigned expected_steps, image_progress *progress, void *ctx, unsigned *ret_steps,
			struct err *err)
{
	int rc;

	note("begin", r);
	progress(ctx, r->spec->label, 0.5, 1);
	if (!strcmp(r->spec->label, "fails"))
		return err_set(err, ERR_HOST, "make: exit status 2");
	/* the other one has begun, or never will */
	for (int i = 0; i < 100; i++) {
		_cleanup_free_ char *so_far = journal();

		if (strstr(so_far, "begin head") && strstr(so_far, "begin tag"))
			break;
		usleep(20000);
	}
	rc = fake_compile(r, name, tree, obj, log, expected_steps, progress, ctx, ret_steps, err);
	note("end", r);
	return rc;
}

static const struct kernel_builder slow_builder = { fake_toolchain, NULL, source_extract, fake_resolve, slow_compile };

/* Two at a time; the variant after both; the same kernel under two labels once. */
static void side_by_side(void **state)
{
	_cleanup_free_ char *a = path_join(top, "a.patch"), *text = NULL;
	_cleanup_(text_free) struct text said = { 0 };
	struct kernel_env env = { cache, recipes, &slow_builder, false, false };
	char *list[] = { a };
	struct kernel_spec variant = spec_of(NULL), head = spec_of(NULL), again = spec_of("main"),
			   tag = spec_of("v6.12");
	const struct kernel_spec *specs[] = { &variant, &head, &again, &tag };
	struct kernel_image *image;
	struct err err = ERR_INIT;
	size_t failed;

	(void)state;
	put_in(top, "a.patch", patch_good);
	variant.patches = (struct string_list){ list, 1 };
	variant.label = (char *)"variant";
	head.label = (char *)"head";
	again.label = (char *)"again";
	tag.label = (char *)"tag";
	if (kernels_build_in(&env, specs, 4, 2, nothing, &said, &failed, &err) < 0)
		fail_msg("%s", err.msg);
	text = journal();
	assert_true(starts_with(text, "begin head|begin tag|end ") || starts_with(text, "begin tag|begin head|end "));
	assert_null(strstr(text, "begin again"));
	assert_true(ends_with(text, "|begin variant|end variant|"));
	assert_non_null(strstr(said.s, " + "));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(kernel_lookup_in(&env, specs[i], &image, &err), 1);
		kernel_image_free(image);
	}
}

/* One that fails: it is named, what runs beside it ends, nothing else starts. */
static void one_of_two_fails(void **state)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(text_free) struct text said = { 0 };
	struct kernel_env env = { cache, recipes, &slow_builder, false, false };
	struct kernel_spec fails = spec_of(NULL), tag = spec_of("v6.12"), never = spec_of(NULL);
	const struct kernel_spec *specs[] = { &tag, &fails, &never };
	struct kernel_image *image;
	struct err err = ERR_INIT;
	size_t failed;

	(void)state;
	put_in(recipes, "other.config", "CONFIG_Z=y\n");
	never.config = (char *)"other";
	never.label = (char *)"never";
	fails.label = (char *)"fails";
	tag.label = (char *)"tag";
	assert_int_equal(kernels_build_in(&env, specs, 3, 2, nothing, &said, &failed, &err), -1);
	assert_int_equal(failed, 1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_string_equal(err.msg, "kernels.fails: make: exit status 2");
	text = journal();
	assert_null(strstr(text, "begin never"));
	assert_int_equal(kernel_lookup_in(&env, &tag, &image, &err), 1);
	kernel_image_free(image);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commits),	     TEST(not_touched),	 TEST(bare_and_shallow),
		TEST(bad_trees),     TEST(patched),	 TEST(hunk_in_message),
		TEST(caret),	     TEST(variants),	 TEST(patched_before_parent),
		TEST(adopted_fails), TEST(side_by_side), TEST(one_of_two_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
