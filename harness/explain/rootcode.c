// SPDX-License-Identifier: GPL-2.0-or-later
#include "explain/rootcode.h"

#include <fts.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "image/tool.h"

#define UNPACK "fsck.erofs"

/* Links are other names of files that are there. */
static int add_tree(struct usercode *map, char *dir, struct err *err)
{
	char *roots[] = { dir, NULL };
	_cleanup_(fts_end) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

	if (!fts)
		return err_set_errno(err, ERR_HOST, "%s", dir);
	for (FTSENT *e; (e = fts_read(fts));)
		if (e->fts_info == FTS_F && usercode_add(map, e->fts_path + strlen(dir), e->fts_path, err) < 0)
			return -1;
	return 0;
}

static int unpack(const char *image, const char *to, struct err *err)
{
	static const char *const tools[] = { UNPACK, NULL };
	_cleanup_free_ char *missing = tools_missing(tools), *extract = xasprintf("--extract=%s", to);
	const char *argv[] = { UNPACK, "--no-preserve", extract, image, NULL };

	if (missing)
		return err_set(err, ERR_HOST,
			       "%s was not found (erofs-utils): it reads the programs of the root file system",
			       missing);
	return tool_run(argv, NULL, NULL, NULL, err);
}

int rootcode_add(struct usercode *map, const char *image, struct err *err)
{
	_cleanup_free_ char *dir = scratch_dir(err), *root = NULL;
	int rc;

	if (!dir)
		return -1;
	root = path_join(dir, "root");
	rc = unpack(image, root, err);
	if (rc == 0)
		rc = add_tree(map, root, err);
	remove_tree(dir, NULL);
	return rc;
}
