// SPDX-License-Identifier: GPL-2.0-or-later
/* Records: bytes to fields and back. Knows no files, no clock and no meaning of a field; allocates nothing. */
#include "wire/wire.h"

#include <pthread.h>
#include <string.h>

#define OFF_TYPE 4
#define OFF_N_FIELDS 6
#define OFF_LENGTH 8
#define OFF_SEQUENCE 12
#define OFF_TIME 16
#define OFF_CRC 24
#define OFF_RESERVED 28

static const char magic[4] = { 'G', 'R', 'N', '1' };

static void put16(char *p, uint16_t v)
{
	p[0] = (char)(v & 0xff);
	p[1] = (char)(v >> 8);
}

static void put32(char *p, uint32_t v)
{
	put16(p, (uint16_t)(v & 0xffff));
	put16(p + 2, (uint16_t)(v >> 16));
}

static void put64(char *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(const char *p)
{
	return (uint16_t)((unsigned char)p[0] | (unsigned char)p[1] << 8);
}

static uint32_t get32(const char *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const char *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* Eight bytes at a time ("slicing by 8"): table[k][b] is what byte b does to the sum when k more bytes follow it. Built at
 * the first use, which in the guest is the hello, so before anything is measured. */
static uint32_t crc_table[8][256];
static pthread_once_t crc_built = PTHREAD_ONCE_INIT;

static void crc_build(void)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
		crc_table[0][b] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t b = 0; b < 256; b++)
			crc_table[k][b] = crc_table[k - 1][b] >> 8 ^ crc_table[0][crc_table[k - 1][b] & 255];
}

uint32_t wire_crc32(uint32_t crc, const void *data, size_t len)
{
	const char *p = data;

	pthread_once(&crc_built, crc_build);
	for (crc = ~crc; len >= 8; p += 8, len -= 8) {
		uint32_t low = crc ^ get32(p), high = get32(p + 4);

		crc = crc_table[7][low & 255] ^ crc_table[6][low >> 8 & 255] ^ crc_table[5][low >> 16 & 255] ^
		      crc_table[4][low >> 24] ^ crc_table[3][high & 255] ^ crc_table[2][high >> 8 & 255] ^
		      crc_table[1][high >> 16 & 255] ^ crc_table[0][high >> 24];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ (unsigned char)*p) & 255];
	return ~crc;
}

/* Of a whole record, its crc field taken as zero. */
static uint32_t record_crc(const char *head, size_t payload)
{
	static const char zero[4];
	uint32_t crc = wire_crc32(0, head, OFF_CRC);

	crc = wire_crc32(crc, zero, sizeof(zero));
	return wire_crc32(crc, head + OFF_RESERVED, WIRE_HEAD_SIZE - OFF_RESERVED + payload);
}

size_t wire_put(char *buf, size_t size, enum wire_type type, uint32_t sequence, uint64_t time_ns,
		const struct wire_field *fields, unsigned int n_fields)
{
	size_t payload = 0;
	char *p = buf + WIRE_HEAD_SIZE;

	if (n_fields > WIRE_FIELDS_MAX)
		return 0;
	for (unsigned int i = 0; i < n_fields; i++) {
		if (fields[i].len > WIRE_PAYLOAD_MAX)
			return 0;
		payload += 4 + fields[i].len;
	}
	if (payload > WIRE_PAYLOAD_MAX || size < WIRE_HEAD_SIZE || size - WIRE_HEAD_SIZE < payload)
		return 0;

	memcpy(buf, magic, sizeof(magic));
	put16(buf + OFF_TYPE, (uint16_t)type);
	put16(buf + OFF_N_FIELDS, (uint16_t)n_fields);
	put32(buf + OFF_LENGTH, (uint32_t)payload);
	put32(buf + OFF_SEQUENCE, sequence);
	put64(buf + OFF_TIME, time_ns);
	put32(buf + OFF_RESERVED, 0);
	for (unsigned int i = 0; i < n_fields; i++) {
		put32(p, (uint32_t)fields[i].len);
		if (fields[i].len)
			memcpy(p + 4, fields[i].data, fields[i].len);
		p += 4 + fields[i].len;
	}
	put32(buf + OFF_CRC, record_crc(buf, payload));
	return WIRE_HEAD_SIZE + payload;
}

/* The fields must fill the payload exactly. */
static bool split_fields(const char *p, size_t len, struct wire_record *record)
{
	for (unsigned int i = 0; i < record->n_fields; i++) {
		uint32_t field_len;

		if (len < 4)
			return false;
		field_len = get32(p);
		p += 4;
		len -= 4;
		if (field_len > len)
			return false;
		record->fields[i] = (struct wire_field){ .data = p, .len = field_len };
		p += field_len;
		len -= field_len;
	}
	return len == 0;
}

enum wire_status wire_next(const char *data, size_t len, size_t *offset, uint32_t sequence, struct wire_record *record)
{
	const char *head;
	size_t left, payload;

	if (*offset >= len)
		return *offset == len ? WIRE_EOF : WIRE_DAMAGED;
	head = data + *offset;
	left = len - *offset;
	if (memcmp(head, magic, left < sizeof(magic) ? left : sizeof(magic)) != 0)
		return WIRE_DAMAGED;
	if (left < WIRE_HEAD_SIZE)
		return WIRE_TORN;

	payload = get32(head + OFF_LENGTH);
	record->n_fields = get16(head + OFF_N_FIELDS);
	if (payload > WIRE_PAYLOAD_MAX || record->n_fields > WIRE_FIELDS_MAX ||
	    get32(head + OFF_SEQUENCE) != sequence || get32(head + OFF_RESERVED) != 0)
		return WIRE_DAMAGED;
	if (left - WIRE_HEAD_SIZE < payload)
		return WIRE_TORN;
	if (get32(head + OFF_CRC) != record_crc(head, payload))
		return WIRE_DAMAGED;

	record->type = get16(head + OFF_TYPE);
	record->sequence = sequence;
	record->time_ns = get64(head + OFF_TIME);
	if (!split_fields(head + WIRE_HEAD_SIZE, payload, record))
		return WIRE_DAMAGED;
	*offset += WIRE_HEAD_SIZE + payload;
	return WIRE_OK;
}

const char *wire_text(const struct wire_record *record, unsigned int i, char *buf, size_t size)
{
	size_t len = i < record->n_fields ? record->fields[i].len : 0;

	if (!size)
		return "";
	if (len > size - 1)
		len = size - 1;
	if (len)
		memcpy(buf, record->fields[i].data, len);
	buf[len] = '\0';
	return buf;
}

bool wire_is(const struct wire_record *record, unsigned int i, const char *text)
{
	size_t len = strlen(text);

	return i < record->n_fields && record->fields[i].len == len &&
	       (len == 0 || memcmp(record->fields[i].data, text, len) == 0);
}

bool wire_number(const struct wire_record *record, unsigned int i, uint64_t *ret)
{
	const struct wire_field *field;
	uint64_t v = 0;

	if (i >= record->n_fields || record->fields[i].len == 0)
		return false;
	field = &record->fields[i];
	for (size_t k = 0; k < field->len; k++) {
		unsigned int digit = (unsigned int)(unsigned char)field->data[k] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*ret = v;
	return true;
}
