/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of the whole program share: a scratch folder, a file that looks like an arm64 Image, the programs as a
 * user starts them. */
#ifndef GRANULE_TESTS_PIPELINE_H
#define GRANULE_TESTS_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

/* A fresh folder under $TMPDIR; owned by the caller. */
char *scratch_make(void);
void scratch_remove(char *dir);

/* Write @text to @dir/@name; returns the path, owned by the caller. */
char *scratch_write(const char *dir, const char *name, const void *data, size_t len);

/* @dir/@name: 64 bytes of arm64 Image header with the page-size flag for @page_bytes, and a release string. It boots
 * nowhere; the fake guest does not mind. */
char *scratch_image(const char *dir, const char *name, unsigned int page_bytes);

/* A group's state for tests of the whole program with fake guests: a scratch folder with Image-4k, Image-64k and a cache of its
 * own. $GRANULE_FAKE is 1 from here on. */
struct fake_fixture {
	char *dir; /* owned */
};
int fake_setup(void **state);
int fake_teardown(void **state);

/* The Image of linux-source-6.12 (trixie, micro) at @page_bytes: the kernel of matrices/smoke.yaml, from the cache. NULL
 * with a sentence in @ret_why_not where a test cannot boot it: no QEMU, not built, $GRANULE_NO_GUESTS says so. With
 * $GRANULE_REQUIRE_GUESTS set that fails the test instead. Both owned by the caller. */
char *guest_kernel(uint64_t page_bytes, char **ret_why_not);

/* Why guests of the kernels of @matrix cannot run here, 64K ones among them: as above, or one of them is not built, which
 * is printed; or NULL. Owned by the caller. */
char *guest_kernels(const char *matrix);

/* A group's state for tests of real guests: a scratch folder, and why 64K guests cannot run here, or NULL. */
struct guest_fixture {
	char *dir, *why_not; /* owned */
};
int guest_setup(void **state);
int guest_teardown(void **state);
/* guest_kernel() of another configuration, "full"; never an error, since only those who want it build it. */
char *guest_kernel_of(const char *config, uint64_t page_bytes, char **ret_why_not);
/* The same of a Debian kernel package; never an error, since only `granule images build` fetches one. */
char *guest_package(const char *package, const char *suite, char **ret_why_not);

/* In a test whose fixture @f has why_not, as guest_kernel() set it. */
#define REQUIRE_GUESTS(f)                                                                                              \
	do {                                                                                                           \
		if ((f)->why_not)                                                                                      \
			skip();                                                                                        \
	} while (0)

/* Run build/granule with @args (ends with NULL); returns its exit code, output (both streams) in @ret_output, owned by
 * the caller, or dropped with NULL. Fails the test if it takes longer than 400 s. */
int granule(char **ret_output, const char *const args[]);
#define GRANULE(out, ...) granule((out), (const char *const[]){ __VA_ARGS__, NULL })

/* Start it in a process group of its own and return its pid; output to /dev/null. */
pid_t granule_start(const char *const args[]);

/* sha256 of every stream of a run that counts, one line "CELL BOOT OUTCOME SHA256" each, in plan order: what "the same
 * cells and the same bytes" means. Owned by the caller. */
char *run_digest(const char *run_dir);

#endif
