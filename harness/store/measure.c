// SPDX-License-Identifier: GPL-2.0-or-later
/* From a boot's stream to numbers: what the files of the snapshots say, whatever the workload, and what the workload
 * reads in its programs' output. A file that is absent gives no number: absent is not zero. The stream is untrusted;
 * what does not parse gives no number either. */
#include "store/reader.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "wire/wire.h"
#include "workloads/workload.h"

#define MEASURES_MAX 8192
#define FILES_MAX 4096 /* in one snapshot or step; what a guest sends beyond is not looked at */

bool name_safe(const char *s)
{
	return *s && strlen(s) <= PHASE_MAX &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(s);
}

static struct file file_of(struct span path, struct span content, bool after)
{
	size_t folder = path.len, skip;

	while (folder && path.s[folder - 1] != '/')
		folder--;
	skip = folder;
	folder -= folder > 0;
	return (struct file){ { path.s, folder }, { path.s + skip, path.len - skip }, content, after };
}

static bool same_file(const struct file *a, const struct file *b)
{
	return span_equal(a->name, b->name) && span_equal(a->folder, b->folder);
}

static const struct file *find_like(const struct file *files, size_t n, const struct file *like, bool after,
				    size_t *cursor)
{
	for (size_t k = 0; k < n; k++) {
		size_t i = (*cursor + k) % n;

		if (files[i].after == after && same_file(&files[i], like)) {
			*cursor = i + 1;
			return &files[i];
		}
	}
	return NULL;
}

const struct file *file_find(const struct file *files, size_t n, const char *path, bool after)
{
	const struct file like = file_of((struct span){ path, strlen(path) }, (struct span){ NULL, 0 }, after);
	size_t cursor = 0;

	return find_like(files, n, &like, after, &cursor);
}

void reader_add(struct reader *r, const char *phase, const char *suffix, double value)
{
	if (r->out->n < MEASURES_MAX || measures_find(r->out, suffix))
		measures_add(r->out, &r->context, generic_metrics, phase, suffix, value);
}

struct phase_state *reader_phase(struct reader *r, const char *phase)
{
	struct phase_state *p;

	for (size_t i = 0; i < r->n_phases; i++)
		if (!strcmp(r->phases[i].phase, phase))
			return &r->phases[i];
	p = VEC_PUSH(r->phases, r->n_phases);
	strcpy(p->phase, phase);
	return p;
}

static void add_per(struct reader *r, const char *name, const char *per, double events, double divisor)
{
	char suffix[SUFFIX_SIZE + 16];
	struct measure *m;

	if (r->out->n >= MEASURES_MAX || strlen(name) >= SUFFIX_SIZE)
		return;
	strcpy(stpcpy(stpcpy(suffix, name), "_per_"), per);
	reader_add(r, r->step.phase, suffix, events / divisor);
	/* the search in reader_add() ended at this measure */
	m = &r->out->v[r->out->cursor - 1];
	if (m->metric->resolution_per_sample && (m->n_values == 1 || m->metric->resolution / divisor > m->resolution))
		m->resolution = m->metric->resolution / divisor;
}

void reader_count(struct reader *r, const char *name, double events)
{
	if (r->operations > 0)
		add_per(r, name, workload_operation(r->workload), events, r->operations);
	else
		add_per(r, name, "sample", events, 1);
	if (r->mib > 0)
		add_per(r, name, "mib", events, r->mib);
}

