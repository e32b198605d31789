// SPDX-License-Identifier: GPL-2.0-or-later
/* Knows recipes by the names of workloads, the cache, and how to call granule-image. No guest and no libguestfs. */
#include "run/roots.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "image/recipe.h"
#include "image/tool.h"

#define CONFIG_BYTES_MAX (4u << 20)

void roots_free(struct roots *roots)
{
	for (size_t i = 0; i < roots->n; i++)
		rootfs_entry_clear(&roots->v[i].entry);
	free(roots->v);
	*roots = (struct roots){ 0 };
}

const struct root *roots_find(const struct roots *roots, const char *name)
{
	for (size_t i = 0; i < roots->n; i++)
		if (!strcmp(roots->v[i].name, name))
			return &roots->v[i];
	return NULL;
}

static int look_up(struct root *root, struct err *err)
{
	_cleanup_free_ char *cache = cache_dir(), *absolute = path_absolute(cache),
			    *layers = share_dir("images/rootfs"), *path = rootfs_recipe_path(root->name);
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	int found;

	if (!layers)
		return err_set(err, ERR_HOST, "images/rootfs was not found beside this program; set $GRANULE_IMAGES");
	if (rootfs_recipe_load(path, layers, &recipe, err) < 0)
		return -1;
	found = rootfs_lookup(absolute, &recipe, &root->entry, err);
	root->ready = found > 0;
	if (found > 0)
		rootfs_touch(&root->entry);
	return found < 0 ? -1 : 0;
}

int roots_want(struct roots *roots, const char *name, struct err *err)
{
	struct root *root;

	if (roots_find(roots, name))
		return 0;
	root = VEC_PUSH(roots->v, roots->n);
	root->name = name;
	return look_up(root, err);
}

struct listening {
	image_progress *progress;
	void *ctx;
};

static void hear(void *ctx, const char *line)
{
	const struct listening *l = ctx;
	const char *what;
	double fraction;

	if (tool_progress(line, &fraction, &what))
		l->progress(l->ctx, what, fraction, -1);
}

int roots_build(struct roots *roots, image_progress *progress, void *ctx, struct err *err)
{
	_cleanup_free_ char *program = granule_program_path("granule-image");
	struct listening listening = { progress, ctx };

	for (size_t i = 0; i < roots->n; i++) {
		struct root *root = &roots->v[i];
		const char *argv[] = { program, "build", "--lines", root->name, NULL };

		if (root->ready)
			continue;
		if (tool_run(argv, NULL, hear, &listening, err) < 0)
			return err_wrap(err, "root file system %s", root->name);
		if (look_up(root, err) < 0)
			return -1;
		if (!root->ready)
			return err_set(err, ERR_HOST, "root file system %s: granule-image made it, and it is not there",
				       root->name);
	}
	return 0;
}

json_t *root_definition(const struct root *root)
{
	const struct rootfs_entry *e = &root->entry;
	struct text packages = { 0 };
	_cleanup_free_ char *all = NULL;

	for (size_t i = 0; i < e->n_packages; i++)
		text_add(&packages, "%s%s %s", i ? ", " : "", e->packages[i].name, e->packages[i].version);
	all = text_steal(&packages);
	return json_pack("{ss,ss,ss,ss,ss,sI,ss}", "name", e->name, "suite", e->suite, "digest", e->digest, "sha256",
			 e->image_sha256, "tool", e->tool, "bytes", (json_int_t)e->image_bytes, "packages", all);
}

/* What agent/root.c mounts: options of the kernel, built in. */
char *root_unsupported(const char *config)
{
	static const char *const options[] = { "EROFS_FS", "EROFS_FS_ZIP", "OVERLAY_FS", "BLK_DEV_LOOP",
					       "TMPFS_XATTR" };
	_cleanup_free_ char *text = NULL;

	if (!config || file_read(config, CONFIG_BYTES_MAX, &text, NULL, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		_cleanup_free_ char *line = xasprintf("\nCONFIG_%s=y\n", options[i]);

		if (!strstr(text, line))
			return xasprintf(
				"its kernel has no %s built in, which a root file system needs: `config: full` "
				"has it",
				options[i]);
	}
	return NULL;
}
