// SPDX-License-Identifier: GPL-2.0-or-later
/* Which modules a guest needs, in which order, and their way through the cache. The modules are lines of text: nothing is
 * loaded here. Archives are made by tar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/modules.h"
#include "image/tool.h"

/* As depmod writes it: a line lists everything that its module needs, what is needed deepest last. */
#define DEP                                                                                                            \
	"kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/virtio/virtio.ko.xz\n"                                    \
	"kernel/drivers/virtio/virtio.ko.xz:\n"                                                                        \
	"kernel/drivers/virtio/virtio_ring.ko.xz: kernel/drivers/virtio/virtio.ko.xz\n"                                \
	"kernel/drivers/virtio/virtio_pci_modern_dev.ko.xz:\n"                                                         \
	"kernel/drivers/virtio/virtio-pci.ko.xz: kernel/drivers/virtio/virtio_pci_modern_dev.ko.xz "                   \
	"kernel/drivers/virtio/virtio_ring.ko.xz kernel/drivers/virtio/virtio.ko.xz\n"                                 \
	"kernel/drivers/char/virtio_console.ko.xz: kernel/drivers/virtio/virtio_ring.ko.xz "                           \
	"kernel/drivers/virtio/virtio.ko.xz"

static void order_loads(const struct modules_index *index, const struct string_list *load, const char *expected)
{
	struct text got = { 0 };
	_cleanup_free_ char *s = NULL;
	struct err err = ERR_INIT;
	char **files;
	size_t n;

	if (modules_order("m.tar", index, load, &files, &n, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < n; i++) {
		text_add(&got, "%s ", strrchr(files[i], '/') + 1);
		free(files[i]);
	}
	free(files);
	s = text_steal(&got);
	assert_string_equal(s, expected);
}

static void order_is(const char *dep, const char *builtin, const char *expected)
{
	order_loads(&(struct modules_index){ .dep = dep, .builtin = builtin }, NULL, expected);
}

static void dependencies_come_first(void **state)
{
	(void)state;
	order_is(DEP, NULL,
		 "virtio.ko.xz virtio_ring.ko.xz virtio_pci_modern_dev.ko.xz virtio-pci.ko.xz virtio_console.ko.xz ");
	order_is(DEP, "kernel/drivers/virtio/virtio_pci.ko\n", "virtio.ko.xz virtio_ring.ko.xz virtio_console.ko.xz ");
	/* as in Debian's 6.12: both are in the Image */
	order_is("kernel/drivers/net/virtio_net.ko:\n",
		 "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\n", "");
	/* a ring, and a dependency without a line of its own */
	order_is("a/virtio_pci.ko: a/x.ko a/gone.ko\na/x.ko: a/virtio_pci.ko\na/virtio_console.ko:\n", NULL,
		 "x.ko virtio_pci.ko virtio_console.ko ");
}

#define BUILTIN                                                                                                        \
	"kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/virtio_console.ko\nkernel/drivers/block/loop.ko\n"

/* As in Debian's 6.12: ext4 asks for an algorithm by its name, which is an alias of several modules. */
static const struct modules_index soft = {
	.builtin = BUILTIN,
	.dep = "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz\n"
	       "kernel/lib/crc16.ko.xz:\n"
	       "kernel/fs/jbd2/jbd2.ko.xz:\n"
	       "kernel/arch/arm64/crypto/crc32c-arm64.ko.xz:\n"
	       "kernel/crypto/crc32c_generic.ko.xz: kernel/crypto/hash.ko.xz\n"
	       "kernel/crypto/hash.ko.xz:\n"
	       "kernel/net/after.ko.xz:\n"
	       "kernel/drivers/null-blk.ko.xz:\n",
	.softdep = "# Soft dependencies\nsoftdep ext4 pre: crypto-crc32c gone post: after\n"
		   "softdep ext4 post: after\nsoftdep ext pre: after\nsoftdep null-blk pre: jbd2\n",
	.alias = "# Aliases\nalias crypto_crc32c crc32c_arm64\nalias crypto-crc32c crc32c_generic\n"
		 "alias crypto-crc32c crc32c_arm64\nalias crypto crc16\nalias crypto-crc32cc crc16\n",
};

static void names_are_loaded_behind_what_they_need(void **state)
{
	char *ext4[] = { (char *)"ext4" }, *two[] = { (char *)"loop", (char *)"null_blk", (char *)"ext4" };
	struct modules_index plain = soft;

	(void)state;
	/* the generic one of two; what comes after it is not needed, what is nowhere may be built in */
	order_loads(&soft, &(struct string_list){ ext4, 1 },
		    "jbd2.ko.xz crc16.ko.xz hash.ko.xz crc32c_generic.ko.xz ext4.ko.xz ");
	/* in the order of the list, each file once; a built-in one is no error */
	order_loads(&soft, &(struct string_list){ two, 3 },
		    "jbd2.ko.xz null-blk.ko.xz crc16.ko.xz hash.ko.xz crc32c_generic.ko.xz ext4.ko.xz ");
	order_loads(&soft, &(struct string_list){ NULL, 0 }, "");
	plain.softdep = plain.alias = NULL;
	order_loads(&plain, &(struct string_list){ ext4, 1 }, "jbd2.ko.xz crc16.ko.xz ext4.ko.xz ");
}

static void order_fails(const struct modules_index *index, const char *name, const char *message)
{
	char *names[] = { (char *)(uintptr_t)name };
	struct err err = ERR_INIT;
	char **files;
	size_t n;

	assert_int_equal(modules_order("m.tar", index, &(struct string_list){ names, name ? 1 : 0 }, &files, &n, &err),
			 -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, message);
}

static void modules_that_are_nowhere(void **state)
{
	struct text many = { 0 };
	_cleanup_free_ char *dep = NULL;
	char *top[] = { (char *)"top" };
	struct modules_index index = { .builtin = BUILTIN };
	struct err err = ERR_INIT;
	char **files;
	size_t n;

	(void)state;
	order_fails(&(struct modules_index){ .dep = "a/virtio_pci.ko:\n", .builtin = "" }, NULL,
		    "m.tar: no virtio_console, neither as a module nor in modules.builtin: the guest could not "
		    "say anything; build it in (CONFIG_VIRTIO_PCI, CONFIG_VIRTIO_CONSOLE)");
	order_fails(&soft, "ext5", "m.tar: load: no module 'ext5', and none that is built in; did you mean 'ext4'?");
	order_fails(&soft, "lop", "m.tar: load: no module 'lop', and none that is built in; did you mean 'loop'?");
	order_fails(&soft, "nonsense", "m.tar: load: no module 'nonsense', and none that is built in");
	/* an alias is no module's name */
	order_fails(&soft, "crypto-crc32c", "m.tar: load: no module 'crypto-crc32c', and none that is built in");
	text_add(&many, "k/top.ko:");
	for (int i = 0; i < 300; i++)
		text_add(&many, " k/m%d.ko", i);
	text_add(&many, "\n");
	for (int i = 0; i < 300; i++)
		text_add(&many, "k/m%d.ko:\n", i);
	dep = text_steal(&many);
	index.dep = dep;
	assert_int_equal(modules_order("m.tar", &index, &(struct string_list){ top, 1 }, &files, &n, &err), -1);
	assert_string_equal(err.msg, "m.tar: load: that is 301 modules with what they need; the limit is 256");
}

static void put(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_join(dir, name), *parent = xstrdup(path);

	*strrchr(parent, '/') = '\0';
	assert_int_equal(make_dirs(parent, NULL), 0);
	assert_int_equal(file_write_atomic(path, text, strlen(text), NULL), 0);
}

static void hear(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)what;
	(void)fraction;
	(void)eta_s;
	++*(unsigned *)ctx;
}

