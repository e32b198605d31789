// SPDX-License-Identifier: GPL-2.0-or-later
/* One pass over a tar. Knows no package, no image and no guest. */
#include "image/rootfs-tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define HEAD_BYTES (64u << 10)
#define PAGE_MAX_BYTES (64u << 10)
#define FILE_MAX_BYTES (64u << 20) /* of one that a recipe brings */
#define OFFENDERS_SHOWN 20
#define EPOCH 1577836800 /* 2020-01-01, the guests' date; the image has one time for all */
#define MASTERS "/usr/share/base-passwd/"

enum elf_verdict elf_look(const void *data, size_t len, uint64_t *ret_align)
{
	const unsigned char *bytes = data;
	Elf64_Ehdr head;

	*ret_align = 0;
	if (len < EI_NIDENT || memcmp(bytes, ELFMAG, SELFMAG) != 0)
		return ELF_NONE;
	if (bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB)
		return ELF_FOREIGN;
	if (len < sizeof(head))
		return ELF_UNKNOWN;
	memcpy(&head, bytes, sizeof(head));
	if (head.e_type != ET_EXEC && head.e_type != ET_DYN)
		return ELF_NONE;
	if (head.e_machine != EM_AARCH64)
		return ELF_FOREIGN;
	if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phoff > len ||
	    (uint64_t)head.e_phnum * sizeof(Elf64_Phdr) > len - head.e_phoff)
		return ELF_UNKNOWN;
	for (size_t i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr segment;

		memcpy(&segment, bytes + head.e_phoff + i * sizeof(segment), sizeof(segment));
		if (segment.p_type == PT_LOAD && segment.p_align < PAGE_MAX_BYTES &&
		    (!*ret_align || segment.p_align < *ret_align))
			*ret_align = segment.p_align ? segment.p_align : 1;
	}
	return *ret_align ? ELF_NARROW : ELF_FITS;
}

void rootfs_tree_clear(struct rootfs_tree *tree)
{
	for (size_t i = 0; i < tree->narrow.n; i++)
		free(tree->narrow.v[i]);
	free(tree->narrow.v);
	*tree = (struct rootfs_tree){ 0 };
}

/* What mmdebstrap takes from the host that it runs on, or makes for a chroot there. */
static const char *const host_made[] = { "/dev/*", "/etc/resolv.conf", "/etc/hostname", "/etc/apt", "/etc/apt/*" };

struct pass {
	const struct rootfs_recipe *recipe;
	struct rootfs_tree *tree;
	struct archive *in, *out; /* owned */
	const char *from, *to;
	char *passwd, *group; /* owned: base-passwd's masters */
	char **names;	      /* owned: paths in the out tar that recipe things may meet */
	size_t n_names;
	struct text offenders;
	size_t n_offenders;
	unsigned char head[HEAD_BYTES];
};

static void pass_clear(struct pass *p)
{
	archive_read_free(p->in);
	archive_write_free(p->out);
	free(p->passwd);
	free(p->group);
	for (size_t i = 0; i < p->n_names; i++)
		free(p->names[i]);
	free(p->names);
	text_free(&p->offenders);
}

static void entry_free(struct archive_entry **entry)
{
	archive_entry_free(*entry);
}

static int in_error(const struct pass *p, struct err *err)
{
	return err_set(err, ERR_HOST, "%s: %s", p->from, archive_error_string(p->in));
}

static int out_error(const struct pass *p, struct err *err)
{
	return err_set(err, ERR_HOST, "%s: %s", p->to, archive_error_string(p->out));
}

/* Whether a glob matches @path or a folder that it is in. */
static bool matches(const struct string_list *globs, const char *path)
{
	for (size_t i = 0; i < globs->n; i++) {
		_cleanup_free_ char *below = xasprintf("%s/*", globs->v[i]);

		if (fnmatch(globs->v[i], path, 0) == 0 || fnmatch(below, path, 0) == 0)
			return true;
	}
	return false;
}

