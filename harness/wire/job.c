// SPDX-License-Identifier: GPL-2.0-or-later
/* The job's text, split into words. Knows nothing of what the verbs mean: that is the agent's. */
#include "wire/job.h"

#include <string.h>

int job_split(char *line, char *words[JOB_WORDS_MAX])
{
	int n = 0;

	for (char *p = line;;) {
		char *tab = p;

		while (*tab && *tab != '\t')
			tab++;
		if (n == JOB_WORDS_MAX)
			return -1;
		words[n++] = p;
		if (!*tab)
			return n;
		*tab = '\0';
		p = tab + 1;
	}
}

bool artifact_name(const char *s)
{
	size_t len = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len && len <= 60 && !s[len] && s[0] != '.';
}
