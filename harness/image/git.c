// SPDX-License-Identifier: GPL-2.0-or-later
/* git does the reading. Knows no configuration and no build. */
#include "image/git.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/tool.h"

#define MAX_ARGS 32
#define OUTPUT_CAP (64 << 20) /* a list of changed files; a Makefile */
#define GIT_NS (120 * NSEC_PER_SEC)

struct call {
	const char *argv[MAX_ARGS];
	size_t n;
	char *path, *home, *git_dir; /* owned */
};

static void call_clear(struct call *c)
{
	free(c->path);
	free(c->home);
	free(c->git_dir);
}

static void add(struct call *c, const char *arg)
{
	c->argv[c->n++] = arg;
}

/* env -i: GIT_DIR and its like of the caller (a hook, a rebase) would mean another repository. HOME stays, for the
 * user's safe.directory. */
static void begin(struct call *c, const struct kernel_source *source, const char *index)
{
	const char *path = getenv("PATH"), *home = getenv("HOME");

	c->path = xasprintf("PATH=%s", path ? path : "/usr/bin:/bin");
	c->home = xasprintf("HOME=%s", home ? home : "/");
	add(c, "env");
	add(c, "-i");
	add(c, c->path);
	add(c, c->home);
	add(c, "LC_ALL=C");
	add(c, "GIT_OPTIONAL_LOCKS=0");
	if (index)
		add(c, index);
	add(c, "git");
	if (source) {
		c->git_dir = xasprintf("--git-dir=%s", source->git_dir);
		add(c, c->git_dir);
	}
}

/* The output of a git that exits with 0; else -1, with its last words in @err. */
static int run(const struct call *c, char **ret_output, struct err *err)
{
	_cleanup_free_ char *out = NULL;
	int rc = proc_capture((char *const *)c->argv, now_ns() + GIT_NS, OUTPUT_CAP, &out, err);

	if (rc < 0)
		return -1;
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "%.*s", (int)strcspn(out ? out : "", "\n"), out ? out : "");
	*ret_output = steal_ptr(out);
	return 0;
}

/* Line @i of @text, owned by the caller. */
static char *line(const char *text, unsigned i)
{
	for (; i && *text; i--)
		text += strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n');
	return xstrndup(text, strcspn(text, "\n"));
}

static int find_repository(const char *path, struct kernel_source *s, struct err *err)
{
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *out = NULL, *prefix = NULL;

	if (!path_is_dir(path))
		return err_set(err, ERR_CONFIG, "git: %s: %s", path,
			       path_exists(path) ? "not a folder" : strerror(ENOENT));
	begin(&c, NULL, NULL);
	add(&c, "-C");
	add(&c, path);
	add(&c, "rev-parse");
	add(&c, "--absolute-git-dir");
	add(&c, "--show-prefix");
	if (run(&c, &out, err) < 0)
		return err_wrap(err, "git: %s is no git tree", path);
	s->git_dir = line(out, 0);
	prefix = line(out, 1);
	if (*prefix)
		return err_set(err, ERR_CONFIG, "git: %s is no git tree, it lies within one (as %s)", path, prefix);
	return 0;
}

static int find_commit(const char *path, const char *commit, struct kernel_source *s, struct err *err)
{
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *rev = xasprintf("%s^{commit}", commit ? commit : "HEAD"),
			    *tree = xasprintf("%s^{tree}", commit ? commit : "HEAD"), *out = NULL;
	struct err why = ERR_INIT;
	char *end;

	begin(&c, s, NULL);
	add(&c, "rev-parse");
	add(&c, rev);
	add(&c, tree);
	if (run(&c, &out, &why) < 0)
		return commit ? err_set(err, ERR_CONFIG, "commit: %s has no commit '%s'", path, commit)
			      : err_set(err, ERR_CONFIG, "git: %s has no commit yet, so no HEAD", path);
	s->commit = line(out, 0);
	s->tree = line(out, 1);
	end = s->commit + strspn(s->commit, "0123456789abcdef");
	if (*end || strlen(s->commit) < 40 || strlen(s->tree) != strlen(s->commit))
		return err_set(err, ERR_CONFIG, "commit: '%s' names more than one commit", commit ? commit : "HEAD");
	return 0;
}

