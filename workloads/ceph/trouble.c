// SPDX-License-Identifier: GPL-2.0-or-later
/* What Ceph's daemons died of, by their logs. Behind the reason a log holds whatever happened before, by the thousand, so
 * its last line says nothing. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "workloads/ceph/ceph.h"

#define LINE_QUOTED_MAX 240

/* In the order of how much they say; of each the first line that has it. */
static const char *const marks[] = {
	"No space left on device",
	"FAILED ceph_assert",
	"ceph_abort_msg(",
	"*** Caught signal (",
	"** ERROR:",
	"ERROR: ",
	"too many arguments",
	"[ERR]",
	"slow ops, oldest is",
};

/* In this order: what stops an OSD is told by it, and a monitor's end stops everybody. */
static const char *const logs[] = { "osd.log",	   "mon.log",	  "mgr.log",	"mkfs.log",
				    "new-osd.log", "new-mon.log", "new-mgr.log" };

static char *line_at(const char *text, const char *at)
{
	const char *begin = line_begin(text, at);
	size_t len;

	begin += strspn(begin, " ");
	len = strcspn(begin, "\n");
	return xasprintf("%.*s", (int)(len < LINE_QUOTED_MAX ? len : LINE_QUOTED_MAX), begin);
}

/* A signal's next line names the thread. */
static char *with_thread(const char *at, char *line)
{
	const char *next = strchr(at, '\n');
	_cleanup_free_ char *own = line, *thread = NULL;

	if (!next || strncmp(next, "\n in thread ", strlen("\n in thread ")) != 0)
		return steal_ptr(own);
	thread = line_at(next + 1, next + 1);
	return xasprintf("%s %s", own, thread);
}

char *ceph_trouble(const struct artifact_list *artifacts)
{
	for (size_t m = 0; m < ARRAY_SIZE(marks); m++)
		for (size_t i = 0; i < ARRAY_SIZE(logs); i++) {
			const struct artifact *log = artifact_find(artifacts, logs[i]);
			const char *at = log && log->data.s ? strstr(log->data.s, marks[m]) : NULL;
			_cleanup_free_ char *line = at ? with_thread(at, line_at(log->data.s, at)) : NULL;

			if (line)
				return xasprintf("%s: %s", logs[i], line);
		}
	return NULL;
}
