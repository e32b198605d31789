// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <fcntl.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "image/image.h"
#include "store/store.h"

#define GRANULE_S 400 /* of one call: a calibration beside other jobs has taken more than 120 */

char *scratch_make(void)
{
	const char *tmp = getenv("TMPDIR");
	char *dir = xasprintf("%s/granule-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	assert_non_null(mkdtemp(dir));
	return dir;
}

void scratch_remove(char *dir)
{
	remove_tree(dir, NULL);
	free(dir);
}

char *scratch_write(const char *dir, const char *name, const void *data, size_t len)
{
	char *path = path_join(dir, name);

	assert_int_equal(file_write_atomic(path, data, len, NULL), 0);
	return path;
}

char *scratch_image(const char *dir, const char *name, unsigned int page_bytes)
{
	char image[4096] = { 0 };

	/* Documentation/arch/arm64/booting.rst: image size at 16, flags at 24 (bits 1-2: page size), magic at 56 */
	image[17] = 0x10;
	image[24] = (char)(page_bytes == 4096 ? 1 << 1 : page_bytes == 16384 ? 2 << 1 : 3 << 1);
	memcpy(image + 56, "ARM\x64", 4);
	strcpy(image + 512, "Linux version 6.12.0-test (nobody@nowhere) (gcc) #1 SMP\n");
	return scratch_write(dir, name, image, sizeof(image));
}

static char *find_kernel(const struct kernel_spec *spec, const char *how, char **ret_why_not)
{
	_cleanup_free_ char *qemu = proc_find("qemu-system-aarch64"), *path = NULL;
	struct kernel_image *image = NULL;
	struct err err = ERR_INIT;
	int found;

	if (getenv("GRANULE_NO_GUESTS")) {
		*ret_why_not = xstrdup(getenv("GRANULE_NO_GUESTS"));
		return NULL;
	}
	if (!qemu) {
		*ret_why_not = xstrdup("qemu-system-aarch64 is not on PATH");
		return NULL;
	}
	found = kernel_lookup(spec, &image, &err);
	if (found > 0)
		path = xstrdup(image->path);
	else
		*ret_why_not =
			found < 0 ? xstrdup(err.msg) : xasprintf("%s is not in the cache (%s)", image->origin, how);
	if (found >= 0)
		kernel_image_free(image);
	return steal_ptr(path);
}

char *guest_package(const char *package, const char *suite, char **ret_why_not)
{
	const struct kernel_spec spec = { .package = (char *)(uintptr_t)package, .suite = (char *)(uintptr_t)suite };
	char *path = find_kernel(&spec, "`granule images build matrices/distro.yaml` fetches it", ret_why_not);

	if (!path)
		printf("skipped: %s\n", *ret_why_not);
	return path;
}

char *guest_kernel_of(const char *config, uint64_t page_bytes, char **ret_why_not)
{
	const struct kernel_spec spec = { .source = (char *)(uintptr_t) "linux-source-6.12",
					  .suite = (char *)(uintptr_t) "trixie",
					  .config = (char *)(uintptr_t)config,
					  .page_bytes = page_bytes };
	char *path = find_kernel(&spec, "`granule images build` builds it", ret_why_not);

	if (!path)
		printf("skipped: %s\n", *ret_why_not);
	return path;
}

char *guest_kernel(uint64_t page_bytes, char **ret_why_not)
{
	const struct kernel_spec spec = { .source = (char *)(uintptr_t) "linux-source-6.12",
					  .suite = (char *)(uintptr_t) "trixie",
					  .config = (char *)(uintptr_t) "micro",
					  .page_bytes = page_bytes };
	char *path = find_kernel(&spec, "`make demo` builds those of matrices/smoke.yaml", ret_why_not);

	if (path)
		return path;
	printf("skipped: %s\n", *ret_why_not);
	if (getenv("GRANULE_REQUIRE_GUESTS"))
		fail_msg("GRANULE_REQUIRE_GUESTS is set, and guests cannot run here: %s", *ret_why_not);
	return NULL;
}

int fake_setup(void **state)
{
	struct fake_fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *cache = NULL;

	f->dir = scratch_make();
	cache = path_join(f->dir, "cache");
	setenv("GRANULE_CACHE", cache, 1);
	setenv("GRANULE_FAKE", "1", 1);
	setenv("CI", "1", 1);
	free(scratch_image(f->dir, "Image-4k", 4096));
	free(scratch_image(f->dir, "Image-64k", 65536));
	*state = f;
	return 0;
}

int fake_teardown(void **state)
{
	struct fake_fixture *f = *state;

	scratch_remove(f->dir);
	free(f);
	return 0;
}

int guest_setup(void **state)
{
	struct guest_fixture *f = xcalloc(1, sizeof(*f));

	f->dir = scratch_make();
	unsetenv("GRANULE_FAKE");
	setenv("CI", "1", 1);
	free(guest_kernel(65536, &f->why_not));
	*state = f;
	return 0;
}

int guest_teardown(void **state)
{
	struct guest_fixture *f = *state;

	scratch_remove(f->dir);
	free(f->why_not);
	free(f);
	return 0;
}

static char *granule_path(void)
{
	const char *build = getenv("GRANULE_BUILD");

	return path_join(build ? build : "build", "granule");
}

int granule(char **ret_output, const char *const args[])
{
	_cleanup_free_ char *program = granule_path(), *out = NULL;
	const char *argv[32] = { program };
	struct err err = ERR_INIT;
	int rc;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	rc = proc_capture((char *const *)argv, now_ns() + GRANULE_S * NSEC_PER_SEC, 1 << 20, &out, &err);
	if (rc < 0)
		fail_msg("%s %s: %s", program, args[0], err.msg);
	if (ret_output)
		*ret_output = steal_ptr(out);
	return rc;
}

pid_t granule_start(const char *const args[])
{
	_cleanup_free_ char *program = granule_path();
	_cleanup_close_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	const char *argv[32] = { program };
	struct err err = ERR_INIT;
	pid_t pid;

	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	pid = proc_spawn((char *const *)argv, null, &err);
	if (pid < 0)
		fail_msg("%s", err.msg);
	return pid;
}

char *run_digest(const char *run_dir)
{
	struct text lines = { 0 };
	struct err err = ERR_INIT;
	struct run *run = NULL;

	if (run_open(run_dir, &run, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < run->n_cells; i++) {
		for (unsigned int boot = 1; boot <= cell_boots(run, &run->cells[i]); boot++) {
			struct boot_result result = { 0 };

			if (boot_read(run, &run->cells[i], boot, &result, &err) < 0)
				fail_msg("%s", err.msg);
			text_add(&lines, "%s %u %s %s\n", run->cells[i].id, boot, outcome_names[result.outcome],
				 result.sha256);
			boot_result_free(&result);
		}
	}
	run_free(run);
	return text_steal(&lines);
}

char *guest_kernels(const char *matrix)
{
	_cleanup_free_ char *list = NULL, *kernel = NULL;
	char *why_not = NULL;

	kernel = guest_kernel(65536, &why_not);
	if (!kernel)
		return why_not;
	if (GRANULE(&list, "list", matrix) != 0)
		fail_msg("%s", list);
	if (!strstr(list, "to be built"))
		return NULL;
	printf("skipped: kernels of %s are not in the cache (`granule images build %s` builds them)\n", matrix, matrix);
	return xstrdup("kernels are missing");
}
