// SPDX-License-Identifier: GPL-2.0-or-later
/* Writes the job's text. Knows the kernel's counters by path, and no workload but through its own steps. */
#include "run/job.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/storage.h"
#include "run/storage.h"
#include "wire/job.h"
#include "workloads/workload.h"

/* A file that this kernel lacks is recorded as absent. With words, only its lines that begin with them. */
static const struct watched {
	const char *verb; /* "watch": also around every sample; "look": only where memory is measured at rest */
	const char *path, *words[12];
} watched[] = {
	{ "watch", "/proc/sys/vm/min_free_kbytes", { NULL } },
	{ "watch", "/proc/meminfo", { NULL } },
	{ "watch", "/proc/vmstat", { NULL } },
	{ "watch", "/proc/pressure/memory", { NULL } },
	{ "watch", "/proc/pressure/cpu", { NULL } },
	{ "watch", "/proc/pressure/io", { NULL } },
	{ "watch", "/sys/kernel/mm/transparent_hugepage/hugepages-*/stats/*", { NULL } },
	{ "watch", "/sys/kernel/mm/transparent_hugepage/khugepaged/full_scans", { NULL } },
	{ "watch", "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed", { NULL } },
	{ "look", "/proc/buddyinfo", { NULL } },
	{ "look", "/proc/iomem", { NULL } },
	{ "look",
	  "/proc/zoneinfo",
	  { "Node", "pages", "min", "low", "high", "present", "managed", "count:", "high:", "batch:" } },
	{ "look", "/proc/pagetypeinfo", { "Pages", "Number", "Node" } },
};

/* The columns of a series; those of one file stand together. Names: store/measure-series.c. */
static const struct counter {
	const char *name, *path, *word;
} counters[] = {
	{ "charged", "cgroup/memory.current", "-" },	  { "anon", "cgroup/memory.stat", "anon" },
	{ "file", "cgroup/memory.stat", "file" },	  { "kernel", "cgroup/memory.stat", "kernel" },
	{ "free", "/proc/meminfo", "MemFree:" },	  { "slab", "/proc/meminfo", "Slab:" },
	{ "pagetables", "/proc/meminfo", "PageTables:" },
};

/* What the PMU counts on hardware, in turns. By the kernel's names (include/linux/perf/arm_pmuv3.h) of the Arm ARM's
 * common events: INST_RETIRED 0x08, CPU_CYCLES 0x11, DTLB_WALK 0x34, ITLB_WALK 0x35, L1D_TLB_REFILL 0x05,
 * L2D_TLB_REFILL 0x2d. Each takes two counters, for user and kernel; a Neoverse N1 has six and one for cycles only. */
static const char *const pmu_sets[][4] = {
	{ "inst_retired", "cpu_cycles", "dtlb_walk", NULL },
	{ "itlb_walk", "l1d_tlb_refill", "l2d_tlb_refill", NULL },
};

static void add_steps(const struct folio_profile *folio, uint64_t page_bytes, struct text *job)
{
	struct folio_step *steps;
	size_t n;

	folio_steps(folio, page_bytes, &steps, &n);
	for (size_t i = 0; i < n; i++) {
		const struct folio_step *s = &steps[i];

		if (!strcmp(s->verb, "mount"))
			job_line(job, s->verb, s->value, s->path, "-", NULL);
		else if (!strcmp(s->verb, "set"))
			job_line(job, s->verb, s->path, s->value, s->must ? "must" : "may", NULL);
		else
			job_line(job, s->verb, s->path, s->value, s->more, NULL);
	}
	folio_steps_free(steps, n);
}

/* The kernel's periodic work, in the units and with the defaults of Documentation/admin-guide/sysctl/vm.rst, and of
 * khugepaged (mm/khugepaged.c) where the profile lets it run. */
static void add_timers(uint64_t times, const struct folio_profile *folio, struct folio_profile *slow, struct text *job)
{
	static const struct timer {
		const char *path;
		uint64_t normal;
	} timers[] = { { "/proc/sys/vm/dirty_writeback_centisecs", 500 },
		       { "/proc/sys/vm/dirty_expire_centisecs", 3000 },
		       { "/proc/sys/vm/stat_interval", 1 } };

	*slow = *folio;
	if (!times)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(timers); i++) {
		_cleanup_free_ char *value = xasprintf("%" PRIu64, timers[i].normal * times);

		job_line(job, "set", timers[i].path, value, "must", NULL);
	}
	if (!folio->khugepaged)
		return;
	slow->scan_sleep_millisecs.v =
		(folio->scan_sleep_millisecs.given ? folio->scan_sleep_millisecs.v : 10000) * times;
	slow->alloc_sleep_millisecs.v =
		(folio->alloc_sleep_millisecs.given ? folio->alloc_sleep_millisecs.v : 60000) * times;
	slow->scan_sleep_millisecs.given = slow->alloc_sleep_millisecs.given = true;
}

static void add_watched(struct text *job)
{
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
		text_add(job, "%s\t%s", watched[i].verb, watched[i].path);
		for (size_t w = 0; w < ARRAY_SIZE(watched[i].words) && watched[i].words[w]; w++)
			text_add(job, "\t%s", watched[i].words[w]);
		text_add(job, "\n");
	}
}

static void add_pmu(struct text *job)
{
	for (size_t i = 0; i < ARRAY_SIZE(pmu_sets); i++)
		job_line(job, "pmu", pmu_sets[i][0], pmu_sets[i][1], pmu_sets[i][2], NULL);
}