static bool is_dropped(const struct pass *p, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(host_made); i++)
		if (fnmatch(host_made[i], path, 0) == 0)
			return true;
	/* a file that the recipe brings replaces the package's */
	for (size_t i = 0; i < p->recipe->n_files; i++)
		if (!strcmp(p->recipe->files[i].path, path))
			return true;
	return matches(&p->recipe->drop, path) && !matches(&p->recipe->keep, path);
}

/* "./usr/bin/" -> "/usr/bin"; the root itself is "/". */
static char *plain_path(const char *name)
{
	_cleanup_free_ char *path = NULL;
	size_t len;

	while (starts_with(name, "./"))
		name += 2;
	path = strcmp(name, ".") ? xasprintf("/%s", name) : xstrdup("/");
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	return steal_ptr(path);
}

static void offend(struct pass *p, const char *path, const char *why)
{
	if (p->n_offenders++ < OFFENDERS_SHOWN)
		text_add(&p->offenders, "\n  %s: %s", path, why);
}

static void judge(struct pass *p, const char *path, size_t len)
{
	uint64_t align;
	char size[24];

	switch (elf_look(p->head, len, &align)) {
	case ELF_NONE:
	case ELF_FITS:
		return;
	case ELF_FOREIGN:
		offend(p, path, "not a program for arm64");
		return;
	case ELF_UNKNOWN:
		offend(p, path, "its ELF program headers are not where they can be checked");
		return;
	case ELF_NARROW:
		break;
	}
	size_format(align, size);
	if (matches(&p->recipe->unaligned, path)) {
		*VEC_PUSH(p->tree->narrow.v, p->tree->narrow.n) = xasprintf("%s (%s)", path, size);
		return;
	}
	_cleanup_free_ char *why = xasprintf("a segment is aligned to %s, so no 64K kernel can run it", size);

	offend(p, path, why);
}

static bool is_master(const char *path, const char *name)
{
	return starts_with(path, MASTERS) && !strcmp(path + strlen(MASTERS), name);
}

/* The contents of one regular file, and a look at them. */
static int copy_data(struct pass *p, const char *path, uint64_t size, struct err *err)
{
	static const char *const masters[] = { "passwd.master", "group.master" };
	char **texts[] = { &p->passwd, &p->group };
	size_t have = 0;
	bool looked = false;

	for (;;) {
		unsigned char *to = looked ? p->head : p->head + have;
		la_ssize_t n = archive_read_data(p->in, to, looked ? HEAD_BYTES : HEAD_BYTES - have);

		if (n < 0)
			return in_error(p, err);
		if (n > 0 && archive_write_data(p->out, to, (size_t)n) != n)
			return out_error(p, err);
		if (looked && n == 0)
			return 0;
		have += looked ? 0 : (size_t)n;
		if (looked || (n > 0 && have < HEAD_BYTES))
			continue;
		looked = true;
		judge(p, path, have);
		for (size_t i = 0; i < ARRAY_SIZE(masters); i++)
			if (is_master(path, masters[i]) && have == size)
				*texts[i] = xstrndup((const char *)p->head, have);
		if (n == 0)
			return 0;
	}
}

static int take_entry(struct pass *p, struct archive_entry *entry, struct err *err)
{
	const char *name = archive_entry_pathname(entry), *link = archive_entry_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);
	uint64_t size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry) : 0;
	_cleanup_free_ char *path = NULL, *target = NULL;

	if (!name)
		return err_set(err, ERR_HOST, "%s: an entry without a name", p->from);
	path = plain_path(name);
	if (is_dropped(p, path)) {
		p->tree->dropped_bytes += type == AE_IFREG && !link ? size : 0;
		return 0;
	}
	if (link) {
		target = plain_path(link);
		if (is_dropped(p, target))
			return err_set(err, ERR_CONFIG,
				       "%s is a hard link to %s, which a rule drops; drop both, or keep both", path,
				       target);
	}
	archive_entry_set_mtime(entry, EPOCH, 0);
	archive_entry_unset_atime(entry);
	archive_entry_unset_ctime(entry);
	archive_entry_xattr_clear(entry);
	archive_entry_acl_clear(entry);
	if (archive_write_header(p->out, entry) < ARCHIVE_WARN)
		return out_error(p, err);
	*VEC_PUSH(p->names, p->n_names) = steal_ptr(path);
	p->tree->files++;
	p->tree->bytes += type == AE_IFREG && !link ? size : 0;
	return type == AE_IFREG && !link ? copy_data(p, p->names[p->n_names - 1], size, err) : 0;
}

