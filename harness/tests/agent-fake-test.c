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

#include "agent/disk.c"
#include "agent/emit.c"
#include "agent/exec.c"
#include "agent/folios.c"
#include "agent/fragment.c"
#include "agent/init.c"
#include "agent/keep.c"
#include "agent/pmu.c"
#include "agent/root.c"
#include "agent/service.c"
#include "agent/settings.c"
#include "agent/series.c"
#include "agent/snapshot.c"
#include "agent/steps.c"
#include "agent/storage.c"
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
	assert_fields(&r, "|idle|0|idle|agent/storage|");
	assert_true(record_nth(f, WIRE_FILE, 3, &r));
	assert_fields(&r, "p|phase|0|before|agent/storage|");
	assert_true(record_nth(f, WIRE_FILE, 4, &r));
	assert_fields(&r, "p|sample|0|before|cgroup/memory.current");
	assert_true(record_nth(f, WIRE_FILE, 10, &r));
	assert_fields(&r, "p|sample|0|before|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_FILE, 18, &r));
	assert_fields(&r, "p|sample|0|after|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_FILE, 28, &r));
	assert_fields(&r, "p|hold|0|hold|agent/storage|");
	assert_true(record_nth(f, WIRE_FILE, 29, &r));
	assert_fields(&r, "p|hold|0|hold|/proc/1/status");
	assert_true(record_nth(f, WIRE_EXEC, 1, &r));
	assert_true(wire_is(&r, 5, "exit 0") && wire_is(&r, 12, "elapsed_ns 5\nsorry\n"));
	assert_true(record_nth(f, WIRE_EXEC, 2, &r));
	assert_true(wire_is(&r, 5, "held") && wire_is(&r, 12, "held\n"));
	assert_false(record_nth(f, WIRE_EXEC, 3, &r));
}

/* Caught: another line kept, a state read around samples, files of two folders in one record, an absent one among them. */
static void lines_states_folders(void **state)
{
	static const char zones[] = "Node 0, zone   DMA\n  per-node stats\n      nr_x 1\n  pages free     12\n"
				    "        min      3\n   minimum 4\n";
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "proc/zoneinfo", zones, 0644);
	put(f, "sys/a/1", "one\n", 0644);
	put(f, "sys/a/2", "two\n", 0644);
	put(f, "sys/b/1", "three\n", 0644);
	run(f, "job\t1\nwatch\t/sys/*/1\nwatch\t/sys/a/2\nwatch\t/sys/a/1\nwatch\t/sys/a/none\n"
	       "look\t/proc/zoneinfo\tNode\tpages\tmin\nidle\nexec\tp\tsample\t0\t9\t/bin/good\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_FILE, 0, &r));
	assert_fields(&r, "|idle|0|idle|/sys/a/1|one\n");
	assert_true(record_nth(f, WIRE_FILE, 1, &r));
	assert_fields(&r, "|idle|0|idle|/sys/b/1|three\n");
	assert_true(record_nth(f, WIRE_FILES, 0, &r));
	assert_fields(&r, "|idle|0|idle|/sys/a|2|two\n|1|one\n");
	assert_true(record_nth(f, WIRE_FILE, 2, &r));
	assert_fields(&r, "|idle|0|idle|/sys/a/none");
	assert_true(record_nth(f, WIRE_FILE, 3, &r));
	assert_fields(&r, "|idle|0|idle|/proc/zoneinfo|Node 0, zone   DMA\npages free     12\nmin      3\n");
	for (unsigned int n = 4; record_nth(f, WIRE_FILE, n, &r); n++)
		assert_false(wire_is(&r, 4, "/proc/zoneinfo"));
	assert_true(record_nth(f, WIRE_FILES, 2, &r));
	assert_fields(&r, "p|sample|0|after|/sys/a|2|two\n|1|one\n");
}

/* Caught: a host's own mounts read, a file system of a disk listed, 0 for what nobody knows. */
static void storage(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "proc/self/mounts",
	    "rootfs / rootfs rw 0 0\n/dev/vda /data ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\nproc /proc proc rw 0 0\n",
	    0644);
	put(f, "sys/block/zram0/mm_stat", "  8192  4096  12288  0  12288  0  0  0  0\n", 0644);
	put(f, "sys/block/zram0/disksize", "1048576\n", 0644);
	put(f, "sys/block/ram0/size", "8\n", 0644);
	put(f, "sys/kernel/config/nullb/a/memory_backed", "1\n", 0644);
	put(f, "sys/kernel/config/nullb/a/size", "2\n", 0644);
	put(f, "sys/kernel/config/nullb/b/memory_backed", "0\n", 0644);
	put(f, "sys/kernel/config/nullb/b/size", "2\n", 0644);
	run(f, "job\t1\nidle\n");
	assert_true(record_nth(f, WIRE_FILE, 0, &r));
	assert_fields(&r, "|idle|0|idle|agent/storage|rootfs / - -\ntmpfs /tmp - -\nzram zram0 12288 1048576\n"
			  "brd ram0 - 4096\nnull_blk a - 2097152\n");
}

