// SPDX-License-Identifier: GPL-2.0-or-later
/* The sections' parsers: the walk over labels and rules, and what no option table can say. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "matrix/labels.h"
#include "matrix/sections.h"
#include "wire/job.h"
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

int check_label(const struct parsing *p, const struct node *key, struct err *err)
{
	if (label_valid(key->value))
		return 0;
	return source_error(p->src, err, key->at,
			    "%s is not a label: letters, digits, '-' and '_', at most 64, the first a letter or digit",
			    QUOTED(key->value));
}

struct place value_at(const struct node *map, const char *name)
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

/* Where a kernel comes from: exactly one of these keys. */
static const struct origin {
	const char *key, *what;
} origins[] = {
	{ "source", "a Debian source package" },
	{ "git", "a git tree of Linux" },
	{ "package", "a Debian kernel package" },
	{ "image", "a path" },
};

/* The keys that go with some origins only. */
static const struct companion {
	const char *key, *origins[ARRAY_SIZE(origins) + 1];
} companions[] = {
	{ "suite", { "source", "package" } }, { "config", { "source", "git" } }, { "commit", { "git" } },
	{ "patches", { "source", "git" } },   { "modules", { "image" } },	 { "load", { "package", "image" } },
	{ "layout", { "source", "git" } },    { "set", { "source", "git" } },
};

/* The one origin of the kernel that @key names. */
static const struct origin *find_origin(const struct parsing *p, const struct node *key, struct err *err)
{
	const struct origin *found = NULL;
	struct text all = { 0 };
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(origins); i++) {
		const struct node *at = node_key(key->next, origins[i].key);

		text_add(&all, "%s'%s' (%s)",
			 !i			       ? ""
			 : i + 1 < ARRAY_SIZE(origins) ? ", "
						       : " or ",
			 origins[i].key, origins[i].what);
		if (at && found) {
			text_free(&all);
			source_error(p->src, err, at->at, "kernel '%s' has both '%s' and '%s'; give one of them",
				     key->value, found->key, origins[i].key);
			return NULL;
		}
		if (at)
			found = &origins[i];
	}
	list = text_steal(&all);
	if (!found)
		source_error(p->src, err, key->at, "kernel '%s' needs %s", key->value, list);
	return found;
}

static int check_companion(const struct parsing *p, const struct node *key, const struct origin *origin,
			   const struct companion *c, struct err *err)
{
	const struct node *at = node_key(key->next, c->key);
	struct text with = { 0 };
	_cleanup_free_ char *list = NULL;

	for (const char *const *o = c->origins; *o; o++) {
		if (!at || !strcmp(*o, origin->key)) {
			text_free(&with);
			return 0;
		}
		text_add(&with, "%s'%s'", with.len ? " or " : "", *o);
	}
	list = text_steal(&with);
	return source_error(p->src, err, at->at, "kernel '%s': '%s' goes with %s, not with '%s'", key->value, c->key,
			    list, origin->key);
}

/* What goes with what: of a kernel that is built, fetched, or there. */
static int check_kernel_keys(const struct parsing *p, const struct node *key, const struct kernel_spec *k,
			     struct err *err)
{
	const struct origin *origin = find_origin(p, key, err);

	if (!origin)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(companions); i++)
		if (check_companion(p, key, origin, &companions[i], err) < 0)
			return -1;
	if ((k->source || k->package) && !k->suite)
		return source_error(p->src, err, key->at,
				    "kernel '%s': 'suite' is missing: the Debian suite of %s, such as trixie", k->label,
				    QUOTED(k->source ? k->source : k->package));
	if ((k->source || k->git) && !k->page_bytes)
		return source_error(p->src, err, key->at, "kernel '%s': 'pages' is missing: 4K, 16K or 64K", k->label);
	if (k->image && k->load.n && !k->modules)
		return source_error(p->src, err, node_key(key->next, "load")->at,
				    "kernel '%s': 'load' needs 'modules', the archive that they are in", k->label);
	return 0;
}

#define PACKAGE_PREFIX "linux-image-"
#define MODULE_NAME_MAX 55 /* of the kernel's, MODULE_NAME_LEN */

/* A package that holds arm64's vmlinuz, or needs one that does: not debug symbols, not another machine's. */
static int check_package(const struct parsing *p, const struct node *map, const struct kernel_spec *k, struct err *err)
{
	const char *name = k->package;

	if (!name)
		return 0;
	if (!starts_with(name, PACKAGE_PREFIX) || !only(name, ".+-") || strlen(name) > 128)
		return source_error(p->src, err, value_at(map, "package"),
				    "'package' must be a package named linux-image-..., such as linux-image-arm64, "
				    "not %s",
				    QUOTED(name));
	if (ends_with(name, "-dbg"))
		return source_error(p->src, err, value_at(map, "package"),
				    "'package' %s holds debug symbols; name the package without -dbg", QUOTED(name));
	if (!strstr(name, "-arm64"))
		return source_error(p->src, err, value_at(map, "package"),
				    "'package' %s is no arm64 kernel; guests are arm64: linux-image-arm64, "
				    "linux-image-arm64-16k",
				    QUOTED(name));
	return 0;
}

