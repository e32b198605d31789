// SPDX-License-Identifier: GPL-2.0-or-later
/* Recipe texts -> one recipe. Knows YAML and option tables; no package and no image. */
#include "matrix/rootfs.h"

#include <ctype.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "matrix/parse.h"

#define RECIPE_BYTES_MAX (64u << 10)
#define UID_MAX 60000

static const char *const compressions[] = { "none", "lz4", NULL };

#define FIELD(member) .offset = offsetof(struct rootfs_recipe, member)
static const struct option_def recipe_options[] = {
	{ .key = "rootfs", .type = OPT_STRING, FIELD(name), .required = true, .help = "its name" },
	{ .key = "layers", .type = OPT_STRINGS, FIELD(layers), .help = "what it stands on: images/rootfs/LAYER.yaml" },
	{ .key = "suite",
	  .type = OPT_STRING,
	  FIELD(suite),
	  .help = "the Debian suite of its packages, such as trixie" },
	{ .key = "packages",
	  .type = OPT_STRINGS,
	  FIELD(packages),
	  .help = "Debian packages for arm64; what they depend on comes with them, what they recommend does not" },
	{ .key = "drop",
	  .type = OPT_STRINGS,
	  FIELD(drop),
	  .help = "what is left out: globs of absolute paths ('*' also matches '/'); a folder goes with all that is in "
		  "it" },
	{ .key = "keep", .type = OPT_STRINGS, FIELD(keep), .help = "what stays though a drop names it: globs" },
	{ .key = "needs",
	  .type = OPT_STRINGS,
	  FIELD(needs),
	  .help = "files without which it is no good: absolute paths, looked for in the finished image" },
	{ .key = "unaligned",
	  .type = OPT_STRINGS,
	  FIELD(unaligned),
	  .help = "globs of programs that need not run on 64K pages; any other that could not is an error" },
	{ .key = "compress",
	  .type = OPT_ENUM,
	  FIELD(compress),
	  .choices = compressions,
	  .help = "how the image is kept; none by default: the guest's memory and time are measured without "
		  "unpacking" },
	OPTIONS_END,
};

#undef FIELD
#define FIELD(member) .offset = offsetof(struct rootfs_user, member)
static const struct option_def user_options[] = {
	{ .key = "uid",
	  .type = OPT_U64,
	  FIELD(uid),
	  .min = 1,
	  .max = UID_MAX,
	  .required = true,
	  .help = "its number, and that of its group" },
	{ .key = "home", .type = OPT_STRING, FIELD(home), .fallback = "/nonexistent", .help = "its folder" },
	OPTIONS_END,
};

#undef FIELD
#define FIELD(member) .offset = offsetof(struct rootfs_file, member)
static const struct option_def file_options[] = {
	{ .key = "lines", .type = OPT_STRINGS, FIELD(lines), .help = "its lines" },
	{ .key = "from", .type = OPT_PATH, FIELD(from), .help = "a file beside the recipe that it is a copy of" },
	{ .key = "owner", .type = OPT_STRING, FIELD(owner), .fallback = "root", .help = "root, or one of the users" },
	{ .key = "executable",
	  .type = OPT_BOOL,
	  FIELD(executable),
	  .fallback = "false",
	  .help = "mode 0755, else 0644" },
	OPTIONS_END,
};

#undef FIELD
#define FIELD(member) .offset = offsetof(struct rootfs_maven, member)
static const struct option_def maven_options[] = {
	{ .key = "pom",
	  .type = OPT_PATH,
	  FIELD(pom),
	  .required = true,
	  .help = "a project beside the recipe, with exact versions; what it depends on at run time comes, with all "
		  "that "
		  "that depends on" },
	OPTIONS_END,
};
#undef FIELD

static void user_clear(struct rootfs_user *user)
{
	options_free(user_options, user);
	free(user->name);
}

static void file_clear(struct rootfs_file *file)
{
	options_free(file_options, file);
	free(file->path);
}

