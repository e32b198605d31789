// SPDX-License-Identifier: GPL-2.0-or-later
/* The job, line by line: checked as a whole, then done. The verbs are specified in wire/job.h. */
#include "agent/agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "wire/marker.h"

#define LINE_MAX_BYTES (16u << 10)
#define FREEZE_MS 1000

struct verb {
	const char *name;
	int min_words, max_words;
	void (*run)(struct agent *agent, char *const words[]);
	bool setting; /* also done where a setting has failed: they are reported all together */
};

/* What a kernel lacks is its nature; what it has and does not take is a failure. */
static void stop_at_failure(struct agent *agent)
{
	if (agent->failed_setting[0])
		agent_end(agent, "settings-failed", agent->failed_setting);
	if (agent->absent_setting[0])
		agent_end(agent, "unsupported", agent->absent_setting);
}

static void run_expect(struct agent *agent, char *const words[])
{
	unsigned long long want = strtoull(words[2], NULL, 10), is = agent_page_size(agent);
	char reason[128];

	if (want == is)
		return;
	snprintf(reason, sizeof(reason), "the page size is %llu, not %llu", is, want);
	agent_end(agent, "wrong-page-size", reason);
}

static void run_mount(struct agent *agent, char *const words[])
{
	mount_step(agent, words[1], words[2], words[3]);
}

static void run_disk(struct agent *agent, char *const words[])
{
	disk_step(agent, words[1], words[2], strtoull(words[3], NULL, 10), words + 4);
}

static void run_attach(struct agent *agent, char *const words[])
{
	attach_step(agent, words[1], words[2], words[3], words[4], words[5]);
}

static void run_bind(struct agent *agent, char *const words[])
{
	bind_step(agent, words[1], words[2]);
	agent->tmp_mounted |= strcmp(words[2], "/tmp") == 0;
}

static void run_swapon(struct agent *agent, char *const words[])
{
	swapon_step(agent, words[1], strtoull(words[2], NULL, 10));
}

static void run_set(struct agent *agent, char *const words[])
{
	setting_apply(agent, words[1], words[2], strcmp(words[3], "may") == 0);
}

static void run_knob(struct agent *agent, char *const words[])
{
	setting_inherit(agent, words[1]);
}

static void run_check(struct agent *agent, char *const words[])
{
	setting_check(agent, words[1], words[2]);
}

static void run_probe(struct agent *agent, char *const words[])
{
	setting_probe(agent, words[1], words[2]);
}

static void need_tmp(struct agent *agent);

/* /tmp at once, so that what it shows is known before anything is run. */
static void run_tmpfs(struct agent *agent, char *const words[])
{
	snprintf(agent->tmpfs_huge, sizeof(agent->tmpfs_huge), "%.31s", words[1]);
	snprintf(agent->tmpfs_shows, sizeof(agent->tmpfs_shows), "%.31s", words[2]);
	need_tmp(agent);
	if (words[3])
		mount_probe(agent, "/tmp", words[3]);
}

static void run_limit(struct agent *agent, char *const words[])
{
	snprintf(agent->limit, sizeof(agent->limit), "%.31s", words[1]);
}

static void run_fragment(struct agent *agent, char *const words[])
{
	fragment_step(agent, strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10));
}

static void run_watch(struct agent *agent, char *const words[])
{
	watch_add(agent, words[1], words + 2, false);
}

static void run_look(struct agent *agent, char *const words[])
{
	watch_add(agent, words[1], words + 2, true);
}

static void run_cache(struct agent *agent, char *const words[])
{
	folios_cache(agent, words[1]);
}

static void run_pmu(struct agent *agent, char *const words[])
{
	pmu_step(agent, words + 1);
}

static void run_idle(struct agent *agent, char *const words[])
{
	struct snapshot *snapshot = snapshot_get(SNAPSHOT_BEFORE);

	(void)words;
	snapshot_take(agent, snapshot, SNAPSHOT_STATE);
	snapshot_emit(agent, snapshot, "", "idle", "0", "idle");
}

