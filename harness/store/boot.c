// SPDX-License-Identifier: GPL-2.0-or-later
/* What became of a boot, by reading its attempts. Stores nothing. The stream and the console come from a guest and
 * are not trusted; done.json comes from granule-boot and only refines what the stream leaves open. */
#include "store/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/wire.h"
#include "workloads/workload.h"

#define REASON_MAX 400
#define LINE_QUOTED_MAX 160 /* of a console, in a reason */

struct scan {
	bool complete; /* ends in END, everything before it parses */
	bool hello;    /* the first record is HELLO */
	bool damaged;  /* something does not parse, and not for want of bytes */
	size_t n_records;
	uint64_t page_size;
	char step[160];	  /* the last step begun: "sample page_fault1 2" */
	char outcome[32]; /* of END */
	char reason[REASON_MAX];
	char *trouble; /* owned: why it is not complete */
};

static void scan_free(struct scan *scan)
{
	free(scan->trouble);
}

static void scan_record(struct scan *scan, const struct wire_record *r)
{
	char kind[24], phase[100], index[24];

	switch (r->type) {
	case WIRE_HELLO:
		scan->hello |= r->sequence == 0;
		for (unsigned int i = 0; i + 1 < r->n_fields; i += 2)
			if (wire_is(r, i, "page_size"))
				wire_number(r, i + 1, &scan->page_size);
		break;
	case WIRE_STEP:
		wire_text(r, 0, kind, sizeof(kind));
		wire_text(r, 1, phase, sizeof(phase));
		wire_text(r, 2, index, sizeof(index));
		snprintf(scan->step, sizeof(scan->step), "%s %s %s", kind, phase, index);
		break;
	case WIRE_END:
		wire_text(r, 0, scan->outcome, sizeof(scan->outcome));
		wire_text(r, 1, scan->reason, sizeof(scan->reason));
		scan->complete = true;
		break;
	default:
		break;
	}
}

/* "WHAT, in sample page_fault1 2" */
static char *in_step(const char *what, const struct scan *scan)
{
	_cleanup_free_ char *step = text_visible(scan->step, strlen(scan->step));

	return xasprintf("%s%s%s", what, *step ? ", in " : "", step);
}

static char *scan_place(const struct scan *scan)
{
	_cleanup_free_ char *record = xasprintf("record %zu", scan->n_records);

	return in_step(record, scan);
}

static void scan_stream(const char *data, size_t len, struct scan *scan)
{
	_cleanup_free_ char *place = NULL;
	enum wire_status status = WIRE_OK;
	struct wire_record record;
	size_t offset = 0;

	while (!scan->complete) {
		status = wire_next(data, len, &offset, (uint32_t)scan->n_records, &record);
		if (status != WIRE_OK)
			break;
		scan_record(scan, &record);
		scan->n_records++;
	}
	if (scan->complete && offset == len && (scan->hello || strcmp(scan->outcome, "ok")))
		return;
	place = scan_place(scan);
	scan->damaged = scan->complete || status == WIRE_DAMAGED;
	if (scan->complete)
		scan->trouble = offset == len ? xasprintf("the stream is damaged: it does not begin with a hello")
					      : xasprintf("the stream is damaged: %zu bytes behind its end record",
							  len - offset);
	else if (status == WIRE_DAMAGED)
		scan->trouble = xasprintf("the stream is damaged at %s", place);
	else if (!scan->n_records)
		scan->trouble = xasprintf(len ? "the stream is torn in its first record" : "the stream is empty");
	else if (status == WIRE_EOF)
		scan->trouble = xasprintf("the stream stops at %s", place);
	else
		scan->trouble = xasprintf("the stream is torn at %s", place);
	scan->complete = false;
}

/* The beginning of a regular file, at most @cap bytes. Returns 1, 0 if there is none; *ret_more: it is longer. */
static int read_head(const char *dir, const char *name, size_t cap, char **ret, size_t *ret_len, bool *ret_more,
		     struct err *err)
{
	_cleanup_free_ char *path = path_join(dir, name), *data = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	struct stat st;
	size_t len;

	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, ERR_HOST, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_HOST, "%s: not a regular file", path);
	f = fopen(path, "re");
	if (!f)
		return err_set_errno(err, ERR_HOST, "%s", path);
	/* the size as it is now; a running guest may add to it */
	len = (uint64_t)st.st_size < cap ? (size_t)st.st_size : cap;
	*ret_more = (uint64_t)st.st_size > cap;
	data = xcalloc(len + 1, 1);
	*ret_len = fread(data, 1, len, f);
	if (ferror(f))
		return err_set_errno(err, ERR_HOST, "%s", path);
	*ret = steal_ptr(data);
	return 1;
}

