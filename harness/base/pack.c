// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/pack.h"

#include <zstd.h>

#include "base/mem.h"

int pack(const void *data, size_t len, int level, char **ret, size_t *ret_len, struct err *err)
{
	size_t room = ZSTD_compressBound(len), n;
	_cleanup_free_ char *out = xcalloc(room, 1);
	ZSTD_CCtx *z = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(z, out, room, data, len);
	ZSTD_freeCCtx(z);
	if (ZSTD_isError(n))
		return err_set(err, ERR_HOST, "zstd: %s", ZSTD_getErrorName(n));
	*ret = steal_ptr(out);
	*ret_len = n;
	return 0;
}

char *unpack(const void *frame, size_t len, size_t max, size_t *ret_len)
{
	unsigned long long size = ZSTD_getFrameContentSize(frame, len);
	_cleanup_free_ char *out = NULL;

	/* both constants for "unknown" are larger than any size */
	if (size > max)
		return NULL;
	out = xcalloc((size_t)size + 1, 1);
	if (ZSTD_decompress(out, (size_t)size, frame, len) != size)
		return NULL;
	*ret_len = (size_t)size;
	return steal_ptr(out);
}
