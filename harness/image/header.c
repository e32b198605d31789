// SPDX-License-Identifier: GPL-2.0-or-later
/* Recognises arm64 Images, and names the things that people take for one. Boots nothing, knows no cache. */
#include "image/header.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"

#define MAGIC_OFFSET 56
#define FLAGS_OFFSET 24
#define HEADER_LEN 64
#define FLAG_BIG_ENDIAN 1u
#define BANNER "Linux version "
#define BANNER_MAX 512

void kernel_header_clear(struct kernel_header *header)
{
	free(header->release);
	free(header->compiler);
	header->release = header->compiler = NULL;
}

/* Byte patterns of what is not an Image. */
static const struct lookalike {
	size_t offset;
	const char *magic;
	size_t len;
	const char *what;
} lookalikes[] = {
	{ 0x202, "HdrS", 4, "this is an x86 kernel; granule needs an arm64 Image (arch/arm64/boot/Image)" },
	{ 4, "zimg", 4,
	  "this is a compressed EFI image (vmlinuz.efi); granule needs the arm64 Image it was made of "
	  "(arch/arm64/boot/Image)" },
	{ 0, "\x1f\x8b", 2, "this is compressed with gzip (Image.gz); unpack it first: zcat Image.gz > Image" },
	{ 0, "\x28\xb5\x2f\xfd", 4, "this is compressed with zstd; unpack it first: zstdcat Image.zst > Image" },
	{ 0,
	  "\xfd"
	  "7zXZ",
	  5, "this is compressed with xz; unpack it first: xzcat Image.xz > Image" },
	{ 0, "\x04\x22\x4d\x18", 4, "this is compressed with lz4; unpack it first: lz4cat Image.lz4 > Image" },
	{ 0, "\x02\x21\x4c\x18", 4, "this is compressed with lz4; unpack it first: lz4cat Image.lz4 > Image" },
	{ 0x24, "\x18\x28\x6f\x01", 4, "this is a 32-bit Arm kernel (zImage); granule needs an arm64 Image" },
	{ 0x30, "RISCV", 5, "this is a RISC-V kernel; granule needs an arm64 Image (arch/arm64/boot/Image)" },
	{ 0, "!<arch>\n", 8, "this is a Debian package; give the Image in it, or the package by name" },
};

static int refuse_elf(const char *path, const unsigned char *data, size_t len, struct err *err)
{
	unsigned machine = len > 19 ? data[18] | data[19] << 8 : 0;

	if (machine == EM_AARCH64)
		return err_set(err, ERR_CONFIG,
			       "%s: this is an ELF file (vmlinux); granule needs the Image made of it "
			       "(arch/arm64/boot/Image)",
			       path);
	return err_set(err, ERR_CONFIG,
		       "%s: this is an ELF file for another machine%s; granule needs an arm64 Image "
		       "(arch/arm64/boot/Image)",
		       path, machine == EM_X86_64 ? " (x86-64)" : "");
}

static int refuse(const char *path, const unsigned char *data, size_t len, struct err *err)
{
	if (len == 0)
		return err_set(err, ERR_CONFIG, "%s: the file is empty", path);
	if (len > SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0)
		return refuse_elf(path, data, len, err);
	for (size_t i = 0; i < ARRAY_SIZE(lookalikes); i++) {
		const struct lookalike *l = &lookalikes[i];

		if (len >= l->offset + l->len && memcmp(data + l->offset, l->magic, l->len) == 0)
			return err_set(err, ERR_CONFIG, "%s: %s", path, l->what);
	}
	return err_set(err, ERR_CONFIG,
		       "%s: not an arm64 kernel: no \"ARM\\x64\" at byte 56; granule needs an arm64 "
		       "Image (arch/arm64/boot/Image)",
		       path);
}

/* The length of the parenthesis that begins at @p, up to its own end; 0 if there is none. Names have more inside:
 * "(gcc (Debian 12.2.0-14) 12.2.0, GNU ld (GNU Binutils for Debian) 2.40)". */
static size_t parenthesis(const char *p, const char *end)
{
	int depth = 0;

	for (const char *q = p; q < end && q - p < BANNER_MAX && *q >= ' '; q++) {
		depth += (*q == '(') - (*q == ')');
		if (depth == 0)
			return *p == '(' ? (size_t)(q - p) + 1 : 0;
	}
	return 0;
}

/* @rest: what follows the release, " (user@host) (COMPILER, LINKER) #1 SMP ...". */
static char *find_compiler(const char *rest, const char *end)
{
	size_t who = rest + 1 < end ? parenthesis(rest + 1, end) : 0, tools;
	const char *p = rest + 1 + who + 1;

	if (!who || p >= end || p[-1] != ' ')
		return NULL;
	tools = parenthesis(p, end);
	return tools > 2 ? xstrndup(p + 1, tools - 2) : NULL;
}

/* The banner "Linux version 6.12.107 (user@host) ..."; the same words without a number are a format string. */
static char *find_release(const char *data, size_t len, char **ret_compiler)
{
	const char *end = data + len;

	for (const char *p = data; (p = memmem(p, (size_t)(end - p), BANNER, strlen(BANNER))); p++) {
		const char *from = p + strlen(BANNER), *to = from;

		/* it becomes a part of paths */
		while (to < end && to - from < 64 && *to > ' ' && *to < 0x7f && *to != '/')
			to++;
		if (to < end && *to == ' ' && isdigit((unsigned char)*from)) {
			*ret_compiler = find_compiler(to, end);
			return xstrndup(from, (size_t)(to - from));
		}
	}
	return NULL;
}

int kernel_header_parse(const char *path, const void *data, size_t len, struct kernel_header *ret_header,
			struct err *err)
{
	static const uint64_t pages[] = { 0, 4096, 16384, 65536 };
	const unsigned char *p = data;
	char *release, *compiler = NULL;
	unsigned flags;

	if (len < HEADER_LEN || memcmp(p + MAGIC_OFFSET, "ARM\x64", 4) != 0)
		return refuse(path, p, len, err);
	flags = p[FLAGS_OFFSET]; /* little-endian in both kinds of kernel */
	if (flags & FLAG_BIG_ENDIAN)
		return err_set(err, ERR_CONFIG, "%s: a big-endian kernel; granule's guest programs are little-endian",
			       path);
	if (!pages[flags >> 1 & 3])
		return err_set(err, ERR_CONFIG,
			       "%s: the Image's header does not say its page size (kernels before 4.6)", path);
	release = find_release(data, len, &compiler);
	if (!release)
		return err_set(err, ERR_CONFIG,
			       "%s: an arm64 Image without a \"Linux version\" banner: cut off, or no "
			       "Linux",
			       path);
	*ret_header =
		(struct kernel_header){ .page_bytes = pages[flags >> 1 & 3], .release = release, .compiler = compiler };
	return 0;
}

int kernel_header_read(const char *path, struct kernel_header *ret_header, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *map;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, ERR_CONFIG, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFIG, "%s: not a file; granule needs an arm64 Image (arch/arm64/boot/Image)",
			       path);
	if (st.st_size == 0)
		return kernel_header_parse(path, "", 0, ret_header, err);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_set_errno(err, ERR_HOST, "%s", path);
	rc = kernel_header_parse(path, map, (size_t)st.st_size, ret_header, err);
	munmap(map, (size_t)st.st_size);
	return rc;
}
