/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent: process 1 of a guest. It reads /job (wire/job.h), does its steps, and writes what it finds to the virtio
 * port (wire/wire.h). It knows no workload. It talks to nobody: whatever goes wrong becomes END agent-failed with a
 * sentence, also on the console, and power-off.
 *
 * While a program is measured the agent sleeps in poll(); every buffer it has is static and touched before the first
 * step, and the records about a sample are written once its program has ended and its counters are read. */
#ifndef GRANULE_AGENT_AGENT_H
#define GRANULE_AGENT_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "wire/job.h"
#include "wire/wire.h"

#define AGENT_VERSION "1"
#define OUTPUT_MAX (64u << 10)	  /* of one program */
#define FILE_CUT (256u << 10)	  /* of one file in a snapshot */
#define SNAPSHOT_BYTES (4u << 20) /* all files of one snapshot */
#define SNAPSHOT_FILES 4096u
#define WATCH_BYTES (256u << 10) /* the names of the watched files */
#define PATH_SIZE 512
#define CGROUP_ROOT "/sys/fs/cgroup"
#define EXIT_UNSUPPORTED 77 /* a program's way to say that this kernel lacks what it measures */

/* Whose process a program becomes, and where. */
struct identity {
	bool inside; /* in the root file system; else outside, as root */
	uid_t uid;
	gid_t gid;
	char home[128], user[48]; /* words of the environment */
};

struct agent {
	bool fake;		     /* a plain process, not a guest: see main.c */
	const char *root;	     /* borrowed: put before every absolute path; "" in a guest */
	uint64_t fake_ns, fake_page; /* its clock; its page size: the one that the job expects */
	int port;		     /* the stream; -1 before it is open */
	uint32_t sequence;
	bool past_modules;	   /* the job's check has seen another verb */
	bool cgroups;		   /* cgroup v2 with memory is there */
	bool tmp_mounted;	   /* by the job, or by default */
	char phase[PATH_SIZE];	   /* whose cgroup is in use, "" before the first */
	char failed_setting[1024]; /* the first that ends the job, or "" */
	char absent_setting[512];  /* the first that this kernel lacks, or "" */
	char tmpfs_huge[32];	   /* an option for every tmpfs, "-": none; "": not even looked at */
	char tmpfs_shows[32];	   /* what its mount must show, "-": anything */
	int log_flags;		   /* of open(), for logs of services */
	bool swaps;		   /* swap is on: its counters are read */
	char limit[32];		   /* memory.max of every phase; "" is never written */
	char newroot[PATH_SIZE];   /* where the root file system is; "" before there is one */
	struct identity as;	   /* of the programs that are started next */
};

