/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The job: the text file /job in the initramfs that tells the agent what to do, generic steps only. libc only.
 *
 * One step a line, words separated by one tab; a word holds no tab and no newline. The first line is "job\t1".
 *
 *   module  PATH                        load this kernel module; these lines come first, and are done before the port is
 *                                       opened, because the port may need them. One that does not load ends the guest
 *                                       with a sentence on the console
 *   expect  page_size BYTES             END wrong-page-size if getpagesize() differs
 *   mount   TYPE TARGET OPTIONS         ("-": none); TARGET is made. Without a line for /tmp it is a tmpfs
 *   set     PATH VALUE must|may|bracket write, read back, SETTING. Where the file shows a choice ("always [never]") the word
 *                                       in brackets is compared, else the text or number. A value that cannot be
 *                                       written or that differs ends the job with settings-failed, once all
 *                                       settings were tried; so does an absent file, but with may that is fine.
 *                                       (bracket is must.)
 *   knob    PATH                        read a setting that nothing has set, SETTING with status "inherited" (or "absent")
 *   watch   PATH                        a file (or glob pattern, expanded once, here) that every snapshot reads
 *   idle                                a snapshot now, when = "idle"
 *   exec    PHASE KIND INDEX TIMEOUT_S ARGV...
 *                                       run in the cgroup PHASE, made fresh at the phase's first exec: its
 *                                       memory.peak covers all that was run in it so far. The timeout is guest time.
 *                                       KIND: prepare and warmup: run; sample: snapshot before and after;
 *                                       hold: run until the program stops itself (SIGSTOP), snapshot with its
 *                                       processes' status and smaps_rollup, kill.
 *                                       A program that does not exit with 0 (a hold: that ends by itself) ends the job
 *                                       with workload-failed, exit code 77 with unsupported; the reason is the last
 *                                       line that it printed
 *   shell                               links for busybox's applets in /bin, then an interactive shell on the console
 *                                       (never in a sealed cell)
 *
 * The whole job is checked before its first step; what is no step ends it with agent-failed. After the last line the
 * agent writes END ok and powers off. */
#ifndef GRANULE_WIRE_JOB_H
#define GRANULE_WIRE_JOB_H

#define JOB_VERSION 1
#define JOB_PATH "/job"
#define JOB_MODULES_DIR "/lib/modules"
#define JOB_WORDS_MAX 64
#define JOB_SIZE_MAX (256u << 10)

/* Split @line (changed in place, no newline) into at most JOB_WORDS_MAX words; returns their number, -1 if too many. */
int job_split(char *line, char *words[JOB_WORDS_MAX]);

#endif
