// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel's way out of Debian packages into the cache. The packages are real ones, made by dpkg-deb in both of the layouts
 * that Debian has had; what stands for apt hands them out of a folder, counts, and can be cut off from the network. Nothing
 * boots: the Image is a header and a banner, modules are lines of text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "image/build.h"
#include "image/cache.h"
#include "image/modules.h"
#include "image/package.h"
#include "image/tool.h"
#include "tests/pipeline.h"

#define RELEASE "6.12.1-arm64"
#define STUB "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"

static char *top, *cache, *pool; /* of one test */
static unsigned resolved, downloaded;
static bool offline;
static const char *version; /* of all packages */
static const char *const *parts;
static struct text said;

static const char *const whole[] = { "linux-image-" RELEASE, NULL };
static const char *const split[] = { "linux-base-" RELEASE, "linux-binary-" RELEASE, "linux-image-" RELEASE,
				     "linux-modules-" RELEASE, NULL };

static void hear(void *ctx, const char *what, double fraction, int eta_s)
{
	(void)ctx;
	(void)fraction;
	(void)eta_s;
	text_add(&said, "%s\n", what);
}

static char *deb_of(const char *name)
{
	return xasprintf("%s/%s_%s.deb", pool, name, version);
}

static int fake_resolve(const char *cache_path, const char *package, const char *suite, const char *log,
			struct cache_package **ret_packages, size_t *ret_n, uint64_t *ret_bytes, struct err *err)
{
	assert_string_equal(cache_path, cache);
	assert_string_equal(suite, "trixie");
	assert_true(starts_with(package, "linux-image-"));
	if (offline)
		return err_set(err, ERR_HOST, "no network");
	resolved++;
	assert_int_equal(file_write_atomic(log, "log\n", 4, NULL), 0);
	*ret_packages = NULL;
	*ret_n = 0;
	*ret_bytes = 1;
	for (size_t i = 0; parts[i]; i++) {
		_cleanup_free_ char *deb = deb_of(parts[i]);
		struct cache_package *p = VEC_PUSH(*ret_packages, *ret_n);

		p->name = xstrdup(parts[i]);
		p->version = xstrdup(version);
		assert_int_equal(sha256_file(deb, p->sha256, NULL), 0);
	}
	return 0;
}

static int fake_download(const char *cache_path, const char *suite, const struct cache_package *package,
			 const char *path, const char *work, const char *log, struct err *err)
{
	_cleanup_free_ char *deb = deb_of(package->name), *data = NULL;
	size_t len;

	(void)cache_path;
	(void)suite;
	(void)log;
	assert_true(path_is_dir(work));
	downloaded++;
	return file_read(deb, 1 << 20, &data, &len, err) < 0 ? -1 : file_write_atomic(path, data, len, err);
}

static const struct package_archive fake_archive = { fake_resolve, fake_download };

static void put(const char *root, const char *name, const char *text, size_t len)
{
	_cleanup_free_ char *path = path_join(root, name), *parent = xstrdup(path);

	*strrchr(parent, '/') = '\0';
	assert_int_equal(make_dirs(parent, NULL), 0);
	assert_int_equal(file_write_atomic(path, text, len, NULL), 0);
}

static void put_text(const char *root, const char *name, const char *text)
{
	put(root, name, text, strlen(text));
}

static void put_image(const char *root, const char *name, uint64_t page_bytes)
{
	char data[1024] = { 0 };

	data[24] = page_bytes == 16384 ? 2 << 1 : 1 << 1;
	memcpy(data + 56, "ARM\x64", 4);
	strcpy(data + 256, "Linux version " RELEASE " (debian@lists) (gcc 14, ld 2.44) #1 SMP");
	/* two versions differ in their kernel */
	strcpy(data + 512, version);
	put(root, name, data, sizeof(data));
}

static void put_modules(const char *root, const char *dir)
{
	static const char dep[] = "kernel/virtio_pci.ko.gz:\nkernel/virtio_console.ko: kernel/virtio_pci.ko.gz\n"
				  "kernel/ext4.ko: kernel/jbd2.ko\nkernel/jbd2.ko:\n";
	static const char *const names[] = { "virtio_pci", "virtio_console", "ext4", "jbd2" };
	_cleanup_free_ char *gz = xasprintf("%s/%s/kernel/virtio_pci.ko", root, dir);
	const char *gzip[] = { "gzip", gz, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *name = xasprintf("%s/kernel/%s.ko", dir, names[i]);
		_cleanup_free_ char *text = xasprintf("%s vermagic=" RELEASE " SMP", names[i]);

		put_text(root, name, text);
	}
	assert_int_equal(tool_run(gzip, NULL, NULL, NULL, NULL), 0);
	{
		_cleanup_free_ char *name = xasprintf("%s/modules.dep", dir), *builtin = NULL;

		put_text(root, name, dep);
		/* in the split layout it lies in another package */
		builtin = xasprintf("%s/modules.builtin", dir);
		if (parts == whole)
			put_text(root, builtin, "kernel/drivers/block/loop.ko\n");
	}
}

