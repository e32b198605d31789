// SPDX-License-Identifier: GPL-2.0-or-later
/* The report's page: its data are those of diff, and in a headless Chromium it opens without a complaint, shows every cell, filters,
 * prints a page a workload, has enough contrast in light and dark, and runs nothing that a guest said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nettle/base64.h>
#include <math.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "guest/programs.h"
#include "report/page.h"
#include "report/report.h"
#include "tests/browser.h"
#include "tests/pipeline.h"
#include "tests/scenarios/pairs.h"
#include "tests/synthetic.h"

#define PAPER_PX 688 /* A4 less the margins of style.css */
#define HOSTILE "</script><script>window.owned=1</script><img src=x onerror=window.owned=2>"

static const char *const kernels[] = { "4k", "64k" }, *const profiles[] = { "off", "2m" },
			 *const workloads[] = { "anon", "private", "shared" };

struct fixture {
	char *dir, *run, *other, *third; /* owned */
	char *template, *why_not;	 /* owned: the page's bundle, or why there is none */
	struct browser *browser;
	char *no_browser; /* owned: why there is none */
};

static struct cell_record a_cell(const char *kernel, const char *profile, const char *workload, const struct numbers *n)
{
	struct cell_record c = numbers_cell(kernel, profile, n);

	free(c.id);
	c.id = xasprintf("%s.%s.%s", kernel, profile, workload);
	free(c.axes[2].label);
	c.axes[2].label = xstrdup(workload);
	return c;
}

/* A stream with a setting that did not take, and an effective value that would be a script. */
static void put_hostile_setting(const char *dir, const char *cell)
{
	const struct story story = { .workload = "page_fault1" };
	struct stream s = { 0 }, rest = story_stream(&story);

	stream_put(&s, WIRE_HELLO, "page_size", "65536", "release", "6.12.57", NULL);
	stream_put(&s, WIRE_SETTING, "/sys/kernel/mm/" HOSTILE, "always", HOSTILE, "differs", NULL);
	stream_put(&s, WIRE_END, "settings-failed", HOSTILE, NULL);
	free(attempt_build(dir, cell, 1, 1, &s,
			   "[    0.100000] Booting Linux\r\n[    0.400000] kernel BUG at " HOSTILE "!\r\n"
			   "[    0.400100] Internal error: Oops - BUG: 00000000f2000800 [#1] SMP\r\n",
			   "{\"stop\":\"poweroff\",\"wall_s\":0.84}"));
	text_free(&s.bytes);
	text_free(&rest.bytes);
}

/* Twelve cells, and one whose boot crashed with what would be a script in its console, its reason and its setting. */
static char *build_run(const char *parent, const char *name, unsigned long long more)
{
	struct cell_record cells[13];
	struct numbers numbers[12];
	char *dir = path_join(parent, name);
	struct err err = ERR_INIT;
	size_t n = 0;

	must(make_dirs(dir, &err), &err);
	for (size_t k = 0; k < 2; k++)
		for (size_t p = 0; p < 2; p++)
			for (size_t w = 0; w < 3; w++, n++) {
				numbers[n] = (struct numbers){ .page = k ? 65536 : 4096,
							       .insns = (k ? 8000 : 4000) + 300 * w + more * (w == 1) -
									500 * p,
							       .spread = 2 * w,
							       .boots = 3,
							       .folio_allocs = p ? 64 : 0,
							       .peak = (130ull + 4 * k + w + more / 40 * p) << 20 };
				cells[n] = a_cell(kernels[k], profiles[p], workloads[w], &numbers[n]);
			}
	cells[n] = a_cell("64k", "broken", "anon", &numbers[0]);
	cells[n].boots = 1;
	run_build(dir, cells, n + 1);
	for (size_t i = 0; i < n; i++)
		numbers_boots(dir, &cells[i], &numbers[i]);
	put_hostile_setting(dir, cells[n].id);
	for (size_t i = 0; i <= n; i++)
		cell_record_free(&cells[i]);
	return dir;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	f->dir = scratch_make();
	f->run = build_run(f->dir, "<b>base&amp;", 0);
	f->other = build_run(f->dir, "other", 400);
	f->third = build_run(f->dir, "third", 800);
	if (page_template(&f->template, &err) < 0) {
		f->why_not = xstrdup(err.msg);
		if (getenv("GRANULE_REQUIRE_PAGE"))
			fail_msg("%s", err.msg);
	} else {
		f->browser = browser_start(f->dir, &f->no_browser);
	}
	if (f->why_not || f->no_browser)
		printf("skipped: %s\n", f->why_not ? f->why_not : f->no_browser);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	browser_stop(f->browser);
	scratch_remove(f->dir);
	free(f->run);
	free(f->other);
	free(f->third);
	free(f->template);
	free(f->why_not);
	free(f->no_browser);
	free(f);
	return 0;
}

