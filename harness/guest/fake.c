// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest that is not there. Reads the job as the agent would, answers for the null workload's program, and makes up
 * the kernel's files from a small model. Reads nothing of this host; its clock is a counter. */
#include "guest/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/fake-process.h"
#include "wire/job.h"
#include "wire/wire.h"

#define RECORD_MAX (128u << 10)
#define NS_PER_RECORD 1000

const char *const fake_hows[] = {
	"ok",	   "oops",	 "torn",  "damaged", "no-hello", "crash",      "wrong-page-size",
	"timeout", "host-error", "sleep", "slow",    "stall",	 "stall-once", NULL
};

struct fake {
	const struct life *life; /* borrowed */
	const char *how;	 /* borrowed from fake_hows */
	struct text stream, console;
	uint64_t page_bytes, clock_ns;
	uint32_t sequence;
	struct {
		char *path; /* owned */
		bool state; /* not read around samples */
	} * watches;	    /* owned */
	size_t n_watches;
	struct text counters; /* of a series, as its records name them */
	uint64_t n_counters, interval_ms, series_s;
	uint64_t folio_bytes; /* the largest folio that is switched on, 0: none */
	/* the kernel's counters so far */
	uint64_t faults, folio_allocs, touched_bytes, peak_bytes;
	bool ended, hung;
};

/* ---- Records */

static void emit(struct fake *f, enum wire_type type, const struct wire_field *fields, unsigned int n)
{
	static char buf[RECORD_MAX];
	size_t len;

	if (f->ended)
		return;
	f->clock_ns += NS_PER_RECORD;
	len = wire_put(buf, sizeof(buf), type, f->sequence++, f->clock_ns, fields, n);
	text_add_bytes(&f->stream, buf, len);
}

/* The list of texts ends with NULL. */
static void emit_text(struct fake *f, enum wire_type type, ...) __attribute__((sentinel));
static void emit_text(struct fake *f, enum wire_type type, ...)
{
	struct wire_field fields[WIRE_FIELDS_MAX];
	unsigned int n = 0;
	va_list ap;

	va_start(ap, type);
	for (const char *s; n < WIRE_FIELDS_MAX && (s = va_arg(ap, const char *));)
		fields[n++] = (struct wire_field){ s, strlen(s) };
	va_end(ap);
	emit(f, type, fields, n);
}

static void end(struct fake *f, const char *outcome, const char *reason)
{
	emit_text(f, WIRE_END, outcome, reason, NULL);
	f->ended = true;
}

static void hello(struct fake *f)
{
	_cleanup_free_ char *page = xasprintf("%" PRIu64, f->page_bytes);
	_cleanup_free_ char *cpus = xasprintf("%" PRIu64, f->life->cell.cpus);
	_cleanup_free_ char *memory = xasprintf("%" PRIu64, f->life->cell.memory_bytes >> 10);

	emit_text(f, WIRE_HELLO, "page_size", page, "release", f->life->cell.kernel_release, "version", "#1 fake",
		  "machine", "aarch64", "cmdline", f->life->cell.command_line, "cpus", cpus, "memory_kib", memory,
		  "thp_sizes", "", "agent", "fake", NULL);
}

/* With $GRANULE_FAKE_SPREAD=N samples differ by up to N thousandths between seeds, as if at random. */
static uint64_t spread(const struct fake *f, uint64_t value)
{
	const char *wanted = getenv("GRANULE_FAKE_SPREAD");
	uint64_t mixed = f->life->options.boot * UINT64_C(0x9e3779b97f4a7c15) >> 40;

	return wanted ? value + value * strtoull(wanted, NULL, 10) * (mixed % 1000) / 1000000 : value;
}

/* ---- The kernel's files, by a model in which only touched memory costs */

/* Differs a little from seed to seed, as layouts do. */
static uint64_t wobble(const struct fake *f, uint64_t value)
{
	return value + value * (f->life->options.boot * 7 % 5) / 1000;
}

static char *meminfo(const struct fake *f)
{
	uint64_t total = (f->life->cell.memory_bytes >> 10) * 98 / 100, used = wobble(f, 40000);

	return xasprintf("MemTotal: %" PRIu64 " kB\nMemFree: %" PRIu64 " kB\nMemAvailable: %" PRIu64 " kB\n"
			 "Cached: 2000 kB\nAnonPages: %" PRIu64 " kB\nSlab: %" PRIu64 " kB\nPageTables: %" PRIu64
			 " kB\nPercpu: 512 kB\n",
			 total, total - used, total - used, f->page_bytes >> 10, wobble(f, 9000), f->page_bytes >> 8);
}

