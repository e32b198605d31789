// SPDX-License-Identifier: GPL-2.0-or-later
/* Which modules a guest is to load, and in which order: from depmod's texts to a list of files. Pure. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "image/modules.h"

#define FILES_MAX 256

/* What the stream goes through in the guest that domain.c describes: a virtio console on PCI. */
static const struct driver {
	const char *name;
	bool needed; /* else a part of some other driver in many kernels */
} drivers[] = {
	{ "pci_host_generic", false },
	{ "virtio_pci", true },
	{ "virtio_console", true },
};

/* The module's name of a path, as lsmod would show it: "kernel/drivers/pci/pci-host.ko.xz" is pci_host. */
void module_name(const char *path, size_t len, char buf[MODULE_NAME_SIZE])
{
	const char *slash = memrchr(path, '/', len);
	const char *base = slash ? slash + 1 : path;
	size_t n = 0;

	for (; base < path + len && *base != '.' && n < MODULE_NAME_SIZE - 1; base++)
		buf[n++] = (char)(*base == '-' ? '_' : *base);
	buf[n] = '\0';
}

/* The line of @text (its first word up to a colon or the end of the line) whose module is @name; NULL if there is none. */
static const char *find_module(const char *text, const char *name)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char is[MODULE_NAME_SIZE];

		module_name(line, strcspn(line, ":\n"), is);
		if (strcmp(is, name) == 0)
			return line;
	}
	return NULL;
}

/* Is the @len bytes long word at @p the module's name or alias @word? '-' and '_' are one character. */
static bool is_word(const char *p, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++)
		if (!word[i] || (p[i] == '-' ? '_' : p[i]) != (word[i] == '-' ? '_' : word[i]))
			return false;
	return word[len] == '\0';
}

struct order {
	const struct modules_index *index; /* borrowed */
	char **files;			   /* owned, as their strings */
	size_t n_files;
	const char **seen; /* owned: lines of modules.dep */
	size_t n_seen;
};

static void order_clear(struct order *o)
{
	for (size_t i = 0; i < o->n_files; i++)
		free(o->files[i]);
	free(o->files);
	free(o->seen);
	*o = (struct order){ 0 };
}

static void order_add(struct order *o, const char *line);

/* The modules that @line names behind its colon, the last first: a line lists all that is needed, the deepest last. */
static void order_add_needed(struct order *o, const char *line)
{
	const char *begin = line + strcspn(line, ":\n"), *to = line + strcspn(line, "\n");

	begin += *begin == ':';
	while (to > begin) {
		const char *from = to, *deeper;
		char name[MODULE_NAME_SIZE];

		while (from > begin && from[-1] != ' ')
			from--;
		module_name(from, (size_t)(to - from), name);
		deeper = *name ? find_module(o->index->dep, name) : NULL;
		if (deeper)
			order_add(o, deeper);
		to = from > begin ? from - 1 : from;
	}
}

/* The module that stands for @alias: of several the generic one, since the others are for some CPUs only, and one that
 * does not load ends the guest. NULL: built in, or nowhere. */
static const char *find_alias(const struct modules_index *index, const char *alias)
{
	const char *found = NULL;

	for (const char *line = index->alias; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		const char *word = line + strlen("alias "), *target, *module;
		char name[MODULE_NAME_SIZE];

		if (!starts_with(line, "alias "))
			continue;
		target = word + strcspn(word, " \n");
		if (*target != ' ' || !is_word(word, (size_t)(target - word), alias))
			continue;
		module_name(target + 1, strcspn(target + 1, "\n"), name);
		module = find_module(index->dep, name);
		if (module && (!found || ends_with(name, "_generic")))
			found = module;
	}
	return found;
}

/* What @name wants loaded before it without naming its symbols: "softdep ext4 pre: crypto-crc32c". In a running system
 * modprobe would be called for these, and a guest has none. One that is nowhere is no error: it may be built in. */
