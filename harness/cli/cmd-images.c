// SPDX-License-Identifier: GPL-2.0-or-later
/* granule images: what is in the cache, making more of it, checking it, and making room. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/collect.h"
#include "image/rootfs.h"
#include "image/tool.h"
#include "guest/programs.h"
#include "image/mkfs.h"
#include "matrix/storage.h"
#include "run/boot-cache.h"
#include "run/prepared.h"
#include "workloads/workload.h"

#define DAY_S 86400

struct images_args {
	const char *command;
	const char **what; /* owned array of borrowed strings */
	size_t n_what;
	bool refresh;
	struct collect collect;
};

enum { KEY_REFRESH = 256, KEY_OLDER, KEY_KEEP };

static const struct argp_option options[] = {
	{ "refresh", KEY_REFRESH, NULL, 0,
	  "build: ask apt for newer sources or packages, even if they are in the cache", 0 },
	{ "older-than", KEY_OLDER, "DAYS", 0, "gc: remove what was not used for so long (30d), results too", 0 },
	{ "keep-bytes", KEY_KEEP, "SIZE", 0,
	  "gc: remove object trees, then the longest unused kernels, until they take at most SIZE (500M, 5GiB)", 0 },
	{ "dry-run", 'n', NULL, 0, "gc: say what would go", 0 },
	{ 0 },
};

static const char *const commands[] = { "list", "build", "verify", "gc" };