static char *vmstat(const struct fake *f)
{
	return xasprintf("nr_free_pages %" PRIu64 "\npgfault %" PRIu64 "\npgmajfault 0\nthp_fault_alloc %" PRIu64
			 "\nthp_fault_fallback 0\n",
			 (f->life->cell.memory_bytes - f->touched_bytes) / f->page_bytes, 1000 + f->faults,
			 f->folio_allocs);
}

/* NULL: this kernel has no such file. Owned by the caller. */
static char *content(const struct fake *f, const char *path)
{
	if (strcmp(path, "/proc/meminfo") == 0)
		return meminfo(f);
	if (strcmp(path, "/proc/vmstat") == 0)
		return vmstat(f);
	if (strcmp(path, "/proc/sys/vm/min_free_kbytes") == 0)
		return xstrdup("4096\n");
	if (strcmp(path, "cgroup/memory.peak") == 0 || strcmp(path, "cgroup/memory.current") == 0)
		return xasprintf("%" PRIu64 "\n", f->peak_bytes + f->page_bytes);
	if (strcmp(path, "cgroup/memory.stat") == 0)
		return xasprintf("anon %" PRIu64 "\nfile 0\nkernel %" PRIu64 "\npagetables %" PRIu64
				 "\nshmem 0\nslab %" PRIu64 "\n",
				 f->peak_bytes, 2 * f->page_bytes, f->page_bytes, f->page_bytes);
	if (strcmp(path, "/proc/1/status") == 0)
		return xasprintf("Name:\tnull\nVmPTE:\t%" PRIu64 " kB\n", f->page_bytes >> 10);
	if (strcmp(path, "/proc/1/smaps_rollup") == 0)
		return xasprintf("Rss:\t%" PRIu64 " kB\nPss:\t%" PRIu64 " kB\n", f->peak_bytes >> 10,
				 f->peak_bytes >> 10);
	if (ends_with(path, "/stats/anon_fault_alloc"))
		return xasprintf("%" PRIu64 "\n", f->folio_allocs);
	return starts_with(path, "/sys/kernel/mm/transparent_hugepage/") ? xstrdup("0\n") : NULL;
}

static void emit_file(struct fake *f, const char *phase, const char *kind, const char *index, const char *when,
		      const char *path)
{
	_cleanup_free_ char *text = content(f, path);

	if (text)
		emit_text(f, WIRE_FILE, phase, kind, index, when, path, text, NULL);
	else
		emit_text(f, WIRE_FILE, phase, kind, index, when, path, NULL);
}

static void snapshot(struct fake *f, const char *phase, const char *kind, const char *index, const char *when)
{
	static const char *const cgroup[] = { "cgroup/memory.current", "cgroup/memory.peak", "cgroup/memory.stat" };
	bool sample = strcmp(when, "before") == 0 || strcmp(when, "after") == 0;

	for (size_t i = 0; *phase && i < ARRAY_SIZE(cgroup); i++)
		emit_file(f, phase, kind, index, when, cgroup[i]);
	for (size_t i = 0; i < f->n_watches; i++)
		if (!f->watches[i].state || !sample)
			emit_file(f, phase, kind, index, when, f->watches[i].path);
	if (!sample)
		emit_file(f, phase, kind, index, when, "agent/storage");
	if (strcmp(when, "hold") == 0) {
		emit_file(f, phase, kind, index, when, "/proc/1/status");
		emit_file(f, phase, kind, index, when, "/proc/1/smaps_rollup");
	}
}

static void add_watch(struct fake *f, char *path, bool state)
{
	VEC_PUSH(f->watches, f->n_watches)->path = path;
	f->watches[f->n_watches - 1].state = state;
}