/* "VERSION = 6" and "PATCHLEVEL = 12" of the top Makefile. */
static bool makefile_version(const char *text, char **ret_version)
{
	unsigned major = 0, minor = 0;
	bool have_minor = false;

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		sscanf(p, "VERSION = %u", &major);
		have_minor |= sscanf(p, "PATCHLEVEL = %u", &minor) == 1;
	}
	if (!major || !have_minor)
		return false;
	*ret_version = xasprintf("%u.%u", major, minor);
	return true;
}

static int find_version(const char *path, struct kernel_source *s, struct err *err)
{
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *object = xasprintf("%s:Makefile", s->tree), *out = NULL;
	struct err why = ERR_INIT;

	begin(&c, s, NULL);
	add(&c, "cat-file");
	add(&c, "-p");
	add(&c, object);
	if (run(&c, &out, &why) < 0 || !makefile_version(out, &s->linux_version))
		return err_set(err, ERR_CONFIG,
			       "git: %s at %.12s is no Linux tree: no Makefile with VERSION and PATCHLEVEL", path,
			       s->commit);
	return 0;
}

int git_lookup(const char *path, const char *commit, struct kernel_source *ret_source, struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source s = { 0 };
	_cleanup_free_ char *git = proc_find("git"), *text = NULL;

	if (!git)
		return err_set(err, ERR_HOST, "missing: git, needed for a kernel's `git:`; `make deps` installs it");
	if (find_repository(path, &s, err) < 0 || find_commit(path, commit, &s, err) < 0 ||
	    find_version(path, &s, err) < 0)
		return -1;
	s.version = xasprintf("%.12s", s.commit);
	text = xasprintf("git tree %s", s.tree);
	sha256_bytes(text, strlen(text), s.tarball_sha256);
	*ret_source = s;
	s = (struct kernel_source){ 0 };
	return 0;
}

static long stamp_s; /* nftw() has no context */

static int stamp_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	const struct timespec t[2] = { { .tv_sec = stamp_s }, { .tv_sec = stamp_s } };

	(void)st;
	(void)flag;
	(void)ftw;
	return utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW);
}

/* With an index of its own beside @tree; what the user's configuration would do to files is switched off. */
int git_checkout(const struct kernel_source *source, const char *tree, long mtime_s, const char *log, struct err *err)
{
	static const char *const plain[] = { "core.bare=false",		  "core.autocrlf=false",
					     "core.symlinks=true",	  "core.sparseCheckout=false",
					     "core.splitIndex=false",	  "core.fsmonitor=false",
					     "core.untrackedCache=false", "core.attributesFile=/dev/null" };
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *file = xasprintf("%s.index", tree), *index = xasprintf("GIT_INDEX_FILE=%s", file),
			    *work = xasprintf("--work-tree=%s", tree);
	int rc;

	begin(&c, source, index);
	add(&c, work);
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		add(&c, "-c");
		add(&c, plain[i]);
	}
	add(&c, "read-tree");
	add(&c, "--reset");
	add(&c, "-u");
	add(&c, source->tree);
	rc = tool_run(c.argv, log, NULL, NULL, err);
	unlink(file);
	if (rc < 0)
		return err_wrap(err, "checking %.12s out", source->commit);
	stamp_s = mtime_s;
	if (nftw(tree, stamp_one, 32, FTW_PHYS) != 0)
		return err_set_errno(err, ERR_HOST, "%s", tree);
	return 0;
}

bool git_has_tree(const struct kernel_source *source, const char *tree)
{
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *object = xasprintf("%s^{tree}", tree), *out = NULL;

	begin(&c, source, NULL);
	add(&c, "cat-file");
	add(&c, "-e");
	add(&c, object);
	return run(&c, &out, NULL) == 0;
}

int git_touch_changed(const struct kernel_source *source, const char *from, const char *tree, struct err *err)
{
	_cleanup_(call_clear) struct call c = { 0 };
	_cleanup_free_ char *out = NULL;

	begin(&c, source, NULL);
	add(&c, "-c");
	add(&c, "core.quotePath=false");
	add(&c, "diff-tree");
	add(&c, "-r");
	add(&c, "--name-only");
	add(&c, "--no-renames");
	add(&c, from);
	add(&c, source->tree);
	if (run(&c, &out, err) < 0)
		return -1;
	for (const char *p = out; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		_cleanup_free_ char *name = xstrndup(p, strcspn(p, "\n")), *path = path_join(tree, name);

		/* a file that is gone has no time */
		if (utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return err_set_errno(err, ERR_HOST, "%s", path);
	}
	return 0;
}
