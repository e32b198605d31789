// SPDX-License-Identifier: GPL-2.0-or-later
/* What a matrix may say: the tables, and the help made from them. Parses nothing. */
#include "matrix/sections.h"

#include "base/mem.h"
#include "base/text.h"
#include "matrix/folio.h"
#include "workloads/workload.h"

const char *const accel_names[] = { "auto", "kvm", "simulated", "emulated", NULL };

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

const struct option_def guest_options[] = {
	{ .key = "cpus",
	  .type = OPT_U64,
	  .offset = offsetof(struct guest_spec, cpus),
	  .fallback = "1",
	  .min = 1,
	  .max = 64,
	  .help = "vCPUs. Several share one instruction clock on the simulated basis." },
	{ .key = "memory",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct guest_spec, memory_bytes),
	  .fallback = "3G",
	  .min = 256 * MIB,
	  .max = 1024 * GIB,
	  .help = "RAM, whole MiB. With 3G it is one zone, and grouping by mobility is on at 64K pages." },
	{ .key = "accel",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct guest_spec, accel),
	  .fallback = "auto",
	  .choices = accel_names,
	  .help = "How time is measured. auto: kvm where it starts, else simulated (the instruction clock) for cells "
		  "that "
		  "allow it, else emulated (time is shown, never judged)." },
	{ .key = "timeout",
	  .type = OPT_U64,
	  .offset = offsetof(struct guest_spec, timeout_s),
	  .fallback = "120",
	  .min = 5,
	  .max = 86400,
	  .help = "The deadline for one boot in seconds of the host's clock." },
	OPTIONS_END,
};

static const char *const page_names[] = { "4K", "16K", "64K", NULL };

const struct option_def kernel_options[] = {
	{ .key = "source",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, source),
	  .help = "A Debian source package to build, linux-source-6.12. One of this, git, package and image." },
	{ .key = "package",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, package),
	  .help = "A Debian kernel package, linux-image-arm64 or linux-image-arm64-16k; a metapackage stands for the "
		  "newest kernel of its suite. The drivers that the guest cannot speak without are loaded from it." },
	{ .key = "suite",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, suite),
	  .help = "The Debian suite that source or package is taken from, trixie; required with them, because suites "
		  "hold different releases of one package." },
	{ .key = "pages",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct kernel_spec, page_bytes),
	  .choices = page_names,
	  .help = "The base page size; required with source and git. With package and image it is read from the Image, "
		  "and this checks it." },
	{ .key = "git",
	  .type = OPT_PATH,
	  .offset = offsetof(struct kernel_spec, git),
	  .help = "A git tree of Linux to build from: a checkout, a worktree or a bare repository, shallow ones too. "
		  "It is "
		  "read and never touched; what is not committed does not count." },
	{ .key = "commit",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, commit),
	  .help = "The commit of git, in any form that git knows: v6.12, a branch, a sha; HEAD if not given. A run "
		  "stores "
		  "the whole sha." },
	{ .key = "patches",
	  .type = OPT_PATHS,
	  .offset = offsetof(struct kernel_spec, patches),
	  .help = "Patches for the tree of source or git, applied in this order by patch -p1 without fuzz." },
	{ .key = "layout",
	  .type = OPT_U64,
	  .offset = offsetof(struct kernel_spec, layout),
	  .max = LAYOUT_MAX,
	  .help = "Build source or git as layout-neutral variant number N: the same code, moved by padding, link order "
		  "or alignment of functions. `granule calibrate` makes these. 0 or not given: as it is." },
	{ .key = "set",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct kernel_spec, set),
	  .max = 64,
	  .help = "Options over the configuration of source or git, [ARM64_CONTPTE=n]: y, n, a number or a quoted "
		  "text. "
		  "One that does not stick is an error." },
	/* no default here: beside image it would be a lie; parse_kernels() fills it in */
	{ .key = "config",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, config),
	  .help = "The configuration that source or git is built with: images/kernels/NAME.config; micro if not "
		  "given." },
	{ .key = "image",
	  .type = OPT_PATH,
	  .offset = offsetof(struct kernel_spec, image),
	  .help = "An arm64 Image that is already built." },
	{ .key = "modules",
	  .type = OPT_PATH,
	  .offset = offsetof(struct kernel_spec, modules),
	  .help = "The modules of image, as a tar file (.tar, .tar.xz, .tar.zst) or a folder with lib/modules/RELEASE: "
		  "needed where its virtio drivers are modules. These and what load names are loaded." },
	{ .key = "load",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct kernel_spec, load),
	  .max = 64,
	  .help = "Modules of package or image that the guest loads before anything else, with what they need: [ext4, "
		  "null_blk]. One that is built in is no error." },
	{ .key = "append",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, append),
	  .help = "More words for the kernel's command line." },
	{ .key = "timers",
	  .type = OPT_U64,
	  .offset = offsetof(struct kernel_spec, timers),
	  .min = 1,
	  .max = 1000,
	  .help = "The kernel's periodic work (writeback, counters of memory, khugepaged where it runs) comes so many "
		  "times more rarely: what moves with it is timed. `granule calibrate` makes these." },
	OPTIONS_END,
};

