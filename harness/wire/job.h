/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job: the text file /job in the initramfs that tells the agent what to do, generic steps only. libc only.
 *
 * One step a line, words separated by one tab; a word holds no tab and no newline. The first line is "job\t1".
 *
 *   module  PATH                        load this kernel module; these lines come first, and are done before the port is
 *                                       opened, because the port may need them. One that does not load ends the guest
 *                                       with a sentence on the console
 *   expect  page_size BYTES             END wrong-page-size if getpagesize() differs
 *   mount   TYPE TARGET OPTIONS         ("-": none); TARGET is made. Without a line for /tmp it is a tmpfs. A file system that
 *                                       the kernel lacks ends the job with unsupported
 *   tmpfs   HUGE|- SHOWN|- [VALUES]     every tmpfs from here on is given huge=HUGE, unless its own options name one, and must
 *                                       then show SHOWN in /proc/self/mounts ("never" is not shown there): a SETTING
 *                                       called mount/TARGET/huge. /tmp is mounted now, and VALUES are tried on it as probe does
 *   disk    NAME KIND BYTES [ATTR=VALUE...]
 *                                       a block device, /dev/NAME from here on, with /disk/NAME for its folder in
 *                                       /sys/block. KIND null_blk (attributes are those of its configfs folder), brd
 *                                       (its size is a word of the command line), loop (over a tmpfs file that has
 *                                       all its pages), zram, virtio (found by its serial number). Attributes and
 *                                       size are SETTINGs as set's; null_blk and brd are then written to their end.
 *                                       What the kernel lacks is unsupported
 *   make    TIMEOUT_S ARGV...           run a program that makes a file system, in the cgroup "make"; its folder is
 *                                       removed then. One that fails ends the job with settings-failed and the first
 *                                       line that it printed
 *   attach  TYPE NAME TARGET OPTIONS BLOCK
 *                                       mount disk NAME. SETTINGs mount/TARGET/options (what /proc/self/mounts shows;
 *                                       an option that it does not show is a NOTE) and mount/TARGET/block_size
 *                                       (f_bsize; must be BLOCK, "-": any)
 *   bind    FROM TO                     a bind mount; what is mounted at TO goes. FROM is made. Logs that are bound
 *                                       (JOB_LOG_DIR) are written at once, whatever that costs
 *   swapon  NAME BYTES                  disk NAME becomes swap: SETTING /proc/swaps, its size in KiB. From here on
 *                                       snapshots around samples and at hold have cgroup/memory.swap.current
 *   set     PATH VALUE must|may         write, read back, SETTING. Where the file shows a choice ("always [never]") the word in
 *                                       brackets is compared, else the text or number. A value that cannot be written or
 *                                       that differs ends the job with settings-failed; a file that is absent with
 *                                       unsupported, but with may that is fine. Both only once all lines from mount to
 *                                       probe here are done. Wildcards: every file that matches; absent if none does
 *   check   PATH VALUE                  the same without writing: what the command line should have done
 *   knob    PATH                        read a setting that nothing has set, SETTING with status "inherited" (or "absent")
 *   probe   PATH VALUES                 write each of VALUES (blanks between) and read it back: SETTING with status "probed" and
 *                                       those that stuck; then write the old value
 *   fragment BYTES PERCENT              break free memory up, until PERCENT of it lies in blocks below BYTES (the kernel's
 *                                       unusable free space index by /proc/buddyinfo): one page of each block is held in a
 *                                       pipe until the guest ends, charged to the cgroup "fragment". SETTING
 *                                       fragment/BYTES/percent; buddyinfo before and after and the cgroup's memory.current
 *                                       are FILE records of phase and kind "fragment". What is not reached is
 *                                       settings-failed
 *   limit   BYTES|max                   memory.max of every phase's cgroup from here on, with memory.oom.group; SETTINGs
 *                                       cgroup/memory.max, cgroup/memory.oom.group at each phase: what
 *                                       does not fit is killed as a whole
 *   watch   PATH [WORD...]              a file (or glob pattern, expanded once, here) that every snapshot reads; with
 *                                       words only its lines that begin with one of them, blanks before them left out
 *   look    PATH [WORD...]              the same, but only for the idle and hold snapshots: what is a state and no counter
 *   cache   PATH                        at every hold also look at the folios of the page cache of this file (or glob
 *                                       pattern, expanded then)
 *   pmu     EVENT...                    a set of CPU events that every sample from here on counts, on all CPUs, of all that
 *                                       runs, user and kernel apart: FILE agent/pmu in its snapshots. EVENT is a name in
 *                                       /sys/bus/event_source/devices/NAME/events. With several of these lines the
 *                                       samples take the sets in turn, by INDEX; a set counts at one time, never in
 *                                       slices. What the PMU lacks, or has no counter for beside the events before it,
 *                                       is left out with a NOTE, and a set of which nothing is left is none
 *   idle                                a snapshot now, when = "idle"
 *   sampler                             two snapshots as around a sample with nothing between them: what reading costs.
 *                                       Phase and kind "sampler"; its EXEC record's usage is the agent's own
 *   exec    PHASE KIND INDEX TIMEOUT_S ARGV...
 *                                       run in the cgroup PHASE, made fresh at the phase's first exec: its
 *                                       memory.peak covers all that was run in it so far. The timeout is guest time.
 *                                       KIND: prepare and warmup: run; sample: snapshot before and after;
 *                                       hold: run until the program stops itself (SIGSTOP), snapshot with its
 *                                       processes' status and smaps_rollup, freeze its cgroup, add agent/folios, kill;
 *                                       series: run it again and again until
 *                                       the time of the `series` line has passed, the last one to its end, and read the
 *                                       counters meanwhile. Of these only the last has an EXEC record
 *                                       A program that does not exit with 0 (a hold: that ends by itself) ends the job
 *                                       with workload-failed, exit code 77 with unsupported; the reason is the last
 *                                       line that it printed, and that the kernel killed in its cgroup for want of
 *                                       memory, where memory.events says so
 *   counter NAME PATH WORD              a column of the series that follow: the number behind WORD at the beginning of a
 *                                       line of PATH ("-": the first number of the file). PATH may be cgroup/FILE
 *   series  INTERVAL_MS SECONDS         how often and for how long an `exec PHASE series` reads them, in guest time; at
 *                                       most SERIES_ROWS_MAX rows
 *   root    IMAGE DIR                   a root file system: the EROFS image in the file IMAGE, by a loop device, or
 *                                       on the disk with the serial number JOB_ROOT_SERIAL where there is no such file,
 *                                       read-only at DIR.lower; on DIR with a tmpfs above it, which takes what is
 *                                       written. In it /dev, /dev/shm, /proc, /sys, /run and /tmp; the loopback
 *                                       interface is brought up. A kernel that lacks what this takes ends the job with
 *                                       unsupported
 *   as      USER|-                      programs of the lines that follow run in it (chroot), as this user of its
 *                                       /etc/passwd; "-": outside and as root, as at first
 *   service NAME SIGNAL STOP_S ARGV...  start a program that goes on, in the cgroup NAME. Its output goes to its log,
 *                                       an artifact called NAME.log. One that ends without being told to ends the job
 *                                       with workload-failed and the line of its log that says why, else the last one. What is not stopped by then
 *                                       is at the end of the job. One of a NAME that was stopped may follow it: its log
 *                                       goes on, its cgroup is a new one, and INDEX of its record is how many were before
 *   ready   NAME TIMEOUT_S socket PATH|port NUMBER|command ARGV...
 *                                       wait until something listens at a socket of the root or a TCP port, or the
 *                                       command, run again and again in the cgroup "ready", exits with 0
 *   stop    NAME                        SIGNAL, and STOP_S later SIGKILL; then an EXEC record of phase NAME and kind
 *                                       "service". Anything but exit 0, exit 128 + SIGNAL (a JVM), or dying of SIGNAL, is
 *                                       workload-failed
 *   inspect PHASE NAME                  a snapshot of the service NAME now, as that of a hold of PHASE: its cgroup, its
 *                                       processes' status and smaps_rollup
 *   artifact NAME PATH                  a file that is brought out at the end of the job, whatever its outcome
 *   keep    NAME PATH                   bring out the tree of the folder PATH, or what is not zero of the block device, as
 *                                       the artifact NAME.layer: a cpio archive (newc), however large. Of a device its
 *                                       entries are called by their offset. In jobs that prepare for others
 *   unpack  FILE PATH                   put FILE, such an archive, there again; FILE is removed, all is written, and
 *                                       the page cache dropped. A disk that is too small is workload-failed
 *   shell                               links for busybox's applets in /bin, then an interactive shell on the console
 *                                       (never in a sealed cell)
 *
 * The whole job is checked before its first step; what is no step ends it with agent-failed. After the last line the
 * agent writes END ok and powers off. */
