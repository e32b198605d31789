// SPDX-License-Identifier: GPL-2.0-or-later
/* The files of an attempt. Derives no outcome and talks to no guest. */
#include "guest/life.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "guest/programs.h"
#include "guest/provenance.h"
#include "guest/salvage.h"
#include "store/artifact.h"
#include "wire/job.h"

#define HELLO_TIMEOUT_S 60
/* Beside the guest's own time: reading, hashing, libvirt's first start in a new root. */
#define CLAIM_SLACK_S 120

const char *const stop_names[] = { "poweroff", "timeout",     "no-hello", "stream-too-large", "console-too-large",
				   "crashed",  "interrupted", "unseen",	  "host-error",	      NULL };

/* How much slower a guest is than on hardware, at worst. */
static uint64_t basis_factor(enum basis basis)
{
	switch (basis) {
	case BASIS_HARDWARE:
		return 1;
	case BASIS_SIMULATED:
		return 4;
	case BASIS_EMULATED:
		return 10;
	}
	return 10;
}

uint64_t life_timeout_s(const struct cell_record *cell)
{
	return cell->timeout_s * basis_factor(cell->basis);
}

uint64_t life_hello_timeout_s(const struct cell_record *cell)
{
	uint64_t hello_s = HELLO_TIMEOUT_S * basis_factor(cell->basis), all_s = life_timeout_s(cell);

	return hello_s < all_s ? hello_s : all_s;
}

/* A guest that is found this long after its deadline has been forgotten. */
#define GUEST_GRACE_S 15

uint64_t life_since(double realtime_s)
{
	double age = (double)clock_ns(CLOCK_REALTIME) / (double)NSEC_PER_SEC - realtime_s;
	uint64_t now = now_ns(), age_ns = age > 0 ? (uint64_t)(age * (double)NSEC_PER_SEC) : 0;

	return age_ns < now ? now - age_ns : 1;
}

static double seconds_since(uint64_t begin_ns)
{
	return (double)(now_ns() - begin_ns) / (double)NSEC_PER_SEC;
}

/* Short, because it becomes part of a unix socket's path. */
static void name_domain(struct life *life)
{
	_cleanup_free_ char *text = xasprintf("%s %d", life->dir, (int)getpid());
	char hex[SHA256_HEX_SIZE];

	sha256_bytes(text, strlen(text), hex);
	snprintf(life->name, sizeof(life->name), "g%.16s", hex);
}

/* What the attempts before this one left for their guests, which are over. */
static void remove_leftovers(const struct life *life)
{
	for (unsigned int n = 1; n < life->options.attempt; n++) {
		_cleanup_free_ char *dir =
			xasprintf("%s/cells/%s/%u/%u", life->options.run, life->options.cell, life->options.boot, n);
		_cleanup_free_ char *path = path_join(dir, "initramfs");

		unlink(path);
		for (size_t i = 0; i < life->cell.n_disks; i++) {
			_cleanup_free_ char *disk = xasprintf("%s/%s.disk", dir, life->cell.disks[i].name);

			unlink(disk);
		}
	}
}

static int adopt(struct life *life, uint64_t deadline_s, struct err *err)
{
	const struct life_options *options = &life->options;
	_cleanup_free_ char *run = path_absolute(options->run), *claim = NULL;
	json_t *o;

	life->dir = xasprintf("%s/cells/%s/%u/%u", run, life->cell.id, options->boot, options->attempt);
	life->attempt = options->attempt;
	claim = path_join(life->dir, "claim.json");
	if (!path_is_dir(life->dir))
		return err_set(err, ERR_CONFIG, "%s: there is no such attempt", life->dir);
	o = json_load_file(claim, 0, NULL);
	life->begin_ns = life_since(json_number_value(json_object_get(o, "claimed_s")));
	json_decref(o);
	return attempt_adopt(life->dir, deadline_s, err);
}