#define REQUIRE_BROWSER(f)                                                                                             \
	do {                                                                                                           \
		if (!(f)->browser)                                                                                     \
			skip();                                                                                        \
	} while (0)

/* `granule report` with these arguments, as JSON. */
static json_t *report_json(const char *const args[])
{
	const char *all[12] = { "report", "--format", "json" };
	_cleanup_free_ char *out = NULL;
	json_t *o;

	for (size_t i = 0; args[i]; i++)
		all[i + 3] = args[i];
	assert_int_equal(granule(&out, all), 0);
	o = json_loads(out, 0, NULL);
	if (!o)
		fail_msg("no JSON: %.200s", out);
	return o;
}
#define REPORT_JSON(...) report_json((const char *const[]){ __VA_ARGS__, NULL })

/* A page of @data, which is left alone; the file's path, owned by the caller. */
static char *write_page(const struct fixture *f, const json_t *data, const char *name)
{
	_cleanup_free_ char *json = json_dumps(data, JSON_COMPACT);
	_cleanup_(text_free) struct text page = { 0 };
	struct err err = ERR_INIT;

	must(page_fill(f->template, json, &page, &err), &err);
	return scratch_write(f->dir, name, page.s, page.len);
}

/* Open the page, with the questions at hand. */
static void open_page(const struct fixture *f, const char *path, const char *fragment, unsigned int width, bool dark)
{
	_cleanup_free_ char *checks = NULL;
	struct err err = ERR_INIT;

	must(file_read("harness/tests/report-page-checks.js", 1 << 20, &checks, NULL, &err), &err);
	browser_open(f->browser, path, fragment, width, dark);
	json_decref(browser_eval(f->browser, checks));
}

static void assert_quiet(const struct fixture *f)
{
	if (*browser_complaints(f->browser))
		fail_msg("the page complains: %s", browser_complaints(f->browser));
}

static char *page_of(const struct fixture *f, const char *name, const char *const args[])
{
	json_t *data = report_json(args);
	char *path = write_page(f, data, name);

	json_decref(data);
	return path;
}
#define PAGE_OF(f, name, ...) page_of((f), (name), (const char *const[]){ __VA_ARGS__, NULL })

static bool in_list(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!strcmp(json_string_value(item), text))
			return true;
	}
	return false;
}

/* How many of the cells that @data compare the open page does not show. */
static size_t missing_cells(const struct fixture *f, const json_t *data)
{
	json_t *names = json_object_get(json_object_get(data, "cells"), "name"), *name;
	json_t *shown = browser_eval(f->browser, "checks.allNames()");
	size_t i, n = 0;

	json_array_foreach(names, i, name) n += !in_list(shown, json_string_value(name));
	json_decref(shown);
	return n;
}

/* ---- The data */

