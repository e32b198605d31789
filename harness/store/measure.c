// SPDX-License-Identifier: GPL-2.0-or-later
/* From a boot's stream to numbers: what the files of the snapshots say, whatever the workload, and what the workload
 * reads in its programs' output. A file that is absent gives no number: absent is not zero. The stream is untrusted;
 * what does not parse gives no number either. */
#include "store/measure.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "wire/wire.h"
#include "workloads/workload.h"

#define MEASURES_MAX 8192
#define NAME_MAX_LEN 128
#define FILES_MAX 4096 /* in one snapshot or step; what a guest sends beyond is not looked at */

struct span {
	const char *s; /* borrowed from the stream */
	size_t len;
};

struct file {
	struct span path, content;
	bool after; /* "after" or "hold"; else "before" */
};

/* The records of one step: one phase, kind and index. */
struct step {
	char phase[NAME_MAX_LEN + 1], kind[16], index[16];
	struct file *files; /* owned */
	size_t n_files;
	bool has_exec;
	uint64_t begin_ns, end_ns, faults;
	char status[24];
	char *output; /* owned */
};

struct reader {
	const struct cell_record *cell;
	struct measure_context context;
	const struct workload *workload;
	struct measures *out;
	struct step step;
	struct file *idle; /* owned: the idle snapshot */
	size_t n_idle;
	/* the last "after" of each phase's memory.peak, for phases without a hold */
	struct last_peak {
		char phase[NAME_MAX_LEN + 1];
		double value;
	} * peaks; /* owned */
	size_t n_peaks;
	/* samples' divisors, to scale resolutions */
	double operations, mib;
};

static bool name_safe(const char *s)
{
	return *s && strlen(s) <= NAME_MAX_LEN &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(s);
}

static bool span_is(struct span a, const char *s)
{
	return a.len == strlen(s) && !memcmp(a.s, s, a.len);
}

static bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && !memcmp(a.s, b.s, a.len);
}

/* The decimal number at the beginning of @s behind blanks and a colon. */
static bool span_number(struct span s, double *ret)
{
	size_t i = 0;
	double v = 0;
	bool any = false;

	while (i < s.len && (s.s[i] == ' ' || s.s[i] == '\t' || s.s[i] == ':'))
		i++;
	for (; i < s.len && isdigit((unsigned char)s.s[i]); i++, any = true)
		v = v * 10 + (s.s[i] - '0');
	*ret = v;
	return any;
}

/* Cut the first line off @text and split it into its first word and the rest. */
static bool next_pair(struct span *text, struct span *key, struct span *rest)
{
	const char *end;
	size_t len, k = 0;

	if (!text->len)
		return false;
	end = memchr(text->s, '\n', text->len);
	len = end ? (size_t)(end - text->s) : text->len;
	while (k < len && text->s[k] != ' ' && text->s[k] != '\t' && text->s[k] != ':')
		k++;
	*key = (struct span){ text->s, k };
	*rest = (struct span){ text->s + k, len - k };
	text->s += len + (end != NULL);
	text->len -= len + (end != NULL);
	return true;
}

static bool table_value(struct span text, const char *key, double *ret)
{
	struct span k, rest;

	while (next_pair(&text, &k, &rest))
		if (span_is(k, key))
			return span_number(rest, ret);
	return false;
}

static const struct file *find_file(const struct file *files, size_t n, struct span path, bool after, size_t *cursor)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = (*cursor + k) % n;

		if (files[i].after == after && span_equal(files[i].path, path)) {
			*cursor = i + 1;
			return &files[i];
		}
	}
	return NULL;
}

static const struct file *find_path(const struct file *files, size_t n, const char *path, bool after)
{
	size_t cursor = 0;

	return find_file(files, n, (struct span){ path, strlen(path) }, after, &cursor);
}

static void add(struct reader *r, const char *phase, const char *suffix, double value)
{
	if (r->out->n < MEASURES_MAX || measures_find(r->out, suffix))
		measures_add(r->out, &r->context, generic_metrics, phase, suffix, value);
}