static void order_add_soft(struct order *o, const char *name)
{
	for (const char *line = o->index->softdep; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		size_t len = strcspn(line, "\n"), n;
		const char *p = line + strlen("softdep ");
		bool pre = false;

		if (!starts_with(line, "softdep ") || !is_word(p, strcspn(p, " \n"), name))
			continue;
		for (p += strcspn(p, " \n"); p < line + len; p += n) {
			_cleanup_free_ char *word = NULL;
			char module[MODULE_NAME_SIZE];
			const char *deeper;

			p += strspn(p, " ");
			n = strcspn(p, " \n");
			word = xstrndup(p, n);
			if (ends_with(word, ":"))
				pre = strcmp(word, "pre:") == 0;
			if (!*word || ends_with(word, ":") || !pre)
				continue;
			module_name(word, n, module);
			deeper = find_module(o->index->dep, module);
			if (!deeper)
				deeper = find_alias(o->index, word);
			if (deeper)
				order_add(o, deeper);
		}
	}
}

/* First what it depends on, each by its own line; then itself. */
static void order_add(struct order *o, const char *line)
{
	char name[MODULE_NAME_SIZE];

	for (size_t i = 0; i < o->n_seen; i++)
		if (o->seen[i] == line)
			return;
	*VEC_PUSH(o->seen, o->n_seen) = line;
	module_name(line, strcspn(line, ":\n"), name);
	order_add_needed(o, line);
	order_add_soft(o, name);
	*VEC_PUSH(o->files, o->n_files) = xstrndup(line, strcspn(line, ":\n"));
}

static void collect_names(const char *text, char ***names, size_t *n)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		char name[MODULE_NAME_SIZE];

		module_name(line, strcspn(line, ":\n"), name);
		if (*name)
			*VEC_PUSH(*names, *n) = xstrdup(name);
	}
}

static int no_such_module(const char *what, const struct modules_index *index, const char *name, struct err *err)
{
	char **names = NULL;
	const char *near;
	size_t n = 0;

	collect_names(index->dep, &names, &n);
	collect_names(index->builtin, &names, &n);
	near = nearest_name(name, (const char *const *)names, n);
	err_set(err, ERR_CONFIG, "%s: load: no module '%s', and none that is built in%s%s%s", what, name,
		near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return -1;
}

static int add_driver(struct order *o, const char *what, const struct driver *d, struct err *err)
{
	const char *line = find_module(o->index->dep, d->name);

	if (find_module(o->index->builtin, d->name))
		return 0;
	if (line)
		order_add(o, line);
	else if (d->needed)
		return err_set(err, ERR_CONFIG,
			       "%s: no %s, neither as a module nor in modules.builtin: the guest could not say "
			       "anything; build it in (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_CONSOLE)",
			       what, d->name);
	return 0;
}

static int add_wanted(struct order *o, const char *what, const char *wanted, struct err *err)
{
	char name[MODULE_NAME_SIZE];
	const char *line;

	module_name(wanted, strlen(wanted), name);
	if (find_module(o->index->builtin, name))
		return 0;
	line = find_module(o->index->dep, name);
	if (!line)
		return no_such_module(what, o->index, wanted, err);
	order_add(o, line);
	return 0;
}

int modules_order(const char *what, const struct modules_index *index, const struct string_list *load,
		  char ***ret_files, size_t *ret_n, struct err *err)
{
	_cleanup_(order_clear) struct order o = { .index = index };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (add_driver(&o, what, &drivers[i], err) < 0)
			return -1;
	for (size_t i = 0; load && i < load->n; i++)
		if (add_wanted(&o, what, load->v[i], err) < 0)
			return -1;
	if (o.n_files > FILES_MAX)
		return err_set(err, ERR_CONFIG, "%s: load: that is %zu modules with what they need; the limit is %d",
			       what, o.n_files, FILES_MAX);
	*ret_n = o.n_files;
	*ret_files = steal_ptr(o.files);
	o.n_files = 0;
	return 0;
}
