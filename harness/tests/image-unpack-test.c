// SPDX-License-Identifier: GPL-2.0-or-later
/* What kernels and modules are packed in: each way there and back, cut short, and larger than it may be. Packed
 * by libarchive's writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "image/unpack.h"
#include "tests/pipeline.h"

#define PLAIN_LEN 300000
#define MIB (1u << 20)

typedef int add_filter(struct archive *);

static const struct packer {
	const char *name;
	add_filter *add;
} packers[] = {
	{ "gzip", archive_write_add_filter_gzip },
	{ "xz", archive_write_add_filter_xz },
	{ "zstd", archive_write_add_filter_zstd },
	{ "lz4", archive_write_add_filter_lz4 },
};

static char *plain(void)
{
	char *data = xcalloc(1, PLAIN_LEN);
	uint32_t x = 1;

	/* half of it packs, half does not */
	for (size_t i = 0; i < PLAIN_LEN; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = i % 2 ? (char)(x >> 24) : 'a';
	}
	return data;
}

/* @data packed; owned by the caller. */
static char *pack(const struct packer *p, const char *data, size_t len, size_t *ret_len)
{
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t size = len + 65536;
	char *out = xcalloc(1, size);

	assert_true(p->add(a) >= ARCHIVE_WARN);
	archive_write_set_format_raw(a);
	archive_write_set_bytes_per_block(a, 0);
	assert_int_equal(archive_write_open_memory(a, out, size, ret_len), ARCHIVE_OK);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(a, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, data, len), len);
	archive_entry_free(entry);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return out;
}

static void there_and_back(void **state)
{
	_cleanup_free_ char *data = plain();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		size_t packed_len, len;
		_cleanup_free_ char *packed = pack(&packers[i], data, PLAIN_LEN, &packed_len), *out = NULL;
		struct err err = ERR_INIT;

		assert_memory_not_equal(packed, data, 16);
		if (unpack_bytes("m.ko", packed, packed_len, MIB, &out, &len, &err) < 0)
			fail_msg("%s: %s", packers[i].name, err.msg);
		assert_int_equal(len, PLAIN_LEN);
		assert_memory_equal(out, data, len);
	}
}

static void not_packed(void **state)
{
	static const char elf[] = "\177ELF and so on";
	_cleanup_free_ char *out = NULL, *none = NULL;
	size_t len;

	(void)state;
	assert_int_equal(unpack_bytes("m.ko", elf, sizeof(elf), MIB, &out, &len, NULL), 0);
	assert_int_equal(len, sizeof(elf));
	assert_memory_equal(out, elf, len);
	assert_int_equal(unpack_bytes("m.ko", "", 0, MIB, &none, &len, NULL), 0);
	assert_int_equal(len, 0);
}

static void damaged_and_too_large(void **state)
{
	_cleanup_free_ char *data = plain();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		size_t packed_len, len;
		_cleanup_free_ char *packed = pack(&packers[i], data, PLAIN_LEN, &packed_len), *out = NULL;
		struct err err = ERR_INIT;

		/* one byte fewer than it takes, and just enough */
		assert_int_equal(unpack_bytes("m.ko", packed, packed_len, PLAIN_LEN - 1, &out, &len, &err), -1);
		assert_int_equal(err.kind, ERR_HOST);
		assert_non_null(strstr(err.msg, "m.ko: more than 0 MiB when it is unpacked"));
		assert_int_equal(unpack_bytes("m.ko", packed, packed_len, PLAIN_LEN, &out, &len, NULL), 0);
		free(out);
		out = NULL;
		assert_int_equal(unpack_bytes("m.ko", packed, packed_len / 2, MIB, &out, &len, &err), -1);
		if (!strstr(err.msg, "m.ko: does not unpack: "))
			fail_msg("%s: %s", packers[i].name, err.msg);
	}
}

/* As drivers/firmware/efi/libstub/zboot-header.S lays it out. */
static char *zboot(const char *payload, size_t len, uint32_t size, size_t *ret_len)
{
	char *out = xcalloc(1, 4096 + len);

	memcpy(out, "MZ\0\0zimg", 8);
	out[9] = 0x10; /* the payload begins at 4096 */
	for (int i = 0; i < 4; i++)
		out[12 + i] = (char)(size >> 8 * i);
	strcpy(out + 24, "gzip");
	memcpy(out + 4096, payload, len);
	*ret_len = 4096 + len;
	return out;
}

static void kernels(void **state)
{
	char *dir = scratch_make();
	_cleanup_free_ char *image = plain();

	(void)state;
	memcpy(image + 56, "ARM\x64", 4);
	for (size_t i = 0; i < ARRAY_SIZE(packers); i++) {
		size_t packed_len, efi_len, len;
		_cleanup_free_ char *packed = pack(&packers[i], image, PLAIN_LEN, &packed_len);
		_cleanup_free_ char *efi = zboot(packed, packed_len, (uint32_t)packed_len, &efi_len), *out = NULL;
		_cleanup_free_ char *path = scratch_write(dir, "vmlinuz", efi, efi_len), *again = NULL;
		_cleanup_free_ char *whole = scratch_write(dir, "whole", packed, packed_len);
		struct err err = ERR_INIT;

		if (unpack_kernel(path, MIB, &out, &len, &err) < 0)
			fail_msg("%s: %s", packers[i].name, err.msg);
		assert_int_equal(len, PLAIN_LEN);
		assert_memory_equal(out, image, len);
		assert_int_equal(unpack_kernel(whole, MIB, &again, &len, &err), 0);
		assert_memory_equal(again, image, PLAIN_LEN);
	}
	{
		_cleanup_free_ char *path = scratch_write(dir, "Image", image, PLAIN_LEN), *out = NULL;
		size_t len;

		assert_int_equal(unpack_kernel(path, MIB, &out, &len, NULL), 0);
		assert_memory_equal(out, image, PLAIN_LEN);
	}
	scratch_remove(dir);
}

static void payload_outside(void **state)
{
	char *dir = scratch_make();
	size_t len;
	_cleanup_free_ char *efi = zboot("x", 1, UINT32_MAX, &len), *out = NULL;
	_cleanup_free_ char *path = scratch_write(dir, "vmlinuz", efi, len);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(unpack_kernel(path, MIB, &out, &len, &err), -1);
	assert_non_null(strstr(err.msg, "/vmlinuz: an EFI zboot image whose payload lies outside of it"));
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),	 cmocka_unit_test(not_packed),
		cmocka_unit_test(damaged_and_too_large), cmocka_unit_test(kernels),
		cmocka_unit_test(payload_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
