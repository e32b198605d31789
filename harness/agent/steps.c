// SPDX-License-Identifier: GPL-2.0-or-later
/* The job, line by line: checked as a whole, then done. The verbs are specified in wire/job.h. */
#include "agent/agent.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES (16u << 10)

struct verb {
	const char *name;
	int min_words, max_words;
	void (*run)(struct agent *agent, char *const words[]);
};

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

static void run_set(struct agent *agent, char *const words[])
{
	setting_apply(agent, words[1], words[2], strcmp(words[3], "may") == 0);
}

static void run_knob(struct agent *agent, char *const words[])
{
	setting_inherit(agent, words[1]);
}

static void run_watch(struct agent *agent, char *const words[])
{
	watch_add(agent, words[1]);
}

static void run_idle(struct agent *agent, char *const words[])
{
	struct snapshot *snapshot = snapshot_get(SNAPSHOT_BEFORE);

	(void)words;
	snapshot_take(agent, snapshot, false);
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

/* The cgroup of @phase, made at its first exec; memory.peak is that of all its execs so far. */
static void enter_phase(struct agent *agent, const char *phase)
{
	char path[PATH_SIZE];

	need_tmp(agent);
	if (strcmp(agent->phase, phase) == 0)
		return;
	snprintf(agent->phase, sizeof(agent->phase), "%s", phase);
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s", phase);
	if (agent->cgroups && mkdir(path, 0755) < 0 && errno != EEXIST)
		agent_fail(agent, "cannot make the cgroup %s: %s", path, strerror(errno));
}

/* The program has stopped itself with everything mapped. */
static void take_hold(struct agent *agent, pid_t pid)
{
	struct snapshot *snapshot = snapshot_get(SNAPSHOT_AFTER);
	char path[PATH_SIZE], pids[32768], *p = pids, *end;
	long n;

	snapshot_take(agent, snapshot, true);
	snprintf(path, sizeof(path), CGROUP_ROOT "/%.200s/cgroup.procs", agent->phase);
	if (!agent->cgroups || read_small(path, pids, sizeof(pids)) < 0)
		snprintf(pids, sizeof(pids), "%d\n", (int)pid);
	while ((n = strtol(p, &end, 10)) > 0 && end > p) {
		snapshot_add_process(agent, snapshot, (pid_t)n);
		p = end;
	}
}

static void emit_exec(struct agent *agent, char *const words[], const struct exec_result *result)
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
static void last_line(const struct exec_result *result, char *buf, size_t size)
{
	size_t end = result->output_len, begin;

	while (end && isspace((unsigned char)result->output[end - 1]))
		end--;
	for (begin = end; begin && result->output[begin - 1] != '\n';)
		begin--;
	if (end - begin > size - 1)
		end = begin + size - 1;
	for (size_t i = begin; i < end; i++)
		buf[i - begin] = isprint((unsigned char)result->output[i]) ? result->output[i] : '?';
	buf[end - begin] = '\0';
}

static void judge_exec(struct agent *agent, char *const words[], const struct exec_result *result)
{
	char line[256], reason[1024];

	if (result->ok)
		return;
	last_line(result, line, sizeof(line));
	if (strcmp(words[2], "hold") == 0 && !result->unsupported)
		agent_note(agent, "%s: %s did not stop itself to be held", words[1], words[5]);
	snprintf(reason, sizeof(reason), "%.100s: %s %s: %s: %s%s%s", words[1], words[2], words[3], words[5],
		 result->status, line[0] ? ": " : "", line);
	agent_end(agent, result->unsupported ? "unsupported" : "workload-failed", reason);
}

static void run_exec(struct agent *agent, char *const words[])
{
	struct snapshot *before = snapshot_get(SNAPSHOT_BEFORE), *after = snapshot_get(SNAPSHOT_AFTER);
	const char *phase = words[1], *kind = words[2], *index = words[3];
	bool sample = strcmp(kind, "sample") == 0, hold = strcmp(kind, "hold") == 0;
	struct exec_result result;

	enter_phase(agent, phase);
	emit(agent, WIRE_STEP, (const struct wire_field[]){ text_field(kind), text_field(phase), text_field(index) },
	     3);
	emit_flush(agent);
	if (sample)
		snapshot_take(agent, before, true);
	exec_program(agent, words + 5, strtoull(words[4], NULL, 10), hold ? take_hold : NULL, &result);
	if (sample) {
		snapshot_take(agent, after, true);
		snapshot_emit(agent, before, phase, kind, index, "before");
	}
	emit_exec(agent, words, &result);
	if (sample || (hold && result.ok))
		snapshot_emit(agent, after, phase, kind, index, sample ? "after" : "hold");
	emit_flush(agent);
	judge_exec(agent, words, &result);
}

/* Done before the port was opened: init_modules(). */
static void run_module(struct agent *agent, char *const words[])
{
	(void)agent;
	(void)words;
}

static const struct verb verbs[] = {
	{ "module", 2, 2, run_module }, { "expect", 3, 3, run_expect },
	{ "mount", 4, 4, run_mount },	{ "set", 4, 4, run_set },
	{ "knob", 2, 2, run_knob },	{ "watch", 2, 2, run_watch },
	{ "idle", 1, 1, run_idle },	{ "exec", 6, JOB_WORDS_MAX, run_exec },
	{ "shell", 1, 1, run_shell },
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

static const char *check_exec(char *const words[])
{
	static const char *const kinds[] = { "prepare", "warmup", "sample", "hold", NULL };

	if (!is_phase(words[1]))
		return "a phase is up to 128 letters, digits, '_' and '-'";
	if (!one_of(words[2], kinds))
		return "the kind is prepare, warmup, sample or hold";
	if (!is_number(words[3]) || !is_number(words[4]) || strlen(words[4]) > 9)
		return "index and timeout are whole numbers";
	return is_path(words[5]) ? NULL : "the program is an absolute path";
}

const char *step_check(char *const words[], int n)
{
	static const char *const musts[] = { "must", "may", "bracket", NULL };
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
		return "a setting is an absolute path, a value, and must, may or bracket";
	if ((strcmp(verb->name, "watch") == 0 || strcmp(verb->name, "knob") == 0) && !is_path(words[1]))
		return "what is watched is an absolute path";
	return strcmp(verb->name, "exec") == 0 ? check_exec(words) : NULL;
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
	/* Settings are reported all together; the first thing that is none stops at a failure. */
	if (agent->failed_setting[0] && strcmp(words[0], "set") != 0)
		agent_end(agent, "settings-failed", agent->failed_setting);
	find_verb(words[0])->run(agent, words);
}

void job_run(struct agent *agent, char *job)
{
	if (!each_line(agent, job, check_line))
		agent_fail(agent, "%s does not begin with \"job\t%d\"", JOB_PATH, JOB_VERSION);
	each_line(agent, job, run_line);
	if (agent->failed_setting[0])
		agent_end(agent, "settings-failed", agent->failed_setting);
	agent_end(agent, "ok", "");
}