static void maven_clear(struct rootfs_maven *maven)
{
	options_free(maven_options, maven);
	free(maven->folder);
}

void rootfs_recipe_clear(struct rootfs_recipe *r)
{
	options_free(recipe_options, r);
	for (size_t i = 0; i < r->n_users; i++)
		user_clear(&r->users[i]);
	for (size_t i = 0; i < r->n_files; i++)
		file_clear(&r->files[i]);
	for (size_t i = 0; i < r->n_mavens; i++)
		maven_clear(&r->mavens[i]);
	free(r->users);
	free(r->files);
	free(r->mavens);
	*r = (struct rootfs_recipe){ 0 };
}

static bool absolute_path(const char *s)
{
	return s[0] == '/' && s[1] && !strstr(s, "//") && !strstr(s, "/../") && !ends_with(s, "/..") &&
	       !ends_with(s, "/");
}

/* Debian Policy 5.6.1 for packages; useradd(8)'s rule for users is narrower. */
static bool only(const char *s, const char *more)
{
	for (; *s; s++)
		if (!islower((unsigned char)*s) && !isdigit((unsigned char)*s) && !strchr(more, *s))
			return false;
	return true;
}

static bool package_name(const char *s)
{
	return isalnum((unsigned char)*s) && only(s, "+-.") && strlen(s) >= 2 && strlen(s) <= 128;
}

static bool user_name(const char *s)
{
	return (islower((unsigned char)*s) || *s == '_') && only(s, "_-") && strlen(s) <= 31;
}

/* Rules for the values of lists, or of one value. */
static const struct rule {
	const char *key;
	bool (*holds)(const char *s);
	const char *says;
} rules[] = {
	{ "rootfs", label_valid, "must be a name of letters, digits, '_' and '-', not" },
	{ "layers", label_valid, "takes names of files in images/rootfs without .yaml, not" },
	{ "suite", label_valid, "must be a Debian suite such as trixie, not" },
	{ "packages", package_name, "takes names of Debian packages, not" },
	{ "drop", absolute_path, "takes globs of absolute paths, such as /usr/share/doc, not" },
	{ "keep", absolute_path, "takes globs of absolute paths, such as /usr/share/doc/*/copyright, not" },
	{ "needs", absolute_path, "takes absolute paths, such as /usr/bin/bash, not" },
	{ "unaligned", absolute_path, "takes globs of absolute paths, not" },
};

static int check_rules(const struct source *src, const struct node *map, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct node *key = node_key(map, rules[i].key), *item;

		if (!key)
			continue;
		item = key->next->kind == NODE_LIST ? key->next->first : key->next;
		for (; item; item = key->next->kind == NODE_LIST ? item->next : NULL)
			if (!rules[i].holds(item->value))
				return source_error(src, err, item->at, "'%s' %s %s", rules[i].key, rules[i].says,
						    QUOTED(item->value));
	}
	return 0;
}

static int parse_user(const struct source *src, const struct node *key, struct rootfs_recipe *r, struct err *err)
{
	_cleanup_free_ char *what = xasprintf("user '%s'", key->value);
	struct rootfs_user *user;
	const struct node *home;

	if (!user_name(key->value) || !strcmp(key->value, "root"))
		return source_error(src, err, key->at,
				    "a user's name is small letters, digits, '_' and '-' and not root, not %s",
				    QUOTED(key->value));
	user = VEC_PUSH(r->users, r->n_users);
	user->name = xstrdup(key->value);
	if (options_parse(src, key->next, what, key->at, user_options, user, err) < 0)
		return -1;
	home = node_key(key->next, "home");
	if (home && !absolute_path(user->home))
		return source_error(src, err, home->next->at, "'home' must be an absolute path, not %s",
				    QUOTED(user->home));
	return 0;
}