/* One event counter of a sample: per operation and per MiB where those are known, else per sample. */
static void add_per(struct reader *r, const char *name, const char *per, double events, double divisor)
{
	_cleanup_free_ char *suffix = xasprintf("%s_per_%s", name, per);
	struct measure *m;

	if (r->out->n >= MEASURES_MAX)
		return;
	add(r, r->step.phase, suffix, events / divisor);
	/* the search in add() ended at this measure */
	m = &r->out->v[r->out->cursor - 1];
	if (m->metric->resolution_per_sample && (m->n_values == 1 || m->metric->resolution / divisor > m->resolution))
		m->resolution = m->metric->resolution / divisor;
}

static void add_counter(struct reader *r, const char *name, double events)
{
	if (r->operations > 0)
		add_per(r, name, "op", events, r->operations);
	else
		add_per(r, name, "sample", events, 1);
	if (r->mib > 0)
		add_per(r, name, "mib", events, r->mib);
}

/* "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats/anon_fault_alloc" -> "folio.64K.anon_fault_alloc" */
static bool folio_name(struct span path, char *buf, size_t size)
{
	static const char dir[] = "/sys/kernel/mm/transparent_hugepage/hugepages-";
	static const char middle[] = "kB/stats/";
	char text[200], number[24], *end;
	unsigned long long kib;

	if (path.len >= sizeof(text) || path.len < sizeof(dir) || memcmp(path.s, dir, sizeof(dir) - 1))
		return false;
	memcpy(text, path.s, path.len);
	text[path.len] = '\0';
	if (!isdigit((unsigned char)text[sizeof(dir) - 1]))
		return false;
	kib = strtoull(text + sizeof(dir) - 1, &end, 10);
	if (!starts_with(end, middle) || kib == 0 || kib > (1u << 30))
		return false;
	end += sizeof(middle) - 1;
	if (!name_safe(end))
		return false;
	snprintf(buf, size, "folio.%s.%s", size_format(kib << 10, number), end);
	return true;
}

/* Of the counters of hugepages-SIZE/stats, those that say what a workload got. */
static bool folio_counter_wanted(const char *name)
{
	static const char *const wanted[] = {
		"anon_fault_alloc", "anon_fault_fallback", "shmem_alloc", "shmem_fallback",
		"swpout",	    "swpout_fallback",	   "swpin",	  "split",
		"collapse_alloc"
	};
	const char *last = strrchr(name, '.') + 1;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		if (!strcmp(last, wanted[i]))
			return true;
	return false;
}

