// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads sysfs and this process's affinity. Judges nothing. */
#include "guest/provenance.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"

#define CPUS_MOST CPU_SETSIZE

/* The file's first line; owned by the caller, NULL: there is none. */
static char *read_line(const char *root, const char *path)
{
	_cleanup_free_ char *whole = xasprintf("%s%s", root, path);
	char *text;

	if (file_read(whole, 4096, &text, NULL, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static char *line_or_none(const char *root, const char *path)
{
	char *line = read_line(root, path);

	return line ? line : xstrdup("none");
}

/* "always [madvise] never": what is in brackets. */
static char *backing(const char *root)
{
	_cleanup_free_ char *line = read_line(root, "/sys/kernel/mm/transparent_hugepage/enabled");
	char *chosen = line ? strchr(line, '[') : NULL;

	if (!chosen)
		return xstrdup("preallocated, no thp");
	chosen[1 + strcspn(chosen + 1, "]")] = '\0';
	return xasprintf("preallocated, thp %s", chosen + 1);
}

/* Each word once, in the order of CPUs. */
static char *governors(const char *root)
{
	struct text all = { 0 };

	for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF) && cpu < CPUS_MOST; cpu++) {
		_cleanup_free_ char *path = xasprintf("/sys/devices/system/cpu/cpu%ld/cpufreq/scaling_governor", cpu);
		_cleanup_free_ char *line = read_line(root, path);
		_cleanup_free_ char *word = line ? xasprintf("+%s+", line) : NULL;
		_cleanup_free_ char *seen = xasprintf("+%s+", all.s ? all.s : "");

		if (word && !strstr(seen, word))
			text_add(&all, "%s%s", all.len ? "+" : "", line);
	}
	return all.len ? text_steal(&all) : xstrdup("none");
}

static char *pinning(void)
{
	struct text list = { 0 };
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0 || CPU_COUNT(&set) >= sysconf(_SC_NPROCESSORS_ONLN))
		return xstrdup("all");
	for (int cpu = 0; cpu < CPUS_MOST; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, &set))
			continue;
		while (last + 1 < CPUS_MOST && CPU_ISSET(last + 1, &set))
			last++;
		text_add(&list, "%s%d", list.len ? "," : "", cpu);
		if (last > cpu)
			text_add(&list, "-%d", last);
		cpu = last;
	}
	return text_steal(&list);
}

static void set_text(json_t *o, const char *key, char *text)
{
	json_t *v = json_string(text);

	json_object_set_new(o, key, v ? v : json_string("not UTF-8"));
	free(text);
}

json_t *provenance_read(const char *root, unsigned int jobs)
{
	json_t *o = json_object();

	json_object_set_new(o, "page_bytes", json_integer((json_int_t)sysconf(_SC_PAGESIZE)));
	set_text(o, "backing", backing(root));
	set_text(o, "governor", governors(root));
	set_text(o, "smt", line_or_none(root, "/sys/devices/system/cpu/smt/control"));
	set_text(o, "pinning", pinning());
	json_object_set_new(o, "jobs", json_integer((json_int_t)jobs));
	return o;
}
