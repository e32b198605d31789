// SPDX-License-Identifier: GPL-2.0-or-later
/* granule images: what is in the cache, making more of it, checking it, and making room. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "image/build.h"
#include "image/cache.h"

#define DAY_S 86400

struct images_args {
	const char *command;
	const char **what; /* owned array of borrowed strings */
	size_t n_what;
	bool refresh, dry_run;
	uint64_t older_than_days; /* 0: not asked */
	uint64_t keep_bytes;
	bool keep_given;
};

enum { KEY_REFRESH = 256, KEY_OLDER, KEY_KEEP };

static const struct argp_option options[] = {
	{ "refresh", KEY_REFRESH, NULL, 0, "build: ask apt for a newer source, even if one is in the cache", 0 },
	{ "older-than", KEY_OLDER, "DAYS", 0, "gc: remove kernels and sources not used for DAYS days", 0 },
	{ "keep", KEY_KEEP, "SIZE", 0, "gc: remove the longest unused kernels until they take at most SIZE (500M, 2G)",
	  0 },
	{ "dry-run", 'n', NULL, 0, "gc: say what would go", 0 },
	{ 0 },
};

static const char *const commands[] = { "list", "build", "verify", "gc" };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct images_args *a = state->input;

	switch (key) {
	case KEY_REFRESH:
		a->refresh = true;
		return 0;
	case KEY_OLDER:
		a->older_than_days = cli_number(arg, "--older-than", 1, 36500);
		return 0;
	case KEY_KEEP:
		if (!size_parse(arg, &a->keep_bytes))
			argp_error(state, "--keep: '%s' is no size; sizes look like 500M or 2G", arg);
		a->keep_given = true;
		return 0;
	case 'n':
		a->dry_run = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->command)
			a->command = arg;
		else
			*VEC_PUSH(a->what, a->n_what) = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->command)
			argp_error(state, "list, build, verify or gc?");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"list|verify|gc\nbuild MATRIX|SPEC...",
	"Kernels in the cache ($GRANULE_CACHE, by default ~/.cache/granule).\v"
	"build makes the kernels of a matrix, or those given as PACKAGE:SUITE:PAGES[:CONFIG], as in "
	"linux-source-6.12:trixie:64K. verify compares every kernel with the digests taken when it was built (exit "
	"code 3 when "
	"one is damaged; the next run builds it again). gc removes what builds that died left behind, unpacked "
	"sources, and the "
	"kernels that --older-than or --keep name.",
	NULL,
	NULL,
	NULL
};

struct show {
	bool terminal;
	uint64_t last_ns;
	double last_fraction;
	char last[256];
};

/* On a terminal one line that moves; elsewhere a line for each step and each quarter. */
static void show_progress(void *ctx, const char *what, double fraction, int eta_s)
{
	struct show *s = ctx;
	bool same = strncmp(s->last, what, sizeof(s->last) - 1) == 0;
	char eta[32] = "", percent[16] = "";

	if (eta_s >= 0)
		snprintf(eta, sizeof(eta), ", %d:%02d left", eta_s / 60, eta_s % 60);
	if (fraction >= 0)
		snprintf(percent, sizeof(percent), " %d%%", (int)(fraction * 100));
	if (s->terminal) {
		if (same && now_ns() - s->last_ns < NSEC_PER_SEC / 2)
			return;
		fprintf(stderr, "%s\r%s%s%s\033[K", same || !s->last[0] ? "" : "\n", what, percent, eta);
	} else {
		if (same && fraction < s->last_fraction + 0.25)
			return;
		fprintf(stderr, "%s%s%s\n", what, percent, eta);
	}
	s->last_ns = now_ns();
	s->last_fraction = fraction < 0 ? 0 : fraction;
	snprintf(s->last, sizeof(s->last), "%s", what);
}

static void show_end(struct show *s)
{
	if (s->terminal && s->last[0])
		fputc('\n', stderr);
	*s = (struct show){ .terminal = s->terminal };
}