/* Before the first program, a shell too. */
static void need_tmp(struct agent *agent)
{
	if (!agent->tmp_mounted)
		mount_step(agent, "tmpfs", "/tmp", "-");
	agent->tmp_mounted = true;
}

static void run_shell(struct agent *agent, char *const words[])
{
	(void)words;
	need_tmp(agent);
	emit_flush(agent);
	shell_step(agent);
}

/* What files held before the phase began is not its own. */
static void emit_storage(struct agent *agent)
{
	static char text[16u << 10];
	const size_t len = storage_list(agent, text, sizeof(text));

	emit(agent, WIRE_FILE,
	     (const struct wire_field[]){ text_field(agent->phase),
					  text_field("phase"),
					  text_field("0"),
					  text_field("before"),
					  text_field(STORAGE_NAME),
					  { text, len } },
	     6);
}

/* All of the workload dies where one process would: a half of it is no workload, and might wait for the other half. */
static void limit_cgroup(struct agent *agent, const char *dir)
{
	static const struct {
		const char *name;
		const char *value; /* NULL: the limit */
	} limits[] = { { "cgroup/memory.max", NULL }, { "cgroup/memory.oom.group", "1" } };
	char path[PATH_SIZE * 2];

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const char *value = limits[i].value ? limits[i].value : agent->limit;

		snprintf(path, sizeof(path), "%s/%s", dir, limits[i].name + strlen("cgroup/"));
		if (agent->fake)
			setting_judge(agent, limits[i].name, value, value, NULL);
		else
			setting_file(agent, limits[i].name, path, value, false);
	}
	stop_at_failure(agent);
}

void cgroup_make(struct agent *agent, const char *name, bool limited)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s", name);
	if (agent->cgroups && mkdir(path, 0755) < 0 && errno != EEXIST)
		agent_fail(agent, "cannot make the cgroup %s: %s", path, strerror(errno));
	if (limited && agent->limit[0])
		limit_cgroup(agent, path);
}

/* The cgroup of @phase, made at its first exec; memory.peak is that of all its execs so far. */
static void enter_phase(struct agent *agent, const char *phase)
{
	need_tmp(agent);
	if (strcmp(agent->phase, phase) == 0)
		return;
	snprintf(agent->phase, sizeof(agent->phase), "%s", phase);
	cgroup_make(agent, phase, false);
	emit_storage(agent);
	cgroup_make(agent, phase, true);
}

/* The number behind @key at the beginning of a line of @text, 0 if there is none. */
static unsigned long long keyed_number(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	return 0;
}

/* Nobody of the phase's cgroup runs until it is thawed; who is in the kernel gets there by itself (cgroup.events
 * "frozen 1"). */
