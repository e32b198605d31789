// SPDX-License-Identifier: GPL-2.0-or-later
/* The server's log: checkpoints, and what it died of. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "workloads/pattern.h"
#include "pgbench.h"

#define CHECKPOINT_AT(member) PATTERN_AT(struct checkpoint, member)

static const struct pattern starting = { "~ [#] LOG:  checkpoint starting:*", { CHECKPOINT_AT(begin_s) } };
/* 15 and 17: "wrote N buffers (P%); ..."; 18 says more between. */
static const struct pattern complete = {
	"~ [#] LOG:  checkpoint complete: wrote # buffers (*; write=~ s, sync=~ s, total=~ s;*",
	{ CHECKPOINT_AT(end_s), PATTERN_SKIP, CHECKPOINT_AT(buffers), CHECKPOINT_AT(write_s), CHECKPOINT_AT(sync_s),
	  CHECKPOINT_AT(total_s) },
};
/* A session that is refused or ended is FATAL too, and that is daily life: of the postmaster, the process that speaks first, it is
 * the end, and a PANIC of any process. */
static const struct pattern deadly[] = { { "~ [#] FATAL:  *", { PATTERN_SKIP, 1 } }, { "~ [#] PANIC:  *", { 0 } } };
static const struct pattern any = { "~ [#] *", { PATTERN_SKIP, 1 } };

struct reading {
	struct checkpoint open;
	uint64_t postmaster;
};

static void take_trouble(const char *line, const struct reading *r, struct server_log *log)
{
	for (size_t i = 0; !log->trouble && i < ARRAY_SIZE(deadly); i++) {
		uint64_t pid = r->postmaster;

		if (pattern_read(&deadly[i], line, &pid) && pid == r->postmaster)
			log->trouble = xstrdup(strchr(line, ']') + strlen("] "));
	}
}

static void take_line(const char *line, struct reading *r, struct server_log *log)
{
	if (!r->postmaster)
		pattern_read(&any, line, &r->postmaster);
	if (pattern_read(&starting, line, &r->open))
		return;
	if (!pattern_read(&complete, line, &r->open)) {
		take_trouble(line, r, log);
		return;
	}
	if (r->open.begin_s > 0)
		*VEC_PUSH(log->checkpoints, log->n_checkpoints) = r->open;
	r->open = (struct checkpoint){ 0 };
}

void server_log_parse(const char *text, struct server_log *ret)
{
	struct reading reading = { 0 };

	*ret = (struct server_log){ 0 };
	while (*text) {
		size_t len = strcspn(text, "\n");
		_cleanup_free_ char *line = xstrndup(text, len);

		take_line(line, &reading, ret);
		text += len + (text[len] == '\n');
	}
}

void server_log_free(struct server_log *log)
{
	free(log->checkpoints);
	free(log->trouble);
	*log = (struct server_log){ 0 };
}

bool in_checkpoint(const struct server_log *log, const struct transaction *t)
{
	double begin_s = t->end_s - t->ms / 1e3;

	for (size_t i = 0; i < log->n_checkpoints; i++)
		if (begin_s <= log->checkpoints[i].end_s && t->end_s >= log->checkpoints[i].begin_s)
			return true;
	return false;
}