#ifndef GRANULE_WIRE_JOB_H
#define GRANULE_WIRE_JOB_H

#include <stdbool.h>

#define JOB_VERSION 1
#define JOB_PATH "/job"
#define JOB_MODULES_DIR "/lib/modules"
/* Where a cell with storage has its file system (also on /tmp), and what its disks are called. */
#define JOB_STORAGE_DIR "/storage"
#define JOB_STORAGE_DISK "storage"
#define JOB_SWAP_DISK "swap"
#define JOB_WORDS_MAX 64
#define JOB_SIZE_MAX (256u << 10)
#define SERIES_ROWS_MAX 10000
#define JOB_ROOT_SERIAL "granule-root" /* at most 20 bytes: VIRTIO_BLK_ID_BYTES */
#define JOB_ROOT_IMAGE "/root.image"   /* where a cell's image is, and where it is mounted */
#define JOB_ROOT_DIR "/root"
/* Where a workload with a root file system has its data: the storage profile's file system, or a tmpfs. Its programs
 * see it as /data. */
#define JOB_DATA_DIR JOB_ROOT_DIR "/data"
/* Logs of services: NAME.log. On a disk of the host they are in a folder of it, so that they outlive the guest. */
#define JOB_LOG_DIR "/log"
#define JOB_DISK_LOGS JOB_STORAGE_DIR "/granule-log"
#define JOB_LAYER_SUFFIX ".layer" /* of what is kept: the artifact, and the file in the initramfs of others */

/* May an artifact be called so? Letters, digits, '.', '_' and '-', no '.' first; at most 60. The host makes a file of
 * it. */
bool artifact_name(const char *s);

/* Split @line (changed in place, no newline) into at most JOB_WORDS_MAX words; returns their number, -1 if too many. */
int job_split(char *line, char *words[JOB_WORDS_MAX]);

#endif
