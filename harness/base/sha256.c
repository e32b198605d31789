// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>

#include "base/mem.h"

static void finish(struct sha256_ctx *ctx, char ret_hex[SHA256_HEX_SIZE])
{
	uint8_t digest[SHA256_DIGEST_SIZE];

	sha256_digest(ctx, sizeof(digest), digest);
	base16_encode_update(ret_hex, sizeof(digest), digest);
	ret_hex[SHA256_HEX_SIZE - 1] = '\0';
}

void sha256_bytes(const void *data, size_t len, char ret_hex[SHA256_HEX_SIZE])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, len, data);
	finish(&ctx, ret_hex);
}

int sha256_file(const char *path, char ret_hex[SHA256_HEX_SIZE], struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct sha256_ctx ctx;
	uint8_t buf[65536];

	if (fd < 0)
		return err_set_errno(err, ERR_HOST, "%s", path);
	sha256_init(&ctx);
	for (;;) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, ERR_HOST, "%s", path);
		if (n == 0)
			break;
		sha256_update(&ctx, (size_t)n, buf);
	}
	finish(&ctx, ret_hex);
	return 0;
}