static int parse_file(const struct source *src, const struct node *key, struct rootfs_recipe *r, struct err *err)
{
	_cleanup_free_ char *what = xasprintf("file '%s'", key->value);
	struct rootfs_file *file;

	if (!absolute_path(key->value))
		return source_error(src, err, key->at, "a file is an absolute path in the root, not %s",
				    QUOTED(key->value));
	file = VEC_PUSH(r->files, r->n_files);
	file->path = xstrdup(key->value);
	if (options_parse(src, key->next, what, key->at, file_options, file, err) < 0)
		return -1;
	if (!file->lines.n == !file->from)
		return source_error(src, err, key->at, "%s needs either 'lines' or 'from'", what);
	return 0;
}

static int parse_maven(const struct source *src, const struct node *key, struct rootfs_recipe *r, struct err *err)
{
	_cleanup_free_ char *what = xasprintf("maven '%s'", key->value);
	struct rootfs_maven *maven;

	if (!absolute_path(key->value))
		return source_error(src, err, key->at, "jars go to an absolute path in the root, not %s",
				    QUOTED(key->value));
	maven = VEC_PUSH(r->mavens, r->n_mavens);
	maven->folder = xstrdup(key->value);
	return options_parse(src, key->next, what, key->at, maven_options, maven, err);
}

/* The sections that are mappings of names. */
static const struct named {
	const char *key;
	const struct option_def *options;
	int (*parse)(const struct source *src, const struct node *key, struct rootfs_recipe *r, struct err *err);
	const char *help;
} named[] = {
	{ "users", user_options, parse_user, "USER: { OPTIONS }, users beside those of base-passwd" },
	{ "files", file_options, parse_file, "/PATH: { OPTIONS }, files beside those of packages" },
	{ "maven", maven_options, parse_maven, "/FOLDER: { OPTIONS }, jars that Maven on this host resolves" },
};

/* The section of @key taken out of @map, so that the table sees only what is its own; NULL: absent. */
static struct node *take_section(struct node *map, const char *name)
{
	for (struct node **at = &map->first; *at; at = &(*at)->next->next) {
		struct node *key = *at;

		if (strcmp(key->value, name) != 0)
			continue;
		*at = key->next->next;
		key->next->next = NULL;
		map->n--;
		return key;
	}
	return NULL;
}