/* Caught: a row lost or doubled on the way into columns, a verdict or number of another row. */
static void test_data_is_diffs(void **state)
{
	const struct fixture *f = *state;
	json_t *page = REPORT_JSON(f->run, f->other), *diff, *pairs, *pair;
	json_t *names = json_object_get(json_object_get(page, "metrics"), "name"),
	       *columns = json_object_get(page, "columns");
	_cleanup_free_ char *out = NULL;
	size_t p, n = 0;

	assert_int_equal(GRANULE(&out, "diff", "--format", "json", f->run, f->other), 4);
	diff = json_loads(out, 0, NULL);
	pairs = json_object_get(diff, "pairs");
	assert_int_equal(json_array_size(pairs), 13);
	json_array_foreach(pairs, p, pair)
	{
		json_t *rows = json_object_get(pair, "metrics"), *row;
		size_t i;

		json_array_foreach(rows, i, row)
		{
			json_t *column = NULL, *cells, *verdicts = json_object_get(page, "verdicts");
			size_t m, at;

			for (m = 0; m < json_array_size(names); m++)
				if (!strcmp(json_string_value(json_array_get(names, m)),
					    json_string_value(json_object_get(row, "name"))))
					column = json_array_get(columns, m);
			assert_non_null(column);
			cells = json_object_get(column, "cell");
			for (at = 0; at < json_array_size(cells); at++)
				if ((size_t)json_integer_value(json_array_get(cells, at)) == p)
					break;
			assert_true(at < json_array_size(cells));
			assert_string_equal(
				json_string_value(json_array_get(
					verdicts,
					(size_t)(json_string_value(json_object_get(column, "verdict"))[at] - '0'))),
				json_string_value(json_object_get(row, "verdict")));
			assert_true(fabs(json_number_value(json_array_get(json_object_get(column, "change"), at)) -
					 json_number_value(json_object_get(row, "change"))) <=
				    5e-4 * fabs(json_number_value(json_object_get(row, "change"))));
			n++;
		}
	}
	assert_true(n > 12 * 20);
	json_decref(page);
	json_decref(diff);
}

/* Caught: data that a guest's text could end, or that come back otherwise than they went in. */
static void test_file(void **state)
{
	const struct fixture *f = *state;
	static const char json[] = "{\"a\":\"" HOSTILE "\"}";
	_cleanup_(text_free) struct text page = { 0 };
	static uint8_t packed[4096], plain[4096];
	struct base64_decode_ctx base64;
	struct err err = ERR_INIT;
	size_t n = sizeof(packed);

	must(page_fill("<x>@DATA@</x>", json, &page, &err), &err);
	assert_null(strstr(page.s + 3, "script"));
	base64_decode_init(&base64);
	assert_true(base64_decode_update(&base64, &n, packed, page.len - 7, page.s + 3));
	n = ZSTD_decompress(plain, sizeof(plain), packed, n);
	assert_int_equal(n, strlen(json));
	assert_memory_equal(plain, json, n);
	if (f->template) {
		assert_null(strstr(f->template, "src=\"http"));
		assert_null(strstr(f->template, "@import"));
		assert_non_null(strstr(f->template, "default-src 'none'"));
	}
}

/* Caught: an error that does not say what to do. */
static void test_usage(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *bad = scratch_write(f->dir, "bad.json", "{\n \"phases\": [,]\n}", 18);
	static const char lacking[] = "{\"phases\":[{\"phase\":\"p\",\"functions\":[]}]}";
	_cleanup_free_ char *half = scratch_write(f->dir, "half.json", lacking, strlen(lacking));
	_cleanup_free_ char *none = scratch_write(f->dir, "none.json", "{}", 2),
			    *program = granule_program_path("granule");
	_cleanup_free_ char *copy = path_join(f->dir, "granule"), *out = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(GRANULE(&out, "report"), 2);
	assert_non_null(strstr(out, "which runs?"));
	free(steal_ptr(out));
	assert_int_equal(GRANULE(&out, "report", f->run, f->other, "--along", "kernels"), 2);
	assert_non_null(strstr(out, "within one run"));
	free(steal_ptr(out));
	assert_int_equal(GRANULE(&out, "report", f->run, "--format", "json", "--explain", bad), 2);
	assert_non_null(strstr(out, "bad.json:2:"));
	free(steal_ptr(out));
	assert_int_equal(GRANULE(&out, "report", f->run, "--format", "json", "--explain", none), 2);
	assert_non_null(strstr(out, "no output of `granule explain"));
	free(steal_ptr(out));
	assert_int_equal(GRANULE(&out, "report", f->run, "--format", "json", "--explain", half), 2);
	assert_non_null(strstr(out, "not complete"));
	free(steal_ptr(out));
	assert_int_equal(GRANULE(&out, "report", f->run, "--format", "json", "-o", "/nowhere/at/all.json"), 3);
	assert_non_null(strstr(out, "/nowhere/at/all.json"));
	free(steal_ptr(out));
	/* a granule with no page beside it */
	char *const cp[] = { (char *)"cp", program, copy, NULL };
	char *const argv[] = { copy, (char *)"report", f->run, NULL };

	assert_int_equal(proc_capture(cp, now_ns() + 60 * NSEC_PER_SEC, 4096, NULL, &err), 0);
	assert_int_equal(proc_capture(argv, now_ns() + 60 * NSEC_PER_SEC, 4096, &out, &err), 2);
	assert_non_null(strstr(out, "`make page`"));
}

