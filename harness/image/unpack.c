// SPDX-License-Identifier: GPL-2.0-or-later
/* Decompresses. Writes no file and knows no archive with more than one thing in it. */
#include "image/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdint.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define CHUNK (1u << 18)

/* zboot-header.S: "MZ", "zimg" at 4, then where the compressed Image begins and its length, little-endian. */
#define ZBOOT_TYPE_AT 4
#define ZBOOT_OFFSET_AT 8
#define ZBOOT_SIZE_AT 12
#define ZBOOT_HEADER 64

static void reader_free(struct archive **a)
{
	archive_read_free(*a);
}

static int damaged(const char *what, struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, ERR_HOST, "%s: does not unpack: %s", what, why ? why : "damaged");
}

int unpack_bytes(const char *what, const void *data, size_t len, size_t cap, char **ret_data, size_t *ret_len,
		 struct err *err)
{
	_cleanup_(reader_free) struct archive *a = archive_read_new();
	_cleanup_free_ char *chunk = xcalloc(1, CHUNK);
	_cleanup_(text_free) struct text out = { 0 };
	struct archive_entry *entry;
	la_ssize_t n;
	int rc;

	/* by name: "all" would start programs of the host for some */
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	if (archive_read_open_memory(a, data, len) != ARCHIVE_OK)
		return damaged(what, a, err);
	rc = archive_read_next_header(a, &entry);
	if (rc != ARCHIVE_OK && rc != ARCHIVE_EOF)
		return damaged(what, a, err);
	while (rc == ARCHIVE_OK && (n = archive_read_data(a, chunk, CHUNK)) != 0) {
		if (n < 0)
			return damaged(what, a, err);
		if ((size_t)n > cap - out.len)
			return err_set(err, ERR_HOST, "%s: more than %zu MiB when it is unpacked", what, cap >> 20);
		text_add_bytes(&out, chunk, (size_t)n);
	}
	*ret_len = out.len;
	*ret_data = text_steal(&out);
	return 0;
}

int unpack_file(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len;

	if (file_read(path, cap, &data, &len, err) < 0)
		return -1;
	return unpack_bytes(path, data, len, cap, ret_data, ret_len, err);
}

static uint32_t le32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

int unpack_kernel(const char *path, size_t cap, char **ret_data, size_t *ret_len, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t len, offset, size;

	if (file_read(path, cap, &data, &len, err) < 0)
		return -1;
	if (len < ZBOOT_HEADER || memcmp(data, "MZ", 2) != 0 || memcmp(data + ZBOOT_TYPE_AT, "zimg", 4) != 0)
		return unpack_bytes(path, data, len, cap, ret_data, ret_len, err);
	offset = le32(data + ZBOOT_OFFSET_AT);
	size = le32(data + ZBOOT_SIZE_AT);
	if (offset > len || size > len - offset)
		return err_set(err, ERR_HOST, "%s: an EFI zboot image whose payload lies outside of it", path);
	return unpack_bytes(path, data + offset, size, cap, ret_data, ret_len, err);
}