/* At the top of the run directory: a socket's path is short. */
static int set_gdb_path(struct life *life, struct err *err)
{
	_cleanup_free_ char *run = path_absolute(life->options.run);

	life->gdb_path = path_join(run, LIFE_GDB_SOCKET);
	if (strlen(life->gdb_path) >= sizeof(((struct sockaddr_un *)0)->sun_path) || strchr(life->gdb_path, ','))
		return err_set(err, ERR_CONFIG,
			       "%s: too long for a socket, or there is a comma in it; use another $TMPDIR",
			       life->gdb_path);
	unlink(life->gdb_path);
	return 0;
}

static void name_disks(struct life *life)
{
	life->disks = xcalloc(life->cell.n_disks, sizeof(*life->disks));
	for (size_t i = 0; i < life->cell.n_disks; i++) {
		const struct cell_disk *d = &life->cell.disks[i];

		life->disks[i] = (struct domain_disk){ .path = xasprintf("%s/%s.disk", life->dir, d->name),
						       .serial = d->name,
						       .cache = d->cache };
	}
}

int life_open(const struct life_options *options, struct life *life, struct err *err)
{
	uint64_t deadline_s;
	int rc;

	*life = (struct life){ .options = *options, .begin_ns = now_ns() };
	life->claim_s = life->initramfs_s = life->start_s = life->hello_s = life->stop_s = -1;
	if (run_read_cell(options->run, options->cell, &life->cell, err) < 0)
		return -1;
	if (life->cell.skip)
		return err_set(err, ERR_CONFIG, "cell %s was skipped when the run was planned: %s", options->cell,
			       life->cell.skip);
	life->options.count |= cell_is_counted(&life->cell);
	deadline_s = clock_ns(CLOCK_REALTIME) / NSEC_PER_SEC + life_timeout_s(&life->cell) +
		     life_hello_timeout_s(&life->cell) + CLAIM_SLACK_S;
	rc = options->adopt ? adopt(life, deadline_s, err)
			    : attempt_claim(options->run, options->cell, options->boot, options->attempt, deadline_s,
					    &life->dir, &life->attempt, err);
	if (rc < 0)
		return rc;
	life->stream_path = path_join(life->dir, "stream");
	life->console_path = path_join(life->dir, "console.log");
	life->initramfs_path = path_join(life->dir, "initramfs");
	name_disks(life);
	/* addresses as System.map and vmlinux have them */
	if (options->gdb)
		life->command_line = xasprintf("%s nokaslr", life->cell.command_line);
	name_domain(life);
	if (!options->adopt) {
		remove_leftovers(life);
		life->claim_s = seconds_since(life->begin_ns);
	}
	return options->gdb ? set_gdb_path(life, err) : 0;
}

static int check_file(const char *path, const char *sha256, const char *what, struct err *err)
{
	char hex[SHA256_HEX_SIZE];

	if (sha256_file(path, hex, err) < 0)
		return err_wrap(err, "%s", what);
	if (strcmp(hex, sha256) != 0)
		return err_set(err, ERR_HOST,
			       "%s: %s has changed since the run was planned (sha256 %.12s, not %.12s); "
			       "plan a new run",
			       what, path, hex, sha256);
	return 0;
}

/* "exec PHASE KIND ..." but of kind prepare, or "inspect ..." */
static bool measures(const char *line)
{
	const char *kind = starts_with(line, "exec\t") ? strchr(line + strlen("exec\t"), '\t') : NULL;

	return starts_with(line, "inspect\t") || (kind && !starts_with(kind, "\tprepare\t"));
}

/* The job for a person: the same guest with nothing run and nothing measured, then a shell. Where there are services they run, after
 * all that was done for them, as right before the first measurement. */
static char *shell_job(const char *job)
{
	static const char *const left_out[] = { "watch",  "look",  "idle",  "sampler",	"counter",
						"series", "probe", "limit", "artifact", "pmu" };
	bool services = strstr(job, "\nservice\t");
	struct text text = { 0 };

	for (const char *line = job; *line;) {
		size_t len = strcspn(line, "\n"), verb = strcspn(line, "\t\n");
		bool keep = services || !starts_with(line, "exec\t");

		if (services && measures(line))
			break;
		for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
			keep &= strlen(left_out[i]) != verb || memcmp(line, left_out[i], verb) != 0;
		if (keep)
			text_add(&text, "%.*s\n", (int)len, line);
		line += len + (line[len] == '\n');
	}
	text_add(&text, "shell\n");
	return text_steal(&text);
}

