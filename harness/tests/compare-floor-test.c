// SPDX-License-Identifier: GPL-2.0-or-later
/* Floors from a calibration's boots, and what they do to verdicts and gates. No guest: boots are written here. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compare/floor.h"
#include "compare/gate.h"
#include "stat/floor.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"

#define INSNS "page_fault1.insns_per_op"
#define PEAK "page_fault1.memory.peak"
#define BUILDS 3

static const struct numbers usual = { .page = 65536, .insns = 8000, .spread = 8, .boots = 3, .peak = 132 << 20 };

/* How far the builds and the slow arm lie from @usual, in instructions; the slow arm's peak in MiB. */
struct spread {
	int builds[BUILDS], slow, slow_peak;
};
static const struct spread tight = { { 0, 0, 0 }, 0, 0 }, wide = { { 1, -1, 0 }, 0, 0 };

struct opened {
	char *dir; /* owned */
	struct run *run;
};

static void opened_free(struct opened *o)
{
	run_free(o->run);
	scratch_remove(o->dir);
}

static struct opened open_run(const struct cell_record *cells, const struct numbers *numbers, size_t n,
			      const char *calibration)
{
	struct opened o = { .dir = scratch_make() };
	json_t *header = json_pack("{ss,ss,ss}", "created", "2026-11-23T00:00:00Z", "creator", "granule 0.1", "matrix",
				   "scenario");
	struct err err = ERR_INIT;

	if (calibration)
		json_object_set_new(header, "calibration", json_loads(calibration, 0, NULL));
	must(run_create(o.dir, NULL, header, cells, n, &err), &err);
	json_decref(header);
	for (size_t i = 0; i < n; i++)
		numbers_boots(o.dir, &cells[i], &numbers[i]);
	must(run_open(o.dir, &o.run, &err), &err);
	return o;
}

static struct numbers moved(int insns, int peak_mib)
{
	struct numbers n = usual;

	n.insns += (unsigned long long)insns;
	n.peak += (unsigned long long)peak_mib << 20;
	return n;
}

static struct opened calibrate(const struct spread *s)
{
	static const char *const labels[] = { "64k", "l1", "l2", "l3", "slow" };
	struct cell_record cells[ARRAY_SIZE(labels)];
	struct numbers numbers[ARRAY_SIZE(labels)] = { usual };
	struct opened o;

	for (size_t i = 0; i < BUILDS; i++)
		numbers[1 + i] = moved(s->builds[i], 0);
	numbers[1 + BUILDS] = moved(s->slow, s->slow_peak);
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		cells[i] = numbers_cell(labels[i], "off", &numbers[i]);
	o = open_run(cells, numbers, ARRAY_SIZE(labels),
		     "[{\"base\":\"64k\",\"layouts\":[\"l1\",\"l2\",\"l3\"],\"slow\":\"slow\"}]");
	for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
		cell_record_free(&cells[i]);
	return o;
}

static struct floors *load(const struct opened *o)
{
	struct floors *floors = NULL;
	struct err err = ERR_INIT;

	must(floors_load(o->run, &floors, &err), &err);
	return floors;
}

static struct opened one_cell(const char *folio, const struct numbers *n)
{
	struct cell_record cell = numbers_cell("64k", folio, n);
	struct opened o = open_run(&cell, n, 1, NULL);

	cell_record_free(&cell);
	return o;
}

static const struct floor_entry *found(const struct floors *floors, const struct cell_record *cell, const char *metric)
{
	const struct floor_cell *of = floors_cell(floors, cell);

	return of ? floor_find(of, metric) : NULL;
}

static void test_load(void **state)
{
	static const double means[] = { 0, 1, -1, 0 };
	_cleanup_(opened_free) struct opened o = calibrate(&wide), t = calibrate(&tight),
					     plain = one_cell("off", &usual);
	_cleanup_(floors_free_p) struct floors *w = load(&o), *z = load(&t), *none = NULL;
	const struct floor_entry *e = found(w, &plain.run->cells[0], INSNS);
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(w->n_cells, 1);
	assert_int_equal(w->n_builds, 4);
	assert_non_null(e);
	assert_true(fabs(e->amount - stat_floor(means, 4, 0.95, 0.95)) < 1e-9);
	assert_true(fabs(e->seen - 2) < 1e-9 && e->n_builds == 4 && !e->timed && e->has_slow);
	assert_true(found(z, &plain.run->cells[0], INSNS)->amount == 0);
	assert_int_equal(floors_load(plain.run, &none, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "is no calibration; `granule calibrate MATRIX` makes one"));
}

