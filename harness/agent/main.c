// SPDX-License-Identifier: GPL-2.0-or-later
/* Process 1 of a guest, or, for tests, a plain process:
 *
 *   agent --fake JOB PORT ROOT
 *
 * does the steps of the file JOB and writes the stream to the file PORT; standard error is the console. ROOT, a folder,
 * stands for the guest's /: programs (ROOT/bin/null), settings and watched files are taken below it. The page size is that of
 * ROOT/page_size or, without this file, the one that the job expects; a knob that must be there is made. It mounts nothing,
 * makes no cgroups, leaves the machine on; its clock is a counter and its usage zero, so that equal programs give equal
 * streams. A job in which the null workload is told to fail by "no-hello" ends it at once. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char job_text[JOB_SIZE_MAX + 2];

static void fake_init(struct agent *agent, char **argv)
{
	static const char expect_page[] = "\nexpect\tpage_size\t";
	const char *expect = strstr(job_text, expect_page);

	agent->fake = true;
	agent->root = argv[4];
	agent->port = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (agent->port < 0) {
		console_say("cannot open %s: %s", argv[3], strerror(errno));
		exit(1);
	}
	if (expect)
		agent->fake_page = strtoull(expect + strlen(expect_page), NULL, 10);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void guest_init(struct agent *agent)
{
	int fd;

	init_mounts(agent);
	init_modules(agent, job_text);
	init_port(agent);
	hello(agent);
	init_cgroups(agent);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "-1000", 5) < 0)
		agent_note(agent, "oom_score_adj: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* What the deepest call below needs, before anything is measured. */
static __attribute__((noinline)) void touch_stack(void)
{
	volatile char stack[128u << 10];

	for (size_t i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 0;
}

int main(int argc, char **argv)
{
	static struct agent self = { .root = "", .port = -1 };
	bool fake = argc == 5 && strcmp(argv[1], "--fake") == 0;
	const char *job_path = fake ? argv[2] : JOB_PATH;
	ssize_t len;

	if (!fake && getpid() != 1) {
		fprintf(stderr, "usage: %s --fake JOB PORT ROOT (or as process 1 of a guest)\n", argv[0]);
		return 2;
	}
	snapshot_prepare();
	touch_stack();
	len = read_small(job_path, job_text, sizeof(job_text));
	if (fake) {
		fake_init(&self, argv);
		if (strstr(job_text, "\t--fail\tno-hello"))
			return 0;
		hello(&self);
	} else {
		guest_init(&self);
	}
	exec_prepare(&self);
	if (len < 0)
		agent_fail(&self, "cannot read %s", job_path);
	if (len > (ssize_t)JOB_SIZE_MAX)
		agent_fail(&self, "%s is larger than %u bytes", job_path, JOB_SIZE_MAX);
	job_run(&self, job_text);
}