static void freeze_phase(struct agent *agent, bool frozen)
{
	const struct timespec millisecond = { 0, 1000000 };
	char path[PATH_SIZE], events[256];
	int fd;

	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/cgroup.freeze", agent->phase);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, frozen ? "1" : "0", 1) < 0)
		agent_note(agent, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/cgroup.events", agent->phase);
	for (int i = 0; frozen && i < FREEZE_MS; i++) {
		if (read_small(path, events, sizeof(events)) < 0 || keyed_number(events, "frozen"))
			return;
		nanosleep(&millisecond, NULL);
	}
	if (frozen)
		agent_note(agent, "%s: the cgroup did not freeze in %d ms", agent->phase, FREEZE_MS);
}

/* What its memory is made of; not of a fake guest's, which is the host's. */
static void take_folios(struct agent *agent, struct snapshot *snapshot, const char *pids)
{
	if (agent->fake)
		return;
	if (agent->cgroups)
		freeze_phase(agent, true);
	snapshot_add_folios(agent, snapshot, pids);
	if (agent->cgroups)
		freeze_phase(agent, false);
}

/* The program has stopped itself with everything mapped. */
static void take_hold(struct agent *agent, pid_t pid)
{
	struct snapshot *snapshot = snapshot_get(SNAPSHOT_AFTER);
	char path[PATH_SIZE], pids[32768], *p = pids, *end;
	long n;

	snapshot_take(agent, snapshot, SNAPSHOT_CGROUP | SNAPSHOT_STATE);
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/cgroup.procs", agent->phase);
	if (!agent->cgroups || read_small(path, pids, sizeof(pids)) < 0)
		snprintf(pids, sizeof(pids), "%d\n", (int)pid);
	while ((n = strtol(p, &end, 10)) > 0 && end > p) {
		snapshot_add_process(agent, snapshot, (pid_t)n);
		p = end;
	}
	take_folios(agent, snapshot, pids);
}

void emit_exec(struct agent *agent, char *const words[], const struct exec_result *result)
{
	const struct rusage *ru = &result->usage;
	const unsigned long long numbers[] = {
		result->begin_ns,
		result->end_ns,
		(unsigned long long)ru->ru_minflt,
		(unsigned long long)ru->ru_majflt,
		(unsigned long long)ru->ru_nvcsw,
		(unsigned long long)ru->ru_nivcsw,
		(unsigned long long)ru->ru_utime.tv_sec * 1000000 + (unsigned long long)ru->ru_utime.tv_usec,
		(unsigned long long)ru->ru_stime.tv_sec * 1000000 + (unsigned long long)ru->ru_stime.tv_usec,
	};
	char text[8][24];

	for (int i = 0; i < 8; i++)
		snprintf(text[i], sizeof(text[i]), "%llu", numbers[i]);

	const struct wire_field fields[] = {
		text_field(words[1]),
		text_field(words[2]),
		text_field(words[3]),
		text_field(text[0]),
		text_field(text[1]),
		text_field(result->status),
		text_field(text[2]),
		text_field(text[3]),
		text_field(text[4]),
		text_field(text[5]),
		text_field(text[6]),
		text_field(text[7]),
		{ result->output, result->output_len },
	};

	if (result->output_total > result->output_len)
		agent_note(agent, "%s: output of %s cut at %zu of %zu bytes", words[1], words[5], result->output_len,
			   result->output_total);
	emit(agent, WIRE_EXEC, fields, sizeof(fields) / sizeof(fields[0]));
}

/* What people want to know first: the last line that the program printed. */
void last_line(const char *printed, size_t len, char *buf, size_t size)
{
	size_t end = len, begin;

	while (end && isspace((unsigned char)printed[end - 1]))
		end--;
	for (begin = end; begin && printed[begin - 1] != '\n';)
		begin--;
	if (end - begin > size - 1)
		end = begin + size - 1;
	for (size_t i = begin; i < end; i++)
		buf[i - begin] = isprint((unsigned char)printed[i]) ? printed[i] : '?';
	buf[end - begin] = '\0';
}

/* A frame of a Java stack: where it was, and not what. */
static bool is_frame(const char *log, const char *at)
{
	while (at > log && at[-1] != '\n')
		at--;
	return strncmp(at, "\tat ", strlen("\tat ")) == 0;
}

/* What a log says of its program's end: the last line with a word that daemons use for it, for more may follow. */
void fatal_line(const char *log, size_t len, char *buf, size_t size)
{
	static const char *const words[] = { "PANIC", "FATAL", "ERROR", "assert", "Exception" };
	size_t best = 0;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (const char *p = log; (p = memmem(p, len - (size_t)(p - log), words[i], strlen(words[i]))); p++) {
			size_t end = (size_t)(p - log) + strcspn(p, "\n");

			best = end > best && !is_frame(log, p) ? end : best;
		}
	last_line(log, best ? best : len, buf, size);
}

/* Was it the kernel, for want of memory? What else is known is in memory.events: "oom" counts the cgroup's own limit,
 * "oom_kill" whoever was killed in it, for whatever reason. Read of a failed program only. */
void oom_reason(const struct agent *agent, const char *cgroup, char *buf, size_t size)
{
	char path[PATH_SIZE], events[512], max[64];

	buf[0] = '\0';
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/memory.events", cgroup);
	if (!agent->cgroups || read_small(path, events, sizeof(events)) < 0 || !keyed_number(events, "oom_kill"))
		return;
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/memory.max", cgroup);
	if (!keyed_number(events, "oom") || read_small(path, max, sizeof(max)) < 0)
		snprintf(buf, size, " (the OOM killer: the guest has too little memory)");
	else
		snprintf(buf, size, " (the OOM killer: its cgroup's memory.max is %.*s)", (int)strcspn(max, "\n"), max);
}

static void judge_exec(struct agent *agent, char *const words[], const struct exec_result *result)
{
	char line[256], oom[128], reason[1024];

	if (result->ok)
		return;
	/* a server that went down is the reason, not the client that noticed */
	services_settle(agent);
	last_line(result->output, result->output_len, line, sizeof(line));
	oom_reason(agent, agent->phase, oom, sizeof(oom));
	if (strcmp(words[2], "hold") == 0 && !result->unsupported)
		agent_note(agent, "%s: %s did not stop itself to be held", words[1], words[5]);
	snprintf(reason, sizeof(reason), "%.100s: %s %s: %s: %s%s%s%s", words[1], words[2], words[3], words[5],
		 result->status, oom, line[0] ? ": " : "", line);
	agent_end(agent, result->unsupported ? "unsupported" : "workload-failed", reason);
}

static void run_exec(struct agent *agent, char *const words[])
{
	struct snapshot *before = snapshot_get(SNAPSHOT_BEFORE), *after = snapshot_get(SNAPSHOT_AFTER);
	const char *phase = words[1], *kind = words[2], *index = words[3];
	bool sample = strcmp(kind, "sample") == 0, hold = strcmp(kind, "hold") == 0;
	bool series = strcmp(kind, "series") == 0;
	uint64_t timeout_s = strtoull(words[4], NULL, 10);
	struct exec_result result;

	enter_phase(agent, phase);
	emit(agent, WIRE_STEP, (const struct wire_field[]){ text_field(kind), text_field(phase), text_field(index) },
	     3);
	emit_flush(agent);
	if (sample)
		snapshot_take(agent, before, SNAPSHOT_CGROUP);
	if (sample) {
		pmu_begin(index);
		MARKER(MARKER_SAMPLE_BEGIN);
	}
	if (series)
		series_run(agent, words + 5, timeout_s, &result);
	else
		exec_program(agent, words + 5, timeout_s, hold ? take_hold : NULL, NULL, &result);
	if (sample) {
		MARKER(MARKER_SAMPLE_END);
		pmu_end();
		snapshot_take(agent, after, SNAPSHOT_CGROUP);
		snapshot_add_pmu(agent, before, SNAPSHOT_BEFORE);
		snapshot_add_pmu(agent, after, SNAPSHOT_AFTER);
		snapshot_emit(agent, before, phase, kind, index, "before");
	}
	emit_exec(agent, words, &result);
	if (sample || (hold && result.ok))
		snapshot_emit(agent, after, phase, kind, index, sample ? "after" : "hold");
	if (series)
		series_emit(agent, phase, index);
	emit_flush(agent);
	services_check(agent);
	judge_exec(agent, words, &result);
}

/* All of it goes: nothing of it is to be had in memory while a workload runs. */
static void remove_programs(const char *program)
{
	char dir[PATH_SIZE], path[PATH_SIZE + 256];
	struct dirent *entry;
	DIR *d;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(program, '/') - program), program);
	d = opendir(dir);
	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* What such programs say first is why; behind it may be a page of usage. */