/* ---- The page */

/* Caught: an error at the start, a cell that is not shown, a request for anything outside of the file. The check itself is
 * caught not looking by a page that lacks a cell. */
static void test_opens(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL, *mutant = NULL;
	json_t *data, *cut, *columns, *column;
	size_t i;

	REQUIRE_BROWSER(f);
	data = REPORT_JSON(f->run, f->other);
	path = write_page(f, data, "two.html");
	open_page(f, path, "", 1280, false);
	assert_int_equal(browser_number(f->browser, "granule.ready"), 1);
	assert_int_equal(missing_cells(f, data), 0);
	json_decref(browser_eval(f->browser, "checks.drawAll()"));
	assert_quiet(f);
	assert_int_equal(browser_number(f->browser, "performance.getEntriesByType('resource').length"), 0);
	assert_true(browser_number(f->browser, "document.querySelectorAll('.chart svg').length") >= 7);
	assert_int_equal(browser_number(f->browser, "document.querySelectorAll('.workload').length"), 3);

	cut = json_deep_copy(data);
	columns = json_object_get(cut, "cells");
	json_array_set_new(json_object_get(columns, "name"), 5, json_string("gone"));
	mutant = write_page(f, cut, "mutant.html");
	open_page(f, mutant, "", 1280, false);
	assert_int_equal(missing_cells(f, data), 1);

	/* and what cannot be read is said, not swallowed: the complaints do arrive here */
	json_array_foreach(json_object_get(cut, "columns"), i, column)
	{
		json_object_del(column, "cell");
	}
	free(mutant);
	mutant = write_page(f, cut, "mutant.html");
	browser_open(f->browser, mutant, "", 1280, false);
	assert_non_null(strstr(browser_complaints(f->browser), "exception"));
	json_decref(cut);
	json_decref(data);
}

/* Caught: a way of calling it whose page does not draw. */
static void test_modes(void **state)
{
	const struct fixture *f = *state;
	static const char *const modes[] = { "show", "along", "trend" };

	REQUIRE_BROWSER(f);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		json_t *data = i == 0	? REPORT_JSON(f->run)
			       : i == 1 ? REPORT_JSON(f->run, "--along", "kernels")
					: REPORT_JSON(f->run, f->other, f->third);
		_cleanup_free_ char *path = write_page(f, data, "mode.html");

		assert_string_equal(json_string_value(json_object_get(data, "mode")), modes[i]);
		open_page(f, path, "", 1280, false);
		json_decref(browser_eval(f->browser, "checks.drawAll()"));
		assert_quiet(f);
		assert_true(browser_number(f->browser, "document.querySelectorAll('.chart svg').length") >= 4);
		if (i != 2)
			assert_int_equal(missing_cells(f, data), 0);
		assert_int_equal(browser_number(f->browser, "checks.rowCount()"), i == 0 ? 13 : i == 1 ? 6 : 26);
		json_decref(data);
	}
}

/* Caught: a filter that lets others through or loses its own, an order that is none, a link that does not restore them, keys that
 * do nothing. */