struct fixture {
	char dir[64];
	char *cache, *root, *modules, *archive; /* owned */
	struct kernel_image *image;
	struct string_list load; /* its strings are literals */
	unsigned said;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/image-modules.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->cache = path_join(f->dir, "cache");
	f->root = path_join(f->dir, "root");
	f->modules = path_join(f->root, "lib/modules/6.12.1-test");
	f->archive = path_join(f->dir, "m.tar");
	put(f->modules, "modules.dep", "kernel/virtio_pci.ko:\nkernel/virtio-console.ko: kernel/virtio_pci.ko\n");
	put(f->modules, "kernel/virtio_pci.ko", "pci vermagic=6.12.1-test SMP");
	put(f->modules, "kernel/virtio-console.ko", "console vermagic=6.12.1-test SMP");
	f->image = xcalloc(1, sizeof(*f->image));
	f->image->release = xstrdup("6.12.1-test");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	remove_tree(f->dir, NULL);
	kernel_image_free(f->image);
	free(f->cache);
	free(f->root);
	free(f->modules);
	free(f->archive);
	free(f);
	return 0;
}

/* A new image, with what @from holds for it. */
static int ensure(struct fixture *f, const char *from, struct err *err)
{
	_cleanup_free_ char *release = xstrdup(f->image->release);

	kernel_image_free(f->image);
	f->image = xcalloc(1, sizeof(*f->image));
	f->image->release = steal_ptr(release);
	f->said = 0;
	*err = ERR_INIT;
	return modules_ensure(f->cache, from, &f->load, hear, &f->said, f->image, err);
}

