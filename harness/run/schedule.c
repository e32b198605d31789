// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes: when to start a granule-boot, for how many guests there is room, what to do when one is gone. A boot counts
 * as paid when reading it says so, whatever the process that ran it returned. */
#include "run/schedule.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "guest/programs.h"
#include "guest/slot.h"
#include "run/cost.h"
#include "run/hold.h"
#include "run/progress.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define POLL_NS (500 * NSEC_PER_MSEC) /* of what other processes are at, while there is something of one's own */
#define KILLS_MAX 3		      /* of one boot's granule-boots in one run of the scheduler */
/* What QEMU needs beside the guest's memory. */
#define GUEST_OVERHEAD_BYTES (UINT64_C(256) << 20)

struct worker {
	pid_t pid; /* 0: free */
	size_t index;
	unsigned int killed; /* how often a granule-boot of this boot was */
};

struct scheduler {
	const struct run *run;
	const struct schedule_options *options;
	struct owed owed;
	struct worker *workers;
	size_t n_workers, n_running;
	uint64_t memory_used, polled_ns;
	struct progress progress;
	size_t n_reused;
	bool taking; /* there may be more in the cache */
	bool interrupted, host_failed, said_waiting, said_cache;
	struct err *err;
};

static uint64_t cell_memory(const struct cell_record *cell)
{
	return cell->memory_bytes + GUEST_OVERHEAD_BYTES;
}

static bool is_wanted(void *ctx, const struct cell_record *cell, unsigned int boot)
{
	const struct scheduler *s = ctx;
	const struct schedule_options *o = s->options;

	/* an adaptive cell, whose next round waits for the last one, is one shard's as a whole */
	return (!o->wanted || o->wanted(o->wanted_ctx, cell, boot)) &&
	       owed_in_shard((size_t)(cell - s->run->cells), cell->boots_most ? 1 : boot, o->shard, o->n_shards);
}

/* As many guests as cores and memory allow: an emulated guest keeps one core busy for each of its vCPUs. */
static unsigned int jobs_allowed(const struct scheduler *s)
{
	const struct schedule_options *o = s->options;
	uint64_t cpus = 1, jobs;

	for (size_t i = 0; i < s->run->n_cells; i++)
		if (!s->run->cells[i].skip && s->run->cells[i].cpus > cpus)
			cpus = s->run->cells[i].cpus;
	jobs = o->cpus / cpus;
	if (o->jobs && o->jobs < jobs)
		jobs = o->jobs;
	return jobs ? (unsigned int)jobs : 1;
}

static pid_t spawn_boot(struct scheduler *s, const struct owed_boot *b)
{
	bool adopt = b->state == OWED_ADOPT;
	_cleanup_free_ char *program = granule_program_path("granule-boot");
	_cleanup_free_ char *attempt = xasprintf("%u", adopt ? b->attempt : b->attempt + 1);
	_cleanup_free_ char *boot = xasprintf("%u", b->boot);
	_cleanup_free_ char *jobs = xasprintf("--jobs=%zu", s->n_workers);
	char *argv[16];
	size_t n = 0;

	argv[n++] = program;
	if (s->options->connect) {
		argv[n++] = (char *)"--connect";
		argv[n++] = (char *)s->options->connect;
	}
	if (s->options->count)
		argv[n++] = (char *)"--count";
	if (s->options->fake)
		argv[n++] = (char *)"--fake";
	argv[n++] = jobs;
	argv[n++] = (char *)(adopt ? "--adopt" : "--attempt");
	argv[n++] = attempt;
	argv[n++] = s->run->dir;
	argv[n++] = b->cell->id;
	argv[n++] = boot;
	argv[n] = NULL;
	return proc_spawn(argv, -1, s->err);
}

static void start_boot(struct scheduler *s, size_t slot, size_t index, unsigned int killed)
{
	struct owed_boot *b = &s->owed.boots[index];
	pid_t pid = spawn_boot(s, b);

	if (pid < 0) {
		s->host_failed = true;
		return;
	}
	owed_take(&s->owed, index);
	s->workers[slot] = (struct worker){ .pid = pid, .index = index, .killed = killed };
	s->n_running++;
	s->memory_used += cell_memory(b->cell);
	progress_start(&s->progress, slot, b->cell, b->boot);
}

/* Pay a boot from the cache. False: it has to be booted. */
static bool take_known(struct scheduler *s, size_t index)
{
	const struct owed_boot *b = &s->owed.boots[index];
	struct boot_result result = { 0 };
	enum owed_state state;

	/* where an attempt cannot be written granule-boot finds the same, and its sentence is recorded */
	if (!s->options->reuse || b->state != OWED_START ||
	    reuse_take(s->options->reuse, s->run, b->cell, b->boot, b->attempt + 1, NULL) <= 0 ||
	    boot_read(s->run, b->cell, b->boot, &result, NULL) < 0)
		return false;
	state = owed_settle(&s->owed, index, &result);
	boot_result_free(&result);
	s->n_reused += state == OWED_PAID;
	s->progress.n_done_before += state == OWED_PAID;
	return state == OWED_PAID;
}

