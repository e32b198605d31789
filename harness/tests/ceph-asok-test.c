// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's client of Ceph's admin sockets (workloads/ceph/guest/asok.c): its reading of JSON, and conversations with a
 * daemon that a child of this test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/wait.h>
#include <cmocka.h>

#define main asok_main
int asok_main(int argc, char **argv);
#include "workloads/ceph/guest/asok.c"
#undef main

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "tests/pipeline.h"
#include "tests/workload.h"

static void values_are_found(void **state)
{
	static const char json[] = "{\"a\": {\"b.c\": 7, \"b\": {\"c\": 8, \"d\": [1, \"t\\\"wo\", {\"e\": null}]}},"
				   " \"s\": \"{not a brace\", \"empty\": [], \"last\": -1.5e3}";
	static const struct {
		const char *condition;
		bool holds;
		const char *says; /* where it does not */
	} cases[] = {
		{ "a.b.d.0=1", true, NULL },
		{ "a.b.d.1=t\\\"wo", true, NULL },
		{ "a.b.d.2.e=null", true, NULL },
		/* a name with a dot counts before two names */
		{ "a.b.c=7", true, NULL },
		{ "s={not a brace", true, NULL },
		{ "last=-1.5e3", true, NULL },
		{ "a.b.d~3", true, NULL },
		{ "a.b.d~4", false, "a.b.d has 3 elements, not 4" },
		{ "empty~1", false, "empty has 0 elements" },
		{ "last~1", false, "last has 0 elements" },
		{ "last=-1.5", false, "last is -1.5e3, not -1.5" },
		{ "s={not", false, "s is {not a brace, not {not" },
		{ "a.b.d.3=1", false, "has no a.b.d.3" },
		{ "b=1", false, "has no b" },
		{ "las=1", false, "has no las" },
		{ "last.x=1", false, "has no last.x" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		trouble[0] = '\0';
		if (holds(json, cases[i].condition) != cases[i].holds)
			fail_msg("%s: %s", cases[i].condition, trouble);
		if (!cases[i].holds && !strstr(trouble, cases[i].says))
			fail_msg("%s: %s", cases[i].condition, trouble);
	}
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = { "",	    "{",	 "{\"a\"}",	 "{\"a\": }", "{\"a\": 1",
					   "[1 2]", "{\"a\" 1}", "{\"a\": \"x}", "{a: 1}",    "nope nope" };
	char deep[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad) - 1; i++)
		if (holds(bad[i], "a=1") || !strstr(trouble, "no JSON"))
			fail_msg("%s: %s", bad[i], trouble);
	memset(deep, '[', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_false(holds(deep, "0=1"));
	/* cut anywhere it is none */
	{
		_cleanup_free_ char *whole = recorded_output("ceph/outputs/18/pgs.json");

		whole[strlen(whole) - 1] = '\0'; /* the newline */
		for (size_t len = strlen(whole) - 1; len > strlen(whole) - 300; len--) {
			_cleanup_free_ char *cut = xstrndup(whole, len);

			if (strrchr(whole, '}') < whole + len)
				continue;
			assert_false(holds(cut, "pgs~1"));
		}
	}
}

static void recorded_answers(void **state)
{
	static const struct {
		const char *name, *condition;
	} cases[] = {
		{ "ceph/outputs/18/mon-status.json", "state=leader" },
		{ "ceph/outputs/20/mon-status.json", "state=leader" },
		{ "ceph/outputs/18/mon-status.json", "quorum.0=0" },
		{ "ceph/outputs/18/mon-status.json", "monmap.mons.0.name=a" },
		{ "ceph/outputs/18/osd-status.json", "state=active" },
		{ "ceph/outputs/18/osd-status.json", "num_pgs=8" },
		{ "ceph/outputs/20/osd-status.json", "num_pgs=8" },
		{ "ceph/outputs/18/pgs.json", "pgs~8" },
		{ "ceph/outputs/18/pgs.json", "pgs.7.history.0.epoch=5" },
		{ "ceph/outputs/20/pgs.json", "pgs~8" },
		{ "ceph/outputs/20/pgs.json", "pgs.0.currently=Started/Primary/Active/Clean" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = recorded_output(cases[i].name);

		if (!holds(text, cases[i].condition))
			fail_msg("%s: %s: %s", cases[i].name, cases[i].condition, trouble);
	}
}

/* ---- Conversations */

struct answer {
	const char *text; /* NULL: hang up */
	uint32_t less;	  /* bytes that are promised and do not come */
};

/* A daemon that gives these answers, one a question, and then ends with the number of wrong questions. */
static pid_t play(const char *path, const char *question, const struct answer *answers, size_t n)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), wrong = 0;
	pid_t pid;

	strcpy(at.sun_path, path);
	unlink(path);
	assert_int_equal(bind(s, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s, 5), 0);
	pid = fork();
	if (pid) {
		close(s);
		return pid;
	}
	alarm(60);
	for (size_t i = 0; i < n; i++) {
		int c = accept(s, NULL, NULL);
		char got[256] = "";
		uint32_t size;

		/* with its NUL */
		wrong += read(c, got, sizeof(got)) != (ssize_t)strlen(question) + 1 || strcmp(got, question) != 0;
		if (answers[i].text) {
			size = htonl((uint32_t)strlen(answers[i].text) + answers[i].less);
			wrong += write(c, &size, 4) != 4;
			wrong += write(c, answers[i].text, strlen(answers[i].text)) != (ssize_t)strlen(answers[i].text);
		}
		close(c);
	}
	_exit(wrong);
}