static int parse_named(const struct source *src, const struct named *n, const struct node *section,
		       struct rootfs_recipe *r, struct err *err)
{
	if (section->next->kind != NODE_MAP)
		return source_error(src, err, section->next->at, "'%s' must be a mapping of names, not %s", n->key,
				    node_describe(section->next, (char[QUOTE_SIZE]){ 0 }));
	NODE_EACH_KEY(key, section->next)
	{
		if (n->parse(src, key, r, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_tree(const struct source *src, struct node *root, struct rootfs_recipe *r, struct err *err)
{
	if (root->kind != NODE_MAP)
		return source_error(src, err, root->at, "a recipe is a mapping that begins with `rootfs: NAME`, not %s",
				    node_describe(root, (char[QUOTE_SIZE]){ 0 }));
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		_cleanup_(tree_free_p) struct node *section = take_section(root, named[i].key);

		if (section && parse_named(src, &named[i], section, r, err) < 0)
			return -1;
	}
	if (options_parse(src, root, "the recipe", root->at, recipe_options, r, err) < 0)
		return -1;
	return check_rules(src, root, err);
}

static const struct rootfs_user *find_user(const struct rootfs_recipe *r, const char *name)
{
	for (size_t i = 0; i < r->n_users; i++)
		if (!strcmp(r->users[i].name, name))
			return &r->users[i];
	return NULL;
}

static const struct rootfs_file *find_file(const struct rootfs_recipe *r, const char *path)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (!strcmp(r->files[i].path, path))
			return &r->files[i];
	return NULL;
}

static const struct rootfs_maven *find_maven(const struct rootfs_recipe *r, const char *folder)
{
	for (size_t i = 0; i < r->n_mavens; i++)
		if (!strcmp(r->mavens[i].folder, folder))
			return &r->mavens[i];
	return NULL;
}

/* @upper's behind those of @lower that it does not have, in the place of @upper. */
static void merge_list(struct string_list *upper, struct string_list *lower)
{
	struct string_list all = { 0 };
	struct string_list *each[] = { lower, upper };

	for (size_t l = 0; l < ARRAY_SIZE(each); l++) {
		for (size_t i = 0; i < each[l]->n; i++) {
			bool twice = false;

			for (size_t j = 0; j < all.n; j++)
				twice |= !strcmp(all.v[j], each[l]->v[i]);
			if (twice)
				free(each[l]->v[i]);
			else
				*VEC_PUSH(all.v, all.n) = each[l]->v[i];
		}
		free(each[l]->v);
		*each[l] = (struct string_list){ 0 };
	}
	*upper = all;
}

/* What @lower says goes into @upper where that says nothing; @lower is left for rootfs_recipe_clear(). */
static void merge(struct rootfs_recipe *upper, struct rootfs_recipe *lower)
{
	merge_list(&upper->packages, &lower->packages);
	merge_list(&upper->drop, &lower->drop);
	merge_list(&upper->keep, &lower->keep);
	merge_list(&upper->needs, &lower->needs);
	merge_list(&upper->unaligned, &lower->unaligned);
	if (!upper->suite)
		upper->suite = steal_ptr(lower->suite);
	if (upper->compress < 0)
		upper->compress = lower->compress;
	for (size_t i = 0; i < lower->n_users; i++) {
		if (find_user(upper, lower->users[i].name))
			continue;
		*VEC_PUSH(upper->users, upper->n_users) = lower->users[i];
		lower->users[i] = (struct rootfs_user){ 0 };
	}
	for (size_t i = 0; i < lower->n_files; i++) {
		if (find_file(upper, lower->files[i].path))
			continue;
		*VEC_PUSH(upper->files, upper->n_files) = lower->files[i];
		lower->files[i] = (struct rootfs_file){ 0 };
	}
	for (size_t i = 0; i < lower->n_mavens; i++) {
		if (find_maven(upper, lower->mavens[i].folder))
			continue;
		*VEC_PUSH(upper->mavens, upper->n_mavens) = lower->mavens[i];
		lower->mavens[i] = (struct rootfs_maven){ 0 };
	}
}

static int by_user(const void *a, const void *b)
{
	return strcmp(((const struct rootfs_user *)a)->name, ((const struct rootfs_user *)b)->name);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct rootfs_file *)a)->path, ((const struct rootfs_file *)b)->path);
}

static int by_folder(const void *a, const void *b)
{
	return strcmp(((const struct rootfs_maven *)a)->folder, ((const struct rootfs_maven *)b)->folder);
}

/* What only the whole can tell. @root: of the recipe itself, for the place. */
static int check_whole(const struct source *src, struct rootfs_recipe *r, struct err *err)
{
	const struct place top = { 1, 1 };

	if (!r->suite)
		return source_error(src, err, top, "'suite' is missing: neither the recipe nor a layer names one");
	if (!r->packages.n)
		return source_error(src, err, top, "'packages' is missing: neither the recipe nor a layer names one");
	if (r->n_users)
		qsort(r->users, r->n_users, sizeof(*r->users), by_user);
	if (r->n_files)
		qsort(r->files, r->n_files, sizeof(*r->files), by_path);
	if (r->n_mavens)
		qsort(r->mavens, r->n_mavens, sizeof(*r->mavens), by_folder);
	for (size_t i = 0; i < r->n_users; i++)
		for (size_t j = 0; j < i; j++)
			if (r->users[i].uid == r->users[j].uid)
				return source_error(src, err, top, "users '%s' and '%s' both have uid %llu",
						    r->users[j].name, r->users[i].name,
						    (unsigned long long)r->users[i].uid);
	for (size_t i = 0; i < r->n_files; i++)
		if (strcmp(r->files[i].owner, "root") != 0 && !find_user(r, r->files[i].owner))
			return source_error(src, err, top, "file '%s': there is no user '%s'", r->files[i].path,
					    r->files[i].owner);
	return 0;
}