static void test_filters(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL;

	REQUIRE_BROWSER(f);
	path = PAGE_OF(f, "filter.html", f->run, f->other);
	open_page(f, path, "", 1280, false);
	assert_int_equal(browser_number(f->browser, "checks.rowCount()"), 13);
	assert_int_equal(browser_number(f->browser, "checks.type('64k 2m'), checks.rowCount()"), 3);
	assert_int_equal(browser_number(f->browser, "checks.rowNames().every((n) => n.startsWith('64k.2m.'))"), 1);
	assert_int_equal(browser_number(f->browser, "checks.type('no such cell'), checks.rowCount()"), 0);
	assert_int_equal(
		browser_number(f->browser,
			       "document.querySelector('.tools button[type=reset]').click(), checks.rowCount()"),
		13);
	/* only "private" became longer */
	assert_int_equal(
		browser_number(f->browser,
			       "[...document.querySelectorAll('.chip')].find((c) => c.textContent.includes('longer'))"
			       ".click(), checks.rowCount()"),
		4);
	assert_int_equal(browser_number(f->browser, "checks.rowNames().every((n) => n.endsWith('.private'))"), 1);
	assert_int_equal(browser_number(f->browser, "location.hash.includes('verdict=3')"), 1);
	open_page(f, path, "workload=shared&sort=name", 1280, false);
	assert_int_equal(browser_number(f->browser,
					"checks.rowNames().join() === '4k.2m.shared,4k.off.shared,64k.2m.shared,"
					"64k.off.shared'"),
			 1);
	assert_int_equal(browser_number(f->browser,
					"[...document.querySelectorAll('.workload')].filter((w) => !w.hidden).length"),
			 1);
	open_page(f, path, "sort=insns_per_op", 1280, false);
	assert_int_equal(browser_number(f->browser, "checks.rowNames()[0] === '4k.2m.private'"), 1);
	/* by keys: down, then Enter on a name opens the cell, on a field its metric */
	json_decref(browser_eval(
		f->browser, "document.querySelector('.heatmap [tabindex=\"0\"]').focus(), checks.key('ArrowDown'), "
			    "checks.key('Enter')"));
	assert_int_equal(browser_number(f->browser, "document.querySelector('dialog').open"), 1);
	assert_int_equal(
		browser_number(f->browser, "document.querySelector('dialog h2').textContent === checks.rowNames()[1]"),
		1);
	json_decref(browser_eval(
		f->browser,
		"document.querySelector('dialog').close(), checks.key('ArrowRight'), "
		"document.querySelector('.heatmap [tabindex=\"0\"]').focus(), checks.key('End'), checks.key('Enter')"));
	assert_int_equal(
		browser_number(f->browser, "document.getElementById('metric').value === granule.model.heat.at(-1).key"),
		1);
	assert_quiet(f);
}

/* Caught: text of a guest that runs, or is taken for markup, or is not shown. */
static void test_hostile(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL, *explanation = NULL;
	static const char explain[] =
		"{\"base\":\"" HOSTILE "\",\"other\":\"x\",\"phases\":[{\"phase\":\"" HOSTILE "\","
		"\"base\":{\"insns_per_op\":100.5,\"kernel\":90,\"user\":10.5,\"unnamed\":0,\"rest\":0},"
		"\"other\":{\"insns_per_op\":120.5,\"kernel\":110,\"user\":10.5,\"unnamed\":0,\"rest\":0},"
		"\"functions\":[{\"name\":\"" HOSTILE
		"\",\"base\":10,\"other\":30},{\"name\":\"b\",\"base\":80,\"other\":80}],"
		"\"user_functions\":[{\"name\":\"main\",\"program\":\"" HOSTILE
		"\",\"base\":10,\"other\":10.5,\"user\":true}]}],"
		"\"memory\":[{\"phase\":\"page_fault1\",\"of\":\"cgroup\",\"base\":1000,\"other\":1400,\"parts\":["
		"{\"name\":\"anon\",\"label\":\"" HOSTILE "\",\"base\":1000,\"other\":1400}]}]}";

	REQUIRE_BROWSER(f);
	explanation = scratch_write(f->dir, "explain.json", explain, strlen(explain));
	path = PAGE_OF(f, "hostile.html", f->run, f->other, "--explain", explanation);
	open_page(f, path, "q=%3Cimg%20src%3Dx%20onerror%3Dwindow.owned%3D3%3E", 1280, false);
	json_decref(browser_eval(f->browser, "checks.drawAll()"));
	assert_quiet(f);
	assert_int_equal(browser_number(f->browser, "'owned' in window"), 0);
	assert_int_equal(browser_number(f->browser, "document.querySelectorAll('img, iframe, script').length"), 2);
	/* the console (also of the other run), the reason, the setting's path and value, the function: as text */
	assert_true(browser_number(f->browser, "document.body.innerText.split('onerror=window.owned=2').length - 1") >=
		    8);
	assert_int_equal(browser_number(f->browser, "document.querySelectorAll('.console pre').length >= 2"), 1);
	assert_int_equal(
		browser_number(f->browser, "document.querySelector('h1').textContent.includes('<b>base&amp;')"), 1);
	/* were it put in as markup all the same, the page's policy would not run it */
	json_decref(browser_eval(
		f->browser, "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.owned=4\">'), "
			    "new Promise((done) => setTimeout(done, 200))"));
	assert_int_equal(browser_number(f->browser, "'owned' in window"), 0);
}

