// SPDX-License-Identifier: GPL-2.0-or-later
/* Pays owed boots with granule-boot processes. The run directory is the only truth: a boot counts as paid when reading
 * it says so, whatever the process that ran it returned. */
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
#include "run/progress.h"

#define TICK_NS (100 * NSEC_PER_MSEC)
#define TRIES_MAX 3 /* of one boot in one run of the scheduler, when granule-boot itself dies */
/* What QEMU needs beside the guest's memory. */
#define GUEST_OVERHEAD_BYTES (UINT64_C(256) << 20)

struct owed {
	const struct cell_record *cell;
	unsigned int boot;
	unsigned int tries;
};

struct worker {
	pid_t pid; /* 0: free */
	size_t owed;
};

struct scheduler {
	const struct run *run;
	const struct schedule_options *options;
	struct owed *owed;
	size_t n_owed, next;
	struct worker *workers;
	size_t n_workers, n_running;
	uint64_t memory_used;
	struct progress progress;
	bool interrupted, host_failed, said_waiting;
	struct err *err;
};

bool outcome_owed(enum outcome outcome)
{
	return outcome == OUTCOME_NOT_RUN || outcome == OUTCOME_INCOMPLETE || outcome == OUTCOME_HOST_FAILED;
}

static uint64_t cell_memory(const struct cell_record *cell)
{
	return cell->memory_bytes + GUEST_OVERHEAD_BYTES;
}

static bool is_wanted(const struct schedule_options *options, const struct cell_record *cell, unsigned int boot)
{
	if (cell->skip || boot > cell->boots)
		return false;
	return !options->wanted || options->wanted(options->wanted_ctx, cell, boot);
}

static unsigned int boots_max(const struct run *run)
{
	unsigned int most = 0;

	for (size_t i = 0; i < run->n_cells; i++)
		if (!run->cells[i].skip && run->cells[i].boots > most)
			most = (unsigned int)run->cells[i].boots;
	return most;
}

/* What reading says of a boot. One that a killed scheduler left behind with its granule-boot alive is that process's to
 * finish: wait for it. */
static enum outcome settled_outcome(struct scheduler *s, const struct cell_record *cell, unsigned int boot)
{
	for (;;) {
		struct timespec tick = { .tv_nsec = TICK_NS };
		struct boot_result result = { 0 };
		enum outcome outcome;
		bool running;

		if (boot_read(s->run, cell, boot, &result, NULL) < 0)
			return boot_outcome(s->run, cell, boot);
		outcome = result.outcome;
		running = result.running && outcome_owed(outcome);
		boot_result_free(&result);
		if (!running)
			return outcome;
		if (!s->said_waiting)
			fprintf(stderr, "granule: waiting for %s boot %u, which another process runs\n", cell->id,
				boot);
		s->said_waiting = true;
		nanosleep(&tick, NULL);
	}
}