/* For each phase once more what its first sample ran, behind everything that is measured. */
static void add_series(const struct trials *trials, struct text *job)
{
	_cleanup_free_ char *measured = xstrdup(job->s), *ms = xasprintf("%" PRIu64, trials->series_interval_ms);
	_cleanup_free_ char *seconds = xasprintf("%" PRIu64, trials->series_s);
	char *save = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		job_line(job, "counter", counters[i].name, counters[i].path, counters[i].word, NULL);
	job_line(job, "series", ms, seconds, NULL);
	for (char *line = strtok_r(measured, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		static const char first[] = "\tsample\t0\t";
		char *at = starts_with(line, "exec\t") ? strstr(line, first) : NULL;

		if (at)
			text_add(job, "%.*s\tseries\t0\t%s\n", (int)(at - line), line, at + strlen(first));
	}
}

/* What every job begins with. */
static void add_head(const struct kernel_image *image, struct text *job)
{
	_cleanup_free_ char *page = xasprintf("%" PRIu64, image->page_bytes), *version = xasprintf("%d", JOB_VERSION);

	job_line(job, "job", version, NULL);
	for (size_t i = 0; i < image->n_modules; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", JOB_MODULES_DIR, image->modules[i].name);

		job_line(job, "module", path, NULL);
	}
	job_line(job, "expect", "page_size", page, NULL);
}

/* ---- What is prepared */

static char *preparation_steps(const struct cell *cell, const struct preparation *p, uint64_t page_bytes)
{
	const struct preparing preparing = { page_bytes, storage_device_bytes(cell->storage) };
	struct text steps = { 0 };

	p->steps(cell->workload->params, &preparing, &steps);
	return text_steal(&steps);
}

char *job_build_preparation(const struct cell *cell, const struct preparation *p, const struct kernel_image *image)
{
	_cleanup_free_ char *steps = preparation_steps(cell, p, image->page_bytes);
	struct text job = { 0 };

	add_head(image, &job);
	if (storage_device_bytes(cell->storage))
		storage_steps_preparing(storage_device_bytes(cell->storage), &job);
	if (cell->workload->type->rootfs) {
		job_line(&job, "root", JOB_ROOT_IMAGE, JOB_ROOT_DIR, NULL);
		job_line(&job, "mount", "tmpfs", JOB_DATA_DIR, "mode=755", NULL);
	}
	text_add(&job, "%s", steps);
	return text_steal(&job);
}

bool job_keeps(const struct cell *cell, const struct preparation *p)
{
	_cleanup_free_ char *steps = preparation_steps(cell, p, 4096);

	return starts_with(steps, "keep\t") || strstr(steps, "\nkeep\t");
}

void job_kept(const char *job, void (*found)(void *ctx, const char *name, const char *path), void *ctx)
{
	_cleanup_free_ char *lines = xstrdup(job);
	char *words[JOB_WORDS_MAX], *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (starts_with(line, "keep\t") && job_split(line, words) == 3)
			found(ctx, words[1], words[2]);
}

static void add_unpack(void *ctx, const char *name, const char *path)
{
	_cleanup_free_ char *file = xasprintf("/%s" JOB_LAYER_SUFFIX, name);

	job_line(ctx, "unpack", file, path, NULL);
}

/* As if nothing had been prepared: all is done in this guest, and stays where it is. */
static void add_whole(const char *steps, struct text *job)
{
	for (const char *line = steps; *line;) {
		size_t len = strcspn(line, "\n");

		if (!starts_with(line, "keep\t"))
			text_add(job, "%.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
}

static void add_prepared(const struct cell *cell, const struct trials *trials, uint64_t page_bytes, struct text *job)
{
	const struct preparation *p = cell->workload->type->preparations;

	for (; p && p->name; p++) {
		_cleanup_free_ char *steps = preparation_steps(cell, p, page_bytes);

		if (trials->prepare == PREPARE_EACH)
			add_whole(steps, job);
		else
			job_kept(steps, add_unpack, job);
	}
}

/* The root file system, and where its programs have their data. */
static void add_root(const struct cell *cell, struct text *job)
{
	bool files = cell->storage && (cell->storage->where == WHERE_TMPFS || cell->storage->fs > FS_RAW);

	job_line(job, "root", JOB_ROOT_IMAGE, JOB_ROOT_DIR, NULL);
	if (cell->storage)
		storage_steps_after(cell->storage, job);
	if (files && cell->storage->where == WHERE_VIRTIO)
		job_line(job, "bind", JOB_DISK_LOGS, JOB_LOG_DIR, NULL);
	if (files)
		job_line(job, "bind", JOB_STORAGE_DIR, JOB_DATA_DIR, NULL);
	else
		job_line(job, "mount", "tmpfs", JOB_DATA_DIR, "mode=755", NULL);
}

char *job_build(const struct cell *cell, const struct trials *trials, const struct kernel_image *image,
		enum basis basis)
{
	uint64_t page_bytes = image->page_bytes;
	struct folio_profile folio; /* borrows from the cell's */
	struct text job = { 0 };
	char number[24];

	add_head(image, &job);
	add_timers(cell->kernel->timers, cell->folio, &folio, &job);
	if (cell->storage)
		storage_steps_before(cell->storage, &job);
	add_steps(&folio, page_bytes, &job);
	if (cell->workload->type->rootfs)
		add_root(cell, &job);
	else if (cell->storage)
		storage_steps_after(cell->storage, &job);
	add_watched(&job);
	if (basis == BASIS_HARDWARE)
		add_pmu(&job);
	if (cell->limit) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)cell->limit->bytes);
		job_line(&job, "limit", cell->limit->bytes ? number : "max", NULL);
	}
	job_line(&job, "idle", NULL);
	job_line(&job, "sampler", NULL);
	add_prepared(cell, trials, page_bytes, &job);
	cell->workload->type->steps(cell->workload->params, trials, page_bytes, &job);
	if (trials->series_s)
		add_series(trials, &job);
	return text_steal(&job);
}