/* "/sys/kernel/mm/transparent_hugepage/hugepages-64kB/stats", "anon_fault_alloc" -> "folio.64K.anon_fault_alloc" */
static bool folio_name(const struct file *file, char *buf, size_t size)
{
	static const char dir[] = "/sys/kernel/mm/transparent_hugepage/hugepages-";
	char text[200], name[PHASE_MAX + 1], number[24], *end;
	unsigned long long kib;

	if (file->folder.len >= sizeof(text) || !span_starts(file->folder, dir) || file->name.len > PHASE_MAX)
		return false;
	memcpy(text, file->folder.s, file->folder.len);
	text[file->folder.len] = '\0';
	memcpy(name, file->name.s, file->name.len);
	name[file->name.len] = '\0';
	if (!isdigit((unsigned char)text[sizeof(dir) - 1]))
		return false;
	kib = strtoull(text + sizeof(dir) - 1, &end, 10);
	if (strcmp(end, "kB/stats") || kib == 0 || kib > (1u << 30) || !name_safe(name))
		return false;
	snprintf(buf, size, "folio.%s.%s", size_format(kib << 10, number), name);
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
	struct span text = after, key, rest, old_key = { 0 }, old_rest, old = before;
	double pgalloc = 0, allocstall = 0, now, then;
	bool any_alloc = false, any_stall = false;

	while (span_next_pair(&text, &key, &rest)) {
		bool alloc = key.len > 8 && !memcmp(key.s, "pgalloc_", 8);
		bool stall = key.len > 11 && !memcmp(key.s, "allocstall_", 11);
		char name[PHASE_MAX + 1], suffix[PHASE_MAX + 8];
		struct span rewind = old;

		if (!alloc && !stall && !vmstat_wanted(key))
			continue;
		/* one kernel prints one order, so the two files are walked side by side */
		while (span_next_pair(&old, &old_key, &old_rest) && !span_equal(old_key, key))
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
		if (key.len > PHASE_MAX)
			continue;
		memcpy(name, key.s, key.len);
		name[key.len] = '\0';
		if (!name_safe(name))
			continue;
		strcpy(stpcpy(suffix, "vm."), name);
		reader_count(r, suffix, now - then);
		r->out->folios_moved |= starts_with(name, "thp_") && counts_folios(name) && now > then;
	}
	if (any_alloc)
		reader_count(r, "vm.pgalloc", pgalloc);
	if (any_stall)
		reader_count(r, "vm.allocstall", allocstall);
}

/* Of a block device's `stat`, from the first number on (Documentation/block/stat.rst): requests and 512-byte sectors read, written
 * and discarded, flushes. Kernels before 4.18 and 5.5 end earlier. */
#define DISK_NUMBERS 17
static const struct disk_number {
	unsigned int at;
	const char *name;
	double scale;
} disk_numbers[] = {
	{ 2, "read", 512 }, { 6, "written", 512 }, { 13, "discarded", 512 }, { 0, "reads", 1 },
	{ 4, "writes", 1 }, { 11, "discards", 1 }, { 15, "flushes", 1 },
};

static unsigned int disk_read(const struct file *file, double numbers[DISK_NUMBERS])
{
	struct span text = file->content, word;
	unsigned int n = 0;

	while (n < DISK_NUMBERS && span_next_word(&text, &word) && span_number(word, &numbers[n]))
		n++;
	return n;
}

static void disk_deltas(struct reader *r)
{
	static const char *const disks[] = { "storage", "swap" };

	for (size_t i = 0; i < ARRAY_SIZE(disks); i++) {
		_cleanup_free_ char *path = xasprintf("/disk/%s/stat", disks[i]);
		const struct file *before = file_find(r->step.files, r->step.n_files, path, false);
		const struct file *after = file_find(r->step.files, r->step.n_files, path, true);
		double then[DISK_NUMBERS], now[DISK_NUMBERS];
		unsigned int n = before && after ? disk_read(before, then) : 0;

		n = n && disk_read(after, now) == n ? n : 0;
		for (size_t k = 0; k < ARRAY_SIZE(disk_numbers); k++) {
			const struct disk_number *d = &disk_numbers[k];
			_cleanup_free_ char *name = xasprintf("disk.%s.%s", disks[i], d->name);

			if (d->at < n && now[d->at] >= then[d->at])
				reader_count(r, name, (now[d->at] - then[d->at]) * d->scale);
		}
	}
}

static void counter_deltas(struct reader *r)
{
	const struct step *s = &r->step;
	size_t cursor = 0;

	for (size_t i = 0; i < s->n_files; i++) {
		const struct file *after = &s->files[i], *before;
		char name[SUFFIX_SIZE];
		double now, then;

		if (!after->after)
			continue;
		before = find_like(s->files, s->n_files, after, false, &cursor);
		if (!before)
			continue;
		if (span_is(after->name, "vmstat") && span_is(after->folder, "/proc")) {
			vmstat_deltas(r, before->content, after->content);
			continue;
		}
		if (!folio_name(after, name, sizeof(name)) || !span_number(after->content, &now) ||
		    !span_number(before->content, &then) || now < then)
			continue;
		r->out->folios_moved |= counts_folios(name) && now > then;
		if (folio_counter_wanted(name))
			reader_count(r, name, now - then);
	}
}

