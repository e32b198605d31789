// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "run/roots.h"
#include "tests/pipeline.h"
#include "workloads/workload.h"

#define OUTPUT_BYTES_MAX (4u << 20)

static char *read_or_fail(const char *path)
{
	struct err err = ERR_INIT;
	char *text = NULL;

	if (file_read(path, OUTPUT_BYTES_MAX, &text, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return text;
}

char *recorded_output(const char *name)
{
	const char *tests = strstr(__FILE__, "harness/tests/");
	_cleanup_free_ char *path = xasprintf("%.*sworkloads/%s", tests ? (int)(tests - __FILE__) : 0, __FILE__, name);

	return read_or_fail(path);
}

double measured(const struct measures *measures, const char *name)
{
	const struct measure *found = measures_find(measures, name);

	if (!found)
		fail_msg("no metric %s", name);
	return found->values[0];
}

unsigned int occurrences(const char *text, const char *word)
{
	unsigned int n = 0;

	for (const char *p = text; (p = strstr(p, word)); p++)
		n++;
	return n;
}

bool text_ends(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && !strcmp(text + strlen(text) - strlen(end), end);
}

struct matrix *workload_matrix(const char *workload, const char *options, struct err *err)
{
	_cleanup_free_ char *text = xasprintf(
		"matrix: m\nkernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, config: full } }\n"
		"workloads:\n  w: { %s: {%s} }\ntrials: { warmups: 1, samples: 2 }\n",
		workload, options);
	struct matrix *m = NULL;

	return matrix_parse(text, "m.yaml", &m, err) < 0 ? NULL : m;
}

void assert_refused(const char *workload, const struct refused *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err err = ERR_INIT;

		if (workload_matrix(workload, cases[i].options, &err))
			fail_msg("taken: %s", cases[i].options);
		assert_int_equal(err.kind, ERR_CONFIG);
		if (!strstr(err.msg, cases[i].says) || !strstr(err.msg, "m.yaml:4:"))
			fail_msg("%s", err.msg);
	}
}

char *workload_job(const char *workload, const char *options)
{
	struct err err = ERR_INIT;
	struct matrix *m = workload_matrix(workload, options, &err);
	struct text job = { 0 };

	if (!m)
		fail_msg("%s", err.msg);
	m->workloads[0].type->steps(m->workloads[0].params, &m->trials, 65536, &job);
	matrix_free(m);
	return text_steal(&job);
}

void workload_fixture_make(struct workload_fixture *f, const char *workload)
{
	struct roots roots = { 0 };
	struct err err = ERR_INIT;

	*f = (struct workload_fixture){ .dir = scratch_make(), .workload = workload };
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	free(guest_kernel_of("full", 65536, &f->why_not));
	if (!f->why_not && (roots_want(&roots, workload, &err) < 0 || !roots.v[0].ready)) {
		f->why_not = xasprintf("no root file system %s in the cache (`granule images build "
				       "matrices/%s.yaml` makes it)%s%s",
				       workload, workload, err.msg[0] ? ": " : "", err.msg);
		printf("skipped: %s\n", f->why_not);
	}
	roots_free(&roots);
}

void workload_fixture_clear(struct workload_fixture *f)
{
	scratch_remove(f->dir);
	free(f->why_not);
}

char *guest_run_text(const struct workload_fixture *f, const char *name, const char *text, int want_rc,
		     unsigned int seconds)
{
	_cleanup_free_ char *file = xasprintf("%s.yaml", name),
			    *matrix = scratch_write(f->dir, file, text, strlen(text)), *out = NULL,
			    *run = path_join(f->dir, name), *program = NULL;
	const char *build = getenv("GRANULE_BUILD");
	struct err err = ERR_INIT;
	int rc;

	program = path_join(build ? build : "build", "granule");
	const char *argv[] = { program, "run", "--fresh", "-j", "1", "-o", run, matrix, NULL };

	rc = proc_capture((char *const *)argv, now_ns() + seconds * NSEC_PER_SEC, 1 << 20, &out, &err);
	if (rc != want_rc)
		fail_msg("%s: exit code %d, not %d: %s%s", name, rc, want_rc, err.msg, out ? out : "");
	return steal_ptr(run);
}

char *guest_run_one(const struct workload_fixture *f, const char *name, const char *options, const char *more,
		    int want_rc, unsigned int seconds)
{
	_cleanup_free_ char *text = xasprintf("matrix: m\nguest: { memory: 3GiB, accel: simulated, timeout: %u }\n"
					      "kernels: { k: { source: linux-source-6.12, suite: trixie, pages: 64K, "
					      "config: full, append: kpti=off } }\n"
					      "workloads: { w: { %s: { %s } } }\n"
					      "trials: { seeds: 1, warmups: 0, samples: 1 }\n%s",
					      seconds, f->workload, options, more);

	return guest_run_text(f, name, text, want_rc, seconds);
}

void guest_read_one(const char *dir, struct boot_result *boot, struct measures *ret_measures)
{
	struct err err = ERR_INIT;
	struct run *run;

	if (run_open(dir, &run, &err) < 0 || boot_read(run, &run->cells[0], 1, boot, &err) < 0)
		fail_msg("%s", err.msg);
	if (ret_measures && boot_measure(&run->cells[0], boot, ret_measures, &err) < 0)
		fail_msg("%s", err.msg);
	run_free(run);
}

char *guest_artifact(const struct boot_result *boot, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/artifacts/%s", boot->dir, name);

	return read_or_fail(path);
}
