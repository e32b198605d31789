// SPDX-License-Identifier: GPL-2.0-or-later
/* Whole comparisons: pairing, what is listed and never dropped, what a differing definition does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "compare/compare.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

static const struct numbers small = { .page = 4096, .insns = 1400, .boots = 3, .peak = 8912896 };
static const struct numbers large = { .page = 65536, .insns = 6600, .boots = 3, .peak = 18874368 };

static struct run *open_run(const char *dir)
{
	struct err err = ERR_INIT;
	struct run *run;

	must(run_open(dir, &run, &err), &err);
	return run;
}

static struct comparison *compare(const struct run *a, const struct run *b, const struct compare_options *options)
{
	struct comparison *c = NULL;
	struct err err = ERR_INIT;

	must(compare_runs(a, b, options, &c, &err), &err);
	return c;
}

static const struct row *find_row(const struct comparison *c, size_t pair, const char *name)
{
	for (size_t i = 0; i < c->pairs[pair].n_rows; i++)
		if (!strcmp(c->pairs[pair].rows[i].name, name))
			return &c->pairs[pair].rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void assert_row(const struct comparison *c, size_t pair, const char *name, enum verdict verdict, const char *why)
{
	const struct row *row = find_row(c, pair, name);

	if (row->verdict != verdict || (why && (!row->reason || !strstr(row->reason, why))))
		fail_msg("%s: %s (%s), expected %s (%s)", name, verdict_names[row->verdict],
			 row->reason ? row->reason : "-", verdict_names[verdict], why ? why : "-");
}

/* A run of these cells, each with all its boots. */
static char *run_of(const struct cell_record *cells, const struct numbers *const *numbers, size_t n)
{
	char *dir = scratch_make();

	run_build(dir, cells, n);
	for (size_t i = 0; i < n; i++)
		if (numbers[i] && !cells[i].skip)
			numbers_boots(dir, &cells[i], numbers[i]);
	return dir;
}

