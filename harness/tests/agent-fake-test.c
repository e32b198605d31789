// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent as a plain process (agent/main.c, --fake): jobs against a folder that stands for a guest, with shell scripts
 * for programs, and the streams that come of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/emit.c"
#include "agent/exec.c"
#include "agent/init.c"
#include "agent/settings.c"
#include "agent/snapshot.c"
#include "agent/steps.c"
#define main agent_main
int agent_main(int argc, char **argv);
#include "agent/main.c"
#undef main

struct fixture {
	char dir[64], root[96], job[96], port[96];
	char *stream;
	size_t len;
};

static void put(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	make_file(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/agent-fake.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir);
	snprintf(f->job, sizeof(f->job), "%s/job", f->dir);
	snprintf(f->port, sizeof(f->port), "%s/stream", f->dir);
	put(f, "bin/good", "#!/bin/sh\necho 'elapsed_ns 5'\necho sorry >&2\n", 0755);
	put(f, "bin/bad", "#!/bin/sh\necho 'no such luck'\nexit 3\n", 0755);
	put(f, "bin/crash", "#!/bin/sh\nkill -SEGV $$\n", 0755);
	put(f, "bin/hang", "#!/bin/sh\nsleep 1000 & sleep 1000\n", 0755);
	put(f, "bin/held", "#!/bin/sh\necho held\nkill -STOP $$\n", 0755);
	put(f, "bin/orphans", "#!/bin/sh\nsleep 1000 & sleep 1000 &\necho 'elapsed_ns 5'\n", 0755);
	put(f, "bin/lacking", "#!/bin/sh\necho 'no mremap in this kernel'\nexit 77\n", 0755);
	put(f, "bin/flood", "#!/bin/sh\nhead -c 200000 /dev/zero | tr '\\0' x\n", 0755);
	put(f, "proc/vmstat", "nr_free_pages 46411\n", 0644);
	put(f, "sys/enabled", "always [madvise] never\n", 0644);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f->stream);
	free(f);
	return 0;
}

/* Run @job; returns the time that took in s. Its standard error is dropped. */
static unsigned int run(struct fixture *f, const char *job)
{
	char *argv[] = { (char *)"agent", (char *)"--fake", f->job, f->port, f->root, NULL };
	time_t begin = time(NULL);
	FILE *file = fopen(f->job, "w");
	int status;
	pid_t pid;

	assert_non_null(file);
	fputs(job, file);
	fclose(file);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		assert_non_null(freopen("/dev/null", "w", stderr));
		agent_main(5, argv);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	file = fopen(f->port, "r");
	assert_non_null(file);
	free(f->stream);
	f->stream = malloc(1 << 20);
	f->len = fread(f->stream, 1, 1 << 20, file);
	fclose(file);
	return (unsigned int)(time(NULL) - begin);
}

/* The @nth record of @type (from 0) of a stream that must be whole; false if there is none. */
static bool record_nth(const struct fixture *f, enum wire_type type, unsigned int nth, struct wire_record *record)
{
	size_t offset = 0;
	uint32_t n = 0;

	while (wire_next(f->stream, f->len, &offset, n, record) == WIRE_OK) {
		n++;
		if (record->type == type && nth-- == 0)
			return true;
	}
	assert_int_equal(offset, f->len);
	return false;
}

static void assert_end(const struct fixture *f, const char *outcome, const char *reason)
{
	struct wire_record record;
	char text[1024];

	assert_true(record_nth(f, WIRE_END, 0, &record));
	assert_string_equal(wire_text(&record, 0, text, sizeof(text)), outcome);
	assert_string_equal(wire_text(&record, 1, text, sizeof(text)), reason);
}

static void assert_fields(const struct wire_record *record, const char *want)
{
	char text[4096] = "", one[512];

	for (unsigned int i = 0; i < record->n_fields; i++) {
		strcat(text, i ? "|" : "");
		strcat(text, wire_text(record, i, one, sizeof(one)));
	}
	assert_string_equal(text, want);
}

