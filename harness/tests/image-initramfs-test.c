// SPDX-License-Identifier: GPL-2.0-or-later
/* The newc writer against a reader of its own, written from the kernel's buffer-format document. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "image/initramfs.h"

struct member {
	char name[128];
	uint32_t ino, mode, uid, gid, nlink, mtime, size, rmajor, rminor;
	const char *data;
};

static char dir[] = "/tmp/granule-initramfs-test-XXXXXX";

static uint32_t hex(const char *p)
{
	char word[9] = { 0 };

	memcpy(word, p, 8);
	return (uint32_t)strtoul(word, NULL, 16);
}

/* Every member up to the trailer; fails the test on anything malformed. */
static size_t parse(const char *data, size_t len, struct member *m, size_t max)
{
	size_t off = 0, n = 0;

	for (;;) {
		const char *h = data + off;
		uint32_t name_len;

		assert_int_equal(off % 4, 0);
		assert_true(off + 110 < len);
		assert_memory_equal(h, "070701", 6);
		name_len = hex(h + 6 + 11 * 8);
		assert_true(n < max && name_len < sizeof(m->name) && off + 110 + name_len <= len);
		m[n] = (struct member){ .ino = hex(h + 6),
					.mode = hex(h + 14),
					.uid = hex(h + 22),
					.gid = hex(h + 30),
					.nlink = hex(h + 38),
					.mtime = hex(h + 46),
					.size = hex(h + 54),
					.rmajor = hex(h + 78),
					.rminor = hex(h + 86) };
		memcpy(m[n].name, h + 110, name_len);
		assert_int_equal(m[n].name[name_len - 1], '\0');
		assert_int_equal(hex(h + 102), 0);
		off = (off + 110 + name_len + 3) & ~(size_t)3;
		if (strcmp(m[n].name, "TRAILER!!!") == 0) {
			assert_int_equal(off, len);
			return n;
		}
		m[n].data = data + off;
		off = (off + m[n].size + 3) & ~(size_t)3;
		assert_true(off <= len);
		n++;
	}
}

static void check_contents(void **state)
{
	_cleanup_free_ char *host = path_join(dir, "host"), *out = path_join(dir, "x.cpio"), *data = NULL;
	struct initramfs_entry entries[] = {
		{ "init", S_IFREG | 0755, host, NULL, 0 },     { "etc/one", S_IFREG | 0644, NULL, "12345", 5 },
		{ "bin", S_IFLNK | 0777, NULL, "usr/bin", 7 }, { "usr/bin", S_IFDIR | 0700, NULL, NULL, 0 },
		{ "empty", S_IFREG | 0600, NULL, NULL, 0 },
	};
	static const char *const names[] = { "bin",	"dev",	"dev/console", "empty",	 "etc",
					     "etc/one", "init", "usr",	       "usr/bin" };
	struct member m[16];
	struct err err = ERR_INIT;
	size_t len;

	(void)state;
	assert_int_equal(file_write_atomic(host, "#!agent\n", 8, &err), 0);
	assert_int_equal(initramfs_write(out, entries, ARRAY_SIZE(entries), &err), 0);
	assert_int_equal(file_read(out, 1 << 20, &data, &len, &err), 0);
	assert_int_equal(parse(data, len, m, 16), ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_string_equal(m[i].name, names[i]);
		assert_int_equal(m[i].ino, i + 1);
		assert_int_equal(m[i].mtime | m[i].uid | m[i].gid, 0);
	}
	assert_int_equal(m[0].mode, S_IFLNK | 0777);
	assert_memory_equal(m[0].data, "usr/bin", 7);
	assert_int_equal(m[1].mode, S_IFDIR | 0755);
	assert_int_equal(m[2].mode, S_IFCHR | 0600);
	assert_int_equal(m[2].rmajor, 5);
	assert_int_equal(m[2].rminor, 1);
	assert_int_equal(m[3].size, 0);
	assert_int_equal(m[5].size, 5);
	assert_memory_equal(m[5].data, "12345", 5);
	assert_int_equal(m[6].mode, S_IFREG | 0755);
	assert_memory_equal(m[6].data, "#!agent\n", 8);
	assert_int_equal(m[8].mode, S_IFDIR | 0700); /* the given directory, not the made-up one */
}

/* Order of the entries, the file's time and the moment of writing must not show. */
static void same_bytes(void **state)
{
	_cleanup_free_ char *host = path_join(dir, "host2"), *a = path_join(dir, "a.cpio"),
			    *b = path_join(dir, "b.cpio");
	struct initramfs_entry x = { "init", S_IFREG | 0755, host, NULL, 0 };
	struct initramfs_entry y = { "zeta/job", S_IFREG | 0644, NULL, "job", 3 };
	struct initramfs_entry forth[] = { x, y }, back[] = { y, x };
	struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	char sha_a[SHA256_HEX_SIZE], sha_b[SHA256_HEX_SIZE], unwritten[SHA256_HEX_SIZE];
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(file_write_atomic(host, "agent", 5, &err), 0);
	assert_int_equal(initramfs_write(a, forth, 2, &err), 0);
	assert_int_equal(utimensat(AT_FDCWD, host, old, 0), 0);
	assert_int_equal(chmod(host, 0600), 0);
	assert_int_equal(initramfs_write(b, back, 2, &err), 0);
	assert_int_equal(sha256_file(a, sha_a, &err), 0);
	assert_int_equal(sha256_file(b, sha_b, &err), 0);
	assert_string_equal(sha_a, sha_b);
	assert_int_equal(initramfs_digest(back, 2, unwritten, &err), 0);
	assert_string_equal(unwritten, sha_a);
	/* Golden: a change of the layout changes every cell's identity, so it must be noticed. */
	assert_string_equal(sha_a, "d2555dfffd3e66992bacd7f1a395303128b26c565a5bb2ebe8ea6de006762474");
}

static void refused(const struct initramfs_entry *e, size_t n, const char *needle)
{
	_cleanup_free_ char *out = path_join(dir, "refused.cpio");
	struct err err = ERR_INIT;

	assert_int_equal(initramfs_write(out, e, n, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, needle));
	assert_false(path_exists(out));
}

static void bad_entries(void **state)
{
	struct initramfs_entry twice[] = { { "a", S_IFREG | 0644, NULL, "1", 1 },
					   { "a", S_IFREG | 0644, NULL, "2", 1 } };
	struct initramfs_entry under[] = { { "a", S_IFREG | 0644, NULL, "1", 1 },
					   { "a/b", S_IFREG | 0644, NULL, "2", 1 } };
	struct initramfs_entry gone = { "init", S_IFREG | 0755, "/nonexistent/agent", NULL, 0 };
	struct initramfs_entry root = { "/init", S_IFREG | 0755, NULL, "x", 1 };
	struct initramfs_entry up = { "a/../b", S_IFREG | 0755, NULL, "x", 1 };
	struct initramfs_entry folder = { "init", S_IFREG | 0755, "/tmp", NULL, 0 };

	(void)state;
	refused(twice, 2, "/a is given twice");
	refused(under, 2, "/a is a directory for others");
	refused(&gone, 1, "/init from /nonexistent/agent: No such file");
	refused(&root, 1, "not a path inside");
	refused(&up, 1, "not a path inside");
	refused(&folder, 1, "not a regular file");
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return remove_tree(dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_contents),
		cmocka_unit_test(same_bytes),
		cmocka_unit_test(bad_entries),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