static const struct row *row_of(const struct comparison *c, const char *name)
{
	for (size_t i = 0; i < c->pairs[0].n_rows; i++)
		if (!strcmp(c->pairs[0].rows[i].name, name))
			return &c->pairs[0].rows[i];
	fail_msg("no %s", name);
	return NULL;
}

static void expect(const struct spread *spread, const char *folio, const struct numbers *other, const char *metric,
		   enum verdict verdict, const char *reason)
{
	_cleanup_(opened_free) struct opened a = one_cell(folio, &usual), b = one_cell(folio, other);
	_cleanup_(opened_free) struct opened o = calibrate(spread ? spread : &tight);
	_cleanup_(floors_free_p) struct floors *floors = spread ? load(&o) : NULL;
	_cleanup_(comparison_free_p) struct comparison *c = NULL;
	struct compare_options options = COMPARE_DEFAULTS;
	const struct row *row;
	struct err err = ERR_INIT;

	options.effect = 0.00005;
	options.floors = floors;
	must(compare_runs(a.run, b.run, &options, &c, &err), &err);
	row = row_of(c, metric);
	if (row->verdict != verdict || (reason && (!row->reason || !strstr(row->reason, reason))))
		fail_msg("%s: %s (%s), expected %s (%s)", metric, verdict_names[row->verdict],
			 row->reason ? row->reason : "", verdict_names[verdict], reason ? reason : "");
}

/* One instruction of 8,000 is judged exactly where the floor lies below it. Caught: a floor that never replaces the
 * metric's resolution, one that is never looked at, one that is taken from another profile's cell, a floor of times
 * that makes the resolution of memory finer. */
static void test_verdicts(void **state)
{
	static const struct spread slow = { { 0, 0, 0 }, 100, 0 }, slow_peak = { { 0, 0, 0 }, 0, 8 },
				   slow_batch = { { 0, 0, 0 }, 0, 2 }, slow_within = { { 1, -1, 0 }, 2, 0 };
	struct numbers longer = moved(1, 0), much = moved(100, 0), peak = moved(0, 2), much_peak = moved(0, 8);

	(void)state;
	much.folio_allocs = 1;
	expect(NULL, "off", &longer, INSNS, VERDICT_NOT_JUDGED, "below resolution (1 insns)");
	expect(&tight, "off", &longer, INSNS, VERDICT_LONGER, NULL);
	expect(&wide, "off", &longer, INSNS, VERDICT_NOT_JUDGED, "within the layout floor (");
	expect(&wide, "off", &much, INSNS, VERDICT_LONGER, NULL);
	expect(&tight, "off", &usual, INSNS, VERDICT_SAME, NULL);
	/* the batch of memcg stays what it is: 4 MiB at 64K */
	expect(&tight, "off", &peak, PEAK, VERDICT_NOT_JUDGED, "below resolution (4.00 MiB)");
	expect(&tight, "off", &much_peak, PEAK, VERDICT_WORSE, NULL);
	/* timers */
	expect(&slow, "off", &much, INSNS, VERDICT_NOT_JUDGED, "timed: it moves by 100 insns");
	expect(&slow, "off", &much_peak, PEAK, VERDICT_WORSE, NULL);
	expect(&slow_peak, "off", &much_peak, PEAK, VERDICT_NOT_JUDGED, "timed: it moves by 8.39e+06 bytes");
	expect(&slow_batch, "off", &much_peak, PEAK, VERDICT_WORSE, NULL);
	expect(&slow_within, "off", &much, INSNS, VERDICT_LONGER, NULL);
}

/* Which profiles a cell has decide, not that some cell of the calibration has the metric. */
static void test_other_cell(void **state)
{
	_cleanup_(opened_free) struct opened o = calibrate(&tight), other = one_cell("2m", &usual);
	_cleanup_(floors_free_p) struct floors *floors = load(&o);
	struct cell_record small = numbers_cell("64k", "off", &usual);

	(void)state;
	assert_null(found(floors, &other.run->cells[0], INSNS));
	assert_non_null(found(floors, &small, INSNS));
	json_object_set_new(small.definition, "storage", json_pack("{ss}", "fs", "ext4"));
	assert_null(found(floors, &small, INSNS));
	json_object_del(small.definition, "storage");
	small.page_bytes = 4096;
	assert_null(found(floors, &small, INSNS));
	cell_record_free(&small);
}

static enum gate_result held(const struct spread *spread, int insns)
{
	const struct numbers n = moved(insns, 0);
	_cleanup_(opened_free) struct opened a = one_cell("off", &usual), b = one_cell("off", &n),
					     o = calibrate(spread);
	_cleanup_(floors_free_p) struct floors *floors = load(&o);
	_cleanup_(gating_free_p) struct gating *g = NULL;
	json_t *gates = json_loads("[{\"metric\":\"insns_per_op\",\"longer_by\":\"0.01%\"}]", 0, NULL);
	struct err err = ERR_INIT;