/* Caught: a sampler that reads less than a sample does, or anything between its two snapshots. */
static void the_sampler(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	run(f, "job\t1\nwatch\t/proc/vmstat\nlook\t/sys/enabled\nsampler\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_FILE, 0, &r));
	assert_fields(&r, "sampler|phase|0|before|agent/storage|");
	assert_true(record_nth(f, WIRE_FILE, 7, &r));
	assert_fields(&r, "sampler|sampler|0|before|/proc/vmstat|nr_free_pages 46411\n");
	assert_true(record_nth(f, WIRE_EXEC, 0, &r));
	assert_fields(&r, "sampler|sampler|0|3000|4000|exit 0|0|0|0|0|0|0|");
	assert_true(record_nth(f, WIRE_FILE, 14, &r));
	assert_fields(&r, "sampler|sampler|0|after|/proc/vmstat|nr_free_pages 46411\n");
	assert_false(record_nth(f, WIRE_FILE, 15, &r));
}

/* Caught: a row too many or too few, a file that is not there taken for 0, a program that fails not told. */
static void a_series(void **state)
{
	static const char head[] = "job\t1\ncounter\tone\t/sys/table\tb\ncounter\ttwo\t/sys/table\tbb:\n"
				   "counter\tthree\t/sys/number\t-\ncounter\tnone\tcgroup/memory.current\t-\n"
				   "series\t500\t2\n";
	struct fixture *f = *state;
	struct wire_record r;
	char job[512];

	put(f, "sys/table", "bbb 1\nbb:   20 kB\nb 3\n", 0644);
	put(f, "sys/number", "4711\n", 0644);
	snprintf(job, sizeof(job), "%sexec\tp\tseries\t0\t9\t/bin/good\n", head);
	run(f, job);
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_SERIES, 0, &r));
	assert_fields(&r, "p|0|500000000|4|one /sys/table b\ntwo /sys/table bb:\nthree /sys/number -\n"
			  "none cgroup/memory.current -\n|0 3 20 4711 -\n500000000 3 20 4711 -\n"
			  "1000000000 3 20 4711 -\n1500000000 3 20 4711 -\n2000000000 3 20 4711 -\n");
	assert_false(record_nth(f, WIRE_SERIES, 1, &r));
	assert_true(record_nth(f, WIRE_EXEC, 0, &r));
	assert_true(wire_is(&r, 1, "series") && wire_is(&r, 5, "exit 0"));
	assert_false(record_nth(f, WIRE_EXEC, 1, &r));
	snprintf(job, sizeof(job), "%sexec\tp\tseries\t0\t9\t/bin/bad\n", head);
	run(f, job);
	assert_end(f, "workload-failed", "p: series 0: /bin/bad: exit 3: no such luck");
	assert_true(record_nth(f, WIRE_SERIES, 0, &r));
	run(f, "job\t1\nexec\tp\tseries\t0\t9\t/bin/good\n");
	assert_end(f, "agent-failed", "a series without a rate");
}

