// SPDX-License-Identifier: GPL-2.0-or-later
/* The CPU's event counters around samples, by perf_event_open(2): all that runs on every CPU, user and kernel apart.
 * Events go by the names that the kernel lists for its PMU in /sys/bus/event_source/devices/NAME/events, which are those
 * that the PMU says it has (armv8pmu_event_attr_is_visible() in drivers/perf/arm_pmuv3.c, by PMCEID0_EL0 and
 * PMCEID1_EL0 of the Arm ARM).
 * What an event means is the reader's. */
#include "agent/agent.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SETS_MAX 4u
#define EVENTS_MAX 16u
#define CPUS_MAX 256
#define DEVICES "/sys/bus/event_source/devices/"

enum { HALF_USER, HALF_KERNEL, HALVES };
static const char *const half_names[HALVES] = { "user", "kernel" };

/* One group of events a CPU, pinned: it counts all the time or not at all (perf_event_open(2), "pinned"). */
static struct pmu_set {
	char names[EVENTS_MAX][40];
	unsigned int n_events;
	int leaders[CPUS_MAX];
	struct reading {
		uint64_t values[EVENTS_MAX * HALVES], enabled_ns, running_ns; /* sums over CPUs */
		bool lost;						      /* a CPU had none */
	} readings[2];							      /* SNAPSHOT_BEFORE, SNAPSHOT_AFTER */
} sets[SETS_MAX];
static unsigned int n_sets;
static struct pmu_set *current; /* of the sample that was counted last */
static char device[64];		/* its folder in DEVICES, "" before it was looked for */
static uint32_t device_type;
static int n_cpus;

/* Only the PMU of the CPUs themselves has a file `cpus` (drivers/perf/arm_pmu.c). */
static void take_device(void *arg, const char *path)
{
	const char *name = path + strlen(DEVICES);

	(void)arg;
	if (!device[0])
		snprintf(device, sizeof(device), "%.*s", (int)strcspn(name, "/"), name);
}

/* The number in a file of the device, behind "event=" where that is there. */
static bool device_number(const char *file, uint64_t *ret)
{
	static const char event[] = "event=";
	char path[PATH_SIZE], text[64], *end;
	const char *p = text;

	snprintf(path, sizeof(path), DEVICES "%s/%s", device, file);
	if (read_small(path, text, sizeof(text)) <= 0)
		return false;
	if (strncmp(p, event, strlen(event)) == 0)
		p += strlen(event);
	*ret = strtoull(p, &end, 0);
	return end > p && (*end == '\n' || *end == '\0');
}

static bool find_device(struct agent *agent)
{
	uint64_t type;

	if (device[0])
		return true;
	glob_walk(DEVICES "*/cpus", take_device, NULL);
	if (!device[0] || !device_number("type", &type)) {
		agent_note(agent, "pmu: this guest has no counters of CPU events");
		return false;
	}
	device_type = (uint32_t)type;
	n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (n_cpus > CPUS_MAX) {
		agent_note(agent, "pmu: more than %d CPUs", CPUS_MAX);
		n_cpus = 0;
	}
	return n_cpus > 0;
}

static int open_event(uint64_t event, int half, int cpu, int leader)
{
	struct perf_event_attr attr = {
		.type = device_type,
		.size = sizeof(attr),
		.config = event,
		.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.pinned = leader < 0,
		.exclude_user = half != HALF_USER,
		.exclude_kernel = half != HALF_KERNEL,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, leader, PERF_FLAG_FD_CLOEXEC);
}

/* Both halves on every CPU, or none. The kernel refuses what does not fit into one group; it leaves out what is disabled
 * when it adds up (validate_event() in drivers/perf/arm_pmu.c), so a set counts while it is made. */
static bool open_everywhere(struct pmu_set *set, uint64_t event)
{
	static int opened[CPUS_MAX * HALVES];
	int n = 0, fd = 0, saved;

	while (fd >= 0 && n < n_cpus * HALVES) {
		int cpu = n / HALVES, half = n % HALVES;
		bool leads = set->n_events == 0 && half == 0;

		fd = open_event(event, half, cpu, leads ? -1 : set->leaders[cpu]);
		if (fd < 0)
			break;
		opened[n++] = fd;
		if (leads)
			set->leaders[cpu] = fd;
	}
	saved = errno;
	while (fd < 0 && n > 0)
		close(opened[--n]);
	errno = saved;
	return fd >= 0;
}

/* The kernel's answer: the number of values, time enabled, time running, the values in the order of opening. */
static void read_set(struct pmu_set *set, int when)
{
	struct reading *reading = &set->readings[when];
	unsigned int n = set->n_events * HALVES;

	memset(reading, 0, sizeof(*reading));
	for (int cpu = 0; cpu < n_cpus; cpu++) {
		uint64_t got[3 + EVENTS_MAX * HALVES];

		/* nothing: somebody else has the counters, and the pinned group was thrown out */
		if (read(set->leaders[cpu], got, sizeof(got)) < (ssize_t)((3 + n) * sizeof(got[0])) || got[0] != n) {
			reading->lost = true;
			continue;
		}
		reading->enabled_ns += got[1];
		reading->running_ns += got[2];
		for (unsigned int i = 0; i < n; i++)
			reading->values[i] += got[3 + i];
	}
}

static void switch_set(const struct pmu_set *set, bool on)
{
	for (int cpu = 0; cpu < n_cpus; cpu++)
		ioctl(set->leaders[cpu], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

void pmu_step(struct agent *agent, char *const events[])
{
	struct pmu_set *set = &sets[n_sets];
	char file[64];
	uint64_t event;

	if (agent->fake)
		return;
	if (n_sets == SETS_MAX)
		agent_fail(agent, "more than %u sets of counters", SETS_MAX);
	if (!find_device(agent))
		return;
	for (; *events && set->n_events < EVENTS_MAX; events++) {
		snprintf(file, sizeof(file), "events/%.39s", *events);
		if (!device_number(file, &event)) {
			agent_note(agent, "pmu: %s is left out: %s does not count it", *events, device);
			continue;
		}
		if (!open_everywhere(set, event)) {
			agent_note(agent, "pmu: %s is left out: %s", *events,
				   errno == EINVAL ? "no counter is left for it" : strerror(errno));
			continue;
		}
		snprintf(set->names[set->n_events++], sizeof(set->names[0]), "%.39s", *events);
	}
	if (!set->n_events)
		return;
	read_set(set, SNAPSHOT_BEFORE);
	if (set->readings[SNAPSHOT_BEFORE].lost)
		agent_note(agent, "pmu: the counters for %s are somebody else's", set->names[0]);
	switch_set(set, false);
	n_sets++;
}

void pmu_begin(const char *index)
{
	if (!n_sets)
		return;
	current = &sets[strtoull(index, NULL, 10) % n_sets];
	switch_set(current, true);
	read_set(current, SNAPSHOT_BEFORE);
}

void pmu_end(void)
{
	if (!n_sets)
		return;
	read_set(current, SNAPSHOT_AFTER);
	switch_set(current, false);
}

bool pmu_counts(void)
{
	return n_sets > 0;
}

ssize_t pmu_list(int when, char *buf, size_t size)
{
	const struct reading *reading = &current->readings[when];
	size_t used = 0;

	if (reading->lost)
		return -1;
	for (unsigned int i = 0; i < current->n_events * HALVES && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s %s %llu %llu %llu\n", current->names[i / HALVES],
					 half_names[i % HALVES], (unsigned long long)reading->values[i],
					 (unsigned long long)reading->enabled_ns,
					 (unsigned long long)reading->running_ns);
	return (ssize_t)(used < size ? used : size);
}
