// SPDX-License-Identifier: GPL-2.0-or-later
/* Records: golden bytes, both ways, torn at every byte, every bit flipped, lengths that lie, gaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire/wire.h"

static const struct wire_field step_fields[] = { { "sample", 6 }, { "page_fault1", 11 }, { "2", 1 } };

static void crc_is_the_usual_one(void **state)
{
	char bytes[64];

	(void)state;
	assert_int_equal(wire_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(wire_crc32(wire_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(wire_crc32(0, "", 0), 0);
	/* however it is cut, eight bytes at a time or one */
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 151 + 7);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		uint32_t single = 0;

		for (size_t i = 0; i < len; i++)
			single = wire_crc32(single, bytes + i, 1);
		assert_int_equal(wire_crc32(0, bytes, len), single);
		assert_int_equal(wire_crc32(wire_crc32(0, bytes, len / 3), bytes + len / 3, len - len / 3), single);
	}
}

/* Computed by zlib and struct.pack of Python. */
static void golden_bytes(void **state)
{
	static const unsigned char golden[] = {
		0x47, 0x52, 0x4e, 0x31, 0x02, 0x00, 0x03, 0x00, 0x1e, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
		0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x58, 0xea, 0xa7, 0x9e, 0x00, 0x00, 0x00, 0x00,
		0x06, 0x00, 0x00, 0x00, 0x73, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x0b, 0x00, 0x00, 0x00, 0x70, 0x61,
		0x67, 0x65, 0x5f, 0x66, 0x61, 0x75, 0x6c, 0x74, 0x31, 0x01, 0x00, 0x00, 0x00, 0x32,
	};
	struct wire_record record;
	char buf[128], text[8];
	size_t offset = 0;

	(void)state;
	assert_int_equal(wire_put(buf, sizeof(buf), WIRE_STEP, 7, UINT64_C(0x0102030405060708), step_fields, 3),
			 sizeof(golden));
	assert_memory_equal(buf, golden, sizeof(golden));
	assert_int_equal(wire_next(buf, sizeof(golden), &offset, 7, &record), WIRE_OK);
	assert_int_equal(offset, sizeof(golden));
	assert_int_equal(record.type, WIRE_STEP);
	assert_int_equal(record.time_ns, UINT64_C(0x0102030405060708));
	assert_int_equal(record.n_fields, 3);
	assert_true(wire_is(&record, 1, "page_fault1"));
	assert_false(wire_is(&record, 1, "page_fault"));
	assert_false(wire_is(&record, 3, ""));
	assert_string_equal(wire_text(&record, 1, text, sizeof(text)), "page_fa");
	assert_string_equal(wire_text(&record, 3, text, sizeof(text)), "");
	assert_int_equal(wire_next(buf, sizeof(golden), &offset, 8, &record), WIRE_EOF);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "65536", true, 65536 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "-1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "0x10", false, 0 },
		{ "1\n", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_record record = { .n_fields = 1, .fields = { { cases[i].text, strlen(cases[i].text) } } };
		uint64_t value = 42;

		assert_int_equal(wire_number(&record, 0, &value), cases[i].ok);
		assert_int_equal(value, cases[i].ok ? cases[i].value : 42);
		assert_false(wire_number(&record, 1, &value));
		assert_false(wire_number(&record, 1000, &value));
	}
}

/* Three records, one of them empty and one with an empty field. */
static size_t make_stream(char *buf, size_t size)
{
	size_t n = 0;

	n += wire_put(buf + n, size - n, WIRE_STEP, 0, 1000, step_fields, 3);
	n += wire_put(buf + n, size - n, WIRE_NOTE, 1, 2000, NULL, 0);
	n += wire_put(buf + n, size - n, WIRE_END, 2, 3000, (const struct wire_field[]){ { "ok", 2 }, { NULL, 0 } }, 2);
	return n;
}

/* Records that can be read before the status that ends the reading. The bytes are in a block of their own size, so
 * that AddressSanitizer sees every step beyond it. */
static unsigned int read_all(const char *data, size_t len, enum wire_status *status)
{
	char *copy = malloc(len ? len : 1);
	struct wire_record record;
	unsigned int n = 0;
	size_t offset = 0;

	memcpy(copy, data, len);
	while ((*status = wire_next(copy, len, &offset, n, &record)) == WIRE_OK) {
		assert_true(offset <= len);
		n++;
	}
	free(copy);
	return n;
}

static void torn_at_every_byte(void **state)
{
	char buf[512];
	size_t len = make_stream(buf, sizeof(buf)), ends[4] = { 0 }, offset = 0;
	enum wire_status status;
	struct wire_record record;

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(wire_next(buf, len, &offset, i, &record), WIRE_OK);
		ends[i + 1] = offset;
	}
	assert_int_equal(offset, len);
	for (size_t cut = 0; cut <= len; cut++) {
		unsigned int whole = (cut >= ends[1]) + (cut >= ends[2]) + (cut >= ends[3]);

		assert_int_equal(read_all(buf, cut, &status), whole);
		assert_int_equal(status, cut == ends[whole] ? WIRE_EOF : WIRE_TORN);
	}
}