/* What was booted is there for the next run. A cache that cannot keep it is no reason to stop this one. */
static void keep(struct scheduler *s, const struct owed_boot *b, const struct boot_result *result)
{
	struct err err = ERR_INIT;

	if (!s->options->reuse || reuse_keep(s->options->reuse, b->cell, b->boot, result, &err) == 0)
		return;
	if (err.kind == ERR_HOST && s->said_cache)
		return;
	s->said_cache |= err.kind == ERR_HOST;
	progress_clear(&s->progress);
	fprintf(stderr, "granule: %s%s\n", err.kind == ERR_HOST ? "results are not kept: " : "", err.msg);
}

/* The next boot that the cache does not have, SIZE_MAX: none. It is searched for a tick at most, then signals and guests
 * are looked after. */
static size_t next_to_boot(struct scheduler *s, uint64_t until)
{
	for (;;) {
		size_t others, index = owed_next(&s->owed, &others);

		s->progress.n_done += others;
		s->taking = index != SIZE_MAX && now_ns() >= until;
		if (index == SIZE_MAX || s->taking)
			return SIZE_MAX;
		if (!take_known(s, index))
			return index;
	}
}

static void fill_slots(struct scheduler *s)
{
	uint64_t until = now_ns() + TICK_NS;

	for (size_t slot = 0; slot < s->n_workers && !s->host_failed; slot++) {
		size_t index;

		if (s->workers[slot].pid)
			continue;
		index = next_to_boot(s, until);
		/* one guest always runs, or a run on a small host would never end */
		if (index == SIZE_MAX || (s->n_running && s->memory_used + cell_memory(s->owed.boots[index].cell) >
								  s->options->memory_bytes))
			return;
		start_boot(s, slot, index, 0);
	}
}

/* Not an end that a guest, another process or a person brought about. */
static bool failed_to_run(int code)
{
	return code && code != BOOT_EXIT_TAKEN && code < 128;
}

/* What the granule-boot in @slot left behind needs somebody still: another try, an adoption, or the run's end. Returns
 * the sentence behind its outcome. */
static const char *what_next(struct scheduler *s, const struct worker *w, const struct boot_result *result, int code)
{
	const struct owed_boot *b = &s->owed.boots[w->index];
	bool killed = code > 128;

	if (s->interrupted || b->state == OWED_PAID || b->state == OWED_ELSEWHERE)
		return result->reason;
	if ((result->outcome == OUTCOME_HOST_FAILED && !result->starved) || failed_to_run(code)) {
		s->host_failed = true;
	} else if (b->state == OWED_LEFT || (killed && w->killed + 1 >= KILLS_MAX)) {
		/* a guest that is starved or torn costs its boot; a granule-boot that does not live costs the run */
		s->host_failed = killed || !result->closed;
	} else {
		return !killed			? result->reason
		       : b->state == OWED_ADOPT ? "granule-boot was killed; its guest is adopted"
						: "granule-boot was killed; once more";
	}
	if (s->host_failed && s->err->kind == ERR_NONE)
		err_set(s->err, ERR_HOST, "cell %s boot %u: %s (granule-boot ended with %d)", b->cell->id, b->boot,
			result->reason ? result->reason : outcome_names[result->outcome], code);
	return result->reason;
}

/* granule-boot is gone: what does reading say? */
static void settle(struct scheduler *s, size_t slot, int status)
{
	const struct worker w = s->workers[slot];
	const struct owed_boot *b = &s->owed.boots[w.index];
	struct boot_result result = { 0 };
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	enum owed_state state;
	const char *reason;

	s->workers[slot] = (struct worker){ 0 };
	s->n_running--;
	s->memory_used -= cell_memory(b->cell);
	if (boot_read(s->run, b->cell, b->boot, &result, s->err) < 0) {
		s->host_failed = true;
		progress_finish(&s->progress, slot, OUTCOME_HOST_FAILED, NULL);
		return;
	}
	state = owed_settle(&s->owed, w.index, &result);
	keep(s, b, &result);
	reason = what_next(s, &w, &result, code);
	if (code > 128 && !s->options->fake)
		slots_sweep();
	if (state == OWED_ELSEWHERE)
		progress_drop(&s->progress, slot);
	else
		progress_finish(&s->progress, slot, result.outcome, reason);
	if (state == OWED_START || state == OWED_ADOPT) {
		s->progress.n_done--;
		/* at once, so that kills of this boot are counted */
		if (!s->interrupted && !s->host_failed)
			start_boot(s, slot, w.index, w.killed + (code > 128));
	}
	boot_result_free(&result);
}