static void find_owed(struct scheduler *s, struct schedule_result *result)
{
	unsigned int most = boots_max(s->run);

	for (unsigned int boot = 1; boot <= most; boot++) {
		for (size_t i = 0; i < s->run->n_cells; i++) {
			const struct cell_record *cell = &s->run->cells[i];
			struct owed *o;

			if (!is_wanted(s->options, cell, boot))
				continue;
			result->n_boots++;
			if (!outcome_owed(settled_outcome(s, cell, boot))) {
				result->n_done_before++;
				continue;
			}
			o = VEC_PUSH(s->owed, s->n_owed);
			o->cell = cell;
			o->boot = boot;
		}
	}
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

static int start_boot(struct scheduler *s, size_t slot, size_t index)
{
	struct owed *o = &s->owed[index];
	_cleanup_free_ char *program = granule_program_path("granule-boot");
	_cleanup_free_ char *boot = xasprintf("%u", o->boot);
	char *argv[16];
	size_t n = 0;
	pid_t pid;

	argv[n++] = program;
	if (s->options->connect) {
		argv[n++] = (char *)"--connect";
		argv[n++] = (char *)s->options->connect;
	}
	if (s->options->fake)
		argv[n++] = (char *)"--fake";
	argv[n++] = s->run->dir;
	argv[n++] = o->cell->id;
	argv[n++] = boot;
	argv[n] = NULL;
	pid = proc_spawn(argv, -1, s->err);
	if (pid < 0) {
		s->host_failed = true;
		return -1;
	}
	o->tries++;
	s->workers[slot] = (struct worker){ .pid = pid, .owed = index };
	s->n_running++;
	s->memory_used += cell_memory(o->cell);
	progress_start(&s->progress, slot, o->cell, o->boot);
	return 0;
}

static void fill_slots(struct scheduler *s)
{
	for (size_t slot = 0; slot < s->n_workers && s->next < s->n_owed; slot++) {
		uint64_t memory = cell_memory(s->owed[s->next].cell);

		if (s->workers[slot].pid)
			continue;
		/* one guest always runs, or a run on a small host would never end */
		if (s->n_running && s->memory_used + memory > s->options->memory_bytes)
			return;
		if (start_boot(s, slot, s->next) < 0)
			return;
		s->next++;
	}
}

/* granule-boot is gone: what does reading say? */
static void settle(struct scheduler *s, size_t slot, int status)
{
	size_t index = s->workers[slot].owed;
	struct owed *o = &s->owed[index];
	struct boot_result result = { 0 };
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

	s->workers[slot] = (struct worker){ 0 };
	s->n_running--;
	s->memory_used -= cell_memory(o->cell);
	if (boot_read(s->run, o->cell, o->boot, &result, s->err) < 0) {
		s->host_failed = true;
		progress_finish(&s->progress, slot, OUTCOME_HOST_FAILED, NULL);
		return;
	}
	if (outcome_owed(result.outcome) && !s->interrupted) {
		if (WIFSIGNALED(status) && o->tries < TRIES_MAX) {
			progress_finish(&s->progress, slot, result.outcome, "granule-boot was killed; once more");
			s->progress.n_done--;
			if (start_boot(s, slot, index) < 0)
				s->host_failed = true;
			boot_result_free(&result);
			return;
		}
		s->host_failed = true;
		if (s->err->kind == ERR_NONE)
			err_set(s->err, ERR_HOST, "cell %s boot %u: %s (granule-boot ended with %d)", o->cell->id,
				o->boot, result.reason ? result.reason : outcome_names[result.outcome], code);
	}
	progress_finish(&s->progress, slot, result.outcome, result.reason);
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
	struct timespec tick = { .tv_nsec = TICK_NS };
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
		bool stopping = s->interrupted || s->host_failed;

		if (!stopping)
			fill_slots(s);
		if (!s->n_running && (s->interrupted || s->host_failed || s->next == s->n_owed))
			break;
		wait_a_little(s, &signals);
		reap(s);
		progress_tick(&s->progress);
	}
	progress_clear(&s->progress);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void count_outcomes(const struct run *run, const struct schedule_options *options,
			   struct schedule_result *result)
{
	for (size_t i = 0; i < run->n_cells; i++)
		for (unsigned int boot = 1; boot <= run->cells[i].boots; boot++)
			if (is_wanted(options, &run->cells[i], boot))
				result->by_outcome[boot_outcome(run, &run->cells[i], boot)]++;
}

int schedule_run(const struct run *run, const struct schedule_options *options, struct schedule_result *ret_result,
		 struct err *err)
{
	_cleanup_free_ char *lock_path = path_join(run->dir, "lock");
	_cleanup_close_ int lock = lock_file(lock_path, false, err);
	struct err first = ERR_INIT;
	struct scheduler s = { .run = run, .options = options, .err = &first, .said_waiting = options->quiet };

	*ret_result = (struct schedule_result){ 0 };
	if (lock == -2)
		return err_set(err, ERR_HOST, "%s: another granule is running it", run->dir);
	if (lock < 0)
		return -1;
	find_owed(&s, ret_result);
	s.n_workers = jobs_allowed(&s);
	s.workers = xcalloc(s.n_workers, sizeof(*s.workers));
	progress_init(&s.progress, run, s.n_workers, options->plain, options->quiet);
	s.progress.n_total = ret_result->n_boots;
	s.progress.n_done_before = ret_result->n_done_before;
	run_all(&s);
	progress_free(&s.progress);
	free(s.workers);
	free(s.owed);
	count_outcomes(run, options, ret_result);
	if (s.interrupted)
		return err_set(err, ERR_INTERRUPTED, "interrupted; `granule run --resume %s` goes on", run->dir);
	if (s.host_failed)
		return err_set(err, first.kind == ERR_NONE ? ERR_HOST : first.kind, "%s", first.msg);
	return 0;
}