static bool is_there(const struct pass *p, const char *path)
{
	for (size_t i = 0; i < p->n_names; i++)
		if (!strcmp(p->names[i], path))
			return true;
	return false;
}

/* One entry more: a file with @data, or a folder (@data NULL). */
static int put(struct pass *p, const char *path, mode_t mode, uint64_t uid, const void *data, size_t len,
	       struct err *err)
{
	_cleanup_(entry_free) struct archive_entry *entry = archive_entry_new();
	_cleanup_free_ char *name = xasprintf(".%s", path);

	archive_entry_set_pathname(entry, name);
	archive_entry_set_mode(entry, (data ? AE_IFREG : AE_IFDIR) | mode);
	archive_entry_set_uid(entry, (la_int64_t)uid);
	archive_entry_set_gid(entry, (la_int64_t)uid);
	archive_entry_set_mtime(entry, EPOCH, 0);
	archive_entry_set_size(entry, (la_int64_t)len);
	if (archive_write_header(p->out, entry) < ARCHIVE_WARN ||
	    (len && archive_write_data(p->out, data, len) != (la_ssize_t)len))
		return out_error(p, err);
	*VEC_PUSH(p->names, p->n_names) = xstrdup(path);
	p->tree->files++;
	p->tree->bytes += len;
	return 0;
}

