// SPDX-License-Identifier: GPL-2.0-or-later
/* Several kernels at once: a process each, under one lock of the cache, which this one holds. Knows how to wait; what a
 * kernel is made of, kernel.c knows. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/text.h"
#include "image/cache.h"
#include "image/image.h"

#define CORES_FOR_TWO 4 /* with fewer, two builds only take turns and memory */

/* What a builder says: its progress, and at the end its error. Written whole, for it is less than PIPE_BUF. */
struct said {
	double fraction;
	int eta_s;
	int error_kind; /* of enum err_kind; ERR_NONE: progress */
	char text[3072];
};

struct builder {
	pid_t pid; /* 0: not started */
	int from;  /* its pipe */
	bool done;
	struct said last;
	char inputs[SHA256_HEX_SIZE]; /* two specs of the same inputs are one build */
};

struct several {
	const struct kernel_env *env;
	const struct kernel_spec *const *specs;
	struct builder *v; /* owned, one a spec */
	size_t n, n_running, failed;
	image_progress *progress;
	void *ctx;
	bool ending; /* no more starts */
	struct err *err;
};

unsigned kernels_side_by_side(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= CORES_FOR_TWO ? 2 : 1;
}

static void tell(void *ctx, const char *what, double fraction, int eta_s)
{
	struct said said = { .fraction = fraction, .eta_s = eta_s };

	snprintf(said.text, sizeof(said.text), "%s", what);
	if (write(*(int *)ctx, &said, sizeof(said)) < 0)
		_exit(1); /* nobody listens */
}

/* The child: build, say what went wrong, and leave nothing of the parent's behind. */
static void build_one(const struct several *s, const struct kernel_spec *spec, int to, const sigset_t *before)
{
	struct kernel_env env = *s->env;
	struct kernel_image *image;
	struct err err = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_SETMASK, before, NULL);
	env.prepared = true;
	if (kernel_ensure_in(&env, spec, tell, &to, &image, &err) < 0) {
		struct said said = { .error_kind = (int)err.kind };

		snprintf(said.text, sizeof(said.text), "%.*s", (int)sizeof(said.text) - 1, err.msg);
		_exit(write(to, &said, sizeof(said)) < 0 ? 1 : 2);
	}
	_exit(0);
}

static int start(struct several *s, size_t i, const sigset_t *before)
{
	struct builder *b = &s->v[i];
	int fds[2];

	if (pipe(fds) < 0)
		return err_set_errno(s->err, ERR_HOST, "pipe");
	b->pid = fork();
	if (b->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		b->pid = 0;
		return err_set_errno(s->err, ERR_HOST, "fork");
	}
	if (b->pid == 0) {
		close(fds[0]);
		build_one(s, s->specs[i], fds[1], before);
	}
	close(fds[1]);
	b->from = fds[0];
	s->n_running++;
	return 0;
}

/* Variants wait for all others, whose object trees they start from; equal inputs for each other. */
static bool may_start(const struct several *s, size_t i)
{
	const struct builder *b = &s->v[i];

	if (s->ending || b->pid || b->done)
		return false;
	for (size_t j = 0; j < s->n; j++) {
		const struct builder *other = &s->v[j];

		if (j == i || other->done)
			continue;
		if (other->pid && !strcmp(other->inputs, b->inputs))
			return false;
		if (kernel_is_variant(s->specs[i]) && !kernel_is_variant(s->specs[j]))
			return false;
	}
	return true;
}

/* All of them in one line; as far as they are together. */
static void show(const struct several *s)
{
	_cleanup_(text_free) struct text what = { 0 };
	double fraction = 0;
	int eta_s = -1;
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct builder *b = &s->v[i];

		if (!b->pid || b->done || !b->last.text[0])
			continue;
		text_add(&what, "%s%s", n++ ? " + " : "", b->last.text);
		fraction += b->last.fraction < 0 ? 0 : b->last.fraction;
		eta_s = b->last.eta_s > eta_s ? b->last.eta_s : eta_s;
	}
	if (n)
		s->progress(s->ctx, what.s, fraction / (double)n, eta_s);
}

