// SPDX-License-Identifier: GPL-2.0-or-later
/* The loop: what git names is measured, what was measured is told to git and written down. Knows no kernel. */
#include "bisect/bisect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define JOURNAL_CAP (64 << 20)

static void step_clear(struct bisect_step *s)
{
	free(s->commit);
	free(s->subject);
	free(s->reason);
}

void bisect_result_clear(struct bisect_result *r)
{
	for (size_t i = 0; i < r->n_candidates; i++)
		free(r->candidates[i]);
	for (size_t i = 0; i < r->n_steps; i++)
		step_clear(&r->steps[i]);
	free(r->candidates);
	free(r->steps);
	free(r->subject);
	free(r->author);
	free(r->parent);
	*r = (struct bisect_result){ 0 };
}

/* ---- The journal */

static int verdict_of(const char *name)
{
	for (int v = 0; bisect_verdict_names[v]; v++)
		if (name && !strcmp(name, bisect_verdict_names[v]))
			return v;
	return -1;
}

static char *member(const json_t *o, const char *key)
{
	return xstrdup(json_string_value(json_object_get(o, key)));
}

static int journal_line(const char *path, size_t number, const char *line, struct bisect_result *r, struct err *err)
{
	json_t *o = json_loads(line, 0, NULL);
	int verdict = verdict_of(json_string_value(json_object_get(o, "verdict")));
	struct bisect_step *s;

	if (verdict < 0 || !json_is_string(json_object_get(o, "commit"))) {
		json_decref(o);
		return err_set(err, ERR_CONFIG, "%s:%zu: not a step of a bisection", path, number);
	}
	s = VEC_PUSH(r->steps, r->n_steps);
	s->commit = member(o, "commit");
	s->subject = member(o, "subject");
	s->reason = member(o, "reason");
	s->verdict = (enum bisect_verdict)verdict;
	s->end = json_is_true(json_object_get(o, "end"));
	json_decref(o);
	return 0;
}

/* A last line without its end was being written when that granule died: its step is measured again, from its run
 * directory. */
static int journal_read(const char *path, struct bisect_result *r, struct err *err)
{
	_cleanup_free_ char *data = NULL;
	size_t number = 1, whole;
	char *end;

	if (!path_exists(path))
		return 0;
	if (file_read(path, JOURNAL_CAP, &data, NULL, err) < 0)
		return -1;
	for (char *p = data; (end = strchr(p, '\n')); p = end + 1, number++) {
		*end = '\0';
		if (journal_line(path, number, p, r, err) < 0)
			return -1;
		*end = '\n';
	}
	whole = (size_t)((end = strrchr(data, '\n')) ? end + 1 - data : 0);
	return data[whole] ? file_write_atomic(path, data, whole, err) : 0;
}

static int journal_add(const char *path, const struct bisect_step *s, struct err *err)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:b}", "commit", s->commit, "subject", s->subject, "verdict",
			      bisect_verdict_names[s->verdict], "reason", s->reason, "end", s->end);
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT), *line = xasprintf("%s\n", text);

	json_decref(o);
	return file_append(path, line, strlen(line), err);
}

/* ---- Steps */

struct bisection {
	const struct bisect_options *options;
	struct bisect_result *result;
	struct history history;
	char *journal; /* owned */
};

static void bisection_clear(struct bisection *b)
{
	history_clear(&b->history);
	free(b->journal);
}

static void tell(const struct bisection *b, const struct bisect_step *s, size_t number, bool done)
{
	if (b->options->progress)
		b->options->progress(b->options->ctx, s, s->end ? NULL : &b->history, number, done);
}

static const struct bisect_step *find_step(const struct bisect_result *r, const char *commit)
{
	for (size_t i = 0; i < r->n_steps; i++)
		if (!strcmp(r->steps[i].commit, commit))
			return &r->steps[i];
	return NULL;
}

