// SPDX-License-Identifier: GPL-2.0-or-later
/* Root file systems without packages and without libguestfs: what goes into the tree, which programs are refused, and
 * how the cache keeps what a maker, here one of this test's own, makes. */
#include <archive.h>
#include <archive_entry.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/rootfs.h"
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

/* ---- Programs */

/* An ELF header and one PT_LOAD, behind @gap bytes. */
static void make_elf(unsigned char out[256], uint16_t type, uint16_t machine, uint64_t align, uint64_t at)
{
	Elf64_Ehdr head = {
		.e_type = type, .e_machine = machine, .e_phoff = at, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1
	};
	Elf64_Phdr segment = { .p_type = PT_LOAD, .p_align = align };

	memset(out, 0, 256);
	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(out, &head, sizeof(head));
	if (at <= 256 - sizeof(segment))
		memcpy(out + at, &segment, sizeof(segment));
}

static void programs_are_judged(void **state)
{
	static const struct {
		uint16_t type, machine;
		uint64_t align, at;
		enum elf_verdict verdict;
	} cases[] = {
		{ ET_DYN, EM_AARCH64, 65536, 64, ELF_FITS },	 { ET_EXEC, EM_AARCH64, 131072, 64, ELF_FITS },
		{ ET_DYN, EM_AARCH64, 4096, 64, ELF_NARROW },	 { ET_DYN, EM_AARCH64, 0, 64, ELF_NARROW },
		{ ET_DYN, EM_X86_64, 65536, 64, ELF_FOREIGN },	 { ET_REL, EM_X86_64, 0, 64, ELF_NONE },
		{ ET_DYN, EM_AARCH64, 65536, 300, ELF_UNKNOWN }, { ET_DYN, EM_AARCH64, 65536, UINT64_MAX, ELF_UNKNOWN },
	};
	unsigned char data[256];
	uint64_t align;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make_elf(data, cases[i].type, cases[i].machine, cases[i].align, cases[i].at);
		assert_int_equal(elf_look(data, sizeof(data), &align), cases[i].verdict);
	}
	assert_int_equal(elf_look("#!/bin/sh\n", 10, &align), ELF_NONE);
	assert_int_equal(elf_look(ELFMAG, 4, &align), ELF_NONE);
	make_elf(data, ET_DYN, EM_AARCH64, 65536, 64);
	assert_int_equal(elf_look(data, 63, &align), ELF_UNKNOWN);
	data[EI_CLASS] = ELFCLASS32;
	assert_int_equal(elf_look(data, sizeof(data), &align), ELF_FOREIGN);
}

/* ---- The tree */

struct member {
	const char *name; /* as mmdebstrap's tar has it; NULL ends a list */
	mode_t mode;
	unsigned int uid;
	const void *data;
	size_t len;
	const char *link; /* of a symbolic link; "=NAME": a hard link */
};

static void write_tar(const char *path, const struct member *members)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_pax(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (; members->name; members++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, members->name);
		archive_entry_set_mode(e, members->mode);
		archive_entry_set_uid(e, members->uid);
		archive_entry_set_gid(e, members->uid);
		archive_entry_set_mtime(e, 1234567890, 5);
		archive_entry_set_size(e, (la_int64_t)members->len);
		if (members->link && members->link[0] == '=')
			archive_entry_set_hardlink(e, members->link + 1);
		else if (members->link)
			archive_entry_set_symlink(e, members->link);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		if (members->len)
			assert_int_equal(archive_write_data(a, members->data, members->len), members->len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* "PATH MODE UID [-> LINK] [CONTENT]" a line, in order; owned by the caller. */
static char *read_tar(const char *path)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	struct text out = { 0 };

	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_filename(a, path, 4096), ARCHIVE_OK);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		char data[512];
		la_ssize_t n = archive_read_data(a, data, sizeof(data));

		assert_int_equal(archive_entry_mtime(e), 1577836800);
		text_add(&out, "%s %o %d", archive_entry_pathname(e), (unsigned int)archive_entry_mode(e),
			 (int)archive_entry_uid(e));
		if (archive_entry_symlink(e))
			text_add(&out, " -> %s", archive_entry_symlink(e));
		if (n > 0 && data[0] != 0x7f)
			text_add(&out, " %.*s", (int)n - (data[n - 1] == '\n'), data);
		text_add(&out, "\n");
	}
	archive_read_free(a);
	return text_steal(&out);
}