static void set_outcome(struct boot_result *result, enum outcome outcome, char *reason)
{
	result->outcome = outcome;
	free(result->reason);
	result->reason = reason;
}

static char *with_reason(const char *what, const char *reason)
{
	_cleanup_free_ char *seen = text_visible(reason, strlen(reason));

	for (char *p = seen; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	return *seen ? xasprintf("%s: %s", what, seen) : xstrdup(what);
}

/* The outcome that a complete stream states. */
static void judge_complete(const struct cell_record *cell, const struct scan *scan, struct boot_result *result)
{
	static const struct {
		const char *word;
		enum outcome outcome;
		const char *what;
	} map[] = {
		{ "settings-failed", OUTCOME_SETTINGS_FAILED, "a setting did not take" },
		{ "workload-failed", OUTCOME_WORKLOAD_FAILED, "the workload failed" },
		{ "unsupported", OUTCOME_UNSUPPORTED, "the guest cannot do this" },
		{ "agent-failed", OUTCOME_BOOT_FAILED, "the agent failed" },
	};

	if (!strcmp(scan->outcome, "wrong-page-size") || (scan->hello && scan->page_size != cell->page_bytes)) {
		set_outcome(result, OUTCOME_BOOT_FAILED,
			    xasprintf("wrong page size: the guest has %llu bytes, the cell asks for %llu",
				      (unsigned long long)scan->page_size, (unsigned long long)cell->page_bytes));
		return;
	}
	if (!strcmp(scan->outcome, "ok")) {
		set_outcome(result, OUTCOME_OK, NULL);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (!strcmp(scan->outcome, map[i].word)) {
			set_outcome(result, map[i].outcome, with_reason(map[i].what, scan->reason));
			return;
		}
	}
	set_outcome(result, OUTCOME_WORKLOAD_FAILED, with_reason("unknown end of the job", scan->outcome));
}

/* What the console ends with; where the agent said why it gave up, that. */
static char *last_console_line(const char *console, size_t len)
{
	char *tail = console_tail(console, len, 20), *line = NULL;

	for (char *p = tail; (p = strstr(p, "granule-agent:")); p++)
		line = p;
	if (!line) {
		free(tail);
		line = tail = console_tail(console, len, 1);
	}
	memmove(tail, line, strlen(line) + 1);
	tail[strcspn(tail, "\n")] = '\0';
	if (strlen(tail) > LINE_QUOTED_MAX)
		strcpy(tail + LINE_QUOTED_MAX - 3, "...");
	return tail;
}

static char *with_console_end(const char *message, const char *console, size_t len, const char *if_empty)
{
	_cleanup_free_ char *line = last_console_line(console, len);

	if (!*line)
		return xasprintf("%s; the console is empty%s", message, if_empty);
	return xasprintf("%s; the console ends with '%s'", message, line);
}

static char *no_hello_reason(const char *message, const char *console, size_t len)
{
	return with_console_end(
		message, console, len,
		": the kernel did not come as far as its first line (is it one for QEMU's virt machine, "
		"with a PL011 console?)");
}

/* A guest that was not done in time for want of the host's processors has said nothing about itself. */
static bool judge_starved(const json_t *done, const char *said, struct boot_result *result)
{
	const json_t *lasted = json_object_get(json_object_get(done, "steps"), "stop_s");
	double wall = json_number_value(lasted), cpu = json_number_value(json_object_get(done, "cpu_s"));
	double starved = json_number_value(json_object_get(done, "starved_s"));

	/* less than a quarter of the processor time that it asked for, for most of its life */
	result->starved = starved > wall / 2 && starved > 3 * cpu;
	if (result->starved)
		set_outcome(
			result, OUTCOME_HOST_FAILED,
			xasprintf("%s; this host starved the guest: in %.1f s it ran for %.1f s and wanted to run for "
				  "%.1f s more",
				  said, wall, cpu, starved));
	return result->starved;
}

/* What the workload knows of its programs' logs. */
static void add_trouble(const struct cell_record *cell, struct boot_result *result)
{
	const struct workload *workload = cell->workload ? workload_find(cell->workload) : NULL;
	_cleanup_(artifacts_free) struct artifact_list artifacts = { 0 };
	_cleanup_free_ char *trouble = NULL;

	if (result->outcome != OUTCOME_WORKLOAD_FAILED || !workload || !workload->trouble || !cell->job)
		return;
	artifacts_read(cell->job, result->stream, result->stream_len, &artifacts);
	trouble = workload->trouble(&artifacts);
	if (trouble)
		set_outcome(result, result->outcome, with_reason(result->reason, trouble));
}

/* How granule-boot saw an attempt end whose stream is not complete. */
static void judge_stopped(const json_t *done, const struct scan *scan, const char *console, size_t console_len,
			  struct boot_result *result)
{
	const char *stop = json_string_value(json_object_get(done, "stop"));
	const char *message = json_string_value(json_object_get(done, "message"));
	const char *said = message && *message ? message : NULL;

	if (!stop)
		return;
	if ((!strcmp(stop, "timeout") || !strcmp(stop, "no-hello")) && judge_starved(done, said ? said : stop, result))
		return;
	if (!strcmp(stop, "timeout"))
		set_outcome(result, OUTCOME_TIMEOUT, xasprintf("%s; %s", said ? said : "timeout", scan->trouble));
	else if (!strcmp(stop, "no-hello"))
		set_outcome(result, OUTCOME_BOOT_FAILED,
			    no_hello_reason(said ? said : "no hello in time", console, console_len));
	else if (!strcmp(stop, "stream-too-large"))
		set_outcome(result, OUTCOME_WORKLOAD_FAILED,
			    in_step(said ? said : "the guest wrote too much into its stream", scan));
	else if (!strcmp(stop, "console-too-large"))
		set_outcome(result, OUTCOME_WORKLOAD_FAILED,
			    with_console_end(said ? said : "the guest wrote too much to its console", console,
					     console_len, ""));
	else if (!strcmp(stop, "crashed"))
		set_outcome(result, OUTCOME_GUEST_CRASHED,
			    xasprintf("%s; %s", said ? said : "the guest crashed", scan->trouble));
	else if (!strcmp(stop, "host-error"))
		set_outcome(result, OUTCOME_HOST_FAILED, xstrdup(said ? said : "the host failed"));
	else if (!strcmp(stop, "unseen"))
		set_outcome(result, OUTCOME_INCOMPLETE, xasprintf("nobody saw the guest end; %s", scan->trouble));
	else if (!strcmp(stop, "interrupted"))
		set_outcome(result, OUTCOME_INCOMPLETE, xasprintf("interrupted; %s", scan->trouble));
	else if (!scan->n_records && !scan->damaged)
		set_outcome(result, OUTCOME_BOOT_FAILED,
			    no_hello_reason("the guest powered off without a hello", console, console_len));
}

/* The console's word stands above the workload's. Its first line, without the time stamp, is the reason. An OOM kill is
 * no crash: it takes away an "ok", and is told with any other outcome. */
static void judge_console(const char *console, size_t len, const struct scan *scan, struct boot_result *result)
{
	bool oom;
	_cleanup_free_ char *crash = console_crash(console, len, &oom), *line = NULL;
	const char *text;
	char *sizes;

	if (!crash)
		return;
	crash[strcspn(crash, "\n")] = '\0';
	text = strstr(crash, "] ");
	sizes = oom ? strstr(crash, " total-vm:") : NULL;
	if (sizes) /* a dozen; show has them */
		*sizes = '\0';
	line = xasprintf("console: %s", text ? text + 2 : crash);
	if (!oom)
		set_outcome(result, OUTCOME_GUEST_CRASHED,
			    scan->trouble ? xasprintf("%s; %s", line, scan->trouble) : steal_ptr(line));
	else if (result->outcome == OUTCOME_OK)
		set_outcome(result, OUTCOME_WORKLOAD_FAILED, steal_ptr(line));
	else
		set_outcome(result, result->outcome, xasprintf("%s; %s", result->reason, line));
}

static bool digest_differs(const json_t *done, const struct boot_result *result)
{
	const char *digest = json_string_value(json_object_get(done, "stream_sha256"));

	return digest && *digest && strcmp(digest, result->sha256);
}

static void read_done(struct boot_result *result, enum attempt_state state, json_t **ret_done)
{
	_cleanup_free_ char *path = path_join(result->dir, "done.json");
	const char *stop;
	json_t *wall;

	*ret_done = NULL;
	result->wall_s = -1;
	if (state != ATTEMPT_OVER || json_file_read(path, ret_done, NULL) <= 0)
		return;
	stop = json_string_value(json_object_get(*ret_done, "stop"));
	result->closed = !stop || (strcmp(stop, "interrupted") && strcmp(stop, "unseen"));
	result->reused = json_is_object(json_object_get(*ret_done, "reused"));
	wall = json_object_get(*ret_done, "wall_s");
	if (json_is_number(wall))
		result->wall_s = json_number_value(wall);
}

uint64_t stream_size_max(const char *job)
{
	return job && strstr(job, "\nkeep\t") ? STREAM_SIZE_MAX_KEEPING : STREAM_SIZE_MAX;
}

static int read_attempt(const struct run *run, const struct cell_record *cell, unsigned int boot, unsigned int attempt,
			struct boot_result *ret, bool *ret_complete, struct err *err)
{
	_cleanup_(scan_free) struct scan scan = { 0 };
	_cleanup_free_ char *console = NULL, *parent = boot_dir(run->dir, cell->id, boot);
	bool stream_more = false, console_more = false, digest_bad;
	enum attempt_state state;
	size_t console_len = 0;
	json_t *done;

	ret->attempt = attempt;
	ret->dir = xasprintf("%s/%u", parent, attempt);
	/* before its files: what is over has said all that it will say */
	state = attempt_state(ret->dir);
	if (read_head(ret->dir, "stream", stream_size_max(cell->job), &ret->stream, &ret->stream_len, &stream_more,
		      err) < 0 ||
	    read_head(ret->dir, "console.log", CONSOLE_SIZE_MAX, &console, &console_len, &console_more, err) < 0)
		return -1;
	read_done(ret, state, &done);
	sha256_bytes(ret->stream ? ret->stream : "", ret->stream_len, ret->sha256);
	scan_stream(ret->stream ? ret->stream : "", ret->stream_len, &scan);
	/* of one that is larger than what is read there is no digest to compare */
	digest_bad = !stream_more && digest_differs(done, ret);
	if (digest_bad || stream_more) {
		scan.complete = false;
		scan.damaged = true;
		free(scan.trouble);
		scan.trouble = digest_bad ? xstrdup("the stream is damaged: it is not the one that done.json names")
					  : xasprintf("the stream is larger than %llu bytes",
						      (unsigned long long)stream_size_max(cell->job));
	}
	*ret_complete = scan.complete;
	ret->hello = scan.hello;
	ret->running = !scan.complete && state != ATTEMPT_OVER;
	ret->adoptable = !done && (state == ATTEMPT_ORPHAN || (state == ATTEMPT_OVER && scan.complete));
	if (scan.complete) {
		judge_complete(cell, &scan, ret);
		add_trouble(cell, ret);
	} else {
		set_outcome(ret, OUTCOME_INCOMPLETE, xstrdup(ret->running ? "still running" : scan.trouble));
		if (!digest_bad)
			judge_stopped(done, &scan, console ? console : "", console_len, ret);
	}
	if (console && ret->outcome != OUTCOME_HOST_FAILED && !digest_bad)
		judge_console(console, console_len, &scan, ret);
	json_decref(done);
	return 0;
}

int attempt_read(const struct run *run, const struct cell_record *cell, unsigned int boot, unsigned int attempt,
		 struct boot_result *ret, bool *ret_complete, struct err *err)
{
	*ret = (struct boot_result){ .wall_s = -1 };
	if (read_attempt(run, cell, boot, attempt, ret, ret_complete, err) == 0)
		return 0;
	boot_result_free(ret);
	return err_wrap(err, "cell %s boot %u attempt %u", cell->id, boot, attempt);
}

int boot_read(const struct run *run, const struct cell_record *cell, unsigned int boot, struct boot_result *ret,
	      struct err *err)
{
	struct boot_result last = { .outcome = OUTCOME_NOT_RUN, .wall_s = -1 };
	_cleanup_free_ unsigned int *attempts = NULL;
	size_t n;

	if (cell->skip) {
		*ret = (struct boot_result){ .outcome = OUTCOME_SKIPPED, .reason = xstrdup(cell->skip), .wall_s = -1 };
		return 0;
	}
	if (attempt_list(run, cell->id, boot, &attempts, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct boot_result result;
		bool complete;

		if (attempt_read(run, cell, boot, attempts[i], &result, &complete, err) < 0) {
			boot_result_free(&last);
			return -1;
		}
		boot_result_free(&last);
		last = result;
		if (complete)
			break;
	}
	if (last.outcome == OUTCOME_NOT_RUN) {
		last.reason = image_given_up(run, cell->kernel_sha256);
		if (!last.reason)
			last.reason = xstrdup("not run");
	}
	*ret = last;
	return 0;
}

bool outcome_owed(enum outcome outcome)
{
	return outcome == OUTCOME_NOT_RUN || outcome == OUTCOME_INCOMPLETE || outcome == OUTCOME_HOST_FAILED;
}

void boot_result_free(struct boot_result *result)
{
	free(result->reason);
	free(result->dir);
	free(result->stream);
	*result = (struct boot_result){ .outcome = OUTCOME_NOT_RUN, .wall_s = -1 };
}

enum outcome boot_outcome(const struct run *run, const struct cell_record *cell, unsigned int boot)
{
	struct boot_result result;
	enum outcome outcome;

	/* what cannot be read has told nothing: it is tried again */
	if (boot_read(run, cell, boot, &result, NULL) < 0)
		return OUTCOME_INCOMPLETE;
	outcome = result.outcome;
	boot_result_free(&result);
	return outcome;
}
