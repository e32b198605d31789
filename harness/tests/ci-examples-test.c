// SPDX-License-Identifier: GPL-2.0-or-later
/* The commands of docs/ci, read out of its YAML and run as the services do: in a shell that stops at the first error,
 * with their variables, on a small history whose kernels a fake make builds and a fake guest boots. Left out is only
 * what installs: apt-get, and granule's own make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <yaml.h>

#include "base/text.h"
#include "tests/git.h"
#include "tests/kernel-make.h"
#include "tests/pipeline.h"

#define CAP (1 << 20)

struct world {
	char *dir, *granule; /* granule: a repository that has `build`, as a clone of granule has once it is made */
};

/* One job: its files beside docs/ci/granule.yaml, and the variables that its service sets. */
static const struct service {
	const char *file, *where; /* the path to its commands, "*": every element */
	const char *tree;	  /* where the tree of Linux lies in the job's folder */
	const char *variables;	  /* words for env; %s: the sha of what the change is merged into */
} services[] = {
	{ "docs/ci/github.yml", "jobs/granule/steps/*/run", "linux", "BEFORE=%s GITHUB_STEP_SUMMARY=summary.md" },
	{ "docs/ci/gitlab.yml", "granule/before_script,granule/script", ".", "CI_MERGE_REQUEST_DIFF_BASE_SHA=%s" },
	{ "docs/ci/woodpecker.yml", "steps/granule/commands", ".", "CI_COMMIT_TARGET_BRANCH=main UNUSED=%s" },
};

/* ---- YAML */

static void add_commands(yaml_document_t *doc, yaml_node_t *node, const char *path, struct text *out)
{
	size_t n = strcspn(path, "/");
	const char *rest = path[n] ? path + n + 1 : "";

	if (node->type == YAML_SEQUENCE_NODE)
		for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
			add_commands(doc, yaml_document_get_node(doc, *i), *path == '*' ? rest : path, out);
	else if (node->type == YAML_SCALAR_NODE && !*path)
		text_add(out, "%s\n", (const char *)node->data.scalar.value);
	else if (node->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
			const char *key = (const char *)yaml_document_get_node(doc, p->key)->data.scalar.value;

			if (strlen(key) == n && !strncmp(key, path, n))
				add_commands(doc, yaml_document_get_node(doc, p->value), rest, out);
		}
}

/* All commands in their order, as one script; owned by the caller. */
static char *script_of(const struct service *s)
{
	_cleanup_free_ char *text = NULL, *paths = xstrdup(s->where);
	struct text out = { 0 };
	yaml_document_t doc;
	yaml_parser_t parser;
	char *save = NULL;

	assert_int_equal(file_read(s->file, CAP, &text, NULL, NULL), 0);
	assert_true(yaml_parser_initialize(&parser));
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
	assert_true(yaml_parser_load(&parser, &doc));
	for (char *path = strtok_r(paths, ",", &save); path; path = strtok_r(NULL, ",", &save))
		add_commands(&doc, yaml_document_get_root_node(&doc), path, &out);
	yaml_document_delete(&doc);
	yaml_parser_delete(&parser);
	return text_steal(&out);
}

/* The commands that can run here; @ret_installs counts the others. Owned by the caller. */
static char *without_installs(const char *script, unsigned *ret_installs)
{
	struct text out = { 0 };

	for (const char *p = script; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		_cleanup_free_ char *line = xstrndup(p, strcspn(p, "\n"));

		if (starts_with(line, "apt-get ") || starts_with(line, "make -C granule"))
			(*ret_installs)++;
		else
			text_add(&out, "%s\n", line);
	}
	return text_steal(&out);
}

/* ---- The job's folder */

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	_cleanup_free_ char *build = path_absolute(getenv("GRANULE_BUILD") ? getenv("GRANULE_BUILD") : "build"),
			    *link = NULL;

	w->dir = scratch_make();
	free(kernel_make_install(w->dir));
	setenv("HOME", w->dir, 1); /* git config --global */
	w->granule = path_join(w->dir, "granule.git");
	assert_int_equal(make_dirs(w->granule, NULL), 0);
	link = path_join(w->granule, "build");
	assert_int_equal(symlink(build, link), 0);
	GIT_DO(w->granule, "init", "-q", "-b", "main");
	GIT_DO(w->granule, "add", "-A");
	GIT_DO(w->granule, "commit", "-q", "-m", "granule");
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	scratch_remove(w->dir);
	free(w->granule);
	free(w);
	return 0;
}

