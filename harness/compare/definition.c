// SPDX-License-Identifier: GPL-2.0-or-later
/* Walks two JSON trees side by side. The table of severities is the policy; the rest is mechanism. */
#include "compare/definition.h"

#include <fnmatch.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define GROUPS_MAX 400 /* no reader wants more, and finding one is linear */

const char *const severity_names[] = { "subject", "note", "time not judged", "nothing judged", NULL };

/* The first pattern that matches counts. @axis: on these axes (or, "kernels", between two runs) it is the subject. */
static const struct rule {
	const char *pattern;
	const char *axis;
	enum severity severity;
	bool ignored;
} rules[] = {
	{ "*.label", NULL, SEVERITY_NOTE, true },
	{ "kernel.packages", NULL, SEVERITY_NOTE, true }, /* origin has their version, recipe their digest */
	{ "kernel.compiler", NULL, SEVERITY_TIME, false },
	{ "kernel.*", "kernels", SEVERITY_ALL, false },
	{ "command_line", "kernels folios storages", SEVERITY_ALL, false }, /* `append`, and words of a profile */
	{ "cpu_model", NULL, SEVERITY_TIME, false },
	{ "folio.*", "folios", SEVERITY_ALL, false },
	{ "workload.*", "workloads", SEVERITY_ALL, false },
	{ "programs.init", NULL, SEVERITY_NOTE, false },	 /* the agent sleeps while others are measured */
	{ "programs.lib/modules/*", NULL, SEVERITY_NOTE, true }, /* kernel.modules is the digest over them */
	{ "programs.root.image", NULL, SEVERITY_NOTE, true },	 /* rootfs.sha256 is its digest */
	{ "rootfs.*", "workloads", SEVERITY_ALL, false },
	{ "programs.*.layer", NULL, SEVERITY_NOTE, true }, /* prepared has their digests */
	{ "prepared.*", "workloads storages", SEVERITY_ALL, false },
	/* made on the cell's base page, so no two of them can be equal */
	{ "prepared_per_page.*", "kernels workloads storages", SEVERITY_ALL, false },
	{ "programs.mkfs/*", NULL, SEVERITY_NOTE, true },	    /* storage.tools has their versions and digests */
	{ "programs.*/files/*", "workloads", SEVERITY_ALL, false }, /* the user's own */
	{ "programs.*", "workloads", SEVERITY_TIME, false },
	{ "guest.accel", NULL, SEVERITY_NOTE, false }, /* the basis that came of it has its own rule */
	{ "guest.timeout*", NULL, SEVERITY_NOTE, false },
	{ "guest.*", NULL, SEVERITY_ALL, false },
	{ "storage.packages", NULL, SEVERITY_NOTE, true }, /* tools has the digest of what came out of them */
	{ "storage.*", "storages", SEVERITY_ALL, false },
	{ "limit", "limit", SEVERITY_ALL, false },
	{ "trials.*", NULL, SEVERITY_NOTE, false },
	{ "knobs.*", "folios storages", SEVERITY_NOTE, false },
	/* the same QEMU repeats to the bit on any host, another version gives other values (reference/lab.md) */
	{ "host.qemu_version", NULL, SEVERITY_TIME, false },
	{ "host.sealed", NULL, SEVERITY_TIME, false },
	/* of boots on hardware: what decides how fast a machine is beside the machine (guest/provenance.h) */
	{ "hardware.*", NULL, SEVERITY_ALL, false },
	{ "host.guest", NULL, SEVERITY_ALL, false }, /* the fake one */
	{ "host.*", NULL, SEVERITY_NOTE, false },
	{ "*", NULL, SEVERITY_ALL, false },
};

struct walk {
	const char *axis;
	size_t arm;
	struct comparison *comparison;
	struct pair_facts *facts;
};

static char *value_text(const json_t *v)
{
	if (!v)
		return xstrdup("-");
	if (json_is_string(v))
		return xstrdup(json_string_value(v));
	return json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(10));
}

static enum severity severity_of(const char *path, const char *axis, bool *ignored)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];

		if (fnmatch(r->pattern, path, 0))
			continue;
		*ignored = r->ignored;
		return r->axis && strstr(r->axis, axis ? axis : "kernels") ? SEVERITY_SUBJECT : r->severity;
	}
	*ignored = true;
	return SEVERITY_NOTE;
}

