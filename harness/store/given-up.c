// SPDX-License-Identifier: GPL-2.0-or-later
/* Images that nobody boots any more in a run: a file each, named by the Image's digest. A note for readers and for
 * other schedulers, no outcome: a boot that was tried after all is told by its attempts. */
#include "store/internal.h"

#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#define REASON_SIZE_MAX 4096

/* NULL: that is no digest, so it becomes no path. */
static char *note_path(const struct run *run, const char *sha256)
{
	if (!sha256 || strlen(sha256) != SHA256_HEX_SIZE - 1 || strspn(sha256, "0123456789abcdef") != strlen(sha256))
		return NULL;
	return xasprintf("%s/given-up/%s", run->dir, sha256);
}

int image_give_up(const struct run *run, const char *sha256, const char *reason, struct err *err)
{
	_cleanup_free_ char *path = note_path(run, sha256), *dir = path_join(run->dir, "given-up");

	if (!path)
		return 0;
	if (make_dirs(dir, err) < 0)
		return -1;
	return file_write_atomic(path, reason, strlen(reason), err);
}

void image_take_back(const struct run *run, const char *sha256)
{
	_cleanup_free_ char *path = note_path(run, sha256);

	if (path)
		unlink(path);
}

char *image_given_up(const struct run *run, const char *sha256)
{
	_cleanup_free_ char *path = note_path(run, sha256), *text = NULL;
	size_t len;

	if (!path || !path_exists(path) || file_read(path, REASON_SIZE_MAX, &text, &len, NULL) < 0)
		return NULL;
	return text_visible(text, len);
}
