/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Builds streams and run directories for tests: what a guest and granule-boot would have left behind. Everything in
 * them is fixed, so that a regenerated scenario changes only where the format did. */
#ifndef GRANULE_TESTS_SCENARIOS_BUILD_H
#define GRANULE_TESTS_SCENARIOS_BUILD_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "wire/wire.h"

#define UNUSED __attribute__((unused))

struct stream {
	struct text bytes;
	uint32_t sequence;
};

/* One record of text fields; the list ends with NULL. */
static void stream_put(struct stream *s, enum wire_type type, ...) __attribute__((sentinel));
static void stream_put(struct stream *s, enum wire_type type, ...)
{
	static char buf[WIRE_HEAD_SIZE + WIRE_PAYLOAD_MAX];
	struct wire_field fields[WIRE_FIELDS_MAX];
	unsigned int n = 0;
	const char *text;
	size_t size;
	va_list ap;

	va_start(ap, type);
	while ((text = va_arg(ap, const char *)))
		fields[n++] = (struct wire_field){ text, strlen(text) };
	va_end(ap);
	size = wire_put(buf, sizeof(buf), type, s->sequence, 1000 * (uint64_t)s->sequence, fields, n);
	if (!size)
		abort();
	s->sequence++;
	text_add_bytes(&s->bytes, buf, size);
}

/* What the guest of one boot says; zero: a plain good one. */
struct story {
	const char *page_size;	 /* "65536" */
	const char *workload;	 /* phase and workload; "null" */
	const char *output;	 /* of each sample */
	unsigned int n_samples;	 /* 2 */
	unsigned long long peak; /* memory.peak at hold, bytes */
	unsigned long long idle_free_kib, vmpte_kib, faults;
	unsigned long long folio_allocs; /* of 128K folios in each sample */
	const char *end, *reason;	 /* "ok", "" */
	/* agent/pmu before and after each sample, two for each: NULL: none at all; "": absent */
	const char *const *pmu;
};

static void story_snapshot(struct stream *s, const char *phase, const char *kind, const char *index, const char *when,
			   const struct story *story, unsigned long long allocs)
{
	static const char thp[] = "/sys/kernel/mm/transparent_hugepage/hugepages-128kB/stats/";
	_cleanup_free_ char *peak = xasprintf("%llu\n", story->peak), *path = xasprintf("%sanon_fault_alloc", thp);
	_cleanup_free_ char *count = xasprintf("%llu\n", allocs), *fallback = xasprintf("%sanon_fault_fallback", thp);
	_cleanup_free_ char *vmstat = xasprintf("nr_free_pages 46411\npgalloc_dma %llu\npgalloc_normal 0\n"
						"pgfault %llu\nthp_fault_alloc 0\nthp_fault_fallback 0\n",
						10 * allocs + 1000, strcmp(when, "after") ? 500 : 800 + story->faults);
	_cleanup_free_ char *meminfo = xasprintf("MemTotal:        3075840 kB\nMemFree:         %llu kB\n"
						 "Slab:             4096 kB\nPageTables:         64 kB\n"
						 "Percpu:             128 kB\n",
						 story->idle_free_kib);

	if (strcmp(when, "idle")) {
		stream_put(s, WIRE_FILE, phase, kind, index, when, "cgroup/memory.peak", peak, NULL);
		stream_put(s, WIRE_FILE, phase, kind, index, when, "cgroup/memory.stat",
			   "anon 8388608\nfile 65536\nkernel 131072\npagetables 65536\nshmem 0\nslab 4096\n", NULL);
	}
	stream_put(s, WIRE_FILE, phase, kind, index, when, "/proc/meminfo", meminfo, NULL);
	stream_put(s, WIRE_FILE, phase, kind, index, when, "/proc/vmstat", vmstat, NULL);
	stream_put(s, WIRE_FILE, phase, kind, index, when, path, count, NULL);
	/* absent is not zero */
	stream_put(s, WIRE_FILE, phase, kind, index, when, fallback, NULL);
	if (story->pmu && !strcmp(kind, "sample")) {
		const char *lines = story->pmu[2 * atoi(index) + !strcmp(when, "after")];

		stream_put(s, WIRE_FILE, phase, kind, index, when, "agent/pmu", *lines ? lines : NULL, NULL);
	}
}

