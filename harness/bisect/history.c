// SPDX-License-Identifier: GPL-2.0-or-later
/* git does the halving. Knows no kernel and no measurement. Reads git's English (LC_ALL=C): the lines are those of
 * git 2.39 to 2.47's bisect.c and builtin/bisect.c. */
#include "bisect/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/git.h"

#define MAX_WORDS 24
#define OUTPUT_CAP (16 << 20)
#define GIT_NS (600 * NSEC_PER_SEC)
#define SHA_MIN 40

const char *const bisect_verdict_names[] = { "good", "bad", "skip", NULL };

void history_clear(struct history *h)
{
	free(h->dir);
	free(h->next);
	for (size_t i = 0; i < h->n_candidates; i++)
		free(h->candidates[i]);
	free(h->candidates);
	*h = (struct history){ 0 };
}

/* git --git-dir=@dir with the words up to NULL, without the caller's GIT_ variables and configuration. Returns its
 * exit code, -1 with @err if it could not run; @ret_output is set in both cases of the first kind. */
static int git(const char *dir, char **ret_output, struct err *err, ...) __attribute__((sentinel));
static int git(const char *dir, char **ret_output, struct err *err, ...)
{
	const char *path = getenv("PATH"), *home = getenv("HOME");
	_cleanup_free_ char *path_var = xasprintf("PATH=%s", path ? path : "/usr/bin:/bin"),
			    *home_var = xasprintf("HOME=%s", home ? home : "/"),
			    *git_dir = xasprintf("--git-dir=%s", dir);
	const char *argv[MAX_WORDS] = { "env", "-i",   path_var, home_var, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1",
					"git", git_dir };
	size_t n = 8;
	va_list ap;

	va_start(ap, err);
	for (const char *word; n < MAX_WORDS - 1 && (word = va_arg(ap, const char *));)
		argv[n++] = word;
	va_end(ap);
	return proc_capture((char *const *)argv, now_ns() + GIT_NS, OUTPUT_CAP, ret_output, err);
}

/* The first line of what git says where it exits with 0. Owned by the caller. */
static int first_line(char *out, int code, const char *what, char **ret_line, struct err *err)
{
	_cleanup_free_ char *line = out;

	if (code < 0)
		return -1;
	line[strcspn(line, "\n")] = '\0';
	if (code != 0)
		return err_set(err, ERR_HOST, "git %s: %s", what, line);
	*ret_line = steal_ptr(line);
	return 0;
}

static int rev_parse(const char *dir, const char *option, const char *what, char **ret_line, struct err *err)
{
	char *out = NULL;
	int code = git(dir, &out, err, "rev-parse", option, what, NULL);

	return first_line(out, code, what, ret_line, err);
}

static int show(const char *dir, const char *format, const char *commit, char **ret_line, struct err *err)
{
	char *out = NULL;
	int code = git(dir, &out, err, "show", "-s", "--no-show-signature", format, commit, NULL);

	return first_line(out, code, commit, ret_line, err);
}

static int borrow_file(const char *from, const char *dir, const char *name, struct err *err)
{
	_cleanup_free_ char *to = path_join(dir, name), *data = NULL;
	size_t len;

	if (!path_exists(from))
		return 0;
	if (file_read(from, OUTPUT_CAP, &data, &len, err) < 0)
		return -1;
	return file_write_atomic(to, data, len, err);
}

/* A shallow repository is shallow in its borrower, too. */
static int borrow(const char *dir, const char *user_git_dir, struct err *err)
{
	_cleanup_free_ char *objects = NULL, *shallow = NULL, *line = NULL,
			    *alternates = path_join(dir, "objects/info/alternates"), *out = NULL;
	int rc;

	if (remove_tree(dir, err) < 0 || make_dirs(dir, err) < 0)
		return -1;
	rc = git(dir, &out, err, "init", "-q", "--bare", NULL);
	if (rc < 0)
		return -1;
	if (rc != 0)
		return err_set(err, ERR_HOST, "git init: %s", out);
	if (rev_parse(user_git_dir, "--git-path", "objects", &objects, err) < 0 ||
	    rev_parse(user_git_dir, "--git-path", "shallow", &shallow, err) < 0)
		return -1;
	line = xasprintf("%s\n", objects);
	if (file_write_atomic(alternates, line, strlen(line), err) < 0)
		return -1;
	return borrow_file(shallow, dir, "shallow", err);
}