static void watch(struct fake *f, const char *pattern, bool state)
{
	static const char stats[] = "/sys/kernel/mm/transparent_hugepage/hugepages-*/stats/*";

	if (strcmp(pattern, stats) == 0) {
		/* the sizes and counters that a model with one folio size needs */
		_cleanup_free_ char *dir =
			xasprintf("/sys/kernel/mm/transparent_hugepage/hugepages-%" PRIu64 "kB/stats/",
				  (f->folio_bytes ? f->folio_bytes : 16 * f->page_bytes) >> 10);

		add_watch(f, xasprintf("%sanon_fault_alloc", dir), state);
		add_watch(f, xasprintf("%sanon_fault_fallback", dir), state);
		add_watch(f, xasprintf("%snr_anon", dir), state);
	} else if (!strpbrk(pattern, "*?[")) {
		add_watch(f, xstrdup(pattern), state);
	}
}

/* ---- Programs */

struct program {
	struct text output;
	const char *fail, *status; /* borrowed */
	uint64_t cost_ns, touch_bytes;
	bool hold;
};

static bool kernel_is(const struct fake *f, const char *what)
{
	return strstr(f->life->cell.kernel_release, what) != NULL;
}

/* A kernel made for a test says in its release what it does: 6.12.0+longer takes a tenth longer, +wobbly up to as
 * much longer or shorter, by its seed; +dead says no hello. */
static uint64_t kernel_cost(const struct fake *f, uint64_t ns)
{
	if (kernel_is(f, "+longer"))
		return ns + ns / 10;
	if (kernel_is(f, "+wobbly"))
		return ns - ns / 10 + ns / 10 * (f->life->options.boot * 2 % 3);
	return ns;
}

/* What workloads/null/guest/null.c would print. */
static void null_arguments(const struct fake *f, struct program *p, char *const *argv, int n)
{
	int n_values = 0;

	p->fail = "none";
	for (int i = 1; i < n; i++) {
		const char *value = i + 1 < n ? argv[i + 1] : "";

		if (strcmp(argv[i], "--hold") == 0) {
			p->hold = true;
			continue;
		}
		if (strcmp(argv[i], "--value") == 0)
			text_add(&p->output, "value.%d %llu\n", n_values++, strtoull(value, NULL, 10));
		else if (strcmp(argv[i], "--cost") == 0)
			p->cost_ns = spread(f, strtoull(value, NULL, 10));
		else if (strcmp(argv[i], "--touch") == 0)
			p->touch_bytes = strtoull(value, NULL, 10);
		else if (strcmp(argv[i], "--fail") == 0)
			p->fail = value;
		i++;
	}
	p->cost_ns = kernel_cost(f, p->cost_ns);
	text_add(&p->output, "elapsed_ns %" PRIu64 "\n", p->cost_ns);
}

static void null_fails(struct program *p)
{
	static const struct {
		const char *how, *status, *output;
	} fails[] = {
		{ "exit", "exit 1", "null was told to fail\n" },
		{ "unsupported", "exit 77", "null was told that this kernel will not do\n" },
		{ "signal", "signal 11", "" },
		{ "hang", "timeout", "" },
		{ "garbage", "exit 0", "value.0 many\n\x01\xff" },
	};

	p->status = p->hold && strcmp(p->fail, "no-hold") != 0 ? "held" : "exit 0";
	for (size_t i = 0; i < ARRAY_SIZE(fails); i++) {
		if (strcmp(p->fail, fails[i].how) == 0) {
			p->status = fails[i].status;
			text_add(&p->output, "%s", fails[i].output);
		}
	}
	if (strcmp(p->fail, "flood") == 0)
		for (int i = 0; i < 64; i++)
			text_add(&p->output, "%01023d\n", 0);
}

static void oops(struct fake *f)
{
	text_add(&f->console,
		 "[    1.000000] Unable to handle kernel NULL pointer dereference at virtual address "
		 "0000000000000000\n[    1.000001] Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP\n"
		 "[    1.000002] CPU: 0 UID: 0 PID: 1 Comm: null Not tainted\n"
		 "[    1.000003] ---[ end trace 0000000000000000 ]---\n");
}

static void account(struct fake *f, const struct program *p)
{
	uint64_t unit = f->folio_bytes ? f->folio_bytes : f->page_bytes;

	f->touched_bytes = p->touch_bytes;
	if (p->touch_bytes > f->peak_bytes)
		f->peak_bytes = p->touch_bytes;
	f->faults += (p->touch_bytes + unit - 1) / unit;
	if (f->folio_bytes)
		f->folio_allocs += p->touch_bytes / unit;
	f->clock_ns += p->cost_ns;
}

