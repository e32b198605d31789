// SPDX-License-Identifier: GPL-2.0-or-later
/* Debian's own kernels in real guests: one whose port needs modules (6.1), one with 16K pages, both with a file system and a
 * block driver asked for by name. Needs QEMU, libvirt's driver and these packages in the cache, fetched there by `granule
 * images build matrices/distro.yaml`; what is not there is skipped with the reason, and never fetched by a test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/store.h"
#include "tests/pipeline.h"
#include "wire/wire.h"

static const struct distro {
	const char *package, *suite, *pages, *release;
	const char *first; /* module that is loaded first */
} bookworm = { "linux-image-arm64", "bookworm", "4096", "6.1.", "lib/modules/00-virtio_pci_modern_dev.ko" },
  trixie_16k = { "linux-image-arm64-16k", "trixie", "16384", "6.12.", "lib/modules/00-crc32c_generic.ko" };

static const struct cell_program *find_module(const struct cell_record *cell, const char *end)
{
	for (size_t i = 0; i < cell->n_programs; i++)
		if (starts_with(cell->programs[i].guest_path, "lib/modules/") &&
		    ends_with(cell->programs[i].guest_path, end))
			return &cell->programs[i];
	return NULL;
}

static void check_cell(const struct distro *d, const struct cell_record *cell, const struct boot_result *boot)
{
	const char *packages =
		json_string_value(json_object_get(json_object_get(cell->definition, "kernel"), "packages"));
	struct wire_record hello;
	size_t at = 0;

	if (boot->outcome != OUTCOME_OK)
		fail_msg("%s: %s", outcome_names[boot->outcome], boot->reason ? boot->reason : "");
	assert_int_equal(wire_next(boot->stream, boot->stream_len, &at, 0, &hello), WIRE_OK);
	assert_int_equal(hello.type, WIRE_HELLO);
	assert_true(wire_is(&hello, 0, "page_size") && wire_is(&hello, 1, d->pages));
	assert_true(starts_with(cell->kernel_release, d->release));
	assert_non_null(packages);
	assert_true(starts_with(packages, "linux-image-6."));
	/* the agent ends the guest at the first module that does not load */
	assert_string_equal(cell->programs[0].guest_path, d->first);
	assert_non_null(find_module(cell, "-ext4.ko"));
	assert_non_null(find_module(cell, "-crc32c_generic.ko")); /* asked for by ext4, softly */
	assert_non_null(find_module(cell, "-null_blk.ko"));
}

/* A line of `show` says of a file that @value was asked for and read back. */
static bool took(const char *shown, const char *file, const char *value)
{
	_cleanup_free_ char *name = NULL, *asked = NULL, *effective = NULL, *state = NULL;
	const char *at = strstr(shown, file);

	return at && sscanf(at, "%ms %ms %ms %ms", &name, &asked, &effective, &state) == 4 && !strcmp(asked, value) &&
	       !strcmp(effective, value) && !strcmp(state, "ok");
}

static void boots_and_repeats(void **state)
{
	const struct distro *d = *state;
	_cleanup_free_ char *why_not = NULL, *text = NULL, *matrix = NULL, *run_dir = NULL, *out = NULL, *again = NULL,
			    *made = NULL, *shown = NULL;
	static const char run_cell[] = "distro.knobs.nothing";
	struct boot_result boot = { 0 };
	struct err err = ERR_INIT;
	struct run *run;
	char *dir;

	free(guest_package(d->package, d->suite, &why_not));
	if (why_not) {
		free(steal_ptr(why_not)); /* skip() leaves by longjmp */
		skip();
	}
	dir = scratch_make();
	text = xasprintf(
		"matrix: package\n"
		"guest: { memory: 1GiB, accel: simulated, timeout: 300 }\n"
		"kernels: { distro: { package: %s, suite: %s, load: [ext4, null_blk] } }\n"
		/* micro has neither a backing device nor debugfs: here a knob that does not take fails the cell */
		"folios: { knobs: { read_ahead_kb: 512, fault_around_bytes: 128K } }\n"
		"workloads: { nothing: { null: {} } }\n"
		"trials: { seeds: 1, warmups: 0, samples: 1 }\n",
		d->package, d->suite);
	matrix = scratch_write(dir, "package.yaml", text, strlen(text));
	run_dir = path_join(dir, "run");
	/* the modules out of the package that is there: no network */
	if (GRANULE(&made, "images", "build", matrix) != 0)
		fail_msg("%s", made);
	if (GRANULE(&out, "run", matrix, "-o", run_dir, "-j", "1") != 0)
		fail_msg("%s", out);
	if (run_open(run_dir, &run, &err) < 0 || boot_read(run, &run->cells[0], 1, &boot, &err) < 0)
		fail_msg("%s", err.msg);
	check_cell(d, &run->cells[0], &boot);
	boot_result_free(&boot);
	run_free(run);
	if (GRANULE(&again, "verify", run_dir) != 0)
		fail_msg("%s", again);
	if (GRANULE(&shown, "show", run_dir, run_cell) != 0)
		fail_msg("%s", shown);
	assert_true(took(shown, "/read_ahead_kb ", "512"));
	assert_true(took(shown, "/fault_around_bytes ", "131072"));
	assert_non_null(strstr(again, "1 of 1 boots gave the same bytes again"));
	scratch_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ "modular_4k", boots_and_repeats, NULL, NULL, (void *)(uintptr_t)&bookworm },
		{ "builtin_16k", boots_and_repeats, NULL, NULL, (void *)(uintptr_t)&trixie_16k },
	};

	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