/* The job as planned, or that of --shell. */
static int write_job(struct life *life, struct err *err)
{
	_cleanup_free_ char *path = path_join(life->dir, "job");

	life->job = life->options.shell ? shell_job(life->cell.job) : xstrdup(life->cell.job);
	if (strlen(life->job) > JOB_SIZE_MAX)
		return err_set(err, ERR_CONFIG, "the job of cell %s is larger than %u bytes", life->cell.id,
			       JOB_SIZE_MAX);
	return file_write(path, life->job, strlen(life->job), err);
}

static struct initramfs_entry file_entry(const char *path, const char *host_path)
{
	return (struct initramfs_entry){ .path = path, .mode = S_IFREG | 0755, .host_path = host_path };
}

static int add_shell(const struct life *life, const char *busybox, struct initramfs_entry *entries, size_t *n,
		     struct err *err)
{
	static const char link[] = "busybox";

	if (!life->options.shell)
		return 0;
	if (!path_exists(busybox))
		return err_set(err, ERR_CONFIG,
			       "%s: there is no shell for the guest; give a static arm64 busybox with "
			       "--busybox (`apt-get download busybox-static:arm64`, then dpkg -x)",
			       busybox);
	entries[(*n)++] = file_entry("bin/busybox", busybox);
	entries[(*n)++] =
		(struct initramfs_entry){ .path = "bin/sh", .mode = S_IFLNK | 0777, .data = link, .len = strlen(link) };
	return 0;
}

/* The root file system lies in the guest's memory where nothing else keeps it sealed, else on a disk. */
static const struct cell_program *root_disk(const struct cell_record *cell)
{
	for (size_t i = 0; i < cell->n_programs && cell->basis != BASIS_SIMULATED; i++)
		if (!strcmp(cell->programs[i].guest_path, &JOB_ROOT_IMAGE[1]))
			return &cell->programs[i];
	return NULL;
}

size_t life_entries(const struct cell_record *cell, const char *job, struct initramfs_entry *ret_entries)
{
	for (size_t i = 0; i < cell->n_programs; i++)
		ret_entries[i] = file_entry(cell->programs[i].guest_path, cell->programs[i].host_path);
	ret_entries[cell->n_programs] = (struct initramfs_entry){
		.path = &JOB_PATH[1], .mode = S_IFREG | 0644, .data = job, .len = strlen(job)
	};
	return cell->n_programs + 1;
}

/* The plan names the agent as "init" among the programs; an older one leaves it to us. */
static int write_initramfs(struct life *life, struct err *err)
{
	const struct cell_record *cell = &life->cell;
	struct initramfs_entry *entries = xcalloc(cell->n_programs + 4, sizeof(*entries));
	_cleanup_free_ struct initramfs_entry *owner = entries;
	_cleanup_free_ char *agent = guest_program_path("agent");
	_cleanup_free_ char *busybox =
		life->options.busybox ? xstrdup(life->options.busybox) : guest_program_path("busybox");
	size_t n = life_entries(cell, life->job, entries);
	const struct cell_program *disk = root_disk(cell);
	bool init = false;

	if (disk)
		entries[disk - cell->programs] = entries[--n];

	for (size_t i = 0; i < n; i++)
		init |= strcmp(entries[i].path, "init") == 0;
	if (!init)
		entries[n++] = file_entry("init", agent);
	if (add_shell(life, busybox, entries, &n, err) < 0)
		return -1;
	if (initramfs_write(life->initramfs_path, entries, n, err) < 0)
		return err_wrap(err, "initramfs");
	return sha256_file(life->initramfs_path, life->initramfs_sha256, err);
}

/* Sparse: the guest makes of them what it wants. */
static int write_disks(struct life *life, struct err *err)
{
	const struct cell_record *cell = &life->cell;

	for (size_t i = 0; i < cell->n_disks && !life->options.fake; i++) {
		const char *path = life->disks[i].path;
		_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		if (fd < 0 || ftruncate(fd, (off_t)cell->disks[i].bytes) < 0)
			return err_set_errno(err, ERR_HOST, "%s", path);
	}
	return 0;
}