static const struct option_def until_options[] = {
	{ .key = "half_width",
	  .type = OPT_PERCENT,
	  .offset = offsetof(struct until, half_width),
	  .max = 100,
	  .required = true,
	  .help = "How narrow the 95% interval of the mean is to be to either side: 1%" },
	{ .key = "at_most",
	  .type = OPT_U64,
	  .offset = offsetof(struct until, at_most),
	  .min = 2,
	  .max = 1000,
	  .required = true,
	  .help = "Boots of a cell, however wide it still is: 20" },
	{ .key = "metric",
	  .type = OPT_STRING,
	  .offset = offsetof(struct until, metric),
	  .help = "The metrics that are to be so narrow, a glob with or without the phase; the workload's primary ones "
		  "if not given" },
	OPTIONS_END,
};

static const char *const count_names[] = { "no", "yes", NULL };
static const char *const prepare_names[] = { "once", "each", NULL };

const struct option_def trials_options[] = {
	{ .key = "seeds",
	  .type = OPT_U64,
	  .offset = offsetof(struct trials, seeds),
	  .fallback = "3",
	  .min = 1,
	  .max = 1000,
	  .help = "Boots of a cell; boot i has seed i (KASLR, kernel RNG, ASLR) in every cell." },
	{ .key = "warmups",
	  .type = OPT_U64,
	  .offset = offsetof(struct trials, warmups),
	  .fallback = "1",
	  .max = 1000,
	  .help = "Executions in a boot before the first sample; they are not measured." },
	{ .key = "samples",
	  .type = OPT_U64,
	  .offset = offsetof(struct trials, samples),
	  .fallback = "3",
	  .min = 1,
	  .max = 1000,
	  .help = "Measured executions in a boot." },
	/* no defaults: what a matrix does not ask for is in no cell's definition */
	{ .key = "series",
	  .type = OPT_U64,
	  .offset = offsetof(struct trials, series_s),
	  .max = 3600,
	  .help = "Seconds of guest time that each phase's work is repeated for, after its samples, while counters are "
		  "read at a fixed rate; `show` draws them. 0 or not given: no series." },
	{ .key = "series_interval",
	  .type = OPT_U64,
	  .offset = offsetof(struct trials, series_interval_ms),
	  .min = 10,
	  .max = 60000,
	  .help = "Guest time between two readings of a series in ms; 1000 if not given." },
	{ .key = "until",
	  .type = OPT_GROUP,
	  .offset = offsetof(struct trials, until),
	  .group = until_options,
	  .help = "Adds boots to a cell, round by round, until its metrics are known well enough: { half_width: 1%, "
		  "at_most: "
		  "20 }. The first round is seeds. It stops by how wide the interval is, never by where it lies." },
	{ .key = "count",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct trials, count),
	  .choices = count_names,
	  .help = "yes: a plugin in QEMU counts each sample's instructions, user and kernel apart, exactly and unseen "
		  "by the "
		  "guest; simulated basis only. It takes about twice the wall time, and such boots are not taken from "
		  "the "
		  "result cache." },
	{ .key = "prepare",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct trials, prepare),
	  .choices = prepare_names,
	  .help = "once, which is the default: what a workload prepares (a database's cluster and its load) is made by "
		  "one guest, kept in the cache, and every boot begins with the same bytes. That guest has the first "
		  "kernel of the matrix that can mount a root file system. each: every boot does it itself." },
	OPTIONS_END,
};