/* Folios that a preparation made are no sample's, but they show that the profile works. */
static void folios_since_idle(struct reader *r)
{
	const struct step *s = &r->step;
	size_t cursor = 0;

	for (size_t i = 0; i < s->n_files && !r->out->folios_moved; i++) {
		const struct file *file = &s->files[i], *idle;
		char name[SUFFIX_SIZE];
		double now, then;

		if (!file->after || !folio_name(file, name, sizeof(name)) || !counts_folios(name))
			continue;
		idle = find_like(r->idle, r->n_idle, file, true, &cursor);
		if (idle && span_number(file->content, &now) && span_number(idle->content, &then))
			r->out->folios_moved = now > then;
	}
}

/* "/sys/fs/cgroup/osd", "cpu.stat": of a service, where the job watches it. Its name is part of a metric's. */
static bool service_of(const struct file *file, char name[PHASE_MAX + 1])
{
	static const char dir[] = "/sys/fs/cgroup/";
	size_t len = strlen(dir);

	if (!span_is(file->name, "cpu.stat") || !span_starts(file->folder, dir) || file->folder.len - len > PHASE_MAX)
		return false;
	memcpy(name, file->folder.s + len, file->folder.len - len);
	name[file->folder.len - len] = '\0';
	return name_safe(name);
}

static void add_processor(struct reader *r, const char *who, double us)
{
	bool insns = r->context.basis == BASIS_SIMULATED;
	double ns = us * 1000;
	char name[SUFFIX_SIZE];

	if (strlen(who) > PHASE_MAX)
		return;
	snprintf(name, sizeof(name), "%s_in.%s", insns ? "insns" : "ns", who);
	reader_count(r, name, insns ? ns / SIMULATED_NS_PER_INSN : ns);
}

/* Who had the processor while the sample ran: the services that the job watches, and the sample's own program. The
 * kernel counts it by its clock, to the ns (update_curr() in kernel/sched/fair.c), and shows us. */
static void processor_deltas(struct reader *r)
{
	const struct step *s = &r->step;
	bool any = false;

	for (size_t i = 0; i < s->n_files; i++) {
		const struct file *after = &s->files[i], *before;
		char name[PHASE_MAX + 1];
		size_t cursor = 0;
		double now, then;

		if (!after->after || !service_of(after, name))
			continue;
		before = find_like(s->files, s->n_files, after, false, &cursor);
		if (!before || !span_table_value(after->content, "usage_usec", &now) ||
		    !span_table_value(before->content, "usage_usec", &then) || now < then)
			continue;
		add_processor(r, name, now - then);
		any = true;
	}
	if (any)
		add_processor(r, "client", s->usage_us);
}

static int measure_sample(struct reader *r, struct err *err)
{
	const struct step *s = &r->step;
	const struct file *peak = file_find(s->files, s->n_files, "cgroup/memory.peak", true);
	double value, bytes;

	if (!s->has_exec)
		return err_set(err, ERR_GUEST, "%s sample %s: its program's record is missing", s->phase, s->index);
	if (strcmp(s->status, "exit 0"))
		return err_set(err, ERR_GUEST, "%s sample %s: the program ended with %s", s->phase, s->index,
			       s->status);
	if (r->workload->measure && r->workload->measure(&r->context, s->phase, s->output, r->out, err) < 0)
		return err_wrap(err, "%s sample %s", s->phase, s->index);
	workload_work(r->workload, s->output, &r->operations, &bytes);
	r->mib = bytes / (1 << 20);
	if (r->operations > 0)
		reader_add(r, s->phase, "operations", r->operations);
	reader_add(r, s->phase, "elapsed", (double)(s->end_ns - s->begin_ns));
	/* the workload's own, of its timed region, are better than those of the whole program */
	if (!metric_lookup(r->workload->metrics, "faults_per_op"))
		reader_count(r, "faults", (double)s->faults);
	if (halves_measure(r, err) < 0)
		return err_wrap(err, "%s sample %s", s->phase, s->index);
	counter_deltas(r);
	pmu_measure(r);
	disk_deltas(r);
	processor_deltas(r);
	folios_since_idle(r);
	state_pressure(r);
	state_unaccounted(r);
	if (peak && span_number(peak->content, &value)) {
		struct phase_state *p = reader_phase(r, s->phase);

		p->has_peak = true;
		p->peak = value;
	}
	return 0;
}