static void first_line(const struct exec_result *result, char *buf, size_t size)
{
	size_t begin = 0, n = 0;

	while (begin < result->output_len && isspace((unsigned char)result->output[begin]))
		begin++;
	for (; n < size - 1 && begin + n < result->output_len && result->output[begin + n] != '\n'; n++)
		buf[n] = isprint((unsigned char)result->output[begin + n]) ? result->output[begin + n] : '?';
	buf[n] = '\0';
}

static void run_make(struct agent *agent, char *const words[])
{
	static const char cgroup[] = "make";
	struct exec_result result;
	char line[256], reason[1024];

	if (agent->fake)
		return;
	snprintf(agent->phase, sizeof(agent->phase), "%s", cgroup);
	if (agent->cgroups && mkdir(CGROUP_ROOT "/make", 0755) < 0 && errno != EEXIST)
		agent_fail(agent, "cannot make the cgroup %s: %s", cgroup, strerror(errno));
	exec_program(agent, words + 2, strtoull(words[1], NULL, 10), NULL, NULL, &result);
	agent->phase[0] = '\0';
	remove_programs(words[2]);
	if (result.ok)
		return;
	first_line(&result, line, sizeof(line));
	snprintf(reason, sizeof(reason), "no file system could be made: %s: %s", result.status, line);
	agent_end(agent, "settings-failed", reason);
}