static void remove_disks(const struct life *life)
{
	for (size_t i = 0; life->disks && i < life->cell.n_disks; i++)
		unlink(life->disks[i].path);
}

int life_files(struct life *life, struct err *err)
{
	const struct cell_record *cell = &life->cell;
	uint64_t begin = now_ns();

	if (!life->options.fake && check_file(cell->kernel_path, cell->kernel_sha256, "kernel", err) < 0)
		return -1;
	/* A person at a shell or in a debugger is better served by newer programs than by none. */
	for (size_t i = 0; i < cell->n_programs && !life->options.fake && !life_attended(life); i++)
		if (check_file(cell->programs[i].host_path, cell->programs[i].sha256, "program", err) < 0)
			return -1;
	if (write_job(life, err) < 0)
		return -1;
	if (write_disks(life, err) < 0)
		return -1;
	if (!life->options.fake && write_initramfs(life, err) < 0)
		return -1;
	life->initramfs_s = seconds_since(begin);
	return 0;
}

/* QEMU's option syntax: a comma in a value is written twice. */
static char *option_value(const char *s)
{
	struct text t = { 0 };

	for (; *s; s++)
		text_add(&t, *s == ',' ? ",," : "%c", *s);
	return text_steal(&t);
}

static char *plugin_value(const struct life *life, const char *qemu_version)
{
	_cleanup_free_ char *path = plugin_path("count", qemu_version), *out = path_join(life->dir, "count");
	_cleanup_free_ char *path_value = option_value(path), *out_value = option_value(out);

	return xasprintf("%s,out=%s", path_value, out_value);
}

void life_domain(struct life *life, const char *qemu, const char *qemu_version, struct domain *ret)
{
	const struct cell_record *cell = &life->cell;
	const struct cell_program *disk = root_disk(cell);

	if (life->options.count)
		life->plugin = plugin_value(life, qemu_version);

	*ret = (struct domain){
		.name = life->name,
		.qemu = qemu,
		.kernel = cell->kernel_path,
		.initrd = life->initramfs_path,
		.command_line = life->command_line ? life->command_line : cell->command_line,
		.cpu_model = cell->cpu_model,
		.plugin = life->plugin,
		.stream_path = life->stream_path,
		.console_path = life->options.shell ? NULL : life->console_path,
		.root_path = disk ? disk->host_path : NULL,
		.gdb_path = life->gdb_path,
		.disks = life->disks,
		.n_disks = cell->n_disks,
		.memory_bytes = cell->memory_bytes,
		.cpus = cell->cpus,
		.seed = life->options.boot,
		.basis = cell->basis,
	};
}

/* ---- host.json */

static void set_string(json_t *o, const char *key, const char *value)
{
	json_t *v = value ? json_string(value) : NULL;

	if (v)
		json_object_set_new(o, key, v);
}

