// SPDX-License-Identifier: GPL-2.0-or-later
/* libFuzzer entry: any bytes are a stream that is read within its bounds; what reads as records writes back as the same
 * bytes. The first record is also read with its checksum put right, so that the fuzzer gets behind it. Not built by
 * default.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -Iharness harness/tests/wire-fuzz.c harness/wire/wire.c -o fuzz
 *
 * Without clang: gcc -DFUZZ_MAIN -fsanitize=address,undefined and the same; then ./fuzz ROUNDS SEED [FILE...] mutates a
 * stream of its own and the files, blindly but repeatably. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct wire_record *record, const char *bytes, size_t size)
{
	char *again = malloc(size), text[64];
	uint64_t number;

	for (unsigned int i = 0; i < record->n_fields + 2; i++) {
		wire_text(record, i, text, sizeof(text));
		wire_is(record, i, "ok");
		wire_number(record, i, &number);
	}
	if (wire_put(again, size, record->type, record->sequence, record->time_ns, record->fields, record->n_fields) !=
		    size ||
	    memcmp(again, bytes, size) != 0)
		abort();
	free(again);
}

static void read_stream(const char *data, size_t size)
{
	struct wire_record record;
	size_t offset = 0, start = 0;
	uint32_t n = 0;

	while (wire_next(data, size, &offset, n++, &record) == WIRE_OK) {
		if (offset <= start || offset > size)
			abort();
		use(&record, data + start, offset - start);
		start = offset;
	}
	if (offset != start)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ? size : 1);
	uint32_t crc, length;

	memcpy(copy, data, size);
	read_stream(copy, size);
	if (size >= WIRE_HEAD_SIZE) {
		memcpy(&length, copy + 8, 4);
		if (length > size - WIRE_HEAD_SIZE)
			length = (uint32_t)(size - WIRE_HEAD_SIZE);
		memcpy(copy + 8, &length, 4);
		memset(copy + 24, 0, 8);
		crc = wire_crc32(0, copy, WIRE_HEAD_SIZE + length);
		memcpy(copy + 24, &crc, 4);
		read_stream(copy, size);
	}
	free(copy);
	return 0;
}

#ifdef FUZZ_MAIN

#define INPUT_MAX (64u << 10)

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
	/* xorshift64*, Vigna 2016 */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

static size_t seed_stream(char *buf)
{
	const struct wire_field fields[] = {
		{ "page_fault1", 11 }, { "sample", 6 },	       { "0", 1 },
		{ "after", 5 },	       { "/proc/vmstat", 12 }, { "nr_free_pages 46411\n", 20 }
	};
	size_t n = 0;

	for (uint32_t i = 0; i < 4; i++)
		n += wire_put(buf + n, INPUT_MAX - n, WIRE_FILE, i, i * 1000, fields, 6 - i);
	return n;
}

static size_t mutate(char *s, size_t len)
{
	for (uint64_t edits = 1 + random_below(4); edits && len; edits--) {
		size_t at = random_below(len);

		switch (random_below(4)) {
		case 0:
			s[at] = (char)random_below(256);
			break;
		case 1:
			s[at] ^= (char)(1 << random_below(8));
			break;
		case 2:
			len = at;
			break;
		default: /* a small number into an early field of the head or of the first lengths */
			s[random_below(len < 64 ? len : 64)] = (char)random_below(8);
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	static char seed[INPUT_MAX], input[INPUT_MAX];
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

	random_state = argc > 2 ? strtoull(argv[2], NULL, 10) | 1 : 1;
	for (int i = 2; i < (argc > 3 ? argc : 3); i++) {
		FILE *f = i > 2 ? fopen(argv[i], "rb") : NULL;
		size_t len = f ? fread(seed, 1, sizeof(seed), f) : seed_stream(seed);

		if (f)
			fclose(f);
		for (unsigned long r = 0; r < rounds; r++) {
			memcpy(input, seed, len);
			LLVMFuzzerTestOneInput((const uint8_t *)input, mutate(input, len));
		}
	}
	return 0;
}

#endif
