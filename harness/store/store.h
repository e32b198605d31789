/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run directory (specified in results/README.md): the only room that writers and readers share. Files are
 * append-only or written once by rename after fsync; outcomes are derived by reading, never stored. */
#ifndef GRANULE_STORE_STORE_H
#define GRANULE_STORE_STORE_H

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/sha256.h"
#include "store/metric.h"

#define STORE_SCHEMA_MAJOR 1
#define STORE_SCHEMA_MINOR 1			    /* 1.1: streams have FILES and SERIES records */
#define STREAM_SIZE_MAX (UINT64_C(256) << 20)	    /* a guest that writes more is ended */
#define STREAM_SIZE_MAX_KEEPING (UINT64_C(2) << 30) /* the same where the job keeps something for others */
#define CONSOLE_SIZE_MAX (UINT64_C(16) << 20)

struct axis_label {
	char *axis, *label; /* owned: "kernels", "64k" */
};

struct cell_program {
	char *guest_path, *host_path; /* owned */
	char sha256[SHA256_HEX_SIZE];
};

/* A virtio disk: a file beside the attempt's others while its guest lives. */
struct cell_disk {
	char *name; /* owned: its serial number in the guest */
	uint64_t bytes;
	char *cache; /* owned: QEMU's cache mode */
};

/* One line of cells.jsonl: a cell with everything behind its labels. Typed fields are what programs act on;
 * @definition is what compare compares and people read. */
struct cell_record {
	char *id;		 /* owned */
	struct axis_label *axes; /* owned, in the matrix's order */
	size_t n_axes;
	char *skip; /* owned: why it does not run, or NULL; then nothing below but definition need be set */
	char *kernel_path, *kernel_sha256, *kernel_release, *system_map; /* owned; system_map may be NULL */
	uint64_t page_bytes, cpus, memory_bytes, timeout_s;
	uint64_t boots;	     /* in any case: see cell_boots() */
	uint64_t boots_most; /* adaptive: as many as it may come to; 0: it is not */
	double half_width;   /* adaptive: how narrow it is to be, relative */
	char *until_metric;  /* owned: adaptive: a glob, or NULL: the workload's primary metrics */
	enum basis basis;
	char *basis_reason;	       /* owned: why this basis, one sentence */
	char *cpu_model;	       /* owned */
	char *command_line;	       /* owned: the guest's */
	char *job;		       /* owned: wire/job.h */
	struct cell_program *programs; /* owned */
	size_t n_programs;
	struct cell_disk *disks; /* owned; none of a sealed cell */
	size_t n_disks;
	char *workload; /* owned: its name in the registry */
	uint64_t work_bytes;
	bool asks_folios;   /* the profile asks for large folios: it is inert if no counter moved */
	json_t *definition; /* owned: {"kernel":{...},"folio":{...},"workload":{...},"guest":{...},"trials":{...}} */
};

struct run {
	char *dir;		   /* owned, absolute */
	json_t *header;		   /* owned: run.json */
	struct cell_record *cells; /* owned, in plan order */
	size_t n_cells;
};

void run_free(struct run *run);
static inline void run_free_p(struct run **run)
{
	run_free(*run);
}

/* Make @dir (must not exist or be empty) and write matrix.yaml, metrics.jsonl, cells.jsonl and, last, run.json.
 * @matrix_text may be NULL. The dictionary comes from the generic metrics and those of the cells' workloads. */
int run_create(const char *dir, const char *matrix_text, json_t *header, const struct cell_record *cells,
	       size_t n_cells, struct err *err);
/* Open for reading (and resuming). "No such run", an unknown major schema, a damaged line are ERR_CONFIG errors that
 * name file and line. */
int run_open(const char *dir, struct run **ret_run, struct err *err);
/* Read one cell without parsing the others: what granule-boot does. */
int run_read_cell(const char *dir, const char *id, struct cell_record *ret_cell, struct err *err);
/* What a guest of @job may write into its stream. */
uint64_t stream_size_max(const char *job);
/* Its boots run under the plugin that counts instructions: `trials: { count: yes }` on the simulated basis. */
bool cell_is_counted(const struct cell_record *cell);
/* Its label on @axis ("kernels"), or NULL where it is not on that axis. */
const char *cell_label(const struct cell_record *cell, const char *axis);
void cell_record_free(struct cell_record *cell);
const struct cell_record *run_find_cell(const struct run *run, const char *id);

/* Claim attempt @number at boot @boot (from 1) of @cell by mkdir: cells/CELL/BOOT/NUMBER with claim.json (host, boot
 * id, pid namespace, pid, start time, deadline in CLOCK_REALTIME seconds). Whoever asks for a number has read that the
 * attempts before it are over; 0: look now, and take the next one. Returns -2, with a sentence, when another process
 * has that number or is at the boot. @ret_dir is owned by the caller. */
int attempt_claim(const char *run_dir, const char *cell, unsigned int boot, unsigned int number, uint64_t deadline_s,
		  char **ret_dir, unsigned int *ret_attempt, struct err *err);
/* Claim what a dead claimant left in the attempt's directory @dir, to write its done.json. -2 as above. */
int attempt_adopt(const char *dir, uint64_t deadline_s, struct err *err);

enum attempt_state {
	ATTEMPT_OVER,	 /* done.json is there, or nobody and nothing is at it any more */
	ATTEMPT_CLAIMED, /* its claimant is alive, or is on another host and its deadline is not past */
	ATTEMPT_ORPHAN,	 /* its claimant is dead and its guest is not */
};
enum attempt_state attempt_state(const char *dir);

