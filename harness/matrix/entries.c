// SPDX-License-Identifier: GPL-2.0-or-later
/* The sections' parsers: the walk over labels and rules, and what no option table can say. */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/labels.h"
#include "matrix/sections.h"
#include "workloads/workload.h"

#define APPEND_MAX 1024 /* bytes; arm64's COMMAND_LINE_SIZE is 2048, and granule has words of its own */

int parse_name(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
	       struct err *err)
{
	(void)key;
	if (value->kind != NODE_SCALAR)
		return source_error(p->src, err, value->at, "'%s' must be a name, not %s", s->key,
				    node_describe(value, (char[QUOTE_SIZE]){ 0 }));
	if (!label_valid(value->value))
		return source_error(
			p->src, err, value->at,
			"%s is not a name: letters, digits, '-' and '_', at most 64, the first a letter or digit",
			QUOTED(value->value));
	p->matrix->name = xstrdup(value->value);
	return 0;
}

int parse_guest(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		struct err *err)
{
	struct guest_spec *guest = &p->matrix->guest;

	if (options_parse(p->src, value, s->key, key ? key->at : p->root->at, s->options, guest, err) < 0)
		return -1;
	if (guest->memory_bytes % (1u << 20))
		return source_error(p->src, err, node_key(value, "memory")->next->at, "'memory' must be whole MiB");
	return 0;
}

static int check_label(const struct parsing *p, const struct node *key, struct err *err)
{
	if (label_valid(key->value))
		return 0;
	return source_error(p->src, err, key->at,
			    "%s is not a label: letters, digits, '-' and '_', at most 64, the first a letter or digit",
			    QUOTED(key->value));
}

/* The place of @name's value in @map, which holds it. */
static struct place value_at(const struct node *map, const char *name)
{
	return node_key(map, name)->next->at;
}

