// SPDX-License-Identifier: GPL-2.0-or-later
/* will-it-scale without a guest: the job that its parameters become, the numbers that recorded output becomes, and output
 * that must be refused. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "workloads/will-it-scale/wis.h"

static const struct measure_context on_64k = { .page_bytes = 65536, .cpus = 1, .basis = BASIS_SIMULATED };
static const struct measure_context on_4k = { .page_bytes = 4096, .cpus = 1, .basis = BASIS_SIMULATED };

/* A matrix whose one workload is will-it-scale with @params ("tests: [page_fault1], tasks: 2"). */
static struct matrix *parse(const char *params, struct err *err)
{
	_cleanup_free_ char *text =
		xasprintf("matrix: m\nkernels:\n  k: { image: Image }\nworkloads:\n"
			  "  w: { will-it-scale: { %s } }\ntrials: { seeds: 1, warmups: 1, samples: 2 }\n",
			  params);
	struct matrix *matrix = NULL;

	return matrix_parse(text, "m.yaml", &matrix, err) < 0 ? NULL : matrix;
}

static struct matrix *parse_good(const char *params)
{
	struct err err = ERR_INIT;
	struct matrix *matrix = parse(params, &err);

	if (!matrix)
		fail_msg("%s", err.msg);
	return matrix;
}

static void assert_job(const char *params, const char *want)
{
	struct matrix *matrix = parse_good(params);
	const struct workload *w = matrix->workloads[0].type;
	_cleanup_free_ char *job = NULL;
	struct text text = { 0 };

	w->steps(matrix->workloads[0].params, &matrix->trials, 65536, &text);
	job = text_steal(&text);
	assert_string_equal(job, want);
	matrix_free(matrix);
}

/* elapsed_ns of page_fault1-64k.txt and page_fault1_threads-4k.txt, nvcsw + nivcsw of context_switch1-4k.txt */
#define PF1_64K_NS 33838768.0
#define PF1T_4K_NS 293387824.0
#define CS_4K_SWITCHES (1367 + 1134)

#define EXEC(phase, kind, index, program, arguments)                                                                   \
	"exec\t" phase "\t" kind "\t" index "\t600\t/bin/" program "\t--tasks\t" arguments "\n"

static void jobs(void **state)
{
	(void)state;
	assert_job("tests: page_fault1",
		   EXEC("page_fault1", "warmup", "0", "page_fault1_processes", "1\t--bytes\t268435456")
			   EXEC("page_fault1", "sample", "0", "page_fault1_processes", "1\t--bytes\t268435456")
				   EXEC("page_fault1", "sample", "1", "page_fault1_processes", "1\t--bytes\t268435456")
					   EXEC("page_fault1", "hold", "0", "page_fault1_processes",
						"1\t--bytes\t268435456\t--hold"));
	assert_job("tests: getppid1, iterations: 500, tasks: [1, 2], modes: threads",
		   EXEC("getppid1_threads", "warmup", "0", "getppid1_threads", "1\t--iterations\t500") EXEC(
			   "getppid1_threads", "sample", "0", "getppid1_threads", "1\t--iterations\t500")
			   EXEC("getppid1_threads", "sample", "1", "getppid1_threads", "1\t--iterations\t500") EXEC(
				   "getppid1_threads-2", "warmup", "0", "getppid1_threads", "2\t--iterations\t500")
				   EXEC("getppid1_threads-2", "sample", "0", "getppid1_threads", "2\t--iterations\t500")
					   EXEC("getppid1_threads-2", "sample", "1", "getppid1_threads",
						"2\t--iterations\t500"));
	/* by seconds nothing is held: its memory would be that of the moment */
	assert_job("tests: page_fault3, seconds: 5, tasks: 4",
		   "exec\tpage_fault3-4\twarmup\t0\t605\t/bin/page_fault3_processes\t--tasks\t4\t--seconds\t5\n"
		   "exec\tpage_fault3-4\tsample\t0\t605\t/bin/page_fault3_processes\t--tasks\t4\t--seconds\t5\n"
		   "exec\tpage_fault3-4\tsample\t1\t605\t/bin/page_fault3_processes\t--tasks\t4\t--seconds\t5\n");
}