static void assert_none(const struct fixture *f, const char *expression)
{
	json_t *list = browser_eval(f->browser, expression);

	if (json_array_size(list)) {
		char *text = json_dumps(list, JSON_INDENT(1));

		fail_msg("%s: %s", expression, text);
	}
	json_decref(list);
}

/* Caught: grey on grey, a chart without a description or without its numbers, a page wider than the window. */
static void test_reading(void **state)
{
	const struct fixture *f = *state;
	static const unsigned int widths[] = { 1280, 390 };
	_cleanup_free_ char *path = NULL;

	REQUIRE_BROWSER(f);
	path = PAGE_OF(f, "reading.html", f->run, f->other);
	for (int dark = 0; dark < 2; dark++) {
		for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
			open_page(f, path, "", widths[w], dark);
			json_decref(browser_eval(f->browser, "checks.drawAll()"));
			assert_true(browser_number(f->browser, "checks.texts()") > 300);
			assert_none(f, "checks.faint()");
			assert_none(f, "checks.faintMarks()");
			assert_int_equal(browser_number(f->browser, "checks.nameless()"), 0);
			assert_none(f, "checks.tableless()");
			assert_true(browser_number(f->browser, "checks.overflow()") <= 0);
			assert_int_equal(browser_number(f->browser,
							"getComputedStyle(document.body).backgroundColor === "
							"'rgb(255, 255, 255)'"),
					 !dark);
		}
	}
	/* the checks look: a fainter grey, a chart without its text */
	json_decref(browser_eval(f->browser, "document.documentElement.style.setProperty('--muted', '#565b62'), "
					     "document.querySelector('.chart svg').removeAttribute('aria-label')"));
	assert_true(browser_number(f->browser, "checks.faint().length") > 10);
	assert_int_equal(browser_number(f->browser, "checks.nameless()"), 1);
	assert_quiet(f);
}

/* The pages of a PDF as text, form feeds between them; owned by the caller. */
static char *pdf_text(const char *path)
{
	_cleanup_free_ char *program = proc_find("pdftotext"), *out = NULL;
	char *const argv[] = { program, (char *)"-layout", (char *)path, (char *)"-", NULL };
	struct err err = ERR_INIT;

	if (!program)
		return NULL;
	if (proc_capture(argv, now_ns() + 60 * NSEC_PER_SEC, 16 << 20, &out, &err) != 0)
		fail_msg("pdftotext: %s%s", out ? out : "", err.msg);
	return steal_ptr(out);
}

/* Print the open page; how many of its pages begin with "workload NAME", each of @n workloads on one of its own with @rows rows, and
 * nothing of another on it. */