static void story_exec(struct stream *s, const struct story *story, const char *kind, const char *index,
		       const char *output)
{
	_cleanup_free_ char *faults = xasprintf("%llu", story->faults);

	stream_put(s, WIRE_EXEC, story->workload, kind, index, "1000000", "3000000",
		   strcmp(kind, "hold") ? "exit 0" : "signal 9", faults, "0", "1", "2", "300", "400", output, NULL);
}

static void story_hold(struct stream *s, const struct story *story)
{
	_cleanup_free_ char *status = xasprintf("Name:\tnull\nVmPeak:\t9000 kB\nVmPTE:\t%llu kB\n", story->vmpte_kib);

	stream_put(s, WIRE_STEP, "hold", story->workload, "0", NULL);
	story_exec(s, story, "hold", "0", "");
	story_snapshot(s, story->workload, "hold", "0", "hold", story, story->folio_allocs * (story->n_samples + 1));
	for (int i = 0; i < 2; i++) {
		stream_put(s, WIRE_FILE, story->workload, "hold", "0", "hold",
			   i ? "/proc/71/status" : "/proc/70/status", status, NULL);
		stream_put(s, WIRE_FILE, story->workload, "hold", "0", "hold",
			   i ? "/proc/71/smaps_rollup" : "/proc/70/smaps_rollup",
			   "0000-ffff ---p 00000000 00:00 0 [rollup]\nRss:  5120 kB\nPss:  4096 kB\n", NULL);
	}
}

static struct story story_defaults(const struct story *given)
{
	struct story s = given ? *given : (struct story){ 0 };

	s.page_size = s.page_size ? s.page_size : "65536";
	s.workload = s.workload ? s.workload : "null";
	s.output = s.output ? s.output : "value.0 42\nelapsed_ns 2000000\noperations 1000\n";
	s.n_samples = s.n_samples ? s.n_samples : 2;
	s.peak = s.peak ? s.peak : 8912896;
	s.idle_free_kib = s.idle_free_kib ? s.idle_free_kib : 2970000;
	s.vmpte_kib = s.vmpte_kib ? s.vmpte_kib : 64;
	s.faults = s.faults ? s.faults : 1024;
	s.end = s.end ? s.end : "ok";
	s.reason = s.reason ? s.reason : "";
	return s;
}

/* A whole stream; bytes are the caller's (text_free). */
UNUSED static struct stream story_stream(const struct story *given)
{
	struct story story = story_defaults(given);
	struct stream s = { 0 };

	stream_put(&s, WIRE_HELLO, "page_size", story.page_size, "release", "6.12.57", "machine", "aarch64", "cpus",
		   "1", "memory_kib", "3075840", "thp_sizes", "128K 512M", "agent", "1", NULL);
	if (!strcmp(story.end, "wrong-page-size")) {
		stream_put(&s, WIRE_END, story.end, story.reason, NULL);
		return s;
	}
	stream_put(&s, WIRE_SETTING, "/sys/kernel/mm/transparent_hugepage/enabled", "never", "never", "ok", NULL);
	story_snapshot(&s, "", "idle", "0", "idle", &story, 0);
	stream_put(&s, WIRE_STEP, "warmup", story.workload, "0", NULL);
	story_exec(&s, &story, "warmup", "0", story.output);
	for (unsigned int i = 0; i < story.n_samples; i++) {
		char index[12];

		snprintf(index, sizeof(index), "%u", i);
		stream_put(&s, WIRE_STEP, "sample", story.workload, index, NULL);
		story_snapshot(&s, story.workload, "sample", index, "before", &story, story.folio_allocs * (i + 1));
		story_exec(&s, &story, "sample", index, story.output);
		story_snapshot(&s, story.workload, "sample", index, "after", &story, story.folio_allocs * (i + 2));
	}
	story_hold(&s, &story);
	stream_put(&s, WIRE_END, story.end, story.reason, NULL);
	return s;
}

