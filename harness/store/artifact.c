// SPDX-License-Identifier: GPL-2.0-or-later
/* Files that a guest sent: ARTIFACT records of a stream into artifacts/ of its attempt. The guest is not trusted: a name counts
 * only where the job has it, pieces must follow one another, and all together are bounded. */
#include "store/store.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/job.h"
#include "wire/wire.h"

#define ARTIFACTS_BYTES_MAX (UINT64_C(64) << 20) /* of one attempt */
#define NAME_BYTES 64

struct artifact {
	char name[NAME_BYTES];
	uint64_t next; /* where its next piece must begin */
	struct text data;
};

struct collecting {
	const char *job;
	struct artifact *v; /* owned */
	size_t n;
	uint64_t bytes;
};

static void collecting_clear(struct collecting *c)
{
	for (size_t i = 0; i < c->n; i++)
		text_free(&c->v[i].data);
	free(c->v);
}

/* Does a line of the job begin with @verb and @name? */
static bool job_has(const char *job, const char *verb, const char *name, size_t name_len)
{
	_cleanup_free_ char *mark = xasprintf("\n%s\t%.*s\t", verb, (int)name_len, name);

	return strstr(job, mark);
}

static bool is_expected(const char *job, const char *name)
{
	return artifact_name(name) &&
	       (job_has(job, "artifact", name, strlen(name)) ||
		(ends_with(name, ".log") && job_has(job, "service", name, strlen(name) - strlen(".log"))));
}

static void take(struct collecting *c, const struct wire_record *r)
{
	char name[NAME_BYTES];
	struct artifact *a = NULL;
	uint64_t offset;

	if (r->type != WIRE_ARTIFACT || r->n_fields != 4 || r->fields[0].len >= sizeof(name) ||
	    !wire_number(r, 1, &offset))
		return;
	wire_text(r, 0, name, sizeof(name));
	if (!is_expected(c->job, name) || c->bytes + r->fields[3].len > ARTIFACTS_BYTES_MAX)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].name, name))
			a = &c->v[i];
	if (a && a->next != offset)
		return;
	if (!a) {
		a = VEC_PUSH(c->v, c->n);
		strcpy(a->name, name);
	}
	text_add_bytes(&a->data, r->fields[3].data, r->fields[3].len);
	a->next = offset + r->fields[3].len;
	c->bytes += r->fields[3].len;
}

int artifacts_write(const char *dir, const char *job, const char *stream, size_t len, struct err *err)
{
	_cleanup_(collecting_clear) struct collecting c = { .job = job };
	_cleanup_free_ char *folder = path_join(dir, "artifacts");
	struct wire_record record;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(stream, len, &offset, n, &record) == WIRE_OK; n++)
		take(&c, &record);
	if (c.n && make_dirs(folder, err) < 0)
		return -1;
	for (size_t i = 0; i < c.n; i++) {
		_cleanup_free_ char *path = path_join(folder, c.v[i].name);

		if (file_write(path, c.v[i].data.s ? c.v[i].data.s : "", c.v[i].data.len, err) < 0)
			return -1;
	}
	return 0;
}
