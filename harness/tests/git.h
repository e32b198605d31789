/* SPDX-License-Identifier: GPL-2.0-or-later */
/* git as tests use it: one author, one date, nothing of the user's. */
#ifndef GRANULE_TESTS_GIT_H
#define GRANULE_TESTS_GIT_H

#include "base/clock.h"
#include "base/proc.h"

/* The output, owned by the caller; fails the test where git does not exit with 0. */
static inline char *git_out(const char *dir, const char *const *args)
{
	const char *argv[32] = { "env",
				 "GIT_AUTHOR_DATE=2026-11-01T00:00:00Z",
				 "GIT_COMMITTER_DATE=2026-11-01T00:00:00Z",
				 "git",
				 "-C",
				 dir,
				 "-c",
				 "user.name=t",
				 "-c",
				 "user.email=t@example",
				 "-c",
				 "commit.gpgsign=false" };
	size_t n = 12;
	char *out = NULL;

	while (*args)
		argv[n++] = *args++;
	if (proc_capture((char *const *)argv, now_ns() + 600 * NSEC_PER_SEC, 1 << 20, &out, NULL) != 0)
		fail_msg("git %s: %s", argv[12], out);
	return out;
}

#define GIT(dir, ...) git_out(dir, (const char *const[]){ __VA_ARGS__, NULL })
#define GIT_DO(...) free(GIT(__VA_ARGS__))

#endif