	must(gating_make(b.run, a.run, gates, floors, &g, &err), &err);
	json_decref(gates);
	return g->gates[0].result;
}

/* A limit of 0.8 instructions. Caught: a gate that fails within the floor, one that passes for it. */
static void test_gates(void **state)
{
	static const struct spread slow = { { 0, 0, 0 }, 100, 0 };

	(void)state;
	assert_int_equal(held(&tight, 2), GATE_FAILED);
	assert_int_equal(held(&wide, 2), GATE_UNCLEAR);
	assert_int_equal(held(&wide, 100), GATE_FAILED);
	assert_int_equal(held(&tight, 0), GATE_PASSED);
	assert_int_equal(held(&slow, 100), GATE_NOT_JUDGED);
}

static void says(int code, const char *words, const char *const args[])
{
	_cleanup_free_ char *out = NULL;
	int rc = granule(&out, args);

	if (rc != code || !strstr(out, words))
		fail_msg("exit code %d, expected %d and '%s' in\n%s", rc, code, words, out);
}
#define SAYS(code, words, ...) says(code, words, (const char *const[]){ __VA_ARGS__, NULL })

static void set_floor(const struct opened *o, const char *dir)
{
	_cleanup_free_ char *path = path_join(o->dir, "run.json"), *text = NULL;
	struct err err = ERR_INIT;

	json_object_set_new(o->run->header, "floor", json_string(dir));
	text = json_dumps(o->run->header, 0);
	must(file_write_atomic(path, text, strlen(text), &err), &err);
}

/* As a user types it. Caught: --floor that is read and not used, the run's own calibration that is not found, or found
 * although another was named, a report with other verdicts than diff's. */
static void test_commands(void **state)
{
	const struct numbers longer = moved(1, 0);
	_cleanup_(opened_free) struct opened a = one_cell("off", &usual), b = one_cell("off", &longer);
	_cleanup_(opened_free) struct opened narrow = calibrate(&tight), broad = calibrate(&wide);
	static const char text[] = "matrix: m\nkernels: { mine: { image: Image } }\nworkloads: { n: { null: {} } }\n";
	_cleanup_free_ char *matrix = scratch_write(a.dir, "m.yaml", text, strlen(text));

	(void)state;
	SAYS(0, "not judged: below resolution (1 insns)", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric",
	     INSNS);
	SAYS(0, "1 longer", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric", INSNS, "--floor", narrow.dir);
	SAYS(0, "within the layout floor (", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric", INSNS, "--floor",
	     broad.dir);
	set_floor(&b, narrow.dir);
	SAYS(0, "1 longer", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric", INSNS);
	SAYS(0, "within the layout floor (", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric", INSNS, "--floor",
	     broad.dir);
	SAYS(0, "below resolution (1 insns)", "diff", a.dir, b.dir, "--effect", "0.005%", "--metric", INSNS, "--floor",
	     "none");
	SAYS(2, "--floor: ", "diff", a.dir, b.dir, "--floor", a.dir);
	SAYS(0, "within the layout floor (", "report", a.dir, b.dir, "--format", "json", "--effect", "0.005%",
	     "--floor", broad.dir);
	set_floor(&b, broad.dir);
	SAYS(0, "within the layout floor (", "report", a.dir, b.dir, "--format", "json", "--effect", "0.005%");
	SAYS(0, "below resolution (1 insns)", "report", a.dir, b.dir, "--format", "json", "--effect", "0.005%",
	     "--floor", "none");
	set_floor(&b, "/nowhere");
	SAYS(2, "the calibration that this run was made with (--floor names another, or none): /nowhere", "diff", a.dir,
	     b.dir);
	SAYS(0, "page_fault1.insns_per_op", "calibrate", "--show", broad.dir);
	SAYS(2, "is no calibration", "calibrate", "--show", a.dir);
	SAYS(2, "takes --all and --format only", "calibrate", "--show", broad.dir, "-n", "3");
	SAYS(2, "no kernel is built from source or git", "calibrate", matrix);
	SAYS(2, "no kernel 'nope'", "calibrate", "matrices/planted.yaml", "--kernel", "nope");
	SAYS(2, "no cell of the base to run matches --cell 'nope.*'", "calibrate", "matrices/planted.yaml", "--cell",
	     "nope.*");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load),  cmocka_unit_test(test_verdicts), cmocka_unit_test(test_other_cell),
		cmocka_unit_test(test_gates), cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
