// SPDX-License-Identifier: GPL-2.0-or-later
#include "store/counts.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pack.h"

#define COUNTS_SIZE_MAX ((size_t)512 << 20)

void counts_free(struct counts *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->samples[i].v);
		free(c->samples[i].branches);
	}
	free(c->samples);
	*c = (struct counts){ 0 };
}

/* "sample 3 work\n": @number must be 3. */
static bool parse_head(const char **p, size_t number, struct sample_counts *s)
{
	static const char prefix[] = "sample ";
	char *end;

	if (strncmp(*p, prefix, strlen(prefix)) != 0 || strtoull(*p + strlen(prefix), &end, 10) != number)
		return false;
	s->work = !strncmp(end, " work\n", 6);
	if (!s->work && strncmp(end, " whole\n", 7) != 0)
		return false;
	*p = strchr(end, '\n') + 1;
	return true;
}

/* "ffff800080012344 17\n", of user code "400a10 17 8a3c...\n" */
static bool parse_count(const char **p, struct count *c)
{
	char *end;

	c->address = strtoull(*p, &end, 16);
	if (end == *p || *end != ' ')
		return false;
	*p = end + 1;
	c->n = strtoull(*p, &end, 10);
	if (end == *p)
		return false;
	c->digest = *end == ' ' ? strtoull(end + 1, &end, 16) : 0;
	if (*end != '\n')
		return false;
	*p = end + 1;
	return true;
}

/* "call ffff800080012344 ffff800080010000 17\n" */
static bool parse_branch(const char **p, struct branch *b)
{
	char *end;

	b->site = strtoull(*p + strlen("call "), &end, 16);
	if (*end != ' ')
		return false;
	b->target = strtoull(end + 1, &end, 16);
	if (*end != ' ')
		return false;
	b->n = strtoull(end + 1, &end, 10);
	if (*end != '\n')
		return false;
	*p = end + 1;
	return true;
}

static bool is_behind(const struct count *c, const struct count *before)
{
	return c->address != before->address ? c->address > before->address : c->digest > before->digest;
}

/* Up to "end SUM\n". */
static bool parse_sample(const char **p, struct sample_counts *s)
{
	uint64_t sum = 0;
	char *end;

	while (strncmp(*p, "end ", 4) != 0) {
		struct count c;

		if (!strncmp(*p, "call ", 5)) {
			if (!parse_branch(p, VEC_PUSH(s->branches, s->n_branches)))
				return false;
			continue;
		}
		if (!parse_count(p, &c) || (s->n && !is_behind(&c, &s->v[s->n - 1])))
			return false;
		*VEC_PUSH(s->v, s->n) = c;
		sum += c.n;
	}
	s->sum = strtoull(*p + 4, &end, 10);
	if (*end != '\n' || s->sum != sum)
		return false;
	*p = end + 1;
	return true;
}

int counts_parse(const char *text, struct counts *ret, struct err *err)
{
	static const char magic[] = "granule-count 3\n";
	_cleanup_(counts_free) struct counts c = { 0 };
	const char *p = text;

	if (strncmp(p, magic, strlen(magic)) != 0)
		return err_set(err, ERR_HOST, "not written by granule's plugin");
	for (p += strlen(magic); *p;) {
		struct sample_counts *s = VEC_PUSH(c.samples, c.n);

		if (!parse_head(&p, c.n - 1, s) || !parse_sample(&p, s))
			return err_set(err, ERR_HOST, "sample %zu is damaged", c.n - 1);
	}
	*ret = c;
	c = (struct counts){ 0 };
	return 0;
}

int counts_load(const char *path, struct counts *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (file_read(path, COUNTS_SIZE_MAX, &text, NULL, err) < 0)
		return -1;
	if (counts_parse(text, ret, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

int counts_load_kept(const char *path, struct counts *ret, struct err *err)
{
	_cleanup_free_ char *packed = NULL, *text = NULL;
	size_t len;

	if (file_read(path, COUNTS_SIZE_MAX, &packed, &len, err) < 0)
		return -1;
	text = unpack(packed, len, COUNTS_SIZE_MAX, &len);
	if (!text)
		return err_set(err, ERR_HOST, "%s: not written by granule, or damaged", path);
	return counts_parse(text, ret, err) < 0 ? err_wrap(err, "%s", path) : 0;
}

int counts_keep(const char *path, const char *kept, struct err *err)
{
	_cleanup_free_ char *text = NULL, *packed = NULL;
	size_t len;

	if (file_read(path, COUNTS_SIZE_MAX, &text, &len, err) < 0)
		return -1;
	if (pack(text, len, PACK_LEVEL, &packed, &len, err) < 0)
		return err_wrap(err, "%s", path);
	return file_write_atomic(kept, packed, len, err);
}
