// SPDX-License-Identifier: GPL-2.0-or-later
/* The section `gates`: limits that a run is held to. What a limit means for numbers is compare/gate.c's. */
#include <string.h>

#include "base/mem.h"
#include "matrix/labels.h"
#include "matrix/sections.h"

static const char *const gate_axes[] = { "kernels", "folios", "workloads", "storages", "limit", NULL };
static const char *const gate_bases[] = { "baseline", NULL };

const struct option_def gate_options[] = {
	{ .key = "metric",
	  .type = OPT_STRING,
	  .offset = offsetof(struct gate_rule, metric),
	  .required = true,
	  .help = "The metrics that are held to it: a glob, with or without the phase. page_fault1.insns_per_op, "
		  "memory.*" },
	{ .key = "worse_by",
	  .type = OPT_PERCENT,
	  .offset = offsetof(struct gate_rule, worse_by),
	  .max = 1000000,
	  .help = "Fails if the metric is worse by more than this, in the metric's own direction." },
	{ .key = "longer_by",
	  .type = OPT_PERCENT,
	  .offset = offsetof(struct gate_rule, longer_by),
	  .max = 1000000,
	  .help = "Fails if a time on the instruction clock is longer by more than this." },
	{ .key = "changed_by",
	  .type = OPT_PERCENT,
	  .offset = offsetof(struct gate_rule, changed_by),
	  .max = 1000000,
	  .help = "Fails if the metric moved by more than this, either way." },
	{ .key = "against",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct gate_rule, against),
	  .choices = gate_bases,
	  .help = "Each cell against itself in the baseline run that --against names. Either this or along." },
	{ .key = "along",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct gate_rule, along),
	  .choices = gate_axes,
	  .help = "Within the run, each cell against the one at from on this axis." },
	{ .key = "from",
	  .type = OPT_STRING,
	  .offset = offsetof(struct gate_rule, from),
	  .help = "The base's label on that axis; the first one if not given." },
	{ .key = "kernels",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct gate_rule, kernels),
	  .help = "Labels of the kernels that are held to it; all if not given." },
	{ .key = "folios",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct gate_rule, folios),
	  .help = "Labels of folio profiles; all if not given." },
	{ .key = "workloads",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct gate_rule, workloads),
	  .help = "Labels of workloads; all if not given." },
	{ .key = "storages",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct gate_rule, storages),
	  .help = "Labels of storage profiles; all if not given." },
	{ .key = "limit",
	  .type = OPT_STRINGS,
	  .offset = offsetof(struct gate_rule, limits),
	  .help = "Labels of limits of memory; all if not given." },
	{ .key = "allow_unclear",
	  .type = OPT_BOOL,
	  .offset = offsetof(struct gate_rule, allow_unclear),
	  .fallback = "no",
	  .help = "yes: what these trials cannot tell lets the run pass. no: it ends with exit code 5." },
	{ .key = "why",
	  .type = OPT_STRING,
	  .offset = offsetof(struct gate_rule, why),
	  .help = "What the limit is for, printed where it fails." },
	OPTIONS_END,
};

static const struct node *second_of(const struct node *rule, const char *const *keys)
{
	size_t n = 0;

	for (; *keys; keys++) {
		const struct node *key = node_key(rule, *keys);

		if (key && n++)
			return key;
	}
	return NULL;
}

/* Exactly one limit, and exactly one thing to compare with. */
static int check_keys(const struct parsing *p, const struct node *node, const struct gate_rule *rule, struct err *err)
{
	static const char *const limits[] = { "worse_by", "longer_by", "changed_by", NULL };
	static const char *const bases[] = { "against", "along", NULL };
	const struct node *limit = second_of(node, limits), *base = second_of(node, bases);

	if (limit)
		return source_error(p->src, err, limit->at, "a gate has one limit; make two gates of it");
	if (rule->worse_by < 0 && rule->longer_by < 0 && rule->changed_by < 0)
		return source_error(p->src, err, node->at,
				    "this gate has no limit: add 'worse_by', 'longer_by' or 'changed_by', as in "
				    "`longer_by: 1%%`");
	if (base)
		return source_error(p->src, err, base->at,
				    "a gate compares with one thing: 'against: baseline' or 'along: AXIS'");
	if (rule->against < 0 && rule->along < 0)
		return source_error(p->src, err, node->at,
				    "this gate compares with nothing: add 'against: baseline' or 'along: AXIS'");
	if (rule->from && rule->along < 0)
		return source_error(p->src, err, node_key(node, "from")->at,
				    "'from' is a label on the axis of 'along'");
	return 0;
}

static int parse_gate(struct parsing *p, const struct section *s, const struct node *node, const struct axes *axes,
		      struct err *err)
{
	const struct axis *each[] = { &axes->kernels, &axes->folios, &axes->workloads, &axes->storages, &axes->limits };
	struct gate_rule *rule = VEC_PUSH(p->matrix->gates, p->matrix->n_gates);

	rule->line = (int)node->at.line;
	if (options_parse(p->src, node, "a gate", node->at, s->options, rule, err) < 0 ||
	    check_keys(p, node, rule, err) < 0)
		return -1;
	for (size_t i = 0; gate_axes[i]; i++)
		if (check_labels(p, node, gate_axes[i], each[i], err) < 0)
			return -1;
	return rule->from ? check_labels(p, node, "from", each[rule->along], err) : 0;
}

int parse_gates(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		struct err *err)
{
	(void)unused;
	return parse_rules(p, s, value, parse_gate, err);
}

json_t *gates_json(const struct matrix *matrix)
{
	json_t *gates = json_array();

	for (size_t i = 0; i < matrix->n_gates; i++)
		json_array_append_new(gates, options_json(gate_options, &matrix->gates[i]));
	return gates;
}