/* Caught: the base chosen wrongly, cells that lose their partner, an axis mixed up. */
static void test_along(void **state)
{
	struct cell_record cells[] = { numbers_cell("4k", "off", &small), numbers_cell("4k", "mthp", &small),
				       numbers_cell("64k", "off", &large), numbers_cell("64k", "mthp", &large),
				       numbers_cell("16k", "off", &large) };
	const struct numbers moved_small = { .page = 4096, .insns = 900, .boots = 3, .folio_allocs = 64, .peak = 9e6 };
	const struct numbers *n[] = { &small, &moved_small, &large, &large, NULL };
	struct compare_options options = COMPARE_DEFAULTS;
	struct comparison *c;
	struct run *run;
	char *dir;

	(void)state;
	cells[4].skip = xstrdup("this CPU has no 16K granule");
	dir = run_of(cells, n, 5);
	run = open_run(dir);
	options.along = "kernels";
	c = compare(run, NULL, &options);
	assert_int_equal(c->n_arms, 2);
	assert_string_equal(c->arms[0].base_label, "4k");
	assert_string_equal(c->arms[0].other_label, "64k");
	assert_string_equal(c->arms[1].other_label, "16k");
	assert_int_equal(c->n_pairs, 2);
	assert_string_equal(c->pairs[0].name, "off.faults");
	assert_string_equal(c->pairs[1].name, "mthp.faults");
	assert_int_equal(c->pairs[0].n_pairs, 3);
	assert_row(c, 0, "page_fault1.memory.peak", VERDICT_WORSE, NULL);
	assert_row(c, 0, "page_fault1.insns_per_op", VERDICT_NOT_JUDGED, "page sizes differ");
	assert_row(c, 0, "page_fault1.vm.pgfault_per_op", VERDICT_NOT_JUDGED, "see per MiB");
	assert_row(c, 0, "page_fault1.vm.pgfault_per_mib", VERDICT_BETTER, NULL);
	assert_row(c, 0, "guest.memory.idle_used", VERDICT_NOT_JUDGED, "follows from the page size");
	assert_row(c, 0, "guest.memory.reserved", VERDICT_SAME, NULL);
	/* 64k asks for large folios and made none */
	assert_row(c, 1, "page_fault1.memory.peak", VERDICT_NOT_JUDGED, "inert treatment");
	assert_int_equal(c->n_troubles, 2);
	assert_string_equal(c->troubles[0].cell, "16k.off.faults");
	assert_int_equal(c->troubles[0].outcome, OUTCOME_SKIPPED);
	assert_string_equal(c->troubles[1].cell, "4k.mthp.faults");
	assert_string_equal(c->troubles[1].reason, "there is no such cell at 16k");
	assert_false(comparison_failed(c));
	comparison_free(c);

	options.from = "64k";
	c = compare(run, NULL, &options);
	assert_string_equal(c->arms[0].base_label, "64k");
	assert_string_equal(c->arms[0].other_label, "4k");
	assert_row(c, 0, "page_fault1.memory.peak", VERDICT_BETTER, NULL);
	comparison_free(c);

	/* one arm alone, and nothing is told of the others */
	options.from = "4k";
	options.to = "16k";
	c = compare(run, NULL, &options);
	assert_int_equal(c->n_arms, 1);
	assert_string_equal(c->arms[0].other_label, "16k");
	assert_int_equal(c->n_pairs, 0);
	for (size_t i = 0; i < c->n_troubles; i++)
		assert_true(!strncmp(c->troubles[i].cell, "16k.", 4) || !strncmp(c->troubles[i].cell, "4k.", 3));
	comparison_free(c);

	options = COMPARE_DEFAULTS;
	options.along = "folios";
	options.metric = "memory.*";
	c = compare(run, NULL, &options);
	assert_string_equal(c->pairs[0].name, "4k.faults");
	assert_row(c, 0, "page_fault1.memory.anon", VERDICT_SAME, NULL);
	assert_true(find_row(c, 0, "page_fault1.memory.anon")->counts);
	comparison_free(c);
	run_free(run);
	for (size_t i = 0; i < 5; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
}

static void assert_config_error(const struct run *run, const struct compare_options *options, const char *part)
{
	struct comparison *c = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(compare_runs(run, NULL, options, &c, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_null(c);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in '%s'", part, err.msg);
}

static void test_bad_axis(void **state)
{
	struct cell_record cells[] = { numbers_cell("4k", "off", &small), numbers_cell("64k", "off", &large) };
	const struct numbers *n[] = { NULL, NULL };
	char *dir = run_of(cells, n, 2);
	struct run *run = open_run(dir);
	struct compare_options options = COMPARE_DEFAULTS;

	(void)state;
	options.along = "kernel";
	assert_config_error(run, &options, "no axis 'kernel' to compare along; there are: kernels, folios, workloads");
	options.along = "kernels";
	options.from = "8k";
	assert_config_error(run, &options, "--from: no '8k' among kernels: 4k, 64k");
	options.from = "4k";
	options.to = "8k";
	assert_config_error(run, &options, "--to: no '8k' among kernels: 4k, 64k");
	options.to = "4k";
	assert_config_error(run, &options, "--to: '4k' is the base itself");
	options.to = NULL;
	options.along = "folios";
	options.from = NULL;
	assert_config_error(run, &options, "only one of folios (off)");
	options.along = "kernels";
	options.cell = "nothing*";
	assert_config_error(run, &options, "no cell matches --cell 'nothing*'");
	run_free(run);
	for (size_t i = 0; i < 2; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
}

/* Two runs of one cell, the second with the definition's @path set to @value; @attempt_file likewise. */
static struct comparison *compare_changed(const char *section, const char *key, json_t *value, const char *host,
					  char **ret_dirs[2], struct run *runs[2])
{
	static char *dirs[2];
	struct compare_options options = COMPARE_DEFAULTS;
	struct numbers longer = small;

	longer.insns = 1500;
	for (int i = 0; i < 2; i++) {
		struct cell_record cell = numbers_cell("4k", "off", &small);
		const struct numbers *n[] = { i ? &longer : &small };

		if (i && section)
			json_object_set(json_object_get(cell.definition, section), key, value);
		dirs[i] = run_of(&cell, n, 1);
		for (unsigned int boot = 1; i && host && boot <= 3; boot++) {
			_cleanup_free_ char *attempt = xasprintf("%s/cells/%s/%u/1", dirs[i], cell.id, boot);

			put_text(attempt, "host.json", host);
		}
		cell_record_free(&cell);
		runs[i] = open_run(dirs[i]);
		ret_dirs[i] = &dirs[i];
	}
	json_decref(value);
	return compare(runs[0], runs[1], &options);
}

/* What may differ, what is said, and what it stops from being judged. Caught: a rule of the table taken out. */
static void test_definitions(void **state)
{
	static const struct {
		const char *section, *key, *value, *host, *path;
		enum severity severity;
		enum verdict time, memory;
	} table[] = {
		{ NULL, NULL, NULL, NULL, NULL, SEVERITY_NOTE, VERDICT_LONGER, VERDICT_SAME },
		{ "kernel", "release", "7.2", NULL, "kernel.release", SEVERITY_SUBJECT, VERDICT_LONGER, VERDICT_SAME },
		{ "kernel", "compiler", "gcc 15", NULL, "kernel.compiler", SEVERITY_TIME, VERDICT_NOT_JUDGED,
		  VERDICT_SAME },
		{ "guest", "memory_bytes", "1", NULL, "guest.memory_bytes", SEVERITY_ALL, VERDICT_NOT_JUDGED,
		  VERDICT_NOT_JUDGED },
		{ "guest", "timeout_s", "1", NULL, "guest.timeout_s", SEVERITY_NOTE, VERDICT_LONGER, VERDICT_SAME },
		{ "folio", "thp", "always", NULL, "folio.thp", SEVERITY_ALL, VERDICT_NOT_JUDGED, VERDICT_NOT_JUDGED },
		{ "folio", "label", "other", NULL, NULL, SEVERITY_NOTE, VERDICT_LONGER, VERDICT_SAME },
		{ "workload", "type", "x", NULL, "workload.type", SEVERITY_ALL, VERDICT_NOT_JUDGED,
		  VERDICT_NOT_JUDGED },
		{ "trials", "seeds", "9", NULL, "trials.seeds", SEVERITY_NOTE, VERDICT_LONGER, VERDICT_SAME },
		{ NULL, NULL, NULL, "{\"cpu\":\"QEMU TCG\",\"qemu_version\":\"10.0\",\"seed\":4,\"slot\":2}",
		  "host.qemu_version", SEVERITY_TIME, VERDICT_NOT_JUDGED, VERDICT_SAME },
		{ NULL, NULL, NULL, "{\"cpu\":\"another\",\"qemu_version\":\"7.2.22\"}", "host.cpu", SEVERITY_NOTE,
		  VERDICT_LONGER, VERDICT_SAME },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct run *runs[2];
		char **dirs[2];
		struct comparison *c =
			compare_changed(table[i].section, table[i].key,
					table[i].value ? json_string(table[i].value) : NULL, table[i].host, dirs, runs);

		if (c->n_differences != (table[i].path != NULL))
			fail_msg("%zu: %zu differences", i, c->n_differences);
		if (table[i].path) {
			assert_string_equal(c->differences[0].path, table[i].path);
			assert_int_equal(c->differences[0].severity, table[i].severity);
			assert_int_equal(c->differences[0].n_pairs, 1);
		}
		assert_row(c, 0, "page_fault1.insns_per_op", table[i].time, NULL);
		assert_row(c, 0, "page_fault1.memory.peak", table[i].memory, NULL);
		comparison_free(c);
		for (int k = 0; k < 2; k++) {
			run_free(runs[k]);
			scratch_remove(*dirs[k]);
		}
	}
}

/* Two runs of one cell on hardware, whose boot @odd of the second side (of both, with @both) has host.json @host. */
static struct comparison *compare_hardware(unsigned int odd, bool both, const char *host, char *dirs[2],
					   struct run *runs[2])
{
	const struct numbers base = { .page = 4096, .insns = 1400, .spread = 2, .boots = 5, .peak = 8912896 };
	struct numbers longer = base;
	struct compare_options options = COMPARE_DEFAULTS;

	longer.insns = 1500;
	for (int i = 0; i < 2; i++) {
		struct cell_record cell = numbers_cell("4k", "off", &base);
		const struct numbers *n[] = { i ? &longer : &base };

		cell.basis = BASIS_HARDWARE;
		dirs[i] = run_of(&cell, n, 1);
		for (unsigned int boot = 1; boot <= 5; boot++) {
			_cleanup_free_ char *attempt = xasprintf("%s/cells/%s/%u/1", dirs[i], cell.id, boot);
			bool changed = (!odd || boot == odd) && (i || both);

			put_text(attempt, "host.json",
				 changed ? host
					 : "{\"qemu_version\":\"7.2.22\",\"hardware\":{\"governor\":\"performance\","
					   "\"jobs\":1,\"page_bytes\":4096}}");
		}
		cell_record_free(&cell);
		runs[i] = open_run(dirs[i]);
	}
	return compare(runs[0], runs[1], &options);
}

/* Boots of hardware are judged by ranks, and only where what decides their speed is the same in all of them. Caught:
 * provenance of the first boot taken for that of all, a mixture that both sides share, a field that is missing. */
static void test_hardware(void **state)
{
	static const struct {
		unsigned int odd;
		bool both;
		const char *host, *path, *reason;
	} table[] = {
		{ 9, false, "", NULL, NULL },
		{ 0, false,
		  "{\"qemu_version\":\"7.2.22\",\"hardware\":{\"governor\":\"powersave\",\"jobs\":1,\"page_bytes\":"
		  "4096}}",
		  "hardware.governor", "confounded: hardware.governor differs" },
		{ 3, false,
		  "{\"qemu_version\":\"7.2.22\",\"hardware\":{\"governor\":\"performance\",\"jobs\":2,\"page_bytes\":"
		  "4096}}",
		  "hardware.jobs", "confounded: hardware.jobs differs" },
		{ 3, true,
		  "{\"qemu_version\":\"7.2.22\",\"hardware\":{\"governor\":\"performance\",\"jobs\":2,\"page_bytes\":"
		  "4096}}",
		  "hardware.jobs", "confounded: hardware.jobs differs" },
		{ 3, false, "{\"qemu_version\":\"7.2.22\",\"hardware\":{\"governor\":\"performance\",\"jobs\":1}}",
		  "hardware.page_bytes", "confounded: hardware.page_bytes differs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct run *runs[2];
		char *dirs[2];
		struct comparison *c = compare_hardware(table[i].odd, table[i].both, table[i].host, dirs, runs);
		const struct row *row = find_row(c, 0, "page_fault1.ns_per_op");

		assert_int_equal(c->pairs[0].n_pairs, 5);
		assert_int_equal(c->n_differences, table[i].path != NULL);
		if (table[i].path) {
			assert_string_equal(c->differences[0].path, table[i].path);
			assert_int_equal(c->differences[0].severity, SEVERITY_ALL);
		}
		assert_row(c, 0, "page_fault1.ns_per_op", table[i].path ? VERDICT_NOT_JUDGED : VERDICT_WORSE,
			   table[i].reason);
		assert_row(c, 0, "page_fault1.memory.peak", table[i].path ? VERDICT_NOT_JUDGED : VERDICT_SAME, NULL);
		assert_true(row->taken.by_ranks && row->p < 0.05);
		comparison_free(c);
		for (int k = 0; k < 2; k++) {
			run_free(runs[k]);
			scratch_remove(dirs[k]);
		}
	}
}

/* Failed boots leave their pair, are listed, and make the exit code; the rest is compared. Caught: a failed boot whose
 * numbers are used, a shift of the pairs behind it, a silent drop. */
static void test_failures(void **state)
{
	struct cell_record cells[] = { numbers_cell("4k", "off", &small), numbers_cell("64k", "off", &large) };
	const struct numbers *n[] = { &small, &large };
	char *dir = run_of(cells, n, 2);
	_cleanup_free_ char *second = xasprintf("%s/cells/64k.off.faults/2/1", dir);
	struct compare_options options = COMPARE_DEFAULTS;
	const struct row *row;
	struct comparison *c;
	struct run *run;

	(void)state;
	put_text(second, "console.log", "[    0.400000] kernel BUG at mm/huge_memory.c:3120!\n");
	run = open_run(dir);
	options.along = "kernels";
	c = compare(run, NULL, &options);
	assert_true(comparison_failed(c));
	assert_int_equal(c->n_troubles, 1);
	assert_string_equal(c->troubles[0].cell, "64k.off.faults");
	assert_int_equal(c->troubles[0].boot, 2);
	assert_int_equal(c->troubles[0].outcome, OUTCOME_GUEST_CRASHED);
	assert_string_equal(c->troubles[0].reason, "console: kernel BUG at mm/huge_memory.c:3120!");
	assert_int_equal(c->pairs[0].n_pairs, 2);
	/* 0 of 3 against 1 of 3: nothing to conclude */
	assert_int_equal(c->pairs[0].n_failed[0], 0);
	assert_int_equal(c->pairs[0].n_failed[1], 1);
	assert_int_equal(c->pairs[0].n_ended[1], 3);
	assert_true(c->pairs[0].failed_p > 0.999);
	row = find_row(c, 0, "page_fault1.insns_per_op");
	assert_int_equal(row->base.n_boots, 3);
	assert_int_equal(row->other.n_boots, 2);
	assert_int_equal(row->n_pairs, 2);
	comparison_free(c);
	run_free(run);
	for (size_t i = 0; i < 2; i++)
		cell_record_free(&cells[i]);
	scratch_remove(dir);
}

/* Two runs that share one cell of two each. Caught: unpaired cells dropped. */
static void test_unpaired(void **state)
{
	struct cell_record a[] = { numbers_cell("4k", "off", &small), numbers_cell("4k", "gone", &small) };
	struct cell_record b[] = { numbers_cell("4k", "off", &small), numbers_cell("4k", "new", &small) };
	const struct numbers *n[] = { &small, &small };
	char *dirs[] = { run_of(a, n, 2), run_of(b, n, 2) };
	struct run *runs[] = { open_run(dirs[0]), open_run(dirs[1]) };
	struct compare_options options = COMPARE_DEFAULTS;
	struct comparison *c = compare(runs[0], runs[1], &options);

	(void)state;
	assert_int_equal(c->n_pairs, 1);
	assert_int_equal(c->n_troubles, 2);
	assert_string_equal(c->troubles[0].cell, "4k.gone.faults");
	assert_string_equal(c->troubles[1].cell, "4k.new.faults");
	assert_false(comparison_failed(c));
	assert_false(comparison_unclear(c));
	assert_row(c, 0, "page_fault1.insns_per_op", VERDICT_SAME, NULL);
	comparison_free(c);
	for (int i = 0; i < 2; i++) {
		run_free(runs[i]);
		cell_record_free(&a[i]);
		cell_record_free(&b[i]);
		scratch_remove(dirs[i]);
	}
}

static double seconds_for(size_t n_cells)
{
	struct cell_record *cells = xcalloc(n_cells, sizeof(*cells));
	const struct numbers **n = xcalloc(n_cells, sizeof(*n));
	static const struct numbers one = { .page = 4096, .insns = 1400, .boots = 1, .peak = 8912896 };
	struct compare_options options = COMPARE_DEFAULTS;
	struct comparison *c;
	struct run *run;
	double seconds;
	uint64_t begin;
	char *dir;

	for (size_t i = 0; i < n_cells; i++) {
		char folio[24];

		snprintf(folio, sizeof(folio), "f%zu", i / 2);
		cells[i] = numbers_cell(i % 2 ? "b" : "a", folio, &one);
		n[i] = &one;
	}
	dir = run_of(cells, n, n_cells);
	begin = clock_ns(CLOCK_PROCESS_CPUTIME_ID); /* of all threads: the host may be busy */
	run = open_run(dir);
	options.along = "kernels";
	c = compare(run, NULL, &options);
	seconds = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - begin) / 1e9;
	assert_int_equal(c->n_pairs, n_cells / 2);
	comparison_free(c);
	run_free(run);
	for (size_t i = 0; i < n_cells; i++)
		cell_record_free(&cells[i]);
	free(cells);
	free(n);
	scratch_remove(dir);
	return seconds;
}

/* Ten times the cells in at most thirty times the time. Caught: a search per cell through all cells. */
static void test_linear(void **state)
{
	double few, many;

	(void)state;
	seconds_for(20);
	few = seconds_for(40);
	many = seconds_for(400);
	print_message("           diff of 40 cells %.3f s, of 400 %.3f s\n", few, many);
	assert_true(many < 30 * few + 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_along),	 cmocka_unit_test(test_bad_axis), cmocka_unit_test(test_definitions),
		cmocka_unit_test(test_hardware), cmocka_unit_test(test_failures), cmocka_unit_test(test_unpaired),
		cmocka_unit_test(test_linear),
	};

	return cmocka_run_group_tests_name("compare-runs", tests, NULL, NULL);
}
