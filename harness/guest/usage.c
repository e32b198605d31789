// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads /proc/PID/stat (state, utime, stime) and /proc/PID/task/TID/schedstat (nanoseconds on a run queue: the second
 * number; Documentation/scheduler/sched-stats.rst). Knows no guest, only its process. Where the kernel keeps no
 * schedstat only stops and gaps are seen. */
#include "guest/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#define LOOK_NS (100 * NSEC_PER_MSEC)
/* Who looks ten times a second and comes back after this long was itself kept from running. */
#define GAP_NS (2 * NSEC_PER_SEC)

/* False: it is gone, and @usage keeps what it had. */
static bool read_stat(const struct usage *usage, double *ret_cpu_s, bool *ret_stopped)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/stat", (int)usage->pid), *text = NULL;
	unsigned long long user = 0, system = 0;
	char state = 'Z', *p;

	if (file_read(path, 65536, &text, NULL, NULL) < 0 || !(p = strrchr(text, ')')))
		return false;
	if (sscanf(p + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &state, &user, &system) != 3)
		return false;
	*ret_cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	*ret_stopped = state == 'T' || state == 't';
	return state != 'Z' && state != 'X';
}

/* Of the thread that waited most: with one vCPU that is the vCPU's. */
static double waited_s(const struct usage *usage)
{
	_cleanup_free_ char *tasks = xasprintf("/proc/%d/task", (int)usage->pid);
	DIR *dir = opendir(tasks);
	unsigned long long most = 0;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *path = xasprintf("%s/%s/schedstat", tasks, e->d_name), *text = NULL;
		unsigned long long waited = 0;

		if (e->d_name[0] != '.' && file_read(path, 256, &text, NULL, NULL) == 0 &&
		    sscanf(text, "%*u %llu", &waited) == 1 && waited > most)
			most = waited;
	}
	if (dir)
		closedir(dir);
	return (double)most / (double)NSEC_PER_SEC;
}

void usage_init(struct usage *usage, pid_t pid, uint64_t now)
{
	*usage = (struct usage){ .pid = pid, .looked_ns = now };
}

void usage_look(struct usage *usage, uint64_t now)
{
	double span = (double)(now - usage->looked_ns) / (double)NSEC_PER_SEC, cpu, waited, lost;
	bool stopped, unseen = now - usage->looked_ns > GAP_NS;

	if (!usage->pid || now - usage->looked_ns < LOOK_NS || !read_stat(usage, &cpu, &stopped))
		return;
	waited = waited_s(usage);
	lost = waited - usage->waited_s;
	if (unseen || (stopped && usage->stopped))
		lost = span - (cpu - usage->cpu_s);
	usage->starved_s += lost < 0 ? 0 : lost > span ? span : lost;
	usage->cpu_s = cpu;
	usage->waited_s = waited;
	usage->stopped = stopped;
	usage->looked_ns = now;
}
