// SPDX-License-Identifier: GPL-2.0-or-later
/* Workloads by name (the Makefile makes the list), and what they share. */
#include "workloads/workload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; workloads[i]; i++) {
		if (strcmp(workloads[i]->name, name) == 0)
			return workloads[i];
	}
	return NULL;
}

void programs_add(struct programs *programs, char *guest_path, char *built)
{
	struct guest_program *program = VEC_PUSH(programs->v, programs->n);

	program->guest_path = guest_path;
	program->built = built;
}

void programs_add_source(struct programs *programs, char *guest_path, char *source, char *object)
{
	programs_add(programs, guest_path, object);
	programs->v[programs->n - 1].source = source;
}

void programs_add_file(struct programs *programs, char *guest_path, char *file)
{
	programs_add(programs, guest_path, NULL);
	programs->v[programs->n - 1].file = file;
}

void programs_free(struct programs *programs)
{
	for (size_t i = 0; i < programs->n; i++) {
		free(programs->v[i].guest_path);
		free(programs->v[i].built);
		free(programs->v[i].source);
		free(programs->v[i].file);
	}
	free(programs->v);
	*programs = (struct programs){ 0 };
}

void job_line(struct text *job, ...)
{
	const char *word, *separator = "";
	va_list ap;

	va_start(ap, job);
	while ((word = va_arg(ap, const char *))) {
		if (strpbrk(word, "\t\n")) {
			fprintf(stderr, "granule: a word of a job holds a tab or newline: %s\n", word);
			abort();
		}
		text_add(job, "%s%s", separator, word);
		separator = "\t";
	}
	va_end(ap);
	text_add(job, "\n");
}