/* A runnable cell; its strings are the caller's (cell_record_free). */
UNUSED static struct cell_record cell_build(const char *kernel, const char *folio, const char *workload,
					    uint64_t page_bytes)
{
	struct cell_record c = {
		.id = xasprintf("%s.%s.%s", kernel, folio, workload),
		.kernel_path = xasprintf("/nowhere/%s/Image", kernel),
		.kernel_sha256 = xstrdup("00000000000000000000000000000000000000000000000000000000000000aa"),
		.kernel_release = xstrdup("6.12.57"),
		.page_bytes = page_bytes,
		.cpus = 1,
		.memory_bytes = UINT64_C(3) << 30,
		.timeout_s = 60,
		.boots = 1,
		.basis = BASIS_SIMULATED,
		.basis_reason = xstrdup("no KVM for arm64 on this host"),
		.cpu_model = xstrdup("neoverse-n1"),
		.command_line = xstrdup("console=ttyAMA0 panic=-1"),
		.job = xstrdup("job\t1\n"),
		.workload = xstrdup("null"),
		.work_bytes = 8388608,
	};
	const char *axes[][2] = { { "kernels", kernel }, { "folios", folio }, { "workloads", workload } };

	for (size_t i = 0; i < ARRAY_SIZE(axes); i++) {
		struct axis_label *a = VEC_PUSH(c.axes, c.n_axes);

		a->axis = xstrdup(axes[i][0]);
		a->label = xstrdup(axes[i][1]);
	}
	c.definition = json_pack("{s{ss,sI,ss},s{ss,ss},s{ss,s{}},s{sI,sI},s{sI,sI,sI}}", "kernel", "release",
				 "6.12.57", "page_bytes", (json_int_t)page_bytes, "config", "micro", "folio", "label",
				 folio, "thp", "never", "workload", "type", "null", "parameters", "guest", "cpus",
				 (json_int_t)1, "memory_bytes", (json_int_t)c.memory_bytes, "trials", "seeds",
				 (json_int_t)1, "warmups", (json_int_t)1, "samples", (json_int_t)2);
	return c;
}

UNUSED static void must(int rc, const struct err *err)
{
	if (rc < 0) {
		fprintf(stderr, "%s\n", err->msg);
		abort();
	}
}

UNUSED static void put_file(const char *dir, const char *name, const void *data, size_t len)
{
	_cleanup_free_ char *path = path_join(dir, name);
	struct err err = ERR_INIT;

	must(file_write(path, data, len, &err), &err);
}

UNUSED static void put_text(const char *dir, const char *name, const char *text)
{
	put_file(dir, name, text, strlen(text));
}

/* An attempt by a host that is long gone. Returns its directory, owned by the caller. */
UNUSED static char *attempt_build(const char *run_dir, const char *cell, unsigned int boot, unsigned int attempt,
				  const struct stream *stream, const char *console, const char *done)
{
	char *dir = xasprintf("%s/cells/%s/%u/%u", run_dir, cell, boot, attempt);
	struct err err = ERR_INIT;

	must(make_dirs(dir, &err), &err);
	put_text(dir, "claim.json",
		 "{\"boot_id\":\"11111111-2222-3333-4444-555555555555\",\"claimed_s\":1,\"deadline_s\":61,"
		 "\"host\":\"recorded\",\"pid\":4242,\"pid_start_time\":99}");
	put_text(dir, "host.json", "{\"cpu\":\"QEMU TCG\",\"qemu_version\":\"7.2.22\"}");
	if (stream)
		put_file(dir, "stream", stream->bytes.s ? stream->bytes.s : "", stream->bytes.len);
	if (console)
		put_text(dir, "console.log", console);
	if (done)
		put_text(dir, "done.json", done);
	return dir;
}

UNUSED static void run_build(const char *dir, const struct cell_record *cells, size_t n)
{
	json_t *header = json_pack("{ss,ss,ss}", "created", "2026-11-23T00:00:00Z", "creator", "granule 0.1", "matrix",
				   "scenario");
	struct err err = ERR_INIT;

	must(run_create(dir, NULL, header, cells, n, &err), &err);
	json_decref(header);
}

#endif
