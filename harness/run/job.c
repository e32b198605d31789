// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes the job's text. Knows the kernel's counters by path, and no workload but through its own steps. */
#include "run/job.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/job.h"
#include "workloads/workload.h"

/* Read before and after every sample. A file that this kernel lacks is recorded as absent. */
static const char *const watched[] = {
	"/proc/sys/vm/min_free_kbytes",
	"/proc/meminfo",
	"/proc/vmstat",
	"/sys/kernel/mm/transparent_hugepage/hugepages-*/stats/*",
};

/* Read where the profile says nothing: a default that differs between two kernels is a difference between two cells. */
static const char *const knobs[] = {
	"/sys/kernel/mm/transparent_hugepage/enabled",		"/sys/kernel/mm/transparent_hugepage/defrag",
	"/sys/kernel/mm/transparent_hugepage/shmem_enabled",	"/sys/kernel/mm/transparent_hugepage/use_zero_page",
	"/sys/kernel/mm/transparent_hugepage/shrink_underused",
};

static bool is_set(const struct folio_setting *settings, size_t n, const char *path)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(settings[i].path, path))
			return true;
	return false;
}

char *job_build(const struct cell *cell, const struct trials *trials, const struct kernel_image *image,
		struct kernel_version version)
{
	uint64_t page_bytes = image->page_bytes;
	struct folio_setting *settings;
	struct text job = { 0 };
	size_t n_settings;
	char number[24];

	snprintf(number, sizeof(number), "%d", JOB_VERSION);
	job_line(&job, "job", number, NULL);
	for (size_t i = 0; i < image->n_modules; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", JOB_MODULES_DIR, image->modules[i].name);

		job_line(&job, "module", path, NULL);
	}
	snprintf(number, sizeof(number), "%llu", (unsigned long long)page_bytes);
	job_line(&job, "expect", "page_size", number, NULL);
	folio_settings(cell->folio, page_bytes, version, &settings, &n_settings);
	for (size_t i = 0; i < n_settings; i++)
		job_line(&job, "set", settings[i].path, settings[i].value, settings[i].must ? "must" : "may", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(knobs); i++)
		if (!is_set(settings, n_settings, knobs[i]))
			job_line(&job, "knob", knobs[i], NULL);
	folio_settings_free(settings, n_settings);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		job_line(&job, "watch", watched[i], NULL);
	job_line(&job, "idle", NULL);
	cell->workload->type->steps(cell->workload->params, trials, page_bytes, &job);
	return text_steal(&job);
}
