/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stream: what a guest says, one way, through a virtio port that QEMU writes into a file. libc only; the agent
 * writes with wire_put(), the host reads with wire_next(). The host trusts nothing in it: every length is checked
 * against the bytes that are there before it is used.
 *
 * A stream is records back to back; no padding, integers little-endian. A record is a head of WIRE_HEAD_SIZE bytes
 * and `length` bytes of payload:
 *
 *   offset size field
 *        0    4 magic     "GRN1"
 *        4    2 type      enum wire_type
 *        6    2 n_fields
 *        8    4 length    payload bytes, <= WIRE_PAYLOAD_MAX
 *       12    4 sequence  0, 1, 2, ... without a gap
 *       16    8 time_ns   the guest's CLOCK_MONOTONIC
 *       24    4 crc       CRC-32 (IEEE 802.3) of head and payload with this field 0
 *       28    4 reserved  0
 *
 * The payload is n_fields fields, each a 4-byte length and that many bytes; text without a NUL. What the fields of
 * each type are stands beside enum wire_type; numbers in fields are decimal text.
 *
 * A stream is complete if its last record is END. A torn tail (the guest was killed, the disk was full) is normal;
 * anything else that does not parse makes the stream damaged from there on. */
#ifndef GRANULE_WIRE_WIRE_H
#define GRANULE_WIRE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEAD_SIZE 32
#define WIRE_PAYLOAD_MAX (1u << 20)
#define WIRE_FIELDS_MAX 64
/* The port's name: /dev/virtio-ports/NAME in the guest (found through /sys/class/virtio-ports/NAME/name). */
#define WIRE_PORT_NAME "org.granule.stream"

