// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads ARTIFACT records. Knows the job's lines that name them. */
#include "store/artifact.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "wire/job.h"
#include "wire/wire.h"

#define ARTIFACTS_BYTES_MAX (UINT64_C(64) << 20)

void artifacts_free(struct artifact_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		text_free(&list->v[i].data);
	free(list->v);
	*list = (struct artifact_list){ 0 };
}

const struct artifact *artifact_find(const struct artifact_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i].name, name))
			return &list->v[i];
	return NULL;
}

/* Does a line of the job begin with @verb and @name? */
static bool job_has(const char *job, const char *verb, const char *name, size_t name_len)
{
	_cleanup_free_ char *mark = xasprintf("\n%s\t%.*s\t", verb, (int)name_len, name);

	return strstr(job, mark);
}

bool artifact_expected(const char *job, const char *name)
{
	return artifact_name(name) &&
	       (job_has(job, "artifact", name, strlen(name)) ||
		(ends_with(name, ".log") && job_has(job, "service", name, strlen(name) - strlen(".log"))));
}

bool artifacts_expected(const char *job)
{
	return strstr(job, "\nartifact\t") || strstr(job, "\nservice\t");
}

static void take(struct artifact_list *list, const char *job, const struct wire_record *r)
{
	char name[sizeof(list->v->name)];
	struct artifact *a;
	uint64_t offset;

	if (r->type != WIRE_ARTIFACT || r->n_fields != 4 || r->fields[0].len >= sizeof(name) ||
	    !wire_number(r, 1, &offset))
		return;
	wire_text(r, 0, name, sizeof(name));
	if (!artifact_expected(job, name) || list->bytes + r->fields[3].len > ARTIFACTS_BYTES_MAX)
		return;
	a = (struct artifact *)artifact_find(list, name);
	if (a && a->next != offset)
		return;
	if (!a) {
		a = VEC_PUSH(list->v, list->n);
		strcpy(a->name, name);
	}
	text_add_bytes(&a->data, r->fields[3].data, r->fields[3].len);
	a->next = offset + r->fields[3].len;
	list->bytes += r->fields[3].len;
}

void artifacts_read(const char *job, const char *stream, size_t len, struct artifact_list *ret_list)
{
	struct wire_record record;
	size_t offset = 0;

	*ret_list = (struct artifact_list){ 0 };
	if (!artifacts_expected(job))
		return;
	for (uint32_t n = 0; wire_next(stream, len, &offset, n, &record) == WIRE_OK; n++)
		take(ret_list, job, &record);
}

int artifact_kept(const char *job, const char *stream, size_t len, const char *name, const char *path, struct err *err)
{
	static const char last[] = "TRAILER!!!"; /* the entry that ends a cpio archive */
	_cleanup_free_ char *file = xasprintf("%s" JOB_LAYER_SUFFIX, name);
	_cleanup_fclose_ FILE *out = fopen(path, "we");
	uint64_t at = 0, offset;
	struct wire_record r;
	size_t position = 0;
	bool whole = false;

	if (!out)
		return err_set_errno(err, ERR_HOST, "%s", path);
	if (!job_has(job, "keep", name, strlen(name)))
		return err_set(err, ERR_GUEST, "the job keeps no %s", name);
	for (uint32_t n = 0; wire_next(stream, len, &position, n, &r) == WIRE_OK; n++) {
		const struct wire_field *content = &r.fields[3];

		if (r.type != WIRE_ARTIFACT || r.n_fields != 4 || !wire_is(&r, 0, file))
			continue;
		if (!wire_number(&r, 1, &offset) || offset != at)
			return err_set(err, ERR_GUEST, "%s: a piece is missing at byte %" PRIu64, file, at);
		if (fwrite(content->data, 1, content->len, out) != content->len)
			return err_set_errno(err, ERR_HOST, "%s", path);
		at += content->len;
		whole = content->len >= sizeof(last) &&
			memmem(content->data + content->len - sizeof(last) - 3, sizeof(last) + 3, last, sizeof(last));
	}
	if (!whole)
		return err_set(err, ERR_GUEST, "%s: its end is missing, at byte %" PRIu64, file, at);
	return fflush(out) ? err_set_errno(err, ERR_HOST, "%s", path) : 0;
}

int artifacts_write(const char *dir, const char *job, const char *stream, size_t len, struct err *err)
{
	_cleanup_(artifacts_free) struct artifact_list list = { 0 };
	_cleanup_free_ char *folder = path_join(dir, "artifacts");

	artifacts_read(job, stream, len, &list);
	if (list.n && make_dirs(folder, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		_cleanup_free_ char *path = path_join(folder, list.v[i].name);

		if (file_write(path, list.v[i].data.s ? list.v[i].data.s : "", list.v[i].data.len, err) < 0)
			return -1;
	}
	return 0;
}