static void every_flipped_bit_is_found(void **state)
{
	char buf[512];
	size_t len = make_stream(buf, sizeof(buf));
	enum wire_status status;

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= (char)(1 << bit % 8);
		assert_true(read_all(buf, len, &status) < 3);
		assert_true(status == WIRE_DAMAGED || status == WIRE_TORN);
		buf[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(read_all(buf, len, &status), 3);
}

/* Put right the checksum of a record that was changed by hand. */
static void reseal(char *record, size_t len)
{
	uint32_t crc;

	memset(record + 24, 0, 4);
	crc = wire_crc32(0, record, len);
	for (int i = 0; i < 4; i++)
		record[24 + i] = (char)(crc >> 8 * i);
}

/* With a right checksum: only the bounds are between a lying length and the bytes behind. */
static void lengths_that_lie(void **state)
{
	static const uint32_t lies[] = { 0, 1, 5, 7, 100, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };
	enum wire_status status;
	char buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		for (size_t at = 0; at < 3; at++) {
			static const size_t field_at[] = { 32, 32 + 10, 32 + 25 };
			size_t len = wire_put(buf, sizeof(buf), WIRE_STEP, 0, 0, step_fields, 3);

			for (int b = 0; b < 4; b++)
				buf[field_at[at] + (size_t)b] = (char)(lies[i] >> 8 * b);
			reseal(buf, len);
			if (at == 2 && lies[i] == 1)
				continue; /* the truth */
			assert_int_equal(read_all(buf, len, &status), 0);
			assert_int_equal(status, WIRE_DAMAGED);
		}
	}
}

static void heads_that_lie(void **state)
{
	static const struct {
		size_t at;
		unsigned char value;
		enum wire_status status;
	} cases[] = {
		{ 0, 'g', WIRE_DAMAGED }, { 6, 2, WIRE_DAMAGED },     { 6, 4, WIRE_DAMAGED },
		{ 6, 65, WIRE_DAMAGED },  { 7, 0xff, WIRE_DAMAGED },  { 8, 29, WIRE_DAMAGED },
		{ 8, 31, WIRE_TORN },	  { 10, 0x11, WIRE_DAMAGED }, { 11, 0x80, WIRE_DAMAGED },
		{ 12, 1, WIRE_DAMAGED },  { 28, 1, WIRE_DAMAGED },
	};
	enum wire_status status;
	char buf[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = wire_put(buf, sizeof(buf), WIRE_STEP, 0, 0, step_fields, 3);

		buf[cases[i].at] = (char)cases[i].value;
		reseal(buf, len);
		assert_int_equal(read_all(buf, len, &status), 0);
		assert_int_equal(status, cases[i].status);
	}
}

static void gaps_and_repeats(void **state)
{
	struct wire_record record;
	size_t offset = 0, len;
	char buf[128];

	(void)state;
	len = wire_put(buf, sizeof(buf), WIRE_STEP, 5, 0, step_fields, 3);
	assert_int_equal(wire_next(buf, len, &offset, 4, &record), WIRE_DAMAGED);
	assert_int_equal(wire_next(buf, len, &offset, 6, &record), WIRE_DAMAGED);
	assert_int_equal(offset, 0);
	assert_int_equal(wire_next(buf, len, &offset, 5, &record), WIRE_OK);
	offset = len + 1;
	assert_int_equal(wire_next(buf, len, &offset, 5, &record), WIRE_DAMAGED);
}

static void writing_has_limits(void **state)
{
	static char big[WIRE_HEAD_SIZE + WIRE_PAYLOAD_MAX + 16], content[WIRE_PAYLOAD_MAX];
	struct wire_field many[WIRE_FIELDS_MAX + 1] = { 0 };
	struct wire_field one = { content, WIRE_PAYLOAD_MAX - 4 };
	char buf[62];

	(void)state;
	assert_int_equal(wire_put(buf, 61, WIRE_STEP, 0, 0, step_fields, 3), 0);
	assert_int_equal(wire_put(buf, 62, WIRE_STEP, 0, 0, step_fields, 3), 62);
	assert_int_equal(wire_put(buf, 0, WIRE_STEP, 0, 0, NULL, 0), 0);
	assert_int_equal(wire_put(big, sizeof(big), WIRE_FILE, 0, 0, many, WIRE_FIELDS_MAX),
			 WIRE_HEAD_SIZE + 4 * WIRE_FIELDS_MAX);
	assert_int_equal(wire_put(big, sizeof(big), WIRE_FILE, 0, 0, many, WIRE_FIELDS_MAX + 1), 0);
	assert_int_equal(wire_put(big, sizeof(big), WIRE_FILE, 0, 0, &one, 1), WIRE_HEAD_SIZE + WIRE_PAYLOAD_MAX);
	one.len++;
	assert_int_equal(wire_put(big, sizeof(big), WIRE_FILE, 0, 0, &one, 1), 0);
	one.len = SIZE_MAX;
	assert_int_equal(wire_put(big, sizeof(big), WIRE_FILE, 0, 0, &one, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_the_usual_one),
		cmocka_unit_test(golden_bytes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(torn_at_every_byte),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(lengths_that_lie),
		cmocka_unit_test(heads_that_lie),
		cmocka_unit_test(gaps_and_repeats),
		cmocka_unit_test(writing_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
