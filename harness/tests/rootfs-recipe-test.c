// SPDX-License-Identifier: GPL-2.0-or-later
/* Recipes of root file systems: what layers make of them, and where errors point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "image/recipe.h"
#include "matrix/rootfs.h"
#include "tests/pipeline.h"

static int setup(void **state)
{
	*state = scratch_make();
	return 0;
}

static int teardown(void **state)
{
	scratch_remove(*state);
	return 0;
}

static int load(const char *dir, const char *text, struct rootfs_recipe *ret, struct err *err)
{
	_cleanup_free_ char *path = scratch_write(dir, "r.yaml", text, strlen(text));

	*ret = (struct rootfs_recipe){ 0 };
	return rootfs_recipe_load(path, dir, ret, err);
}

static void put_layer(const char *dir, const char *name, const char *text)
{
	free(scratch_write(dir, name, text, strlen(text)));
}

/* Each error with its place; the caret's line is the source line's next. */
static void bad_recipes_are_pointed_at(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "r.yaml:1:1: the file is empty; a recipe begins with `rootfs: NAME`" },
		{ "- a\n", "r.yaml:1:1: a recipe is a mapping that begins with `rootfs: NAME`, not a list" },
		{ "suite: trixie\n", "r.yaml:1:1: the recipe: 'rootfs' is missing" },
		{ "rootfs: a\npackages: [bash]\n", "r.yaml:1:1: 'suite' is missing" },
		{ "rootfs: a\nsuite: trixie\n", "r.yaml:1:1: 'packages' is missing" },
		{ "rootfs: a\nsuite: trixie\npackage: [bash]\n",
		  "r.yaml:3:1: the recipe: unknown key 'package'; did you mean 'packages'?\n  package: [bash]\n  ^" },
		{ "rootfs: a\nsuite: trixie\npackages: [bash, Bash]\n",
		  "r.yaml:3:18: 'packages' takes names of Debian packages, not 'Bash'\n"
		  "  packages: [bash, Bash]\n                   ^" },
		{ "rootfs: a\nsuite: trixie\npackages: [bash=5]\n", "r.yaml:3:12: 'packages' takes names" },
		{ "rootfs: a\nsuite: ../x\npackages: [bash]\n", "r.yaml:2:8: 'suite' must be a Debian suite" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\ndrop: [usr/share/doc]\n",
		  "r.yaml:4:8: 'drop' takes globs of absolute paths, such as /usr/share/doc, not 'usr/share/doc'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nneeds: [/usr/../etc]\n",
		  "r.yaml:4:9: 'needs' takes absolute paths" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nlayers: [nowhere]\n",
		  "r.yaml:4:10: there is no layer 'nowhere'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\ncompress: zip\n", "r.yaml:4:11: 'compress'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: [postgres]\n",
		  "r.yaml:4:8: 'users' must be a mapping of names, not a list" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { Postgres: { uid: 5 } }\n",
		  "r.yaml:4:10: a user's name is small letters" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { root: { uid: 5 } }\n",
		  "r.yaml:4:10: a user's name is small letters" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { pg: { home: /x } }\n",
		  "r.yaml:4:10: user 'pg': 'uid' is missing" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { pg: { uid: 0 } }\n", "r.yaml:4:21: 'uid'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { pg: { uid: 5, home: x } }\n",
		  "r.yaml:4:30: 'home' must be an absolute path, not 'x'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nusers: { pg: { uid: 5 }, qh: { uid: 5 } }\n",
		  "users 'pg' and 'qh' both have uid 5" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nfiles: { etc/x: { lines: [a] } }\n",
		  "r.yaml:4:10: a file is an absolute path in the root, not 'etc/x'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nfiles: { /etc/x: { owner: root } }\n",
		  "r.yaml:4:10: file '/etc/x' needs either 'lines' or 'from'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nfiles: { /etc/x: { lines: [a], owner: nosuch } }\n",
		  "file '/etc/x': there is no user 'nosuch'" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nmaven: { opt/x: { pom: p.xml } }\n",
		  "r.yaml:4:10: jars go to an absolute path in the root, not 'opt/x'\n"
		  "  maven: { opt/x: { pom: p.xml } }\n           ^" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nmaven: { /opt/x: { } }\n",
		  "r.yaml:4:10: maven '/opt/x': 'pom' is missing" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nmaven: { /opt/x: { pon: p.xml } }\n",
		  "r.yaml:4:20: maven '/opt/x': unknown key 'pon'; did you mean 'pom'?" },
		{ "rootfs: a\nsuite: trixie\npackages: bash\nmaven: pom.xml\n",
		  "r.yaml:4:8: 'maven' must be a mapping of names, not 'pom.xml'" },
		{ "rootfs: a\nsuite: trixie\npackages: &p [bash]\n",
		  "r.yaml:3:11: anchor '&p': a recipe has no anchors and aliases" },
		{ "rootfs: a\nsuite: trixie\nlayers: [self]\n", "stands on itself" },
	};

	put_layer(*state, "self.yaml", "rootfs: self\nlayers: [self]\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(rootfs_recipe_clear) struct rootfs_recipe r = { 0 };
		struct err err = ERR_INIT;

		if (load(*state, cases[i].text, &r, &err) == 0)
			fail_msg("taken: %s", cases[i].text);
		assert_int_equal(err.kind, ERR_CONFIG);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("case %zu: wanted: %s\ngot: %s", i, cases[i].says, err.msg);
	}
}