/* A commit's step, measured unless it was. */
static int take_step(struct bisection *b, const char *commit, bool end, const struct bisect_step **ret, struct err *err)
{
	const struct bisect_options *o = b->options;
	struct bisect_step s = { .commit = (char *)commit, .end = end };
	_cleanup_free_ char *subject = NULL, *author = NULL, *reason = NULL;

	*ret = find_step(b->result, commit);
	if (*ret)
		return 0;
	if (history_describe(&b->history, commit, &subject, &author, err) < 0)
		return -1;
	s.subject = subject;
	tell(b, &s, b->result->n_steps + 1, false);
	if (o->measure(o->ctx, commit, &s.verdict, &reason, err) < 0)
		return err_wrap(err, "%.12s", commit);
	s.reason = reason;
	if (journal_add(b->journal, &s, err) < 0)
		return -1;
	s.commit = xstrdup(commit);
	subject = NULL;
	reason = NULL;
	*VEC_PUSH(b->result->steps, b->result->n_steps) = s;
	*ret = &b->result->steps[b->result->n_steps - 1];
	tell(b, *ret, b->result->n_steps, true);
	return 0;
}

/* Caught here: ends the wrong way round, a kernel that was never good, a change that is not there. */
static int check_end(struct bisection *b, const char *commit, enum bisect_verdict wanted, struct err *err)
{
	const char *name = bisect_verdict_names[wanted];
	const struct bisect_step *s;

	if (take_step(b, commit, true, &s, err) < 0)
		return err_wrap(err, "--%s", name);
	if (s->verdict == wanted)
		return 0;
	if (s->verdict == BISECT_SKIP)
		return err_set(err, ERR_GUEST, "--%s %.12s (%s) is neither good nor bad: %s", name, commit, s->subject,
			       s->reason);
	return err_set(err, ERR_CONFIG, "--%s %.12s (%s) is %s: %s%s", name, commit, s->subject,
		       bisect_verdict_names[s->verdict], s->reason,
		       wanted == BISECT_BAD ? "; there is nothing to find between the two (or they are the wrong way "
					      "round)"
					    : "");
}

static int keep_log(const struct bisection *b, struct err *err)
{
	_cleanup_free_ char *log = NULL, *path = path_join(b->options->dir, "bisect.log");

	if (history_log(&b->history, &log, err) < 0)
		return -1;
	return file_write_atomic(path, log, strlen(log), err);
}

/* git is told of every step again, in their order: then it names what it named before. */
static int halve(struct bisection *b, struct err *err)
{
	while (b->history.state == HISTORY_TEST) {
		_cleanup_free_ char *commit = xstrdup(b->history.next);
		const struct bisect_step *s;

		if (take_step(b, commit, false, &s, err) < 0 ||
		    history_mark(&b->history, commit, s->verdict, err) < 0 || keep_log(b, err) < 0)
			return -1;
	}
	return 0;
}

static int conclude(struct bisection *b, struct err *err)
{
	struct bisect_result *r = b->result;

	r->found = b->history.state == HISTORY_FOUND;
	r->candidates = steal_ptr(b->history.candidates);
	r->n_candidates = b->history.n_candidates;
	b->history.n_candidates = 0;
	if (!r->found)
		return 0;
	if (history_describe(&b->history, r->candidates[0], &r->subject, &r->author, err) < 0)
		return -1;
	return history_parent(&b->history, r->candidates[0], &r->parent, err);
}

int bisect_run(const struct bisect_options *options, struct bisect_result *ret, struct err *err)
{
	_cleanup_(bisect_result_clear) struct bisect_result result = { 0 };
	_cleanup_(bisection_clear) struct bisection b = { .options = options, .result = &result };
	_cleanup_free_ char *repository = path_join(options->dir, "history"),
			    *lock_path = path_join(options->dir, "lock");
	_cleanup_close_ int lock = lock_file(lock_path, false, err);

	if (lock == -2)
		return err_set(err, ERR_CONFIG, "%s: another granule is at this bisection", options->dir);
	if (lock < 0)
		return -1;
	b.journal = path_join(options->dir, "steps.jsonl");
	if (journal_read(b.journal, &result, err) < 0 ||
	    history_begin(repository, options->tree, options->good, options->bad, &b.history, err) < 0 ||
	    keep_log(&b, err) < 0 || check_end(&b, options->good, BISECT_GOOD, err) < 0 ||
	    check_end(&b, options->bad, BISECT_BAD, err) < 0 || halve(&b, err) < 0 || conclude(&b, err) < 0)
		return -1;
	*ret = result;
	result = (struct bisect_result){ 0 };
	return 0;
}