/* Sum "Key:  123 kB" over the files /proc/PID/@name of the hold's processes. Returns how many have it; *ret_most: the largest
 * of one process. */
static unsigned int sum_processes(const struct step *s, const char *name, const char *key, double *ret_bytes,
				  double *ret_most)
{
	unsigned int n = 0;
	double v;

	*ret_bytes = *ret_most = 0;
	for (size_t i = 0; i < s->n_files; i++) {
		const struct file *file = &s->files[i];

		if (!span_starts(file->folder, "/proc/") || file->folder.len <= 6 ||
		    !isdigit((unsigned char)file->folder.s[6]) || !span_is(file->name, name))
			continue;
		if (span_table_value(s->files[i].content, key, &v)) {
			*ret_bytes += v * 1024;
			*ret_most = v * 1024 > *ret_most ? v * 1024 : *ret_most;
			n++;
		}
	}
	return n;
}

static void measure_processes(struct reader *r)
{
	static const struct {
		const char *file, *key, *suffix, *most;
	} sums[] = {
		{ "status", "VmPTE", "process.vmpte", "process.vmpte_most" },
		{ "smaps_rollup", "Pss", "process.pss", NULL },
		{ "smaps_rollup", "Rss", "process.rss", NULL },
		{ "status", "RssShmem", "process.rss_shmem", NULL },
	};
	const struct step *s = &r->step;
	double sum, most;

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++) {
		unsigned int n = sum_processes(s, sums[i].file, sums[i].key, &sum, &most);

		if (!n)
			continue;
		reader_add(r, s->phase, sums[i].suffix, sum);
		if (sums[i].most) {
			reader_add(r, s->phase, sums[i].most, most);
			reader_add(r, s->phase, "process.number", n);
		}
	}
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
	const struct file *peak = file_find(s->files, s->n_files, "cgroup/memory.peak", true);
	const struct file *memory = file_find(s->files, s->n_files, "cgroup/memory.stat", true);
	const struct file *swap = file_find(s->files, s->n_files, "cgroup/memory.swap.current", true);
	double v, zswap = 0;

	if (peak && span_number(peak->content, &v))
		reader_add(r, s->phase, "memory.peak", v);
	/* what zswap keeps of the workload's pages is charged as kernel memory (obj_cgroup_charge_zswap()) */
	if (memory && span_table_value(memory->content, "zswap", &zswap) && zswap > 0)
		reader_add(r, s->phase, "memory.zswap", zswap);
	for (size_t i = 0; memory && i < ARRAY_SIZE(stat); i++)
		if (span_table_value(memory->content, stat[i].key, &v))
			reader_add(r, s->phase, stat[i].suffix, strcmp(stat[i].key, "kernel") ? v : v - zswap);
	if (swap && span_number(swap->content, &v))
		reader_add(r, s->phase, "memory.swap", v);
	measure_processes(r);
	for (size_t i = 0; i < s->n_files; i++) {
		char name[SUFFIX_SIZE];

		if (folio_name(&s->files[i], name, sizeof(name)) && ends_with(name, ".nr_anon") &&
		    span_number(s->files[i].content, &v))
			reader_add(r, s->phase, name, v);
	}
	folios_since_idle(r);
	state_measure(r, s->phase, s->files, s->n_files);
	state_own_memory(r);
	state_hugetlb(r);
	state_folios(r);
	state_split(r, s->phase, s->files, s->n_files);
	state_charged(r);
}