/* "PACKAGE:SUITE:PAGES[:CONFIG]" into @spec, which points into @copy. */
static int parse_spec(char *copy, struct kernel_spec *spec, struct err *err)
{
	char *save = NULL, *package = strtok_r(copy, ":", &save), *suite = strtok_r(NULL, ":", &save);
	char *pages = strtok_r(NULL, ":", &save), *config = strtok_r(NULL, ":", &save);

	if (!pages || strtok_r(NULL, ":", &save) || !size_parse(pages, &spec->page_bytes))
		return err_set(err, ERR_CONFIG,
			       "'%s' is neither a file nor PACKAGE:SUITE:PAGES, as in linux-source-6.12:trixie:64K",
			       copy);
	spec->source = package;
	spec->suite = suite;
	spec->config = config ? config : (char *)"micro";
	return 0;
}

static int build_one(const struct images_args *a, const struct kernel_spec *spec, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *recipes = recipe_dir();
	struct kernel_env env = { cache, recipes, &kernel_builder_real, a->refresh };
	struct show show = { .terminal = isatty(STDERR_FILENO) };
	struct kernel_image *image;
	int rc = kernel_ensure_in(&env, spec, show_progress, &show, &image, err);

	show_end(&show);
	if (rc < 0)
		return -1;
	printf("%s  %s  %s\n", image->release, image->origin, image->path);
	fflush(stdout);
	kernel_image_free(image);
	return 0;
}

static int build_argument(const struct images_args *a, const char *what, struct err *err)
{
	_cleanup_(matrix_free_p) struct matrix *matrix = NULL;
	_cleanup_free_ char *copy = xstrdup(what);
	struct kernel_spec spec = { 0 };

	if (!path_exists(what) && !ends_with(what, ".yaml"))
		return parse_spec(copy, &spec, err) < 0 ? -1 : build_one(a, &spec, err);
	if (matrix_load(what, &matrix, err) < 0)
		return -1;
	for (size_t i = 0; i < matrix->n_kernels; i++) {
		if (build_one(a, &matrix->kernels[i], err) < 0)
			return -1;
	}
	return 0;
}

static int images_build(const struct images_args *a, struct err *err)
{
	int rc = 0;

	if (!a->n_what)
		return err_set(err, ERR_CONFIG,
			       "images build: which? a matrix, or PACKAGE:SUITE:PAGES as in "
			       "linux-source-6.12:trixie:64K");
	for (size_t i = 0; i < a->n_what && rc == 0; i++)
		rc = build_argument(a, a->what[i], err);
	if (rc == 0)
		kernel_drop_sources();
	return rc;
}

static void print_entry(const struct cache_entry *e)
{
	char size[24], pages[24], day[16] = "";
	struct tm tm;

	if (localtime_r(&e->used, &tm))
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	if (!e->release[0])
		printf("%.12s  damaged: it will be built again\n", e->recipe);
	else
		printf("%.12s  %-20s %4s  %9s  %s  %s\n", e->recipe, e->release, size_format(e->page_bytes, pages),
		       size_human((double)e->bytes, size), day, e->origin);
}

static int images_list(const char *cache, struct err *err)
{
	_cleanup_free_ char *sources = path_join(cache, "sources"), *build = path_join(cache, "build"),
			    *apt = path_join(cache, "apt");
	struct cache_entry *entries;
	uint64_t total = 0;
	char a[24], b[24], c[24];
	size_t n;

	if (cache_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		print_entry(&entries[i]);
		total += entries[i].bytes;
	}
	printf("%s: %zu kernels, %s; sources %s; unpacked sources and builds %s\n", cache, n,
	       size_human((double)total, a), size_human((double)(cache_bytes(sources) + cache_bytes(apt)), b),
	       size_human((double)cache_bytes(build), c));
	cache_entries_free(entries, n);
	return 0;
}

static int images_verify(const char *cache, struct err *err)
{
	struct cache_entry *entries;
	size_t n, bad = 0;

	if (cache_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct cache_entry e = { 0 };
		struct err why = ERR_INIT;
		enum cache_state state = cache_open(cache, entries[i].recipe, &e, &why);

		printf("%.12s  %s\n", entries[i].recipe, state == CACHE_INTACT ? e.origin : why.msg);
		bad += state != CACHE_INTACT;
		cache_entry_clear(&e);
	}
	cache_entries_free(entries, n);
	if (bad)
		return err_set(err, ERR_HOST,
			       "%zu of %zu kernels are damaged; the next run that needs them builds them again", bad,
			       n);
	printf("%zu kernels, all as they were built\n", n);
	return 0;
}