static void build_deb(const char *name, const char *root)
{
	_cleanup_free_ char *deb = deb_of(name), *control = NULL;
	const char *argv[] = { "dpkg-deb", "--root-owner-group", "--build", root, deb, NULL };
	struct err err = ERR_INIT;

	control = xasprintf("Package: %s\nVersion: %s\nArchitecture: arm64\nMaintainer: a test <a@test>\n"
			    "Description: a test\n",
			    name, version);
	put_text(root, "DEBIAN/control", control);
	if (tool_run(argv, NULL, NULL, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(remove_tree(root, NULL), 0);
}

/* As up to 6.18: one package, the kernel in /boot. */
static void make_whole(uint64_t page_bytes, const char *map)
{
	_cleanup_free_ char *root = path_join(top, "deb");

	parts = whole;
	put_image(root, "boot/vmlinuz-" RELEASE, page_bytes);
	put_text(root, "boot/System.map-" RELEASE, map);
	put_text(root, "boot/config-" RELEASE, "CONFIG_SWAP=y\n");
	put_modules(root, "lib/modules/" RELEASE);
	build_deb(whole[0], root);
}

/* As from 6.19 on. */
static void make_split(void)
{
	_cleanup_free_ char *root = path_join(top, "deb");

	parts = split;
	put_text(root, "usr/lib/modules/" RELEASE "/config", "CONFIG_SWAP=y\n");
	put_text(root, "usr/lib/modules/" RELEASE "/System.map", STUB);
	put_text(root, "usr/lib/modules/" RELEASE "/modules.builtin", "kernel/drivers/block/loop.ko\n");
	build_deb(split[0], root);
	put_image(root, "usr/lib/modules/" RELEASE "/vmlinuz", 4096);
	build_deb(split[1], root);
	put_text(root, "usr/share/doc/x", "x\n");
	build_deb(split[2], root);
	put_modules(root, "usr/lib/modules/" RELEASE);
	build_deb(split[3], root);
}

static int setup(void **state)
{
	(void)state;
	top = scratch_make();
	cache = path_join(top, "cache");
	pool = path_join(top, "pool");
	assert_int_equal(make_dirs(pool, NULL), 0);
	version = "6.12.1-1";
	offline = false;
	resolved = downloaded = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_remove(top);
	free(cache);
	free(pool);
	text_free(&said);
	return 0;
}

static struct kernel_spec spec_of(const char *package, struct string_list load)
{
	return (struct kernel_spec){ .package = (char *)(uintptr_t)package, .suite = (char *)"trixie", .load = load };
}

static struct kernel_image *ensure(const struct kernel_spec *spec, bool refresh, struct err *err)
{
	const struct kernel_env env = { cache, NULL, NULL, refresh, false };
	struct kernel_image *image = NULL;

	text_free(&said);
	*err = ERR_INIT;
	return package_ensure(&env, &fake_archive, spec, hear, NULL, &image, err) < 0 ? NULL : image;
}

static struct kernel_image *ensured(const struct kernel_spec *spec, bool refresh)
{
	struct err err;
	struct kernel_image *image = ensure(spec, refresh, &err);

	if (!image)
		fail_msg("%s", err.msg);
	return image;
}

static int lookup(const struct kernel_spec *spec, struct kernel_image **ret_image)
{
	const struct kernel_env env = { cache, NULL, NULL, false, false };
	struct err err = ERR_INIT;
	int rc = kernel_lookup_in(&env, spec, ret_image, &err);

	if (rc < 0)
		fail_msg("%s", err.msg);
	return rc;
}

static void assert_modules(const struct kernel_image *image, const char *expected)
{
	struct text names = { 0 };
	_cleanup_free_ char *s = NULL;

	for (size_t i = 0; i < image->n_modules; i++) {
		_cleanup_free_ char *data = NULL;

		text_add(&names, "%s ", image->modules[i].name);
		assert_int_equal(file_read(image->modules[i].path, 4096, &data, NULL, NULL), 0);
		assert_non_null(strstr(data, "vermagic=")); /* unpacked */
	}
	s = text_steal(&names);
	assert_string_equal(s, expected);
}

static void fetched_once(void **state)
{
	const struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 });
	struct kernel_image *image;
	char recipe[SHA256_HEX_SIZE];

	(void)state;
	make_whole(16384, STUB);
	assert_int_equal(lookup(&spec, &image), 0);
	assert_string_equal(image->origin, "linux-image-arm64 (trixie)");
	assert_string_equal(image->release, "");
	assert_int_equal(image->page_bytes, 0);
	kernel_image_free(image);

	image = ensured(&spec, false);
	assert_int_equal(image->page_bytes, 16384);
	assert_string_equal(image->release, RELEASE);
	assert_string_equal(image->compiler, "gcc 14, ld 2.44");
	assert_string_equal(image->origin, "linux-image-" RELEASE " 6.12.1-1, 16K");
	assert_true(starts_with(image->packages, "linux-image-" RELEASE " 6.12.1-1 "));
	assert_int_equal(strlen(image->packages), strlen("linux-image-" RELEASE " 6.12.1-1 ") + SHA256_HEX_SIZE - 1);
	assert_null(image->system_map); /* a line that says where the real one is */
	assert_true(path_exists(image->config));
	assert_modules(image, "00-virtio_pci.ko 01-virtio_console.ko ");
	strcpy(recipe, image->recipe);
	kernel_image_free(image);

	/* nobody is asked again, whatever the network */
	offline = true;
	image = ensured(&spec, false);
	assert_string_equal(image->recipe, recipe);
	kernel_image_free(image);
	assert_int_equal(lookup(&spec, &image), 1);
	assert_modules(image, "00-virtio_pci.ko 01-virtio_console.ko ");
	kernel_image_free(image);
	assert_int_equal(resolved, 1);
	assert_int_equal(downloaded, 1);
}