static bool only(const char *s, const char *more)
{
	for (; *s; s++)
		if (!isdigit((unsigned char)*s) && !islower((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

/* What goes with what: of a kernel that is built, and of one that is there. */
static int check_kernel_keys(const struct parsing *p, const struct node *key, const struct kernel_spec *k,
			     struct err *err)
{
	static const char *const with_source[] = { "suite", "config", NULL }, *const with_image[] = { "modules", NULL };
	const struct node *map = key->next;
	const char *const *strange = k->source ? with_image : with_source;

	if (k->source && k->image)
		return source_error(p->src, err, node_key(map, "image")->at,
				    "kernel '%s' has both 'source' and 'image'; give one of them", k->label);
	if (!k->source && !k->image)
		return source_error(p->src, err, key->at,
				    "kernel '%s' needs 'source' (a Debian source package) or 'image' (a path)",
				    k->label);
	for (; *strange; strange++)
		if (node_key(map, *strange))
			return source_error(p->src, err, node_key(map, *strange)->at,
					    "kernel '%s': '%s' goes with '%s', not with '%s'", k->label, *strange,
					    k->source ? "image" : "source", k->source ? "source" : "image");
	if (k->source && !k->suite)
		return source_error(p->src, err, key->at,
				    "kernel '%s': 'suite' is missing: the Debian suite of %s, such as trixie", k->label,
				    QUOTED(k->source));
	if (k->source && !k->page_bytes)
		return source_error(p->src, err, key->at, "kernel '%s': 'pages' is missing: 4K, 16K or 64K", k->label);
	return 0;
}

/* Names that become parts of paths, package names and a command line. */
static int check_kernel_names(const struct parsing *p, const struct node *map, const struct kernel_spec *k,
			      struct err *err)
{
	const char *prefix = "linux-source-";

	if (k->source && (!starts_with(k->source, prefix) || !isdigit((unsigned char)k->source[strlen(prefix)]) ||
			  !only(k->source, ".+-")))
		return source_error(
			p->src, err, value_at(map, "source"),
			"'source' must be a package named linux-source-VERSION, such as linux-source-6.12, not %s",
			QUOTED(k->source));
	if (k->suite && (!isalpha((unsigned char)k->suite[0]) || !only(k->suite, "-")))
		return source_error(p->src, err, value_at(map, "suite"),
				    "'suite' must be the name of a Debian suite, such as trixie, not %s",
				    QUOTED(k->suite));
	if (k->config && !label_valid(k->config))
		return source_error(p->src, err, value_at(map, "config"),
				    "'config' must name a file images/kernels/NAME.config without '.config', not %s",
				    QUOTED(k->config));
	if (k->append && strlen(k->append) > APPEND_MAX)
		return source_error(p->src, err, value_at(map, "append"), "'append' is longer than %d bytes",
				    APPEND_MAX);
	for (const char *s = k->append; s && *s; s++)
		if ((unsigned char)*s > 0x7e)
			return source_error(p->src, err, value_at(map, "append"), "'append' must be plain ASCII");
	return 0;
}

int parse_kernels(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		  struct err *err)
{
	(void)unused;
	NODE_EACH_KEY(key, value)
	{
		_cleanup_free_ char *what = xasprintf("kernel %s", QUOTED(key->value));
		struct kernel_spec *k;

		if (check_label(p, key, err) < 0)
			return -1;
		k = VEC_PUSH(p->matrix->kernels, p->matrix->n_kernels);
		k->label = xstrdup(key->value);
		k->line = (int)key->at.line;
		if (options_parse(p->src, node_empty(key->next) ? NULL : key->next, what, key->at, s->options, k, err) <
			    0 ||
		    check_kernel_keys(p, key, k, err) < 0 || check_kernel_names(p, key->next, k, err) < 0)
			return -1;
		if (k->source && !k->config)
			k->config = xstrdup("micro");
	}
	return 0;
}

int parse_folios(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		 struct err *err)
{
	struct matrix *m = p->matrix;

	(void)unused;
	if (!value) {
		struct folio_profile *f = VEC_PUSH(m->folios, m->n_folios);

		f->label = xstrdup("default");
		options_defaults(s->options, f);
		return 0;
	}
	NODE_EACH_KEY(key, value)
	{
		_cleanup_free_ char *what = xasprintf("folio profile %s", QUOTED(key->value));
		struct folio_profile *f;

		if (check_label(p, key, err) < 0)
			return -1;
		f = VEC_PUSH(m->folios, m->n_folios);
		f->label = xstrdup(key->value);
		f->line = (int)key->at.line;
		if (options_parse(p->src, node_empty(key->next) ? NULL : key->next, what, key->at, s->options, f, err) <
		    0)
			return -1;
		/* a guest that may not use a quarter of its memory dies of it, hours into a run */
		if (f->min_free_kbytes > m->guest.memory_bytes / 1024 / 4)
			return source_error(p->src, err, value_at(key->next, "min_free_kbytes"),
					    "'min_free_kbytes' is more than a quarter of the guest's memory, %llu KiB",
					    (unsigned long long)m->guest.memory_bytes / 1024);
	}
	return 0;
}

static int unknown_workload(const struct parsing *p, const struct node *name, struct err *err)
{
	_cleanup_free_ const char **names = NULL;
	size_t n = 0;

	for (size_t i = 0; workloads[i]; i++)
		*VEC_PUSH(names, n) = workloads[i]->name;
	return unknown_name_error(p->src, name, "unknown workload", names, n, "there are", err);
}

static int parse_workload(const struct parsing *p, const struct node *key, struct workload_spec *w, struct err *err)
{
	const struct node *name = key->next->kind == NODE_MAP ? key->next->first : NULL, *params;
	_cleanup_free_ char *what = NULL, *objection = NULL;

	if (!name || key->next->n != 1)
		return source_error(p->src, err, name ? name->next->next->at : key->at,
				    "workload '%s' must name one workload: %s: { will-it-scale: { ... } }", w->label,
				    w->label);
	w->type = workload_find(name->value);
	if (!w->type)
		return unknown_workload(p, name, err);
	what = xasprintf("workload '%s'", w->type->name);
	params = node_empty(name->next) ? NULL : name->next;
	w->params = xcalloc(1, w->type->params_size);
	if (options_parse(p->src, params, what, name->at, w->type->options, w->params, err) < 0)
		return -1;
	objection = w->type->check ? w->type->check(w->params) : NULL;
	if (objection)
		return source_error(p->src, err, name->at, "%s: %s", what, objection);
	return 0;
}

int parse_workloads(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		    struct err *err)
{
	(void)s;
	(void)unused;
	NODE_EACH_KEY(key, value)
	{
		struct workload_spec *w;

		if (check_label(p, key, err) < 0)
			return -1;
		w = VEC_PUSH(p->matrix->workloads, p->matrix->n_workloads);
		w->label = xstrdup(key->value);
		w->line = (int)key->at.line;
		if (parse_workload(p, key, w, err) < 0)
			return -1;
	}
	return 0;
}

int parse_trials(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		 struct err *err)
{
	return options_parse(p->src, value, s->key, key ? key->at : p->root->at, s->options, &p->matrix->trials, err);
}

/* Every label that @rule names under @key must be one of @axis. */
static int check_defined(const struct parsing *p, const struct node *rule, const char *key, const struct axis *axis,
			 struct err *err)
{
	const struct node *at = node_key(rule, key), *item;
	_cleanup_free_ char *what = NULL;

	if (!at)
		return 0;
	what = xasprintf("'%s' has no label", key);
	item = at->next->kind == NODE_LIST ? at->next->first : at->next;
	for (; item; item = at->next->kind == NODE_LIST ? item->next : NULL)
		if (axis_find(axis, item->value) == SIZE_MAX)
			return unknown_name_error(p->src, item, what, axis->labels, axis->n, "its labels are", err);
	return 0;
}

static int parse_rule(struct parsing *p, const struct section *s, const struct node *node, const struct axes *axes,
		      struct err *err)
{
	struct skip_rule *rule = VEC_PUSH(p->matrix->skips, p->matrix->n_skips);

	rule->line = (int)node->at.line;
	if (options_parse(p->src, node, "a skip rule", node->at, s->options, rule, err) < 0)
		return -1;
	if (!rule->kernels.n && !rule->folios.n && !rule->workloads.n)
		return source_error(p->src, err, node->at,
				    "this rule skips every cell; name some 'kernels', 'folios' or 'workloads'");
	if (check_defined(p, node, "kernels", &axes->kernels, err) < 0 ||
	    check_defined(p, node, "folios", &axes->folios, err) < 0)
		return -1;
	return check_defined(p, node, "workloads", &axes->workloads, err);
}

int parse_skips(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		struct err *err)
{
	struct axes axes;
	int r = 0;

	(void)key;
	if (!value)
		return 0;
	if (value->n > OPTION_LIST_MAX)
		return source_error(p->src, err, value->at, "'skip' holds %zu rules; the limit is %d", value->n,
				    OPTION_LIST_MAX);
	axes_make(p->matrix, &axes);
	for (const struct node *node = value->first; node && !r; node = node->next)
		r = parse_rule(p, s, node, &axes, err);
	axes_free(&axes);
	return r;
}