static int check_load(const struct parsing *p, const struct node *map, struct err *err)
{
	const struct node *key = node_key(map, "load"), *item = NULL;

	if (!key)
		return 0;
	item = key->next->kind == NODE_LIST ? key->next->first : key->next;
	for (; item; item = key->next->kind == NODE_LIST ? item->next : NULL)
		if (!label_valid(item->value) || strlen(item->value) > MODULE_NAME_MAX)
			return source_error(p->src, err, item->at,
					    "'load' takes names of modules, such as ext4 or null_blk, not %s",
					    QUOTED(item->value));
	return 0;
}

/* X=VALUE, as Kconfig writes it behind CONFIG_. */
static bool is_setting(const char *s)
{
	const char *eq = strchr(s, '='), *value = eq ? eq + 1 : NULL;
	size_t len = value ? strlen(value) : 0;

	if (!len || eq == s ||
	    (size_t)(eq - s) != strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789"))
		return false;
	if (!strcmp(value, "y") || !strcmp(value, "n"))
		return true;
	if (value[0] == '"')
		return len > 1 && strcspn(value + 1, "\"\\\n") == len - 2 && value[len - 1] == '"';
	return value[strspn(value, "0123456789abcdefxABCDEF-")] == '\0' && isdigit((unsigned char)value[*value == '-']);
}

static int check_set(const struct parsing *p, const struct node *map, struct err *err)
{
	const struct node *key = node_key(map, "set"), *item;

	if (!key)
		return 0;
	item = key->next->kind == NODE_LIST ? key->next->first : key->next;
	for (; item; item = key->next->kind == NODE_LIST ? item->next : NULL)
		if (!is_setting(item->value))
			return source_error(
				p->src, err, item->at,
				"'set' takes options of Kconfig without CONFIG_, such as ARM64_CONTPTE=n, not %s",
				QUOTED(item->value));
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
	if (check_package(p, map, k, err) < 0 || check_load(p, map, err) < 0 || check_set(p, map, err) < 0)
		return -1;
	if (k->suite && (!isalpha((unsigned char)k->suite[0]) || !only(k->suite, "-")))
		return source_error(p->src, err, value_at(map, "suite"),
				    "'suite' must be the name of a Debian suite, such as trixie, not %s",
				    QUOTED(k->suite));
	if (k->config && !label_valid(k->config))
		return source_error(p->src, err, value_at(map, "config"),
				    "'config' must name a file images/kernels/NAME.config without '.config', not %s",
				    QUOTED(k->config));
	if (k->commit && k->commit[0] == '-')
		return source_error(p->src, err, value_at(map, "commit"), "'commit' must name a commit, not %s",
				    QUOTED(k->commit));
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
		if ((k->source || k->git) && !k->config)
			k->config = xstrdup("micro");
	}
	return 0;
}