static void reap(struct scheduler *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t slot = 0; slot < s->n_workers; slot++)
			if (s->workers[slot].pid == pid)
				settle(s, slot, status);
}

static void end_guests(struct scheduler *s)
{
	for (size_t slot = 0; slot < s->n_workers; slot++)
		if (s->workers[slot].pid)
			kill(s->workers[slot].pid, SIGTERM);
}

static void wait_a_little(struct scheduler *s, const sigset_t *signals)
{
	struct timespec tick = { .tv_nsec = s->taking ? 0 : TICK_NS };
	int sig = sigtimedwait(signals, NULL, &tick);

	if (sig == SIGINT || sig == SIGTERM) {
		if (!s->interrupted) {
			progress_clear(&s->progress);
			fprintf(stderr, "granule: interrupted, ending %zu guests; `granule run --resume %s` goes on\n",
				s->n_running, s->run->dir);
		}
		s->interrupted = true;
		end_guests(s);
	}
}

static void look_at_others(struct scheduler *s)
{
	uint64_t now = now_ns();

	/* with nothing of its own, what it waits for is all that there is to see */
	if (!s->n_running || now - s->polled_ns >= POLL_NS) {
		s->polled_ns = now;
		s->progress.n_done += owed_poll(&s->owed);
	}
	if (s->n_running || s->said_waiting || s->taking)
		return;
	progress_clear(&s->progress);
	fprintf(stderr, "granule: waiting for %zu boots that other processes are at\n",
		owed_count(&s->owed, OWED_ELSEWHERE));
	s->said_waiting = true;
}

static bool is_finished(struct scheduler *s)
{
	size_t others;
	bool more;

	if (s->n_running)
		return false;
	if (s->interrupted || s->host_failed)
		return true;
	more = owed_next(&s->owed, &others) != SIZE_MAX;
	s->progress.n_done += others;
	return !more && !owed_count(&s->owed, OWED_ELSEWHERE);
}

static void run_all(struct scheduler *s)
{
	sigset_t signals, before;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	/* a killed granule-boot leaves its QEMU to us, so that it can be reaped */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (;;) {
		if (!s->interrupted && !s->host_failed)
			fill_slots(s);
		if (is_finished(s))
			break;
		look_at_others(s);
		wait_a_little(s, &signals);
		reap(s);
		s->progress.n_total = s->owed.n;
		progress_tick(&s->progress);
	}
	progress_clear(&s->progress);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void count_outcomes(const struct scheduler *s, struct schedule_result *result)
{
	for (size_t i = 0; i < s->owed.n; i++)
		result->by_outcome[s->owed.boots[i].outcome]++;
}

static int lock_run(const struct run *run, struct err *err)
{
	_cleanup_free_ char *path = path_join(run->dir, "lock");
	int lock = lock_file(path, false, err);

	if (lock == -2)
		return err_set(err, ERR_HOST,
			       "%s: another granule is running it; `granule run --join %s` works beside it", run->dir,
			       run->dir);
	return lock;
}

int schedule_run(const struct run *run, const struct schedule_options *options, struct schedule_result *ret_result,
		 struct err *err)
{
	_cleanup_close_ int lock = options->join ? -1 : lock_run(run, err);
	_cleanup_(holds_end) struct holds holds = { 0 };
	struct err first = ERR_INIT;
	struct scheduler s = { .run = run, .options = options, .err = &first, .said_waiting = options->quiet };

	*ret_result = (struct schedule_result){ 0 };
	if (!options->join && lock < 0)
		return -1;
	holds_take(run, &holds);
	/* what killed processes left, of whatever run */
	if (!options->fake)
		slots_sweep();
	owed_init(&s.owed, run, is_wanted, &s);
	ret_result->n_boots = s.owed.n;
	ret_result->n_done_before = s.owed.n_done_before;
	s.n_workers = jobs_allowed(&s);
	s.workers = xcalloc(s.n_workers, sizeof(*s.workers));
	progress_init(&s.progress, run, s.n_workers, options->plain, options->quiet);
	s.progress.n_total = ret_result->n_boots;
	s.progress.n_done_before = ret_result->n_done_before;
	run_all(&s);
	ret_result->n_boots = s.owed.n;
	ret_result->n_reused = s.n_reused;
	if (!options->fake)
		slots_sweep();
	progress_free(&s.progress);
	free(s.workers);
	count_outcomes(&s, ret_result);
	/* a guest that counts its instructions takes longer than another */
	if (!options->count)
		cost_record(&s.owed);
	owed_free(&s.owed);
	if (s.interrupted)
		return err_set(err, ERR_INTERRUPTED, "interrupted; `granule run --resume %s` goes on", run->dir);
	if (s.host_failed)
		return err_set(err, first.kind == ERR_NONE ? ERR_HOST : first.kind, "%s", first.msg);
	return 0;
}