/* What reading all this costs: two snapshots as around a sample, and nothing between them. The usage is the agent's own.
 * One before them is thrown away: with it ends what making the cgroup and opening its files for the first time left to
 * be done. */
static void run_sampler(struct agent *agent, char *const words[])
{
	static char *const names[] = {
		(char *)"exec", (char *)"sampler", (char *)"sampler", (char *)"0", (char *)"0", (char *)"/init", NULL
	};
	struct snapshot *before = snapshot_get(SNAPSHOT_BEFORE), *after = snapshot_get(SNAPSHOT_AFTER);
	struct exec_result result = { .status = "exit 0", .output = "" };
	struct rusage then;

	(void)words;
	enter_phase(agent, names[1]);
	emit_flush(agent);
	snapshot_take(agent, before, SNAPSHOT_CGROUP);
	getrusage(RUSAGE_SELF, &then);
	result.begin_ns = agent_now(agent);
	snapshot_take(agent, before, SNAPSHOT_CGROUP);
	snapshot_take(agent, after, SNAPSHOT_CGROUP);
	result.end_ns = agent_now(agent);
	getrusage(RUSAGE_SELF, &result.usage);
	result.usage.ru_minflt -= then.ru_minflt;
	result.usage.ru_majflt -= then.ru_majflt;
	result.usage.ru_nvcsw -= then.ru_nvcsw;
	result.usage.ru_nivcsw -= then.ru_nivcsw;
	timersub(&result.usage.ru_utime, &then.ru_utime, &result.usage.ru_utime);
	timersub(&result.usage.ru_stime, &then.ru_stime, &result.usage.ru_stime);
	if (agent->fake)
		memset(&result.usage, 0, sizeof(result.usage));
	snapshot_emit(agent, before, names[1], names[2], names[3], "before");
	emit_exec(agent, names, &result);
	snapshot_emit(agent, after, names[1], names[2], names[3], "after");
	emit_flush(agent);
}

static void run_counter(struct agent *agent, char *const words[])
{
	series_counter(agent, words[1], words[2], words[3]);
}

static void run_series(struct agent *agent, char *const words[])
{
	(void)agent;
	series_rate(strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10));
}

static void run_root(struct agent *agent, char *const words[])
{
	root_step(agent, words[1], words[2]);
}

static void run_as(struct agent *agent, char *const words[])
{
	as_step(agent, words[1]);
}

static void run_service(struct agent *agent, char *const words[])
{
	need_tmp(agent);
	emit(agent, WIRE_STEP,
	     (const struct wire_field[]){ text_field("service"), text_field(words[1]), text_field("0") }, 3);
	emit_flush(agent);
	service_start(agent, words[1], (int)strtol(words[2], NULL, 10), strtoull(words[3], NULL, 10), words + 4);
}

static void run_ready(struct agent *agent, char *const words[])
{
	service_ready(agent, words[1], strtoull(words[2], NULL, 10), words[3], words + 4);
}

static void run_stop(struct agent *agent, char *const words[])
{
	service_stop(agent, words[1]);
}

/* A service as a hold is read, but nothing stops for it. */
static void run_inspect(struct agent *agent, char *const words[])
{
	struct snapshot *after = snapshot_get(SNAPSHOT_AFTER);
	char phase[sizeof(agent->phase)];

	memcpy(phase, agent->phase, sizeof(phase));
	snprintf(agent->phase, sizeof(agent->phase), "%s", words[2]);
	take_hold(agent, getpid());
	memcpy(agent->phase, phase, sizeof(phase));
	snapshot_emit(agent, after, words[1], "hold", "0", "hold");
	emit_flush(agent);
	services_check(agent);
}

