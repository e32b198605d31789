// SPDX-License-Identifier: GPL-2.0-or-later
/* Gates as JSON. The keys are documented in results/README.md, "granule gate --format json". */
#include "report/report.h"

#include <math.h>

#include "base/mem.h"

static void set_number(json_t *o, const char *key, double v)
{
	if (isfinite(v))
		json_object_set_new(o, key, json_real(v));
}

static void set_text(json_t *o, const char *key, const char *s)
{
	if (s)
		json_object_set_new(o, key, json_string(s));
}

json_t *report_gate_check_json(const struct gate_check *c)
{
	json_t *o = json_object();

	set_text(o, "cell", c->pair->other->id);
	set_text(o, "base_cell", c->pair->base->id);
	set_text(o, "metric", c->row->name);
	set_text(o, "unit", c->row->metric->unit);
	set_number(o, "base", c->row->base.median);
	set_number(o, "other", c->row->other.median);
	if (c->row->has_change)
		set_number(o, "change", c->row->change);
	set_number(o, "low", c->low);
	set_number(o, "high", c->high);
	set_text(o, "result", gate_result_names[c->result]);
	set_text(o, "reason", c->reason);
	return o;
}

static json_t *gate_json(const struct gating *gating, const struct gate *g)
{
	json_t *o = json_object(), *checks = json_array();

	set_text(o, "metric", g->metric);
	set_text(o, "limit", gate_limit_names[g->limit]);
	set_number(o, "by", g->by);
	set_text(o, "along", g->along);
	set_text(o, "from", g->from);
	json_object_set(o, "labels", g->labels);
	json_object_set_new(o, "allow_unclear", json_boolean(g->allow_unclear));
	set_text(o, "why", g->why);
	set_text(o, "result", gate_result_names[g->result]);
	set_text(o, "reason", g->reason);
	for (size_t i = 0; i < gating->n_checks; i++)
		if (gating->checks[i].gate == g)
			json_array_append_new(checks, report_gate_check_json(&gating->checks[i]));
	json_object_set_new(o, "checks", checks);
	return o;
}

json_t *report_gate_json(const struct gating *gating)
{
	json_t *o = json_object(), *gates = json_array();

	set_text(o, "schema", REPORT_SCHEMA);
	set_text(o, "kind", "gate");
	set_text(o, "run", gating->run_dir);
	set_text(o, "baseline", gating->base_dir);
	json_object_set_new(o, "judged", json_integer((json_int_t)gating->n_judged));
	json_object_set_new(o, "exit_code", json_integer(gating_exit_code(gating)));
	for (size_t i = 0; i < gating->n_gates; i++)
		json_array_append_new(gates, gate_json(gating, &gating->gates[i]));
	json_object_set_new(o, "gates", gates);
	return o;
}