/* The metapackage and the kernel that it stands for are one entry. */
static void two_names_of_one_kernel(void **state)
{
	const struct kernel_spec meta = spec_of("linux-image-arm64", (struct string_list){ 0 }),
				 real = spec_of("linux-image-" RELEASE, (struct string_list){ 0 });
	struct kernel_image *a, *b;

	(void)state;
	make_whole(4096, "0000 T _head\n0000 T _text\n");
	a = ensured(&meta, false);
	b = ensured(&real, false);
	assert_string_equal(a->recipe, b->recipe);
	assert_non_null(a->system_map);
	assert_int_equal(resolved, 2);
	assert_int_equal(downloaded, 1);
	kernel_image_free(a);
	kernel_image_free(b);
}

static void the_split_layout(void **state)
{
	const struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 });
	struct kernel_image *image;

	(void)state;
	make_split();
	image = ensured(&spec, false);
	assert_string_equal(image->origin, "linux-image-" RELEASE " 6.12.1-1, 4K");
	assert_true(path_exists(image->config));
	assert_null(image->system_map);
	assert_modules(image, "00-virtio_pci.ko 01-virtio_console.ko ");
	assert_int_equal(downloaded, 4);
	kernel_image_free(image);
}

/* Other modules come from the packages that were kept. */
static void more_modules_need_no_network(void **state)
{
	char *ext4[] = { (char *)"ext4", (char *)"loop" }, *wrong[] = { (char *)"ext5" };
	const struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 }),
				 more = spec_of("linux-image-arm64", (struct string_list){ ext4, 2 }),
				 none = spec_of("linux-image-arm64", (struct string_list){ wrong, 1 });
	struct kernel_image *image;
	struct err err;

	(void)state;
	make_split();
	kernel_image_free(ensured(&spec, false));
	offline = true;
	assert_int_equal(lookup(&more, &image), 0);
	assert_int_equal(image->page_bytes, 4096); /* as much is known */
	kernel_image_free(image);
	image = ensured(&more, false);
	assert_modules(image, "00-virtio_pci.ko 01-virtio_console.ko 02-jbd2.ko 03-ext4.ko ");
	kernel_image_free(image);
	assert_int_equal(lookup(&more, &image), 1);
	kernel_image_free(image);
	assert_null(ensure(&none, false, &err));
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.msg, "linux-image-arm64: load: no module 'ext5', and none that is built in; did you "
				     "mean 'ext4'?");
}

static void damage(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
}

