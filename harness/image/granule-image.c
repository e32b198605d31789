// SPDX-License-Identifier: GPL-2.0-or-later
/* granule-image: root file systems from their recipes into the cache, and files out of a guest's disk. The only
 * program of granule that links libguestfs. Exit codes: 0 done; 2 the recipe or usage; 3 this host or its packages;
 * 130 interrupted. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/recipe.h"
#include "image/rootfs-guestfs.h"

#define LOG_MAX_BYTES (16u << 20)
#define EXIT_USAGE 2

struct image_args {
	const char *command;
	const char **what; /* owned array of borrowed strings */
	size_t n_what;
	bool refresh, lines;
};

enum { KEY_REFRESH = 256, KEY_LINES };

static const struct argp_option options[] = {
	{ "refresh", KEY_REFRESH, NULL, 0, "build: ask for newer packages, even if an image is in the cache", 0 },
	{ "lines", KEY_LINES, NULL, 0, "progress as lines: progress TAB FRACTION TAB WHAT", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct image_args *a = state->input;

	switch (key) {
	case KEY_REFRESH:
		a->refresh = true;
		return 0;
	case KEY_LINES:
		a->lines = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!a->command)
			a->command = arg;
		else
			*VEC_PUSH(a->what, a->n_what) = arg;
		return 0;
	case ARGP_KEY_END:
		if (!a->command || !a->n_what)
			argp_usage(state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	options,
	parse,
	"build RECIPE...\nlogs DISK FOLDER GLOB...\nhelp recipe",
	"Root file systems in granule's cache ($GRANULE_CACHE, by default ~/.cache/granule).\v"
	"build makes the image of each RECIPE, a .yaml file or the name of a workload that has one; it works as a "
	"plain "
	"user. logs copies files out of a guest's disk, which it opens read-only. help recipe prints what a recipe may "
	"say.",
	NULL,
	NULL,
	NULL
};

static void show(void *ctx, const char *what, double fraction, int eta_s)
{
	const struct image_args *a = ctx;
	static char last[256];
	static double at;

	(void)eta_s;
	if (!strncmp(last, what, sizeof(last) - 1) && fraction < at + 0.1)
		return;
	at = fraction;
	snprintf(last, sizeof(last), "%s", what);
	if (a->lines)
		printf("progress\t%.2f\t%s\n", fraction, what);
	else if (fraction >= 0)
		fprintf(stderr, "%s %d%%\n", what, (int)(fraction * 100));
	else
		fprintf(stderr, "%s\n", what);
	fflush(stdout);
}

static const struct rootfs_maker maker = {
	.resolve = rootfs_resolve_apt,
	.jars = rootfs_jars_maven,
	.fetch = rootfs_fetch_mmdebstrap,
	.tool = rootfs_guestfs_tool,
	.image = rootfs_guestfs_image,
};

static int build_one(struct image_args *a, const char *cache, const char *what, struct err *err)
{
	_cleanup_free_ char *layers = share_dir("images/rootfs"), *path = rootfs_recipe_path(what), *line = NULL;
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	_cleanup_(rootfs_entry_clear) struct rootfs_entry entry = { 0 };

	if (!layers)
		return err_set(err, ERR_HOST, "images/rootfs was not found beside this program; set $GRANULE_IMAGES");
	if (rootfs_recipe_load(path, layers, &recipe, err) < 0 ||
	    rootfs_ensure(cache, &maker, &recipe, a->refresh, show, a, &entry, err) < 0)
		return -1;
	line = rootfs_describe(&entry);
	printf("%.12s  %s  %s\n", entry.digest, line, entry.path);
	return 0;
}

static int build(struct image_args *a, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *absolute = path_absolute(cache);

	for (size_t i = 0; i < a->n_what; i++)
		if (build_one(a, absolute, a->what[i], err) < 0)
			return -1;
	return 0;
}

static int logs(struct image_args *a, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *absolute = path_absolute(cache),
			    *own = path_join(absolute, ROOTFS_DIR);
	size_t n;

	if (a->n_what < 3)
		return err_set(err, ERR_CONFIG, "logs: a disk, a folder and at least one glob, such as '/log/*'");
	if (rootfs_guestfs_copy_out(own, a->what[0], a->what + 2, a->n_what - 2, a->what[1], LOG_MAX_BYTES, show, a, &n,
				    err) < 0)
		return -1;
	printf("%zu files from %s in %s\n", n, a->what[0], a->what[1]);
	return 0;
}

static int help(struct image_args *a, struct err *err)
{
	_cleanup_free_ char *text = rootfs_recipe_help();

	if (strcmp(a->what[0], "recipe") != 0)
		return err_set(err, ERR_CONFIG, "help: there is only `help recipe`");
	printf("%s", text);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct image_args *a, struct err *err);
} commands[] = { { "build", build }, { "logs", logs }, { "help", help } };

int main(int argc, char **argv)
{
	struct image_args a = { 0 };
	struct err err = ERR_INIT;
	int rc = -1;

	if (argp_parse(&argp, argc, argv, 0, NULL, &a) != 0)
		return EXIT_USAGE;
	err_set(&err, ERR_CONFIG, "there is no command '%s'; see --help", a.command);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, a.command) != 0)
			continue;
		err = ERR_INIT;
		rc = commands[i].run(&a, &err);
	}
	free(a.what);
	if (rc == 0)
		return 0;
	fflush(stdout);
	fprintf(stderr, "granule-image: %s\n", err.msg);
	return err_exit_code(&err);
}