/* "30d" */
static bool days_parse(const char *s, uint64_t *ret_seconds)
{
	size_t digits = strspn(s, "0123456789");

	if (!digits || digits > 5 || strcmp(s + digits, "d") != 0)
		return false;
	*ret_seconds = strtoull(s, NULL, 10) * DAY_S;
	return *ret_seconds > 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct images_args *a = state->input;

	switch (key) {
	case KEY_REFRESH:
		a->refresh = true;
		return 0;
	case KEY_OLDER:
		if (!days_parse(arg, &a->collect.older_than_s))
			argp_error(state, "--older-than: '%s' is no number of days; write one such as 30d", arg);
		return 0;
	case KEY_KEEP:
		if (!size_parse(arg, &a->collect.keep_bytes))
			argp_error(state, "--keep-bytes: '%s' is no size; sizes look like 500M or 5GiB", arg);
		a->collect.bounded = true;
		return 0;
	case 'n':
		a->collect.dry_run = true;
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
	"Kernels, root file systems and prepared data in the cache ($GRANULE_CACHE, by default ~/.cache/granule).\v"
	"build makes the kernels of a matrix and the root file systems of its workloads, or kernels given as "
	"PACKAGE:SUITE:PAGES[:CONFIG], as in "
	"linux-source-6.12:trixie:64K; it fetches those given as PACKAGE:SUITE, as in linux-image-arm64:trixie; and it "
	"makes "
	"the root file system of a recipe (a file that begins with `rootfs:`). verify "
	"compares every kernel and root file system with the digests taken when it was built (exit "
	"code 3 when "
	"one is damaged; the next run builds it again). gc removes what builds that died left behind, unpacked "
	"sources, and the "
	"kernels, object trees, sources, modules and tools that --older-than or --keep-bytes name; never what a build "
	"or a "
	"run in progress uses. Results of boots (`granule run` reuses them) go with --older-than, and by themselves: "
	"the "
	"longest unused, above 2 GiB.",
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

/* "PACKAGE:SUITE:PAGES[:CONFIG]", or "PACKAGE:SUITE" of a kernel package, into @spec, which points into @copy. */
static int parse_spec(char *copy, struct kernel_spec *spec, struct err *err)
{
	char *save = NULL, *package = strtok_r(copy, ":", &save), *suite = strtok_r(NULL, ":", &save);
	char *pages = strtok_r(NULL, ":", &save), *config = strtok_r(NULL, ":", &save);

	if (suite && !pages && starts_with(package, "linux-image-")) {
		spec->package = package;
		spec->suite = suite;
		return 0;
	}
	if (!pages || strtok_r(NULL, ":", &save) || !size_parse(pages, &spec->page_bytes))
		return err_set(err, ERR_CONFIG,
			       "'%s' is neither a file nor PACKAGE:SUITE:PAGES, as in "
			       "linux-source-6.12:trixie:64K, nor PACKAGE:SUITE, as in linux-image-arm64:trixie",
			       copy);
	spec->source = package;
	spec->suite = suite;
	spec->config = config ? config : (char *)"micro";
	return 0;
}

static int build_one(const struct images_args *a, const struct kernel_spec *spec, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *recipes = recipe_dir();
	struct kernel_env env = { cache, recipes, &kernel_builder_real, a->refresh, false };
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

static void show_line(void *ctx, const char *line)
{
	const char *what;
	double fraction;

	if (tool_progress(line, &fraction, &what))
		show_progress(ctx, what, fraction, -1);
	else if (line && strstr(line, ROOTFS_DIR "/"))
		printf("%s\n", line);
}

/* By granule-image, the program that has libguestfs. @what: a recipe, or the name of a workload with one. */
static int build_root(const struct images_args *a, const char *what, struct err *err)
{
	_cleanup_free_ char *program = granule_program_path("granule-image");
	const char *argv[] = { program, "build", "--lines", what, a->refresh ? "--refresh" : NULL, NULL };
	struct show show = { .terminal = isatty(STDERR_FILENO) };
	int rc = tool_run(argv, NULL, show_line, &show, err);

	show_end(&show);
	fflush(stdout);
	return rc;
}

/* Does the file begin, but for comments, with `rootfs:`? */
static bool is_recipe(const char *path)
{
	_cleanup_free_ char *text = NULL;
	const char *p;

	if (file_read(path, 1 << 20, &text, NULL, NULL) < 0)
		return false;
	for (p = text; *p == '#' || *p == '\n'; p += *p == '\n')
		p += strcspn(p, "\n");
	return starts_with(p, "rootfs:");
}

/* The program that makes its file system, if it has one. */
static int fetch_maker(const struct storage_profile *storage, struct err *err)
{
	struct show show = { .terminal = isatty(STDERR_FILENO) };
	struct mkfs *mkfs;
	int rc;

	if (!storage_is_made(storage))
		return 0;
	rc = mkfs_ensure(NULL, storage_fs_names[storage->fs], show_progress, &show, &mkfs, err);
	show_end(&show);
	if (rc < 0)
		return err_wrap(err, "storage profile '%s'", storage->label);
	mkfs_free(mkfs);
	return 0;
}

static int build_argument(const struct images_args *a, const char *what, struct err *err)
{
	_cleanup_(matrix_free_p) struct matrix *matrix = NULL;
	_cleanup_free_ char *copy = xstrdup(what);
	struct kernel_spec spec = { 0 };

	if (!path_exists(what) && !ends_with(what, ".yaml"))
		return parse_spec(copy, &spec, err) < 0 ? -1 : build_one(a, &spec, err);
	if (is_recipe(what))
		return build_root(a, what, err);
	if (matrix_load(what, &matrix, err) < 0)
		return -1;
	for (size_t i = 0; i < matrix->n_kernels; i++) {
		if (build_one(a, &matrix->kernels[i], err) < 0)
			return matrix_kernel_error(matrix, &matrix->kernels[i], err);
	}
	for (size_t i = 0; i < matrix->n_workloads; i++)
		if (matrix->workloads[i].type->rootfs && build_root(a, matrix->workloads[i].type->rootfs, err) < 0)
			return err_wrap(err, "%s:%d", matrix->path, matrix->workloads[i].line);
	for (size_t i = 0; i < matrix->n_storages; i++)
		if (fetch_maker(&matrix->storages[i], err) < 0)
			return -1;
	return 0;
}

static int images_build(const struct images_args *a, struct err *err)
{
	int rc = 0;

	if (!a->n_what)
		return err_set(err, ERR_CONFIG,
			       "images build: which? a matrix, PACKAGE:SUITE:PAGES as in linux-source-6.12:trixie:64K, "
			       "or PACKAGE:SUITE as in linux-image-arm64:trixie");
	for (size_t i = 0; i < a->n_what && rc == 0; i++)
		rc = build_argument(a, a->what[i], err);
	if (rc == 0)
		kernel_drop_sources();
	return rc;
}

/* "2026-11-23", or "" */
static void day_text(time_t t, char day[16])
{
	struct tm tm;

	day[0] = '\0';
	if (localtime_r(&t, &tm))
		strftime(day, 16, "%Y-%m-%d", &tm);
}

static void print_entry(const struct cache_entry *e)
{
	char size[24], pages[24], day[16];

	day_text(e->used, day);
	if (!e->release[0])
		printf("%.12s  damaged: it will be built again\n", e->recipe);
	else
		printf("%.12s  %-20s %4s  %9s  %s  %s\n", e->recipe, e->release, size_format(e->page_bytes, pages),
		       size_human((double)e->bytes, size), day, e->origin);
}

static void print_root(const struct rootfs_entry *e)
{
	_cleanup_free_ char *what = e->name[0] ? rootfs_describe(e) : xstrdup("damaged: it will be made again");
	char size[24], day[16];

	day_text(e->used, day);
	printf("%.12s  %-20s %4s  %9s  %s  %s\n", e->digest, "root file system", "", size_human((double)e->bytes, size),
	       day, what);
}

static int list_roots(const char *cache, struct err *err)
{
	struct rootfs_entry *entries;
	uint64_t total = 0;
	char size[24];
	size_t n;

	if (rootfs_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		print_root(&entries[i]);
		total += entries[i].bytes;
	}
	if (n)
		printf("%s/" ROOTFS_DIR ": %zu root file systems, %s\n", cache, n, size_human((double)total, size));
	rootfs_entries_free(entries, n);
	return 0;
}

static int list_prepared(const char *cache, struct err *err)
{
	struct prepared_entry *entries;
	uint64_t total = 0;
	char size[24], day[16];
	size_t n;

	if (prepared_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct prepared_entry *e = &entries[i];

		day_text(e->used, day);
		printf("%.12s  %-20s %4s  %9s  %s  %s\n", e->key, "prepared data", "",
		       size_human((double)e->bytes, size), day,
		       e->what[0] ? e->what : "damaged: it will be made again");
		total += e->bytes;
	}
	if (n)
		printf("%s/" PREPARED_DIR ": %zu times prepared data, %s\n", cache, n, size_human((double)total, size));
	prepared_entries_free(entries, n);
	return 0;
}

static int images_list(const char *cache, struct err *err)
{
	_cleanup_free_ char *sources = path_join(cache, "sources"), *build = path_join(cache, "build"),
			    *apt = path_join(cache, "apt"), *objects = path_join(cache, "objects");
	struct cache_entry *entries;
	uint64_t total = 0, results;
	char a[24], b[24], c[24], d[24], o[24];
	size_t n, n_results;

	if (cache_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		print_entry(&entries[i]);
		total += entries[i].bytes;
	}
	boot_cache_usage(cache, &n_results, &results);
	printf("%s: %zu kernels, %s; sources %s; object trees %s; unpacked sources and builds %s; results of %zu "
	       "boots, %s\n",
	       cache, n, size_human((double)total, a), size_human((double)(cache_bytes(sources) + cache_bytes(apt)), b),
	       size_human((double)cache_bytes(objects), o), size_human((double)cache_bytes(build), c), n_results,
	       size_human((double)results, d));
	cache_entries_free(entries, n);
	return list_roots(cache, err) < 0 ? -1 : list_prepared(cache, err);
}

static int verify_roots(const char *cache, size_t *ret_n, size_t *ret_bad, struct err *err)
{
	struct rootfs_entry *entries;

	*ret_bad = 0;
	if (rootfs_list(cache, &entries, ret_n, err) < 0)
		return -1;
	for (size_t i = 0; i < *ret_n; i++) {
		struct rootfs_entry e = { 0 };
		struct err why = ERR_INIT;
		bool intact = rootfs_open(cache, entries[i].digest, true, &e, &why) == CACHE_INTACT;
		_cleanup_free_ char *what = intact ? rootfs_describe(&e) : xstrdup(why.msg);

		printf("%.12s  %s\n", entries[i].digest, what);
		*ret_bad += !intact;
		rootfs_entry_clear(&e);
	}
	rootfs_entries_free(entries, *ret_n);
	return 0;
}

static int images_verify(const char *cache, struct err *err)
{
	struct cache_entry *entries;
	size_t n, bad = 0, n_roots, bad_roots;

	if (cache_list(cache, &entries, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct cache_entry e = { 0 };
		struct err why = ERR_INIT;
		enum cache_state state = cache_open(cache, entries[i].recipe, &e, &why);

		if (state == CACHE_INTACT && cache_check_packages(&e, &why) < 0)
			state = CACHE_CORRUPT;

		printf("%.12s  %s\n", entries[i].recipe, state == CACHE_INTACT ? e.origin : why.msg);
		bad += state != CACHE_INTACT;
		cache_entry_clear(&e);
	}
	cache_entries_free(entries, n);
	if (verify_roots(cache, &n_roots, &bad_roots, err) < 0)
		return -1;
	if (bad + bad_roots)
		return err_set(
			err, ERR_HOST,
			"%zu of %zu kernels and %zu of %zu root file systems are damaged; the next run that needs "
			"them builds them again",
			bad, n, bad_roots, n_roots);
	printf("%zu kernels and %zu root file systems, all as they were built\n", n, n_roots);
	return 0;
}

struct collected {
	struct show show; /* first: progress is told with this, too */
	bool dry_run;
};

static void print_collected(void *ctx, const char *what, uint64_t bytes, const char *kept)
{
	const struct collected *c = ctx;
	char size[24];

	size_human((double)bytes, size);
	if (kept)
		printf("kept %s (%s): %s\n", what, size, kept);
	else
		printf("%s %s (%s)\n", c->dry_run ? "would remove" : "removed", what, size);
}

/* What is of another room, and goes by age only; returns the bytes. */
static uint64_t collect_others(const struct images_args *a, const char *cache)
{
	const char *would = a->collect.dry_run ? "would remove" : "removed";
	time_t since = time(NULL) - (time_t)a->collect.older_than_s;
	uint64_t results, prepared;
	size_t n = boot_cache_trim(cache, since, UINT64_MAX, a->collect.dry_run, &results);
	char size[24];

	if (n)
		printf("%s results of %zu boots (%s)\n", would, n, size_human((double)results, size));
	n = prepared_trim(cache, since, a->collect.dry_run, &prepared);
	if (n)
		printf("%s %zu times prepared data (%s)\n", would, n, size_human((double)prepared, size));
	return results + prepared;
}

static int images_gc(const struct images_args *a, const char *cache, struct err *err)
{
	struct collected c = { .show = { .terminal = isatty(STDERR_FILENO) }, .dry_run = a->collect.dry_run };
	uint64_t bytes, roots;
	char size[24];

	if (cache_collect(cache, &a->collect, show_progress, print_collected, &c, &bytes, err) < 0 ||
	    rootfs_collect(cache, &a->collect, show_progress, print_collected, &c, &roots, err) < 0)
		return -1;
	bytes += roots;
	show_end(&c.show);
	if (a->collect.older_than_s)
		bytes += collect_others(a, cache);
	printf("%s %s\n", c.dry_run ? "would free" : "freed", size_human((double)bytes, size));
	return 0;
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