/* The layer's lists come first; of one thing that both name, the recipe's counts. */
static void layers_are_below(void **state)
{
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe r = { 0 };
	struct err err = ERR_INIT;

	put_layer(*state, "low.yaml",
		  "rootfs: low\nsuite: bookworm\npackages: [a1, b2]\ndrop: [/x]\ncompress: none\n"
		  "users: { u: { uid: 7 }, v: { uid: 8 } }\nfiles: { /etc/f: { lines: [low] }, /etc/g: { lines: [g] } "
		  "}\nmaven: { /m/b: { pom: low }, /m/a: { pom: low } }\n");
	if (load(*state,
		 "rootfs: top\nlayers: [low]\nsuite: trixie\npackages: [b2, c3]\ndrop: [/y]\n"
		 "users: { u: { uid: 9, home: /h } }\nfiles: { /etc/f: { lines: [top], owner: v } }\n"
		 "maven: { /m/b: { pom: top } }\n",
		 &r, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(r.suite, "trixie");
	assert_int_equal(r.packages.n, 3);
	assert_string_equal(r.packages.v[0], "a1");
	assert_string_equal(r.packages.v[1], "b2");
	assert_string_equal(r.packages.v[2], "c3");
	assert_string_equal(r.drop.v[0], "/x");
	assert_string_equal(r.drop.v[1], "/y");
	assert_int_equal(r.compress, ROOTFS_PLAIN);
	assert_int_equal(r.n_users, 2);
	assert_int_equal(r.users[0].uid, 9);
	assert_string_equal(r.users[0].home, "/h");
	assert_int_equal(r.users[1].uid, 8);
	assert_int_equal(r.n_files, 2);
	assert_string_equal(r.files[0].lines.v[0], "top");
	assert_string_equal(r.files[0].owner, "v");
	assert_int_equal(r.n_mavens, 2);
	assert_string_equal(r.mavens[0].folder, "/m/a");
	assert_true(ends_with(r.mavens[1].pom, "/top"));
}

/* What lies in another folder, or names its layers otherwise, is the same recipe; every word of it counts. */
static void json_is_canonical(void **state)
{
	static const char text[] =
		"rootfs: a\nsuite: trixie\npackages: [bash]\nneeds: [/x]\nusers: { u: { uid: 7 } }\n";
	static const char *const others[] = {
		"rootfs: a\nsuite: sid\npackages: [bash]\nneeds: [/x]\nusers: { u: { uid: 7 } }\n",
		"rootfs: a\nsuite: trixie\npackages: [bash, sed]\nneeds: [/x]\nusers: { u: { uid: 7 } }\n",
		"rootfs: a\nsuite: trixie\npackages: [bash]\nneeds: [/y]\nusers: { u: { uid: 7 } }\n",
		"rootfs: a\nsuite: trixie\npackages: [bash]\nneeds: [/x]\nusers: { u: { uid: 8 } }\n",
		"rootfs: a\nsuite: trixie\npackages: [bash]\nneeds: [/x]\nusers: { u: { uid: 7 } }\nkeep: [/k]\n",
		"rootfs: a\nsuite: trixie\npackages: [bash]\nneeds: [/x]\nusers: { u: { uid: 7 } }\n"
		"maven: { /m: { pom: p } }\n",
	};
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe a = { 0 }, b = { 0 };
	json_t *one, *two;

	put_layer(*state, "part.yaml", "rootfs: part\nsuite: trixie\npackages: [bash]\n");
	assert_int_equal(load(*state, text, &a, NULL), 0);
	assert_int_equal(load(*state,
			      "rootfs: a\nlayers: part\nneeds: [/x]\nusers: { u: { home: /nonexistent, uid: 7 } }\n",
			      &b, NULL),
			 0);
	one = rootfs_recipe_json(&a);
	two = rootfs_recipe_json(&b);
	assert_true(json_equal(one, two));
	json_decref(two);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		_cleanup_(rootfs_recipe_clear) struct rootfs_recipe other = { 0 };

		assert_int_equal(load(*state, others[i], &other, NULL), 0);
		two = rootfs_recipe_json(&other);
		assert_false(json_equal(one, two));
		json_decref(two);
	}
	json_decref(one);
}

/* What ships can be read. */
static void shipped_recipes_parse(void **state)
{
	static const char *const shipped[] = { "images/rootfs/base.yaml", "workloads/postgresql/rootfs.yaml",
					       "workloads/kafka/rootfs.yaml" };
	_cleanup_free_ char *layers = share_dir("images/rootfs");

	(void)state;
	if (!layers)
		fail_msg("images/rootfs is nowhere beside the test");
	for (size_t i = 0; i < ARRAY_SIZE(shipped); i++) {
		_cleanup_free_ char *path = xasprintf("%s/../../%s", layers, shipped[i]);
		_cleanup_(rootfs_recipe_clear) struct rootfs_recipe r = { 0 };
		struct err err = ERR_INIT;

		if (rootfs_recipe_load(path, layers, &r, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(r.suite, "trixie");
	}
}

static void help_names_every_key(void **state)
{
	static const char *const keys[] = { "rootfs", "layers",	   "suite",    "packages", "drop",  "keep",
					    "needs",  "unaligned", "compress", "users",	   "files", "uid",
					    "lines",  "from",	   "maven",    "pom" };
	_cleanup_free_ char *help = rootfs_recipe_help();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_non_null(strstr(help, keys[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bad_recipes_are_pointed_at, setup, teardown),
		cmocka_unit_test_setup_teardown(layers_are_below, setup, teardown),
		cmocka_unit_test_setup_teardown(json_is_canonical, setup, teardown),
		cmocka_unit_test(shipped_recipes_parse),
		cmocka_unit_test(help_names_every_key),
	};

	return cmocka_run_group_tests_name("rootfs-recipe", tests, NULL, NULL);
}