static void run_artifact(struct agent *agent, char *const words[])
{
	artifact_add(agent, words[1], words[2]);
}

static void run_keep(struct agent *agent, char *const words[])
{
	need_tmp(agent);
	services_check(agent);
	keep_step(agent, words[1], words[2]);
}

static void run_unpack(struct agent *agent, char *const words[])
{
	need_tmp(agent);
	unpack_step(agent, words[1], words[2]);
}

/* Done before the port was opened: init_modules(). */
static void run_module(struct agent *agent, char *const words[])
{
	(void)agent;
	(void)words;
}

static const struct verb verbs[] = {
	{ "module", 2, 2, run_module, false },
	{ "expect", 3, 3, run_expect, false },
	{ "mount", 4, 4, run_mount, true },
	{ "tmpfs", 3, 4, run_tmpfs, true },
	{ "disk", 4, JOB_WORDS_MAX, run_disk, true },
	{ "make", 3, JOB_WORDS_MAX, run_make, false },
	{ "attach", 6, 6, run_attach, false },
	{ "bind", 3, 3, run_bind, false },
	{ "swapon", 3, 3, run_swapon, true },
	{ "set", 4, 4, run_set, true },
	{ "check", 3, 3, run_check, true },
	{ "knob", 2, 2, run_knob, true },
	{ "probe", 3, 3, run_probe, true },
	{ "watch", 2, JOB_WORDS_MAX, run_watch, false },
	{ "look", 2, JOB_WORDS_MAX, run_look, false },
	{ "cache", 2, 2, run_cache, false },
	{ "fragment", 3, 3, run_fragment, false },
	{ "limit", 2, 2, run_limit, false },
	{ "root", 3, 3, run_root, true },
	{ "as", 2, 2, run_as, false },
	{ "service", 5, JOB_WORDS_MAX, run_service, false },
	{ "ready", 5, JOB_WORDS_MAX, run_ready, false },
	{ "stop", 2, 2, run_stop, false },
	{ "inspect", 3, 3, run_inspect, false },
	{ "artifact", 3, 3, run_artifact, false },
	{ "keep", 3, 3, run_keep, false },
	{ "unpack", 3, 3, run_unpack, false },
	{ "pmu", 2, JOB_WORDS_MAX, run_pmu, false },
	{ "idle", 1, 1, run_idle, false },
	{ "exec", 6, JOB_WORDS_MAX, run_exec, false },
	{ "shell", 1, 1, run_shell, false },
	{ "sampler", 1, 1, run_sampler, false },
	{ "counter", 4, 4, run_counter, false },
	{ "series", 3, 3, run_series, false },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static bool is_number(const char *s)
{
	size_t len = strspn(s, "0123456789");

	return len && len <= 18 && !s[len];
}

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++) {
		if (strcmp(s, *list) == 0)
			return true;
	}
	return false;
}

/* A phase is a cgroup's name: one part of a path, none of the kernel's own files. */
static bool is_phase(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return len && len <= 128 && !s[len];
}

static bool is_path(const char *s)
{
	return s[0] == '/' && strlen(s) < PATH_SIZE / 2 && !strstr(s, "/../");
}

static bool is_rate(const char *interval_ms, const char *seconds)
{
	unsigned long long ms, s;

	if (!is_number(interval_ms) || !is_number(seconds) || strlen(interval_ms) > 9 || strlen(seconds) > 9)
		return false;
	ms = strtoull(interval_ms, NULL, 10);
	s = strtoull(seconds, NULL, 10);
	return ms && s * 1000 >= ms && s * 1000 / ms <= SERIES_ROWS_MAX;
}

static const char *check_exec(char *const words[])
{
	static const char *const kinds[] = { "prepare", "warmup", "sample", "hold", "series", NULL };

	if (!is_phase(words[1]))
		return "a phase is up to 128 letters, digits, '_' and '-'";
	if (!one_of(words[2], kinds))
		return "the kind is prepare, warmup, sample, hold or series";
	if (!is_number(words[3]) || !is_number(words[4]) || strlen(words[4]) > 9)
		return "index and timeout are whole numbers";
	return is_path(words[5]) ? NULL : "the program is an absolute path";
}