/* guest.json: the process in which an attempt's guest lives. */
struct attempt_guest {
	pid_t pid;
	double started_s;    /* CLOCK_REALTIME */
	uint64_t deadline_s; /* CLOCK_REALTIME: whoever finds it later may end it */
};
int attempt_guest_write(const char *dir, const struct attempt_guest *guest, struct err *err);
/* Is that process alive, here? @ret_guest is what the file says, zeroed if there is none. */
bool attempt_guest_read(const char *dir, struct attempt_guest *ret_guest);

enum outcome {
	OUTCOME_OK,
	OUTCOME_WORKLOAD_FAILED,
	OUTCOME_SETTINGS_FAILED,
	OUTCOME_GUEST_CRASHED, /* an oops counts even if the workload passed */
	OUTCOME_BOOT_FAILED,   /* no hello */
	OUTCOME_TIMEOUT,
	OUTCOME_HOST_FAILED,
	OUTCOME_UNSUPPORTED,
	OUTCOME_SKIPPED,
	OUTCOME_NOT_RUN,
	OUTCOME_INCOMPLETE, /* torn: killed, full disk, or still running */
};
extern const char *const outcome_names[];

/* What reading says of one boot of one cell: the lowest complete attempt, else the newest. */
struct boot_result {
	enum outcome outcome;
	char *reason;	      /* owned: one sentence; NULL for ok */
	unsigned int attempt; /* 0: none */
	char *dir;	      /* owned: the attempt's, or NULL */
	char *stream;	      /* owned: its bytes, or NULL */
	size_t stream_len;
	char sha256[SHA256_HEX_SIZE]; /* of the stream */
	bool running;		      /* somebody is at it, or its guest lives on without him */
	bool adoptable; /* done.json is missing, the claimant is dead, and the guest lives or its stream is whole */
	bool starved;	/* host-failed for want of the host's processors */
	bool closed;	/* its end was seen: done.json is there, and it was not interrupted */
	bool hello;	/* the guest said what it is */
	double wall_s;	/* from done.json; below 0 if it is not there */
	bool reused;	/* from the result cache: another boot's bytes, wall_s included (run/reuse.h) */
};
int boot_read(const struct run *run, const struct cell_record *cell, unsigned int boot, struct boot_result *ret,
	      struct err *err);
void boot_result_free(struct boot_result *result);
/* May this outcome be tried again by --resume? What the guest decided stays. */
bool outcome_owed(enum outcome outcome);
/* The same without loading the stream's bytes into the result: for resume and progress. */
enum outcome boot_outcome(const struct run *run, const struct cell_record *cell, unsigned int boot);

/* The attempts that were claimed, in order; @ret is owned by the caller, NULL if there are none. */
int attempt_list(const struct run *run, const char *cell, unsigned int boot, unsigned int **ret, size_t *ret_n,
		 struct err *err);
/* One of them. @ret_complete: its stream ends in an end record, so no later attempt counts. */
int attempt_read(const struct run *run, const struct cell_record *cell, unsigned int boot, unsigned int attempt,
		 struct boot_result *ret, bool *ret_complete, struct err *err);

/* Three boots of one Image that failed before their job leave its other boots not run. given-up/SHA256 of the run has
 * the reason, a sentence; a boot that was never tried is told with it. */
int image_give_up(const struct run *run, const char *sha256, const char *reason, struct err *err);
/* Forget it. */
void image_take_back(const struct run *run, const char *sha256);
/* The reason, or NULL; owned by the caller. */
char *image_given_up(const struct run *run, const char *sha256);

/* The numbers of an ok boot: the workload's and the generic ones. */
int boot_measure(const struct cell_record *cell, const struct boot_result *boot, struct measures *ret, struct err *err);

/* How far an adaptive cell is. */
struct cell_rounds {
	size_t boots;	   /* that exist or are owed: the rounds begun */
	double half_width; /* of the widest metric in the rounds that are whole, relative; NAN: not known yet */
	char *widest;	   /* owned: its name, or NULL */
	bool done;	   /* no more will be added */
};

/* The boots of @cell that exist or are owed, 1 to this: of a cell that is not adaptive cell->boots, else as many as
 * its rounds have come to. The first round is cell->boots; when every boot of all rounds has come to its end,
 * whatever that was, the next one is as large as the spread says is needed for half_width, at least 1 and at most as
 * many as there are, up to boots_most. So what exists follows from the results of the boots alone, not from when,
 * where or by how many processes they were run.
 *
 * The width is that of the 95% interval of one cell's mean (t; on hardware the Hodges-Lehmann one), over logs as
 * judge.h says; a metric known to within its resolution is narrow enough. It looks at the spread and at no other
 * cell, so it stops no sooner where two cells happen to differ: stopping on a verdict would make false ones likelier
 * with each look, and stopping on the spread does so only as far as a small sample underrates its own (measured:
 * compare-seeds-test). */
int cell_rounds(const struct run *run, const struct cell_record *cell, struct cell_rounds *ret, struct err *err);
/* Only the number; cell->boots where nothing can be read. */
size_t cell_boots(const struct run *run, const struct cell_record *cell);

/* The first line of @console that tells of a crash (oops, panic, BUG, WARN, hung task, RCU stall) with up to 20 lines
 * behind it, or, where there is none (*ret_oom is set), of an OOM kill, or NULL; owned by the caller. */
char *console_crash(const char *console, size_t len, bool *ret_oom);
/* The last @lines lines with control characters made visible; owned by the caller. */
char *console_tail(const char *console, size_t len, unsigned int lines);
/* A guest's bytes for a person: control and non-ASCII bytes as \\xNN, CR LF as LF; owned by the caller. */
char *text_visible(const char *data, size_t len);

#endif