static int drop(const struct images_args *a, const char *path, const char *name, struct err *err)
{
	char size[24];

	printf("%s %s (%s)\n", a->dry_run ? "would remove" : "removed", name,
	       size_human((double)cache_bytes(path), size));
	return a->dry_run ? 0 : remove_tree(path, err);
}

/* Entries come with the longest unused first. */
static int collect_kernels(const struct images_args *a, const char *cache, struct err *err)
{
	struct cache_entry *entries;
	uint64_t total = 0;
	time_t now = time(NULL);
	size_t n;
	int rc = 0;

	if (cache_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		total += entries[i].bytes;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct cache_entry *e = &entries[i];
		bool old = a->older_than_days && e->used < now - (time_t)a->older_than_days * DAY_S;
		bool much = a->keep_given && total > a->keep_bytes;
		_cleanup_free_ char *name = NULL;

		if (!old && !much && e->release[0])
			continue;
		name = xasprintf("%.12s %s", e->recipe, e->release[0] ? e->origin : "(damaged)");
		rc = drop(a, e->dir, name, err);
		total -= e->bytes;
	}
	cache_entries_free(entries, n);
	return rc;
}

/* What @what matches below the cache and was not touched for so long. */
static int collect_matches(const struct images_args *a, const char *cache, const char *what, struct err *err)
{
	_cleanup_free_ char *pattern = path_join(cache, what);
	_cleanup_(globfree) glob_t g = { 0 };
	time_t now = time(NULL);

	if (glob(pattern, 0, NULL, &g) != 0)
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		struct stat st;

		if (stat(g.gl_pathv[i], &st) == 0 && st.st_mtime < now - (time_t)a->older_than_days * DAY_S &&
		    drop(a, g.gl_pathv[i], g.gl_pathv[i] + strlen(cache) + 1, err) < 0)
			return -1;
	}
	return 0;
}

/* Of sources the tarballs only: their records stay, so that kernels built from them are still found without the network. */
static int collect_rest(const struct images_args *a, const char *cache, struct err *err)
{
	static const char *const patterns[] = { "sources/*/*/source.tar.xz", "modules/*/*", "tools/*" };

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
		if (collect_matches(a, cache, patterns[i], err) < 0)
			return -1;
	return 0;
}

static int images_gc(const struct images_args *a, const char *cache, struct err *err)
{
	_cleanup_free_ char *build = path_join(cache, "build"), *apt = path_join(cache, "apt");
	struct show show = { .terminal = isatty(STDERR_FILENO) };
	_cleanup_close_ int lock = a->dry_run ? -1 : cache_lock(cache, show_progress, &show, err);

	show_end(&show);
	if (lock < 0 && !a->dry_run)
		return -1;
	if (cache_bytes(build) > 65536 && drop(a, build, "unpacked sources and unfinished builds", err) < 0)
		return -1;
	if ((a->older_than_days || a->keep_given) && collect_kernels(a, cache, err) < 0)
		return -1;
	if (!a->older_than_days)
		return 0;
	if (path_is_dir(apt) && drop(a, apt, "apt's package indexes", err) < 0)
		return -1;
	return collect_rest(a, cache, err);
}

int cmd_images(int argc, char **argv)
{
	_cleanup_free_ char *cache = cache_dir();
	struct images_args a = { 0 };
	struct err err = ERR_INIT;
	int rc;

	if (!cli_parse(&argp, argc, argv, &a))
		return 2;
	if (!strcmp(a.command, "build")) {
		rc = images_build(&a, &err);
	} else if (a.n_what) {
		rc = err_set(&err, ERR_CONFIG, "images %s takes no '%s'", a.command, a.what[0]);
	} else if (!strcmp(a.command, "list")) {
		rc = images_list(cache, &err);
	} else if (!strcmp(a.command, "verify")) {
		rc = images_verify(cache, &err);
	} else if (!strcmp(a.command, "gc")) {
		rc = images_gc(&a, cache, &err);
	} else {
		const char *near = nearest_name(a.command, commands, ARRAY_SIZE(commands));

		rc = err_set(&err, ERR_CONFIG, "images: no command '%s'%s%s%s", a.command,
			     near ? "; did you mean '" : "", near ? near : "",
			     near ? "'?" : "; there are list, build, verify and gc");
	}
	free(a.what);
	return rc < 0 ? cli_fail(&err) : 0;
}