static void judge(struct fake *f, char *const *words, const struct program *p)
{
	_cleanup_free_ char *reason = xasprintf("%s: %s %s: %s: %s", words[1], words[2], words[3], words[5], p->status);

	if (strcmp(p->status, p->hold ? "held" : "exit 0") == 0)
		return;
	end(f, strcmp(p->status, "exit 77") == 0 ? "unsupported" : "workload-failed", reason);
}

/* In the model memory is charged for good when it is touched: every counter of a cgroup is its peak. */
static void emit_series(struct fake *f, const char *phase, const char *index)
{
	uint64_t n = f->interval_ms ? f->series_s * 1000 / f->interval_ms : 0;
	_cleanup_free_ char *interval = xasprintf("%" PRIu64 "000000", f->interval_ms);
	_cleanup_free_ char *runs = xasprintf("%" PRIu64, n);
	struct text rows = { 0 };

	for (uint64_t i = 0; i <= n; i++) {
		text_add(&rows, "%" PRIu64, i * f->interval_ms * 1000000);
		for (uint64_t c = 0; c < f->n_counters; c++)
			text_add(&rows, " %" PRIu64, i ? f->peak_bytes : 0);
		text_add(&rows, "\n");
	}
	emit_text(f, WIRE_SERIES, phase, index, interval, runs, f->counters.s ? f->counters.s : "", rows.s, NULL);
	text_free(&rows);
}

static void run_exec(struct fake *f, char *const *words, int n)
{
	bool sample = strcmp(words[2], "sample") == 0;
	_cleanup_free_ char *begin = NULL, *finish = NULL, *faults = NULL;
	uint64_t faults_before = f->faults;
	struct program p = { 0 };

	if (strcmp(strrchr(words[5], '/') ? strrchr(words[5], '/') + 1 : words[5], "null") != 0) {
		end(f, "agent-failed", "a fake guest runs the null workload only");
		return;
	}
	null_arguments(f, &p, words + 5, n - 5);
	null_fails(&p);
	emit_text(f, WIRE_STEP, words[2], words[1], words[3], NULL);
	if (sample)
		snapshot(f, words[1], words[2], words[3], "before");
	begin = xasprintf("%" PRIu64, f->clock_ns);
	account(f, &p);
	if (strcmp(p.fail, "oops") == 0 || strcmp(f->how, "oops") == 0)
		oops(f);
	finish = xasprintf("%" PRIu64, f->clock_ns);
	faults = xasprintf("%" PRIu64, f->faults - faults_before);
	emit_text(f, WIRE_EXEC, words[1], words[2], words[3], begin, finish, p.status, faults, "0", "0", "0", "0", "0",
		  p.output.s ? p.output.s : "", NULL);
	if (sample || p.hold)
		snapshot(f, words[1], words[2], words[3], sample ? "after" : "hold");
	if (strcmp(words[2], "series") == 0)
		emit_series(f, words[1], words[3]);
	judge(f, words, &p);
	text_free(&p.output);
}

/* ---- The job */

static void run_set(struct fake *f, char *const *words)
{
	static const char mark[] = "/hugepages-";
	const char *size = strstr(words[1], mark);
	uint64_t bytes = size ? strtoull(size + strlen(mark), NULL, 10) << 10 : 0;

	emit_text(f, WIRE_SETTING, words[1], words[2], words[2], "ok", NULL);
	if (bytes > f->folio_bytes && ends_with(words[1], "/enabled") && strcmp(words[2], "never") != 0)
		f->folio_bytes = bytes;
}

/* Reading costs nothing here. */
static void run_sampler(struct fake *f, char *const *words)
{
	_cleanup_free_ char *now = xasprintf("%" PRIu64, f->clock_ns);

	(void)words;
	snapshot(f, "sampler", "sampler", "0", "before");
	emit_text(f, WIRE_EXEC, "sampler", "sampler", "0", now, now, "exit 0", "0", "0", "0", "0", "0", "0", "", NULL);
	snapshot(f, "sampler", "sampler", "0", "after");
}

static void run_counter(struct fake *f, char *const *words)
{
	text_add(&f->counters, "%s %s %s\n", words[1], words[2], words[3]);
	f->n_counters++;
}

