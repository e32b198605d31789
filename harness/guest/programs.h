/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where granule's own guest programs are. No libvirt: the scheduler uses it too. */
#ifndef GRANULE_GUEST_PROGRAMS_H
#define GRANULE_GUEST_PROGRAMS_H

/* granule-boot's exit code when another process is at the boot: nothing was tried. */
#define BOOT_EXIT_TAKEN 4

/* The host path of guest program @built ("agent", "will-it-scale/page_fault1_processes"): below $GRANULE_LIBDIR if that
 * is set, else guest/ beside the running program (build/), else ../lib/granule/guest/ from there (make install). The
 * first that exists, else the first of them, so that a message can name it. Owned by the caller. */
char *guest_program_path(const char *built);
/* The host path of a granule program ("granule-boot"): beside the running one, else ../lib/granule/ from there, else
 * on PATH, else the first of them, for a message. Owned by the caller. */
char *granule_program_path(const char *name);

/* The host path of plugin @name for a QEMU of @qemu_version ("7.2.22 (Debian ...)", NULL: unknown): plugin/NAME-vN.so
 * beside the running program, else in ../lib/granule/ from there. Owned by the caller. */
char *plugin_path(const char *name, const char *qemu_version);

/* The host path of @file ("page/report.html"), which the build makes: beside the running program, else in ../lib/granule/
 * from there, whether it exists or not. Owned by the caller. */
char *built_file_path(const char *file);

#endif
