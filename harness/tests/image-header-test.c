// SPDX-License-Identifier: GPL-2.0-or-later
/* What an Image says about itself, and what is said about things that are no Image. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "image/header.h"

#define LEN 4096

/* An arm64 Image with these flags and a banner at 1 KiB. */
static unsigned char *make_image(unsigned char flags, const char *banner)
{
	unsigned char *p = xcalloc(1, LEN);

	memcpy(p, "MZ", 2);
	p[24] = flags;
	memcpy(p + 56, "ARM\x64", 4);
	memcpy(p + 1024, banner, strlen(banner));
	return p;
}

static void page_sizes(void **state)
{
	static const struct {
		unsigned char flags;
		uint64_t bytes;
	} cases[] = { { 0x0a, 4096 }, { 0x0c, 16384 }, { 0x0e, 65536 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ unsigned char *p =
			make_image(cases[i].flags, "Linux version 6.12.107-granule (a@b) #1\n");
		_cleanup_(kernel_header_clear) struct kernel_header h = { 0 };
		struct err err = ERR_INIT;

		assert_int_equal(kernel_header_parse("Image", p, LEN, &h, &err), 0);
		assert_int_equal(h.page_bytes, cases[i].bytes);
		assert_string_equal(h.release, "6.12.107-granule");
	}
}

/* The banner's format string comes first in some kernels: it is no release. */
static void banner_after_format(void **state)
{
	_cleanup_free_ unsigned char *p = make_image(0x0a, "Linux version %s (%s)");
	_cleanup_(kernel_header_clear) struct kernel_header h = { 0 };

	(void)state;
	strcpy((char *)p + 2048, "Linux version 7.2.12-arm64 (x@y)");
	assert_int_equal(kernel_header_parse("Image", p, LEN, &h, NULL), 0);
	assert_string_equal(h.release, "7.2.12-arm64");
}

static void compilers(void **state)
{
	static const struct {
		const char *banner, *compiler;
	} cases[] = {
		{ "Linux version 6.12.107-granule (granule@granule) (aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0, "
		  "GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT",
		  "aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40" },
		{ "Linux version 7.2.12 (a@b) (Debian clang version 19.1.7 (3+b1), Debian LLD 19.1.7) #1",
		  "Debian clang version 19.1.7 (3+b1), Debian LLD 19.1.7" },
		{ "Linux version 4.19.0 (a@b) (gcc version 8.3.0 (Debian 8.3.0-6)) #1",
		  "gcc version 8.3.0 (Debian 8.3.0-6)" },
		{ "Linux version 6.1.0 (a@b) #1", NULL },
		{ "Linux version 6.1.0 (a@b) (cut off", NULL },
		{ "Linux version 6.1.0 ", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ unsigned char *p = make_image(0x0a, cases[i].banner);
		_cleanup_(kernel_header_clear) struct kernel_header h = { 0 };

		assert_int_equal(kernel_header_parse("Image", p, LEN, &h, NULL), 0);
		if (cases[i].compiler)
			assert_string_equal(h.compiler, cases[i].compiler);
		else
			assert_null(h.compiler);
	}
}

static void refused(const void *data, size_t len, const char *message)
{
	struct kernel_header h;
	struct err err = ERR_INIT;

	assert_int_equal(kernel_header_parse("/boot/k", data, len, &h, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, message);
}

static void no_image(void **state)
{
	_cleanup_free_ unsigned char *p = xcalloc(1, LEN), *big = make_image(0x0b, "Linux version 6.1.0 (a@b)");
	_cleanup_free_ unsigned char *unsaid = make_image(0x08, "Linux version 6.1.0 (a@b)"),
				     *mute = make_image(0x0a, "");

	(void)state;
	memcpy(p + 0x202, "HdrS", 4);
	refused(p, LEN, "/boot/k: this is an x86 kernel; granule needs an arm64 Image (arch/arm64/boot/Image)");
	memset(p, 0, LEN);
	memcpy(p, "\x1f\x8b\x08", 3);
	refused(p, LEN, "/boot/k: this is compressed with gzip (Image.gz); unpack it first: zcat Image.gz > Image");
	memset(p, 0, LEN);
	memcpy(p, "MZ\0\0zimg", 8);
	refused(p, LEN,
		"/boot/k: this is a compressed EFI image (vmlinuz.efi); granule needs the arm64 Image it was made of "
		"(arch/arm64/boot/Image)");
	memset(p, 0, LEN);
	memcpy(p,
	       "\x7f"
	       "ELF\x02\x01\x01",
	       7);
	p[18] = 183;
	refused(p, LEN,
		"/boot/k: this is an ELF file (vmlinux); granule needs the Image made of it (arch/arm64/boot/Image)");
	p[18] = 62;
	refused(p, LEN,
		"/boot/k: this is an ELF file for another machine (x86-64); granule needs an arm64 Image "
		"(arch/arm64/boot/Image)");
	refused("", 0, "/boot/k: the file is empty");
	refused("hello", 5,
		"/boot/k: not an arm64 kernel: no \"ARM\\x64\" at byte 56; granule needs an arm64 Image "
		"(arch/arm64/boot/Image)");
	refused(big, LEN, "/boot/k: a big-endian kernel; granule's guest programs are little-endian");
	refused(unsaid, LEN, "/boot/k: the Image's header does not say its page size (kernels before 4.6)");
	refused(mute, LEN, "/boot/k: an arm64 Image without a \"Linux version\" banner: cut off, or no Linux");
}

static void no_file(void **state)
{
	struct kernel_header h;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(kernel_header_read("/nonexistent/Image", &h, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "/nonexistent/Image: No such file or directory");
	assert_int_equal(kernel_header_read("/tmp", &h, &err), -1);
	assert_non_null(strstr(err.msg, "/tmp: not a file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_sizes), cmocka_unit_test(banner_after_format),
		cmocka_unit_test(compilers),  cmocka_unit_test(no_image),
		cmocka_unit_test(no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