static int load(const char *path, const char *layers, unsigned int *budget, bool top, struct rootfs_recipe *r,
		struct err *err);

static int load_layers(const struct source *src, const struct node *root, const char *layers, unsigned int *budget,
		       struct rootfs_recipe *r, struct err *err)
{
	const struct node *key = node_key(root, "layers"), *item;

	/* the last of them is the nearest: what it says is not overridden by those before it */
	for (size_t i = r->layers.n; i-- > 0;) {
		_cleanup_(rootfs_recipe_clear) struct rootfs_recipe lower = { .compress = -1 };
		_cleanup_free_ char *path = xasprintf("%s/%s.yaml", layers, r->layers.v[i]);

		item = key->next->kind == NODE_LIST ? key->next->first : key->next;
		for (size_t n = 0; n < i; n++)
			item = item->next;
		if (!path_exists(path))
			return source_error(src, err, item->at, "there is no layer %s: %s is not there",
					    QUOTED(item->value), path);
		if (!*budget)
			return source_error(src, err, item->at, "more than %d layers, or a layer that stands on itself",
					    ROOTFS_LAYERS_MAX);
		(*budget)--;
		if (load(path, layers, budget, false, &lower, err) < 0)
			return -1;
		merge(r, &lower);
	}
	return 0;
}

static int load(const char *path, const char *layers, unsigned int *budget, bool top, struct rootfs_recipe *r,
		struct err *err)
{
	_cleanup_(tree_free_p) struct node *root = NULL;
	_cleanup_free_ char *text = NULL;
	struct source src = { .path = path, .kind = "recipe" };

	if (file_read(path, RECIPE_BYTES_MAX, &text, &src.len, err) < 0) {
		if (err)
			err->kind = ERR_CONFIG; /* the user named the file */
		return -1;
	}
	src.text = text;
	if (tree_parse(&src, &root, err) < 0 || parse_tree(&src, root, r, err) < 0 ||
	    load_layers(&src, root, layers, budget, r, err) < 0)
		return -1;
	return top ? check_whole(&src, r, err) : 0;
}

int rootfs_recipe_load(const char *path, const char *layers, struct rootfs_recipe *ret_recipe, struct err *err)
{
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe r = { .compress = -1 };
	unsigned int budget = ROOTFS_LAYERS_MAX;

	if (load(path, layers, &budget, true, &r, err) < 0)
		return -1;
	if (r.compress < 0)
		r.compress = ROOTFS_LZ4;
	*ret_recipe = r;
	r = (struct rootfs_recipe){ 0 };
	return 0;
}

json_t *rootfs_recipe_json(const struct rootfs_recipe *r)
{
	json_t *o = options_json(recipe_options, r), *users = json_object(), *files = json_object();
	json_t *mavens = json_array();

	/* what they say is in the rest */
	json_object_del(o, "layers");
	for (size_t i = 0; i < r->n_users; i++)
		json_object_set_new(users, r->users[i].name, options_json(user_options, &r->users[i]));
	for (size_t i = 0; i < r->n_files; i++) {
		json_t *file = options_json(file_options, &r->files[i]);

		json_object_del(file, "from");
		json_object_set_new(files, r->files[i].path, file);
	}
	json_object_set_new(o, "users", users);
	json_object_set_new(o, "files", files);
	/* only where there are any: recipes without keep their digests */
	for (size_t i = 0; i < r->n_mavens; i++)
		json_array_append_new(mavens, json_string(r->mavens[i].folder));
	if (r->n_mavens)
		json_object_set(o, "maven", mavens);
	json_decref(mavens);
	return o;
}

char *rootfs_recipe_help(void)
{
	_cleanup_free_ char *own = options_help(recipe_options);
	struct text text = { 0 };

	text_add(&text, "%s", own);
	for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
		_cleanup_free_ char *options = options_help(named[i].options);

		text_add(&text, "\n%s: %s\n\n%s", named[i].key, named[i].help, options);
	}
	return text_steal(&text);
}