/* What one key says of another. */
static int check_folio(const struct parsing *p, const struct node *key, const struct folio_profile *f, struct err *err)
{
	static const char *const rates[] = { "pages_to_scan", "scan_sleep_millisecs", "alloc_sleep_millisecs" };
	static const char *const degrees[] = { "fragment_size", "fragment_percent" };
	const struct node *map = key->next->kind == NODE_MAP ? key->next : NULL;

	for (size_t i = 0; map && i < ARRAY_SIZE(rates); i++)
		if (!f->khugepaged && node_key(map, rates[i]))
			return source_error(p->src, err, node_key(map, rates[i])->at,
					    "'%s' needs 'khugepaged: yes'; without it khugepaged is kept from scanning",
					    rates[i]);
	for (size_t i = 0; map && i < ARRAY_SIZE(degrees); i++)
		if (f->state != STATE_FRAGMENTED && node_key(map, degrees[i]))
			return source_error(p->src, err, node_key(map, degrees[i])->at,
					    "'%s' needs 'state: fragmented'", degrees[i]);
	if (f->pages_to_scan.given && !f->pages_to_scan.v)
		return source_error(p->src, err, value_at(map, "pages_to_scan"),
				    "'pages_to_scan' must be at least 1; the kernel refuses 0");
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
		if (check_folio(p, key, f, err) < 0)
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
	const char *about = NULL;

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
	objection = w->type->check ? w->type->check(w->params, &about) : NULL;
	if (objection)
		return source_error(p->src, err,
				    params && about && node_key(params, about) ? value_at(params, about) : name->at,
				    "%s: %s", what, objection);
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

/* "192MiB" -> the label "192m", so that one limit has one label. */
static int add_limit(struct parsing *p, const struct section *s, const struct node *item, struct err *err)
{
	struct matrix *m = p->matrix;
	uint64_t bytes = 0;
	char size[24] = "none";
	struct memory_limit *limit;

	if (item->kind != NODE_SCALAR || (strcmp(item->value, "none") != 0 && !size_parse(item->value, &bytes)))
		return source_error(p->src, err, item->at,
				    "each of '%s' must be a size such as 192MiB, or none, not %s", s->key,
				    node_describe(item, (char[QUOTE_SIZE]){ 0 }));
	if (strcmp(item->value, "none") != 0) {
		if (!bytes || bytes % (1u << 20))
			return source_error(p->src, err, item->at, "each of '%s' must be whole MiB", s->key);
		if (bytes >= m->guest.memory_bytes)
			return source_error(p->src, err, item->at,
					    "a limit of %s is no limit in a guest of %llu MiB; write none",
					    QUOTED(item->value), (unsigned long long)m->guest.memory_bytes >> 20);
		size_format(bytes, size);
	}
	for (char *c = size; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (size_t i = 0; i < m->n_limits; i++)
		if (m->limits[i].bytes == bytes)
			return source_error(p->src, err, item->at, "%s is in '%s' twice", QUOTED(item->value), s->key);
	limit = VEC_PUSH(m->limits, m->n_limits);
	*limit = (struct memory_limit){ xstrdup(size), bytes };
	return 0;
}

int parse_limits(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		 struct err *err)
{
	(void)unused;
	if (!value)
		return 0;
	if (value->n > OPTION_LIST_MAX)
		return source_error(p->src, err, value->at, "'%s' holds %zu values; the limit is %d", s->key, value->n,
				    OPTION_LIST_MAX);
	NODE_EACH_ITEM(item, value)
	{
		if (add_limit(p, s, item, err) < 0)
			return -1;
	}
	return 0;
}

int parse_trials(struct parsing *p, const struct section *s, const struct node *key, const struct node *value,
		 struct err *err)
{
	struct trials *t = &p->matrix->trials;
	const struct node *at;

	if (options_parse(p->src, value, s->key, key ? key->at : p->root->at, s->options, t, err) < 0)
		return -1;
	at = value ? node_key(value, "until") : NULL;
	if (at && t->until.half_width <= 0)
		return source_error(p->src, err, node_key(at->next, "half_width")->next->at,
				    "no number of boots makes an interval as narrow as that");
	if (at && t->until.at_most <= t->seeds)
		return source_error(p->src, err, node_key(at->next, "at_most")->next->at,
				    "'at_most' is to be more than the %" PRIu64 " seeds that are booted in any case",
				    t->seeds);
	at = value ? node_key(value, "series_interval") : NULL;
	if (at && !t->series_s)
		return source_error(p->src, err, at->at, "'series_interval' without 'series'");
	if (!t->series_s)
		return 0;
	if (!t->series_interval_ms)
		t->series_interval_ms = TRIALS_SERIES_INTERVAL_MS;
	at = at ? at : node_key(value, "series");
	if (t->series_interval_ms > t->series_s * 1000)
		return source_error(p->src, err, at->at, "a series of %" PRIu64 " s has no row at %" PRIu64 " ms",
				    t->series_s, t->series_interval_ms);
	if (t->series_s * 1000 / t->series_interval_ms > SERIES_ROWS_MAX)
		return source_error(p->src, err, at->at,
				    "a series of %" PRIu64 " s has %" PRIu64 " rows at %" PRIu64 " ms; at most %d",
				    t->series_s, t->series_s * 1000 / t->series_interval_ms, t->series_interval_ms,
				    SERIES_ROWS_MAX);
	return 0;
}

/* Every label that @rule names under @key must be one of @axis. */
int check_labels(const struct parsing *p, const struct node *rule, const char *key, const struct axis *axis,
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

static int parse_skip(struct parsing *p, const struct section *s, const struct node *node, const struct axes *axes,
		      struct err *err)
{
	struct skip_rule *rule = VEC_PUSH(p->matrix->skips, p->matrix->n_skips);

	rule->line = (int)node->at.line;
	if (options_parse(p->src, node, "a skip rule", node->at, s->options, rule, err) < 0)
		return -1;
	if (!rule->kernels.n && !rule->folios.n && !rule->workloads.n && !rule->storages.n && !rule->limits.n)
		return source_error(p->src, err, node->at,
				    "this rule skips every cell; name some 'kernels', 'folios' or 'workloads'");
	if (check_labels(p, node, "kernels", &axes->kernels, err) < 0 ||
	    check_labels(p, node, "folios", &axes->folios, err) < 0 ||
	    check_labels(p, node, "storages", &axes->storages, err) < 0 ||
	    check_labels(p, node, "limit", &axes->limits, err) < 0)
		return -1;
	return check_labels(p, node, "workloads", &axes->workloads, err);
}

int parse_rules(struct parsing *p, const struct section *s, const struct node *value, rule_parser *one, struct err *err)
{
	struct axes axes;
	int r = 0;

	if (!value)
		return 0;
	if (value->n > OPTION_LIST_MAX)
		return source_error(p->src, err, value->at, "'%s' holds %zu rules; the limit is %d", s->key, value->n,
				    OPTION_LIST_MAX);
	axes_make(p->matrix, &axes);
	for (const struct node *node = value->first; node && !r; node = node->next)
		r = one(p, s, node, &axes, err);
	axes_free(&axes);
	return r;
}

int parse_skips(struct parsing *p, const struct section *s, const struct node *unused, const struct node *value,
		struct err *err)
{
	(void)unused;
	return parse_rules(p, s, value, parse_skip, err);
}