static void assert_prints(const struct fixture *f, const char *const *names, size_t n, const char *cell)
{
	_cleanup_free_ char *pdf = path_join(f->dir, "page.pdf"), *text = NULL;
	size_t found = 0, headings = 0;

	browser_print(f->browser, pdf);
	text = pdf_text(pdf);
	for (char *p = text, *end; (end = strchr(p, '\f')); p = end + 1) {
		_cleanup_free_ char *page = xstrndup(p, (size_t)(end - p));

		for (const char *hit = page; (hit = strstr(hit, "workload ")); hit++)
			headings++;
		for (size_t i = 0; i < n; i++) {
			_cleanup_free_ char *heading = xasprintf("workload %s ", names[i]),
					    *own = xasprintf("%s%s", cell, names[i]);

			if (strncmp(page + strspn(page, " \n"), heading, strlen(heading)))
				continue;
			found++;
			if (!strstr(page, own))
				fail_msg("%s is not on its page: %s", own, strstr(page, "64k.off"));
			assert_non_null(strstr(page, "Memory against cost"));
			assert_non_null(strstr(page, "What the memory is"));
		}
	}
	assert_int_equal(found, n);
	/* in the heading only */
	assert_int_equal(headings, n);
	browser_paper(f->browser, PAPER_PX);
	assert_none(f, "checks.cut()");
}

/* Caught: a workload that spills over its page or shares it, rows that no page has, controls on paper. */
static void test_print(void **state)
{
	const struct fixture *f = *state;
	_cleanup_free_ char *path = NULL, *tool = proc_find("pdftotext"), *all = NULL, *pdf = NULL;

	REQUIRE_BROWSER(f);
	if (!tool) {
		printf("skipped: there is no pdftotext; tools/deps tools/report.list installs it\n");
		skip();
	}
	path = PAGE_OF(f, "print.html", f->run, f->other);
	open_page(f, path, "q=nothing&workload=anon", 1280, true);
	assert_prints(f, workloads, 3, "64k.2m.");
	pdf = path_join(f->dir, "page.pdf");
	all = pdf_text(pdf);
	/* the check looks: a section with a row too many */
	json_decref(browser_eval(
		f->browser,
		"document.querySelector('.workload').append(document.querySelector('.workload').cloneNode(true))"));
	assert_int_equal(browser_number(f->browser, "checks.cut().length") > 0, 1);
	assert_null(strstr(all, "Clear"));
	assert_non_null(strstr(all, "kernel BUG at"));
	assert_quiet(f);
}

/* Caught: a large run whose overview is drawn whole or not to its end, or whose print needs a page more than it has workloads. */
static void test_large(void **state)
{
	const struct fixture *f = *state;
	const struct synthetic base = { .cells = 300, .boots = 2, .samples = 2, .counters = 8, .seed = 1 };
	struct synthetic other = base;
	static const char *const names[] = { "w0", "w1", "w2" };
	_cleanup_free_ char *a = path_join(f->dir, "large-a"), *b = path_join(f->dir, "large-b"), *path = NULL,
			    *tool = NULL;
	json_t *data;

	REQUIRE_BROWSER(f);
	other.seed = 2;
	other.shift = 1.1;
	synthetic_run(a, &base);
	synthetic_run(b, &other);
	data = REPORT_JSON(a, b);
	path = write_page(f, data, "large.html");
	open_page(f, path, "", 1280, false);
	assert_int_equal(browser_number(f->browser, "checks.rowCount()"), 300);
	assert_true(browser_number(f->browser, "checks.drawnRows()") < 100);
	assert_int_equal(missing_cells(f, data), 0);
	assert_int_equal(browser_number(f->browser, "checks.type('k4 w2'), checks.rowCount()"), 10);
	assert_int_equal(browser_number(f->browser, "checks.type(''), granule.state.set({sort: 'insns_per_op'}), "
						    "/^k[147]\\./.test(checks.rowNames()[0])"),
			 1);
	tool = proc_find("pdftotext");
	if (tool)
		assert_prints(f, names, 3, ".");
	assert_quiet(f);
	json_decref(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_is_diffs), cmocka_unit_test(test_file),    cmocka_unit_test(test_usage),
		cmocka_unit_test(test_opens),	      cmocka_unit_test(test_modes),   cmocka_unit_test(test_filters),
		cmocka_unit_test(test_hostile),	      cmocka_unit_test(test_reading), cmocka_unit_test(test_print),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