static void same_job_same_stream(void **state)
{
	static const char job[] =
		"job\t1\nwatch\t/proc/*\nlook\t/sys/*\nidle\nsampler\nexec\tp\tsample\t0\t9\t/bin/good\n"
		"exec\tp\thold\t0\t9\t/bin/held\ncounter\tc\t/proc/vmstat\tnr_free_pages\nseries\t100\t1\n"
		"exec\tp\tseries\t0\t9\t/bin/good\n";
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

/* What a kernel lacks is unsupported, unless something else has failed; both only behind the last setting. */
static void absent_is_unsupported(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "sys/shows", "always [madvise] never\n", 0644);
	run(f, "job\t1\ncheck\t/sys/gone\t1\ncheck\t/sys/shows\tmadvise\nwatch\t/proc/vmstat\n"
	       "exec\tp\tsample\t0\t9\t/bin/good\n");
	assert_end(f, "unsupported", "/sys/gone: there is none in this kernel");
	assert_true(record_nth(f, WIRE_SETTING, 0, &r));
	assert_fields(&r, "/sys/gone|1||absent");
	assert_true(record_nth(f, WIRE_SETTING, 1, &r));
	assert_fields(&r, "/sys/shows|madvise|madvise|ok");
	assert_false(record_nth(f, WIRE_STEP, 0, &r));
	run(f, "job\t1\ncheck\t/sys/gone\t1\ncheck\t/sys/shows\tnever\nidle\n");
	assert_end(f, "settings-failed", "/sys/shows: asked for never, differs: it is madvise");
	run(f, "job\t1\nset\t/sys/n*ne/x\t1\tmust\n");
	assert_end(f, "unsupported", "/sys/n*ne/x: there is none in this kernel");
	run(f, "job\t1\nset\t/sys/n*ne/x\t1\tmay\n");
	assert_end(f, "ok", "");
}

static void every_file_of_a_pattern(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "sys/bdi/7:0/read_ahead_kb", "128\n", 0644);
	put(f, "sys/bdi/7:1/read_ahead_kb", "128\n", 0644);
	run(f, "job\t1\nset\t/sys/bdi/*/read_ahead_kb\t256\tmust\nknob\t/sys/bdi/*/read_ahead_kb\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_SETTING, 1, &r));
	assert_fields(&r, "/sys/bdi/7:1/read_ahead_kb|256|256|ok");
	assert_true(record_nth(f, WIRE_SETTING, 2, &r));
	assert_fields(&r, "/sys/bdi/7:0/read_ahead_kb||256|inherited");
	assert_true(record_nth(f, WIRE_SETTING, 3, &r));
}