/* NULL, or why one of the steps about a root file system and its services is none. */
static const char *check_service(char *const words[])
{
	static const char *const hows[] = { "socket", "port", "command", NULL };
	const char *verb = words[0];

	if (strcmp(verb, "root") == 0 && (!is_path(words[1]) || !is_path(words[2]) || !words[2][1]))
		return "an image and a folder are absolute paths";
	if (strcmp(verb, "as") == 0 && strcmp(words[1], "-") != 0 && !is_phase(words[1]))
		return "a user is a name, or -";
	if (strcmp(verb, "service") == 0 || strcmp(verb, "ready") == 0 || strcmp(verb, "stop") == 0)
		if (!is_phase(words[1]) || strlen(words[1]) > 60)
			return "a service is up to 60 letters, digits, '_' and '-'";
	if (strcmp(verb, "service") == 0) {
		if (!is_number(words[2]) || strlen(words[2]) > 2 || !is_number(words[3]) || strlen(words[3]) > 9)
			return "the signal and the time to stop in are numbers";
		return is_path(words[4]) ? NULL : "the program is an absolute path";
	}
	if (strcmp(verb, "ready") == 0) {
		if (!is_number(words[2]) || strlen(words[2]) > 9 || !one_of(words[3], hows))
			return "a time in s, then socket, port or command";
		if (strcmp(words[3], "port") == 0)
			return is_number(words[4]) && strlen(words[4]) <= 5 ? NULL : "a port is a number";
		return is_path(words[4]) ? NULL : "a socket or command is an absolute path";
	}
	if (strcmp(verb, "inspect") == 0 && (!is_phase(words[1]) || !is_phase(words[2])))
		return "a phase and a service";
	if (strcmp(verb, "artifact") == 0 && (!artifact_name(words[1]) || !is_path(words[2])))
		return "an artifact is a plain file name and an absolute path";
	if (strcmp(verb, "keep") == 0 && (!is_phase(words[1]) || strlen(words[1]) > 50 || !is_path(words[2])))
		return "what is kept is a name of up to 50 letters, digits, '_' and '-', and an absolute path";
	if (strcmp(verb, "unpack") == 0 && (!is_path(words[1]) || !is_path(words[2])))
		return "what is unpacked is a file and where it goes, absolute paths";
	return NULL;
}

/* A disk's name is a part of paths. */
static bool is_disk(const char *s)
{
	return is_phase(s) && strlen(s) < 32;
}

static const char *check_disk(char *const words[], int n)
{
	if (strcmp(words[0], "disk") == 0) {
		if (!is_disk(words[1]) || !disk_kind_known(words[2]) || !is_number(words[3]))
			return "a disk is a name, a kind and a size in bytes";
		for (int i = 4; i < n; i++) {
			if (!strchr(words[i], '=') || words[i][0] == '=' || words[i][0] == '.' || strchr(words[i], '/'))
				return "a disk's attributes are ATTR=VALUE";
		}
	}
	if (strcmp(words[0], "make") == 0 && (!is_number(words[1]) || strlen(words[1]) > 9 || !is_path(words[2])))
		return "a program that makes a file system is a timeout and an absolute path";
	if (strcmp(words[0], "attach") == 0 && (!is_disk(words[2]) || !is_path(words[3])))
		return "a disk is attached by its name to an absolute path";
	if (strcmp(words[0], "bind") == 0 && (!is_path(words[1]) || !is_path(words[2])))
		return "what is bound are absolute paths";
	if (strcmp(words[0], "swapon") == 0 && (!is_disk(words[1]) || !is_number(words[2])))
		return "swap is a disk's name and its size in bytes";
	return NULL;
}