/* ---- emit.c: records, notes, the end ---- */
uint64_t agent_now(struct agent *agent);
const char *agent_path(const struct agent *agent, const char *path, char buf[PATH_SIZE]);
static inline struct wire_field text_field(const char *s)
{
	return (struct wire_field){ s, __builtin_strlen(s) };
}
void emit(struct agent *agent, enum wire_type type, const struct wire_field *fields, unsigned int n_fields);
void emit_flush(struct agent *agent);
void agent_note(struct agent *agent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Write END and power off; in a fake guest exit. */
void agent_end(struct agent *agent, const char *outcome, const char *reason) __attribute__((noreturn));
/* END agent-failed. */
void agent_fail(struct agent *agent, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void console_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- init.c: from nothing to a guest with an open port ---- */
void init_mounts(struct agent *agent);
void init_cgroups(struct agent *agent);
void init_modules(struct agent *agent, const char *job);
void init_port(struct agent *agent);
void make_parents(const char *path);
/* Does /proc/filesystems name @type? */
bool has_filesystem(const char *type);
/* Every tmpfs is given agent->tmpfs_huge, and what it then has is a setting, "mount/TARGET/huge". */
void mount_step(struct agent *agent, const char *type, const char *target, const char *options);
/* Remount @target with each of @values (blanks between) for huge=: SETTING "probed"; then as it was. */
void mount_probe(struct agent *agent, const char *target, const char *values);
uint64_t agent_page_size(const struct agent *agent);
/* Is @type in /proc/filesystems? The error of mount() does not tell. */
bool has_filesystem(const char *type);
void hello(struct agent *agent);

/* ---- settings.c: one knob ---- */
/* The value a knob shows: the word in brackets if it offers a choice ("always [madvise] never"), else its text without
 * the white space around it. Cuts at @size. */
void setting_value(const char *content, char *buf, size_t size);
/* Equal as text, or as decimal numbers. */
bool setting_equal(const char *requested, const char *effective);
/* Write @value, read back, write a SETTING record. @path may have wildcards. @may_lack: an absent file is fine. */
void setting_apply(struct agent *agent, const char *path, const char *value, bool may_lack);
/* The same without writing: something else has set it. */
void setting_check(struct agent *agent, const char *path, const char *value);
/* A knob as the kernel has it: SETTING "inherited" or "absent". */
void setting_inherit(struct agent *agent, const char *path);
/* Write each of @values (blanks between), say which of them stuck: SETTING "probed"; then the old value again. */
void setting_probe(struct agent *agent, const char *path, const char *values);
/* The file @where, which records call @name. */
void setting_file(struct agent *agent, const char *name, const char *where, const char *value, bool may_lack);
void setting_report(struct agent *agent, const char *path, const char *requested, const char *effective,
		    const char *status);
/* The SETTING record of what was asked for and found, and what it means for the job. @trouble: its status, "absent" or
 * "error: ...", NULL: by comparing. */
void setting_judge(struct agent *agent, const char *path, const char *requested, const char *effective,
		   const char *trouble);

/* ---- snapshot.c: many files at one moment ---- */
struct snapshot_file {
	const char *path; /* in the record; borrowed from the watch list or the snapshot's buffer */
	size_t offset;
	ssize_t len; /* -1: absent */
};

struct snapshot {
	char *buf; /* SNAPSHOT_BYTES, static */
	size_t used;
	struct snapshot_file *files; /* SNAPSHOT_FILES, static */
	unsigned int n_files;
};

enum { SNAPSHOT_BEFORE, SNAPSHOT_AFTER };
/* What a snapshot holds beside the watched files: the cgroup's, and files of state with the storage list. */
enum { SNAPSHOT_CGROUP = 1, SNAPSHOT_STATE = 2 };
struct snapshot *snapshot_get(int which);
/* Touch every page, so that nothing is allocated later. */
void snapshot_prepare(void);
/* Add the files that match @pattern (shell wildcards in any part) to the list; a pattern without wildcards is watched
 * even if the file is absent. @words (ends with NULL): keep only the lines that begin with one of them; none: all. @state:
 * for snapshots of state only. */
void watch_add(struct agent *agent, const char *pattern, char *const words[], bool state);
/* Where "cgroup/NAME" of the phase in use, or an absolute path, is read. */
const char *counted_path(const struct agent *agent, const char *path, char buf[PATH_SIZE]);
/* @path with wildcards to names in order, each handed to @found; returns their number. */
unsigned int glob_walk(const char *pattern, void (*found)(void *arg, const char *path), void *arg);
void snapshot_take(struct agent *agent, struct snapshot *snapshot, unsigned int what);
/* Add status and smaps_rollup of @pid. */
void snapshot_add_process(struct agent *agent, struct snapshot *snapshot, pid_t pid);
/* Add what pmu_list() says of the sample's beginning or end, SNAPSHOT_BEFORE or SNAPSHOT_AFTER; nothing where nothing is
 * counted. */
void snapshot_add_pmu(struct agent *agent, struct snapshot *snapshot, int when);
/* Add what folios_list() says of @pids. */
void snapshot_add_folios(struct agent *agent, struct snapshot *snapshot, const char *pids);
/* One FILE record each. */
void snapshot_emit(struct agent *agent, const struct snapshot *snapshot, const char *phase, const char *kind,
		   const char *index, const char *when);
/* At most @size - 1 bytes and a NUL; the length or -1 with errno. */
ssize_t read_small(const char *path, char *buf, size_t size);

/* ---- storage.c: files that lie in the guest's memory ---- */
#define STORAGE_NAME "agent/storage" /* its name in a FILE record */
/* Lines of text, see wire/wire.h; their length. Never more than @size. */
size_t storage_list(struct agent *agent, char *buf, size_t size);

/* ---- folios.c: what the memory of a held program is made of ---- */
#define FOLIOS_NAME "agent/folios" /* its name in a FILE record */
/* Walk the page tables of the processes in @pids (numbers and newlines), then the page cache of the files that they
 * have open and of those of folios_cache(). Lines of text, see wire/wire.h; their length, or -1: this kernel has no
 * /proc/kpageflags. Works in the buffer of the snapshot SNAPSHOT_BEFORE. */
ssize_t folios_list(struct agent *agent, const char *pids, char *buf, size_t size);
/* The page cache of the files that match @pattern, too. */
void folios_cache(struct agent *agent, const char *pattern);

/* ---- pmu.c: the CPU's event counters ---- */
#define PMU_NAME "agent/pmu" /* its name in a FILE record */
/* A set of @events (ends with NULL) that samples from now on count, in turns with other sets. What cannot be counted is
 * left out, and said in a NOTE. */
void pmu_step(struct agent *agent, char *const events[]);
/* Right before and after a sample: no memory is allocated, nothing is written. @index: the sample's. */
void pmu_begin(const char *index);
void pmu_end(void);
bool pmu_counts(void);
/* What was read then: lines of text, see wire/wire.h; their length, or -1: the counters were taken by somebody else. */
ssize_t pmu_list(int when, char *buf, size_t size);

/* ---- disk.c: block devices for the workload ---- */
#define DISK_DIR "/disk/"	      /* NAME: a link to its folder in /sys/block */
#define DISK_BACKING "/disk.backing/" /* NAME: the tmpfs of a loop device */
#define LOOP_CONTROL "/dev/loop-control"
bool disk_kind_known(const char *name);
/* The virtio disk with the serial number @serial: its name ("vda") into @dev. False: there is none. */
bool disk_by_serial(const char *serial, char dev[64]);
/* A loop device over the open file @file: its name ("loop0") into @dev. @block_size 0: the driver's own. False with
 * errno. LOOP_CONFIGURE: Linux 5.8 (drivers/block/loop.c). */
bool loop_attach(int file, uint32_t block_size, bool read_only, char dev[64]);
/* Make or find the device of @kind, of @bytes, that is called @name from now on: /dev/NAME, DISK_DIR NAME. @attributes:
 * ATTR=VALUE, ends with NULL. */
void disk_step(struct agent *agent, const char *name, const char *kind, uint64_t bytes, char *const attributes[]);
/* Does a device of @kind (and with that name, unless NULL) hold a page for each of its blocks, and for good? */
bool disk_filled(const char *kind, const char *dev, uint64_t *ret_bytes);
/* Mount /dev/NAME; what the kernel shows of it are the settings mount/TARGET/options and, unless @block is "-",
 * mount/TARGET/block_size. */
void attach_step(struct agent *agent, const char *type, const char *name, const char *target, const char *options,
		 const char *block);
void bind_step(struct agent *agent, const char *from, const char *to);
void swapon_step(struct agent *agent, const char *name, uint64_t bytes);

/* ---- exec.c: one program ---- */
struct exec_result {
	char status[32]; /* as in an EXEC record */
	bool ok;	 /* "exit 0", or held where that was asked for */
	bool unsupported;
	uint64_t begin_ns, end_ns;
	struct rusage usage;
	const char *output; /* static */
	size_t output_len, output_total;
};

/* Something to do while a program runs: @run is called once the clock is at @next_ns, and moves it on. */
struct ticker {
	uint64_t next_ns;
	void (*run)(struct agent *agent, struct ticker *ticker);
};

void exec_prepare(struct agent *agent);
/* A child of process 1 in the cgroup @phase, which is there, from its first page on. */
pid_t fork_into(struct agent *agent, const char *phase);
/* Start @argv, as agent->as says, in the cgroup @cgroup; its output goes to @out. */
pid_t spawn_into(struct agent *agent, const char *cgroup, char *const argv[], int out);
/* Kill whoever is in the cgroup @name, until nobody is. */
void kill_cgroup(struct agent *agent, const char *name);
/* Bury who has ended; the clock that is real also in a fake guest. */
void reap_services(struct agent *agent);
uint64_t real_ns(void);
/* Run @argv in the cgroup of agent->phase until it ends, until it stops itself if @hold (then @at_hold is called with
 * its pid and everything is killed), or for @timeout_s. All its descendants are gone when this returns. @ticker: NULL for
 * whatever is timed: the agent then sleeps. */
void exec_program(struct agent *agent, char *const argv[], uint64_t timeout_s,
		  void (*at_hold)(struct agent *agent, pid_t pid), struct ticker *ticker, struct exec_result *result);
void shell_step(struct agent *agent);

/* ---- series.c: counters read again and again ---- */
/* A column: the number behind @word at the beginning of a line of @path, or with "-" the file's first. */
void series_counter(struct agent *agent, const char *name, const char *path, const char *word);
void series_rate(uint64_t interval_ms, uint64_t seconds);
/* Run @argv again and again for the time set, in the cgroup of agent->phase, and read every counter at every interval. */
void series_run(struct agent *agent, char *const argv[], uint64_t timeout_s, struct exec_result *result);
/* The records of what was read. */
void series_emit(struct agent *agent, const char *phase, const char *index);

/* ---- fragment.c: free memory, broken up ---- */
/* Until @percent of the free memory lies in blocks below @bytes; what was reached is a setting. */
void fragment_step(struct agent *agent, uint64_t bytes, uint64_t percent);

/* ---- root.c: a root file system for programs ---- */
/* Mount the EROFS image in the file @image, or on the disk with JOB_ROOT_SERIAL where there is no such file, on @dir,
 * an overlay above it; what programs expect in it; the loopback interface. */
void root_step(struct agent *agent, const char *image, const char *dir);
/* agent->as: @user of the root's /etc/passwd, or "-". */
void as_step(struct agent *agent, const char *user);
/* The child's: become agent->as. NULL, or the call that failed, with errno. */
const char *identity_enter(const struct agent *agent);

/* ---- keep.c: what one guest prepares and others begin with */
/* The tree of the folder @path, or what is not zero of the block device @path, into the stream as artifact NAME.layer. */
void keep_step(struct agent *agent, const char *name, const char *path);
/* @archive, of keep_step(), to @path, which must be of the same kind; a folder is made. The archive is removed. */
void unpack_step(struct agent *agent, const char *archive, const char *path);

/* ---- service.c: programs that go on, and what is brought out at the end ---- */
void service_start(struct agent *agent, const char *name, int stop_signal, uint64_t stop_s, char *const argv[]);
/* Wait until it answers; @how, @what: as in the job. */
void service_ready(struct agent *agent, const char *name, uint64_t timeout_s, const char *how, char *const what[]);
void service_stop(struct agent *agent, const char *name);
bool services_any(void);
/* Has one ended that was not told to? */
bool services_down(void);
/* Then the job ends. */
void services_check(struct agent *agent);
/* The same, a moment later: a client may notice first. */
void services_settle(struct agent *agent);
/* Whoever buries processes says which. */
void service_reaped(pid_t pid, int status, const struct rusage *usage);
void artifact_add(struct agent *agent, const char *name, const char *path);
/* Stop all, the last one first, and send logs and artifacts. Once. */
void services_end(struct agent *agent);

/* ---- steps.c: the job ---- */
/* The cgroup @name, with the job's limit if @limited. */
void cgroup_make(struct agent *agent, const char *name, bool limited);
void emit_exec(struct agent *agent, char *const words[], const struct exec_result *result);
/* The last line of @printed that says anything, printable; what of the kernel's OOM killer is known about @cgroup, or
 * "". */
void last_line(const char *printed, size_t len, char *buf, size_t size);
/* @log ends with a NUL. */
void fatal_line(const char *log, size_t len, char *buf, size_t size);
void oom_reason(const struct agent *agent, const char *cgroup, char *buf, size_t size);
/* Check every line first, then do them all; ends with agent_end(). */
void job_run(struct agent *agent, char *job) __attribute__((noreturn));
/* NULL, or why @words are no step; static. */
const char *step_check(char *const words[], int n);

#endif
