// SPDX-License-Identifier: GPL-2.0-or-later
/* The root file system of images/rootfs/base.yaml in real guests: programs of Debian run in it as their own user,
 * services are started, waited for, looked after and stopped, and what they leave comes out. Needs QEMU, the kernel
 * `full` and the image in the cache; skips with the reason where they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "image/recipe.h"
#include "image/rootfs.h"
#include "tests/guest-boot.h"
#include "tests/pipeline.h"
#include "wire/job.h"
#include "wire/wire.h"

#define ROOT "root\t" JOB_ROOT_IMAGE "\t" JOB_ROOT_DIR "\n"
/* A service of bash: says who it is, listens by making a file, ends at its signal. */
#define SERVICE(body) "service\tserver\t15\t5\t/usr/bin/bash\t-c\t" body "\n"
#define SERVER SERVICE("trap 'echo stopping; exit 0' TERM; id -un; touch /tmp/up; while :; do sleep 0.05; done")
#define READY "ready\tserver\t20\tcommand\t/usr/bin/test\t-e\t/tmp/up\n"

struct fixture {
	char *dir, *kernel, *why_not; /* owned */
	struct rootfs_entry root;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *layers = share_dir("images/rootfs"), *path = path_join(layers ? layers : ".", "base.yaml"),
			    *cache = cache_dir();
	_cleanup_(rootfs_recipe_clear) struct rootfs_recipe recipe = { 0 };
	struct err err = ERR_INIT;

	f->dir = scratch_make();
	*state = f;
	f->kernel = guest_kernel_of("full", 65536, &f->why_not);
	if (!f->kernel)
		return 0;
	if (!layers || rootfs_recipe_load(path, layers, &recipe, &err) < 0 ||
	    rootfs_lookup(cache, &recipe, &f->root, &err) != 1) {
		f->why_not = xasprintf("no root file system in the cache (`granule images build %s` makes it)%s%s",
				       path, err.msg[0] ? ": " : "", err.msg);
		printf("skipped: %s\n", f->why_not);
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->dir);
	rootfs_entry_clear(&f->root);
	free(f->kernel);
	free(f->why_not);
	free(f);
	return 0;
}

/* A run of one cell, "c", whose job is @lines; its directory, owned by the caller. */
static char *make_run(const struct fixture *f, const char *name, const char *lines, enum basis basis)
{
	const struct boot_cell c = { .id = "c",
				     .kernel = f->kernel,
				     .page_bytes = 65536,
				     .memory_bytes = UINT64_C(1) << 30,
				     .append = "loglevel=5",
				     .timeout_s = 60 };
	char *run = path_join(f->dir, name);
	struct cell_record r = { 0 };
	json_t *header = json_object();
	struct err err = ERR_INIT;
	struct cell_program *p;

	boot_fill_cell(&r, &c, 10);
	free(r.job);
	r.job = xasprintf("job\t1\nexpect\tpage_size\t65536\n%s", lines);
	r.basis = basis;
	p = VEC_PUSH(r.programs, r.n_programs);
	p->guest_path = xstrdup(&JOB_ROOT_IMAGE[1]);
	p->host_path = xstrdup(f->root.path);
	memcpy(p->sha256, f->root.image_sha256, sizeof(p->sha256));
	if (run_create(run, NULL, header, &r, 1, &err) < 0)
		fail_msg("%s", err.msg);
	json_decref(header);
	cell_record_free(&r);
	return run;
}

/* Boot it once; what came of it in @ret. */
static void boot_it(const char *run, const char *boot, struct boot_result *ret)
{
	_cleanup_free_ char *out = NULL;

	if (BOOT(&out, run, "c", boot) != 0)
		fail_msg("%s", out);
	boot_result_of(run, "c", 1, ret);
}

/* The output of the EXEC record of @phase and @kind; owned by the caller, NULL if there is none. */
static char *output_of(const struct boot_result *boot, const char *phase, const char *kind, char status[32])
{
	struct wire_record r;
	size_t offset = 0;

	for (uint32_t n = 0; wire_next(boot->stream, boot->stream_len, &offset, n, &r) == WIRE_OK; n++)
		if (r.type == WIRE_EXEC && wire_is(&r, 0, phase) && wire_is(&r, 1, kind)) {
			wire_text(&r, 5, status, 32);
			return xstrndup(r.fields[12].data, r.fields[12].len);
		}
	return NULL;
}

static char *artifact(const char *run, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/c/1/1/artifacts/%s", run, name);
	struct err err = ERR_INIT;
	char *data = NULL;

	if (file_read(path, 1 << 20, &data, NULL, &err) < 0)
		fail_msg("%s", err.msg);
	return data;
}

#define REQUIRE(f)                                                                                                     \
	do {                                                                                                           \
		if ((f)->why_not)                                                                                      \
			skip();                                                                                        \
	} while (0)