/* The folders that @path is in, where they are not there; not through links such as /bin, which packages bring. */
static int put_parents(struct pass *p, const char *path, struct err *err)
{
	for (const char *s = strchr(path + 1, '/'); s; s = strchr(s + 1, '/')) {
		_cleanup_free_ char *folder = xstrndup(path, (size_t)(s - path));

		if (!is_there(p, folder) && put(p, folder, 0755, 0, NULL, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int put_file(struct pass *p, const char *path, mode_t mode, uint64_t uid, const char *data, size_t len,
		    struct err *err)
{
	return put_parents(p, path, err) < 0 ? -1 : put(p, path, mode, uid, data, len, err);
}

static uint64_t uid_of(const struct rootfs_recipe *r, const char *name)
{
	for (size_t i = 0; i < r->n_users; i++)
		if (!strcmp(r->users[i].name, name))
			return r->users[i].uid;
	return 0;
}

/* Mount points, which are no package's, and folders that all may write. */
static const struct {
	const char *path;
	mode_t mode;
} folders[] = { { "/dev", 0755 }, { "/proc", 0555 }, { "/sys", 0555 }, { "/run", 0755 }, { "/tmp", 01777 } };

static int put_folders(struct pass *p, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (!is_there(p, folders[i].path) && put(p, folders[i].path, folders[i].mode, 0, NULL, 0, err) < 0)
			return -1;
	return 0;
}

/* base-passwd's maintainer script would copy its masters, and useradd add the users. */
static int put_users(struct pass *p, struct err *err)
{
	const struct rootfs_recipe *r = p->recipe;
	_cleanup_(text_free) struct text passwd = { 0 }, group = { 0 };

	text_add(&passwd, "%s", p->passwd ? p->passwd : "root:x:0:0:root:/root:/bin/sh\n");
	text_add(&group, "%s", p->group ? p->group : "root:x:0:\n");
	for (size_t i = 0; i < r->n_users; i++) {
		const struct rootfs_user *u = &r->users[i];

		text_add(&passwd, "%s:x:%llu:%llu::%s:/bin/sh\n", u->name, (unsigned long long)u->uid,
			 (unsigned long long)u->uid, u->home);
		text_add(&group, "%s:x:%llu:\n", u->name, (unsigned long long)u->uid);
	}
	if (put_file(p, "/etc/passwd", 0644, 0, passwd.s, passwd.len, err) < 0 ||
	    put_file(p, "/etc/group", 0644, 0, group.s, group.len, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_users; i++) {
		const struct rootfs_user *u = &r->users[i];

		if (!strcmp(u->home, "/nonexistent"))
			continue;
		if (put_parents(p, u->home, err) < 0 || put(p, u->home, 0755, u->uid, NULL, 0, err) < 0)
			return -1;
	}
	return 0;
}

static int put_files(struct pass *p, struct err *err)
{
	for (size_t i = 0; i < p->recipe->n_files; i++) {
		const struct rootfs_file *f = &p->recipe->files[i];
		_cleanup_free_ char *data = NULL;
		struct text text = { 0 };
		size_t len = 0;

		for (size_t l = 0; l < f->lines.n; l++)
			text_add(&text, "%s\n", f->lines.v[l]);
		if (f->from && file_read(f->from, FILE_MAX_BYTES, &data, &len, err) < 0) {
			if (err)
				err->kind = ERR_CONFIG;
			return err_wrap(err, "file '%s'", f->path);
		}
		if (!f->from) {
			len = text.len;
			data = text_steal(&text);
		}
		if (put_file(p, f->path, f->executable ? 0755 : 0644, uid_of(p->recipe, f->owner), data, len, err) < 0)
			return -1;
	}
	return 0;
}

static int open_both(struct pass *p, struct err *err)
{
	p->in = archive_read_new();
	p->out = archive_write_new();
	if (!p->in || !p->out)
		abort();
	archive_read_support_format_tar(p->in);
	archive_write_set_format_pax_restricted(p->out);
	if (archive_read_open_filename(p->in, p->from, 1 << 18) != ARCHIVE_OK)
		return in_error(p, err);
	return archive_write_open_filename(p->out, p->to) == ARCHIVE_OK ? 0 : out_error(p, err);
}

static int run(struct pass *p, struct err *err)
{
	struct archive_entry *entry;
	int rc;

	if (open_both(p, err) < 0)
		return -1;
	while ((rc = archive_read_next_header(p->in, &entry)) == ARCHIVE_OK || rc == ARCHIVE_WARN)
		if (take_entry(p, entry, err) < 0)
			return -1;
	if (rc != ARCHIVE_EOF)
		return in_error(p, err);
	if (p->n_offenders)
		return err_set(err, ERR_CONFIG, "%zu programs could not run in every guest; drop them by a rule:%s%s",
			       p->n_offenders, p->offenders.s, p->n_offenders > OFFENDERS_SHOWN ? "\n  ..." : "");
	if (put_folders(p, err) < 0 || put_users(p, err) < 0 || put_files(p, err) < 0)
		return -1;
	return archive_write_close(p->out) == ARCHIVE_OK ? 0 : out_error(p, err);
}

int rootfs_tar_make(const char *from, const char *to, const struct rootfs_recipe *recipe, struct rootfs_tree *ret_tree,
		    struct err *err)
{
	_cleanup_(rootfs_tree_clear) struct rootfs_tree tree = { 0 };
	_cleanup_free_ struct pass *p = xcalloc(1, sizeof(*p));
	int rc;

	p->recipe = recipe;
	p->tree = &tree;
	p->from = from;
	p->to = to;
	rc = run(p, err);
	pass_clear(p);
	if (rc < 0)
		return -1;
	*ret_tree = tree;
	tree = (struct rootfs_tree){ 0 };
	return 0;
}