/* The shipped matrix, but for its workloads: the fake guest runs only null, whose metric is cost_insns. Owned. */
static char *fake_matrix(void)
{
	_cleanup_free_ char *text = NULL;
	struct text out = { 0 };
	char *workloads, *trials, *metric;

	assert_int_equal(file_read("docs/ci/granule.yaml", CAP, &text, NULL, NULL), 0);
	workloads = strstr(text, "workloads:");
	trials = strstr(text, "trials:");
	metric = strstr(text, "insns_per_op");
	assert_true(workloads && trials && metric && workloads < trials && trials < metric);
	text_add(&out, "%.*sworkloads: { w: { null: { cost: 100000, touch: 64MiB } } }\n%.*scost_insns%s",
		 (int)(workloads - text), text, (int)(metric - trials), trials, metric + strlen("insns_per_op"));
	return text_steal(&out);
}

static void commit_kernel(const char *repo, const char *kernel)
{
	static unsigned number;
	_cleanup_free_ char *makefile = xasprintf("VERSION = 6\nPATCHLEVEL = 12\n# %u\n", number++);

	free(scratch_write(repo, "Makefile", makefile, strlen(makefile)));
	free(scratch_write(repo, "kernel", kernel, strlen(kernel)));
	GIT_DO(repo, "add", "-A");
	GIT_DO(repo, "commit", "-q", "-m", kernel);
}

/* A job's folder with a tree of Linux in which a change made @kernel of a fine one, as the service leaves it:
 * detached from a remote that has `main`. Returns it; *ret_base is the sha before. Both owned by the caller. */
static char *job_folder(const struct world *w, const struct service *s, const char *kernel, char **ret_base)
{
	static unsigned number;
	char *job = xasprintf("%s/job%u", w->dir, number++);
	_cleanup_free_ char *remote = xasprintf("%s.git", job), *tree = path_join(job, s->tree),
			    *matrix = fake_matrix();

	assert_int_equal(make_dirs(remote, NULL) + make_dirs(job, NULL), 0);
	GIT_DO(remote, "init", "-q", "-b", "main");
	free(scratch_write(remote, "granule.yaml", matrix, strlen(matrix)));
	commit_kernel(remote, "fine");
	*ret_base = GIT(remote, "rev-parse", "main");
	(*ret_base)[strcspn(*ret_base, "\n")] = '\0';
	GIT_DO(remote, "checkout", "-q", "-b", "change");
	commit_kernel(remote, kernel);
	GIT_DO(w->dir, "clone", "-q", remote, tree);
	GIT_DO(tree, "checkout", "-q", "--detach", "origin/change");
	if (strcmp(s->tree, ".") != 0)
		GIT_DO(job, "clone", "-q", w->granule, "granule");
	return job;
}

/* Run @script there; its exit code. */
static int run_job(const struct world *w, const struct service *s, const char *job, const char *base,
		   const char *script, char **ret_out)
{
	_cleanup_free_ char *variables = xasprintf("%s %s", s->variables, "CI=1"), *set = NULL, *whole = NULL,
			    *repository = xasprintf("GRANULE_REPOSITORY=file://%s", w->granule);
	const char *argv[] = { "env", "-C", job, repository, "sh", "-c", NULL, NULL };
	const char *hole = strstr(variables, "%s");
	int rc;

	set = xasprintf("%.*s%s%s", (int)(hole - variables), variables, base, hole + 2);
	whole = xasprintf("export %s\nset -e\n%s", set, script);
	argv[6] = whole;
	rc = proc_capture((char *const *)argv, now_ns() + 120 * NSEC_PER_SEC, CAP, ret_out, NULL);
	if (rc < 0)
		fail_msg("%s: no end", s->file);
	return rc;
}

/* What a service shows of a job that ended with 1. */
static bool shows_failure(const struct service *s, const char *job, const char *out)
{
	_cleanup_free_ char *summary = path_join(job, "summary.md"), *junit = path_join(job, "granule.xml"),
			    *text = NULL;

	if (strstr(s->file, "github"))
		return strstr(out, "::error title=") && file_read(summary, CAP, &text, NULL, NULL) == 0 &&
		       strstr(text, "### granule: 2 gates: 1 failed, 1 passed") && strstr(text, "+10.0%");
	if (strstr(s->file, "gitlab"))
		return file_read(junit, CAP, &text, NULL, NULL) == 0 && strstr(text, "<failure type=\"longer_by\"");
	return strstr(out, "2 gates: 1 failed, 1 passed") && strstr(out, "+10.0%");
}

/* The script on a change that costs a tenth: NULL, or what is wrong with it. Owned by the caller. */
static char *what_is_wrong(const struct world *w, const struct service *s, const char *script)
{
	_cleanup_free_ char *base = NULL, *job = job_folder(w, s, "longer", &base), *out = NULL;
	int code = run_job(w, s, job, base, script, &out);

	if (code != 1)
		return xasprintf("%s: ended with %d, not 1:\n%s", s->file, code, out);
	return shows_failure(s, job, out) ? NULL : xasprintf("%s: does not show it:\n%s", s->file, out);
}