/* A service and a program, each as another user, in Debian's userland: twice, the same bytes. */
static void runs_twice_the_same(void **state)
{
	static const char job[] =
		ROOT "as\tdaemon\n" SERVER READY "as\tgames\n"
		     "artifact\tnote\t/root/var/tmp/note\n"
		     "exec\twork\tsample\t0\t30\t/usr/bin/bash\t-c\t"
		     "id -un; cat /etc/debian_version; touch /etc/new 2>&1; "
		     "echo kept > /var/tmp/note; sed -n s/Pagesize.*//p /proc/meminfo; getconf PAGESIZE\n"
		     "stop\tserver\n";
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result a = { 0 }, b = { 0 };
	_cleanup_free_ char *one = NULL, *two = NULL, *work = NULL, *log = NULL, *note = NULL, *served = NULL;
	char status[32];

	REQUIRE(f);
	one = make_run(f, "one", job, BASIS_SIMULATED);
	two = make_run(f, "two", job, BASIS_SIMULATED);
	boot_it(one, "1", &a);
	if (a.outcome != OUTCOME_OK)
		fail_msg("%s: %s", outcome_names[a.outcome], a.reason);
	work = output_of(&a, "work", "sample", status);
	assert_non_null(work);
	assert_string_equal(status, "exit 0");
	assert_true(starts_with(work, "games\n13."));
	assert_non_null(strstr(work, "touch: cannot touch '/etc/new': Permission denied\n"));
	assert_true(ends_with(work, "65536\n"));
	served = output_of(&a, "server", "service", status);
	assert_non_null(served);
	assert_string_equal(status, "exit 0");
	log = artifact(one, "server.log");
	note = artifact(one, "note");
	assert_string_equal(log, "daemon\nstopping\n");
	assert_string_equal(served, log);
	assert_string_equal(note, "kept\n");
	boot_it(two, "1", &b);
	assert_string_equal(a.sha256, b.sha256);
}

/* The image is a disk where the guest is not sealed, and nothing of it can be written. */
static void disk_serves_too(void **state)
{
	static const char job[] =
		ROOT "as\troot\nexec\twork\tsample\t0\t60\t/usr/bin/bash\t-c\t"
		     "cat /sys/block/vda/ro; cat /etc/debian_version; echo x > /etc/new && cat /etc/new\n";
	struct fixture *f = *state;
	_cleanup_(boot_result_free) struct boot_result boot = { 0 };
	_cleanup_free_ char *run = NULL, *work = NULL;
	char status[32];

	REQUIRE(f);
	run = make_run(f, "disk", job, BASIS_EMULATED);
	boot_it(run, "1", &boot);
	if (boot.outcome != OUTCOME_OK)
		fail_msg("%s: %s", outcome_names[boot.outcome], boot.reason);
	work = output_of(&boot, "work", "sample", status);
	assert_non_null(work);
	assert_true(starts_with(work, "1\n13."));
	assert_true(ends_with(work, "\nx\n"));
}

/* What goes wrong with a service, how it is classified, and that its log comes out. */
static void failures_are_told(void **state)
{
	static const struct {
		const char *name, *job, *reason, *log; /* NULL: nothing is said of it */
	} cases[] = {
		{ "dies-at-once", ROOT "as\tdaemon\n" SERVICE("echo no port left; exit 3") READY,
		  "service server ended by itself: exit 3: no port left", "no port left\n" },
		{ "dies-in-a-sample",
		  ROOT "as\tdaemon\n" SERVICE("touch /tmp/up; sleep 1; echo gone; kill -SEGV $$") READY
		  "exec\twork\tsample\t0\t60\t/usr/bin/sleep\t30\n",
		  "service server ended by itself: signal 11: gone", "gone\n" },
		{ "never-ready",
		  ROOT "as\tdaemon\n" SERVICE("echo waiting; sleep 1000") "ready\tserver\t2\tsocket\t/run/none\n",
		  "service server is not ready after 2 s (socket /run/none)", "waiting\n" },
		{ "does-not-stop",
		  ROOT "as\tdaemon\n" SERVICE("trap '' TERM; touch /tmp/up; while :; do sleep 1; done") READY
		  "stop\tserver\n",
		  "service server, told to stop: signal 9", NULL },
		{ "stops-badly",
		  ROOT "as\tdaemon\n" SERVICE("trap 'exit 5' TERM; touch /tmp/up; while :; do sleep 0.1; done") READY
		  "stop\tserver\n",
		  "service server, told to stop: exit 5", NULL },
		{ "out-of-memory",
		  "limit\t67108864\n" ROOT
		  "as\tdaemon\n" SERVICE("touch /tmp/up; sleep 1; x=$(head -c 200000000 /dev/zero | tr '\\0' x)") READY
		  "exec\twork\tsample\t0\t60\t/usr/bin/sleep\t30\n",
		  "(the OOM killer: its cgroup's memory.max is 67108864)", NULL },
		{ "nobody", ROOT "as\tnosuchuser\n", "as nosuchuser: /root/etc/passwd has no such user", NULL },
	};
	struct fixture *f = *state;

	REQUIRE(f);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(boot_result_free) struct boot_result boot = { 0 };
		_cleanup_free_ char *run = make_run(f, cases[i].name, cases[i].job, BASIS_SIMULATED), *log = NULL;

		boot_it(run, "1", &boot);
		if (boot.outcome == OUTCOME_OK || !boot.reason || !strstr(boot.reason, cases[i].reason))
			fail_msg("%s: %s: %s", cases[i].name, outcome_names[boot.outcome],
				 boot.reason ? boot.reason : "");
		if (strcmp(cases[i].name, "nobody") != 0)
			assert_int_equal(boot.outcome, OUTCOME_WORKLOAD_FAILED);
		if (cases[i].log) {
			log = artifact(run, "server.log");
			assert_string_equal(log, cases[i].log);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_twice_the_same),
		cmocka_unit_test(disk_serves_too),
		cmocka_unit_test(failures_are_told),
	};

	return cmocka_run_group_tests_name("rootfs-guest", tests, setup, teardown);
}
