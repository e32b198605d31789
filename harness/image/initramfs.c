// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes a newc archive. Knows the format and nothing of what is inside; takes no time, owner or inode from the host,
 * so that equal entries give equal bytes. */
#include "image/initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define NEWC_MAGIC "070701"
#define NEWC_HEADER_LEN 110
#define NEWC_TRAILER "TRAILER!!!"
#define CONSOLE "dev/console"

struct archive {
	FILE *f;
	const char *file; /* for messages */
	uint64_t offset;
	uint32_t inode; /* of the last entry */
};

struct node {
	const char *path;
	mode_t mode;
	const struct initramfs_entry *entry; /* borrowed, or NULL: a directory or the console */
};

static int put(struct archive *a, const void *data, size_t len, struct err *err)
{
	if (len && fwrite(data, len, 1, a->f) != 1)
		return err_set_errno(err, ERR_HOST, "%s", a->file);
	a->offset += len;
	return 0;
}

/* Header, name and contents each end on a multiple of four bytes from the start of the archive. */
static int pad(struct archive *a, struct err *err)
{
	static const char zero[4];

	return put(a, zero, (4 - a->offset % 4) % 4, err);
}

static int put_header(struct archive *a, const char *name, mode_t mode, uint32_t size, struct err *err)
{
	char header[NEWC_HEADER_LEN + 1];
	bool trailer = mode == 0, console = S_ISCHR(mode);

	snprintf(header, sizeof(header), NEWC_MAGIC "%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 trailer ? 0 : ++a->inode, (unsigned)mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 0, size, 0, 0, console ? 5 : 0,
		 console ? 1 : 0, (unsigned)strlen(name) + 1, 0);
	if (put(a, header, NEWC_HEADER_LEN, err) < 0 || put(a, name, strlen(name) + 1, err) < 0)
		return -1;
	return pad(a, err);
}

static int put_host_file(struct archive *a, const struct initramfs_entry *e, struct err *err)
{
	_cleanup_close_ int fd = open(e->host_path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	uint64_t left;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_HOST, "initramfs: /%s from %s", e->path, e->host_path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_HOST, "initramfs: /%s from %s: not a regular file", e->path, e->host_path);
	if ((uint64_t)st.st_size > UINT32_MAX)
		return err_set(err, ERR_HOST, "initramfs: /%s from %s: 4 GiB or more, which newc cannot hold", e->path,
			       e->host_path);
	if (put_header(a, e->path, e->mode, (uint32_t)st.st_size, err) < 0)
		return -1;
	buf = xcalloc(1, 1 << 18);
	for (left = (uint64_t)st.st_size; left;) {
		ssize_t n = read(fd, buf, left < 1 << 18 ? left : 1 << 18);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_HOST, "initramfs: %s", e->host_path);
		if (n == 0)
			return err_set(err, ERR_HOST, "initramfs: %s became shorter while it was read", e->host_path);
		if (put(a, buf, (size_t)n, err) < 0)
			return -1;
		left -= (uint64_t)n;
	}
	return pad(a, err);
}

static int put_node(struct archive *a, const struct node *n, struct err *err)
{
	const struct initramfs_entry *e = n->entry;

	if (!e || S_ISDIR(n->mode))
		return put_header(a, n->path, n->mode, 0, err);
	if (e->host_path)
		return put_host_file(a, e, err);
	if (e->len > UINT32_MAX)
		return err_set(err, ERR_HOST, "initramfs: /%s: 4 GiB or more, which newc cannot hold", e->path);
	if (put_header(a, n->path, n->mode, (uint32_t)e->len, err) < 0 || put(a, e->data, e->len, err) < 0)
		return -1;
	return pad(a, err);
}

static int node_compare(const void *x, const void *y)
{
	return strcmp(((const struct node *)x)->path, ((const struct node *)y)->path);
}

static int check_entry(const struct initramfs_entry *e, struct err *err)
{
	const char *p = e->path;
	size_t len = strlen(p);

	if (!len || p[0] == '/' || p[len - 1] == '/' || strstr(p, "//") || starts_with(p, "../") || strstr(p, "/../") ||
	    ends_with(p, "/..") || strcmp(p, "..") == 0)
		return err_set(err, ERR_HOST, "initramfs: \"%s\" is not a path inside the archive", p);
	if (len > 1023)
		return err_set(err, ERR_HOST, "initramfs: a path of %zu bytes is too long", len);
	if (!S_ISREG(e->mode) && !S_ISDIR(e->mode) && !S_ISLNK(e->mode))
		return err_set(err, ERR_HOST, "initramfs: /%s: mode %o is no file, directory or link", p,
			       (unsigned)e->mode);
	return 0;
}