const struct option_def skip_options[] = {
	{ .key = "kernels",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct skip_rule, kernels),
	  .help = "Labels of kernels; all if not given." },
	{ .key = "folios",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct skip_rule, folios),
	  .help = "Labels of folio profiles; all if not given." },
	{ .key = "workloads",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct skip_rule, workloads),
	  .help = "Labels of workloads; all if not given." },
	{ .key = "storages",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct skip_rule, storages),
	  .help = "Labels of storage profiles; all if not given." },
	{ .key = "limit",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct skip_rule, limits),
	  .help = "Labels of limits (192m, none); all if not given." },
	{ .key = "why",
	  .type = OPT_STRING,
	  .offset = offsetof(struct skip_rule, why),
	  .required = true,
	  .help = "The reason, as the plan will show it." },
	OPTIONS_END,
};

const struct section sections[] = {
	{ "matrix", SECTION_NAME, NULL, true, "The name of the matrix: letters, digits, '-' and '_'.", parse_name },
	{ "guest", SECTION_OPTIONS, guest_options, false, "The machine that every cell boots.", parse_guest },
	{ "kernels", SECTION_LABELS, kernel_options, true,
	  "The first axis. LABEL: { source: ... }, { package: ... } or { image: ... }", parse_kernels },
	{ "folios", SECTION_LABELS, folio_options, false,
	  "The second axis: settings written before the workload starts, and read back. Without it: one profile, "
	  "'default', which asks for nothing. What a profile does not name keeps the kernel's default.",
	  parse_folios },
	{ "workloads", SECTION_WORKLOAD, NULL, true, "The third axis. LABEL: { WORKLOAD: { parameters } }",
	  parse_workloads },
	{ "storages", SECTION_LABELS, storage_options, false,
	  "An axis, if it is given: the file system that the workload's files are in, on a device in the guest's "
	  "memory "
	  "or on the host, and swap. Cells are 64k.off.files.ext4. Devices in memory are allocated whole before "
	  "anything "
	  "is measured, and are never counted as the workload's. The file system is mounted on /storage and on /tmp.",
	  parse_storages },
	{ "limit", SECTION_LIST, NULL, false,
	  "The last axis, if it is given: memory.max of the workload's cgroup, whole MiB or none. [none, 192MiB] "
	  "makes "
	  "cells 64k.off.faults.none and 64k.off.faults.192m. A workload that does not fit is killed as a whole.",
	  parse_limits },
	{ "trials", SECTION_OPTIONS, trials_options, false, "How often each cell is measured.", parse_trials },
	{ "skip", SECTION_RULES, skip_options, false,
	  "Cells that will not run. A rule selects the cells whose labels are in all of its lists.", parse_skips },
	{ "gates", SECTION_RULES, gate_options, false,
	  "Limits that `granule run --gate` and `granule gate` hold the run to. A gate fails only where the interval "
	  "is "
	  "beyond its limit, and a gate that finds nothing to judge is no pass.",
	  parse_gates },
	{ NULL, SECTION_NAME, NULL, false, NULL, NULL },
};

const char *section_shape_help(enum section_shape shape)
{
	switch (shape) {
	case SECTION_NAME:
		return ": NAME";
	case SECTION_OPTIONS:
		return ": { KEY: VALUE, ... }";
	case SECTION_LABELS:
		return ": { LABEL: { KEY: VALUE, ... }, ... }";
	case SECTION_WORKLOAD:
		return ": { LABEL: { WORKLOAD: { KEY: VALUE, ... } }, ... }";
	case SECTION_LIST:
		return ": [ VALUE, ... ]";
	case SECTION_RULES:
		return ": [ { KEY: VALUE, ... }, ... ]";
	}
	return "";
}

char *matrix_help(void)
{
	struct text out = { 0 };

	help_wrap(&out, 0, "A matrix is YAML. Every kernel with every folio profile and every workload is a cell.");
	for (const struct section *s = sections; s->key; s++) {
		text_add(&out, "\n%s%s%s\n", s->key, section_shape_help(s->shape), s->required ? "  (required)" : "");
		help_wrap(&out, 2, s->help);
		if (s->options) {
			_cleanup_free_ char *help = options_help(s->options);

			text_add(&out, "%s", help);
		}
		for (size_t i = 0; s->shape == SECTION_WORKLOAD && workloads[i]; i++) {
			_cleanup_free_ char *help = options_help(workloads[i]->options);

			text_add(&out, "\n  %s\n", workloads[i]->name);
			help_wrap(&out, 4, workloads[i]->help);
			text_add(&out, "%s", help);
		}
	}
	return text_steal(&out);
}
