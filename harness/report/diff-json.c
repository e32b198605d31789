// SPDX-License-Identifier: GPL-2.0-or-later
/* A comparison as JSON. The keys are documented in results/README.md, "granule diff --format json". */
#include "report/report.h"

#include <math.h>
#include <string.h>

static void set_number(json_t *o, const char *key, double v)
{
	/* JSON knows no NaN and no infinity: such a key is absent */
	if (isfinite(v))
		json_object_set_new(o, key, json_real(v));
}

static json_t *side_json(const struct side *side)
{
	json_t *o, *values;

	if (!side->present)
		return json_null();
	o = json_object();
	values = json_array();
	set_number(o, "median", side->median);
	set_number(o, "min", side->min);
	set_number(o, "max", side->max);
	for (size_t i = 0; i < side->n_boots; i++)
		json_array_append_new(values, json_real(side->values[i]));
	json_object_set_new(o, "boots", values);
	json_object_set_new(o, "samples", json_integer((json_int_t)side->n_samples));
	return o;
}

static json_t *origins_json(const struct row *row)
{
	json_t *origins = json_array();

	for (size_t i = 0; i < row->n_origins; i++)
		json_array_append_new(origins, json_pack("{ss,sf,sf}", "function", row->origins[i].function, "base",
							 row->origins[i].base, "other", row->origins[i].other));
	return origins;
}

static json_t *row_json(const struct row *row)
{
	json_t *o = json_pack("{ss,ss,ss,ss,sb,sb,sb,sI}", "name", row->name, "unit", row->metric->unit, "class",
			      metric_class_names[row->metric->class], "direction",
			      metric_direction_names[row->metric->direction], "primary", row->primary, "counts",
			      row->counts, "exploratory", !row->counts, "seeds", (json_int_t)row->n_pairs);

	json_object_set_new(o, "base", side_json(&row->base));
	json_object_set_new(o, "other", side_json(&row->other));
	set_number(o, "resolution", row->resolution);
	if (row->has_floor) {
		set_number(o, "floor", row->floor);
		json_object_set_new(o, "timed", json_boolean(row->timed));
	}
	if (row->has_change)
		set_number(o, "change", row->change);
	if (row->has_interval) {
		set_number(o, "low", row->low);
		set_number(o, "high", row->high);
	}
	set_number(o, "corrected_low", row->corrected_low);
	set_number(o, "corrected_high", row->corrected_high);
	set_number(o, "p", row->p);
	if (row->bootstrap.known)
		json_object_set_new(o, "bootstrap",
				    json_pack("{sf,sf}", "low", row->bootstrap.low, "high", row->bootstrap.high));
	json_object_set_new(o, "interval", json_string(row->taken.by_ranks ? "ranks" : "paired t"));
	json_object_set_new(o, "verdict", json_string(verdict_names[row->verdict]));
	if (row->reason)
		json_object_set_new(o, "reason", json_string(row->reason));
	if (row->n_origins)
		json_object_set_new(o, "origins", origins_json(row));
	if (row->more_seeds)
		json_object_set_new(o, "more_seeds", json_integer((json_int_t)row->more_seeds));
	return o;
}

static json_t *pair_json(const struct pair *pair)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < pair->n_rows; i++)
		json_array_append_new(rows, row_json(&pair->rows[i]));
	return json_pack("{ss,sI,ss,ss,ss,ss,sI,sI,sI,s{sI,sI,sI,sI,sf},so}", "name", pair->name, "arm",
			 (json_int_t)pair->arm, "base", pair->base->id, "other", pair->other->id, "base_basis",
			 basis_names[pair->base->basis], "other_basis", basis_names[pair->other->basis], "seeds",
			 (json_int_t)pair->n_pairs, "samples", (json_int_t)pair->n_samples, "corrected_for",
			 (json_int_t)pair->n_corrected, "failed_boots", "base", (json_int_t)pair->n_failed[0],
			 "of_base", (json_int_t)pair->n_ended[0], "other", (json_int_t)pair->n_failed[1], "of_other",
			 (json_int_t)pair->n_ended[1], "p", pair->failed_p, "metrics", rows);
}