static void assert_modules(const struct fixture *f)
{
	assert_int_equal(f->image->n_modules, 2);
	assert_string_equal(f->image->modules[0].name, "00-virtio_pci.ko");
	assert_string_equal(f->image->modules[1].name, "01-virtio_console.ko");
	assert_true(path_exists(f->image->modules[1].path));
	assert_int_equal(strlen(f->image->modules_sha256), SHA256_HEX_SIZE - 1);
}

static void pack(const struct fixture *f)
{
	const char *tar[] = { "tar", "-C", f->root, "-cf", f->archive, "lib", NULL };

	assert_int_equal(tool_run(tar, NULL, NULL, NULL, NULL), 0);
}

static void a_folder_and_an_archive_are_the_same(void **state)
{
	struct fixture *f = *state;
	char first[SHA256_HEX_SIZE];
	struct err err;

	if (ensure(f, f->root, &err) < 0)
		fail_msg("%s", err.msg);
	assert_modules(f);
	strcpy(first, f->image->modules_sha256);
	assert_int_equal(ensure(f, f->modules, &err), 0);
	assert_modules(f);
	pack(f);
	if (ensure(f, f->archive, &err) < 0)
		fail_msg("%s", err.msg);
	assert_modules(f);
	assert_string_equal(f->image->modules_sha256, first);
}

static void an_archive_is_unpacked_once(void **state)
{
	struct fixture *f = *state;
	struct err err;

	pack(f);
	assert_int_equal(modules_lookup(f->cache, f->archive, &f->load, f->image, &err), 0);
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_int_equal(f->said, 1);
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_int_equal(f->said, 0);
	assert_modules(f);
	/* one that is damaged is unpacked anew */
	assert_int_equal(file_write_atomic(f->image->modules[0].path, "rot", 3, NULL), 0);
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_int_equal(f->said, 1);
	assert_modules(f);
}

/* What is asked for by name is another entry, and the first stays. */
static void names_are_part_of_the_key(void **state)
{
	struct fixture *f = *state;
	char *names[] = { (char *)"null_blk" };
	char first[SHA256_HEX_SIZE];
	struct err err;

	put(f->modules, "modules.dep",
	    "kernel/virtio_pci.ko:\nkernel/virtio-console.ko: kernel/virtio_pci.ko\nkernel/null_blk.ko:\n");
	put(f->modules, "kernel/null_blk.ko", "null vermagic=6.12.1-test SMP");
	pack(f);
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_modules(f);
	strcpy(first, f->image->modules_sha256);
	f->load = (struct string_list){ names, 1 };
	if (ensure(f, f->archive, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(f->said, 1);
	assert_int_equal(f->image->n_modules, 3);
	assert_string_equal(f->image->modules[2].name, "02-null_blk.ko");
	assert_string_not_equal(f->image->modules_sha256, first);
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_int_equal(f->said, 0);
	f->load.n = 0;
	assert_int_equal(ensure(f, f->archive, &err), 0);
	assert_int_equal(f->said, 0);
	assert_modules(f);
}

static void refused(struct fixture *f, const char *from, const char *message)
{
	struct err err;

	assert_int_equal(ensure(f, from, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	if (!strstr(err.msg, message))
		fail_msg("'%s' does not say '%s'", err.msg, message);
	assert_int_equal(f->image->n_modules, 0);
}

static void what_does_not_fit(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *nothing = path_join(f->dir, "nothing");

	refused(f, nothing, "nothing: no such file or folder");
	assert_int_equal(make_dirs(nothing, NULL), 0);
	refused(f, nothing, "nothing: no modules in it; granule needs lib/modules/6.12.1-test");
	put(f->dir, "m.tar", "no archive");
	refused(f, f->archive, "m.tar: neither a folder nor a tar file that tar can read");
	put(f->modules, "kernel/virtio-console.ko", "console vermagic=6.12.0-rc1 SMP");
	refused(f, f->root, "01-virtio_console.ko was built for 6.12.0-rc1, but the Image is 6.12.1-test");
	free(f->image->release);
	f->image->release = xstrdup("7.2.0");
	refused(f, f->root, "holds the modules of 6.12.1-test, but the Image is 7.2.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dependencies_come_first),
		cmocka_unit_test(names_are_loaded_behind_what_they_need),
		cmocka_unit_test(modules_that_are_nowhere),
		cmocka_unit_test_setup_teardown(a_folder_and_an_archive_are_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(an_archive_is_unpacked_once, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_part_of_the_key, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