static bool vmstat_wanted(struct span key)
{
	static const char *const prefixes[] = { "thp_", "compact_", "pgmigrate_", "pswpin", "pswpout" };

	if (span_is(key, "pgfault") || span_is(key, "pgmajfault"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (key.len >= strlen(prefixes[i]) && !memcmp(key.s, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

/* Does this counter's rise mean that a large folio was made? The huge zero page is not one of the workload's. */
static bool counts_folios(const char *name)
{
	return ends_with(name, "_alloc") && !strstr(name, "zero_page") && !strstr(name, "compact");
}

static void vmstat_deltas(struct reader *r, struct span before, struct span after)
{
	struct span text = after, key, rest, old_key, old_rest, old = before;
	double pgalloc = 0, allocstall = 0, now, then;
	bool any_alloc = false, any_stall = false;

	while (next_pair(&text, &key, &rest)) {
		bool alloc = key.len > 8 && !memcmp(key.s, "pgalloc_", 8);
		bool stall = key.len > 11 && !memcmp(key.s, "allocstall_", 11);
		char name[NAME_MAX_LEN + 1], suffix[NAME_MAX_LEN + 8];
		struct span rewind = old;

		if (!alloc && !stall && !vmstat_wanted(key))
			continue;
		/* one kernel prints one order, so the two files are walked side by side */
		while (next_pair(&old, &old_key, &old_rest) && !span_equal(old_key, key))
			continue;
		if (!span_equal(old_key, key)) {
			old = rewind;
			continue;
		}
		if (!span_number(rest, &now) || !span_number(old_rest, &then) || now < then)
			continue;
		if (alloc || stall) {
			any_alloc |= alloc;
			any_stall |= stall;
			*(alloc ? &pgalloc : &allocstall) += now - then;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(key.len < NAME_MAX_LEN ? key.len : NAME_MAX_LEN), key.s);
		if (!name_safe(name))
			continue;
		snprintf(suffix, sizeof(suffix), "vm.%s", name);
		add_counter(r, suffix, now - then);
		r->out->folios_moved |= starts_with(name, "thp_") && counts_folios(name) && now > then;
	}
	if (any_alloc)
		add_counter(r, "vm.pgalloc", pgalloc);
	if (any_stall)
		add_counter(r, "vm.allocstall", allocstall);
}

static void counter_deltas(struct reader *r)
{
	const struct step *s = &r->step;
	size_t cursor = 0;

	for (size_t i = 0; i < s->n_files; i++) {
		const struct file *after = &s->files[i], *before;
		char name[2 * NAME_MAX_LEN];
		double now, then;

		if (!after->after)
			continue;
		before = find_file(s->files, s->n_files, after->path, false, &cursor);
		if (!before)
			continue;
		if (span_is(after->path, "/proc/vmstat")) {
			vmstat_deltas(r, before->content, after->content);
			continue;
		}
		if (!folio_name(after->path, name, sizeof(name)) || !span_number(after->content, &now) ||
		    !span_number(before->content, &then) || now < then)
			continue;
		r->out->folios_moved |= counts_folios(name) && now > then;
		if (folio_counter_wanted(name))
			add_counter(r, name, now - then);
	}
}

/* Folios that a preparation made are no sample's, but they show that the profile works. */
static void folios_since_idle(struct reader *r)
{
	const struct step *s = &r->step;
	size_t cursor = 0;

	for (size_t i = 0; i < s->n_files && !r->out->folios_moved; i++) {
		const struct file *file = &s->files[i], *idle;
		char name[2 * NAME_MAX_LEN];
		double now, then;

		if (!file->after || !folio_name(file->path, name, sizeof(name)) || !counts_folios(name))
			continue;
		idle = find_file(r->idle, r->n_idle, file->path, true, &cursor);
		if (idle && span_number(file->content, &now) && span_number(idle->content, &then))
			r->out->folios_moved = now > then;
	}
}

/* "operations 20000" or "bytes 81920000" as a line of the program's output; 0 if it does not say. */
static double output_number(const char *output, const char *key)
{
	double v;

	return table_value((struct span){ output, strlen(output) }, key, &v) ? v : 0;
}

static int measure_sample(struct reader *r, struct err *err)
{
	const struct step *s = &r->step;
	const struct file *peak = find_path(s->files, s->n_files, "cgroup/memory.peak", true);
	double value;

	if (!s->has_exec)
		return err_set(err, ERR_GUEST, "%s sample %s: its program's record is missing", s->phase, s->index);
	if (strcmp(s->status, "exit 0"))
		return err_set(err, ERR_GUEST, "%s sample %s: the program ended with %s", s->phase, s->index,
			       s->status);
	if (r->workload->measure && r->workload->measure(&r->context, s->phase, s->output, r->out, err) < 0)
		return err_wrap(err, "%s sample %s", s->phase, s->index);
	r->operations = output_number(s->output, "operations");
	r->mib = output_number(s->output, "bytes") / (1 << 20);
	if (r->operations > 0)
		add(r, s->phase, "operations", r->operations);
	add(r, s->phase, "elapsed", (double)(s->end_ns - s->begin_ns));
	/* the workload's own, of its timed region, are better than those of the whole program */
	if (!metric_lookup(r->workload->metrics, "faults_per_op"))
		add_counter(r, "faults", (double)s->faults);
	counter_deltas(r);
	folios_since_idle(r);
	if (peak && span_number(peak->content, &value)) {
		struct last_peak *p = NULL;

		for (size_t i = 0; i < r->n_peaks; i++)
			if (!strcmp(r->peaks[i].phase, s->phase))
				p = &r->peaks[i];
		if (!p) {
			p = VEC_PUSH(r->peaks, r->n_peaks);
			strcpy(p->phase, s->phase);
		}
		p->value = value;
	}
	return 0;
}

/* Sum "Key:  123 kB" over the files /proc/PID/@name of the hold's processes. */
static bool sum_processes(const struct step *s, const char *name, const char *key, double *ret_bytes)
{
	_cleanup_free_ char *tail = xasprintf("/%s", name);
	size_t tail_len = strlen(tail);
	bool any = false;
	double v;

	*ret_bytes = 0;
	for (size_t i = 0; i < s->n_files; i++) {
		struct span path = s->files[i].path;

		if (path.len <= 6 + tail_len || memcmp(path.s, "/proc/", 6) || !isdigit((unsigned char)path.s[6]) ||
		    memcmp(path.s + path.len - tail_len, tail, tail_len))
			continue;
		if (table_value(s->files[i].content, key, &v)) {
			*ret_bytes += v * 1024;
			any = true;
		}
	}
	return any;
}

static void measure_hold(struct reader *r)
{
	static const struct {
		const char *key, *suffix;
	} stat[] = {
		{ "anon", "memory.anon" },     { "file", "memory.file" }, { "shmem", "memory.shmem" },
		{ "kernel", "memory.kernel" }, { "slab", "memory.slab" }, { "pagetables", "memory.pagetables" },
	};
	const struct step *s = &r->step;
	const struct file *peak = find_path(s->files, s->n_files, "cgroup/memory.peak", true);
	const struct file *memory = find_path(s->files, s->n_files, "cgroup/memory.stat", true);
	double v;

	if (peak && span_number(peak->content, &v))
		add(r, s->phase, "memory.peak", v);
	for (size_t i = 0; memory && i < ARRAY_SIZE(stat); i++)
		if (table_value(memory->content, stat[i].key, &v))
			add(r, s->phase, stat[i].suffix, v);
	if (sum_processes(s, "status", "VmPTE", &v))
		add(r, s->phase, "process.vmpte", v);
	if (sum_processes(s, "smaps_rollup", "Pss", &v))
		add(r, s->phase, "process.pss", v);
	if (sum_processes(s, "smaps_rollup", "Rss", &v))
		add(r, s->phase, "process.rss", v);
	for (size_t i = 0; i < s->n_files; i++) {
		char name[2 * NAME_MAX_LEN];

		if (folio_name(s->files[i].path, name, sizeof(name)) && ends_with(name, ".nr_anon") &&
		    span_number(s->files[i].content, &v))
			add(r, s->phase, name, v);
	}
	folios_since_idle(r);
}

static void measure_idle(struct reader *r)
{
	const struct file *meminfo = find_path(r->idle, r->n_idle, "/proc/meminfo", true);
	const struct file *min_free = find_path(r->idle, r->n_idle, "/proc/sys/vm/min_free_kbytes", true);
	double total, v;

	if (min_free && span_number(min_free->content, &v))
		add(r, "guest", "memory.min_free", v * 1024);
	if (!meminfo)
		return;
	if (table_value(meminfo->content, "MemTotal", &total)) {
		if (table_value(meminfo->content, "MemFree", &v))
			add(r, "guest", "memory.idle_used", (total - v) * 1024);
		if ((double)r->cell->memory_bytes >= total * 1024)
			add(r, "guest", "memory.reserved", (double)r->cell->memory_bytes - total * 1024);
	}
	if (table_value(meminfo->content, "Slab", &v))
		add(r, "guest", "memory.idle_slab", v * 1024);
	if (table_value(meminfo->content, "PageTables", &v))
		add(r, "guest", "memory.idle_pagetables", v * 1024);
	if (table_value(meminfo->content, "Percpu", &v))
		add(r, "guest", "memory.percpu", v * 1024);
}

static int end_step(struct reader *r, struct err *err)
{
	int rc = 0;

	if (!strcmp(r->step.kind, "sample"))
		rc = measure_sample(r, err);
	else if (!strcmp(r->step.kind, "hold"))
		measure_hold(r);
	free(r->step.files);
	free(r->step.output);
	r->step = (struct step){ 0 };
	return rc;
}

static struct span field(const struct wire_record *record, unsigned int i)
{
	return (struct span){ record->fields[i].data, record->fields[i].len };
}

static void take_exec(struct reader *r, const struct wire_record *record)
{
	struct step *s = &r->step;
	uint64_t minflt = 0, majflt = 0;

	if (s->has_exec || !wire_number(record, 3, &s->begin_ns) || !wire_number(record, 4, &s->end_ns) ||
	    s->end_ns < s->begin_ns)
		return;
	wire_number(record, 6, &minflt);
	wire_number(record, 7, &majflt);
	s->faults = minflt + majflt;
	wire_text(record, 5, s->status, sizeof(s->status));
	s->output = xstrndup(record->fields[12].data, record->fields[12].len);
	s->has_exec = true;
}

static int take(struct reader *r, const struct wire_record *record, struct err *err)
{
	char phase[NAME_MAX_LEN + 2], kind[16], index[16], when[16];
	struct step *s = &r->step;
	struct file *file;

	if ((record->type != WIRE_FILE || record->n_fields < 5) && (record->type != WIRE_EXEC || record->n_fields < 13))
		return 0;
	/* both begin with phase, kind, index */
	wire_text(record, 0, phase, sizeof(phase));
	wire_text(record, 1, kind, sizeof(kind));
	wire_text(record, 2, index, sizeof(index));
	wire_text(record, 3, when, sizeof(when));
	if (record->type == WIRE_FILE && !strcmp(when, "idle")) {
		if (record->n_fields == 6 && r->n_idle < FILES_MAX) {
			file = VEC_PUSH(r->idle, r->n_idle);
			*file = (struct file){ field(record, 4), field(record, 5), true };
		}
		return 0;
	}
	if (!name_safe(phase))
		return 0;
	if (strcmp(s->phase, phase) || strcmp(s->kind, kind) || strcmp(s->index, index)) {
		if (end_step(r, err) < 0)
			return -1;
		strcpy(s->phase, phase);
		strcpy(s->kind, kind);
		strcpy(s->index, index);
	}
	if (record->type == WIRE_EXEC) {
		take_exec(r, record);
	} else if (record->n_fields == 6 && s->n_files < FILES_MAX) {
		file = VEC_PUSH(s->files, s->n_files);
		*file = (struct file){ field(record, 4), field(record, 5), strcmp(when, "before") != 0 };
	}
	return 0;
}

static int measure_stream(struct reader *r, const struct boot_result *boot, struct err *err)
{
	struct wire_record record;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(boot->stream, boot->stream_len, &offset, n, &record) == WIRE_OK; n++)
		if (take(r, &record, err) < 0)
			return -1;
	if (end_step(r, err) < 0)
		return -1;
	measure_idle(r);
	for (size_t i = 0; i < r->n_peaks; i++) {
		_cleanup_free_ char *name = xasprintf("%s.memory.peak", r->peaks[i].phase);

		if (!measures_find(r->out, name))
			add(r, r->peaks[i].phase, "memory.peak", r->peaks[i].value);
	}
	return 0;
}

int boot_measure(const struct cell_record *cell, const struct boot_result *boot, struct measures *ret, struct err *err)
{
	struct measures out = { 0 };
	struct reader r = {
		.cell = cell,
		.context = { .page_bytes = cell->page_bytes, .cpus = cell->cpus, .basis = cell->basis },
		.workload = cell->workload ? workload_find(cell->workload) : NULL,
		.out = &out,
	};
	int rc;

	if (boot->outcome != OUTCOME_OK || !boot->stream)
		return err_set(err, ERR_GUEST, "cell %s: only an ok boot is measured", cell->id);
	if (!r.workload)
		return err_set(err, ERR_CONFIG, "cell %s: this granule does not know workload '%s'", cell->id,
			       cell->workload ? cell->workload : "");
	rc = measure_stream(&r, boot, err);
	free(r.step.files);
	free(r.step.output);
	free(r.idle);
	free(r.peaks);
	if (rc < 0) {
		measures_free(&out);
		return err_wrap(err, "cell %s", cell->id);
	}
	*ret = out;
	return 0;
}