/* A line that begins with a full sha, or NULL. Owned by the caller. */
static char *sha_at(const char *line)
{
	size_t n = strspn(line, "0123456789abcdef");

	return n >= SHA_MIN && (!line[n] || line[n] == '\n' || line[n] == ' ') ? xstrndup(line, n) : NULL;
}

static void add_candidate(struct history *h, const char *line)
{
	char *sha = sha_at(line);

	if (sha)
		*VEC_PUSH(h->candidates, h->n_candidates) = sha;
}

static const char *next_line(const char *p)
{
	p += strcspn(p, "\n");
	return *p ? p + 1 : p;
}

/* What git has said of how it stands. */
static int read_state(struct history *h, const char *out, int code, struct err *err)
{
	static const char found[] = " is the first bad commit";
	bool skipped = false;

	free(h->next);
	h->next = NULL;
	h->commits_left = h->steps_left = 0;
	for (const char *p = out; *p; p = next_line(p)) {
		size_t sha = strspn(p, "0123456789abcdef");

		sscanf(p, "Bisecting: %u revision%*[^(](roughly %u", &h->commits_left, &h->steps_left);
		if (sha >= SHA_MIN && starts_with(p + sha, found)) {
			add_candidate(h, p);
			h->state = HISTORY_FOUND;
			return 0;
		}
		if (starts_with(p, "The first bad commit could be any of"))
			skipped = true;
		else if (skipped)
			add_candidate(h, p);
	}
	if (skipped) {
		h->state = HISTORY_SKIPPED;
		return 0;
	}
	if (code != 0)
		return err_set(err, ERR_CONFIG, "git bisect: %.*s", (int)strlen(out) - (ends_with(out, "\n") ? 1 : 0),
			       out);
	h->state = HISTORY_TEST;
	return rev_parse(h->dir, "--verify", "BISECT_HEAD", &h->next, err);
}

int history_begin(const char *dir, const char *tree, const char *good, const char *bad, struct history *ret,
		  struct err *err)
{
	_cleanup_(kernel_source_clear) struct kernel_source source = { 0 };
	_cleanup_(history_clear) struct history h = { .dir = xstrdup(dir) };
	_cleanup_free_ char *head = NULL, *out = NULL;
	int rc;

	if (git_lookup(tree, good, &source, err) < 0 || borrow(dir, source.git_dir, err) < 0)
		return -1;
	/* of a HEAD that names no commit yet git says that it is strange */
	rc = git(dir, &head, err, "update-ref", "--no-deref", "HEAD", bad, NULL);
	if (rc < 0)
		return -1;
	if (rc != 0)
		return err_set(err, ERR_HOST, "git update-ref: %s", head);
	rc = git(dir, &out, err, "bisect", "start", "--no-checkout", bad, good, NULL);
	if (rc < 0 || read_state(&h, out, rc, err) < 0)
		return -1;
	*ret = h;
	h = (struct history){ 0 };
	return 0;
}

int history_mark(struct history *h, const char *commit, enum bisect_verdict verdict, struct err *err)
{
	_cleanup_free_ char *out = NULL;
	int rc = git(h->dir, &out, err, "bisect", bisect_verdict_names[verdict], commit, NULL);

	return rc < 0 ? -1 : read_state(h, out, rc, err);
}

int history_log(const struct history *h, char **ret_log, struct err *err)
{
	_cleanup_free_ char *out = NULL;
	int rc = git(h->dir, &out, err, "bisect", "log", NULL);

	if (rc < 0)
		return -1;
	if (rc != 0)
		return err_set(err, ERR_HOST, "git bisect log: %s", out);
	*ret_log = steal_ptr(out);
	return 0;
}

int history_describe(const struct history *h, const char *commit, char **ret_subject, char **ret_author,
		     struct err *err)
{
	_cleanup_free_ char *subject = NULL;

	if (show(h->dir, "--format=%s", commit, &subject, err) < 0 ||
	    show(h->dir, "--format=%an <%ae>, %as", commit, ret_author, err) < 0)
		return -1;
	*ret_subject = steal_ptr(subject);
	return 0;
}

int history_parent(const struct history *h, const char *commit, char **ret_parent, struct err *err)
{
	_cleanup_free_ char *line = NULL;

	if (show(h->dir, "--format=%P", commit, &line, err) < 0)
		return -1;
	line[strcspn(line, " ")] = '\0';
	*ret_parent = *line ? steal_ptr(line) : NULL;
	return 0;
}
