/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of granule-boot share: a run directory made without a matrix, and granule-boot as the scheduler starts
 * it. */
#ifndef GRANULE_TESTS_GUEST_BOOT_H
#define GRANULE_TESTS_GUEST_BOOT_H

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "guest/programs.h"
#include "store/store.h"

#define UNUSED __attribute__((unused))

struct boot_cell {
	const char *id, *skip;
	const char *kernel;	    /* NULL: one that boots nowhere */
	const char *program;	    /* NULL: "/bin/null --value 1 --cost 1000" */
	const char *append;	    /* to the command line */
	const char *set;	    /* lines of the job before its exec, or NULL */
	const char *exec_timeout_s; /* NULL: "1000" */
	const char *sha256;	    /* of the kernel, if not the right one */
	uint64_t page_bytes, memory_bytes, timeout_s;
};

UNUSED static void boot_add_program(struct cell_record *r, const char *guest_path, const char *built)
{
	struct cell_program *p = VEC_PUSH(r->programs, r->n_programs);

	p->guest_path = xstrdup(guest_path);
	p->host_path = guest_program_path(built);
	if (sha256_file(p->host_path, p->sha256, NULL) < 0)
		sha256_bytes("", 0, p->sha256);
}

UNUSED static void boot_fill_cell(struct cell_record *r, const struct boot_cell *c, unsigned int boots)
{
	char hex[SHA256_HEX_SIZE];
	const char *program = c->program ? c->program : "/bin/null\t--value\t1\t--cost\t1000";

	r->id = xstrdup(c->id);
	r->skip = xstrdup(c->skip);
	r->definition = json_object();
	r->workload = xstrdup("null");
	r->boots = boots;
	r->page_bytes = c->page_bytes ? c->page_bytes : 4096;
	r->kernel_path = xstrdup(c->kernel ? c->kernel : "/nonexistent/Image");
	if (!c->kernel || sha256_file(c->kernel, hex, NULL) < 0)
		sha256_bytes("", 0, hex);
	r->kernel_sha256 = xstrdup(c->sha256 ? c->sha256 : hex);
	r->kernel_release = xstrdup("6.12.0-test");
	r->cpus = 1;
	r->memory_bytes = c->memory_bytes ? c->memory_bytes : UINT64_C(512) << 20;
	r->timeout_s = c->timeout_s ? c->timeout_s : 20;
	r->basis = BASIS_SIMULATED;
	r->basis_reason = xstrdup("a test");
	r->cpu_model = xstrdup("neoverse-n1");
	r->command_line = xasprintf("console=ttyAMA0 panic=-1 %s", c->append ? c->append : "loglevel=7");
	r->job = xasprintf("job\t1\nexpect\tpage_size\t%llu\n%swatch\t/proc/meminfo\nidle\n"
			   "exec\tnull\tsample\t0\t%s\t%s\n",
			   (unsigned long long)r->page_bytes, c->set ? c->set : "",
			   c->exec_timeout_s ? c->exec_timeout_s : "1000", program);
	boot_add_program(r, "init", "agent");
	boot_add_program(r, "bin/null", "null/null");
	boot_add_program(r, "bin/getppid1", "will-it-scale/getppid1_processes");
	boot_add_program(r, "bin/misbehave", "../tests/guest/misbehave");
	boot_add_program(r, "bin/layout", "../tests/guest/layout");
}

/* Every cell may have 1000 boots. */
UNUSED static void boot_run_make(const char *run, const struct boot_cell *cells, size_t n)
{
	struct cell_record *records = xcalloc(n, sizeof(*records));
	struct err err = ERR_INIT;
	json_t *header = json_object();

	for (size_t i = 0; i < n; i++)
		boot_fill_cell(&records[i], &cells[i], 1000);
	if (run_create(run, NULL, header, records, n, &err) < 0)
		fail_msg("%s", err.msg);
	json_decref(header);
	for (size_t i = 0; i < n; i++)
		cell_record_free(&records[i]);
	free(records);
}

UNUSED static const char **boot_argv(const char *program, const char *const *args)
{
	const char **argv = xcalloc(32, sizeof(*argv));

	argv[0] = program;
	for (size_t i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	return argv;
}

UNUSED static char *boot_program(void)
{
	const char *build = getenv("GRANULE_BUILD");

	return build ? path_join(build, "granule-boot") : granule_program_path("granule-boot");
}

/* Exit code; both outputs in *ret_output, owned by the caller, unless NULL. */
UNUSED static int boot_run(char **ret_output, const char *const *args)
{
	_cleanup_free_ char *program = boot_program(), *out = NULL;
	_cleanup_free_ const char **argv = boot_argv(program, args);
	struct err err = ERR_INIT;
	int rc = proc_capture((char *const *)argv, now_ns() + 600 * NSEC_PER_SEC, 1 << 20, &out, &err);

	if (rc < 0)
		fail_msg("%s", err.msg);
	if (ret_output)
		*ret_output = steal_ptr(out);
	return rc;
}

UNUSED static pid_t boot_start(const char *const *args)
{
	_cleanup_free_ char *program = boot_program();
	_cleanup_free_ const char **argv = boot_argv(program, args);
	struct err err = ERR_INIT;
	pid_t pid = proc_spawn((char *const *)argv, -1, &err);

	if (pid < 0)
		fail_msg("%s", err.msg);
	return pid;
}

#define BOOT(out, ...) boot_run(out, (const char *const[]){ __VA_ARGS__, NULL })
#define BOOT_START(...) boot_start((const char *const[]){ __VA_ARGS__, NULL })

UNUSED static struct run *boot_run_open(const char *dir)
{
	struct err err = ERR_INIT;
	struct run *run = NULL;

	if (run_open(dir, &run, &err) < 0)
		fail_msg("%s", err.msg);
	return run;
}

UNUSED static void boot_result_of(const char *dir, const char *cell, unsigned int boot, struct boot_result *ret)
{
	_cleanup_(run_free_p) struct run *run = boot_run_open(dir);
	struct err err = ERR_INIT;

	if (boot_read(run, run_find_cell(run, cell), boot, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

UNUSED static void boot_attempt_of(const char *dir, const char *cell, unsigned int boot, unsigned int attempt,
				   struct boot_result *ret)
{
	_cleanup_(run_free_p) struct run *run = boot_run_open(dir);
	struct err err = ERR_INIT;
	bool complete;

	if (attempt_read(run, run_find_cell(run, cell), boot, attempt, ret, &complete, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Until @file of the attempt is there and not empty. */
UNUSED static void boot_wait_for(const char *dir, const char *cell, unsigned int boot, unsigned int attempt,
				 const char *file)
{
	_cleanup_free_ char *path = xasprintf("%s/cells/%s/%u/%u/%s", dir, cell, boot, attempt, file);

	for (int i = 0; i < 6000; i++) {
		_cleanup_free_ char *data = NULL;
		size_t len = 0;

		if (file_read(path, SIZE_MAX / 2, &data, &len, NULL) == 0 && len)
			return;
		usleep(10000);
	}
	fail_msg("%s does not come", path);
}

#endif