static void note(struct walk *w, const char *path, const json_t *a, const json_t *b)
{
	struct comparison *c = w->comparison;
	_cleanup_free_ char *base = value_text(a), *other = value_text(b);
	struct difference *d = NULL;
	enum severity severity;
	bool ignored;

	severity = severity_of(path, w->axis, &ignored);
	if (ignored)
		return;
	/* another machine is another speed, except to the instruction clock */
	if (starts_with(path, "host.host") && w->facts->base->basis == BASIS_HARDWARE)
		severity = SEVERITY_TIME;
	for (size_t i = 0; !d && i < c->n_differences; i++)
		if (c->differences[i].arm == w->arm && !strcmp(c->differences[i].path, path) &&
		    !strcmp(c->differences[i].base, base) && !strcmp(c->differences[i].other, other))
			d = &c->differences[i];
	if (!d && c->n_differences >= GROUPS_MAX) {
		if (severity == SEVERITY_ALL && !w->facts->confounder)
			w->facts->confounder = "the definition";
		if (severity == SEVERITY_TIME && !w->facts->time_confounder)
			w->facts->time_confounder = "the definition";
		return;
	}
	if (!d) {
		d = VEC_PUSH(c->differences, c->n_differences);
		*d = (struct difference){ xstrdup(path), steal_ptr(base), steal_ptr(other), w->arm, severity, 0 };
	}
	d->n_pairs++;
	/* the strings are on the heap of their own, so a growing array does not move them */
	if (severity == SEVERITY_ALL && !w->facts->confounder)
		w->facts->confounder = d->path;
	if (severity == SEVERITY_TIME && !w->facts->time_confounder)
		w->facts->time_confounder = d->path;
	if (starts_with(path, "folio."))
		w->facts->folios_differ = true;
	if (starts_with(path, "storage."))
		w->facts->storages_differ = true;
}

static void walk(struct walk *w, const char *path, const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	if (a && b && json_equal(a, b))
		return;
	if (!json_is_object(a) || !json_is_object(b)) {
		note(w, path, a, b);
		return;
	}
	json_object_foreach((json_t *)a, key, value)
	{
		_cleanup_free_ char *deeper = xasprintf("%s%s%s", path, *path ? "." : "", key);

		walk(w, deeper, value, json_object_get(b, key));
	}
	json_object_foreach((json_t *)b, key, value)
	{
		_cleanup_free_ char *deeper = xasprintf("%s%s%s", path, *path ? "." : "", key);

		if (!json_object_get(a, key))
			walk(w, deeper, NULL, value);
	}
}

/* Everything that lies behind a cell, as one tree. Knobs that only one side has depend on its page size: left out. */
static json_t *behind(const struct cell_data *data, const struct cell_data *partner)
{
	const struct cell_record *cell = data->cell;
	json_t *o = cell->definition ? json_copy(cell->definition) : json_object();
	json_t *programs = json_object(), *knobs = json_object(), *host = data->host ? json_copy(data->host) : NULL;
	const char *key;
	json_t *value;

	json_object_set_new(o, "command_line", json_string(cell->command_line ? cell->command_line : ""));
	json_object_set_new(o, "cpu_model", json_string(cell->cpu_model ? cell->cpu_model : ""));
	for (size_t i = 0; i < cell->n_programs; i++)
		json_object_set_new(programs, cell->programs[i].guest_path, json_string(cell->programs[i].sha256));
	json_object_set_new(o, "programs", programs);
	json_object_foreach(data->knobs, key, value) if (json_object_get(partner->knobs, key))
		json_object_set(knobs, key, value);
	json_object_set_new(o, "knobs", knobs);
	if (json_is_object(host) && json_is_object(partner->host)) {
		/* of one attempt, or of the cell and compared there */
		static const char *const passing[] = {
			"seed",		 "time_s",	     "host_load_1m",
			"slot",		 "libvirt_root",     "libvirt_root_reason",
			"basis",	 "basis_reason",     "cpu_model",
			"kernel_sha256", "initramfs_sha256",
		};

		for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
			json_object_del(host, passing[i]);
		json_object_del(host, "hardware"); /* of all boots, below */
		json_object_set(o, "host", host);
	}
	if (data->hardware && partner->hardware)
		json_object_set(o, "hardware", data->hardware);
	json_decref(host);
	return o;
}

/* What changed between the boots of one cell differs even where both cells saw the same. */
static void note_mixed(struct walk *w, const json_t *base, const json_t *other)
{
	const char *key;
	json_t *value;

	if (!base || !other)
		return;
	json_object_foreach((json_t *)base, key, value)
	{
		_cleanup_free_ char *path = xasprintf("hardware.%s", key);

		if (json_is_array(value) && json_equal(value, json_object_get(other, key)))
			note(w, path, value, value);
	}
}

void definition_compare(const struct cell_data *base, const struct cell_data *other, const char *axis, size_t arm,
			struct comparison *comparison, struct pair_facts *facts)
{
	struct walk w = { .axis = axis, .arm = arm, .comparison = comparison, .facts = facts };
	json_t *a = behind(base, other), *b = behind(other, base);

	walk(&w, "", a, b);
	note_mixed(&w, base->hardware, other->hardware);
	json_decref(a);
	json_decref(b);
}

static int by_severity(const void *x, const void *y)
{
	const struct difference *a = x, *b = y;

	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	if (strcmp(a->path, b->path))
		return strcmp(a->path, b->path);
	if (a->arm != b->arm)
		return a->arm < b->arm ? -1 : 1;
	if (strcmp(a->base, b->base))
		return strcmp(a->base, b->base);
	return strcmp(a->other, b->other);
}

void differences_sort(struct comparison *comparison)
{
	if (comparison->n_differences)
		qsort(comparison->differences, comparison->n_differences, sizeof(*comparison->differences),
		      by_severity);
}
