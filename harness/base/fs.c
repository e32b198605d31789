// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/mem.h"

int file_read(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *data = NULL;
	size_t len = 0, room = 4096;

	if (fd < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	data = xcalloc(room, 1);
	for (;;) {
		ssize_t n = read(fd, data + len, room - len - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_HOST, "%s", path);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > cap)
			return err_set(err, ERR_HOST, "%s: larger than %zu bytes", path, cap);
		if (len + 1 == room) {
			room *= 2;
			data = xrealloc(data, room, 1);
		}
	}
	data[len] = '\0';
	*ret_data = steal_ptr(data);
	if (ret_len)
		*ret_len = len;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int fsync_dir(const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

static int write_renamed(const char *path, const void *data, size_t len, bool sync, struct err *err)
{
	_cleanup_free_ char *tmp = xasprintf("%s.tmp.%d", path, (int)getpid());
	_cleanup_close_ int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set_errno(err, ERR_HOST, "%s", tmp);
	if (write_all(fd, data, len) < 0 || (sync && fsync(fd) < 0)) {
		err_set_errno(err, ERR_HOST, "%s", tmp);
		unlink(tmp);
		return -1;
	}
	if (rename(tmp, path) < 0) {
		err_set_errno(err, ERR_HOST, "%s", path);
		unlink(tmp);
		return -1;
	}
	return 0;
}

int file_write(const char *path, const void *data, size_t len, struct err *err)
{
	return write_renamed(path, data, len, false, err);
}

int file_write_atomic(const char *path, const void *data, size_t len, struct err *err)
{
	_cleanup_free_ char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (write_renamed(path, data, len, true, err) < 0)
		return -1;
	if (!slash)
		return fsync_dir(".", err);
	slash[slash == dir] = '\0';
	return fsync_dir(dir, err);
}

int file_append(const char *path, const void *data, size_t len, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write_all(fd, data, len) < 0 || fsync(fd) < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	return 0;
}

int make_dirs(const char *path, struct err *err)
{
	_cleanup_free_ char *p = xstrdup(path);

	for (char *s = p + 1;; s++) {
		char c = *s;

		if (c != '/' && c != '\0')
			continue;
		*s = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return err_set_errno(err, ERR_HOST, "cannot make directory %s", p);
		*s = c;
		if (!c)
			break;
	}
	if (!path_is_dir(path))
		return err_set(err, ERR_HOST, "%s: exists and is not a directory", path);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

char *scratch_dir(struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *dir = xasprintf("%s/granule-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (mkdtemp(dir))
		return steal_ptr(dir);
	err_set_errno(err, ERR_HOST, "%s", dir);
	return NULL;
}

void fts_end(FTS **fts)
{
	if (*fts)
		fts_close(*fts);
}

int remove_tree(const char *path, struct err *err)
{
	if (nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
		return err_set_errno(err, ERR_HOST, "cannot remove %s", path);
	return 0;
}

bool path_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

bool path_is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return xasprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

char *path_absolute(const char *path)
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return xstrdup(path);
	if (!getcwd(cwd, sizeof(cwd)))
		return xstrdup(path);
	return path_join(cwd, path);
}

int lock_file(const char *path, bool wait, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0) {
		if (errno == EINTR && wait)
			continue;
		if (errno == EWOULDBLOCK && !wait) {
			close(fd);
			err_set(err, ERR_HOST, "%s: held by another process", path);
			return -2;
		}
		err_set_errno(err, ERR_HOST, "%s: flock", path);
		close(fd);
		return -1;
	}
	return fd;
}

uint64_t disk_free_bytes(const char *path)
{
	struct statvfs v;

	if (statvfs(path, &v) < 0)
		return 0;
	return (uint64_t)v.f_bavail * v.f_frsize;
}

char *cache_dir(void)
{
	const char *own = getenv("GRANULE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (own && *own)
		return path_absolute(own);
	if (xdg && *xdg)
		return path_join(xdg, "granule");
	return path_join(home && *home ? home : "/tmp", ".cache/granule");
}