/* Three lists of the tests: the sources, the table, the names in the help. */
static void every_test_is_listed(void **state)
{
	const struct option_def *option = workload_find("will-it-scale")->options;
	size_t n = 0;
	glob_t found;

	(void)state;
	assert_string_equal(option->key, "tests");
	for (; wis_tests[n].name; n++) {
		_cleanup_free_ char *source = xasprintf("workloads/will-it-scale/tests/%s.c", wis_tests[n].name);

		assert_true(path_exists(source));
		assert_ptr_equal(wis_test_find(wis_tests[n].name), &wis_tests[n]);
		assert_non_null(option->choices[n]);
		assert_string_equal(option->choices[n], wis_tests[n].name);
	}
	assert_null(option->choices[n]);
	assert_int_equal(glob("workloads/will-it-scale/tests/*.c", 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, n);
	globfree(&found);
}

/* Of a checkout nothing is held, and the names say whose they are. */
static void jobs_of_upstream(void **state)
{
	static const char *const want[] = {
		"bin/upstream_brk1_processes", "/up/brk1.c", "will-it-scale/runner_processes.o",
		"bin/upstream_brk1_threads",   "/up/brk1.c", "will-it-scale/runner_threads.o"
	};
	const char *params = "tests_dir: /up, tests: brk1, seconds: 2, pin: yes, modes: [processes, threads]";
	struct matrix *m = parse_good(params);
	struct programs programs = { 0 };

	(void)state;
	assert_job(
		"tests_dir: /up, tests: brk1, seconds: 2, pin: yes",
		"exec\tupstream_brk1\twarmup\t0\t602\t/bin/upstream_brk1_processes\t--tasks\t1\t--seconds\t2\t--pin\n"
		"exec\tupstream_brk1\tsample\t0\t602\t/bin/upstream_brk1_processes\t--tasks\t1\t--seconds\t2\t--pin\n"
		"exec\tupstream_brk1\tsample\t1\t602\t/bin/upstream_brk1_processes\t--tasks\t1\t--seconds\t2\t--pin\n");
	m->workloads[0].type->programs(m->workloads[0].params, &programs);
	assert_int_equal(programs.n, 2);
	for (size_t i = 0; i < programs.n; i++) {
		assert_string_equal(programs.v[i].guest_path, want[3 * i]);
		assert_string_equal(programs.v[i].source, want[3 * i + 1]);
		assert_string_equal(programs.v[i].built, want[3 * i + 2]);
	}
	programs_free(&programs);
	matrix_free(m);
}

static void programs_and_work(void **state)
{
	static const char *const want[] = { "bin/page_fault2_processes", "will-it-scale/page_fault2_processes",
					    "bin/page_fault2_threads",	 "will-it-scale/page_fault2_threads",
					    "bin/getppid1_processes",	 "will-it-scale/getppid1_processes",
					    "bin/getppid1_threads",	 "will-it-scale/getppid1_threads" };
	struct matrix *m = parse_good("tests: [page_fault2, getppid1], modes: [processes, threads], bytes: 128M");
	const struct workload *w = m->workloads[0].type;
	struct programs programs = { 0 };

	(void)state;
	w->programs(m->workloads[0].params, &programs);
	assert_int_equal(programs.n, 4);
	for (size_t i = 0; i < programs.n; i++) {
		assert_string_equal(programs.v[i].guest_path, want[2 * i]);
		assert_string_equal(programs.v[i].built, want[2 * i + 1]);
	}
	programs_free(&programs);
	assert_int_equal(w->work_bytes(m->workloads[0].params, 4096), 128 << 20);
	assert_int_equal(w->work_bytes(m->workloads[0].params, 65536), 128 << 20);
	matrix_free(m);
	m = parse_good("tests: page_fault1, seconds: 1");
	assert_int_equal(w->work_bytes(m->workloads[0].params, 4096), 0);
	matrix_free(m);
}

static void parameters_that_are_refused(void **state)
{
	static const struct {
		const char *params, *sentence;
	} cases[] = {
		{ "tests: page_fault1, bytes: 100M", "bytes: 100M is not a multiple of 128M" },
		{ "tests: page_fault1, bytes: 0", "bytes: 0 is not a multiple of 128M" },
		{ "tests: page_fault1, iterations: 500", "give `bytes`" },
		{ "tests: [page_fault1, page_fault9]", "page_fault9" },
		{ "tests: []", "tests" },
		{ "modes: threads", "tests" },
		{ "tests: getppid1, tasks: 0", "tasks" },
		{ "tests: getppid1, tasks: 1025", "1024" },
		{ "tests: getppid1, tasks: [2, 2]", "2" },
		{ "tests: getppid1, seconds: 3601", "3600" },
		{ "tests: getppid1, iterations: 0", "iterations" },
		{ "tests: page_falt2", "did you mean 'page_fault2'" },
		{ "tests: ../page_fault2", "no test '../page_fault2'" },
		{ "tests: [getppid1, cow1], seconds: 1", "cow1 times parts of its rounds" },
		{ "tests: read1, bytes: 100M", "bytes: 100M is not a multiple of 128M" },
		{ "tests: anything, tests_dir: /up", "give `seconds`" },
		{ "tests: [a, ../b], tests_dir: /up, seconds: 1", "not '../b'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = ERR_INIT;
		struct matrix *matrix = parse(cases[i].params, &err);

		if (matrix)
			fail_msg("%s is accepted", cases[i].params);
		if (!strstr(err.msg, cases[i].sentence))
			fail_msg("%s: no \"%s\" in: %s", cases[i].params, cases[i].sentence, err.msg);
	}
}

/* ---- numbers ---- */

static double value(const struct measures *measures, const char *name)
{
	const struct measure *m = measures_find(measures, name);

	if (!m)
		fail_msg("there is no %s", name);
	assert_int_equal(m->n_values, 1);
	return m->values[0];
}

static void assert_close(double a, double b)
{
	if (a < b * (1 - 1e-9) || a > b * (1 + 1e-9))
		fail_msg("%.9g is not %.9g", a, b);
}

static void measure_file(const struct measure_context *context, const char *phase, const char *file,
			 struct measures *measures)
{
	_cleanup_free_ char *path = path_join("workloads/will-it-scale/outputs", file), *output = NULL;
	struct err err = ERR_INIT;

	if (file_read(path, 65536, &output, NULL, &err) < 0 ||
	    workload_find("will-it-scale")->measure(context, phase, output, measures, &err) < 0)
		fail_msg("%s", err.msg);
}

/* What 6.12 guests printed; the numbers are worked out by hand beside each. */
static void recorded_outputs(void **state)
{
	struct measures at_64k = { 0 }, at_4k = { 0 }, kvm = { 0 };
	struct measure_context hardware = on_64k;

	(void)state;
	measure_file(&on_64k, "page_fault1", "page_fault1-64k.txt", &at_64k);
	assert_close(value(&at_64k, "page_fault1.insns_per_op"), PF1_64K_NS / 2.0 / 2048);
	assert_close(value(&at_64k, "page_fault1.insns_per_mib"), PF1_64K_NS / 2.0 / 128);
	assert_close(value(&at_64k, "page_fault1.ops_per_s"), 2048 * 1e9 / PF1_64K_NS);
	assert_close(value(&at_64k, "page_fault1.bytes_per_s"), 134217728 * 1e9 / PF1_64K_NS);
	assert_close(value(&at_64k, "page_fault1.faults_per_op"), 1);
	assert_close(value(&at_64k, "page_fault1.faults_per_mib"), 16);
	assert_null(measures_find(&at_64k, "page_fault1.ns_per_op"));
	assert_null(measures_find(&at_64k, "page_fault1.switches_per_op"));
	measures_free(&at_64k);

	measure_file(&on_4k, "page_fault1_threads", "page_fault1_threads-4k.txt", &at_4k);
	assert_close(value(&at_4k, "page_fault1_threads.insns_per_op"), PF1T_4K_NS / 2.0 / 32768);
	assert_close(value(&at_4k, "page_fault1_threads.faults_per_mib"), 256);
	measure_file(&on_4k, "context_switch1", "context_switch1-4k.txt", &at_4k);
	assert_close(value(&at_4k, "context_switch1.switches_per_op"), CS_4K_SWITCHES / 5000.0);
	assert_null(measures_find(&at_4k, "context_switch1.insns_per_mib"));
	assert_null(measures_find(&at_4k, "context_switch1.bytes_per_s"));
	measures_free(&at_4k);

	hardware.basis = BASIS_HARDWARE;
	measure_file(&hardware, "page_fault1", "page_fault1-64k.txt", &kvm);
	assert_close(value(&kvm, "page_fault1.ns_per_op"), PF1_64K_NS / 2048.0);
	assert_null(measures_find(&kvm, "page_fault1.insns_per_op"));
	measures_free(&kvm);
}

static const char two_tasks[] =
	"tasks 2\noperations 4096\nop_bytes 65536\nbytes 268435456\nelapsed_ns 1000000\nminflt 4096\n"
	"majflt 0\nnvcsw 1\nnivcsw 2\ntask 0 2048\ntask 1 2048\n";

/* Several tasks: on the instruction clock what they cost together and no speed, on hardware how they scale. */
static void several_tasks(void **state)
{
	static const char one_task[] = "tasks 1\noperations 2048\nop_bytes 65536\nbytes 134217728\nelapsed_ns 800000\n"
				       "minflt 2048\nmajflt 0\nnvcsw 0\nnivcsw 0\ntask 0 2048\n";
	const struct workload *w = workload_find("will-it-scale");
	struct measure_context context = on_64k;
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(w->measure(&context, "page_fault1", one_task, &m, &err), 0);
	assert_int_equal(w->measure(&context, "page_fault1-2", two_tasks, &m, &err), 0);
	w->derive(&context, &m);
	assert_close(value(&m, "page_fault1-2.shared_insns_per_op"), 1000000 / 2.0 / 4096);
	assert_non_null(measures_find(&m, "page_fault1-2.shared_insns_per_op")->metric->not_judged);
	assert_null(measures_find(&m, "page_fault1-2.insns_per_op"));
	assert_null(measures_find(&m, "page_fault1-2.ops_per_s"));
	assert_null(measures_find(&m, "page_fault1-2.scalability"));
	assert_close(value(&m, "page_fault1-2.faults_per_op"), 1);
	assert_null(measures_find(&m, "page_fault1.insns_per_op")->metric->not_judged);
	measures_free(&m);

	context.basis = BASIS_HARDWARE;
	assert_int_equal(w->measure(&context, "page_fault1", one_task, &m, &err), 0);
	assert_int_equal(w->measure(&context, "page_fault1-2", two_tasks, &m, &err), 0);
	assert_int_equal(w->measure(&context, "page_fault1_threads-2", two_tasks, &m, &err), 0);
	w->derive(&context, &m);
	assert_close(value(&m, "page_fault1-2.ops_per_s_per_task"), 4096 / 1e-3 / 2);
	assert_close(value(&m, "page_fault1-2.scalability"), (4096 / 1e-3 / 2) / (2048 / 0.8e-3));
	assert_null(measures_find(&m, "page_fault1_threads-2.scalability")); /* no single thread to compare with */
	assert_null(measures_find(&m, "page_fault1.scalability"));
	measures_free(&m);
}

/* The runner cannot know what an operation of upstream's touches; of page faults the name says it. */
static void upstream_output(void **state)
{
	static const char output[] = "tasks 1\noperations 4096\nop_bytes 0\nbytes 0\nelapsed_ns 1000000\nminflt 4096\n"
				     "majflt 0\nnvcsw 0\nnivcsw 0\ntask 0 4096\n";
	const struct workload *w = workload_find("will-it-scale");
	struct measures m = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(w->measure(&on_64k, "upstream_page_fault1", output, &m, &err), 0);
	assert_int_equal(w->measure(&on_64k, "upstream_brk1_threads", output, &m, &err), 0);
	assert_int_equal(w->measure(&on_64k, "upstream_a-1-2", output, &m, &err), 0);
	assert_close(value(&m, "upstream_page_fault1.insns_per_mib"), 500000.0 / 256);
	assert_close(value(&m, "upstream_page_fault1.faults_per_mib"), 16);
	assert_null(measures_find(&m, "upstream_brk1_threads.insns_per_mib"));
	assert_close(value(&m, "upstream_brk1_threads.insns_per_op"), 500000.0 / 4096);
	measures_free(&m);
}

static int measure(const char *phase, const char *output, struct err *err)
{
	struct measures measures = { 0 };
	int rc = workload_find("will-it-scale")->measure(&on_64k, phase, output, &measures, err);

	if (rc < 0)
		assert_int_equal(measures.n, 0);
	measures_free(&measures);
	return rc;
}

/* @text with the first @from changed to @to; owned by the caller. */
static char *changed(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void output_that_is_refused(void **state)
{
	static const struct {
		const char *from, *to, *sentence;
	} cases[] = {
		{ "tasks 2\n", "", "no line \"tasks NUMBER\"" },
		{ "tasks 2\n", "tasks 0\n", "says 0 tasks" },
		{ "tasks 2\n", "tasks 99999\n", "says 99999 tasks" },
		{ "tasks 2\n", "tasks 3\n", "no line \"task 2 NUMBER\"" },
		{ "tasks 2\n", "tasks 1\n", "more than its report" },
		{ "operations 4096", "operations -1", "no line \"operations NUMBER\"" },
		{ "operations 4096", "operations 1e9", "no line \"operations NUMBER\"" },
		{ "operations 4096", "operations 9999999999999999999", "no line \"operations NUMBER\"" },
		{ "operations 4096", "operations 4095", "make no sense" },
		{ "elapsed_ns 1000000", "elapsed_ns 0", "make no sense" },
		{ "elapsed_ns 1000000", "elapsed_ns", "no line \"elapsed_ns NUMBER\"" },
		{ "op_bytes 65536", "op_bytes 4096", "4096 bytes per operation" },
		{ "bytes 268435456", "bytes 1", "in all" },
		{ "minflt 4096\n", "minflt 4096 \n", "no line \"minflt NUMBER\"" },
		{ "majflt", "maxflt", "no line \"majflt NUMBER\"" },
		{ "task 1", "task 0", "no line \"task 1 NUMBER\"" },
		{ "task 1 2048\n", "task 1 2048\nhello\n", "more than its report" },
		{ "task 1 2048\n", "task 1 2048", "no line \"task 1 NUMBER\"" },
	};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(measure("page_fault1-2", two_tasks, &err), 0);
	assert_int_equal(measure("page_fault1_threads-2", two_tasks, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *output = changed(two_tasks, cases[i].from, cases[i].to);

		err = ERR_INIT;
		if (measure("page_fault1-2", output, &err) == 0)
			fail_msg("\"%s\" for \"%s\" is accepted", cases[i].to, cases[i].from);
		assert_int_equal(err.kind, ERR_GUEST);
		if (!strstr(err.msg, cases[i].sentence))
			fail_msg("no \"%s\" in: %s", cases[i].sentence, err.msg);
	}
	assert_int_equal(measure("page_fault", two_tasks, &err), -1);
	assert_int_equal(measure("page_fault11", two_tasks, &err), -1);
	assert_int_equal(measure("getppid1", two_tasks, &err), -1); /* has no bytes */
	assert_int_equal(measure("page_fault1", "", &err), -1);
}

/* Cut anywhere, or with any byte changed to something that is no digit: refused, never read beyond. */
static void output_cut_and_spoilt(void **state)
{
	size_t len = strlen(two_tasks);
	struct err err = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		_cleanup_free_ char *cut = xstrndup(two_tasks, i), *spoilt = xstrdup(two_tasks);

		assert_int_equal(measure("page_fault1-2", cut, &err), -1);
		spoilt[i] = '\x7f';
		assert_int_equal(measure("page_fault1-2", spoilt, &err), -1);
	}
}

static void null_output(void **state)
{
	const struct workload *null = workload_find("null");
	struct measures measures = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(null->measure(&on_64k, "null", "value.0 7\nvalue.1 8\nelapsed_ns 1000\n", &measures, &err), 0);
	assert_close(value(&measures, "null.value.1"), 8);
	assert_close(value(&measures, "null.cost_insns"), 500);
	measures_free(&measures);
	assert_int_equal(null->measure(&on_64k, "null", "value.0 many\n", &measures, &err), -1);
	assert_int_equal(null->measure(&on_64k, "null", "other 5\n", &measures, &err), -1);
	assert_int_equal(null->measure(&on_64k, "null", "value.0 5", &measures, &err), -1);
	assert_int_equal(err.kind, ERR_GUEST);
	measures_free(&measures);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs),
		cmocka_unit_test(every_test_is_listed),
		cmocka_unit_test(jobs_of_upstream),
		cmocka_unit_test(programs_and_work),
		cmocka_unit_test(parameters_that_are_refused),
		cmocka_unit_test(recorded_outputs),
		cmocka_unit_test(several_tasks),
		cmocka_unit_test(upstream_output),
		cmocka_unit_test(output_that_is_refused),
		cmocka_unit_test(output_cut_and_spoilt),
		cmocka_unit_test(null_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