static void run_series(struct fake *f, char *const *words)
{
	f->interval_ms = strtoull(words[1], NULL, 10);
	f->series_s = strtoull(words[2], NULL, 10);
}

static void run_fragment(struct fake *f, char *const *words)
{
	_cleanup_free_ char *name = xasprintf("fragment/%s/percent", words[1]);

	emit_text(f, WIRE_SETTING, name, words[2], words[2], "ok", NULL);
}

static void run_expect(struct fake *f, char *const *words)
{
	_cleanup_free_ char *reason = xasprintf("the page size is %" PRIu64 ", not %s", f->page_bytes, words[2]);

	if (strtoull(words[2], NULL, 10) != f->page_bytes)
		end(f, "wrong-page-size", reason);
}

static void run_check(struct fake *f, char *const *words)
{
	emit_text(f, WIRE_SETTING, words[1], words[2], words[2], "ok", NULL);
}

static void run_knob(struct fake *f, char *const *words)
{
	emit_text(f, WIRE_SETTING, words[1], "", "", "absent", NULL);
}

static void run_probe(struct fake *f, char *const *words)
{
	emit_text(f, WIRE_SETTING, words[1], words[2], "", "absent", NULL);
}

static void run_limit(struct fake *f, char *const *words)
{
	emit_text(f, WIRE_SETTING, "cgroup/memory.max", words[1], words[1], "ok", NULL);
}

static void run_watch(struct fake *f, char *const *words)
{
	watch(f, words[1], words[0][0] == 'l');
}

static void run_idle(struct fake *f, char *const *words)
{
	(void)words;
	snapshot(f, "", "idle", "0", "idle");
}

/* An archive with nothing in it but its end: the programs of this guest have no files. */
static void run_keep(struct fake *f, char *const *words)
{
	static const char zeros[] = "00000000";
	_cleanup_free_ char *name = xasprintf("%s" JOB_LAYER_SUFFIX, words[1]), *size = NULL;
	struct wire_field fields[4];
	struct text archive = { 0 };

	text_add(&archive, "070701");
	for (int i = 0; i < 11; i++)
		text_add(&archive, "%s", zeros);
	text_add(&archive, "0000000B%sTRAILER!!!", zeros);
	text_add_bytes(&archive, "\0\0\0", 4);
	size = xasprintf("%zu", archive.len);
	fields[0] = (struct wire_field){ name, strlen(name) };
	fields[1] = (struct wire_field){ "0", 1 };
	fields[2] = (struct wire_field){ size, strlen(size) };
	fields[3] = (struct wire_field){ archive.s, archive.len };
	emit(f, WIRE_ARTIFACT, fields, 4);
	text_free(&archive);
}

/* Verbs that a fake guest knows; those without a function do nothing in it. */
static const struct {
	const char *name;
	int min_words;
	void (*run)(struct fake *f, char *const *words);
} verbs[] = {
	{ "expect", 3, run_expect },
	{ "set", 4, run_set },
	{ "check", 3, run_check },
	{ "knob", 2, run_knob },
	{ "probe", 3, run_probe },
	{ "limit", 2, run_limit },
	{ "fragment", 3, run_fragment },
	{ "watch", 2, run_watch },
	{ "look", 2, run_watch },
	{ "sampler", 1, run_sampler },
	{ "counter", 4, run_counter },
	{ "series", 3, run_series },
	{ "idle", 1, run_idle },
	{ "keep", 3, run_keep },
	{ "unpack", 3, NULL },
	{ "mount", 1, NULL },
	{ "disk", 1, NULL },
	{ "make", 1, NULL },
	{ "attach", 1, NULL },
	{ "bind", 1, NULL },
	{ "swapon", 1, NULL },
	{ "job", 1, NULL },
	{ "shell", 1, NULL },
	{ "module", 1, NULL },
	{ "tmpfs", 1, NULL },
};

static void run_line(struct fake *f, char *const *words, int n)
{
	if (strcmp(words[0], "exec") == 0 && n >= 6) {
		run_exec(f, words, n);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(words[0], verbs[i].name) != 0 || n < verbs[i].min_words)
			continue;
		if (verbs[i].run)
			verbs[i].run(f, words);
		return;
	}
	end(f, "agent-failed", "not a verb of this agent");
}