static void examples_run(void **state)
{
	const struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		const struct service *s = &services[i];
		unsigned installs = 0;
		_cleanup_free_ char *all = script_of(s), *script = without_installs(all, &installs), *base = NULL,
				    *job = job_folder(w, s, "fine", &base), *out = NULL, *wrong = NULL;
		int code = run_job(w, s, job, base, script, &out);

		assert_int_equal(installs, 3);
		if (code != 0)
			fail_msg("%s: a change that costs nothing: %d\n%s", s->file, code, out);
		wrong = what_is_wrong(w, s, script);
		if (wrong)
			fail_msg("%s", wrong);
	}
}

/* Failed cells do not hide the gates: a kernel that is dead ends with 4 and says so. */
static void dead_kernels_are_told(void **state)
{
	const struct world *w = *state;

	for (size_t i = 1; i < ARRAY_SIZE(services); i++) {
		const struct service *s = &services[i];
		unsigned installs = 0;
		_cleanup_free_ char *all = script_of(s), *script = without_installs(all, &installs), *base = NULL,
				    *job = job_folder(w, s, "dead", &base), *out = NULL;
		int code = run_job(w, s, job, base, script, &out);

		if (code != 1 && code != 4)
			fail_msg("%s: %d\n%s", s->file, code, out);
		assert_non_null(strstr(out, "boot-failed"));
	}
}

/* Each break of a command must be seen by the test above. */
static void breaks_are_seen(void **state)
{
	static const struct {
		unsigned service;
		const char *from, *to;
	} breaks[] = {
		{ 0, "granule gate", "granule gaet" },
		{ 0, "--annotate github", "" },
		{ 0, "--format markdown", "--format text" },
		{ 0, "-f before", "-f behind" },
		{ 0, "run linux/granule.yaml", "run granule.yaml" },
		{ 1, "--format junit", "--format json" },
		{ 1, "gate results", "gate result" },
		{ 1, "\"$CI_MERGE_REQUEST_DIFF_BASE_SHA\"", "HEAD" },
		{ 1, "git clone", "git clown" },
		{ 2, "FETCH_HEAD", "HEAD" },
		{ 2, "granule/build/granule run", "granule/granule run" },
	};
	const struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		const struct service *s = &services[breaks[i].service];
		unsigned installs = 0;
		_cleanup_free_ char *all = script_of(s), *script = without_installs(all, &installs), *broken = NULL,
				    *wrong = NULL;
		const char *at = strstr(script, breaks[i].from);

		if (!at)
			fail_msg("%s: there is no '%s' any more", s->file, breaks[i].from);
		broken = xasprintf("%.*s%s%s", (int)(at - script), script, breaks[i].to, at + strlen(breaks[i].from));
		wrong = what_is_wrong(w, s, broken);
		if (!wrong)
			fail_msg("%s: '%s' for '%s' is not seen", s->file, breaks[i].to, breaks[i].from);
	}
}

/* The matrix itself, with its real workloads, in such a tree; and the bisection that README.md names. */
static void the_matrix_is_good(void **state)
{
	const struct world *w = *state;
	const struct service *s = &services[1];
	_cleanup_free_ char *base = NULL, *job = job_folder(w, s, "longer", &base), *out = NULL, *text = NULL,
			    *matrix = NULL, *fake = path_join(job, "granule.yaml"), *dir = path_join(job, "bisect"),
			    *found = NULL, *head = NULL;

	GIT_DO(job, "branch", "before", base);
	assert_int_equal(file_read("docs/ci/granule.yaml", CAP, &text, NULL, NULL), 0);
	matrix = scratch_write(job, "real.yaml", text, strlen(text));
	if (GRANULE(&out, "list", matrix) != 0 || !strstr(out, "4 cells, 4 to run, 0 skipped; 12 boots (3 seeds)"))
		fail_msg("%s", out);
	if (GRANULE(&found, "bisect", fake, "--kernel", "after", "--good", "before", "--bad", "HEAD", "-o", dir) != 0)
		fail_msg("%s", found);
	head = GIT(job, "rev-parse", "HEAD");
	head[strcspn(head, "\n")] = '\0';
	assert_non_null(strstr(found, head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_run),
		cmocka_unit_test(dead_kernels_are_told),
		cmocka_unit_test(breaks_are_seen),
		cmocka_unit_test(the_matrix_is_good),
	};

	return cmocka_run_group_tests_name("ci-examples", tests, setup, teardown);
}