/* The recipe @text, of this folder. */
static void parse(const char *dir, const char *text, struct rootfs_recipe *ret)
{
	_cleanup_free_ char *path = scratch_write(dir, "r.yaml", text, strlen(text));
	struct err err = ERR_INIT;

	if (rootfs_recipe_load(path, dir, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

#define RECIPE "rootfs: t\nsuite: trixie\npackages: [bash]\n"

static void tree_is_what_the_recipe_says(void **state)
{
	static const struct member members[] = {
		{ "./dev/", S_IFDIR | 0755, 0, NULL, 0, NULL },
		{ "./dev/null", S_IFCHR | 0666, 0, NULL, 0, NULL },
		{ "./", S_IFDIR | 0755, 0, NULL, 0, NULL },
		{ "./bin", S_IFLNK | 0777, 0, NULL, 0, "usr/bin" },
		{ "./etc/", S_IFDIR | 0755, 0, NULL, 0, NULL },
		{ "./etc/hostname", S_IFREG | 0644, 0, "buildhost\n", 10, NULL },
		{ "./etc/resolv.conf", S_IFREG | 0644, 0, "nameserver\n", 11, NULL },
		{ "./etc/apt/", S_IFDIR | 0755, 0, NULL, 0, NULL },
		{ "./etc/apt/sources.list", S_IFREG | 0644, 0, "deb\n", 4, NULL },
		{ "./etc/hosts", S_IFREG | 0644, 0, "of a package\n", 13, NULL },
		{ "./usr/bin/tool", S_IFREG | 04755, 3, "x\n", 2, NULL },
		{ "./usr/bin/same", S_IFREG | 0755, 3, NULL, 0, "=./usr/bin/tool" },
		{ "./usr/share/base-passwd/passwd.master", S_IFREG | 0644, 0, "root:x:0:0::/root:/bin/sh\n", 26, NULL },
		{ "./usr/share/doc/", S_IFDIR | 0755, 0, NULL, 0, NULL },
		{ "./usr/share/doc/tool/README", S_IFREG | 0644, 0, "read\n", 5, NULL },
		{ "./usr/share/doc/tool/copyright", S_IFREG | 0644, 0, "rights\n", 7, NULL },
		{ "./usr/share/docs", S_IFREG | 0644, 0, "no doc\n", 7, NULL },
		{ NULL, 0, 0, NULL, 0, NULL },
	};
	_cleanup_free_ char *from = path_join(*state, "in.tar"), *to = path_join(*state, "out.tar"), *out = NULL;
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	_cleanup_(rootfs_tree_clear) struct rootfs_tree tree = { 0 };
	struct err err = ERR_INIT;

	free(scratch_write(*state, "brought", "from beside\n", 12));
	parse(*state,
	      RECIPE
	      "drop: [/usr/share/doc]\nkeep: [/usr/share/doc/*/copyright]\n"
	      "users: { pg: { uid: 70, home: /var/lib/pg } }\n"
	      "files: { /etc/hosts: { lines: [ours] }, /opt/run: { from: brought, executable: true, owner: pg } }\n",
	      &recipe);
	write_tar(from, members);
	if (rootfs_tar_make(from, to, &recipe, &tree, &err) < 0)
		fail_msg("%s", err.msg);
	out = read_tar(to);
	assert_string_equal(out, "./dev/ 40755 0\n"
				 "./ 40755 0\n"
				 "./bin 120777 0 -> usr/bin\n"
				 "./etc/ 40755 0\n"
				 "./usr/bin/tool 104755 3 x\n"
				 "./usr/bin/same 755 3\n"
				 "./usr/share/base-passwd/passwd.master 100644 0 root:x:0:0::/root:/bin/sh\n"
				 "./usr/share/doc/tool/copyright 100644 0 rights\n"
				 "./usr/share/docs 100644 0 no doc\n"
				 "./proc/ 40555 0\n"
				 "./sys/ 40555 0\n"
				 "./run/ 40755 0\n"
				 "./tmp/ 41777 0\n"
				 "./etc/passwd 100644 0 root:x:0:0::/root:/bin/sh\npg:x:70:70::/var/lib/pg:/bin/sh\n"
				 "./etc/group 100644 0 root:x:0:\npg:x:70:\n"
				 "./var/ 40755 0\n"
				 "./var/lib/ 40755 0\n"
				 "./var/lib/pg/ 40755 70\n"
				 "./etc/hosts 100644 0 ours\n"
				 "./opt/ 40755 0\n"
				 "./opt/run 100755 70 from beside\n");
	assert_int_equal(tree.dropped_bytes, 10 + 11 + 4 + 13 + 5);
}

static void offenders_are_named(void **state)
{
	static const struct {
		uint16_t machine;
		uint64_t align;
		const char *more, *says; /* NULL: taken */
	} cases[] = {
		{ EM_AARCH64, 65536, "", NULL },
		{ EM_X86_64, 65536, "", "\n  /usr/bin/tool: not a program for arm64" },
		{ EM_AARCH64, 4096, "", "\n  /usr/bin/tool: a segment is aligned to 4K, so no 64K kernel can run it" },
		{ EM_AARCH64, 4096, "unaligned: [/usr/bin/*]\n", NULL },
		{ EM_AARCH64, 4096, "unaligned: [/usr/sbin/*]\n", "aligned to 4K" },
		{ EM_X86_64, 4096, "unaligned: [/usr/bin/*]\n", "not a program for arm64" },
		{ EM_X86_64, 4096, "drop: [/usr/bin]\n", NULL },
	};
	_cleanup_free_ char *from = path_join(*state, "in.tar"), *to = path_join(*state, "out.tar");
	unsigned char program[256];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct member members[] = { { "./usr/bin/tool", S_IFREG | 0755, 0, program, sizeof(program),
						    NULL },
						  { NULL, 0, 0, NULL, 0, NULL } };
		_cleanup_free_ char *text = xasprintf(RECIPE "%s", cases[i].more);
		_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
		_cleanup_(rootfs_tree_clear) struct rootfs_tree tree = { 0 };
		struct err err = ERR_INIT;
		int rc;

		make_elf(program, ET_DYN, cases[i].machine, cases[i].align, 64);
		parse(*state, text, &recipe);
		write_tar(from, members);
		rc = rootfs_tar_make(from, to, &recipe, &tree, &err);
		assert_int_equal(rc, cases[i].says ? -1 : 0);
		if (cases[i].says) {
			assert_int_equal(err.kind, ERR_CONFIG);
			if (!strstr(err.msg, cases[i].says))
				fail_msg("%s", err.msg);
		}
		assert_int_equal(tree.narrow.n, i == 3);
	}
}

/* A hard link whose target is dropped, and a torn tar. */
static void what_cannot_be_a_tree(void **state)
{
	static const struct member members[] = {
		{ "./usr/a", S_IFREG | 0755, 0, "x", 1, NULL },
		{ "./usr/b", S_IFREG | 0755, 0, NULL, 0, "=./usr/a" },
		{ NULL, 0, 0, NULL, 0, NULL },
	};
	_cleanup_free_ char *from = path_join(*state, "in.tar"), *to = path_join(*state, "out.tar");
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	struct rootfs_tree tree;
	struct err err = ERR_INIT;

	parse(*state, RECIPE "drop: [/usr/a]\n", &recipe);
	write_tar(from, members);
	assert_int_equal(rootfs_tar_make(from, to, &recipe, &tree, &err), -1);
	assert_non_null(strstr(err.msg, "/usr/b is a hard link to /usr/a, which a rule drops"));
	assert_int_equal(truncate(from, 700), 0);
	err = ERR_INIT;
	assert_int_equal(rootfs_tar_make(from, to, &recipe, &tree, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	err = ERR_INIT;
	assert_int_equal(rootfs_tar_make("/nonexistent", to, &recipe, &tree, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
}

/* ---- The cache */

static struct {
	const char *version; /* of the package that the archive has */
	const char *bytes;   /* of the image that is made; NULL: it fails; "tree": what is in the tar */
	const char *jars[4]; /* that a project depends on */
	unsigned int resolved, made;
} world;

static int fake_resolve(const char *cache, const struct rootfs_recipe *recipe, const char *log,
			struct cache_package **ret, size_t *ret_n, struct err *err)
{
	struct cache_package *p = NULL;
	size_t n = 0;

	(void)cache, (void)log, (void)err;
	world.resolved++;
	VEC_PUSH(p, n)->name = xstrdup(recipe->packages.v[0]);
	p->version = xstrdup(world.version);
	sha256_bytes(world.version, strlen(world.version), p->sha256);
	*ret = p;
	*ret_n = n;
	return 0;
}

static int fake_fetch(const char *cache, const struct rootfs_recipe *recipe, const struct cache_package *packages,
		      size_t n, const char *tar, const char *log, struct err *err)
{
	static const struct member members[] = { { "./x", S_IFREG | 0644, 0, "x", 1, NULL },
						 { NULL, 0, 0, NULL, 0, NULL } };

	(void)cache, (void)recipe, (void)packages, (void)n, (void)err;
	write_tar(tar, members);
	free(scratch_write("/", log + 1, "the log\n", 8));
	return 0;
}

static int fake_tool(char **ret, struct err *err)
{
	(void)err;
	*ret = xstrdup("mkfs.fake 1");
	return 0;
}

static int fake_image(const struct rootfs_making *m, struct err *err)
{
	world.made++;
	if (!world.bytes)
		return err_set(err, ERR_HOST, "libguestfs: it does not start");
	if (!strcmp(world.bytes, "tree")) {
		_cleanup_free_ char *tree = read_tar(m->tar);

		return file_write(m->image, tree, strlen(tree), err);
	}
	return file_write(m->image, world.bytes, strlen(world.bytes), err);
}

static int fake_jars(const char *cache, const struct rootfs_recipe *recipe, const char *work, const char *log,
		     struct rootfs_jar **ret, size_t *ret_n, struct err *err)
{
	struct rootfs_jar *jars = NULL;
	size_t n = 0;

	(void)cache, (void)log;
	for (size_t i = 0; world.jars[i]; i++) {
		struct rootfs_jar *jar = VEC_PUSH(jars, n);

		assert_true(rootfs_parse_jar(world.jars[i], recipe->mavens[0].folder, jar));
		jar->from = scratch_write(work, "jar", world.jars[i], strlen(world.jars[i]));
		if (sha256_file(jar->from, jar->package.sha256, err) < 0)
			fail_msg("%s", err->msg);
	}
	*ret = jars;
	*ret_n = n;
	return 0;
}

static const struct rootfs_maker fake = {
	.resolve = fake_resolve, .jars = fake_jars, .fetch = fake_fetch, .tool = fake_tool, .image = fake_image
};

static int ensure(const char *dir, const struct rootfs_recipe *recipe, bool refresh, struct rootfs_entry *ret,
		  struct err *err)
{
	rootfs_entry_clear(ret);
	return rootfs_ensure(dir, &fake, recipe, refresh, no_progress, NULL, ret, err);
}

static void spoil(const struct rootfs_entry *e)
{
	assert_int_equal(truncate(e->path, 2), 0);
}

static void entries_are_kept_and_checked(void **state)
{
	_cleanup_(rootfs_entry_clear) struct rootfs_entry a = { 0 }, b = { 0 };
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	_cleanup_free_ char *cache = path_join(*state, "cache"), *what = NULL, *log = NULL, *left = NULL;
	struct err err = ERR_INIT;

	world = (__typeof__(world)){ .version = "5.2-1", .bytes = "image one" };
	parse(*state, RECIPE, &recipe);
	assert_int_equal(rootfs_lookup(cache, &recipe, &a, &err), 0);
	if (ensure(cache, &recipe, false, &a, &err) < 0)
		fail_msg("%s", err.msg);
	what = rootfs_describe(&a);
	assert_string_equal(what, "t, trixie, 1 packages");
	assert_string_equal(a.packages[0].version, "5.2-1");
	log = path_join(a.dir, "build.log");
	assert_true(path_exists(log));
	/* from here on nothing is asked */
	assert_int_equal(ensure(cache, &recipe, false, &b, &err), 0);
	assert_string_equal(a.digest, b.digest);
	assert_int_equal(world.resolved, 1);
	rootfs_entry_clear(&b);
	assert_int_equal(rootfs_lookup(cache, &recipe, &b, &err), 1);
	rootfs_entry_clear(&b);
	/* asked again, the archive has the same: nothing is made */
	assert_int_equal(ensure(cache, &recipe, true, &b, &err), 0);
	assert_int_equal(world.resolved, 2);
	assert_int_equal(world.made, 1);
	/* a newer package is another image, beside the old one */
	world.version = "5.3-1";
	world.bytes = "image two";
	assert_int_equal(ensure(cache, &recipe, true, &b, &err), 0);
	assert_string_not_equal(a.digest, b.digest);
	assert_true(path_exists(a.path));
	/* damage is found and mended */
	spoil(&b);
	assert_int_equal(rootfs_open(cache, b.digest, true, &a, &err), CACHE_CORRUPT);
	assert_non_null(strstr(err.msg, "damaged"));
	assert_int_equal(rootfs_lookup(cache, &recipe, &a, &err), 0);
	assert_int_equal(ensure(cache, &recipe, false, &b, &err), 0);
	assert_int_equal(world.made, 3);
	rootfs_entry_clear(&a);
	assert_int_equal(rootfs_open(cache, b.digest, true, &a, &err), CACHE_INTACT);
	left = path_join(cache, ROOTFS_DIR "/build");
	assert_int_equal(rmdir(left), 0); /* it is empty */
}

static void repository_paths_are_parsed(void **state)
{
	static const char *const bad[] = { "", "a.jar", "g/a/1/", "/a/1/a-1.jar", "g/a/1/a-1.pom", "a/1/a-1.jar" };
	struct rootfs_jar *jar = xcalloc(1, sizeof(*jar));

	(void)state;
	assert_true(rootfs_parse_jar("org/x/tool-kit/1.0-rc2/tool-kit-1.0-rc2-arm.jar", "/opt/t", jar));
	assert_string_equal(jar->package.name, "org.x:tool-kit");
	assert_string_equal(jar->package.version, "1.0-rc2");
	assert_string_equal(jar->target, "/opt/t/tool-kit-1.0-rc2-arm.jar");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rootfs_jar none = { 0 };

		if (rootfs_parse_jar(bad[i], "/opt/t", &none))
			fail_msg("taken: %s", bad[i]);
	}
	rootfs_jars_free(jar, 1);
}

#define WITH_MAVEN RECIPE "maven: { /opt/t: { pom: pom.xml } }\n"

/* Jars are files of the tree, packages of the entry, and part of its digest; the project is part of what leads there. */
static void jars_are_packages(void **state)
{
	_cleanup_(rootfs_entry_clear) struct rootfs_entry a = { 0 }, b = { 0 };
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	_cleanup_free_ char *cache = path_join(*state, "jars"), *tree = NULL;
	struct err err = ERR_INIT;

	world = (__typeof__(world)){ .version = "5.2-1",
				     .bytes = "tree",
				     .jars = { "g/a/1/a-1.jar", "g/b/2/b-2.jar" } };
	free(scratch_write(*state, "pom.xml", "<project/>", 10));
	parse(*state, WITH_MAVEN, &recipe);
	if (ensure(cache, &recipe, false, &a, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(a.n_packages, 3);
	assert_string_equal(a.packages[1].name, "g:a");
	assert_string_equal(a.packages[2].version, "2");
	assert_int_equal(file_read(a.path, 4096, &tree, NULL, &err), 0);
	assert_non_null(strstr(tree, "./opt/t/ 40755 0\n./opt/t/a-1.jar 100644 0 "));
	assert_non_null(strstr(tree, "./opt/t/b-2.jar 100644 0 g/b/2/b-2.jar\n"));
	/* another jar of the same project, as a range of versions might bring it */
	world.jars[1] = "g/b/3/b-3.jar";
	assert_int_equal(ensure(cache, &recipe, true, &b, &err), 0);
	assert_string_not_equal(a.digest, b.digest);
	/* another project is another recipe */
	free(scratch_write(*state, "pom.xml", "<project>\n", 10));
	assert_int_equal(rootfs_lookup(cache, &recipe, &b, &err), 0);
	/* one name for two */
	world.jars[1] = "other/a/1/a-1.jar";
	assert_int_equal(ensure(cache, &recipe, true, &b, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "g:a and other:a would both be /opt/t/a-1.jar"));
	/* no project */
	free(recipe.mavens[0].pom);
	recipe.mavens[0].pom = path_join(*state, "nowhere.xml");
	err = (struct err)ERR_INIT;
	assert_int_equal(ensure(cache, &recipe, false, &b, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_non_null(strstr(err.msg, "maven '/opt/t': "));
}

/* What failed leaves no entry, and the next try starts afresh. */
static void failures_leave_nothing(void **state)
{
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	_cleanup_(rootfs_entry_clear) struct rootfs_entry e = { 0 };
	_cleanup_free_ char *cache = path_join(*state, "cache");
	struct rootfs_entry *entries;
	struct err err = ERR_INIT;
	size_t n;

	world = (__typeof__(world)){ .version = "5.2-1" };
	parse(*state, RECIPE, &recipe);
	assert_int_equal(ensure(cache, &recipe, false, &e, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_int_equal(rootfs_list(cache, &entries, &n, &err), 0);
	assert_int_equal(n, 0);
	rootfs_entries_free(entries, n);
	world.bytes = "image";
	assert_int_equal(ensure(cache, &recipe, false, &e, &err), 0);
	assert_int_equal(rootfs_list(cache, &entries, &n, &err), 0);
	assert_int_equal(n, 1);
	assert_string_equal(entries[0].name, "t");
	rootfs_entries_free(entries, n);
}

/* ---- What apt says */

static void apt_is_understood(void **state)
{
	static const char simulation[] =
		"Reading package lists...\nInst libc6 (2.41-12 Debian:13.1/stable [arm64]) []\n"
		"Inst bash:arm64 [5.1] (5.2-1 Debian:13.1/stable [arm64])\nConf libc6 (2.41-12)\n"
		"Inst broken\n";
	static const char show[] = "Package: bash\nVersion: 5.2-1\nSHA256: "
				   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n"
				   "Package: libc6\nVersion: 2.41-11\nSHA256: "
				   "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n";
	struct cache_package *p;
	const char *missing = NULL;
	size_t n;

	(void)state;
	rootfs_parse_simulation(simulation, &p, &n);
	assert_int_equal(n, 2);
	assert_string_equal(p[0].name, "bash");
	assert_string_equal(p[0].version, "5.2-1");
	assert_string_equal(p[1].name, "libc6");
	/* another version's digest is none of it */
	assert_false(rootfs_parse_show(show, p, n, &missing));
	assert_string_equal(missing, "libc6");
	assert_int_equal(p[0].sha256[0], 'a');
	cache_packages_free(p, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_judged),
		cmocka_unit_test_setup_teardown(tree_is_what_the_recipe_says, setup, teardown),
		cmocka_unit_test_setup_teardown(offenders_are_named, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_a_tree, setup, teardown),
		cmocka_unit_test(repository_paths_are_parsed),
		cmocka_unit_test_setup_teardown(jars_are_packages, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_are_kept_and_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_leave_nothing, setup, teardown),
		cmocka_unit_test(apt_is_understood),
	};

	return cmocka_run_group_tests_name("image-rootfs", tests, NULL, NULL);
}