const char *step_check(char *const words[], int n)
{
	static const char *const musts[] = { "must", "may", NULL };
	static const char *const looks[] = { "watch", "look", "knob", "check", "probe", "cache", NULL };
	const char *why;
	const struct verb *verb = n > 0 ? find_verb(words[0]) : NULL;

	if (!verb)
		return "not a verb of this agent";
	if (n < verb->min_words || n > verb->max_words)
		return "wrong number of words";
	if (strcmp(verb->name, "expect") == 0 && (strcmp(words[1], "page_size") != 0 || !is_number(words[2])))
		return "only a page_size in bytes can be expected";
	if (strcmp(verb->name, "module") == 0 && !is_path(words[1]))
		return "a module is an absolute path";
	if (strcmp(verb->name, "mount") == 0 && !is_path(words[2]))
		return "the target is an absolute path";
	if (strcmp(verb->name, "set") == 0 && (!is_path(words[1]) || !one_of(words[3], musts)))
		return "a setting is an absolute path, a value, and must or may";
	if (one_of(verb->name, looks) && !is_path(words[1]))
		return "what is looked at is an absolute path";
	why = check_disk(words, n);
	if (why)
		return why;
	for (int i = 1; strcmp(verb->name, "pmu") == 0 && i < n; i++)
		if (!is_phase(words[i]) || strlen(words[i]) > 39)
			return "an event of the PMU is up to 39 letters, digits, '_' and '-'";
	if (strcmp(verb->name, "limit") == 0 && strcmp(words[1], "max") != 0 && !is_number(words[1]))
		return "a limit is a number of bytes, or max";
	if (strcmp(verb->name, "fragment") == 0 && (!is_number(words[1]) || !is_number(words[2])))
		return "a block in bytes and a share in percent";
	if (strcmp(verb->name, "counter") == 0 &&
	    (!is_phase(words[1]) || (!is_path(words[2]) && strncmp(words[2], "cgroup/", 7) != 0)))
		return "a counter is a name, an absolute path or cgroup/FILE, and a word";
	if (strcmp(verb->name, "series") == 0 && !is_rate(words[1], words[2]))
		return "a series is an interval in ms and a time in s, 1 to 10000 rows";
	return strcmp(verb->name, "exec") == 0 ? check_exec(words) : check_service(words);
}

/* Hand every line but the first to @found; false when there is none that says "job 1". */
static bool each_line(struct agent *agent, const char *job,
		      void (*found)(struct agent *agent, char *words[], int n, unsigned int line))
{
	static char line[LINE_MAX_BYTES];
	char *words[JOB_WORDS_MAX + 1];
	unsigned int number = 0;

	for (const char *p = job; *p;) {
		size_t len = strcspn(p, "\n");
		int n;

		number++;
		if (len >= sizeof(line))
			agent_fail(agent, "job line %u is longer than %u bytes", number, LINE_MAX_BYTES - 1);
		memcpy(line, p, len);
		line[len] = '\0';
		p += len + (p[len] == '\n');
		n = job_split(line, words);
		if (n < 0)
			agent_fail(agent, "job line %u has more than %d words", number, JOB_WORDS_MAX);
		words[n] = NULL;
		if (number > 1)
			found(agent, words, n, number);
		else if (n != 2 || strcmp(words[0], "job") != 0 || strcmp(words[1], "1") != 0)
			return false;
	}
	return number > 0;
}

static void check_line(struct agent *agent, char *words[], int n, unsigned int line)
{
	const char *why = step_check(words, n);
	bool module = strcmp(words[0], "module") == 0;

	if (!why && module && agent->past_modules)
		why = "modules come before all other steps";
	agent->past_modules |= !module;

	if (why)
		agent_fail(agent, "job line %u (%s): %s", line, words[0], why);
	if (strcmp(words[0], "mount") == 0 && strcmp(words[2], "/tmp") == 0)
		agent->tmp_mounted = true;
}

static void run_line(struct agent *agent, char *words[], int n, unsigned int line)
{
	(void)n;
	(void)line;
	if (!find_verb(words[0])->setting)
		stop_at_failure(agent);
	find_verb(words[0])->run(agent, words);
}

void job_run(struct agent *agent, char *job)
{
	if (!each_line(agent, job, check_line))
		agent_fail(agent, "%s does not begin with \"job\t%d\"", JOB_PATH, JOB_VERSION);
	each_line(agent, job, run_line);
	stop_at_failure(agent);
	agent_end(agent, "ok", "");
}