static void run_job(struct fake *f)
{
	_cleanup_free_ char *job = xstrdup(f->life->job);
	char *words[JOB_WORDS_MAX], *save = NULL;

	for (char *line = strtok_r(job, "\n", &save); line && !f->ended; line = strtok_r(NULL, "\n", &save)) {
		int n = job_split(line, words);

		if (n < 1)
			end(f, "agent-failed", "a line of the job does not parse");
		else
			run_line(f, words, n);
	}
	end(f, "ok", "");
}

/* ---- The life */

static bool no_hello(const struct fake *f)
{
	return strcmp(f->how, "no-hello") == 0 || strstr(f->life->job, "\t--fail\tno-hello") || kernel_is(f, "+dead");
}

/* Shortens or spoils what was said, as @how has it. */
static void spoil(struct fake *f)
{
	if (no_hello(f))
		f->stream.len = 0;
	else if (strcmp(f->how, "damaged") == 0)
		f->stream.s[f->stream.len / 2] ^= 1;
	else if (strcmp(f->how, "torn") == 0 || strcmp(f->how, "crash") == 0 || strcmp(f->how, "timeout") == 0 ||
		 strcmp(f->how, "host-error") == 0 || strcmp(f->how, "sleep") == 0)
		f->stream.len = f->stream.len * 2 / 3;
}

/* As QEMU would: no rename, no fsync. */
static int put_file(const char *path, const struct text *t)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t done = 0;

	while (fd >= 0 && done < t->len) {
		ssize_t n = write(fd, t->s + done, t->len - done);

		if (n < 0 && errno != EINTR)
			return -1;
		done += n > 0 ? (size_t)n : 0;
	}
	return fd < 0 ? -1 : 0;
}

static enum stop stop_of(const struct fake *f, int signal_fd, char *message, size_t size)
{
	struct pollfd p = { .fd = signal_fd, .events = POLLIN };

	if (strcmp(f->how, "sleep") == 0) {
		while (poll(&p, 1, -1) <= 0)
			;
		return STOP_INTERRUPTED;
	}
	if (no_hello(f)) {
		snprintf(message, size, "agent: no hello in %" PRIu64 " s", life_hello_timeout_s(&f->life->cell));
		return STOP_NO_HELLO;
	}
	if (strcmp(f->how, "timeout") == 0) {
		snprintf(message, size, "timeout: the guest still ran after %" PRIu64 " s",
			 life_timeout_s(&f->life->cell));
		return STOP_TIMEOUT;
	}
	if (strcmp(f->how, "crash") == 0) {
		snprintf(message, size, "QEMU is gone: signal 11");
		return STOP_CRASHED;
	}
	if (strcmp(f->how, "host-error") == 0) {
		snprintf(message, size, "the fake guest's host was told to fail");
		return STOP_HOST_ERROR;
	}
	return STOP_POWEROFF;
}

enum stop fake_run(struct life *life, int signal_fd, char *message, size_t size)
{
	struct fake f = { .life = life, .how = life->options.fake_how, .page_bytes = life->cell.page_bytes };
	enum stop stop;

	if (strcmp(f.how, "wrong-page-size") == 0)
		f.page_bytes = f.page_bytes == 4096 ? 65536 : 4096;
	text_add(&f.console, "[    0.000000] Linux version %s (fake)\n", life->cell.kernel_release);
	hello(&f);
	run_job(&f);
	text_add(&f.console, "[    2.000000] reboot: Power down\n");
	spoil(&f);
	if (fake_has_process(f.how)) {
		stop = fake_process(life, &f.stream, &f.console, signal_fd, message, size);
	} else if (put_file(life->stream_path, &f.stream) < 0 || put_file(life->console_path, &f.console) < 0) {
		snprintf(message, size, "%s: %s", life->dir, strerror(errno));
		stop = STOP_HOST_ERROR;
	} else {
		stop = stop_of(&f, signal_fd, message, size);
	}
	if (!fake_has_process(f.how))
		life->hello_s = f.stream.len ? 0 : -1;
	for (size_t i = 0; i < f.n_watches; i++)
		free(f.watches[i].path);
	free(f.watches);
	text_free(&f.counters);
	text_free(&f.stream);
	text_free(&f.console);
	return stop;
}