/* A plain file takes everything; its old value is there again. */
static void probes_leave_no_trace(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;

	put(f, "sys/number", "128\n", 0644);
	run(f, "job\t1\nprobe\t/sys/number\t0 1 2\nknob\t/sys/number\nprobe\t/sys/full\t0 1\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_SETTING, 0, &r));
	assert_fields(&r, "/sys/number|0 1 2|0 1 2|probed");
	assert_true(record_nth(f, WIRE_SETTING, 1, &r));
	assert_fields(&r, "/sys/number||128|inherited");
	assert_true(record_nth(f, WIRE_SETTING, 2, &r));
	assert_fields(&r, "/sys/full|0 1||absent");
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
		{ "job\t1\npmu\n", "job line 2 (pmu): wrong number of words" },
		{ "job\t1\npmu\tcpu_cycles\t../type\n",
		  "job line 2 (pmu): an event of the PMU is up to 39 letters, digits, '_' and '-'" },
		{ "job\t1\nseries\t0\t5\n",
		  "job line 2 (series): a series is an interval in ms and a time in s, 1 to 10000 rows" },
		{ "job\t1\nseries\t1\t11\n",
		  "job line 2 (series): a series is an interval in ms and a time in s, 1 to 10000 rows" },
		{ "job\t1\nseries\t2000\t1\n",
		  "job line 2 (series): a series is an interval in ms and a time in s, 1 to 10000 rows" },
		{ "job\t1\ncounter\ta\tproc/x\t-\n",
		  "job line 2 (counter): a counter is a name, an absolute path or cgroup/FILE, and a word" },
		{ "job\t1\nlook\tproc/x\n", "job line 2 (look): what is looked at is an absolute path" },
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

/* A service that answers once its file is there, and ends at SIGTERM. Its log and a named file come out. */
static void a_service(void **state)
{
	struct fixture *f = *state;
	struct wire_record r;
	char text[64];

	put(f, "bin/server",
	    "#!/bin/sh\nr=\"$(dirname $0)/ready\"\ntrap 'rm $r; echo stopping; exit 0' TERM\necho up\n: > $r\n"
	    "while :; do sleep 0.05; done\n",
	    0755);
	put(f, "bin/asks", "#!/bin/sh\nexec test -e \"$(dirname $0)/ready\"\n", 0755);
	put(f, "var/note", "kept\n", 0644);
	run(f, "job\t1\nservice\tserver\t15\t5\t/bin/server\nready\tserver\t20\tcommand\t/bin/asks\n"
	       "artifact\tnote\t/var/note\nexec\tp\tsample\t0\t20\t/bin/good\nstop\tserver\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_EXEC, 1, &r));
	assert_string_equal(wire_text(&r, 1, text, sizeof(text)), "service");
	assert_string_equal(wire_text(&r, 5, text, sizeof(text)), "exit 0");
	assert_true(record_nth(f, WIRE_ARTIFACT, 0, &r));
	assert_fields(&r, "server.log|0|12|up\nstopping\n");
	assert_true(record_nth(f, WIRE_ARTIFACT, 1, &r));
	assert_fields(&r, "note|0|5|kept\n");
	assert_false(record_nth(f, WIRE_ARTIFACT, 2, &r));
	/* one of its name again: the log goes on, the record is another */
	run(f, "job\t1\nservice\tserver\t15\t5\t/bin/server\nready\tserver\t20\tcommand\t/bin/asks\nstop\tserver\n"
	       "service\tserver\t15\t5\t/bin/server\nready\tserver\t20\tcommand\t/bin/asks\nstop\tserver\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_EXEC, 1, &r));
	assert_string_equal(wire_text(&r, 2, text, sizeof(text)), "1");
	assert_true(record_nth(f, WIRE_ARTIFACT, 0, &r));
	assert_fields(&r, "server.log|0|24|up\nstopping\nup\nstopping\n");
	assert_false(record_nth(f, WIRE_ARTIFACT, 1, &r));
	/* but not while it is up */
	run(f, "job\t1\nservice\tserver\t15\t5\t/bin/server\nservice\tserver\t15\t5\t/bin/server\n");
	assert_end(f, "agent-failed", "there is a service server already");
	/* a JVM's way to say that it was SIGTERM */
	put(f, "bin/server",
	    "#!/bin/sh\ntrap 'exit 143' TERM\n: > \"$(dirname $0)/ready\"\nwhile :; do sleep 0.05; done\n", 0755);
	run(f, "job\t1\nservice\tserver\t15\t5\t/bin/server\nready\tserver\t20\tcommand\t/bin/asks\nstop\tserver\n");
	assert_end(f, "ok", "");
}

/* Whatever the outcome, what is still up is stopped and its log comes out. */
static void services_that_fail(void **state)
{
	static const struct {
		const char *server, *job, *reason;
	} cases[] = {
		{ "echo no room; exit 3", "ready\tserver\t20\tcommand\t/bin/bad\n",
		  "service server ended by itself: exit 3: no room" },
		{ "echo 'FATAL: no room'; echo bye; exit 1", "ready\tserver\t20\tcommand\t/bin/bad\n",
		  "service server ended by itself: exit 1: FATAL: no room" },
		{ "printf 'java.io.IOException: no room\\n\\tat Log.onException(Log.java:7)\\nbye\\n'; exit 1",
		  "ready\tserver\t20\tcommand\t/bin/bad\n",
		  "service server ended by itself: exit 1: java.io.IOException: no room" },
		{ "sleep 0.3; echo gone; kill -SEGV $$", "exec\tp\tsample\t0\t20\t/bin/hang\n",
		  "service server ended by itself: signal 11: gone" },
		{ "echo waiting; sleep 1000", "ready\tserver\t1\tsocket\t/none\n",
		  "service server is not ready after 1 s (socket /none)" },
		{ "trap 'exit 5' TERM; : > \"$(dirname $0)/ready\"; while :; do sleep 0.05; done",
		  "ready\tserver\t20\tcommand\t/bin/asks\nstop\tserver\n", "service server, told to stop: exit 5" },
		{ "sleep 1000", "exec\tp\tsample\t0\t20\t/bin/bad\n", "p: sample 0: /bin/bad: exit 3: no such luck" },
	};
	struct fixture *f = *state;
	struct wire_record r;
	char text[64];

	put(f, "bin/asks", "#!/bin/sh\nexec test -e \"$(dirname $0)/ready\"\n", 0755);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char script[256], job[256];

		snprintf(script, sizeof(script), "#!/bin/bash\n%s\n", cases[i].server);
		put(f, "bin/server", script, 0755);
		snprintf(job, sizeof(job), "job\t1\nservice\tserver\t15\t5\t/bin/server\n%s", cases[i].job);
		run(f, job);
		assert_end(f, "workload-failed", cases[i].reason);
		/* whoever works with it does not go on until its time is over */
		if (strstr(cases[i].job, "/bin/hang")) {
			assert_true(record_nth(f, WIRE_EXEC, 0, &r));
			assert_string_equal(wire_text(&r, 5, text, sizeof(text)), "signal 9");
		}
		if (!strstr(cases[i].server, "echo"))
			continue;
		assert_true(record_nth(f, WIRE_ARTIFACT, 0, &r));
		assert_string_equal(wire_text(&r, 0, text, sizeof(text)), "server.log");
	}
}

/* A tree out, and back into another place: contents, modes, links, an empty folder. */
static void kept_and_unpacked(void **state)
{
	struct fixture *f = *state;
	char path[512], content[64] = "";
	struct wire_record r;
	struct stat st;
	FILE *file;

	put(f, "data/b/file", "seven\0of it", 0640);
	put(f, "data/a", "", 0600);
	snprintf(path, sizeof(path), "%s/data/b/link", f->root);
	assert_int_equal(symlink("file", path), 0);
	snprintf(path, sizeof(path), "%s/data/empty", f->root);
	assert_int_equal(mkdir(path, 0711), 0);
	run(f, "job\t1\nkeep\tthis\t/data\n");
	assert_end(f, "ok", "");
	assert_true(record_nth(f, WIRE_ARTIFACT, 0, &r));
	assert_string_equal(wire_text(&r, 0, path, sizeof(path)), "this.layer");
	assert_true(wire_is(&r, 1, "0"));
	assert_false(record_nth(f, WIRE_ARTIFACT, 1, &r));
	record_nth(f, WIRE_ARTIFACT, 0, &r);
	snprintf(path, sizeof(path), "%s/this.layer", f->root);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(r.fields[3].data, 1, r.fields[3].len, file), r.fields[3].len);
	fclose(file);
	run(f, "job\t1\nunpack\t/this.layer\t/back\n");
	assert_end(f, "ok", "");
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/back/b/link", f->root);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(content, sizeof(content), file));
	fclose(file);
	assert_string_equal(content, "seven");
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	snprintf(path, sizeof(path), "%s/back/b/file", f->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	snprintf(path, sizeof(path), "%s/back/empty", f->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	snprintf(path, sizeof(path), "%s/back/a", f->root);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* An archive that is none, or wants to write elsewhere, ends the job where it is read. */
static void archives_that_are_none(void **state)
{
	static const char head[] =
		"070701"
		"00000001000081A400000000000000000000000100000000%08X00000000000000000000000000000000"
		"%08X00000000";
	static const struct {
		const char *name;
		unsigned int size;
		const char *wrong;
	} cases[] = {
		{ "../x", 0, "at byte 115" }, /* a head and its name */
		{ "/etc/x", 0, "at byte 117" },
		{ "file", 100, "at byte 116" }, /* its content is not there */
		{ "TRAILER!!!", 0, NULL },
	};
	struct fixture *f = *state;
	struct wire_record r;
	char text[1024];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[512], line[256];
		FILE *file;

		snprintf(path, sizeof(path), "%s/a.layer", f->root);
		snprintf(line, sizeof(line), head, cases[i].size, (unsigned int)strlen(cases[i].name) + 1);
		file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, "%s%s%c%c%c%c", line, cases[i].name, 0, 0, 0, 0);
		fclose(file);
		run(f, "job\t1\nunpack\t/a.layer\t/to\n");
		assert_true(record_nth(f, WIRE_END, 0, &r));
		if (!cases[i].wrong) {
			assert_end(f, "ok", "");
			continue;
		}
		assert_true(wire_is(&r, 0, "agent-failed"));
		wire_text(&r, 1, text, sizeof(text));
		if (!strstr(text, "is no archive of what was kept") || !strstr(text, cases[i].wrong))
			fail_msg("%s: %s", cases[i].name, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_states_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(storage, setup, teardown),
		cmocka_unit_test_setup_teardown(the_sampler, setup, teardown),
		cmocka_unit_test_setup_teardown(a_series, setup, teardown),
		cmocka_unit_test_setup_teardown(same_job_same_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(programs_that_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(orphans_do_not_keep_it, setup, teardown),
		cmocka_unit_test_setup_teardown(output_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(settings_fail_together, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_is_unsupported, setup, teardown),
		cmocka_unit_test_setup_teardown(every_file_of_a_pattern, setup, teardown),
		cmocka_unit_test_setup_teardown(probes_leave_no_trace, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_page_size, setup, teardown),
		cmocka_unit_test_setup_teardown(a_service, setup, teardown),
		cmocka_unit_test_setup_teardown(services_that_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(jobs_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(kept_and_unpacked, setup, teardown),
		cmocka_unit_test_setup_teardown(archives_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