static void a_sample(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	run(f, "job\t1\nexpect\tpage_size\t65536\nset\t/sys/knob\tnever\tmust\nset\t/sys/none\t1\tmay\nwatch\t/proc/"
	       "*stat\n"
	       "watch\t/proc/none\nidle\nexec\tp\twarmup\t0\t9\t/bin/good\nexec\tp\tsample\t0\t9\t/bin/"
	       "good\nexec\tp\thold\t0\t9"
	       "\t/bin/held\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_HELLO, 0, &r));
	assert_true(wire_is(&r, 0, "page_size") && wire_is(&r, 1, "65536"));
	assert_true(record_nth(f, WIRE_SETTING, 0, &r));
	assert_fields(&r, "/sys/knob|never|never|ok");
	assert_true(record_nth(f, WIRE_SETTING, 1, &r));
	assert_fields(&r, "/sys/none|1||absent");
	assert_true(record_nth(f, WIRE_FILE, 0, &r));
	assert_fields(&r, "|idle|0|idle|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_FILE, 1, &r));
	assert_fields(&r, "|idle|0|idle|/proc/none");
	assert_true(record_nth(f, WIRE_FILE, 2, &r));
	assert_fields(&r, "p|sample|0|before|cgroup/memory.current");
	assert_true(record_nth(f, WIRE_FILE, 5, &r));
	assert_fields(&r, "p|sample|0|before|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_FILE, 10, &r));
	assert_fields(&r, "p|sample|0|after|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_FILE, 17, &r));
	assert_fields(&r, "p|hold|0|hold|/proc/1/status");
	assert_true(record_nth(f, WIRE_EXEC, 1, &r));
	assert_true(wire_is(&r, 5, "exit 0") && wire_is(&r, 12, "elapsed_ns 5\nsorry\n"));
	assert_true(record_nth(f, WIRE_EXEC, 2, &r));
	assert_true(wire_is(&r, 5, "held") && wire_is(&r, 12, "held\n"));
	assert_false(record_nth(f, WIRE_EXEC, 3, &r));
}

static void same_job_same_stream(void **state)
{
	static const char job[] =
		"job\t1\nwatch\t/proc/*\nexec\tp\tsample\t0\t9\t/bin/good\nexec\tp\thold\t0\t9\t/bin/held\n";
	struct fixture *f = *state;
	char *first;
	size_t len;

	run(f, job);
	first = f->stream;
	len = f->len;
	f->stream = NULL;
	run(f, job);
	assert_int_equal(len, f->len);
	assert_memory_equal(first, f->stream, len);
	free(first);
}

static void programs_that_fail(void **state)
{
	static const struct {
		const char *step, *outcome, *reason;
	} cases[] = {
		{ "exec\tp\tsample\t1\t9\t/bin/bad", "workload-failed", "p: sample 1: /bin/bad: exit 3: no such luck" },
		{ "exec\tp\twarmup\t0\t9\t/bin/crash", "workload-failed", "p: warmup 0: /bin/crash: signal 11" },
		{ "exec\tp\tsample\t0\t1\t/bin/hang", "workload-failed", "p: sample 0: /bin/hang: timeout" },
		{ "exec\tp\thold\t0\t9\t/bin/good", "workload-failed", "p: hold 0: /bin/good: exit 0: sorry" },
		{ "exec\tp\tsample\t0\t9\t/bin/lacking", "unsupported",
		  "p: sample 0: /bin/lacking: exit 77: no mremap in this kernel" },
		{ "exec\tp\tsample\t0\t9\t/bin/none", "workload-failed",
		  "p: sample 0: /bin/none: exit 127: cannot run /bin/none: No such file or directory" },
	};
	struct fixture *f = *state;
	struct wire_record r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char job[512];

		snprintf(job, sizeof(job), "job\t1\n%s\nexec\tp\tsample\t0\t9\t/bin/good\n", cases[i].step);
		assert_true(run(f, job) < 20);
		assert_end(f, cases[i].outcome, cases[i].reason);
		assert_true(record_nth(f, WIRE_EXEC, 0, &r));
		assert_false(record_nth(f, WIRE_EXEC, 1, &r));
	}
}

static void orphans_do_not_keep_it(void **state)
{
	struct fixture *f = *state;

	assert_true(run(f, "job\t1\nexec\tp\tsample\t0\t500\t/bin/orphans\n") < 20);
	assert_end(f, "ok", "");
}

static void output_is_cut(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	run(f, "job\t1\nexec\tp\tsample\t0\t9\t/bin/flood\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_EXEC, 0, &r));
	assert_int_equal(r.fields[12].len, OUTPUT_MAX);
	assert_true(record_nth(f, WIRE_NOTE, 0, &r));
	assert_fields(&r, "p: output of /bin/flood cut at 65536 of 200000 bytes");
}

static void settings_fail_together(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "sys/full/x", "", 0644);
	run(f, "job\t1\nset\t/sys/full\t1\tmust\nset\t/sys/knob\t2\tmust\nexec\tp\tsample\t0\t9\t/bin/good\n");
	assert_end(f, "settings-failed", "/sys/full: asked for 1, error: Is a directory");
	assert_true(record_nth(f, WIRE_SETTING, 1, &r));
	assert_fields(&r, "/sys/knob|2|2|ok");
	assert_false(record_nth(f, WIRE_STEP, 0, &r));
	run(f, "job\t1\nset\t/sys/full\t1\tmay\n");
	assert_end(f, "settings-failed", "/sys/full: asked for 1, error: Is a directory");
}

static void wrong_page_size(void **state)
{
	struct fixture *f = *state;

	put(f, "page_size", "4096\n", 0644);
	run(f, "job\t1\nexpect\tpage_size\t65536\n");
	assert_end(f, "wrong-page-size", "the page size is 4096, not 65536");
}

static void jobs_that_are_none(void **state)
{
	static const struct {
		const char *job, *reason;
	} cases[] = {
		{ "", "/job does not begin with \"job\t1\"" },
		{ "job\t2\n", "/job does not begin with \"job\t1\"" },
		{ "job\t1\nidle\ndance\n", "job line 3 (dance): not a verb of this agent" },
		{ "job\t1\nmodule\t/lib/modules/00-a.ko\nidle\nmodule\t/b.ko\n",
		  "job line 4 (module): modules come before all other steps" },
		{ "job\t1\nmodule\tvirtio\n", "job line 2 (module): a module is an absolute path" },
		{ "job\t1\n\n", "job line 2 (): not a verb of this agent" },
		{ "job\t1\nexec\t..\tsample\t0\t9\t/bin/good\n",
		  "job line 2 (exec): a phase is up to 128 letters, digits, '_' and '-'" },
	};
	struct fixture *f = *state;
	struct wire_record r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		run(f, cases[i].job);
		assert_end(f, "agent-failed", cases[i].reason);
		assert_false(record_nth(f, WIRE_FILE, 0, &r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(same_job_same_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(programs_that_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans_do_not_keep_it, setup, teardown),
		cmocka_unit_test_setup_teardown(output_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(settings_fail_together, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_page_size, setup, teardown),
		cmocka_unit_test_setup_teardown(jobs_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