static void end(struct several *s, size_t i)
{
	struct builder *b = &s->v[i];
	int status = 0;

	close(b->from);
	while (waitpid(b->pid, &status, 0) < 0 && errno == EINTR)
		;
	b->done = true;
	s->n_running--;
	if (status == 0 || s->ending)
		return;
	/* the first error counts; the others finish what they are at */
	s->ending = true;
	s->failed = i;
	if (b->last.error_kind != ERR_NONE)
		err_set(s->err, (enum err_kind)b->last.error_kind, "%s", b->last.text);
	else
		err_set(s->err, ERR_HOST, "building %s: its process died (status %d)", s->specs[i]->label, status);
}

static void hear(struct several *s, size_t i)
{
	struct said said;
	ssize_t n = read(s->v[i].from, &said, sizeof(said));

	if (n < 0 && errno == EINTR)
		return;
	if (n != (ssize_t)sizeof(said)) {
		end(s, i);
		return;
	}
	said.text[sizeof(said.text) - 1] = '\0';
	s->v[i].last = said;
	if (said.error_kind == ERR_NONE)
		show(s);
}

static void interrupt(struct several *s)
{
	s->ending = true;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].pid && !s->v[i].done)
			kill(s->v[i].pid, SIGTERM); /* tool_run() ends its tool, and then itself */
}

/* Start what may be, hear what they say, until none is left. Returns the signal that ended it, or 0. */
static int run(struct several *s, unsigned jobs, int sig_fd, const sigset_t *before)
{
	int caught = 0;

	for (;;) {
		_cleanup_free_ struct pollfd *p = xcalloc(s->n + 1, sizeof(*p));
		struct signalfd_siginfo si;

		for (size_t i = 0; i < s->n && s->n_running < jobs; i++)
			if (may_start(s, i) && start(s, i, before) < 0)
				s->ending = true;
		if (!s->n_running)
			return caught;
		for (size_t i = 0; i < s->n; i++)
			p[i] = (struct pollfd){ .fd = s->v[i].pid && !s->v[i].done ? s->v[i].from : -1,
						.events = POLLIN };
		p[s->n] = (struct pollfd){ .fd = sig_fd, .events = POLLIN };
		if (poll(p, s->n + 1, -1) < 0)
			continue;
		if (p[s->n].revents && read(sig_fd, &si, sizeof(si)) == sizeof(si)) {
			caught = (int)si.ssi_signo;
			interrupt(s);
		}
		for (size_t i = 0; i < s->n; i++)
			if (p[i].revents)
				hear(s, i);
	}
}

/* Under the lock: fetch and unpack what will be built. Those that are there are done. */
static int prepare(struct several *s)
{
	if (cache_sweep(s->env->cache, false, s->err) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		int rc = kernel_prepare_in(s->env, s->specs[i], s->progress, s->ctx, s->v[i].inputs, s->err);

		if (rc < 0) {
			s->failed = i;
			return -1;
		}
		s->v[i].done = rc == 0;
	}
	return 0;
}

int kernels_build_in(const struct kernel_env *env, const struct kernel_spec *const *specs, size_t n, unsigned jobs,
		     image_progress *progress, void *ctx, size_t *ret_failed, struct err *err)
{
	struct err why = ERR_INIT;
	struct several s = { .env = env, .specs = specs, .n = n, .progress = progress, .ctx = ctx, .err = &why };
	_cleanup_close_ int lock = cache_lock(env->cache, progress, ctx, err), sig_fd = -1;
	sigset_t take, before;
	int rc, caught = 0;

	*ret_failed = 0;
	if (lock < 0)
		return -1;
	s.v = xcalloc(n, sizeof(*s.v));
	rc = prepare(&s);
	if (rc == 0) {
		sigemptyset(&take);
		sigaddset(&take, SIGINT);
		sigaddset(&take, SIGTERM);
		sigaddset(&take, SIGHUP);
		sigprocmask(SIG_BLOCK, &take, &before);
		sig_fd = signalfd(-1, &take, SFD_CLOEXEC);
		caught = run(&s, jobs, sig_fd, &before);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	free(s.v);
	*ret_failed = s.failed;
	if (caught)
		return err_set(err, ERR_INTERRUPTED, "interrupted while building kernels");
	return why.kind == ERR_NONE ? 0 : err_set(err, why.kind, "%s", why.msg);
}