static void add_lists(const struct comparison *c, json_t *o)
{
	json_t *arms = json_array(), *kernels = json_array(), *differences = json_array(), *troubles = json_array(),
	       *unseen = json_array();

	for (size_t i = 0; i < c->n_arms; i++)
		json_array_append_new(
			arms, json_pack("{ss,ss}", "base", c->arms[i].base_label, "other", c->arms[i].other_label));
	for (size_t i = 0; i < c->n_kernels; i++) {
		const struct kernel_fact *k = &c->kernels[i];

		json_array_append_new(kernels, json_pack("{sI,s{ss,ss,sI},s{ss,ss,sI}}", "arm", (json_int_t)k->arm,
							 "base", "label", k->base_label, "release", k->base_release,
							 "page_bytes", (json_int_t)k->base_page_bytes, "other", "label",
							 k->other_label, "release", k->other_release, "page_bytes",
							 (json_int_t)k->other_page_bytes));
	}
	for (size_t i = 0; i < c->n_differences; i++) {
		const struct difference *d = &c->differences[i];

		json_array_append_new(differences,
				      json_pack("{ss,ss,ss,sI,ss,sI}", "path", d->path, "base", d->base, "other",
						d->other, "arm", (json_int_t)d->arm, "severity",
						severity_names[d->severity], "pairs", (json_int_t)d->n_pairs));
	}
	for (size_t i = 0; i < c->n_troubles; i++) {
		const struct trouble *t = &c->troubles[i];

		json_array_append_new(troubles,
				      json_pack("{ss,ss,sI,ss,ss,sb}", "cell", t->cell, "side", t->arm, "boot",
						(json_int_t)t->boot, "outcome",
						t->outcome == OUTCOME_OK ? "unpaired" : outcome_names[t->outcome],
						"reason", t->reason, "failed", t->failed));
	}
	for (size_t i = 0; i < c->n_unseen; i++)
		json_array_append_new(unseen, json_string(c->unseen[i]));
	json_object_set_new(o, "arms", arms);
	json_object_set_new(o, "kernels", kernels);
	json_object_set_new(o, "differences", differences);
	json_object_set_new(o, "not_compared", troubles);
	json_object_set_new(o, "unseen", unseen);
}

json_t *report_diff_lists(const struct comparison *c)
{
	json_t *o = json_object();

	add_lists(c, o);
	return o;
}

json_t *report_diff_json(const struct comparison *c)
{
	json_t *o = json_object(), *pairs = json_array(), *verdicts = json_object();

	json_object_set_new(o, "schema", json_string(REPORT_SCHEMA));
	json_object_set_new(o, "kind", json_string("diff"));
	json_object_set_new(o, "base", json_string(c->base_dir));
	json_object_set_new(o, "other", json_pack("s?", c->other_dir));
	json_object_set_new(o, "along", json_pack("s?", c->axis));
	json_object_set_new(o, "effect", json_real(c->options.effect));
	json_object_set_new(o, "confidence", json_real(c->options.confidence));
	json_object_set_new(o, "qemu", json_pack("s?", c->qemu));
	json_object_set_new(o, "reused", json_integer((json_int_t)c->n_reused));
	json_object_set_new(o, "floor", json_pack("s?", c->options.floors ? c->options.floors->dir : NULL));
	add_lists(c, o);
	for (size_t i = 0; i < c->n_pairs; i++)
		json_array_append_new(pairs, pair_json(&c->pairs[i]));
	json_object_set_new(o, "pairs", pairs);
	for (int v = 0; v <= VERDICT_NOT_JUDGED; v++)
		json_object_set_new(verdicts, verdict_names[v], json_integer((json_int_t)c->by_verdict[v]));
	json_object_set_new(o, "verdicts", verdicts);
	return o;
}