enum wire_type {
	/* key, value, key, value, ...: page_size, release, version, machine (uname), cmdline, cpus, memory_kib,
	 * thp_sizes (the hugepages-* directories), agent (its version). Example: ("page_size","65536","release",
	 * "6.12.107-granule","machine","aarch64","cpus","1","memory_kib","3123584","thp_sizes","128K 256K", ...) */
	WIRE_HELLO = 1,
	/* kind, phase, index: a step of the job begins, for progress. Example: ("sample","page_fault1","2") */
	WIRE_STEP = 2,
	/* path, requested, effective, status: one knob, written and read back; status is "ok", "absent", "differs"
	 * or "error: TEXT"; effective is the bracketed word if the file shows a choice. Status "inherited": nothing was
	 * requested (""), the kernel's default was read. "probed": requested are values, effective those that were
	 * taken. Example:
	 * ("/sys/kernel/mm/transparent_hugepage/enabled","never","never","ok") */
	WIRE_SETTING = 3,
	/* phase, kind, index, when, path[, content]: one file as it was at one moment; no sixth field: the file is
	 * absent, which is not zero. when: "before", "after" (around a sample), "hold" (at its greatest extent), "idle"
	 * (no phase: before the first step). Cgroup files have paths "cgroup/memory.peak". Content is cut at 256 KiB,
	 * and is only the lines that the job wants. "agent/storage" is the agent's own list of what lies in the guest's
	 * memory as files: a line each, "KIND NAME USED CAPACITY" in bytes, "-": not known; KIND tmpfs, ramfs, rootfs,
	 * devtmpfs (NAME: where it is mounted), zram, brd, null_blk (the device); also once at the beginning of a phase
	 * (kind "phase", when "before"). "agent/folios" is what the agent found by walking page tables at hold: a line
	 * "KIND ORDER FOLIOS PAGES UNALIGNED PARTIAL CONTPTE" each; KIND anon, shmem, file (mapped by the phase's
	 * processes) or cache (the page cache of their open files and of the job's), PAGES of these folios are mapped
	 * (in core), UNALIGNED folios lie at an address that is no multiple of their size, PARTIAL folios are mapped in
	 * part, CONTPTE pages lie in whole blocks that the MMU can join. "agent/pmu" (around a sample, where the job has
	 * pmu lines) is what the CPUs' counters were right before and after the sample: a line "EVENT HALF VALUE ENABLED
	 * RUNNING" each; HALF user, kernel; VALUE summed over CPUs, since the beginning of the job; ENABLED, RUNNING ns
	 * summed the same way. Differing between before and after, they say that the counters were not the guest's all
	 * the time. No content: on some CPU the counters were taken by somebody else. Example line:
	 * "inst_retired kernel 17180112 40213408 40213408". Example:
	 * ("page_fault1","sample","0","after","/proc/vmstat","nr_free_pages 46411\n...") */
	WIRE_FILE = 4,
	/* phase, kind, index, begin_ns, end_ns, status, minflt, majflt, nvcsw, nivcsw, user_us, system_us, output:
	 * one finished program. status: "exit 0", "signal 9", "timeout", "held" (it stopped itself as asked; end_ns is that
	 * moment, the usage what it was when it was killed then). The usage is wait4()'s. output: stdout and stderr, cut
	 * at 64 KiB. Example: ("page_fault1","sample","0","301442384","335107264","exit 0","2098","0","3","7","1200",
	 * "32100","operations 2048\nelapsed_ns 33818928\n...") */
	WIRE_EXEC = 5,
	/* text: something a reader should know. Example: ("nothing matches /sys/kernel/mm/x*") */
	WIRE_NOTE = 6,
	/* outcome, reason: the last record. outcome: "ok", "wrong-page-size", "settings-failed", "workload-failed",
	 * "unsupported", "agent-failed"; reason is "" for ok. Example:
	 * ("settings-failed","/sys/...: asked for always, differs: it is never") */
	WIRE_END = 7,
	/* phase, index, interval_ns, runs, counters, rows: what an `exec PHASE series` read. runs: how often its program
	 * ran. counters: a line each, "NAME PATH WORD" as in the job. rows: a line each, ns since the first program's
	 * start, then the numbers in the order of counters, "-" where there was none. A long series is several records,
	 * alike but for their rows. Example: ("page_fault1","0","1000000000","34","charged cgroup/memory.current -\n
	 * free /proc/meminfo MemFree:\n","0 65536 3084160\n1000012890 134742016 2951872\n...") */
	WIRE_SERIES = 8,
	/* phase, kind, index, when, folder, name, content[, name, content]...: files of one folder, as so many FILE records
	 * with paths "FOLDER/NAME". Example: ("page_fault1","sample","0","after",
	 * "/sys/kernel/mm/transparent_hugepage/hugepages-128kB/stats","anon_fault_alloc","100\n","nr_anon","0\n") */
	WIRE_FILES = 9,
	/* name, offset, size, content: a piece of a file that is brought out at the end of the job, whatever its
	 * outcome: the log of a service ("NAME.log") or what the job names as an artifact. size: of the whole file;
	 * of one that is larger than 4 MiB only the end comes, so the first offset need not be 0. Pieces come in
	 * order, without a gap. Example: ("postgres.log","0","1530","2020-01-01 00:00:01.107 GMT [61] LOG:  starting
	 * PostgreSQL 17...") */
	WIRE_ARTIFACT = 10,
};

struct wire_field {
	const char *data; /* borrowed; not NUL-terminated */
	size_t len;
};

struct wire_record {
	uint16_t type;
	uint32_t sequence;
	uint64_t time_ns;
	unsigned int n_fields;
	struct wire_field fields[WIRE_FIELDS_MAX]; /* borrowed from the stream's bytes */
};

uint32_t wire_crc32(uint32_t crc, const void *data, size_t len);

/* Writing: a record's bytes into @buf. Returns its size, or 0 if it does not fit in @size or breaks a limit. */
size_t wire_put(char *buf, size_t size, enum wire_type type, uint32_t sequence, uint64_t time_ns,
		const struct wire_field *fields, unsigned int n_fields);

enum wire_status {
	WIRE_OK,      /* *record is set, *offset moved behind it */
	WIRE_EOF,     /* exactly at the end */
	WIRE_TORN,    /* the rest is the beginning of a record */
	WIRE_DAMAGED, /* magic, length, checksum, sequence or fields are wrong */
};

/* The record at *@offset of @data; @sequence is the number it must carry. */
enum wire_status wire_next(const char *data, size_t len, size_t *offset, uint32_t sequence, struct wire_record *record);

/* Copy field @i as a NUL-terminated string into @buf, cut at @size; "" when there is no such field. */
const char *wire_text(const struct wire_record *record, unsigned int i, char *buf, size_t size);
bool wire_is(const struct wire_record *record, unsigned int i, const char *text);
/* Field @i as a decimal number; false when it is not one. */
bool wire_number(const struct wire_record *record, unsigned int i, uint64_t *ret);

#endif
