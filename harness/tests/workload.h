/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of workloads share: recorded outputs, jobs by parameters, and real guests of a matrix of one cell. */
#ifndef GRANULE_TESTS_WORKLOAD_H
#define GRANULE_TESTS_WORKLOAD_H

#include "matrix/matrix.h"
#include "store/store.h"

/* The file @name below workloads/, "kafka/outputs/4.1.0/gc.G1.log"; owned by the caller. Fails the test. */
char *recorded_output(const char *name);
/* The first value of a metric; fails the test where there is none. */
double measured(const struct measures *measures, const char *name);
unsigned int occurrences(const char *text, const char *word);
bool text_ends(const char *text, const char *end);

/* A matrix of the workload @workload with @options, on line 4, one warm-up and two samples; NULL with @err. */
struct matrix *workload_matrix(const char *workload, const char *options, struct err *err);
/* Options that it must not take, and what is said of them, with the line. */
struct refused {
	const char *options, *says;
};
void assert_refused(const char *workload, const struct refused *cases, size_t n);
/* The steps of its job; owned by the caller. Fails the test. */
char *workload_job(const char *workload, const char *options);

/* Real 64K guests, kernel `full`. */
struct workload_fixture {
	char *dir, *why_not; /* owned; as REQUIRE_GUESTS() of pipeline.h wants it */
	const char *workload;
};
void workload_fixture_make(struct workload_fixture *f, const char *workload);
void workload_fixture_clear(struct workload_fixture *f);
/* `granule run --fresh -j 1` of the matrix @text within @seconds; fails the test where the exit code is not @want_rc. The
 * run directory, owned by the caller. */
char *guest_run_text(const struct workload_fixture *f, const char *name, const char *text, int want_rc,
		     unsigned int seconds);
/* The same with a matrix of one cell, seed and sample, without a warm-up, with @options of the workload and @more sections, afresh, for
 * at most @seconds. */
char *guest_run_one(const struct workload_fixture *f, const char *name, const char *options, const char *more,
		    int want_rc, unsigned int seconds);
/* Its boot; @ret_measures may be NULL. */
void guest_read_one(const char *dir, struct boot_result *boot, struct measures *ret_measures);
/* The artifact @name of it; owned by the caller. */
char *guest_artifact(const struct boot_result *boot, const char *name);

/* In a test that keeps a processor busy for minutes: `make check` and CI are to be done in minutes as a whole. */
#define REQUIRE_LONG()                                                                                                 \
	do {                                                                                                           \
		if (!getenv("GRANULE_LONG_TESTS")) {                                                                   \
			printf("skipped: it takes minutes; GRANULE_LONG_TESTS=1 runs it\n");                           \
			skip();                                                                                        \
		}                                                                                                      \
	} while (0)

#endif
