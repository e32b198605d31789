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
	  .help = "A Debian source package to build, linux-source-6.12. Either this or image." },
	{ .key = "suite",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, suite),
	  .help = "The Debian suite that source is taken from, trixie; required with source, because suites hold "
		  "different releases of one package." },
	{ .key = "pages",
	  .type = OPT_SIZE,
	  .offset = offsetof(struct kernel_spec, page_bytes),
	  .choices = page_names,
	  .help = "The base page size; required with source. With image it is read from the Image, and this checks "
		  "it." },
	/* no default here: beside image it would be a lie; parse_kernels() fills it in */
	{ .key = "config",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, config),
	  .help = "The configuration that source is built with: images/kernels/NAME.config; micro if not given." },
	{ .key = "image",
	  .type = OPT_PATH,
	  .offset = offsetof(struct kernel_spec, image),
	  .help = "An arm64 Image that is already built. Either this or source." },
	{ .key = "modules",
	  .type = OPT_PATH,
	  .offset = offsetof(struct kernel_spec, modules),
	  .help = "The modules of image, as a tar file (.tar, .tar.xz, .tar.zst) or a folder with lib/modules/RELEASE: "
		  "needed where its virtio drivers are modules. Only these are loaded." },
	{ .key = "append",
	  .type = OPT_STRING,
	  .offset = offsetof(struct kernel_spec, append),
	  .help = "More words for the kernel's command line." },
	OPTIONS_END,
};

/* in the order of enum thp_choice and enum shmem_choice */
static const char *const thp_names[] = { "always", "madvise", "never", NULL };
static const char *const defrag_names[] = { "always", "defer", "defer+madvise", "madvise", "never", NULL };
static const char *const shmem_names[] = { "always", "within_size", "advise", "never", "deny", "force", NULL };
static const char *const anon_size_names[] = { "always", "inherit", "madvise", "never", NULL };
static const char *const shmem_size_names[] = { "always", "inherit", "within_size", "advise", "never", NULL };

/* The bounds of sizes are what any base page offers; what this cell's offers is folio_unsupported()'s. */
const struct option_def folio_options[] = {
	{ .key = "thp",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct folio_profile, thp),
	  .choices = thp_names,
	  .help = "transparent_hugepage/enabled: PMD-sized folios, and sizes that inherit." },
	{ .key = "defrag",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct folio_profile, defrag),
	  .choices = defrag_names,
	  .help = "transparent_hugepage/defrag: how hard a fault tries." },
	{ .key = "anon",
	  .type = OPT_SIZE_MAP,
	  .offset = offsetof(struct folio_profile, anon),
	  .choices = anon_size_names,
	  .min = 16 * KIB,
	  .max = 512 * MIB,
	  .help = "hugepages-SIZE/enabled: anonymous memory, { 64K: always }. always does not depend on thp. A base "
		  "page that "
		  "lacks a size skips the cell." },
	{ .key = "shmem",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct folio_profile, shmem),
	  .choices = shmem_names,
	  .help = "transparent_hugepage/shmem_enabled: memfd, SysV and shared anonymous memory." },
	{ .key = "shmem_sizes",
	  .type = OPT_SIZE_MAP,
	  .offset = offsetof(struct folio_profile, shmem_sizes),
	  .choices = shmem_size_names,
	  .min = 8 * KIB,
	  .max = 128 * MIB,
	  .help = "hugepages-SIZE/shmem_enabled, { 64K: advise }." },
	{ .key = "khugepaged",
	  .type = OPT_BOOL,
	  .offset = offsetof(struct folio_profile, khugepaged),
	  .fallback = "no",
	  .help = "yes: the kernel's own rate. no: it is kept from scanning, since its default rate is 256 times as "
		  "fast at 64K "
		  "as at 4K." },
	{ .key = "min_free_kbytes",
	  .type = OPT_U64,
	  .offset = offsetof(struct folio_profile, min_free_kbytes),
	  .min = 1024,
	  .max = 64 * MIB,
	  .help = "vm.min_free_kbytes in KiB; 65536 in every profile that names none, because the kernel's own figure "
		  "depends on "
		  "page size and THP." },
	OPTIONS_END,
};

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
	{ "kernels", SECTION_LABELS, kernel_options, true, "The first axis. LABEL: { source: ... } or { image: ... }",
	  parse_kernels },
	{ "folios", SECTION_LABELS, folio_options, false,
	  "The second axis: settings written before the workload starts, and read back. Without it: one profile, "
	  "'default', which asks for nothing. What a profile does not name keeps the kernel's default.",
	  parse_folios },
	{ "workloads", SECTION_WORKLOAD, NULL, true, "The third axis. LABEL: { WORKLOAD: { parameters } }",
	  parse_workloads },
	{ "trials", SECTION_OPTIONS, trials_options, false, "How often each cell is measured.", parse_trials },
	{ "skip", SECTION_RULES, skip_options, false,
	  "Cells that will not run. A rule selects the cells whose labels are in all of its lists.", parse_skips },
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