static void set_number(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* The value of the first line of /proc/cpuinfo that begins with @key, "" if there is none. */
static void cpuinfo_value(const char *text, const char *key, char *buf, size_t size)
{
	const char *line = strstr(text, key);
	const char *value = line ? strchr(line, ':') : NULL;

	buf[0] = '\0';
	if (!value)
		return;
	value += 1 + strspn(value + 1, " \t");
	snprintf(buf, size, "%.*s", (int)strcspn(value, "\n"), value);
}

/* arm64 hosts name no model, only numbers. */
static void set_cpu(json_t *o)
{
	char model[128], implementer[16], part[16], both[64];
	_cleanup_free_ char *text = NULL;

	if (file_read("/proc/cpuinfo", 16 << 20, &text, NULL, NULL) < 0)
		return;
	cpuinfo_value(text, "model name", model, sizeof(model));
	cpuinfo_value(text, "CPU implementer", implementer, sizeof(implementer));
	cpuinfo_value(text, "CPU part", part, sizeof(part));
	snprintf(both, sizeof(both), "implementer %s part %s", implementer, part);
	set_string(o, "host_cpu", model[0] ? model : implementer[0] ? both : "unknown");
}

static void set_load(json_t *o)
{
	double load = 0;

	if (getloadavg(&load, 1) == 1)
		json_object_set_new(o, "host_load_1m", json_real(load));
}

static void set_host(json_t *o, const struct life_host *host)
{
	char name[HOST_NAME_MAX + 1] = "unknown";
	struct utsname uts;

	gethostname(name, sizeof(name) - 1);
	set_string(o, "host", name);
	if (uname(&uts) == 0) {
		set_string(o, "host_kernel", uts.release);
		set_string(o, "host_machine", uts.machine);
	}
	set_number(o, "host_page_bytes", (uint64_t)sysconf(_SC_PAGESIZE));
	set_number(o, "host_cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	set_cpu(o);
	set_load(o);
	set_string(o, "qemu", host->qemu);
	set_string(o, "qemu_version", host->qemu_version);
	set_string(o, "libvirt_version", host->libvirt_version);
	set_string(o, "libvirt_uri", host->connect);
	set_string(o, "libvirt_root", host->root);
	set_string(o, "libvirt_root_reason", host->root_reason);
	if (host->root)
		set_number(o, "slot", (uint64_t)host->slot);
}

/* What counts, and so which of QEMU's interfaces it was made for. */
static int set_plugin(json_t *o, const char *qemu_version, struct err *err)
{
	_cleanup_free_ char *path = plugin_path("count", qemu_version);
	char hex[SHA256_HEX_SIZE];

	if (sha256_file(path, hex, err) < 0)
		return -1;
	set_string(o, "plugin", strrchr(path, '/') + 1);
	set_string(o, "plugin_sha256", hex);
	return 0;
}

/* What is written before the start is forced to the disk after it: a killed granule-boot leaves it to its readers all the
 * same, and a crash of the host leaves no attempt that counts. */
static const char *const early[] = { "job", "host.json", "domain.xml", "guest.json" };

static int write_json(const struct life *life, const char *name, json_t *o, struct err *err)
{
	_cleanup_free_ char *path = path_join(life->dir, name);
	_cleanup_free_ char *text = json_dumps(o, JSON_INDENT(1) | JSON_SORT_KEYS);

	json_decref(o);
	if (!text)
		return err_set(err, ERR_HOST, "%s: a value is not UTF-8", path);
	return file_write(path, text, strlen(text), err);
}

int life_write_host(const struct life *life, const struct life_host *host, struct err *err)
{
	const struct cell_record *cell = &life->cell;
	json_t *o = json_object();

	set_string(o, "guest", life->options.fake ? "fake" : "qemu");
	json_object_set_new(
		o, "sealed",
		json_boolean(!life_attended(life) && !life->options.fake && cell->basis == BASIS_SIMULATED));
	if (life->options.gdb)
		json_object_set_new(o, "gdb", json_true());
	set_string(o, "basis", basis_names[cell->basis]);
	set_string(o, "basis_reason", cell->basis_reason);
	set_string(o, "cpu_model", cell->cpu_model);
	set_number(o, "seed", life->options.boot);
	set_number(o, "time_s", clock_ns(CLOCK_REALTIME) / NSEC_PER_SEC);
	if (!life->options.fake) {
		set_string(o, "kernel_sha256", cell->kernel_sha256);
		set_string(o, "initramfs_sha256", life->initramfs_sha256);
	}
	set_host(o, host);
	if (life->options.count && !life->options.fake && set_plugin(o, host->qemu_version, err) < 0) {
		json_decref(o);
		return -1;
	}
	if (cell->basis == BASIS_HARDWARE)
		json_object_set_new(o, "hardware", provenance_read("", life->options.jobs));
	return write_json(life, "host.json", o, err);
}

int life_write_guest(const struct life *life, pid_t pid, struct err *err)
{
	uint64_t now = clock_ns(CLOCK_REALTIME);
	const struct attempt_guest guest = { .pid = pid,
					     .started_s = (double)now / (double)NSEC_PER_SEC,
					     .deadline_s =
						     now / NSEC_PER_SEC + life_timeout_s(&life->cell) + GUEST_GRACE_S };

	/* nobody waits for somebody else's shell or debugger */
	return pid > 0 && !life_attended(life) ? attempt_guest_write(life->dir, &guest, err) : 0;
}

/* ---- done.json */

/* On the disk before done.json names it. Returns its size, 0 if it is not there. */
static uint64_t settle_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	fsync(fd);
	return (uint64_t)st.st_size;
}

static void settle_name(const struct life *life, const char *name)
{
	_cleanup_free_ char *path = path_join(life->dir, name);

	settle_file(path);
}

static void set_step(json_t *steps, const char *key, double seconds)
{
	if (seconds >= 0)
		json_object_set_new(steps, key, json_real(seconds));
}

/* The guest's disk of the workload, or NULL. */
static const char *storage_disk(const struct life *life)
{
	for (size_t i = 0; life->disks && i < life->cell.n_disks; i++)
		if (!strcmp(life->cell.disks[i].name, JOB_STORAGE_DISK))
			return life->disks[i].path;
	return NULL;
}

/* They can be had from the stream at any time, so what goes wrong here loses nothing. What is on a disk goes with it: a
 * guest that came to no end is asked for its logs there. */
static void write_artifacts(const struct life *life, enum stop stop)
{
	const char *job = life->cell.job, *disk = storage_disk(life);
	_cleanup_free_ char *stream = NULL;
	struct err err = ERR_INIT;
	size_t len = 0;

	if (!job || !artifacts_expected(job))
		return;
	if (file_read(life->stream_path, stream_size_max(job), &stream, &len, NULL) == 0)
		artifacts_write(life->dir, job, stream, len, NULL);
	if (disk && stop != STOP_INTERRUPTED && !life->options.fake && path_exists(disk) &&
	    salvage_needed(job, stream ? stream : "", len) && salvage_logs(job, disk, life->dir, &err) < 0)
		fprintf(stderr, "granule-boot: no logs from %s: %s\n", disk, err.msg);
}

int life_write_done(struct life *life, enum stop stop, const char *message, struct err *err)
{
	uint64_t stream = settle_file(life->stream_path), console = settle_file(life->console_path);
	json_t *o = json_object(), *steps = json_object();
	char hex[SHA256_HEX_SIZE] = "";

	for (size_t i = 0; i < ARRAY_SIZE(early); i++)
		settle_name(life, early[i]);
	write_artifacts(life, stop);
	unlink(life->initramfs_path);
	remove_disks(life);
	set_string(o, "stop", stop_names[stop]);
	if (message && *message)
		set_string(o, "message", message);
	if (life->options.adopt)
		json_object_set_new(o, "adopted", json_true());
	if (life->usage.looked_ns > life->start_ns) {
		json_object_set_new(o, "cpu_s", json_real(life->usage.cpu_s));
		json_object_set_new(o, "starved_s", json_real(life->usage.starved_s));
	}
	set_step(steps, "claim_s", life->claim_s);
	set_step(steps, "initramfs_s", life->initramfs_s);
	set_step(steps, "start_s", life->start_s);
	set_step(steps, "hello_s", life->hello_s);
	set_step(steps, "stop_s", life->stop_s);
	json_object_set_new(o, "steps", steps);
	if (sha256_file(life->stream_path, hex, NULL) == 0)
		set_string(o, "stream_sha256", hex);
	set_number(o, "stream_bytes", stream);
	set_number(o, "console_bytes", console);
	/* of a guest that was found dead nobody knows */
	if (!life->options.adopt || life->stop_s >= 0)
		json_object_set_new(o, "wall_s", json_real(seconds_since(life->begin_ns)));
	if (write_json(life, "done.json", o, err) < 0)
		return -1;
	settle_name(life, "done.json");
	return fsync_dir(life->dir, err);
}

void life_close(struct life *life)
{
	if (life->initramfs_path)
		unlink(life->initramfs_path);
	remove_disks(life);
	for (size_t i = 0; life->disks && i < life->cell.n_disks; i++)
		free((char *)(uintptr_t)life->disks[i].path);
	free(life->disks);
	cell_record_free(&life->cell);
	free(life->dir);
	free(life->stream_path);
	free(life->console_path);
	free(life->initramfs_path);
	free(life->plugin);
	free(life->job);
	free(life->command_line);
	free(life->gdb_path);
}
