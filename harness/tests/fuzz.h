/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fuzz targets share. A target is X-fuzz.c: LLVMFuzzerTestOneInput() aborts where a promise is broken. With
 * clang `make fuzz` links it to libFuzzer; `make check` links it to fuzz-main.c, which goes through the kept corpus and
 * repeatable mutations of it. */
#ifndef GRANULE_TESTS_FUZZ_H
#define GRANULE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

/* Larger inputs find nothing that small ones do not. */
#define FUZZ_INPUT_MAX (64u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Folders of inputs, ending with NULL: the target's own, and what lies elsewhere anyway. The first is the corpus that
 * `make fuzz` adds to. */
extern const char *const fuzz_corpus[];
/* How many mutations a `make check` is worth: about a second. */
extern const unsigned int fuzz_rounds;

/* Make the stream @data read as far as it can, in place: each record's magic, sequence, reserved word and checksum put right, a
 * length beyond the end cut down. A fuzzer does not guess checksums, so what is behind them would stay dark. */
static inline void fuzz_repair_stream(char *data, size_t size)
{
	static const char magic[] = "GRN1";
	uint32_t length, crc;

	for (uint32_t n = 0; size >= WIRE_HEAD_SIZE; n++) {
		memcpy(data, magic, 4);
		memcpy(&length, data + 8, 4);
		if (length > size - WIRE_HEAD_SIZE)
			length = (uint32_t)(size - WIRE_HEAD_SIZE);
		memcpy(data + 8, &length, 4);
		memcpy(data + 12, &n, 4);
		memset(data + 24, 0, 8);
		crc = wire_crc32(0, data, WIRE_HEAD_SIZE + length);
		memcpy(data + 24, &crc, 4);
		data += WIRE_HEAD_SIZE + length;
		size -= WIRE_HEAD_SIZE + length;
	}
}

#endif
