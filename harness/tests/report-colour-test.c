// SPDX-License-Identifier: GPL-2.0-or-later
/* Colours are for a terminal that has them and a person who wants them; through a pipe and into a file there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "guest/programs.h"
#include "tests/pipeline.h"
#include "tests/scenarios/build.h"

#define ESCAPE "\033["

/* A run with a boot that failed, which is said in red. */
static char *failed_run(void)
{
	struct cell_record cell = cell_build("64k", "off", "null", 65536);
	char *dir = scratch_make();

	run_build(dir, &cell, 1);
	free(attempt_build(dir, cell.id, 1, 1, NULL, "[    0.4] kernel BUG at mm/x.c:1!\r\n",
			   "{\"stop\":\"no-hello\"}"));
	cell_record_free(&cell);
	return dir;
}

/* What `granule show @run` writes to a terminal whose TERM and NO_COLOR are these (NULL: not set); owned by the caller. */
static char *on_terminal(const char *run, const char *term, const char *no_color)
{
	_cleanup_free_ char *program = granule_program_path("granule");
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
	struct text out = { 0 };
	char buf[4096];
	ssize_t n;
	pid_t pid;

	assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
	pid = fork();
	if (pid == 0) {
		int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);

		dup2(end, STDOUT_FILENO);
		term ? setenv("TERM", term, 1) : unsetenv("TERM");
		no_color ? setenv("NO_COLOR", no_color, 1) : unsetenv("NO_COLOR");
		execl(program, program, "show", run, (char *)NULL);
		_exit(127);
	}
	/* ends with EIO when the last writer has closed its end */
	while ((n = read(terminal, buf, sizeof(buf))) > 0)
		text_add_bytes(&out, buf, (size_t)n);
	close(terminal);
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 4);
	return text_steal(&out);
}

/* Caught: colours that are always there, or never; NO_COLOR and a dumb terminal not honoured; one set to nothing taken for set. */
static void test_colour(void **state)
{
	static const struct {
		const char *term, *no_color;
		bool colour;
	} cases[] = {
		{ "xterm-256color", NULL, true }, { "xterm-256color", "", true }, { "xterm-256color", "1", false },
		{ "dumb", NULL, false },	  { NULL, NULL, false },
	};
	char *dir = failed_run(), *piped = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *out = on_terminal(dir, cases[i].term, cases[i].no_color);

		assert_non_null(strstr(out, "boot-failed"));
		if (!strstr(out, ESCAPE) == cases[i].colour)
			fail_msg("TERM=%s NO_COLOR=%s: %s", cases[i].term, cases[i].no_color, out);
		free(out);
	}
	assert_int_equal(GRANULE(&piped, "show", dir), 4);
	assert_null(strstr(piped, ESCAPE));
	free(piped);
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_colour) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