struct tree {
	struct node *nodes; /* owned, sorted in the end */
	size_t n_nodes;
	char **names; /* owned: paths of the parents that were made up */
	size_t n_names;
};

static void tree_clear(struct tree *t)
{
	for (size_t i = 0; i < t->n_names; i++)
		free(t->names[i]);
	free(t->names);
	free(t->nodes);
}

/* Push every parent of @path; duplicates go when the nodes are sorted. */
static void add_parents(struct tree *t, const char *path)
{
	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		char *name = xstrndup(path, (size_t)(s - path));

		*VEC_PUSH(t->names, t->n_names) = name;
		*VEC_PUSH(t->nodes, t->n_nodes) = (struct node){ name, S_IFDIR | 0755, NULL };
	}
}

/* Sort and drop made-up directories that are there twice; a given entry wins over a made-up one. */
static int tree_settle(struct tree *t, struct err *err)
{
	size_t out = 0;

	qsort(t->nodes, t->n_nodes, sizeof(*t->nodes), node_compare);
	for (size_t i = 0; i < t->n_nodes; i++) {
		struct node *last = out ? &t->nodes[out - 1] : NULL, *n = &t->nodes[i];

		if (!last || strcmp(last->path, n->path) != 0) {
			t->nodes[out++] = *n;
			continue;
		}
		if (last->entry && n->entry)
			return err_set(err, ERR_HOST, "initramfs: /%s is given twice", n->path);
		if (!S_ISDIR(last->mode) || !S_ISDIR(n->mode))
			return err_set(err, ERR_HOST, "initramfs: /%s is a directory for others and something else too",
				       n->path);
		if (n->entry)
			*last = *n;
	}
	t->n_nodes = out;
	return 0;
}

/* The entries as nodes, settled. */
static int tree_make(struct tree *t, const struct initramfs_entry *entries, size_t n_entries, struct err *err)
{
	add_parents(t, CONSOLE);
	*VEC_PUSH(t->nodes, t->n_nodes) = (struct node){ CONSOLE, S_IFCHR | 0600, NULL };
	for (size_t i = 0; i < n_entries; i++) {
		if (check_entry(&entries[i], err) < 0)
			return -1;
		add_parents(t, entries[i].path);
		*VEC_PUSH(t->nodes, t->n_nodes) = (struct node){ entries[i].path, entries[i].mode, &entries[i] };
	}
	return tree_settle(t, err);
}

/* The archive into @f, which is closed; @file is for messages. */
static int write_nodes(FILE *f, const char *file, const struct tree *t, struct err *err)
{
	struct archive a = { .f = f, .file = file };
	int rc = 0;

	for (size_t i = 0; i < t->n_nodes && rc == 0; i++)
		rc = put_node(&a, &t->nodes[i], err);
	if (rc == 0)
		rc = put_header(&a, NEWC_TRAILER, 0, 0, err);
	if (fclose(f) != 0 && rc == 0)
		rc = err_set_errno(err, ERR_HOST, "%s", file);
	return rc;
}

int initramfs_write(const char *file, const struct initramfs_entry *entries, size_t n_entries, struct err *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.tmp.%d", file, (int)getpid());
	_cleanup_(tree_clear) struct tree t = { 0 };
	FILE *f;

	if (tree_make(&t, entries, n_entries, err) < 0)
		return -1;
	f = fopen(tmp, "wbe");
	if (!f)
		return err_set_errno(err, ERR_HOST, "%s", tmp);
	setvbuf(f, NULL, _IOFBF, 1 << 18);
	if (write_nodes(f, tmp, &t, err) < 0) {
		unlink(tmp);
		return -1;
	}
	if (rename(tmp, file) < 0) {
		err_set_errno(err, ERR_HOST, "%s", file);
		unlink(tmp);
		return -1;
	}
	return 0;
}

int initramfs_digest(const struct initramfs_entry *entries, size_t n_entries, char ret_hex[SHA256_HEX_SIZE],
		     struct err *err)
{
	_cleanup_(tree_clear) struct tree t = { 0 };
	_cleanup_free_ char *data = NULL;
	size_t len = 0;
	FILE *f;

	if (tree_make(&t, entries, n_entries, err) < 0)
		return -1;
	f = open_memstream(&data, &len);
	if (!f)
		return err_set_errno(err, ERR_HOST, "initramfs");
	if (write_nodes(f, "initramfs", &t, err) < 0)
		return -1;
	sha256_bytes(data, len, ret_hex);
	return 0;
}
