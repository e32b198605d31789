// SPDX-License-Identifier: GPL-2.0-or-later
/* Gates as JUnit XML, the form that CI services read: a suite a gate, a case a metric of a pair of cells, and one suite
 * of the cells that failed. The elements and attributes are those that the common readers agree on
 * (harness/tests/junit.rng). */
#include "report/report.h"

#include <libxml/xmlwriter.h>

#include "base/mem.h"
#include "base/text.h"

/* libxml2 fails in these calls only for want of memory, which is fatal everywhere (STYLE.md). */
static void attribute(xmlTextWriter *w, const char *name, const char *value)
{
	/* text from a guest is made visible where it is read; what is left must be XML's own characters */
	_cleanup_free_ char *clean = xstrdup(value);

	for (char *p = clean; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST clean);
}

static void count(xmlTextWriter *w, const char *name, size_t n)
{
	xmlTextWriterWriteFormatAttribute(w, BAD_CAST name, "%zu", n);
}

static void outcome(xmlTextWriter *w, const char *element, const char *type, const char *message)
{
	xmlTextWriterStartElement(w, BAD_CAST element);
	if (type)
		attribute(w, "type", type);
	attribute(w, "message", message);
	xmlTextWriterEndElement(w);
}

static void write_check(xmlTextWriter *w, const struct gate_check *c)
{
	_cleanup_free_ char *where = gate_check_where(c), *words = gate_check_words(c);

	xmlTextWriterStartElement(w, BAD_CAST "testcase");
	attribute(w, "classname", where);
	attribute(w, "name", c->row->name);
	if (c->result == GATE_FAILED)
		outcome(w, "failure", gate_limit_names[c->gate->limit], words);
	else if (c->result == GATE_UNCLEAR && !c->gate->allow_unclear)
		outcome(w, "error", "unclear", words);
	else if (c->result != GATE_PASSED)
		outcome(w, "skipped", NULL, words);
	xmlTextWriterEndElement(w);
}

/* A gate that judged nothing has no case of its own to say so. */
static bool needs_own_case(const struct gate *g)
{
	return g->reason || (g->result == GATE_NOT_JUDGED && !g->allow_unclear);
}

static void write_gate(xmlTextWriter *w, const struct gating *gating, const struct gate *g)
{
	_cleanup_free_ char *what = gate_describe(g);
	size_t unclear = g->by_result[GATE_UNCLEAR], n = 0;

	for (int r = 0; r <= GATE_FAILED; r++)
		n += g->by_result[r];
	xmlTextWriterStartElement(w, BAD_CAST "testsuite");
	attribute(w, "name", what);
	count(w, "tests", n + needs_own_case(g));
	count(w, "failures", g->by_result[GATE_FAILED] + (g->reason != NULL));
	count(w, "errors", (g->allow_unclear ? 0 : unclear) + (needs_own_case(g) && !g->reason));
	count(w, "skipped", g->by_result[GATE_NOT_JUDGED] + (g->allow_unclear ? unclear : 0));
	if (needs_own_case(g)) {
		xmlTextWriterStartElement(w, BAD_CAST "testcase");
		attribute(w, "classname", "gate");
		attribute(w, "name", what);
		outcome(w, g->reason ? "failure" : "error", gate_result_names[g->result],
			g->reason ? g->reason : "nothing could be judged");
		xmlTextWriterEndElement(w);
	}
	for (size_t i = 0; i < gating->n_checks; i++)
		if (gating->checks[i].gate == g)
			write_check(w, &gating->checks[i]);
	xmlTextWriterEndElement(w);
}

/* Cells that failed; each once, though several comparisons may have met it. */
static void write_cells(xmlTextWriter *w, const struct comparison *c, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_troubles; i++)
		n += c->troubles[i].failed;
	if (!n)
		return;
	xmlTextWriterStartElement(w, BAD_CAST "testsuite");
	attribute(w, "name", name);
	count(w, "tests", n);
	count(w, "failures", 0);
	count(w, "errors", n);
	count(w, "skipped", 0);
	for (size_t i = 0; i < c->n_troubles; i++) {
		const struct trouble *t = &c->troubles[i];
		_cleanup_free_ char *boot = xasprintf("boot %u", t->boot);

		if (!t->failed)
			continue;
		xmlTextWriterStartElement(w, BAD_CAST "testcase");
		attribute(w, "classname", t->cell);
		attribute(w, "name", boot);
		outcome(w, "error", outcome_names[t->outcome], t->reason);
		xmlTextWriterEndElement(w);
	}
	xmlTextWriterEndElement(w);
}

char *report_gate_junit(const struct gating *gating)
{
	xmlBuffer *buffer = xmlBufferCreate();
	xmlTextWriter *w = xmlNewTextWriterMemory(buffer, 0);
	char *text;

	xmlTextWriterSetIndent(w, 1);
	xmlTextWriterStartDocument(w, NULL, "UTF-8", NULL);
	xmlTextWriterStartElement(w, BAD_CAST "testsuites");
	attribute(w, "name", "granule");
	for (size_t i = 0; i < gating->n_gates; i++)
		write_gate(w, gating, &gating->gates[i]);
	for (size_t i = 0; i < gating->n_comparisons; i++) {
		const struct comparison *c = gating->comparisons[i];
		_cleanup_free_ char *name = xasprintf("cells%s%s", c->axis ? " along " : "", c->axis ? c->axis : "");

		write_cells(w, c, name);
	}
	xmlTextWriterEndDocument(w);
	xmlFreeTextWriter(w);
	text = xstrdup((const char *)xmlBufferContent(buffer));
	xmlBufferFree(buffer);
	return text;
}