static void damage_is_found(void **state)
{
	char *ext4[] = { (char *)"ext4" };
	const struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 }),
				 more = spec_of("linux-image-arm64", (struct string_list){ ext4, 1 });
	_cleanup_free_ char *dir = NULL;
	struct kernel_image *image;
	struct cache_entry entry = { 0 };
	struct err err;

	(void)state;
	make_whole(4096, STUB);
	image = ensured(&spec, false);
	dir = xasprintf("%s/kernels/%s", cache, image->recipe);
	kernel_image_free(image);
	damage(dir, "Image");
	assert_int_equal(lookup(&spec, &image), 0);
	assert_string_equal(image->origin, "linux-image-arm64 (trixie) (the cached one is damaged)");
	kernel_image_free(image);
	offline = true;
	assert_null(ensure(&spec, false, &err));
	assert_string_equal(err.msg, "no network");
	offline = false;
	kernel_image_free(ensured(&spec, false));
	assert_non_null(strstr(said.s, "Image: damaged: its sha256 is not the one it had when it was built; fetching "
				       "it again"));
	assert_int_equal(downloaded, 2);
	/* a package: `images verify` says so, a run that does not need it goes on, one that does fetches it */
	damage(dir, "linux-image-" RELEASE ".deb");
	assert_int_equal(cache_open(cache, strrchr(dir, '/') + 1, &entry, NULL), CACHE_INTACT);
	assert_int_equal(cache_check_packages(&entry, &err), -1);
	cache_entry_clear(&entry);
	kernel_image_free(ensured(&spec, false));
	assert_int_equal(downloaded, 2);
	image = ensured(&more, false);
	assert_modules(image, "00-virtio_pci.ko 01-virtio_console.ko 02-jbd2.ko 03-ext4.ko ");
	kernel_image_free(image);
	assert_int_equal(downloaded, 3);
}

/* A newer kernel in the suite is taken when it is asked for, and then it is another entry. */
static void refreshed(void **state)
{
	const struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 });
	struct kernel_image *old, *same, *new;

	(void)state;
	make_whole(4096, STUB);
	old = ensured(&spec, false);
	same = ensured(&spec, true);
	assert_string_equal(same->recipe, old->recipe);
	assert_int_equal(downloaded, 1);
	version = "6.12.1-2";
	make_whole(4096, STUB);
	kernel_image_free(same);
	same = ensured(&spec, false);
	assert_string_equal(same->recipe, old->recipe);
	new = ensured(&spec, true);
	assert_string_not_equal(new->recipe, old->recipe);
	assert_string_not_equal(new->sha256, old->sha256);
	assert_true(path_exists(old->path));
	kernel_image_free(old);
	kernel_image_free(same);
	kernel_image_free(new);
}

static void refused(const struct kernel_spec *spec, enum err_kind kind, const char *message)
{
	_cleanup_free_ char *work = NULL;
	struct err err;

	assert_null(ensure(spec, false, &err));
	assert_int_equal(err.kind, kind);
	assert_string_equal(err.msg, message);
	/* nothing is left behind */
	work = xasprintf("%s/build/package-%d", cache, (int)getpid());
	assert_false(path_exists(work));
}

static void what_is_no_kernel(void **state)
{
	struct kernel_spec spec = spec_of("linux-image-arm64", (struct string_list){ 0 });
	_cleanup_free_ char *root = path_join(top, "deb");

	(void)state;
	spec.page_bytes = 65536;
	make_whole(4096, STUB);
	refused(&spec, ERR_CONFIG,
		"linux-image-" RELEASE " 6.12.1-1, 4K: built for 4K pages, but `pages: 64K` is asked for");
	spec.page_bytes = 4096;
	kernel_image_free(ensured(&spec, false));

	version = "6.12.1-3";
	put_text(root, "usr/share/doc/x", "x\n");
	build_deb(whole[0], root);
	spec.package = (char *)"linux-image-" RELEASE;
	refused(&spec, ERR_CONFIG,
		"linux-image-" RELEASE ": no vmlinuz in it, nor in what it depends on in its own version");
	version = "6.12.1-4";
	put_image(root, "boot/vmlinuz-" RELEASE, 4096);
	put_image(root, "boot/vmlinuz-other", 4096);
	build_deb(whole[0], root);
	refused(&spec, ERR_HOST,
		"linux-image-" RELEASE ": two kernels in it, /boot/vmlinuz-" RELEASE " and /boot/vmlinuz-other");
	version = "6.12.1-5";
	put_image(root, "boot/vmlinuz-" RELEASE, 4096);
	build_deb(whole[0], root);
	refused(&spec, ERR_CONFIG,
		"linux-image-" RELEASE ": no modules in it; granule needs lib/modules/" RELEASE
		" with modules.order, as `make modules_install` leaves it");

	spec.package = (char *)"linux-image-arm64/../x";
	refused(&spec, ERR_CONFIG,
		"package: 'linux-image-arm64/../x' is no kernel package: Debian calls them linux-image-..., as in "
		"linux-image-arm64");
	spec.suite = (char *)"../etc";
	refused(&spec, ERR_CONFIG, "suite: '../etc' is no Debian suite (bookworm, trixie, trixie-backports, sid, ...)");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fetched_once),	 TEST(two_names_of_one_kernel),
		TEST(the_split_layout),	 TEST(more_modules_need_no_network),
		TEST(damage_is_found),	 TEST(refreshed),
		TEST(what_is_no_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