static int wrong_questions(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* What asok prints, owned by the caller, and *ret_rc what it exits with. */
static char *run(const char *const words[], int *ret_rc)
{
	int fds[2], argc = 0, status;
	char *argv[16], *text = xcalloc(1, 4096);
	size_t used = 0;
	ssize_t n;
	pid_t pid;

	for (; words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		close(fds[0]);
		close(fds[1]);
		status = asok_main(argc, argv);
		fflush(NULL);
		_exit(status);
	}
	close(fds[1]);
	while ((n = read(fds[0], text + used, 4095 - used)) > 0)
		used += (size_t)n;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*ret_rc = WEXITSTATUS(status);
	return text;
}

static void it_waits_and_tells(void **state)
{
	static const struct answer booting[] = { { NULL, 0 },
						 { "{\"state\": \"booting\"}", 0 },
						 { "{\"state\": \"active\"}", 0 } };
	static const struct answer cut[] = { { "{\"state\":", 5 } };
	static const struct answer text[] = { { "no JSON at all\n", 0 } };
	static const struct answer lines[] = { { "ERROR: (22)\nunknown command prefix\n", 0 } };
	char *dir = scratch_make();
	_cleanup_free_ char *path = path_join(dir, "a.asok"), *file = path_join(dir, "f");
	_cleanup_free_ char *out = NULL, *kept = NULL;
	static const char status[] = "{\"prefix\": \"status\"}";
	pid_t daemon;
	int rc;

	(void)state;
	/* nobody there: told at once, and after a wait */
	out = run((const char *const[]){ "asok", path, "status", NULL }, &rc);
	assert_int_equal(rc, 1);
	assert_non_null(strstr(out, "nobody listens: No such file or directory"));
	free(out);
	out = run((const char *const[]){ "asok", "-w", "1", path, "status", "state=active", NULL }, &rc);
	assert_int_equal(rc, 1);
	assert_non_null(strstr(out, "status, after 1 s: nobody listens"));
	free(out);
	/* a plain word becomes JSON, JSON stays what it is; without conditions any text is an answer */
	daemon = play(path, status, text, 1);
	out = run((const char *const[]){ "asok", path, "status", NULL }, &rc);
	assert_int_equal(rc, 0);
	assert_string_equal(out, "no JSON at all\n\n");
	assert_int_equal(wrong_questions(daemon), 0);
	free(out);
	/* not before it is so; the answer is kept with its label */
	daemon = play(path, status, booting, 3);
	out = run((const char *const[]){ "asok", "-w", "20", "-a", file, "start/osd", path, status, "state=active",
					 NULL },
		  &rc);
	assert_int_equal(rc, 0);
	assert_string_equal(out, "");
	assert_int_equal(wrong_questions(daemon), 0);
	assert_int_equal(file_read(file, 4096, &kept, NULL, NULL), 0);
	assert_true(strncmp(kept, "== start/osd ", strlen("== start/osd ")) == 0);
	assert_non_null(strstr(kept, "\n{\"state\": \"active\"}\n"));
	free(out);
	/* an answer of several lines is told in one */
	daemon = play(path, status, lines, 1);
	out = run((const char *const[]){ "asok", path, "status", "state=active", NULL }, &rc);
	assert_int_equal(rc, 1);
	assert_true(text_ends(out, ", status: its answer has no state: ERROR: (22) unknown command prefix \n"));
	assert_int_equal(wrong_questions(daemon), 0);
	free(out);
	/* what is wanted does not come: what is there is told */
	daemon = play(path, status, booting + 1, 1);
	out = run((const char *const[]){ "asok", path, "status", "state=active", NULL }, &rc);
	assert_int_equal(rc, 1);
	assert_non_null(strstr(out, "state is booting, not active"));
	assert_int_equal(wrong_questions(daemon), 0);
	free(out);
	daemon = play(path, status, cut, 1);
	out = run((const char *const[]){ "asok", path, "status", NULL }, &rc);
	assert_int_equal(rc, 1);
	assert_non_null(strstr(out, "it hung up after 9 of 14 bytes"));
	assert_int_equal(wrong_questions(daemon), 0);
	free(out);
	out = run((const char *const[]){ "asok", path, NULL }, &rc);
	assert_int_equal(rc, 2);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(recorded_answers),
		cmocka_unit_test(it_waits_and_tells),
	};

	return cmocka_run_group_tests_name("ceph-asok", tests, NULL, NULL);
}