static int end_step(struct reader *r, struct err *err)
{
	int rc = 0;

	if (!strcmp(r->step.kind, "sample"))
		rc = measure_sample(r, err);
	else if (!strcmp(r->step.kind, "hold"))
		measure_hold(r);
	else if (!strcmp(r->step.kind, "phase"))
		state_phase_begins(r);
	else if (!strcmp(r->step.kind, "sampler"))
		state_sampler(r);
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
	uint64_t minflt = 0, majflt = 0, user_us = 0, system_us = 0;

	if (s->has_exec || !wire_number(record, 3, &s->begin_ns) || !wire_number(record, 4, &s->end_ns) ||
	    s->end_ns < s->begin_ns)
		return;
	wire_number(record, 6, &minflt);
	wire_number(record, 7, &majflt);
	s->faults = minflt + majflt;
	wire_number(record, 10, &user_us);
	wire_number(record, 11, &system_us);
	s->usage_us = (double)user_us + (double)system_us;
	wire_text(record, 5, s->status, sizeof(s->status));
	s->output = xstrndup(record->fields[12].data, record->fields[12].len);
	s->has_exec = true;
}

static void take_file(struct file **files, size_t *n, struct file file)
{
	if (*n < FILES_MAX)
		*VEC_PUSH(*files, *n) = file;
}

/* Of a FILE or FILES record. No content: absent, and so no file. */
static void take_files(const struct wire_record *record, struct file **files, size_t *n, bool after)
{
	if (record->type == WIRE_FILE && record->n_fields == 6)
		take_file(files, n, file_of(field(record, 4), field(record, 5), after));
	for (unsigned int i = 5; record->type == WIRE_FILES && i + 1 < record->n_fields; i += 2)
		take_file(files, n, (struct file){ field(record, 4), field(record, i), field(record, i + 1), after });
}

static bool concerns(const struct wire_record *record)
{
	return record->type == WIRE_EXEC
		       ? record->n_fields >= 13
		       : (record->type == WIRE_FILE || record->type == WIRE_FILES) && record->n_fields >= 5;
}

static int take(struct reader *r, const struct wire_record *record, struct err *err)
{
	char phase[PHASE_MAX + 2], kind[16], index[16], when[16];
	struct step *s = &r->step;

	if (record->type == WIRE_SERIES)
		series_take(&r->series, record);
	if (!concerns(record))
		return 0;
	/* all begin with phase, kind, index */
	wire_text(record, 0, phase, sizeof(phase));
	wire_text(record, 1, kind, sizeof(kind));
	wire_text(record, 2, index, sizeof(index));
	wire_text(record, 3, when, sizeof(when));
	if (record->type != WIRE_EXEC && !strcmp(when, "idle")) {
		take_files(record, &r->idle, &r->n_idle, true);
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
	if (record->type == WIRE_EXEC)
		take_exec(r, record);
	else
		take_files(record, &s->files, &s->n_files, strcmp(when, "before") != 0);
	return 0;
}

/* What the workload reads in the files that came out. */
static int measure_brought(struct reader *r, const struct boot_result *boot, struct err *err)
{
	_cleanup_(artifacts_free) struct artifact_list artifacts = { 0 };

	if (!r->workload->brought || !r->cell->job)
		return 0;
	artifacts_read(r->cell->job, boot->stream, boot->stream_len, &artifacts);
	return r->workload->brought(&r->context, &artifacts, r->out, err);
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
	series_measure(r);
	state_idle(r);
	if (measure_brought(r, boot, err) < 0)
		return -1;
	if (r->workload->derive)
		r->workload->derive(&r->context, r->out);
	for (size_t i = 0; i < r->n_phases; i++) {
		const struct phase_state *p = &r->phases[i];
		_cleanup_free_ char *name = xasprintf("%s.memory.peak", p->phase);

		if (p->has_peak && !measures_find(r->out, name))
			reader_add(r, p->phase, "memory.peak", p->peak);
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
	rc = boot->dir ? halves_load(boot->dir, &r.halves, err) : 0;
	if (rc == 0)
		rc = measure_stream(&r, boot, err);
	halves_free(&r.halves);
	free(r.step.files);
	free(r.step.output);
	free(r.idle);
	free(r.phases);
	series_list_free(&r.series);
	if (rc < 0) {
		measures_free(&out);
		return err_wrap(err, "cell %s", cell->id);
	}
	*ret = out;
	return 0;
}
