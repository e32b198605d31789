// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads a kernel tree's mm/ and arch/ for the options that two configurations disagree on. Knows no Kconfig semantics: that a
 * word stands there is enough. */
#include "image/same.h"

#include <fts.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/kconfig.h"

#define FILE_CAP (16 << 20)

/* Device trees and default configurations are no code. */
static bool no_code(const FTSENT *f)
{
	return !strcmp(f->fts_name, "dts") || !strcmp(f->fts_name, "configs");
}

static int read_one(const FTSENT *f, size_t skip, struct kconfig_differences *d, struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(f->fts_path, FILE_CAP, &text, NULL, err) < 0)
		return -1;
	kconfig_mention(d, f->fts_path + skip, text, starts_with(f->fts_name, "Kconfig"));
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int read_tree(const char *tree, struct kconfig_differences *d, struct err *err)
{
	_cleanup_free_ char *mm = path_join(tree, "mm"), *arch = path_join(tree, "arch/arm64"),
			    *common = path_join(tree, "arch/Kconfig");
	char *const roots[] = { mm, arch, common, NULL };
	_cleanup_(fts_end) FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	FTSENT *f;

	while (fts && (f = fts_read(fts))) {
		if (f->fts_info == FTS_D && no_code(f))
			fts_set(fts, f, FTS_SKIP);
		else if (f->fts_info == FTS_F && read_one(f, strlen(tree) + 1, d, err) < 0)
			return -1;
		else if (f->fts_info == FTS_NS || f->fts_info == FTS_ERR || f->fts_info == FTS_DNR)
			return err_set(err, ERR_HOST, "%s: %s", f->fts_path, strerror(f->fts_errno));
	}
	return 0;
}

int same_check(const char *tree, const char *base, const char *config, const char *allowed, const char *allowed_name,
	       struct err *err)
{
	_cleanup_(kconfig_differences_clear) struct kconfig_differences d = { 0 };
	_cleanup_(text_free) struct text out = { 0 };

	if (kconfig_differ(base, config, allowed, allowed_name, &d, err) < 0 || read_tree(tree, &d, err) < 0)
		return -1;
	for (size_t i = 0; i < d.n; i++) {
		const struct kconfig_difference *o = &d.v[i];

		if (o->place && !o->allowed)
			text_add(&out, "\n  %s is %s instead of %s; %s", o->name, o->here, o->base, o->place);
	}
	if (!out.len)
		return 0;
	return err_set(err, ERR_CONFIG,
		       "it must resolve as what it includes in all that mm/ and arch/ define or test:%s", out.s);
}
